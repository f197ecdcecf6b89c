use std::slice;

/// A subscriber's side of one of its channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// Index of the channel. It stays while the subscriber is its member.
    pub(crate) channel: u32,
    /// Which of the subscriber's tenants this is.
    pub(crate) nth: u32,
    /// The version of the status that the subscriber knows.
    pub(crate) seen: u32,
}

/// [`Member::seen`] until `open` told the status.
pub(crate) const NOT_OPEN: u32 = u32::MAX;

/// A subscriber's channels; a single one needs no allocation.
#[derive(Debug)]
pub(crate) enum Members {
    One(Member),
    Many(Vec<Member>),
}

impl Members {
    pub(crate) fn new(mut members: Vec<Member>) -> Self {
        match (members.pop(), members.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => {
                members.extend(last);
                Self::Many(members)
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[Member] {
        match self {
            Self::One(member) => slice::from_ref(member),
            Self::Many(members) => members,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Member] {
        match self {
            Self::One(member) => slice::from_mut(member),
            Self::Many(members) => members,
        }
    }

    pub(crate) fn remove(&mut self, nth: u32) {
        match self {
            Self::One(_) => *self = Self::Many(Vec::new()),
            Self::Many(members) => members.retain(|member| member.nth != nth),
        }
    }
}

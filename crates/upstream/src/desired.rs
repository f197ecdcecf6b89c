use std::sync::Arc;

use crate::TenantConfig;

/// What operators want of one connection. It is written where the tenants are kept, by one operation at a time, and read by
/// the connection, which compares it with what it did last: so nothing is lost between the two, however the connection
/// ends and begins anew.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) config: Arc<TenantConfig>,
    /// Why the tenant is switched off, when it is.
    pub(crate) pause: Option<Pause>,
    /// How often a new socket was asked for.
    pub(crate) reconnects: u64,
    /// Whether it is to end.
    pub(crate) end: End,
    /// What goes wrong next.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fault: Option<crate::testing::Fault>,
}

/// Why a tenant is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// By an operation, until another one.
    Operator,
    /// By `enabled = false`.
    Disabled,
}

/// Whether a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It lives.
    No,
    /// The gateway stops.
    Drain,
    /// Its tenant is removed.
    Remove,
}

impl Desired {
    pub(crate) fn new(config: TenantConfig, paused_by_operator: bool) -> Self {
        let pause = Pause::of(&config, paused_by_operator);
        Self {
            config: Arc::new(config),
            pause,
            reconnects: 0,
            end: End::No,
            #[cfg(any(test, feature = "testing"))]
            fault: None,
        }
    }
}

impl Pause {
    /// Settings weigh more: an operator can't switch on what they switch off.
    pub(crate) fn of(config: &TenantConfig, by_operator: bool) -> Option<Self> {
        match (config.enabled, by_operator) {
            (false, _) => Some(Self::Disabled),
            (true, true) => Some(Self::Operator),
            (true, false) => None,
        }
    }

    /// The machine-readable word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Disabled => "disabled",
        }
    }
}

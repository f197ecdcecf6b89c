use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use pushgate_model::{Cursor, TenantId};

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Whose pushes; at least one, no tenant twice.
    pub tenants: Vec<TenantId>,
    /// From where on.
    pub resume: Resume,
}

/// Where a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the next commit.
    Live,
    /// With the oldest kept push.
    Earliest,
    /// After this position.
    After(Cursor),
    /// Live, after a `gap` event that says that this text is no cursor.
    Malformed(String),
}

/// One live stream of Server-Sent Events: yields pieces of `text/event-stream`, whole events joined up to a limit.
/// It ends after a drain or when its tenants are gone. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscriber {}

impl Stream for Subscriber {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        unimplemented!()
    }
}

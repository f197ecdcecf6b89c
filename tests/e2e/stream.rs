use futures_util::StreamExt;
use pushgate_subscriber::{ControlEvent, Data, Event, EventStream, PushEvent, StreamError, StreamItem};
use tokio::time::timeout;

use crate::stack::PATIENCE;

/// A subscriber that a test reads from.
pub(crate) struct TestStream {
    stream: EventStream,
    /// The id of the last event: where it would resume.
    pub(crate) cursor: String,
}

impl TestStream {
    pub(crate) fn new(stream: EventStream) -> Self {
        Self { stream, cursor: String::new() }
    }

    /// The next item of any kind, or the refusal.
    pub(crate) async fn next(&mut self) -> Result<StreamItem, StreamError> {
        let item = timeout(PATIENCE, self.stream.next()).await.expect("something comes");
        item.expect("the stream goes on")
    }

    /// The next item of any kind.
    pub(crate) async fn item(&mut self) -> StreamItem {
        let item = self.next().await.expect("the stream is not refused");
        if let StreamItem::Event(event) = &item
            && !event.id.is_empty()
        {
            self.cursor.clone_from(&event.id);
        }
        item
    }

    /// The next event of any kind.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            if let StreamItem::Event(event) = self.item().await {
                return event;
            }
        }
    }

    /// The next push; other events are passed over.
    pub(crate) async fn push(&mut self) -> PushEvent {
        loop {
            if let Data::Push(push) = self.event().await.decode().expect("well-formed data") {
                return push;
            }
        }
    }

    /// The next `count` pushes.
    pub(crate) async fn pushes(&mut self, count: usize) -> Vec<PushEvent> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            all.push(self.push().await);
        }
        all
    }

    /// The next event that is no push.
    pub(crate) async fn control(&mut self) -> ControlEvent {
        loop {
            if let Data::Control(control) = self.event().await.decode().expect("well-formed data") {
                return control;
            }
        }
    }

    /// Waits for `open`.
    pub(crate) async fn opened(&mut self) -> ControlEvent {
        loop {
            let control = self.control().await;
            if matches!(control, ControlEvent::Open { .. }) {
                return control;
            }
        }
    }
}

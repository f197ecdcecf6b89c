use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    FanoutConfig, FanoutMetrics,
    message::{ChannelKey, ChannelState, Control, Frame, Message, ShardId},
};

/// The dispatch thread's end of one shard's inbox.
///
/// It never waits. When the inbox is full, in batches or in bytes, the shard is behind: nothing more is posted until
/// half of the batches were taken, and then one message tells the state of all its channels. By their positions the
/// shard sees which tails have a hole; it gives these up, and their streams read the journal.
#[derive(Debug)]
pub(crate) struct Outlet {
    shard: ShardId,
    inbox: mpsc::Sender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
    /// The batch that is being filled, and its bytes.
    frames: Vec<Frame>,
    bytes: usize,
    line: Line,
}

/// A shard's end of its inbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::Receiver<Message>,
    pub(crate) queued_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Line {
    /// What is posted arrives.
    Open,
    /// Something was refused. Removals are events, not state: they are kept until they can be told.
    Behind { removed: Vec<ChannelKey> },
    /// The shard is gone.
    Closed,
}

/// The way to one shard.
pub(crate) fn channel(shard: ShardId, config: &FanoutConfig) -> (Outlet, Inbox) {
    let (sender, messages) = mpsc::channel(config.inbox.max(2));
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let outlet = Outlet {
        shard,
        inbox: sender,
        queued_bytes: Arc::clone(&queued_bytes),
        max_bytes: config.tail_bytes,
        frames: Vec::new(),
        bytes: 0,
        line: Line::Open,
    };
    (outlet, Inbox { messages, queued_bytes })
}

impl Outlet {
    pub(crate) fn is_behind(&self) -> bool {
        matches!(self.line, Line::Behind { .. })
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.line, Line::Closed)
    }

    /// Adds a frame to the batch. Says whether it is the first one.
    pub(crate) fn push(&mut self, frame: Frame) -> bool {
        self.bytes += frame.bytes.len();
        self.frames.push(frame);
        self.frames.len() == 1
    }

    /// Posts the batch.
    pub(crate) fn flush(&mut self, metrics: &FanoutMetrics) {
        let frames = mem::take(&mut self.frames);
        let bytes = mem::take(&mut self.bytes);
        match self.line {
            Line::Closed => return,
            Line::Behind { .. } => {
                metrics.inbox_overflows.inc();
                return;
            }
            Line::Open => {}
        }
        // Added before it is posted, for the shard subtracts. A batch larger than the bound passes when it is alone.
        let before = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before + bytes > self.max_bytes {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            metrics.inbox_overflows.inc();
            self.fall_behind(Vec::new());
        } else if !self.send(Message::Frames(frames)) {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            if self.is_behind() {
                metrics.inbox_overflows.inc();
            }
        }
    }

    /// Posts one channel's state.
    pub(crate) fn state(&mut self, state: ChannelState) {
        if matches!(self.line, Line::Open) {
            self.send(Message::Control(Box::new(Control { states: vec![state], ..Control::default() })));
        }
    }

    /// Posts that a channel's tenant is gone.
    pub(crate) fn removed(&mut self, key: ChannelKey) {
        match &mut self.line {
            Line::Behind { removed } => removed.push(key),
            Line::Open => {
                self.send(Message::Control(Box::new(Control { removed: vec![key], ..Control::default() })));
            }
            Line::Closed => {}
        }
    }

    /// Posts that all streams are to end, each within `spread`.
    pub(crate) fn drain(&mut self, spread: Duration) {
        if matches!(self.line, Line::Open) {
            self.send(Message::Control(Box::new(Control { drain: Some(spread), ..Control::default() })));
        }
    }

    /// Posts that all streams are to look at their leases. A shard that is behind is told with everything else.
    pub(crate) fn recheck(&mut self) {
        if matches!(self.line, Line::Open) {
            self.send(Message::Control(Box::new(Control { recheck: true, ..Control::default() })));
        }
    }

    /// Whether a shard that is behind has made enough room to be told where everything stands.
    pub(crate) fn can_catch_up(&self) -> bool {
        self.is_behind() && self.inbox.capacity() * 2 >= self.inbox.max_capacity()
    }

    /// Tells a shard that was behind where everything stands: `now` holds the state of all its channels.
    pub(crate) fn catch_up(&mut self, mut now: Control) {
        if let Line::Behind { removed } = &mut self.line {
            now.removed = mem::take(removed);
            // Whether it was asked meanwhile is not kept: looking once more costs little.
            now.recheck = true;
            self.line = Line::Open;
            tracing::debug!(shard = self.shard.0, "the inbox has room again");
            self.send(Message::Control(Box::new(now)));
        }
    }

    fn send(&mut self, message: Message) -> bool {
        match self.inbox.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(message)) => {
                self.fall_behind(match message {
                    Message::Frames(_) => Vec::new(),
                    Message::Control(control) => control.removed,
                });
                false
            }
            Err(TrySendError::Closed(_)) => {
                self.line = Line::Closed;
                false
            }
        }
    }

    fn fall_behind(&mut self, removed: Vec<ChannelKey>) {
        self.line = Line::Behind { removed };
        tracing::debug!(shard = self.shard.0, "the inbox is full, streams fall back to the journal");
    }
}

#[cfg(test)]
mod tests {
    use pushgate_model::Timestamp;

    use super::*;
    use crate::tests::seq;

    const KEY: ChannelKey = ChannelKey { index: 0, generation: 0 };

    fn post(outlet: &mut Outlet, metrics: &FanoutMetrics, size: usize) {
        let frame =
            Frame { key: KEY, seq: seq(1), bytes: vec![0; size].into(), received_at: Timestamp::from_millis(0) };
        assert!(outlet.push(frame));
        outlet.flush(metrics);
    }

    #[test]
    fn a_shard_that_is_behind_is_told_everything_at_once_when_it_made_room() {
        let metrics = FanoutMetrics::default();
        let (mut outlet, mut inbox) = channel(ShardId(0), &FanoutConfig { inbox: 4, ..FanoutConfig::default() });
        for _ in 0..4 {
            post(&mut outlet, &metrics, 1);
        }
        assert!(!outlet.is_behind());
        post(&mut outlet, &metrics, 1);
        assert!(outlet.is_behind());
        outlet.removed(KEY);
        outlet.drain(Duration::ZERO);
        outlet.recheck();
        post(&mut outlet, &metrics, 1);
        assert_eq!(metrics.inbox_overflows.get(), 2);

        inbox.messages.try_recv().unwrap();
        assert!(!outlet.can_catch_up(), "room for one message is soon full again");
        inbox.messages.try_recv().unwrap();
        assert!(outlet.can_catch_up());
        outlet.catch_up(Control { drain: Some(Duration::ZERO), ..Control::default() });
        assert!(!outlet.is_behind());
        assert!(matches!(inbox.messages.try_recv().unwrap(), Message::Frames(_)));
        assert!(matches!(inbox.messages.try_recv().unwrap(), Message::Frames(_)));
        let Message::Control(control) = inbox.messages.try_recv().unwrap() else { panic!("a control message") };
        assert_eq!(control.removed, [KEY]);
        assert!(control.drain.is_some() && control.recheck);
        assert!(inbox.messages.try_recv().is_err(), "what was refused is not posted");
    }

    #[test]
    fn a_removal_that_finds_no_room_is_kept() {
        let metrics = FanoutMetrics::default();
        let (mut outlet, mut inbox) = channel(ShardId(0), &FanoutConfig { inbox: 2, ..FanoutConfig::default() });
        post(&mut outlet, &metrics, 1);
        post(&mut outlet, &metrics, 1);
        outlet.removed(KEY);
        while inbox.messages.try_recv().is_ok() {}
        outlet.catch_up(Control::default());
        let Message::Control(control) = inbox.messages.try_recv().unwrap() else { panic!("a control message") };
        assert_eq!(control.removed, [KEY]);
    }

    #[test]
    fn bytes_are_bounded_but_a_large_batch_passes_alone() {
        let metrics = FanoutMetrics::default();
        let (mut outlet, inbox) = channel(ShardId(0), &FanoutConfig { tail_bytes: 100, ..FanoutConfig::default() });
        post(&mut outlet, &metrics, 1_000);
        assert!(!outlet.is_behind());
        post(&mut outlet, &metrics, 1);
        assert!(outlet.is_behind());
        assert_eq!(inbox.queued_bytes.load(Ordering::Relaxed), 1_000, "what was refused does not count");
    }

    #[test]
    fn a_shard_that_is_gone_is_no_overflow() {
        let metrics = FanoutMetrics::default();
        let (mut outlet, inbox) = channel(ShardId(0), &FanoutConfig::default());
        drop(inbox);
        outlet.drain(Duration::ZERO);
        assert!(outlet.is_closed());
        post(&mut outlet, &metrics, 1);
        assert_eq!(metrics.inbox_overflows.get(), 0);
    }
}

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use pushgate_model::{Push, PushId, Timestamp};

use crate::content::{NewPush, monotonic_nanos};

/// Most pushes of one batch.
const BATCH_PUSHES: usize = 128;
/// Bytes at which a batch is full; it always takes one push, however large.
const BATCH_BYTES: usize = 32 * 1024;

/// The pushes of one account that have no answer yet, and when each is to be sent. No clock, no socket.
///
/// All of them are in `pending` by age. Those that are to be sent now are in `ready` too; those that were sent have an
/// entry in `sent`, which is in the order of falling due because the interval is the same for all. An entry whose push
/// was answered or sent again meanwhile is skipped when it falls due.
#[derive(Default)]
pub(crate) struct Queue {
    pending: BTreeMap<u64, Pending>,
    by_id: HashMap<PushId, u64>,
    ready: BTreeSet<u64>,
    sent: VecDeque<Due>,
    next: u64,
}

/// A push without an answer.
pub(crate) struct Pending {
    pub(crate) push: NewPush,
    /// How often it was sent, over all sockets.
    pub(crate) attempts: u32,
    /// When it was sent last.
    pub(crate) sent_at: Option<Timestamp>,
    stamped_at: u64,
    /// The socket on which it was sent last, and how often on that one.
    socket: Option<(u64, u32)>,
}

struct Due {
    at: Instant,
    age: u64,
    attempts: u32,
}

/// A push that is to be sent now.
pub(crate) struct Sending {
    pub(crate) push: Push,
    /// How often it is sent with this, over all sockets: 1 for the first time.
    pub(crate) attempt: u32,
}

/// The rules of redelivery.
#[derive(Clone, Copy)]
pub(crate) struct Redelivery {
    pub(crate) after: Duration,
    pub(crate) attempts: u32,
}

impl Queue {
    /// Takes a push to be sent as soon as there is a socket. True when it is new; a push whose id is pending already
    /// gets the new texts and is sent again at once.
    pub(crate) fn add(&mut self, push: NewPush) -> bool {
        if let Some(&age) = self.by_id.get(&push.id) {
            if let Some(pending) = self.pending.get_mut(&age) {
                pending.push = push;
            }
            self.ready.insert(age);
            return false;
        }
        let age = self.next;
        self.next += 1;
        self.by_id.insert(push.id.clone(), age);
        self.pending.insert(age, Pending { push, attempts: 0, sent_at: None, stamped_at: 0, socket: None });
        self.ready.insert(age);
        true
    }

    /// The oldest pushes that are to be sent now, up to `most` of them, marked as sent on `socket`: they fall due at
    /// `due`.
    pub(crate) fn next_batch(&mut self, socket: u64, due: Instant, most: usize) -> Vec<Sending> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_PUSHES.min(most) && bytes < BATCH_BYTES {
            let Some(age) = self.ready.pop_first() else { break };
            let Some(pending) = self.pending.get_mut(&age) else { continue };
            let push = pending.send_on(socket);
            bytes += push.title.len() + push.body.len();
            self.sent.push_back(Due { at: due, age, attempts: pending.attempts });
            batch.push(Sending { push, attempt: pending.attempts });
        }
        batch
    }

    /// Removes the push that was answered.
    pub(crate) fn settle(&mut self, id: &PushId) -> Option<Pending> {
        let age = self.by_id.remove(id)?;
        self.ready.remove(&age);
        self.pending.remove(&age)
    }

    /// Makes the pushes ready whose time without an answer is up. The answer names the sockets that had all their
    /// attempts and are to be cut.
    pub(crate) fn fall_due(&mut self, now: Instant, attempts: u32) -> Vec<u64> {
        let mut exhausted = Vec::new();
        while let Some(due) = self.sent.pop_front_if(|due| due.at <= now) {
            let Some(pending) = self.pending.get(&due.age).filter(|p| p.attempts == due.attempts) else { continue };
            match pending.socket {
                Some((socket, sends)) if sends >= attempts => {
                    if !exhausted.contains(&socket) {
                        exhausted.push(socket);
                    }
                }
                _ => {
                    self.ready.insert(due.age);
                }
            }
        }
        exhausted
    }

    /// What was sent on a socket that is gone, and has no answer, is to be sent again at once.
    pub(crate) fn socket_gone(&mut self, socket: u64) {
        for (age, pending) in &mut self.pending {
            if pending.socket.is_some_and(|(last, _)| last == socket) {
                pending.socket = None;
                self.ready.insert(*age);
            }
        }
    }

    pub(crate) fn get(&self, id: &PushId) -> Option<&Pending> {
        self.pending.get(self.by_id.get(id)?)
    }

    /// Whether a push is to be sent now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Forgets every push and answers how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        let forgotten = self.pending.len();
        *self = Self { next: self.next, ..Self::default() };
        forgotten
    }
}

impl Pending {
    fn send_on(&mut self, socket: u64) -> Push {
        if self.attempts == 0 {
            // A repeat keeps its stamp: the service sends the same push, byte by byte.
            self.stamped_at = monotonic_nanos();
        }
        self.attempts = self.attempts.saturating_add(1);
        self.sent_at = Some(SystemTime::now().into());
        let sends = self.socket.filter(|(last, _)| *last == socket).map_or(0, |(_, sends)| sends);
        self.socket = Some((socket, sends.saturating_add(1)));
        self.push.render(self.stamped_at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::content::plausible;

    const AFTER: Duration = Duration::from_secs(5);

    fn push(id: &str) -> NewPush {
        NewPush { id: id.into(), created_at: "now".into(), content: Arc::new(plausible()), counter: 0 }
    }

    fn sent(queue: &mut Queue, socket: u64, now: Instant) -> usize {
        queue.next_batch(socket, now + AFTER, usize::MAX).len()
    }

    #[test]
    fn an_unanswered_push_is_sent_again_and_its_socket_is_cut_after_the_attempts() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        assert!(queue.add(push("a")));
        assert_eq!(sent(&mut queue, 1, start), 1);
        assert!(queue.fall_due(start + AFTER / 2, 2).is_empty());
        assert_eq!(sent(&mut queue, 1, start), 0);
        assert!(queue.fall_due(start + AFTER, 2).is_empty());
        assert_eq!(sent(&mut queue, 1, start + AFTER), 1);
        assert_eq!(queue.fall_due(start + AFTER * 2, 2), [1]);
        assert_eq!(queue.get(&"a".into()).map(|p| p.attempts), Some(2));
    }

    #[test]
    fn an_answered_push_is_never_sent_again() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.add(push("a"));
        sent(&mut queue, 1, start);
        assert!(queue.settle(&"a".into()).is_some());
        assert!(queue.settle(&"a".into()).is_none());
        assert!(queue.fall_due(start + AFTER * 9, 1).is_empty());
        queue.socket_gone(1);
        assert_eq!((sent(&mut queue, 2, start), queue.len()), (0, 0));
    }

    #[test]
    fn a_new_socket_gets_the_unanswered_pushes_first_with_all_attempts() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for id in ["a", "b"] {
            queue.add(push(id));
        }
        sent(&mut queue, 1, start);
        queue.add(push("c"));
        queue.socket_gone(1);
        let batch = queue.next_batch(2, start + AFTER, usize::MAX);
        let attempts: Vec<_> = batch.iter().map(|sending| sending.attempt).collect();
        let ages: Vec<_> = queue.sent.iter().rev().take(3).map(|due| due.age).collect();
        assert_eq!((attempts, ages), (vec![2, 2, 1], vec![2, 1, 0]));
        assert!(queue.fall_due(start + AFTER, 2).is_empty());
    }

    #[test]
    fn a_pending_id_given_again_is_repeated_at_once_and_counted_once() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.add(push("a"));
        sent(&mut queue, 1, start);
        assert!(!queue.add(push("a")));
        assert_eq!((sent(&mut queue, 1, start), queue.len()), (1, 1));
    }

    #[test]
    fn a_batch_is_bounded_by_number_and_bytes() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for n in 0..=BATCH_PUSHES {
            queue.add(push(&n.to_string()));
        }
        assert!(sent(&mut queue, 1, start) <= BATCH_PUSHES);
        queue.clear();
        let large =
            Arc::new(crate::content::Content { title: String::new(), body: "x".repeat(BATCH_BYTES), stamp: None });
        for id in ["a", "b"] {
            queue.add(NewPush { content: large.clone(), ..push(id) });
        }
        assert_eq!(sent(&mut queue, 1, start), 1);
        assert!(queue.next_batch(1, start, 0).is_empty());
    }
}

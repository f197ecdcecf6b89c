use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Excluded, Included},
    time::Instant,
};

use pushgate_model::{PushId, Seq};

use crate::SocketId;

/// Open waits of one tenant at a time. Beyond it no further one opens: the push stays due and unanswered, and the
/// service sends it again.
pub const MAX_WAITS: usize = 65_536;
/// An index with room for more than this gives its memory back when it is empty.
const KEPT_ROOM: usize = 64;

/// Pushes that wait for a subscriber: at most one wait per id. Every operation costs O(log n).
#[derive(Debug, Default)]
pub(crate) struct Waits {
    open: BTreeMap<Seq, Wait>,
    seqs: HashMap<PushId, Seq>,
    /// Those whose answer is not being recorded, by position and by deadline.
    idle: BTreeSet<Seq>,
    deadlines: BTreeSet<(Instant, Seq)>,
}

/// One of them.
#[derive(Debug)]
struct Wait {
    push_id: PushId,
    /// The newest socket by which the push came.
    socket: SocketId,
    deadline: Instant,
}

/// What became of a push that is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It waits now, by a wait of its own or by one that was open.
    Waits,
    /// There are [`MAX_WAITS`] already.
    Full,
}

impl Waits {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Opens a wait, or joins the open one for this push: then the newest socket counts, and the first deadline stays.
    pub(crate) fn open(&mut self, push_id: PushId, seq: Seq, socket: SocketId, deadline: Instant) -> Opened {
        if let Some(present) = self.seqs.get(&push_id).copied() {
            if let Some(wait) = self.open.get_mut(&present).filter(|_| present == seq) {
                wait.socket = wait.socket.max(socket);
                return Opened::Waits;
            }
            // The journal has forgotten the push in between and stored it anew: only the new position counts.
            self.close(&push_id);
        }
        if self.open.len() >= MAX_WAITS {
            return Opened::Full;
        }
        self.seqs.insert(push_id.clone(), seq);
        self.idle.insert(seq);
        self.deadlines.insert((deadline, seq));
        self.open.insert(seq, Wait { push_id, socket, deadline });
        Opened::Waits
    }

    /// Ends the wait for this push, if there is one, and says by which socket it is to be answered.
    pub(crate) fn close(&mut self, push_id: &PushId) -> Option<SocketId> {
        let seq = self.seqs.remove(push_id)?;
        if self.seqs.is_empty() && self.seqs.capacity() > KEPT_ROOM {
            self.seqs = HashMap::new();
        }
        self.rest(seq);
        self.open.remove(&seq).map(|wait| wait.socket)
    }

    /// When the first deadline passes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The next wait whose deadline has passed, and the socket by which it is to be answered. From now on it has no
    /// deadline: it is to be settled, or closed.
    pub(crate) fn pop_overdue(&mut self, now: Instant) -> Option<(PushId, SocketId)> {
        let (_, seq) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now)?;
        self.rest(seq);
        self.open.get(&seq).map(|wait| (wait.push_id.clone(), wait.socket))
    }

    /// The waits above `after`, up to and with `upto`, whose answer is not being recorded yet. From now on it is.
    pub(crate) fn settle(&mut self, after: Seq, upto: Seq) -> Vec<PushId> {
        if after >= upto {
            return Vec::new();
        }
        let seqs: Vec<Seq> = self.idle.range((Excluded(after), Included(upto))).copied().collect();
        seqs.into_iter()
            .filter_map(|seq| {
                self.rest(seq);
                self.open.get(&seq).map(|wait| wait.push_id.clone())
            })
            .collect()
    }

    /// Takes a wait out of those for which something may still be asked.
    fn rest(&mut self, seq: Seq) {
        if self.idle.remove(&seq)
            && let Some(wait) = self.open.get(&seq)
        {
            self.deadlines.remove(&(wait.deadline, seq));
        }
    }
}

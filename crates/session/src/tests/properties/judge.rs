use std::collections::HashMap;

use super::{Event, Operator, Wish, journal::Journal};
use crate::tests::*;
use proptest::{prelude::*, sample::Index};

mod verdicts;

type Verdict = Result<(), TestCaseError>;

const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// What the journal was given.
struct Given {
    socket: SocketId,
    push_id: Option<PushId>,
    bytes: usize,
    broken: bool,
}

/// A socket as the world sees it.
struct Open {
    id: SocketId,
    since: Instant,
    progressed: bool,
    leaving_by: Option<Instant>,
}

/// A push that waits for a subscriber, as the world sees it.
struct Wait {
    socket: SocketId,
    deadline: Instant,
    settling: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    Line,
    Paused,
    Drained,
}

/// Whether overdue waits end by what was called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overdue {
    End,
    Stay,
}

/// Drives a session and knows from outside what it may do.
pub(super) struct Judge {
    rig: Rig,
    journal: Journal,
    answers: AnswerConfig,
    room: Room,
    /// Without the journal's word yet.
    given: Vec<Given>,
    recording: Vec<(PushId, Answer, Settlement)>,
    waits: HashMap<PushId, Wait>,
    /// Answers that are known and allowed, on the socket by which their push came.
    due: HashMap<(SocketId, PushId, Answer), usize>,
    /// How often a push came by a socket without an answer on it.
    unanswered: HashMap<(SocketId, PushId), usize>,
    /// Settlements that must be asked for now.
    expected: Vec<(PushId, Answer, Settlement)>,
    aim: Aim,
    open: Option<Open>,
    dialling: bool,
    planned: Option<Instant>,
    shown: Option<(ConnectionState, Option<String>)>,
    attempt: u32,
    /// What happened allows attempts to be forgotten.
    forgets: bool,
}

impl Judge {
    pub(super) fn new(seed: u64) -> Result<Self, TestCaseError> {
        let mut judge = Self {
            rig: Rig::new(seed),
            journal: Journal::default(),
            answers: AnswerConfig::default(),
            room: Room::Ample,
            given: Vec::new(),
            recording: Vec::new(),
            waits: HashMap::new(),
            due: HashMap::new(),
            unanswered: HashMap::new(),
            expected: Vec::new(),
            aim: Aim::Line,
            open: None,
            dialling: false,
            planned: None,
            shown: None,
            attempt: 0,
            forgets: false,
        };
        judge.look(Overdue::Stay)?;
        Ok(judge)
    }

    pub(super) fn act(&mut self, event: Event) -> Verdict {
        let readable = self.open.is_some() && self.rig.reads();
        match event {
            Event::Push(n) if readable => self.rig.push(&n.to_string()),
            Event::Broken(None) if readable => self.rig.frame(Frame::Binary(Bytes::from_static(b"\xff"))),
            Event::Broken(Some(n)) if readable => {
                self.rig.frame(Frame::Oversized { head: push(&n.to_string()), len: 1 << 20 });
            }
            Event::Other(frame) if readable => {
                self.rig.frame(frame.clone());
                let pong = Effect::Pong(Bytes::from_static(b"p"));
                prop_assert_eq!(self.rig.effects.contains(&pong), matches!(frame, Frame::Ping(_)));
            }
            Event::Commit(which, wish) if !self.given.is_empty() => return self.commit(which, wish),
            Event::Word(n, word) => self.word(&n.to_string().as_str().into(), word),
            Event::Deliver(after, upto) => self.deliver(after, upto),
            Event::Settle(which, writes) if !self.recording.is_empty() => self.settle(which, writes),
            Event::Pass(millis) => self.pass(Duration::from_millis(millis.into()))?,
            Event::Stall(millis) => return self.stall(Duration::from_millis(millis.into())),
            Event::End(ending) if self.open.is_some() || self.dialling => self.end(&ending),
            Event::Dial if self.planned.is_some() => {
                self.planned = None;
                self.dialling = true;
                self.rig.dial();
            }
            Event::Upgrade if self.dialling => return self.upgrade(),
            Event::Operator(operator) => self.operate(operator),
            Event::Room(room) => {
                self.room = room;
                self.rig.set_room(room);
            }
            Event::Answers(on_timeout, millis) => {
                let timeout = Duration::from_millis(millis.into());
                self.answers = AnswerConfig { timeout, on_timeout, ..self.answers };
                self.rig.session.set_answers(self.answers);
            }
            _ => {}
        }
        self.look(Overdue::Stay)
    }

    fn commit(&mut self, which: Index, wish: Wish) -> Verdict {
        let Given { socket, push_id, bytes, broken } = self.given.remove(which.index(self.given.len()));
        let (outcome, fresh) = match (&push_id, wish) {
            (_, Wish::Mute) if broken => (CommitOutcome::Muted, false),
            (_, Wish::Answer(_) | Wish::Await) if broken => (CommitOutcome::Quarantined, false),
            (Some(push_id), wish) => self.journal.push(push_id, wish),
            (None, _) => (CommitOutcome::Failed, false),
        };
        self.expire(self.socket());
        if let Some(push_id) = push_id.clone() {
            match outcome {
                CommitOutcome::Answered(answer) => {
                    self.waits.remove(&push_id);
                    self.owe(socket, push_id, answer);
                }
                CommitOutcome::Awaits(_) => {
                    let deadline = self.rig.now + self.answers.timeout;
                    let wait = self.waits.entry(push_id).or_insert(Wait { socket, deadline, settling: false });
                    wait.socket = wait.socket.max(socket);
                }
                CommitOutcome::Quarantined => self.owe(socket, push_id, self.answers.on_quarantine),
                CommitOutcome::Muted | CommitOutcome::Failed => {}
            }
        }
        if fresh {
            self.forgets = true;
            if let Some(open) = self.open.as_mut().filter(|open| open.id == socket) {
                open.progressed = true;
            }
        }
        self.rig.commit(Committed { socket, push_id, bytes, fresh, outcome });
        self.look(Overdue::Stay)
    }

    fn owe(&mut self, socket: SocketId, push_id: PushId, answer: Answer) {
        *self.due.entry((socket, push_id, answer)).or_default() += 1;
    }

    fn word(&mut self, push_id: &PushId, word: Answer) {
        if self.journal.word(push_id, word) {
            if let Some(wait) = self.waits.remove(push_id) {
                self.owe(wait.socket, push_id.clone(), word);
            }
            self.rig.word(push_id.as_str(), word);
        }
    }

    fn deliver(&mut self, after: u64, upto: u64) {
        for (push_id, wait) in self.waits.iter_mut().filter(|(_, wait)| !wait.settling) {
            if self.journal.seq(push_id).is_some_and(|seq| at(after) < seq && seq <= at(upto)) {
                wait.settling = true;
                self.expected.push((push_id.clone(), Answer::Ack, Settlement::Delivered));
            }
        }
        self.rig.delivered(after, upto);
    }

    fn settle(&mut self, which: Index, writes: bool) {
        let (push_id, answer, by) = self.recording.swap_remove(which.index(self.recording.len()));
        let stands = if writes { self.journal.settle(&push_id, answer, by) } else { None };
        if let (Some(wait), Some(answer)) = (self.waits.remove(&push_id), stands) {
            self.owe(wait.socket, push_id.clone(), answer);
        }
        self.rig.settled(push_id.as_str(), stands);
    }

    /// Looks after every tick, since each may leave a socket.
    fn pass(&mut self, time: Duration) -> Verdict {
        let end = self.rig.now + time;
        for ticks in 0.. {
            prop_assert!(ticks < 200, "ticks without end");
            let Some(at) = self.rig.armed().filter(|at| *at <= end) else { break };
            self.rig.tick(at.max(self.rig.now));
            self.look(Overdue::End)?;
        }
        self.rig.now = end;
        Ok(())
    }

    fn stall(&mut self, time: Duration) -> Verdict {
        let late = self.rig.armed().unwrap_or(self.rig.now).max(self.rig.now) + time;
        self.rig.tick(late);
        prop_assert!(!self.rig.effects.contains(&Effect::Drop), "the peer is blamed for our standing still");
        self.look(Overdue::End)
    }

    fn end(&mut self, ending: &Ending) {
        self.dialling = false;
        self.rig.ended(ending);
    }

    fn upgrade(&mut self) -> Verdict {
        self.dialling = false;
        self.rig.effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
        let (id, since) = (self.rig.upgrade(), self.rig.now);
        self.open = Some(Open { id, since, progressed: false, leaving_by: None });
        self.look(Overdue::End)
    }

    fn operate(&mut self, operator: Operator) {
        let leaves = match (operator, self.aim) {
            (Operator::Pause(_), Aim::Line) => Some(Aim::Paused),
            (Operator::Reconnect, Aim::Line) => Some(Aim::Line),
            (Operator::Drain, _) => Some(Aim::Drained),
            (Operator::Resume, Aim::Paused) => {
                self.aim = Aim::Line;
                None
            }
            _ => None,
        };
        if let Some(aim) = leaves {
            self.aim = aim;
            if let Some(open) = &mut self.open {
                open.leaving_by.get_or_insert(self.rig.now + LEAVE_TIMEOUT);
            }
        }
        self.forgets = true;
        match operator {
            Operator::Pause(reason) => self.rig.session.pause(reason, self.rig.now, &mut self.rig.effects),
            Operator::Resume => self.rig.resume(),
            Operator::Reconnect => self.rig.reconnect(),
            Operator::Drain => self.rig.drain(),
        }
    }

    /// What must become of waits whose time is over.
    fn expire(&mut self, socket: Option<SocketId>) {
        let (now, on_timeout) = (self.rig.now, self.answers.on_timeout);
        let mut settled = Vec::new();
        self.waits.retain(|push_id, wait| {
            if wait.settling || wait.deadline > now {
                return true;
            }
            wait.settling = on_timeout.is_some() && socket == Some(wait.socket);
            settled.extend(on_timeout.filter(|_| wait.settling).map(|answer| (push_id.clone(), answer)));
            wait.settling
        });
        let by = Settlement::Deadline;
        self.expected.extend(settled.into_iter().map(|(push_id, answer)| (push_id, answer, by)));
    }

    fn look(&mut self, overdue: Overdue) -> Verdict {
        let dropped = self.rig.effects.contains(&Effect::Drop);
        if overdue == Overdue::End {
            self.expire(self.socket().filter(|_| !dropped));
        }
        let before = self.open.as_ref().map(|open| (self.rig.now - open.since, open.progressed));
        let good = before.is_some_and(|(age, _)| age >= config().backoff.healthy_after);
        self.forgets |= good || before.is_some_and(|(_, progressed)| progressed);
        let mut ended = None;
        for effect in std::mem::take(&mut self.rig.effects) {
            match effect {
                Effect::Store { push, socket, bytes } => {
                    self.give(Given { socket, push_id: Some(push.id), bytes, broken: false })?;
                }
                Effect::Quarantine { entry, socket, bytes } => {
                    self.give(Given { socket, push_id: entry.push_id, bytes, broken: true })?;
                }
                Effect::Answer { push_id, answer, .. } => self.judge_answer(push_id, answer)?,
                Effect::Settle { push_id, answer, by } => self.judge_settle(push_id, answer, by)?,
                Effect::Close(_) | Effect::Drop => {
                    prop_assert!(self.open.is_some() && ended.is_none(), "there is no socket to leave");
                }
                Effect::Ping | Effect::Pong(_) => prop_assert!(self.open.is_some(), "there is no socket to write to"),
                Effect::Halt => {
                    prop_assert!(self.planned.take().is_some() || self.dialling, "there is nothing to forget");
                    self.dialling = false;
                }
                Effect::Ended(summary) => {
                    prop_assert!(ended.is_none(), "two summaries of one ending");
                    self.open = None;
                    ended = Some(summary.reason);
                }
                Effect::State { state, reason } => self.judge_state(state, reason, ended.as_deref())?,
                Effect::RedialAt(at) => {
                    prop_assert!(self.aim == Aim::Line && self.open.is_none());
                    self.dialling = false;
                    self.planned = Some(at);
                    let progressed = before.is_some_and(|(_, progressed)| progressed) && (dropped || !good);
                    self.judge_wait(at.saturating_duration_since(self.rig.now), progressed)?;
                }
                keep @ Effect::Arm(_) => self.rig.effects.push(keep),
                Effect::Ignored(_) => {}
            }
        }
        prop_assert!(self.expected.is_empty(), "{:?} was not settled", self.expected);
        let owed = self.due.iter().find(|((socket, ..), due)| Some(*socket) == self.socket() && **due > 0);
        prop_assert!(owed.is_none(), "{owed:?} stays unanswered");
        self.judge_attempts()?;
        self.judge_view()?;
        self.judge_ticks()
    }

    fn give(&mut self, given: Given) -> Verdict {
        prop_assert_eq!(Some(given.socket), self.socket());
        if let Some(push_id) = &given.push_id {
            *self.unanswered.entry((given.socket, push_id.clone())).or_default() += 1;
        }
        self.given.push(given);
        Ok(())
    }

    fn socket(&self) -> Option<SocketId> {
        self.open.as_ref().map(|open| open.id)
    }

    /// After a drain the journal fails at everything that it still has: then all is quiet.
    pub(super) fn finish(mut self) -> Verdict {
        while let Some(Given { socket, push_id, bytes, .. }) = self.given.pop() {
            self.expire(self.socket());
            let outcome = CommitOutcome::Failed;
            self.rig.commit(Committed { socket, push_id, bytes, fresh: false, outcome });
            self.look(Overdue::Stay)?;
        }
        while let Some((push_id, ..)) = self.recording.pop() {
            self.waits.remove(&push_id);
            self.rig.settled(push_id.as_str(), None);
            self.look(Overdue::Stay)?;
        }
        self.pass(3600 * SECOND)?;
        let view = self.rig.session.view();
        prop_assert!(self.aim == Aim::Drained && view.socket.is_none() && view.redial_at.is_none());
        prop_assert_eq!((view.waits, view.in_flight), (0, 0));
        Ok(())
    }
}

use std::collections::HashMap;

use proptest::{prelude::*, sample::Index};

use super::*;

/// What the world does next.
#[derive(Clone, Debug)]
enum Event {
    Push(u8),
    /// A push that can't be accepted, with or without an id that can be scanned.
    Broken(Option<u8>),
    /// A frame that asks for nothing to be stored.
    Other(Frame),
    Commit(Index, CommitOutcome),
    /// Time with the ticks that were asked for.
    Pass(u32),
    /// This process stands still: one tick, long after its time.
    Stall(u32),
    End(Ending),
    Dial,
    Upgrade,
    Drain,
}

fn ending() -> impl Strategy<Value = Ending> {
    let status = prop::sample::select(vec![302, 401, 403, 404, 429, 500, 503]);
    let retry_after = prop::option::of((0u64..2000).prop_map(Duration::from_secs));
    prop_oneof![
        4 => Just(Ending::Eof),
        3 => (status, retry_after).prop_map(|(status, retry_after)| Ending::Rejected { status, retry_after }),
        1 => Just(Ending::Requested),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop::sample::select(vec![
        CommitOutcome::Stored,
        CommitOutcome::Duplicate,
        CommitOutcome::Failed,
        CommitOutcome::Muted,
    ]);
    let other = prop::sample::select(vec![
        Frame::Pong,
        Frame::Text,
        Frame::Ping(Bytes::from_static(b"p")),
        Frame::Binary(Bytes::new()),
        Frame::Close(Some(1001)),
    ]);
    prop_oneof![
        120 => (0u8..6).prop_map(Event::Push),
        40 => prop::option::of(0u8..6).prop_map(Event::Broken),
        40 => other.prop_map(Event::Other),
        140 => (any::<Index>(), outcome).prop_map(|(which, outcome)| Event::Commit(which, outcome)),
        60 => (0u32..90_000).prop_map(Event::Pass),
        10 => (2_100u32..600_000).prop_map(Event::Stall),
        20 => ending().prop_map(Event::End),
        60 => Just(Event::Dial),
        50 => Just(Event::Upgrade),
        1 => Just(Event::Drain),
    ]
}

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
}

/// Watches a session from outside.
#[derive(Default)]
struct Judge {
    /// Without the journal's word yet.
    given: Vec<Given>,
    /// Commits that may be answered, once each, on the socket by which their push came.
    due: HashMap<(SocketId, PushId, Answer), usize>,
    open: Option<Open>,
    dialling: bool,
    draining: bool,
    attempt: u32,
}

impl Judge {
    fn look(&mut self, rig: &mut Rig) -> Result<(), TestCaseError> {
        let mut entered = None;
        let was_open = self.open.as_ref().map(|open| open.since);
        for effect in std::mem::take(&mut rig.effects) {
            match effect {
                Effect::Store { push, socket, bytes } => {
                    self.give(Given { socket, push_id: Some(push.id), bytes, broken: false })?;
                }
                Effect::Quarantine { entry, socket, bytes } => {
                    self.give(Given { socket, push_id: entry.push_id, bytes, broken: true })?;
                }
                Effect::Answer { push_id, answer, .. } => {
                    let socket = self.socket().ok_or_else(|| TestCaseError::fail("an answer without a socket"))?;
                    let due = self.due.get_mut(&(socket, push_id, answer)).filter(|due| **due > 0);
                    *due.ok_or_else(|| TestCaseError::fail("an answer before its commit"))? -= 1;
                }
                Effect::Close(_) | Effect::Drop => {
                    prop_assert!(self.open.take().is_some(), "there is no socket to leave");
                }
                Effect::Ping | Effect::Pong(_) => prop_assert!(self.open.is_some(), "there is no socket to write to"),
                Effect::State { state, .. } => {
                    prop_assert!(!self.draining || state == ConnectionState::Draining, "{state:?} in a drain");
                    prop_assert!(state != ConnectionState::Connected || self.open.is_some());
                    entered = Some(state);
                }
                Effect::RedialAt(at) => {
                    prop_assert!(!self.draining && self.open.is_none());
                    let wait = at.saturating_duration_since(rig.now);
                    judge_wait(wait, entered, rig.session.view().attempt)?;
                }
                keep @ Effect::Arm(_) => rig.effects.push(keep),
                Effect::Ignored(_) => {}
            }
        }
        self.judge_attempts(rig, was_open)?;
        self.judge_view(rig)
    }

    fn give(&mut self, given: Given) -> Result<(), TestCaseError> {
        prop_assert_eq!(Some(given.socket), self.socket());
        self.given.push(given);
        Ok(())
    }

    fn socket(&self) -> Option<SocketId> {
        self.open.as_ref().map(|open| open.id)
    }

    /// Attempts grow one by one and are forgotten only by a connection that lived for long enough.
    fn judge_attempts(&mut self, rig: &Rig, was_open: Option<Instant>) -> Result<(), TestCaseError> {
        let attempt = rig.session.view().attempt;
        if attempt < self.attempt {
            let age = was_open.map_or(Duration::ZERO, |since| rig.now - since);
            prop_assert!(attempt <= 1 && age >= config().backoff.healthy_after, "forgotten after {age:?}");
        }
        prop_assert!(attempt <= self.attempt + 1);
        self.attempt = attempt;
        Ok(())
    }

    fn judge_view(&self, rig: &Rig) -> Result<(), TestCaseError> {
        let view = rig.session.view();
        let limit = config().in_flight;
        prop_assert_eq!(view.in_flight, self.given.len());
        prop_assert_eq!(view.in_flight_bytes, self.given.iter().map(|given| given.bytes).sum::<usize>());
        prop_assert!(view.in_flight <= limit.pushes);
        let others = self.given.last().map_or(0, |last| view.in_flight_bytes - last.bytes);
        prop_assert!(others < limit.bytes, "the limit and one push");
        prop_assert_eq!(view.socket, self.socket());
        let to_come = self.draining || self.dialling || view.socket.is_some();
        prop_assert_eq!(view.redial_at.is_some(), !to_come, "a dial is due exactly when nothing else is to come");
        prop_assert!(view.socket.is_none() || rig.armed().is_some(), "an open socket without a tick");
        let rests = view.socket.is_some() && !self.draining && !rig.session.wants_read(rig.now);
        let wakes = rig.armed().is_some_and(|at| at <= rig.now + config().heartbeat.every / 3);
        prop_assert!(!rests || wakes, "nobody will say that reading goes on");
        prop_assert!(!self.draining || view.in_flight > 0 || view.socket.is_none(), "a drain has nothing to wait for");
        Ok(())
    }

    fn act(&mut self, rig: &mut Rig, event: Event) -> Result<(), TestCaseError> {
        let readable = self.open.is_some() && rig.session.wants_read(rig.now);
        match event {
            Event::Push(n) if readable => rig.push(&n.to_string()),
            Event::Broken(None) if readable => rig.frame(Frame::Binary(Bytes::from_static(b"\xff"))),
            Event::Broken(Some(n)) if readable => {
                rig.frame(Frame::Oversized { head: push(&n.to_string()), len: 1 << 20 });
            }
            Event::Other(frame) if readable => {
                rig.frame(frame.clone());
                let pong = Effect::Pong(Bytes::from_static(b"p"));
                prop_assert_eq!(rig.effects.contains(&pong), matches!(frame, Frame::Ping(_)));
            }
            Event::Commit(which, outcome) if !self.given.is_empty() => self.commit(rig, which, outcome),
            Event::Pass(millis) => self.pass(rig, Duration::from_millis(millis.into()))?,
            Event::Stall(millis) => {
                let late = rig.armed().unwrap_or(rig.now).max(rig.now) + Duration::from_millis(millis.into());
                rig.tick(late);
                prop_assert!(!rig.effects.contains(&Effect::Drop), "the peer is blamed for our standing still");
            }
            Event::End(ending) if self.open.is_some() || self.dialling => {
                self.dialling = false;
                rig.ended(&ending);
                let since = self.open.take().map(|open| open.since);
                self.judge_attempts(rig, since)?;
            }
            Event::Dial if rig.session.view().redial_at.is_some() => {
                rig.dial();
                self.dialling = true;
            }
            Event::Upgrade if self.dialling => {
                self.dialling = false;
                rig.effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
                self.open = Some(Open { id: rig.upgrade(), since: rig.now });
            }
            Event::Drain => {
                self.draining = true;
                rig.session.drain(&mut rig.effects);
            }
            _ => {}
        }
        self.look(rig)
    }

    /// Looks after every tick, since each may leave a socket.
    fn pass(&mut self, rig: &mut Rig, time: Duration) -> Result<(), TestCaseError> {
        let end = rig.now + time;
        for ticks in 0.. {
            prop_assert!(ticks < 100, "ticks without end");
            let Some(at) = rig.armed().filter(|at| *at <= end) else { break };
            rig.tick(at.max(rig.now));
            self.look(rig)?;
        }
        rig.now = end;
        Ok(())
    }

    fn commit(&mut self, rig: &mut Rig, which: Index, outcome: CommitOutcome) {
        let Given { socket, push_id, bytes, broken } = self.given.remove(which.index(self.given.len()));
        let outcome = match outcome {
            CommitOutcome::Stored | CommitOutcome::Duplicate if broken => CommitOutcome::Quarantined,
            outcome => outcome,
        };
        let answer = match outcome {
            CommitOutcome::Stored | CommitOutcome::Duplicate => Some(Answer::Ack),
            CommitOutcome::Quarantined => Some(config().on_quarantine),
            CommitOutcome::Failed | CommitOutcome::Muted => None,
        };
        if let (Some(answer), Some(push_id)) = (answer, push_id.clone()) {
            *self.due.entry((socket, push_id, answer)).or_default() += 1;
        }
        rig.session.on_committed(Committed { socket, push_id, bytes, outcome }, &mut rig.effects);
    }

    /// Whatever could be answered on the present socket was answered.
    fn judge_answers(&self) -> Result<(), TestCaseError> {
        let owed = self.due.iter().find(|((socket, ..), due)| Some(*socket) == self.socket() && **due > 0);
        prop_assert!(owed.is_none(), "{owed:?} stays unanswered");
        Ok(())
    }
}

fn judge_wait(wait: Duration, entered: Option<ConnectionState>, attempt: u32) -> Result<(), TestCaseError> {
    let whole = (SECOND * 2u32.pow(attempt.saturating_sub(1).min(10))).min(60 * SECOND);
    let (least, most) = match entered {
        Some(ConnectionState::Backoff) => (whole / 2, whole),
        Some(ConnectionState::RateLimited) => (whole / 2, 990 * SECOND),
        Some(ConnectionState::AuthFailed) => (300 * SECOND, 3600 * SECOND),
        Some(ConnectionState::Misconfigured) => (60 * SECOND, 600 * SECOND),
        Some(ConnectionState::Waiting) => (Duration::ZERO, Duration::ZERO),
        other => return Err(TestCaseError::fail(format!("a redial after {other:?}"))),
    };
    prop_assert!(wait >= least && wait <= most, "{:?} after {:?}, attempt {}", wait, entered, attempt);
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(seed: u64, events in prop::collection::vec(event(), 0..300)) {
        let mut rig = Rig::new(seed);
        let mut judge = Judge::default();
        judge.look(&mut rig)?;
        for event in events {
            judge.act(&mut rig, event)?;
            judge.judge_answers()?;
        }
        judge.act(&mut rig, Event::Drain)?;
        while let Some(last) = judge.given.len().checked_sub(1) {
            let Given { socket, push_id, bytes, .. } = judge.given.remove(last);
            let outcome = CommitOutcome::Failed;
            rig.session.on_committed(Committed { socket, push_id, bytes, outcome }, &mut rig.effects);
            judge.look(&mut rig)?;
        }
        prop_assert!(judge.open.is_none() && rig.session.view().redial_at.is_none());
    }
}

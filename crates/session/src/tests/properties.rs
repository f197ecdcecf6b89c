use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;

/// What the world does next.
#[derive(Clone, Copy, Debug)]
enum Event {
    Push(u8),
    Broken,
    Pong,
    Ping,
    Close,
    Commit(CommitOutcome),
    Pass(u32),
    End,
    Dial { upgrade: bool },
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        Just(CommitOutcome::Stored),
        Just(CommitOutcome::Duplicate),
        Just(CommitOutcome::Failed),
        Just(CommitOutcome::Muted),
    ];
    prop_oneof![
        6 => (0u8..6).prop_map(Event::Push),
        1 => Just(Event::Broken),
        1 => Just(Event::Pong),
        1 => Just(Event::Ping),
        1 => Just(Event::Close),
        6 => outcome.prop_map(Event::Commit),
        3 => (0u32..90_000).prop_map(Event::Pass),
        1 => Just(Event::End),
        3 => any::<bool>().prop_map(|upgrade| Event::Dial { upgrade }),
    ]
}

/// Watches a session from outside.
#[derive(Default)]
struct Judge {
    /// Given to the journal, without its word yet.
    stored: VecDeque<(SocketId, PushId, usize)>,
    /// Due answers on each socket: how many commits without an answer.
    due: HashMap<(SocketId, PushId), usize>,
    quarantined: VecDeque<(SocketId, usize)>,
    socket: Option<SocketId>,
}

impl Judge {
    fn look(&mut self, rig: &mut Rig) -> Result<(), TestCaseError> {
        for effect in std::mem::take(&mut rig.effects) {
            match effect {
                Effect::Store { push, socket, bytes } => {
                    prop_assert_eq!(Some(socket), self.socket);
                    self.stored.push_back((socket, push.id, bytes));
                }
                Effect::Quarantine { socket, bytes, .. } => self.quarantined.push_back((socket, bytes)),
                Effect::Answer { push_id, answer, .. } => {
                    let socket = self.socket.ok_or_else(|| TestCaseError::fail("an answer without a socket"))?;
                    prop_assert_eq!(answer, Answer::Ack);
                    let due = self.due.get_mut(&(socket, push_id)).filter(|due| **due > 0);
                    *due.ok_or_else(|| TestCaseError::fail("an answer before its commit"))? -= 1;
                }
                Effect::Close(_) | Effect::Drop => self.socket = None,
                Effect::RedialAt(at) => {
                    let wait = at.saturating_duration_since(rig.now);
                    prop_assert!(wait <= 60 * SECOND);
                }
                keep @ Effect::Arm(_) => rig.effects.push(keep),
                _ => {}
            }
        }
        let view = rig.session.view();
        prop_assert_eq!(view.in_flight, self.stored.len() + self.quarantined.len());
        prop_assert!(view.in_flight <= config().in_flight.pushes);
        prop_assert_eq!(view.socket, self.socket);
        prop_assert!(view.socket.is_some() || view.redial_at.is_some(), "nothing is to come");
        prop_assert!(view.socket.is_none() || rig.armed().is_some(), "an open socket without a tick");
        Ok(())
    }

    fn act(&mut self, rig: &mut Rig, event: Event) -> Result<(), TestCaseError> {
        let readable = self.socket.is_some() && rig.session.wants_read(rig.now);
        match event {
            Event::Push(n) if readable => rig.push(&n.to_string()),
            Event::Broken if readable => rig.frame(Frame::Binary(Bytes::from_static(b"\xff"))),
            Event::Pong if readable => rig.frame(Frame::Pong),
            Event::Ping if readable => rig.frame(Frame::Ping(Bytes::new())),
            Event::Close if readable => rig.frame(Frame::Close(Some(1001))),
            Event::Commit(outcome) => self.commit(rig, outcome),
            Event::Pass(millis) => rig.pass(Duration::from_millis(millis.into())),
            Event::End if self.socket.is_some() => {
                self.socket = None;
                rig.ended(&Ending::Eof);
            }
            Event::Dial { upgrade } if self.socket.is_none() => {
                rig.dial();
                rig.effects.clear();
                if upgrade {
                    self.socket = Some(rig.upgrade());
                } else {
                    rig.ended(&Ending::Connect(String::new()));
                }
            }
            _ => {}
        }
        self.look(rig)
    }

    fn commit(&mut self, rig: &mut Rig, outcome: CommitOutcome) {
        if let Some((socket, id, bytes)) = self.stored.pop_front() {
            if matches!(outcome, CommitOutcome::Stored | CommitOutcome::Duplicate) {
                *self.due.entry((socket, id.clone())).or_default() += 1;
            }
            let committed = Committed { socket, push_id: Some(id), bytes, outcome };
            rig.session.on_committed(committed, &mut rig.effects);
        } else if let Some((socket, bytes)) = self.quarantined.pop_front() {
            let outcome = CommitOutcome::Quarantined;
            let committed = Committed { socket, push_id: None, bytes, outcome };
            rig.session.on_committed(committed, &mut rig.effects);
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(seed: u64, events in prop::collection::vec(event(), 0..200)) {
        let mut rig = Rig::new(seed);
        let mut judge = Judge::default();
        judge.look(&mut rig)?;
        for event in events {
            judge.act(&mut rig, event)?;
        }
        rig.session.drain(&mut rig.effects);
        while !judge.stored.is_empty() || !judge.quarantined.is_empty() {
            judge.commit(&mut rig, CommitOutcome::Stored);
        }
        let closes = rig.effects.iter().filter(|effect| matches!(effect, Effect::Close(1001))).count();
        prop_assert_eq!(closes, usize::from(judge.socket.is_some()));
        prop_assert_eq!(rig.session.view().redial_at, None);
    }
}

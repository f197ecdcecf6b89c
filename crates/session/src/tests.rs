use std::time::{Duration, Instant};

use bytes::Bytes;
use pushgate_model::{Answer, ConnectionState, Push, PushId};
use pushgate_protocol::{encode_answer, encode_push};

use super::*;

mod properties;
mod rules;

const SECOND: Duration = Duration::from_secs(1);
const MAX: usize = 1000;

/// A session with a clock of its own, and what it asked for.
struct Rig {
    session: Session,
    now: Instant,
    effects: Vec<Effect>,
}

fn config() -> SessionConfig {
    SessionConfig {
        max_message: MAX,
        heartbeat: HeartbeatConfig { every: 20 * SECOND, dead_after: 60 * SECOND },
        backoff: BackoffConfig { initial: SECOND, max: 60 * SECOND, healthy_after: 60 * SECOND },
        in_flight: InFlightConfig { pushes: 4, bytes: 100 },
        on_quarantine: Answer::Nack,
    }
}

impl Rig {
    fn new(seed: u64) -> Self {
        let mut rig = Self { session: Session::new(config(), seed), now: Instant::now(), effects: Vec::new() };
        rig.session.start(rig.now, &mut rig.effects);
        rig
    }

    /// A session that dials.
    fn dialling() -> Self {
        let mut rig = Self::new(7);
        rig.dial();
        rig
    }

    /// A session with a proven socket.
    fn open() -> (Self, SocketId) {
        let mut rig = Self::dialling();
        let socket = rig.upgrade();
        rig.frame(Frame::Pong);
        rig.asked();
        (rig, socket)
    }

    /// Waits for the redial and begins it.
    fn dial(&mut self) {
        self.now = self.session.view().redial_at.expect("a dial is due").max(self.now);
        self.session.on_due(&mut self.effects);
        self.session.on_dialling(&mut self.effects);
    }

    fn upgrade(&mut self) -> SocketId {
        self.session.on_upgraded(self.now, &mut self.effects)
    }

    fn frame(&mut self, frame: Frame) {
        self.session.on_frame(frame, self.now, &mut self.effects);
    }

    fn push(&mut self, id: &str) {
        self.frame(Frame::Binary(push(id)));
    }

    fn committed(&mut self, socket: SocketId, id: &str, outcome: CommitOutcome) {
        let committed = Committed { socket, push_id: Some(id.into()), bytes: size(id), outcome };
        self.session.on_committed(committed, &mut self.effects);
    }

    fn ended(&mut self, ending: &Ending) {
        self.session.on_ended(ending, self.now, &mut self.effects);
    }

    /// Time passes, with a tick whenever one was asked for.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for ticks in 0.. {
            assert!(ticks < 100, "ticks without end");
            let Some(at) = self.armed().filter(|at| *at <= end) else { break };
            self.tick(at.max(self.now));
        }
        self.now = end;
    }

    /// The tick that was asked for comes, at this time.
    fn tick(&mut self, at: Instant) {
        self.now = at;
        self.effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
        self.session.on_tick(self.now, &mut self.effects);
    }

    fn armed(&self) -> Option<Instant> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Arm(at) => Some(*at),
            _ => None,
        })
    }

    /// What was asked for since the last look, without times.
    fn asked(&mut self) -> Vec<Effect> {
        let timeless = |effect: &Effect| !matches!(effect, Effect::Arm(_) | Effect::RedialAt(_));
        let arms = self.effects.iter().filter(|effect| matches!(effect, Effect::Arm(_))).cloned().collect();
        std::mem::replace(&mut self.effects, arms).into_iter().filter(timeless).collect()
    }

    /// How long until the next dial.
    fn wait(&self) -> Duration {
        self.session.view().redial_at.expect("a dial is due") - self.now
    }
}

fn size(id: &str) -> usize {
    id.len() + 1
}

fn push(id: &str) -> Bytes {
    encode_push(&the_push(id))
}

fn the_push(id: &str) -> Push {
    Push { id: id.into(), created_at: String::new(), title: String::new(), body: "b".into() }
}

fn store(id: &str, socket: SocketId) -> Effect {
    Effect::Store { push: the_push(id), socket, bytes: size(id) }
}

fn answer(id: &str, answer: Answer) -> Effect {
    let push_id = PushId::from(id);
    Effect::Answer { frame: encode_answer(&push_id, answer), push_id, answer }
}

fn state(state: ConnectionState, reason: Option<&str>) -> Effect {
    Effect::State { state, reason: reason.map(ToOwned::to_owned) }
}

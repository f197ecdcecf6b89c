use std::time::{Duration, Instant};

use bytes::Bytes;
use pushgate_model::{Answer, ConnectionState, Push, PushId, Seq};
use pushgate_protocol::{encode_answer, encode_push};

use super::*;

mod dialling;
mod leaving;
mod pressure;
mod properties;
mod rules;
mod waits;

const SECOND: Duration = Duration::from_secs(1);
const MAX: usize = 1000;

const ACK: CommitOutcome = CommitOutcome::Answered(Answer::Ack);

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
        answers: AnswerConfig::default(),
    }
}

impl Rig {
    fn new(seed: u64) -> Self {
        Self::with(config(), seed)
    }

    fn with(config: SessionConfig, seed: u64) -> Self {
        let mut rig = Self { session: Session::new(config, seed), now: Instant::now(), effects: Vec::new() };
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
        let socket = rig.prove();
        (rig, socket)
    }

    /// The dial succeeds and the service is heard.
    fn prove(&mut self) -> SocketId {
        let socket = self.upgrade();
        self.frame(Frame::Pong);
        self.asked();
        socket
    }

    /// The next dial is waited for and succeeds.
    fn next_socket(&mut self) -> SocketId {
        self.dial();
        self.prove()
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

    /// A push became durable for the first time.
    fn committed(&mut self, socket: SocketId, id: &str, outcome: CommitOutcome) {
        self.commit(Committed { socket, push_id: Some(id.into()), bytes: size(id), fresh: true, outcome });
    }

    /// A known push came again.
    fn repeated(&mut self, socket: SocketId, id: &str, outcome: CommitOutcome) {
        self.commit(Committed { socket, push_id: Some(id.into()), bytes: size(id), fresh: false, outcome });
    }

    fn commit(&mut self, committed: Committed) {
        self.session.on_committed(committed, self.now, &mut self.effects);
    }

    /// A push comes and waits for a subscriber at this position.
    fn waits(&mut self, socket: SocketId, id: &str, seq: u64) {
        self.push(id);
        self.committed(socket, id, CommitOutcome::Awaits(at(seq)));
    }

    fn word(&mut self, id: &str, answer: Answer) {
        self.session.on_word(&id.into(), answer, &mut self.effects);
    }

    fn settled(&mut self, id: &str, answer: Option<Answer>) {
        self.session.on_settled(&id.into(), answer, &mut self.effects);
    }

    fn delivered(&mut self, after: u64, upto: u64) {
        self.session.on_delivered(at(after), at(upto), &mut self.effects);
    }

    fn pause(&mut self) {
        self.session.pause("operator", self.now, &mut self.effects);
    }

    fn resume(&mut self) {
        self.session.resume(self.now, &mut self.effects);
    }

    fn reconnect(&mut self) {
        self.session.reconnect(self.now, &mut self.effects);
    }

    fn drain(&mut self) {
        self.session.drain(self.now, &mut self.effects);
    }

    fn set_room(&mut self, room: Room) {
        self.session.set_room(room, self.now, &mut self.effects);
    }

    fn reads(&self) -> bool {
        self.session.wants_read(self.now)
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

fn ended(reason: &str, lane: Lane) -> Effect {
    Effect::Ended(Ended { reason: reason.to_owned(), detail: None, lane, close: None })
}

fn close(code: Option<u16>) -> CloseFrame {
    CloseFrame { code, text: String::new() }
}

fn at(seq: u64) -> Seq {
    Seq::new(seq).expect("a small number is a position")
}

use std::time::Instant;

use bytes::Bytes;
use pushgate_model::{Answer, ConnectionState, PushId};
use pushgate_protocol::{DecodeErrorKind, ServerFrame, decode_server, encode_answer, scan_push_id};

use crate::{
    CommitOutcome, Committed, Effect, Ending, Frame, Lane, Quarantine, SessionConfig, SessionView, SocketId,
    backoff::Backoff,
    classify::classify,
    close::{GOING_AWAY, echo},
    heartbeat::Heartbeat,
    in_flight::InFlight,
};

/// The rules of one upstream connection. See the crate's page.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    state: Option<ConnectionState>,
    backoff: Backoff,
    in_flight: InFlight,
    last_socket: u64,
    /// 401 and 403 in a row.
    refusals: u32,
    draining: bool,
}

/// Where the session is between two dials.
#[derive(Debug)]
enum Phase {
    /// Not started, or drained: nothing is to be dialled.
    Apart,
    /// Waits for the time of the next dial, then for a slot.
    Waiting(Instant),
    /// A dial is under way.
    Dialling,
    /// A socket is open.
    Open(SocketId, Heartbeat),
}

impl Session {
    /// A session without a socket. `seed` makes its jitter repeatable.
    pub fn new(config: SessionConfig, seed: u64) -> Self {
        let backoff = Backoff::new(config.backoff, fastrand::Rng::with_seed(seed));
        let in_flight = InFlight::new(config.in_flight, config.heartbeat.every);
        Self {
            config,
            phase: Phase::Apart,
            state: None,
            backoff,
            in_flight,
            last_socket: 0,
            refusals: 0,
            draining: false,
        }
    }

    /// Begins: dial now. To be called once, before anything else.
    pub fn start(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.enter(ConnectionState::Waiting, None, effects);
        self.redial_at(now, effects);
    }

    /// The time of [`Effect::RedialAt`] has come; a slot of the connect gate is asked for.
    pub fn on_due(&mut self, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Waiting(_)) {
            self.enter(ConnectionState::Waiting, None, effects);
        }
    }

    /// The slot is there and the dial begins: [`Session::on_upgraded`] or [`Session::on_ended`] says how it went.
    pub fn on_dialling(&mut self, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        self.phase = Phase::Dialling;
        self.enter(ConnectionState::Connecting, None, effects);
    }

    /// The upgrade succeeded: a new socket, numbered here. Silence is counted from now on. The state stays `connecting`
    /// until the socket is proven by its first inbound frame, or by 2 s alive; a ping goes out at once to call for one.
    /// A socket that comes only after [`Session::drain`] is closed at once.
    pub fn on_upgraded(&mut self, now: Instant, effects: &mut Vec<Effect>) -> SocketId {
        self.last_socket += 1;
        self.refusals = 0;
        let socket = SocketId(self.last_socket);
        if self.draining {
            effects.push(Effect::Close(GOING_AWAY));
            return socket;
        }
        // Sockets that were opened together, after an outage of the service, shall not ping together ever after.
        let first_ping = now + self.backoff.part_of(self.config.heartbeat.every);
        self.phase = Phase::Open(socket, Heartbeat::begin(now, first_ping, self.config.heartbeat.dead_after));
        effects.push(Effect::Ping);
        self.arm(now, effects);
        socket
    }

    /// A complete frame came on the current socket; without one, nothing happens.
    pub fn on_frame(&mut self, frame: Frame, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Open(socket, heartbeat) = &mut self.phase else { return };
        let socket = *socket;
        // A Close that comes first proves the opposite of a good socket.
        if !matches!(frame, Frame::Close(_)) && heartbeat.heard(now, self.config.heartbeat.dead_after) {
            self.enter(ConnectionState::Connected, None, effects);
        }
        match frame {
            Frame::Ping(payload) => effects.push(Effect::Pong(payload)),
            Frame::Pong => {}
            Frame::Text => effects.push(Effect::Ignored("text")),
            Frame::Binary(_) | Frame::Oversized { .. } if self.in_flight.is_full() => {
                effects.push(Effect::Ignored("shed"));
            }
            Frame::Binary(bytes) => self.on_binary(bytes, socket, now, effects),
            Frame::Oversized { head, len } => {
                let push_id = scan_push_id(&head);
                let entry = Quarantine { raw: head, push_id, reason: "too_large", size: len };
                self.quarantine(entry, socket, now, effects);
            }
            Frame::Close(code) => {
                effects.push(Effect::Close(echo(code)));
                self.leave(&Ending::Closed(code), now, effects);
            }
        }
    }

    fn on_binary(&mut self, bytes: Bytes, socket: SocketId, now: Instant, effects: &mut Vec<Effect>) {
        match decode_server(&bytes, self.config.max_message) {
            Ok(ServerFrame::Push(push)) => {
                let bytes = push.size();
                self.in_flight.add(bytes, now);
                effects.push(Effect::Store { push, socket, bytes });
                self.arm(now, effects);
            }
            Ok(ServerFrame::Unknown) => effects.push(Effect::Ignored("unknown")),
            Err(error) => {
                let reason = match error.kind {
                    DecodeErrorKind::TooLarge => "too_large",
                    DecodeErrorKind::Malformed => "malformed",
                    DecodeErrorKind::MissingId => "missing_id",
                };
                let size = bytes.len() as u64;
                let entry = Quarantine { raw: bytes, push_id: error.push_id, reason, size };
                self.quarantine(entry, socket, now, effects);
            }
        }
    }

    fn quarantine(&mut self, entry: Quarantine, socket: SocketId, now: Instant, effects: &mut Vec<Effect>) {
        let bytes = entry.raw.len();
        self.in_flight.add(bytes, now);
        effects.push(Effect::Quarantine { entry, socket, bytes });
        self.arm(now, effects);
    }

    /// The journal's word about a push: the only way to an ACK.
    pub fn on_committed(&mut self, committed: Committed, effects: &mut Vec<Effect>) {
        self.in_flight.remove(committed.bytes);
        let answer = match committed.outcome {
            CommitOutcome::Stored | CommitOutcome::Duplicate => Some(Answer::Ack),
            CommitOutcome::Quarantined => Some(self.config.on_quarantine),
            CommitOutcome::Muted | CommitOutcome::Failed => None,
        };
        if let (Some(answer), Some(push_id)) = (answer, committed.push_id) {
            self.answer(push_id, answer, committed.socket, effects);
        }
        self.finish_drain(effects);
    }

    /// An answer belongs to the socket by which its push came; when that one is gone, the service sends it again.
    fn answer(&self, push_id: PushId, answer: Answer, socket: SocketId, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Open(current, _) if current == socket) {
            let frame = encode_answer(&push_id, answer);
            effects.push(Effect::Answer { push_id, answer, frame });
        } else {
            effects.push(Effect::Ignored("stale_answer"));
        }
    }

    /// The armed time has come.
    pub fn on_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let heartbeat_config = self.config.heartbeat;
        let Phase::Open(_, heartbeat) = &mut self.phase else { return };
        heartbeat.forgive_stall(now, heartbeat_config.every);
        heartbeat.armed = None;
        if now >= heartbeat.dead_at {
            effects.push(Effect::Drop);
            self.leave(&Ending::DeadPeer, now, effects);
            return;
        }
        if now >= heartbeat.ping_at {
            effects.push(Effect::Ping);
            heartbeat.ping_at = now + self.backoff.around(heartbeat_config.every);
        }
        if heartbeat.is_proven() && heartbeat.age(now) >= self.backoff.healthy_after() {
            self.backoff.healthy();
        }
        if heartbeat.proves_by_age(now) {
            self.enter(ConnectionState::Connected, None, effects);
        }
        self.arm(now, effects);
    }

    /// The dial failed or the socket ended, other than by [`Effect::Close`] or [`Effect::Drop`]: after those the session
    /// has moved on by itself.
    pub fn on_ended(&mut self, ending: &Ending, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Open(..) | Phase::Dialling) {
            self.leave(ending, now, effects);
        }
    }

    fn leave(&mut self, ending: &Ending, now: Instant, effects: &mut Vec<Effect>) {
        let was_good = match &self.phase {
            Phase::Open(_, heartbeat) => heartbeat.is_proven() && heartbeat.age(now) >= self.backoff.healthy_after(),
            _ => false,
        };
        self.phase = Phase::Apart;
        if self.draining {
            return;
        }
        let mut retry_after = None;
        if let Ending::Rejected { status, retry_after: asked } = ending {
            retry_after = *asked;
            self.refusals = if matches!(status, 401 | 403) { self.refusals.saturating_add(1) } else { 0 };
        }
        let verdict = classify(ending, self.refusals);
        if was_good {
            self.backoff.healthy();
        } else if verdict.lane != Lane::AtOnce {
            self.backoff.failed();
        }
        let delay = self.backoff.delay(verdict.lane, retry_after);
        self.enter(verdict.state, Some(verdict.reason), effects);
        self.redial_at(now + delay, effects);
    }

    /// Whether the caller should read the socket now. False while too much waits for the journal, for a third of
    /// `heartbeat.every` at most: then reading goes on, pings are answered and pushes are shed, until there is room.
    pub fn wants_read(&self, now: Instant) -> bool {
        !self.draining && self.in_flight.holds_until().is_none_or(|until| now >= until)
    }

    /// The gateway stops: read no more, answer what is in flight, then [`Effect::Close`] 1001; never dial again.
    pub fn drain(&mut self, effects: &mut Vec<Effect>) {
        self.draining = true;
        if !matches!(self.phase, Phase::Open(..)) {
            self.phase = Phase::Apart;
        }
        self.enter(ConnectionState::Draining, None, effects);
        self.finish_drain(effects);
    }

    fn finish_drain(&mut self, effects: &mut Vec<Effect>) {
        if self.draining && self.in_flight.pushes() == 0 && matches!(self.phase, Phase::Open(..)) {
            self.phase = Phase::Apart;
            effects.push(Effect::Close(GOING_AWAY));
        }
    }

    /// A copy of the state.
    pub fn view(&self) -> SessionView {
        SessionView {
            attempt: self.backoff.attempt(),
            in_flight: self.in_flight.pushes(),
            in_flight_bytes: self.in_flight.bytes(),
            socket: match self.phase {
                Phase::Open(socket, _) => Some(socket),
                _ => None,
            },
            redial_at: match self.phase {
                Phase::Waiting(at) => Some(at),
                _ => None,
            },
        }
    }

    fn redial_at(&mut self, at: Instant, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        self.phase = Phase::Waiting(at);
        effects.push(Effect::RedialAt(at));
    }

    fn enter(&mut self, state: ConnectionState, reason: Option<String>, effects: &mut Vec<Effect>) {
        let drained = self.draining && state != ConnectionState::Draining;
        if !drained && (self.state != Some(state) || reason.is_some()) {
            self.state = Some(state);
            effects.push(Effect::State { state, reason });
        }
    }

    /// Asks for a tick at the next time at which something is due, unless one before that is on its way.
    fn arm(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Open(_, heartbeat) = &mut self.phase else { return };
        let mut due = heartbeat.next();
        if self.backoff.attempt() > 0 && heartbeat.is_proven() {
            due = due.min(heartbeat.reaches(self.backoff.healthy_after()));
        }
        if let Some(until) = self.in_flight.holds_until().filter(|until| *until > now) {
            due = due.min(until);
        }
        if heartbeat.armed.is_none_or(|armed| due < armed) {
            heartbeat.armed = Some(due);
            effects.push(Effect::Arm(due));
        }
    }
}

use std::time::Instant;

use pushgate_model::ConnectionState;

use crate::{
    AnswerConfig, Effect, Ended, Ending, Lane, SessionConfig, SessionView, SocketId,
    backoff::Backoff,
    classify::{Verdict, classify},
    close::GOING_AWAY,
    heartbeat::Heartbeat,
    in_flight::InFlight,
    waits::Waits,
};

mod answering;
mod leaving;
mod receiving;
mod ticking;

/// The rules of one upstream connection. See the crate's page.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    aim: Aim,
    /// The state that was shown last, with its reason.
    shown: Option<(ConnectionState, Option<String>)>,
    backoff: Backoff,
    in_flight: InFlight,
    waits: Waits,
    last_socket: u64,
    /// 401 and 403 in a row.
    refusals: u32,
    /// When a tick was asked for.
    armed: Option<Instant>,
    store: Store,
}

/// Whether the gateway as a whole has room for more pushes that wait for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It has.
    Ample,
    /// It has not: this session holds and sheds as if its own limit were met.
    Short,
}

/// Where the session is between two dials.
#[derive(Debug)]
enum Phase {
    /// Not started, paused or drained: nothing is to be dialled.
    Apart,
    /// Waits for the time of the next dial, then for a slot.
    Waiting(Instant),
    /// A dial is under way.
    Dialling,
    /// A socket is open.
    Open(Open),
}

/// Whether the journal can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// It can.
    Writable,
    /// It can't: nothing is answered.
    Failing,
}

/// An open socket.
#[derive(Debug)]
struct Open {
    socket: SocketId,
    heartbeat: Heartbeat,
    /// A push that came by it became durable for the first time.
    progressed: bool,
    /// It is being left in order: nothing more is read, and from this time on nothing more is waited for.
    leaving_by: Option<Instant>,
}

/// What follows once there is no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// The next dial.
    Line,
    /// Nothing until an operator resumes.
    Paused,
    /// Nothing, ever.
    Drained,
}

impl Session {
    /// A session without a socket. `seed` makes its jitter repeatable.
    pub fn new(config: SessionConfig, seed: u64) -> Self {
        let backoff = Backoff::new(config.backoff, fastrand::Rng::with_seed(seed));
        let in_flight = InFlight::new(config.in_flight, config.heartbeat.every);
        Self {
            config,
            phase: Phase::Apart,
            aim: Aim::Line,
            shown: None,
            backoff,
            in_flight,
            waits: Waits::default(),
            last_socket: 0,
            refusals: 0,
            armed: None,
            store: Store::Writable,
        }
    }

    /// Begins: dial now. To be called once, before anything else.
    pub fn start(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.aim == Aim::Line && matches!(self.phase, Phase::Apart) {
            self.enter(ConnectionState::Waiting, None, effects);
            self.redial_at(now, effects);
        }
    }

    /// Begins as if paused for `reason`: instead of [`Session::start`].
    pub fn start_paused(&mut self, reason: &'static str, effects: &mut Vec<Effect>) {
        if self.aim == Aim::Line && matches!(self.phase, Phase::Apart) {
            self.aim = Aim::Paused;
            self.enter(ConnectionState::Paused, Some(reason), effects);
        }
    }

    /// From now on pushes are answered like this. Open waits keep their deadlines, and do at them what this says.
    pub fn set_answers(&mut self, answers: AnswerConfig) {
        self.config.answers = answers;
    }

    /// The time of [`Effect::RedialAt`] has come; a slot of the connect gate is asked for.
    pub fn on_due(&mut self, effects: &mut Vec<Effect>) {
        let waits = self.shown.as_ref().is_some_and(|(state, _)| *state == ConnectionState::Waiting);
        if matches!(self.phase, Phase::Waiting(_)) && !waits {
            self.enter(ConnectionState::Waiting, None, effects);
        }
    }

    /// The slot is there and the dial begins: [`Session::on_upgraded`] or [`Session::on_ended`] says how it went.
    pub fn on_dialling(&mut self, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Waiting(_)) {
            self.phase = Phase::Dialling;
            self.enter(ConnectionState::Connecting, None, effects);
        }
    }

    /// The upgrade succeeded: a new socket, numbered here. Silence is counted from now on. The state stays `connecting`
    /// until the socket is proven by its first inbound frame, or by 2 s alive; a ping goes out at once to call for one.
    /// A socket that nobody wants any more (see [`Effect::Halt`]) is closed at once; its dial was summed up before.
    pub fn on_upgraded(&mut self, now: Instant, effects: &mut Vec<Effect>) -> SocketId {
        self.last_socket += 1;
        let socket = SocketId(self.last_socket);
        if !matches!(self.phase, Phase::Dialling) {
            effects.push(Effect::Close(GOING_AWAY));
            return socket;
        }
        self.refusals = 0;
        // Sockets that were opened together, after an outage of the service, shall not ping together ever after.
        let first_ping = now + self.backoff.part_of(self.config.heartbeat.every);
        let heartbeat = Heartbeat::begin(now, first_ping, self.config.heartbeat.dead_after);
        self.phase = Phase::Open(Open { socket, heartbeat, progressed: false, leaving_by: None });
        effects.push(Effect::Ping);
        self.armed = None;
        self.expire_waits(now, effects);
        self.arm(now, effects);
        socket
    }

    /// The dial failed or the socket ended, other than by [`Effect::Close`], [`Effect::Drop`] or [`Effect::Halt`]: after
    /// those the session has moved on by itself.
    pub fn on_ended(&mut self, ending: &Ending, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Open(_) | Phase::Dialling) {
            self.end(ending, now, effects);
            self.arm(now, effects);
        }
    }

    /// The dial or the socket is no more.
    fn end(&mut self, ending: &Ending, now: Instant, effects: &mut Vec<Effect>) {
        let socket = match std::mem::replace(&mut self.phase, Phase::Apart) {
            Phase::Open(open) if open.leaving_by.is_some() => return self.left(ending, now, effects),
            Phase::Open(open) => Some(open),
            _ => None,
        };
        let mut retry_after = None;
        if let Ending::Rejected { status, retry_after: asked } = ending {
            retry_after = *asked;
            self.refusals = if matches!(status, 401 | 403) { self.refusals.saturating_add(1) } else { 0 };
        }
        let Verdict { state, reason, lane } = classify(ending, self.refusals);
        let good = socket.as_ref().is_some_and(|open| {
            // A peer that fell silent had nothing good about it, however long its death took.
            let healthy = open.heartbeat.age(now) >= self.backoff.healthy_after();
            healthy && open.heartbeat.was_heard() && *ending != Ending::DeadPeer
        });
        if good {
            self.backoff.reset();
        } else if lane != Lane::AtOnce {
            self.backoff.failed();
        }
        let delay = match socket {
            Some(Open { progressed: true, .. }) if !good && lane == Lane::Backoff => {
                self.backoff.progressed();
                self.backoff.delay_after_progress()
            }
            _ => self.backoff.delay(lane, retry_after),
        };
        effects.push(Effect::Ended(Ended::new(ending, reason.as_str(), lane)));
        self.enter(state, Some(&reason), effects);
        self.redial_at(now + delay, effects);
    }

    /// Whether the caller should read the socket now. False while it is being left, and while too much waits for the
    /// journal, for a third of `heartbeat.every` at most: then reading goes on, pings are answered and pushes are shed,
    /// until there is room.
    pub fn wants_read(&self, now: Instant) -> bool {
        let leaving = matches!(self.phase, Phase::Open(Open { leaving_by: Some(_), .. }));
        !leaving && (!self.in_flight.is_full() || self.in_flight.sheds(now))
    }

    /// A copy of the state.
    pub fn view(&self) -> SessionView {
        SessionView {
            attempt: self.backoff.attempt(),
            in_flight: self.in_flight.pushes(),
            in_flight_bytes: self.in_flight.bytes(),
            waits: self.waits.len(),
            socket: self.socket(),
            redial_at: match self.phase {
                Phase::Waiting(at) => Some(at),
                _ => None,
            },
        }
    }

    fn socket(&self) -> Option<SocketId> {
        match &self.phase {
            Phase::Open(open) => Some(open.socket),
            _ => None,
        }
    }

    fn redial_at(&mut self, at: Instant, effects: &mut Vec<Effect>) {
        self.phase = Phase::Waiting(at);
        effects.push(Effect::RedialAt(at));
    }

    /// Shows a state, unless it is shown already for the same reason.
    fn enter(&mut self, state: ConnectionState, reason: Option<&str>, effects: &mut Vec<Effect>) {
        let same = self.shown.as_ref().is_some_and(|(shown, why)| *shown == state && why.as_deref() == reason);
        if !same {
            let reason = reason.map(ToOwned::to_owned);
            self.shown = Some((state, reason.clone()));
            effects.push(Effect::State { state, reason });
        }
    }
}

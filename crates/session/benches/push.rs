//! What the rules of a connection cost for each push: from its frame to the effect that stores it, and from its commit to
//! the answer.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use pushgate_model::{Answer, Push};
use pushgate_protocol::encode_push;
use pushgate_session::{
    AnswerConfig, BackoffConfig, CommitOutcome, Committed, Effect, Frame, HeartbeatConfig, InFlightConfig, Session,
    SessionConfig, SocketId,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for burst in [1, 64] {
        let mut group = criterion.benchmark_group("push to answer");
        group.throughput(Throughput::Elements(burst as u64));
        let (mut line, frames) = (Line::open(), frames(burst));
        group.bench_function(format!("{burst} at a time"), |bench| bench.iter(|| line.answer(black_box(&frames))));
        group.finish();
    }
    let mut line = Line::open();
    criterion.bench_function("pong", |bench| bench.iter(|| line.frame(Frame::Pong)));
    criterion.final_summary();
}

/// A session with an open socket.
struct Line {
    session: Session,
    now: Instant,
    effects: Vec<Effect>,
    commits: Vec<Committed>,
}

impl Line {
    fn open() -> Self {
        let (mut session, now, mut effects) = (Session::new(config(), 1), Instant::now(), Vec::new());
        session.start(now, &mut effects);
        session.on_due(&mut effects);
        session.on_dialling(&mut effects);
        assert_eq!(session.on_upgraded(now, &mut effects), SocketId(1), "the first socket of a session");
        Self { session, now, effects, commits: Vec::new() }
    }

    fn frame(&mut self, frame: Frame) {
        self.session.on_frame(frame, self.now, &mut self.effects);
        self.effects.clear();
    }

    /// Pushes come, are committed, and are answered.
    fn answer(&mut self, frames: &[Frame]) {
        for frame in frames {
            self.session.on_frame(frame.clone(), self.now, &mut self.effects);
        }
        for effect in self.effects.drain(..) {
            if let Effect::Store { push, socket, bytes } = effect {
                let outcome = CommitOutcome::Answered(Answer::Ack);
                self.commits.push(Committed { socket, push_id: Some(push.id), bytes, fresh: true, outcome });
            }
        }
        assert_eq!(self.commits.len(), frames.len(), "every push is stored");
        for committed in self.commits.drain(..) {
            self.session.on_committed(committed, self.now, &mut self.effects);
        }
        self.effects.clear();
    }
}

fn frames(count: usize) -> Vec<Frame> {
    let push = |n| Push {
        id: format!("0b46a13c-1111-4222-8333-{n:012}").as_str().into(),
        created_at: "2026-01-02T03:04:05.678Z".to_owned(),
        title: "Order shipped".to_owned(),
        body: "x".repeat(200),
    };
    (0..count).map(|n| Frame::Binary(encode_push(&push(n)))).collect()
}

fn config() -> SessionConfig {
    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }
    SessionConfig {
        max_message: 4 << 20,
        heartbeat: HeartbeatConfig { every: seconds(20), dead_after: seconds(60) },
        backoff: BackoffConfig { initial: seconds(1), max: seconds(60), healthy_after: seconds(60) },
        in_flight: InFlightConfig { pushes: 256, bytes: 8 << 20 },
        answers: AnswerConfig::default(),
    }
}

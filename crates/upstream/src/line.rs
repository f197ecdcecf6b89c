//! The life of one connection: wait, dial, hold the socket, and again. It knows no rule: the session decides, and
//! [`Line`] carries its effects out.

use std::{collections::VecDeque, future::Future, pin::pin, rc::Rc, sync::Arc, time::Instant};

use pushgate_fanout::Fanout;
use pushgate_journal::{Append, AppendOutcome, Appended, Entry, Journal, QuarantineEntry};
use pushgate_model::Answer;
use pushgate_session::{CommitOutcome, Committed, Effect, Session, SessionConfig, SocketId};
use tokio::{
    sync::{mpsc, watch},
    time::sleep_until,
};

use crate::{Directory, TenantConfig, UpstreamMetrics, dial::Dialler, gate::Gate, mute::Mute, report::Report};

mod hold;

/// Everything that a line works with.
pub(crate) struct LineSpec {
    pub(crate) tenant: TenantConfig,
    pub(crate) session: SessionConfig,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) fanout: Fanout,
    pub(crate) directory: Arc<Directory>,
    pub(crate) metrics: UpstreamMetrics,
    pub(crate) gate: Arc<Gate>,
    pub(crate) dialler: Dialler,
    pub(crate) draining: watch::Receiver<bool>,
}

/// One tenant's line: outlives its sockets.
pub(crate) struct Line {
    tenant: Rc<TenantConfig>,
    session: Session,
    effects: Vec<Effect>,
    journal: Arc<dyn Journal>,
    gate: Arc<Gate>,
    dialler: Dialler,
    report: Report,
    mute: Mute,
    draining: watch::Receiver<bool>,
    /// What the session wants stored and the journal's queue has not taken yet; bounded by the session's limits.
    appends: VecDeque<Append>,
    reply: mpsc::Sender<Appended>,
    commits: mpsc::Receiver<Appended>,
    /// When the session wants to be called.
    armed: Option<Instant>,
    /// When the session wants to dial.
    redial_at: Option<Instant>,
    reading: bool,
}

/// What the effects ask of whoever holds the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Close(u16),
    Drop,
}

impl Line {
    pub(crate) fn new(spec: LineSpec) -> Self {
        let seed = fastrand::u64(..);
        // One slot for each push that may be in flight: the session never has more, so no outcome is ever dropped.
        let (reply, commits) = mpsc::channel(spec.session.in_flight.pushes + 1);
        let report = Report::new(&spec.tenant, spec.directory, spec.fanout, spec.metrics);
        Self {
            tenant: Rc::new(spec.tenant),
            session: Session::new(spec.session, seed),
            effects: Vec::new(),
            journal: spec.journal,
            gate: spec.gate,
            dialler: spec.dialler,
            report,
            mute: Mute::default(),
            draining: spec.draining,
            appends: VecDeque::new(),
            reply,
            commits,
            armed: None,
            redial_at: None,
            reading: true,
        }
    }

    /// Lives until it is told to drain.
    pub(crate) async fn run(mut self) {
        self.step(|session, now, effects| session.start(now, effects));
        self.apply_apart();
        while let Some(at) = self.redial_at {
            if self.while_apart(sleep_until(at.into())).await.is_none() {
                break;
            }
            self.step(|session, _, effects| session.on_due(effects));
            self.apply_apart();
            let gate = Arc::clone(&self.gate);
            let Some(slot) = self.while_apart(async move { gate.slot().await }).await else { break };
            self.redial_at = None;
            self.step(|session, _, effects| session.on_dialling(effects));
            self.apply_apart();
            self.report.dialled();
            let (dialler, tenant) = (self.dialler.clone(), Rc::clone(&self.tenant));
            match self.while_apart(async move { dialler.dial(&tenant).await }).await {
                None => break,
                Some(Ok(socket)) => {
                    drop(slot);
                    self.hold(socket).await;
                }
                Some(Err(ending)) => {
                    tracing::debug!(tenant = %self.tenant.id, ?ending, "dial failed");
                    self.step(|session, now, effects| session.on_ended(&ending, now, effects));
                }
            }
            self.apply_apart();
        }
        self.apply_apart();
    }

    /// Awaits something while there is no socket. Late commits are taken meanwhile; nothing comes back from a drain.
    async fn while_apart<F: Future>(&mut self, future: F) -> Option<F::Output> {
        if *self.draining.borrow_and_update() {
            return self.drain_apart();
        }
        let mut future = pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Some(output),
                Some(appended) = self.commits.recv() => {
                    self.on_appended(appended);
                    self.apply_apart();
                }
                _ = self.draining.changed() => return self.drain_apart(),
            }
        }
    }

    fn drain_apart<T>(&mut self) -> Option<T> {
        self.step(|session, _, effects| session.drain(effects));
        self.redial_at = None;
        None
    }

    /// Asks the session.
    fn step<T>(&mut self, input: impl FnOnce(&mut Session, Instant, &mut Vec<Effect>) -> T) -> T {
        let now = tokio::time::Instant::now().into_std();
        input(&mut self.session, now, &mut self.effects)
    }

    /// Carries effects out that need no socket.
    fn apply_apart(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            self.apply(effect);
        }
        self.flush_report();
    }

    fn flush_report(&mut self) {
        let now = tokio::time::Instant::now().into_std();
        self.report.flush(&self.session.view(), now);
    }

    /// Carries one effect out, as far as it needs no socket.
    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Store { push, socket, .. } => {
                self.report.came();
                self.append(Entry::Push { push, answer: Some(Answer::Ack) }, socket);
            }
            Effect::Quarantine { entry, socket, .. } => {
                self.report.came();
                let entry =
                    QuarantineEntry { raw: entry.raw, push_id: entry.push_id, reason: entry.reason, size: entry.size };
                self.append(Entry::Quarantine(entry), socket);
            }
            Effect::Arm(at) => self.armed = Some(at),
            Effect::RedialAt(at) => self.redial_at = Some(at),
            Effect::State { state, reason } => self.report.state(state, reason),
            Effect::Ignored(reason) => self.report.ignored(reason),
            Effect::Answer { .. } | Effect::Ping | Effect::Pong(_) | Effect::Close(_) | Effect::Drop => {
                // The session speaks of a socket only while it has one; then `hold` carries these out.
                tracing::error!(tenant = %self.tenant.id, ?effect, "effect without a socket");
            }
        }
    }

    fn append(&mut self, entry: Entry, socket: SocketId) {
        self.appends.push_back(Append {
            tenant: self.tenant.id.clone(),
            entry,
            received_at: std::time::SystemTime::now().into(),
            tag: socket.0,
            reply: self.reply.clone(),
        });
    }

    /// The journal's word about one push.
    fn on_appended(&mut self, appended: Appended) {
        let outcome = match appended.outcome {
            AppendOutcome::Stored(_) => {
                self.report.stored();
                CommitOutcome::Stored
            }
            AppendOutcome::Duplicate(_) => {
                self.report.repeated();
                CommitOutcome::Duplicate
            }
            AppendOutcome::Quarantined { repeats } => {
                let now = tokio::time::Instant::now().into_std();
                if self.mute.answers(appended.push_id.as_ref(), repeats, now) {
                    CommitOutcome::Quarantined
                } else {
                    CommitOutcome::Muted
                }
            }
            AppendOutcome::Failed => CommitOutcome::Failed,
        };
        let committed =
            Committed { socket: SocketId(appended.tag), push_id: appended.push_id, bytes: appended.size, outcome };
        self.step(|session, _, effects| session.on_committed(committed, effects));
    }
}

//! The life of one connection: wait, dial, hold the socket, and again. It knows no rule: the session decides, and
//! [`Line`] carries its effects out.

use std::{
    collections::VecDeque,
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use pushgate_journal::{Append, AppendOutcome, Appended, Entry, Health, Journal, QuarantineEntry};
use pushgate_model::{Answer, PushId, Seq};
use pushgate_session::{AckPolicy, CommitOutcome, Committed, Effect, Ending, Session, SessionConfig, Store};
use tokio::{
    sync::{mpsc, watch},
    time::sleep_until,
};

use crate::{
    TenantConfig,
    budget::{Budget, Share},
    desired::{Desired, End, Pause},
    dial::Dialler,
    directory::Life,
    gate::{Gate, Gates},
    mute::Mute,
    report::{Report, ReportSpec},
    request_url::authority,
    settler::{self, Settler},
    words::{Mailbox, News, Words},
};
use coarse::coarse;
use tag::Tag;

mod coarse;
mod hold;
mod tag;
mod vigil;

/// A time that never comes: for a timer that is switched off.
const FAR: Duration = Duration::from_secs(3600);

/// Everything that a line works with.
pub(crate) struct LineSpec {
    pub(crate) desired: watch::Receiver<Desired>,
    pub(crate) life: Life,
    pub(crate) session: SessionConfig,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) report: ReportSpec,
    pub(crate) gates: Arc<Gates>,
    pub(crate) budget: Arc<Budget>,
    /// Room for messages of which not all came.
    pub(crate) beginnings: Arc<Budget>,
    pub(crate) words: Words,
    pub(crate) dialler: MakeDialler,
}

/// Makes what dials for a tenant.
pub(crate) type MakeDialler = Box<dyn Fn(&TenantConfig) -> Result<Dialler, Ending>>;

/// One tenant's line: outlives its sockets.
pub(crate) struct Line {
    desired: watch::Receiver<Desired>,
    /// What was wanted when this was last looked at.
    wanted: Desired,
    session: Session,
    effects: Vec<Effect>,
    journal: Arc<dyn Journal>,
    gates: Arc<Gates>,
    gate: Arc<Gate>,
    dialler: MakeDialler,
    report: Report,
    mute: Mute,
    /// What waits for the journal.
    share: Share,
    /// What came of a message that has not ended.
    unfinished: Share,
    mailbox: Arc<Mailbox>,
    settler: Settler,
    /// What the session wants stored and the journal's queue has not taken yet; bounded by the session's limits.
    appends: VecDeque<Append>,
    reply: mpsc::Sender<Appended>,
    commits: mpsc::Receiver<Appended>,
    health: watch::Receiver<Health>,
    /// When the session wants to be called.
    armed: Option<Instant>,
    /// When the session wants to dial.
    redial_at: Option<Instant>,
    /// Counts how often the session changed its mind about dialling.
    plan: u64,
    reading: bool,
}

/// What the effects ask of whoever holds the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Close(u16),
    Drop,
}

/// What happened while there is no socket.
enum Apart {
    Appended(Appended),
    Unsettled(PushId),
    News,
    Tick,
    Desired,
}

impl Line {
    pub(crate) fn new(mut spec: LineSpec) -> Self {
        let wanted = spec.desired.borrow_and_update().clone();
        let tenant = wanted.config.id.clone();
        let session = SessionConfig { answers: wanted.config.answers, ..spec.session };
        // One slot for each push that may be in flight, and for each answer that the settler has with the journal: there
        // are never more, so no outcome is ever dropped.
        let (reply, commits) = mpsc::channel(session.in_flight.pushes + 1 + settler::AT_ONCE);
        let mut line = Self {
            desired: spec.desired,
            session: Session::new(session, fastrand::u64(..)),
            effects: Vec::new(),
            gate: spec.gates.of(&authority(&wanted.config.url)),
            gates: spec.gates,
            dialler: spec.dialler,
            report: Report::new(&tenant, spec.life, spec.report),
            mute: Mute::default(),
            share: Share::new(spec.budget),
            unfinished: Share::new(spec.beginnings),
            health: spec.journal.health(),
            mailbox: spec.words.mailbox(&tenant),
            settler: Settler::new(tenant, Arc::clone(&spec.journal), reply.clone()),
            journal: spec.journal,
            appends: VecDeque::new(),
            reply,
            commits,
            armed: None,
            redial_at: None,
            plan: 0,
            reading: true,
            wanted,
        };
        match line.wanted.pause.map(Pause::as_str) {
            Some(reason) => line.step(|session, _, effects| session.start_paused(reason, effects)),
            None => line.step(|session, now, effects| session.start(now, effects)),
        }
        line
    }

    /// Lives until its tenant is removed or the gateway stops.
    pub(crate) async fn run(mut self) {
        self.apply_apart();
        while self.wanted.end == End::No {
            let Some(at) = self.redial_at else {
                self.while_apart(pending::<()>()).await;
                continue;
            };
            if self.while_apart(sleep_until(at.into())).await.is_some() {
                self.dial().await;
            }
        }
    }

    /// Gets a slot, dials, and holds the socket. Ends early when the session changes its mind.
    async fn dial(&mut self) {
        self.step(|session, _, effects| session.on_due(effects));
        self.apply_apart();
        let gate = Arc::clone(&self.gate);
        let Some(slot) = self.while_apart(async move { gate.slot().await }).await else { return };
        self.redial_at = None;
        self.step(|session, _, effects| session.on_dialling(effects));
        self.apply_apart();
        self.report.dialled();
        let dialled = match (self.dialler)(&self.wanted.config) {
            Err(ending) => Some(Err(ending)),
            Ok(dialler) => {
                let tenant = Arc::clone(&self.wanted.config);
                self.while_apart(async move { dialler.dial(&tenant).await }).await
            }
        };
        drop(slot);
        match dialled {
            None => {}
            Some(Ok(socket)) => self.hold(socket).await,
            Some(Err(ending)) => {
                // A host that asks one tenant to come back later means all of them.
                if self.gate.heed(&ending) {
                    self.report.slowed();
                }
                self.step(|session, now, effects| session.on_ended(&ending, now, effects));
            }
        }
        self.apply_apart();
    }

    /// Awaits something while there is no socket; nothing comes back when the session changed its mind about dialling.
    async fn while_apart<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let plan = self.plan;
        while self.plan == plan && self.wanted.end == End::No {
            let far = Instant::now() + FAR;
            let event = tokio::select! {
                output = &mut future => return Some(output),
                () = changed(&mut self.desired, self.wanted.end) => Apart::Desired,
                Some(appended) = self.commits.recv() => Apart::Appended(appended),
                push_id = poll_fn(|cx| self.settler.poll_refused(cx)) => Apart::Unsettled(push_id),
                () = self.mailbox.filled() => Apart::News,
                () = sleep_until(self.armed.unwrap_or(far).into()), if self.armed.is_some() => Apart::Tick,
            };
            match event {
                Apart::Desired => self.on_desired(),
                Apart::Appended(appended) => self.on_appended(appended),
                Apart::Unsettled(push_id) => self.on_settled(&push_id, None),
                Apart::News => self.on_news(),
                Apart::Tick => self.on_tick(),
            }
            self.apply_apart();
        }
        None
    }

    /// What operators want may have changed.
    fn on_desired(&mut self) {
        let mut next = self.desired.borrow_and_update().clone();
        if self.desired.has_changed().is_err() && next.end == End::No {
            // Nobody is left who could want anything: the gateway was dropped without a drain.
            next.end = End::Drain;
        }
        let before = std::mem::replace(&mut self.wanted, next);
        #[cfg(any(test, feature = "testing"))]
        if let Some(fault) = self.wanted.fault.filter(|fault| before.fault != Some(*fault)) {
            fault.happen();
        }
        if self.wanted.end != End::No {
            self.step(|session, now, effects| session.drain(now, effects));
            return;
        }
        if before.config.answers != self.wanted.config.answers {
            let answers = self.wanted.config.answers;
            self.step(|session, _, _| session.set_answers(answers));
        }
        let dialled_otherwise = !before.config.is_dialled_like(&self.wanted.config);
        if dialled_otherwise {
            self.gate = self.gates.of(&authority(&self.wanted.config.url));
        }
        let pause = self.wanted.pause.map(Pause::as_str);
        match (before.pause.map(Pause::as_str), pause) {
            (before, Some(reason)) if before != Some(reason) => {
                self.step(|session, now, effects| session.pause(reason, now, effects));
            }
            (Some(_), None) => self.step(|session, now, effects| session.resume(now, effects)),
            _ if dialled_otherwise || before.reconnects != self.wanted.reconnects => {
                self.step(|session, now, effects| session.reconnect(now, effects));
            }
            _ => {}
        }
    }

    /// What subscribers did.
    fn on_news(&mut self) {
        let News { delivered, words } = self.mailbox.take();
        // What the journal said of a push before a subscriber's word comes first: it opens the wait that the word ends.
        while let Ok(appended) = self.commits.try_recv() {
            self.on_appended(appended);
        }
        for (after, upto) in delivered.iter() {
            self.step(|session, _, effects| session.on_delivered(after, upto, effects));
        }
        for (push_id, answer) in words {
            self.report.spoke();
            self.step(|session, _, effects| session.on_word(&push_id, answer, effects));
        }
    }

    fn on_settled(&mut self, push_id: &PushId, answer: Option<Answer>) {
        self.step(|session, _, effects| session.on_settled(push_id, answer, effects));
    }

    /// Whether the journal can write may have changed.
    fn on_health(&mut self) {
        let store = match *self.health.borrow_and_update() {
            Health::Writable => Store::Writable,
            Health::Failing { .. } => Store::Failing,
        };
        self.step(|session, now, effects| session.set_store(store, now, effects));
    }

    fn on_tick(&mut self) {
        self.armed = None;
        self.step(|session, now, effects| session.on_tick(now, effects));
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
            Effect::Store { push, socket, bytes } => {
                self.report.came();
                self.share.take(bytes);
                let answer = (self.wanted.config.answers.policy == AckPolicy::Stored).then_some(Answer::Ack);
                self.append(Entry::Push { push, answer }, Tag { socket, awaits: answer.is_none() });
            }
            Effect::Quarantine { entry, socket, bytes } => {
                self.report.came();
                self.share.take(bytes);
                let entry =
                    QuarantineEntry { raw: entry.raw, push_id: entry.push_id, reason: entry.reason, size: entry.size };
                self.append(Entry::Quarantine(entry), Tag { socket, awaits: false });
            }
            Effect::Settle { push_id, answer, by } => {
                self.report.settled(by);
                self.settler.settle(push_id, answer, by);
            }
            Effect::Arm(at) => self.armed = Some(coarse(at, tokio::time::Instant::now().into_std())),
            Effect::RedialAt(at) => {
                self.redial_at = Some(at);
                self.plan += 1;
            }
            Effect::Halt => {
                self.redial_at = None;
                self.plan += 1;
            }
            Effect::Ended(ended) => self.report.ended(&ended),
            Effect::State { state, reason } => self.report.state(state, reason),
            Effect::Ignored(reason) => self.report.ignored(reason),
            Effect::Answer { .. } | Effect::Ping | Effect::Pong(_) | Effect::Close(_) | Effect::Drop => {
                // The session speaks of a socket only while it has one; then `hold` carries these out.
                tracing::error!(tenant = %self.wanted.config.id, ?effect, "effect without a socket");
            }
        }
    }

    fn append(&mut self, entry: Entry, tag: Tag) {
        self.appends.push_back(Append {
            tenant: self.wanted.config.id.clone(),
            entry,
            received_at: std::time::SystemTime::now().into(),
            tag: tag.encode(),
            reply: self.reply.clone(),
        });
    }

    /// The journal's word about one push.
    fn on_appended(&mut self, appended: Appended) {
        if appended.tag == settler::TAG {
            if let Some((push_id, answer)) = self.settler.settled(appended) {
                self.on_settled(&push_id, answer);
            }
            return;
        }
        self.share.give(appended.size);
        let tag = Tag::decode(appended.tag);
        let mut delivered = None;
        let outcome = match appended.outcome {
            AppendOutcome::Stored(seq) => {
                self.report.stored();
                if tag.awaits {
                    delivered = Some(seq);
                    CommitOutcome::Awaits(seq)
                } else {
                    CommitOutcome::Answered(Answer::Ack)
                }
            }
            AppendOutcome::Duplicate { answer: Some(answer), .. } => {
                self.report.repeated();
                CommitOutcome::Answered(answer)
            }
            AppendOutcome::Duplicate { seq, answer: None } => {
                self.report.repeated();
                delivered = Some(seq);
                CommitOutcome::Awaits(seq)
            }
            AppendOutcome::Quarantined { repeats } => {
                let now = tokio::time::Instant::now().into_std();
                if self.mute.answers(appended.push_id.as_ref(), repeats, now) {
                    CommitOutcome::Quarantined
                } else {
                    CommitOutcome::Muted
                }
            }
            _ => CommitOutcome::Failed,
        };
        let fresh = matches!(appended.outcome, AppendOutcome::Stored(_));
        let committed =
            Committed { socket: tag.socket, push_id: appended.push_id, bytes: appended.size, fresh, outcome };
        self.step(|session, now, effects| session.on_committed(committed, now, effects));
        // The fan-out knows of a commit before this line does, so a stream may have had the push before its wait opened.
        if let Some(seq) = delivered.filter(|seq| self.mailbox.was_delivered(*seq)) {
            let before = Seq::new(seq.get().saturating_sub(1)).unwrap_or(Seq::ZERO);
            self.step(|session, _, effects| session.on_delivered(before, seq, effects));
        }
    }
}

/// Completes when operators want something else, and once when nobody is left who could.
async fn changed(desired: &mut watch::Receiver<Desired>, end: End) {
    if desired.changed().await.is_err() && end != End::No {
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use pushgate_fanout::Fanout;
use pushgate_model::{Answer, ConnectionState, TenantId, TenantStatus, Timestamp};
use pushgate_session::{Ended, Lane, SessionView, Settlement};

use crate::{Directory, LastClose, Source, TenantSnapshot, Transition, UpstreamMetrics, directory::Life};

/// Where a connection's life is told.
#[derive(Clone)]
pub(crate) struct ReportSpec {
    pub(crate) directory: Arc<Directory>,
    pub(crate) fanout: Fanout,
    pub(crate) metrics: UpstreamMetrics,
}

/// What one connection tells the world: its snapshot in the directory, its state to subscribers, its counts, and a line in
/// the log when it ends.
pub(crate) struct Report {
    life: Life,
    snapshot: TenantSnapshot,
    /// Entered and not yet shown.
    entered: Vec<Transition>,
    to: ReportSpec,
    /// The snapshot differs from what the directory holds.
    dirty: bool,
    /// What happened on the present socket.
    socket: SocketTally,
    /// Waits that the gauge counts for this connection.
    waits: usize,
}

/// What happened on one socket, for its line in the log.
#[derive(Debug, Default)]
struct SocketTally {
    opened: Option<Instant>,
    pushes: u64,
    stored: u64,
    duplicates: u64,
    acks: u64,
    nacks: u64,
    ignored: u64,
}

impl Report {
    /// Continues the counts that the tenant's directory entry has, so that they survive a restart of the connection.
    pub(crate) fn new(tenant: &TenantId, life: Life, to: ReportSpec) -> Self {
        let known = to.directory.get(tenant);
        let snapshot = known.unwrap_or_else(|| TenantSnapshot::new(tenant.clone(), Source::File));
        Self { life, snapshot, entered: Vec::new(), to, dirty: true, socket: SocketTally::default(), waits: 0 }
    }

    /// The connection changed its state, or why it is in it.
    pub(crate) fn state(&mut self, state: ConnectionState, reason: Option<String>) {
        let now = Timestamp::from(SystemTime::now());
        let before = self.snapshot.status.state;
        let tenant = &self.snapshot.id;
        match (before, state) {
            (before, after) if before == after => {
                tracing::debug!(%tenant, %state, reason, "connection state explained");
            }
            (_, ConnectionState::Connected) => tracing::info!(%tenant, "connection established"),
            (_, ConnectionState::AuthFailed | ConnectionState::Misconfigured) => {
                tracing::warn!(%tenant, %state, reason, "connection refused and tried slowly from now on");
            }
            _ => tracing::debug!(%tenant, %state, reason, "connection state changed"),
        }
        if state != ConnectionState::Connected {
            self.snapshot.connected_since = None;
        } else if before != state {
            self.snapshot.connected_since = Some(now);
        }
        let since = if before == state { self.snapshot.status.since } else { now };
        let reason = reason.map(Into::into);
        self.to.metrics.entered(state);
        self.entered.push(Transition { at: now, state, reason: reason.clone(), attempt: self.snapshot.attempt });
        self.snapshot.status = TenantStatus { state, since, reason };
        self.dirty = true;
    }

    /// A dial or a socket ended.
    pub(crate) fn ended(&mut self, ended: &Ended) {
        self.to.metrics.ended(ended.lane, &ended.reason);
        if let Some(close) = &ended.close {
            let at = SystemTime::now().into();
            self.snapshot.last_close = Some(LastClose { at, code: close.code, text: close.text.clone() });
            self.dirty = true;
        }
        let tally = std::mem::take(&mut self.socket);
        let (tenant, class, reason, detail) =
            (&self.snapshot.id, ended.lane.as_str(), &ended.reason, ended.detail.as_deref());
        let Some(opened) = tally.opened else {
            tracing::debug!(%tenant, class, reason, detail, "dial failed");
            return;
        };
        let close_code = ended.close.as_ref().and_then(|close| close.code);
        let close_text = ended.close.as_ref().map(|close| &close.text).filter(|text| !text.is_empty());
        let lived_ms = tokio::time::Instant::now().into_std().saturating_duration_since(opened).as_millis() as u64;
        let SocketTally { pushes, stored, duplicates, acks, nacks, ignored, .. } = tally;
        macro_rules! summary {
            ($level:ident) => {
                tracing::$level!(
                    %tenant, class, reason, detail, close_code, close_text, lived_ms, pushes, stored, duplicates, acks, nacks,
                    ignored, "connection ended"
                )
            };
        }
        // What was asked for is no trouble.
        if ended.lane == Lane::AtOnce { summary!(info) } else { summary!(warn) }
    }

    /// A socket was opened.
    pub(crate) fn opened(&mut self) {
        self.socket = SocketTally { opened: Some(tokio::time::Instant::now().into_std()), ..SocketTally::default() };
    }

    /// Something came and was dropped or ignored.
    pub(crate) fn ignored(&mut self, reason: &str) {
        self.socket.ignored += 1;
        self.to.metrics.ignored(reason);
    }

    /// A dial begins.
    pub(crate) fn dialled(&self) {
        self.to.metrics.dials.inc();
    }

    /// A host asked for fewer dials.
    pub(crate) fn slowed(&self) {
        self.to.metrics.slowed.inc();
    }

    /// Too much waits for the journal.
    pub(crate) fn held(&self) {
        self.to.metrics.holds.inc();
    }

    /// A push came, for the first time or again.
    pub(crate) fn came(&mut self) {
        self.to.metrics.pushes.inc();
        self.socket.pushes += 1;
        self.snapshot.last_push_at = Some(SystemTime::now().into());
        self.dirty = true;
    }

    /// A push was stored for the first time.
    pub(crate) fn stored(&mut self) {
        self.snapshot.pushes += 1;
        self.socket.stored += 1;
        self.dirty = true;
    }

    /// A known push came again.
    pub(crate) fn repeated(&mut self) {
        self.snapshot.duplicates += 1;
        self.socket.duplicates += 1;
        self.dirty = true;
    }

    /// An answer was written.
    pub(crate) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Ack => {
                self.to.metrics.acks.inc();
                self.socket.acks += 1;
            }
            Answer::Nack => {
                self.to.metrics.nacks.inc();
                self.socket.nacks += 1;
            }
        }
        self.snapshot.answers += 1;
        self.dirty = true;
    }

    /// A subscriber spoke.
    pub(crate) fn spoke(&self) {
        self.to.metrics.decided("subscriber");
    }

    /// A delivery or a deadline decided.
    pub(crate) fn settled(&self, by: Settlement) {
        self.to.metrics.decided(match by {
            Settlement::Delivered => "delivery",
            Settlement::Deadline => "deadline",
        });
    }

    /// Shows what changed.
    pub(crate) fn flush(&mut self, view: &SessionView, now: Instant) {
        self.to.metrics.waits.inc_by(view.waits.cast_signed() as i64 - self.waits.cast_signed() as i64);
        self.waits = view.waits;
        let next_retry_at = view.redial_at.map(|at| wall_clock(at.saturating_duration_since(now)));
        let moved = next_retry_at.is_some() != self.snapshot.next_retry_at.is_some();
        let same = (self.snapshot.attempt, self.snapshot.in_flight, self.snapshot.waits)
            == (view.attempt, view.in_flight, view.waits);
        if !self.dirty && !moved && same {
            return;
        }
        self.snapshot.attempt = view.attempt;
        self.snapshot.in_flight = view.in_flight;
        self.snapshot.waits = view.waits;
        self.snapshot.next_retry_at = next_retry_at;
        self.dirty = false;
        let Self { life, to, snapshot, entered, .. } = self;
        let last = entered.pop();
        for transition in entered.drain(..) {
            let transition = Transition { attempt: view.attempt, ..transition };
            to.directory.update(*life, snapshot, Some(transition));
        }
        match last {
            None => to.directory.update(*life, snapshot, None),
            Some(transition) => {
                let transition = Transition { attempt: view.attempt, ..transition };
                to.directory.update_and(*life, snapshot, Some(transition), || {
                    to.fanout.publish(&snapshot.id, snapshot.status.clone());
                })
            }
        };
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.to.metrics.waits.dec_by(self.waits.cast_signed() as i64);
    }
}

fn wall_clock(from_now: Duration) -> Timestamp {
    Timestamp::from(SystemTime::now()).plus(from_now)
}

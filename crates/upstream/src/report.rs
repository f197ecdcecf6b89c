use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use pushgate_fanout::Fanout;
use pushgate_model::{Answer, ConnectionState, TenantStatus, Timestamp};
use pushgate_session::SessionView;

use crate::{Directory, TenantConfig, TenantSnapshot, UpstreamMetrics};

/// What one connection tells the world: its snapshot in the directory, its state to subscribers, its counts.
pub(crate) struct Report {
    snapshot: TenantSnapshot,
    directory: Arc<Directory>,
    fanout: Fanout,
    metrics: UpstreamMetrics,
    /// The snapshot differs from what the directory holds.
    dirty: bool,
}

impl Report {
    /// Continues the counts that the tenant's directory entry has, so that they survive a restart of the connection.
    pub(crate) fn new(
        tenant: &TenantConfig,
        directory: Arc<Directory>,
        fanout: Fanout,
        metrics: UpstreamMetrics,
    ) -> Self {
        let snapshot =
            directory.get(&tenant.id).unwrap_or_else(|| TenantSnapshot::new(tenant.id.clone(), tenant.source));
        Self { snapshot, directory, fanout, metrics, dirty: true }
    }

    /// The connection changed its state.
    pub(crate) fn state(&mut self, state: ConnectionState, reason: Option<String>) {
        let now = Timestamp::from(SystemTime::now());
        let before = self.snapshot.status.state;
        let tenant = &self.snapshot.id;
        match (before, state) {
            (ConnectionState::Connected, ConnectionState::Draining) => {}
            (ConnectionState::Connected, _) => tracing::warn!(%tenant, %state, reason, "connection lost"),
            (_, ConnectionState::Connected) => tracing::info!(%tenant, "connection established"),
            (before, ConnectionState::AuthFailed | ConnectionState::Misconfigured) if before != state => {
                tracing::warn!(%tenant, %state, reason, "connection refused and tried slowly from now on");
            }
            _ => tracing::debug!(%tenant, %state, reason, "connection state changed"),
        }
        if matches!(
            state,
            ConnectionState::Backoff
                | ConnectionState::RateLimited
                | ConnectionState::AuthFailed
                | ConnectionState::Misconfigured
        ) {
            self.metrics.ended(reason.as_deref().unwrap_or("unknown"));
        }
        if before != ConnectionState::Connected && state == ConnectionState::Connected {
            self.snapshot.connected_since = Some(now);
        } else if state != ConnectionState::Connected {
            self.snapshot.connected_since = None;
        }
        self.snapshot.status = TenantStatus { state, since: now, reason: reason.map(Into::into) };
        self.fanout.publish(tenant, self.snapshot.status.clone());
        self.dirty = true;
    }

    /// Something came and was dropped or ignored.
    pub(crate) fn ignored(&self, reason: &str) {
        self.metrics.ignored(reason);
    }

    /// A dial begins.
    pub(crate) fn dialled(&self) {
        self.metrics.dials.inc();
    }

    /// Too much waits for the journal.
    pub(crate) fn in_flight_full(&self) {
        self.metrics.in_flight_full.inc();
    }

    /// A push came, for the first time or again.
    pub(crate) fn came(&mut self) {
        self.metrics.pushes.inc();
        self.snapshot.last_push_at = Some(SystemTime::now().into());
        self.dirty = true;
    }

    /// A push was stored for the first time.
    pub(crate) fn stored(&mut self) {
        self.snapshot.pushes += 1;
        self.dirty = true;
    }

    /// A known push came again.
    pub(crate) fn repeated(&mut self) {
        self.snapshot.duplicates += 1;
        self.dirty = true;
    }

    /// An answer was written.
    pub(crate) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Ack => self.metrics.acks.inc(),
            Answer::Nack => self.metrics.nacks.inc(),
        };
        self.snapshot.answers += 1;
        self.dirty = true;
    }

    /// Puts what changed into the directory.
    pub(crate) fn flush(&mut self, view: &SessionView, now: Instant) {
        let next_retry_at = view.redial_at.map(|at| wall_clock(at.saturating_duration_since(now)));
        let moved = next_retry_at.is_some() != self.snapshot.next_retry_at.is_some();
        if self.dirty || moved || self.snapshot.attempt != view.attempt {
            self.snapshot.attempt = view.attempt;
            self.snapshot.next_retry_at = next_retry_at;
            self.directory.put(self.snapshot.clone());
            self.dirty = false;
        }
    }
}

fn wall_clock(from_now: Duration) -> Timestamp {
    Timestamp::from(SystemTime::now()).plus(from_now)
}

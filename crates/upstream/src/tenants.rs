//! The operations on tenants, for the admin API, reloads and subscribers' words.
//!
//! [`Tenants`] keeps what operators want of each tenant. An operation makes that durable, then changes the watched value that
//! the connection follows ([`crate::desired`]); it does not wait for the connection, but for the end of one that is removed.

use std::sync::Arc;

use pushgate_journal::{AnsweredBy, AppendOutcome, Entry, JournalError};
use pushgate_model::{Answer, Push, PushId, TenantId};
use pushgate_protocol::{DecodeErrorKind, ServerFrame, decode_server};
use serde_json::{Map, Value};

use crate::{Source, TenantMistake, TenantSettings};

mod locks;
mod reload;
mod restore;
mod roster;
mod secrets;
#[cfg(test)]
mod tests;

use roster::append;
pub(crate) use roster::{Roster, RosterSpec};

/// All tenants: what operators want of them. Clones are handles on the same ones.
///
/// Every operation of one tenant waits for the one before it. What an operation wants is durable when it returns; the
/// connection follows at once, and [`crate::Directory`] shows how far it is.
#[derive(Clone)]
pub struct Tenants {
    roster: Arc<Roster>,
}

/// A tenant's settings as operators may see them.
#[derive(Clone, Debug)]
pub struct ShownSettings {
    /// The keys as given; a literal secret is `"***"`.
    pub settings: Map<String, Value>,
    /// Names this version of the settings: an entity tag without its quotes.
    pub version: String,
    /// Where they come from.
    pub source: Source,
}

/// Which version of a tenant's settings an operation is meant for (RFC 9110, section 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Any, also none.
    None,
    /// There must be none: `If-None-Match: *`.
    Absent,
    /// Any that exists: `If-Match: *`.
    Exists,
    /// One of these versions.
    OneOf(Vec<String>),
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The tenant is new.
    Created,
    /// It was there.
    Changed,
}

/// What happens to the pushes of a tenant that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushes {
    /// They stay until retention.
    Keep,
    /// They are erased.
    Purge,
}

/// Why an operation on a tenant did nothing.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// There is none of this id.
    #[error("there is no such tenant")]
    Unknown,
    /// It comes from the configuration files: change it there.
    #[error("this tenant comes from the configuration files and is changed there")]
    FromFile,
    /// `enabled = false`: it can't be resumed.
    #[error("this tenant is switched off by enabled = false in its settings")]
    Disabled,
    /// The settings have another version than the caller knows.
    #[error("the settings were changed meanwhile")]
    Precondition,
    /// The settings are wrong.
    #[error("the settings are not valid")]
    Invalid(Vec<TenantMistake>),
    /// The journal failed: nothing changed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The gateway starts or stops.
    #[error("the gateway starts or stops")]
    NotRunning,
}

/// What became of a subscriber's word.
#[derive(Debug, thiserror::Error)]
pub enum WordError {
    /// There is no such push, or it was trimmed.
    #[error("there is no such push")]
    UnknownPush,
    /// It has its answer already.
    #[error("the push was answered before")]
    AlreadyAnswered(Answer),
    /// The journal can't write at the moment; nothing changed.
    #[error("the journal cannot write at the moment")]
    Unavailable,
}

/// Why a quarantined message can't become a push.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is none of this id.
    #[error("there is no such quarantined message")]
    Unknown,
    /// It still can't be accepted, for this reason: `malformed`, `missing_id`, `id_too_long`, `too_large`, `truncated`
    /// when only its first bytes were kept, or `unknown_tenant` when its tenant is no more.
    #[error("it still can't be accepted: {0}")]
    Refused(&'static str),
    /// The journal failed; the message stays in quarantine.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A quarantined message became a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Whose.
    pub tenant: TenantId,
    /// The push.
    pub push_id: PushId,
    /// Whether the push was known already, so that subscribers see nothing new.
    pub duplicate: bool,
}

/// What a reload did, in numbers of tenants of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// New ones.
    pub added: usize,
    /// Those whose settings changed.
    pub changed: usize,
    /// Those that are gone.
    pub removed: usize,
    /// Those that were not touched.
    pub unchanged: usize,
    /// Tenants of the admin API whose settings can't be read any more with the new ones; they keep what they had.
    pub stale: usize,
}

impl Tenants {
    pub(crate) fn new(roster: Arc<Roster>) -> Self {
        Self { roster }
    }

    /// A tenant's settings.
    pub fn settings(&self, tenant: &TenantId) -> Option<ShownSettings> {
        self.roster.shown(tenant)
    }

    /// Makes or changes a tenant. `settings` are the keys of `[[tenants]]`; a value `"***"` keeps the old one.
    ///
    /// # Errors
    /// The tenant comes from the files, the precondition fails, the settings are wrong, the journal failed.
    pub async fn put(
        &self,
        tenant: TenantId,
        settings: Map<String, Value>,
        precondition: Precondition,
    ) -> Result<Put, TenantError> {
        self.roster.put(tenant, settings, precondition).await
    }

    /// Removes a tenant: its streams end with `tenant-removed`, its socket is closed in order.
    ///
    /// # Errors
    /// There is none, it comes from the files, the precondition fails, the journal failed.
    pub async fn delete(
        &self,
        tenant: &TenantId,
        precondition: Precondition,
        pushes: Pushes,
    ) -> Result<(), TenantError> {
        self.roster.delete(tenant, precondition, pushes).await
    }

    /// Switches a tenant off until [`Tenants::resume`], also across restarts. Does nothing when it is off already.
    ///
    /// # Errors
    /// There is none, or the journal failed.
    pub async fn pause(&self, tenant: &TenantId) -> Result<(), TenantError> {
        self.roster.set_paused(tenant, true).await
    }

    /// Ends a pause. Does nothing when there is none.
    ///
    /// # Errors
    /// There is none, it is switched off in its settings, or the journal failed.
    pub async fn resume(&self, tenant: &TenantId) -> Result<(), TenantError> {
        self.roster.set_paused(tenant, false).await
    }

    /// Dials at once, from any state but `paused`; leaves a present socket first.
    ///
    /// # Errors
    /// There is none.
    pub async fn reconnect(&self, tenant: &TenantId) -> Result<(), TenantError> {
        self.roster.reconnect(tenant).await
    }

    /// Makes the tenants of the files these ones. Only those whose settings changed are touched. The secrets of the API's
    /// tenants are read again. A second reload waits for the first.
    ///
    /// # Errors
    /// The gateway starts or stops.
    pub async fn reload(&self, files: Vec<TenantSettings>) -> Result<Reloaded, TenantError> {
        self.roster.reload(files).await
    }

    /// A subscriber's word about a push: durable when it returns, and on its way to the service.
    ///
    /// # Errors
    /// The push is unknown or was answered, or the journal can't write.
    pub async fn word(&self, tenant: &TenantId, push_id: &PushId, answer: Answer) -> Result<(), WordError> {
        let entry = Entry::Answer { push_id: push_id.clone(), answer, by: AnsweredBy::Subscriber };
        match append(self.roster.journal(), tenant, entry).await {
            Some(AppendOutcome::Answered(answer)) => {
                self.roster.words().tell(tenant, push_id.clone(), answer);
                Ok(())
            }
            Some(AppendOutcome::AlreadyAnswered(answer)) => Err(WordError::AlreadyAnswered(answer)),
            Some(AppendOutcome::UnknownPush) => Err(WordError::UnknownPush),
            _ => Err(WordError::Unavailable),
        }
    }

    /// Stores a quarantined message as the push that it is, if it can be accepted by now, and takes it out of quarantine.
    /// Subscribers see it as a new push; the service, that was told otherwise, gets an ACK if it sends it again.
    ///
    /// # Errors
    /// There is none of this id, it still can't be accepted, the journal failed.
    pub async fn replay(&self, quarantined: u64) -> Result<Replayed, ReplayError> {
        let journal = self.roster.journal();
        let found = journal.quarantined(quarantined).await?.ok_or(ReplayError::Unknown)?;
        if found.entry.size != found.raw.len() as u64 {
            return Err(ReplayError::Refused("truncated"));
        }
        let push = self.accept(&found.raw)?;
        let _locked = self.roster.locks.lock(&found.entry.tenant).await;
        if !self.roster.knows(&found.entry.tenant) {
            // Nobody could see the push.
            return Err(ReplayError::Refused("unknown_tenant"));
        }
        let (tenant, push_id) = (found.entry.tenant, push.id.clone());
        let entry = Entry::Push { push, answer: Some(Answer::Ack) };
        let duplicate = match append(journal, &tenant, entry).await {
            Some(AppendOutcome::Stored(_)) => false,
            Some(AppendOutcome::Duplicate { .. }) => true,
            _ => return Err(ReplayError::Journal(JournalError::Engine("the push could not be stored".to_owned()))),
        };
        journal.delete_quarantined(quarantined).await?;
        Ok(Replayed { tenant, push_id, duplicate })
    }

    /// Has something of a tenant happen, for tests.
    ///
    /// # Errors
    /// There is no such tenant.
    #[cfg(any(test, feature = "testing"))]
    pub fn inject(&self, tenant: &TenantId, fault: crate::testing::Fault) -> Result<(), TenantError> {
        self.roster.inject(tenant, fault)
    }

    fn accept(&self, raw: &[u8]) -> Result<Push, ReplayError> {
        let reason = match decode_server(raw, self.roster.max_message()) {
            Ok(ServerFrame::Push(push)) => return Ok(push),
            Ok(ServerFrame::Unknown) => "unknown",
            Err(error) => match error.kind {
                DecodeErrorKind::TooLarge => "too_large",
                DecodeErrorKind::Malformed => "malformed",
                DecodeErrorKind::MissingId => "missing_id",
                DecodeErrorKind::IdTooLong => "id_too_long",
            },
        };
        Err(ReplayError::Refused(reason))
    }
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenants").finish_non_exhaustive()
    }
}

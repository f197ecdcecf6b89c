//! One batch: what is written in one transaction, and what becomes of each of its members.

use std::{sync::Arc, time::Duration};

use pushgate_model::{Answer, Push, PushId, Seq, StoredPush, TenantId, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{fault::Fault, ledger::Ledger, recent::Seen, shared::Progress};
use crate::{
    AnsweredBy, Append, AppendOutcome, Appended, Entry, QUARANTINE_OVERHEAD, QuarantineEntry, recorded::Recorded,
};

/// After so many members the writer shows progress.
const STRIDE: usize = 256;

/// What a batch is written with.
pub(super) struct Pen<'a> {
    pub(super) conn: &'a Connection,
    pub(super) ledger: &'a mut Ledger,
    pub(super) progress: &'a Progress,
    /// How long a push id is remembered after it was last seen.
    pub(super) dedup: Duration,
    /// What was stored for the first time, in the order of seq.
    pub(super) stored: Vec<Arc<StoredPush>>,
    /// What each new push takes, at hand for the whole batch.
    look: CachedStatement<'a>,
    store: CachedStatement<'a>,
}

/// Who waits for an outcome. Dropped without one, say because the writer panics, it tells that the append failed.
pub(super) struct Waiter {
    reply: mpsc::Sender<Appended>,
    /// Nothing once it was told.
    appended: Option<Appended>,
}

/// A push that came before.
#[derive(Clone, Copy)]
struct Known {
    seq: i64,
    /// Its answer, if it was trimmed.
    remembered: Option<Recorded>,
}

/// Where one member of a batch came from.
struct Origin {
    tenant: TenantId,
    received_at: Timestamp,
}

impl Waiter {
    /// Tells the outcome. One that finds no room is dropped, as `Append::reply` says.
    pub(super) fn answer(mut self, outcome: AppendOutcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: AppendOutcome) {
        if let Some(appended) = self.appended.take() {
            let _ = self.reply.try_send(Appended { outcome, ..appended });
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.tell(AppendOutcome::Failed);
    }
}

impl From<&Append> for Waiter {
    fn from(append: &Append) -> Self {
        let push_id = append.push_id().cloned();
        let appended = Appended { tag: append.tag, push_id, size: append.size(), outcome: AppendOutcome::Failed };
        Self { reply: append.reply.clone(), appended: Some(appended) }
    }
}

impl<'a> Pen<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        ledger: &'a mut Ledger,
        progress: &'a Progress,
        dedup: Duration,
    ) -> rusqlite::Result<Self> {
        let look =
            conn.prepare_cached("SELECT seq, last_seen, trimmed, answer FROM ids WHERE tenant = ?1 AND push_id = ?2")?;
        let store = conn.prepare_cached(
            "INSERT INTO pushes (seq, tenant, received_at, answer, size, push_id, created_at, title, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        Ok(Self { conn, ledger, progress, dedup, stored: Vec::new(), look, store })
    }

    /// Writes a batch within the transaction that the caller began, and says what became of each member.
    pub(super) fn write(&mut self, batch: Vec<Append>) -> Result<Vec<AppendOutcome>, Fault> {
        let mut outcomes = Vec::with_capacity(batch.len());
        self.stored.reserve(batch.len());
        for append in batch {
            if outcomes.len() % STRIDE == 0 {
                self.progress.touch();
            }
            let origin = Origin { tenant: append.tenant, received_at: append.received_at };
            outcomes.push(match append.entry {
                Entry::Push { push, answer } => self.push(origin, push, answer)?,
                Entry::Quarantine(entry) => self.quarantine(&origin, &entry)?,
                Entry::Answer { push_id, answer, by } => self.decide(&origin.tenant, &push_id, answer, by)?,
            });
        }
        self.ledger.settle(self.conn, outcomes.len())?;
        self.ledger.flush(self.conn)?;
        Ok(outcomes)
    }

    fn push(&mut self, origin: Origin, push: Push, answer: Option<Answer>) -> Result<AppendOutcome, Fault> {
        let key = self.ledger.key(self.conn, &origin.tenant)?;
        let seq = self.ledger.next()?;
        if let Some(known) = self.recognise(key, &push, seq, origin.received_at)? {
            return Ok(self.repeat(known, answer)?);
        }
        let size = push.size() as u64;
        self.store.execute(params![
            seq.get().cast_signed(),
            key,
            origin.received_at.as_millis().cast_signed(),
            recorded_to_sql(answer.into()),
            size.cast_signed(),
            push.id.as_str(),
            push.created_at,
            push.title,
            push.body,
        ])?;
        self.ledger.add(key, seq, size);
        let Origin { tenant, received_at } = origin;
        self.stored.push(Arc::new(StoredPush { seq, tenant, push, received_at }));
        Ok(AppendOutcome::Stored(seq))
    }

    /// A push whose id is known, refreshed; nothing for a new one, whose id is known from now on.
    fn recognise(&mut self, key: i64, push: &Push, seq: Seq, at: Timestamp) -> rusqlite::Result<Option<Known>> {
        let id = push.id.as_str();
        let seen = Seen { seq: seq.get().cast_signed(), at: at.as_millis().cast_signed() };
        if let Some(seq) = self.ledger.recent.release(self.conn, key, id, seen.at)? {
            return Ok(Some(Known { seq, remembered: None }));
        }
        let Some((known, last_seen)) = self.look(key, id)? else {
            self.ledger.recent.add(key, id, seen);
            return Ok(None);
        };
        let forgettable = at.minus(self.dedup).as_millis().cast_signed();
        if known.remembered.is_some() && last_seen < forgettable {
            self.conn
                .prepare_cached(
                    "UPDATE ids SET seq = ?3, last_seen = ?4, trimmed = 0 WHERE tenant = ?1 AND push_id = ?2",
                )?
                .execute(params![key, id, seen.seq, seen.at])?;
            return Ok(None);
        }
        self.conn
            .prepare_cached("UPDATE ids SET last_seen = max(last_seen, ?3) WHERE tenant = ?1 AND push_id = ?2")?
            .execute(params![key, id, seen.at])?;
        Ok(Some(known))
    }

    /// What the table of ids knows of a push, and when it was last seen.
    fn look(&mut self, key: i64, id: &str) -> rusqlite::Result<Option<(Known, i64)>> {
        let known = self.look.query_row(params![key, id], |row| {
            let trimmed: bool = row.get(2)?;
            let remembered = if trimmed { Some(recorded_from_sql(row.get(3)?)) } else { None };
            Ok((Known { seq: row.get(0)?, remembered }, row.get(1)?))
        });
        known.optional()
    }

    /// A known push came again: it may change what is recorded about it.
    fn repeat(&self, known: Known, answer: Option<Answer>) -> rusqlite::Result<AppendOutcome> {
        let seq = Seq::new(known.seq.cast_unsigned()).unwrap_or(Seq::MAX);
        if let Some(remembered) = known.remembered {
            return Ok(AppendOutcome::Duplicate { seq, answer: remembered.answer() });
        }
        let before = self.recorded(known.seq)?;
        let after = before.repeated(answer);
        if after != before {
            self.record(known.seq, after)?;
        }
        Ok(AppendOutcome::Duplicate { seq, answer: after.answer() })
    }

    /// Somebody decided what a push is answered.
    fn decide(
        &mut self,
        tenant: &TenantId,
        push_id: &PushId,
        answer: Answer,
        by: AnsweredBy,
    ) -> rusqlite::Result<AppendOutcome> {
        let Some(key) = self.ledger.known(tenant) else { return Ok(AppendOutcome::UnknownPush) };
        let id = push_id.as_str();
        let seq = match self.ledger.recent.get(key, id) {
            Some(seen) => seen.seq,
            None => match self.look(key, id)? {
                Some((Known { seq, remembered: None }, _)) => seq,
                _ => return Ok(AppendOutcome::UnknownPush),
            },
        };
        let Some(recorded) = self.recorded(seq).optional()? else { return Ok(AppendOutcome::UnknownPush) };
        match recorded.decided(answer, by) {
            Ok(recorded) => {
                self.record(seq, recorded)?;
                Ok(AppendOutcome::Answered(answer))
            }
            Err(standing) => Ok(AppendOutcome::AlreadyAnswered(standing)),
        }
    }

    /// What is recorded about a kept push.
    fn recorded(&self, seq: i64) -> rusqlite::Result<Recorded> {
        self.conn
            .prepare_cached("SELECT answer FROM pushes WHERE seq = ?1")?
            .query_row([seq], |row| row.get(0).map(recorded_from_sql))
    }

    fn record(&self, seq: i64, recorded: Recorded) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached("UPDATE pushes SET answer = ?2 WHERE seq = ?1")?
            .execute(params![seq, recorded_to_sql(recorded)])?;
        Ok(())
    }

    fn quarantine(&mut self, origin: &Origin, entry: &QuarantineEntry) -> Result<AppendOutcome, Fault> {
        let key = self.ledger.key(self.conn, &origin.tenant)?;
        let digest = Sha256::new().chain_update(entry.size.to_le_bytes()).chain_update(&entry.raw).finalize();
        let at = origin.received_at.as_millis().cast_signed();
        let repeated: Option<i64> = self
            .conn
            .prepare_cached(
                "UPDATE quarantine SET count = count + 1, last_at = ?3 WHERE tenant = ?1 AND digest = ?2
                 RETURNING count",
            )?
            .query_row(params![key, digest.as_slice(), at], |row| row.get(0))
            .optional()?;
        if let Some(count) = repeated {
            return Ok(AppendOutcome::Quarantined { repeats: count.cast_unsigned() });
        }
        let cost = entry.raw.len() as u64 + QUARANTINE_OVERHEAD;
        self.conn
            .prepare_cached(
                "INSERT INTO quarantine
                     (tenant, digest, received_at, last_at, count, size, cost, reason, push_id, raw)
                 VALUES (?1, ?2, ?3, ?3, 1, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                key,
                digest.as_slice(),
                at,
                entry.size.cast_signed(),
                cost.cast_signed(),
                entry.reason,
                entry.push_id.as_ref().map(PushId::as_str),
                &entry.raw[..],
            ])?;
        self.ledger.quarantined(cost);
        Ok(AppendOutcome::Quarantined { repeats: 1 })
    }
}

/// What stands in `pushes.answer`.
fn recorded_to_sql(recorded: Recorded) -> Option<i64> {
    match recorded {
        Recorded::Due => None,
        Recorded::Given(Answer::Ack) => Some(0),
        Recorded::Given(Answer::Nack) => Some(1),
        Recorded::NackByDeadline => Some(2),
    }
}

/// What a row says about its answer.
pub(super) fn recorded_from_sql(column: Option<i64>) -> Recorded {
    match column {
        None => Recorded::Due,
        Some(0) => Recorded::Given(Answer::Ack),
        Some(2) => Recorded::NackByDeadline,
        Some(_) => Recorded::Given(Answer::Nack),
    }
}

/// What `ids.answer` remembers of `pushes.answer` once the push is trimmed: nobody takes a NACK back any more.
pub(super) fn remembered(answer: i64) -> i64 {
    answer.min(1)
}

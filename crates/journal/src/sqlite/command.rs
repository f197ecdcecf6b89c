//! What the writer does beside appends: a few changes at the word of an operator, each durable before it is answered.

use pushgate_model::TenantId;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::{fault::Fault, ledger::Ledger, writer::Writer};
use crate::{JournalError, StoredTenant};

/// A change, and who waits for it.
pub(super) struct Command {
    pub(super) change: Change,
    /// Gets whether there was anything to change. Dropped when the writer ends.
    pub(super) reply: oneshot::Sender<Result<bool, JournalError>>,
}

/// What an operator may change.
pub(super) enum Change {
    PutTenant(StoredTenant),
    DeleteTenant(TenantId),
    DeleteQuarantined(u64),
    Purge(TenantId),
}

/// What came of a change.
enum Done {
    /// It is done; whether there was anything to change.
    Now(bool),
    /// It is done once all rows of this former key are erased.
    OnceErased(i64),
}

/// Purges that were committed and whose callers wait until everything is erased, by the former key.
#[derive(Default)]
pub(super) struct Purges(Vec<(i64, Command)>);

impl Command {
    /// Nobody can do it at the moment.
    pub(super) fn refuse(self, error: &str) {
        self.answer(Err(JournalError::Engine(error.to_owned())));
    }

    fn answer(self, result: Result<bool, JournalError>) {
        // Whoever asked may have given up.
        let _ = self.reply.send(result);
    }
}

impl Purges {
    /// Everything of these former keys is gone.
    pub(super) fn erased(&mut self, keys: &[i64]) {
        for (_, command) in self.0.extract_if(.., |(key, _)| keys.contains(key)) {
            command.answer(Ok(true));
        }
    }

    /// The store can't write. What was to be erased is erased once it can, and nobody waits for that.
    pub(super) fn refuse(&mut self, error: &str) {
        for (_, command) in self.0.drain(..) {
            command.refuse(error);
        }
    }
}

impl Writer {
    /// Carries commands out in one transaction, under the same `fsync` as a batch, and answers them.
    pub(super) fn obey(&mut self, commands: Vec<Command>) -> Result<(), Fault> {
        if commands.is_empty() {
            return Ok(());
        }
        let done = match self.carry_out(&commands) {
            Ok(done) => done,
            Err(fault) => {
                self.lose(&fault);
                for command in commands {
                    command.refuse(&fault.error);
                }
                return Err(fault);
            }
        };
        self.wal.committed();
        if done.iter().any(|done| matches!(done, Done::OnceErased(_))) {
            self.shared.removed();
        }
        for (command, done) in commands.into_iter().zip(done) {
            match done {
                Done::Now(found) => command.answer(Ok(found)),
                Done::OnceErased(key) => {
                    self.purges.0.push((key, command));
                    self.schedule.hurry();
                }
            }
        }
        self.shared.metrics.bytes.set(self.ledger.bytes().cast_signed());
        Ok(())
    }

    fn carry_out(&mut self, commands: &[Command]) -> Result<Vec<Done>, Fault> {
        self.file.check_in_place()?;
        let synchronous = self.wal.synchronous();
        let (conn, ledger) = self.store()?;
        conn.pragma_update(None, "synchronous", synchronous)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let done = commands.iter().map(|command| change(conn, ledger, &command.change)).collect::<Result<_, _>>()?;
        conn.execute_batch("COMMIT")?;
        Ok(done)
    }
}

fn change(conn: &Connection, ledger: &mut Ledger, change: &Change) -> rusqlite::Result<Done> {
    let found = match change {
        Change::PutTenant(tenant) => conn
            .prepare_cached(
                "INSERT OR REPLACE INTO tenant_settings (name, settings, version, paused) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![tenant.id.as_str(), tenant.settings, tenant.version, tenant.paused])?,
        Change::DeleteTenant(tenant) => {
            conn.prepare_cached("DELETE FROM tenant_settings WHERE name = ?1")?.execute([tenant.as_str()])?
        }
        Change::DeleteQuarantined(id) => return delete_quarantined(conn, ledger, *id).map(Done::Now),
        Change::Purge(tenant) => {
            return Ok(ledger.purge(conn, tenant)?.map_or(Done::Now(false), Done::OnceErased));
        }
    };
    Ok(Done::Now(found > 0))
}

/// Erases one entry, but none of a purged tenant: that one is gone already, as far as anybody can see.
fn delete_quarantined(conn: &Connection, ledger: &mut Ledger, id: u64) -> rusqlite::Result<bool> {
    let Ok(id) = i64::try_from(id) else { return Ok(false) };
    let cost: Option<i64> = conn
        .prepare_cached("DELETE FROM quarantine WHERE id = ?1 AND tenant IN (SELECT id FROM tenants) RETURNING cost")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    ledger.unquarantined(cost.unwrap_or(0).cast_unsigned());
    Ok(cost.is_some())
}

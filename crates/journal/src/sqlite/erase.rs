//! Erasing what purged tenants left.
//!
//! A purge is one small commit: the tenant's row gets a new key, and the old one goes to `purges`. From then on nobody
//! finds the old rows, whose ids and positions are as good as gone, and what the tenant gets next is not mixed up with
//! them. The rows themselves go in small steps between commits, before anything else is trimmed. A purge that a
//! stop or a failure cut short goes on by itself, because `purges` says so.

use rusqlite::{OptionalExtension, params};

use super::trim::{CHUNK, Step};

impl Step<'_> {
    /// Erases rows of purged tenants, one tenant after the other.
    pub(super) fn erase(&mut self) -> rusqlite::Result<()> {
        while let Some(key) = self.ledger.purged() {
            self.erase_pushes(key)?;
            self.erase_ids(key)?;
            self.erase_quarantine(key)?;
            if self.spent() {
                break;
            }
            self.conn.prepare_cached("DELETE FROM purges WHERE tenant = ?1")?.execute([key])?;
            self.rows += 1;
            self.ledger.erased(key);
            self.erased.push(key);
        }
        Ok(())
    }

    fn erase_pushes(&mut self, key: i64) -> rusqlite::Result<()> {
        // One by one, since each may be large.
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM pushes WHERE seq =
                 (SELECT seq FROM pushes INDEXED BY pushes_by_tenant WHERE tenant = ?1 ORDER BY seq LIMIT 1)",
        )?;
        while !self.spent() {
            let gone = delete.execute([key])?;
            self.rows += gone;
            if gone == 0 {
                break;
            }
        }
        Ok(())
    }

    fn erase_ids(&mut self, key: i64) -> rusqlite::Result<()> {
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM ids WHERE tenant = ?1 AND push_id IN (SELECT push_id FROM ids WHERE tenant = ?1 LIMIT ?2)",
        )?;
        while !self.spent() {
            let gone = delete.execute(params![key, CHUNK.cast_signed()])?;
            self.rows += gone;
            if gone == 0 {
                break;
            }
        }
        Ok(())
    }

    fn erase_quarantine(&mut self, key: i64) -> rusqlite::Result<()> {
        let mut delete = self.conn.prepare_cached(
            "DELETE FROM quarantine WHERE id =
                 (SELECT id FROM quarantine INDEXED BY quarantine_by_tenant WHERE tenant = ?1 LIMIT 1)
             RETURNING cost",
        )?;
        while !self.spent() {
            let Some(cost) = delete.query_row([key], |row| row.get::<_, i64>(0)).optional()? else { break };
            self.ledger.unquarantined(cost.cast_unsigned());
            self.rows += 1;
        }
        Ok(())
    }
}

//! One small step of trimming: what to remove next, and removing it.

use std::{
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use pushgate_model::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    batch::remembered,
    ledger::{Ledger, Usage},
};
use crate::Retention;

/// Rows that one step removes at most.
const STEP: usize = 500;

/// After this time a step ends, having removed something.
const PATIENCE: Duration = Duration::from_millis(5);

/// Rows that are looked up at once.
pub(super) const CHUNK: usize = 100;

/// One step, within one transaction.
pub(super) struct Step<'a> {
    pub(super) conn: &'a Connection,
    pub(super) ledger: &'a mut Ledger,
    /// Rows that were removed.
    pub(super) rows: usize,
    /// Former keys of purged tenants of which nothing is left.
    pub(super) erased: Vec<i64>,
    bounds: Bounds,
    begun: Instant,
    /// Pushes that were trimmed.
    pushes: u64,
}

/// What is kept, at this moment.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) retention: Retention,
    /// How long a push id is remembered after it was last seen.
    pub(super) dedup: Duration,
    pub(super) now: Timestamp,
}

/// What a step did.
pub(super) struct Trimmed {
    /// Pushes that it removed, without those of purged tenants.
    pub(super) pushes: u64,
    /// Former keys of purged tenants of which nothing is left.
    pub(super) erased: Vec<i64>,
    /// Whether it ended before everything was within bounds.
    pub(super) more: bool,
}

/// A push that may go: its answer was given.
struct Candidate {
    seq: i64,
    tenant: i64,
    size: u64,
    push_id: String,
    answer: i64,
}

impl Candidate {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let size: i64 = row.get(2)?;
        Ok(Self {
            seq: row.get(0)?,
            tenant: row.get(1)?,
            size: size.cast_unsigned(),
            push_id: row.get(3)?,
            answer: row.get(4)?,
        })
    }
}

impl<'a> Step<'a> {
    pub(super) fn new(conn: &'a Connection, ledger: &'a mut Ledger, bounds: Bounds) -> Self {
        Self { conn, ledger, rows: 0, erased: Vec::new(), bounds, begun: Instant::now(), pushes: 0 }
    }

    /// Removes what is out of bounds, within the transaction that the caller began.
    pub(super) fn run(mut self) -> rusqlite::Result<Trimmed> {
        self.erase()?;
        self.give_up()?;
        self.trim_by_age()?;
        self.trim_by_count()?;
        self.trim_by_bytes()?;
        self.forget_ids()?;
        self.empty_quarantine()?;
        if self.pushes > 0 {
            self.ledger.flush(self.conn)?;
        }
        Ok(Trimmed { more: self.spent(), pushes: self.pushes, erased: self.erased })
    }

    /// A push that was not answered and did not come again for as long as ids are remembered waits for nobody any more, say
    /// because its tenant is gone: it counts as a deadline's NACK, which a repeat would take back, and can be trimmed.
    fn give_up(&mut self) -> rusqlite::Result<()> {
        let due: Vec<i64> = self
            .conn
            .prepare_cached(
                "SELECT p.seq FROM pushes p INDEXED BY pushes_due
                 LEFT JOIN ids i ON i.tenant = p.tenant AND i.push_id = p.push_id
                 WHERE p.answer IS NULL AND p.received_at < ?1 AND coalesce(i.last_seen, p.received_at) < ?1 LIMIT ?2",
            )?
            .query_map(params![self.forgettable(), CHUNK.cast_signed()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut update = self.conn.prepare_cached("UPDATE pushes SET answer = 2 WHERE seq = ?1")?;
        for seq in due {
            self.rows += update.execute([seq])?;
        }
        Ok(())
    }

    fn trim_by_age(&mut self) -> rusqlite::Result<()> {
        if self.bounds.retention.max_age.is_zero() {
            return Ok(());
        }
        let oldest = self.bounds.now.minus(self.bounds.retention.max_age).as_millis().cast_signed();
        while !self.spent() {
            let candidates: Vec<Candidate> = self
                .conn
                .prepare_cached(
                    "SELECT seq, tenant, size, push_id, answer FROM pushes INDEXED BY pushes_by_age
                     WHERE answer IS NOT NULL AND received_at < ?1 ORDER BY received_at LIMIT ?2",
                )?
                .query_map(params![oldest, CHUNK.cast_signed()], Candidate::from_row)?
                .collect::<Result<_, _>>()?;
            if candidates.is_empty() {
                break;
            }
            self.trim_all(&candidates)?;
        }
        Ok(())
    }

    fn trim_by_count(&mut self) -> rusqlite::Result<()> {
        let max = self.bounds.retention.max_pushes_per_tenant;
        if max == 0 {
            return Ok(());
        }
        let over: Vec<Usage> = self.ledger.tenants().iter().filter(|usage| usage.pushes > max).copied().collect();
        for usage in over {
            let mut excess = usage.pushes - max;
            while excess > 0 && !self.spent() {
                let candidates = self.oldest_of(usage.key, excess)?;
                if candidates.is_empty() {
                    break;
                }
                self.trim_all(&candidates)?;
                excess -= candidates.len() as u64;
            }
        }
        Ok(())
    }

    /// Trims the tenant that uses most, until another one does or all are within the bound.
    fn trim_by_bytes(&mut self) -> rusqlite::Result<()> {
        let max = self.bounds.retention.max_bytes;
        if max == 0 || self.ledger.bytes() <= max {
            return Ok(());
        }
        let usage = self.ledger.tenants().iter().map(|usage| usage.bytes).enumerate();
        let mut largest_first: BinaryHeap<(u64, usize)> = usage.map(|(slot, bytes)| (bytes, slot)).collect();
        while self.ledger.bytes() > max && !self.spent() {
            let Some((bytes, slot)) = largest_first.pop().filter(|(bytes, _)| *bytes > 0) else { break };
            let second = largest_first.peek().map_or(0, |(bytes, _)| *bytes);
            let excess = self.ledger.bytes() - max;
            self.trim_bytes(slot, excess.min(bytes - second).max(1))?;
            let left = self.ledger.tenants()[slot].bytes;
            // One of which nothing went is left alone: all its pushes await their answers.
            if left < bytes {
                largest_first.push((left, slot));
            }
        }
        Ok(())
    }

    /// Trims pushes of one tenant until so many bytes are gone, or some at least.
    fn trim_bytes(&mut self, slot: usize, goal: u64) -> rusqlite::Result<()> {
        let usage = self.ledger.tenants()[slot];
        let average = (usage.bytes / usage.pushes.max(1)).max(1);
        let mut goal = goal;
        for candidate in &self.oldest_of(usage.key, goal.div_ceil(average))? {
            self.trim(candidate)?;
            goal = goal.saturating_sub(candidate.size);
            if goal == 0 || self.spent() {
                break;
            }
        }
        Ok(())
    }

    fn forget_ids(&mut self) -> rusqlite::Result<()> {
        while !self.spent() {
            let ids: Vec<(i64, String)> = self
                .conn
                .prepare_cached(
                    "SELECT tenant, push_id FROM ids INDEXED BY ids_by_age
                     WHERE trimmed = 1 AND last_seen < ?1 ORDER BY last_seen LIMIT ?2",
                )?
                .query_map(params![self.forgettable(), CHUNK.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            if ids.is_empty() {
                break;
            }
            let mut delete = self.conn.prepare_cached("DELETE FROM ids WHERE tenant = ?1 AND push_id = ?2")?;
            for (tenant, id) in &ids {
                self.rows += delete.execute(params![tenant, id])?;
            }
        }
        Ok(())
    }

    fn empty_quarantine(&mut self) -> rusqlite::Result<()> {
        let max = self.bounds.retention.quarantine;
        while max > 0 && self.ledger.quarantine() > max && !self.spent() {
            let cost: i64 = self
                .conn
                .prepare_cached("DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine) RETURNING cost")?
                .query_row([], |row| row.get(0))?;
            self.ledger.unquarantined(cost.cast_unsigned());
            self.rows += 1;
        }
        Ok(())
    }

    fn oldest_of(&self, tenant: i64, wanted: u64) -> rusqlite::Result<Vec<Candidate>> {
        self.conn
            .prepare_cached(
                "SELECT seq, tenant, size, push_id, answer FROM pushes INDEXED BY pushes_by_tenant
                 WHERE tenant = ?1 AND answer IS NOT NULL ORDER BY seq LIMIT ?2",
            )?
            .query_map(params![tenant, wanted.min(CHUNK as u64).cast_signed()], Candidate::from_row)?
            .collect()
    }

    /// Removes pushes until the step is spent.
    fn trim_all(&mut self, candidates: &[Candidate]) -> rusqlite::Result<()> {
        for candidate in candidates {
            if self.spent() {
                break;
            }
            self.trim(candidate)?;
        }
        Ok(())
    }

    /// Removes a push; its id stays known for as long as it must.
    fn trim(&mut self, push: &Candidate) -> rusqlite::Result<()> {
        self.conn.prepare_cached("DELETE FROM pushes WHERE seq = ?1")?.execute([push.seq])?;
        self.ledger.recent.release(self.conn, push.tenant, &push.push_id, 0)?;
        let forgotten = self
            .conn
            .prepare_cached("DELETE FROM ids WHERE tenant = ?1 AND push_id = ?2 AND last_seen < ?3")?
            .execute(params![push.tenant, push.push_id, self.forgettable()])?;
        if forgotten == 0 {
            self.conn
                .prepare_cached("UPDATE ids SET trimmed = 1, answer = ?3 WHERE tenant = ?1 AND push_id = ?2")?
                .execute(params![push.tenant, push.push_id, remembered(push.answer)])?;
        }
        self.ledger.remove(push.tenant, push.seq.cast_unsigned(), push.size);
        self.rows += 1;
        self.pushes += 1;
        Ok(())
    }

    /// Ids last seen before this moment, in ms since 1970, need not be known once their push is gone.
    fn forgettable(&self) -> i64 {
        self.bounds.now.minus(self.bounds.dedup).as_millis().cast_signed()
    }

    pub(super) fn spent(&self) -> bool {
        self.rows >= STEP || (self.rows > 0 && self.begun.elapsed() >= PATIENCE)
    }
}

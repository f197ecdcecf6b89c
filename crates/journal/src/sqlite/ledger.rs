use std::collections::HashMap;

use pushgate_model::{Seq, TenantId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    fault::Fault,
    listing::tenant_from_sql,
    recent::{KEPT, Recent, Seen},
};

/// Positions that a gateway may give before it reserves more; see [`Ledger::reserve`].
const RESERVED: u64 = 1 << 24;

/// What the writer knows by heart about the log: who uses how much, and which position comes next.
///
/// It runs ahead of the database within a transaction and is loaded again when one fails.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    head: Seq,
    reserved: u64,
    tenants: Vec<Usage>,
    by_name: HashMap<TenantId, usize>,
    by_key: HashMap<i64, usize>,
    bytes: u64,
    quarantine: u64,
    changed: Vec<usize>,
    /// Ids that the table of ids does not have yet.
    pub(super) recent: Recent,
    /// The table of ids has all pushes up to here, and the rows of tenants count them.
    indexed: u64,
    /// Pushes after `indexed` and up to here are on their way there.
    leaving_upto: u64,
    /// Former keys of purged tenants, whose rows are still there.
    purges: Vec<i64>,
}

/// What one tenant keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// The tenant's number in the database.
    pub(super) key: i64,
    pub(super) pushes: u64,
    pub(super) bytes: u64,
    trimmed: u64,
    /// Of all these, which the tenant's row does not count yet: those above [`Ledger::leaving_upto`], and the others.
    fresh: Count,
    leaving: Count,
    changed: bool,
}

/// Some pushes.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    pushes: u64,
    bytes: u64,
}

impl Ledger {
    /// Reads what the database knows. Never goes back behind `head`: those positions were given, if only to a commit
    /// that failed.
    pub(super) fn load(conn: &Connection, head: Seq) -> rusqlite::Result<Self> {
        let mut ledger = Self::default();
        let (given, reserved, indexed, newest): (i64, i64, i64, i64) = conn.query_row(
            "SELECT head, reserved, indexed, (SELECT coalesce(max(seq), 0) FROM pushes) FROM log",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        ledger.reserved = reserved.cast_unsigned();
        ledger.indexed = indexed.cast_unsigned();
        let highest = given.max(newest).cast_unsigned().max(head.get());
        ledger.head = Seq::new(highest).unwrap_or(Seq::MAX);
        let mut tenants = conn.prepare("SELECT id, name, trimmed, pushes, bytes FROM tenants")?;
        let mut rows = tenants.query([])?;
        while let Some(row) = rows.next()? {
            let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
            let (key, trimmed, pushes, bytes) = (row.get(0)?, number(2)?, number(3)?, number(4)?);
            ledger.insert(tenant_from_sql(row, 1)?, Usage { key, pushes, bytes, trimmed, ..Usage::default() });
        }
        ledger.load_newest(conn)?;
        ledger.purges =
            conn.prepare("SELECT tenant FROM purges")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let quarantine: i64 = conn.query_row("SELECT coalesce(sum(cost), 0) FROM quarantine", [], |row| row.get(0))?;
        ledger.quarantine = quarantine.cast_unsigned();
        Ok(ledger)
    }

    /// Reads the pushes that neither the table of ids nor the rows of tenants have to know yet. All but the newest are on
    /// their way there at once: else a log that is opened often would never come to the end of them.
    fn load_newest(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let indexed = self.indexed.cast_signed();
        let leaving_upto: Option<i64> = conn
            .prepare("SELECT seq FROM pushes WHERE seq > ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2")?
            .query_row(params![indexed, KEPT.cast_signed() as i64], |row| row.get(0))
            .optional()?;
        self.leaving_upto = leaving_upto.unwrap_or(indexed).cast_unsigned();
        self.load_range(conn, indexed, self.leaving_upto.cast_signed())?;
        self.recent.turn();
        for usage in &mut self.tenants {
            usage.leaving = std::mem::take(&mut usage.fresh);
        }
        self.load_range(conn, self.leaving_upto.cast_signed(), i64::MAX)
    }

    /// Reads pushes with `after < seq <= upto`.
    fn load_range(&mut self, conn: &Connection, after: i64, upto: i64) -> rusqlite::Result<()> {
        let mut select = conn.prepare(
            "SELECT p.seq, p.tenant, p.received_at, p.size, p.push_id, i.seq IS NULL
             FROM pushes p LEFT JOIN ids i ON i.tenant = p.tenant AND i.push_id = p.push_id
             WHERE p.seq > ?1 AND p.seq <= ?2 ORDER BY p.seq",
        )?;
        let mut rows = select.query([after, upto])?;
        while let Some(row) = rows.next()? {
            let (seq, key, at, size): (i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            // What a purged tenant left is known and counted no more.
            if !self.by_key.contains_key(&key) {
                continue;
            }
            self.count(key, size.cast_unsigned());
            if row.get(5)? {
                self.recent.add(key, row.get_ref(4)?.as_str()?, Seen { seq, at });
            }
        }
        Ok(())
    }

    /// The highest position that was given.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// The position that is given next.
    pub(super) fn next(&self) -> Result<Seq, Fault> {
        self.head.next().ok_or_else(Fault::exhausted)
    }

    /// Bytes of all kept pushes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of all quarantined pushes.
    pub(super) fn quarantine(&self) -> u64 {
        self.quarantine
    }

    /// Every tenant that ever had a push.
    pub(super) fn tenants(&self) -> &[Usage] {
        &self.tenants
    }

    /// The number of a tenant in the database, if it ever had a push.
    pub(super) fn known(&self, tenant: &TenantId) -> Option<i64> {
        self.by_name.get(tenant).map(|slot| self.tenants[*slot].key)
    }

    /// The number of a tenant in the database; a new tenant gets one.
    pub(super) fn key(&mut self, conn: &Connection, tenant: &TenantId) -> rusqlite::Result<i64> {
        if let Some(key) = self.known(tenant) {
            return Ok(key);
        }
        conn.prepare_cached("INSERT INTO tenants (name, trimmed, pushes, bytes) VALUES (?1, 0, 0, 0)")?
            .execute([tenant.as_str()])?;
        let key = conn.last_insert_rowid();
        self.insert(tenant.clone(), Usage { key, ..Usage::default() });
        Ok(key)
    }

    /// A push was stored.
    pub(super) fn add(&mut self, key: i64, seq: Seq, size: u64) {
        self.head = seq;
        self.count(key, size);
    }

    /// A push counts, and is not in its tenant's row.
    fn count(&mut self, key: i64, size: u64) {
        let Some(&slot) = self.by_key.get(&key) else { return };
        let usage = &mut self.tenants[slot];
        self.recent.pass();
        self.bytes += size;
        usage.pushes += 1;
        usage.bytes += size;
        usage.fresh.pushes += 1;
        usage.fresh.bytes += size;
    }

    /// Brings what is too much here to the table of ids, and what follows from that to the rows of tenants. Part of every
    /// transaction that stores something, so many pushes.
    pub(super) fn settle(&mut self, conn: &Connection, pushes: usize) -> rusqlite::Result<()> {
        if !self.recent.settle(conn, pushes)? {
            return Ok(());
        }
        (self.indexed, self.leaving_upto) = (self.leaving_upto, self.head.get());
        for (slot, usage) in self.tenants.iter_mut().enumerate() {
            if usage.leaving.pushes > 0 && !usage.changed {
                usage.changed = true;
                self.changed.push(slot);
            }
            usage.leaving = std::mem::take(&mut usage.fresh);
        }
        Ok(())
    }

    /// A push was trimmed.
    pub(super) fn remove(&mut self, key: i64, seq: u64, size: u64) {
        // What a purged tenant left counts no more.
        if !self.by_key.contains_key(&key) {
            return;
        }
        self.bytes = self.bytes.saturating_sub(size);
        let (indexed, leaving_upto) = (self.indexed, self.leaving_upto);
        self.change(key, |usage| {
            usage.pushes = usage.pushes.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(size);
            usage.trimmed = usage.trimmed.max(seq);
            if seq > leaving_upto {
                usage.fresh.remove(size);
            } else if seq > indexed {
                usage.leaving.remove(size);
            }
        });
    }

    /// Gives a tenant a new key, so that nobody finds what it had under the old one, which is returned. Nothing when it
    /// never had anything.
    pub(super) fn purge(&mut self, conn: &Connection, tenant: &TenantId) -> rusqlite::Result<Option<i64>> {
        let Some(&slot) = self.by_name.get(tenant) else { return Ok(None) };
        let former = self.tenants[slot];
        let newest: i64 = conn
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM pushes INDEXED BY pushes_by_tenant WHERE tenant = ?1")?
            .query_row([former.key], |row| row.get(0))?;
        let trimmed = former.trimmed.max(newest.cast_unsigned());
        // Above every key that any tenant has or had: a former one is never used again.
        let key = conn
            .prepare_cached(
                "UPDATE tenants SET id = (SELECT max(id) + 1 FROM tenants), trimmed = ?2, pushes = 0, bytes = 0
                 WHERE id = ?1 RETURNING id",
            )?
            .query_row(params![former.key, trimmed.cast_signed()], |row| row.get(0))?;
        conn.prepare_cached("INSERT INTO purges (tenant) VALUES (?1)")?.execute([former.key])?;
        self.tenants[slot] = Usage { key, trimmed, ..Usage::default() };
        self.recent.purge(former.key);
        self.by_key.remove(&former.key);
        self.by_key.insert(key, slot);
        self.bytes = self.bytes.saturating_sub(former.bytes);
        self.purges.push(former.key);
        Ok(Some(former.key))
    }

    /// A former key whose rows are to be erased.
    pub(super) fn purged(&self) -> Option<i64> {
        self.purges.first().copied()
    }

    /// All rows of a former key are gone.
    pub(super) fn erased(&mut self, key: i64) {
        self.purges.retain(|purge| *purge != key);
    }

    pub(super) fn quarantined(&mut self, cost: u64) {
        self.quarantine += cost;
    }

    pub(super) fn unquarantined(&mut self, cost: u64) {
        self.quarantine = self.quarantine.saturating_sub(cost);
    }

    /// Writes what changed, as the last thing of a transaction.
    pub(super) fn flush(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut update =
            conn.prepare_cached("UPDATE tenants SET trimmed = ?2, pushes = ?3, bytes = ?4 WHERE id = ?1")?;
        for slot in self.changed.drain(..) {
            let usage = &mut self.tenants[slot];
            usage.changed = false;
            let trimmed = usage.trimmed;
            let pushes = usage.pushes.saturating_sub(usage.fresh.pushes + usage.leaving.pushes);
            let bytes = usage.bytes.saturating_sub(usage.fresh.bytes + usage.leaving.bytes);
            update.execute(params![usage.key, trimmed.cast_signed(), pushes.cast_signed(), bytes.cast_signed()])?;
        }
        let (head, indexed) = (self.head.get().cast_signed(), self.indexed.cast_signed());
        conn.prepare_cached("UPDATE log SET head = ?1, indexed = ?2")?.execute([head, indexed])?;
        Ok(())
    }

    /// Skips all positions that an earlier life may have given: a power cut can take back commits that nobody waited
    /// for, and with them the knowledge of positions that subscribers have already seen.
    pub(super) fn skip_reserved(&mut self) {
        self.head = self.head.max(Seq::new(self.reserved).unwrap_or(Seq::MAX));
    }

    /// Whether `count` more positions need [`Ledger::reserve`] first.
    pub(super) fn must_reserve(&self, count: usize) -> bool {
        self.head.get() + count as u64 > self.reserved
    }

    /// Reserves positions for the commits to come, so that a power cut can't lead to their being used twice. The
    /// caller sees to it that this statement is on disk before one of them is given.
    pub(super) fn reserve(&mut self, conn: &Connection, count: usize) -> rusqlite::Result<()> {
        let reserved = (self.head.get() + RESERVED.max(count as u64)).min(Seq::MAX.get());
        conn.execute("UPDATE log SET reserved = ?1", [reserved.cast_signed()])?;
        self.reserved = reserved;
        Ok(())
    }

    fn insert(&mut self, name: TenantId, usage: Usage) {
        let slot = self.tenants.len();
        self.bytes += usage.bytes;
        self.by_key.insert(usage.key, slot);
        self.by_name.insert(name, slot);
        self.tenants.push(usage);
    }

    fn change(&mut self, key: i64, change: impl FnOnce(&mut Usage)) {
        let Some(&slot) = self.by_key.get(&key) else { return };
        let usage = &mut self.tenants[slot];
        change(usage);
        if !usage.changed {
            usage.changed = true;
            self.changed.push(slot);
        }
    }
}

impl Count {
    fn remove(&mut self, size: u64) {
        self.pushes = self.pushes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

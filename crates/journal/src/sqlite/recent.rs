//! The ids of the newest pushes, which the table of ids does not have yet.
//!
//! Ids come in no order, so a new one dirties a page of the table for itself alone, which is then logged, synced and copied
//! into the database: most of what a commit cost. Here they wait until many can be added in the order of the table, so that
//! each page is dirtied once for several. Nothing is lost by a crash: whoever opens the journal reads the newest pushes
//! again.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

/// Pushes after which the ids of all before them are in the table; so many ids wait at most.
pub(super) const KEPT: usize = if cfg!(test) { 8 } else { 65_536 };

/// Ids that a commit adds to the table at most: so many, and two for each of its pushes. After a start twice as many may
/// wait as otherwise, which must not all be added at once.
const STEP: usize = if cfg!(test) { 1 } else { 64 };

/// A tenant's number and the bytes of an id, so that the order of keys is that of the table.
type Key = Box<[u8]>;

const INSERT: &str = "INSERT INTO ids (tenant, push_id, seq, last_seen, trimmed) VALUES (?1, ?2, ?3, ?4, 0)";

/// The ids that wait. All of them were seen once: one that comes again goes to the table.
#[derive(Debug, Default)]
pub(super) struct Recent {
    fresh: BTreeMap<Key, Seen>,
    /// Those of before, which go to the table one after the other, until there are none left and the fresh ones follow.
    leaving: BTreeMap<Key, Seen>,
    /// Pushes since these began to leave, whether or not their ids still wait.
    passed: usize,
    /// Where keys are written that are looked for.
    scratch: Vec<u8>,
}

/// When a push was seen, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) seq: i64,
    /// ms since 1970.
    pub(super) at: i64,
}

impl Recent {
    /// A push was stored.
    pub(super) fn pass(&mut self) {
        self.passed += 1;
    }

    /// The table does not know a push that was stored.
    pub(super) fn add(&mut self, tenant: i64, id: &str, seen: Seen) {
        self.fresh.insert(key(&mut self.scratch, tenant, id).into(), seen);
    }

    /// A push that waits here.
    pub(super) fn get(&mut self, tenant: i64, id: &str) -> Option<Seen> {
        let key = key(&mut self.scratch, tenant, id);
        self.fresh.get(key).or_else(|| self.leaving.get(key)).copied()
    }

    /// Brings a push that waits here to the table, as seen then or at `at` at last. Nothing when it does not wait here.
    pub(super) fn release(
        &mut self,
        conn: &Connection,
        tenant: i64,
        id: &str,
        at: i64,
    ) -> rusqlite::Result<Option<i64>> {
        let key = key(&mut self.scratch, tenant, id);
        let Some(seen) = self.fresh.remove(key).or_else(|| self.leaving.remove(key)) else { return Ok(None) };
        insert(conn, tenant, id, Seen { at: seen.at.max(at), ..seen })?;
        Ok(Some(seen.seq))
    }

    /// What was added until now leaves from now on. Nothing may be left of what left before.
    pub(super) fn turn(&mut self) {
        self.leaving = std::mem::take(&mut self.fresh);
        self.passed = 0;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.leaving.len()
    }

    /// Forgets all that a tenant has here.
    pub(super) fn purge(&mut self, tenant: i64) {
        let all = Key::from(tenant.to_be_bytes())..Key::from((tenant + 1).to_be_bytes());
        for ids in [&mut self.fresh, &mut self.leaving] {
            ids.extract_if(all.clone(), |_, _| true).for_each(drop);
        }
    }

    /// Adds to the table what is too much here, with a commit of so many pushes. True when all ids of before are in it, and
    /// the fresh ones begin to leave.
    pub(super) fn settle(&mut self, conn: &Connection, pushes: usize) -> rusqlite::Result<bool> {
        let most = 2 * pushes + STEP;
        for _ in 0..most {
            if self.leaving.len() + self.passed <= KEPT {
                break;
            }
            let Some((key, seen)) = self.leaving.pop_first() else {
                self.turn();
                return Ok(true);
            };
            let (tenant, id) = key.split_at(size_of::<i64>());
            let tenant = i64::from_be_bytes(tenant.try_into().expect("it was split there"));
            let id = std::str::from_utf8(id).expect("it was a text");
            insert(conn, tenant, id, seen)?;
        }
        Ok(false)
    }
}

/// Adds one id to the table.
fn insert(conn: &Connection, tenant: i64, id: &str, seen: Seen) -> rusqlite::Result<()> {
    conn.prepare_cached(INSERT)?.execute(params![tenant, id, seen.seq, seen.at])?;
    Ok(())
}

/// Keys of tenants are positive, so the order of their bytes is theirs.
fn key<'a>(scratch: &'a mut Vec<u8>, tenant: i64, id: &str) -> &'a [u8] {
    scratch.clear();
    scratch.extend_from_slice(&tenant.to_be_bytes());
    scratch.extend_from_slice(id.as_bytes());
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema::{MIGRATIONS, migrate};

    fn table() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, MIGRATIONS).unwrap();
        conn
    }

    fn rows(conn: &Connection) -> Vec<(i64, String, i64)> {
        let mut select = conn.prepare("SELECT tenant, push_id, seq FROM ids ORDER BY seq").unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
    }

    /// Stores a push with an id.
    fn store(recent: &mut Recent, tenant: i64, id: &str, seq: i64) {
        recent.pass();
        recent.add(tenant, id, Seen { seq, at: 5 });
    }

    #[test]
    fn ids_leave_in_the_order_of_the_table_when_there_are_too_many() {
        let (conn, mut recent) = (table(), Recent::default());
        for seq in (0..).take(KEPT) {
            store(&mut recent, 1 + seq % 2, &format!("{}", 9 - seq), seq);
            assert!(!recent.settle(&conn, 1).unwrap());
        }
        store(&mut recent, 1, "late", 100);
        assert!(recent.settle(&conn, 1).unwrap(), "none had to leave before");
        assert!(!recent.settle(&conn, 0).unwrap());
        assert_eq!(rows(&conn), [(1, "3".to_owned(), 6)], "the first of the first tenant");
        for seq in (101..).take(KEPT) {
            store(&mut recent, 3, &seq.to_string(), seq);
        }
        assert!(!recent.settle(&conn, KEPT).unwrap());
        assert_eq!(rows(&conn).len(), KEPT + 1, "all of before, also the late one");
        assert!(recent.get(3, "101").is_some() && recent.get(1, "late").is_none());
        store(&mut recent, 3, "last", 200);
        assert!(recent.settle(&conn, 1).unwrap());
    }

    #[test]
    fn a_push_whose_id_waits_no_longer_is_no_reason_to_wait_for_others() {
        let (conn, mut recent) = (table(), Recent::default());
        let mut turns = 0;
        for seq in (0..).take(4 * KEPT) {
            let id = seq.to_string();
            store(&mut recent, 1, &id, seq);
            assert_eq!(recent.release(&conn, 1, &id, 9).unwrap(), Some(seq));
            turns += usize::from(recent.settle(&conn, 1).unwrap());
        }
        assert_eq!(turns, 3);
    }

    #[test]
    fn what_a_start_found_leaves_with_many_commits() {
        let (conn, mut recent) = (table(), Recent::default());
        for seq in (0..).take(STEP + 2 * KEPT) {
            store(&mut recent, 1, &seq.to_string(), seq);
        }
        assert!(recent.settle(&conn, 0).unwrap());
        assert!(!recent.settle(&conn, 0).unwrap());
        assert_eq!(rows(&conn).len(), STEP);
        assert!(!recent.settle(&conn, 1).unwrap());
        assert_eq!(rows(&conn).len(), STEP + 2 + STEP);
        assert!(!recent.settle(&conn, KEPT).unwrap());
        assert_eq!(rows(&conn).len(), STEP + KEPT, "as many wait as may");
    }

    #[test]
    fn an_id_is_that_of_its_tenant() {
        let (conn, mut recent) = (table(), Recent::default());
        recent.add(1, "a", Seen { seq: 1, at: 5 });
        recent.add(256, "a", Seen { seq: 2, at: 5 });
        recent.add(1, "ab", Seen { seq: 3, at: 5 });
        let seq = |seen: Option<Seen>| seen.map(|seen| seen.seq);
        assert_eq!([recent.get(1, "a"), recent.get(256, "a"), recent.get(2, "a")].map(seq), [Some(1), Some(2), None]);
        assert_eq!([0; 2].map(|at| recent.release(&conn, 1, "a", at).unwrap()), [Some(1), None]);
        recent.purge(1);
        assert_eq!([recent.get(1, "ab"), recent.get(256, "a")].map(seq), [None, Some(2)]);
    }
}

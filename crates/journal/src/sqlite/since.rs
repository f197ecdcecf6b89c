//! Where the pushes begin that were received at some time or later: by search in the index of tenant and seq, because
//! an index of tenant and time would be paid for by every commit. A tenant costs [`LOOKS`] rows at most, however long its
//! backlog is.

use pushgate_model::{TenantId, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::page::{known, seq_from_sql};
use crate::Since;

/// A seq is below 2^53, and each look halves the range.
const LOOKS: u32 = 54;

/// A push with the time at which it was received, from a position on.
const NEXT: &str = "SELECT seq, received_at FROM pushes INDEXED BY pushes_by_tenant
                    WHERE tenant = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1";

/// The last position of a tenant before another one.
const BEFORE: &str = "SELECT max(seq) FROM pushes INDEXED BY pushes_by_tenant WHERE tenant = ?1 AND seq < ?2";

/// Answers for some tenants. The answer is that of the tenant whose pushes begin first.
pub(super) fn since(conn: &Connection, tenants: &[TenantId], time: Timestamp) -> rusqlite::Result<Since> {
    let mut next = conn.prepare_cached(NEXT)?;
    let mut before = conn.prepare_cached(BEFORE)?;
    let mut since = Since::default();
    for tenant in &known(conn, tenants)? {
        let end = 1 + before.query_row(params![tenant.key, i64::MAX], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0);
        let first = first(&mut next, tenant.key, end, time)?;
        let older: Option<i64> = before.query_row(params![tenant.key, first], |row| row.get(0))?;
        since.trimmed |= tenant.trimmed > older.map(seq_from_sql).unwrap_or_default();
        if first < end {
            since.first = since.first.into_iter().chain([seq_from_sql(first)]).min();
        }
    }
    Ok(since)
}

/// The first position, below `end`, at which the time is passed; `end` when there is none.
fn first(next: &mut CachedStatement<'_>, tenant: i64, end: i64, time: Timestamp) -> rusqlite::Result<i64> {
    let time = time.as_millis().cast_signed();
    let (mut low, mut high) = (0, end);
    for _ in 0..LOOKS {
        if low >= high {
            break;
        }
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            next.query_row(params![tenant, middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((seq, received_at)) if received_at < time => low = seq + 1,
            // Nothing is kept between `middle` and `seq`, which is not below `high` only where it is `high` again.
            _ => high = middle,
        }
    }
    let found = next.query_row(params![tenant, low], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use pushgate_model::Seq;

    use super::*;
    use crate::sqlite::schema::{MIGRATIONS, migrate};

    /// Pushes of tenant 1 as (seq, time), among those of another tenant.
    fn log(pushes: &[(i64, i64)], trimmed: i64) -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, MIGRATIONS).unwrap();
        conn.execute_batch(&format!("INSERT INTO tenants VALUES (1, 'a', {trimmed}, 0, 0), (2, 'b', 0, 0, 0)"))
            .unwrap();
        for (tenant, seq, time) in pushes.iter().map(|&(seq, time)| (1, seq, time)).chain([(2, 500, 5), (2, 600, 6)]) {
            let text = "INSERT INTO pushes VALUES (?1, ?2, ?3, 0, 0, 'p', '', '', '')";
            conn.execute(text, params![seq, tenant, time]).unwrap();
        }
        conn
    }

    fn ask(conn: &Connection, tenants: &[&str], time: u64) -> (Option<u64>, bool) {
        let tenants: Vec<TenantId> = tenants.iter().map(|id| id.parse().unwrap()).collect();
        let since = since(conn, &tenants, Timestamp::from_millis(time)).unwrap();
        (since.first.map(Seq::get), since.trimmed)
    }

    #[test]
    fn the_first_push_that_passes_the_time_is_found_among_holes() {
        let far = (1 << 53) - 1;
        let pushes = [(3, 10), (4, 10), (9, 20), (1_000, 20), (1 << 30, 30), (far, 40)];
        let conn = log(&pushes, 0);
        for time in 0..45_u64 {
            let expected = pushes.iter().find(|(_, at)| *at >= time.cast_signed()).map(|(seq, _)| seq.cast_unsigned());
            assert_eq!(ask(&conn, &["a"], time), (expected, false), "at {time}");
        }
        assert_eq!(ask(&conn, &["nobody"], 0), (None, false));
    }

    #[test]
    fn the_tenant_that_begins_first_counts() {
        let conn = log(&[(400, 4), (700, 7)], 0);
        for (time, first) in [(0, Some(400)), (5, Some(500)), (6, Some(600)), (7, Some(700)), (8, None)] {
            assert_eq!(ask(&conn, &["b", "a", "nobody"], time).0, first, "at {time}");
        }
    }

    #[test]
    fn what_may_have_been_trimmed_is_said() {
        let conn = log(&[(10, 10), (20, 20)], 8);
        // Of what was received at 10 or before some may be gone; whoever asks for later times misses nothing.
        for (time, trimmed) in [(0, true), (10, true), (11, false), (20, false), (21, false)] {
            assert_eq!(ask(&conn, &["a", "b"], time).1, trimmed, "at {time}");
        }
        // A push whose answer is due outlives later ones.
        let conn = log(&[(10, 10), (20, 20)], 15);
        assert_eq!([11, 20, 21].map(|time| ask(&conn, &["a"], time).1), [true, true, false]);
        assert_eq!(ask(&log(&[], 8), &["a"], 5), (None, true));
    }

    #[test]
    fn a_clock_that_was_set_back_leads_to_a_push_of_that_time() {
        let pushes = [(1, 10), (2, 50), (3, 20), (4, 60)];
        let conn = log(&pushes, 0);
        for time in 0..61_u64 {
            let first = ask(&conn, &["a"], time).0.unwrap();
            let (_, received_at) = pushes.into_iter().find(|(seq, _)| seq.cast_unsigned() == first).unwrap();
            assert!(received_at.cast_unsigned() >= time, "{first} at {time}");
        }
    }

    #[test]
    fn both_queries_go_by_the_index() {
        let conn = log(&[], 0);
        for sql in [NEXT, BEFORE] {
            let plan: String =
                conn.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), params![1, 1], |row| row.get("detail")).unwrap();
            assert!(
                plan.contains("SEARCH pushes USING") && plan.contains("pushes_by_tenant (tenant=? AND seq"),
                "{plan}"
            );
        }
    }
}

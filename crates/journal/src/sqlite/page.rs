//! Reading within one snapshot. Everything goes by the index of tenant and seq: other tenants' rows are never touched,
//! and a page costs what it holds, however long the backlog is.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use pushgate_model::{Push, Seq, StoredPush, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{batch::recorded_from_sql, listing::tenant_from_sql};
use crate::{Bounds, HistoryItem, Page, ReadQuery};

/// Bytes of text after which a page of history ends.
const HISTORY_BYTES: usize = 16 << 20;

/// Keys of one tenant that are looked up at once, at least and at most.
const CHUNK: (usize, usize) = (8, 256);

/// A tenant as the snapshot knows it.
pub(super) struct Known {
    name: TenantId,
    pub(super) key: i64,
    pub(super) trimmed: Seq,
}

/// The keys of some tenants, in the order of seq.
struct Merge<'a> {
    conn: &'a Connection,
    streams: Vec<Stream>,
    /// The lowest key of each stream that has one, with the stream's place.
    lowest: BinaryHeap<Reverse<(i64, usize)>>,
    chunk: usize,
}

/// The keys of one tenant, looked up chunk by chunk.
struct Stream {
    tenant: i64,
    keys: VecDeque<i64>,
    after: i64,
    exhausted: bool,
}

/// Answers a query.
pub(super) fn read(conn: &Connection, query: &ReadQuery) -> rusqlite::Result<Page> {
    let tenants = known(conn, &query.tenants)?;
    let mut page = Page { trimmed: trimmed(&tenants), ..Page::default() };
    let mut bytes = 0;
    let chunk = (query.limit / tenants.len().max(1)).saturating_add(1).clamp(CHUNK.0, CHUNK.1);
    let mut merge = Merge::new(conn, tenants.iter().map(|tenant| tenant.key), query.after, chunk)?;
    let mut select = conn
        .prepare_cached("SELECT seq, received_at, size, push_id, created_at, title, body FROM pushes WHERE seq = ?1")?;
    while let Some((key, place)) = merge.next()? {
        let seq = seq_from_sql(key);
        page.oldest.get_or_insert(seq);
        if seq > query.upto {
            break;
        }
        if page.pushes.len() >= query.limit {
            page.more = true;
            break;
        }
        let push = select.query_row([key], |row| {
            let size = usize::try_from(row.get::<_, i64>(2)?).unwrap_or(usize::MAX);
            if !page.pushes.is_empty() && size.saturating_add(bytes) > query.max_bytes {
                return Ok(None);
            }
            bytes = bytes.saturating_add(size);
            push_from_row(row, tenants[place].name.clone()).map(Some)
        })?;
        let Some(push) = push else {
            page.more = true;
            break;
        };
        page.pushes.push(Arc::new(push));
    }
    Ok(page)
}

/// Kept pushes of one tenant with their answers.
pub(super) fn history(
    conn: &Connection,
    tenant: &TenantId,
    after: Seq,
    limit: usize,
) -> rusqlite::Result<Vec<HistoryItem>> {
    let Some(tenant) = known(conn, std::slice::from_ref(tenant))?.pop() else { return Ok(Vec::new()) };
    let mut select = conn.prepare_cached(
        "SELECT seq, received_at, size, push_id, created_at, title, body, answer
         FROM pushes INDEXED BY pushes_by_tenant WHERE tenant = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = select.query(params![tenant.key, after.get().cast_signed()])?;
    let mut items = Vec::new();
    let mut bytes = 0;
    while items.len() < limit && bytes < HISTORY_BYTES {
        let Some(row) = rows.next()? else { break };
        let push = push_from_row(row, tenant.name.clone())?;
        bytes += push.push.size();
        items.push(HistoryItem { push, answer: recorded_from_sql(row.get(7)?).answer() });
    }
    Ok(items)
}

/// Where the kept pushes of some tenants begin and end.
pub(super) fn bounds(conn: &Connection, tenants: &[TenantId]) -> rusqlite::Result<Bounds> {
    let tenants = known(conn, tenants)?;
    let mut bounds = Bounds { trimmed: trimmed(&tenants), ..Bounds::default() };
    let mut select = conn.prepare_cached(
        "SELECT (SELECT min(seq) FROM pushes INDEXED BY pushes_by_tenant WHERE tenant = ?1),
                (SELECT max(seq) FROM pushes INDEXED BY pushes_by_tenant WHERE tenant = ?1)",
    )?;
    for tenant in &tenants {
        let (oldest, newest): (Option<i64>, Option<i64>) =
            select.query_row([tenant.key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        bounds.oldest = bounds.oldest.into_iter().chain(oldest.map(seq_from_sql)).min();
        bounds.newest = bounds.newest.into_iter().chain(newest.map(seq_from_sql)).max();
    }
    Ok(bounds)
}

/// The next pushes after a position, whosever they are.
pub(super) fn all_after(conn: &Connection, after: Seq, limit: usize) -> rusqlite::Result<Vec<Arc<StoredPush>>> {
    let mut select = conn.prepare_cached(
        "SELECT p.seq, p.received_at, p.size, p.push_id, p.created_at, p.title, p.body, t.name
         FROM pushes p JOIN tenants t ON t.id = p.tenant WHERE p.seq > ?1 ORDER BY p.seq LIMIT ?2",
    )?;
    let rows = select.query_map(params![after.get().cast_signed(), limit.cast_signed()], |row| {
        push_from_row(row, tenant_from_sql(row, 7)?).map(Arc::new)
    })?;
    rows.collect()
}

impl<'a> Merge<'a> {
    fn new(
        conn: &'a Connection,
        tenants: impl Iterator<Item = i64>,
        after: Seq,
        chunk: usize,
    ) -> rusqlite::Result<Self> {
        let after = after.get().cast_signed();
        let stream = |tenant| Stream { tenant, keys: VecDeque::new(), after, exhausted: false };
        let streams: Vec<Stream> = tenants.map(stream).collect();
        let places = 0..streams.len();
        let mut merge = Self { conn, streams, lowest: BinaryHeap::new(), chunk };
        for place in places {
            merge.advance(place)?;
        }
        Ok(merge)
    }

    /// The next key, and which tenant's it is.
    fn next(&mut self) -> rusqlite::Result<Option<(i64, usize)>> {
        let Some(Reverse((key, place))) = self.lowest.pop() else { return Ok(None) };
        self.advance(place)?;
        Ok(Some((key, place)))
    }

    fn advance(&mut self, place: usize) -> rusqlite::Result<()> {
        let stream = &mut self.streams[place];
        if stream.keys.is_empty() && !stream.exhausted {
            let mut select = self.conn.prepare_cached(
                "SELECT seq FROM pushes INDEXED BY pushes_by_tenant
                 WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let mut rows = select.query(params![stream.tenant, stream.after, self.chunk.cast_signed()])?;
            while let Some(row) = rows.next()? {
                stream.after = row.get(0)?;
                stream.keys.push_back(stream.after);
            }
            stream.exhausted = stream.keys.len() < self.chunk;
        }
        if let Some(key) = stream.keys.pop_front() {
            self.lowest.push(Reverse((key, place)));
        }
        Ok(())
    }
}

/// The tenants among `names` that ever had a push, each once.
pub(super) fn known(conn: &Connection, names: &[TenantId]) -> rusqlite::Result<Vec<Known>> {
    let mut select = conn.prepare_cached("SELECT id, trimmed FROM tenants WHERE name = ?1")?;
    let mut names: Vec<&TenantId> = names.iter().collect();
    names.sort_unstable();
    names.dedup();
    let mut tenants = Vec::with_capacity(names.len());
    for name in names {
        let known = select.query_row([name.as_str()], |row| {
            Ok(Known { name: name.clone(), key: row.get(0)?, trimmed: seq_from_sql(row.get(1)?) })
        });
        tenants.extend(known.optional()?);
    }
    Ok(tenants)
}

fn trimmed(tenants: &[Known]) -> Seq {
    tenants.iter().map(|tenant| tenant.trimmed).max().unwrap_or_default()
}

fn push_from_row(row: &Row<'_>, tenant: TenantId) -> rusqlite::Result<StoredPush> {
    let id: String = row.get(3)?;
    Ok(StoredPush {
        seq: seq_from_sql(row.get(0)?),
        tenant,
        push: Push { id: id.into(), created_at: row.get(4)?, title: row.get(5)?, body: row.get(6)? },
        received_at: Timestamp::from_millis(row.get::<_, i64>(1)?.cast_unsigned()),
    })
}

pub(super) fn seq_from_sql(column: i64) -> Seq {
    Seq::new(column.cast_unsigned()).unwrap_or(Seq::MAX)
}

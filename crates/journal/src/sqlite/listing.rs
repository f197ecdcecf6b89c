//! Reading what is kept beside pushes: tenants and the quarantine.

use pushgate_model::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use crate::{QuarantineQuery, Quarantined, QuarantinedRaw, StoredTenant};

/// What is kept about tenants, by name.
pub(super) fn tenants(conn: &Connection) -> rusqlite::Result<Vec<StoredTenant>> {
    conn.prepare_cached("SELECT name, settings, version, paused FROM tenant_settings ORDER BY name")?
        .query_map([], |row| {
            Ok(StoredTenant {
                id: tenant_from_sql(row, 0)?,
                settings: row.get(1)?,
                version: row.get(2)?,
                paused: row.get(3)?,
            })
        })?
        .collect()
}

/// A page of the quarantine. What a purged tenant left is not in it: its key is no tenant's any more.
pub(super) fn quarantine(conn: &Connection, query: &QuarantineQuery) -> rusqlite::Result<Vec<Quarantined>> {
    let after = i64::try_from(query.after).unwrap_or(i64::MAX);
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    if let Some(tenant) = &query.tenant {
        conn.prepare_cached(
            "SELECT q.id, t.name, q.push_id, q.received_at, q.reason, q.size, q.count
             FROM tenants t JOIN quarantine q INDEXED BY quarantine_by_tenant ON q.tenant = t.id
             WHERE t.name = ?1 AND q.id > ?2 ORDER BY q.id LIMIT ?3",
        )?
        .query_map(params![tenant.as_str(), after, limit], entry_from_row)?
        .collect()
    } else {
        conn.prepare_cached(
            "SELECT q.id, t.name, q.push_id, q.received_at, q.reason, q.size, q.count
             FROM quarantine q JOIN tenants t ON t.id = q.tenant WHERE q.id > ?1 ORDER BY q.id LIMIT ?2",
        )?
        .query_map(params![after, limit], entry_from_row)?
        .collect()
    }
}

/// One entry of the quarantine with its bytes.
pub(super) fn quarantined(conn: &Connection, id: u64) -> rusqlite::Result<Option<QuarantinedRaw>> {
    let Ok(id) = i64::try_from(id) else { return Ok(None) };
    conn.prepare_cached(
        "SELECT q.id, t.name, q.push_id, q.received_at, q.reason, q.size, q.count, q.raw
         FROM quarantine q JOIN tenants t ON t.id = q.tenant WHERE q.id = ?1",
    )?
    .query_row([id], |row| Ok(QuarantinedRaw { entry: entry_from_row(row)?, raw: row.get::<_, Vec<u8>>(7)?.into() }))
    .optional()
}

fn entry_from_row(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
    Ok(Quarantined {
        id: number(0)?,
        tenant: tenant_from_sql(row, 1)?,
        push_id: row.get::<_, Option<String>>(2)?.map(Into::into),
        received_at: Timestamp::from_millis(number(3)?),
        reason: row.get(4)?,
        size: number(5)?,
        count: number(6)?,
    })
}

/// The name of a tenant in a column.
pub(super) fn tenant_from_sql(row: &Row<'_>, column: usize) -> rusqlite::Result<TenantId> {
    let name: String = row.get(column)?;
    name.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

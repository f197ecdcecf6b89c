use rusqlite::Connection;

use super::{epoch::fresh, fault::Fault};

/// `PGJL`, in the header of every journal, so that no other program's database is taken for one.
const APPLICATION_ID: u32 = 0x5047_4A4C;

/// What leads from one schema version to the next; their number is the version that this code knows. Only ever append.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("v1.sql"), include_str!("v2.sql"), include_str!("v3.sql")];

/// What is wrong with a schema.
#[derive(Debug)]
pub(super) enum SchemaError {
    /// Made by a newer version of this code.
    Newer { found: u32, known: u32 },
    /// A database, but not a journal.
    Foreign,
    /// The engine failed.
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

/// Which schema version the database has; 0 for an empty one.
pub(super) fn version(conn: &Connection, known: usize) -> Result<u32, SchemaError> {
    let known = known as u32;
    let id: u32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let empty: bool = conn.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    match (id, found) {
        (0, 0) if empty => Ok(0),
        (APPLICATION_ID, found) if found > known => Err(SchemaError::Newer { found, known }),
        (APPLICATION_ID, found) => Ok(found),
        _ => Err(SchemaError::Foreign),
    }
}

/// Brings the database to the newest of `migrations`, all or nothing.
pub(super) fn migrate(conn: &mut Connection, migrations: &[&str]) -> Result<(), SchemaError> {
    let found = version(conn, migrations.len())?;
    if found as usize == migrations.len() {
        return Ok(());
    }
    let tx = conn.transaction()?;
    for migration in migrations.iter().skip(found as usize) {
        tx.execute_batch(migration)?;
    }
    if found == 0 {
        let epoch = fresh();
        tx.execute("INSERT INTO log (id, epoch, head, reserved) VALUES (1, ?1, 0, 0)", [epoch.as_str()])?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    tx.pragma_update(None, "user_version", migrations.len() as u32)?;
    tx.commit()?;
    if found > 0 {
        tracing::info!(from = found, to = migrations.len(), "the journal's schema was migrated");
    }
    Ok(())
}

impl From<SchemaError> for Fault {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Newer { .. } => Self::replaced("a journal of a newer version is at its path"),
            SchemaError::Foreign => Self::replaced("another program's database is at its path"),
            SchemaError::Engine(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &[&str] = &[
        MIGRATIONS[0],
        MIGRATIONS[1],
        MIGRATIONS[2],
        "ALTER TABLE log ADD COLUMN note TEXT NOT NULL DEFAULT 'migrated'",
    ];

    fn open(migrations: &[&str]) -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, migrations).unwrap();
        conn
    }

    #[test]
    fn an_older_schema_is_migrated_and_keeps_its_rows() {
        let mut conn = open(MIGRATIONS);
        conn.execute("UPDATE log SET head = 7", []).unwrap();
        migrate(&mut conn, NEXT).unwrap();
        let row: (u64, String) =
            conn.query_row("SELECT head, note FROM log", [], |r| Ok((r.get::<_, i64>(0)? as u64, r.get(1)?))).unwrap();
        assert_eq!(row, (7, "migrated".to_owned()));
        assert_eq!(version(&conn, 4).unwrap(), 4);
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let mut conn = open(NEXT);
        assert!(matches!(migrate(&mut conn, MIGRATIONS), Err(SchemaError::Newer { found: 4, known: 3 })));
        assert_eq!(version(&conn, 4).unwrap(), 4);
    }

    #[test]
    fn a_failed_migration_changes_nothing() {
        let mut conn = open(MIGRATIONS);
        let broken = [
            MIGRATIONS[0],
            MIGRATIONS[1],
            MIGRATIONS[2],
            "CREATE TABLE extra (id INTEGER) STRICT; SELECT nonsense FROM nowhere",
        ];
        assert!(migrate(&mut conn, &broken).is_err());
        assert_eq!(version(&conn, 3).unwrap(), 3);
        assert!(conn.prepare("SELECT * FROM extra").is_err());
    }

    #[test]
    fn the_database_of_another_program_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
        assert!(matches!(migrate(&mut conn, MIGRATIONS), Err(SchemaError::Foreign)));
    }
}

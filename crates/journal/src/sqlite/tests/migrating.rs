use pushgate_model::{Answer, Seq};
use rusqlite::Connection;
use tempfile::TempDir;

use super::Bench;
use crate::{
    AppendOutcome,
    sqlite::{
        listing, page,
        schema::{MIGRATIONS, migrate},
    },
};

/// What version 1 wrote: two kept pushes, one of which awaits its answer, one trimmed, one quarantined.
const ROWS: &str = "
    UPDATE log SET head = 3;
    INSERT INTO tenants VALUES (1, 'acme', 1, 2, 8);
    INSERT INTO pushes VALUES (2, 1, 1000, 0, 4, 'kept', '', '', ''), (3, 1, 1000, NULL, 4, 'due', '', '', '');
    INSERT INTO ids VALUES (1, 'gone', 1, 9e15, 1), (1, 'kept', 2, 9e15, 0), (1, 'due', 3, 9e15, 0);
    INSERT INTO quarantine VALUES (1, 1, x'00', 1000, 1000, 2, 1, 257, 'broken', NULL, x'ff');";

#[test]
fn a_journal_of_version_1_is_read_and_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let mut old = Connection::open(&path).unwrap();
    migrate(&mut old, &MIGRATIONS[..1]).unwrap();
    old.execute_batch(&ROWS.replace("9e15", "9000000000000000")).unwrap();
    drop(old);

    let mut bench = Bench::open(&path);
    let conn = bench.writer.conn.as_ref().unwrap();
    let history = page::history(conn, &"acme".parse().unwrap(), Seq::ZERO, 9).unwrap();
    let history: Vec<_> = history.iter().map(|item| (item.push.seq.get(), item.answer)).collect();
    assert_eq!(history, [(2, Some(Answer::Ack)), (3, None)]);
    assert_eq!(listing::quarantined(conn, 1).unwrap().unwrap().entry.count, 2);
    assert_eq!(listing::tenants(conn).unwrap(), []);
    for id in ["gone", "kept", "due", "new"] {
        bench.queue_push("acme", id);
    }
    let acked = |seq| AppendOutcome::Duplicate { seq: Seq::new(seq).unwrap(), answer: Some(Answer::Ack) };
    assert_eq!(bench.round(), [acked(1), acked(2), acked(3), AppendOutcome::Stored(Seq::new(4).unwrap())]);
}

//! The engine over one `SQLite` database in WAL mode.
//!
//! One thread, the `writer`, owns the only connection that writes. It commits whatever queued up while the commit
//! before was under way, of all tenants, in one transaction (`batch`), and spends the time between commits on
//! `retention` and on the write-ahead log (`wal`). A few threads with a read-only connection each serve
//! `readers`. A lock file beside the database keeps other gateways away (`lock`).
//!
//! Begin reading at [`SqliteJournal`], then the writer.

mod batch;
mod database;
mod epoch;
mod fault;
mod journal;
mod ledger;
mod lock;
mod page;
mod queue;
mod readers;
mod recovery;
mod retention;
mod schema;
mod shared;
#[cfg(test)]
mod tests;
mod trim;
mod wal;
mod writer;

pub use epoch::new_epoch;
pub use journal::SqliteJournal;

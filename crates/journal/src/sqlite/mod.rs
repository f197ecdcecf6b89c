//! The engine over one `SQLite` database in WAL mode.
//!
//! One thread, the `writer`, owns the only connection that writes. It commits what queued up while the commit before
//! was under way, of all tenants in turn (`queue`, `rhythm`), in one transaction (`batch`), with the help of what it knows by heart
//! (`ledger`, `recent`), then does what an operator wants changed (`command`), and spends the time between commits on
//! `retention`, which trims and erases, and on the write-ahead log (`wal`). A few threads with a read-only connection
//! each serve `readers`. A lock file beside the database keeps other gateways away (`lock`).
//!
//! Begin reading at [`SqliteJournal`], then the writer.

mod batch;
mod command;
mod database;
mod epoch;
mod erase;
mod fault;
mod jobs;
mod journal;
mod lanes;
mod ledger;
mod listing;
mod lock;
mod page;
mod queue;
mod readers;
mod recent;
mod recovery;
mod retention;
mod rhythm;
mod schema;
mod shared;
mod since;
#[cfg(test)]
mod tests;
mod trim;
mod wal;
mod writer;

pub use epoch::new_epoch;
pub use journal::SqliteJournal;

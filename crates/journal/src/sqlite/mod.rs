//! The engine over one SQLite database in WAL mode.

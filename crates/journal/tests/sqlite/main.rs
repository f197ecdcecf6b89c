//! What the `SQLite` engine promises, from outside.

#![allow(clippy::unwrap_used)] // A test may panic; clippy.toml's rule sees only the functions marked as tests.

mod answering;
mod appending;
mod failing;
mod harness;
mod opening;
mod operating;
mod reading;
mod reopening;

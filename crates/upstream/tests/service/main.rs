//! A whole upstream against a service that speaks by script, byte by byte: what decent services send, and what none
//! would ever send.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod crowd;
mod duo;
mod endings;
mod frames;
mod gateway;
mod hostile;
mod journal;
mod operations;
mod peer;
mod poison;
mod scripted;
mod service;

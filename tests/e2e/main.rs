//! End-to-end tests: the real gateway and the real simulator over real sockets, on free loopback ports and in temporary
//! folders. One binary, so that everything is linked once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod access;
mod answers;
mod architecture;
mod binary;
mod browser;
mod clients;
mod delivery;
mod descriptions;
mod documents;
mod drain;
mod logs;
mod operators;
mod process;
mod program;
mod proxies;
mod reload;
mod resume;
mod schemathesis;
mod second;
mod simulate;
mod stack;
mod stream;
mod supervision;
mod tail;
mod token;
mod upstream;

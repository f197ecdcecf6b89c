//! The client for browsers in a real one: Chromium, driven by its own driver. `tests/browser/` holds what runs in its pages.
//!
//! The pages are of the gateway's own origin: each is the text of `client.d.ts`, into which a test imports the module.

mod access;
mod driver;
mod gateway;
mod network;
mod page;
mod recovery;
mod sharing;
mod sleep;
mod sources;
mod streams;

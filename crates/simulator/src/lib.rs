//! The upstream push service for development, staging and tests: the same protocol, with real redelivery, forced
//! disconnects, ping/pong enforcement and per-account bearer tokens.
//!
//! It keeps everything in memory and has no word of its own on TLS. Its control API has no authentication: bind it to
//! loopback, or to a network that only testers reach. It is not a load balancer, nor a broker: what it knows, it
//! forgets when it ends.
//!
//! Begin reading at [`Simulator`]; then `account/` for what one account does, `queue.rs` for redelivery, `faults.rs` for
//! what can be wrong, and `clock.rs` for the thread that does whatever time does.
//!
//! # What it does
//!
//! `GET /ws/{account}` opens a socket. Every account exists unless some are [configured](SimulatorConfig::accounts);
//! then others get 404, and a wrong token 401. A push is sent the moment there is a socket, to the newest one; without
//! an answer it is sent again after [`redeliver_after`](SimulatorConfig::redeliver_after), and after
//! [`attempts`](SimulatorConfig::attempts) sends the socket is cut with Close 1008. Whatever has no answer when a
//! socket ends is sent again, oldest first, on the next one. ACK and NACK are both answers: neither is sent again. A
//! socket from which neither ping nor pong came for [`ping_timeout`](SimulatorConfig::ping_timeout) is cut too.
//!
//! [`Faults`] make it misbehave: for one account or all, from the [start](SimulatorConfig::faults), over the control
//! API, in a [`Scenario`], or at random by a seed (chaos).
//!
//! # The control API
//!
//! JSON below `/control`; errors are `application/problem+json` (RFC 9457). Fields with `?` may be left out. The keys of
//! faults and the kinds of frames and of chaos are listed in `docs/simulator.md`.
//!
//! | request | does |
//! |---|---|
//! | `GET accounts?after=&limit=` | `{"accounts":[…],"next":ID or null}` in the order of ids, each as in the next line |
//! | `GET accounts/{id}` | `{"id","sockets":[{"id","address","connected_at","heard_ms_ago"}],"held","connects","refused","most_sockets","pending","answered","acks","nacks","faults"}`; the last socket is the newest; `held` are handshakes that wait for their answer |
//! | `POST accounts/{id}/pushes` `{"title","body","id"?,"created_at"?,"count"?,"per_second"?}` | 202 `{"ids":[…]}`; `count` up to 100,000, all at once or spread by `per_second`. The id of a push without an answer repeats that push at once, with the new texts |
//! | `GET pushes/{push_id}` | `{"id","account","attempts","sent_at","answer","answered_at"}`; `sent_at` is the last sending; nulls for what has not happened |
//! | `DELETE pushes` | forgets all pushes, with and without an answer, and ends loads: 204 |
//! | `POST accounts/{id}/cut`, `POST cut` `{"close"?:code}` | ends its sockets, or those of all, with a Close frame of that code (1000 to 4999) or just so: `{"sockets":N}` |
//! | `PUT accounts/{id}/faults`, `PUT faults` | sets exactly these faults: of the account, or of all, those that are made later too |
//! | `GET`, `DELETE` of the same | shows them; ends them (204) |
//! | `POST accounts/{id}/frames` `{"frame":KIND,…}` | sends on the newest socket a frame that is no push: 202, or 409 without a socket |
//! | `POST load` `{"accounts"?:N or [ID…],"per_second"?,"in_flight"?,"credit"?,"seconds"?,"pushes"?,"marker"?,"size"?}` | stamped pushes, going round the accounts (`t0` … for a number, those with a socket without): 202 as below; one at a time, else 409 |
//! | `GET load`, `DELETE load` | `{"total","sent","refused","answered","done"}` of the last load; ends it (204) |
//! | `POST load/credit` | lines of `N` or `N ACCOUNT`, each taken as it comes: so many pushes more of a load with `credit`: 200 as above, 409 without such a load |
//! | `POST chaos` `{"seed"?,"accounts"?,"per_second","seconds","kinds"?}` | random faults: 202 as below; one at a time, else 409 |
//! | `GET chaos`, `DELETE chaos` | `{"seed","accounts","total","struck","suffering","done","kinds":{KIND:N}}` of the last chaos; `DELETE` ends it and its faults first |
//! | `GET answers?account=&answer=&from=` | every remembered answer, oldest first, one JSON object a line (`application/x-ndjson`), as `GET pushes/{push_id}` plus `position`, from which `from` goes on |
//! | `GET stats` | totals, and the handshakes of each of the last 600 seconds: [`StatsSnapshot`] |
//!
//! The body of a load's push begins with `<marker>t=<nanos>;n=<counter>;`: `CLOCK_MONOTONIC` at its first sending, and
//! how many came before it in this account and load. So whoever reads it on the same machine knows how long it took.

mod account;
mod action;
mod chaos;
mod clock;
mod config;
mod content;
mod control;
mod cut;
mod error;
mod faults;
mod frame;
mod job;
mod ledger;
mod load;
mod problem;
mod proto;
mod queue;
mod refusal;
mod scenario;
mod seconds;
mod service;
mod simulator;
mod slot;
mod socket;
mod stats;
mod upgrade;
mod which;
mod wire;

pub use action::Load;
pub use config::{AccountConfig, Limits, SimulatorConfig};
pub use error::SimulatorError;
pub use faults::{AccountFaults, Faults};
pub use scenario::Scenario;
pub use simulator::{Simulator, SimulatorHandle};
pub use stats::StatsSnapshot;

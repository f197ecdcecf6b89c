//! The two listeners over real sockets: what subscribers, operators and probes see, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

/// The same tests, with streams that stay with the framework, as those over TLS do.
macro_rules! kept {
    ($($test:ident),+ $(,)?) => {
        mod kept {
            $(
                #[test]
                fn $test() {
                    crate::gateway::kept(super::$test);
                }
            )+
        }
    };
}

mod addresses;
mod admin;
mod auth;
mod client;
mod client_js;
mod cors;
mod demo;
mod direct;
mod errors;
mod gateway;
mod history;
mod hostile;
mod http2;
mod limits;
mod listeners;
mod metrics;
mod presence;
mod probes;
mod protocol;
mod quarantine;
mod resume;
mod settings;
mod streams;
mod tenants;
mod tls;
mod words;

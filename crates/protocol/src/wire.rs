//! The types that prost makes of `proto/push.proto`. Nothing of them leaves this crate.

#![expect(unreachable_pub, clippy::pedantic, reason = "generated; push.proto has the comments")]

include!(concat!(env!("OUT_DIR"), "/pushgate.v1.rs"));

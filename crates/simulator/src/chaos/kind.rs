use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::between;
use crate::{
    cut::Cut,
    faults::{CutAfter, Faults, Intersperse},
    frame::Frame,
    refusal::{Refusal, RetryAfter},
};

/// What may happen to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Cut without a Close.
    Cut,
    /// Cut with a Close of some code.
    Close,
    /// The next sockets are cut at once or after a few pushes.
    CutAfter,
    /// Silence for some seconds, as of a network that died.
    Silent,
    /// Cut, then refused for some seconds as by a service that is overloaded.
    Refuse,
    /// Cut, then refused for some seconds as by a service that does not know the account, or moved.
    Reject,
    /// Cut, then handshakes get no answer for some seconds.
    Stall,
    /// Cut, then handshakes are answered late.
    SlowUpgrade,
    /// Pings and pongs count for nothing for some seconds.
    IgnorePongs,
    /// A frame that declares far too much, and no answer to the Close that follows.
    DeclaredHuge,
    /// A frame that breaks the protocol.
    Violation,
    /// A frame that is well-formed and no push.
    Frame,
    /// Such frames between the pushes.
    Intersperse,
    /// Pushes in fragments, with pings and empty continuations in between.
    Fragments,
    /// Each push several times at once, some with other texts.
    Redeliver,
    /// Pushes with a field of a later version.
    UnknownField,
    /// Pings by the hundred.
    PingFlood,
}

/// What happens to an account: in this order, faults for a time, a frame, a cut.
pub(super) struct Strike {
    pub(super) faults: Option<Faults>,
    pub(super) lasts: Duration,
    pub(super) frame: Option<Frame>,
    pub(super) cut: Option<Cut>,
}

impl Kind {
    /// All but [`Reject`](Self::Reject), after which a client rightly takes its time.
    pub(super) const HEALING: [Self; 16] = [
        Self::Cut,
        Self::Close,
        Self::CutAfter,
        Self::Silent,
        Self::Refuse,
        Self::Stall,
        Self::SlowUpgrade,
        Self::IgnorePongs,
        Self::DeclaredHuge,
        Self::Violation,
        Self::Frame,
        Self::Intersperse,
        Self::Fragments,
        Self::Redeliver,
        Self::UnknownField,
        Self::PingFlood,
    ];

    /// Draws one of this kind.
    pub(super) fn strike(self, rng: &mut Rng) -> Strike {
        let calm = Strike { faults: None, lasts: Duration::ZERO, frame: None, cut: None };
        let during = |faults: Faults, lasts| Strike { faults: Some(faults), lasts, frame: None, cut: None };
        // So that the gateway has to dial while the fault holds.
        let dialled = |faults: Faults, lasts| Strike { cut: Some(Cut::default()), ..during(faults, lasts) };
        let none = Faults::default();
        match self {
            Self::Cut => Strike { cut: Some(Cut::default()), ..calm },
            Self::Close => Strike { cut: Some(close(rng)), ..calm },
            Self::CutAfter => dialled(Faults { cut_after: Some(cut_after(rng)), ..none }, between(rng, 500, 4000)),
            Self::Silent => during(Faults { silent: true, ..none }, between(rng, 500, 8000)),
            Self::Refuse => dialled(Faults { refuse: Some(overload(rng)), ..none }, between(rng, 500, 4000)),
            Self::Reject => dialled(Faults { refuse: Some(rejection(rng)), ..none }, between(rng, 500, 4000)),
            Self::Stall => dialled(Faults { stall: true, ..none }, between(rng, 500, 8000)),
            Self::SlowUpgrade => {
                let delay = rng.u32(100..=3000);
                dialled(Faults { upgrade_delay_ms: Some(delay), ..none }, between(rng, 500, 4000))
            }
            Self::IgnorePongs => during(Faults { ignore_pongs: true, ..none }, between(rng, 500, 8000)),
            Self::DeclaredHuge => {
                let faults = Faults { ignore_close: true, ..none };
                let frame = Frame::DeclaredHuge { declared: 1 << rng.u32(40..=62), bytes: rng.usize(..1024) };
                Strike { frame: Some(frame), ..during(faults, between(rng, 500, 4000)) }
            }
            Self::Violation => Strike { frame: Some(violation(rng)), ..calm },
            Self::Frame => Strike { frame: Some(odd_frame(rng)), ..calm },
            Self::Intersperse => {
                let frames = (0..4).map(|_| odd_frame(rng)).collect();
                let between_pushes = Intersperse { every: rng.u32(1..=5), frames };
                during(Faults { intersperse: Some(between_pushes), ..none }, between(rng, 500, 8000))
            }
            Self::Fragments => during(fragments(rng), between(rng, 500, 8000)),
            Self::Redeliver => {
                let faults = Faults { redeliver: Some(rng.u16(2..=5)), other_bytes: rng.bool(), ..none };
                during(faults, between(rng, 500, 8000))
            }
            Self::UnknownField => during(Faults { unknown_field: true, ..none }, between(rng, 500, 8000)),
            Self::PingFlood => during(Faults { ping_flood: Some(rng.u32(50..=500)), ..none }, between(rng, 500, 4000)),
        }
    }
}

fn choose<T: Copy, const N: usize>(rng: &mut Rng, from: [T; N]) -> T {
    from[rng.usize(..N)]
}

fn close(rng: &mut Rng) -> Cut {
    Cut { close: Some(choose(rng, [1000, 1001, 1008, 1011, 1012, 1013, 4000, 4409])) }
}

fn cut_after(rng: &mut Rng) -> CutAfter {
    let cut = if rng.bool() { close(rng) } else { Cut::default() };
    if rng.bool() { CutAfter::time(rng.u32(..=300), cut) } else { CutAfter::pushes(rng.u32(1..=5), cut) }
}

fn overload(rng: &mut Rng) -> Refusal {
    let (seconds, date) = (rng.u32(1..=3), rng.u32(1..=3));
    let refusal = Refusal::of(choose(rng, [429, 500, 502, 503, 504]));
    match rng.u8(..3) {
        0 => refusal,
        1 => Refusal { retry_after: Some(RetryAfter::Seconds(seconds)), ..refusal },
        _ => Refusal { retry_after_date: Some(date), ..refusal },
    }
}

fn rejection(rng: &mut Rng) -> Refusal {
    match choose(rng, [301, 400, 401, 403, 404, 410, 426]) {
        301 => Refusal { location: Some("/elsewhere".to_owned()), ..Refusal::of(301) },
        status => Refusal::of(status),
    }
}

fn violation(rng: &mut Rng) -> Frame {
    match rng.u8(..5) {
        0 => Frame::Masked {},
        1 => Frame::StrayContinuation {},
        2 => Frame::LongPing { bytes: rng.usize(126..1000) },
        3 => Frame::EndlessFragments { count: rng.u32(1..=10_000), bytes: rng.usize(..2) },
        // A reserved operation code, and reserved bits.
        _ => Frame::Raw { hex: choose(rng, ["8300", "c200", "b200"]).to_owned() },
    }
}

fn odd_frame(rng: &mut Rng) -> Frame {
    match rng.u8(..9) {
        0 => Frame::UnknownVariant {},
        1 => Frame::BrokenPush {},
        2 => Frame::MissingId {},
        3 => Frame::InvalidUtf8 {},
        4 => Frame::Empty {},
        5 => Frame::Text {},
        6 => Frame::EmptyContinuations { count: rng.u32(1..=1000) },
        7 => Frame::Pings { count: rng.u32(1..=200) },
        // Not random bytes: those may, by a rare chance, be a push that nobody sent.
        _ => Frame::Zeros { bytes: rng.usize(1..=4096) },
    }
}

fn fragments(rng: &mut Rng) -> Faults {
    let empties = rng.u32(1..=50);
    Faults {
        fragments: Some(rng.u16(2..=50)),
        fragment_pings: rng.bool(),
        fragment_empties: rng.bool().then_some(empties),
        ..Faults::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_drawn_is_allowed_and_ends() {
        let mut rng = Rng::with_seed(1);
        for kind in Kind::HEALING.into_iter().chain([Kind::Reject]) {
            for _ in 0..200 {
                let strike = kind.strike(&mut rng);
                assert_eq!(strike.faults.as_ref().and_then(Faults::mistake), None, "{kind:?}");
                assert_eq!(strike.frame.as_ref().and_then(Frame::mistake), None, "{kind:?}");
                assert_eq!(strike.cut.and_then(|cut| cut.mistake("close")), None, "{kind:?}");
                assert_eq!(strike.faults.is_some(), !strike.lasts.is_zero(), "{kind:?}");
                assert!(strike.faults.is_some() || strike.frame.is_some() || strike.cut.is_some(), "{kind:?}");
            }
        }
    }
}

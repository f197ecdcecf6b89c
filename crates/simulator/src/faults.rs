use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{SimulatorError, cut::Cut, frame::Frame, refusal::Refusal};

/// Longest delay of a fault, in milliseconds: ten minutes.
const MAX_DELAY_MS: u32 = 600_000;
/// Most fragments of a push, and most copies of one.
const MAX_PIECES: u16 = 1000;
/// Most empty continuations in a push.
const MAX_EMPTIES: u32 = 100_000;
/// Most pings a second.
const MAX_PINGS: u32 = 10_000;

/// What is wrong with an account on purpose, until it is told otherwise. By default nothing.
///
/// Written as the JSON object that `PUT accounts/{id}/faults` takes; [`str::parse`] reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key that users set, and any of them go together")]
pub struct Faults {
    /// Handshakes are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refuse: Option<Refusal>,
    /// Handshakes get no answer while this holds; then they go on.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) stall: bool,
    /// Handshakes are answered so many milliseconds late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upgrade_delay_ms: Option<u32>,
    /// Each socket is cut after a time or some pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut_after: Option<CutAfter>,
    /// A new socket ends the older ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kick_older: Option<Cut>,
    /// Open sockets stay open and get nothing: no push, no ping, no pong, no Close.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) silent: bool,
    /// Pings and pongs of the gateway count for nothing, so that it is cut after the ping timeout.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) ignore_pongs: bool,
    /// A Close of the gateway is not answered, and the TCP connection stays.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) ignore_close: bool,
    /// Pings a second, on every socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ping_flood: Option<u32>,
    /// Pushes are sent in this many fragments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fragments: Option<u16>,
    /// There is a ping between the fragments.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) fragment_pings: bool,
    /// So many empty continuations follow a push's first fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fragment_empties: Option<u32>,
    /// Each push is sent so many times at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redeliver: Option<u16>,
    /// Every frame of a push but its first has another body, under the same id.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) other_bytes: bool,
    /// Pushes have a field of a later version.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) unknown_field: bool,
    /// Other frames come between the pushes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) intersperse: Option<Intersperse>,
}

/// When a socket is cut, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutAfter {
    /// Milliseconds after it was opened; 0 is at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ms: Option<u32>,
    /// After so many pushes were sent on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pushes: Option<u32>,
    /// The code of the Close frame; without one the TCP connection just ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    close: Option<u16>,
}

/// Frames between the pushes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intersperse {
    /// One of the frames, in turn, follows every push whose number this divides.
    pub(crate) every: u32,
    pub(crate) frames: Vec<Frame>,
}

/// Faults that hold from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFaults {
    /// The account; none means all of them, those that are made on demand too.
    pub account: Option<String>,
    /// What is wrong with it.
    pub faults: Faults,
}

impl CutAfter {
    /// After so many milliseconds.
    pub(crate) fn time(ms: u32, cut: Cut) -> Self {
        Self { ms: Some(ms), pushes: None, close: cut.close }
    }

    /// After so many pushes.
    pub(crate) fn pushes(pushes: u32, cut: Cut) -> Self {
        Self { ms: None, pushes: Some(pushes), close: cut.close }
    }

    pub(crate) fn cut(self) -> Cut {
        Cut { close: self.close }
    }

    /// Whether a socket that is so many milliseconds old, and got so many pushes, is to be cut.
    pub(crate) fn is_due(self, age: u128, pushes: u32) -> bool {
        self.ms.is_some_and(|ms| age >= ms.into()) || self.pushes.is_some_and(|most| pushes >= most)
    }
}

impl Faults {
    /// Whether a push may become far more than its own bytes.
    pub(crate) fn amplify(&self) -> bool {
        self.redeliver.is_some() || self.fragment_empties.is_some() || self.intersperse.is_some()
    }

    /// What is wrong with the faults themselves.
    pub(crate) fn mistake(&self) -> Option<String> {
        let within = |figure: Option<u32>, key: &str, least: u32, most: u32| {
            let wrong = figure.is_some_and(|figure| !(least..=most).contains(&figure));
            wrong.then(|| format!("{key} is {least} to {most}"))
        };
        let pieces = u32::from(MAX_PIECES);
        self.refuse
            .as_ref()
            .and_then(Refusal::mistake)
            .or_else(|| within(self.upgrade_delay_ms, "upgrade_delay_ms", 1, MAX_DELAY_MS))
            .or_else(|| within(self.ping_flood, "ping_flood", 1, MAX_PINGS))
            .or_else(|| within(self.fragments.map(u32::from), "fragments", 2, pieces))
            .or_else(|| within(self.fragment_empties, "fragment_empties", 1, MAX_EMPTIES))
            .or_else(|| within(self.redeliver.map(u32::from), "redeliver", 2, pieces))
            .or_else(|| self.kick_older.and_then(|cut| cut.mistake("kick_older.close")))
            .or_else(|| self.cut_after.and_then(CutAfter::mistake))
            .or_else(|| self.intersperse.as_ref().and_then(Intersperse::mistake))
    }
}

impl CutAfter {
    fn mistake(self) -> Option<String> {
        if self.ms.is_none() && self.pushes.is_none() {
            return Some("cut_after needs ms or pushes".to_owned());
        }
        if self.pushes == Some(0) {
            return Some("cut_after.pushes is 1 or more".to_owned());
        }
        self.cut().mistake("cut_after.close")
    }
}

impl Intersperse {
    fn mistake(&self) -> Option<String> {
        if self.every == 0 || self.frames.is_empty() {
            return Some("intersperse.every is 1 or more, and there is a frame at least".to_owned());
        }
        self.frames.iter().find_map(Frame::mistake).map(|mistake| format!("intersperse.frames: {mistake}"))
    }

    /// The frame that follows the push of this number, counted from 1.
    pub(crate) fn after(&self, push: u64) -> Option<&Frame> {
        let every = u64::from(self.every);
        let turn = push.is_multiple_of(every).then(|| push / every - 1)?;
        self.frames.get((turn % self.frames.len() as u64) as usize)
    }
}

impl FromStr for Faults {
    type Err = SimulatorError;

    fn from_str(text: &str) -> Result<Self, SimulatorError> {
        let faults: Self = serde_json::from_str(text).map_err(|error| SimulatorError::Faults(error.to_string()))?;
        match faults.mistake() {
            Some(mistake) => Err(SimulatorError::Faults(mistake)),
            None => Ok(faults),
        }
    }
}

/// `[ACCOUNT=]JSON`.
impl FromStr for AccountFaults {
    type Err = SimulatorError;

    fn from_str(text: &str) -> Result<Self, SimulatorError> {
        let (account, json) = match text.split_once("={") {
            Some((account, _)) if !account.starts_with('{') => (Some(account), &text[account.len() + 1..]),
            _ => (None, text),
        };
        Ok(Self { account: account.map(str::to_owned), faults: json.parse()? })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_faults_are_an_empty_object() {
        assert_eq!(serde_json::to_string(&Faults::default()).unwrap(), "{}");
        assert_eq!("{}".parse::<Faults>().unwrap(), Faults::default());
    }

    #[test]
    fn faults_come_out_as_they_went_in() {
        let text = r#"{"refuse":{"status":503,"retry_after":"soon","times":3},"stall":true,"cut_after":{"ms":0,"close":1011},"kick_older":{},"fragments":7,"intersperse":{"every":2,"frames":[{"frame":"text"}]}}"#;
        assert_eq!(serde_json::to_string(&text.parse::<Faults>().unwrap()).unwrap(), text);
    }

    #[test]
    fn mistakes_name_what_is_allowed() {
        for (text, named) in [
            (r#"{"refuse":{"status":101}}"#, "200 to 599"),
            (r#"{"refuse":{"status":503,"retry_after":1,"retry_after_date":1}}"#, "retry_after"),
            (r#"{"upgrade_delay_ms":600001}"#, "600000"),
            (r#"{"cut_after":{}}"#, "ms or pushes"),
            (r#"{"cut_after":{"pushes":0}}"#, "1 or more"),
            (r#"{"cut_after":{"ms":1,"close":5}}"#, "1000 to 4999"),
            (r#"{"kick_older":{"close":5000}}"#, "1000 to 4999"),
            (r#"{"ping_flood":0}"#, "1 to 10000"),
            (r#"{"fragments":1}"#, "2 to 1000"),
            (r#"{"fragment_empties":0}"#, "1 to 100000"),
            (r#"{"redeliver":1}"#, "2 to 1000"),
            (r#"{"intersperse":{"every":1,"frames":[]}}"#, "a frame at least"),
            (r#"{"intersperse":{"every":1,"frames":[{"frame":"garbage","bytes":0}]}}"#, "intersperse.frames"),
            (r#"{"intersperse":{"every":1,"frames":[{"frame":"text","bytes":5}]}}"#, "unknown field `bytes`"),
            (r#"{"fragment":3}"#, "`fragments`"),
            ("silent", "expected"),
        ] {
            let error = text.parse::<Faults>().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn faults_may_be_of_one_account() {
        let parse = |text: &str| text.parse::<AccountFaults>().map(|given| (given.account, given.faults.silent));
        assert_eq!(parse(r#"{"silent":true}"#).unwrap(), (None, true));
        assert_eq!(parse(r#"acme={"silent":true}"#).unwrap(), (Some("acme".to_owned()), true));
        assert_eq!(parse(r#"a=b={"silent":true}"#).unwrap().0.as_deref(), Some("a=b"));
        assert!(parse("acme").is_err() && parse("acme=silent").is_err());
    }

    #[test]
    fn frames_take_turns_between_the_pushes() {
        let text = r#"{"every":2,"frames":[{"frame":"text"},{"frame":"empty"}]}"#;
        let between: Intersperse = serde_json::from_str(text).unwrap();
        let found: Vec<_> = (1..=6).map(|push| between.after(push).cloned()).collect();
        let (text, empty) = (Some(Frame::Text {}), Some(Frame::Empty {}));
        assert_eq!(found, [None, text.clone(), None, empty, None, text]);
    }
}

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{histogram::Histogram, push_line::PushKey, report::Report};

/// A push that has its answer, as the service remembers it.
#[derive(Debug, Deserialize)]
pub(crate) struct Answered<'a> {
    /// Grows by one with each answer.
    pub(crate) position: u64,
    /// `ack` or `nack`.
    pub(crate) answer: &'a str,
    /// How often it was sent.
    pub(crate) attempts: u32,
    id: &'a str,
    account: &'a str,
    /// When it was sent last.
    sent_at: Option<&'a str>,
    #[serde(rename = "answered_at")]
    at: &'a str,
}

/// How long answers took.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerTimes {
    /// From the last sending to the answer.
    pub(crate) times: Histogram,
    /// Pushes that were sent more than once: their time would be too short.
    pub(crate) repeated: usize,
}

impl Answered<'_> {
    pub(crate) fn push(&self) -> Result<PushKey> {
        PushKey::read(self.id.as_bytes()).context("an id that is no uuid")
    }

    /// The number in the account's name.
    pub(crate) fn account(&self) -> Result<usize> {
        let number = self.account.strip_prefix('t').and_then(|number| number.parse().ok());
        number.with_context(|| format!("unknown account {}", self.account))
    }

    /// From the last sending to the answer, both of which the service writes in whole milliseconds.
    fn took(&self) -> Result<Duration> {
        let sent_at = moment(self.sent_at.context("an answer to what was never sent")?)?;
        // A wall clock may be set back between the two.
        Ok(moment(self.at)?.duration_since(sent_at).unwrap_or_default())
    }
}

impl AnswerTimes {
    pub(crate) fn add(&mut self, answered: &Answered<'_>) -> Result<()> {
        self.times.add(answered.took()?.as_nanos() as u64);
        self.repeated += usize::from(answered.attempts > 1);
        Ok(())
    }

    /// All but the p99, which some runs judge.
    pub(crate) fn report(&self, load: &str, report: &mut Report) {
        report.none(format!("{load}: pushes sent again by the service"), self.repeated);
        report.millis(format!("{load}: sent to answered, p50"), self.times.percentile(50));
        report.millis(format!("{load}: sent to answered, max"), self.times.max());
    }
}

fn moment(text: &str) -> Result<SystemTime> {
    humantime::parse_rfc3339(text).with_context(|| format!("{text} is no time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(sent_at: &str, attempts: u32) -> String {
        format!(
            r#"{{"position":7,"id":"0b46a13c-1111-4222-8333-444455556666","account":"t12","attempts":{attempts},
               "sent_at":{sent_at},"answer":"ack","answered_at":"2026-01-02T03:04:05.678Z"}}"#
        )
    }

    #[test]
    fn an_answer_takes_from_the_sending_on() {
        let mut times = AnswerTimes::default();
        for (sent_at, attempts) in [("\"2026-01-02T03:04:05.600Z\"", 1), ("\"2026-01-02T03:04:05.700Z\"", 2)] {
            let line = answered(sent_at, attempts);
            let answered: Answered<'_> = serde_json::from_str(&line).unwrap();
            assert_eq!((answered.account().unwrap(), answered.position), (12, 7));
            times.add(&answered).unwrap();
        }
        assert_eq!((times.times.max(), times.repeated), (Duration::from_millis(78), 1));
        assert_eq!(times.times.percentile(50), Duration::ZERO);
    }

    #[test]
    fn what_was_never_sent_has_no_time() {
        let line = answered("null", 0);
        let answered: Answered<'_> = serde_json::from_str(&line).unwrap();
        assert!(AnswerTimes::default().add(&answered).is_err());
    }
}

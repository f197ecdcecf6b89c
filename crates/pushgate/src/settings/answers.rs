//! How pushes are answered: the same four keys in `[upstream]` and for each tenant.

use std::time::Duration;

use pushgate_model::Answer;
use pushgate_session::{AckPolicy, AnswerConfig};

use super::{quantity::TIMER, section::Section};

const ANSWERS: [Answer; 2] = [Answer::Nack, Answer::Ack];
/// The word for no answer at all.
const NONE: &str = "none";

/// What this section says; `above` holds for what it does not say. Without `above` every key must be there.
pub(super) fn read(section: &mut Section<'_>, above: Option<&AnswerConfig>) -> Option<AnswerConfig> {
    let policy = own_or(section, "ack", above.map(|above| above.policy), policy, |policy| policy.as_str().into());
    let timeout = own_or(section, "ack_timeout", above.map(|above| above.timeout), timeout, shown_duration);
    let on_timeout =
        own_or(section, "ack_on_timeout", above.map(|above| above.on_timeout), on_timeout, |answer: Option<Answer>| {
            answer.map_or(NONE, Answer::as_str).into()
        });
    let on_quarantine =
        own_or(section, "on_quarantine", above.map(|above| above.on_quarantine), on_quarantine, |answer: Answer| {
            answer.as_str().into()
        });
    Some(AnswerConfig { policy: policy?, timeout: timeout?, on_timeout: on_timeout?, on_quarantine: on_quarantine? })
}

/// The key's own value, right or wrong, when it is there; else what holds above, which is shown then.
fn own_or<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    above: Option<T>,
    read: impl FnOnce(&mut Section<'_>, &'static str) -> Option<T>,
    shown: impl FnOnce(T) -> toml::Value,
) -> Option<T> {
    let is_own = section.has(key);
    let own = read(section, key);
    if is_own {
        return own;
    }
    above.inspect(|above| section.take_over(key, shown(*above)))
}

fn policy(section: &mut Section<'_>, key: &'static str) -> Option<AckPolicy> {
    let policies = [AckPolicy::Stored, AckPolicy::Delivered, AckPolicy::Confirmed];
    section.choice(key, &policies.map(|policy| (policy.as_str(), policy)))
}

fn timeout(section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
    section.duration(key, TIMER)
}

#[expect(clippy::option_option, reason = "the outer one is whether the key is right, as for every key")]
fn on_timeout(section: &mut Section<'_>, key: &'static str) -> Option<Option<Answer>> {
    let [nack, ack] = ANSWERS.map(|answer| (answer.as_str(), Some(answer)));
    section.choice(key, &[nack, ack, (NONE, None)])
}

fn on_quarantine(section: &mut Section<'_>, key: &'static str) -> Option<Answer> {
    section.choice(key, &ANSWERS.map(|answer| (answer.as_str(), answer)))
}

fn shown_duration(duration: Duration) -> toml::Value {
    humantime::format_duration(duration).to_string().into()
}

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    Repeat, Step,
    parse::{Keys, Mistakes},
};
use crate::{
    action::{Action, Load, NewPushes, Target},
    chaos::StartChaos,
    config::is_account_id,
    cut::Cut,
    faults::Faults,
    frame::Frame,
    which::Which,
};

/// All that a step can do.
const NAMES: [&str; 9] = ["push", "cut", "faults", "clear", "frame", "load", "chaos", "end_chaos", "forget"];

/// A length of time, such as `"1m 30s"`.
struct Time(Duration);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRepeat {
    every: Time,
    times: Option<u64>,
}

/// The value of `accounts`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "accounts is \"*\", a number, for t0, t1 and so on, or a list of ids")]
enum Accounts {
    Which(Which),
    Star(String),
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("{error}; such as \"1m 30s\" or \"250ms\"")))
    }
}

/// Reads one step; nothing if there is a mistake in it.
pub(super) fn read(mut keys: Keys<'_>, mistakes: &mut Mistakes<'_>) -> Option<Step> {
    let (span, line) = (keys.span.clone(), mistakes.line(&keys.span));
    if !keys.has("at") {
        mistakes.add(span.clone(), "`at` is missing: how long after the start, such as \"2s\"");
    }
    let at = keys.take::<Time>("at", mistakes);
    let repeats = keys.has("repeat");
    let repeat = keys.take::<RawRepeat>("repeat", mistakes).and_then(|raw| match repeat(&raw) {
        Ok(repeat) => Some(repeat),
        Err(mistake) => {
            mistakes.add(span.clone(), mistake);
            None
        }
    });
    let target = target(&mut keys, mistakes);
    if !keys.has("do") {
        mistakes.add(span.clone(), &format!("`do` is missing: one of {}", NAMES.join(", ")));
    }
    let word: String = keys.take("do", mistakes)?;
    let Some(name) = NAMES.into_iter().find(|name| *name == word) else {
        mistakes.add(span, &format!("unknown do `{word}`, expected one of {}", NAMES.join(", ")));
        return None;
    };
    let target = match target {
        Ok(target) => check_target(name, target).map_err(|mistake| mistakes.add(span.clone(), mistake)).ok()?,
        Err(()) => None,
    };
    let action = action(name, target.as_ref(), keys, mistakes)?;
    let repeat = if repeats { Some(repeat?) } else { None };
    Some(Step { line, at: at?.0, repeat, name, target: target.unwrap_or(Target::All), action })
}

fn repeat(raw: &RawRepeat) -> Result<Repeat, &'static str> {
    if raw.every.0 < Duration::from_millis(1) {
        return Err("repeat.every is 1ms or more");
    }
    if raw.times.is_some_and(|times| times < 2) {
        return Err("repeat.times, which counts the first time too, is 2 or more");
    }
    Ok(Repeat { every: raw.every.0, times: raw.times })
}

/// The accounts of a step, if it names any. The error is that of a mistake that was noted.
fn target(keys: &mut Keys<'_>, mistakes: &mut Mistakes<'_>) -> Result<Option<Target>, ()> {
    let (one, many) = (keys.has("account"), keys.has("accounts"));
    let span = keys.span.clone();
    if one && many {
        mistakes.add(span.clone(), "a step has `account` or `accounts`, not both");
    }
    let account: Option<String> = keys.take("account", mistakes);
    let accounts: Option<Accounts> = keys.take("accounts", mistakes);
    let target = match (account, accounts) {
        (Some(id), None) if id == "*" => Target::All,
        (Some(id), None) => Target::Which(Which::Named(vec![id])),
        (None, Some(Accounts::Star(star))) if star == "*" => Target::All,
        (None, Some(Accounts::Which(which))) => Target::Which(which),
        (None, Some(Accounts::Star(_))) => {
            mistakes.add(span, "accounts is \"*\", a number, for t0, t1 and so on, or a list of ids");
            return Err(());
        }
        (None, None) if !one && !many => return Ok(None),
        _ => return Err(()),
    };
    let wrong = match &target {
        Target::Which(Which::Named(ids)) => ids.is_empty() || ids.iter().any(|id| !is_account_id(id)),
        Target::Which(Which::Numbered(count)) => *count == 0,
        Target::All => false,
    };
    if wrong {
        mistakes.add(span, "there is one account at least; an id is 1 to 128 bytes without / and control characters");
        return Err(());
    }
    Ok(Some(target))
}

fn check_target(name: &str, target: Option<Target>) -> Result<Option<Target>, &'static str> {
    match (name, &target) {
        ("end_chaos" | "forget", Some(_)) => Err("this is done to all accounts, so none is named"),
        ("push" | "cut" | "faults" | "clear" | "frame", None) => Err("`account` or `accounts` is missing"),
        _ => Ok(target),
    }
}

fn action(name: &str, target: Option<&Target>, keys: Keys<'_>, mistakes: &mut Mistakes<'_>) -> Option<Action> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    let span = keys.span.clone();
    let which = target.and_then(|target| match target {
        Target::All => None,
        Target::Which(which) => Some(which.clone()),
    });
    let (action, mistake) = match name {
        "push" => keys.rest::<NewPushes>(mistakes).map(|pushes| (pushes.mistake(), Action::Push(pushes))),
        "cut" => keys.rest::<Cut>(mistakes).map(|cut| (cut.mistake("close"), Action::Cut(cut))),
        "faults" => keys.rest::<Faults>(mistakes).map(|faults| (faults.mistake(), Action::Faults(Arc::new(faults)))),
        "frame" => keys.rest::<Frame>(mistakes).map(|frame| (frame.mistake(), Action::Frame(frame))),
        "load" => keys.rest::<Load>(mistakes).map(|load| {
            let load = load.with_accounts(which);
            (load.mistake(), Action::Load(load))
        }),
        "chaos" => keys.rest::<StartChaos>(mistakes).map(|chaos| {
            let chaos = chaos.with_accounts(which);
            (chaos.mistake(), Action::Chaos(chaos))
        }),
        "clear" => keys.rest::<Nothing>(mistakes).map(|_| (None, Action::Faults(Arc::default()))),
        "end_chaos" => keys.rest::<Nothing>(mistakes).map(|_| (None, Action::EndChaos)),
        _ => keys.rest::<Nothing>(mistakes).map(|_| (None, Action::Forget)),
    }
    .map(|(mistake, action)| (action, mistake))?;
    match mistake {
        Some(mistake) => {
            mistakes.add(span, &mistake);
            None
        }
        None => Some(action),
    }
}

//! Secrets: a text, `{ env = "NAME" }` or `{ file = "/run/secrets/x" }`.

use std::{io::Read as _, path::Path};

use config::ValueKind;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    given::{Given, Shown, origin_of},
    regular,
    report::Report,
};

/// The largest secret, in bytes: a wrong path must not read a whole disk.
const MAX_LEN: usize = 64 << 10;

/// Stands for a literal secret wherever settings are shown. As a secret it is a mistake: a copy of what was shown.
const REDACTED: &str = "***";

const FORMS: &str = "must be a string, { env = \"NAME\" } or { file = \"/path\" }";

/// The secret, and what may be shown of it: a literal becomes `***`, a reference stays as it is. `check` says what is
/// wrong with the text, without repeating it.
pub(super) fn read(
    given: &Given,
    report: &Report<'_>,
    check: impl FnOnce(&str) -> Result<(), String>,
) -> Option<(SecretString, toml::Value)> {
    let found = match &given.kind {
        ValueKind::String(text) => Ok((text.clone().into(), REDACTED.into())),
        ValueKind::Table(_) => follow(given, report)?,
        _ => {
            report.wrong(given, Shown::Kind, FORMS);
            return None;
        }
    };
    let checked = found.and_then(|(secret, shown): (SecretString, toml::Value)| {
        check_text(secret.expose_secret(), check).map(|()| (secret, shown))
    });
    checked.map_err(|allowed| report.wrong(given, Shown::Nothing, allowed)).ok()
}

/// Reads what a reference points to. Nothing when the reference itself is wrong, which is listed.
fn follow(given: &Given, report: &Report<'_>) -> Option<Result<(SecretString, toml::Value), String>> {
    let ValueKind::Table(table) = &given.kind else { return None };
    let mut keys: Vec<_> = table.keys().filter(|key| !matches!(key.as_str(), "env" | "file")).collect();
    keys.sort();
    for key in &keys {
        let path = format!("{}.{key}", given.path);
        report.unknown(&origin_of(&table[*key]), &path, "unknown key; allowed here: env, file".to_owned());
    }
    if !keys.is_empty() {
        return None;
    }
    let text = |key| match table.get(key).map(|value| &value.kind) {
        None => Ok(None),
        Some(ValueKind::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(()),
    };
    let found = match (text("env"), text("file")) {
        (Ok(Some(name)), Ok(None)) => from_env(name, report),
        (Ok(None), Ok(Some(path))) => from_file(Path::new(path)),
        _ => {
            report.wrong(given, Shown::Kind, FORMS);
            return None;
        }
    };
    let reference = table.iter().filter_map(|(key, value)| match &value.kind {
        ValueKind::String(text) => Some((key.clone(), toml::Value::from(text.as_str()))),
        _ => None,
    });
    let shown = toml::Value::Table(reference.collect());
    Some(found.map(|secret| (secret.into(), shown)))
}

fn from_env(name: &str, report: &Report<'_>) -> Result<String, String> {
    let value = report.env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
    if value.is_empty() { Err(format!("the environment variable {name} is empty")) } else { Ok(value.to_owned()) }
}

/// The secret in a file that is no setting.
pub(crate) fn of_file(path: &Path) -> Result<SecretString, String> {
    let text = from_file(path)?;
    check_text(&text, |_| Ok(())).map_err(|what| format!("the file {} {what}", path.display()))?;
    Ok(text.into())
}

/// Editors and `echo` end a file with a newline; it is no part of the secret.
fn from_file(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = regular::open(path).and_then(|file| file.take(MAX_LEN as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("the file {} can't be read: {error}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the file {} is not UTF-8", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(format!("the file {} is empty", path.display())) } else { Ok(text.to_owned()) }
}

fn check_text(text: &str, check: impl FnOnce(&str) -> Result<(), String>) -> Result<(), String> {
    match text {
        "" => Err("must not be empty".to_owned()),
        REDACTED => Err("must not be \"***\": this stands for a secret that is not shown".to_owned()),
        text if text.len() > MAX_LEN => Err(format!("must not be longer than {MAX_LEN} bytes")),
        // What the environment held was not UTF-8.
        text if text.contains('\u{fffd}') => Err("must be valid UTF-8".to_owned()),
        text => check(text),
    }
}

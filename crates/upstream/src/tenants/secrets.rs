use serde_json::{Map, Value};

use crate::TenantMistake;

/// What stands for a literal secret where settings are shown.
const HIDDEN: &str = "***";

/// Puts the old values where `new` says `"***"`, as it does when settings come back as they were shown.
///
/// # Errors
/// Each `"***"` for which there is no old value.
pub(super) fn keep(old: Option<&Map<String, Value>>, new: &mut Map<String, Value>) -> Result<(), Vec<TenantMistake>> {
    let mut mistakes = Vec::new();
    keep_below("", old, new, &mut mistakes);
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Settings are tables in tables, two deep where they are right; the reader of JSON limits how deep they can be.
fn keep_below(
    path: &str,
    old: Option<&Map<String, Value>>,
    new: &mut Map<String, Value>,
    mistakes: &mut Vec<TenantMistake>,
) {
    for (key, value) in new {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let known = old.and_then(|old| old.get(key));
        match value {
            Value::String(text) if text == HIDDEN => match known {
                Some(known) => *value = known.clone(),
                None => mistakes.push(TenantMistake {
                    key: path,
                    allowed: "\"***\" keeps the old value, and there is none".to_owned(),
                }),
            },
            Value::Object(table) => keep_below(&path, known.and_then(Value::as_object), table, mistakes),
            _ => {}
        }
    }
}

/// Settings as they may be shown although nobody could read them: every text may be a secret, but for those that can't be.
pub(super) fn hide(settings: &Map<String, Value>) -> Map<String, Value> {
    const PLAIN: [&str; 7] = ["url", "subprotocol", "ack", "ack_timeout", "ack_on_timeout", "on_quarantine", "enabled"];
    let hidden = |(key, value): (&String, &Value)| {
        let shown = match value {
            Value::String(_) if !PLAIN.contains(&key.as_str()) => HIDDEN.into(),
            Value::Object(table) if !is_reference(table) => Value::Object(hide(table)),
            other => other.clone(),
        };
        (key.clone(), shown)
    };
    settings.iter().map(hidden).collect()
}

/// `{ "env": … }` or `{ "file": … }`, which is no secret itself.
fn is_reference(table: &Map<String, Value>) -> bool {
    table.len() == 1 && (table.contains_key("env") || table.contains_key("file"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn hidden_values_keep_the_old_ones() {
        let old = map(&json!({ "bearer": "old", "headers": { "X-A": "a", "X-B": { "env": "B" } }, "url": "ws://a" }));
        let mut new =
            map(&json!({ "bearer": "***", "headers": { "X-A": "***", "X-B": "***", "X-C": "c" }, "url": "ws://b" }));
        keep(Some(&old), &mut new).unwrap();
        let kept =
            json!({ "bearer": "old", "headers": { "X-A": "a", "X-B": { "env": "B" }, "X-C": "c" }, "url": "ws://b" });
        assert_eq!(Value::Object(new), kept);
    }

    #[test]
    fn what_nobody_could_read_is_shown_without_its_secrets_and_can_be_put_back() {
        let stored = map(&json!({
            "url": "ws://a", "bearer": "s3cret", "proxy": { "env": "P" }, "headers": { "X": "y" }, "enabled": true
        }));
        let shown = hide(&stored);
        let expected = json!({
            "url": "ws://a", "bearer": "***", "proxy": { "env": "P" }, "headers": { "X": "***" }, "enabled": true
        });
        assert_eq!(Value::Object(shown.clone()), expected);
        let mut back = shown;
        keep(Some(&stored), &mut back).unwrap();
        assert_eq!(back, stored);
    }

    #[test]
    fn a_hidden_value_without_an_old_one_is_a_mistake() {
        let mut new = map(&json!({ "bearer": "***", "query": { "k": "***" } }));
        let mistakes = keep(Some(&map(&json!({ "query": {} }))), &mut new).unwrap_err();
        assert_eq!(mistakes.iter().map(|mistake| &*mistake.key).collect::<Vec<_>>(), ["bearer", "query.k"]);
        assert!(keep(None, &mut new).is_err());
    }
}

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{Step, step};

/// The steps of a scenario, or every mistake in it, each with the number of its line.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, Vec<String>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut mistakes = Mistakes { text, found: Vec::new() };
    for error in errors {
        mistakes.add(error.span().unwrap_or_default(), error.message());
    }
    if !mistakes.found.is_empty() {
        // What comes after a slip of syntax is guesswork.
        return Err(mistakes.lines());
    }
    let mut steps = Vec::new();
    for (key, value) in document.into_inner() {
        match value.into_inner() {
            DeValue::Array(tables) if key.get_ref() == "step" => {
                steps.extend(tables.into_iter().filter_map(|table| one(table, &mut mistakes)));
            }
            _ if key.get_ref() == "step" => mistakes.add(key.span(), "a step is a table: [[step]]"),
            _ => mistakes.add(key.span(), &format!("unknown key `{}`, expected [[step]]", key.get_ref())),
        }
    }
    if steps.is_empty() && mistakes.found.is_empty() {
        mistakes.add(0..0, "there is no [[step]]");
    }
    if mistakes.found.is_empty() { Ok(steps) } else { Err(mistakes.lines()) }
}

fn one(table: Spanned<DeValue<'_>>, mistakes: &mut Mistakes<'_>) -> Option<Step> {
    let span = table.span();
    let DeValue::Table(keys) = table.into_inner() else {
        mistakes.add(span, "a step is a table: [[step]]");
        return None;
    };
    step::read(Keys { keys, span }, mistakes)
}

/// What is wrong with the text.
pub(super) struct Mistakes<'a> {
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl Mistakes<'_> {
    pub(super) fn add(&mut self, at: Range<usize>, what: &str) {
        self.found.push((self.line(&at), what.trim().replace('\n', " ")));
    }

    /// The number of the line in which a span begins.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        self.text.bytes().take(at.start).filter(|byte| *byte == b'\n').count() + 1
    }

    fn lines(mut self) -> Vec<String> {
        self.found.sort_by_key(|(line, _)| *line);
        self.found.into_iter().map(|(line, what)| format!("line {line}: {what}")).collect()
    }
}

/// The keys of a step that are not read yet.
pub(super) struct Keys<'a> {
    keys: DeTable<'a>,
    pub(super) span: Range<usize>,
}

impl<'a> Keys<'a> {
    /// Takes one key, if it is there. A value that can't be is a mistake, and as good as none.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str, mistakes: &mut Mistakes<'_>) -> Option<T> {
        let (span, value) = self.take_raw(key)?;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                mistakes.add(error.span().unwrap_or(span), &format!("{key}: {}", error.message()));
                None
            }
        }
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Reads all keys that are left as one value, and names every key that does not belong to it.
    pub(super) fn rest<T: DeserializeOwned>(mut self, mistakes: &mut Mistakes<'_>) -> Option<T> {
        let mut clean = true;
        loop {
            let value = Spanned::new(self.span.clone(), DeValue::Table(self.keys.clone()));
            let error = match T::deserialize(ValueDeserializer::from(value)) {
                Ok(value) => return clean.then_some(value),
                Err(error) => error,
            };
            clean = false;
            let span = error.span().unwrap_or_else(|| self.span.clone());
            mistakes.add(span.clone(), error.message());
            // Without an unknown key the others can be judged too; after any other mistake they can't.
            let unknown = self.keys.keys().find(|key| key.span() == span).map(|key| key.get_ref().clone());
            match unknown.filter(|_| error.message().starts_with("unknown field")) {
                Some(key) => self.take_raw(&key),
                None => return None,
            };
        }
    }

    fn take_raw(&mut self, key: &str) -> Option<(Range<usize>, Spanned<DeValue<'a>>)> {
        let (key, value) = self.keys.remove_entry(key)?;
        Some((key.span(), value))
    }
}

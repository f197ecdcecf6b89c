//! TOML text to `config` values that remember their lines. The parser of `config` itself forgets them, stops at the
//! first error, and quotes the line that is wrong, which may hold a secret.

use config::{Map, Value, ValueKind};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::origin::Origin;

/// An error of syntax.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// From 1; 0 when it is unknown.
    pub(super) line: usize,
    pub(super) message: String,
}

/// The document as values, each with the origin of its line.
pub(super) fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> Result<Map<String, Value>, Vec<SyntaxError>> {
    let lines = Lines::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(document.into_inner(), &|offset| origin(lines.line(offset)).encode()));
    }
    let error = |error: toml::de::Error| SyntaxError {
        line: error.span().map_or(0, |span| lines.line(span.start)),
        message: format!("no valid TOML: {}", error.message().replace('\n', ", ")),
    };
    Err(errors.into_iter().map(error).collect())
}

fn table(table: DeTable<'_>, origin: &dyn Fn(usize) -> String) -> Map<String, Value> {
    table.into_iter().map(|(key, inner)| (key.into_inner().into_owned(), value(inner, origin))).collect()
}

fn value(spanned: Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> String) -> Value {
    let place = origin(spanned.span().start);
    let kind = match spanned.into_inner() {
        DeValue::String(text) => ValueKind::String(text.into_owned()),
        DeValue::Boolean(flag) => ValueKind::Boolean(flag),
        // What no key can take stays text, so that it can be shown.
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => ValueKind::I64(number),
            Err(_) => ValueKind::String(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => ValueKind::Float(number),
            Err(_) => ValueKind::String(number.to_string()),
        },
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(array) => ValueKind::Array(array.into_iter().map(|inner| value(inner, origin)).collect()),
        DeValue::Table(inner) => ValueKind::Table(table(inner, origin)),
    };
    Value::new(Some(&place), kind)
}

/// Finds the line of an offset.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

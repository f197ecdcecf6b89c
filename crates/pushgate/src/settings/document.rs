//! TOML text to `config` values that remember their lines. The parser of `config` itself forgets them, stops at the
//! first error, and quotes the line that is wrong, which may hold a secret.

use std::{fs::File, io::Read as _, path::Path};

use config::{Map, Value, ValueKind};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{origin::Origin, quantity};

/// Why a document can't be used.
#[derive(Debug)]
pub(super) struct DocumentError {
    /// From 1; 0 when it is unknown.
    pub(super) line: usize,
    pub(super) message: String,
}

/// The file's document as values, each with the origin of its line. A file over `max` bytes is not read to its end.
pub(super) fn read(path: &Path, max: u64) -> Result<Map<String, Value>, Vec<DocumentError>> {
    let name = path.display().to_string();
    let text = read_text(path, max).map_err(|message| vec![DocumentError { line: 0, message }])?;
    parse(text.strip_prefix('\u{feff}').unwrap_or(&text), |line| Origin::File { path: name.clone(), line })
}

fn read_text(path: &Path, max: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| format!("the file can't be read: {error}"))?;
    if bytes.len() as u64 > max {
        return Err(format!("the file is larger than {}", quantity::size_text(max)));
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

/// The document as values, each with the origin of its line.
pub(super) fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> Result<Map<String, Value>, Vec<DocumentError>> {
    let lines = Lines::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table(document.into_inner(), &|offset| origin(lines.line(offset)).encode()));
    }
    let error = |error: toml::de::Error| DocumentError {
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

//! Typed reading of one table. Every method records what it read, or a mistake; so a reader asks for all keys first
//! and puts its config together afterwards.

use std::{
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Map, Value, ValueKind};
use secrecy::SecretString;

use super::{
    effective::Effective,
    given::{Given, Shown, origin_of},
    origin::Origin,
    quantity::{self, Span},
    report::Report,
    secret, suggest,
};

/// The longest list of texts: each is compared at every request.
const MAX_ITEMS: usize = 1000;

/// One table of the settings while it is read.
pub(super) struct Section<'r> {
    pub(super) report: &'r Report<'r>,
    path: String,
    place: Origin,
    values: Map<String, Value>,
    known: Vec<&'static str>,
    effective: Effective,
}

impl<'r> Section<'r> {
    /// Reads the whole tree; what is in force is told beside the result.
    pub(super) fn read_root<T>(
        values: Map<String, Value>,
        report: &'r Report<'r>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> (T, Effective) {
        let mut root = Self::new(report, String::new(), Origin::Default, values);
        let result = read(&mut root);
        (result, root.finish())
    }

    fn new(report: &'r Report<'r>, path: String, place: Origin, values: Map<String, Value>) -> Self {
        Self { report, path, place, values, known: Vec::new(), effective: Effective::default() }
    }

    /// The full path of a key of this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A table below this one; an absent one is empty.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let (place, values) = match self.take(key) {
            None => (self.place.clone(), Map::new()),
            Some(Given { kind: ValueKind::Table(values), origin, .. }) => (origin, values),
            Some(given) => {
                self.report.wrong(&given, Shown::Kind, "must be a table");
                return None;
            }
        };
        let mut section = Self::new(self.report, self.path_of(key), place, values);
        let result = read(&mut section);
        let effective = section.finish();
        self.effective.table(key, effective);
        result
    }

    /// A list of tables; an absent one is empty.
    pub(super) fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> Option<T>) -> Vec<T> {
        let Some(given) = self.take(key) else { return Vec::new() };
        let ValueKind::Array(items) = given.kind else {
            self.report.wrong(&given, Shown::Kind, format!("must be a list of tables: [[{key}]] in a file"));
            return Vec::new();
        };
        let (mut results, mut effective) = (Vec::new(), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            let given = Given::new(format!("{}[{index}]", self.path_of(key)), item);
            let ValueKind::Table(values) = given.kind else {
                self.report.wrong(&given, Shown::Kind, "must be a table");
                continue;
            };
            let mut section = Self::new(self.report, given.path, given.origin, values);
            results.extend(read(&mut section));
            effective.push(section.finish());
        }
        self.effective.list(key, effective);
        results
    }

    /// A document of its own as one more table of a list. Its mistakes have the paths that they have there.
    pub(super) fn document<T>(
        &mut self,
        key: &'static str,
        path: &Path,
        values: Map<String, Value>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let path = path.display().to_string();
        let mut effective = Effective::default();
        effective.remark(&path);
        let mut section = Self::new(self.report, String::new(), Origin::File { path, line: 1 }, values);
        section.effective = effective;
        let result = read(&mut section);
        self.effective.list(key, vec![section.finish()]);
        result
    }

    /// A table of secrets under names of the user's choice, by name.
    pub(super) fn secrets(
        &mut self,
        key: &'static str,
        mut check: impl FnMut(&str, &str) -> Result<(), String>,
    ) -> Vec<(String, SecretString)> {
        let Some(given) = self.take(key) else { return Vec::new() };
        let ValueKind::Table(values) = given.kind else {
            self.report.wrong(&given, Shown::Kind, "must be a table of names and secrets");
            return Vec::new();
        };
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        let mut effective = Effective::default();
        let mut secrets = Vec::new();
        for (name, value) in values {
            let given = Given::new(format!("{}.{name}", self.path_of(key)), value);
            if let Some((secret, shown)) = secret::read(&given, self.report, |text| check(&name, text)) {
                effective.set(&name, shown);
                secrets.push((name, secret));
            }
        }
        self.effective.table(key, effective);
        secrets
    }

    /// One secret; `check` says what is wrong with its text, without repeating it.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Option<SecretString> {
        let given = self.take(key)?;
        let (secret, shown) = secret::read(&given, self.report, check)?;
        self.effective.set(key, shown);
        Some(secret)
    }

    /// A text of any kind; `check` says what is wrong with it.
    pub(super) fn text<T>(&mut self, key: &'static str, check: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let given = self.take(key)?;
        let Some(text) = given.text() else {
            self.report.wrong(&given, Shown::Value, "must be a string");
            return None;
        };
        match check(text) {
            Ok(value) => self.accept(key, &given, text.into(), value),
            Err(allowed) => self.reject(&given, allowed),
        }
    }

    /// A text that is shown with what is in force, but never in a mistake: a URL may hold a password.
    pub(super) fn secretive_text<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.take(key)?;
        match given.text().map(check) {
            Some(Ok(value)) => {
                let text = given.text().unwrap_or_default();
                self.effective.set(key, text.into());
                Some(value)
            }
            Some(Err(allowed)) => {
                self.report.wrong(&given, Shown::Nothing, allowed);
                None
            }
            None => {
                self.report.wrong(&given, Shown::Kind, "must be a string");
                None
            }
        }
    }

    /// The path of a file or folder.
    pub(super) fn file(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key, |text| match text {
            "" => Err("must be a path".to_owned()),
            path => Ok(PathBuf::from(path)),
        })
    }

    /// An address to listen on.
    pub(super) fn address(&mut self, key: &'static str) -> Option<SocketAddr> {
        let allowed = "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
        self.text(key, |text| text.parse().map_err(|_| allowed.to_owned()))
    }

    /// A duration.
    pub(super) fn duration(&mut self, key: &'static str, span: Span) -> Option<Duration> {
        let allowed = format!("must be a duration with a unit, {}, such as \"20s\"", span.words);
        let parse = |text: &str| quantity::duration(text).filter(|value| (span.min..=span.max).contains(value));
        self.quantity(key, &allowed, parse)
    }

    /// A duration, or 0 for off.
    pub(super) fn duration_or_off(&mut self, key: &'static str, span: Span) -> Option<Duration> {
        let allowed = format!("must be a duration with a unit, {}, such as \"20s\", or 0 for off", span.words);
        let in_range = |value: &Duration| value.is_zero() || (span.min..=span.max).contains(value);
        let parse = |text: &str| match text {
            "0" => Some(Duration::ZERO),
            text => quantity::duration(text).filter(in_range),
        };
        self.quantity(key, &allowed, parse)
    }

    /// A size in bytes.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let allowed = format!("must be a size with a unit, {}, such as \"4MiB\"", size_words(&range));
        self.quantity(key, &allowed, |text| quantity::size(text).filter(|size| range.contains(size)))
    }

    /// A size in bytes, or 0 for off.
    pub(super) fn size_or_off(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let allowed = format!("must be a size with a unit, {}, such as \"4MiB\", or 0 for off", size_words(&range));
        let parse = |text: &str| match text {
            "0" => Some(0),
            text => quantity::size(text).filter(|size| *size == 0 || range.contains(size)),
        };
        self.quantity(key, &allowed, parse)
    }

    /// A whole number. Where 0 belongs to the range, it has a meaning of its own, `zero`.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>, zero: &str) -> Option<u64> {
        let given = self.take(key)?;
        let number = given.integer().and_then(|number| u64::try_from(number).ok());
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return self.accept(key, &given, toml::Value::Integer(number.cast_signed()), number);
        }
        let (start, end) = (if zero.is_empty() { *range.start() } else { 1 }, range.end());
        let zero = if zero.is_empty() { String::new() } else { format!(", or 0 for {zero}") };
        self.reject(&given, format!("must be a whole number, {start} to {end}{zero}"))
    }

    /// True or false; absent means `default`.
    pub(super) fn flag(&mut self, key: &'static str, default: Option<bool>) -> Option<bool> {
        let Some(given) = self.take(key) else {
            return default.inspect(|default| self.effective.take_over(key, (*default).into()));
        };
        match given.boolean() {
            Some(flag) => self.accept(key, &given, flag.into(), flag),
            None => self.reject(&given, "must be true or false".to_owned()),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        let allowed = format!("must be {}", words.join(" or "));
        self.text(key, |text| choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or(allowed))
    }

    /// A list of texts; `check` says what is wrong with one of them. The environment knows only texts: commas separate them.
    pub(super) fn strings<T>(
        &mut self,
        key: &'static str,
        mut check: impl FnMut(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let given = self.take(key)?;
        let Some(items) = given.items(MAX_ITEMS) else {
            return self.reject(&given, format!("must be a list of at most {MAX_ITEMS} strings"));
        };
        let (mut texts, mut values) = (Vec::new(), Vec::new());
        for item in &items {
            match item.text().map(&mut check) {
                Some(Ok(value)) => values.push(value),
                Some(Err(allowed)) => self.report.wrong(item, Shown::Value, allowed),
                None => self.report.wrong(item, Shown::Kind, "must be a string"),
            }
            texts.extend(item.text().map(toml::Value::from));
        }
        if values.len() < items.len() {
            return None;
        }
        self.accept(key, &given, toml::Value::Array(texts), values)
    }

    /// A key without a default: `check` shows it when it is not given. Call before it is read.
    pub(super) fn show_unset(&mut self, key: &'static str) {
        if !self.values.contains_key(key) {
            self.effective.unset(key);
        }
    }

    /// What is in force although this table does not give it.
    pub(super) fn take_over(&mut self, key: &'static str, value: toml::Value) {
        self.effective.take_over(key, value);
    }

    /// Shows a line for people in the place of a key that was read.
    pub(super) fn remark_on(&mut self, key: &str, text: &str) {
        self.effective.remark_on(key, text);
    }

    /// What this table gave so far, as JSON: a literal secret is `***`, a reference as it is.
    pub(super) fn given(&self) -> serde_json::Map<String, serde_json::Value> {
        self.effective.given()
    }

    /// A key that must be given, and is not.
    pub(super) fn missing(&self, key: &str, allowed: &str) {
        self.report.missing(&self.place, &self.path_of(key), allowed);
    }

    /// A key that is wrong for what is not in its value. `place` is what [`place_of`](Self::place_of) said.
    pub(super) fn refuse(&self, place: &Origin, key: &str, allowed: impl Into<String>) {
        self.report.refuse(place, &self.path_of(key), allowed);
    }

    /// Where the key stands, or the table when it is absent. Ask before it is read.
    pub(super) fn place_of(&self, key: &str) -> Origin {
        self.values.get(key).map_or_else(|| self.place.clone(), origin_of)
    }

    /// Whether the key is there, right or wrong. Ask before it is read.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn quantity<T>(&mut self, key: &'static str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let given = self.take(key)?;
        let number = given.integer().filter(|number| *number == 0).map(|_| "0");
        let Some(text) = given.text().or(number) else { return self.reject(&given, allowed.to_owned()) };
        match parse(text) {
            Some(value) => self.accept(key, &given, text.into(), value),
            None => self.reject(&given, allowed.to_owned()),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Given> {
        self.known.push(key);
        let value = self.values.remove(key).filter(|value| value.kind != ValueKind::Nil)?;
        Some(Given::new(self.path_of(key), value))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the counterpart of reject")]
    fn accept<T>(&mut self, key: &str, given: &Given, shown: toml::Value, value: T) -> Option<T> {
        self.report.note(given, shown.to_string());
        self.effective.set(key, shown);
        Some(value)
    }

    fn reject<T>(&self, given: &Given, allowed: String) -> Option<T> {
        self.report.wrong(given, Shown::Value, allowed);
        None
    }

    /// Lists the keys that nobody read.
    fn finish(self) -> Effective {
        let mut unknown: Vec<_> = self.values.iter().collect();
        unknown.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in unknown {
            let allowed = match suggest::nearest(key, &self.known) {
                Some(near) => format!("unknown key; did you mean {}?", self.path_of(near)),
                None => format!("unknown key; allowed here: {}", self.known.join(", ")),
            };
            self.report.unknown(&origin_of(value), &self.path_of(key), allowed);
        }
        self.effective
    }
}

fn size_words(range: &RangeInclusive<u64>) -> impl fmt::Display {
    format!("{} to {}", quantity::size_text(*range.start()), quantity::size_text(*range.end()))
}

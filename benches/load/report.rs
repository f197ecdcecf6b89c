use std::{
    fmt::{Display, Write},
    time::Duration,
};

use serde_json::{Map, Value, json};

/// What a run found: facts, and checks that decide whether it passed.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    what: String,
    value: Value,
    check: Option<Check>,
}

/// What was asked of a value.
#[derive(Debug)]
struct Check {
    wanted: String,
    passed: bool,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON object on one line.
    Json,
}

impl Report {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, lines: Vec::new() }
    }

    /// Something that was found.
    pub(crate) fn fact(&mut self, what: impl Into<String>, value: impl Into<Value>) {
        self.lines.push(Line { what: what.into(), value: value.into(), check: None });
    }

    /// A duration, in milliseconds.
    pub(crate) fn millis(&mut self, what: impl Display, value: Duration) {
        self.fact(format!("{what}, ms"), round(in_millis(value)));
    }

    /// Memory, in MiB.
    pub(crate) fn mebibytes(&mut self, what: impl Display, bytes: u64) {
        self.fact(format!("{what}, MiB"), round(bytes as f64 / f64::from(1 << 20)));
    }

    /// A value that must be 0.
    pub(crate) fn none(&mut self, what: impl Into<String>, value: usize) {
        self.equal(what, value as u64, 0);
    }

    /// A value that must be another.
    pub(crate) fn equal(&mut self, what: impl Into<String>, value: u64, wanted: u64) {
        let check = Check { wanted: wanted.to_string(), passed: value == wanted };
        self.lines.push(Line { what: what.into(), value: value.into(), check: Some(check) });
    }

    /// A value that must not exceed another.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, value: f64, limit: f64) {
        let check = Check { wanted: format!("at most {}", round(limit)), passed: value <= limit };
        self.lines.push(Line { what: what.into(), value: round(value).into(), check: Some(check) });
    }

    /// A value that another must not exceed.
    pub(crate) fn at_least(&mut self, what: impl Into<String>, value: f64, limit: f64) {
        let check = Check { wanted: format!("at least {}", round(limit)), passed: value >= limit };
        self.lines.push(Line { what: what.into(), value: round(value).into(), check: Some(check) });
    }

    /// Whether every check passed.
    pub(crate) fn passed(&self) -> bool {
        self.lines.iter().all(|line| line.check.as_ref().is_none_or(|check| check.passed))
    }

    pub(crate) fn print(&self, form: Form) {
        match form {
            Form::Text => print!("{}", self.text()),
            Form::Json => println!("{}", self.json()),
        }
    }

    pub(crate) fn text(&self) -> String {
        let width = self.lines.iter().map(|line| line.what.chars().count()).max().unwrap_or_default();
        let mut text = format!("{}\n", self.name);
        for Line { what, value, check } in &self.lines {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let check = match check {
                Some(Check { wanted, passed: true }) => format!("   ok ({wanted})"),
                Some(Check { wanted, passed: false }) => format!("   FAILED (wanted: {wanted})"),
                None => String::new(),
            };
            writeln!(text, "  {what:width$}  {value}{check}").expect("memory can be written");
        }
        text.push_str(if self.passed() { "  passed\n" } else { "  FAILED\n" });
        text
    }

    fn json(&self) -> Value {
        let lines: Map<_, _> = self.lines.iter().map(|line| (line.what.clone(), line.value.clone())).collect();
        let failed: Vec<_> = self
            .lines
            .iter()
            .filter(|line| line.check.as_ref().is_some_and(|check| !check.passed))
            .map(|line| &line.what)
            .collect();
        json!({"run": self.name, "passed": self.passed(), "failed": failed, "found": lines})
    }
}

/// A duration in milliseconds, for comparing.
pub(crate) fn in_millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Three digits behind the point are more than any of these values is worth.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_fails_the_report() {
        let mut report = Report::new("run");
        report.fact("pushes", 7);
        report.none("lost", 0);
        report.at_most("growth", 2.0, 2.0);
        assert!(report.passed() && report.text().ends_with("passed\n"));
        report.equal("answers", 6, 7);
        assert!(!report.passed() && report.text().contains("6   FAILED (wanted: 7)"));
        assert_eq!(report.json()["failed"], json!(["answers"]));
    }
}

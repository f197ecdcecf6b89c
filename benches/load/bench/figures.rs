use std::{collections::BTreeMap, fmt, fs, io::Write, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::server::Kind;

/// The parts of a latency's distribution that are kept, of a thousand.
pub(crate) const LATENCY_PERMILLE: [u64; 13] = [1, 10, 50, 100, 250, 500, 750, 900, 950, 990, 995, 999, 1000];

/// What one run found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// By name.
    pub(crate) values: BTreeMap<String, f64>,
    /// Latency in milliseconds, by the part of a thousand that does not exceed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) latency: Vec<(u64, f64)>,
    /// What kept the figures from being better.
    #[serde(default)]
    pub(crate) bound: Bound,
}

/// What kept a run's figures from being better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bound {
    /// The server.
    #[default]
    Server,
    /// All cores together were busy.
    Machine,
    /// Something else on the machine took the cores: the figures are worth little.
    Others,
    /// The load generator: the server alone may be faster.
    Generator,
    /// Server and crowd share a core, as they shall.
    OneCore,
    /// No more was asked for.
    Rate,
}

/// A run as it is kept: one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) cell: String,
    pub(crate) server: Kind,
    /// What varies within a cell, as the number of subscribers; 0 where nothing does.
    #[serde(default)]
    pub(crate) step: u64,
    pub(crate) round: u32,
    /// RFC 3339.
    pub(crate) at: String,
    /// Where it was measured.
    pub(crate) machine: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl Figures {
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        // More digits than a measurement is worth make lines hard to read.
        let digits = if value.abs() < 100.0 { 1e4 } else { 1e1 };
        self.values.insert(name.to_owned(), (value * digits).round() / digits);
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server",
            Self::Machine => "the machine's cores",
            Self::Others => "others on the machine",
            Self::Generator => "the load generator",
            Self::OneCore => "one core, on purpose",
            Self::Rate => "the rate asked for",
        })
    }
}

/// All runs of a file; none when there is no file.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("{}: {line}", path.display()))).collect()
}

/// Keeps only the runs of other cells than these.
pub(crate) fn forget(path: &Path, cells: &[&str]) -> Result<()> {
    let kept: Vec<_> = read(path)?.into_iter().filter(|record| !cells.contains(&record.cell.as_str())).collect();
    let mut text = String::new();
    for record in &kept {
        text.push_str(&serde_json::to_string(record)?);
        text.push('\n');
    }
    fs::create_dir_all(path.parent().context("a file without a folder")?)?;
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// Adds a run.
pub(crate) fn append(path: &Path, record: &Record) -> Result<()> {
    let mut file =
        fs::File::options().create(true).append(true).open(path).with_context(|| path.display().to_string())?;
    writeln!(file, "{}", serde_json::to_string(record)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cell: &str, value: f64) -> Record {
        let mut figures = Figures { bound: Bound::Machine, ..Figures::default() };
        figures.set("cpu_us", value);
        let (cell, at) = (cell.to_owned(), "2026-01-02T03:04:05Z".to_owned());
        Record { cell, server: Kind::Joining, step: 0, round: 1, at, machine: String::new(), figures }
    }

    #[test]
    fn runs_of_a_cell_are_replaced_and_others_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/runs.jsonl");
        forget(&path, &["a"]).unwrap();
        for (cell, value) in [("a", 1.23456), ("b", 12345.678)] {
            append(&path, &record(cell, value)).unwrap();
        }
        forget(&path, &["a"]).unwrap();
        append(&path, &record("a", 2.0)).unwrap();
        let runs = read(&path).unwrap();
        let found: Vec<_> = runs.iter().map(|run| (run.cell.as_str(), run.figures.get("cpu_us").unwrap())).collect();
        assert_eq!(found, [("b", 12345.7), ("a", 2.0)]);
        assert_eq!((runs[0].server, runs[0].figures.bound), (Kind::Joining, Bound::Machine));
    }
}

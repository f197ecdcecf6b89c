use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};

use super::{
    cell::Cell,
    figures::Record,
    plots::Plot,
    server::Kind,
    summary::{Budget, Claim, Summary},
};

const BEGIN: &str = "<!-- figures: written by `make bench`, do not edit -->";
const END: &str = "<!-- figures end -->";

/// A column: what stands above it, the figure's name, and its digits behind the point.
type Column = (&'static str, &'static str, usize);

const FAN_OUT: &[Column] = &[
    ("deliveries/s", "deliveries_per_s", 0),
    ("CPU of each, us", "cpu_us", 2),
    ("cores", "cores", 2),
    ("p50, ms", "p50_ms", 2),
    ("p99, ms", "p99_ms", 2),
    ("p99 of the last read, ms", "last_p99_ms", 2),
    ("bytes", "event_bytes", 0),
    ("crowd's CPU of each, us", "crowd_us", 2),
    ("crowd's cores", "crowd_cores", 2),
    ("simulator's cores", "simulator_cores", 2),
];
const IDLE: &[Column] = &[
    ("memory of a stream, bytes", "stream_bytes", 0),
    ("the same by Pss", "stream_bytes_pss", 0),
    ("cores", "cores", 4),
    ("heartbeat bytes of a stream", "heartbeat_bytes", 1),
];
const INGEST: &[Column] = &[
    ("answers/s", "answered_per_s", 0),
    ("CPU of each, us", "cpu_us", 1),
    ("cores", "cores", 2),
    ("simulator's cores", "simulator_cores", 2),
    ("answers/s at 20,000", "half_answered_per_s", 0),
    ("p50, ms", "p50_ms", 1),
    ("p99, ms", "p99_ms", 1),
];
const REPLAY: &[Column] = &[
    ("pushes/s in all", "replayed_per_s", 0),
    ("CPU of each, us", "cpu_us", 2),
    ("cores", "cores", 2),
    ("crowd's cores", "crowd_cores", 2),
    ("memory at most, MiB", "most_memory_mib", 0),
    ("live p99, ms", "live_ms", 2),
    ("its usual, ms", "usual_ms", 2),
];
const PUSHES: &[Column] = &[
    ("pushes/s", "answered_per_s", 0),
    ("CPU of each, us", "cpu_us", 1),
    ("cores", "cores", 2),
    ("simulator's cores", "simulator_cores", 2),
];

/// What one cell came to, as Markdown.
pub(crate) fn section(summary: &Summary<'_>) -> String {
    let cell = summary.cell;
    let (columns, stepped) = (columns(cell), cell.steps().len() > 1);
    let mut text = format!("### {}\n\n{}: `make bench CELL={}`\n\n", cell.name(), cell.about(), cell.name());
    let mut head = vec!["server"];
    if stepped {
        head.push(if cell == Cell::GrowthTenants { "tenants" } else { "subscribers" });
    }
    head.extend(columns.iter().map(|column| column.0));
    head.extend(["lost / twice / reordered", "bound by"]);
    row(&mut text, &head);
    text.push_str(&"|---".repeat(head.len()));
    text.push_str("|\n");
    for (kind, step) in summary.rows() {
        let mut cells = vec![kind.to_string()];
        if stepped {
            cells.push(grouped(step as f64, 0));
        }
        let value = |column: &Column| summary.median(kind, step, column.1);
        cells
            .extend(columns.iter().map(|column| value(column).map_or(String::new(), |value| grouped(value, column.2))));
        let faults = ["missing", "duplicates", "reordered"].map(|name| summary.sum(kind, step, name));
        let faults: Vec<_> = faults.into_iter().flatten().map(|sum| grouped(sum, 0)).collect();
        cells.push(faults.join(" / "));
        cells.push(summary.bound(kind, step).map_or(String::new(), |bound| bound.to_string()));
        row(&mut text, &cells);
    }
    let claims = summary.claims();
    if !claims.is_empty() {
        text.push_str("\n| budget | wanted | found | |\n|---|---|---|---|\n");
    }
    for claim in claims {
        row(&mut text, &claim_cells(&claim));
    }
    text
}

/// Puts the figures between their marks, and leaves what is written around them.
pub(crate) fn write(path: &Path, records: &[Record], cells: &[Cell], plots: &[Plot]) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{} lacks {BEGIN}", path.display()))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{} lacks {END}", path.display()))?;
    let figures = figures(records, cells, plots);
    fs::write(path, format!("{before}{BEGIN}\n\n{figures}{END}{after}")).with_context(|| path.display().to_string())
}

fn figures(records: &[Record], cells: &[Cell], plots: &[Plot]) -> String {
    let Some(last) = records.iter().max_by_key(|record| &record.at) else {
        return "Nothing is measured yet.\n\n".to_owned();
    };
    let rounds = records.iter().map(|record| record.round).max().unwrap_or_default();
    let day = last.at.get(..10).unwrap_or_default();
    let mut text = format!("Measured on {day}, medians of {rounds} round(s), on {}.\n\n", last.machine);
    if !records.iter().any(|record| record.server == Kind::Nchan) {
        text.push_str("nchan was not there: it needs Debian's `nginx-light` and `libnginx-mod-nchan`.\n\n");
    }
    let summaries: Vec<_> = cells.iter().map(|cell| Summary::new(*cell, records)).collect();
    text.push_str("| cell | budget | wanted | found | |\n|---|---|---|---|---|\n");
    for summary in &summaries {
        let name = summary.cell.name();
        let link = if summary.rows().is_empty() { name.to_owned() } else { format!("[{name}](#{name})") };
        for claim in summary.claims() {
            row(&mut text, &[std::slice::from_ref(&link), &claim_cells(&claim)].concat());
        }
    }
    for (file, title) in plots {
        write!(text, "\n![{title}]({file})\n").expect("memory can be written");
    }
    for summary in summaries.iter().filter(|summary| !summary.rows().is_empty()) {
        write!(text, "\n{}", section(summary)).expect("memory can be written");
    }
    text.push('\n');
    text
}

fn columns(cell: Cell) -> &'static [Column] {
    match cell {
        Cell::Idle => IDLE,
        Cell::Ingest => INGEST,
        Cell::Replay => REPLAY,
        Cell::GrowthTenants => PUSHES,
        _ => FAN_OUT,
    }
}

fn claim_cells(claim: &Claim) -> [String; 4] {
    let (Budget::AtLeast(limit) | Budget::AtMost(limit)) = claim.budget;
    let digits = if limit >= 100.0 { 0 } else { 3 };
    let found = claim.figure.map_or(String::new(), |figure| grouped(figure, digits));
    let sign = if matches!(claim.budget, Budget::AtLeast(_)) { "≥" } else { "≤" };
    let wanted = if limit >= 100.0 { grouped(limit, 0) } else { limit.to_string() };
    [claim.what.to_owned(), format!("{sign} {wanted}"), found, claim.word().to_owned()]
}

fn row(text: &mut String, cells: &[impl AsRef<str>]) {
    for cell in cells {
        write!(text, "| {} ", cell.as_ref()).expect("memory can be written");
    }
    text.push_str("|\n");
}

/// A number with commas between thousands.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), String::new()), |(a, b)| (a, format!(".{b}")));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([grouped(1_234_567.0, 0), grouped(999.5, 1), grouped(1000.0, 0)], ["1,234,567", "999.5", "1,000"]);
    }

    #[test]
    fn only_what_is_between_the_marks_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        fs::write(&path, format!("# before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        let mut figures = Figures::default();
        figures.set("cores", 0.5);
        let (cell, at, machine) = ("idle".to_owned(), "2026-01-02T03:04:05Z".to_owned(), "a machine".to_owned());
        let record = Record { cell, server: Kind::Pushgate, step: 0, round: 1, at, machine, figures };
        write(&path, &[record], &[Cell::Idle, Cell::Ingest], &[("a.svg", "A plot")]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# before\n<!--") && text.ends_with("-->\nafter\n") && !text.contains("old"));
        assert!(
            text.contains("2026-01-02") && text.contains("| CPU, cores | ≤ 0.01 | 0.500 | **NOT MET** |"),
            "{text}"
        );
        assert!(text.contains("![A plot](a.svg)") && text.contains("| [idle](#idle) |") && text.contains("| ingest |"));
        assert!(text.contains("### idle") && !text.contains("### ingest"), "{text}");
        fs::write(&path, "no marks").unwrap();
        assert!(write(&path, &[], &[], &[]).is_err());
    }
}

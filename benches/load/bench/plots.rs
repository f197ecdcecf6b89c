use std::{ops::Range, path::Path};

use anyhow::{Result, anyhow};
use plotters::{coord::Shift, prelude::*};

use super::{cell::Cell, figures::Record, server::Kind, summary::Summary};

/// Width and height, in pixels.
const SIZE: (u32, u32) = (900, 420);
const FONT: (&str, u32) = ("sans-serif", 14);
/// Where the legend begins, and how far its words are apart.
const LEGEND: (i32, i32, i32) = (110, 34, 130);
/// Cells with deliveries a second that compare; the others have a rate of their own.
const SATURATED: [Cell; 3] = [Cell::Many10000, Cell::Ch1000x10, Cell::One10000];
const COSTS: [Cell; 5] = [Cell::Many10000, Cell::Ch1000x10, Cell::One10000, Cell::Pin1000, Cell::Lat1000];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One curve: its server, and its points.
type Curve = (Kind, Vec<(f64, f64)>);

/// A plot that was drawn: its file's name, and what it shows.
pub(crate) type Plot = (&'static str, &'static str);

/// Draws all plots that there are figures for, as SVG, and answers which.
pub(crate) fn draw(folder: &Path, records: &[Record]) -> Result<Vec<Plot>> {
    let mut drawn = Vec::new();
    let bars = [
        ("deliveries.svg", "Deliveries a second", "deliveries_per_s", &SATURATED[..]),
        ("cpu.svg", "CPU of the server for each delivery, us", "cpu_us", &COSTS[..]),
    ];
    for (file, title, figure, cells) in bars {
        let groups: Vec<_> = cells.iter().map(|cell| (*cell, values(records, *cell, figure))).collect();
        if groups.iter().any(|(_, values)| !values.is_empty()) {
            draw_bars(&folder.join(file), title, &groups).map_err(|error| anyhow!("{file}: {error}"))?;
            drawn.push((file, title));
        }
    }
    let curves = [
        ("latency.svg", "Latency in lat1000, ms, by the part of deliveries that took longer", "part", latency(records)),
        ("growth.svg", "CPU of a delivery by subscribers, us, one push under way", "subscribers", growth(records)),
    ];
    for (file, title, x, curves) in curves {
        if !curves.is_empty() {
            let axes = Axes { title, x };
            draw_curves(&folder.join(file), &axes, &curves).map_err(|error| anyhow!("{file}: {error}"))?;
            drawn.push((file, title));
        }
    }
    Ok(drawn)
}

/// The words around a plot of curves.
struct Axes {
    title: &'static str,
    x: &'static str,
}

fn values(records: &[Record], cell: Cell, figure: &str) -> Vec<(Kind, f64)> {
    let summary = Summary::new(cell, records);
    let rows = summary.rows().into_iter();
    rows.filter_map(|(kind, step)| Some((kind, summary.median(kind, step, figure)?))).collect()
}

/// Of the last round: a curve of medians would belong to no run.
fn latency(records: &[Record]) -> Vec<Curve> {
    let summary = Summary::new(Cell::Lat1000, records);
    let curves = Kind::ALL.into_iter().filter_map(|kind| {
        let run = summary.runs(kind, 0).max_by_key(|run| run.round)?;
        let longer = |permille: u64| 1.0 - permille as f64 / 1000.0;
        let points = run.figures.latency.iter().filter(|(permille, _)| *permille < 1000);
        Some((kind, points.map(|(permille, millis)| (longer(*permille), *millis)).collect()))
    });
    curves.collect()
}

fn growth(records: &[Record]) -> Vec<Curve> {
    let summary = Summary::new(Cell::GrowthSubscribers, records);
    let curves = Kind::ALL.into_iter().map(|kind| {
        let steps = summary.cell.steps().iter();
        let points = steps.filter_map(|step| Some((*step as f64, summary.median(kind, *step, "cpu_us")?)));
        (kind, points.collect::<Vec<_>>())
    });
    curves.filter(|(_, points)| points.len() > 1).collect()
}

fn draw_bars(path: &Path, title: &str, groups: &[(Cell, Vec<(Kind, f64)>)]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    begin(&area, title)?;
    let all = groups.iter().flat_map(|(_, values)| values.iter().map(|(_, value)| *value));
    let range = decades(all);
    let floor = range.start;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_top(60)
        .x_label_area_size(34)
        .y_label_area_size(90)
        .build_cartesian_2d(0.0..groups.len() as f64, range.log_scale())?;
    chart.configure_mesh().disable_x_mesh().x_labels(0).label_style(FONT).y_label_formatter(&|y| number(*y)).draw()?;
    for (index, (cell, values)) in groups.iter().enumerate() {
        for (kind, value) in values {
            let slot = Kind::ALL.iter().position(|other| other == kind).unwrap_or_default();
            let left = index as f64 + 0.1 + slot as f64 * 0.17;
            let bar = Rectangle::new([(left, floor), (left + 0.15, *value)], colour(*kind).filled());
            chart.draw_series([bar])?;
            let (x, y) = chart.backend_coord(&(left, *value));
            area.draw(&Text::new(number(*value), (x, y - 14), (FONT.0, 11)))?;
        }
        let (x, y) = chart.backend_coord(&(index as f64 + 0.35, floor));
        area.draw(&Text::new(cell.name(), (x, y + 10), FONT))?;
    }
    legend(&area, groups.iter().flat_map(|(_, values)| values.iter().map(|(kind, _)| *kind)))?;
    Ok(area.present()?)
}

fn draw_curves(path: &Path, axes: &Axes, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    begin(&area, axes.title)?;
    let points = || curves.iter().flat_map(|(_, points)| points.iter());
    let (mut first, mut last) = (f64::MAX, f64::MIN_POSITIVE);
    points().for_each(|(x, _)| (first, last) = (first.min(*x), last.max(*x)));
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_right(40)
        .margin_top(60)
        .x_label_area_size(44)
        .y_label_area_size(90)
        .build_cartesian_2d((first..last).log_scale(), 0.0..top.max(1e-3))?;
    let mut mesh = chart.configure_mesh();
    mesh.max_light_lines(1)
        .label_style(FONT)
        .x_desc(axes.x)
        .y_label_formatter(&|y| number(*y))
        .x_label_formatter(&|x| number(*x))
        .draw()?;
    for (kind, points) in curves {
        let style = colour(*kind).stroke_width(2);
        chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour(*kind).filled())))?;
    }
    legend(&area, curves.iter().map(|(kind, _)| *kind))?;
    Ok(area.present()?)
}

fn begin(area: &Area<'_>, title: &str) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    Ok(area.draw(&Text::new(title, (LEGEND.0, 10), (FONT.0, 17)))?)
}

fn legend(area: &Area<'_>, kinds: impl Iterator<Item = Kind>) -> Result<(), Box<dyn std::error::Error>> {
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    let (mut x, y, width) = LEGEND;
    for kind in kinds {
        area.draw(&Rectangle::new([(x, y), (x + 12, y + 12)], colour(kind).filled()))?;
        area.draw(&Text::new(kind.to_string(), (x + 18, y), FONT))?;
        x += width;
    }
    Ok(())
}

fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Raw => RGBColor(140, 140, 140),
        Kind::Joining => RGBColor(80, 80, 80),
        Kind::Single => RGBColor(120, 180, 225),
        Kind::Pushgate => RGBColor(31, 119, 180),
        Kind::Nchan => RGBColor(230, 145, 56),
    }
}

/// Whole powers of ten around these values.
fn decades(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (mut low, mut high) = (f64::MAX, f64::MIN_POSITIVE);
    values.filter(|value| *value > 0.0).for_each(|value| (low, high) = (low.min(value), high.max(value)));
    10_f64.powf(low.log10().floor())..10_f64.powf(high.log10().ceil()).max(low * 10.0)
}

/// A number as short as it can be read.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2} M", value / 1e6),
        size if size >= 1e3 => {
            let whole = value.round() as u64;
            format!("{},{:03}", whole / 1000, whole % 1000)
        }
        size if size >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    fn record(cell: Cell, server: Kind, step: u64, cpu: f64) -> Record {
        let mut figures = Figures { latency: vec![(500, 1.0), (990, 2.0), (1000, 3.0)], ..Figures::default() };
        figures.set("cpu_us", cpu);
        figures.set("deliveries_per_s", 1e6 / cpu);
        let (cell, at, machine) = (cell.name().to_owned(), String::new(), String::new());
        Record { cell, server, step, round: 1, at, machine, figures }
    }

    #[test]
    fn plots_are_drawn_of_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let drawn = || std::fs::read_dir(folder.path()).unwrap().count();
        draw(folder.path(), &[]).unwrap();
        assert_eq!(drawn(), 0);
        let mut records =
            vec![record(Cell::Lat1000, Kind::Raw, 0, 3.0), record(Cell::One10000, Kind::Pushgate, 0, 6.0)];
        records.extend(
            Cell::GrowthSubscribers.steps().iter().map(|step| record(Cell::GrowthSubscribers, Kind::Raw, *step, 2.0)),
        );
        assert_eq!(draw(folder.path(), &records).unwrap().len(), 4);
        assert_eq!(drawn(), 4);
        let text = std::fs::read_to_string(folder.path().join("deliveries.svg")).unwrap();
        assert!(text.contains("one10000") && text.contains("Pushgate"), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        let found = [2_345_000.0, 171_234.0, 1002.0, 42.4, 1.3, 0.45, 2.0].map(number);
        assert_eq!(found, ["2.35 M", "171,234", "1,002", "42", "1.3", "0.45", "2"]);
    }
}

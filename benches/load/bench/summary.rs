use super::{
    cell::Cell,
    figures::{Bound, Record},
    server::Kind,
};

/// Memory of a stream that waits, in bytes.
const STREAM_BYTES: f64 = 4096.0;

/// All runs of a cell, and what they come to.
pub(crate) struct Summary<'a> {
    pub(crate) cell: Cell,
    records: Vec<&'a Record>,
}

/// What was asked of a figure, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) what: &'static str,
    /// Nothing when a server that it is compared with was not there.
    pub(crate) figure: Option<f64>,
    pub(crate) budget: Budget,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    AtLeast(f64),
    AtMost(f64),
}

impl Budget {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(limit) => figure >= limit,
            Self::AtMost(limit) => figure <= limit,
        }
    }
}

impl Claim {
    /// `met`, or what else is to be said.
    pub(crate) fn word(&self) -> &'static str {
        match self.figure.map(|figure| self.budget.is_met(figure)) {
            Some(true) => "met",
            Some(false) => "**NOT MET**",
            None => "not measured",
        }
    }
}

impl<'a> Summary<'a> {
    /// Of the runs of a cell among all.
    pub(crate) fn new(cell: Cell, records: &'a [Record]) -> Self {
        Self { cell, records: records.iter().filter(|record| record.cell == cell.name()).collect() }
    }

    /// What was measured, in the order of the cell's servers and steps.
    pub(crate) fn rows(&self) -> Vec<(Kind, u64)> {
        let rows = self.cell.servers().iter().flat_map(|kind| self.cell.steps().iter().map(|step| (*kind, *step)));
        rows.filter(|(kind, step)| self.runs(*kind, *step).next().is_some()).collect()
    }

    pub(crate) fn runs(&self, kind: Kind, step: u64) -> impl Iterator<Item = &'a Record> {
        self.records.iter().copied().filter(move |record| record.server == kind && record.step == step)
    }

    /// The median of a figure over all rounds.
    pub(crate) fn median(&self, kind: Kind, step: u64, name: &str) -> Option<f64> {
        median(self.runs(kind, step).filter_map(|record| record.figures.get(name)).collect())
    }

    /// A figure over all rounds together; nothing when it was not measured.
    pub(crate) fn sum(&self, kind: Kind, step: u64, name: &str) -> Option<f64> {
        self.runs(kind, step).filter_map(|record| record.figures.get(name)).reduce(|sum, value| sum + value)
    }

    /// What bound most of the rounds.
    pub(crate) fn bound(&self, kind: Kind, step: u64) -> Option<Bound> {
        let bounds: Vec<_> = self.runs(kind, step).map(|record| record.figures.bound).collect();
        bounds.iter().copied().max_by_key(|bound| bounds.iter().filter(|other| *other == bound).count())
    }

    /// The budgets of the cell.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        use Budget::{AtLeast, AtMost};
        let claim = |what, figure, budget| Claim { what, figure, budget };
        let rate = |own, to| self.ratio("deliveries_per_s", own, to);
        let own = |name: &str| self.median(Kind::Pushgate, 0, name);
        match self.cell {
            Cell::Many10000 => vec![
                claim("deliveries/s, of the joining raw server's", rate(Kind::Single, Kind::Joining), AtLeast(0.9)),
                claim("deliveries/s, of nchan's", rate(Kind::Pushgate, Kind::Nchan), AtLeast(10.0)),
            ],
            Cell::Ch1000x10 => vec![
                claim("deliveries/s, of the raw server's", rate(Kind::Single, Kind::Raw), AtLeast(0.9)),
                claim("deliveries/s, of nchan's", rate(Kind::Pushgate, Kind::Nchan), AtLeast(2.0)),
            ],
            // Told beside the one before, and no budget.
            Cell::Ch1000One => Vec::new(),
            Cell::One10000 => {
                vec![claim("deliveries/s, of the raw server's", rate(Kind::Single, Kind::Raw), AtLeast(0.9))]
            }
            Cell::Pin1000 => {
                vec![claim(
                    "CPU of a delivery, of the raw server's",
                    self.ratio("cpu_us", Kind::Pushgate, Kind::Raw),
                    AtMost(1.2),
                )]
            }
            Cell::Lat1000 => {
                let (what, figure) = ("p99 of the last read less a commit, of the raw server's", self.latency());
                vec![claim(what, figure, AtMost(1.5))]
            }
            Cell::Idle => vec![
                claim("memory of a stream, bytes", own("stream_bytes"), AtMost(STREAM_BYTES)),
                claim("CPU, cores", own("cores"), AtMost(0.01)),
            ],
            Cell::Ingest => vec![
                claim("answers/s", own("answered_per_s"), AtLeast(40_000.0)),
                claim("p99 from push to answer at 20,000/s, ms", own("p99_ms"), AtMost(50.0)),
            ],
            Cell::Replay => vec![
                claim("pushes/s in all", own("replayed_per_s"), AtLeast(500_000.0)),
                claim("live p99, of its usual", own("live_slower"), AtMost(2.0)),
            ],
            Cell::GrowthSubscribers => {
                vec![claim("growth of a delivery's CPU, of the raw server's", self.growth(), AtMost(1.2))]
            }
            Cell::GrowthTenants => {
                vec![claim("growth of a push's CPU", self.grown(Kind::Pushgate), AtMost(1.2))]
            }
        }
    }

    /// What may never be: pushes that the gateway lost, doubled or reordered, and streams that it ended.
    pub(crate) fn faults(&self) -> u64 {
        let names = ["missing", "duplicates", "reordered", "ended"];
        let rows = self.rows().into_iter().filter(|(kind, _)| matches!(kind, Kind::Single | Kind::Pushgate));
        let faults = rows.flat_map(|(kind, step)| names.map(|name| self.sum(kind, step, name)));
        faults.flatten().sum::<f64>() as u64
    }

    /// A server's figure by another's of the same round, and the median of that.
    fn ratio(&self, name: &str, of: Kind, to: Kind) -> Option<f64> {
        self.by_round(|own, other| Some(own.figures.get(name)? / other.figures.get(name)?), of, to)
    }

    fn latency(&self) -> Option<f64> {
        let less = |own: &Record, raw: &Record| {
            let commit = own.figures.get("commit_ms")?;
            Some((own.figures.get("last_p99_ms")? - commit) / raw.figures.get("last_p99_ms")?)
        };
        self.by_round(less, Kind::Pushgate, Kind::Raw)
    }

    fn by_round(&self, each: impl Fn(&Record, &Record) -> Option<f64>, of: Kind, to: Kind) -> Option<f64> {
        let own = self.runs(of, 0);
        let pairs = own.filter_map(|own| {
            let other = self.runs(to, 0).find(|other| other.round == own.round)?;
            each(own, other)
        });
        median(pairs.collect())
    }

    /// How much more a unit costs at the largest step than at the smallest.
    fn grown(&self, kind: Kind) -> Option<f64> {
        let (first, last) = (self.cell.steps().first()?, self.cell.steps().last()?);
        Some(self.median(kind, *last, "cpu_us")? / self.median(kind, *first, "cpu_us")?)
    }

    /// The gateway's growth by that of the raw server: what the kernel takes for more sockets is not the gateway's.
    fn growth(&self) -> Option<f64> {
        Some(self.grown(Kind::Pushgate)? / self.grown(Kind::Raw)?)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        Some(values[middle])
    } else {
        Some((values.get(middle.checked_sub(1)?)? + values[middle]) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    fn run(server: Kind, round: u32, figures: &[(&str, f64)]) -> Record {
        let mut found = Figures::default();
        for (name, value) in figures {
            found.set(name, *value);
        }
        let (cell, at, machine) = ("many10000".to_owned(), String::new(), String::new());
        Record { cell, server, step: 0, round, at, machine, figures: found }
    }

    #[test]
    fn ratios_are_of_one_round_and_their_median_counts() {
        let rate = |server, round, rate| run(server, round, &[("deliveries_per_s", rate)]);
        let records = [
            rate(Kind::Joining, 1, 100.0),
            rate(Kind::Single, 1, 95.0),
            rate(Kind::Joining, 2, 10.0),
            rate(Kind::Single, 2, 5.0),
            rate(Kind::Single, 3, 1.0),
        ];
        let claims = Summary::new(Cell::Many10000, &records).claims();
        assert_eq!(claims[0].figure, Some(0.725));
        assert_eq!((claims[0].word(), claims[1].word()), ("**NOT MET**", "not measured"));
        assert_eq!(Summary::new(Cell::Many10000, &records[..2]).claims()[0].word(), "met");
    }

    #[test]
    fn only_the_gateway_has_faults() {
        let records = [run(Kind::Nchan, 1, &[("missing", 7.0)]), run(Kind::Pushgate, 1, &[("duplicates", 1.0)])];
        assert_eq!(Summary::new(Cell::Many10000, &records[..1]).faults(), 0);
        assert_eq!(Summary::new(Cell::Many10000, &records).faults(), 1);
    }
}

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{gateway::Gateway, report::Report, simulator::Simulator, wait::pause};

/// Rows of a printed curve at most: what a person takes in at a glance.
const ROWS: usize = 40;
/// Characters of the longest bar.
const BAR: usize = 40;

/// What the gateway dials and what the service takes, sampled each second.
///
/// While the service is gone nobody there can count, so the dials are the gateway's own count.
pub(crate) struct Dials<'a> {
    gateway: &'a Gateway<'a>,
    at: Instant,
    /// Dials that had begun by then.
    begun: u64,
    /// What the service that is there now has taken so far; nothing when none is there.
    taken: Option<u64>,
    pub(crate) samples: Vec<Sample>,
}

/// One second, more or less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    seconds: f64,
    dials: u64,
    /// Nothing while there is no service.
    taken: Option<u64>,
    /// Tenants connected at its end.
    connected: u64,
}

impl<'a> Dials<'a> {
    pub(crate) fn begin(gateway: &'a Gateway<'a>) -> Result<Self> {
        Ok(Self { gateway, at: Instant::now(), begun: dials(gateway)?, taken: None, samples: Vec::new() })
    }

    /// Goes on for so long.
    pub(crate) fn sample_for(&mut self, time: Duration, service: Option<&Simulator>) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.sample(service)?;
        }
        Ok(())
    }

    /// Goes on until all tenants are connected, for at most `longest`; how long that took.
    pub(crate) fn until_all_connected(&mut self, longest: Duration, service: &Simulator) -> Result<Duration> {
        let begin = Instant::now();
        while self.gateway.all_connected(Duration::ZERO).is_err() {
            ensure!(begin.elapsed() < longest, "not all tenants are connected after {longest:?}");
            self.sample(Some(service))?;
        }
        let took = begin.elapsed();
        // The last second would be missing in the curve.
        self.sample(Some(service))?;
        Ok(took)
    }

    /// Begins a new second: what went before is in no sample.
    pub(crate) fn skip(&mut self) -> Result<()> {
        (self.at, self.begun) = (Instant::now(), dials(self.gateway)?);
        Ok(())
    }

    fn sample(&mut self, service: Option<&Simulator>) -> Result<()> {
        pause((self.at + Duration::from_secs(1)).saturating_duration_since(Instant::now()))?;
        let (now, dials) = (Instant::now(), dials(self.gateway)?);
        let taken = service.map(|service| service.stats().map(|stats| stats.connects)).transpose()?;
        let before = self.taken.unwrap_or_default();
        self.samples.push(Sample {
            seconds: now.duration_since(self.at).as_secs_f64(),
            dials: dials - self.begun,
            taken: taken.map(|taken| taken.saturating_sub(before)),
            connected: self.gateway.connected()?,
        });
        (self.at, self.begun, self.taken) = (now, dials, taken);
        Ok(())
    }
}

fn dials(gateway: &Gateway<'_>) -> Result<u64> {
    gateway.metric("pushgate_upstream_dials_total")
}

impl Sample {
    pub(crate) fn dials_per_second(&self) -> f64 {
        self.dials as f64 / self.seconds
    }

    pub(crate) fn taken_per_second(&self) -> Option<f64> {
        self.taken.map(|taken| taken as f64 / self.seconds)
    }
}

/// Draws the samples: one line for each second, or for as many as make a curve that can be looked at.
pub(crate) fn draw(samples: &[Sample], report: &mut Report) {
    let fastest = samples.iter().map(Sample::dials_per_second).fold(1.0, f64::max);
    let mut begin = 0.0;
    for row in samples.chunks(samples.len().div_ceil(ROWS).max(1)) {
        let seconds: f64 = row.iter().map(|sample| sample.seconds).sum();
        let dials = row.iter().map(|sample| sample.dials).sum::<u64>() as f64 / seconds;
        let taken: Option<u64> = row.iter().map(|sample| sample.taken).sum();
        let taken = taken.map_or("gone".to_owned(), |taken| format!("{:.0}", taken as f64 / seconds));
        let connected = row.last().map_or(0, |sample| sample.connected);
        report.fact(
            format!("{begin:>5.0} s"),
            format!("dials/s {dials:>5.0}, taken/s {taken:>5}, connected {connected:>6} {}", bar(dials / fastest)),
        );
        begin += seconds;
    }
}

/// A bar for a part of the whole.
fn bar(part: f64) -> String {
    "#".repeat((part * BAR as f64).round() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(dials: u64, taken: Option<u64>) -> Sample {
        Sample { seconds: 1.0, dials, taken, connected: 7 }
    }

    #[test]
    fn a_long_curve_is_drawn_in_few_rows() {
        let mut report = Report::new("run");
        let samples: Vec<_> = (0..100).map(|n| sample(n, (n > 50).then_some(n))).collect();
        draw(&samples, &mut report);
        let text = report.text();
        assert_eq!(text.lines().filter(|line| line.contains("dials/s")).count(), 34);
        assert!(text.contains("dials/s     1, taken/s  gone, connected      7 \n"), "{text}");
        assert!(
            text.contains(&format!("dials/s    99, taken/s    99, connected      7 {}\n", "#".repeat(BAR))),
            "{text}"
        );
    }

    #[test]
    fn a_quiet_second_has_no_bar() {
        assert_eq!((bar(0.0), bar(0.5).len(), bar(1.0).len()), (String::new(), BAR / 2, BAR));
    }
}

use std::collections::HashSet;

use crate::{gateway::Stored, push_line::PushKey, report::Report, simulator::Acked, stream::Stream};

/// Streams that lack pushes and are named.
const SHOWN: usize = 10;

/// What the comparison of sets found; all but the first three must be 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Pushes that the service holds acked.
    pub(crate) acked: usize,
    /// Pushes that the journal holds.
    pub(crate) stored: usize,
    /// Pushes that subscribers saw, all streams together.
    pub(crate) seen: usize,
    /// Acked pushes that the journal lacks.
    pub(crate) lost: usize,
    /// Stored pushes that a subscriber lacks, all streams together.
    pub(crate) missing: usize,
    /// Pushes that came twice on a stream.
    pub(crate) duplicates: usize,
    /// Pushes that came on a stream behind a later one.
    pub(crate) reordered: usize,
    /// Pushes that the journal does not hold, or under another seq.
    pub(crate) foreign: usize,
    /// `gap` events.
    pub(crate) gaps: u64,
    /// Which streams lack pushes, and which ones: for whoever looks for the reason.
    pub(crate) lacking: Vec<String>,
}

impl Verdict {
    /// Compares what was acked, what is stored and what was seen.
    pub(crate) fn of(acked: &Acked, stored: &Stored, streams: &[Stream]) -> Self {
        let lost = acked.iter().filter(|(id, tenant)| !stored.get(**tenant).is_some_and(|held| held.contains_key(id)));
        let mut verdict = Self {
            acked: acked.len(),
            stored: stored.iter().map(|held| held.len()).sum(),
            lost: lost.count(),
            ..Self::default()
        };
        for stream in streams {
            verdict.add(stored, stream);
        }
        verdict
    }

    fn add(&mut self, stored: &Stored, stream: &Stream) {
        let seq_of = |id: &PushKey| stream.spec.tenants.iter().find_map(|tenant| stored.get(*tenant)?.get(id).copied());
        let distinct: HashSet<_> = stream.record.seen.iter().map(|(_, id)| *id).collect();
        let expected: usize = stream.spec.tenants.iter().filter_map(|tenant| Some(stored.get(*tenant)?.len())).sum();
        let known = distinct.iter().filter(|id| seq_of(id).is_some()).count();
        self.seen += stream.record.seen.len();
        if known < expected {
            let held = stream.spec.tenants.iter().filter_map(|tenant| stored.get(*tenant)).flatten();
            let lacked = held.filter(|(id, _)| !distinct.contains(id)).map(|(_, seq)| *seq);
            let (first, last) = lacked.fold((u64::MAX, 0), |(first, last), seq| (first.min(seq), last.max(seq)));
            let newest = stream.record.seen.last().map_or(0, |(seq, _)| *seq);
            self.lacking.push(format!(
                "{} lacks {} from seq {first} to {last}, its last is {newest}",
                stream.spec.path,
                expected - known
            ));
        }
        self.missing += expected - known;
        self.duplicates += stream.record.seen.len() - distinct.len();
        self.reordered += stream.record.not_rising as usize;
        self.foreign += stream.record.seen.iter().filter(|(seq, id)| seq_of(id) != Some(*seq)).count();
        self.gaps += stream.record.gaps;
    }

    /// Writes what was found and what must be nothing.
    pub(crate) fn report(&self, report: &mut Report) {
        report.fact("pushes acked upstream", self.acked);
        report.fact("pushes in the journal", self.stored);
        report.fact("pushes seen by subscribers", self.seen);
        report.none("acked, missing in the journal", self.lost);
        report.none("stored, missing at subscribers", self.missing);
        report.none("duplicates within streams", self.duplicates);
        report.none("reordered within streams", self.reordered);
        report.none("seen, not in the journal", self.foreign);
        report.none("gap events", self.gaps as usize);
        for lacking in self.lacking.iter().take(SHOWN) {
            report.fact("a stream that lacks pushes", lacking.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{record::Keep, rig::several};

    fn key(n: u64) -> PushKey {
        PushKey::read(format!("{n:08x}-0000-0000-0000-000000000000").as_bytes()).unwrap()
    }

    fn stream(seen: &[(u64, u64)]) -> Stream {
        let mut stream = Stream::new(several(vec![0, 1]));
        for (seq, id) in seen {
            stream.record.push(*seq, key(*id), Keep::Pushes);
        }
        stream
    }

    fn stored() -> Stored {
        vec![HashMap::from([(key(10), 1), (key(30), 3)]), HashMap::from([(key(20), 2)])]
    }

    #[test]
    fn a_faultless_run_has_nothing_to_show() {
        let acked = Acked::from([(key(10), 0), (key(20), 1)]);
        let verdict = Verdict::of(&acked, &stored(), &[stream(&[(1, 10), (2, 20), (3, 30)])]);
        assert_eq!(verdict, Verdict { acked: 2, stored: 3, seen: 3, ..Verdict::default() });
    }

    #[test]
    fn every_fault_is_found() {
        let acked = Acked::from([(key(10), 0), (key(20), 0), (key(40), 7)]);
        let verdict = Verdict::of(&acked, &stored(), &[stream(&[(2, 20), (1, 10), (1, 10), (9, 90)])]);
        assert_eq!(verdict.lacking.len(), 1);
        let found = Verdict { lost: 2, missing: 1, duplicates: 1, reordered: 2, foreign: 1, ..verdict.clone() };
        assert_eq!(verdict, found);
    }
}

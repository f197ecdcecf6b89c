//! Random appends, repeats, trims and crashes against a model of a few lines.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use pushgate_model::Seq;
use tempfile::TempDir;

use super::{Bench, all};
use crate::{AppendOutcome, ReadQuery};

const TENANTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    /// One batch: of which tenant, and which id.
    Commit(Vec<(usize, u8)>),
    /// Each tenant keeps its newest.
    Trim(u64),
    /// A page of some tenants, from a share of the log on, of at most so many.
    Read(Vec<usize>, usize, usize),
    Restart,
    Kill,
}

#[derive(Default)]
struct Model {
    known: HashMap<(usize, u8), u64>,
    kept: BTreeMap<u64, (usize, u8)>,
    trimmed: [u64; 3],
    head: u64,
}

impl Model {
    fn commit(&mut self, batch: &[(usize, u8)], outcomes: &[AppendOutcome]) {
        assert_eq!(batch.len(), outcomes.len());
        for (push, outcome) in batch.iter().zip(outcomes) {
            match (self.known.get(push), outcome) {
                (Some(known), AppendOutcome::Duplicate(seq)) => assert_eq!(*known, seq.get()),
                (None, AppendOutcome::Stored(seq)) => {
                    assert!(seq.get() > self.head);
                    self.head = seq.get();
                    self.known.insert(*push, self.head);
                    self.kept.insert(self.head, *push);
                }
                unexpected => panic!("{push:?}: {unexpected:?}"),
            }
        }
    }

    fn trim(&mut self, keep: u64) {
        for tenant in 0..TENANTS.len() {
            let seqs: Vec<u64> = self.kept.iter().filter(|(_, push)| push.0 == tenant).map(|(seq, _)| *seq).collect();
            for seq in &seqs[..seqs.len().saturating_sub(keep as usize)] {
                self.kept.remove(seq);
                self.trimmed[tenant] = self.trimmed[tenant].max(*seq);
            }
        }
    }

    fn check(&self, bench: &Bench, tenants: &[usize], after: u64, limit: usize) {
        let names: Vec<&str> = tenants.iter().map(|tenant| TENANTS[*tenant]).collect();
        let page = bench.read(&ReadQuery { after: Seq::new(after).unwrap(), limit, ..all(&names) });
        let all: Vec<_> = self
            .kept
            .range(after + 1..)
            .filter(|(_, push)| tenants.contains(&push.0))
            .map(|(seq, p)| (*seq, *p))
            .collect();
        let got: Vec<_> = page
            .pushes
            .iter()
            .map(|push| {
                let tenant = TENANTS.iter().position(|name| *name == push.tenant.as_str()).unwrap();
                (push.seq.get(), (tenant, push.push.id.as_str().parse().unwrap()))
            })
            .collect();
        assert_eq!(got, all[..all.len().min(limit)]);
        assert_eq!(page.more, all.len() > limit);
        assert_eq!(page.oldest.map(Seq::get), all.first().map(|first| first.0));
        assert_eq!(page.trimmed.get(), tenants.iter().map(|tenant| self.trimmed[*tenant]).max().unwrap_or(0));
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec((0..3_usize, 0..30_u8), 1..20).prop_map(Step::Commit),
        2 => (1..6_u64).prop_map(Step::Trim),
        4 => (prop::collection::vec(0..3_usize, 0..4), 0..100_usize, 0..20_usize).prop_map(|(t, a, l)| Step::Read(t, a, l)),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_is_a_log_without_duplicates(steps in steps()) {
        let mut folder = TempDir::new().unwrap();
        let mut bench = Bench::open(&folder.path().join("journal.db"));
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Commit(batch) => {
                    for (tenant, id) in &batch {
                        bench.queue_push(TENANTS[*tenant], &id.to_string());
                    }
                    let outcomes = bench.round();
                    model.commit(&batch, &outcomes);
                }
                Step::Trim(keep) => {
                    bench.writer.config.retention.max_pushes_per_tenant = keep;
                    bench.trim();
                    bench.writer.config.retention.max_pushes_per_tenant = 0;
                    model.trim(keep);
                }
                Step::Read(tenants, share, limit) => {
                    let after = model.kept.keys().nth(model.kept.len() * share / 100).copied().unwrap_or(0);
                    model.check(&bench, &tenants, after, limit);
                }
                Step::Restart => {
                    drop(bench);
                    bench = Bench::open(&folder.path().join("journal.db"));
                }
                Step::Kill => {
                    let left = TempDir::new().unwrap();
                    for name in ["journal.db", "journal.db-wal"] {
                        if folder.path().join(name).exists() {
                            std::fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
                        }
                    }
                    folder = left;
                    bench = Bench::open(&folder.path().join("journal.db"));
                }
            }
        }
        model.check(&bench, &[0, 1, 2], 0, usize::MAX);
        prop_assert_eq!(bench.writer.ledger.tenants().iter().map(|usage| usage.pushes).sum::<u64>(), model.kept.len() as u64);
    }
}

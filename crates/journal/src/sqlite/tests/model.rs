//! Random appends, repeats, answers, trims, purges and crashes against a model of a few lines.

use std::collections::{BTreeMap, HashMap, VecDeque};

use proptest::prelude::*;
use pushgate_model::{Answer, Seq};
use tempfile::TempDir;

use super::{Bench, all, push};
use crate::{
    AnsweredBy, Append, AppendOutcome, Entry, ReadQuery,
    sqlite::{page, queue::TURN},
};

const TENANTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    /// One batch.
    Commit(Vec<Member>),
    /// Each tenant keeps its newest.
    Trim(u64),
    /// A page of some tenants, from a share of the log on, of at most so many.
    Read(Vec<usize>, usize, usize),
    /// A tenant is purged; with false it stops before anything is erased.
    Purge(usize, bool),
    Restart,
    Kill,
}

/// Of which tenant, and which id.
type Id = (usize, u8);

#[derive(Clone, Copy, Debug)]
struct Member {
    id: Id,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// A push comes, with or without its answer.
    Push(Option<Answer>),
    /// Somebody decides.
    Answer(Answer, AnsweredBy),
}

/// An answer, and whether it stands for ever.
type Given = Option<(Answer, bool)>;

#[derive(Default)]
struct Model {
    known: HashMap<Id, u64>,
    /// The answers of known pushes, also of trimmed ones.
    answers: HashMap<Id, Given>,
    kept: BTreeMap<u64, Id>,
    trimmed: [u64; 3],
    head: u64,
}

/// In which order the tenants' lanes are taken.
fn in_turn(batch: &[Member]) -> Vec<Member> {
    let mut ring: VecDeque<VecDeque<Member>> = VecDeque::new();
    for member in batch {
        match ring.iter_mut().find(|lane| lane[0].id.0 == member.id.0) {
            Some(lane) => lane.push_back(*member),
            None => ring.push_back([*member].into()),
        }
    }
    std::iter::from_fn(|| {
        let mut lane = ring.pop_front()?;
        let rest = lane.split_off(lane.len().min(TURN));
        if !rest.is_empty() {
            ring.push_back(rest);
        }
        Some(lane)
    })
    .flatten()
    .collect()
}

impl Model {
    fn commit(&mut self, batch: &[Member], outcomes: &[AppendOutcome]) {
        assert_eq!(batch.len(), outcomes.len());
        for (Member { id, what }, outcome) in in_turn(batch).into_iter().zip(outcomes) {
            let expected = match what {
                What::Push(answer) => self.push(id, answer),
                What::Answer(answer, by) => self.answer(id, answer, by),
            };
            match (expected, outcome) {
                // Positions may be left out.
                (AppendOutcome::Stored(_), AppendOutcome::Stored(seq)) => {
                    assert!(seq.get() > self.head);
                    self.head = seq.get();
                    self.known.insert(id, self.head);
                    self.kept.insert(self.head, id);
                }
                (expected, outcome) => assert_eq!(expected, *outcome, "{id:?} {what:?}"),
            }
        }
    }

    fn push(&mut self, id: Id, answer: Option<Answer>) -> AppendOutcome {
        let brought = answer.map(|answer| (answer, true));
        let Some(seq) = self.known.get(&id).copied() else {
            self.answers.insert(id, brought);
            return AppendOutcome::Stored(Seq::MAX);
        };
        let open = matches!(self.answers[&id], None | Some((_, false))) && self.kept.contains_key(&seq);
        if open {
            self.answers.insert(id, brought);
        }
        AppendOutcome::Duplicate { seq: Seq::new(seq).unwrap(), answer: self.answers[&id].map(|given| given.0) }
    }

    fn answer(&mut self, id: Id, answer: Answer, by: AnsweredBy) -> AppendOutcome {
        if !self.known.get(&id).is_some_and(|seq| self.kept.contains_key(seq)) {
            return AppendOutcome::UnknownPush;
        }
        if let Some((recorded, _)) = self.answers[&id] {
            return AppendOutcome::AlreadyAnswered(recorded);
        }
        let stands = by == AnsweredBy::Subscriber || answer == Answer::Ack;
        self.answers.insert(id, Some((answer, stands)));
        AppendOutcome::Answered(answer)
    }

    fn trim(&mut self, keep: u64) {
        for tenant in 0..TENANTS.len() {
            let of_tenant = self.kept.iter().filter(|(_, id)| id.0 == tenant);
            let excess = of_tenant.clone().count().saturating_sub(keep as usize);
            let answered = of_tenant.filter(|(_, id)| self.answers[id].is_some());
            let gone: Vec<u64> = answered.map(|(seq, _)| *seq).take(excess).collect();
            self.remove(tenant, &gone);
        }
    }

    fn purge(&mut self, tenant: usize) {
        let gone: Vec<u64> = self.kept.iter().filter(|(_, id)| id.0 == tenant).map(|(seq, _)| *seq).collect();
        self.remove(tenant, &gone);
        self.known.retain(|id, _| id.0 != tenant);
        self.answers.retain(|id, _| id.0 != tenant);
    }

    fn remove(&mut self, tenant: usize, gone: &[u64]) {
        for seq in gone {
            self.kept.remove(seq);
            self.trimmed[tenant] = self.trimmed[tenant].max(*seq);
        }
    }

    fn check(&self, bench: &Bench, tenants: &[usize], after: u64, limit: usize) {
        let names: Vec<&str> = tenants.iter().map(|tenant| TENANTS[*tenant]).collect();
        let page = bench.read(&ReadQuery { after: Seq::new(after).unwrap(), limit, ..all(&names) });
        let all: Vec<_> = self
            .kept
            .range(after + 1..)
            .filter(|(_, id)| tenants.contains(&id.0))
            .map(|(seq, id)| (*seq, *id))
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

    fn check_history(&self, bench: &Bench) {
        let conn = bench.writer.conn.as_ref().unwrap();
        for (tenant, name) in TENANTS.iter().enumerate() {
            let items = page::history(conn, &name.parse().unwrap(), Seq::ZERO, usize::MAX).unwrap();
            let got: Vec<_> = items.iter().map(|item| (item.push.seq.get(), item.answer)).collect();
            let kept = self.kept.iter().filter(|(_, id)| id.0 == tenant);
            let expected: Vec<_> = kept.map(|(seq, id)| (*seq, self.answers[id].map(|given| given.0))).collect();
            assert_eq!(got, expected);
        }
    }
}

impl Bench {
    fn queue_member(&self, Member { id: (tenant, id), what }: Member) {
        let entry = match what {
            What::Push(answer) => Entry::Push { push: push(&id.to_string()), answer },
            What::Answer(answer, by) => Entry::Answer { push_id: id.to_string().into(), answer, by },
        };
        self.queue(Append { entry, ..self.make(TENANTS[tenant], push("unused")) });
    }
}

fn members() -> impl Strategy<Value = Member> {
    let answer = || prop_oneof![Just(Answer::Ack), Just(Answer::Nack)];
    let by = prop_oneof![Just(AnsweredBy::Subscriber), Just(AnsweredBy::Deadline)];
    let what = prop_oneof![
        3 => prop::option::of(answer()).prop_map(What::Push),
        2 => (answer(), by).prop_map(|(answer, by)| What::Answer(answer, by)),
    ];
    (0..3_usize, 0..30_u8, what).prop_map(|(tenant, id, what)| Member { id: (tenant, id), what })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(members(), 1..40).prop_map(Step::Commit),
        2 => (1..6_u64).prop_map(Step::Trim),
        4 => (prop::collection::vec(0..3_usize, 0..4), 0..100_usize, 0..20_usize).prop_map(|(t, a, l)| Step::Read(t, a, l)),
        1 => (0..3_usize, any::<bool>()).prop_map(|(tenant, whole)| Step::Purge(tenant, whole)),
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
                    for member in &batch {
                        bench.queue_member(*member);
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
                Step::Purge(tenant, whole) => {
                    bench.purge(TENANTS[tenant]);
                    if whole {
                        bench.trim();
                    }
                    model.purge(tenant);
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
            bench.check_indexed();
        }
        model.check(&bench, &[0, 1, 2], 0, usize::MAX);
        model.check_history(&bench);
        prop_assert_eq!(bench.writer.ledger.tenants().iter().map(|usage| usage.pushes).sum::<u64>(), model.kept.len() as u64);
        // Nothing of a purged tenant stays in the end.
        bench.trim();
        prop_assert_eq!(bench.count("pushes"), model.kept.len().cast_signed() as i64);
        prop_assert_eq!(bench.count("ids"), model.known.len().cast_signed() as i64);
        prop_assert_eq!(bench.count("purges"), 0);
    }
}

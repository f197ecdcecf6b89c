use pushgate_journal::{AnsweredBy, Append, AppendOutcome, Entry, Journal};
use pushgate_model::{Answer, Seq};

use crate::harness::{TestJournal, push};

use Answer::{Ack, Nack};
use AnsweredBy::{Deadline, Subscriber};

impl TestJournal {
    /// A push comes, perhaps again.
    async fn comes(&mut self, id: &str, answer: Option<Answer>) -> AppendOutcome {
        let entry = Entry::Push { push: push(id), answer };
        self.append(Append { entry, ..self.make("acme", id) }).await
    }

    async fn decide(&mut self, tenant: &str, id: &str, answer: Answer, by: AnsweredBy) -> AppendOutcome {
        let entry = Entry::Answer { push_id: id.into(), answer, by };
        self.append(Append { entry, ..self.make(tenant, id) }).await
    }

    async fn answers(&self) -> Vec<Option<Answer>> {
        let items = self.journal.history("acme".parse().unwrap(), Seq::ZERO, 100).await.unwrap();
        items.into_iter().map(|item| item.answer).collect()
    }
}

fn repeat(answer: Option<Answer>) -> AppendOutcome {
    AppendOutcome::Duplicate { seq: Seq::new(1).unwrap(), answer }
}

#[tokio::test]
async fn the_first_answer_stands_also_after_a_restart() {
    let mut journal = TestJournal::new();
    journal.comes("a", None).await;
    assert_eq!(journal.comes("a", None).await, repeat(None));
    assert_eq!(journal.decide("acme", "a", Nack, Subscriber).await, AppendOutcome::Answered(Nack));
    let mut journal = journal.restart().await;
    for by in [Subscriber, Deadline] {
        assert_eq!(journal.decide("acme", "a", Ack, by).await, AppendOutcome::AlreadyAnswered(Nack));
    }
    assert_eq!(journal.comes("a", None).await, repeat(Some(Nack)));
    assert_eq!(journal.comes("a", Some(Ack)).await, repeat(Some(Nack)));
    assert_eq!(journal.answers().await, [Some(Nack)]);
    assert_eq!(journal.committed.seqs(), []);
}

#[tokio::test]
async fn a_repeat_takes_a_deadlines_nack_back() {
    let mut journal = TestJournal::new();
    journal.comes("a", None).await;
    assert_eq!(journal.decide("acme", "a", Nack, Deadline).await, AppendOutcome::Answered(Nack));
    assert_eq!(journal.decide("acme", "a", Ack, Subscriber).await, AppendOutcome::AlreadyAnswered(Nack));
    assert_eq!(journal.answers().await, [Some(Nack)]);
    let mut journal = journal.restart().await;
    assert_eq!(journal.comes("a", None).await, repeat(None));
    assert_eq!(journal.answers().await, [None]);
    assert_eq!(journal.decide("acme", "a", Ack, Subscriber).await, AppendOutcome::Answered(Ack));
    assert_eq!(journal.comes("a", None).await, repeat(Some(Ack)));
}

#[tokio::test]
async fn a_deadlines_ack_stands() {
    let mut journal = TestJournal::new();
    journal.comes("a", None).await;
    journal.decide("acme", "a", Ack, Deadline).await;
    assert_eq!(journal.comes("a", None).await, repeat(Some(Ack)));
}

#[tokio::test]
async fn a_repeat_brings_the_answer_of_a_policy_that_changed() {
    let mut journal = TestJournal::new();
    journal.comes("a", None).await;
    assert_eq!(journal.comes("a", Some(Ack)).await, repeat(Some(Ack)));
    assert_eq!(journal.comes("a", None).await, repeat(Some(Ack)));
    assert_eq!(journal.answers().await, [Some(Ack)]);
}

#[tokio::test]
async fn nobody_answers_an_unknown_push_or_another_tenants() {
    let mut journal = TestJournal::new();
    journal.comes("a", None).await;
    for (tenant, id) in [("acme", "b"), ("umbra", "a")] {
        assert_eq!(journal.decide(tenant, id, Ack, Subscriber).await, AppendOutcome::UnknownPush);
    }
    assert_eq!(journal.answers().await, [None]);
    let metrics = journal.journal.metrics();
    assert_eq!((metrics.answered.get(), metrics.stored.get()), (0, 1));
}

#[tokio::test]
async fn a_push_is_trimmed_once_it_is_answered_and_its_answer_stays_known() {
    let mut journal = TestJournal::with(|config| config.retention.max_pushes_per_tenant = 1);
    journal.comes("a", None).await;
    for id in ["b", "c"] {
        journal.comes(id, None).await;
    }
    journal.decide("acme", "a", Nack, Deadline).await;
    while journal.read(&["acme"], 0).await.trimmed.get() < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.kept("acme").await, [2, 3]);
    assert_eq!(journal.comes("a", None).await, repeat(Some(Nack)));
    assert_eq!(journal.decide("acme", "a", Ack, Subscriber).await, AppendOutcome::UnknownPush);
}

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use pushgate_journal::{AnsweredBy, Append, AppendOutcome, Appended, BoxFuture, Entry, Journal, Unavailable};
use pushgate_model::{Answer, PushId, TenantId};
use pushgate_session::Settlement;
use tokio::sync::mpsc;

/// Answers that are with the journal at a time.
pub(crate) const AT_ONCE: usize = 256;
/// Tells their outcomes from those of pushes; no push has it.
pub(crate) const TAG: u64 = u64::MAX;

/// Has the journal record answers that deliveries and deadlines decided, in their order. What waits here is bounded by the
/// session's open waits.
///
/// Outcomes come back by the same queue as those of pushes: what a repeat of a push gets depends on what was recorded before
/// it, so the line must learn of both in the journal's order.
pub(crate) struct Settler {
    tenant: TenantId,
    journal: Arc<dyn Journal>,
    waiting: VecDeque<(PushId, Answer, Settlement)>,
    /// Waits for room in the journal's queue.
    offering: Option<(PushId, BoxFuture<'static, Result<(), Unavailable>>)>,
    /// With the journal.
    offered: usize,
    /// Has room for [`AT_ONCE`] outcomes beside those of pushes.
    reply: mpsc::Sender<Appended>,
}

impl Settler {
    pub(crate) fn new(tenant: TenantId, journal: Arc<dyn Journal>, reply: mpsc::Sender<Appended>) -> Self {
        Self { tenant, journal, waiting: VecDeque::new(), offering: None, offered: 0, reply }
    }

    /// Records this answer, after those before it.
    pub(crate) fn settle(&mut self, push_id: PushId, answer: Answer, by: Settlement) {
        self.waiting.push_back((push_id, answer, by));
    }

    /// The answer that stands for a push now, by an outcome with [`TAG`]; nothing when it could not be recorded.
    pub(crate) fn settled(&mut self, appended: Appended) -> Option<(PushId, Option<Answer>)> {
        self.offered = self.offered.saturating_sub(1);
        let answer = match appended.outcome {
            AppendOutcome::Answered(answer) | AppendOutcome::AlreadyAnswered(answer) => Some(answer),
            _ => None,
        };
        Some((appended.push_id?, answer))
    }

    /// Offers what waits to the journal; ready with an answer that it does not take.
    pub(crate) fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<PushId> {
        while self.offered < AT_ONCE {
            if self.offering.is_none() {
                self.offering = self.waiting.pop_front().map(|next| self.offer(next));
            }
            let Some((push_id, future)) = &mut self.offering else { break };
            let Poll::Ready(taken) = future.as_mut().poll(cx) else { break };
            let push_id = push_id.clone();
            self.offering = None;
            if taken.is_err() {
                return Poll::Ready(push_id);
            }
            self.offered += 1;
        }
        Poll::Pending
    }

    fn offer(
        &self,
        (push_id, answer, by): (PushId, Answer, Settlement),
    ) -> (PushId, BoxFuture<'static, Result<(), Unavailable>>) {
        let by = match by {
            Settlement::Delivered => AnsweredBy::Subscriber,
            Settlement::Deadline => AnsweredBy::Deadline,
        };
        let append = Append {
            tenant: self.tenant.clone(),
            entry: Entry::Answer { push_id: push_id.clone(), answer, by },
            received_at: SystemTime::now().into(),
            tag: TAG,
            reply: self.reply.clone(),
        };
        let journal = Arc::clone(&self.journal);
        (push_id, Box::pin(async move { journal.append(append).await }))
    }
}

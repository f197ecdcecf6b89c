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
const AT_ONCE: usize = 256;

/// Has the journal record answers that deliveries and deadlines decided, in their order. What waits here is bounded by the
/// session's open waits.
pub(crate) struct Settler {
    tenant: TenantId,
    journal: Arc<dyn Journal>,
    waiting: VecDeque<(PushId, Answer, Settlement)>,
    /// Waits for room in the journal's queue.
    offering: Option<(PushId, BoxFuture<'static, Result<(), Unavailable>>)>,
    /// With the journal.
    offered: usize,
    reply: mpsc::Sender<Appended>,
    replies: mpsc::Receiver<Appended>,
}

impl Settler {
    pub(crate) fn new(tenant: TenantId, journal: Arc<dyn Journal>) -> Self {
        // One slot for each that is with the journal, so that no outcome is dropped.
        let (reply, replies) = mpsc::channel(AT_ONCE);
        Self { tenant, journal, waiting: VecDeque::new(), offering: None, offered: 0, reply, replies }
    }

    /// Records this answer, after those before it.
    pub(crate) fn settle(&mut self, push_id: PushId, answer: Answer, by: Settlement) {
        self.waiting.push_back((push_id, answer, by));
    }

    /// The answer that stands for a push now; nothing when it could not be recorded.
    pub(crate) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<(PushId, Option<Answer>)> {
        if let Poll::Ready(Some(appended)) = self.replies.poll_recv(cx) {
            self.offered -= 1;
            let push_id = appended.push_id.expect("an answer belongs to a push");
            let answer = match appended.outcome {
                AppendOutcome::Answered(answer) | AppendOutcome::AlreadyAnswered(answer) => Some(answer),
                _ => None,
            };
            return Poll::Ready((push_id, answer));
        }
        while self.offered < AT_ONCE {
            if self.offering.is_none() {
                self.offering = self.waiting.pop_front().map(|next| self.offer(next));
            }
            let Some((push_id, future)) = &mut self.offering else { break };
            let Poll::Ready(taken) = future.as_mut().poll(cx) else { break };
            let push_id = push_id.clone();
            self.offering = None;
            if taken.is_err() {
                return Poll::Ready((push_id, None));
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
            tag: 0,
            reply: self.reply.clone(),
        };
        let journal = Arc::clone(&self.journal);
        (push_id, Box::pin(async move { journal.append(append).await }))
    }
}

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use dashmap::DashMap;
use pushgate_fanout::DeliverySink;
use pushgate_model::{Answer, PushId, Seq, TenantId};
use tokio::sync::Notify;

use crate::ranges::Ranges;

/// Words that wait for one connection; beyond it the oldest is forgotten. The journal has recorded them all: the service
/// sends such a push again and gets its answer then.
const WAITING_WORDS: usize = 4096;

/// Where what subscribers did about pushes goes, on its way to the connection whose service waits for an answer. Made before
/// the fan-out, which tells it what was written. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Words {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_tenant: DashMap<TenantId, Arc<Mailbox>>,
    /// Tenants that want to know of deliveries. While there are none, telling costs one look at this.
    curious: AtomicUsize,
}

/// What waits for one tenant's connection. It outlives the connection, so that a restart loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// Whether deliveries matter to this tenant.
    curious: AtomicBool,
    content: Mutex<Content>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Content {
    /// Everything that was written to a stream.
    delivered: Ranges,
    news: News,
}

/// What came since the connection last looked.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Positions that were written to a stream.
    pub(crate) delivered: Ranges,
    /// What subscribers said, recorded already.
    pub(crate) words: VecDeque<(PushId, Answer)>,
}

impl Words {
    /// The tenant's mailbox, made at the first call.
    pub(crate) fn mailbox(&self, tenant: &TenantId) -> Arc<Mailbox> {
        Arc::clone(&self.inner.by_tenant.entry(tenant.clone()).or_default())
    }

    /// Whether deliveries matter to this tenant from now on.
    pub(crate) fn want_deliveries(&self, tenant: &TenantId, wanted: bool) {
        let mailbox = self.mailbox(tenant);
        match (mailbox.curious.swap(wanted, Ordering::Relaxed), wanted) {
            (false, true) => self.inner.curious.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.inner.curious.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }

    /// Forgets a tenant.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.want_deliveries(tenant, false);
        self.inner.by_tenant.remove(tenant);
    }

    /// Tells the connection a word that the journal has recorded.
    pub(crate) fn tell(&self, tenant: &TenantId, push_id: PushId, answer: Answer) {
        let Some(mailbox) = self.inner.by_tenant.get(tenant).map(|entry| Arc::clone(&entry)) else { return };
        let mut content = mailbox.lock();
        let words = &mut content.news.words;
        if words.len() >= WAITING_WORDS {
            words.pop_front();
        }
        words.push_back((push_id, answer));
        drop(content);
        mailbox.filled.notify_one();
    }
}

impl DeliverySink for Words {
    fn delivered(&self, tenant: &TenantId, after: Seq, upto: Seq) {
        if self.inner.curious.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(mailbox) = self.inner.by_tenant.get(tenant).map(|entry| Arc::clone(&entry)) else { return };
        if mailbox.curious.load(Ordering::Relaxed) && mailbox.lock().deliver(after, upto) {
            mailbox.filled.notify_one();
        }
    }
}

impl Mailbox {
    /// Completes once something waits; what waits already completes it at once.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes what waits.
    pub(crate) fn take(&self) -> News {
        mem::take(&mut self.lock().news)
    }

    /// Whether the push at this position was written to a stream, as far as is remembered.
    pub(crate) fn was_delivered(&self, seq: Seq) -> bool {
        self.curious.load(Ordering::Relaxed) && self.lock().delivered.contains(seq)
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // What is done under the lock leaves it whole at every step.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn deliver(&mut self, after: Seq, upto: Seq) -> bool {
        self.delivered.add(after, upto) && self.news.delivered.add(after, upto)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn at(seq: u64) -> Seq {
        Seq::new(seq).unwrap()
    }

    fn acme() -> TenantId {
        "acme".parse().unwrap()
    }

    #[test]
    fn deliveries_are_kept_only_where_they_matter() {
        let words = Words::default();
        let mailbox = words.mailbox(&acme());
        words.delivered(&acme(), at(0), at(1));
        assert!(!mailbox.was_delivered(at(1)));
        words.want_deliveries(&acme(), true);
        words.want_deliveries(&acme(), true);
        words.delivered(&acme(), at(1), at(2));
        words.delivered(&acme(), at(2), at(5));
        words.delivered(&acme(), at(1), at(5));
        assert!(mailbox.was_delivered(at(5)) && !mailbox.was_delivered(at(1)));
        assert_eq!(mailbox.take().delivered.iter().collect::<Vec<_>>(), [(at(1), at(5))]);
        words.want_deliveries(&acme(), false);
        assert_eq!(words.inner.curious.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_waits_wakes_who_comes_later() {
        let words = Words::default();
        let mailbox = words.mailbox(&acme());
        assert!(mailbox.filled().now_or_never().is_none());
        words.tell(&acme(), "x".into(), Answer::Nack);
        assert!(mailbox.filled().now_or_never().is_some());
        assert_eq!(mailbox.take().words, [("x".into(), Answer::Nack)]);
        assert!(mailbox.take().words.is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let words = Words::default();
        let mailbox = words.mailbox(&acme());
        words.want_deliveries(&acme(), true);
        for n in 0..5000 {
            words.tell(&acme(), n.to_string().into(), Answer::Ack);
            words.delivered(&acme(), at(n * 2), at(n * 2 + 1));
        }
        let news = mailbox.take();
        assert_eq!(news.words.len(), WAITING_WORDS);
        assert_eq!(news.delivered.iter().last(), Some((at(9998), at(9999))));
    }
}

//! Pages of the journal that streams replay together.
//!
//! A page is read and encoded once for all who ask for it meanwhile or a little later. Whoever asks for one that is being
//! read waits for it; a stream whose position lies within a page that is kept goes on from there. So streams that
//! replay the same tenants fall into step, however many they are.
//!
//! A page that is kept says what a read would say now. It covers a range below a position that dispatch had come to when
//! it was read, so that no later commit falls into it; and once anything left the log it is not given out any more: the
//! journal counts removals, and a page belongs to the count that was taken before it was read.
//!
//! Memory: all pages together, of all threads, whether kept, written or in the hands of a response, have room for
//! [`FanoutConfig::replay_bytes`]; at most half of it and [`KEPT`] pages are kept, for [`KEEP`]. The less is left, the
//! smaller a new page; the least is twice 4 KiB, or one push, for each stream. Reads that are under way, of which each thread has a few, do
//! not count yet.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use pushgate_journal::{JournalError, ReadQuery};
use pushgate_model::{Seq, TenantId};

use crate::{
    FanoutConfig,
    frame::{Encoder, OVERHEAD},
    framed_page::FramedPage,
    log::Log,
};

/// Pages that are kept at most.
pub(crate) const KEPT: usize = 128;
/// How long a page is kept, in milliseconds.
pub(crate) const KEEP: u64 = 3_000;
/// A new page takes at most one part in so many of the room that is left.
const SHARE: usize = 4;
/// The least that is read from the journal at a time, in bytes of text; and in bytes beside that.
const LEAST_PAGE: usize = 4 << 10;

/// What a read gives; whoever waits for it gets the same.
pub(crate) type Reading = Result<Arc<FramedPage>, Arc<JournalError>>;
type Read = Shared<BoxFuture<'static, Reading>>;

/// All pages that streams of all threads replay.
pub(crate) struct Pages {
    log: Arc<Log>,
    encoder: Encoder,
    config: FanoutConfig,
    /// Bytes of all pages that anybody holds.
    held: Arc<AtomicUsize>,
    stock: Mutex<Stock>,
}

/// What a stream wants to read: pushes with `after < seq <= upto`.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// In ascending order.
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) after: Seq,
    pub(crate) upto: Seq,
}

#[derive(Default)]
struct Stock {
    /// How often something had left the log when what is here was read.
    removals: u64,
    /// When it was swept last, in milliseconds of the wall clock.
    now: u64,
    /// The oldest first.
    kept: VecDeque<Kept>,
    /// Bytes of what is kept.
    bytes: usize,
    /// Reads that are under way.
    reads: Vec<UnderWay>,
}

struct Kept {
    tenants: Vec<TenantId>,
    page: Arc<FramedPage>,
    /// When the stock had been swept last, in milliseconds of the wall clock.
    since: u64,
}

struct UnderWay {
    tenants: Vec<TenantId>,
    after: Seq,
    /// It is gone once nobody waits for it.
    read: WeakShared<BoxFuture<'static, Reading>>,
}

enum Found {
    Page(Arc<FramedPage>),
    Read(Read),
}

impl Pages {
    pub(crate) fn new(log: Arc<Log>, config: &FanoutConfig) -> Arc<Self> {
        let encoder = Encoder::new(log.epoch.clone());
        Arc::new(Self { log, encoder, config: config.clone(), held: Arc::default(), stock: Mutex::default() })
    }

    /// A page that covers `wanted.after`.
    ///
    /// # Errors
    /// The journal could not be read.
    pub(crate) async fn get(self: Arc<Self>, wanted: Wanted) -> Reading {
        match self.find(wanted) {
            Found::Page(page) => Ok(page),
            Found::Read(read) => read.await,
        }
    }

    /// Gives up what was kept for long, and what is not in the log any more. `now` is in milliseconds of the wall clock.
    pub(crate) fn sweep(&self, now: u64) {
        let mut stock = self.stock(self.log.journal.removals());
        stock.now = now;
        // The clock may have been set back, which costs a read.
        while stock.kept.front().is_some_and(|kept| now < kept.since || now >= kept.since + KEEP) {
            stock.drop_oldest();
        }
    }

    fn find(self: &Arc<Self>, wanted: Wanted) -> Found {
        let removals = self.log.journal.removals();
        let mut stock = self.stock(removals);
        if let Some(page) = stock.kept(&wanted) {
            return Found::Page(page);
        }
        if let Some(read) = stock.under_way(&wanted) {
            return Found::Read(read);
        }
        let read = Arc::clone(self).read(wanted.clone(), removals).boxed().shared();
        if let Some(weak) = read.downgrade() {
            stock.reads.push(UnderWay { tenants: wanted.tenants, after: wanted.after, read: weak });
        }
        Found::Read(read)
    }

    async fn read(self: Arc<Self>, wanted: Wanted, removals: u64) -> Reading {
        let query = self.query(&wanted);
        let page = self.log.journal.read(query).await.map_err(Arc::new)?;
        if page.more && page.pushes.is_empty() {
            let error = "a page without pushes says that there are more".to_owned();
            return Err(Arc::new(JournalError::Engine(error)));
        }
        let page = Arc::new(FramedPage::new(&page, wanted.after..wanted.upto, &self.encoder, &self.held));
        self.keep(wanted.tenants, Arc::clone(&page), removals);
        Ok(page)
    }

    fn keep(&self, tenants: Vec<TenantId>, page: Arc<FramedPage>, removals: u64) {
        let mut stock = self.stock(self.log.journal.removals());
        if stock.removals != removals {
            return;
        }
        stock.bytes += page.size();
        let since = stock.now;
        stock.kept.push_back(Kept { tenants, page, since });
        while stock.bytes > self.config.replay_bytes / 2 || stock.kept.len() > KEPT {
            stock.drop_oldest();
        }
    }

    /// What a new page may have: half of its share is for the texts, half for what a frame has beside them.
    fn query(&self, wanted: &Wanted) -> ReadQuery {
        let share = self.config.replay_bytes.saturating_sub(self.held.load(Ordering::Relaxed)) / SHARE;
        let rate = if self.config.replay_rate > 0 { self.config.replay_rate } else { usize::MAX };
        ReadQuery {
            tenants: wanted.tenants.clone(),
            after: wanted.after,
            upto: wanted.upto,
            limit: (share / 2 / OVERHEAD).max(LEAST_PAGE / OVERHEAD).min(self.config.replay_page),
            max_bytes: (share / 2).max(LEAST_PAGE).min(self.config.replay_page_bytes).min(rate),
        }
    }

    /// The stock, without what was read before the last of so many removals.
    fn stock(&self, removals: u64) -> MutexGuard<'_, Stock> {
        // Under the lock things are only put or taken, so that a poisoned stock is still whole.
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        if stock.removals < removals {
            *stock = Stock { removals, now: stock.now, ..Stock::default() };
        }
        stock
    }

    /// Bytes of all pages that anybody holds.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many pages are kept, and their bytes.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> (usize, usize) {
        let stock = self.stock(0);
        (stock.kept.len(), stock.bytes)
    }
}

impl Stock {
    fn kept(&self, wanted: &Wanted) -> Option<Arc<FramedPage>> {
        let fits = |kept: &&Kept| kept.page.covers(wanted.after) && kept.tenants == wanted.tenants;
        self.kept.iter().rev().find(fits).map(|kept| Arc::clone(&kept.page))
    }

    fn under_way(&mut self, wanted: &Wanted) -> Option<Read> {
        // What nobody waits for any more is not read to its end, and one that has ended is kept or failed.
        self.reads.retain(|under_way| under_way.read.upgrade().is_some_and(|read| read.peek().is_none()));
        let fits = |read: &&UnderWay| read.after == wanted.after && read.tenants == wanted.tenants;
        self.reads.iter().find(fits)?.read.upgrade()
    }

    fn drop_oldest(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.bytes -= kept.page.size();
        }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

//! A stream that reads the journal: page by page, and the next one only after the last was taken.

use std::{
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pushgate_journal::JournalError;
use pushgate_model::{Cursor, Seq};

use super::{PageQuery, Phase, Step, Subscriber};
use crate::{
    Shard,
    event::{Gap, GapReason},
    framed_page::FramedPage,
    pages::Wanted,
    replay::Replay,
};

impl Subscriber {
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Phase::Reading(query, upto) = &mut self.phase else { return Poll::Ready(Step::Again) };
        let upto = *upto;
        match ready!(query.as_mut().poll(cx)) {
            Ok(page) => {
                let gap = self.trimmed(&page);
                let mut core = self.shard.core();
                core.tally.journal_read();
                if let Some(slot) = core.page(self.slot) {
                    *slot = Replay::new(page, self.cursor, upto, gap);
                }
                self.phase = Phase::Writing;
            }
            Err(error) => self.pause(&error),
        }
        Poll::Ready(Step::Again)
    }

    /// Retention can overtake a slow stream at any page.
    fn trimmed(&mut self, page: &FramedPage) -> Option<Gap> {
        let trimmed = page.trimmed();
        if trimmed <= self.cursor.max(self.told) {
            return None;
        }
        self.told = trimmed;
        GapReason::Expired.count(&self.shard.shared().metrics);
        let cursor = |seq: Seq| Cursor { epoch: self.shard.shared().log.epoch.clone(), seq };
        let requested = cursor(self.cursor).to_string();
        Some(Gap { reason: GapReason::Expired, requested, oldest: page.oldest_after(self.cursor).map(cursor) })
    }

    pub(super) fn write(&mut self) -> Step {
        let config = &self.shard.shared().config;
        let mut core = self.shard.core();
        let now = core.now();
        let Some(page) = core.page(self.slot) else {
            self.phase = Phase::Tail;
            return Step::Again;
        };
        let piece = page.piece(config.joined_write);
        let end = page.is_done().then(|| page.end());
        if let Some(piece) = &piece {
            self.cursor = piece.position.unwrap_or(self.cursor);
            self.meter.read(now, piece.bytes.len(), config.replay_rate);
            core.tally.replayed(piece.count);
        }
        drop(core);
        if let Some(end) = end {
            self.cursor = self.cursor.max(end);
            self.close_page(Phase::Tail);
        }
        let Some(piece) = piece else {
            self.record.moved(self.cursor);
            return Step::Again;
        };
        Step::Write(piece.bytes)
    }

    /// Ends the reading of a page.
    pub(super) fn close_page(&mut self, next: Phase) {
        self.phase = next;
        self.shard.core().close_page(self.slot);
    }
}

/// Waits for its turn, then for the page. Turns are given in order, and end with the read: however slowly a stream takes its
/// page, it keeps nobody from reading.
pub(super) fn query(shard: &Rc<Shard>, slot: u32, wanted: Wanted) -> PageQuery {
    let shard = Rc::clone(shard);
    Box::pin(async move {
        let _turn = shard.turns().acquire().await.map_err(|_| Arc::new(JournalError::Closed))?;
        shard.core().open_page(slot);
        Arc::clone(&shard.shared().pages).get(wanted).await
    })
}

//! A stream that finds out where it starts.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use pushgate_model::{Seq, TenantId};

use super::{Phase, Query, Step, Subscriber, written};
use crate::{
    Resume, Shard,
    event::{self, Open},
    shard::Members,
    start::{Kept, Start, start},
};

/// What is known of where a stream starts.
pub(super) struct Opening {
    resume: Resume,
    /// The newest position when the stream was asked for.
    head: Seq,
    step: OpeningStep,
}

enum OpeningStep {
    Asking(Query<Kept>),
    /// The journal could not be read: waits until this time of the shard's clock.
    Pausing(u64),
    /// Known; waits for dispatch to answer for all tenants.
    Known(Start, Kept),
}

impl Opening {
    pub(super) fn new(shard: &Shard, members: &Members, resume: Resume, head: Seq) -> Self {
        let resume = match resume {
            // Nothing of the future was trimmed.
            Resume::Since(time) if time > shard.shared().wall.now() => Resume::Live,
            other => other,
        };
        let tenants = shard.core().tenants(members);
        let step = OpeningStep::Asking(query(shard, tenants, &resume));
        Self { resume, head, step }
    }

    pub(super) fn pause(&mut self, until: u64) {
        self.step = OpeningStep::Pausing(until);
    }
}

impl Subscriber {
    pub(super) fn open(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Phase::Opening(opening) = &mut self.phase else { return Poll::Ready(Step::Again) };
        match &mut opening.step {
            OpeningStep::Asking(query) => {
                match ready!(query.as_mut().poll(cx)) {
                    Ok(kept) => {
                        let epoch = &self.shard.shared().log.epoch;
                        let start = start(&opening.resume, epoch, opening.head, &kept);
                        opening.step = OpeningStep::Known(start, kept);
                        self.shard.core().tally.journal_read();
                    }
                    Err(error) => self.pause(&error),
                }
                Poll::Ready(Step::Again)
            }
            OpeningStep::Pausing(until) => {
                let until = *until;
                ready!(self.resumed(until));
                let tenants = self.shard.core().tenants(&self.members);
                if let Phase::Opening(opening) = &mut self.phase {
                    opening.step = OpeningStep::Asking(query(&self.shard, tenants, &opening.resume));
                }
                Poll::Ready(Step::Again)
            }
            OpeningStep::Known(start, kept) => {
                if !self.shard.core().is_registered(&self.members) {
                    return Poll::Pending;
                }
                let (start, kept) = (start.clone(), *kept);
                Poll::Ready(Step::Write(self.opened(&start, &kept)))
            }
        }
    }

    /// The prelude. `gap` goes before `open`, whose id the browser keeps: cut in between, it asks as before and is
    /// told again.
    fn opened(&mut self, start: &Start, kept: &Kept) -> Bytes {
        let shared = self.shard.shared();
        let states = self.shard.core().open(&mut self.members);
        let known = |(tenant, status): (_, Option<_>)| (tenant, status.unwrap_or_else(|| shared.unpublished.clone()));
        let tenants: Vec<_> = states.into_iter().map(known).collect();
        let open = Open {
            epoch: &shared.log.epoch,
            position: start.position,
            oldest: kept.bounds.oldest,
            newest: kept.bounds.newest,
            tenants: &tenants,
        };
        let bytes = written(|buffer| {
            if let Some(gap) = &start.gap {
                gap.reason.count(&shared.metrics);
                event::gap(buffer, gap);
            }
            event::open(buffer, &open);
        });
        self.cursor = start.position;
        self.delivered = start.position;
        self.told = start.told;
        // Thousands may come back in the same moment, each with as much as fits a piece.
        self.far = self.shard.core().has_more(&self.members, self.cursor);
        self.phase = Phase::Tail;
        bytes
    }
}

/// Bounds before times: what is trimmed in between is told by the first page.
fn query(shard: &Shard, tenants: Vec<TenantId>, resume: &Resume) -> Query<Kept> {
    let journal = Arc::clone(&shard.shared().log.journal);
    let time = match resume {
        Resume::Since(time) => Some(*time),
        _ => None,
    };
    Box::pin(async move {
        let bounds = journal.bounds(tenants.clone()).await?;
        let since = match time {
            Some(time) => Some(journal.since(tenants, time).await?),
            None => None,
        };
        Ok(Kept { bounds, since })
    })
}

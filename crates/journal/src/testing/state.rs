use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use pushgate_model::{Answer, Push, PushId, Seq, StoredPush, TenantId, Timestamp};

use crate::{
    AnsweredBy, Append, AppendOutcome, Entry, Page, QuarantineEntry, QuarantineQuery, Quarantined, QuarantinedRaw,
    ReadQuery, Since, StoredTenant, recorded::Recorded,
};

/// All that a journal in memory keeps.
#[derive(Default)]
pub(super) struct State {
    pub(super) head: Seq,
    pub(super) removals: u64,
    pub(super) kept: BTreeMap<Seq, Kept>,
    pub(super) tenants: BTreeMap<TenantId, StoredTenant>,
    pub(super) quarantine: BTreeMap<u64, QuarantinedRaw>,
    known: HashMap<(TenantId, PushId), Known>,
    trimmed: HashMap<TenantId, Seq>,
    last_quarantined: u64,
}

/// A push and its answer.
pub(super) struct Kept {
    pub(super) push: Arc<StoredPush>,
    pub(super) recorded: Recorded,
}

/// A push id that was seen.
#[derive(Clone, Copy)]
enum Known {
    /// Its push is kept here.
    At(Seq),
    /// Its push was here, and had this answer.
    Trimmed(Seq, Answer),
}

impl State {
    /// Commits one append, and adds what is new to `stored`.
    pub(super) fn apply(&mut self, append: &Append, stored: &mut Vec<Arc<StoredPush>>) -> AppendOutcome {
        match &append.entry {
            Entry::Push { push, answer } => self.store(append, push, *answer, stored),
            Entry::Quarantine(entry) => self.put_aside(append, entry),
            Entry::Answer { push_id, answer, by } => self.decide(&append.tenant, push_id, *answer, *by),
        }
    }

    /// Removes the answered pushes of `tenant` up to and with `upto`; their ids stay known.
    pub(super) fn trim(&mut self, tenant: &TenantId, upto: Seq) {
        let mut highest = None;
        let known = &mut self.known;
        self.kept.retain(|seq, kept| {
            let answer = kept.recorded.answer().filter(|_| *seq <= upto && kept.push.tenant == *tenant);
            if let Some(answer) = answer {
                known.insert((tenant.clone(), kept.push.push.id.clone()), Known::Trimmed(*seq, answer));
                highest = Some(*seq);
            }
            answer.is_none()
        });
        self.gone(tenant, highest);
    }

    /// Removes all of a tenant but what `put_tenant` kept.
    pub(super) fn purge(&mut self, tenant: &TenantId) {
        let mut highest = None;
        self.kept.retain(|seq, kept| {
            let stays = kept.push.tenant != *tenant;
            highest = if stays { highest } else { Some(*seq) };
            stays
        });
        self.known.retain(|(owner, _), _| owner != tenant);
        self.quarantine.retain(|_, raw| raw.entry.tenant != *tenant);
        self.gone(tenant, highest);
    }

    pub(super) fn trimmed(&self, tenants: &[TenantId]) -> Seq {
        tenants.iter().filter_map(|tenant| self.trimmed.get(tenant)).max().copied().unwrap_or_default()
    }

    pub(super) fn since(&self, tenants: &[TenantId], time: Timestamp) -> Since {
        let mut since = Since::default();
        for tenant in tenants {
            let mut older = Seq::ZERO;
            for (seq, kept) in self.kept.iter().filter(|(_, kept)| kept.push.tenant == *tenant) {
                if kept.push.received_at >= time {
                    since.first = since.first.into_iter().chain([*seq]).min();
                    break;
                }
                older = *seq;
            }
            since.trimmed |= self.trimmed.get(tenant).is_some_and(|trimmed| *trimmed > older);
        }
        since
    }

    pub(super) fn page(&self, query: &ReadQuery) -> Page {
        let mut page = Page { trimmed: self.trimmed(&query.tenants), ..Page::default() };
        let mut bytes = 0;
        for (seq, Kept { push, .. }) in &self.kept {
            if *seq <= query.after || !query.tenants.contains(&push.tenant) {
                continue;
            }
            page.oldest.get_or_insert(*seq);
            if *seq > query.upto {
                break;
            }
            let over = !page.pushes.is_empty() && bytes + push.push.size() > query.max_bytes;
            if over || page.pushes.len() >= query.limit {
                page.more = true;
                break;
            }
            bytes += push.push.size();
            page.pushes.push(Arc::clone(push));
        }
        page
    }

    pub(super) fn quarantined(&self, query: &QuarantineQuery) -> Vec<Quarantined> {
        let entries = self.quarantine.values().map(|raw| &raw.entry);
        entries
            .filter(|entry| {
                entry.id > query.after && query.tenant.as_ref().is_none_or(|tenant| *tenant == entry.tenant)
            })
            .take(query.limit)
            .cloned()
            .collect()
    }

    fn gone(&mut self, tenant: &TenantId, highest: Option<Seq>) {
        if let Some(highest) = highest {
            self.removals += 1;
            let trimmed = self.trimmed.entry(tenant.clone()).or_default();
            *trimmed = (*trimmed).max(highest);
        }
    }

    fn store(
        &mut self,
        append: &Append,
        push: &Push,
        answer: Option<Answer>,
        stored: &mut Vec<Arc<StoredPush>>,
    ) -> AppendOutcome {
        let id = (append.tenant.clone(), push.id.clone());
        match self.known.get(&id) {
            Some(Known::Trimmed(seq, answer)) => {
                return AppendOutcome::Duplicate { seq: *seq, answer: Some(*answer) };
            }
            Some(Known::At(seq)) => {
                let kept = self.kept.get_mut(seq).expect("a known push that was not trimmed is kept");
                kept.recorded = kept.recorded.repeated(answer);
                return AppendOutcome::Duplicate { seq: *seq, answer: kept.recorded.answer() };
            }
            None => {}
        }
        let seq = self.head.next().expect("a test stores fewer than 2^53 pushes");
        let push = Arc::new(StoredPush {
            seq,
            tenant: append.tenant.clone(),
            push: push.clone(),
            received_at: append.received_at,
        });
        self.head = seq;
        self.known.insert(id, Known::At(seq));
        self.kept.insert(seq, Kept { push: Arc::clone(&push), recorded: answer.into() });
        stored.push(push);
        AppendOutcome::Stored(seq)
    }

    fn decide(&mut self, tenant: &TenantId, push_id: &PushId, answer: Answer, by: AnsweredBy) -> AppendOutcome {
        let Some(Known::At(seq)) = self.known.get(&(tenant.clone(), push_id.clone())) else {
            return AppendOutcome::UnknownPush;
        };
        let kept = self.kept.get_mut(seq).expect("a known push that was not trimmed is kept");
        match kept.recorded.decided(answer, by) {
            Ok(recorded) => {
                kept.recorded = recorded;
                AppendOutcome::Answered(answer)
            }
            Err(recorded) => AppendOutcome::AlreadyAnswered(recorded),
        }
    }

    fn put_aside(&mut self, append: &Append, entry: &QuarantineEntry) -> AppendOutcome {
        let same = |raw: &&mut QuarantinedRaw| {
            raw.entry.tenant == append.tenant && raw.raw == entry.raw && raw.entry.size == entry.size
        };
        if let Some(known) = self.quarantine.values_mut().find(same) {
            known.entry.count += 1;
            return AppendOutcome::Quarantined { repeats: known.entry.count };
        }
        self.last_quarantined += 1;
        let quarantined = Quarantined {
            id: self.last_quarantined,
            tenant: append.tenant.clone(),
            push_id: entry.push_id.clone(),
            received_at: append.received_at,
            reason: entry.reason.to_owned(),
            size: entry.size,
            count: 1,
        };
        let raw = QuarantinedRaw { entry: quarantined, raw: Bytes::clone(&entry.raw) };
        self.quarantine.insert(self.last_quarantined, raw);
        AppendOutcome::Quarantined { repeats: 1 }
    }
}

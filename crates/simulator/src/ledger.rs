use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pushgate_model::{Answer, PushId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::account::as_str;

/// The answered pushes of all accounts, oldest first, at most `limit` of them: then the oldest are forgotten.
pub(crate) struct Ledger {
    limit: usize,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// The position of the oldest entry; positions are never used twice.
    first: u64,
    entries: VecDeque<Entry>,
    by_id: HashMap<Key, u64>,
}

struct Entry {
    id: Key,
    account: Arc<str>,
    attempts: u32,
    answer: Answer,
    sent_at: Option<Timestamp>,
    answered_at: Timestamp,
}

/// A push id; the usual spelling of a uuid takes 16 bytes instead of 36 and an allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Uuid([u8; 16]),
    Text(Box<str>),
}

/// What became of one push, as the control API shows it.
#[derive(Serialize)]
pub(crate) struct PushStatus {
    /// Grows by one with each answer: where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<u64>,
    pub(crate) id: PushId,
    #[serde(serialize_with = "as_str")]
    pub(crate) account: Arc<str>,
    pub(crate) attempts: u32,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) answer: Option<Answer>,
    pub(crate) answered_at: Option<Timestamp>,
}

impl Ledger {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, book: Mutex::default() }
    }

    pub(crate) fn record(&self, status: &PushStatus, answer: Answer, at: Timestamp) {
        let id = Key::from(&status.id);
        let mut book = self.lock();
        let position = book.first + book.entries.len() as u64;
        book.by_id.insert(id.clone(), position);
        book.entries.push_back(Entry {
            id,
            account: status.account.clone(),
            attempts: status.attempts,
            answer,
            sent_at: status.sent_at,
            answered_at: at,
        });
        while book.entries.len() > self.limit {
            book.forget_oldest();
        }
    }

    /// The last answer to this id.
    pub(crate) fn get(&self, id: &PushId) -> Option<PushStatus> {
        let book = self.lock();
        let position = *book.by_id.get(&Key::from(id))?;
        book.at(position).map(|entry| entry.answered(None))
    }

    /// Up to `count` remembered answers from `position` on that `wanted` takes, and where the next page begins;
    /// nothing when there are none left.
    pub(crate) fn page(&self, position: u64, count: usize, wanted: &Wanted) -> Option<(Vec<PushStatus>, u64)> {
        let book = self.lock();
        let from = position.max(book.first);
        let skip = usize::try_from(from - book.first).unwrap_or(usize::MAX);
        let page: Vec<_> = book.entries.iter().skip(skip).take(count).collect();
        let next = from + page.len() as u64;
        let taken = (from..).zip(&page).filter(|(_, entry)| wanted.takes(entry));
        (!page.is_empty()).then(|| (taken.map(|(n, entry)| entry.answered(Some(n))).collect(), next))
    }

    pub(crate) fn clear(&self) {
        let mut book = self.lock();
        let first = book.first + book.entries.len() as u64;
        *book = Book { first, ..Book::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which answers a reader wants.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) account: Option<String>,
    pub(crate) answer: Option<Answer>,
}

impl Wanted {
    fn takes(&self, entry: &Entry) -> bool {
        self.account.as_deref().is_none_or(|account| *entry.account == *account)
            && self.answer.is_none_or(|answer| entry.answer == answer)
    }
}

impl Book {
    fn at(&self, position: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(position.checked_sub(self.first)?).ok()?)
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.entries.pop_front() else { return };
        if self.by_id.get(&oldest.id) == Some(&self.first) {
            self.by_id.remove(&oldest.id);
        }
        self.first += 1;
    }
}

impl Entry {
    fn answered(&self, position: Option<u64>) -> PushStatus {
        PushStatus {
            position,
            id: self.id.push_id(),
            account: self.account.clone(),
            attempts: self.attempts,
            sent_at: self.sent_at,
            answer: Some(self.answer),
            answered_at: Some(self.answered_at),
        }
    }
}

impl From<&PushId> for Key {
    fn from(id: &PushId) -> Self {
        match Uuid::try_parse(id.as_str()) {
            Ok(uuid) if uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == id.as_str() => {
                Self::Uuid(uuid.into_bytes())
            }
            _ => Self::Text(id.as_str().into()),
        }
    }
}

impl Key {
    fn push_id(&self) -> PushId {
        match self {
            Self::Uuid(bytes) => {
                PushId::from(Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut Uuid::encode_buffer()) as &str)
            }
            Self::Text(text) => PushId::from(text.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ledger: &Ledger, id: &str) {
        let answered = PushStatus {
            position: None,
            id: id.into(),
            account: "a".into(),
            attempts: 1,
            sent_at: None,
            answer: None,
            answered_at: None,
        };
        ledger.record(&answered, Answer::Ack, Timestamp::from_millis(1));
    }

    #[test]
    fn the_oldest_are_forgotten_at_the_limit() {
        let ledger = Ledger::new(2);
        for id in ["x", "y", "z"] {
            record(&ledger, id);
        }
        assert!(ledger.get(&"x".into()).is_none() && ledger.get(&"z".into()).is_some());
        let (page, next) = ledger.page(0, 10, &Wanted::default()).unwrap();
        let found: Vec<_> = page.iter().map(|a| (a.position, a.id.as_str().to_owned())).collect();
        assert_eq!((found, next), (vec![(Some(1), "y".to_owned()), (Some(2), "z".to_owned())], 3));
        assert!(ledger.page(next, 10, &Wanted::default()).is_none());
    }

    #[test]
    fn an_id_keeps_its_spelling() {
        let lower = "0b46a13c-1111-4222-8333-444455556666";
        for spelling in [lower.to_owned(), lower.to_uppercase(), "not a uuid".to_owned(), lower.replace('-', "")] {
            assert_eq!(Key::from(&PushId::from(spelling.as_str())).push_id().as_str(), spelling);
        }
    }

    #[test]
    fn forgetting_an_old_answer_keeps_a_newer_one_of_the_same_id() {
        let ledger = Ledger::new(1);
        record(&ledger, "x");
        record(&ledger, "x");
        assert!(ledger.get(&"x".into()).is_some());
    }
}

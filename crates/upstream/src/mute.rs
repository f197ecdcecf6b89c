use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use pushgate_model::PushId;

/// Repeats of the same broken bytes that are answered at once.
const ANSWERED_AT_ONCE: u64 = 3;
/// From then on at most one answer in this time.
const PAUSE: Duration = Duration::from_secs(1);
/// Broken pushes that are remembered; beyond it the oldest memory goes, and one more answer is given.
const REMEMBERED: usize = 64;

/// Keeps a service that answers a NACK by sending again at once from spinning: the answer to identical broken bytes
/// slows down.
#[derive(Debug, Default)]
pub(crate) struct Mute {
    answered: HashMap<PushId, Instant>,
}

impl Mute {
    /// Whether this repeat is answered.
    pub(crate) fn answers(&mut self, push_id: Option<&PushId>, repeats: u64, now: Instant) -> bool {
        let Some(push_id) = push_id else { return false };
        if repeats <= ANSWERED_AT_ONCE {
            return true;
        }
        if self.answered.get(push_id).is_some_and(|last| now.saturating_duration_since(*last) < PAUSE) {
            return false;
        }
        if self.answered.len() >= REMEMBERED && !self.answered.contains_key(push_id) {
            let oldest = self.answered.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone());
            oldest.map(|id| self.answered.remove(&id));
        }
        self.answered.insert(push_id.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_fourth_repeat_on_one_answer_a_second() {
        let (mut mute, start, id) = (Mute::default(), Instant::now(), PushId::from("x"));
        for repeats in 1..=4 {
            assert!(mute.answers(Some(&id), repeats, start));
        }
        assert!(!mute.answers(Some(&id), 5, start + Duration::from_millis(999)));
        assert!(mute.answers(Some(&id), 6, start + Duration::from_millis(1000)));
        assert!(!mute.answers(None, 1, start));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut mute, start) = (Mute::default(), Instant::now());
        for n in 0..1000 {
            assert!(mute.answers(Some(&PushId::from(n.to_string())), 9, start));
        }
        assert_eq!(mute.answered.len(), REMEMBERED);
    }
}

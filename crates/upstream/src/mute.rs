use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use pushgate_model::PushId;

/// Repeats of the same broken bytes that are answered at once.
const ANSWERED_AT_ONCE: u64 = 3;
/// From then on at most one answer in this time.
const PAUSE: Duration = Duration::from_secs(1);
/// Ids that are remembered, of at most 256 bytes each. When so many were answered within [`PAUSE`], no further one is: the
/// service sends it again.
const REMEMBERED: usize = 256;

/// Keeps a service that answers a NACK by sending again at once from spinning: the answer to identical broken bytes
/// slows down.
#[derive(Debug, Default)]
pub(crate) struct Mute {
    /// Slow answers of the last [`PAUSE`]. Empty, and without memory, for a service that does nothing of the kind.
    answered: HashMap<PushId, Instant>,
}

impl Mute {
    /// Whether this repeat is answered; the first time counts as 1.
    pub(crate) fn answers(&mut self, push_id: Option<&PushId>, repeats: u64, now: Instant) -> bool {
        let Some(push_id) = push_id else { return false };
        if repeats <= ANSWERED_AT_ONCE {
            return true;
        }
        if self.answered.contains_key(push_id) || self.answered.len() >= REMEMBERED {
            self.answered.retain(|_, last| now.saturating_duration_since(*last) < PAUSE);
        }
        if self.answered.contains_key(push_id) || self.answered.len() >= REMEMBERED {
            return false;
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
    fn a_full_memory_answers_nobody_more_than_once_a_second() {
        let (mut mute, start) = (Mute::default(), Instant::now());
        let mut round = |now| (0..1000).filter(|n| mute.answers(Some(&n.to_string().into()), 9, now)).count();
        assert_eq!(round(start), REMEMBERED);
        assert_eq!(round(start + Duration::from_millis(999)), 0);
        assert_eq!(round(start + Duration::from_millis(1000)), REMEMBERED);
        assert!(mute.answered.len() <= REMEMBERED);
    }

    #[test]
    fn first_repeats_are_answered_also_while_the_memory_is_full() {
        let (mut mute, start) = (Mute::default(), Instant::now());
        for n in 0..REMEMBERED {
            mute.answers(Some(&n.to_string().into()), 9, start);
        }
        assert!(mute.answers(Some(&"new".into()), 3, start));
    }
}

//! Long writes: those of streams that write a page of the journal, or stand further behind in the tail than one piece.
//!
//! Such a write takes the thread as long as a hundred short ones, and after a return of the network thousands of streams
//! have a row of them to do. So they take turns: a few, in the order in which they asked, then none for the rest of a moment,
//! so that the thread and its core have time for those that are live. A turn is nothing that could be kept: whoever does not use it
//! takes it from nobody.

use std::time::Duration;

use pushgate_model::Seq;

use super::{core::Core, member::Members};

/// From the beginning of a turn to that of the next one, at least.
pub(crate) const LONG_PAUSE: Duration = Duration::from_millis(1);

/// Long writes of one turn; each is of at most
/// [`FanoutConfig::joined_write`](crate::FanoutConfig::joined_write) bytes, or one larger frame.
pub(crate) const LONG_WRITES: usize = 16;

/// How a stream stands to its next long write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Long {
    /// It has not asked.
    #[default]
    No,
    /// It waits for its turn, and is in the queue.
    Waits,
    /// It is its turn.
    Granted,
}

impl Core {
    /// A stream wants to do a long write. Says whether it may now; else it waits, and is woken when it may.
    pub(crate) fn may_write_long(&mut self, slot: u32) -> bool {
        let Some(state) = self.slots.get_mut(slot) else { return false };
        match state.long {
            Long::Granted => state.long = Long::No,
            Long::Waits => return false,
            Long::No if self.long_left > 0 && self.long.is_empty() => self.long_left -= 1,
            Long::No => {
                state.long = Long::Waits;
                self.long.push_back(slot);
                return false;
            }
        }
        true
    }

    /// Gives the next turns. Says whether there are more who wait.
    pub(crate) fn next_long(&mut self) -> bool {
        let stall_at = self.stall_at();
        self.long_left = LONG_WRITES;
        while self.long_left > 0
            && let Some(slot) = self.long.pop_front()
        {
            // Its stream may have left, and another one have the slot.
            if let Some(slot) = self.slots.get_mut(slot).filter(|slot| slot.long == Long::Waits) {
                slot.long = Long::Granted;
                self.long_left -= 1;
                self.woken.extend(slot.wake(stall_at));
            }
        }
        !self.long.is_empty()
    }

    /// Whether a tail has more than what a stream at `cursor` has taken.
    pub(crate) fn has_more(&self, members: &Members, cursor: Seq) -> bool {
        let mut channels = members.as_slice().iter().filter_map(|member| self.channels.get(member.channel));
        channels.any(|channel| channel.tail.last() > cursor)
    }
}

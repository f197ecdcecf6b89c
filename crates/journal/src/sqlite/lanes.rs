use std::collections::VecDeque;

/// No slot.
const NONE: u32 = u32::MAX;

/// Queues that are taken from in turn, some items at a time, each first in, first out.
///
/// All items live in one pool of slots, and only lanes that hold something are in the ring: a lane costs a few bytes,
/// an item no allocation of its own, and a turn the same however many lanes there are.
pub(super) struct Lanes<T> {
    slots: Vec<Slot<T>>,
    /// The first free slot.
    free: u32,
    ends: Vec<Ends>,
    /// The lanes that hold something, each once, the next one first.
    ring: VecDeque<usize>,
    /// What the first lane had of its turn.
    had: usize,
    /// Items that a lane gives in one turn at most.
    turn: usize,
    len: usize,
}

/// Room for one item.
struct Slot<T> {
    /// Nothing in a free one.
    item: Option<T>,
    /// The next one of the same lane, or the next free one.
    next: u32,
}

/// Where one lane begins and ends.
struct Ends {
    /// Nothing in an empty lane.
    first: u32,
    /// Means nothing in an empty lane.
    last: u32,
}

impl<T> Lanes<T> {
    pub(super) fn new(turn: usize) -> Self {
        Self { slots: Vec::new(), free: NONE, ends: Vec::new(), ring: VecDeque::new(), had: 0, turn, len: 0 }
    }

    /// Opens a lane; lanes are numbered from 0 on.
    pub(super) fn open(&mut self) -> usize {
        self.ends.push(Ends { first: NONE, last: NONE });
        self.ends.len() - 1
    }

    /// Adds an item at the end of a lane.
    pub(super) fn push(&mut self, lane: usize, item: T) {
        let slot = self.occupy(item);
        let Ends { first, last } = &mut self.ends[lane];
        if *first == NONE {
            *first = slot;
            self.ring.push_back(lane);
        } else {
            self.slots[*last as usize].next = slot;
        }
        *last = slot;
        self.len += 1;
    }

    /// Takes the first item of the lane whose turn it is, and says which lane that is.
    pub(super) fn pop(&mut self) -> Option<(usize, T)> {
        let lane = *self.ring.front()?;
        let first = self.ends[lane].first;
        let slot = &mut self.slots[first as usize];
        let item = slot.item.take();
        let next = std::mem::replace(&mut slot.next, self.free);
        self.free = first;
        self.ends[lane].first = next;
        self.had += 1;
        self.len -= 1;
        if next == NONE {
            self.had = 0;
            self.ring.pop_front();
        } else if self.had >= self.turn {
            self.pass(lane);
        }
        item.map(|item| (lane, item))
    }

    /// Ends a lane's turn, if it is its turn.
    pub(super) fn pass(&mut self, lane: usize) {
        if self.had > 0 && self.ring.front() == Some(&lane) {
            self.had = 0;
            self.ring.rotate_left(1);
        }
    }

    /// Items in all lanes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn occupy(&mut self, item: T) -> u32 {
        if let Some(slot) = self.slots.get_mut(self.free as usize) {
            let taken = self.free;
            self.free = std::mem::replace(&mut slot.next, NONE);
            slot.item = Some(item);
            return taken;
        }
        self.slots.push(Slot { item: Some(item), next: NONE });
        u32::try_from(self.slots.len() - 1).expect("the queue's bound is far below 2^32")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(lanes: &mut Lanes<u32>) -> Vec<(usize, u32)> {
        std::iter::from_fn(|| lanes.pop()).collect()
    }

    #[test]
    fn lanes_take_turns() {
        for (turn, expected) in [
            (1, [(0, 1), (1, 4), (2, 5), (0, 2), (1, 6), (0, 3)]),
            (2, [(0, 1), (0, 2), (1, 4), (1, 6), (2, 5), (0, 3)]),
            (3, [(0, 1), (0, 2), (0, 3), (1, 4), (1, 6), (2, 5)]),
        ] {
            let mut lanes = Lanes::new(turn);
            let [a, b, c] = [0; 3].map(|_| lanes.open());
            for (lane, item) in [(a, 1), (a, 2), (a, 3), (b, 4), (c, 5), (b, 6)] {
                lanes.push(lane, item);
            }
            assert_eq!(drain(&mut lanes), expected, "{turn} at a time");
            assert_eq!(lanes.len(), 0);
        }
    }

    #[test]
    fn a_turn_ends_with_what_its_lane_holds() {
        let mut lanes = Lanes::new(2);
        let [a, b] = [0; 2].map(|_| lanes.open());
        for (lane, item) in [(a, 1), (b, 2)] {
            lanes.push(lane, item);
        }
        assert_eq!(lanes.pop(), Some((a, 1)));
        lanes.push(a, 3);
        assert_eq!(drain(&mut lanes), [(b, 2), (a, 3)], "an empty lane's turn is over");
    }

    #[test]
    fn a_turn_can_end_early() {
        let mut lanes = Lanes::new(3);
        let [a, b] = [0; 2].map(|_| lanes.open());
        for (lane, item) in [(a, 1), (a, 2), (b, 3), (b, 4)] {
            lanes.push(lane, item);
        }
        assert_eq!(lanes.pop(), Some((a, 1)));
        lanes.pass(a);
        lanes.pass(b);
        assert_eq!(drain(&mut lanes), [(b, 3), (b, 4), (a, 2)], "b's turn had not begun");
    }

    #[test]
    fn slots_are_used_again() {
        let mut lanes = Lanes::new(2);
        let lane = lanes.open();
        for round in 0..10 {
            for item in 0..5 {
                lanes.push(lane, round * 5 + item);
            }
            drain(&mut lanes);
        }
        assert_eq!(lanes.slots.len(), 5);
    }

    proptest! {
        #[test]
        fn a_lane_is_first_in_first_out_and_waits_one_turn_of_each_other(
            turn in 1..5_usize, steps in prop::collection::vec(prop::option::weighted(0.6, 0..5_usize), 1..200)
        ) {
            let mut lanes = Lanes::new(turn);
            let mut model: Vec<VecDeque<u32>> = (0..5).map(|_| VecDeque::new()).collect();
            // How many items of others each lane has waited for with something in it.
            let mut waited = [0; 5];
            for _ in 0..5 {
                lanes.open();
            }
            for (item, step) in (0..).zip(steps) {
                if let Some(lane) = step {
                    lanes.push(lane, item);
                    model[lane].push_back(item);
                } else if let Some((lane, item)) = lanes.pop() {
                    prop_assert_eq!(model[lane].pop_front(), Some(item));
                    for (other, waited) in waited.iter_mut().enumerate() {
                        *waited = if other == lane || model[other].is_empty() { 0 } else { *waited + 1 };
                        prop_assert!(*waited <= 4 * turn);
                    }
                }
                prop_assert_eq!(lanes.len(), model.iter().map(VecDeque::len).sum::<usize>());
            }
        }
    }
}

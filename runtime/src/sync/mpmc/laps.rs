//! Which slot does a position fall on, and which position comes next?
//!
//! | bits | of a position |
//! |---|---|
//! | 0, 1 | 0: they are for the flags of the word it stands in |
//! | as many as the capacity needs | index of the slot |
//! | the rest | lap |
//!
//! So the ring has exactly as many slots as were asked for, and no position is ever divided. Laps begin anew after they have used up their bits: 2^(62 - bits of the index).

/// From one slot to the next.
pub(super) const STEP: usize = 1 << 2;

/// The arithmetic of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laps {
    capacity: usize,
    /// What is added to a position to come to the same slot again. A power of 2, more than STEP, so that a full slot's stamp is not the next lap's.
    lap: usize,
}

impl Laps {
    /// # Panics
    ///
    /// If there are no slots or too many.
    pub(super) fn new(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a channel of no capacity does not exist; give it at least 1"
        );
        assert!(
            capacity <= usize::MAX / STEP / 4,
            "so many messages do not fit into memory"
        );
        let slots = capacity.next_power_of_two().max(2);
        Self {
            capacity,
            lap: slots * STEP,
        }
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity
    }

    #[inline(always)]
    pub(super) fn index(self, position: usize) -> usize {
        (position & (self.lap - 1)) / STEP
    }

    /// The position `by` slots further on; at most the capacity.
    #[inline(always)]
    pub(super) fn later(self, position: usize, by: usize) -> usize {
        if self.index(position) + by < self.capacity {
            position.wrapping_add(by * STEP)
        } else {
            // What is left over of the lap's indices belongs to no slot.
            let unused = self.lap - self.capacity * STEP;
            position.wrapping_add(by * STEP + unused)
        }
    }

    /// The same slot a lap later.
    #[inline(always)]
    pub(super) fn lap_later(self, position: usize) -> usize {
        position.wrapping_add(self.lap)
    }

    /// How many slots `to` is ahead of `from`, if it is that by at most the capacity.
    #[inline]
    pub(super) fn distance(self, from: usize, to: usize) -> Option<usize> {
        let laps = (to & !(self.lap - 1)).wrapping_sub(from & !(self.lap - 1));
        let (from, to) = (self.index(from), self.index(to));
        if laps == 0 {
            to.checked_sub(from)
        } else if laps == self.lap && to <= from {
            Some(self.capacity - from + to)
        } else {
            None
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn positions_walk_around_the_ring_and_begin_anew() {
        for capacity in [1, 2, 3, 4, 5, 7, 8] {
            let laps = Laps::new(capacity);
            // Beginning shortly before positions overflow.
            let begin = 0_usize.wrapping_sub(laps.lap * 2);
            let walk: Vec<_> = std::iter::successors(Some(begin), |at| Some(laps.later(*at, 1)))
                .take(5 * capacity)
                .collect();
            for (number, position) in walk.iter().enumerate() {
                assert_eq!(laps.index(*position), number % capacity);
                for by in 0..=capacity {
                    let Some(later) = walk.get(number + by) else {
                        break;
                    };
                    assert_eq!(laps.later(*position, by), *later);
                    assert_eq!(laps.distance(*position, *later), Some(by));
                    if by > 0 {
                        assert_eq!(laps.distance(*later, *position), None);
                    }
                }
                if let Some(further) = walk.get(number + capacity + 1) {
                    assert_eq!(laps.distance(*position, *further), None);
                }
                assert_eq!(
                    walk.get(number + capacity)
                        .copied()
                        .unwrap_or(laps.lap_later(*position)),
                    laps.lap_later(*position)
                );
                assert_ne!(position.wrapping_add(STEP), laps.lap_later(*position));
            }
        }
    }

    #[test]
    #[should_panic(expected = "at least 1")]
    fn no_slots_are_refused() {
        Laps::new(0);
    }

    #[test]
    #[should_panic(expected = "do not fit into memory")]
    fn too_many_slots_are_refused() {
        Laps::new(usize::MAX / STEP / 4 + 1);
    }
}

//! Whose is a descriptor's number?
//!
//! Numbers are small and dense, but those of one poller are only some of them: every worker has some. So each group of numbers has a bit for each of its numbers, and the
//! slots of those that are there side by side; a slot's place is the count of the bits before its own.
//!
//! | | bytes for each descriptor |
//! |---|---|
//! | this, if every number is there | 4.3 |
//! | this, if one of 16 is there, as with so many workers | 6 to 8 |
//! | an array by number | 4 for each worker |
//! | `HashMap<RawFd, u32>` | 10 to 21, twice that for a moment when it grows |
//!
//! A group without numbers is freed. What remains is a pointer for each group up to the highest number there ever was, a thirty-second of a byte for each number, where the kernel's own table has eight.

use std::os::fd::RawFd;

/// The slot that each number belongs to, if it belongs to one.
#[derive(Debug, Default)]
pub(super) struct Owners {
    groups: Vec<Option<Box<Group>>>,
}

#[derive(Debug, Default)]
struct Group {
    /// Which numbers are there.
    present: [u64; WORDS],
    /// Their slots, in the order of the numbers.
    slots: Vec<u32>,
}

/// How many numbers a group has. With more, a newcomer moves more of the others aside; with fewer, a number pays for more of its group.
const GROUP: usize = WORDS * u64::BITS as usize;

const WORDS: usize = 4;

/// A group makes room for so many slots at a time, since doubling would leave a quarter of it empty.
const STEP: usize = 8;

impl Owners {
    /// The number is this slot's from now on. Whose it was until now is given back.
    pub(super) fn insert(&mut self, number: RawFd, slot: u32) -> Option<u32> {
        let (group, at) = split(number);
        if group >= self.groups.len() {
            self.groups.resize_with(group + 1, || None);
        }
        let group = self.groups[group].get_or_insert_default();
        match group.place(at) {
            Ok(place) => Some(std::mem::replace(&mut group.slots[place], slot)),
            Err(place) => {
                group.insert(at, place, slot);
                None
            }
        }
    }

    /// The number is this slot's from now on, unless it is somebody's already. Whether it was not.
    pub(super) fn try_insert(&mut self, number: RawFd, slot: u32) -> bool {
        let (group, at) = split(number);
        let found = self.groups.get(group).and_then(Option::as_ref);
        if found.is_some_and(|group| group.place(at).is_ok()) {
            return false;
        }
        self.insert(number, slot);
        true
    }

    /// The number is nobody's any more, if it is this slot's. False if it is not.
    pub(super) fn remove(&mut self, number: RawFd, slot: u32) -> bool {
        let (group, at) = split(number);
        let Some(Some(found)) = self.groups.get_mut(group) else {
            return false;
        };
        let Some(place) = (found.place(at).ok()).filter(|&place| found.slots[place] == slot) else {
            return false;
        };
        found.remove(at, place);
        if found.slots.is_empty() {
            self.groups[group] = None;
        }
        true
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(Option::is_none)
    }
}

impl Group {
    /// Where the slot of a number is among the slots, or would be.
    fn place(&self, at: usize) -> Result<usize, usize> {
        let (word, bit) = word_of(at);
        let before = self.present[..word].iter().map(|word| word.count_ones());
        let below = (self.present[word] & (bit - 1)).count_ones();
        let place = (before.sum::<u32>() + below) as usize;
        match self.present[word] & bit {
            0 => Err(place),
            _ => Ok(place),
        }
    }

    fn insert(&mut self, at: usize, place: usize, slot: u32) {
        let (word, bit) = word_of(at);
        self.present[word] |= bit;
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(STEP);
        }
        self.slots.insert(place, slot);
    }

    fn remove(&mut self, at: usize, place: usize) {
        let (word, bit) = word_of(at);
        self.present[word] &= !bit;
        self.slots.remove(place);
    }
}

/// A number's group, and which of the group's numbers it is.
fn split(number: RawFd) -> (usize, usize) {
    // The kernel has taken it, so it is not negative.
    let number = number as u32 as usize;
    (number / GROUP, number % GROUP)
}

fn word_of(at: usize) -> (usize, u64) {
    (at / u64::BITS as usize, 1 << (at % u64::BITS as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn a_number_belongs_to_the_last_one() {
        let mut owners = Owners::default();
        assert_eq!(owners.insert(5, 1), None);
        assert!(!owners.try_insert(5, 7));
        assert_eq!(owners.insert(5, 2), Some(1));
        assert!(!owners.remove(5, 1), "no longer its own");
        assert!(!owners.remove(6, 2) && !owners.remove(5000, 2));
        assert!(owners.remove(5, 2));
        assert!(!owners.remove(5, 2));
        assert!(owners.is_empty());
    }

    #[test]
    fn what_is_far_apart_costs_no_more_than_the_groups_it_is_in() {
        let mut owners = Owners::default();
        for number in [0, RawFd::MAX / 1024] {
            assert_eq!(owners.insert(number, 7), None);
        }
        let there = |owners: &Owners| owners.groups.iter().flatten().count();
        assert_eq!(there(&owners), 2);
        assert!(owners.remove(0, 7));
        assert_eq!(there(&owners), 1);
    }

    #[test]
    fn a_group_has_little_more_room_than_it_needs() {
        let mut owners = Owners::default();
        for number in 0..GROUP {
            owners.insert(number as RawFd, number as u32);
            let group = owners.groups[0].as_ref().unwrap();
            assert!(group.slots.capacity() < group.slots.len() + STEP);
        }
        assert_eq!(owners.groups.len(), 1);
    }

    proptest! {
        /// Against a map, with numbers around the bounds of words and groups.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<bool>(), 0_i32..600, 0_u32..3), 0..300)) {
            let (mut owners, mut map) = (Owners::default(), HashMap::new());
            for (is_insert, number, slot) in steps {
                if is_insert {
                    prop_assert_eq!(owners.insert(number, slot), map.insert(number, slot));
                } else {
                    let is_its_own = map.get(&number) == Some(&slot);
                    if is_its_own {
                        map.remove(&number);
                    }
                    prop_assert_eq!(owners.remove(number, slot), is_its_own);
                }
            }
            for (number, slot) in map {
                prop_assert!(owners.remove(number, slot));
            }
            prop_assert!(owners.is_empty());
        }
    }
}

//! The wheel against a sorted map that does the same slowly.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::pin::Pin;

/// A wheel with its entries, and the map beside it.
struct Twins {
    wheel: Wheel,
    entries: Vec<Pin<Box<Entry>>>,
    /// Index of entry -> when it is due, of those in the wheel.
    oracle: BTreeMap<usize, u64>,
    now: u64,
}

impl Twins {
    fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            entries: Vec::new(),
            oracle: BTreeMap::new(),
            now: 0,
        }
    }

    fn at(now: u64) -> Self {
        let mut twins = Self::new();
        twins.advance_to(now);
        twins
    }

    fn arm(&mut self, tick: u64) -> usize {
        let entry = Box::pin(Entry::new());
        // SAFETY: the entry is boxed, on no list, and kept in `entries` until the wheel is dropped.
        unsafe { self.wheel.insert(NonNull::from(&*entry), tick) };
        self.entries.push(entry);
        let due = tick.max(self.wheel.elapsed);
        self.oracle.insert(self.entries.len() - 1, due);
        self.check_next();
        self.entries.len() - 1
    }

    fn cancel(&mut self, index: usize) {
        if self.oracle.remove(&index).is_none() {
            return;
        }
        // SAFETY: the oracle says that it is in the wheel.
        unsafe { self.wheel.remove(NonNull::from(&*self.entries[index])) };
        self.check_next();
    }

    /// Takes `steps` at most towards `now`; true when there.
    fn advance_some(&mut self, now: u64, steps: usize) -> bool {
        self.now = self.now.max(now);
        for _ in 0..steps {
            match self.wheel.step(now) {
                Step::Due(entry) => self.fired(entry, now),
                Step::Moved => {}
                Step::Done => {
                    let late = self.oracle.values().filter(|&&tick| tick <= now).count();
                    assert_eq!(late, 0, "due at {now} and still in the wheel");
                    return true;
                }
            }
            self.check_next();
        }
        false
    }

    fn advance_to(&mut self, now: u64) {
        // Each entry moves down a level, or out of the parking list, at each step; an emptied parking list costs one.
        let steps_max = (self.oracle.len() + 1) * (LEVELS + 2) + 1;
        assert!(self.advance_some(now, steps_max), "too many steps");
        assert!(self.wheel.next_tick() > now);
        self.check_next();
    }

    fn fired(&mut self, entry: NonNull<Entry>, now: u64) {
        let index = self.index_of(entry);
        let tick = self
            .oracle
            .remove(&index)
            .expect("fired while not in the wheel");
        assert!(tick <= now, "fired {tick} at {now}");
        let earlier = self.oracle.values().filter(|&&other| other < tick);
        assert_eq!(
            earlier.count(),
            0,
            "{tick} overtook one that was due before"
        );
    }

    fn index_of(&self, entry: NonNull<Entry>) -> usize {
        let same =
            |candidate: &Pin<Box<Entry>>| std::ptr::eq(&raw const **candidate, entry.as_ptr());
        self.entries.iter().position(same).expect("not one of ours")
    }

    fn check_next(&self) {
        let next = self.wheel.next_tick();
        match self.oracle.values().min() {
            None => assert_eq!(next, NEVER),
            Some(&tick) => assert!(next <= tick.max(self.now), "next {next}, earliest {tick}"),
        }
    }
}

/// Distances at which the level or the slot changes, and their neighbours.
fn boundary() -> impl Strategy<Value = u64> {
    (0..=RANGE_BITS + 1, -2i64..=2)
        .prop_map(|(bits, off)| (1u64 << bits).saturating_add_signed(off))
}

fn distance() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..200,
        3 => boundary(),
        2 => 0u64..1 << 20,
        1 => any::<u64>(),
        1 => Just(TICK_MAX),
    ]
}

#[derive(Debug, Clone)]
enum Deed {
    Arm(u64),
    ArmLate(u64),
    Cancel(prop::sample::Index),
    Advance(u64),
    /// Part of the way, so that slots are left half moved.
    AdvanceSome(u64, usize),
    AdvanceToNext,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => distance().prop_map(Deed::Arm),
        1 => distance().prop_map(Deed::ArmLate),
        3 => any::<prop::sample::Index>().prop_map(Deed::Cancel),
        3 => prop_oneof![6 => 0u64..5000, 2 => boundary(), 1 => distance()].prop_map(Deed::Advance),
        3 => (prop_oneof![0u64..5000, boundary()], 0usize..6).prop_map(|(by, steps)| Deed::AdvanceSome(by, steps)),
        3 => Just(Deed::AdvanceToNext),
    ]
}

fn run(start: u64, deeds: Vec<Deed>) {
    let mut twins = Twins::at(start.min(TICK_MAX));
    for deed in deeds {
        let now = twins.now;
        let after = |by: u64| now.saturating_add(by).min(TICK_MAX);
        match deed {
            Deed::Arm(by) => drop(twins.arm(after(by))),
            Deed::ArmLate(by) => drop(twins.arm(now.saturating_sub(by))),
            Deed::Cancel(_) if twins.entries.is_empty() => {}
            Deed::Cancel(index) => twins.cancel(index.index(twins.entries.len())),
            Deed::Advance(by) => twins.advance_to(after(by)),
            Deed::AdvanceSome(by, steps) => drop(twins.advance_some(after(by), steps)),
            Deed::AdvanceToNext => twins.advance_to(twins.wheel.next_tick().min(TICK_MAX)),
        }
    }
    twins.advance_to(TICK_MAX);
    assert!(twins.oracle.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

    #[test]
    #[cfg_attr(miri, ignore = "proptest wants the file system; `a_walk_over_the_boundaries` stands in")]
    fn does_what_a_sorted_map_does(start in prop_oneof![Just(0), distance()], deeds in prop::collection::vec(deed(), 0..60)) {
        run(start, deeds);
    }
}

#[test]
fn each_boundary_is_met_exactly() {
    let boundaries = (1..=LEVELS as u32).map(|level| 1u64 << (level * DIGIT_BITS));
    for boundary in boundaries {
        for tick in boundary - 2..=boundary + 2 {
            for start in [0, 1, 63, 64, boundary - 1] {
                if start > tick {
                    continue;
                }
                let mut twins = Twins::at(start);
                twins.arm(tick);
                twins.advance_to(tick - 1);
                assert_eq!(twins.oracle.len(), 1, "{tick} fired early from {start}");
                twins.advance_to(tick);
                assert_eq!(twins.oracle.len(), 0, "{tick} late from {start}");
            }
        }
    }
}

#[test]
fn a_walk_over_the_boundaries() {
    let deeds = (0..=RANGE_BITS + 1)
        .flat_map(|bits| [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1])
        .flat_map(|by| [Deed::Arm(by), Deed::Arm(by), Deed::AdvanceSome(by, 1)])
        .chain([
            Deed::AdvanceToNext,
            Deed::Advance(1 << 37),
            Deed::Advance(u64::MAX),
        ]);
    run(0, deeds.collect());
}

#[test]
fn what_is_late_is_due_at_once() {
    let mut twins = Twins::at(1000);
    twins.arm(3);
    assert_eq!(twins.wheel.next_tick(), 1000);
    twins.advance_to(1000);
    assert!(twins.oracle.is_empty());
}

#[test]
fn the_last_tick_can_be_reached() {
    let mut twins = Twins::at(TICK_MAX - 1);
    twins.arm(TICK_MAX);
    twins.advance_to(TICK_MAX);
    assert!(twins.oracle.is_empty());
    assert_eq!(twins.wheel.next_tick(), NEVER);
}

#[test]
fn a_leap_over_years_takes_no_more_steps_than_there_are_entries() {
    let mut twins = Twins::new();
    for tick in [1, 64, 4096, 1 << 18, 1 << 24, 1 << 30, 1 << 36, 1 << 40] {
        twins.arm(tick);
    }
    // Each entry moves once per level at most, and is handed out once.
    let steps_max = 8 * (LEVELS + 1) + 1;
    assert!(twins.advance_some(1 << 50, steps_max));
    assert!(twins.oracle.is_empty());

    twins.arm(TICK_MAX);
    twins.advance_to(TICK_MAX);
    assert!(twins.oracle.is_empty());
}

#[test]
fn one_slot_keeps_the_order_of_arming() {
    let mut twins = Twins::new();
    let armed: Vec<usize> = (0..100).map(|_| twins.arm(5000)).collect();
    let mut fired = Vec::new();
    loop {
        match twins.wheel.step(5000) {
            Step::Due(entry) => fired.push(twins.index_of(entry)),
            Step::Moved => {}
            Step::Done => break,
        }
    }
    assert_eq!(fired, armed);
}

#[test]
fn everything_can_be_taken_out_undue() {
    let mut twins = Twins::at(77);
    for by in [0, 1, 63, 64, 5000, 1 << 33, 1 << 38] {
        twins.arm(77 + by);
    }
    let taken = std::iter::from_fn(|| twins.wheel.pop_any()).count();
    assert_eq!(taken, 7);
    assert_eq!(twins.wheel.next_tick(), NEVER);
}

//! Beside a model of it, and with real threads and barriers.

use super::*;
use crate::sys::rng::XorShift;
use std::collections::VecDeque;

fn pointer(n: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(n)).expect("not null")
}

fn number(pointer: NonNull<u8>) -> usize {
    pointer.as_ptr().addr()
}

/// Beside a model of it, with thefts at random, from positions that wrap.
#[test]
fn first_in_first_out_with_thefts() {
    barrier::init();
    for seed in 1..if cfg!(miri) { 2 } else { 50 } {
        let random = XorShift::new(seed);
        let start = 0usize.wrapping_sub(BLOCK_SLOTS * (seed as usize % 3));
        let ((victim, queue), (thief, loot)) = (new_at::<u8>(start), new_at::<u8>(start));
        let (mut expected, mut stolen, mut next) = (VecDeque::new(), VecDeque::new(), 1);
        for _ in 0..if cfg!(miri) { 8 } else { 500 } {
            for _ in 0..random.below(2 * BLOCK_SLOTS as u32) {
                victim.push(pointer(next));
                expected.push_back(next);
                next += 1;
            }
            for _ in 0..random.below(2 * BLOCK_SLOTS as u32) {
                assert_eq!(victim.pop().map(number), expected.pop_front());
            }
            assert_eq!(queue.len(), expected.len());
            if random.below(3) == 0 {
                let count = expected.len().div_ceil(2).min(700);
                let first = if count > 0 {
                    expected.pop_front()
                } else {
                    None
                };
                assert_eq!(queue.steal_into(&thief, 700).map(number), first);
                stolen.extend(expected.drain(..count.saturating_sub(1)));
                assert_eq!((queue.len(), loot.len()), (expected.len(), stolen.len()));
            }
            for _ in 0..random.below(BLOCK_SLOTS as u32) {
                assert_eq!(thief.pop().map(number), stolen.pop_front());
            }
            if random.below(10) == 0 {
                victim.trim();
            }
        }
    }
}

/// The newest come first as long as they are young and in the last block; thefts, pushes and pops in between, beside a model.
#[test]
fn newest_first_while_young() {
    barrier::init();
    for seed in 1..if cfg!(miri) { 2 } else { 50 } {
        let random = XorShift::new(seed);
        let start = 0usize.wrapping_sub(BLOCK_SLOTS * (seed as usize % 3));
        let ((owner, queue), (thief, _)) = (new_at::<u8>(start), new_at::<u8>(start));
        let (mut expected, mut young, mut next) = (VecDeque::new(), 0, 1);
        for _ in 0..if cfg!(miri) { 20 } else { 3000 } {
            match random.below(8) {
                0 => {
                    owner.age();
                    young = 0;
                }
                1 => {
                    let count = expected.len().div_ceil(2).min(5);
                    let stolen: Vec<_> = expected.drain(..count).collect();
                    let first = queue.steal_into(&thief, 5).map(number);
                    let rest = std::iter::from_fn(|| thief.pop().map(number));
                    assert_eq!(first.into_iter().chain(rest).collect::<Vec<_>>(), stolen);
                }
                2 => assert_eq!(owner.pop().map(number), expected.pop_front()),
                3 | 4 => match owner.pop_newest().map(number) {
                    Some(newest) => {
                        assert!(young > 0);
                        assert_eq!(Some(newest), expected.pop_back());
                        young -= 1;
                    }
                    None => assert!(
                        young == 0 || expected.is_empty() || owner.tail.get() % BLOCK_SLOTS == 0
                    ),
                },
                _ => {
                    owner.push(pointer(next));
                    expected.push_back(next);
                    (next, young) = (next + 1, young + 1);
                }
            }
            young = young.min(expected.len());
            assert_eq!(queue.len(), expected.len());
        }
    }
}

/// A thief ran what it had stolen from the new end, and so out of its order.
#[test]
fn what_was_stolen_is_not_young() {
    barrier::init();
    let ((owner, queue), (thief, _)) = (Owner::<u8>::new(), Owner::new());
    (1..=6).for_each(|n| owner.push(pointer(n)));
    assert_eq!(queue.steal_into(&thief, 3), Some(pointer(1)));
    assert_eq!(thief.pop_newest(), None);
    thief.push(pointer(7));
    assert_eq!(thief.pop_newest(), Some(pointer(7)));
    assert_eq!(thief.pop_newest(), None);
    assert_eq!([thief.pop(), thief.pop()], [2, 3].map(|n| Some(pointer(n))));
}

#[test]
fn a_burst_leaves_nothing_behind() {
    let (owner, queue) = Owner::<u8>::new();
    for _ in 0..2 {
        (1..=10 * BLOCK_SLOTS).for_each(|n| owner.push(pointer(n)));
        while owner.pop().is_some() {}
        assert!(queue.is_empty() && owner.has_excess());
        owner.trim();
    }
    assert!(owner.has_excess(), "they were needed a moment ago");
    owner.trim();
    assert!(!owner.has_excess());
}

#[test]
fn what_was_stolen_is_not_counted_though_the_owner_is_busy() {
    barrier::init();
    let ((owner, queue), (thief, _)) = (Owner::<u8>::new(), Owner::new());
    owner.push(pointer(1));
    assert_eq!(queue.steal_into(&thief, 1), Some(pointer(1)));
    assert!(queue.is_empty());
    assert_eq!((owner.pop(), owner.len()), (None, 0));
}

/// Each task comes out once, whoever takes it, with the real barriers.
#[test]
fn each_comes_out_once() {
    barrier::init();
    const ALL: usize = if cfg!(miri) { 150 } else { 1_000_000 };
    let (owner, queue) = Owner::<u8>::new();
    let done = AtomicUsize::new(0);
    let taken: Vec<_> = (0..=ALL).map(|_| AtomicUsize::new(0)).collect();
    let take = |item: NonNull<u8>| {
        taken[number(item)].fetch_add(1, Ordering::Relaxed);
        done.fetch_add(1, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (thief, _) = Owner::new();
                while done.load(Ordering::Relaxed) < ALL {
                    queue.steal_into(&thief, 64).into_iter().for_each(take);
                    std::iter::from_fn(|| thief.pop()).for_each(take);
                    std::thread::yield_now();
                }
            });
        }
        let random = XorShift::new(7);
        let mut next = 1;
        while next <= ALL {
            let more = 1 + random.below(100) as usize;
            for n in next..=ALL.min(next + more) {
                owner.push(pointer(n));
            }
            next = ALL.min(next + more) + 1;
            for _ in 0..random.below(120) {
                owner.pop_newest().into_iter().for_each(take);
                owner.pop().into_iter().for_each(take);
            }
        }
        while done.load(Ordering::Relaxed) < ALL {
            owner.pop().into_iter().for_each(take);
            std::thread::yield_now();
        }
    });
    assert!(
        taken[1..]
            .iter()
            .all(|times| times.load(Ordering::Relaxed) == 1)
    );
}

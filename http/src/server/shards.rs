//! How do many threads count without writing to each other's cache lines?
//!
//! Each thread that counts has a number, the lowest that is free when it first counts, which it gives back when it ends; and each thing that is counted by all has a [`Shard`] for each
//! number. A thread is alone with its shard, so it adds with a load and a store; who wants to know reads all shards and adds them up. Threads beyond the shards there are share one, and add
//! with a locked instruction.
//!
//! Rejected: one counter for all (each request of each core would wait for the one cache line that all write, some 100 ns with 64 cores and more with each); counters of the runtime's own
//! workers (a handler may be polled on a spare worker, or on the thread of `block_on`).

use super::shutdown::Lock;
use std::cell::Cell;
use std::ops::Deref;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value with cache lines of its own: two of them, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A value for each thread, and one for those for which there is none.
#[derive(Debug)]
pub(crate) struct Shards<T> {
    own: Box<[Padded<T>]>,
    shared: Padded<T>,
}

/// What a thread may write to.
#[derive(Debug)]
pub(crate) struct Shard<'a, T> {
    value: &'a T,
    /// Whether nobody else writes to it.
    is_own: bool,
}

/// Least and most shards. A runtime has some threads beyond its workers that may poll a handler; a shard of a server is some hundred bytes.
const SHARDS_MIN: usize = 8;
const SHARDS_MAX: usize = 512;

impl<T: Default> Shards<T> {
    /// A shard for each thread that a machine of this size is expected to have.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with((cores * 2).clamp(SHARDS_MIN, SHARDS_MAX))
    }

    /// Shards for so many threads.
    pub(crate) fn with(own: usize) -> Self {
        Self {
            own: (0..own).map(|_| Padded::default()).collect(),
            shared: Padded::default(),
        }
    }
}

impl<T> Shards<T> {
    /// That of the calling thread.
    #[inline]
    pub(crate) fn mine(&self) -> Shard<'_, T> {
        match self.own.get(NUMBER.get()) {
            Some(value) => Shard {
                value,
                is_own: true,
            },
            None => self.mine_slow(),
        }
    }

    /// The same the first time, and for threads beyond the shards.
    #[cold]
    fn mine_slow(&self) -> Shard<'_, T> {
        take_number();
        match self.own.get(NUMBER.get()) {
            Some(value) => Shard {
                value,
                is_own: true,
            },
            None => Shard {
                value: &self.shared,
                is_own: false,
            },
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let own = self.own.iter().map(|shard| &shard.0);
        own.chain([&self.shared.0])
    }
}

impl<T> Clone for Shard<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shard<'_, T> {}

impl<'a, T> Shard<'a, T> {
    /// Adds to one of its counters.
    #[inline]
    pub(crate) fn add(&self, count: impl FnOnce(&'a T) -> &'a Count, n: u64) {
        count(self.value).add(n, self.is_own);
    }

    #[inline]
    pub(crate) fn get(&self) -> &'a T {
        self.value
    }

    /// Whether nobody else writes to it.
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.is_own
    }
}

/// A counter of a shard. It wraps around.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    fn add(&self, n: u64, is_own: bool) {
        // ORDERING: Relaxed, all of it: plainly a counter. The next thread of this number takes it out of the lock that this one puts it into.
        if is_own {
            let before = self.0.load(Ordering::Relaxed);
            self.0.store(before.wrapping_add(n), Ordering::Relaxed);
        } else {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Numbers that no living thread has.
struct Numbers {
    free: Vec<usize>,
    next: usize,
}

static NUMBERS: Lock<Numbers> = Lock::new(Numbers {
    free: Vec::new(),
    next: 0,
});

/// What gives a thread's number back when it ends.
struct Taken;

impl Taken {
    fn take() -> Self {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let lowest = (0..numbers.free.len()).min_by_key(|at| numbers.free[*at]);
        let number = match lowest {
            Some(at) => numbers.free.swap_remove(at),
            None => {
                numbers.next += 1;
                numbers.next - 1
            }
        };
        NUMBER.set(number);
        Self
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.free.push(NUMBER.replace(NONE));
    }
}

/// Of a thread that has no number, or is ending: none that a shard could have.
const NONE: usize = usize::MAX;

thread_local! {
    // Apart from what gives it back, which makes each look at it cost a check.
    static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    static TAKEN: Taken = Taken::take();
}

/// Gives the thread a number if it has none and is not ending.
#[cold]
fn take_number() {
    let _ = TAKEN.try_with(|_| ());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// As many threads as there are shards, one fewer, and one more: nothing is lost.
    #[test]
    fn threads_count_together() {
        const TIMES: u64 = 10_000;
        for threads in [1, 3, 4, 5, 9] {
            let shards = Shards::<Count>::with(4);
            let all_count = Barrier::new(threads);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let shard = shards.mine();
                        all_count.wait();
                        for _ in 0..TIMES {
                            shard.add(|count| count, 1);
                        }
                        all_count.wait();
                    });
                }
            });
            let sum: u64 = shards.iter().map(Count::get).sum();
            assert_eq!(sum, threads as u64 * TIMES);
        }
    }

    #[test]
    fn living_threads_have_different_numbers() {
        let number = || {
            take_number();
            NUMBER.get()
        };
        let here = number();
        let there = std::thread::spawn(number).join().expect("no panic");
        assert!(here != there && there != NONE);
        assert_eq!(number(), here);
    }
}

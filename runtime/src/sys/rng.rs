//! Where do random numbers come from?
//!
//! Two layers. A [`RandomSource`] gives each worker a seed when its runtime is built: the kernel's entropy, or
//! in a simulation a sequence that one number decides. From its seed each worker draws with [`XorShift`], which
//! is a multiplication and three shifts on memory nobody else touches: a few nanoseconds, and no lock or system
//! call when a thief picks its victim.
//!
//! Choices that belong to no worker, such as the branch that a `select!` begins with, are drawn from a generator of the
//! thread's: [`thread_below`].
//!
//! None of it is fit for secrets: it spreads load, and makes runs repeatable.
//!
//! Rejected: one generator for all (a contended line at every steal), and a cryptographic one (nobody attacks
//! the order in which victims are visited).

use crate::sys::sync::atomic::{AtomicU64, Ordering};
use crate::sys::sync::thread_local;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Gives out seeds: one for each worker of a runtime.
pub(crate) trait RandomSource: Send + Sync + std::fmt::Debug {
    /// The next seed.
    fn seed(&self) -> u64;
}

/// Seeds from the kernel's entropy, getrandom(2).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OsRandom;

impl RandomSource for OsRandom {
    fn seed(&self) -> u64 {
        let mut seed = 0_u64;
        let wanted = size_of::<u64>();
        // SAFETY: the kernel writes at most `wanted` bytes, the size of `seed`; every bit pattern is a valid u64.
        // Reads of up to 256 bytes are never cut short once they succeed (man page).
        let got = unsafe { libc::getrandom((&raw mut seed).cast(), wanted, 0) };
        if got == wanted as isize {
            seed
        } else {
            seed_slow()
        }
    }
}

/// Interrupted before the kernel had any entropy, or forbidden by a filter: std's hash keys will do.
#[cold]
fn seed_slow() -> u64 {
    RandomState::new().hash_one(0)
}

/// Seeds that follow from one number, for runs that can be repeated. The sequence is splitmix64's.
#[derive(Debug)]
pub(crate) struct SeededRandom {
    /// Advanced by the golden ratio for each seed.
    state: AtomicU64,
}

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }
}

impl RandomSource for SeededRandom {
    fn seed(&self) -> u64 {
        // ORDERING: Relaxed; the number is all that passes between threads. Its addition is atomic, so that no
        // two workers get the same one.
        let state = self.state.fetch_add(GOLDEN, Ordering::Relaxed);
        mix(state.wrapping_add(GOLDEN))
    }
}

/// 2^64 divided by the golden ratio, odd: every state comes once before any comes again.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// splitmix64's output function: a bijection in which each bit of the input moves about half of the output's.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014; Vigna's splitmix64.c.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A worker's own generator: xorshift64*, of period 2^64 - 1.
/// Source: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016.
#[derive(Debug)]
pub(crate) struct XorShift {
    /// Never 0, from which the shifts would not find out again.
    state: Cell<u64>,
}

impl XorShift {
    /// A generator whose numbers follow from `seed`, of which any value is as good as another.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: Cell::new(Self::first_state(seed)),
        }
    }

    /// Begins anew, as one that was made with this seed.
    fn reseed(&self, seed: u64) {
        self.state.set(Self::first_state(seed));
    }

    /// Seeds that resemble each other (0, 1, 2) give sequences that do not. `mix` sends 0 to 0 alone.
    fn first_state(seed: u64) -> u64 {
        match mix(seed) {
            0 => GOLDEN,
            state => state,
        }
    }

    /// The next number.
    #[inline]
    pub(crate) fn next_u32(&self) -> u32 {
        let mut x = self.state.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.state.set(x);
        // The upper half is the well mixed one.
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// A number below `n`, which is at least 1.
    ///
    /// Multiply and shift instead of a division; some results come up to n / 2^32 more often than others.
    /// Source: Lemire, "Fast random integer generation in an interval", 2019.
    #[inline]
    pub(crate) fn below(&self, n: u32) -> u32 {
        debug_assert!(n > 0, "there is no number below 0");
        ((u64::from(self.next_u32()) * u64::from(n)) >> 32) as u32
    }
}

thread_local! {
    static THREAD: XorShift = XorShift::new(OsRandom.seed());
}

/// A number below `n`, which is at least 1, from the generator of this thread; 0 where one has none any more, since it is ending.
#[inline]
pub(crate) fn thread_below(n: u32) -> u32 {
    THREAD.try_with(|random| random.below(n)).unwrap_or(0)
}

/// From now on the numbers of this thread's generator follow from `seed`, which is the kernel's otherwise.
pub(crate) fn seed_thread(seed: u64) {
    // A thread that is ending draws nothing more.
    let _ = THREAD.try_with(|random| random.reseed(seed));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn draw(seed: u64, count: usize) -> Vec<u32> {
        let random = XorShift::new(seed);
        (0..count).map(|_| random.next_u32()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        assert_eq!(draw(7, 100), draw(7, 100));
        assert_ne!(draw(7, 100), draw(8, 100));
    }

    #[test]
    fn no_seed_gets_stuck() {
        for seed in [0, 1, u64::MAX, GOLDEN, 1 << 63] {
            let numbers: HashSet<_> = draw(seed, 1000).into_iter().collect();
            assert!(numbers.len() > 990, "seed {seed} repeats itself");
        }
    }

    #[test]
    fn splitmix_is_the_published_one() {
        // The first numbers that Vigna's splitmix64.c gives from the state 1234567.
        let source = SeededRandom::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| source.seed()), expected);
    }

    #[test]
    fn seeds_from_the_kernel_differ() {
        let seeds: HashSet<_> = (0..100).map(|_| OsRandom.seed()).collect();
        assert_eq!(seeds.len(), 100);
        assert_ne!(seed_slow(), seed_slow());
    }

    #[test]
    fn a_thread_draws_what_its_seed_says() {
        let draw = |seed| {
            seed_thread(seed);
            [(); 100].map(|()| thread_below(1000))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let unseeded = || std::thread::spawn(|| [(); 100].map(|()| thread_below(1000)));
        let (one, other) = (unseeded(), unseeded());
        assert_ne!(one.join().unwrap(), other.join().unwrap());
    }

    #[test]
    fn below_stays_in_its_range() {
        let random = XorShift::new(3);
        for n in [1, 2, 3, 7, 64, 1000, u32::MAX] {
            assert!((0..1000).all(|_| random.below(n) < n));
        }
        assert!((0..100).all(|_| random.below(1) == 0));
    }

    #[test]
    fn below_is_roughly_uniform() {
        // 16 buckets of 10 000 expected: the chi-square statistic with 15 degrees of freedom exceeds 50 for one
        // seed in 100 000, and the seed is fixed.
        let random = XorShift::new(42);
        let mut buckets = [0_f64; 16];
        for _ in 0..160_000 {
            buckets[random.below(16) as usize] += 1.0;
        }
        let chi: f64 = buckets
            .map(|n| (n - 10_000.0).powi(2) / 10_000.0)
            .iter()
            .sum();
        assert!(chi < 50.0, "chi-square {chi}");
    }
}

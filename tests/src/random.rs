//! How does a random test say which run failed?
//!
//! It takes its seed from `FILCH_SEED`, or from the clock, and prints the line that begins the same run again. With several threads the
//! order of things is still the machine's; what the program does is the seed's.

use std::hash::{BuildHasher, RandomState};

/// A small generator: splitmix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for a part of the program, drawn from this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next_u64())
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n as u64) as usize
    }
}

/// The seed of this run, `FILCH_SEED` or any; prints how to have it again.
#[must_use]
pub fn seed(test: &str) -> u64 {
    let given = std::env::var("FILCH_SEED").ok();
    let seed = given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(test));
    println!("to do the same again: FILCH_SEED={seed} cargo test -p filch-tests {test}");
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [(); 50].map(|()| random.below(1000))
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}

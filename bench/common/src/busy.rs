//! What does a coroutine compute that computes?
//!
//! A chain of which no step can begin before the last is done, so that its time goes by the processor's clock and not by its width.
//! Rejected: multiplications and additions of constants, of which the compiler makes a single one out of eight; Go's does not, so that the
//! languages would have had different work.

use std::hint::black_box;

/// A step is three shifts and three exclusive ors, 6 cycles: 1 us in all at 3 GHz. The same number in `bench/peers/go`.
const STEPS: usize = 500;

/// Marsaglia's xorshift generator, some steps on. Never inlined, so that it is the same code wherever it is called.
#[inline(never)]
pub fn compute(seed: usize) -> u64 {
    let mut x = black_box(seed as u64 + 1);
    for _ in 0..STEPS {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_seeds_end_at_different_numbers_other_than_zero() {
        let mut ends: Vec<_> = (0..1000).map(compute).collect();
        ends.sort_unstable();
        ends.dedup();
        assert_eq!(ends.len(), 1000);
        assert_ne!(ends[0], 0);
    }
}

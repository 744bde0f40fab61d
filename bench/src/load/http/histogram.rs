//! How long did they take?
//!
//! Counts in buckets of logarithmic width, cut evenly within each power of two: a figure is off by less than a hundredth, whatever its size, and the memory is the same for ten
//! requests and ten million. Rejected: a list of all times (it grows while it measures), the crate hdrhistogram (its buckets are these, and the rest of it is not needed).

use std::fmt;
use std::time::Duration;

/// A power of two has 2 to the power of so many buckets.
const PRECISION: u32 = 7;

/// For every number of nanoseconds that 64 bits hold.
const BUCKETS: usize = (((u64::BITS - PRECISION) as usize) + 1) << PRECISION;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, took: Duration) {
        // More than five centuries are five centuries.
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The time in seconds that at least so many of a thousand do not exceed, by the middle of its bucket (the nearest rank); of none zero.
    pub(crate) fn per_mille(&self, of_thousand: u64) -> f64 {
        let rank = (self.total * of_thousand).div_ceil(1000).max(1);
        let mut below = 0;
        let mut counts = self.counts.iter().enumerate();
        let found = counts.find(|(_, count)| {
            below += **count;
            below >= rank
        });
        found.map_or(0.0, |(bucket, _)| middle(bucket) / 1e9)
    }
}

/// Where a number belongs.
fn bucket(nanoseconds: u64) -> usize {
    // Of the smallest nothing is cut off; of the rest all but the first PRECISION + 1 digits.
    let cut = (u64::BITS - PRECISION - 1).saturating_sub(nanoseconds.leading_zeros());
    let within = nanoseconds >> cut;
    ((cut as usize) << PRECISION) + within as usize
}

/// The middle of the numbers that belong there.
fn middle(bucket: usize) -> f64 {
    let cut = (bucket >> PRECISION).saturating_sub(1);
    let within = (bucket - (cut << PRECISION)) as f64;
    let width = (cut as f64).exp2();
    within * width + (width - 1.0) / 2.0
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [500, 990].map(|rank| self.per_mille(rank));
        write!(f, "Histogram({} in {p50} and {p99} s)", self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Below twice that each nanosecond has a bucket of its own.
    const EVEN: u64 = 1 << PRECISION;

    #[test]
    fn buckets_are_in_order_and_none_is_missing() {
        let mut last = 0;
        for exponent in 0..64 {
            let power = 1_u64 << exponent;
            for number in [power - 1, power, power + power / 3] {
                let bucket = bucket(number);
                assert!(bucket >= last, "{number}");
                last = bucket;
            }
        }
        for number in 0..10_000_u64 {
            assert!(bucket(number + 1) - bucket(number) <= 1, "{number}");
        }
        assert_eq!(bucket(EVEN * 2 - 1) + 1, bucket(EVEN * 2));
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn a_figure_is_off_by_less_than_a_hundredth() {
        for number in [1, 7, 127, 128, 255, 256, 1000, 46_000, 1_234_567, 1 << 40] {
            let found = middle(bucket(number));
            let off = (found - number as f64).abs() / number as f64;
            assert!(off < 0.01, "{number} {found}");
        }
    }

    #[test]
    fn ranks_are_the_nearest() {
        let mut times = Histogram::default();
        assert_eq!(times.per_mille(500), 0.0);
        for microsecond in 1..=1000 {
            times.add(Duration::from_micros(microsecond));
        }
        assert_eq!(times.total(), 1000);
        for (rank, seconds) in [(500, 500e-6), (990, 990e-6), (999, 999e-6), (1000, 1e-3)] {
            let found = times.per_mille(rank);
            assert!((found / seconds - 1.0).abs() < 0.01, "{rank} {found}");
        }
    }

    #[test]
    fn one_slow_request_in_a_thousand_shows_where_it_has_to() {
        let mut times = Histogram::default();
        for _ in 0..999 {
            times.add(Duration::from_micros(10));
        }
        times.add(Duration::from_secs(u64::MAX));
        assert!(times.per_mille(999) < 11e-6);
        assert!(times.per_mille(1000) > 1.8e10);
    }
}

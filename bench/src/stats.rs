//! Which one figure stands for several rounds?
//!
//! The median: a round that another process disturbed moves it by one place at most, where it would move the mean by its
//! whole excess. Smallest and largest stand beside it, so that a reader sees what the median hides. Rejected: the minimum alone (it
//! is the luckiest round, not the usual one), a standard deviation (the noise has one long tail).

/// The median of some figures, and their extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of an even number of figures the median is the mean of the two in the middle; of none all is zero.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self {
                median: 0.0,
                min: 0.0,
                max: 0.0,
            };
        };
        let upper = sorted[sorted.len() / 2];
        let lower = sorted[(sorted.len() - 1) / 2];
        Self {
            median: lower + (upper - lower) / 2.0,
            min,
            max,
        }
    }
}

/// The smallest of some figures that at least so many of a hundred of them do not exceed (the nearest rank); of none zero.
pub(crate) fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(figures: &[f64]) -> f64 {
        Spread::of(figures.iter().copied()).median
    }

    #[test]
    fn the_median_is_the_middle_one_or_between_the_middle_two() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[1000.0, 1.0, 2.0, 4.0]), 3.0);
    }

    #[test]
    fn extremes_stand_beside_it() {
        let spread = Spread::of([5.0, 1.0, 7.0].into_iter());
        assert_eq!((spread.min, spread.max), (1.0, 7.0));
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let hundred: Vec<_> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&hundred, 99), 99.0);
        assert_eq!(percentile(&hundred, 100), 100.0);
        assert_eq!(percentile(&hundred[1..], 99), 99.0);
        assert_eq!(percentile(&hundred, 0), 1.0);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert_eq!(percentile(&[], 99), 0.0);
    }
}

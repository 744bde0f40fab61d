//! Where does a figure stand on a plot, and which numbers stand at its edge?
//!
//! A linear axis begins at zero: a bar that does not would lie. Where figures differ by more than [`LINEAR_MAX`] times, the small ones
//! would all look like nothing, and the axis is logarithmic; the plot says so.

use super::number::short;
use super::xml::px;

/// Up to how many times the smallest the largest may be on a linear axis.
pub(super) const LINEAR_MAX: f64 = 20.0;

/// So many numbers stand at a linear axis, more or less.
const TICKS: f64 = 4.0;

/// Nobody's letters are wider on average, as a part of their height; measured in DejaVu Sans, which is wide.
pub(super) const LETTER: f64 = 0.62;

/// An axis from one figure to another, as long as a plot is wide or high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) is_log: bool,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Where its ends are drawn.
    ends: (f64, f64),
}

impl Axis {
    /// For figures with these medians, which reach from the smallest to the largest of `all`.
    pub(super) fn of(medians: &[f64], all: &[f64], ends: (f64, f64)) -> Self {
        let positive = |figures: &[f64]| -> Vec<f64> {
            let figures = figures.iter().copied();
            figures
                .filter(|figure| *figure > 0.0 && figure.is_finite())
                .collect()
        };
        let (medians, all) = (positive(medians), positive(all));
        let (least, most) = (smallest(&medians), largest(&medians));
        if most / least > LINEAR_MAX {
            return Self::log(smallest(&all), largest(&all), ends);
        }
        let most = largest(&all);
        let most = if most.is_finite() { most } else { 1.0 };
        let step = nice_above(most / TICKS);
        Self {
            is_log: false,
            from: 0.0,
            to: (most / step).ceil() * step,
            ends,
        }
    }

    /// A logarithmic one that has room for these figures.
    pub(super) fn log(least: f64, most: f64, ends: (f64, f64)) -> Self {
        Self {
            is_log: true,
            // So that the smallest has a bar too.
            from: nice_below(least * 0.8),
            to: nice_above(most),
            ends,
        }
    }

    /// A logarithmic one from the first of these to the last, and no further.
    pub(super) fn through(positions: &[f64], ends: (f64, f64)) -> Self {
        let (from, to) = (smallest(positions), largest(positions));
        Self {
            is_log: true,
            from,
            // A single position stands at the beginning.
            to: if to > from { to } else { from * 2.0 },
            ends,
        }
    }

    /// Where a figure stands; what lies outside stands at the end.
    pub(super) fn at(&self, figure: f64) -> f64 {
        let part = if self.is_log {
            (figure.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (figure - self.from) / (self.to - self.from)
        };
        px(self.ends.0 + part.clamp(0.0, 1.0) * (self.ends.1 - self.ends.0))
    }

    /// The figures that are written at it.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if !self.is_log {
            let step = nice_above(self.to / TICKS * 0.99);
            let steps = (self.to / step).round() as usize;
            return (0..=steps).map(|index| index as f64 * step).collect();
        }
        let decades = self.decades(&[1.0]);
        if decades.len() >= 3 {
            decades
        } else {
            self.decades(&[1.0, 2.0, 5.0])
        }
    }

    /// These multiples of the powers of ten, as far as it reaches.
    fn decades(&self, multiples: &[f64]) -> Vec<f64> {
        let (first, last) = (self.from.log10().floor(), self.to.log10().ceil());
        let powers = (first as i32..=last as i32).map(|power| 10_f64.powi(power));
        let all = powers.flat_map(|power| multiples.iter().map(move |multiple| multiple * power));
        // What is computed from logarithms may miss its end by the last digit.
        let is_in = |tick: &f64| *tick >= self.from * 0.999_999 && *tick <= self.to * 1.000_001;
        all.filter(is_in).collect()
    }

    /// Of these ticks those whose numbers fit beside each other in letters of this height, with the room between them; the first always.
    pub(super) fn fitting(&self, ticks: Vec<f64>, height: f64) -> Vec<f64> {
        let mut free_from = f64::NEG_INFINITY;
        let mut kept = Vec::new();
        for tick in ticks {
            let (at, half) = (self.at(tick), width(&short(tick), height) / 2.0);
            if at - half >= free_from {
                free_from = at + half + height;
                kept.push(tick);
            }
        }
        kept
    }
}

/// How much room a text takes in letters of this height, at most.
pub(super) fn width(text: &str, height: f64) -> f64 {
    text.chars().count() as f64 * height * LETTER
}

fn smallest(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

fn largest(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The next 1, 2 or 5 times a power of ten.
fn nice_above(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    let multiples = [1.0, 2.0, 5.0, 10.0];
    let next = multiples
        .iter()
        .find(|multiple| *multiple * power >= number * 0.999_999);
    next.unwrap_or(&10.0) * power
}

/// The last 1, 2 or 5 times a power of ten.
fn nice_below(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    let multiples = [5.0, 2.0, 1.0];
    let last = multiples
        .iter()
        .find(|multiple| *multiple * power <= number * 1.000_001);
    last.unwrap_or(&1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: (f64, f64) = (100.0, 200.0);

    fn linear(figures: &[f64]) -> Axis {
        Axis::of(figures, figures, ENDS)
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_ends_at_a_round_number() {
        let axis = linear(&[3.0, 17.0]);
        assert_eq!((axis.is_log, axis.from, axis.to), (false, 0.0, 20.0));
        assert_eq!(axis.ticks(), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(axis.at(10.0), 150.0);
        assert_eq!(axis.at(99.0), 200.0);
        assert_eq!(linear(&[0.5, 1.0]).ticks().len(), 3);
    }

    #[test]
    fn beyond_twenty_times_it_is_logarithmic() {
        assert!(!linear(&[1.0, 20.0]).is_log);
        let axis = linear(&[1.0, 20.1]);
        assert!(axis.is_log);
        assert_eq!((axis.from, axis.to), (0.5, 50.0));
        assert_eq!(axis.ticks(), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(axis.at(0.5), 100.0);
        assert_eq!(axis.at(5.0), 150.0);
        assert_eq!(linear(&[3.0, 40_000.0]).ticks(), [10.0, 100.0, 1e3, 1e4]);
    }

    #[test]
    fn whiskers_have_room_too() {
        let axis = Axis::of(&[1.0, 2.0], &[0.5, 1.0, 2.0, 70.0], ENDS);
        assert!(!axis.is_log);
        assert!(axis.to >= 70.0);
        assert!(Axis::of(&[1.0, 100.0], &[0.01, 1.0, 5000.0], ENDS).from <= 0.01);
    }

    #[test]
    fn nothing_and_zeros_have_an_axis() {
        for figures in [&[][..], &[0.0], &[0.0, 0.0], &[f64::NAN]] {
            let axis = linear(figures);
            assert!(axis.to > axis.from, "{axis:?}");
            assert!(axis.at(0.0).is_finite());
            assert!(axis.ticks().len() > 1);
        }
        assert!(linear(&[0.0, 1.0, 100.0]).is_log);
    }

    #[test]
    fn numbers_that_would_touch_are_left_out() {
        let axis = Axis::through(&[1e3, 5e5, 1e6, 5e6], ENDS);
        let kept = axis.fitting(vec![1e3, 5e5, 1e6, 5e6], 10.0);
        assert_eq!(kept, [1e3, 5e5]);
        let wide = Axis::through(&[1e3, 5e5, 1e6, 5e6], (0.0, 1000.0));
        assert_eq!(wide.fitting(vec![1e3, 5e5, 1e6, 5e6], 10.0).len(), 4);
    }

    #[test]
    fn a_single_position_has_an_axis() {
        assert_eq!(Axis::through(&[7.0], ENDS).at(7.0), 100.0);
    }
}

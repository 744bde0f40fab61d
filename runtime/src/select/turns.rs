//! Which future of a `join!` is polled first?
//!
//! Each time the next one. Those that charge the task's budget (`util::budget`) would use it up in every poll if they always came first, and the others
//! would never get anywhere. A random start, as that of `select!`, would do as well; but all of them are polled anyway, so that counting is enough.

use std::ops::Range;

/// Where the next poll begins.
#[derive(Debug, Default)]
pub struct Turns {
    first: u32,
}

impl Turns {
    /// Beginning with the first.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: 0 }
    }

    /// The numbers below `count` in two passes; each time they begin with another one.
    #[inline]
    pub fn passes(&mut self, count: usize) -> [Range<u32>; 2] {
        let count = count as u32;
        let first = self.first;
        self.first = if first + 1 < count { first + 1 } else { 0 };
        [first..count, 0..first]
    }
}

/// The first comes first in each poll, for who has said `biased;`.
#[derive(Debug, Default)]
pub struct InOrder;

impl InOrder {
    /// For the macro, as [`Turns::new`].
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// The numbers below `count`, in one pass and an empty one.
    #[inline]
    pub fn passes(&mut self, count: usize) -> [Range<u32>; 2] {
        let count = count as u32;
        [0..count, count..count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_first_in_turn() {
        let mut turns = Turns::new();
        let mut next = || turns.passes(3).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(
            [next(), next(), next(), next()],
            [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]
        );
    }

    #[test]
    fn one_alone_is_always_first() {
        let mut turns = Turns::new();
        assert_eq!(turns.passes(1), [0..1, 0..0]);
        assert_eq!(turns.passes(1), [0..1, 0..0]);
    }
}

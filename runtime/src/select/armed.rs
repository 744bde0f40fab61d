//! Which branches of a `select!` are still waited for, and in which order are they polled?
//!
//! A bit for each branch answers both: the order that begins with branch `start` is a pass over the bits from there on and one over those before it.

/// The branches that are waited for, 64 at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Armed(u64);

impl Armed {
    /// None of them.
    #[inline]
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// From now on this branch is waited for, if its condition holds.
    #[inline]
    pub fn arm(&mut self, branch: u32, condition: bool) {
        self.0 |= u64::from(condition) << branch;
    }

    /// This branch is waited for no more.
    #[inline]
    pub fn disarm(&mut self, branch: u32) {
        self.0 &= !(1 << branch);
    }

    /// Whether this branch is among them.
    #[inline]
    #[must_use]
    pub fn has(self, branch: u32) -> bool {
        self.0 & (1 << branch) != 0
    }

    /// Whether there is none left.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them in two passes, each in order: those from `start` on, then those before.
    #[inline]
    #[must_use]
    pub fn passes(self, start: u32) -> [Self; 2] {
        let later = u64::MAX << start;
        [Self(self.0 & later), Self(self.0 & !later)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(armed: Armed, start: u32) -> Vec<u32> {
        let passes = armed.passes(start).into_iter();
        passes
            .flat_map(|pass| (0..64).filter(move |&branch| pass.has(branch)))
            .collect()
    }

    fn all(branches: u32) -> Armed {
        let mut armed = Armed::none();
        (0..branches).for_each(|branch| armed.arm(branch, true));
        armed
    }

    #[test]
    fn each_branch_comes_once_from_the_start_on() {
        assert_eq!(order(all(4), 0), [0, 1, 2, 3]);
        assert_eq!(order(all(4), 2), [2, 3, 0, 1]);
        assert_eq!(order(all(64), 63)[..3], [63, 0, 1]);
        assert_eq!(order(all(64), 63).len(), 64);
    }

    #[test]
    fn what_is_disarmed_does_not_come() {
        let mut armed = all(3);
        armed.arm(3, false);
        armed.disarm(1);
        assert_eq!(order(armed, 1), [2, 0]);
        armed.disarm(0);
        armed.disarm(2);
        assert!(armed.is_empty());
    }
}

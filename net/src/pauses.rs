//! How long is it until something is tried again that nobody tells us of?
//!
//! Twice as long each time, up to a bound: who waits for a moment waits shortly, and who waits for long costs little.

use filch::time::Duration;

/// Pauses that follow each other.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    pub(crate) fn between(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// The next one.
    pub(crate) fn step(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let mut pauses = Pauses::between(Duration::from_millis(5), Duration::from_secs(1));
        let all: Vec<_> = (0..10).map(|_| pauses.step().as_millis()).collect();
        assert_eq!(all, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}

//! How slow may a peer be?
//!
//! It has an [`Allowance`] of time that it may be waited for. Waiting uses it up; each byte that it sends, or takes,
//! gives back the time that a byte takes at the least rate, up to the full allowance. So who keeps up with the rate never
//! loses any, who is gone is given up after the whole of it, and who trickles is given up nearly as soon.
//!
//! Rejected: the time since the last byte alone (one byte in each holds a connection for ever), and the average from the
//! beginning on (who was fast at first may then be slow for hours).

use filch::time::{Duration, Instant};

/// The time that a peer may still be waited for.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// How much of it was used up.
    used: Duration,
    /// Since when it is waited for.
    since: Option<Instant>,
}

/// How it is used up and comes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// The full allowance.
    pub(crate) grace: Duration,
    /// The least rate. With none, any byte restores the whole.
    pub(crate) bytes_per_second: u64,
}

impl Rate {
    /// What so many bytes are worth.
    fn worth(self, bytes: usize) -> Duration {
        match (bytes as u64)
            .saturating_mul(1_000_000_000)
            .checked_div(self.bytes_per_second)
        {
            Some(nanos) => Duration::from_nanos(nanos),
            None => Duration::MAX,
        }
    }
}

impl Allowance {
    /// The peer is waited for, now or since before: until when it may be.
    pub(crate) fn wait(&mut self, now: Instant, rate: Rate) -> Instant {
        let since = *self.since.get_or_insert(now);
        since + rate.grace.saturating_sub(self.used)
    }

    /// Whether it is as if nobody had ever waited.
    pub(crate) fn is_whole(&self) -> bool {
        self.since.is_none() && self.used.is_zero()
    }

    /// So many bytes came or went. It costs nothing while nobody has waited.
    #[inline]
    pub(crate) fn moved(&mut self, bytes: usize, rate: Rate) {
        if self.since.is_some() || !self.used.is_zero() {
            self.moved_slow(bytes, rate);
        }
    }

    #[cold]
    fn moved_slow(&mut self, bytes: usize, rate: Rate) {
        if let Some(since) = self.since.take() {
            self.used = self.used.saturating_add(since.elapsed());
        }
        self.used = self.used.saturating_sub(rate.worth(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        grace: Duration::from_secs(10),
        bytes_per_second: 100,
    };

    fn used(seconds: u64) -> Allowance {
        Allowance {
            used: Duration::from_secs(seconds),
            since: None,
        }
    }

    #[test]
    fn waiting_has_its_end_and_does_not_move_it() {
        let now = Instant::now();
        let mut allowance = used(4);
        assert_eq!(allowance.wait(now, RATE), now + Duration::from_secs(6));
        let later = now + Duration::from_secs(3);
        assert_eq!(allowance.wait(later, RATE), now + Duration::from_secs(6));
        assert_eq!(used(11).wait(now, RATE), now);
    }

    #[test]
    fn bytes_give_time_back_and_never_more_than_there_was() {
        for (bytes, left) in [(0, 4), (100, 3), (399, 1), (400, 0), (10_000, 0)] {
            let mut allowance = used(4);
            allowance.moved(bytes, RATE);
            assert_eq!(
                allowance.used.as_secs_f64().ceil(),
                f64::from(left),
                "{bytes}"
            );
        }
    }

    #[test]
    fn without_a_rate_any_byte_restores_it() {
        let mut allowance = used(9);
        let rate = Rate {
            bytes_per_second: 0,
            ..RATE
        };
        allowance.moved(1, rate);
        assert_eq!(allowance.used, Duration::ZERO);
    }

    #[test]
    fn what_was_waited_counts_once_bytes_come() {
        let mut allowance = Allowance::default();
        let _ = allowance.wait(Instant::now() - Duration::from_secs(5), RATE);
        allowance.moved(100, RATE);
        assert!(allowance.used >= Duration::from_secs(4));
        assert!(allowance.since.is_none());
    }
}

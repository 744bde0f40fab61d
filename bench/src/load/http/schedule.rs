//! When is which request due, and over which connection?
//!
//! At even distances, over the connections in turn. One whose earlier request is not answered keeps the others waiting, and they count from when they were due: so do a server's
//! clients, each of whom has a connection of their own. Rejected: any connection that is free (a connection that is stuck would be asked no more, and one number in a
//! histogram would be all that is seen of it), random distances (two runs would differ by more than their servers).

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Schedule {
    begun: Instant,
    /// Nanoseconds.
    distance: f64,
    requests: usize,
    /// How many are due.
    due: usize,
    answered: usize,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// How many of its requests are due, and were sent.
    due: usize,
    sent: usize,
    is_busy: bool,
}

impl Schedule {
    /// So many requests, so many a second, over so many connections.
    pub(super) fn begin(begun: Instant, requests: usize, rate: f64, lines: usize) -> Self {
        Self {
            begun,
            distance: 1e9 / rate,
            requests,
            due: 0,
            answered: 0,
            lines: vec![Line::default(); lines],
        }
    }

    fn when(&self, request: usize) -> Instant {
        self.begun + Duration::from_nanos((request as f64 * self.distance) as u64)
    }

    /// The line of the next request if that is due; of each once.
    pub(super) fn come(&mut self, now: Instant) -> Option<usize> {
        if self.due == self.requests || self.when(self.due) > now {
            return None;
        }
        let line = self.due % self.lines.len();
        self.due += 1;
        self.lines[line].due += 1;
        Some(line)
    }

    /// Whether a line has a request to send now: then it is sent.
    pub(super) fn start(&mut self, line: usize) -> bool {
        let line = &mut self.lines[line];
        let starts = !line.is_busy && line.sent < line.due;
        if starts {
            line.is_busy = true;
            line.sent += 1;
        }
        starts
    }

    /// When the request was due that is now answered; none if there was none.
    pub(super) fn finish(&mut self, line: usize) -> Option<Instant> {
        let count = self.lines.len();
        let state = &mut self.lines[line];
        if !state.is_busy {
            return None;
        }
        state.is_busy = false;
        let request = line + (state.sent - 1) * count;
        self.answered += 1;
        Some(self.when(request))
    }

    pub(super) fn is_over(&self) -> bool {
        self.answered == self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch_bench_common::clock::now;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn requests_are_due_at_even_distances_over_the_lines_in_turn() {
        let begun = now();
        let mut schedule = Schedule::begin(begun, 5, 1000.0, 2);
        assert_eq!(schedule.come(begun), Some(0));
        assert_eq!(schedule.come(begun), None);
        assert_eq!(schedule.come(begun + MS * 9 / 10), None);
        // Nobody looked for a while: all that were due meanwhile come, and no more than there are.
        let later = begun + MS * 100;
        let lines: Vec<_> = std::iter::from_fn(|| schedule.come(later)).collect();
        assert_eq!(lines, [1, 0, 1, 0]);
    }

    #[test]
    fn a_stall_counts_for_each_request_that_was_due_meanwhile() {
        let begun = now();
        let mut schedule = Schedule::begin(begun, 4, 1000.0, 1);
        let (mut at, mut late) = (begun, Vec::new());
        while !schedule.is_over() {
            while schedule.come(at).is_some() {}
            if schedule.start(0) {
                assert!(!schedule.start(0), "one at a time");
                // The first takes 10 ms, the others no time.
                if late.is_empty() {
                    at += MS * 10;
                }
                let due = schedule.finish(0).expect("it was sent");
                late.push((at - due).as_millis());
            } else {
                at += MS;
            }
        }
        assert_eq!(late, [10, 9, 8, 7]);
    }

    #[test]
    fn one_line_that_is_stuck_does_not_hold_up_the_others() {
        let begun = now();
        let mut schedule = Schedule::begin(begun, 4, 1000.0, 2);
        while schedule.come(begun + MS * 10).is_some() {}
        assert!(schedule.start(0) && schedule.start(1));
        assert_eq!(schedule.finish(1), Some(begun + MS));
        assert!(schedule.start(1));
        assert_eq!(schedule.finish(1), Some(begun + MS * 3));
        assert!(!schedule.start(1) && !schedule.is_over());
        assert_eq!(schedule.finish(0), Some(begun));
        assert_eq!(schedule.finish(0), None, "an answer nobody asked for");
    }

    #[test]
    fn distances_do_not_add_up_to_an_error() {
        let begun = now();
        let schedule = Schedule::begin(begun, 1, 30_000.0, 1);
        assert_eq!(schedule.when(30_000 * 60) - begun, Duration::from_secs(60));
    }
}

//! With which worker's poller is a new descriptor registered?
//!
//! A task runs where the readiness that it waits for is found: with the worker whose poller has the descriptor. So whoever registers decides where a connection is served. Most descriptors
//! belong with the task that makes them, and are registered with its worker. Accepting is different: one task makes thousands of connections for others, and they would all pile up on
//! its worker; idle siblings would take what becomes ready there, but only by stealing, each time.
//!
//! So each poller knows how many descriptors it has, and a connection goes to the better of two: the accepting worker, and another one at random. Two choices are enough to keep the
//! greatest load near the mean (Azar, Broder, Karlin and Upfal, *Balanced Allocations*, 1994), and cost a random number and a load of another worker's line. The accepting worker
//! has the advantage ([`LEAD`], [`LEAD_SHARE`]): as long as the load is nearly equal nothing leaves it, and no lock or epoll instance of a sibling is touched. docs/decisions/placement.md.
//!
//! Workers on the bench (`sched/surplus.rs`) get nothing: only indices below the number of active workers are chosen. Those that were registered there before stay.

use super::handle::Inner;
use crate::reactor::Poller;
use crate::sys::rng::thread_below;
use crate::sys::sync::Arc;

/// By how many descriptors the accepting worker may be ahead before one goes elsewhere. A guess: connections that come and go within one poll, or a handful at a time, stay where
/// they are accepted.
const LEAD: usize = 4;

/// And by which share of what the other one has: one in eight. A guess: with thousands of connections that end at random the counts differ by their square root anyway, which shall not send every second
/// one elsewhere; it bounds the largest share at about 9/8 of the mean.
const LEAD_SHARE: usize = 8;

/// With which worker's poller a descriptor is registered: where its readiness is found, and so where the task runs that waits for it.
///
/// # Units and limits
///
/// A worker that has to sit out since there are fewer processors ([`Builder::follow_cpu_limits`](crate::runtime::Builder::follow_cpu_limits)) gets no new descriptors by
/// [`Balanced`](Self::Balanced) and [`Worker`](Self::Worker). Descriptors never move afterwards; an idle worker looks after the readiness of one that is busy.
///
/// # Examples
///
/// ```
/// use filch::io::{AsyncFd, Interest, Placement};
/// use std::os::unix::net::UnixStream;
///
/// let rt = filch::runtime::Builder::new().worker_threads(2).build()?;
/// rt.block_on(async {
///     let (ours, theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     theirs.set_nonblocking(true)?;
///     let ours = AsyncFd::with_placement(ours, Interest::Both, Placement::Worker(0))?;
///     let theirs = AsyncFd::with_placement(theirs, Interest::Both, Placement::Worker(1))?;
///     let metrics = filch::runtime::Handle::current().metrics();
///     assert_eq!([0, 1].map(|worker| metrics.worker_source_count(worker)), [1, 1]);
///     # drop((ours, theirs));
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Placement {
    /// With the worker that makes it; with each in turn on threads that are no workers. For what the task that makes it will use.
    #[default]
    Here,
    /// With the worker that makes it, unless another one, chosen at random, has clearly fewer. For what is made in great numbers for other tasks, as connections that are accepted.
    Balanced,
    /// With the worker that has this index, modulo the number of those that are active.
    Worker(usize),
}

impl Inner {
    /// The poller for a new descriptor that is made on this worker, or on none; none if there is no I/O.
    pub(super) fn poller_for(
        &self,
        placement: Placement,
        worker: Option<usize>,
    ) -> Option<Arc<Poller>> {
        let index = match placement {
            Placement::Here => worker.unwrap_or_else(|| self.next_in_turn()),
            Placement::Balanced => self.better_of_two(worker),
            Placement::Worker(index) => index % self.sched.active(),
        };
        self.pollers.get(index).cloned()
    }

    fn better_of_two(&self, worker: Option<usize>) -> usize {
        let active = self.sched.active();
        if active == 1 {
            return 0;
        }
        let home = worker.filter(|&worker| worker < active);
        let home = home.unwrap_or_else(|| self.next_in_turn());
        let other = (home + 1 + thread_below(active as u32 - 1) as usize) % active;
        let count = |index: usize| self.pollers.get(index).map_or(0, |p| p.source_count());
        match is_clearly_less(count(other), count(home)) {
            true => other,
            false => home,
        }
    }
}

/// Whether a worker with `home` descriptors would rather give one to a worker with `other`.
fn is_clearly_less(other: usize, home: usize) -> bool {
    home > other + other / LEAD_SHARE + LEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::rng::XorShift;

    #[test]
    fn the_advantage_ends_where_it_says() {
        for (other, most) in [(0, 4), (1, 5), (7, 11), (8, 13), (80, 94), (8000, 9004)] {
            assert!(!is_clearly_less(other, most));
            assert!(is_clearly_less(other, most + 1));
        }
    }

    /// What one worker accepts, or each in turn; the largest share by the mean.
    fn largest(workers: usize, connections: usize, acceptors: usize) -> f64 {
        let random = XorShift::new(7);
        let mut counts = vec![0; workers];
        for connection in 0..connections {
            let home = connection % acceptors;
            let other = (home + 1 + random.below(workers as u32 - 1) as usize) % workers;
            let chosen = if is_clearly_less(counts[other], counts[home]) {
                other
            } else {
                home
            };
            counts[chosen] += 1;
        }
        let largest = counts.into_iter().max().unwrap();
        largest as f64 * workers as f64 / connections as f64
    }

    #[test]
    fn shares_stay_near_the_mean_whoever_accepts() {
        for workers in [2, 3, 8, 64] {
            for acceptors in [1, 2, workers] {
                let share = largest(workers, 10_000, acceptors);
                assert!(
                    share < 1.5,
                    "{workers} workers, {acceptors} accept: {share}"
                );
            }
        }
    }
}

//! Who is told of a worker that is stuck, and how often?
//!
//! Whoever subscribes to events of the crate `tracing` (cargo feature `tracing`, on unless turned off), under the target `filch::sentinel`. A poll is told of when it has lasted
//! for [`WARN_AFTER`], and again after [`WARN_AGAIN`] times as long, and so on; of all workers of a runtime together at most one each [`WARN_INTERVAL`], which says how many were left out.
//!
//! A subscriber is code of the user's: it may panic, and may wait for a lock that the stuck task holds, to standard output perhaps. So it is called on a thread of its own, with no lock
//! held, and while it has not returned nothing else is told. The thread is started when there is something to tell and somebody to hear it, which is once a second at most.
//!
//! Rejected: calling it on the sentinel's thread (nothing would be rescued while it waits).

#[cfg(not(feature = "tracing"))]
#[path = "warning/silence.rs"]
mod door;
#[cfg(feature = "tracing")]
#[path = "warning/tracing.rs"]
mod door;

use super::shared::Shared;
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use crate::util::shield::shield;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

/// What a person notices. What is shorter is counted ([`stuck`](super::stuck)), and not told: on a machine that has too much to do, threads wait for a processor that long.
pub(super) const WARN_AFTER: Duration = Duration::from_millis(100);

/// 2 s, 40 s, a quarter of an hour: by then it is another kind of news, and the first warning's interval is over.
pub(super) const WARN_AGAIN: u32 = 20;

/// One a second is read; more are not.
const WARN_INTERVAL: Duration = Duration::from_secs(1);

pub(super) use door::{is_panic_heard, tell_panic};

/// What there is to say of a worker that is stuck in one poll.
#[derive(Debug)]
pub(super) struct Warning {
    /// Its index; those of spares follow the workers'.
    pub(super) worker: usize,
    pub(super) is_spare: bool,
    /// The type of the task's future, if it is in a task.
    pub(super) task: Option<&'static str>,
    /// Where that was spawned.
    pub(super) location: Option<&'static Location<'static>>,
    pub(super) so_far: Duration,
    pub(super) spares_working: usize,
    pub(super) spares_max: usize,
    /// Further ones since the last that was told.
    pub(super) left_out: u64,
}

impl Warning {
    fn task(&self) -> &'static str {
        self.task.unwrap_or("none, a hook")
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} has been in one poll for {} ms, of the task {}",
            if self.is_spare {
                "spare worker"
            } else {
                "worker"
            },
            self.worker,
            self.so_far.as_millis(),
            self.task(),
        )?;
        if let Some(location) = self.location {
            write!(f, ", spawned at {location}")?;
        }
        f.write_str(": a call that blocks or computes for long should go to spawn_blocking")?;
        match (self.spares_working, self.spares_max) {
            (_, 0) => write!(f, "; no spare workers are allowed")?,
            (0, _) => {}
            (all, most) if all >= most => write!(
                f,
                "; all {most} spare workers run, the bound of Builder::max_spare_workers: what else there is has to wait"
            )?,
            (some, most) => write!(f, "; {some} of at most {most} spare workers run")?,
        }
        if self.left_out > 0 {
            write!(f, "; {} further warnings were left out", self.left_out)?;
        }
        Ok(())
    }
}

/// Lets so many warnings through.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    last: Option<Instant>,
    left_out: u64,
    /// The last is still being told.
    is_telling: Arc<AtomicBool>,
}

impl Warnings {
    /// Tells of it, if it is time and somebody listens.
    pub(super) fn tell(&mut self, shared: &Arc<Shared>, now: Instant, warning: Warning) {
        if !door::is_heard() {
            return;
        }
        let Some(left_out) = self.pass(now) else {
            return;
        };
        let is_telling = self.is_telling.clone();
        // ORDERING: Relaxed, here and below: nothing is read behind it.
        is_telling.store(true, Ordering::Relaxed);
        let started = shared.spawn_thread("warning", move |_| {
            shield(|| {
                door::tell(&Warning {
                    left_out,
                    ..warning
                });
            });
            is_telling.store(false, Ordering::Relaxed);
        });
        if started.is_err() {
            self.is_telling.store(false, Ordering::Relaxed);
            self.left_out = left_out + 1;
        }
    }

    /// How many were left out before one that is told, or none if this one is left out.
    fn pass(&mut self, now: Instant) -> Option<u64> {
        let is_early = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < WARN_INTERVAL);
        if is_early || self.is_telling.load(Ordering::Relaxed) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::{Clock, SystemClock};

    #[test]
    fn one_a_second_passes_and_says_how_many_did_not() {
        let mut warnings = Warnings::default();
        let begun = SystemClock.now();
        let just_before = begun + WARN_INTERVAL - Duration::from_nanos(1);
        assert_eq!(warnings.pass(begun), Some(0));
        assert_eq!(warnings.pass(begun), None);
        assert_eq!(warnings.pass(just_before), None);
        assert_eq!(warnings.pass(begun + WARN_INTERVAL), Some(2));
        assert_eq!(warnings.pass(begun + WARN_INTERVAL * 2), Some(0));
    }

    #[test]
    fn nothing_is_told_while_something_is() {
        let mut warnings = Warnings::default();
        let now = SystemClock.now();
        warnings.is_telling.store(true, Ordering::Relaxed);
        assert_eq!(warnings.pass(now), None);
        warnings.is_telling.store(false, Ordering::Relaxed);
        assert_eq!(warnings.pass(now), Some(1));
    }

    #[test]
    fn it_says_what_is_to_be_done_and_what_was() {
        let say = |working, max, left_out| {
            Warning {
                worker: 3,
                is_spare: false,
                task: Some("app::handle"),
                location: Some(Location::caller()),
                so_far: Duration::from_millis(120),
                spares_working: working,
                spares_max: max,
                left_out,
            }
            .to_string()
        };
        let text = say(0, 16, 0);
        let parts = [
            "worker 3",
            "120 ms",
            "app::handle, spawned at ",
            file!(),
            "spawn_blocking",
        ];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(!text.contains("spare"), "{text}");
        assert!(say(2, 16, 0).ends_with("2 of at most 16 spare workers run"));
        assert!(say(16, 16, 0).contains("all 16 spare workers run, the bound"));
        assert!(say(0, 0, 0).ends_with("no spare workers are allowed"));
        assert!(say(1, 16, 7).ends_with("7 further warnings were left out"));
    }
}

//! When is memory that was needed once given back?
//!
//! Once in a while: each worker looks after its own, also before it sleeps and while it does, as long as there is any to give back. What tasks
//! spawned from outside have used is looked after by whichever worker comes first.

use super::core::Core;
use super::shared::Shared;
use std::time::{Duration, Instant};

/// How often a worker gives unused memory back; three such periods after a burst its memory is gone.
const TRIM_INTERVAL: Duration = Duration::from_secs(1);

impl Core {
    /// Gives unused memory back, once in a while.
    pub(super) fn trim(&self, now: Instant) {
        if now.saturating_duration_since(self.trimmed.get()) >= TRIM_INTERVAL {
            self.trimmed.set(now);
            self.slab.trim();
            self.queue.trim();
            self.trim_pinned();
            self.shared.trim_outside(now);
        }
    }

    /// How soon a worker that sleeps has to look after its memory, if at all.
    pub(super) fn trim_in(&self, now: Instant) -> Option<Duration> {
        let since = now.saturating_duration_since(self.trimmed.get());
        let has_excess = self.slab.has_excess()
            || self.queue.has_excess()
            || self.has_pinned_excess()
            || self.shared.has_excess_outside();
        has_excess.then(|| TRIM_INTERVAL.saturating_sub(since))
    }
}

impl Shared {
    /// Gives unused memory of the tasks spawned from outside back; whichever worker comes first does it.
    fn trim_outside(&self, now: Instant) {
        self.lanes.look_after(|inside| {
            let Some((tasks, outside)) = inside else {
                return;
            };
            if now.saturating_duration_since(outside.trimmed) >= TRIM_INTERVAL {
                outside.trimmed = now;
                outside.slab.trim();
                tasks.trim();
            }
        });
    }

    fn has_excess_outside(&self) -> bool {
        let mut has_excess = false;
        self.lanes.look_after(|inside| {
            // If it is locked, somebody spawns: better look again.
            has_excess |= inside
                .is_none_or(|(tasks, outside)| outside.slab.has_excess() || tasks.has_excess());
        });
        has_excess
    }
}

//! What does a worker block on?
//!
//! On exactly one thing, its driver: the mio reactor, a condition variable (no I/O), or the simulation. The
//! scheduler knows no more of it than to take a turn, to end a wait, and to let one driver's wait end with another's events; it names no file descriptor.

pub(crate) mod condvar;
pub(crate) mod stand_in;

use crate::sys::sync::Arc;
use crate::util::wake_batch::WakeBatch;
use std::os::fd::RawFd;
use std::time::Duration;

/// How long a [`Driver::turn`] may wait for something to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all: collect what is ready. Anybody may call it; when the driver is in use the call does nothing.
    Sweep,
    /// Until something is ready, [`Driver::unpark`] is called, or this time has passed. Only the owner.
    AtMost(Duration),
    /// Until something is ready or [`Driver::unpark`] is called. Only the owner.
    Forever,
}

/// Where a worker waits, and what it finds ready there.
///
/// An [`unpark`](Driver::unpark) that comes while nobody waits is remembered: the next wait returns at once.
/// Waits may also end early for no reason.
pub(crate) trait Driver: Send + Sync + std::fmt::Debug {
    /// Waits as told, then moves the wakers of everything that became ready into `ready`. Wakes nobody itself and
    /// returns with no lock held.
    fn turn(&self, wait: Wait, ready: &mut WakeBatch);

    /// Ends the owner's current wait, or its next one.
    fn unpark(&self);

    /// From now on this driver's wait ends too when something becomes ready in `other`, until [`unwatch`](Self::unwatch). False if that is not to be
    /// had. What is ready stays there, to be swept.
    fn watch(&self, other: &dyn Driver) -> bool {
        let _ = other;
        false
    }

    /// Takes back a [`watch`](Self::watch).
    fn unwatch(&self, other: &dyn Driver) {
        let _ = other;
    }

    /// Another one of its kind with nothing of its own, to wait at and watch others; none where nothing becomes ready by itself, or it is not to be had.
    fn new_post(&self) -> Option<Arc<dyn Driver>> {
        None
    }

    /// What another driver watches this one by, for implementers.
    fn descriptor(&self) -> Option<RawFd> {
        None
    }
}

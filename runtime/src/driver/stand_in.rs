//! What does a spare worker block on, and whose readiness does it sweep?
//!
//! It waits on a condition variable: its sleep ends when it is called, and by nothing else. What it sweeps is the driver of the worker it stands in for, which is stuck and cannot.

use super::condvar::CondvarDriver;
use super::{Driver, Wait};
use crate::sys::sync::Arc;
use crate::util::wake_batch::WakeBatch;

/// A bed of its own, and a look at another's driver.
#[derive(Debug)]
pub(crate) struct StandIn {
    bed: CondvarDriver,
    of_worker: Arc<dyn Driver>,
}

impl StandIn {
    pub(crate) fn new(of_worker: Arc<dyn Driver>) -> Self {
        Self {
            bed: CondvarDriver::new(),
            of_worker,
        }
    }
}

impl Driver for StandIn {
    fn turn(&self, wait: Wait, ready: &mut WakeBatch) {
        match wait {
            Wait::Sweep => self.of_worker.turn(Wait::Sweep, ready),
            wait => self.bed.turn(wait, ready),
        }
    }

    fn unpark(&self) {
        self.bed.unpark();
    }
}

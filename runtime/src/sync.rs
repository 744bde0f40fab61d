//! What tasks and threads coordinate with: locks, signals, channels.
//!
//! All of it works without a runtime, and between tasks of different ones. What waits does so in the future itself: no wait allocates, and a future that is dropped
//! leaves the queue it stood in.
//!
//! | file | answers |
//! |---|---|
//! | `barrier` | how do several tasks wait for each other, round after round? |
//! | `cancellation` | how is a task, or a whole tree of them, told to end? |
//! | `lazy` | how is a value made by an asynchronous function when it is needed first? |
//! | `notify` | how does a task tell others that something has happened? |
//! | `once_cell` | how is a value made once, by whichever task needs it first? |
//! | `wait_group` | how does one wait until all of a number of things are done? |
//! | `wait_queue` | how does a future wait for another task without an allocation? |

mod barrier;
mod cancellation;
#[cfg(test)]
mod counting;
mod lazy;
mod notify;
mod once_cell;
mod wait_group;
pub(crate) mod wait_queue;

pub use barrier::{Barrier, BarrierWaitResult};
pub use cancellation::{
    CancelReason, CancellationToken, DropGuard, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
pub use lazy::{ForceLazy, Lazy, MakeLazy};
pub use notify::{Notified, Notify, OwnedNotified};
pub use once_cell::{OnceCell, SetError};
pub use wait_group::{WaitGroup, WaitGuard};

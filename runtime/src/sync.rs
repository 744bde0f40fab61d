//! What tasks and threads coordinate with: locks, signals, channels.
//!
//! All of it works without a runtime, and between tasks of different ones. What waits does so in the future itself: no wait allocates, and a future that is dropped
//! leaves the queue it stood in.
//!
//! | file | answers |
//! |---|---|
//! | [`oneshot`] | how does one task give one value to another? |
//! | [`mpsc`] | how do many tasks send messages to one? |
//! | [`mpmc`] | how do messages get from many to many, each to one? |
//! | [`broadcast`] | how does each message get to everybody? |
//! | [`watch`] | how do many learn of the newest value? |
//! | `mutex` | how is a value given to one task at a time? |
//! | `permits` | how are permits given to those who ask, in the order in which they have asked? |
//! | `rwlock` | how is a value shared by many readers, and changed by one at a time? |
//! | `semaphore` | how do tasks share a number of things that are all alike? |
//! | `barrier` | how do several tasks wait for each other, round after round? |
//! | `cancellation` | how is a task, or a whole tree of them, told to end? |
//! | `lazy` | how is a value made by an asynchronous function when it is needed first? |
//! | `notify` | how does a task tell others that something has happened? |
//! | `once_cell` | how is a value made once, by whichever task needs it first? |
//! | `set_once` | how is a value set once, while others wait for it? |
//! | `wait_group` | how does one wait until all of a number of things are done? |
//! | `wait_queue` | how does a future wait for another task without an allocation? |
//! | `wait_until` | how does it wait until something holds that is looked at under a lock? |
//! | `short_wait` | how does a thread wait for another one that is in the middle of a few instructions? |
//! | `handles` | how does the last of several handles learn that it is the last? |
//! | `generated` | how does an async loop become a stream? |

pub mod mpsc;
pub mod oneshot;

mod barrier;
pub mod broadcast;
mod cancellation;
#[cfg(all(test, not(any(loom, shuttle))))]
mod channel_tests;
mod drop_all;
mod generated;
mod handles;
mod lazy;
pub mod mpmc;
mod mutex;
mod notify;
mod once_cell;
mod permits;
#[cfg(all(test, not(any(loom, shuttle))))]
mod random_tests;
mod rwlock;
mod semaphore;
mod set_once;
pub(crate) mod short_wait;
#[cfg(test)]
mod testing;
mod unwind;
mod wait_group;
pub(crate) mod wait_queue;
mod wait_until;
pub mod watch;

pub mod futures {
    //! The futures of a [`Notify`](super::Notify), under the path that tokio has for them.

    pub use super::notify::{Notified, OwnedNotified};
}

pub use barrier::{Barrier, BarrierWaitResult};
pub use cancellation::{
    CancelReason, CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
pub use lazy::{ForceLazy, Lazy, MakeLazy};
pub use mutex::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use notify::{Notified, Notify, OwnedNotified};
pub use once_cell::{OnceCell, SetError};
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{
    AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
};
pub use set_once::{SetOnce, SetOnceError};
pub use wait_group::{WaitGroup, WaitGuard};

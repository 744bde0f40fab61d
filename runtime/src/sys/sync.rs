//! The one door to atomics, locks, cells and threads.
//!
//! Which implementation stands behind it is chosen by swapping a whole module, never by a `cfg` inside a
//! function: [`real`] (std atomics, `parking_lot` locks), `loom` (every interleaving of a small model) and
//! `shuttle` (random interleavings of a large one). All three offer the same names:
//!
//! - `atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, AtomicPtr, Ordering, fence}`
//! - `Mutex` (`lock`, `try_lock -> Option`; no poisoning), `MutexGuard`, `Condvar` (`wait`,
//!   `wait_for -> true if timed out`, `notify_one`, `notify_all`)
//! - `RwLock` (`read`, `write`; not in shuttle, whose models have no use for it), `RwLockReadGuard`
//! - `Arc`, `UnsafeCell` (`with`, `with_mut`), `thread::{Builder, current, yield_now, has_ended, JoinHandle, ThreadId}` (and for tests
//!   `spawn`), `thread_local!`, `hint::spin_loop`

#[cfg(all(not(loom), not(shuttle)))]
mod real;
#[cfg(all(not(loom), not(shuttle)))]
pub(crate) use real::*;

#[cfg(loom)]
mod loom;
#[cfg(loom)]
pub(crate) use self::loom::*;

#[cfg(all(shuttle, not(loom)))]
mod shuttle;
#[cfg(all(shuttle, not(loom)))]
pub(crate) use self::shuttle::*;

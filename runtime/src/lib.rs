//! filch: a coroutine runtime with a work-stealing scheduler and an epoll reactor it drives.
//!
//! ```
//! let rt = filch::Runtime::new()?;
//! let total: u64 = rt.block_on(async {
//!     let tasks: Vec<_> = (0..1000u64).map(|n| filch::spawn(async move { n })).collect();
//!     let mut total = 0;
//!     for task in tasks {
//!         total += task.await.unwrap();
//!     }
//!     total
//! });
//! assert_eq!(total, 499_500);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! - [`spawn()`] starts a task; its [`JoinHandle`] gives the output, or detaches it when dropped. [`spawn_batch`]
//!   starts many at once.
//! - [`spawn_local`] and [`Runtime::spawn_pinned`] run futures that are not [`Send`], each on one worker's thread.
//! - [`time`] has sleeps, timeouts and intervals; [`io`] wraps descriptors; the crate `filch-net` has sockets on top of it.
//! - [`spawn_blocking`] takes calls that block. A task that computes for long costs itself only: its siblings are taken over by
//!   other workers, and where all are stuck by spare ones
//!   ([`max_spare_workers`](runtime::Builder::max_spare_workers)). The cargo feature `tracing`, on by default, makes such polls known as warnings.
//!
//! How it works inside stands in docs/ARCHITECTURE.md of the repository.

#![cfg_attr(
    any(loom, shuttle),
    expect(
        dead_code,
        unused_imports,
        reason = "models compile the protocols without the runtime that uses all of them"
    )
)]

pub(crate) mod driver;
pub(crate) mod reactor;
pub(crate) mod sched;
pub(crate) mod sys;
pub mod task;
pub(crate) mod timer;
pub(crate) mod util;

#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
#[path = "bench_doors.rs"]
pub mod __bench;
#[cfg(not(shuttle))]
pub(crate) mod blocking;
#[cfg(not(any(loom, shuttle)))]
pub mod io;
#[cfg(not(any(loom, shuttle)))]
pub mod runtime;
#[cfg(not(any(loom, shuttle)))]
mod spawn;
#[cfg(not(any(loom, shuttle)))]
pub mod time;

#[cfg(not(any(loom, shuttle)))]
pub use runtime::Runtime;
#[cfg(not(any(loom, shuttle)))]
pub use spawn::{spawn, spawn_batch, spawn_batch_detached, spawn_blocking, spawn_local, yield_now};
pub use task::{JoinError, JoinHandle};

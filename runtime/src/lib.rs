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
//! - [`select!`] waits for the first of several futures, [`join!`] and [`try_join!`] for all of them, [`pin!`] is for loops around them; [`future`] has what futures can be told by methods.
#![cfg_attr(
    feature = "macros",
    doc = "- [`#[filch::main]`](macro@main) and [`#[filch::test]`](macro@test) start a runtime for a program or a test (cargo feature `macros`, on by default)."
)]
//! - [`sync::CancellationToken`] tells tasks to end. What is lost when a future is dropped half-way stands in its section *Cancel safety*; [`task::on_cancel`] cleans up.
//! - [`runtime::simulate`] and [`Builder::simulated`](runtime::Builder::simulated) run a program on one thread in the order that a seed decides, in virtual time;
//!   [`Builder::start_paused`](runtime::Builder::start_paused) lets the hours of a test pass at once.
//! - [`task`] has what a task knows of itself, [`task_local!`] what belongs to one; [`runtime::RuntimeMetrics`] says what happens.
//! - [`scope()`], [`try_scope`] and [`blocking_scope`] return when all tasks that were started in them have ended, whatever happens; [`task::JoinSet`] gives results as they
//!   come.
//! - [`spawn_local`] and [`Runtime::spawn_pinned`] run futures that are not [`Send`], each on one worker's thread.
//! - [`sync`] has locks, signals and channels, which work without a runtime too.
//! - [`time`] has sleeps, timeouts and intervals; [`io`] wraps descriptors; the crate `filch-net` has sockets on top of it.
//! - [`spawn_blocking`] takes calls that block. A task that computes for long costs itself only: its siblings are taken over by
//!   other workers, and where all are stuck by spare ones
//!   ([`max_spare_workers`](runtime::Builder::max_spare_workers)). The cargo feature `tracing`, on by default, makes such polls known as warnings.
//!
//! Names and meanings are those of tokio where there is no reason for others. The repository has docs/PORTING.md for programs that are written for it, docs/CANCELLATION.md with all
//! sections *Cancel safety* in short, and docs/ARCHITECTURE.md, which says how it works inside.

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
#[cfg(not(shuttle))]
pub mod sync;
pub(crate) mod sys;
pub mod task;
pub(crate) mod timer;
pub(crate) mod util;

#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
#[path = "bench_doors.rs"]
pub mod __bench;
#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
#[path = "macro_doors.rs"]
pub mod __macros;
#[cfg(not(shuttle))]
pub(crate) mod blocking;
#[cfg(not(any(loom, shuttle)))]
mod entry;
#[cfg(not(any(loom, shuttle)))]
pub mod future;
#[cfg(not(any(loom, shuttle)))]
pub mod io;
#[cfg(not(any(loom, shuttle)))]
mod join_set;
#[cfg(not(any(loom, shuttle)))]
pub mod runtime;
#[cfg(not(any(loom, shuttle)))]
pub mod scope;
#[cfg(not(any(loom, shuttle)))]
mod select;
#[cfg(loom)]
pub mod scope {
    //! Of scopes, what is modelled.

    pub use group::CancelReason;

    mod group;
    mod turn;
}
#[cfg(not(any(loom, shuttle)))]
mod spawn;
#[cfg(not(any(loom, shuttle)))]
pub mod time;

#[cfg(all(feature = "macros", not(any(loom, shuttle))))]
pub use filch_macros::{main, test};
#[cfg(not(any(loom, shuttle)))]
pub use runtime::Runtime;
#[cfg(not(any(loom, shuttle)))]
pub use scope::{blocking_scope, scope, try_scope};
#[cfg(not(any(loom, shuttle)))]
pub use spawn::{spawn, spawn_batch, spawn_batch_detached, spawn_blocking, spawn_local, yield_now};
pub use task::{JoinError, JoinHandle};

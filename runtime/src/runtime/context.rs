//! To which runtime does the current thread belong?
//!
//! Worker threads, pool threads and threads within `block_on` have one; leaf futures ask here for its clock, and for the wheel and the
//! poller of the worker they are polled on.

use super::handle::{Handle, Inner};
use super::placement::Placement;
use crate::reactor::Poller;
use crate::sched;
use crate::sched::simulate::Simulation;
use crate::sys::clock::{Clock, Stamp, SystemClock};
use crate::sys::rng::{OsRandom, RandomSource};
use crate::sys::sync::Arc;
use crate::timer::Timers;
use std::cell::{Cell, RefCell};
use std::ptr;
use std::time::Instant;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
    /// The runtime whose own thread this is; only compared, never looked behind.
    static THREAD_OF: Cell<*const Inner> = const { Cell::new(ptr::null()) };
    /// How many runtimes were [entered](enter) and not left, but for those of [`enter_outside`].
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Restores the handle that was current before.
#[derive(Debug)]
pub(super) struct Entered {
    before: Option<Handle>,
    /// Whether the core of this thread, which may leave meanwhile, was hidden before.
    was_hidden: bool,
    /// What it counts for in [`DEPTH`].
    depth: usize,
}

/// Makes this the current thread's runtime for a `block_on`, until the guard goes.
pub(super) fn enter(handle: Handle) -> Entered {
    enter_at(handle, 1)
}

/// Makes this the current thread's runtime, which goes on with what it does, until the guard goes.
pub(super) fn enter_outside(handle: Handle) -> Entered {
    enter_at(handle, 0)
}

fn enter_at(handle: Handle, depth: usize) -> Entered {
    DEPTH.set(DEPTH.get() + depth);
    Entered {
        before: CURRENT.replace(Some(handle)),
        was_hidden: hide_core(true),
        depth,
    }
}

impl Entered {
    /// Restores nothing.
    pub(super) fn forget(mut self) {
        let before = self.before.take();
        std::mem::forget(self);
        drop(before);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - self.depth);
        let mine = CURRENT.replace(self.before.take());
        hide_core(self.was_hidden);
        // Outside the borrow: this may be the last handle of a runtime.
        drop(mine);
    }
}

/// Whether this is the current thread's runtime.
pub(super) fn is_current(inner: &Arc<Inner>) -> bool {
    with_inner(|current| current.is_some_and(|current| ptr::eq(current, &raw const **inner)))
}

fn hide_core(is_hidden: bool) -> bool {
    sched::context::with_core(|core| core.is_some_and(|core| core.hide(is_hidden)))
}

/// Runs `work` as a thread of this runtime's own: nobody on it waits for the runtime to end.
pub(super) fn on_own_thread(handle: Handle, work: &mut dyn FnMut()) {
    THREAD_OF.set(Arc::as_ptr(handle.inner()));
    sched::context::mark_thread();
    let _entered = enter(handle);
    work();
}

/// Whether the current thread is one of this runtime's own.
pub(super) fn is_thread_of(inner: &Arc<Inner>) -> bool {
    THREAD_OF.get() == Arc::as_ptr(inner)
}

/// Whether this thread is within a `block_on`, and will not do anything else before that returns.
pub(crate) fn is_in_block_on() -> bool {
    let own = usize::from(!THREAD_OF.get().is_null());
    DEPTH.get() > own
}

/// The current thread's runtime.
pub(crate) fn current() -> Option<Handle> {
    // A thread that is ending has lost its locals, and belongs to no runtime any more.
    CURRENT
        .try_with(|current| current.borrow().clone())
        .unwrap_or(None)
}

/// The current runtime's clock, or the system's.
pub(crate) fn now() -> Instant {
    with_inner(|inner| inner.map_or_else(|| SystemClock.now(), Inner::now))
}

/// The present as the worker that this thread is has last read it, or [`now`] anywhere else.
#[inline]
pub(crate) fn recent() -> Instant {
    sched::context::with_core(|core| core.and_then(|core| core.recent())).unwrap_or_else(now)
}

/// The same to the millisecond.
#[inline]
pub(crate) fn recent_stamp() -> Stamp {
    sched::context::with_core(|core| core.and_then(|core| core.recent_stamp()))
        .unwrap_or_else(|| Stamp::of(now()))
}

/// What drives the current runtime instead of threads, if it can be told the time. The error: whether there is a runtime.
pub(crate) fn simulation() -> Result<Arc<Simulation>, bool> {
    with_inner(|inner| {
        let inner = inner.ok_or(false)?;
        inner.simulation.clone().ok_or(true)
    })
}

/// A number from which random choices can follow: from the seed in a simulation, else any.
pub(crate) fn seed() -> u64 {
    with_inner(|inner| inner.map_or_else(|| OsRandom.seed(), |inner| inner.sched.seed()))
}

/// The wheel of the worker this thread is, or of some worker of the current runtime; `true` if this thread is its owner.
pub(crate) fn timers() -> Option<(Arc<Timers>, bool)> {
    with_inner(|inner| {
        let inner = inner?;
        let worker = worker_of(inner);
        let index = worker.unwrap_or_else(|| inner.next_in_turn());
        Some((inner.timers[index].clone(), worker.is_some()))
    })
}

/// The poller for a descriptor that is made on this thread.
pub(crate) fn poller(placement: Placement) -> Option<Arc<Poller>> {
    with_inner(|inner| {
        let inner = inner?;
        inner.poller_for(placement, worker_of(inner))
    })
}

/// The index of the worker this thread is, if it is one of this runtime's, and no spare.
fn worker_of(inner: &Inner) -> Option<usize> {
    sched::context::with_core(|core| {
        let core = core.filter(|core| Arc::ptr_eq(core.shared(), &inner.sched))?;
        core.worker()
    })
}

/// Like [`current`], without a clone: `f` must not run user code.
fn with_inner<R>(f: impl FnOnce(Option<&Inner>) -> R) -> R {
    let mut f = Some(f);
    let called = CURRENT.try_with(|current| {
        let handle = current.borrow();
        f.take()
            .map(|f| f(handle.as_ref().map(|handle| &**handle.inner())))
    });
    match (called, f) {
        (Ok(Some(result)), _) => result,
        // The thread is ending and its locals are gone: it belongs to no runtime any more.
        (_, Some(f)) => f(None),
        _ => unreachable!("f is called once"),
    }
}

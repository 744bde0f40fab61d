//! On which worker is this thread, and in which task?

use super::core::Core;
use crate::sys::sync::thread_local;
use crate::task::id::About;
use std::cell::Cell;
use std::ptr;

thread_local! {
    /// The core this thread runs, or null. Set only by [`enter`], [`leave`], and what a simulation has of the kind.
    static CORE: Cell<*const Core> = const { Cell::new(ptr::null()) };
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
    /// The task that this thread polls without a core: as a guest, or in a pool.
    static TASK: Cell<Option<About>> = const { Cell::new(None) };
}

/// Marks this thread as one that works for a runtime, for good.
pub(crate) fn mark_thread() {
    IS_OURS.with(|is_ours| is_ours.set(true));
}

/// Whether this thread works for a runtime, whichever: as a worker, as a guest, as a sentinel, in a pool.
pub(crate) fn is_runtime_thread() -> bool {
    IS_OURS.try_with(Cell::get).unwrap_or(true)
}

/// Calls `f` with this thread's core, or with `None` on a thread that is no worker (any more).
#[inline(always)]
pub(crate) fn with_core<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    let core = CORE.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: `enter` set the pointer to a core that this thread owns until `leave`, and `leave` is only called
    // by the worker's loop or by a hand-off, neither of which happens within `f` while it still uses the core.
    f(unsafe { core.as_ref() })
}

/// Whether the sentinel wants this thread's worker between two polls.
pub(crate) fn is_called() -> bool {
    with_core(|core| core.is_some_and(Core::is_called))
}

/// What is known of the task in whose poll this is called.
pub(crate) fn current_task() -> Option<About> {
    with_core(|core| match core {
        // SAFETY: a core forgets the task that its thread polls before code of the user's may run after its completion, or after its poll.
        Some(core) => core.polled().map(|task| unsafe { task.about() }),
        None => TASK.try_with(Cell::get).unwrap_or(None),
    })
}

/// Says in which task a thread without a core is. Returns what was said before.
pub(crate) fn set_task(task: Option<About>) -> Option<About> {
    TASK.try_with(|cell| cell.replace(task)).unwrap_or(None)
}

/// The core that a thread has entered.
pub(super) struct Entered(*const Core);

/// Makes `core` this thread's.
pub(super) fn enter(core: Box<Core>) -> Entered {
    let core = Box::into_raw(core).cast_const();
    let before = CORE.with(|cell| cell.replace(core));
    debug_assert!(before.is_null(), "a thread runs one core at a time");
    Entered(core)
}

impl Entered {
    /// The core, if this thread has it still. Not to be kept over a poll, in which it may leave.
    #[inline(always)]
    pub(super) fn core(&self) -> Option<&Core> {
        if CORE.with(Cell::get) != self.0 {
            return None;
        }
        // SAFETY: `enter` (or `enter_above`) put it there, and it stays until `leave`, which is called in a poll or at the end of the worker's loop.
        unsafe { self.0.as_ref() }
    }
}

/// What stood above which a thread has entered a core.
#[cfg(not(shuttle))]
#[derive(Debug)]
pub(super) struct Covered(*const Core);

/// Makes `core` this thread's for a while, above the one that it may have already and that stays its own, out of sight.
#[cfg(not(shuttle))]
pub(super) fn enter_above(core: Box<Core>) -> Covered {
    Covered(CORE.with(|cell| cell.replace(Box::into_raw(core).cast_const())))
}

/// Takes the core from this thread that it has entered above another one, if it has it still, and shows it the other one again.
#[cfg(not(shuttle))]
pub(super) fn uncover(covered: &Covered) -> Option<Box<Core>> {
    let core = leave();
    // What was covered is still there: nobody takes a core but out of the cell, in which it was not.
    CORE.with(|cell| cell.set(covered.0));
    core
}

/// The core that this thread has.
#[cfg(not(shuttle))]
pub(super) fn entered() -> Entered {
    Entered(CORE.with(Cell::get))
}

/// Takes the core from this thread, if it has one.
pub(super) fn leave() -> Option<Box<Core>> {
    let core = CORE.with(|cell| cell.replace(ptr::null())).cast_mut();
    // SAFETY: the pointer came from `Box::into_raw` in `enter`, and nobody else takes it out of the cell.
    (!core.is_null()).then(|| unsafe { Box::from_raw(core) })
}

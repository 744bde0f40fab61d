//! On which worker is this thread?

use super::core::Core;
use std::cell::Cell;
use std::ptr;

thread_local! {
    /// The core this thread runs, or null. Set only by [`enter`] and [`leave`].
    static CORE: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with this thread's core, or with `None` on a thread that is no worker (any more).
#[inline(always)]
pub(crate) fn with_core<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    let core = CORE.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: `enter` set the pointer to a core that this thread owns until `leave`, and `leave` is only called
    // by the worker's loop or by a hand-off, neither of which happens within `f` while it still uses the core.
    f(unsafe { core.as_ref() })
}

/// Makes `core` this thread's. Returns the pointer by which [`is_current`] knows it.
pub(super) fn enter(core: Box<Core>) -> *const Core {
    let core = Box::into_raw(core).cast_const();
    let before = CORE.replace(core);
    debug_assert!(before.is_null(), "a thread runs one core at a time");
    core
}

/// Whether this thread still has the core it entered.
#[inline(always)]
pub(super) fn is_current(core: *const Core) -> bool {
    CORE.get() == core
}

/// Takes the core from this thread, if it has one.
pub(super) fn leave() -> Option<Box<Core>> {
    let core = CORE.replace(ptr::null()).cast_mut();
    // SAFETY: the pointer came from `Box::into_raw` in `enter`, and nobody else takes it out of the cell.
    (!core.is_null()).then(|| unsafe { Box::from_raw(core) })
}

//! Is what stands in a thread-local of the poll that asks?
//!
//! Where a worker has a thread, one poll at a time is under way there. A simulation has one thread for all: a task that calls `block_on` has the others polled within its own poll, and whatever
//! that has left in thread-locals for its length (task-local values, the scope it belongs to) is not theirs. So each poll that is made within another one is a *level* of its own; who leaves
//! something notes the level, and who looks finds it on the same level only.
//!
//! Rejected: to take such values away and to put them back for each poll (they are of as many types as there are keys).

use crate::sys::sync::thread_local;
use std::cell::Cell;

thread_local! {
    static LEVEL: Cell<u32> = const { Cell::new(0) };
}

/// The level of the poll that this is called in; a thread that is ending has one.
pub(crate) fn level() -> u32 {
    LEVEL.try_with(Cell::get).unwrap_or(0)
}

/// Calls `f`, which has nothing to do with what this thread is in the middle of.
pub(crate) fn apart<R>(f: impl FnOnce() -> R) -> R {
    struct Back(u32);
    impl Drop for Back {
        fn drop(&mut self) {
            // A thread that is ending is in the middle of nothing.
            let _ = LEVEL.try_with(|level| level.set(self.0));
        }
    }
    let before = level();
    let _back = Back(before);
    let _ = LEVEL.try_with(|level| level.set(before + 1));
    f()
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn each_call_is_a_level_of_its_own_also_if_it_panics() {
        let here = level();
        assert_ne!(apart(level), here);
        assert_ne!(apart(|| apart(level)), apart(level));
        assert!(catch_unwind(|| apart(|| panic!("out of it"))).is_err());
        assert_eq!(level(), here);
    }
}

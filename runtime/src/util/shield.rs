//! What if code of the user's panics where nobody is there to be told?
//!
//! A waker, a destructor, a hook: the panic was reported when it happened (by the panic hook), and must not cost the runtime a worker, or others
//! their wake-ups. So it ends here. What was thrown may panic in its own destructor; what that throws is left alone.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`. True if it returned, false if it panicked.
#[inline(always)]
pub(crate) fn shield(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => true,
        Err(payload) => {
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                mem::forget(second);
            }
            false
        }
    }
}

//! What if code of a handler panics where its client has been answered already, or cannot be?
//!
//! The panic was reported when it happened, by the panic hook; here it ends. What was thrown may panic once more when it
//! is dropped, and what that throws is left alone.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and ends a panic of it.
pub(crate) fn shield(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Drops what a panic threw.
#[cold]
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use super::shield;
    use std::panic::panic_any;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "what is left alone is a leak, on purpose")]
    fn also_what_was_thrown_may_panic() {
        shield(|| panic_any(PanicsWhenDropped));
    }
}

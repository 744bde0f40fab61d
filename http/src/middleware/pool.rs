//! Where does the future of what comes next live, without an allocation per request?
//!
//! In a [`FutureSlot`] that is taken from a pool of the thread, and given back to that of the thread where the future ends.

use crate::server::slot::FutureSlot;
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Most slots that a thread keeps, of half a KiB each as a rule: as many as handlers within middleware wait at once, when few
/// do. A guess.
const POOL_MAX: usize = 64;

/// Largest slot that is kept, in bytes.
const SLOT_MAX_BYTES: usize = 16 * 1024;

thread_local! {
    static POOL: RefCell<Vec<FutureSlot>> = const { RefCell::new(Vec::new()) };
}

/// A slot that goes back to a pool.
#[derive(Debug)]
pub(super) struct Pooled {
    /// Only `None` while it is dropped.
    slot: Option<FutureSlot>,
}

impl Pooled {
    /// One of the thread's pool, or a new one.
    pub(super) fn take() -> Self {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop());
        Self {
            slot: Some(pooled.ok().flatten().unwrap_or_else(FutureSlot::new)),
        }
    }
}

impl Deref for Pooled {
    type Target = FutureSlot;

    fn deref(&self) -> &FutureSlot {
        self.slot.as_ref().expect("only a drop takes it")
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut FutureSlot {
        self.slot.as_mut().expect("only a drop takes it")
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(mut slot) = self.slot.take() else {
            return;
        };
        // The future may take a slot itself while it is dropped, so the pool must not be borrowed. Should that panic, the slot
        // is freed.
        slot.clear();
        if slot.bytes() > SLOT_MAX_BYTES {
            return;
        }
        // A thread that is ending has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOL_MAX {
                pool.push(slot);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::sync::Arc;

    fn pooled() -> usize {
        POOL.with_borrow(Vec::len)
    }

    #[test]
    fn a_slot_comes_back_empty_unless_it_is_large() {
        let held = Arc::new(());
        let inner = held.clone();
        let mut slot = Pooled::take();
        slot.place(async move {
            pending::<()>().await;
            drop(inner);
        });
        drop(slot);
        assert_eq!((pooled(), Arc::strong_count(&held)), (1, 1));
        let mut slot = Pooled::take();
        assert_eq!(pooled(), 0);
        let large = [0u8; 2 * SLOT_MAX_BYTES];
        slot.place(async move { if large[1] == 0 { "a" } else { "b" } });
        drop(slot);
        assert_eq!(pooled(), 0);
    }

    #[test]
    fn no_more_are_kept_than_the_limit() {
        for count in [POOL_MAX - 1, POOL_MAX, POOL_MAX + 1] {
            POOL.with_borrow_mut(Vec::clear);
            drop((0..count).map(|_| Pooled::take()).collect::<Vec<_>>());
            assert_eq!(pooled(), count.min(POOL_MAX));
        }
    }

    #[test]
    fn a_future_that_takes_a_slot_while_it_is_dropped() {
        struct TakesOne;
        impl Drop for TakesOne {
            fn drop(&mut self) {
                Pooled::take().place(ready(""));
            }
        }
        let mut slot = Pooled::take();
        let takes = TakesOne;
        slot.place(async move {
            pending::<()>().await;
            drop(takes);
        });
        drop(slot);
        assert!(pooled() >= 1);
    }
}

//! How are a few tasks woken after a lock, without an allocation?
//!
//! Whoever releases several waiters collects their wakers here while it holds its lock, on the stack, and runs them after it. When there is no room
//! left it lets go of the lock, wakes those, and comes back. (A [`WakeBatch`](super::wake_batch::WakeBatch) grows instead, and is kept by who has one place
//! to keep it.)

use super::shield::shield;
use std::task::Waker;

/// Wakers for one round: 512 bytes of stack.
const ROUND: usize = 32;

/// Wakers collected under a lock, to be run after it.
#[derive(Debug)]
pub(crate) struct Wakers {
    wakers: [Option<Waker>; ROUND],
    len: usize,
}

impl Wakers {
    pub(crate) const fn new() -> Self {
        Self {
            wakers: [const { None }; ROUND],
            len: 0,
        }
    }

    /// Whether there is no room for another one.
    pub(crate) fn is_full(&self) -> bool {
        self.len == ROUND
    }

    /// # Panics
    ///
    /// If it [is full](Self::is_full).
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    /// Runs every waker in the order of collection, also those behind one that panics. No lock may be held.
    pub(crate) fn wake_all(&mut self) {
        for waker in &mut self.wakers[..self.len] {
            if let Some(waker) = waker.take() {
                shield(|| waker.wake());
            }
        }
        self.len = 0;
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sys::sync::Mutex;
    use std::sync::Arc;
    use std::task::Wake;

    /// Notes its number, and panics if that is 1.
    struct Numbered(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            self.1.lock().push(self.0);
            assert_ne!(self.0, 1, "a waker that panics");
        }
    }

    #[test]
    fn a_full_round_is_woken_in_order_and_there_is_room_again() {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut wakers = Wakers::new();
        for number in 0..ROUND {
            assert!(!wakers.is_full());
            wakers.push(Arc::new(Numbered(number, woken.clone())).into());
        }
        assert!(wakers.is_full());
        wakers.wake_all();
        assert_eq!(*woken.lock(), (0..ROUND).collect::<Vec<_>>());
        assert!(!wakers.is_full());
        wakers.wake_all();
        assert_eq!(woken.lock().len(), ROUND);
    }
}

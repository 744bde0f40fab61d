//! Where does the task stand that runs next on this worker?
//!
//! In a slot of one, before the queue: the last task woken or spawned on a worker runs next, while its data are hot. Its owner
//! changes it with plain stores, millions of times a second; a thief may take from it only when the owner has been stuck in one
//! poll, which is rare, so the thief pays for both ([`barrier`]).
//!
//! | | owner: [`Owner::replace`] | thief: [`Slot::steal`] (under the lock) |
//! |---|---|---|
//! | 1 | `task` = new | `epoch` += 1 |
//! | 2 | light barrier | heavy barrier |
//! | 3 | `epoch` still as I know it? then the old one is mine | read `task`; note it as `stolen` |
//! | 4 | else take the lock and ask `stolen`, the old one or the new one may be gone | |
//!
//! Why no task is taken twice: if the owner's store (1) comes before the heavy barrier, the thief reads the new task and cannot
//! want the old one; what it takes is then known to the owner's next `replace`, which finds the epoch changed. If the store comes
//! after, its epoch load (3) comes after too, finds it changed, and waits for the lock; `stolen` then says which of the two the
//! thief has read. One theft stands at a time: while `stolen` is not acknowledged by the owner, nobody steals again, so the
//! same cell put into the slot anew is never mistaken for the one that was stolen.
//!
//! Rejected: an atomic swap on both sides (a locked instruction per spawn and per wake, 9 ns); a slot that nobody can steal from
//! (what stands in it is stranded for as long as its owner computes).

use crate::sys::barrier::{self, Seen};
use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::cell::Cell;
use std::ptr;

/// The shared side of a slot that holds at most one `*mut T`.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    task: AtomicPtr<T>,
    epoch: AtomicUsize,
    stolen: Mutex<*mut T>,
}

// SAFETY: the slot hands each pointer to exactly one taker and never looks behind it; the pointers stand for tasks, which
// may be taken on any thread.
unsafe impl<T> Send for Slot<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Slot<T> {}

/// The owner's side: what it last put in, and the last epoch it knows.
#[derive(Debug)]
pub(crate) struct Owner<T> {
    held: Cell<*mut T>,
    seen: Seen,
}

// SAFETY: it moves with the owner's right to the slot, and the pointer is not looked behind.
unsafe impl<T> Send for Owner<T> {}

impl<T> Slot<T> {
    pub(crate) fn new() -> (Self, Owner<T>) {
        let slot = Self {
            task: AtomicPtr::new(ptr::null_mut()),
            epoch: AtomicUsize::new(0),
            stolen: Mutex::new(ptr::null_mut()),
        };
        (
            slot,
            Owner {
                held: Cell::new(ptr::null_mut()),
                seen: Seen::new(),
            },
        )
    }

    /// Whether something seems to be in the slot; a hint, for anybody.
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: a hint, nothing is read behind the pointer.
        self.task.load(Ordering::Relaxed).is_null()
    }

    /// Takes what is in the slot, if the owner has acknowledged the last theft. For anybody but the owner; costs a heavy barrier.
    #[cold]
    pub(crate) fn steal(&self) -> Option<*mut T> {
        let mut stolen = self.stolen.lock();
        if !stolen.is_null() || self.is_empty() {
            return None;
        }
        // ORDERING: ordered before the load below by the heavy barrier; partner is the owner's light barrier.
        self.epoch.store(
            self.epoch.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        barrier::heavy();
        // ORDERING: Acquire pairs with the Release store in `replace`: what the owner wrote to the task is ours to see.
        let task = self.task.load(Ordering::Acquire);
        *stolen = task;
        (!task.is_null()).then_some(task)
    }
}

impl<T> Owner<T> {
    /// Puts `new` (or nothing, if null) into the slot and returns what was in it and was not stolen.
    #[inline(always)]
    pub(crate) fn replace(&self, slot: &Slot<T>, new: *mut T) -> *mut T {
        let old = self.held.replace(new);
        // ORDERING: Release pairs with the thief's Acquire load. Ordered before the epoch load by the light barrier.
        slot.task.store(new, Ordering::Release);
        if self.seen.is_current(&slot.epoch) {
            return old;
        }
        self.replace_slow(slot, old, new)
    }

    /// Puts something into the slot that is empty as the owner knows it. There is nothing to claim, so a theft may be noticed with the next
    /// [`replace`](Self::replace).
    #[inline(always)]
    pub(crate) fn put_into_empty(&self, slot: &Slot<T>, new: *mut T) {
        debug_assert!(self.is_empty());
        self.held.set(new);
        // ORDERING: Release, as in `replace`.
        slot.task.store(new, Ordering::Release);
    }

    /// The rare twin: somebody has stolen, or tried to, since we last looked.
    #[cold]
    #[inline(never)]
    fn replace_slow(&self, slot: &Slot<T>, old: *mut T, new: *mut T) -> *mut T {
        let mut stolen = slot.stolen.lock();
        // ORDERING: Relaxed: changed under this lock only.
        self.seen.note(slot.epoch.load(Ordering::Relaxed));
        let gone = std::mem::replace(&mut *stolen, ptr::null_mut());
        if gone.is_null() {
            return old;
        }
        if gone == old {
            // Also when `new` is the same cell: it can only be put in anew after the old one was stolen and run.
            return ptr::null_mut();
        }
        // ORDERING: Relaxed: an empty slot has nothing to be seen behind it.
        debug_assert!(gone == new, "stolen from the slot what was never in it");
        self.held.set(ptr::null_mut());
        slot.task.store(ptr::null_mut(), Ordering::Relaxed);
        old
    }

    /// Takes out what was [put in last](Self::last_put). False if it was stolen.
    #[inline(always)]
    pub(crate) fn take_back(&self, slot: &Slot<T>) -> bool {
        let old = self.held.replace(ptr::null_mut());
        // ORDERING: as in `replace`; there is nothing to be seen behind nothing.
        slot.task.store(ptr::null_mut(), Ordering::Relaxed);
        self.seen.is_current(&slot.epoch)
            || !self.replace_slow(slot, old, ptr::null_mut()).is_null()
    }

    /// Whether this pointer was put in last; it may have been stolen since.
    #[inline(always)]
    pub(crate) fn last_put(&self, task: *mut T) -> bool {
        self.held.get() == task
    }

    /// Whether nothing was put in since the slot was last emptied.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.get().is_null()
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    fn pointer(n: usize) -> *mut u8 {
        ptr::without_provenance_mut(n)
    }

    #[test]
    fn what_is_put_in_comes_out_once() {
        let (slot, owner) = Slot::new();
        assert!(owner.replace(&slot, pointer(1)).is_null());
        assert_eq!(owner.replace(&slot, pointer(2)), pointer(1));
        assert_eq!(slot.steal(), Some(pointer(2)));
        assert_eq!(slot.steal(), None);
        assert!(owner.replace(&slot, ptr::null_mut()).is_null());
        assert_eq!(slot.steal(), None);
    }

    #[test]
    fn the_same_cell_put_in_again_after_a_theft_is_a_new_task() {
        let (slot, owner) = Slot::new();
        assert!(owner.replace(&slot, pointer(1)).is_null());
        assert_eq!(slot.steal(), Some(pointer(1)));
        assert!(owner.replace(&slot, pointer(1)).is_null());
        assert_eq!(owner.replace(&slot, ptr::null_mut()), pointer(1));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sys::sync::{Arc, thread};

    fn pointer(n: usize) -> *mut u8 {
        ptr::without_provenance_mut(n)
    }

    /// Owner: put 1, put 2 over it, take, put 3, take, put 4 into the empty slot, take. Thieves: as given. Every task put in comes out once.
    fn each_task_comes_out_once(thieves: usize) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound.get_or_insert(3);
        model.check(move || {
            let (slot, owner) = Slot::new();
            let slot = Arc::new(slot);
            let thieves: Vec<_> = (0..thieves)
                .map(|_| {
                    let slot = slot.clone();
                    thread::spawn(move || slot.steal().map_or(0, |task| task as usize))
                })
                .collect();
            let mut out = vec![];
            for n in [1, 2, 0, 3, 0] {
                out.push(owner.replace(&slot, pointer(n)) as usize);
            }
            owner.put_into_empty(&slot, pointer(4));
            out.push(owner.replace(&slot, ptr::null_mut()) as usize);
            out.extend(thieves.into_iter().map(|thief| thief.join().unwrap()));
            out.retain(|&n| n != 0);
            out.sort_unstable();
            assert_eq!(out, [1, 2, 3, 4]);
        });
    }

    #[test]
    fn loom_slot_one_thief() {
        each_task_comes_out_once(1);
    }

    #[test]
    fn loom_slot_two_thieves() {
        each_task_comes_out_once(2);
    }

    /// A cell that comes back into the slot after it was stolen and run is not mistaken for the stolen one.
    #[test]
    fn loom_slot_same_cell_again() {
        loom::model(|| {
            let (slot, owner) = Slot::new();
            let slot = Arc::new(slot);
            let runs = Arc::new(AtomicUsize::new(0));
            owner.replace(&slot, pointer(1));
            let thief = thread::spawn({
                let (slot, runs) = (slot.clone(), runs.clone());
                move || {
                    if slot.steal().is_some() {
                        runs.fetch_add(1, Ordering::Release);
                    }
                }
            });
            // Woken again only if it has run, that is, was stolen: ORDERING as for the task word.
            let mut put = 1;
            if runs.load(Ordering::Acquire) == 1 {
                assert!(owner.replace(&slot, pointer(1)).is_null());
                put += 1;
            }
            let mut got = usize::from(!owner.replace(&slot, ptr::null_mut()).is_null());
            thief.join().unwrap();
            got += runs.load(Ordering::Acquire);
            assert_eq!(got, put);
        });
    }
}

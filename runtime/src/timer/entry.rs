//! What does one timer consist of, and how does it cost no allocation?
//!
//! An [`Entry`]: links, tick, waker and state word, 56 bytes that live inside the future that waits. The wheel holds
//! pointers to entries and owns none; an entry that goes away takes itself off its list first. So arming allocates
//! nothing and cancelling frees nothing, on whatever thread it happens.
//!
//! Who may touch which field when is the table of [`super::state`]. Three of its consequences:
//!
//! - **The waker is compared without the lock.** Firing *moves* the waker out: it reads the slot's bits and leaves
//!   them. Only the holder ever writes the slot, so the holder may read it at any time, though perhaps as the ghost of
//!   a waker that has been moved out. Comparing pointers is all it does with it. When they are equal and the entry is
//!   (or just was) armed, that waker is the one that fires. A future that polls its timeout a hundred times takes the
//!   wheel's lock once.
//! - **A fired entry is dropped without the lock**, since firing touches it for the last time with its store of FIRED.
//! - **Foreign code never runs under the lock.** Cloning and dropping a waker may run anything, the drop of another
//!   timer in the same wheel included; wakers are cloned before and dropped after.
//!
//! Rejected: an entry behind an `Arc` with lazy removal by a flag (an allocation per timer, and cancelled timeouts, which
//! are nearly all of them, stay in memory until their time); a waker slot with a lock-free protocol of its own (the
//! wheel's lock is needed anyhow to link and unlink).

use super::Timers;
use super::state::{Phase, State};
use crate::sys::sync::{Arc, UnsafeCell};
use crate::util::list::{Linked, Pointers};
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;
use std::time::Instant;

/// One timer. In at most one wheel, its *home*.
pub(crate) struct Entry {
    /// Under the lock of `home`'s wheel, while armed.
    links: Pointers<Entry>,
    /// When the wheel hands it out. Under the lock while armed.
    tick: UnsafeCell<u64>,
    /// Full while armed. Written by the holder only, under the lock; moved out of by who fires, under the lock.
    waker: UnsafeCell<MaybeUninit<Waker>>,
    /// The wheel it is in, or was in last. The holder's. Full while armed.
    home: UnsafeCell<Option<Arc<Timers>>>,
    /// The list of the wheel it is on. Under the lock while armed.
    place: UnsafeCell<u16>,
    state: State,
    /// The wheel points here.
    _pinned: PhantomPinned,
}

/// What [`Entry::poll`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Polled {
    /// In no wheel: the caller arms it, if it wants to be woken.
    Idle,
    /// In its wheel, and the given waker is the one that will be woken.
    Armed,
    /// Its time has come.
    Fired,
}

// SAFETY: the fields that are not atomic are touched only by who may, by the table of `state`: the holder, which the
// exclusive reference makes unique, or who has the lock of the wheel. What they contain may be sent: wakers and `Timers` are
// Send and Sync.
unsafe impl Send for Entry {}
// SAFETY: as above; a shared reference gives access to the state word only.
unsafe impl Sync for Entry {}

impl Entry {
    /// An entry that is in no wheel.
    pub(crate) fn new() -> Self {
        Self {
            links: Pointers::new(),
            tick: UnsafeCell::new(0),
            waker: UnsafeCell::new(MaybeUninit::uninit()),
            home: UnsafeCell::new(None),
            place: UnsafeCell::new(0),
            state: State::idle(),
            _pinned: PhantomPinned,
        }
    }

    /// True once its time has come, until it is armed or disarmed again.
    pub(crate) fn is_fired(&self) -> bool {
        self.state.load() == Phase::Fired
    }

    /// Looks where the entry stands, and makes `waker` the one to be woken if it is armed. Takes no lock unless the waker
    /// is another than last time.
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, waker: &Waker) -> Polled {
        match self.state.load() {
            Phase::Idle => Polled::Idle,
            Phase::Fired => Polled::Fired,
            Phase::Armed if self.will_wake(waker) => Polled::Armed,
            Phase::Armed => self.change_waker(waker),
        }
    }

    /// Puts the entry into a wheel, out of the one it is in, to wake `waker` at `deadline` (at the next turn if that is
    /// past). `by_owner` says that the caller is the thread that waits on that wheel; when in doubt, `false` costs an
    /// unpark and nothing else.
    ///
    /// Returns [`Polled::Fired`] when the wheel has been shut down, else [`Polled::Armed`].
    pub(crate) fn arm(
        mut self: Pin<&mut Self>,
        home: Arc<Timers>,
        deadline: Instant,
        waker: Waker,
        by_owner: bool,
    ) -> Polled {
        drop(self.as_mut().disarm());
        self.as_mut().set_home(home);
        // SAFETY: we have the holder's reference, and the last two lines have made the entry idle and at home there.
        self.with_home(|home| unsafe { home.enter(self.as_ref(), deadline, waker, by_owner) })
    }

    /// Takes the entry out of its wheel and forgets whether it has fired. Returns the waker that will not be woken.
    pub(crate) fn disarm(self: Pin<&mut Self>) -> Option<Waker> {
        let waker = self.leave_home();
        self.state.clear();
        waker
    }

    /// True if this is the wheel it is in, or was in last.
    pub(crate) fn is_home(self: Pin<&mut Self>, timers: &Arc<Timers>) -> bool {
        self.home.with(|home| {
            // SAFETY: the home is the holder's, and we have its reference.
            let home = unsafe { &*home };
            home.as_ref().is_some_and(|home| Arc::ptr_eq(home, timers))
        })
    }

    /// True if the entry is armed. It may fire at any moment.
    pub(crate) fn is_armed(&self) -> bool {
        self.state.load() == Phase::Armed
    }

    /// Moves an armed entry to another time in the wheel it is in, with the waker it has. An entry that is not armed, or
    /// fires first, is as after [`Self::disarm`]. `by_owner`: as for [`Self::arm`].
    pub(crate) fn rearm(self: Pin<&mut Self>, deadline: Instant, by_owner: bool) {
        let still_armed = self.is_armed()
            && self.with_home(|home| {
                // SAFETY: we have the holder's reference.
                unsafe { home.rearm(self.as_ref(), deadline, by_owner) }
            });
        if !still_armed {
            self.state.clear();
        }
    }

    /// Only for the holder, who then sets the state to idle or lets the entry end.
    fn leave_home(&self) -> Option<Waker> {
        if !self.is_armed() {
            return None;
        }
        // SAFETY: the caller is the holder and sees to the state.
        self.with_home(|home| unsafe { home.cancel(self) })
    }

    #[cold]
    fn change_waker(self: Pin<&mut Self>, waker: &Waker) -> Polled {
        let new = waker.clone();
        // SAFETY: we have the holder's reference.
        let changed = self.with_home(|home| unsafe { home.change_waker(&self, new) });
        // What came back, the old waker or the new one, is dropped here, after the lock.
        match changed {
            Ok(_old) => Polled::Armed,
            Err(_new) => Polled::Fired,
        }
    }

    /// Moves in with another wheel, as an entry that is not armed.
    fn set_home(self: Pin<&mut Self>, home: Arc<Timers>) {
        debug_assert!(!self.is_armed(), "an armed entry stays where it is");
        let previous = self.home.with_mut(|slot| {
            // SAFETY: the home is the holder's, and we have its reference.
            let slot = unsafe { &mut *slot };
            slot.replace(home)
        });
        drop(previous);
    }

    /// Does something at home. Only for the holder of an entry that has one.
    fn with_home<R>(&self, f: impl FnOnce(&Timers) -> R) -> R {
        self.home.with(|home| {
            // SAFETY: only the holder writes the home, in `set_home`; this is the holder, who is not there.
            let home = unsafe { &*home };
            f(home.as_deref().expect("an armed entry has a home"))
        })
    }

    /// Compares with the waker given last. Only for the holder of an armed entry.
    #[inline]
    fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.with(|slot| {
            // SAFETY: an entry that was armed when the holder looked has had its slot filled by the holder, who alone
            // writes it and is here. The waker may have been moved out since, and even dropped; `will_wake` compares the
            // pointers and follows neither of them.
            let slot = unsafe { &*slot };
            // SAFETY: as above.
            let last = unsafe { slot.assume_init_ref() };
            last.will_wake(waker)
        })
    }

    // ---- For `Timers`, which holds the lock.

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// # Safety
    ///
    /// The caller is the holder, holds the lock of the wheel the entry is in or about to enter, and the slot is empty.
    pub(super) unsafe fn put_waker(&self, waker: Waker) {
        self.waker.with_mut(|slot| {
            // SAFETY: nobody else writes, since the caller is the holder, or reads, since it has the lock.
            unsafe { slot.write(MaybeUninit::new(waker)) };
        });
    }

    /// Moves the waker out. Leaves its bits, for the holder to compare with.
    ///
    /// # Safety
    ///
    /// The caller holds the lock of the wheel, the slot is full, and the caller sees to it that from now on the slot counts as
    /// empty: it fills it again or leaves the state `ARMED`.
    pub(super) unsafe fn take_waker(&self) -> Waker {
        self.waker.with(|slot| {
            // SAFETY: the slot is full; nobody writes it while we have the lock.
            let slot = unsafe { slot.read() };
            // SAFETY: the slot is full, and by the contract this is the only time it is moved out of.
            unsafe { slot.assume_init() }
        })
    }

    // ---- For `Wheel`, which is in the lock: what it needs to find the entry again.

    /// # Safety
    ///
    /// The caller has the wheel that `self` is in, mutably.
    pub(super) unsafe fn tick(&self) -> u64 {
        // SAFETY: nobody else touches it, by the contract.
        self.tick.with(|tick| unsafe { *tick })
    }

    /// # Safety
    ///
    /// The caller has the wheel that `self` is in or about to enter, mutably.
    pub(super) unsafe fn set_tick(&self, to: u64) {
        // SAFETY: nobody else touches it, by the contract.
        self.tick.with_mut(|tick| unsafe { *tick = to });
    }

    /// # Safety
    ///
    /// As for [`Self::tick`].
    pub(super) unsafe fn place(&self) -> u16 {
        // SAFETY: nobody else touches it, by the contract.
        self.place.with(|place| unsafe { *place })
    }

    /// # Safety
    ///
    /// As for [`Self::set_tick`].
    pub(super) unsafe fn set_place(&self, to: u16) {
        // SAFETY: nobody else touches it, by the contract.
        self.place.with_mut(|place| unsafe { *place = to });
    }

    /// Touches every field as its only user, so that the model checker reports whoever still uses one.
    #[cfg(loom)]
    fn claim_all(&self) {
        self.tick.with_mut(|_| ());
        self.place.with_mut(|_| ());
        self.waker.with_mut(|_| ());
        self.home.with_mut(|_| ());
    }
}

// SAFETY: always the same field, by address alone; only the lists of a wheel use it.
unsafe impl Linked for Entry {
    unsafe fn pointers(node: NonNull<Self>) -> NonNull<Pointers<Self>> {
        // SAFETY: the node is alive, so the field's address is in bounds.
        let links = unsafe { &raw mut (*node.as_ptr()).links };
        // SAFETY: the address of a field of something alive is not null.
        unsafe { NonNull::new_unchecked(links) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // The waker is dropped here, after the lock.
        drop(self.leave_home());
        #[cfg(loom)]
        self.claim_all();
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Entry").field(&self.state.load()).finish()
    }
}

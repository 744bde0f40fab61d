//! Who may touch a message that many read and one overwrites?
//!
//! The tables stand in [`broadcast`](super). Here is all of its unsafe code.

use crate::sync::short_wait::ShortWait;
use crate::sys::sync::UnsafeCell;
use crate::sys::sync::atomic::{AtomicU64, Ordering};
use std::mem::MaybeUninit;

/// A place for one message.
pub(super) struct Slot<T> {
    /// Which message it is; changed by who sends, last of all.
    position: AtomicU64,
    rights: Rights,
    /// Full while FULL is set, or since whoever may change that has it so.
    message: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a message goes in on one thread and comes out on another.
unsafe impl<T: Send> Send for Slot<T> {}
// SAFETY: as above, and it is cloned by several threads at once, hence `Sync`.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

/// The message is not there: not yet, or not any more.
#[derive(Debug)]
pub(super) struct NotThere;

/// Of a slot that has had no message yet.
const NONE: u64 = u64::MAX;

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        Self {
            position: AtomicU64::new(NONE),
            rights: Rights::new(),
            message: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts a message in, which so many receivers may read. Returns one that was overwritten, to be dropped without a lock held.
    ///
    /// Only one thread at a time may do so. Whoever may read a message has a right to every later one, until it [forfeits](Self::forfeit) them all and is not counted any more, and does not come
    /// by after that: so nobody is on its way to a slot in which it has no right.
    pub(super) fn put(&self, position: u64, message: T, readers: u64) -> Option<T> {
        if self.rights.is_nobodys() {
            // SAFETY: nobody has a right, so that nobody is inside or on its way there, by the table.
            unsafe { self.fill(message) };
            self.rights.give_first(readers);
            self.be(position);
            return None;
        }
        let claim = self.rights.claim();
        // SAFETY: BUSY is ours, and it was set while nobody was inside.
        let old = claim.is_full.then(|| unsafe { self.empty() });
        // SAFETY: as above; empty now.
        unsafe { self.fill(message) };
        // Before BUSY goes, so that who comes in later for the old one sees that it is another.
        self.be(position);
        self.rights.give(claim, readers);
        old
    }

    /// Reads the message at a position that the caller has a right to, unless it was overwritten or is not there yet. The right is used up.
    pub(super) fn read(&self, position: u64) -> Result<T, NotThere>
    where
        T: Clone,
    {
        let inside = self.go_in(position)?;
        if inside.is_last {
            // SAFETY: inside, with the only right: nobody else reads it, and who sends waits until we have left.
            let message = unsafe { self.empty() };
            self.rights.leave_empty();
            return Ok(message);
        }
        // Leaves also if the message cannot be cloned.
        let _leave = Leave(self);
        let clone = self.message.with(|message| {
            // SAFETY: inside, with a right: nobody writes it until we have left.
            let message = unsafe { &*message };
            // SAFETY: there is one, since we have a right to it.
            unsafe { message.assume_init_ref() }.clone()
        });
        Ok(clone)
    }

    /// Gives up the right to the message at a position, unless it was overwritten. Returns the message if that was the last right, to be dropped without a lock held.
    pub(super) fn skip(&self, position: u64) -> Option<T> {
        let inside = self.go_in(position).ok()?;
        if inside.is_last {
            // SAFETY: as in `read`.
            let message = unsafe { self.empty() };
            self.rights.leave_empty();
            return Some(message);
        }
        self.rights.leave().then(|| self.tidy()).flatten()
    }

    /// As [`skip`](Self::skip), but a message that nobody has a right to then stays where it is, to be [tidied](Self::tidy) away when no lock is held.
    pub(super) fn forfeit(&self, position: u64) {
        if self.go_in(position).is_ok() {
            self.rights.leave();
        }
    }

    /// Takes out a message that nobody has a right to, if there is one and nobody else is there, to be dropped without a lock held. Anybody may call this at any time.
    pub(super) fn tidy(&self) -> Option<T> {
        if !self.rights.claim_unread() {
            return None;
        }
        // SAFETY: BUSY is ours, and it was set while nobody was inside and the slot was full.
        let message = unsafe { self.empty() };
        self.rights.be_empty();
        Some(message)
    }

    /// Whether somebody has yet to read what is in it.
    pub(super) fn is_wanted(&self) -> bool {
        self.rights.are_any()
    }

    /// Whether the message at this position is there; out of date at any moment.
    #[inline]
    fn is(&self, position: u64) -> bool {
        // ORDERING: Acquire, partner of `be`: message and rights are there.
        self.position.load(Ordering::Acquire) == position
    }

    fn be(&self, position: u64) {
        // ORDERING: Release, partner of `is`.
        self.position.store(position, Ordering::Release);
    }

    #[inline]
    fn go_in(&self, position: u64) -> Result<Inside, NotThere> {
        if !self.is(position) {
            return Err(NotThere);
        }
        let inside = self.rights.enter();
        if inside.is_busy || !self.is(position) {
            self.rights.leave_without();
            return Err(NotThere);
        }
        Ok(inside)
    }

    /// # Safety
    ///
    /// The slot is empty and the caller's.
    unsafe fn fill(&self, message: T) {
        // SAFETY: nobody else touches it, says the caller.
        (self.message).with_mut(|slot| unsafe { slot.write(MaybeUninit::new(message)) });
    }

    /// # Safety
    ///
    /// The slot is full and the caller's, who sees to it that it counts as empty from now on.
    unsafe fn empty(&self) -> T {
        self.message.with_mut(|slot| {
            // SAFETY: nobody else touches it, says the caller.
            let message = unsafe { slot.read() };
            // SAFETY: full, says the caller, and moved out of once.
            unsafe { message.assume_init() }
        })
    }
}

/// Leaves a slot, and uses up the right to its message.
struct Leave<'a, T>(&'a Slot<T>);

impl<T> Drop for Leave<'_, T> {
    fn drop(&mut self) {
        if self.0.rights.leave() {
            drop(self.0.tidy());
        }
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        if self.rights.is_full() {
            // SAFETY: full, and nobody has a reference to it any more.
            drop(unsafe { self.empty() });
        }
    }
}

const FULL: u64 = 1;
const BUSY: u64 = 1 << 1;
const RIGHT: u64 = 1 << 2;
const INSIDE: u64 = 1 << 33;
const RIGHTS: u64 = INSIDE - RIGHT;

/// So many receivers a channel can have.
pub(super) const RECEIVERS_MAX: u64 = RIGHTS / RIGHT;

/// The word of the module's table.
struct Rights(AtomicU64);

/// What a receiver found that went in.
struct Inside {
    is_last: bool,
    is_busy: bool,
}

/// A slot that is BUSY for who holds this.
struct Claim {
    is_full: bool,
    /// What is to be taken away from the word.
    old: u64,
}

impl Rights {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn is_nobodys(&self) -> bool {
        // ORDERING: Acquire, partner of `leave`, `leave_empty` and `be_empty`: whoever has read it is done with it.
        self.0.load(Ordering::Acquire) == 0
    }

    fn are_any(&self) -> bool {
        // ORDERING: Relaxed: only told.
        self.0.load(Ordering::Relaxed) & RIGHTS != 0
    }

    fn is_full(&self) -> bool {
        // ORDERING: Acquire, as `is_nobodys`, for the slot's end.
        self.0.load(Ordering::Acquire) & FULL != 0
    }

    /// The first rights to a message in a slot that is nobody's.
    fn give_first(&self, readers: u64) {
        // ORDERING: Relaxed: nobody looks before the position says that there is something.
        self.0.store(FULL | (readers * RIGHT), Ordering::Relaxed);
    }

    /// Waits until nobody is inside, and keeps others out.
    #[cold]
    fn claim(&self) -> Claim {
        let mut short_wait = ShortWait::default();
        loop {
            let now = self.0.load(Ordering::Relaxed);
            let is_free = now & BUSY == 0 && now < INSIDE;
            // ORDERING: Acquire, partner of `leave` and `be_empty`, as for `is_nobodys`. Release, so that who enters behind this sees nothing older; it looks at BUSY alone.
            let claimed = |now| {
                (self.0).compare_exchange(now, now | BUSY, Ordering::AcqRel, Ordering::Relaxed)
            };
            if is_free && claimed(now).is_ok() {
                return Claim {
                    is_full: now & FULL != 0,
                    old: now | BUSY,
                };
            }
            short_wait.wait();
        }
    }

    /// Rights to a new message in the place of what was claimed. Whoever is inside by mistake stays counted until it leaves.
    fn give(&self, claim: Claim, readers: u64) {
        let change = (FULL | (readers * RIGHT)).wrapping_sub(claim.old);
        // ORDERING: Release, partner of `enter`: who sees that it is not BUSY any more sees the new position. Acquire is not needed: nothing was done inside meanwhile.
        self.0.fetch_add(change, Ordering::Release);
    }

    fn enter(&self) -> Inside {
        // ORDERING: Acquire, partner of `give`: the position that is looked at behind this is no older than the word. Release is not needed: `leave` has it.
        let before = self.0.fetch_add(INSIDE, Ordering::Acquire);
        Inside {
            is_last: before & RIGHTS == RIGHT,
            is_busy: before & BUSY != 0,
        }
    }

    /// With the message read. True if that was the last right.
    fn leave(&self) -> bool {
        // ORDERING: Release, partner of `is_nobodys` and `claim`: who sends overwrites it after that. Acquire by `claim_unread`, if it comes to that.
        self.0.fetch_sub(INSIDE + RIGHT, Ordering::Release) & RIGHTS == RIGHT
    }

    /// With the message, which was the last right.
    fn leave_empty(&self) {
        // ORDERING: as for `leave`.
        (self.0).fetch_sub(INSIDE + RIGHT + FULL, Ordering::Release);
    }

    /// Without having touched anything.
    fn leave_without(&self) {
        // ORDERING: Relaxed: nothing was read.
        self.0.fetch_sub(INSIDE, Ordering::Relaxed);
    }

    /// A message that is left and nobody has a right to. False if somebody else is there: who sends will see to it.
    fn claim_unread(&self) -> bool {
        // ORDERING: Acquire, partner of `leave`: the others are done with it.
        (self.0)
            .compare_exchange(FULL, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// What was claimed unread has been taken out.
    fn be_empty(&self) {
        // ORDERING: Release, partner of `is_nobodys` and `claim`.
        self.0.fetch_sub(BUSY, Ordering::Release);
    }
}

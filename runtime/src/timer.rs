//! How does a worker have a million timers for the price of the few that run out?
//!
//! Each worker has a [`Timers`]: a timing wheel in a lock, and beside the lock one word, `next`, that says before which
//! tick there is nothing to do. An entry of the wheel lives inside the future that waits for it.
//!
//! | module | answers |
//! |---|---|
//! | [`wheel`] | which entries are due |
//! | [`entry`] | what one timer consists of |
//! | [`state`] | who may touch an entry when; the table of its states |
//! | this one | who fires whom under which lock, and how the worker's wait is kept short enough |
//!
//! # Who does what
//!
//! - The **owner**, the worker whose wheel it is, bounds its wait by [`Timers::next_deadline`] and calls [`Timers::fire`] when
//!   [`Timers::is_due`] says so, once per turn.
//! - A **thief**, an idle worker, calls [`Timers::try_fire`] on the wheel of a busy sibling, so that a timer does not wait for
//!   the end of one long poll. It never waits for the lock: who has it is firing or will be gone in a moment.
//! - The **holder** of an entry, the task that sleeps, may be on any thread. It arms, changes the waker, re-arms and
//!   cancels under the lock.
//! - Whoever fires collects wakers and runs none; see [`WakeBatch`].
//!
//! The lock is held for [`STEPS_PER_HOLD`] steps at most, then given up and taken again.
//!
//! # Why no timer is late because of a remote arm
//!
//! The owner reads `next`, computes how long it may wait, and waits; somewhere in there another thread arms an earlier
//! entry. That thread has stored `next` before it calls `unpark`, and an unpark is remembered while nobody waits: so either
//! the owner's read of `next` sees the store, or the unpark comes after the read and ends the wait that was computed from
//! it. After the wait the owner reads `next` again. The owner's own arms need no unpark: it reads `next` after them anyway.
//!
//! `next` may name a tick that is too early (the earliest entry was cancelled, or the wheel wants to move a slot
//! down): the price is one turn that finds nothing. It never names one that is too late.
//!
//! # Time
//!
//! A tick is one millisecond since the runtime's start. Deadlines are rounded up and the present is rounded down, so that a
//! timer never fires early, and at most one tick late plus the time until somebody looks.
//!
//! # After the end
//!
//! [`Timers::shutdown`] fires every entry, and an entry armed after that fires at once: a future that outlives its runtime
//! and sleeps resolves rather than hangs, in whatever executor it is by then.
//!
//! # Rejected
//!
//! - One wheel for all workers: its lock is the busiest of a server, in which each request arms and cancels a timeout.
//! - A wheel without a lock, its owner's alone, with a queue for remote cancels: then a `Sleep` that is dropped elsewhere
//!   must leave its entry behind, so it needs an allocation of its own, and thieves cannot fire. An uncontended lock
//!   costs about 10 ns.

pub(crate) mod entry;
mod state;
mod wheel;

pub(crate) use entry::{Entry, Polled};

use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicU64, Ordering};
use crate::util::wake_batch::WakeBatch;
use state::Phase;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;
use std::time::{Duration, Instant};
use wheel::{NEVER, Step, TICK_MAX, Wheel};

/// One worker's timers. On lines of its own: its worker writes it all the time, and siblings and the sentinel look at `next`.
#[repr(align(128))]
pub(crate) struct Timers {
    /// Nothing is to be done before this tick; [`NEVER`] when the wheel is empty. Written under the lock.
    next: AtomicU64,
    /// Tick 0.
    start: Instant,
    /// Ends the owner's wait.
    unpark: Box<dyn Fn() + Send + Sync>,
    inside: Mutex<Inside>,
}

/// What the lock protects.
#[derive(Debug)]
struct Inside {
    wheel: Wheel,
    /// Set by [`Timers::shutdown`], for ever: the wheel stays empty.
    closed: bool,
}

impl Timers {
    /// An empty wheel whose tick 0 is `start`. `unpark` is to end the owner's wait in its driver, the present one or the next; it is
    /// called with no lock held.
    pub(crate) fn new(start: Instant, unpark: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            next: AtomicU64::new(NEVER),
            start,
            unpark,
            inside: Mutex::new(Inside {
                wheel: Wheel::new(),
                closed: false,
            }),
        }
    }

    /// Until when the owner may wait; `None` when there is no timer. Takes no lock.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.next() {
            NEVER => None,
            // A deadline that the clock cannot show is none.
            tick => self.start.checked_add(Duration::from_millis(tick)),
        }
    }

    /// True if there is something to do at `now`. Takes no lock.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let next = self.next();
        next != NEVER && next <= self.tick_at(now)
    }

    /// Moves the wakers of everything that is due at `now` into `ready`. For the owner: it waits for the lock. Returns with
    /// no lock held.
    pub(crate) fn fire(&self, now: Instant, ready: &mut WakeBatch) {
        let now = self.tick_at(now);
        while self.next() <= now {
            self.fire_some(&mut self.inside.lock(), now, ready);
        }
    }

    /// [`Self::fire`] for a thief: when somebody has the lock it leaves the rest to them. Returns with no lock held.
    pub(crate) fn try_fire(&self, now: Instant, ready: &mut WakeBatch) {
        let now = self.tick_at(now);
        while self.next() <= now {
            let Some(mut inside) = self.inside.try_lock() else {
                return;
            };
            self.fire_some(&mut inside, now, ready);
        }
    }

    /// Fires every entry, due or not, and lets each later one fire as soon as it is armed. Returns with no lock held.
    pub(crate) fn shutdown(&self, ready: &mut WakeBatch) {
        while !self.close_some(ready) {}
    }

    // ---- For `Entry`: what it has to do at its home. All four hand out what the lock protects, and trust the caller
    // to be the entry's holder.

    /// Takes in an entry; see [`Entry::arm`].
    ///
    /// # Safety
    ///
    /// The caller is the holder; the entry is idle and its home is here.
    unsafe fn enter(
        &self,
        entry: Pin<&Entry>,
        deadline: Instant,
        waker: Waker,
        by_owner: bool,
    ) -> Polled {
        let tick = self.tick_of(deadline);
        let mut inside = self.inside.lock();
        if inside.closed {
            drop(inside);
            entry.state().fire();
            return Polled::Fired;
        }
        // SAFETY: the caller is the holder, we have the lock, and an idle entry's slot is empty.
        unsafe { entry.put_waker(waker) };
        // SAFETY: the entry is pinned, and its drop takes it off the list; it was idle, so it is on none.
        unsafe { inside.wheel.insert(address(entry), tick) };
        entry.state().arm();
        let earliest = self.lower_next(tick);
        drop(inside);
        self.unpark_if(earliest && !by_owner);
        Polled::Armed
    }

    /// Moves an entry to another time. False if it is not armed any more.
    ///
    /// # Safety
    ///
    /// The caller is the holder; the entry's home is here.
    unsafe fn rearm(&self, entry: Pin<&Entry>, deadline: Instant, by_owner: bool) -> bool {
        let tick = self.tick_of(deadline);
        let mut inside = self.inside.lock();
        if entry.state().load() != Phase::Armed {
            return false;
        }
        // SAFETY: an armed entry is in the wheel of its home.
        unsafe { inside.wheel.remove(address(entry)) };
        // SAFETY: the entry is pinned, and its drop takes it off the list; it is on none now.
        unsafe { inside.wheel.insert(address(entry), tick) };
        let earliest = self.lower_next(tick);
        drop(inside);
        self.unpark_if(earliest && !by_owner);
        true
    }

    /// Takes an entry out of the wheel. `None` if it is not armed any more.
    ///
    /// # Safety
    ///
    /// The caller is the holder; the entry's home is here. When this returns a waker, the caller sets the state to
    /// idle or lets the entry end.
    unsafe fn cancel(&self, entry: &Entry) -> Option<Waker> {
        let mut inside = self.inside.lock();
        if entry.state().load() != Phase::Armed {
            return None;
        }
        // SAFETY: an armed entry is in the wheel of its home.
        unsafe { inside.wheel.remove(NonNull::from(entry)) };
        self.raise_next(&inside.wheel);
        // SAFETY: we have the lock; an armed entry's slot is full; the caller sees to the state.
        Some(unsafe { entry.take_waker() })
    }

    /// Gives an entry another waker, and returns the old one; or the new one, if the entry is not armed any more.
    ///
    /// # Safety
    ///
    /// The caller is the holder; the entry's home is here.
    unsafe fn change_waker(&self, entry: &Entry, new: Waker) -> Result<Waker, Waker> {
        let inside = self.inside.lock();
        if entry.state().load() != Phase::Armed {
            return Err(new);
        }
        // SAFETY: we have the lock; an armed entry's slot is full, and is filled again below.
        let old = unsafe { entry.take_waker() };
        // SAFETY: the caller is the holder, we have the lock, and the slot counts as empty.
        unsafe { entry.put_waker(new) };
        drop(inside);
        Ok(old)
    }

    // ---- Private help.

    fn fire_some(&self, inside: &mut Inside, now: u64, ready: &mut WakeBatch) {
        for _ in 0..STEPS_PER_HOLD {
            match inside.wheel.step(now) {
                // SAFETY: the entry was in the wheel, so it is armed, and we have the lock.
                Step::Due(entry) => ready.push(unsafe { retire(entry) }),
                Step::Moved => {}
                Step::Done => break,
            }
        }
        self.set_next(inside.wheel.next_tick());
    }

    /// True when nothing is left.
    fn close_some(&self, ready: &mut WakeBatch) -> bool {
        let mut inside = self.inside.lock();
        inside.closed = true;
        for _ in 0..STEPS_PER_HOLD {
            let Some(entry) = inside.wheel.pop_any() else {
                self.set_next(NEVER);
                return true;
            };
            // SAFETY: the entry was in the wheel, so it is armed, and we have the lock.
            ready.push(unsafe { retire(entry) });
        }
        false
    }

    #[inline]
    fn next(&self) -> u64 {
        // ORDERING: Relaxed. It is a hint of when to take the lock; what it announces is read under the lock. That the
        // owner does not oversleep rests on `unpark`: whoever lowers it calls that afterwards, and the return of the
        // wait that it ends makes the store visible.
        self.next.load(Ordering::Relaxed)
    }

    /// Only under the lock.
    fn set_next(&self, tick: u64) {
        // ORDERING: Relaxed, see `next`.
        self.next.store(tick, Ordering::Relaxed);
    }

    /// An entry came in; true if it is now the earliest. Only under the lock.
    fn lower_next(&self, tick: u64) -> bool {
        let earliest = tick < self.next();
        if earliest {
            self.set_next(tick);
        }
        earliest
    }

    /// An entry went out. Only under the lock.
    fn raise_next(&self, wheel: &Wheel) {
        // The wheel may know less than we do: of a slot of a higher level only where it begins.
        let next = wheel.next_tick();
        if next > self.next() {
            self.set_next(next);
        }
    }

    fn unpark_if(&self, needed: bool) {
        if needed {
            (self.unpark)();
        }
    }

    /// The tick at which a deadline has passed for certain: rounded up.
    fn tick_of(&self, deadline: Instant) -> u64 {
        let since_start = deadline.saturating_duration_since(self.start);
        let whole = whole_millis(since_start);
        let rest = since_start.subsec_nanos() % NANOS_PER_TICK;
        whole.saturating_add((rest != 0).into()).min(TICK_MAX)
    }

    /// The last tick that has passed at `now`: rounded down.
    fn tick_at(&self, now: Instant) -> u64 {
        whole_millis(now.saturating_duration_since(self.start)).min(TICK_MAX)
    }
}

/// Ends an entry's time in the wheel and returns whom to wake. The entry may be gone when this returns.
///
/// # Safety
///
/// The entry is armed and valid, it has just been taken off its list, and the caller has the lock of its wheel.
unsafe fn retire(entry: NonNull<Entry>) -> Waker {
    // SAFETY: the entry is valid until the state says FIRED: its drop would wait for our lock.
    let entry = unsafe { entry.as_ref() };
    // SAFETY: we have the lock; an armed entry's slot is full; it leaves that state in the next line.
    let waker = unsafe { entry.take_waker() };
    entry.state().fire();
    waker
}

/// Without the detour over 128 bits that `as_millis` takes.
fn whole_millis(duration: Duration) -> u64 {
    let of_seconds = duration.as_secs().saturating_mul(1000);
    of_seconds.saturating_add(duration.subsec_millis().into())
}

fn address(entry: Pin<&Entry>) -> NonNull<Entry> {
    NonNull::from(entry.get_ref())
}

impl std::fmt::Debug for Timers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timers")
            .field("next", &self.next())
            .finish_non_exhaustive()
    }
}

const NANOS_PER_TICK: u32 = 1_000_000;

/// After so many steps of the wheel the lock is given up for a moment. A step takes 5 to 50 ns (a cache miss per entry): a
/// canceller waits for 25 us at most. A guess at what is short against a task and long against a lock.
const STEPS_PER_HOLD: u32 = 512;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

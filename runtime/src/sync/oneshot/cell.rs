//! What do the two sides of a oneshot share?
//!
//! One allocation: the word of [`state`](super::state), the value, a waker for each side. All the unsafe code of a oneshot stands here; what each block relies on is the
//! table there.

use super::state::{Ended, OneSide, Rx, Seen, Side, State, Tx};
use crate::sys::sync::UnsafeCell;
use crate::util::shield::shield;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::num::NonZero;
use std::ptr::NonNull;
use std::task::{Poll, Waker};

/// A waker that is there or not, as the word says.
type WakerPlace = UnsafeCell<MaybeUninit<Waker>>;

struct Cell<T> {
    state: State,
    /// Full if SENT.
    value: UnsafeCell<MaybeUninit<T>>,
    /// Full if RX_WAKER.
    rx_waker: WakerPlace,
    /// Full if TX_WAKER.
    tx_waker: WakerPlace,
}

/// One side's share of the cell, which lives until it is dropped, and longer if the other does. Who has ended and owes nothing any more forgets it.
pub(super) struct End<T, S: OneSide> {
    cell: NonNull<Cell<T>>,
    _side: PhantomData<S>,
}

// SAFETY: what is shared is reached as the table of `state` says; the value and the wakers may be sent.
unsafe impl<T: Send, S: OneSide> Send for End<T, S> {}
// SAFETY: through a shared reference only the word is reached, which is atomic.
unsafe impl<T: Send, S: OneSide> Sync for End<T, S> {}

/// The sender's and the receiver's.
#[inline]
pub(super) fn ends<T>() -> (End<T, Tx>, End<T, Rx>) {
    let cell = NonNull::from(Box::leak(Box::new(Cell::new())));
    (End::of(cell), End::of(cell))
}

impl<T> End<T, Tx> {
    /// Sends. The value comes back if the receiver has gone.
    #[inline]
    pub(super) fn send(self, value: T) -> Result<(), T> {
        let seen = self.load();
        if seen.has_ended(Side::Receiver) {
            return Err(value);
        }
        // SAFETY: before ENDED the place is empty and the sender's.
        self.cell()
            .value
            .with_mut(|place| unsafe { place.write(MaybeUninit::new(value)) });
        let ended = self.cell().state.send(seen);
        if let Ended::Last(_) = ended {
            // SAFETY: the receiver has gone without it, says the verdict; it was written above, and counts as empty since SENT is not set.
            return Err(unsafe { self.cell().read_value() });
        }
        let cell = self.into_cell();
        // SAFETY: this side has ended by what the verdict says, and does so once.
        unsafe { Self::settle(cell, ended) };
        Ok(())
    }
}

impl<T> End<T, Rx> {
    /// The value, if there is one. The sender has ended and has no business with the receiver's waker any more, as was seen.
    #[inline]
    pub(super) fn into_value(self, seen: Seen) -> Option<T> {
        assert!(seen.has_ended(Side::Sender) && !seen.has_waker(Side::Receiver));
        if !seen.is_sent() {
            return None;
        }
        // SAFETY: SENT, and this side alone; the place counts as empty below.
        let value = unsafe { self.cell().read_value() };
        // SAFETY: this side is alone, and its end is given up.
        unsafe { Cell::free(self.into_cell(), seen.without_value()) };
        Some(value)
    }
}

impl<T, S: OneSide> End<T, S> {
    fn of(cell: NonNull<Cell<T>>) -> Self {
        Self {
            cell,
            _side: PhantomData,
        }
    }

    /// What may stand in the place of an end, at an address that no cell has, since it is below what a cell is aligned to.
    ///
    /// # Safety
    ///
    /// It is forgotten, and nothing of it is used but its [address](Self::addr).
    #[inline]
    pub(super) unsafe fn dangling(addr: NonZero<usize>) -> Self {
        assert!(addr.get() < align_of::<Cell<T>>());
        Self::of(NonNull::dangling().with_addr(addr))
    }

    #[inline]
    pub(super) fn addr(&self) -> NonZero<usize> {
        self.cell.addr()
    }

    #[inline]
    fn cell(&self) -> &Cell<T> {
        // SAFETY: this side has not ended, or has yet to settle what it owes, so that nobody has freed it.
        unsafe { self.cell.as_ref() }
    }

    /// Forgets the end.
    #[inline]
    fn into_cell(self) -> NonNull<Cell<T>> {
        ManuallyDrop::new(self).cell
    }

    #[inline]
    pub(super) fn load(&self) -> Seen {
        self.cell().state.load()
    }

    /// Whether the other side has ended.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.load().has_ended(S::SIDE.other())
    }

    /// Ends without a value, unless the other side has ended before.
    pub(super) fn leave(self) -> Result<(), Self> {
        let ended = self.cell().state.end(S::SIDE);
        if let Ended::Last(_) = ended {
            return Err(self);
        }
        let cell = self.into_cell();
        // SAFETY: this side has ended by what the verdict says, and does so once.
        unsafe { Self::settle(cell, ended) };
        Ok(())
    }

    /// The word, if the other side has ended; then it has no business with this side's waker any more.
    pub(super) fn try_alone(&self) -> Option<Seen> {
        let seen = self.load();
        if !seen.has_ended(S::SIDE.other()) {
            None
        } else if seen.has_waker(S::SIDE) {
            Some(self.cell().state.wait_for_waker(S::SIDE))
        } else {
            Some(seen)
        }
    }

    /// Ready when the other side has ended and has no business with this side's waker any more; otherwise it is going to be woken. Gives the word.
    #[inline]
    pub(super) fn poll_alone(&mut self, waker: &Waker) -> Poll<Seen> {
        let seen = self.load();
        if seen.has_ended(S::SIDE.other()) && !seen.has_waker(S::SIDE) {
            return Poll::Ready(seen);
        }
        self.poll_registered(waker, seen)
    }

    #[inline(never)]
    fn poll_registered(&mut self, waker: &Waker, mut seen: Seen) -> Poll<Seen> {
        loop {
            let is_alone = seen.has_ended(S::SIDE.other());
            if !seen.has_waker(S::SIDE) {
                if is_alone {
                    return Poll::Ready(seen);
                }
                match self.put_waker(waker.clone(), seen) {
                    Ok(()) => return Poll::Pending,
                    Err(now) => seen = now,
                }
            } else if self.will_wake(waker) {
                // If the other one is moving it out right now, the wake is still to come.
                return Poll::Pending;
            } else if is_alone {
                return Poll::Ready(self.cell().state.wait_for_waker(S::SIDE));
            } else {
                seen = self.retract_waker(seen).unwrap_or_else(|now| now);
            }
        }
    }

    fn put_waker(&mut self, waker: Waker, seen: Seen) -> Result<(), Seen> {
        let place = self.cell().waker_of(S::SIDE);
        // SAFETY: without its bit the place is empty and this side's.
        place.with_mut(|place| unsafe { place.write(MaybeUninit::new(waker)) });
        self.cell().state.put_waker(S::SIDE, seen).inspect_err(|_| {
            // SAFETY: written above, and its bit is not set.
            drop(unsafe { self.cell().take_waker(S::SIDE) });
        })
    }

    fn retract_waker(&mut self, seen: Seen) -> Result<Seen, Seen> {
        self.cell().state.retract_waker(S::SIDE, seen).inspect(|_| {
            // SAFETY: its bit was set and is not any more, by this side: full and its own.
            drop(unsafe { self.cell().take_waker(S::SIDE) });
        })
    }

    /// Compares with the waker in its place, whose bit was seen.
    fn will_wake(&self, waker: &Waker) -> bool {
        self.cell().waker_of(S::SIDE).with(|place| {
            // SAFETY: this side has filled it and nobody else writes it. The other may have moved the waker out since, and even dropped it; `will_wake` compares the
            // pointers and follows neither of them.
            let place = unsafe { &*place };
            // SAFETY: as above.
            unsafe { place.assume_init_ref() }.will_wake(waker)
        })
    }

    /// Does what a verdict asks for.
    ///
    /// # Safety
    ///
    /// It is the verdict of this side's end, and is settled once. The cell is not touched by this side after it.
    #[inline]
    unsafe fn settle(cell: NonNull<Cell<T>>, ended: Ended) {
        match ended {
            Ended::First => {}
            // SAFETY: the other's bit was set when this side ended, and the caller settles it once.
            Ended::FirstAndWake(seen) => unsafe { Self::wake_other(cell, seen) },
            // SAFETY: the other side has ended and has no business in it any more.
            Ended::Last(seen) => unsafe { Cell::free(cell, seen) },
        }
    }

    /// # Safety
    ///
    /// This side has ended first, and has yet to settle that the other's bit was set.
    unsafe fn wake_other(cell: NonNull<Cell<T>>, seen: Seen) {
        // SAFETY: until it is told that its waker was taken, the other side does not free the cell.
        let cell = unsafe { cell.as_ref() };
        // SAFETY: the waker is there, says the bit, and this side's to move out.
        let waker = unsafe { cell.take_waker(S::SIDE.other()) };
        cell.state.waker_taken(S::SIDE, seen);
        shield(|| waker.wake());
    }
}

impl<T, S: OneSide> Drop for End<T, S> {
    /// Not where a value is sent and received, and kept out of what is inlined there.
    #[inline(never)]
    fn drop(&mut self) {
        let ended = self.cell().state.end(S::SIDE);
        // SAFETY: this side has ended by what the verdict says, and this is its drop.
        unsafe { Self::settle(self.cell, ended) };
    }
}

impl<T> Cell<T> {
    #[inline]
    fn new() -> Self {
        let empty = || UnsafeCell::new(MaybeUninit::uninit());
        Self {
            state: State::new(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            rx_waker: empty(),
            tx_waker: empty(),
        }
    }

    #[inline]
    fn waker_of(&self, side: Side) -> &WakerPlace {
        match side {
            Side::Sender => &self.tx_waker,
            Side::Receiver => &self.rx_waker,
        }
    }

    /// # Safety
    ///
    /// The place is full and the caller's, who sees to it that it counts as empty from now on.
    unsafe fn take_waker(&self, side: Side) -> Waker {
        self.waker_of(side).with(|place| {
            // SAFETY: nobody writes it meanwhile, says the caller.
            let place = unsafe { place.read() };
            // SAFETY: full, says the caller.
            unsafe { place.assume_init() }
        })
    }

    /// # Safety
    ///
    /// As for `take_waker`.
    #[inline]
    unsafe fn read_value(&self) -> T {
        self.value.with_mut(|place| {
            // SAFETY: the caller's.
            let place = unsafe { place.read() };
            // SAFETY: full, says the caller.
            unsafe { place.assume_init() }
        })
    }

    /// Drops what is in the cell, and frees it.
    ///
    /// # Safety
    ///
    /// Nobody else is there, nor comes back, and what the word says of the three places is true of them.
    #[inline]
    unsafe fn free(cell: NonNull<Self>, seen: Seen) {
        // SAFETY: made by `ends` from a box, and the caller's alone.
        let cell = unsafe { Box::from_raw(cell.as_ptr()) };
        // Nothing but in models, which see by it that the other side is done with its last look.
        cell.rx_waker.with_mut(|_| ());
        cell.tx_waker.with_mut(|_| ());
        if seen.holds_anything() {
            // SAFETY: the caller's.
            unsafe { cell.drop_contents(seen) };
        }
    }

    /// All is moved out first, so that a destructor that panics does not keep the others from running.
    ///
    /// # Safety
    ///
    /// As for `free`; and once.
    #[cold]
    unsafe fn drop_contents(&self, seen: Seen) {
        let wakers = [Side::Sender, Side::Receiver].map(|side| {
            // SAFETY: full, says the bit, and nobody else is there.
            seen.has_waker(side)
                .then(|| unsafe { self.take_waker(side) })
        });
        // SAFETY: full, says the bit, and nobody else is there.
        let value = seen.is_sent().then(|| unsafe { self.read_value() });
        drop((wakers, value));
    }
}

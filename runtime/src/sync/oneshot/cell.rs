//! What do the two sides of a oneshot share?
//!
//! One allocation: the word of [`state`](super::state), the value, a waker for each side. All the unsafe code of a oneshot stands here; what each block relies on is the
//! table there.

use super::state::{Ended, Seen, Side, State};
use crate::sys::sync::UnsafeCell;
use std::mem::MaybeUninit;
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

/// One side's share of the cell: alive until it is dropped, and longer if the other is.
pub(super) struct End<T> {
    side: Side,
    cell: NonNull<Cell<T>>,
    /// The drop has nothing to do any more.
    has_ended: bool,
}

// SAFETY: what is shared is reached as the table of `state` says; the value and the wakers may be sent.
unsafe impl<T: Send> Send for End<T> {}
// SAFETY: through a shared reference only the word is reached, which is atomic.
unsafe impl<T: Send> Sync for End<T> {}

/// The sender's and the receiver's.
pub(super) fn ends<T>() -> (End<T>, End<T>) {
    let empty = || UnsafeCell::new(MaybeUninit::uninit());
    let cell = Box::new(Cell {
        state: State::new(),
        value: UnsafeCell::new(MaybeUninit::uninit()),
        rx_waker: empty(),
        tx_waker: empty(),
    });
    let cell = NonNull::from(Box::leak(cell));
    let end = |side| End {
        side,
        cell,
        has_ended: false,
    };
    (end(Side::Sender), end(Side::Receiver))
}

impl<T> End<T> {
    #[inline]
    fn cell(&self) -> &Cell<T> {
        // SAFETY: this side has not ended, or has yet to settle what it owes, so that nobody has freed it.
        unsafe { self.cell.as_ref() }
    }

    #[inline]
    pub(super) fn load(&self) -> Seen {
        self.cell().state.load()
    }

    /// Whether the other side has ended.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.load().has_ended(self.side.other())
    }

    /// Sends. The value comes back if the receiver has gone. Only for the sender.
    #[inline]
    pub(super) fn send(mut self, value: T) -> Result<(), T> {
        debug_assert_eq!(self.side, Side::Sender);
        if self.is_alone() {
            return Err(value);
        }
        // SAFETY: before ENDED the place is empty and the sender's.
        self.cell()
            .value
            .with_mut(|place| unsafe { place.write(MaybeUninit::new(value)) });
        let ended = self.cell().state.send();
        if ended == Ended::Last {
            // SAFETY: the receiver has gone without it, says the verdict; it was written above.
            return Err(unsafe { self.cell().read_value() });
        }
        self.has_ended = true;
        // SAFETY: this side has ended by what the verdict says, and does so once.
        unsafe { self.settle(ended) };
        Ok(())
    }

    /// Ends without a value, unless the other side has ended before.
    pub(super) fn leave(mut self) -> Result<(), Self> {
        let ended = self.cell().state.end(self.side);
        if ended == Ended::Last {
            return Err(self);
        }
        self.has_ended = true;
        // SAFETY: this side has ended by what the verdict says, and does so once.
        unsafe { self.settle(ended) };
        Ok(())
    }

    /// The value, if there is one. Only for the receiver, after the sender has ended and has no business with its waker any more.
    pub(super) fn take_value(&mut self) -> Option<T> {
        debug_assert_eq!(self.side, Side::Receiver);
        let seen = self.load();
        assert!(seen.has_ended(Side::Sender) && !seen.has_waker(Side::Receiver));
        seen.is_sent().then(|| {
            self.cell().state.value_taken(seen);
            // SAFETY: SENT, and this side alone; it counts as empty from now on.
            unsafe { self.cell().read_value() }
        })
    }

    /// Waits until the other side is done with this side's waker, if it has ended.
    pub(super) fn settle_waker(&self) {
        let seen = self.load();
        if seen.has_ended(self.side.other()) && seen.has_waker(self.side) {
            self.cell().state.wait_for_waker(self.side);
        }
    }

    /// Ready when the other side has ended and has no business with this side's waker any more; otherwise it is going to be woken.
    pub(super) fn poll_alone(&mut self, waker: &Waker) -> Poll<()> {
        let mut seen = self.load();
        loop {
            let is_alone = seen.has_ended(self.side.other());
            if !seen.has_waker(self.side) {
                if is_alone {
                    return Poll::Ready(());
                }
                match self.put_waker(waker.clone(), seen) {
                    Ok(()) => return Poll::Pending,
                    Err(now) => seen = now,
                }
            } else if self.will_wake(waker) {
                // If the other one is moving it out right now, the wake is still to come.
                return Poll::Pending;
            } else if is_alone {
                self.cell().state.wait_for_waker(self.side);
                return Poll::Ready(());
            } else {
                seen = self.retract_waker(seen).unwrap_or_else(|now| now);
            }
        }
    }

    fn put_waker(&mut self, waker: Waker, seen: Seen) -> Result<(), Seen> {
        let place = self.cell().waker_of(self.side);
        // SAFETY: without its bit the place is empty and this side's.
        place.with_mut(|place| unsafe { place.write(MaybeUninit::new(waker)) });
        self.cell()
            .state
            .put_waker(self.side, seen)
            .inspect_err(|_| {
                // SAFETY: written above, and its bit is not set.
                drop(unsafe { self.cell().take_waker(self.side) });
            })
    }

    fn retract_waker(&mut self, seen: Seen) -> Result<Seen, Seen> {
        self.cell()
            .state
            .retract_waker(self.side, seen)
            .inspect(|_| {
                // SAFETY: its bit was set and is not any more, by this side: full and its own.
                drop(unsafe { self.cell().take_waker(self.side) });
            })
    }

    /// Compares with the waker in its place, whose bit was seen.
    fn will_wake(&self, waker: &Waker) -> bool {
        self.cell().waker_of(self.side).with(|place| {
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
    unsafe fn settle(&self, ended: Ended) {
        match ended {
            Ended::First => {}
            Ended::FirstAndWake => {
                let other = self.side.other();
                let seen = self.load();
                // SAFETY: the other's bit was set when this side ended, so that the waker is there and this side's to move out.
                let waker = unsafe { self.cell().take_waker(other) };
                self.cell().state.waker_taken(self.side, seen);
                waker.wake();
            }
            // SAFETY: the other side has ended and has no business in it any more.
            Ended::Last => drop(unsafe { Box::from_raw(self.cell.as_ptr()) }),
        }
    }
}

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let ended = self.cell().state.end(self.side);
        // SAFETY: this side has ended by what the verdict says, and this is its drop.
        unsafe { self.settle(ended) };
    }
}

impl<T> Cell<T> {
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
    unsafe fn read_value(&self) -> T {
        self.value.with_mut(|place| {
            // SAFETY: the caller's.
            let place = unsafe { place.read() };
            // SAFETY: full, says the caller.
            unsafe { place.assume_init() }
        })
    }
}

impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        let seen = self.state.load();
        for side in [Side::Sender, Side::Receiver] {
            #[cfg(loom)]
            self.waker_of(side).with_mut(|_| ());
            if seen.has_waker(side) {
                // SAFETY: full, says the bit, and nobody else is there.
                drop(unsafe { self.take_waker(side) });
            }
        }
        if seen.is_sent() {
            // SAFETY: full, says the bit, and nobody else is there.
            drop(unsafe { self.read_value() });
        }
    }
}

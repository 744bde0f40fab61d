//! What does a receiver hold?
//!
//! Its end of the cell, or in its place a mark that says why there is none. One pointer, which is moved as one word. Rejected: an enum beside the end, two words. The
//! compiler moves those as one of 16 bytes, and a load of 16 bytes waits until the two stores of 8 that it follows have left the core; with ends of three fields a
//! profile put more than half of the time of making a pair there (2 virtual cores of an AMD EPYC, 2026-11-21).

use super::cell::End;
use super::state::Rx;
use std::mem::{self, ManuallyDrop};
use std::num::NonZero;

pub(super) struct Held<T>(
    /// An end if the address is above all marks: a cell is aligned as a waker is, which leaves those to nobody.
    ManuallyDrop<End<T, Rx>>,
);

/// Why there is no end.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// Closed by its own side, and there was no value.
    Closed = 1,
    /// The future has given its output.
    Done = 2,
}

impl Mark {
    #[inline]
    const fn addr(self) -> NonZero<usize> {
        NonZero::new(self as usize).expect("a mark is not null")
    }
}

impl<T> Held<T> {
    #[inline]
    pub(super) fn open(end: End<T, Rx>) -> Self {
        Self(ManuallyDrop::new(end))
    }

    #[inline]
    pub(super) fn marked(mark: Mark) -> Self {
        // SAFETY: forgotten; `is_open` says that it is not to be used.
        Self(ManuallyDrop::new(unsafe { End::dangling(mark.addr()) }))
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.0.addr() > Mark::Done.addr()
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.addr() == Mark::Done.addr()
    }

    /// The end, if there is one.
    #[inline]
    pub(super) fn end(&self) -> Option<&End<T, Rx>> {
        self.is_open().then(|| &*self.0)
    }

    /// The end, if there is one.
    #[inline]
    pub(super) fn end_mut(&mut self) -> Option<&mut End<T, Rx>> {
        self.is_open().then(|| &mut *self.0)
    }

    /// Takes the end out, if there is one, and leaves a mark.
    #[inline]
    pub(super) fn take(&mut self, mark: Mark) -> Option<End<T, Rx>> {
        if !self.is_open() {
            return None;
        }
        let mut taken = ManuallyDrop::new(mem::replace(self, Self::marked(mark)));
        // SAFETY: it is an end, was seen above; what held it is forgotten.
        Some(unsafe { ManuallyDrop::take(&mut taken.0) })
    }
}

impl<T> Drop for Held<T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_open() {
            // SAFETY: it is an end, and nobody sees it afterwards.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

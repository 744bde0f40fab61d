//! What does a thread know of the poll it is in?
//!
//! What is left of the task's [budget](super::budget), and for what it [waits](super::wait_reason): in one word, so that a worker begins a poll with one store for both.

use super::wait_reason::WaitReason;
use crate::sys::sync::thread_local;
use std::cell::Cell;

/// The notes of a poll.
#[derive(Debug)]
#[repr(C, align(8))]
pub(super) struct Notes {
    pub(super) budget_left: Cell<u32>,
    pub(super) wait_reason: Cell<WaitReason>,
}

/// Of a thread that is no worker.
pub(super) const UNLIMITED: u32 = u32::MAX;

thread_local! {
    static NOTES: Notes = const {
        Notes {
            budget_left: Cell::new(UNLIMITED),
            wait_reason: Cell::new(WaitReason::Unknown),
        }
    };
}

/// Calls `f` with this thread's notes; a thread that is ending has none, and polls nothing.
#[inline(always)]
pub(super) fn notes<R>(f: impl FnOnce(&Notes) -> R) -> Option<R> {
    NOTES.try_with(f).ok()
}

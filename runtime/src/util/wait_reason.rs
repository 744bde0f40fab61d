//! What does a task wait for?
//!
//! Whichever leaf future is about to return `Pending` notes its reason here, a plain store to memory of the thread. If several do in one poll, as within a
//! `select!`, the last one stands.

use crate::sys::sync::thread_local;
use std::cell::Cell;

/// What a task waits for. At most 32: five bits of its state word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
#[expect(dead_code, reason = "reasons whose futures are still to come")]
pub(crate) enum WaitReason {
    /// For nothing that is known: a future of somebody else's.
    #[default]
    Unknown = 0,
    /// For its next turn.
    Turn,
    Timer,
    Join,
    JoinSet,
    Scope,
    Blocking,
    /// A descriptor, to be read from.
    Read,
    /// A descriptor, to be written to.
    Write,
    Mutex,
    RwLockRead,
    RwLockWrite,
    Semaphore,
    Notify,
    Barrier,
    OnceCell,
    Cancellation,
    WaitGroup,
    Oneshot,
    /// Room in a channel.
    Send,
    /// A message.
    Receive,
    Broadcast,
    Watch,
    Signal,
    Child,
}

thread_local! {
    static LAST: Cell<WaitReason> = const { Cell::new(WaitReason::Unknown) };
}

/// Says why the leaf future that calls this is about to return `Pending`.
#[inline]
pub(crate) fn note(reason: WaitReason) {
    // A thread that is ending polls nothing.
    let _ = LAST.try_with(|last| last.set(reason));
}

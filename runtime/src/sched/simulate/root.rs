//! What is the future in `block_on` to a simulation?
//!
//! One of those whose turn may come, like a task; only that it stands on a thread's stack, and is polled through a closure there. Where `block_on` (or a call that blocks its thread) is called within
//! a task, a second one stands above the first on the same stack. The first is not being polled then, and may be what the second waits for: so whoever drives may poll any of them, but for those
//! that are in the middle of a poll, which are below whoever blocks.
//!
//! ```text
//!   drive of the outermost root --- runs task A --- its poll blocks: drive of root 2 --- runs task B
//!         (idle: may be polled by root 2's drive)     (A is in the middle of a poll)      --- polls root 1
//! ```
//!
//! A root that becomes ready, or panics, while another drives leaves its outcome, which its own drive finds when it is on top again.

use crate::driver::Driver;
use crate::sys::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sys::sync::{Arc, Mutex};
use crate::util::block_on::PollOnce;
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use std::any::Any;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::task::{Context, Wake, Waker};

/// A future in `block_on`.
pub(super) struct Root {
    is_woken: AtomicBool,
    /// Where `block_on` was called, or what blocks its thread without that word.
    caller: &'static Location<'static>,
    /// The number of what its last poll waits for.
    reason: AtomicU64,
    driver: Arc<dyn Driver>,
    inside: Mutex<Inside>,
}

struct Inside {
    /// None while it is being polled, when it is done, and when nobody has lent it.
    poll: Option<Lent>,
    /// What another drive has brought it to.
    outcome: Option<Result<(), Box<dyn Any + Send>>>,
}

/// The closure that polls it: alive as long as it stands in [`Inside`] or is being called, see [`Lease`].
struct Lent(*mut (dyn FnMut(&mut Context<'_>) -> bool + 'static));

// SAFETY: it is called by the thread that drives, on whose stack the closure is; the others have the root as a waker, and only drop what they find.
unsafe impl Send for Lent {}

/// The closure is lent to its root until this goes.
pub(super) struct Lease<'a> {
    root: &'a Root,
    _poll: PhantomData<&'a mut ()>,
}

impl Root {
    /// Woken, for its first poll.
    pub(super) fn new(caller: &'static Location<'static>, driver: Arc<dyn Driver>) -> Self {
        Self {
            is_woken: AtomicBool::new(true),
            caller,
            reason: AtomicU64::new(WaitReason::Unknown as u64),
            driver,
            inside: Mutex::new(Inside {
                poll: None,
                outcome: None,
            }),
        }
    }

    /// Lets whoever drives on this thread poll it, until the lease goes.
    pub(super) fn lend<'a>(&'a self, poll: PollOnce<'a>) -> Lease<'a> {
        // SAFETY: only the lifetime is another one. The lease, which borrows for the real one, takes the pointer back when it goes.
        let poll = unsafe {
            mem::transmute::<
                *mut (dyn FnMut(&mut Context<'_>) -> bool + 'a),
                *mut (dyn FnMut(&mut Context<'_>) -> bool + 'static),
            >(poll)
        };
        self.inside.lock().poll = Some(Lent(poll));
        Lease {
            root: self,
            _poll: PhantomData,
        }
    }

    pub(super) fn caller(&self) -> &'static Location<'static> {
        self.caller
    }

    /// What it waited for at the end of its last poll.
    pub(super) fn reason(&self) -> WaitReason {
        // ORDERING: Relaxed, as the store: both on threads that drive, one after the other.
        WaitReason::from_number(self.reason.load(Ordering::Relaxed))
    }

    pub(super) fn is_woken(&self) -> bool {
        // ORDERING: Relaxed: a hint, `take_wake` counts; before a wait it comes with the driver's lock, which remembers an unpark.
        self.is_woken.load(Ordering::Relaxed)
    }

    /// Whether it is in nobody's poll, and woken.
    pub(super) fn is_runnable(&self) -> bool {
        self.is_woken() && self.inside.lock().poll.is_some()
    }

    /// Whether another drive has brought it to its end.
    pub(super) fn is_done(&self) -> bool {
        self.inside.lock().outcome.is_some()
    }

    /// Its turn has come.
    pub(super) fn take_wake(&self) {
        // ORDERING: Acquire, see `wake_by_ref`.
        self.is_woken.swap(false, Ordering::Acquire);
    }

    /// Polls it, in the drive that is its own. True if it is done.
    pub(super) fn poll(self: &Arc<Self>) -> bool {
        let Some(lent) = self.inside.lock().poll.take() else {
            return false;
        };
        budget::reset();
        let waker = Waker::from(self.clone());
        // SAFETY: lent, so that the closure is alive, on this thread's stack and below us; taken, so that nobody else calls it before it is put back.
        let poll = unsafe { &mut *lent.0 };
        if poll(&mut Context::from_waker(&waker)) {
            return true;
        }
        // ORDERING: Relaxed, see `reason`.
        let reason = wait_reason::noted() as u64;
        self.reason.store(reason, Ordering::Relaxed);
        self.inside.lock().poll = Some(lent);
        false
    }

    /// Polls it in the drive of another one, which its panic is none of.
    pub(super) fn poll_aside(self: &Arc<Self>) {
        let outcome = match catch_unwind(AssertUnwindSafe(|| self.poll())) {
            Ok(false) => return,
            Ok(true) => Ok(()),
            Err(payload) => Err(payload),
        };
        self.inside.lock().outcome = Some(outcome);
    }

    /// Whether it was brought to its end by another drive.
    ///
    /// # Panics
    ///
    /// If that was a panic.
    pub(super) fn take_outcome(&self) -> bool {
        let outcome = self.inside.lock().outcome.take();
        match outcome {
            None => false,
            Some(Ok(())) => true,
            Some(Err(payload)) => resume_unwind(payload),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Nobody is calling it: who might stands above us on this stack, or stood there.
        self.root.inside.lock().poll = None;
    }
}

impl Wake for Root {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        // ORDERING: Release pairs with the Acquire of `take_wake`: the poll sees what came before the wake.
        self.is_woken.store(true, Ordering::Release);
        self.driver.unpark();
    }
}

//! How does a thread that is no worker run a future?
//!
//! It polls, and sleeps on a condition variable of its own until it is woken. On a worker's thread the first poll is made as it is; if the future
//! has to wait, the worker goes to another thread first; in a simulation there is no other thread, and this one runs everything else until the future is done. How that is done only the runtime
//! knows, which leaves a function here ([`before_waiting`]); in a program without a runtime there is nothing to do.

use crate::sys::sync::{Condvar, Mutex};
use std::cell::Cell;
use std::io;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// A future, as far as it is polled: true when it is ready.
pub(crate) type PollOnce<'a> = &'a mut dyn FnMut(&mut Context<'_>) -> bool;

/// What the runtime does on a thread that has to wait for a future: where [`block_on`] was called. True if it has polled the future until it was ready; false if the thread may sleep.
pub(crate) type BeforeWaiting = fn(PollOnce<'_>, &'static Location<'static>) -> io::Result<bool>;

static BEFORE_WAITING: OnceLock<BeforeWaiting> = OnceLock::new();

thread_local! {
    /// The bed this thread has slept in last: a blocking send for each message shall not allocate each time.
    static KEPT: Cell<Option<Arc<Parker>>> = const { Cell::new(None) };
}

/// A thread's bed. It may be rung for somebody who slept in it before: a wake-up for nothing.
#[derive(Debug, Default)]
pub(crate) struct Parker {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Parker {
    /// The one that is kept, or within a future that runs another one, a new one.
    fn of_thread() -> Arc<Self> {
        let kept = KEPT.try_with(Cell::take).unwrap_or(None);
        kept.unwrap_or_default()
    }

    fn keep(self: Arc<Self>) {
        // In a model nothing may outlive a run; a thread that is ending keeps nothing.
        if !cfg!(any(loom, shuttle)) {
            let _ = KEPT.try_with(|kept| kept.set(Some(self)));
        }
    }

    pub(crate) fn park(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            self.bell.wait(&mut woken);
        }
        *woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock() = true;
        self.bell.notify_one();
    }
}

/// From now on this is called on a thread before it waits in [`block_on`] for the first time. The first call of this decides.
pub(crate) fn before_waiting(call: BeforeWaiting) {
    // There is one scheduler in the program's code, however many runtimes.
    let _ = BEFORE_WAITING.set(call);
}

/// Runs a future to its end on this thread.
///
/// # Panics
///
/// If the future does; or within a task, if it has to wait and no thread can be started to take over the worker, or nobody could ever wake it in a simulation.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Parker::of_thread();
    let waker = Waker::from(parker.clone());
    let mut context = Context::from_waker(&waker);
    let mut is_prepared = false;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            parker.keep();
            return output;
        }
        if !is_prepared {
            is_prepared = true;
            if let Some(output) = prepare(future.as_mut(), Location::caller()) {
                parker.keep();
                return output;
            }
        }
        parker.park();
    }
}

/// The output, if the future is ready when this returns.
fn prepare<F: Future>(
    mut future: Pin<&mut F>,
    caller: &'static Location<'static>,
) -> Option<F::Output> {
    let before_waiting = BEFORE_WAITING.get()?;
    let mut output = None;
    let mut poll = |context: &mut Context<'_>| match future.as_mut().poll(context) {
        Poll::Ready(ready) => {
            output = Some(ready);
            true
        }
        Poll::Pending => false,
    };
    match before_waiting(&mut poll, caller) {
        Ok(is_ready) => {
            debug_assert_eq!(is_ready, output.is_some());
            output
        }
        Err(error) => panic!(
            "a task cannot wait for a future on its thread, since no other thread can take over its worker: {error}"
        ),
    }
}

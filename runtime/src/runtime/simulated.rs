//! How does `block_on` run a future where nobody else runs the tasks?
//!
//! It drives the [`Simulation`] until the future is ready. Where another thread does that already, or the runtime has ended, it waits as any thread does, and takes over when the
//! other one leaves. A call that blocks its thread (`blocking_recv` and the like) within a simulation does the same: whom it waits for is run by this thread or by nobody.

use super::context;
use crate::sched::handoff::before_blocking;
use crate::sched::simulate::{Driven, Simulation};
use crate::sys::sync::Arc;
use crate::util::block_on::{Parker, PollOnce};
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future to its end on this thread, and with it everything else of a simulation, unless another thread does that.
pub(super) fn block_on<F: Future>(
    simulation: &Simulation,
    future: F,
    caller: &'static Location<'static>,
) -> F::Output {
    let mut future = pin!(future);
    let mut output = None;
    let mut poll = |context: &mut Context<'_>| match future.as_mut().poll(context) {
        Poll::Ready(ready) => {
            output = Some(ready);
            true
        }
        Poll::Pending => false,
    };
    until_done(simulation, &mut poll, caller);
    output.expect("it is done when `poll` has said so")
}

/// What is done on a thread that is about to wait for a future, wherever that is: lets others go on, or does what they would.
///
/// # Errors
///
/// If no thread can be started to go on in the place of this one.
pub(super) fn before_waiting(
    poll: PollOnce<'_>,
    caller: &'static Location<'static>,
) -> io::Result<bool> {
    // Not on a pool's threads, beside which another thread drives.
    let simulation = context::simulation().ok();
    match simulation.filter(|_| context::is_in_block_on()) {
        Some(simulation) => {
            until_done(&simulation, poll, caller);
            Ok(true)
        }
        None => before_blocking().map(|()| false),
    }
}

fn until_done(simulation: &Simulation, poll: PollOnce<'_>, caller: &'static Location<'static>) {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    while simulation.drive(&mut *poll, caller) == Driven::Elsewhere {
        if poll(&mut Context::from_waker(&waker)) {
            break;
        }
        if !simulation.wakes_at_rest(&waker) {
            parker.park();
        }
    }
}

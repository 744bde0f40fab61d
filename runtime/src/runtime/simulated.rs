//! How does `block_on` run a future where nobody else runs the tasks?
//!
//! It drives the [`Simulation`] until the future is ready. Where another thread does that already, or the runtime has ended, it waits as any thread does, and takes over when the
//! other one leaves.

use crate::sched::simulate::{Driven, Simulation};
use crate::sys::sync::Arc;
use crate::util::block_on::Parker;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future to its end on this thread, and with it everything else of a simulation, unless another thread does that.
pub(super) fn block_on<F: Future>(simulation: &Simulation, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut output = None;
    let mut poll = |context: &mut Context<'_>| match future.as_mut().poll(context) {
        Poll::Ready(ready) => {
            output = Some(ready);
            true
        }
        Poll::Pending => false,
    };
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    while simulation.drive(&mut poll) == Driven::Elsewhere {
        if poll(&mut Context::from_waker(&waker)) {
            break;
        }
        if !simulation.wakes_at_rest(&waker) {
            parker.park();
        }
    }
    output.expect("it is done when `poll` has said so")
}

//! Who accepts connections, and when do they stop?
//!
//! A task, for all listeners of a server, so that a connection is accepted by a worker, and as a rule served by the same one ([`Placement::Balanced`](filch::io::Placement::Balanced)). Accepting on
//! the thread that waits for the server ([`drain`](super::drain)) cost a server with one worker that thread's waking up and the worker's for each connection: 40 us of processor time for a
//! connection with one request, where it is 24 now.
//!
//! **The end needs no worker**, each of which may be busy in a handler then. What accepts lies behind a lock, which the task holds while it is polled, some 64 connections of each listener long;
//! whoever stops it takes it out of there and drops it: after that nobody accepts any more, whenever the task itself comes to its end. (What a listener's maker has it call when it pauses is
//! called meanwhile, and must not block.)
//!
//! What was given up for it: with every worker and every spare in handlers that compute, nobody accepts, and those beyond the limits are not told. They wait in the listener's queue like the
//! requests of those that were accepted wait in their sockets.

use super::drain::beside;
use super::listener::{Host, Listener, accept_all};
use super::shutdown::Lock;
use filch::JoinHandle;
use std::future::{pending, poll_fn};
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

/// Accepts until it is dropped, or nobody can be accepted any more.
pub(crate) struct Accepting {
    work: Arc<Work>,
    task: JoinHandle<io::Error>,
}

/// `None` when it is over.
struct Work(Lock<Option<Accept>>);

type Accept = Pin<Box<dyn Future<Output = io::Error> + Send>>;

impl Accepting {
    /// Begins to; `None` where there is nothing to accept from.
    pub(crate) fn from(
        listeners: Arc<[Listener]>,
        host: impl Host + Clone + 'static,
    ) -> Option<Self> {
        if listeners.is_empty() {
            return None;
        }
        let accept = async move { beside(accept_all(&listeners, &host), host.sweep()).await };
        let work = Arc::new(Work(Lock::new(Some(Box::pin(accept)))));
        let poll = {
            let work = work.clone();
            poll_fn(move |cx| work.poll(cx))
        };
        let task = filch::spawn(poll);
        Some(Self { work, task })
    }

    /// Why nobody can be accepted any more; said once.
    ///
    /// # Cancel safety
    ///
    /// It may be asked for again.
    pub(crate) async fn failure(this: &mut Option<Self>) -> io::Error {
        let Some(accepting) = this else {
            return pending().await;
        };
        let ended = (&mut accepting.task).await;
        *this = None;
        match ended {
            Ok(error) => error,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(gone) => gone.into(),
        }
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        drop(self.work.take());
        self.task.abort();
    }
}

impl Work {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(accept) => accept.as_mut().poll(cx),
            // It was stopped, and is being aborted.
            None => Poll::Pending,
        }
    }

    fn take(&self) -> Option<Accept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

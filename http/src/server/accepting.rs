//! Who accepts connections, and when do they stop?
//!
//! A task, for all listeners of a server, so that a connection is accepted by a worker, and as a rule served by the same one ([`Placement::Balanced`](filch::io::Placement::Balanced)). Accepting on
//! the thread that waits for the server ([`drain`](super::drain)) cost a server with one worker that thread's waking up and the worker's for each connection: 40 us of processor time for a
//! connection with one request, where it is 24 now.
//!
//! **The end needs no worker**, each of which may be busy in a handler then. What accepts lies behind a lock, which the task holds while it is polled, some 64 connections of each listener and one [sweep](super::sweep) long;
//! whoever stops it takes it out of there and drops it: after that nobody accepts any more, whenever the task itself comes to its end. (What a listener's maker has it call when it pauses is
//! called meanwhile, and must not block.)
//!
//! What was given up for it: with every worker and every spare in handlers that compute, nobody accepts, and those beyond the limits are not told. They wait in the listener's queue like the
//! requests of those that were accepted wait in their sockets.

use super::drain::first;
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
        let accept = async move {
            let sweep = async {
                host.sweep().await;
                pending().await
            };
            // In this order: who accepts may use up what one poll may do, and the sweep's sleep asks for a part of that.
            first(sweep, accept_all(&listeners, &host)).await
        };
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

#[cfg(test)]
mod tests {
    use super::super::listener::Arrival;
    use super::*;
    use filch::time::{Duration, sleep};
    use filch_net::UnixListener;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    /// Each connection is followed by another one at once.
    #[derive(Clone)]
    struct Flooded(Arc<Flood>);

    struct Flood {
        names: [String; 2],
        received: AtomicUsize,
        has_slept: AtomicBool,
    }

    impl Flood {
        fn connect(&self, number: usize) {
            let name = self.names[number % 2].as_bytes();
            let addr = SocketAddr::from_abstract_name(name).expect("a short name");
            // It stays in the queue when its client has gone.
            drop(UnixStream::connect_addr(&addr).expect("room in the queue"));
        }
    }

    impl Host for Flooded {
        fn receive(&self, _: Arrival) {
            self.0
                .connect(self.0.received.fetch_add(1, Ordering::Relaxed));
        }

        async fn sweep(&self) {
            sleep(Duration::from_millis(1)).await;
            self.0.has_slept.store(true, Ordering::Relaxed);
        }
    }

    /// What is accepted in one poll uses up what a poll may do.
    #[test]
    fn the_sweep_goes_on_however_many_come() {
        let runtime = filch::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let name = |number| format!("filch-accepting-{}-{number}", std::process::id());
            let flood = Arc::new(Flood {
                names: [name(1), name(2)],
                received: AtomicUsize::new(0),
                has_slept: AtomicBool::new(false),
            });
            let bind = |name| UnixListener::bind(format!("\0{name}")).expect("a free name");
            let listeners = flood.names.iter().map(|name| bind(name).into());
            let listeners = listeners.collect::<Arc<[Listener]>>();
            (0..400).for_each(|number| flood.connect(number));
            let accepting = Accepting::from(listeners, Flooded(flood.clone()));
            while !flood.has_slept.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1)).await;
            }
            drop(accepting);
        });
    }
}

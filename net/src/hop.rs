//! On which thread does a call run that may block, and how does its answer come back?
//!
//! On the runtime's pool for such calls. A hop to it and back costs some microseconds, as much as reading 20 kB that are cached (a guess); so each does much, and [`buffered`](crate::buffered) and the chunks of
//! a directory see to it that there are few.
//!
//! What may block for ever (a terminal that could not be opened anew) must not have a thread of the pool, for the end of the runtime waits for those: it gets a thread of its own, for that one call,
//! which the end of the process does not wait for.

use filch::JoinHandle;
use filch::runtime::Handle;
use filch::sync::oneshot;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Where blocking calls run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the pool of the runtime.
    Pool,
    /// Each on a thread of its own.
    OwnThread,
}

/// A call that has been sent to another thread. Dropping it lets the call go on.
#[derive(Debug)]
pub(crate) enum Hop<T> {
    Pool(JoinHandle<T>),
    OwnThread(oneshot::Receiver<T>),
}

impl<T: Send + 'static> Hop<T> {
    /// Sends a call. If that is an error, since there is no runtime or no thread to be had, the call has been dropped, on this thread.
    pub(crate) fn start(
        place: Place,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        #[cfg(test)]
        HOPS.set(HOPS.get() + 1);
        match place {
            Place::Pool => {
                let runtime = Handle::try_current().map_err(io::Error::other)?;
                let sent = runtime.try_spawn_blocking(call).map_err(no_thread)?;
                Ok(Self::Pool(sent))
            }
            Place::OwnThread => {
                let (done, answer) = oneshot::channel();
                let call = move || {
                    // Nobody may wait any more.
                    let _ = done.send(call());
                };
                let thread = thread::Builder::new().name("filch-stdio".to_owned());
                // Detached: it is told to nobody when it ends.
                let _ = thread.spawn(call).map_err(no_thread)?;
                Ok(Self::OwnThread(answer))
            }
        }
    }

    /// The answer of the call. An error says that there will be none, because the runtime has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self {
            Self::Pool(handle) => Pin::new(handle).poll(cx).map_err(io::Error::from),
            Self::OwnThread(answer) => Pin::new(answer).poll(cx).map_err(io::Error::other),
        }
    }
}

/// The system's number is that of `WouldBlock`, which a stream must not say.
#[cold]
fn no_thread(cause: io::Error) -> io::Error {
    io::Error::other(format!(
        "no thread to make a call on that may block: {cause}"
    ))
}

/// Makes one call on the pool, and waits for its answer.
pub(crate) async fn hop<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let mut hop = Hop::start(Place::Pool, call)?;
    poll_fn(|cx| hop.poll(cx)).await?
}

#[cfg(test)]
thread_local! {
    /// How many calls this thread has sent: tests compare it with how many there should be.
    pub(crate) static HOPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

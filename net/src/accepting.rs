//! What if a connection cannot be accepted?
//!
//! What `accept` reports is of three sorts. Some errors belong to a connection that died in the queue: it is gone, the next one is
//! tried at once. Some say that the process or the machine has no descriptor or memory left: the connection stays in the queue, so trying again at once
//! would burn a core, and giving up would end a server because of a burst; so accepting pauses, 5 ms at first and twice as long each time up to 1 s,
//! and goes on. A hook tells the server. The rest is a mistake of the program, and the caller gets it.
//!
//! All that is the same whatever the connections are; the listeners' types stand in `tcp` and `unix`, and add what a connection becomes. `impl_accepting` gives a type with a field
//! `acceptor` the methods that differ in nothing but names.
//!
//! After each connection that was taken the queue is looked at (`poll(2)`). Its end would else be found by an `accept4(2)` that fails, and that one has made a descriptor, a file and a socket before it looks: 3.4 us,
//! where the look takes 0.2 (2026-11-22, one core of two). On a server that is not overloaded every second connection or so is the last of its queue. It would also fail for want of descriptors where nobody waits for
//! one. The first call after an event does not look, since there is reason to believe in a connection, and since a descriptor that can never accept is found out only by trying.
//!
//! Rejected: a descriptor kept in reserve, given up to accept and close the connection. The client would see a reset where it now sees a delay,
//! and with several threads somebody else takes the descriptor first.

use crate::error;
use crate::pauses::Pauses;
use crate::sys::{self, AcceptFault};
use filch::io::{AsyncFd, Interest, Placement};
use filch::time::{Duration, Sleep, sleep};
use std::fmt::{self, Display};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// The first pause after a lack of descriptors or memory. A guess: some connections have ended by then on a busy server.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The longest pause. A guess: it is what a client waits for a lost packet anyway.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How many connections that died in the queue are passed over without a pause. Each is taken out of the queue by that; the bound is for
/// a descriptor that fails in this way for ever, which accepting then pauses for.
const DEAD_MAX: usize = 64;

/// A socket that listens.
pub(crate) trait Listens: AsRawFd + AsFd {
    /// A connection and who made it.
    type Accepted;

    /// Takes the next connection out of the queue.
    fn take(&self) -> io::Result<Self::Accepted>;

    /// What errors call it.
    fn name(&self) -> io::Result<impl Display>;
}

/// Is told of each pause.
pub(crate) type PauseHook = Box<dyn Fn(&io::Error, Duration) + Send + Sync>;

/// Takes connections out of a listener's queue.
pub(crate) struct Acceptor<L: Listens> {
    fd: AsyncFd<L>,
    /// Whether the last call has taken a connection, which may have been the last of the queue.
    has_taken: AtomicBool,
    /// For errors: who has lost the descriptor cannot ask for it any more. `None` only if the system did not say.
    name: Option<Box<str>>,
    on_pause: Option<PauseHook>,
}

impl<L: Listens> Acceptor<L> {
    pub(crate) fn new(listener: L, placement: Placement) -> io::Result<Self> {
        Ok(Self {
            name: listener.name().ok().map(|name| name.to_string().into()),
            fd: AsyncFd::with_placement(listener, Interest::Readable, placement)?,
            has_taken: AtomicBool::new(false),
            on_pause: None,
        })
    }

    pub(crate) fn with_hook(self, hook: PauseHook) -> Self {
        Self {
            on_pause: Some(hook),
            ..self
        }
    }

    pub(crate) fn get_ref(&self) -> &L {
        self.fd.get_ref()
    }

    pub(crate) fn into_inner(self) -> L {
        self.fd.into_inner()
    }

    /// Waits for the next connection, and pauses where that is all that helps.
    pub(crate) async fn accept(&self) -> io::Result<L::Accepted> {
        let mut pauses = first_pause();
        loop {
            match self.fd.async_read(|listener| self.take(listener)).await {
                Ok(accepted) => return Ok(accepted),
                Err(cause) => sleep(self.pause_after(cause, &mut pauses)?).await,
            }
        }
    }

    /// What is in the queue at this moment.
    pub(crate) fn accept_now(&self) -> io::Result<L::Accepted> {
        self.take(self.get_ref())
    }

    /// Waits for the next connection, and never pauses.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<L::Accepted>> {
        let accepted = self.poll_accept_raw(cx);
        accepted.map_err(|cause| self.cannot_accept(cause))
    }

    /// All connections, with pauses.
    pub(crate) fn connections(&self) -> Connections<'_, L> {
        Connections {
            acceptor: self,
            pauses: first_pause(),
            pause: None,
        }
    }

    fn poll_accept_raw(&self, cx: &mut Context<'_>) -> Poll<io::Result<L::Accepted>> {
        let mut accepted = None;
        // One of one is not short: there may be more connections, and the readiness stays.
        let done = ready!(self.fd.poll_read_with(cx, 1, |listener| {
            accepted = Some(self.take(listener)?);
            Ok(1)
        }));
        Poll::Ready(done.map(|_| accepted.expect("the operation was done")))
    }

    /// Takes a connection, unless the last call took one and there is no other.
    fn take(&self, listener: &L) -> io::Result<L::Accepted> {
        // ORDERING: Relaxed: a hint. Who gets the wrong one makes a call more, or one that fails.
        // What the look says against the descriptor, accepting says better.
        if self.has_taken.swap(false, Ordering::Relaxed)
            && !sys::is_readable(listener).unwrap_or(true)
        {
            return Err(sys::empty());
        }
        let taken = take_living(listener)?;
        self.has_taken.store(true, Ordering::Relaxed);
        Ok(taken)
    }

    /// How long to pause after this error; the error itself if that would not help.
    #[cold]
    fn pause_after(&self, cause: io::Error, pauses: &mut Pauses) -> io::Result<Duration> {
        if sys::accept_fault(&cause) == AcceptFault::Lasting {
            return Err(self.cannot_accept(cause));
        }
        let pause = pauses.step();
        if let Some(hook) = &self.on_pause {
            hook(&self.cannot_accept(cause), pause);
        }
        Ok(pause)
    }

    #[cold]
    fn cannot_accept(&self, cause: io::Error) -> io::Error {
        match &self.name {
            Some(name) => error::at(format!("accept on {name}"), cause),
            None => error::at("accept", cause),
        }
    }
}

fn first_pause() -> Pauses {
    Pauses::between(PAUSE_MIN, PAUSE_MAX)
}

/// Takes the next connection that lives out of the queue.
fn take_living<L: Listens>(listener: &L) -> io::Result<L::Accepted> {
    for _ in 0..DEAD_MAX {
        match listener.take() {
            Err(cause) if sys::accept_fault(&cause) == AcceptFault::DeadConnection => {}
            result => return result,
        }
    }
    listener.take()
}

/// The connections of a listener, one after the other, for ever.
pub(crate) struct Connections<'a, L: Listens> {
    acceptor: &'a Acceptor<L>,
    pauses: Pauses,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<L: Listens> Connections<'_, L> {
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<L::Accepted>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.acceptor.poll_accept_raw(cx)) {
                Ok(accepted) => {
                    self.pauses = first_pause();
                    return Poll::Ready(Ok(accepted));
                }
                Err(cause) => match self.acceptor.pause_after(cause, &mut self.pauses) {
                    Ok(pause) => self.pause = Some(Box::pin(sleep(pause))),
                    Err(error) => return Poll::Ready(Err(error)),
                },
            }
        }
    }
}

impl<L: Listens + fmt::Debug> fmt::Debug for Connections<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("listener", self.acceptor.get_ref())
            .field("is_paused", &self.pause.is_some())
            .finish_non_exhaustive()
    }
}

/// Accepting without waiting or by hand, the stream of all connections, and the descriptor. `$stream::accepted` watches a connection.
macro_rules! impl_accepting {
    ($listener:ident, $inner:ty, $stream:ident, $addr:ty) => {
        impl $listener {
            /// Calls `hook` with the error and the pause each time accepting pauses for lack of descriptors or memory.
            ///
            /// It runs on the task that accepts, and should not block.
            #[must_use]
            pub fn on_accept_pause(
                self,
                hook: impl Fn(&io::Error, Duration) + Send + Sync + 'static,
            ) -> Self {
                let acceptor = self.acceptor.with_hook(Box::new(hook));
                Self { acceptor }
            }

            /// Accepts a connection that is in the queue at this moment. It asks the kernel, whatever is known of the queue: for the last connections before the
            /// listener is closed, which would reset them.
            ///
            /// # Errors
            ///
            /// What `accept4(2)` says: `WouldBlock` if there is none.
            pub fn accept_now(&self) -> io::Result<($stream, $addr)> {
                self.acceptor.accept_now().and_then(watch)
            }

            /// Accepts a connection, or waits for one: only the last task to call this is woken.
            ///
            /// It does not pause: when there is no descriptor or memory left, it returns that error, and the caller must let time pass before the next call.
            /// [`accept`](Self::accept) and [`incoming`](Self::incoming) do.
            ///
            /// # Errors
            ///
            /// As for [`accept`](Self::accept), and `EMFILE`, `ENFILE`, `ENOBUFS` and `ENOMEM`.
            pub fn poll_accept(
                &self,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<($stream, $addr)>> {
                let accepted = self.acceptor.poll_accept(cx);
                accepted.map(|accepted| accepted.and_then(watch))
            }

            /// The error that the socket holds, which is cleared by that (`SO_ERROR`).
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.acceptor.get_ref().take_error()
            }
        }

        fn watch(
            (stream, peer): <$inner as Listens>::Accepted,
        ) -> io::Result<($stream, $addr)> {
            match $stream::accepted(stream) {
                Ok(stream) => Ok((stream, peer)),
                Err(cause) => Err(error::at(format!("watch the connection of {peer}"), cause)),
            }
        }

        #[doc = concat!("The connections of a listener, from [`", stringify!($listener), "::incoming`]. It never ends.")]
        ///
        /// # Cancel safety
        ///
        /// Dropping it loses no connection.
        #[must_use = "streams do nothing unless polled"]
        pub struct Incoming<'a> {
            connections: Connections<'a, $inner>,
        }

        impl Stream for Incoming<'_> {
            type Item = io::Result<$stream>;

            fn poll_next(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                let accepted = ready!(self.connections.poll_next(cx));
                Poll::Ready(Some(accepted.and_then(watch).map(|(stream, _peer)| stream)))
            }
        }

        impl fmt::Debug for $listener {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.acceptor.get_ref().fmt(f)
            }
        }

        impl fmt::Debug for Incoming<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.connections.fmt(f)
            }
        }

        impl AsRawFd for $listener {
            fn as_raw_fd(&self) -> RawFd {
                self.acceptor.get_ref().as_raw_fd()
            }
        }

        impl AsFd for $listener {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.acceptor.get_ref().as_fd()
            }
        }
    };
}

pub(crate) use impl_accepting;

//! How does a task wait for a signal?
//!
//! A handler may do next to nothing: whatever it interrupts may hold any lock, that of the allocator too (`signal-safety(7)`). Ours adds one to
//! an `eventfd(2)`, by one `write(2)`; that is a descriptor like any other, and the reactor wakes the task that reads it. Each [`Signal`] has its own
//! descriptor, so nothing is shared between listeners, and none can take a signal from another. `signal-hook-registry` keeps the handlers of a process apart, ours
//! and those of other libraries.
//!
//! A process that is forked off has the handlers until its `exec`, and shares the counters: its signals are none of ours. So the handler looks whose process it is in.
//!
//! Rejected: `signalfd(2)`. It needs the signal blocked in every thread, also in those that were started before us, and a child inherits the mask. One
//! pipe for the whole process with a task that distributes: that needs a runtime which outlives all listeners.

use crate::error;
use crate::sys::{self, SignalHook, numbers};
use filch::io::AsyncFd;
use futures_core::Stream;
use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub mod unix {
    //! The same under the path that tokio has for it.

    #[doc(no_inline)]
    pub use super::{Signal, SignalKind, signal};
}

/// Which signal.
///
/// # Examples
///
/// ```
/// use filch_net::signal::SignalKind;
///
/// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
/// let first = SignalKind::real_time(0).expect("Linux has some thirty of them");
/// assert_eq!(SignalKind::real_time(1), Some(SignalKind::from_raw(first.as_raw() + 1)));
/// ```
///
/// # Source
///
/// `signal(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

/// A listener for one signal, from [`signal`].
///
/// Signals that arrive while nobody waits are kept, from [`signal`] on, but not counted: one `recv` stands for all that came since the last. That is what the
/// system does too, with signals that are blocked; real-time signals, which the system queues, are taken together here as well. None is lost: after a signal,
/// a `recv` that had not begun, or had not returned, returns.
///
/// Dropping it ends the listening. The signal's default action does not come back, since other listeners and libraries may count on that: once anybody has listened for
/// `SIGTERM`, it does not end the process any more.
///
/// # Other processes
///
/// A program that is started from this one has the default actions again, and no listener hears of its signals. What is forked and goes on without `exec`
/// ignores the signals that were listened for before: it must not use this process's listeners, nor its runtime.
pub struct Signal {
    kind: SignalKind,
    // Dropped first: from then on the handler does not write any more.
    _hook: SignalHook,
    counter: AsyncFd<Arc<File>>,
}

/// Listens for a signal from now on. Any number of listeners may listen for the same one, and each gets it.
///
/// # Errors
///
/// `InvalidInput` if the signal cannot be caught (`SIGKILL`, `SIGSTOP`), must not be waited for because the thread cannot go on (`SIGILL`, `SIGFPE`, `SIGSEGV`), or
/// does not exist; what `eventfd(2)` and `sigaction(2)` say. Outside a runtime too.
///
/// # Examples
///
/// ```
/// use filch_net::signal::{SignalKind, signal};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let mut hangup = signal(SignalKind::hangup())?;
/// # let pid = std::process::id().to_string();
/// # std::process::Command::new("sh").args(["-c", "kill -HUP $0", &pid]).status()?;
/// hangup.recv().await;
/// println!("reading the configuration again");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let listen = || {
        let counter = Arc::new(sys::event_counter()?);
        // Watched first: who is refused by the reactor leaves no handler behind.
        let watched = AsyncFd::new(counter.clone())?;
        Ok((sys::count_signals(kind.0, counter)?, watched))
    };
    let listening = listen();
    let (hook, counter) =
        listening.map_err(|cause| error::at(format!("listen for {kind}"), cause))?;
    Ok(Signal {
        kind,
        _hook: hook,
        counter,
    })
}

/// Waits for the next `SIGINT`, which a terminal sends for ctrl-c. It listens from the first poll on.
///
/// # Errors
///
/// As for [`signal`] and [`Signal::recv`].
///
/// # Cancel safety
///
/// A signal that came between the first poll and the drop is lost: keep a [`Signal`] to wait more than once.
///
/// # Examples
///
/// ```no_run
/// # let rt = filch::Runtime::new()?;
/// rt.block_on(filch_net::signal::ctrl_c())?;
/// println!("asked to stop");
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    let taken = signal(SignalKind::interrupt())?.recv().await;
    taken.ok_or_else(|| io::Error::other("the runtime of this wait for ctrl-c has shut down"))
}

impl Signal {
    /// Waits for the signal, or for nothing if it came since the last time. `None` if the runtime has shut down: no signal comes any more.
    ///
    /// # Cancel safety
    ///
    /// No signal is lost: the poll that takes it returns it.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Takes the signal if it came, or waits for it; as [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        // The read takes the whole count. Room for one byte more makes it a short one, which it is: nothing is left until the next event.
        let mut count = [0; 8];
        let wanted = count.len() + 1;
        let taken = self
            .counter
            .poll_read_with(cx, wanted, |counter| (&**counter).read(&mut count));
        // A counter that is open and has something to read is read: an error is the runtime's end.
        taken.map(|taken| taken.ok().map(drop))
    }

    /// Which signal it listens for.
    #[must_use]
    pub const fn kind(&self) -> SignalKind {
        self.kind
    }
}

/// The same as [`Signal::recv`] again and again. It ends when the runtime has shut down.
impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }
}

impl SignalKind {
    /// A signal by its number.
    #[must_use]
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// The real-time signal `SIGRTMIN + n`; `None` if there are not so many.
    #[must_use]
    pub fn real_time(n: u8) -> Option<Self> {
        numbers::real_time(n.into()).map(Self)
    }

    /// `SIGALRM`: a timer of the process ran out.
    #[must_use]
    pub const fn alarm() -> Self {
        Self(numbers::SIGALRM)
    }

    /// `SIGCHLD`: a child ended or stopped.
    #[must_use]
    pub const fn child() -> Self {
        Self(numbers::SIGCHLD)
    }

    /// `SIGHUP`: the terminal is gone; by custom, a server shall read its configuration again.
    #[must_use]
    pub const fn hangup() -> Self {
        Self(numbers::SIGHUP)
    }

    /// `SIGINT`: ctrl-c.
    #[must_use]
    pub const fn interrupt() -> Self {
        Self(numbers::SIGINT)
    }

    /// `SIGIO`: a descriptor is ready, where somebody asked for that signal.
    #[must_use]
    pub const fn io() -> Self {
        Self(numbers::SIGIO)
    }

    /// `SIGPIPE`: somebody wrote to a pipe or socket that nobody reads. The streams of this crate never cause it.
    #[must_use]
    pub const fn pipe() -> Self {
        Self(numbers::SIGPIPE)
    }

    /// `SIGQUIT`: ctrl-backslash.
    #[must_use]
    pub const fn quit() -> Self {
        Self(numbers::SIGQUIT)
    }

    /// `SIGTERM`: the process shall end.
    #[must_use]
    pub const fn terminate() -> Self {
        Self(numbers::SIGTERM)
    }

    /// `SIGUSR1`.
    #[must_use]
    pub const fn user_defined1() -> Self {
        Self(numbers::SIGUSR1)
    }

    /// `SIGUSR2`.
    #[must_use]
    pub const fn user_defined2() -> Self {
        Self(numbers::SIGUSR2)
    }

    /// `SIGWINCH`: the terminal has another size.
    #[must_use]
    pub const fn window_change() -> Self {
        Self(numbers::SIGWINCH)
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> Self {
        Self::from_raw(number)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw()
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {}", self.0)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_caught_is_refused() {
        let rt = filch::Runtime::new().unwrap();
        for number in [
            numbers::SIGKILL,
            numbers::SIGSTOP,
            numbers::SIGSEGV,
            numbers::SIGILL,
            numbers::SIGFPE,
            0,
            -1,
            1000,
        ] {
            let refused = rt.block_on(async { signal(SignalKind::from_raw(number)) });
            let error = refused.map(drop).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{number}");
            let begins = format!("listen for signal {number}: ");
            assert!(error.to_string().starts_with(&begins), "{error}");
        }
    }

    #[test]
    fn real_time_signals_are_counted_from_the_first_to_the_last() {
        let count = (0..=u8::MAX).filter_map(SignalKind::real_time).count();
        let last = u8::try_from(count - 1).unwrap();
        assert!(SignalKind::real_time(last).is_some() && SignalKind::real_time(last + 1).is_none());
        let kind = SignalKind::real_time(last).unwrap();
        assert_eq!(i32::from(kind), 64, "SIGRTMAX of Linux");
        assert_eq!(SignalKind::from(64), kind);
    }

    #[test]
    fn outside_a_runtime_it_is_an_error() {
        let error = signal(SignalKind::user_defined1()).map(drop).unwrap_err();
        assert!(error.to_string().contains("runtime"), "{error}");
    }
}

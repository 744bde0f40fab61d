//! How does a body that is read by one task get its `100 Continue` sent by another?
//!
//! A client that sends `Expect: 100-continue` waits to be invited, until somebody reads the body. Who reads may be
//! another task than the connection's, and only the connection's may write: it alone knows whether a response has
//! begun, which an interim response must not be written into, and a stream wakes only the last task that wrote. So the
//! reader asks, the connection is woken and sends, in front of whatever else it sends. When the response comes first,
//! nobody is invited any more, and the body stays unread.
//!
//! It costs a lock at each of these steps, and nothing for requests without the field.

use super::shutdown::Lock;
use std::fmt;
use std::sync::PoisonError;
use std::task::Waker;

/// What the reader of a body and its connection agree by.
#[derive(Default)]
pub(crate) struct Invitation {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    progress: Progress,
    /// The connection's task, while it waits.
    connection: Option<Waker>,
    /// The reader's, while it waits for the connection.
    reader: Option<Waker>,
}

/// How far an invitation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nobody has read yet.
    #[default]
    Unasked,
    /// A reader waits.
    Asked,
    /// It is sent, or stands in front of all else that will be.
    Sent,
    /// The response came first.
    Over,
}

impl Invitation {
    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress
    }

    /// For the reader: asks the connection to send it, unless that is done or too late. `waker` is woken when it is.
    #[must_use = "it may be too late"]
    pub(crate) fn ask(&self, waker: &Waker) -> Progress {
        let mut state = self.lock();
        if matches!(state.progress, Progress::Sent | Progress::Over) {
            return state.progress;
        }
        state.progress = Progress::Asked;
        let before = state.reader.replace(waker.clone());
        let connection = state.connection.take();
        drop(state);
        drop(before);
        if let Some(connection) = connection {
            connection.wake();
        }
        Progress::Asked
    }

    /// For the connection: whether it has to send it now, which is so once. Otherwise `waker` is woken when it has.
    #[must_use = "it has to be sent"]
    pub(crate) fn take(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.progress == Progress::Asked {
            state.progress = Progress::Sent;
            return true;
        }
        let before = state.connection.replace(waker.clone());
        drop(state);
        drop(before);
        false
    }

    /// For the connection: the response begins, but the body is still to be read. Whether it has to be sent in front of that.
    #[must_use = "it has to be sent"]
    pub(crate) fn grant(&self) -> bool {
        let mut state = self.lock();
        let is_first = matches!(state.progress, Progress::Unasked | Progress::Asked);
        if is_first {
            state.progress = Progress::Sent;
        }
        is_first
    }

    /// For the connection: the response begins, and nobody is invited any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.progress != Progress::Sent {
            state.progress = Progress::Over;
        }
        let (connection, reader) = (state.connection.take(), state.reader.take());
        drop(state);
        drop(connection);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Wakers are woken and dropped without it: they may be the last handle of something.
    fn lock(&self) -> impl std::ops::DerefMut<Target = State> + '_ {
        // No user code runs under it but the clone of a waker, before which nothing was changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Invitation").field(&self.progress()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_connection_is_woken_and_sends_once() {
        let invitation = Invitation::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        assert!(!invitation.take(&waker));
        assert_eq!(invitation.ask(Waker::noop()), Progress::Asked);
        assert_eq!(invitation.ask(Waker::noop()), Progress::Asked);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(invitation.take(&waker));
        assert!(!invitation.take(&waker));
        invitation.close();
        assert_eq!(invitation.ask(Waker::noop()), Progress::Sent);
        assert_eq!(Arc::strong_count(&count), 2);
    }

    #[test]
    fn a_response_that_has_begun_ends_it() {
        let invitation = Invitation::default();
        invitation.close();
        assert_eq!(invitation.ask(Waker::noop()), Progress::Over);
        assert!(!invitation.take(Waker::noop()));
    }

    #[test]
    fn a_reader_that_waits_learns_that_it_is_too_late() {
        let invitation = Invitation::default();
        let count = Arc::new(Count::default());
        assert_eq!(invitation.ask(&count.clone().into()), Progress::Asked);
        invitation.close();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(invitation.ask(&count.clone().into()), Progress::Over);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}

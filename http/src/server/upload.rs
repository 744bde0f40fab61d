//! What do a connection and the reader of a body, which may be another task's, tell each other?
//!
//! The reader: that it waits for the client, so that the permit of a request whose handler only waits for its client can go to another one. The connection: that the response is sent and the body
//! is not wanted any more, so that what still comes of it is the connection's to drop, and never a piece with a gap before it.
//!
//! It is made for bodies that are not there whole with their heads, and costs a lock for each read of such a one.

use super::shutdown::Lock;
use std::fmt;
use std::io;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

/// A body that is being read from the socket.
#[derive(Default)]
pub(crate) struct Upload {
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// Whether nobody may read it any more.
    is_over: bool,
    /// The reader's task, while it waits for the client.
    reader: Option<Waker>,
}

impl Upload {
    /// For the reader: reads, and takes note if it has to wait. An error when it is over.
    pub(crate) fn poll(
        &self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.is_over {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        // Under the lock: once it is over the connection reads.
        let poll = read(cx);
        let waker = poll.is_pending().then(|| cx.waker().clone());
        let before = std::mem::replace(&mut state.reader, waker);
        drop(state);
        drop(before);
        poll
    }

    /// For the connection: whether the reader waits for the client.
    pub(crate) fn waits(&self) -> bool {
        self.lock().reader.is_some()
    }

    /// For the connection: nobody reads it any more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Wakers are woken and dropped without it: they may be the last handle of something.
    fn lock(&self) -> impl std::ops::DerefMut<Target = State> + '_ {
        // What a panic can leave behind is the state from before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("waits", &self.waits())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_waits_until_something_comes() {
        let upload = Upload::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(upload.poll(&mut cx, |_| Poll::Pending).is_pending());
        assert!(upload.waits());
        assert!(upload.poll(&mut cx, |_| Poll::Ready(Ok(1))).is_ready());
        assert!(!upload.waits());
    }

    #[test]
    fn nothing_is_read_once_it_is_over() {
        let upload = Upload::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(upload.poll(&mut cx, |_| Poll::Pending).is_pending());
        upload.end();
        assert!(!upload.waits());
        let read = upload.poll(&mut cx, |_| panic!("it is over"));
        assert!(matches!(read, Poll::Ready(Err(_))));
    }
}

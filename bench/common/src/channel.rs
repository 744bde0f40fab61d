//! What is a channel of anybody's?
//!
//! Ends that send and receive, whatever these are called where they come from. Nobody lets go of the other end before the work is done, so that
//! a send does not fail.

/// The end to send by.
pub trait Sender<T>: Clone + Send + Sync + 'static {
    /// Sends, when there is room.
    fn send(&self, message: T) -> impl Future<Output = ()> + Send;
}

/// The end to receive from.
pub trait Receiver<T>: Send + 'static {
    /// The next message; `None` when there is no more and nobody is left to send one.
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send;
}

/// An end of a channel that somebody does not have.
#[derive(Debug, Clone, Copy)]
pub enum Never {}

impl<T: Send> Sender<T> for Never {
    async fn send(&self, _: T) {
        match *self {}
    }
}

impl<T: Send> Receiver<T> for Never {
    async fn recv(&mut self) -> Option<T> {
        match *self {}
    }
}

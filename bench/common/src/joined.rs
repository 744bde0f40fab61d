//! How is the output of a task awaited where its handle may say that it has panicked?
//!
//! No workload panics, and the workloads are told outputs.

use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A handle that gives the output alone. Dropped, it lets go of the task, as the handle in it does.
#[derive(Debug)]
pub struct Joined<H>(pub H);

impl<H> Joined<H> {
    /// Lets the task run on by itself.
    #[inline]
    pub fn detach(self) {
        drop(self.0);
    }
}

impl<H, T, E> Future for Joined<H>
where
    H: Future<Output = Result<T, E>> + Unpin,
    E: Debug,
{
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(output.expect("no workload panics"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::block_on;
    use std::future;

    #[test]
    fn the_output_is_what_the_handle_has() {
        let handle = future::ready(Ok::<_, &str>(7));
        assert_eq!(block_on(Joined(handle)), 7);
    }

    #[test]
    #[should_panic(expected = "no workload panics")]
    fn a_panic_goes_on() {
        block_on(Joined(future::ready(Err::<(), _>("it panicked"))));
    }
}

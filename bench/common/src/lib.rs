//! What does every measured process do in the same way, filch and its peers alike?
//!
//! | module | answers |
//! |---|---|
//! | [`job`] | what is this process asked to measure? |
//! | [`mod@answer`] | how does it measure, and tell? |
//! | [`counters`] | how is it known that all coroutines have run? |
//! | [`clock`] | where does the time come from? |
//! | [`memory`] | how much memory is resident, and how much was at most? |
//! | [`cpu`] | how much processor time has been used? |
//! | [`joined`] | how is the output of a task awaited? |
//! | [`court`] | how do two tasks take turns? |
//! | [`mailbox`] | how do many tasks signal one? |
//!
//! It depends on nothing but the kernel's calls, so that it says nothing about who uses it.

pub mod answer;
pub mod clock;
pub mod counters;
pub mod court;
pub mod cpu;
pub mod job;
pub mod joined;
pub mod mailbox;
pub mod memory;

pub use answer::{Bench, answer};
pub use job::{Cannot, Job, Work};
pub use joined::Joined;

#[cfg(test)]
mod tests {
    //! What do the tests of things that wait need?

    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::{self, Thread};

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Runs a future on this thread, which sleeps while it waits.
    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut cx) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A waker, and how often it has been woken.
    pub(crate) fn counting() -> (Waker, impl Fn() -> usize) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        (waker, move || count.0.load(Ordering::Relaxed))
    }
}

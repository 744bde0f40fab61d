//! What does every measured process do in the same way, filch and its peers alike?
//!
//! | module | answers |
//! |---|---|
//! | [`job`] | what is this process asked to measure? |
//! | [`mod@answer`] | how does it measure, and tell? |
//! | [`counters`] | how is it known that all coroutines have run? |
//! | [`mod@busy`] | what does a coroutine compute that computes? |
//! | [`clock`] | where does the time come from? |
//! | [`memory`] | how much memory is resident, and how much was at most? |
//! | [`channel`] | what is a channel of anybody's? |
//! | [`cpu`] | how much processor time has been used? |
//! | [`joined`] | how is the output of a task awaited? |
//! | [`court`] | how do two tasks take turns? |
//! | [`mailbox`] | how do many tasks signal one? |
//! | [`mod@block_on`] | how does a thread that is no worker wait for a task? |
//! | [`doorbell`] | how does one task wake another, and know when it did? |
//! | [`mod@http`] | what is an HTTP server asked for? |
//! | [`serve`] | how does a server say where it listens, and when does it end? |
//! | [`files`] | which files are copied? |
//! | [`writer`] | who writes to a socket whose reader's worker is busy? |
//!
//! It depends on nothing but the kernel's calls, so that it says nothing about who uses it.

pub mod answer;
pub mod block_on;
pub mod busy;
pub mod channel;
pub mod clock;
pub mod counters;
pub mod court;
pub mod cpu;
pub mod doorbell;
pub mod files;
pub mod http;
pub mod job;
pub mod joined;
pub mod mailbox;
pub mod memory;
pub mod serve;
pub mod writer;

pub use answer::{Bench, answer, one_by_one};
pub use block_on::block_on;
pub use doorbell::Doorbell;
pub use http::Http;
pub use job::{Cannot, Coordination, Copying, Job, Room, Service, Work};
pub use joined::Joined;
pub use writer::{Writer, Written};

#[cfg(test)]
mod tests {
    //! What do the tests of things that wait need?

    use std::hint;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            // ORDERING: Release; the partner is the swap in `block_on`.
            self.0.store(true, Ordering::Release);
        }
    }

    /// Runs a future on this thread, which polls it when it is woken and not otherwise. It spins meanwhile: threads that sleep take so long to
    /// get up that they hardly ever meet.
    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            let mut spins = 0_u32;
            // ORDERING: Acquire; the partner is the store in `wake`.
            while !flag.0.swap(false, Ordering::Acquire) {
                spins += 1;
                if spins % 1000 == 0 {
                    thread::yield_now();
                } else {
                    hint::spin_loop();
                }
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

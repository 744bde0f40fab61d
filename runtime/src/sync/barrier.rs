//! How do several tasks wait for each other, round after round?
//!
//! Everything is in the lock of a [queue](super::wait_queue): how many have come in this round, and the number of the round. Who waits has noted its round. The
//! last to come begins the next one and wakes those of the one before.
//!
//! | a [`wait`](Barrier::wait) is | in the list | counted | dropped then |
//! |---|---|---|---|
//! | new | no | no | nothing happens |
//! | waiting, its round goes on | yes | yes | leaves, and takes its count back |
//! | waiting, its round is over | yes, until it is woken | no: the count began anew | leaves |
//! | woken | no | no | nothing happens |
//!
//! Rejected: a count that stays when its waiter is dropped, as tokio does it. A round would end with one task less than it says, and one that comes back would be
//! counted twice.

use super::wait_queue::{Phase, Wait, WaitQueue};
use crate::util::budget;
use crate::util::wait_reason::WaitReason;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Lets a number of tasks go on when all of them have come.
///
/// It may be used again and again: the round that follows begins when the last one has come. Needs no runtime.
///
/// # Units and limits
///
/// One lock, held for a few instructions by each who comes.
///
/// # Examples
///
/// ```
/// use filch::sync::Barrier;
/// use std::sync::Arc;
///
/// let rt = filch::Runtime::new()?;
/// let barrier = Arc::new(Barrier::new(3));
/// let tasks: Vec<_> = (0..3).map(|_| {
///     let barrier = barrier.clone();
///     rt.spawn(async move { barrier.wait().await.is_leader() })
/// }).collect();
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += usize::from(rt.block_on(task).unwrap());
/// }
/// assert_eq!(leaders, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Barrier {
    size: usize,
    queue: WaitQueue<Round, u64>,
}

/// Those who wait note the number.
#[derive(Debug)]
struct Round {
    number: u64,
    /// Less than the size.
    come: usize,
}

/// What [`Barrier::wait`] gives to each of a round.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let barrier = filch::sync::Barrier::new(1);
/// assert!(rt.block_on(barrier.wait()).is_leader());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BarrierWaitResult {
    is_leader: bool,
}

impl BarrierWaitResult {
    /// True for one of each round, the last that came.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}

const FIRST: Round = Round { number: 0, come: 0 };

impl Barrier {
    /// For rounds of `size` tasks. 0 is the same as 1: nobody waits.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self {
            size,
            queue: WaitQueue::new(FIRST),
        }
    }

    /// For rounds of `size` tasks. 0 is the same as 1: nobody waits.
    #[cfg(loom)]
    pub fn new(size: usize) -> Self {
        Self {
            size,
            queue: WaitQueue::new(FIRST),
        }
    }

    /// Comes to the barrier, and waits until all of this round have.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped takes its arrival back, as if it had not come, and may be begun anew. If the round was complete by then, the others go on all the same; a
    /// wait that is begun anew is one of the next round. (tokio's barrier keeps counting a wait that was dropped.)
    pub async fn wait(&self) -> BarrierWaitResult {
        let wait = Wait::new(&self.queue, 0);
        let barrier = self;
        Arrival { barrier, wait }.await
    }

    /// True if the round is complete; then the others are woken. If not, `wait` is in the list.
    fn arrive(&self, mut wait: Pin<&mut Wait<'_, Round, u64>>, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut locked = self.queue.lock();
        if locked.come + 1 < self.size {
            locked.come += 1;
            *wait.as_mut().value() = locked.number;
            wait.enqueue(&mut locked, waker);
            return false;
        }
        locked.come = 0;
        locked.number += 1;
        let next = locked.number;
        locked.wake_while(|_, round| *round != next);
        true
    }
}

pin_project! {
    struct Arrival<'a> {
        barrier: &'a Barrier,
        #[pin]
        wait: Wait<'a, Round, u64>,
    }

    impl PinnedDrop for Arrival<'_> {
        fn drop(this: Pin<&mut Self>) {
            let mut wait = this.project().wait;
            if wait.phase() == Phase::Waiting {
                take_back(wait.as_mut());
            }
        }
    }
}

impl Future for Arrival<'_> {
    type Output = BarrierWaitResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BarrierWaitResult> {
        let mut this = self.project();
        let mut is_leader = false;
        if this.wait.phase() == Phase::Idle {
            ready!(budget::poll_proceed(cx));
            is_leader = this.barrier.arrive(this.wait.as_mut(), cx);
        }
        if is_leader {
            budget::charge();
        } else {
            ready!(this.wait.poll(cx, WaitReason::Barrier));
            // It stays woken, also if the task has to give up its turn first.
            ready!(budget::poll_take(cx));
        }
        Poll::Ready(BarrierWaitResult { is_leader })
    }
}

fn take_back(mut wait: Pin<&mut Wait<'_, Round, u64>>) {
    let mut locked = wait.queue().lock();
    let waker = wait.as_mut().leave(&mut locked);
    if waker.is_some() && *wait.value() == locked.number {
        locked.come -= 1;
    }
    drop(locked);
    drop(waker);
}

#[cfg(test)]
mod tests {
    //! On real threads, under Miri, and under loom (`loom_*`).

    use super::*;
    use crate::sync::testing::{Count, poll, poll_once};
    use std::sync::Arc;

    #[cfg(not(any(loom, shuttle)))]
    mod real {
        use super::*;

        #[test]
        fn the_last_one_leads_and_the_next_round_begins() {
            let (barrier, count) = (Barrier::new(3), Arc::<Count>::default());
            for round in 1..=3 {
                let mut waits = [(); 2].map(|()| Box::pin(barrier.wait()));
                assert!(waits.iter_mut().all(|wait| poll(wait, &count).is_pending()));
                let last = poll_once(&mut Box::pin(barrier.wait()));
                assert!(last.ready_and(|result| result.is_leader()));
                assert_eq!(count.woken(), 2 * round);
                for wait in &mut waits {
                    assert!(poll_once(wait).ready_and(|result| !result.is_leader()));
                }
            }
        }

        #[test]
        fn nobody_waits_at_a_barrier_of_none_or_one() {
            for size in [0, 1] {
                let barrier = Barrier::new(size);
                for _ in 0..2 {
                    let wait = poll_once(&mut Box::pin(barrier.wait()));
                    assert!(wait.ready_and(|result| result.is_leader()));
                }
            }
        }

        #[test]
        fn who_is_dropped_has_not_come() {
            let barrier = Barrier::new(2);
            let mut dropped = Box::pin(barrier.wait());
            assert!(poll_once(&mut dropped).is_pending());
            drop(dropped);
            let mut first = Box::pin(barrier.wait());
            assert!(poll_once(&mut first).is_pending());
            assert!(poll_once(&mut Box::pin(barrier.wait())).is_ready());
            drop(first);
            assert!(poll_once(&mut Box::pin(barrier.wait())).is_pending());
        }

        /// More than one turn of waking.
        #[test]
        fn a_large_round_is_let_through_together() {
            let barrier = Barrier::new(100);
            let mut waits: Vec<_> = (0..99).map(|_| Box::pin(barrier.wait())).collect();
            assert!(waits.iter_mut().all(|wait| poll_once(wait).is_pending()));
            assert!(poll_once(&mut Box::pin(barrier.wait())).is_ready());
            assert!(waits.iter_mut().all(|wait| poll_once(wait).is_ready()));
        }

        /// It is in the second round of wakers, and its arrival is no longer counted.
        #[test]
        fn one_that_is_dropped_while_its_round_is_woken_takes_nothing_back() {
            type Last = Pin<Box<dyn Future<Output = BarrierWaitResult> + Send>>;
            struct Drops(crate::sys::sync::Mutex<Option<Last>>);
            impl std::task::Wake for Drops {
                fn wake(self: Arc<Self>) {
                    let last = self.0.lock().take();
                    drop(last);
                }
            }
            let barrier = Arc::new(Barrier::new(60));
            let drops = Arc::new(Drops(crate::sys::sync::Mutex::new(None)));
            let waker = drops.clone().into();
            let mut first = Box::pin(barrier.wait());
            let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            let mut others: Vec<_> = (0..57).map(|_| Box::pin(barrier.wait())).collect();
            assert!(others.iter_mut().all(|wait| poll_once(wait).is_pending()));
            let own = barrier.clone();
            let mut last: Last = Box::pin(async move { own.wait().await });
            assert!(poll_once(&mut last).is_pending());
            *drops.0.lock() = Some(last);
            assert!(poll_once(&mut Box::pin(barrier.wait())).is_ready());
            assert!(drops.0.lock().is_none());
            assert_eq!(barrier.queue.lock().come, 0);
        }

        trait ReadyAnd<T> {
            fn ready_and(self, is: impl FnOnce(T) -> bool) -> bool;
        }

        impl<T> ReadyAnd<T> for Poll<T> {
            fn ready_and(self, is: impl FnOnce(T) -> bool) -> bool {
                match self {
                    Poll::Ready(value) => is(value),
                    Poll::Pending => false,
                }
            }
        }
    }

    #[cfg(loom)]
    mod model {
        use super::*;
        use crate::sys::sync::thread;
        use crate::util::block_on::block_on;

        fn barrier(size: usize) -> &'static Barrier {
            Box::leak(Box::new(Barrier::new(size)))
        }

        #[test]
        fn loom_barrier_two_rounds() {
            loom::model(|| {
                let barrier = barrier(2);
                let round = move || usize::from(block_on(barrier.wait()).is_leader());
                let other = thread::spawn(move || [round(), round()]);
                let mine = [round(), round()];
                let theirs = other.join().unwrap();
                assert_eq!([mine[0] + theirs[0], mine[1] + theirs[1]], [1, 1]);
            });
        }

        /// The one that is dropped has come in the round that is completed, or has not come at all.
        #[test]
        fn loom_barrier_last_against_drop() {
            loom::model(|| {
                let (barrier, count) = (barrier(2), Arc::<Count>::default());
                let mut dropped = Box::pin(barrier.wait());
                assert!(poll(&mut dropped, &count).is_pending());
                let other = thread::spawn(move || {
                    let mut last = Box::pin(barrier.wait());
                    let passed = poll_once(&mut last).is_ready();
                    (passed, last)
                });
                drop(dropped);
                let (passed, last) = other.join().unwrap();
                let mut next = Box::pin(barrier.wait());
                assert_eq!(poll_once(&mut next).is_pending(), passed);
                drop((next, last, count));
                assert_eq!(barrier.queue.lock().come, 0);
            });
        }
    }
}

//! How does one wait until all of a number of things are done, when nobody knows the number beforehand?
//!
//! A count of [guards](WaitGuard), and a [queue](super::wait_queue) of those who wait until it is 0. The count goes up, and down to 1, without the lock; it goes to
//! 0 under it:
//!
//! | arrow | made by | under the lock | then |
//! |---|---|---|---|
//! | n -> n + 1 | [`add`](WaitGroup::add), clone of a guard | no | |
//! | n -> n - 1, n > 1 | drop of a guard | no | |
//! | 1 -> 0 | drop of a guard | yes | all in the list are woken |
//!
//! So a count that is found above 0 under the lock stays there until the lock is gone, and whoever enters the list because of it is woken. A wait that finds 0
//! takes no lock.
//!
//! The group may be used again at once, also while those of the last time are being woken, in rounds with the lock free in between. Therefore each who waits notes how
//! often the count has been 0 before.
//!
//! Rejected: the last one down takes the lock after the count is 0. Somebody may have added by then, and wait for it: it would be woken by the end of what was before.

use super::wait_queue::{Phase, Wait, WaitQueue};
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::util::block_on::block_on;
use crate::util::budget;
use crate::util::wait_reason::WaitReason;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Waits until all that was added is done.
///
/// [`add`](Self::add) gives a guard for each thing; when the last guard is dropped, all who [`wait`](Self::wait) go on. That a panic, or an abort of the task, drops the
/// guard too makes it at least as good as a call at the end. Clones are the same group. Needs no runtime.
///
/// # Units and limits
///
/// Adding, and dropping a guard that is not the last one, cost a locked instruction or two each.
///
/// # Examples
///
/// ```
/// use filch::sync::WaitGroup;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let rt = filch::Runtime::new()?;
/// let (group, done) = (WaitGroup::new(), Arc::new(AtomicU32::new(0)));
/// for _ in 0..10 {
///     let (guard, done) = (group.add(), done.clone());
///     rt.spawn(async move {
///         done.fetch_add(1, Ordering::Relaxed);
///         drop(guard);
///     });
/// }
/// group.blocking_wait();
/// assert_eq!(done.load(Ordering::Relaxed), 10);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct WaitGroup {
    group: Arc<Group>,
}

#[derive(Debug)]
struct Group {
    /// Of guards.
    count: AtomicUsize,
    queue: WaitQueue<Ends, Ends>,
}

/// How often the count has been 0, after the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends(u64);

/// Counts as something that is not done, for as long as it lives. A clone counts as another one.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let group = filch::sync::WaitGroup::new();
/// let guard = group.add();
/// let another = guard.clone();
/// assert_eq!(group.count(), 2);
/// drop((guard, another));
/// rt.block_on(group.wait());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "what is dropped at once was not waited for"]
pub struct WaitGuard {
    group: Arc<Group>,
}

impl WaitGroup {
    /// With nothing to wait for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One thing more to wait for, until the guard is dropped.
    ///
    /// Whoever waits already does so for this one too. So add before you wait, or while another guard lives.
    ///
    /// # Panics
    ///
    /// If there are more guards than fit into memory: some were leaked.
    #[inline]
    pub fn add(&self) -> WaitGuard {
        WaitGuard::new(&self.group)
    }

    /// How many guards there are; out of date at once.
    #[must_use]
    pub fn count(&self) -> usize {
        // ORDERING: Relaxed: for information.
        self.group.count.load(Ordering::Relaxed)
    }

    /// Waits until there is no guard.
    ///
    /// It is over as soon as that has been so once, even if more was added since. What was done before the guards were dropped is visible then.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the wait and changes nothing else.
    pub async fn wait(&self) {
        let wait = Wait::new(&self.group.queue, Ends(0));
        let group = &*self.group;
        AllDone { group, wait }.await;
    }

    /// Waits on this thread until there is no guard.
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no other thread can be started to take over the worker.
    #[track_caller]
    pub fn blocking_wait(&self) {
        block_on(self.wait());
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            queue: WaitQueue::new(Ends(0)),
        }
    }
}

impl WaitGuard {
    fn new(group: &Arc<Group>) -> Self {
        // ORDERING: Relaxed: a wait that is to see it comes after it, by whatever means.
        let before = group.count.fetch_add(1, Ordering::Relaxed);
        let guard = Self {
            group: group.clone(),
        };
        assert!(before < usize::MAX / 2, "too many guards: are they leaked?");
        guard
    }
}

impl Clone for WaitGuard {
    fn clone(&self) -> Self {
        Self::new(&self.group)
    }
}

impl Drop for WaitGuard {
    #[inline]
    fn drop(&mut self) {
        if !self.group.is_down_to_more() {
            self.group.count_down_to_the_end();
        }
    }
}

impl Group {
    /// Counts down, unless this is the last one.
    #[inline]
    fn is_down_to_more(&self) -> bool {
        // ORDERING: Release, partner of the Acquire in `is_done` and of the last one's: what was done under this guard.
        let counted = self
            .count
            .fetch_update(Ordering::Release, Ordering::Relaxed, |count| {
                (count > 1).then(|| count - 1)
            });
        counted.is_ok()
    }

    #[cold]
    fn count_down_to_the_end(&self) {
        let mut locked = self.queue.lock();
        // ORDERING: AcqRel, partner of `is_done` (Release), which may not take the lock, and of the other guards (Acquire), for whom this one hands on what they did to those
        // who are woken.
        if self.count.fetch_sub(1, Ordering::AcqRel) > 1 {
            // Somebody added meanwhile.
            return;
        }
        locked.0 += 1;
        let now = *locked;
        locked.wake_while(|_, before| *before != now);
    }

    #[inline]
    fn is_done(&self) -> bool {
        // ORDERING: Acquire, partner of the guards' Release: what was done under them. All of them are in the release sequence of the last, by read-modify-writes.
        self.count.load(Ordering::Acquire) == 0
    }
}

pin_project! {
    struct AllDone<'a> {
        group: &'a Group,
        #[pin]
        wait: Wait<'a, Ends, Ends>,
    }
}

impl AllDone<'_> {
    /// True if there is nothing to wait for. If not, it is in the list.
    fn begin(self: Pin<&mut Self>, cx: &Context<'_>) -> bool {
        let mut this = self.project();
        if this.group.is_done() {
            return true;
        }
        let waker = cx.waker().clone();
        let mut locked = this.group.queue.lock();
        if this.group.is_done() {
            drop(locked);
            return true;
        }
        *this.wait.as_mut().value() = *locked;
        this.wait.enqueue(&mut locked, waker);
        false
    }
}

impl Future for AllDone<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.wait.phase() == Phase::Idle {
            ready!(budget::poll_proceed(cx));
            if self.as_mut().begin(cx) {
                budget::charge();
                return Poll::Ready(());
            }
        }
        ready!(self.project().wait.poll(cx, WaitReason::WaitGroup));
        // It stays woken, also if the task has to give up its turn first.
        budget::poll_take(cx)
    }
}

#[cfg(test)]
mod tests {
    //! On real threads, under Miri, and under loom (`loom_*`).

    use super::*;
    use crate::sync::testing::{Count, poll, poll_once};

    #[cfg(not(any(loom, shuttle)))]
    mod real {
        use super::*;

        #[test]
        fn the_last_guard_wakes_all_who_wait() {
            let (group, count) = (WaitGroup::new(), Arc::<Count>::default());
            for round in 1..=2 {
                assert!(poll_once(&mut Box::pin(group.wait())).is_ready());
                let guards = (group.add(), group.clone().add());
                let mut waits: Vec<_> = (0..100).map(|_| Box::pin(group.wait())).collect();
                assert!(waits.iter_mut().all(|wait| poll(wait, &count).is_pending()));
                drop(guards.0);
                assert_eq!((group.count(), count.woken()), (1, 100 * (round - 1)));
                drop(guards.1);
                assert_eq!(count.woken(), 100 * round);
                let new = group.add();
                assert!(waits.iter_mut().all(|wait| poll_once(wait).is_ready()));
                assert!(poll_once(&mut Box::pin(group.wait())).is_pending());
                drop(new);
            }
        }

        #[test]
        fn a_wait_that_is_dropped_leaves() {
            let (group, count) = (WaitGroup::new(), Arc::<Count>::default());
            let guard = group.add();
            let mut wait = Box::pin(group.wait());
            assert!(poll(&mut wait, &count).is_pending());
            drop(wait);
            drop(guard);
            assert_eq!(count.woken(), 0);
        }

        /// In the first of two rounds of wakers somebody adds and waits anew.
        #[test]
        fn who_begins_anew_while_the_others_are_woken_goes_on_waiting() {
            type New = (WaitGuard, Pin<Box<dyn Future<Output = ()> + Send>>);
            struct Anew(WaitGroup, crate::sys::sync::Mutex<Option<New>>);
            impl std::task::Wake for Anew {
                fn wake(self: Arc<Self>) {
                    let (guard, group) = (self.0.add(), self.0.clone());
                    let mut wait: Pin<Box<dyn Future<Output = ()> + Send>> =
                        Box::pin(async move { group.wait().await });
                    let mut cx = Context::from_waker(std::task::Waker::noop());
                    assert!(wait.as_mut().poll(&mut cx).is_pending());
                    *self.1.lock() = Some((guard, wait));
                }
            }
            let group = WaitGroup::new();
            let guard = group.add();
            let anew = Arc::new(Anew(group.clone(), crate::sys::sync::Mutex::new(None)));
            let waker = anew.clone().into();
            let mut first = Box::pin(group.wait());
            let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            let mut others: Vec<_> = (0..50).map(|_| Box::pin(group.wait())).collect();
            assert!(others.iter_mut().all(|wait| poll_once(wait).is_pending()));
            drop(guard);
            assert!(others.iter_mut().all(|wait| poll_once(wait).is_ready()));
            let (guard, mut wait) = anew.1.lock().take().unwrap();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            drop(guard);
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }

        #[test]
        fn threads_are_waited_for() {
            const THREADS: usize = if cfg!(miri) { 3 } else { 8 };
            let (group, done) = (WaitGroup::new(), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for round in 1..=3 {
                    for _ in 0..THREADS {
                        let (guard, done) = (group.add(), &done);
                        scope.spawn(move || {
                            done.fetch_add(1, Ordering::Relaxed);
                            drop(guard);
                        });
                    }
                    group.blocking_wait();
                    assert_eq!(done.load(Ordering::Relaxed), round * THREADS);
                }
            });
        }
    }

    #[cfg(loom)]
    mod model {
        use super::*;
        use crate::sys::sync::{UnsafeCell, thread};

        /// Three threads: in all interleavings it takes a minute.
        fn bounded(model: impl Fn() + Send + Sync + 'static) {
            let mut builder = loom::model::Builder::new();
            builder.preemption_bound.get_or_insert(3);
            builder.check(model);
        }

        /// What is done under a guard, one cell each.
        type Work = &'static Cells;

        #[derive(Default)]
        struct Cells([UnsafeCell<u32>; 2]);

        // SAFETY: loom reports an access that races.
        unsafe impl Sync for Cells {}

        fn work() -> Work {
            Box::leak(Box::default())
        }

        impl Cells {
            fn put(&self, at: usize) {
                // SAFETY: loom reports a race.
                self.0[at].with_mut(|cell| unsafe { *cell += 1 });
            }

            fn get(&self, at: usize) -> u32 {
                // SAFETY: loom reports a race.
                self.0[at].with(|cell| unsafe { *cell })
            }
        }

        #[test]
        fn loom_wait_group_last_guard_against_wait() {
            loom::model(|| {
                let (group, work) = (WaitGroup::new(), work());
                let guard = group.add();
                let other = thread::spawn(move || {
                    work.put(0);
                    drop(guard);
                });
                group.blocking_wait();
                assert_eq!(work.get(0), 1);
                other.join().unwrap();
            });
        }

        #[test]
        fn loom_wait_group_two_guards_against_wait() {
            bounded(|| {
                let (group, work) = (WaitGroup::new(), work());
                let others = [0, 1].map(|at| {
                    let guard = group.add();
                    thread::spawn(move || {
                        work.put(at);
                        drop(guard);
                    })
                });
                group.blocking_wait();
                assert_eq!((work.get(0), work.get(1)), (1, 1));
                for other in others {
                    other.join().unwrap();
                }
            });
        }

        /// The wait finds 0 and takes no lock. (The loop makes loom let the other one go on; it does not try an access against those that stand before another one of the same
        /// thread.)
        #[test]
        fn loom_wait_group_end_is_seen_without_the_lock() {
            loom::model(|| {
                let (group, work) = (WaitGroup::new(), work());
                let guard = group.add();
                let other = thread::spawn(move || {
                    work.put(0);
                    drop(guard);
                });
                while group.count() > 0 {
                    thread::yield_now();
                }
                group.blocking_wait();
                assert_eq!(work.get(0), 1);
                other.join().unwrap();
            });
        }

        /// The end of what was before is not the end of what comes after.
        #[test]
        fn loom_wait_group_last_guard_against_the_next_round() {
            bounded(|| {
                let (group, work) = (WaitGroup::new(), work());
                let first = group.add();
                let other = thread::spawn(move || drop(first));
                let second = group.add();
                let another = thread::spawn(move || {
                    work.put(0);
                    drop(second);
                });
                group.blocking_wait();
                assert_eq!(work.get(0), 1);
                other.join().unwrap();
                another.join().unwrap();
            });
        }

        #[test]
        fn loom_wait_group_last_guard_against_drop() {
            loom::model(|| {
                let (group, count) = (WaitGroup::new(), Arc::<Count>::default());
                let guard = group.add();
                let mut wait = Box::pin(group.wait());
                assert!(poll(&mut wait, &count).is_pending());
                let other = thread::spawn(move || drop(guard));
                drop(wait);
                other.join().unwrap();
                assert!(poll_once(&mut Box::pin(group.wait())).is_ready());
                assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
            });
        }
    }
}

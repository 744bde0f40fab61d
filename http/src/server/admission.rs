//! Which request may go to its handler, which waits, and which is turned away?
//!
//! A server that begins with everything that comes gets slower for all when more comes than it can do, until nobody is answered in time. So at most
//! [`requests`](crate::Limits::requests) are in their handlers, as many as [`queue`](crate::Limits::queue) wait for one of these to end, and the others are told at once to come back later,
//! which costs a five-hundredth of a millisecond and no memory.
//!
//! | requests in handlers | in the queue | the next one |
//! |---|---|---|
//! | fewer than may be | | goes to its handler |
//! | as many | fewer than may be | waits; in its turn it goes to its handler, or is turned away when its time is over |
//! | as many | as many | is turned away |
//!
//! Before that it is turned away, however many are in their handlers, if it comes to its turn late as most do ([`lateness`](super::lateness)): of handlers that compute, no more are in them than there are threads.
//!
//! What asks for an exempt path (`/healthz` and the like) never waits and is never turned away.
//!
//! **The queue is plain**: first in, first out, one deadline. What controlled delay (CoDel) is for, a queue that is always full and makes everybody late, cannot happen in one that is short beside the
//! number of those being served: who waits at its end waits for `queue / requests` of a handler's time. Rejected, then: CoDel (a clock per request, two more figures to tune); last in, first out
//! (serves the luckiest, and the tail of the others is the deadline); a queue for each worker (one empty while another is full).
//!
//! **Permits are spread.** There is one for each request that may be in its handler. Threads keep a few that they have seen used ([`stashes`](Admission::stashes)), take and put
//! back there, and come to the common [`pool`](Admission::pool) only when they have none or too many: so a request writes to two words of its own thread's, and none that others write. When none is left
//! in the pool, those of all stashes are called back into it, before anybody waits or is turned away: the limit is exact. While anybody waits, every permit that is put back goes into the pool, which
//! gives it to who has waited longest.
//!
//! That no permit lies in a stash while somebody waits: who puts one there looks at `waiting` after it, who waits writes `waiting` before looking into the stashes; all four are sequentially
//! consistent, so one of the two sees the other.

use super::shards::{Padded, Shards};
use filch::sync::Semaphore;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// How many permits a thread takes out of the pool at a time, at most. A guess: handlers that wait at a time on one thread are either fewer, or thousands.
const BATCH_MAX: usize = 32;

/// As many requests as nobody has; a semaphore takes no more than this at a time.
const REQUESTS_MOST: usize = u32::MAX as usize;

/// The requests of a server that may be in their handlers.
pub(crate) struct Admission {
    /// Permits that no thread keeps.
    pool: Arc<Semaphore>,
    /// Permits that a thread keeps, for itself unless they are called back.
    stashes: Shards<AtomicUsize>,
    /// How many requests wait.
    waiting: Padded<AtomicUsize>,
    requests: usize,
    queue: usize,
    batch: usize,
}

/// What becomes of a request.
#[derive(Debug)]
#[must_use = "a permit may have been taken"]
pub(crate) enum Turn {
    /// It has a permit, to be put back with [`Admission::leave`].
    Granted,
    /// It waits.
    Waits(Waiting),
    /// It is turned away.
    Refused,
}

impl Admission {
    pub(crate) fn new(requests: usize, queue: usize) -> Self {
        let requests = requests.min(REQUESTS_MOST);
        let stashes = Shards::<AtomicUsize>::new();
        let threads = stashes.iter().count();
        Self {
            pool: Arc::new(Semaphore::new(requests)),
            stashes,
            waiting: Padded::default(),
            requests,
            queue,
            // Not more than an eighth of all lies about.
            batch: (requests / threads / 8).clamp(1, BATCH_MAX),
        }
    }

    /// Takes a permit out of the thread's own stash, if nobody waits. If not, ask [`enter_slow`](Self::enter_slow).
    #[inline]
    #[must_use = "a permit may have been taken"]
    pub(crate) fn try_enter(&self) -> bool {
        // ORDERING: Relaxed: who comes at the moment in which somebody begins to wait may still be first.
        self.waiting.load(Ordering::Relaxed) == 0 && take_one(self.stashes.mine().get())
    }

    /// The same where the stash has none, or somebody waits.
    #[cold]
    pub(crate) fn enter_slow(self: &Arc<Self>) -> Turn {
        // ORDERING: Relaxed, as in `try_enter`.
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting == 0 && self.take_from_pool() {
            return Turn::Granted;
        }
        if waiting >= self.queue {
            return Turn::Refused;
        }
        self.wait(self.queue)
    }

    /// The same for a request that had a permit and has given it back while it waited for its client: it is turned away by nothing but its time.
    #[cold]
    pub(crate) fn enter_again(self: &Arc<Self>) -> Turn {
        // ORDERING: Relaxed, as in `try_enter`.
        if self.waiting.load(Ordering::Relaxed) == 0 && self.take_from_pool() {
            return Turn::Granted;
        }
        self.wait(usize::MAX)
    }

    /// Puts a permit back.
    #[inline]
    pub(crate) fn leave(&self) {
        let kept = self.put(1);
        if kept > 2 * self.batch {
            self.put_into_pool();
        }
    }

    /// How many requests are in their handlers. Out of date at once.
    pub(crate) fn in_handlers(&self) -> usize {
        // ORDERING: Relaxed, here and below: numbers to be shown.
        let kept: usize = self
            .stashes
            .iter()
            .map(|stash| stash.load(Ordering::Relaxed))
            .sum();
        self.requests
            .saturating_sub(self.pool.available_permits() + kept)
    }

    /// How many wait.
    pub(crate) fn in_queue(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// One out of the pool, with some more for the stash; if there is none, one of those that others keep.
    fn take_from_pool(&self) -> bool {
        if self.take_many(self.batch) {
            self.put(self.batch - 1);
            return true;
        }
        if self.take_many(1) {
            return true;
        }
        self.call_back();
        self.take_many(1)
    }

    fn take_many(&self, n: usize) -> bool {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.pool
            .try_acquire_many(n)
            .map(|permits| permits.forget())
            .is_ok()
    }

    /// Adds to the thread's stash, which nobody may keep while somebody waits. Says how many it has then.
    #[inline]
    fn put(&self, n: usize) -> usize {
        let shard = self.stashes.mine();
        let stash = shard.get();
        // ORDERING: SeqCst, with the load: against `wait`, see the head of the file. The next to take one synchronizes with nothing: what is counted carries no data.
        let before = stash.fetch_add(n, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.empty(stash);
            return 0;
        }
        before + n
    }

    /// Gives back what is too much of the thread's stash.
    #[cold]
    fn put_into_pool(&self) {
        let shard = self.stashes.mine();
        // ORDERING: Relaxed: the permits are counted by one word at a time.
        let taken = shard
            .get()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |kept| {
                kept.checked_sub(self.batch)
            });
        if taken.is_ok() {
            self.pool.add_permits(self.batch);
        }
    }

    /// Brings all permits that threads keep into the pool.
    fn call_back(&self) {
        for stash in self.stashes.iter() {
            self.empty(stash);
        }
    }

    #[cold]
    fn empty(&self, stash: &AtomicUsize) {
        // ORDERING: SeqCst, both: see `put`. Looking first leaves the lines of empty stashes where they are.
        if stash.load(Ordering::SeqCst) == 0 {
            return;
        }
        let kept = stash.swap(0, Ordering::SeqCst);
        if kept > 0 {
            self.pool.add_permits(kept);
        }
    }

    fn wait(self: &Arc<Self>, queue: usize) -> Turn {
        // ORDERING: SeqCst: before `call_back`, against `put`.
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting {
            permit: Box::pin(take_in_turn(self.pool.clone())),
            admission: self.clone(),
        };
        if before >= queue {
            // Others came first since.
            return Turn::Refused;
        }
        self.call_back();
        Turn::Waits(waiting)
    }
}

#[inline]
fn take_one(stash: &AtomicUsize) -> bool {
    // ORDERING: Relaxed: what is counted carries no data.
    let taken = stash.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |kept| {
        kept.checked_sub(1)
    });
    taken.is_ok()
}

/// Waits for a permit of the pool, which is the caller's to put back.
async fn take_in_turn(pool: Arc<Semaphore>) {
    // It is never closed.
    if let Ok(permit) = pool.acquire_owned().await {
        permit.forget();
    }
}

/// A place in the queue, which is given up when it is dropped.
pub(crate) struct Waiting {
    permit: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    admission: Arc<Admission>,
}

impl Waiting {
    /// Waits for its turn. When it is ready the request has a permit, and this must be dropped.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.permit.as_mut().poll(cx)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // ORDERING: Relaxed: who sees it late puts a permit into the pool, where the next finds it.
        self.admission.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("requests", &self.requests)
            .field("in_handlers", &self.in_handlers())
            .field("in_queue", &self.in_queue())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Wake, Waker};

    fn enter(admission: &Arc<Admission>) -> Turn {
        if admission.try_enter() {
            return Turn::Granted;
        }
        admission.enter_slow()
    }

    fn is_granted(admission: &Arc<Admission>) -> bool {
        matches!(enter(admission), Turn::Granted)
    }

    fn waits(admission: &Arc<Admission>) -> Waiting {
        let mut waiting = match enter(admission) {
            Turn::Waits(waiting) => waiting,
            other => panic!("{other:?}"),
        };
        assert!(
            waiting
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        waiting
    }

    fn is_ready(waiting: &mut Waiting) -> bool {
        waiting
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn n_are_admitted_and_not_one_more() {
        for n in [0, 1, 2, 100, 5000] {
            let admission = Arc::new(Admission::new(n, 0));
            for _ in 0..2 {
                for _ in 0..n {
                    assert!(is_granted(&admission));
                }
                assert_eq!(admission.in_handlers(), n);
                assert!(matches!(enter(&admission), Turn::Refused));
                for _ in 0..n {
                    admission.leave();
                }
                assert_eq!(admission.in_handlers(), 0);
            }
        }
    }

    #[test]
    fn what_another_thread_keeps_is_called_back() {
        let admission = Arc::new(Admission::new(1000, 0));
        let other = admission.clone();
        let all = move || {
            let granted = (0..1000).filter(|_| is_granted(&other)).count();
            (0..granted).for_each(|_| other.leave());
            granted
        };
        assert_eq!(std::thread::spawn(all).join().expect("no panic"), 1000);
        assert_eq!((0..1001).filter(|_| is_granted(&admission)).count(), 1000);
    }

    #[test]
    fn q_wait_in_their_order_and_not_one_more() {
        for q in [1, 2, 5] {
            let admission = Arc::new(Admission::new(1, q));
            assert!(is_granted(&admission));
            let mut queue: Vec<_> = (0..q).map(|_| waits(&admission)).collect();
            assert!(matches!(enter(&admission), Turn::Refused));
            assert_eq!((admission.in_handlers(), admission.in_queue()), (1, q));
            admission.leave();
            assert!(
                matches!(enter(&admission), Turn::Refused),
                "nobody overtakes"
            );
            while !queue.is_empty() {
                assert!(!queue.get_mut(1).is_some_and(is_ready));
                assert!(is_ready(&mut queue[0]));
                queue.remove(0);
                admission.leave();
            }
            assert_eq!((admission.in_handlers(), admission.in_queue()), (0, 0));
            assert!(is_granted(&admission));
        }
    }

    #[test]
    fn who_gives_up_makes_room_and_loses_no_permit() {
        let admission = Arc::new(Admission::new(1, 1));
        assert!(is_granted(&admission));
        drop(waits(&admission));
        let granted_unseen = waits(&admission);
        admission.leave();
        drop(granted_unseen);
        assert_eq!((admission.in_handlers(), admission.in_queue()), (0, 0));
        assert!(is_granted(&admission));
    }

    #[derive(Default)]
    struct Unpark(Option<std::thread::Thread>);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            if let Some(thread) = &self.0 {
                thread.unpark();
            }
        }
    }

    /// Threads that come, wait, give up and go: never more than there may be, and in the end all permits are there. Were one left in a stash while somebody waits, it would not end.
    #[test]
    fn many_threads() {
        const LIMIT: usize = 3;
        let admission = Arc::new(Admission::new(LIMIT, 100));
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let (admission, inside) = (&admission, &inside);
                scope.spawn(move || {
                    let waker = Arc::new(Unpark(Some(std::thread::current()))).into();
                    let mut cx = Context::from_waker(&waker);
                    for round in 0..2000 {
                        match enter(admission) {
                            Turn::Granted => {}
                            Turn::Refused => panic!("the queue is long enough"),
                            Turn::Waits(mut waiting) => {
                                let mut is_granted = waiting.poll(&mut cx).is_ready();
                                if !is_granted && (round + seed) % 7 == 0 {
                                    continue;
                                }
                                while !is_granted {
                                    std::thread::park();
                                    is_granted = waiting.poll(&mut cx).is_ready();
                                }
                            }
                        }
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < LIMIT);
                        if round % 3 == 0 {
                            std::thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::SeqCst);
                        admission.leave();
                    }
                });
            }
        });
        assert_eq!((admission.in_handlers(), admission.in_queue()), (0, 0));
    }
}

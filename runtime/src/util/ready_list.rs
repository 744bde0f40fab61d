//! How does one consumer learn which of many things have ended, in the order of their ends?
//!
//! Each has a number. Whoever ends it pushes the number, and the consumer takes all that were pushed at once, by exchanging two queues: one lock for each push, one
//! for each handful taken, and nothing is ever looked through. Wakers are called and dropped outside of the lock.
//!
//! Rejected: a lock-free stack. It would have to be turned round for the order, needs a node for each push that somebody owns, and saves an uncontended lock (some 10 ns)
//! beside the end of a task.

use crate::sys::sync::Mutex;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// Numbers that were pushed by many, for one who takes them.
#[derive(Debug)]
pub(crate) struct ReadyList(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ready: VecDeque<usize>,
    /// The consumer's, while it waits: only if `ready` was empty when it looked.
    consumer: Option<Waker>,
}

impl ReadyList {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner::default()))
    }

    /// Adds one, and wakes the consumer if it waits.
    pub(crate) fn push(&self, number: usize) {
        let mut inner = self.0.lock();
        inner.ready.push_back(number);
        let consumer = inner.consumer.take();
        drop(inner);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }

    /// Takes all there are, in the order in which they were pushed, into a queue that is empty.
    pub(crate) fn take(&self, into: &mut VecDeque<usize>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut self.0.lock().ready, into);
    }

    /// The same; if there is none, the consumer is woken by the next push.
    pub(crate) fn poll_take(&self, into: &mut VecDeque<usize>, cx: &mut Context<'_>) -> Poll<()> {
        debug_assert!(into.is_empty());
        let mut inner = self.0.lock();
        if !inner.ready.is_empty() {
            std::mem::swap(&mut inner.ready, into);
            return Poll::Ready(());
        }
        let is_known = inner
            .consumer
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()));
        if is_known {
            return Poll::Pending;
        }
        // Code of the user's: a waker is cloned, and another dropped, without the lock.
        drop(inner);
        let waker = cx.waker().clone();
        let mut inner = self.0.lock();
        let before = inner.consumer.replace(waker);
        if inner.ready.is_empty() {
            drop(inner);
            drop(before);
            return Poll::Pending;
        }
        // Pushed in between.
        let unused = inner.consumer.take();
        std::mem::swap(&mut inner.ready, into);
        drop(inner);
        drop((before, unused));
        Poll::Ready(())
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sys::sync::{Arc, thread};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// A waker that counts. The count is no part of the model: it orders nothing.
    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Takes what there is, in poll after poll, until one is pending; how often the waker had been called before that one.
    fn drain(list: &ReadyList, count: &std::sync::Arc<Count>, taken: &mut Vec<usize>) -> usize {
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut batch = VecDeque::new();
        loop {
            let woken = count.woken();
            if list.poll_take(&mut batch, &mut cx).is_pending() {
                return woken;
            }
            assert!(!batch.is_empty(), "ready with nothing");
            taken.extend(batch.drain(..));
        }
    }

    /// Two threads push, a third takes: each number comes out once, and none is left behind by a consumer that waits without being woken.
    #[test]
    fn loom_ready_list_nothing_is_lost() {
        loom::model(|| {
            let list = Arc::new(ReadyList::new());
            let pushers: Vec<_> = (0..2)
                .map(|number| {
                    let list = list.clone();
                    thread::spawn(move || list.push(number))
                })
                .collect();
            let (count, mut taken) = (std::sync::Arc::<Count>::default(), Vec::new());
            let woken = drain(&list, &count, &mut taken);
            pushers
                .into_iter()
                .for_each(|pusher| pusher.join().expect("no panic"));
            if taken.len() < 2 {
                assert!(
                    count.woken() > woken,
                    "it waits, and nobody wakes it: {taken:?}"
                );
                drain(&list, &count, &mut taken);
            }
            taken.sort_unstable();
            assert_eq!(taken, [0, 1]);
        });
    }

    /// The consumer moves to another task, with another waker, while something is pushed: whoever it waits as is woken.
    #[test]
    fn loom_ready_list_the_last_waker_counts() {
        loom::model(|| {
            let list = Arc::new(ReadyList::new());
            let (first, second) = (
                std::sync::Arc::<Count>::default(),
                std::sync::Arc::<Count>::default(),
            );
            let mut taken = Vec::new();
            drain(&list, &first, &mut taken);
            let pusher = {
                let list = list.clone();
                thread::spawn(move || list.push(7))
            };
            let woken = drain(&list, &second, &mut taken);
            pusher.join().expect("no panic");
            assert!(taken == [7] || second.woken() > woken);
            drain(&list, &second, &mut taken);
            assert_eq!(taken, [7]);
        });
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_order() {
        let (list, mut batch) = (ReadyList::new(), VecDeque::new());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(list.poll_take(&mut batch, &mut cx).is_pending());
        [3, 1, 2].into_iter().for_each(|number| list.push(number));
        assert!(list.poll_take(&mut batch, &mut cx).is_ready());
        assert_eq!(batch.drain(..).collect::<Vec<_>>(), [3, 1, 2]);
        list.take(&mut batch);
        assert!(batch.is_empty());
    }
}

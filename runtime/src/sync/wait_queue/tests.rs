//! A turnstile: who comes waits until it is let through. On real threads, under Miri, and under loom (`loom_*`).

use super::*;
use std::sync::Weak;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

/// Counts its wakes; no part of the model.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Count {
    fn woken(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// How many were let through, and with which number.
type Turnstile = WaitQueue<usize, usize>;

fn waiting<'q>(queue: &'q Turnstile, count: &Arc<Count>) -> Pin<Box<Wait<'q, usize, usize>>> {
    let mut wait = Box::pin(Wait::new(queue, 0));
    let mut locked = queue.lock();
    wait.as_mut().enqueue(&mut locked, count.clone().into());
    drop(locked);
    wait
}

fn poll(wait: &mut Pin<Box<Wait<'_, usize, usize>>>, count: &Arc<Count>) -> Poll<()> {
    let waker = count.clone().into();
    wait.as_mut()
        .poll(&mut Context::from_waker(&waker), WaitReason::Notify)
}

/// Lets the first through, if there is one, and tells it its number.
fn let_through(queue: &Turnstile) -> bool {
    let mut locked = queue.lock();
    if let (passed, Some(number)) = locked.front() {
        *passed += 1;
        *number = *passed;
    }
    let waker = locked.wake_front();
    drop(locked);
    let any = waker.is_some();
    waker.into_iter().for_each(Waker::wake);
    any
}

fn nobody_has(count: Arc<Count>) {
    let weak: Weak<Count> = Arc::downgrade(&count);
    drop(count);
    assert!(weak.upgrade().is_none(), "a waker leaked");
}

#[cfg(not(any(loom, shuttle)))]
mod real {
    use super::*;

    #[test]
    fn waiters_are_woken_in_order_and_given_a_value() {
        let (queue, count) = (Turnstile::new(0), Arc::<Count>::default());
        let mut waits: Vec<_> = (0..3).map(|_| waiting(&queue, &count)).collect();
        assert!(waits.iter_mut().all(|wait| poll(wait, &count).is_pending()));
        for number in 1..=3 {
            assert!(let_through(&queue));
            let wait = &mut waits[number - 1];
            assert!(poll(wait, &count).is_ready());
            assert_eq!(*wait.as_mut().value(), number);
        }
        assert!(!let_through(&queue));
        assert_eq!(count.woken(), 3);
        drop(waits);
        nobody_has(count);
    }

    #[test]
    fn whoever_is_dropped_leaves_from_anywhere() {
        for leaves in 0..3 {
            let (queue, count) = (Turnstile::new(0), Arc::<Count>::default());
            let mut waits: Vec<_> = (0..3).map(|_| waiting(&queue, &count)).collect();
            drop(waits.remove(leaves));
            assert!(let_through(&queue) && let_through(&queue) && !let_through(&queue));
            assert!(waits.iter_mut().all(|wait| poll(wait, &count).is_ready()));
            drop(waits);
            nobody_has(count);
        }
    }

    #[test]
    fn the_waker_given_last_is_woken() {
        let (queue, before, after) = (Turnstile::new(0), Arc::default(), Arc::default());
        let mut wait = waiting(&queue, &before);
        assert!(poll(&mut wait, &after).is_pending());
        nobody_has(before);
        let_through(&queue);
        assert_eq!(after.woken(), 1);
        assert!(poll(&mut wait, &after).is_ready());
    }

    #[test]
    fn who_came_last_is_woken_first_from_the_back() {
        let (queue, count) = (Turnstile::new(0), Arc::<Count>::default());
        let mut waits: Vec<_> = (0..2).map(|_| waiting(&queue, &count)).collect();
        for index in [1, 0] {
            let mut locked = queue.lock();
            *locked.back().1.unwrap() = 7;
            assert!(locked.wake_back().is_some());
            drop(locked);
            assert!(poll(&mut waits[index], &count).is_ready());
            assert_eq!(*waits[index].as_mut().value(), 7);
        }
        assert!(queue.lock().back().1.is_none());
    }

    /// More than fit into one round, and some that are to stay.
    #[test]
    fn as_many_as_wanted_are_woken_and_no_more() {
        let (queue, count) = (Turnstile::new(0), Arc::<Count>::default());
        let mut waits: Vec<_> = (0..100).map(|_| waiting(&queue, &count)).collect();
        queue.lock().wake_while(|passed, _| {
            *passed += 1;
            *passed <= 70
        });
        assert_eq!(count.woken(), 70);
        let woken = |wait: &mut _| poll(wait, &count).is_ready();
        assert!(waits[..70].iter_mut().all(woken));
        assert!(!waits[70..].iter_mut().any(woken));
    }

    #[test]
    fn an_owned_place_keeps_its_queue_alive() {
        let (queue, count) = (Arc::new(Turnstile::new(0)), Arc::<Count>::default());
        let mut wait = Box::pin(Wait::owned(queue.clone(), |queue| queue, 0));
        wait.as_mut()
            .enqueue(&mut queue.lock(), count.clone().into());
        let weak = Arc::downgrade(&queue);
        drop(queue);
        drop(wait);
        assert!(weak.upgrade().is_none());
        nobody_has(count);
    }

    #[test]
    fn a_wait_may_be_used_again() {
        let (queue, count) = (Turnstile::new(0), Arc::<Count>::default());
        let mut wait = waiting(&queue, &count);
        for _ in 0..2 {
            let_through(&queue);
            assert!(poll(&mut wait, &count).is_ready());
            wait.as_mut().rearm();
            let mut locked = queue.lock();
            wait.as_mut().enqueue(&mut locked, count.clone().into());
        }
        let mut locked = queue.lock();
        assert!(wait.as_mut().leave(&mut locked).is_some());
        assert!(wait.as_mut().leave(&mut locked).is_none());
        assert!(locked.is_empty());
    }

    #[test]
    fn who_was_woken_in_vain_stands_at_the_front_again() {
        let (queue, count) = (Turnstile::new(0), Arc::<Count>::default());
        let mut robbed = waiting(&queue, &count);
        let mut second = waiting(&queue, &count);
        let_through(&queue);
        robbed.as_mut().rearm();
        let mut locked = queue.lock();
        (robbed.as_mut()).enqueue_front(&mut locked, count.clone().into());
        drop(locked);
        let_through(&queue);
        assert!(poll(&mut robbed, &count).is_ready());
        assert!(poll(&mut second, &count).is_pending());
        drop((robbed, second));
        nobody_has(count);
    }

    #[test]
    #[should_panic(expected = "another queue")]
    fn the_lock_of_another_queue_is_refused() {
        let (mine, other) = (Turnstile::new(0), Turnstile::new(0));
        let mut wait = Box::pin(Wait::new(&mine, 0));
        let mut locked = other.lock();
        wait.as_mut().enqueue(&mut locked, Waker::noop().clone());
    }

    #[test]
    #[should_panic(expected = "belongs to who has the lock")]
    fn the_value_of_a_waiter_in_the_list_is_refused() {
        let queue = Turnstile::new(0);
        let mut wait = waiting(&queue, &Arc::default());
        wait.as_mut().value();
    }
}

#[cfg(loom)]
mod model {
    use super::*;
    use crate::sys::sync::thread;

    /// The model's queue lives longer than its threads.
    fn queue() -> &'static Turnstile {
        Box::leak(Box::new(Turnstile::new(0)))
    }

    #[test]
    fn loom_wait_wake_against_drop() {
        loom::model(|| {
            let (queue, count) = (queue(), Arc::<Count>::default());
            let wait = waiting(queue, &count);
            let waking = thread::spawn(move || let_through(queue));
            drop(wait);
            waking.join().unwrap();
            assert!(count.woken() <= 1);
            nobody_has(count);
        });
    }

    #[test]
    fn loom_wait_wake_against_drop_of_a_neighbour() {
        loom::model(|| {
            let (queue, gone, stays) = (queue(), Arc::default(), Arc::default());
            let first = waiting(queue, &gone);
            let mut second = waiting(queue, &stays);
            let waking = thread::spawn(move || let_through(queue));
            drop(first);
            waking.join().unwrap();
            if gone.woken() == 0 {
                assert!(poll(&mut second, &stays).is_ready());
                assert_eq!(*second.as_mut().value(), 1);
            }
        });
    }

    #[test]
    fn loom_wait_wake_against_poll() {
        loom::model(|| {
            let (queue, before, after) = (queue(), Arc::default(), Arc::default());
            let mut wait = waiting(queue, &before);
            let waking = thread::spawn(move || let_through(queue));
            let polled = poll(&mut wait, &after);
            waking.join().unwrap();
            if polled.is_ready() {
                assert_eq!(*wait.as_mut().value(), 1);
            } else {
                assert!(before.woken() + after.woken() == 1, "a wake was lost");
                assert!(poll(&mut wait, &after).is_ready());
            }
            drop(wait);
            nobody_has(before);
            nobody_has(after);
        });
    }
}

//! What each side may do, by itself and against the others: on real threads, under Miri, and under loom (`loom_*`).

use super::*;
use crate::sync::testing::{Count, poll, poll_once};

fn is_ready(notified: &mut Pin<Box<Notified<'_>>>) -> bool {
    poll_once(notified).is_ready()
}

fn waiting(notify: &Notify) -> Pin<Box<Notified<'_>>> {
    let mut notified = Box::pin(notify.notified());
    assert!(!is_ready(&mut notified));
    notified
}

#[cfg(not(any(loom, shuttle)))]
mod real {
    use super::*;
    use crate::sync::testing::poll_with_a_waker_that_panics;
    use crate::util::block_on::block_on;

    #[test]
    fn several_notifications_without_waiters_are_one() {
        let notify = Notify::new();
        notify.notify_one();
        notify.notify_last();
        assert!(is_ready(&mut Box::pin(notify.notified())));
        assert!(!is_ready(&mut Box::pin(notify.notified())));
    }

    #[test]
    fn one_is_the_first_and_last_is_the_last() {
        let notify = Notify::new();
        let mut waits: Vec<_> = (0..4).map(|_| waiting(&notify)).collect();
        for (notify_it, expected) in [
            (Notify::notify_one as fn(&Notify), 0),
            (Notify::notify_last, 3),
            (Notify::notify_one, 1),
            (Notify::notify_last, 2),
        ] {
            notify_it(&notify);
            for (index, wait) in waits.iter_mut().enumerate() {
                let was_done = wait.ticket.is_done;
                assert_eq!(is_ready(wait), was_done || index == expected);
            }
        }
        assert!(!is_ready(&mut Box::pin(notify.notified())), "a permit");
    }

    /// More than one round.
    #[test]
    fn all_that_exist_are_called_and_no_others() {
        let notify = Notify::new();
        let count = Arc::<Count>::default();
        let mut before: Vec<_> = (0..100).map(|_| Box::pin(notify.notified())).collect();
        for wait in before.iter_mut().step_by(2) {
            assert!(poll(wait, &count).is_pending());
        }
        notify.notify_waiters();
        assert_eq!(count.woken(), 50);
        let mut after = Box::pin(notify.notified());
        assert!(!is_ready(&mut after));
        assert!(before.iter_mut().all(is_ready));
        notify.notify_one();
        assert!(is_ready(&mut after));
    }

    #[test]
    fn a_call_leaves_the_permit() {
        let notify = Notify::new();
        notify.notify_one();
        let mut called = Box::pin(notify.notified());
        notify.notify_waiters();
        assert!(is_ready(&mut called));
        assert!(is_ready(&mut Box::pin(notify.notified())));
        assert!(!is_ready(&mut Box::pin(notify.notified())));
    }

    #[test]
    fn what_is_dropped_unseen_is_passed_on() {
        for notify_it in [Notify::notify_one, Notify::notify_last] {
            let notify = Notify::new();
            let (first, mut second, third) = (waiting(&notify), waiting(&notify), waiting(&notify));
            notify_it(&notify);
            drop((first, third));
            assert!(is_ready(&mut second));
            let fourth = waiting(&notify);
            notify_it(&notify);
            drop(fourth);
            assert!(is_ready(&mut Box::pin(notify.notified())), "the permit");
        }
    }

    #[test]
    fn what_was_seen_or_called_is_not_passed_on() {
        let notify = Notify::new();
        let mut seen = waiting(&notify);
        notify.notify_one();
        assert!(is_ready(&mut seen));
        assert!(is_ready(&mut seen), "stays done");
        drop(seen);
        let called = waiting(&notify);
        notify.notify_waiters();
        drop(called);
        assert!(!is_ready(&mut Box::pin(notify.notified())));
    }

    #[test]
    fn who_leaves_is_not_notified() {
        let notify = Notify::new();
        let (first, second) = (waiting(&notify), waiting(&notify));
        drop(first);
        drop(second);
        notify.notify_one();
        assert!(is_ready(&mut Box::pin(notify.notified())), "the permit");
    }

    #[test]
    fn one_that_is_enabled_waits_without_a_poll() {
        let notify = Notify::new();
        let mut first = Box::pin(notify.notified());
        assert!(!first.as_mut().enable());
        assert!(!first.as_mut().enable());
        let mut second = waiting(&notify);
        notify.notify_one();
        assert!(!is_ready(&mut second));
        assert!(first.as_mut().enable());
        assert!(is_ready(&mut first));
        notify.notify_one();
        assert!(is_ready(&mut second));
        notify.notify_one();
        assert!(Box::pin(notify.notified()).as_mut().enable());
    }

    #[test]
    fn one_that_is_enabled_wakes_the_task_that_polls_it() {
        let (notify, count) = (Notify::new(), Arc::<Count>::default());
        let mut notified = Box::pin(notify.notified());
        assert!(!notified.as_mut().enable());
        assert!(poll(&mut notified, &count).is_pending());
        notify.notify_one();
        assert_eq!(count.woken(), 1);
    }

    #[test]
    fn an_owned_one_does_the_same() {
        let notify = Arc::new(Notify::new());
        let mut first = Box::pin(notify.clone().notified_owned());
        let mut second = Box::pin(notify.clone().notified_owned());
        assert!(poll_once(&mut first).is_pending());
        assert!(!second.as_mut().enable());
        notify.notify_one();
        drop(first);
        assert!(second.as_mut().enable());
        notify.notify_one();
        let weak = Arc::downgrade(&notify);
        let mut last = Box::pin(notify.notified_owned());
        assert!(poll_once(&mut last).is_ready());
        drop(second);
        assert!(weak.upgrade().is_some());
        drop(last);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn a_waker_may_notify_and_wait() {
        struct Echo(Arc<Notify>);
        impl std::task::Wake for Echo {
            fn wake(self: Arc<Self>) {
                self.0.notify_one();
                let _ = is_ready(&mut Box::pin(self.0.notified()));
                self.0.notify_waiters();
            }
        }
        let notify = Arc::new(Notify::new());
        let waker: Waker = Arc::new(Echo(notify.clone())).into();
        for call in [
            Notify::notify_one,
            Notify::notify_last,
            Notify::notify_waiters,
        ] {
            let mut wait = Box::pin(notify.notified());
            while wait
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                wait = Box::pin(notify.notified());
            }
            call(&notify);
            assert!(is_ready(&mut wait));
        }
    }

    /// Neither who notifies nor who passes a notification on, as in a destructor, is hit by it.
    #[test]
    fn a_waker_that_panics_is_no_matter_of_who_notifies() {
        for notify_it in [
            Notify::notify_one,
            Notify::notify_last,
            Notify::notify_waiters,
        ] {
            let notify = Notify::new();
            let mut wait = Box::pin(notify.notified());
            assert!(poll_with_a_waker_that_panics(&mut wait).is_pending());
            notify_it(&notify);
            assert!(is_ready(&mut wait));
        }
        let notify = Notify::new();
        let notified = waiting(&notify);
        let mut next = Box::pin(notify.notified());
        assert!(poll_with_a_waker_that_panics(&mut next).is_pending());
        notify.notify_one();
        drop(notified);
        assert!(is_ready(&mut next));
    }

    /// In the first round of a call that has two.
    #[test]
    fn a_notification_within_a_call_is_not_given_to_who_is_called() {
        struct Pass(Arc<Notify>, fn(&Notify));
        impl std::task::Wake for Pass {
            fn wake(self: Arc<Self>) {
                self.1(&self.0);
            }
        }
        for notify_it in [Notify::notify_one, Notify::notify_last] {
            let notify = Arc::new(Notify::new());
            let waker = Arc::new(Pass(notify.clone(), notify_it)).into();
            let mut first = Box::pin(notify.notified());
            let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            let mut others: Vec<_> = (0..50).map(|_| waiting(&notify)).collect();
            notify.notify_waiters();
            assert!(is_ready(&mut first) && others.iter_mut().all(is_ready));
            assert!(is_ready(&mut Box::pin(notify.notified())), "the permit");
            assert!(!is_ready(&mut Box::pin(notify.notified())));
        }
    }

    /// Each notification of one is seen by one, or kept.
    #[test]
    fn threads_hand_each_other_the_turn() {
        const TURNS: usize = if cfg!(miri) { 20 } else { 2000 };
        let (ping, pong) = (Notify::new(), Notify::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    block_on(ping.notified());
                    pong.notify_one();
                }
            });
            for _ in 0..TURNS {
                ping.notify_one();
                block_on(pong.notified());
            }
        });
    }
}

#[cfg(loom)]
mod model {
    use super::*;
    use crate::sys::sync::UnsafeCell;
    use crate::sys::sync::atomic::{AtomicBool, Ordering};
    use crate::sys::sync::thread;
    use crate::util::block_on::block_on;

    /// The model's signal lives longer than its threads.
    fn notify() -> &'static Notify {
        Box::leak(Box::new(Notify::new()))
    }

    /// What is written before a notification, and read after it.
    #[derive(Default)]
    struct News(UnsafeCell<u32>);

    // SAFETY: loom reports an access that races.
    unsafe impl Sync for News {}

    impl News {
        fn leak() -> &'static Self {
            Box::leak(Box::default())
        }

        fn write(&self) {
            // SAFETY: ordered by the notification, or loom reports it.
            self.0.with_mut(|news| unsafe { *news = 1 });
        }

        fn read(&self) {
            // SAFETY: as above.
            assert_eq!(self.0.with(|news| unsafe { *news }), 1);
        }
    }

    #[test]
    fn loom_notify_one_against_waiting() {
        loom::model(|| {
            let (notify, news) = (notify(), News::leak());
            let other = thread::spawn(move || {
                news.write();
                notify.notify_one();
            });
            block_on(notify.notified());
            news.read();
            other.join().unwrap();
            assert!(!is_ready(&mut Box::pin(notify.notified())), "seen twice");
        });
    }

    #[test]
    fn loom_notify_two_notify_one_waiter() {
        loom::model(|| {
            let notify = notify();
            let other = thread::spawn(move || notify.notify_one());
            notify.notify_one();
            block_on(notify.notified());
            other.join().unwrap();
            // The second notification may have been the same one; it is never a third.
            let mut more = Box::pin(notify.notified());
            let _ = poll_once(&mut more);
            drop(more);
            assert!(!is_ready(&mut Box::pin(notify.notified())));
        });
    }

    #[test]
    fn loom_notify_one_permit_for_two() {
        loom::model(|| {
            let notify = notify();
            notify.notify_one();
            let other = thread::spawn(move || is_ready(&mut Box::pin(notify.notified())));
            let mine = is_ready(&mut Box::pin(notify.notified()));
            let theirs = other.join().unwrap();
            // Both may have got it if one had entered the list, was dropped there, and passed nothing on; but the one permit is not seen twice.
            assert!(mine ^ theirs, "mine {mine}, theirs {theirs}");
        });
    }

    #[test]
    fn loom_notify_one_against_drop() {
        for notify_it in [Notify::notify_one, Notify::notify_last] {
            loom::model(move || {
                let notify = notify();
                let first = waiting(notify);
                let mut second = waiting(notify);
                let other = thread::spawn(move || notify_it(notify));
                drop(first);
                other.join().unwrap();
                assert!(is_ready(&mut second), "a notification was lost");
                drop(second);
                assert!(!is_ready(&mut Box::pin(notify.notified())), "one too many");
            });
        }
    }

    #[test]
    fn loom_notify_one_against_drop_of_the_only_one() {
        loom::model(|| {
            let notify = notify();
            let only = waiting(notify);
            let other = thread::spawn(move || notify.notify_one());
            drop(only);
            other.join().unwrap();
            assert!(is_ready(&mut Box::pin(notify.notified())), "lost");
            assert!(!is_ready(&mut Box::pin(notify.notified())), "one too many");
        });
    }

    #[test]
    fn loom_notify_waiters_reaches_one_in_any_state() {
        for polls in 0..3 {
            loom::model(move || {
                let (notify, news) = (notify(), News::leak());
                let mut notified = Box::pin(notify.notified());
                if polls == 1 {
                    assert!(!is_ready(&mut notified));
                }
                let other = thread::spawn(move || {
                    news.write();
                    notify.notify_waiters();
                });
                if polls == 2 {
                    let _ = is_ready(&mut notified);
                }
                block_on(notified);
                news.read();
                other.join().unwrap();
                assert!(!is_ready(&mut Box::pin(notify.notified())), "a permit");
            });
        }
    }

    /// Who is created too late for a call knows that it was made.
    #[test]
    fn loom_notify_waiters_before_creation_shows() {
        loom::model(|| {
            let (notify, news) = (notify(), News::leak());
            let flag: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
            let before = notify.word.calls();
            let other = thread::spawn(move || {
                news.write();
                flag.store(true, Ordering::Relaxed);
                notify.notify_waiters();
            });
            let mut notified = Box::pin(notify.notified());
            if notify.word.calls() != before {
                news.read();
            }
            if !flag.load(Ordering::Relaxed) {
                notified.as_mut().enable();
                block_on(notified);
                news.read();
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_notify_waiters_against_drop() {
        loom::model(|| {
            let (notify, count) = (notify(), Arc::<Count>::default());
            let first = waiting(notify);
            let mut second = Box::pin(notify.notified());
            assert!(poll(&mut second, &count).is_pending());
            let other = thread::spawn(move || notify.notify_waiters());
            drop(first);
            other.join().unwrap();
            assert_eq!(count.woken(), 1);
            assert!(is_ready(&mut second));
            assert!(!is_ready(&mut Box::pin(notify.notified())), "a permit");
        });
    }

    /// The one notification is not wasted on who is called anyway.
    #[test]
    fn loom_notify_one_against_notify_waiters() {
        loom::model(|| {
            let notify = notify();
            let mut called = waiting(notify);
            let before = notify.word.calls();
            let other = thread::spawn(move || notify.notify_waiters());
            let is_second = notify.word.calls() != before;
            notify.notify_one();
            other.join().unwrap();
            assert!(is_ready(&mut called));
            let is_kept = is_ready(&mut Box::pin(notify.notified()));
            assert!(is_kept || !is_second, "given to who was called before");
            assert!(!is_ready(&mut Box::pin(notify.notified())), "one too many");
        });
    }

    /// Somebody looks at something between the beginning of its wait and the end.
    #[test]
    fn loom_notify_one_against_enable_and_a_look() {
        loom::model(|| {
            let notify = notify();
            let flag: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
            let other = thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                notify.notify_one();
            });
            let mut notified = Box::pin(notify.notified());
            notified.as_mut().enable();
            if !flag.load(Ordering::Relaxed) {
                block_on(notified);
                assert!(flag.load(Ordering::Relaxed));
            }
            other.join().unwrap();
        });
    }

    /// The same behind one who waits already, where the state of the word does not change.
    #[test]
    fn loom_notify_one_against_the_second_to_wait() {
        loom::model(|| {
            let (notify, flag) = (notify(), &*Box::leak(Box::new(AtomicBool::new(false))));
            let mut first = waiting(notify);
            let other = thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                notify.notify_last();
            });
            let mut second = Box::pin(notify.notified());
            second.as_mut().enable();
            let saw = flag.load(Ordering::Relaxed);
            other.join().unwrap();
            assert!(saw || is_ready(&mut second), "neither seen nor notified");
            assert!(is_ready(&mut first) ^ is_ready(&mut second));
        });
    }
}

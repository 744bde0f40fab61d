//! Each way in which a turn may end, against each way to wait for it: on real threads, under Miri, and under loom (`loom_*`).

use super::*;
use crate::sync::testing::{Count, poll, poll_once};
use std::future::{pending, ready};
use std::sync::Arc;

#[cfg(not(any(loom, shuttle)))]
mod real {
    use super::*;
    use crate::sync::testing::poll_with_a_waker_that_panics;
    use crate::util::block_on::block_on;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_value_is_set_once() {
        let mut cell = OnceCell::new();
        assert_eq!((cell.get(), cell.initialized()), (None, false));
        assert_eq!(cell.set(1), Ok(()));
        assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
        assert_eq!(
            poll_once(&mut Box::pin(cell.get_or_init(pending))),
            Poll::Ready(&1)
        );
        assert_eq!(
            poll_once(&mut Box::pin(cell.wait_initialized())),
            Poll::Ready(&1)
        );
        *cell.get_mut().unwrap() = 3;
        assert_eq!(cell.clone(), cell);
        assert_eq!((cell.take(), cell.take()), (Some(3), None));
        assert_eq!(cell.set(4), Ok(()));
        assert_eq!(cell.into_inner(), Some(4));
        assert_eq!(OnceCell::new_with(Some(5)).get(), Some(&5));
        assert_eq!(OnceCell::<u8>::new_with(None), OnceCell::default());
    }

    #[test]
    fn nobody_sets_what_is_being_made() {
        let cell = OnceCell::new();
        let mut making = Box::pin(cell.get_or_init(pending));
        assert!(poll_once(&mut making).is_pending());
        assert_eq!(cell.set(1), Err(SetError::InitializingError(1)));
        drop(making);
        assert_eq!(cell.set(2), Ok(()));
    }

    /// The first fails in each way there is; the waiters take over in their order, and the last one makes the value for those who are left.
    #[test]
    fn a_turn_that_fails_goes_to_who_waits() {
        let (cell, count) = (OnceCell::new(), Arc::<Count>::default());
        let mut dropped = Box::pin(cell.get_or_try_init(pending::<Result<u8, u8>>));
        assert!(poll(&mut dropped, &count).is_pending());
        let mut panics = Box::pin(cell.get_or_try_init(|| async {
            if true {
                panic!("as planned");
            }
            Ok::<u8, u8>(0)
        }));
        let mut fails = Box::pin(cell.get_or_try_init(|| ready(Err(1))));
        let mut makes = Box::pin(cell.get_or_try_init(|| ready(Ok::<_, u8>(2))));
        let mut waits = Box::pin(cell.get_or_try_init(pending::<Result<u8, u8>>));
        let mut looks = Box::pin(cell.wait_initialized());
        assert!(poll(&mut panics, &count).is_pending());
        assert!(poll(&mut fails, &count).is_pending());
        assert!(poll(&mut makes, &count).is_pending());
        assert!(poll(&mut waits, &count).is_pending());
        assert!(poll(&mut looks, &count).is_pending());

        drop(dropped);
        assert_eq!(count.woken(), 1);
        assert!(poll(&mut fails, &count).is_pending(), "not its turn");
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut panics, &count))).is_err());
        assert_eq!(count.woken(), 2);
        assert_eq!(poll(&mut fails, &count), Poll::Ready(Err(1)));
        assert_eq!(count.woken(), 3);
        assert_eq!(poll(&mut makes, &count), Poll::Ready(Ok(&2)));
        assert_eq!(count.woken(), 5);
        assert_eq!(poll(&mut waits, &count), Poll::Ready(Ok(&2)));
        assert_eq!(poll(&mut looks, &count), Poll::Ready(&2));
    }

    /// The turn is passed on in a destructor, maybe while a panic unwinds: a second one would abort.
    #[test]
    fn a_waker_that_panics_does_not_hit_who_passes_the_turn_on() {
        let cell = OnceCell::new();
        let mut making = Box::pin(cell.get_or_init(pending));
        let mut waits = Box::pin(cell.get_or_init(|| ready(1)));
        assert!(poll_once(&mut making).is_pending());
        assert!(poll_with_a_waker_that_panics(&mut waits).is_pending());
        drop(making);
        assert_eq!(poll_once(&mut waits), Poll::Ready(&1));
    }

    #[test]
    fn a_turn_that_was_not_seen_is_passed_on() {
        let cell = OnceCell::new();
        let mut waits = [(); 4].map(|()| Box::pin(cell.get_or_init(|| ready(1))));
        let mut making = Box::pin(cell.get_or_init(pending));
        assert!(poll_once(&mut making).is_pending());
        assert!(waits.iter_mut().all(|wait| poll_once(wait).is_pending()));
        let [first, second, third, fourth] = waits;
        drop(second);
        drop(making);
        drop(first);
        let mut third = third;
        assert_eq!(poll_once(&mut third), Poll::Ready(&1));
        drop(fourth);
    }

    #[test]
    fn threads_make_one_value() {
        const THREADS: usize = if cfg!(miri) { 3 } else { 8 };
        for _ in 0..if cfg!(miri) { 2 } else { 50 } {
            let (cell, made) = (OnceCell::new(), AtomicUsize::new(0));
            let make = || async { made.fetch_add(1, Ordering::Relaxed) };
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| assert_eq!(*block_on(cell.get_or_init(make)), 0));
                }
                assert_eq!(*block_on(cell.wait_initialized()), 0);
            });
            assert_eq!(made.load(Ordering::Relaxed), 1);
        }
    }
}

#[cfg(loom)]
mod model {
    use super::*;
    use crate::sys::sync::thread;
    use crate::util::block_on::block_on;

    fn cell() -> &'static OnceCell<u32> {
        Box::leak(Box::new(OnceCell::new()))
    }

    #[test]
    fn loom_once_cell_init_against_init() {
        loom::model(|| {
            let cell = cell();
            let other = thread::spawn(move || *block_on(cell.get_or_init(|| ready(1))));
            let mine = *block_on(cell.get_or_init(|| ready(2)));
            assert_eq!(other.join().unwrap(), mine);
        });
    }

    /// The one that fails has the turn already, or comes to it.
    #[test]
    fn loom_once_cell_init_against_failure() {
        loom::model(|| {
            let cell = cell();
            let other = thread::spawn(move || {
                let tried = block_on(cell.get_or_try_init(|| ready(Err::<u32, ()>(()))));
                tried.copied()
            });
            assert_eq!(*block_on(cell.get_or_init(|| ready(2))), 2);
            assert!(matches!(other.join().unwrap(), Ok(2) | Err(())));
        });
    }

    #[test]
    fn loom_once_cell_init_against_drop_of_the_turn() {
        loom::model(|| {
            let cell = cell();
            let mut making = Box::pin(cell.get_or_init(pending));
            assert!(poll_once(&mut making).is_pending());
            let other = thread::spawn(move || *block_on(cell.get_or_init(|| ready(1))));
            drop(making);
            assert_eq!(other.join().unwrap(), 1);
        });
    }

    /// The turn goes to one who is just leaving.
    #[test]
    fn loom_once_cell_drop_of_the_turn_against_drop_of_who_waits() {
        loom::model(|| {
            let (cell, count) = (cell(), Arc::<Count>::default());
            let mut making = Box::pin(cell.get_or_init(pending));
            let mut leaving = Box::pin(cell.get_or_init(pending));
            let mut waiting = Box::pin(cell.get_or_init(|| ready(1)));
            assert!(poll_once(&mut making).is_pending());
            assert!(poll_once(&mut leaving).is_pending());
            assert!(poll(&mut waiting, &count).is_pending());
            let other = thread::spawn(move || drop(making));
            drop(leaving);
            other.join().unwrap();
            assert_eq!(count.woken(), 1, "the turn was lost");
            assert_eq!(poll(&mut waiting, &count), Poll::Ready(&1));
        });
    }

    #[test]
    fn loom_once_cell_set_against_one_who_looks() {
        loom::model(|| {
            let (cell, count) = (cell(), Arc::<Count>::default());
            let mut looking = Box::pin(cell.wait_initialized());
            assert!(poll(&mut looking, &count).is_pending());
            let other = thread::spawn(move || cell.set(1));
            // With a second waker, so that both sides want the lock.
            let after = Arc::<Count>::default();
            let polled = poll(&mut looking, &after);
            other.join().unwrap().unwrap();
            assert!(polled.is_ready() || count.woken() + after.woken() == 1);
        });
    }

    #[test]
    fn loom_once_cell_set_against_init_and_look() {
        loom::model(|| {
            let cell = cell();
            let other = thread::spawn(move || cell.set(1));
            let looking = thread::spawn(move || *block_on(cell.wait_initialized()));
            let mine = *block_on(cell.get_or_init(|| ready(2)));
            assert_eq!(other.join().unwrap().is_ok(), mine == 1);
            assert_eq!(looking.join().unwrap(), mine);
        });
    }
}

//! One step at a time, on one thread; also under Miri. Races are in `permits/loom_tests.rs`.

use super::super::testing::{Polled, poll_once, poll_with_a_waker_that_panics};
use super::*;
use crate::util::budget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[test]
fn permits_are_taken_and_come_back() {
    let semaphore = Semaphore::new(3);
    let one = semaphore.try_acquire().unwrap();
    let two = semaphore.try_acquire_many(2).unwrap();
    assert_eq!(semaphore.available_permits(), 0);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(two);
    assert_eq!(semaphore.available_permits(), 2);
    assert_eq!(
        semaphore.try_acquire_many(3).unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(one);
    assert!(semaphore.try_acquire_many(3).is_ok());
}

#[test]
fn who_came_first_is_first_also_if_it_wants_many() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire().unwrap();
    let mut many = Polled::new(semaphore.acquire_many(2));
    let mut few = Polled::new(semaphore.acquire());
    assert!(many.ready().is_none() && few.ready().is_none());
    assert_eq!(semaphore.available_permits(), 0);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(held);
    assert!(!few.is_woken());
    let many = many.expect_ready().unwrap();
    assert!(few.ready().is_none());
    drop(many);
    assert!(few.expect_ready().is_ok());
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn when_one_that_wants_many_leaves_those_behind_it_go_on() {
    let semaphore = Semaphore::new(1);
    let mut many = Polled::new(semaphore.acquire_many(2));
    let mut few = Polled::new(semaphore.acquire());
    assert!(many.ready().is_none() && few.ready().is_none());
    drop(many);
    assert!(few.expect_ready().is_ok());
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn one_that_leaves_after_it_was_granted_passes_it_on() {
    let semaphore = Semaphore::new(0);
    let mut first = Polled::new(semaphore.acquire());
    let mut second = Polled::new(semaphore.acquire());
    assert!(first.ready().is_none() && second.ready().is_none());
    semaphore.add_permits(1);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.expect_ready().is_ok());
    assert_eq!(semaphore.available_permits(), 1);
}

/// More than one round of wakers, and one that wants more than is left.
#[test]
fn many_are_woken_by_one_call() {
    let semaphore = Semaphore::new(0);
    let mut waiting: Vec<_> = (0..100).map(|_| Polled::new(semaphore.acquire())).collect();
    assert!(waiting.iter_mut().all(|one| one.ready().is_none()));
    semaphore.add_permits(70);
    let served = waiting.iter().take_while(|one| one.is_woken()).count();
    assert_eq!(served, 70);
    assert!(waiting[70..].iter().all(|one| !one.is_woken()));
    semaphore.close();
    for (n, one) in waiting.into_iter().enumerate() {
        let permit = one.expect_ready();
        assert_eq!(permit.is_ok(), n < 70);
        permit.into_iter().for_each(SemaphorePermit::forget);
    }
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn closing_refuses_who_waits_and_who_comes() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waits = Polled::new(semaphore.acquire());
    assert!(waits.ready().is_none() && !semaphore.is_closed());
    semaphore.close();
    assert!(semaphore.is_closed());
    assert!(waits.expect_ready().is_err());
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
    assert!(semaphore.blocking_acquire().is_err());
    drop(held);
    assert_eq!(semaphore.available_permits(), 1);
}

/// Between two rounds of wakers the lock is free; what is given back then is nobody's.
#[test]
fn nobody_is_granted_anything_while_it_closes() {
    struct Gives(Arc<Semaphore>);
    impl Wake for Gives {
        fn wake(self: Arc<Self>) {
            self.0.add_permits(1);
        }
    }
    let semaphore = Arc::new(Semaphore::new(0));
    let waker = Waker::from(Arc::new(Gives(semaphore.clone())));
    let mut first = pin!(semaphore.acquire());
    let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let mut waiting: Vec<_> = (0..99).map(|_| Polled::new(semaphore.acquire())).collect();
    assert!(waiting.iter_mut().all(|one| one.ready().is_none()));
    semaphore.close();
    for one in waiting {
        assert!(one.expect_ready().is_err());
    }
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn what_is_granted_before_the_end_stays_granted() {
    let semaphore = Semaphore::new(0);
    let mut waits = Polled::new(semaphore.acquire());
    assert!(waits.ready().is_none());
    semaphore.add_permits(1);
    semaphore.close();
    assert!(waits.expect_ready().is_ok());
}

#[test]
fn forgotten_permits_do_not_come_back() {
    let semaphore = Semaphore::new(5);
    semaphore.try_acquire_many(2).unwrap().forget();
    assert_eq!(semaphore.available_permits(), 3);
    assert_eq!(semaphore.forget_permits(2), 2);
    assert_eq!(semaphore.forget_permits(2), 1);
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn what_is_saved_for_a_waiter_can_be_forgotten() {
    let semaphore = Semaphore::new(3);
    let mut waits = Polled::new(semaphore.acquire_many(4));
    assert!(waits.ready().is_none());
    assert_eq!(semaphore.forget_permits(9), 3);
    semaphore.add_permits(3);
    assert!(!waits.is_woken());
    semaphore.add_permits(1);
    assert_eq!(waits.expect_ready().unwrap().num_permits(), 4);
}

#[test]
fn none_at_all_can_always_be_had() {
    let semaphore = Semaphore::new(0);
    let mut waits = Polled::new(semaphore.acquire());
    assert!(waits.ready().is_none());
    assert_eq!(semaphore.try_acquire_many(0).unwrap().num_permits(), 0);
    assert!(Polled::new(semaphore.acquire_many(0)).ready().is_some());
}

#[test]
fn permits_are_split_and_merged() {
    let semaphore = Arc::new(Semaphore::new(5));
    let mut borrowed = semaphore.try_acquire_many(3).unwrap();
    assert!(borrowed.split(4).is_none());
    let part = borrowed.split(2).unwrap();
    assert_eq!((borrowed.num_permits(), part.num_permits()), (1, 2));
    borrowed.merge(part);
    assert_eq!(borrowed.num_permits(), 3);
    drop(borrowed);
    let mut owned = semaphore.clone().try_acquire_many_owned(5).unwrap();
    let part = owned.split(2).unwrap();
    assert!(Arc::ptr_eq(part.semaphore(), &semaphore));
    drop(owned);
    assert_eq!(semaphore.available_permits(), 3);
    drop(part);
    let owned = semaphore.clone().try_acquire_owned().unwrap();
    owned.forget();
    assert_eq!(Arc::strong_count(&semaphore), 1);
    assert_eq!(semaphore.available_permits(), 4);
}

#[test]
#[should_panic(expected = "different semaphores")]
fn permits_of_another_are_not_merged() {
    let (one, other) = (Semaphore::new(1), Semaphore::new(1));
    let mut permit = one.try_acquire().unwrap();
    permit.merge(other.try_acquire().unwrap());
}

#[test]
fn as_many_as_there_can_be() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS - 1);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    assert_eq!(
        Semaphore::new(Semaphore::MAX_PERMITS).available_permits(),
        Semaphore::MAX_PERMITS
    );
}

#[test]
#[should_panic(expected = "more permits than there can be")]
fn one_more_than_there_can_be() {
    drop(Semaphore::new(Semaphore::MAX_PERMITS + 1));
}

#[test]
#[should_panic(expected = "more permits than there can be")]
fn one_more_than_there_can_be_is_added() {
    Semaphore::new(Semaphore::MAX_PERMITS).add_permits(1);
}

/// What was refused is not there afterwards, however often it is tried.
#[test]
fn what_is_too_much_is_not_added() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS - 1);
    for _ in 0..5 {
        let panics = catch_unwind(AssertUnwindSafe(|| {
            semaphore.add_permits(Semaphore::MAX_PERMITS)
        }));
        assert!(panics.is_err());
        let all = Semaphore::MAX_PERMITS - 1;
        assert_eq!(semaphore.available_permits(), all);
    }
    assert!(!semaphore.is_closed());
}

/// In the place of a permit that is out another one was added; a destructor must not panic for that.
#[test]
fn a_permit_that_comes_back_to_all_there_can_be_is_gone() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    let permit = semaphore.try_acquire().unwrap();
    semaphore.add_permits(1);
    drop(permit);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
}

#[test]
fn a_waker_that_panics_does_not_hit_who_gives_back() {
    let semaphore = Semaphore::new(0);
    let mut waiting = [(); 3].map(|()| Box::pin(semaphore.acquire()));
    for one in &mut waiting {
        assert!(poll_with_a_waker_that_panics(one).is_pending());
    }
    let [first, mut second, mut third] = waiting;
    semaphore.add_permits(1);
    drop(first);
    match poll_once(&mut second) {
        Poll::Ready(permit) => permit.unwrap().forget(),
        Poll::Pending => panic!("the permit was lost"),
    }
    semaphore.close();
    assert!(matches!(poll_once(&mut third), Poll::Ready(Err(_))));
}

#[test]
fn threads_wait_for_one_another() {
    let semaphore = Semaphore::new(1);
    let rounds = if cfg!(miri) { 5 } else { 200 };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let permit = semaphore.blocking_acquire().unwrap();
                    assert_eq!(semaphore.available_permits(), 0);
                    thread::yield_now();
                    drop(permit);
                }
            });
        }
    });
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_task_that_always_finds_permits_gives_up_its_turn() {
    let semaphore = Semaphore::new(1);
    budget::reset();
    let taken = (0..).take_while(|_| Polled::new(semaphore.acquire()).ready().is_some());
    let taken = taken.count();
    budget::lift();
    assert_eq!(taken, budget::OPERATIONS_PER_POLL as usize);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn its_size_is_as_documented() {
    assert_eq!(size_of::<Semaphore>(), 32);
}

//! One step at a time, on one thread; also under Miri. Races are in `loom_tests.rs`.

use super::super::testing::{Polled, poll_once, poll_with_a_waker_that_panics};
use super::*;
use crate::util::budget;
use std::alloc::{Layout, dealloc};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::thread;

#[test]
fn one_at_a_time_has_it() {
    let mut mutex = Mutex::new(1);
    let mut guard = Polled::new(mutex.lock()).ready().unwrap();
    *guard += 1;
    assert_eq!(mutex.try_lock().unwrap_err(), TryLockError(()));
    assert!(std::ptr::eq(MutexGuard::mutex(&guard), &mutex));
    drop(guard);
    assert_eq!(*mutex.try_lock().unwrap(), 2);
    *mutex.get_mut() += 1;
    assert_eq!(mutex.into_inner(), 3);
}

#[test]
fn who_waits_is_woken_and_another_may_be_faster() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut first = Polled::new(mutex.lock());
    let mut second = Polled::new(mutex.lock());
    assert!(first.ready().is_none() && second.ready().is_none());
    drop(guard);
    for _ in 0..raw::PATIENCE {
        assert!(first.is_woken() && !second.is_woken());
        let barges = mutex.try_lock().unwrap();
        assert!(first.ready().is_none());
        drop(barges);
    }
    // It has lost so often; now it is its own.
    assert!(mutex.try_lock().is_err());
    drop(first.expect_ready());
    drop(second.expect_ready());
    assert!(mutex.raw.is_idle());
}

/// While somebody is on the way nobody else is woken.
#[test]
fn one_is_woken_at_a_time() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut waiting = [(); 2].map(|()| Polled::new(mutex.lock()));
    assert!(waiting.iter_mut().all(|one| one.ready().is_none()));
    drop(guard);
    for _ in 0..10 {
        drop(mutex.try_lock().unwrap());
    }
    assert!(waiting[0].is_woken() && !waiting[1].is_woken());
    for one in waiting {
        drop(one.expect_ready());
    }
    assert!(mutex.raw.is_idle());
}

#[test]
fn a_fair_one_is_handed_on_in_order() {
    let mutex = Mutex::new_fair(());
    let guard = mutex.try_lock().unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| Polled::new(mutex.lock())).collect();
    assert!(waiting.iter_mut().all(|one| one.ready().is_none()));
    drop(guard);
    for one in waiting {
        assert!(mutex.try_lock().is_err());
        drop(one.expect_ready());
    }
    assert!(mutex.raw.is_idle());
}

/// Before it is woken, after it, and after it was handed the lock.
#[test]
fn whoever_leaves_holds_nobody_up() {
    for fair in [false, true] {
        for leaves in 0..3 {
            for is_woken in [false, true] {
                let mutex = if fair {
                    Mutex::new_fair(())
                } else {
                    Mutex::new(())
                };
                let guard = mutex.try_lock().unwrap();
                let mut waiting: Vec<_> = (0..3).map(|_| Polled::new(mutex.lock())).collect();
                assert!(waiting.iter_mut().all(|one| one.ready().is_none()));
                if is_woken {
                    drop(guard);
                    drop(waiting.remove(leaves));
                } else {
                    drop(waiting.remove(leaves));
                    drop(guard);
                }
                for one in waiting {
                    drop(one.expect_ready());
                }
                assert!(mutex.raw.is_idle());
            }
        }
    }
}

#[test]
fn one_that_leaves_while_another_has_it_leaves_the_call_to_that() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut first = Polled::new(mutex.lock());
    let mut second = Polled::new(mutex.lock());
    assert!(first.ready().is_none() && second.ready().is_none());
    drop(guard);
    let barges = mutex.try_lock().unwrap();
    drop(first);
    assert!(!second.is_woken());
    drop(barges);
    drop(second.expect_ready());
    assert!(mutex.raw.is_idle());
}

#[test]
fn a_part_of_the_value() {
    let mutex = Mutex::new((1, [2, 3]));
    let guard = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.1);
    let mut guard = MappedMutexGuard::map(guard, |array| &mut array[..]);
    guard[1] += 1;
    let guard = MappedMutexGuard::try_map(guard, |slice| slice.get_mut(7)).unwrap_err();
    let guard = MappedMutexGuard::try_map(guard, |slice| slice.get_mut(1)).unwrap();
    assert_eq!(*guard, 4);
    assert!(mutex.try_lock().is_err());
    drop(guard);
    let guard = MutexGuard::try_map(mutex.try_lock().unwrap(), |_| None::<&mut u8>).unwrap_err();
    assert_eq!(*guard, (1, [2, 4]));
}

#[test]
fn an_owned_part_keeps_the_mutex() {
    let mutex = Arc::new(Mutex::new((1, [2, 3])));
    let guard = mutex.clone().try_lock_owned().unwrap();
    assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &mutex));
    let guard = OwnedMutexGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let guard = OwnedMutexGuard::map(guard, |pair| &mut pair.1);
    let guard = OwnedMappedMutexGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let mut guard = OwnedMappedMutexGuard::map(guard, |array| &mut array[0]);
    assert!(mutex.try_lock().is_err());
    *guard += 1;
    let inside = Arc::downgrade(&mutex);
    drop(mutex);
    thread::spawn(move || *guard += 1).join().unwrap();
    assert!(inside.upgrade().is_none());
}

/// What `f` does with the guard panics: it is unlocked, once.
#[test]
fn a_panic_unlocks() {
    let mutex = Mutex::new(1);
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let guard = mutex.try_lock().unwrap();
        drop(MutexGuard::map(guard, |value| -> &mut i32 {
            panic!("{value}")
        }));
    }));
    assert!(panics.is_err());
    assert!(mutex.raw.is_idle());
}

/// Of those who are called, who are handed the lock, and who leave then.
#[test]
fn a_waker_that_panics_does_not_hit_who_unlocks() {
    for mutex in [Mutex::new(()), Mutex::new_fair(())] {
        let guard = mutex.try_lock().unwrap();
        let mut waiting = [(); 2].map(|()| Box::pin(mutex.lock()));
        for one in &mut waiting {
            assert!(poll_with_a_waker_that_panics(one).is_pending());
        }
        drop(guard);
        let [first, mut second] = waiting;
        drop(first);
        assert!(poll_once(&mut second).is_ready());
        drop(second);
        assert!(mutex.raw.is_idle());
    }
}

/// A clone of the waker panics while it stands for its next wait.
#[test]
fn a_waker_that_cannot_be_cloned_leaves_the_lock_to_others() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut first = Box::pin(mutex.lock());
    let mut second = Polled::new(mutex.lock());
    assert!(poll_once(&mut first).is_pending() && second.ready().is_none());
    drop(guard);
    let barges = mutex.try_lock().unwrap();
    let polled = catch_unwind(AssertUnwindSafe(|| {
        first.as_mut().poll(&mut Context::from_waker(&no_clones()))
    }));
    assert!(polled.is_err());
    drop(first);
    drop(barges);
    drop(second.expect_ready());
    assert!(mutex.raw.is_idle());
}

/// A waker whose clone panics.
fn no_clones() -> Waker {
    const TABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("as planned"), |_| (), |_| (), |_| ());
    // SAFETY: the functions look at no data.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

/// Its node stays in the list for ever, and so does what that is in; who comes after it is served all the same.
#[test]
fn a_wait_that_is_forgotten_is_leaked_and_no_more() {
    let mutex = Box::new(Mutex::new(1));
    let guard = mutex.try_lock().unwrap();
    let mut forgotten = Box::pin(mutex.lock());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(forgotten.as_mut().poll(&mut cx).is_pending());
    let layout = Layout::for_value(&*forgotten);
    // SAFETY: it is not moved; it is forgotten.
    let memory = Box::into_raw(unsafe { Pin::into_inner_unchecked(forgotten) }).cast::<u8>();
    let mut leaves = Polled::new(mutex.lock());
    assert!(leaves.ready().is_none());
    drop(leaves);
    drop(guard);
    assert!(mutex.try_lock().is_ok());
    // Moved with a node in its list.
    let moved = *mutex;
    assert!(moved.try_lock().is_ok());
    assert_eq!(moved.into_inner(), 1);
    // Since Miri would complain of the leak.
    // SAFETY: it came from a box of this layout, and nobody reaches it any more.
    unsafe { dealloc(memory, layout) };
}

#[test]
fn a_value_without_a_size() {
    let mutex: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    mutex.try_lock().unwrap()[0] = 4;
    assert_eq!(mutex.clone().try_lock_owned().unwrap().len(), 3);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: [4, 2, 3] }");
    let _guard = mutex.try_lock().unwrap();
    assert_eq!(format!("{mutex:?}"), "Mutex { value: <locked> }");
}

#[test]
fn threads_take_turns() {
    for mutex in [Mutex::new(0), Mutex::new_fair(0)] {
        let rounds = if cfg!(miri) { 5 } else { 300 };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        let mut guard = mutex.blocking_lock();
                        let before = *guard;
                        thread::yield_now();
                        *guard = before + 1;
                    }
                });
            }
        });
        assert!(mutex.raw.is_idle());
        assert_eq!(mutex.into_inner(), 3 * rounds);
    }
}

#[test]
fn a_task_that_always_finds_it_free_gives_up_its_turn() {
    let mutex = Mutex::new(());
    budget::reset();
    let taken = (0..).take_while(|_| Polled::new(mutex.lock()).ready().is_some());
    let taken = taken.count();
    budget::lift();
    assert_eq!(taken, budget::OPERATIONS_PER_POLL as usize);
    assert!(mutex.raw.is_idle());
}

#[test]
fn its_size_is_as_documented() {
    assert_eq!(size_of::<Mutex<()>>(), 32);
    assert_eq!(size_of::<MutexGuard<'_, ()>>(), size_of::<usize>());
}

//! One step at a time, on one thread; also under Miri. Races are in `loom_tests.rs`.

use super::super::testing::Polled;
use super::*;
use crate::util::budget;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

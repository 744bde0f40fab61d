//! One step at a time, on one thread; also under Miri. Races are in `permits/loom_tests.rs`.

use super::super::testing::Polled;
use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

#[test]
fn many_read_or_one_writes() {
    let mut lock = RwLock::new(1);
    let readers = [(); 3].map(|()| lock.try_read().unwrap());
    assert_eq!(lock.try_write().unwrap_err(), TryLockError(()));
    assert!(readers.iter().all(|value| **value == 1));
    drop(readers);
    let mut writer = lock.try_write().unwrap();
    *writer += 1;
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop(writer);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 3);
}

#[test]
fn a_writer_who_waits_holds_back_the_readers_behind_it() {
    let lock = RwLock::new(0);
    let first = lock.try_read().unwrap();
    let mut writes = Polled::new(lock.write());
    let mut reads = [(); 2].map(|()| Polled::new(lock.read()));
    let mut last = Polled::new(lock.write());
    assert!(writes.ready().is_none());
    assert!(reads.iter_mut().all(|one| one.ready().is_none()));
    assert!(last.ready().is_none());
    assert!(lock.try_read().is_err());
    drop(first);
    assert!(reads.iter().all(|one| !one.is_woken()));
    *writes.expect_ready() = 1;
    // They read together, and the last writer waits for both.
    let reads = reads.map(Polled::expect_ready);
    assert!(reads.iter().all(|value| **value == 1));
    let [one, other] = reads;
    drop(one);
    assert!(!last.is_woken());
    drop(other);
    drop(last.expect_ready());
    assert!(lock.try_write().is_ok());
}

#[test]
fn readers_go_on_when_the_writer_before_them_leaves() {
    let lock = RwLock::new(0);
    let first = lock.try_read().unwrap();
    let mut writes = Polled::new(lock.write());
    let mut reads = Polled::new(lock.read());
    assert!(writes.ready().is_none() && reads.ready().is_none());
    drop(writes);
    drop(reads.expect_ready());
    drop(first);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_writer_becomes_a_reader() {
    let lock = RwLock::new((1, 2));
    let mut writer = lock.try_write().unwrap();
    writer.0 = 3;
    let mut other = Polled::new(lock.read());
    assert!(other.ready().is_none());
    let reader = writer.downgrade();
    let other = other.expect_ready();
    assert_eq!((*reader, other.1), ((3, 2), 2));
    assert!(lock.try_write().is_err());
    drop((reader, other));
    let part = RwLockWriteGuard::downgrade_map(lock.try_write().unwrap(), |pair| &pair.1);
    assert_eq!((*part, lock.try_read().unwrap().0), (2, 3));
    drop(part);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_part_of_the_value() {
    let lock = RwLock::new((1, [2, 3]));
    let guard = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| &pair.1);
    let guard = RwLockReadGuard::try_map(guard, |array| array.get(7)).unwrap_err();
    let guard = RwLockReadGuard::try_map(guard, |array| array.get(1)).unwrap();
    assert_eq!(*guard, 3);
    assert!(lock.try_write().is_err());
    drop(guard);
    let guard = lock.try_write().unwrap();
    let guard = RwLockWriteGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let guard = RwLockWriteGuard::map(guard, |pair| &mut pair.1);
    let guard = RwLockMappedWriteGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let mut guard = RwLockMappedWriteGuard::map(guard, |array| &mut array[0]);
    *guard += 1;
    assert!(lock.try_read().is_err());
    drop(guard);
    assert_eq!(lock.into_inner(), (1, [3, 3]));
}

#[test]
fn owned_guards_keep_the_lock() {
    let lock = Arc::new(RwLock::new((1, [2, 3])));
    let guard = lock.clone().try_write_owned().unwrap();
    assert!(Arc::ptr_eq(OwnedRwLockWriteGuard::rwlock(&guard), &lock));
    let guard = OwnedRwLockWriteGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let guard = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.1);
    let guard = OwnedRwLockMappedWriteGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let mut guard = OwnedRwLockMappedWriteGuard::map(guard, |array| &mut array[0]);
    *guard += 1;
    assert!(lock.try_read().is_err());
    drop(guard);
    let reader = lock.clone().try_write_owned().unwrap().downgrade();
    assert_eq!(lock.try_read().unwrap().1, reader.1);
    let part = OwnedRwLockReadGuard::try_map(reader, |_| None::<&u8>).unwrap_err();
    let part = OwnedRwLockReadGuard::map(part, |pair| &pair.1[0]);
    assert!(lock.try_write().is_err());
    let other = OwnedRwLockReadGuard::map(lock.clone().try_read_owned().unwrap(), |pair| &pair.0);
    let inside = Arc::downgrade(&lock);
    drop(lock);
    thread::spawn(move || assert_eq!((*part, *other), (3, 1)))
        .join()
        .unwrap();
    assert!(inside.upgrade().is_none());
    let part = Arc::new(RwLock::new((1, 2))).try_write_owned().unwrap();
    assert_eq!(
        *OwnedRwLockWriteGuard::downgrade_map(part, |pair| &pair.1),
        2
    );
}

/// The part is looked for while nobody else reads; if there is none, the guard writes on.
#[test]
fn a_writer_becomes_a_reader_of_a_part_if_there_is_one() {
    let lock = Arc::new(RwLock::new(vec![1]));
    let nobody_reads = |list: &[u8]| {
        assert!(lock.try_read().is_err());
        list.len()
    };
    let guard = lock.try_write().unwrap();
    let guard = RwLockWriteGuard::try_downgrade_map(guard, |list| list.get(nobody_reads(list)));
    let mut guard = guard.unwrap_err();
    guard.push(2);
    let guard = RwLockWriteGuard::try_downgrade_map(guard, |list| list.get(1)).unwrap();
    assert_eq!((*guard, lock.try_read().unwrap().len()), (2, 2));
    assert!(lock.try_write().is_err());
    drop(guard);
    let guard = RwLockWriteGuard::downgrade_map(lock.try_write().unwrap(), |list| {
        &list[nobody_reads(list) - 1]
    });
    assert_eq!(*guard, 2);
    drop(guard);

    let guard = lock.clone().try_write_owned().unwrap();
    let guard = OwnedRwLockWriteGuard::try_downgrade_map(guard, |list| list.get(9));
    let mut guard = guard.unwrap_err();
    guard.push(3);
    let guard = OwnedRwLockWriteGuard::try_downgrade_map(guard, |list| list.get(2)).unwrap();
    assert_eq!((*guard, lock.try_read().unwrap().len()), (3, 3));
    drop(guard);
    let guard =
        OwnedRwLockWriteGuard::downgrade_map(lock.clone().try_write_owned().unwrap(), |l| {
            &l[nobody_reads(l) - 1]
        });
    assert_eq!(*guard, 3);
    assert!(lock.try_write().is_err());
    drop(guard);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_part_may_be_all_of_it() {
    let lock = Arc::new(RwLock::new(1));
    let mut guard = RwLockWriteGuard::into_mapped(lock.try_write().unwrap());
    *guard += 1;
    assert!(lock.try_read().is_err());
    drop(guard);
    let mut guard = OwnedRwLockWriteGuard::into_mapped(lock.clone().try_write_owned().unwrap());
    *guard += 1;
    assert!(lock.try_read().is_err());
    drop(guard);
    assert_eq!(*lock.try_write().unwrap(), 3);
}

/// What looks for the part panics: the lock is free afterwards, once.
#[test]
fn a_panic_while_it_becomes_a_reader_unlocks() {
    let lock = Arc::new(RwLock::new(1));
    for owned in [false, true] {
        let panics = catch_unwind(AssertUnwindSafe(|| {
            fn panic(_: &i32) -> Option<&i32> {
                panic!("as planned")
            }
            if owned {
                let guard = lock.clone().try_write_owned().unwrap();
                drop(OwnedRwLockWriteGuard::try_downgrade_map(guard, panic));
            } else {
                let guard = lock.try_write().unwrap();
                drop(RwLockWriteGuard::try_downgrade_map(guard, panic));
            }
        }));
        assert!(panics.is_err());
        assert!(lock.try_write().is_ok());
        assert_eq!(lock.permits.available(), READERS_MAX as usize);
    }
}

#[test]
fn as_many_readers_as_it_was_made_for() {
    let lock = RwLock::with_max_readers(0, 2);
    let readers = [(); 2].map(|()| lock.try_read().unwrap());
    assert!(lock.try_read().is_err());
    drop(readers);
    assert!(lock.try_write().is_ok());
}

#[test]
#[should_panic(expected = "readers at once")]
fn one_reader_too_many() {
    drop(RwLock::with_max_readers(0, READERS_MAX + 1));
}

#[test]
#[should_panic(expected = "readers at once")]
fn no_reader_at_all() {
    drop(RwLock::with_max_readers(0, 0));
}

#[test]
fn a_value_without_a_size() {
    let lock: Arc<RwLock<[u8]>> = Arc::new(RwLock::new([1, 2, 3]));
    lock.try_write().unwrap()[0] = 4;
    assert_eq!(lock.clone().try_read_owned().unwrap().len(), 3);
    assert_eq!(format!("{lock:?}"), "RwLock { value: [4, 2, 3] }");
    let _guard = lock.try_write().unwrap();
    assert_eq!(format!("{lock:?}"), "RwLock { value: <locked> }");
}

#[test]
fn threads_see_both_halves_of_a_change() {
    let lock = RwLock::new((0, 0));
    let rounds = if cfg!(miri) { 5 } else { 300 };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let mut pair = lock.blocking_write();
                    pair.0 += 1;
                    thread::yield_now();
                    pair.1 += 1;
                    let pair = pair.downgrade();
                    assert_eq!(pair.0, pair.1);
                }
            });
            scope.spawn(|| {
                for _ in 0..rounds {
                    let pair = lock.blocking_read();
                    assert_eq!(pair.0, pair.1);
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), (2 * rounds, 2 * rounds));
}

#[test]
fn its_size_is_as_documented() {
    assert_eq!(size_of::<RwLock<()>>(), 40);
}

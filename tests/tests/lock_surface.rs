//! Are the locks and signals called as tokio's are?
//!
//! Every public method of tokio's `sync::{Mutex, RwLock, Semaphore, Notify, Barrier, OnceCell, SetOnce}` and of tokio-util's `CancellationToken` is used once, with tokio's
//! arguments and types: a program that was written for those has to compile. What each of them does is tested elsewhere.

use filch::sync::futures::{Notified, OwnedNotified};
use filch::sync::{
    AcquireError, Barrier, BarrierWaitResult, CancellationToken, DropGuard, DropGuardRef,
    MappedMutexGuard, Mutex, MutexGuard, Notify, OnceCell, OwnedMappedMutexGuard, OwnedMutexGuard,
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit,
    RwLock, RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
    SetError, SetOnce, SetOnceError, TryAcquireError, TryLockError, WaitForCancellationFuture,
    WaitForCancellationFutureOwned, WaitGroup,
};
use std::convert::Infallible;
use std::future::ready;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;

type Pair = (u8, [u8; 2]);

const PAIR: Pair = (1, [2, 3]);

static MUTEX: Mutex<Pair> = Mutex::const_new(PAIR);
static RW_LOCK: RwLock<Pair> = RwLock::const_new(PAIR);
static TWO_READERS: RwLock<Pair> = RwLock::const_with_max_readers(PAIR, 2);
static SEMAPHORE: Semaphore = Semaphore::const_new(3);
static NOTIFY: Notify = Notify::const_new();
static ONCE_CELL: OnceCell<u8> = OnceCell::const_new();
static FULL_ONCE_CELL: OnceCell<u8> = OnceCell::const_new_with(1);
static SET_ONCE: SetOnce<u8> = SetOnce::const_new();
static FULL_SET_ONCE: SetOnce<u8> = SetOnce::const_new_with(1);

#[filch::test]
async fn mutex() {
    let guard: MutexGuard<'_, Pair> = MUTEX.lock().await;
    let refused: Result<MutexGuard<'_, Pair>, TryLockError> = MUTEX.try_lock();
    assert!(refused.is_err());
    let _: &'static Mutex<Pair> = MutexGuard::mutex(&guard);
    let guard: MutexGuard<'_, Pair> = MutexGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let part: MappedMutexGuard<'_, [u8; 2]> = MutexGuard::map(guard, |pair| &mut pair.1);
    let part = MappedMutexGuard::try_map(part, |array| array.get_mut(0)).unwrap();
    assert_eq!(*MappedMutexGuard::map(part, |byte| byte), 2);

    let mutex = Arc::new(Mutex::new(PAIR));
    let guard: OwnedMutexGuard<Pair> = mutex.clone().lock_owned().await;
    assert!(mutex.clone().try_lock_owned().is_err());
    let _: &Arc<Mutex<Pair>> = OwnedMutexGuard::mutex(&guard);
    let guard = OwnedMutexGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let part: OwnedMappedMutexGuard<Pair, [u8; 2]> =
        OwnedMutexGuard::map(guard, |pair| &mut pair.1);
    let part = OwnedMappedMutexGuard::try_map(part, |array| array.get_mut(0)).unwrap();
    drop(OwnedMappedMutexGuard::map(part, |byte| byte));
    let mutex = std::thread::spawn(move || {
        mutex.blocking_lock().0 += 1;
        mutex.clone().blocking_lock_owned().0 += 1;
        mutex
    });
    let mut mutex = Arc::into_inner(mutex.join().unwrap()).unwrap();
    mutex.get_mut().0 += 1;
    assert_eq!(mutex.into_inner(), (4, [2, 3]));
    assert_eq!(Mutex::<u8>::default().into_inner(), 0);
    assert_eq!(Mutex::from(1).into_inner(), 1);
}

#[filch::test]
async fn rw_lock() {
    let readers: [RwLockReadGuard<'_, Pair>; 2] =
        [TWO_READERS.read().await, TWO_READERS.try_read().unwrap()];
    let third: Result<RwLockReadGuard<'_, Pair>, TryLockError> = TWO_READERS.try_read();
    assert!(third.is_err());
    let [one, _] = readers;
    let one: RwLockReadGuard<'_, [u8; 2]> = RwLockReadGuard::map(one, |pair| &pair.1);
    assert!(RwLockReadGuard::try_map(one, |array| array.get(2)).is_err());

    let guard: RwLockWriteGuard<'_, Pair> = RW_LOCK.write().await;
    assert!(RW_LOCK.try_write().is_err());
    let guard = RwLockWriteGuard::try_map(guard, |_| None::<&mut u8>).unwrap_err();
    let guard = RwLockWriteGuard::try_downgrade_map(guard, |_| None::<&u8>).unwrap_err();
    let part: RwLockMappedWriteGuard<'_, [u8; 2]> =
        RwLockWriteGuard::map(guard, |pair| &mut pair.1);
    let part = RwLockMappedWriteGuard::try_map(part, |array| array.get_mut(0)).unwrap();
    drop(RwLockMappedWriteGuard::map(part, |byte| byte));
    let all: RwLockMappedWriteGuard<'_, Pair> =
        RwLockWriteGuard::into_mapped(RW_LOCK.write().await);
    drop(all);
    let reader: RwLockReadGuard<'_, Pair> = RW_LOCK.write().await.downgrade();
    drop(reader);
    let reader = RwLockWriteGuard::downgrade_map(RW_LOCK.write().await, |pair| &pair.0);
    assert_eq!(*reader, 1);

    let lock = Arc::new(RwLock::with_max_readers(PAIR, 4));
    let reader: OwnedRwLockReadGuard<Pair> = lock.clone().read_owned().await;
    let _: &Arc<RwLock<Pair>> = OwnedRwLockReadGuard::rwlock(&reader);
    let part: OwnedRwLockReadGuard<Pair, u8> = OwnedRwLockReadGuard::map(reader, |pair| &pair.0);
    assert!(OwnedRwLockReadGuard::try_map(part, |_| None::<&u8>).is_err());
    drop(lock.clone().try_read_owned().unwrap());
    let writer: OwnedRwLockWriteGuard<Pair> = lock.clone().write_owned().await;
    assert!(lock.clone().try_write_owned().is_err());
    let _: &Arc<RwLock<Pair>> = OwnedRwLockWriteGuard::rwlock(&writer);
    let writer = OwnedRwLockWriteGuard::try_map(writer, |_| None::<&mut u8>).unwrap_err();
    let writer = OwnedRwLockWriteGuard::try_downgrade_map(writer, |_| None::<&u8>).unwrap_err();
    let part: OwnedRwLockMappedWriteGuard<Pair, u8> =
        OwnedRwLockWriteGuard::map(writer, |pair| &mut pair.0);
    let _: &Arc<RwLock<Pair>> = OwnedRwLockMappedWriteGuard::rwlock(&part);
    let part = OwnedRwLockMappedWriteGuard::try_map(part, |byte| Some(byte)).unwrap();
    drop(OwnedRwLockMappedWriteGuard::map(part, |byte| byte));
    let all: OwnedRwLockMappedWriteGuard<Pair> =
        OwnedRwLockWriteGuard::into_mapped(lock.clone().write_owned().await);
    drop(all);
    let reader: OwnedRwLockReadGuard<Pair> = lock.clone().write_owned().await.downgrade();
    drop(reader);
    let writer = lock.clone().write_owned().await;
    drop(OwnedRwLockWriteGuard::downgrade_map(writer, |pair| &pair.0));
    let lock = std::thread::spawn(move || {
        assert_eq!(lock.blocking_read().0, 1);
        lock.blocking_write().0 += 1;
        lock
    });
    let mut lock = Arc::into_inner(lock.join().unwrap()).unwrap();
    lock.get_mut().0 += 1;
    assert_eq!(lock.into_inner().0, 3);
    assert_eq!(RwLock::<u8>::default().into_inner(), 0);
    assert_eq!(RwLock::from(RwLock::new(1).into_inner()).into_inner(), 1);
}

#[filch::test]
async fn semaphore() {
    let one: Result<SemaphorePermit<'_>, AcquireError> = SEMAPHORE.acquire().await;
    let mut one = one.unwrap();
    let two = SEMAPHORE.acquire_many(2).await.unwrap();
    assert_eq!(
        SEMAPHORE.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    assert!(SEMAPHORE.try_acquire_many(2).is_err());
    one.merge(two);
    let part: Option<SemaphorePermit<'_>> = one.split(2);
    assert_eq!((one.num_permits(), part.unwrap().num_permits()), (1, 2));
    assert!(std::ptr::eq(one.semaphore(), &SEMAPHORE));
    one.forget();
    assert_eq!(
        (SEMAPHORE.available_permits(), SEMAPHORE.forget_permits(9)),
        (2, 2)
    );

    let semaphore = Arc::new(Semaphore::new(0));
    semaphore.add_permits(3);
    let owned: Result<OwnedSemaphorePermit, AcquireError> = semaphore.clone().acquire_owned().await;
    let mut owned = owned.unwrap();
    owned.merge(semaphore.clone().acquire_many_owned(2).await.unwrap());
    let part: Option<OwnedSemaphorePermit> = owned.split(1);
    assert!(Arc::ptr_eq(owned.semaphore(), part.unwrap().semaphore()));
    assert_eq!(owned.num_permits(), 2);
    drop(owned);
    drop(semaphore.clone().try_acquire_owned().unwrap());
    semaphore
        .clone()
        .try_acquire_many_owned(1)
        .unwrap()
        .forget();
    let semaphore = std::thread::spawn(move || {
        drop(semaphore.blocking_acquire().unwrap());
        drop(semaphore.blocking_acquire_many(2).unwrap());
        drop(semaphore.clone().blocking_acquire_owned().unwrap());
        drop(semaphore.clone().blocking_acquire_many_owned(2).unwrap());
        semaphore
    });
    let semaphore = semaphore.join().unwrap();
    semaphore.close();
    assert!(semaphore.is_closed());
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
    assert_eq!(Semaphore::MAX_PERMITS, usize::MAX >> 3);
}

#[filch::test]
async fn notify() {
    NOTIFY.notify_one();
    NOTIFY.notified().await;
    NOTIFY.notify_last();
    NOTIFY.notified().await;
    let notified: Notified<'static> = NOTIFY.notified();
    let mut notified = pin!(notified);
    assert!(!notified.as_mut().enable());
    NOTIFY.notify_waiters();
    notified.await;
    let notify: Arc<Notify> = Arc::default();
    let notified: OwnedNotified = notify.clone().notified_owned();
    let mut notified = pin!(notified);
    assert!(!notified.as_mut().enable());
    Notify::new().notify_waiters();
    notify.notify_waiters();
    notified.await;
}

#[filch::test]
async fn barrier() {
    let result: BarrierWaitResult = Barrier::new(1).wait().await;
    assert!(result.is_leader());
}

#[filch::test]
async fn once_cell() {
    assert_eq!(ONCE_CELL.get_or_init(async || 1).await, &1);
    let made: Result<&u8, Infallible> = ONCE_CELL.get_or_try_init(|| ready(Ok(2))).await;
    assert_eq!(made, Ok(&1));
    let refused: Result<(), SetError<u8>> = ONCE_CELL.set(3);
    let refused = refused.unwrap_err();
    assert!(refused.is_already_init_err() && !refused.is_initializing_err());
    assert!(ONCE_CELL.initialized());
    assert_eq!(FULL_ONCE_CELL.get(), ONCE_CELL.get());
    let mut cell = OnceCell::new_with(Some(1));
    *cell.get_mut().unwrap() += 1;
    assert_eq!(cell.take(), Some(2));
    assert_eq!(cell, OnceCell::default());
    assert_eq!(OnceCell::from(1).clone().into_inner(), Some(1));
    assert_eq!(OnceCell::<u8>::new().into_inner(), None);
}

#[filch::test]
async fn set_once() {
    let set: Result<(), SetOnceError<u8>> = SET_ONCE.set(1);
    assert_eq!(set, Ok(()));
    let SetOnceError(refused) = SET_ONCE.set(2).unwrap_err();
    assert_eq!((refused, SET_ONCE.initialized()), (2, true));
    assert_eq!(SET_ONCE.wait().await, FULL_SET_ONCE.get().unwrap());
    assert_eq!(SetOnce::new_with(Some(1)), SetOnce::from(1));
    assert_eq!(SetOnce::<u8>::default(), SetOnce::new());
    assert_eq!(SetOnce::from(1).clone().into_inner(), Some(1));
}

#[filch::test]
async fn cancellation_token() {
    let token: CancellationToken = CancellationToken::default();
    let child: CancellationToken = token.child_token();
    let guard: DropGuardRef<'_> = child.drop_guard_ref();
    let child: &CancellationToken = guard.disarm();
    let guard: DropGuard = child.clone().drop_guard();
    assert_eq!(token.run_until_cancelled(ready(1)).await, Some(1));
    drop(guard);
    let cancelled: WaitForCancellationFuture<'_> = child.cancelled();
    cancelled.await;
    let cancelled: WaitForCancellationFutureOwned = child.clone().cancelled_owned();
    cancelled.await;
    assert!(child.is_cancelled() && !token.is_cancelled());
    let guard: DropGuard = token.drop_guard();
    let token: CancellationToken = guard.disarm();
    token.cancel();
    let run = token.run_until_cancelled_owned(ready(1));
    assert_eq!(run.await, None);
}

fn unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

/// Nothing that a panic could leave half done: no code of others runs under their locks.
#[test]
fn what_has_no_value_may_be_used_after_a_panic() {
    unwind_safe::<Notify>();
    unwind_safe::<Notified<'_>>();
    unwind_safe::<OwnedNotified>();
    unwind_safe::<Semaphore>();
    unwind_safe::<SemaphorePermit<'_>>();
    unwind_safe::<OwnedSemaphorePermit>();
    unwind_safe::<Barrier>();
    unwind_safe::<CancellationToken>();
    unwind_safe::<DropGuard>();
    unwind_safe::<WaitForCancellationFutureOwned>();
    unwind_safe::<WaitGroup>();
    unwind_safe::<OnceCell<u8>>();
    unwind_safe::<SetOnce<u8>>();
}

fn send_and_sync<T: Send + Sync>() {}

#[test]
fn all_of_it_may_be_sent_and_shared() {
    send_and_sync::<MutexGuard<'_, u8>>();
    send_and_sync::<MappedMutexGuard<'_, u8>>();
    send_and_sync::<OwnedMutexGuard<u8>>();
    send_and_sync::<OwnedMappedMutexGuard<String, u8>>();
    send_and_sync::<RwLockReadGuard<'_, u8>>();
    send_and_sync::<RwLockWriteGuard<'_, u8>>();
    send_and_sync::<RwLockMappedWriteGuard<'_, u8>>();
    send_and_sync::<OwnedRwLockReadGuard<String, u8>>();
    send_and_sync::<OwnedRwLockWriteGuard<u8>>();
    send_and_sync::<OwnedRwLockMappedWriteGuard<String, u8>>();
    send_and_sync::<Notified<'_>>();
    send_and_sync::<OwnedNotified>();
    send_and_sync::<WaitForCancellationFuture<'_>>();
    send_and_sync::<WaitForCancellationFutureOwned>();
    send_and_sync::<SetOnce<u8>>();
}

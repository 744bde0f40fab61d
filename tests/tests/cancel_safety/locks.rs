//! Locks, permits, signals: is a turn that came to a dropped future passed on?

use filch::sync::{
    Barrier, CancellationToken, Lazy, Notify, OnceCell, RwLock, Semaphore, SetOnce, WaitGroup,
    oneshot,
};
use filch_tests::cancel::{Case, Cut, Sibling};
use filch_tests::cases;
use filch_tests::drops::Tally;
use std::cell::Cell;
use std::sync::Arc;

pub(crate) const CASES: &[Case] = cases! {
    Simulated:
    "sync::Mutex::lock" => |cut| async move {
        let lock = filch::sync::Mutex::new(0);
        mutex(cut, &lock, lock.lock()).await;
    },
    "sync::Mutex::lock" => |cut| async move {
        let lock = filch::sync::Mutex::new(0);
        impatient(cut, &lock, lock.lock()).await;
    },
    "sync::Mutex::lock_owned" => |cut| async move {
        let lock = Arc::new(filch::sync::Mutex::new(0));
        mutex(cut, &lock, lock.clone().lock_owned()).await;
    },
    "sync::RwLock::read" => |cut| async move {
        let lock = RwLock::new(0);
        rwlock(cut, &lock, lock.read()).await;
    },
    "sync::RwLock::read_owned" => |cut| async move {
        let lock = Arc::new(RwLock::new(0));
        rwlock(cut, &lock, lock.clone().read_owned()).await;
    },
    "sync::RwLock::write" => |cut| async move {
        let lock = RwLock::new(0);
        rwlock(cut, &lock, lock.write()).await;
    },
    "sync::RwLock::write" => |cut| async move {
        let lock = RwLock::new(0);
        behind_readers(cut, &lock, lock.write()).await;
    },
    "sync::RwLock::write_owned" => |cut| async move {
        let lock = Arc::new(RwLock::new(0));
        rwlock(cut, &lock, lock.clone().write_owned()).await;
    },
    "sync::Semaphore::acquire" => |cut| async move {
        let permits = Semaphore::new(2);
        semaphore(cut, &permits, permits.acquire()).await;
    },
    "sync::Semaphore::acquire" => |cut| async move {
        let permits = Semaphore::new(2);
        closed_semaphore(cut, &permits, permits.acquire()).await;
    },
    "sync::Semaphore::acquire_many" => |cut| async move {
        let permits = Semaphore::new(2);
        semaphore(cut, &permits, permits.acquire_many(2)).await;
    },
    "sync::Semaphore::acquire_many" => |cut| async move {
        let permits = Semaphore::new(2);
        closed_semaphore(cut, &permits, permits.acquire_many(2)).await;
    },
    "sync::Semaphore::acquire_owned" => |cut| async move {
        let permits = Arc::new(Semaphore::new(2));
        semaphore(cut, &permits, permits.clone().acquire_owned()).await;
    },
    "sync::Semaphore::acquire_many_owned" => |cut| async move {
        let permits = Arc::new(Semaphore::new(2));
        semaphore(cut, &permits, permits.clone().acquire_many_owned(2)).await;
    },
    "sync::Notified" => |cut| async move {
        let notify = Notify::new();
        notified(cut, &notify, notify.notified()).await;
    },
    "sync::Notified" => |cut| async move {
        let notify = Notify::new();
        notified_alone(cut, &notify, notify.notified()).await;
    },
    "sync::Notified" => |cut| async move {
        let notify = Notify::new();
        notified_with_all(cut, &notify, notify.notified()).await;
    },
    "sync::OwnedNotified" => |cut| async move {
        let notify = Arc::new(Notify::new());
        notified(cut, &notify, notify.clone().notified_owned()).await;
    },
    "sync::OwnedNotified" => |cut| async move {
        let notify = Arc::new(Notify::new());
        notified_alone(cut, &notify, notify.clone().notified_owned()).await;
    },
    "sync::Barrier::wait" => |cut| barrier(cut),
    "sync::OnceCell::get_or_init" => |cut| get_or_init(cut),
    "sync::OnceCell::get_or_init" => |cut| waits_for_another_init(cut),
    "sync::OnceCell::get_or_try_init" => |cut| get_or_try_init(cut),
    "sync::OnceCell::wait_initialized" => |cut| wait_initialized(cut),
    "sync::SetOnce::wait" => |cut| wait_set_once(cut),
    "sync::ForceLazy" => |cut| force_lazy(cut),
    "sync::WaitGroup::wait" => |cut| wait_group(cut),
    "sync::WaitForCancellationFuture" => |cut| async move {
        let token = CancellationToken::new();
        cancelled(cut, &token, token.cancelled()).await;
    },
    "sync::WaitForCancellationFutureOwned" => |cut| async move {
        let token = CancellationToken::new();
        cancelled(cut, &token, token.clone().cancelled_owned()).await;
    },
    "sync::CancellationToken::run_until_cancelled" => |cut| async move {
        let token = CancellationToken::new();
        run_until(cut, async |work| token.run_until_cancelled(work).await, &token).await;
    },
    "sync::CancellationToken::run_until_cancelled_owned" => |cut| async move {
        let token = CancellationToken::new();
        let run = async |work| token.clone().run_until_cancelled_owned(work).await;
        run_until(cut, run, &token).await;
    },
};

/// A sibling comes, at whatever time, and the lock is released.
async fn mutex<G>(cut: &Cut, lock: &filch::sync::Mutex<u32>, future: impl Future<Output = G>) {
    let mut held = lock.try_lock().ok();
    assert!(held.is_some());
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(lock.lock())),
        1 => held = None,
        _ => Sibling::go_on(&mut sibling),
    };
    drop(cut.drive(future, 3, step).await);
    drop(sibling.map(Sibling::output));
    assert!(lock.try_lock().is_ok(), "left locked");
}

/// Somebody is faster each time, until it is handed the lock.
async fn impatient<G>(cut: &Cut, lock: &filch::sync::Mutex<u32>, future: impl Future<Output = G>) {
    let mut held = lock.try_lock().ok();
    let mut sibling = None;
    let step = async |number| {
        if number == 5 {
            sibling = Some(Sibling::new(lock.lock()));
        }
        held = None;
        if number < 5 {
            held = lock.try_lock().ok();
        }
    };
    drop(cut.drive(future, 6, step).await);
    drop(sibling.expect("the last step").output());
    assert!(lock.try_lock().is_ok(), "left locked");
}

/// A writer and a reader come, and the lock is released.
async fn rwlock<G>(cut: &Cut, lock: &RwLock<u32>, future: impl Future<Output = G>) {
    let mut held = lock.try_write().ok();
    assert!(held.is_some());
    let (mut writer, mut reader) = (None, None);
    let step = async |number| match number {
        0 => writer = Some(Sibling::new(lock.write())),
        1 => reader = Some(Sibling::new(lock.read())),
        2 => held = None,
        _ => {
            Sibling::go_on(&mut writer);
            Sibling::go_on(&mut reader);
        }
    };
    drop(cut.drive(future, 4, step).await);
    drop(writer.map(Sibling::output));
    drop(reader.map(Sibling::output));
    assert!(lock.try_write().is_ok(), "left locked");
}

/// A reader that stands behind a writer need not wait for that any more, though others read still.
async fn behind_readers<G>(cut: &Cut, lock: &RwLock<u32>, future: impl Future<Output = G>) {
    let mut held = lock.try_read().ok();
    let other = lock.try_read();
    assert!(held.is_some() && other.is_ok());
    let mut reader = None;
    let mut other = other.ok();
    let step = async |number| match number {
        0 => reader = Some(Sibling::new(lock.read())),
        1 => held = None,
        _ => {
            if cut.is_dropped() {
                // Though `other` reads still.
                drop(reader.take().expect("step 0").output());
            }
            Sibling::go_on(&mut reader);
            other = None;
        }
    };
    drop(cut.drive(future, 3, step).await);
    drop(reader.map(Sibling::output));
    assert!(lock.try_write().is_ok(), "left locked");
}

/// Permits come back one at a time.
async fn semaphore<P, E: std::fmt::Debug>(
    cut: &Cut,
    permits: &Semaphore,
    future: impl Future<Output = Result<P, E>>,
) {
    let mut held = [permits.try_acquire().ok(), permits.try_acquire().ok()];
    assert!(held.iter().all(Option::is_some));
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(permits.acquire())),
        3 => Sibling::go_on(&mut sibling),
        number => held[number - 1] = None,
    };
    let got = cut.drive(future, 4, step).await;
    drop(got.map(Result::unwrap));
    drop(sibling.map(Sibling::output));
    assert_eq!(permits.available_permits(), 2);
}

/// One permit comes, then the end.
async fn closed_semaphore<P, E>(
    cut: &Cut,
    permits: &Semaphore,
    future: impl Future<Output = Result<P, E>>,
) {
    let mut held = [permits.try_acquire().ok(), permits.try_acquire().ok()];
    let step = async |number| match number {
        0 => held[0] = None,
        1 => permits.close(),
        _ => held[1] = None,
    };
    drop(cut.drive(future, 3, step).await);
    assert_eq!(permits.available_permits(), 2);
}

/// Whether it has to wait.
fn waits<T>(future: impl Future<Output = T>) -> bool {
    !Sibling::new(future).is_ready()
}

/// One notification for two.
async fn notified(cut: &Cut, notify: &Notify, future: impl Future<Output = ()>) {
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(notify.notified())),
        1 => notify.notify_one(),
        _ => {
            if !cut.is_dropped() {
                notify.notify_one();
            }
        }
    };
    let got = cut.drive(future, 3, step).await;
    if got.is_some() {
        // For the sibling, if that has not got one of the two.
        notify.notify_one();
    }
    sibling.expect("step 0").output();
}

/// One notification, which stays if it was not taken.
async fn notified_alone(cut: &Cut, notify: &Notify, future: impl Future<Output = ()>) {
    let got = cut.drive(future, 1, async |_| notify.notify_one()).await;
    assert_eq!(waits(notify.notified()), got.is_some());
    assert!(waits(notify.notified()), "notified twice");
}

/// A notification for all who wait leaves nothing behind.
async fn notified_with_all(cut: &Cut, notify: &Notify, future: impl Future<Output = ()>) {
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(notify.notified())),
        _ => notify.notify_waiters(),
    };
    cut.drive(future, 2, step).await;
    sibling.expect("step 0").output();
    assert!(waits(notify.notified()), "a notification is left");
}

/// Of three, the last to come completes the round, if none has gone.
async fn barrier(cut: &Cut) {
    let barrier = Barrier::new(3);
    let siblings = std::cell::RefCell::new(Vec::new());
    let is_short = Cell::new(false);
    let come = || {
        siblings.borrow_mut().push(Sibling::new(barrier.wait()));
        is_short.set(cut.is_dropped());
    };
    let got = cut.drive(barrier.wait(), 2, async |_| come()).await;
    let mut leaders = usize::from(got.as_ref().is_some_and(|result| result.is_leader()));
    let is_over = siblings.borrow_mut()[0].is_ready();
    assert!(is_over || got.is_none());
    assert!(
        !is_over || !is_short.get(),
        "two have come, and one that has gone"
    );
    if !is_over {
        // It has taken its arrival back.
        come();
    }
    let siblings = siblings.take().into_iter();
    leaders += siblings
        .filter_map(|sibling| sibling.output().is_leader().then_some(()))
        .count();
    // The leader may be the one that was dropped.
    assert!(
        leaders == 1 || (leaders == 0 && got.is_none()),
        "{leaders} leaders"
    );
    let mut round = [0; 3].map(|_| Sibling::new(barrier.wait()));
    assert!(
        round.iter_mut().all(Sibling::is_ready),
        "an arrival is left over or gone"
    );
}

/// It makes the value while another one waits for it.
async fn get_or_init(cut: &Cut) {
    let cell = OnceCell::new();
    let (go, may_go) = oneshot::channel();
    let init = async || may_go.await.expect("it is sent");
    let (mut sibling, mut go) = (None, Some(go));
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(cell.get_or_init(async || 2))),
        // Nobody may be there to hear it.
        _ => drop(go.take().expect("once").send(1)),
    };
    let got = cut.drive(cell.get_or_init(init), 2, step).await.copied();
    let value = *sibling.expect("step 0").output();
    assert_eq!(cell.get(), Some(&value));
    assert!(got.is_none_or(|got| got == value));
}

/// It waits for another one that makes the value, and fails to.
async fn waits_for_another_init(cut: &Cut) {
    let cell = OnceCell::new();
    let (go, may_go) = oneshot::channel::<u32>();
    let maker = Sibling::new(cell.get_or_try_init(async || may_go.await));
    let (mut sibling, mut go) = (None, Some(go));
    let mut maker = Some(maker);
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(cell.get_or_init(async || 2))),
        1 => go = None,
        2 => assert!(maker.take().expect("once").output().is_err()),
        _ => Sibling::go_on(&mut sibling),
    };
    let got = cut
        .drive(cell.get_or_init(async || 3), 4, step)
        .await
        .copied();
    sibling.map(Sibling::output);
    let value = *cell.get().expect("one of the two has made it");
    assert!(got.is_none_or(|got| got == value));
}

/// It fails to make the value, or is dropped before; another one goes on.
async fn get_or_try_init(cut: &Cut) {
    let cell = OnceCell::new();
    let (go, may_go) = oneshot::channel::<u32>();
    let (mut sibling, mut go) = (None, Some(go));
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(cell.get_or_init(async || 2))),
        _ => go = None,
    };
    let future = cell.get_or_try_init(async || may_go.await);
    let got = cut.drive(future, 2, step).await;
    let value = *sibling.expect("step 0").output();
    assert_eq!(value, 2);
    assert!(got.is_none_or(|got| got.is_err() || got == Ok(&2)));
}

async fn wait_initialized(cut: &Cut) {
    let cell = OnceCell::new();
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(cell.wait_initialized())),
        _ => cell.set(5).unwrap(),
    };
    let got = cut.drive(cell.wait_initialized(), 2, step).await;
    assert!(got.is_none_or(|got| *got == 5));
    assert_eq!(*sibling.expect("step 0").output(), 5);
}

async fn wait_set_once(cut: &Cut) {
    let once = SetOnce::new();
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(once.wait())),
        _ => once.set(5).unwrap(),
    };
    let got = cut.drive(once.wait(), 2, step).await;
    assert!(got.is_none_or(|got| *got == 5));
    assert_eq!(*sibling.expect("step 0").output(), 5);
}

/// The function is called anew for one that waits.
async fn force_lazy(cut: &Cut) {
    let gate = OnceCell::new();
    let calls = Cell::new(0);
    let lazy = Lazy::new(|| {
        calls.set(calls.get() + 1);
        async { *gate.wait_initialized().await }
    });
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(async { *lazy.force().await })),
        1 => gate.set(7).unwrap(),
        _ => Sibling::go_on(&mut sibling),
    };
    let got = cut.drive(lazy.force(), 3, step).await;
    assert!(got.is_none_or(|got| *got == 7));
    sibling.map(Sibling::output);
    assert_eq!(lazy.get(), Some(&7));
    assert!(calls.get() <= 2);
}

async fn wait_group(cut: &Cut) {
    let group = WaitGroup::new();
    let mut guards = vec![group.add(), group.add()];
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(group.wait())),
        _ => drop(guards.pop()),
    };
    cut.drive(group.wait(), 3, step).await;
    sibling.expect("step 0").output();
    assert_eq!(group.count(), 0);
}

async fn cancelled(cut: &Cut, token: &CancellationToken, future: impl Future<Output = ()>) {
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(token.cancelled())),
        _ => token.cancel(),
    };
    cut.drive(future, 2, step).await;
    sibling.expect("step 0").output();
}

/// What it runs is dropped, once, whatever ends it.
async fn run_until(
    cut: &Cut,
    run: impl AsyncFnOnce(std::pin::Pin<Box<dyn Future<Output = u32>>>) -> Option<u32>,
    token: &CancellationToken,
) {
    let tally = Tally::new();
    let held = tally.track();
    let (go, may_go) = oneshot::channel();
    let work = Box::pin(async move {
        let value = may_go.await.expect("it is sent");
        drop(held);
        value
    });
    let mut go = Some(go);
    let step = async |number| match number {
        0 => drop(go.take().expect("once").send(7)),
        _ => token.cancel(),
    };
    let got = cut.drive(run(work), 2, step).await;
    assert!(matches!(got, None | Some(None | Some(7))));
    tally.assert_all_gone();
}

//! What if a task of a simulation blocks its thread for something that another task does?

use filch::runtime::simulate;
use filch::sync::{Mutex, RwLock, Semaphore, WaitGroup, broadcast, mpmc, mpsc, oneshot, watch};
use filch::time::{Duration, Instant, sleep};
use filch::{Runtime, spawn, spawn_blocking, spawn_local, yield_now};
use filch_tests::guard::within_reason;
use filch_tests::message;
use filch_tests::virtual_time::{both, paused, seeds, simulated};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SECOND: Duration = Duration::from_secs(1);

/// Everything that blocks a thread: `block` is called in a task, a second before `release` makes it return.
async fn each_call(run: fn(Box<dyn FnOnce() + Send>)) {
    type Call = Box<dyn FnOnce() + Send>;
    let mut cases: Vec<(Call, Call)> = Vec::new();
    let mut add = |block: Call, release: Call| cases.push((block, release));

    let (send, receive) = oneshot::channel();
    add(
        Box::new(move || assert_eq!(receive.blocking_recv(), Ok(1))),
        Box::new(move || send.send(1).unwrap()),
    );
    let (send, mut receive) = mpsc::channel(1);
    let sender = send.clone();
    add(
        Box::new(move || assert_eq!(receive.blocking_recv(), Some(1))),
        Box::new(move || send.try_send(1).unwrap()),
    );
    drop(sender);
    let (send, mut receive) = mpsc::channel(1);
    send.try_send(1).unwrap();
    add(
        // By then the receiver may be gone.
        Box::new(move || {
            let _ = send.blocking_send(2);
        }),
        Box::new(move || assert_eq!(receive.try_recv(), Ok(1))),
    );
    let (send, mut receive) = mpsc::unbounded_channel();
    add(
        Box::new(move || assert_eq!(receive.blocking_recv(), Some(1))),
        Box::new(move || send.send(1).unwrap()),
    );
    let (send, receive) = mpmc::channel(1);
    add(
        Box::new(move || assert_eq!(receive.blocking_recv(), Ok(1))),
        Box::new(move || send.try_send(1).unwrap()),
    );
    let (send, receive) = mpmc::channel(1);
    send.try_send(1).unwrap();
    let other = receive.clone();
    add(
        Box::new(move || {
            send.blocking_send(2).unwrap();
            drop(other);
        }),
        Box::new(move || assert_eq!(receive.try_recv(), Ok(1))),
    );
    let (send, mut receive) = broadcast::channel(1);
    add(
        Box::new(move || assert_eq!(receive.blocking_recv(), Ok(1))),
        Box::new(move || assert_eq!(send.send(1).unwrap(), 1)),
    );
    let (send, mut receive) = watch::channel(0);
    add(
        Box::new(move || receive.blocking_changed().unwrap()),
        Box::new(move || send.send(1).unwrap()),
    );
    let lock = Arc::new(Mutex::new(0));
    let guard = lock.clone().try_lock_owned().unwrap();
    add(
        Box::new(move || *lock.blocking_lock() += 1),
        Box::new(move || drop(guard)),
    );
    let lock = Arc::new(Mutex::new(0));
    let guard = lock.clone().try_lock_owned().unwrap();
    add(
        Box::new(move || *lock.blocking_lock_owned() += 1),
        Box::new(move || drop(guard)),
    );
    let lock = Arc::new(RwLock::new(0));
    let guard = lock.clone().try_write_owned().unwrap();
    add(
        Box::new(move || assert_eq!(*lock.blocking_read(), 0)),
        Box::new(move || drop(guard)),
    );
    let lock = Arc::new(RwLock::new(0));
    let guard = lock.clone().try_read_owned().unwrap();
    add(
        Box::new(move || *lock.blocking_write() += 1),
        Box::new(move || drop(guard)),
    );
    let room = Arc::new(Semaphore::new(0));
    let other = room.clone();
    add(
        Box::new(move || drop(room.blocking_acquire().unwrap())),
        Box::new(move || other.add_permits(1)),
    );
    let room = Arc::new(Semaphore::new(0));
    let other = room.clone();
    add(
        Box::new(move || drop(room.blocking_acquire_many(2).unwrap())),
        Box::new(move || other.add_permits(2)),
    );
    let group = WaitGroup::new();
    let token = group.add();
    add(
        Box::new(move || group.blocking_wait()),
        Box::new(move || drop(token)),
    );

    for (block, release) in cases {
        let start = Instant::now();
        spawn(async move {
            sleep(SECOND).await;
            release();
        })
        .detach();
        run(Box::new(move || {
            block();
            assert_eq!(start.elapsed(), SECOND);
        }));
        sleep(2 * SECOND).await;
    }
}

/// It hung for ever: nobody but the thread that was blocked could have gone on.
#[test]
fn a_call_that_blocks_lets_the_other_tasks_run() {
    within_reason(|| {
        // Miri takes a minute for one.
        for seed in 0..if cfg!(miri) { 1 } else { 20 } {
            for rt in both(seed) {
                // In the future of `block_on`, in a task, in one that is pinned.
                rt.block_on(each_call(|block| block()));
                rt.block_on(each_call(|block| spawn(async { block() }).detach()));
                rt.block_on(each_call(|block| spawn_local(async { block() }).detach()));
            }
            let rt = simulated(seed);
            rt.block_on(each_call(|block| spawn_blocking(block).detach()));
        }
    });
}

static LINE: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_call_that_blocks_in_vain_is_a_deadlock_that_names_it() {
    let said = simulated(4711).block_on(async move {
        let (_send, mut receive) = mpsc::channel::<()>(1);
        LINE.store(line!() + 1, Ordering::Relaxed);
        let stuck = spawn(async move { receive.blocking_recv() });
        let payload = stuck.await.unwrap_err().into_panic();
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
        message(&*payload)
    });
    let line = LINE.load(Ordering::Relaxed);
    for part in [
        "deadlock in the simulation with seed 4711",
        &format!("the call that blocks its thread at tests/tests/simulated_blocking.rs:{line}"),
        "waits for Receive",
        "so do 0 tasks",
        "Below it, the future in block_on waits for Join",
        "is in the middle of a poll",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}

/// The future in `block_on` is polled by whoever drives, as tasks are.
#[test]
fn what_blocks_may_wait_for_the_future_in_block_on() {
    within_reason(|| {
        for seed in seeds(100) {
            let rt = simulated(seed);
            let answer = rt.block_on(async {
                let (ask, mut asked) = mpsc::channel(1);
                let (answer, answered) = oneshot::channel();
                let blocked = spawn_blocking(move || {
                    ask.blocking_send(6).unwrap();
                    answered.blocking_recv().unwrap() + 1
                });
                let n = asked.recv().await.unwrap();
                sleep(SECOND).await;
                answer.send(n * 7).unwrap();
                blocked.await.unwrap()
            });
            assert_eq!(answer, 43);
            // It may be done, or fail, before what blocks.
            let blocks = |rt: &Runtime| {
                let (send, receive) = oneshot::channel();
                let blocked = rt.spawn(async move { receive.blocking_recv() });
                rt.spawn(async move {
                    sleep(SECOND).await;
                    send.send(7).unwrap();
                })
                .detach();
                blocked
            };
            let blocked = blocks(&rt);
            assert_eq!(rt.block_on(async { 8 }), 8);
            assert_eq!(rt.block_on(blocked).unwrap(), Ok(7));
            let blocked = blocks(&rt);
            let fail = || rt.block_on(async { panic!("on purpose") });
            let payload = catch_unwind(AssertUnwindSafe(fail)).unwrap_err();
            assert_eq!(message(&*payload), "on purpose");
            assert_eq!(rt.block_on(blocked).unwrap(), Ok(7));
        }
    });
}

/// One thread cannot show what two would do: who is below on the stack has to wait. That is said.
#[test]
fn a_call_that_cannot_return_since_others_stand_above_it_is_told_of() {
    let mut told = 0;
    let mut fine = 0;
    for seed in seeds(100) {
        let outcome = simulated(seed).block_on(async {
            let (to_first, mut first) = mpsc::channel(1);
            let (to_second, mut second) = mpsc::channel(1);
            spawn(async move {
                first.blocking_recv();
                // The second may have given up.
                let _ = to_second.send(7).await;
            })
            .detach();
            let second = spawn(async move { second.blocking_recv() });
            sleep(SECOND).await;
            to_first.send(()).await.unwrap();
            second.await
        });
        match outcome {
            Ok(got) => {
                assert_eq!(got, Some(7));
                fine += 1;
            }
            Err(error) => {
                let said = message(&*error.into_panic());
                assert!(said.contains("could go on"), "{said}");
                told += 1;
            }
        }
    }
    assert!(cfg!(miri) || (told > 0 && fine > 0), "{told} {fine}");
}

/// It ended the process: the scope must not return before its children, which nobody could wake any more.
#[test]
fn a_deadlock_in_a_blocking_scope_is_a_panic() {
    for seed in seeds(20) {
        let rt = simulated(seed);
        let text = String::from("borrowed");
        let stuck = || {
            rt.blocking_scope(|scope| {
                drop(scope.spawn(async {
                    std::future::pending::<()>().await;
                    assert_eq!(text, "never");
                }));
            });
        };
        let payload = catch_unwind(AssertUnwindSafe(stuck)).unwrap_err();
        let said = message(&*payload);
        assert!(said.contains("deadlock"), "{said}");
        let nested = rt.spawn(async {
            filch::blocking_scope(|scope| scope.spawn(std::future::pending::<()>()).join().is_ok())
        });
        let error = rt.block_on(nested).unwrap_err();
        assert!(message(&*error.into_panic()).contains("deadlock"));
        let children = rt.blocking_scope(|scope| {
            let tasks = [1, 2].map(|n| {
                scope.spawn(async move {
                    sleep(SECOND).await;
                    n
                })
            });
            tasks.map(|task| task.join().unwrap())
        });
        assert_eq!(children, [1, 2]);
    }
}

/// Blocking calls of a paused runtime have threads of their own, which sleep.
#[test]
fn a_thread_of_the_pool_blocks_as_ever() {
    within_reason(|| {
        paused().block_on(async {
            let (send, receive) = oneshot::channel();
            let called = spawn_blocking(move || receive.blocking_recv().unwrap());
            yield_now().await;
            send.send(7).unwrap();
            assert_eq!(called.await.unwrap(), 7);
        });
    });
}

/// A thread that waits for its turn to drive, in a call that blocks, goes on to drive when it comes.
#[test]
fn a_second_thread_in_block_on_may_block_too() {
    within_reason(|| {
        for _ in 0..20 {
            let rt = Arc::new(paused());
            let (send, receive) = oneshot::channel();
            let other = {
                let rt = rt.clone();
                std::thread::spawn(move || rt.block_on(async { receive.blocking_recv().unwrap() }))
            };
            rt.block_on(async { yield_now().await });
            // Nobody drives now but the other.
            rt.spawn(async move { send.send(7).unwrap() }).detach();
            assert_eq!(other.join().unwrap(), 7);
        }
    });
}

#[test]
fn a_call_that_blocks_hears_of_the_end() {
    within_reason(|| {
        for seed in seeds(20) {
            for rt in both(seed) {
                let handle = rt.handle().clone();
                let (send, receive) = oneshot::channel::<()>();
                rt.spawn(async move {
                    let _send = send;
                    std::future::pending::<()>().await;
                })
                .detach();
                handle.block_on(async move {
                    let blocked = spawn(async move { receive.blocking_recv() });
                    yield_now().await;
                    spawn(async move { drop(rt) }).detach();
                    // It is cancelled, or has got the error of the sender that was dropped.
                    let _ = blocked.await;
                });
            }
        }
    });
}

const CHILD: &str = "the_line_of_a_call_that_blocks_in_vain_repeats_it";

#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn the_line_of_a_call_that_blocks_in_vain_repeats_it() {
    if std::env::var_os("FILCH_TEST_CHILD").is_some() {
        return simulate(0..100, || async {
            // The lock is held over an await by one of the two, now and then.
            let lock = Arc::new(Mutex::new(()));
            let own = lock.clone();
            let holder = spawn(async move {
                let _guard = own.lock().await;
                std::future::pending::<()>().await;
            });
            let blocked = spawn(async move { drop(lock.blocking_lock()) });
            blocked.await.unwrap();
            holder.abort();
        });
    }
    let child = |seed: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([CHILD, "--exact", "--nocapture", "--test-threads=1"]);
        command
            .env("FILCH_TEST_CHILD", "1")
            .env_remove("FILCH_SEED");
        if let Some(seed) = seed {
            command.env("FILCH_SEED", seed);
        }
        String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned()
    };
    let said = child(None);
    let line = "replay with FILCH_SEED=";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert!(said.contains("waits for Mutex"), "{said}");
    let rest = said.split(line).nth(1).unwrap();
    let seed: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let again = child(Some(&seed));
    assert!(
        again.contains("waits for Mutex") && again.contains(line),
        "{again}"
    );
}

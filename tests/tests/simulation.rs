//! Does a seed decide everything in a simulation, do its hours take no time, and are its failures told of with the line that repeats them?

use filch::io::duplex;
use filch::io::sim::{Faults, pair};
use filch::runtime::{Builder, simulate};
use filch::time::{self, Duration, Instant, sleep, timeout};
use filch::{spawn, spawn_blocking, yield_now};
use filch_tests::drops::Tally;
use filch_tests::guard::within_reason;
use filch_tests::message;
use filch_tests::virtual_time::{both, paused, seeds, simulated};
use filch_tests::{is_soak, random::Random};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};

const HOUR: Duration = Duration::from_secs(3600);

fn panic_of(run: impl FnOnce()) -> String {
    message(&*catch_unwind(AssertUnwindSafe(run)).unwrap_err())
}

// ---- Determinism.

/// Who was polled when, by virtual time: tasks that yield, sleep, wait for each other and run out of time.
fn trace(seed: u64) -> Vec<(usize, Duration)> {
    let (note, notes) = mpsc::channel();
    let rt = simulated(seed);
    rt.block_on(async move {
        let start = Instant::now();
        let tasks: Vec<_> = (0..6)
            .map(|task| {
                let note = note.clone();
                spawn(async move {
                    let note =
                        |place: usize| note.send((10 * task + place, start.elapsed())).unwrap();
                    note(0);
                    yield_now().await;
                    note(1);
                    sleep(Duration::from_millis(5)).await;
                    note(2);
                    let called = spawn_blocking(move || task);
                    let _ = timeout(Duration::from_millis(task as u64), sleep(HOUR)).await;
                    note(3);
                    assert_eq!(called.await.unwrap(), task);
                    note(4);
                })
            })
            .collect();
        yield_now().await;
        note.send((100, start.elapsed())).unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    });
    notes.iter().collect()
}

#[test]
fn a_seed_decides_the_order_of_all_polls() {
    let traces: Vec<_> = (0..50).map(trace).collect();
    for (seed, first) in traces.iter().enumerate() {
        assert_eq!(trace(seed as u64), *first, "seed {seed}");
    }
    let different: BTreeSet<_> = traces.iter().collect();
    assert!(different.len() > 45, "{} traces", different.len());
}

/// All six orders of three tasks come up, and the future in `block_on` comes at each place among them.
#[test]
fn every_order_comes_up() {
    let mut orders = BTreeSet::new();
    for seed in 0..1000 {
        let (note, notes) = mpsc::channel();
        simulated(seed).block_on(async {
            let tasks = [1, 2, 3].map(|n| {
                let note = note.clone();
                spawn(async move { note.send(n).unwrap() })
            });
            yield_now().await;
            note.send(0).unwrap();
            for task in tasks {
                task.await.unwrap();
            }
        });
        drop(note);
        orders.insert(notes.iter().collect::<Vec<_>>());
    }
    assert_eq!(orders.len(), 24);
}

#[test]
fn timers_of_one_time_fire_in_any_order_and_those_of_different_times_in_theirs() {
    let mut orders = BTreeSet::new();
    for seed in 0..200 {
        let rt = simulated(seed);
        let (note, notes) = mpsc::channel();
        rt.block_on(async {
            let task = |n: u64| {
                let note = note.clone();
                spawn(async move {
                    sleep(Duration::from_secs(n / 10)).await;
                    note.send(n).unwrap();
                })
            };
            for task in [30, 10, 11, 20, 12].map(task) {
                task.await.unwrap();
            }
        });
        drop(note);
        let order: Vec<_> = notes.iter().collect();
        assert_eq!(order[3..], [20, 30]);
        orders.insert(order);
    }
    assert_eq!(orders.len(), 6);
}

/// Notes its number when it is woken.
struct Noting(u32, mpsc::Sender<u32>);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.1.send(self.0).unwrap();
    }
}

/// In which order timers wake whoever waits for them, if time leaps over all of them: by seconds given, one waker each.
async fn order_of_wakes(seconds: &[u32]) -> Vec<u32> {
    let (note, notes) = mpsc::channel();
    let mut sleeps: Vec<_> = seconds
        .iter()
        .map(|&n| Box::pin(sleep(Duration::from_secs((n / 10).into()))))
        .collect();
    for (sleep, &n) in sleeps.iter_mut().zip(seconds) {
        let waker = Waker::from(Arc::new(Noting(n, note.clone())));
        let poll = sleep.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
    }
    time::advance(HOUR).await;
    yield_now().await;
    notes.try_iter().collect()
}

#[test]
fn wakers_of_one_time_run_in_any_order_and_those_of_different_times_in_theirs() {
    let all = [30, 10, 11, 20, 12];
    let mut orders = BTreeSet::new();
    for seed in 0..200 {
        let order = simulated(seed).block_on(order_of_wakes(&all));
        assert_eq!(order[3..], [20, 30], "seed {seed}");
        orders.insert(order);
    }
    assert_eq!(orders.len(), 6);
    // First in, first out.
    let order = paused().block_on(order_of_wakes(&all));
    assert_eq!(order, [10, 11, 12, 20, 30]);
}

// ---- Many seeds.

/// A tree of tasks that do everything at random, and whose sum is known.
fn grow(depth: usize, random: Random) -> Branch {
    Box::pin(grow_here(depth, random))
}

async fn grow_here(depth: usize, mut random: Random) -> usize {
    let mut tasks = Vec::new();
    for _ in 0..random.below(4) {
        if depth > 0 {
            tasks.push(spawn(grow(depth - 1, random.fork())));
        }
    }
    let mut sum = 1;
    for _ in 0..random.below(4) {
        match random.below(5) {
            0 => yield_now().await,
            1 => sleep(Duration::from_millis(random.below(5) as u64)).await,
            2 => {
                let limit = Duration::from_millis(random.below(10) as u64);
                assert!(timeout(limit, sleep(HOUR)).await.is_err());
            }
            3 => assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7),
            _ => {
                let task = spawn(sleep(HOUR));
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            }
        }
    }
    for task in tasks {
        sum += task.await.unwrap();
    }
    sum
}

type Branch = std::pin::Pin<Box<dyn Future<Output = usize> + Send>>;

#[test]
fn a_random_program_is_right_with_every_seed() {
    within_reason_if_short(|| {
        let seeds = if is_soak() { 10_000 } else { 300 };
        let mut expected = None;
        for seed in 0..seeds {
            // The program is another one for each hundred seeds, the order of its steps for each seed.
            let program = Random::new(seed / 100);
            if seed % 100 == 0 {
                expected = None;
            }
            let rt = simulated(seed);
            let begun = rt.block_on(async { Instant::now() });
            let sum = rt.block_on(grow(4, program));
            let took = rt.block_on(async move { begun.elapsed() });
            assert_eq!(*expected.get_or_insert(sum), sum, "seed {seed}");
            assert!(
                took < HOUR,
                "an aborted sleep was waited for: {took:?}, seed {seed}"
            );
        }
    });
}

fn within_reason_if_short(test: impl FnOnce() + Send + 'static) {
    if is_soak() {
        test();
    } else {
        within_reason(test);
    }
}

// ---- A planted bug.

/// Loses a deposit if another one comes between its two steps, for which one of the tasks has to be late by exactly one turn.
async fn deposits() {
    let balance = Arc::new(AtomicUsize::new(0));
    let tasks = [1, 2].map(|turns| {
        let balance = balance.clone();
        spawn(async move {
            for _ in 0..turns * 4 {
                yield_now().await;
            }
            let before = balance.load(Ordering::Relaxed);
            yield_now().await;
            balance.store(before + 1, Ordering::Relaxed);
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(balance.load(Ordering::Relaxed), 2, "a deposit was lost");
}

const CHILD: &str = "a_planted_bug_is_found_and_its_line_finds_it_again";

#[test]
fn a_planted_bug_is_found_and_its_line_finds_it_again() {
    if std::env::var_os("FILCH_TEST_CHILD").is_some() {
        return simulate(0..1000, deposits);
    }
    let child = |seed: Option<&str>| {
        let own = std::env::current_exe().unwrap();
        let mut command = Command::new(own);
        command.args([CHILD, "--exact", "--nocapture", "--test-threads=1"]);
        command
            .env("FILCH_TEST_CHILD", "1")
            .env_remove("FILCH_SEED");
        if let Some(seed) = seed {
            command.env("FILCH_SEED", seed);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (is_right, said) = child(None);
    assert!(!is_right, "not found in a thousand seeds: {said}");
    assert!(said.contains("a deposit was lost"), "{said}");
    let line = "filch: simulation failed; replay with FILCH_SEED=";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert!(!said.contains("replay with seed"), "told of twice: {said}");
    let rest = said.split(line).nth(1).unwrap();
    let seed: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let (is_right, said) = child(Some(&seed));
    assert!(!is_right);
    assert!(said.contains("a deposit was lost"), "{said}");
    assert!(said.contains(&format!("{line}{seed}")), "{said}");
    // Most seeds are harmless: that one is, or one soon after it.
    let harmless = (0..100).any(|seed: u64| child(Some(&seed.to_string())).0);
    assert!(harmless);
}

#[test]
fn a_failure_outside_of_simulate_is_told_of_once() {
    if std::env::var_os("FILCH_TEST_CHILD").is_some() {
        let rt = simulated(77);
        let fail = || rt.block_on(async { panic!("on purpose") });
        catch_unwind(AssertUnwindSafe(fail)).unwrap_err();
        // The runtime is as good as before.
        assert_eq!(rt.block_on(async { spawn(async { 7 }).await.unwrap() }), 7);
        rt.block_on(async { panic!("again") });
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "a_failure_outside_of_simulate_is_told_of_once",
            "--exact",
            "--nocapture",
        ])
        .env("FILCH_TEST_CHILD", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(said.matches("replay with seed 77").count(), 1, "{said}");
}

// ---- Time.

#[test]
fn virtual_years_pass_in_no_time() {
    within_reason(|| {
        for rt in both(3) {
            rt.block_on(async {
                let start = Instant::now();
                let long = spawn(sleep(24 * 365 * HOUR));
                let mut beat = time::interval(HOUR);
                for _ in 0..1000 {
                    beat.tick().await;
                }
                assert_eq!(start.elapsed(), 999 * HOUR);
                long.await.unwrap();
                assert_eq!(start.elapsed(), 24 * 365 * HOUR);
            });
        }
    });
}

#[test]
fn advance_wakes_what_becomes_due() {
    for rt in both(5) {
        rt.block_on(async {
            let start = Instant::now();
            let (note, notes) = mpsc::channel();
            for seconds in [3, 1, 2, 9] {
                let note = note.clone();
                spawn(async move {
                    sleep(Duration::from_secs(seconds)).await;
                    note.send((seconds, start.elapsed().as_secs())).unwrap();
                })
                .detach();
            }
            // They have begun to sleep when the first of them wakes.
            sleep(Duration::from_millis(500)).await;
            time::advance(Duration::from_secs(5)).await;
            let at = start.elapsed();
            assert_eq!(at, Duration::from_millis(5500));
            sleep(Duration::from_millis(1)).await;
            let woken: BTreeSet<_> = notes.try_iter().collect();
            assert_eq!(woken, BTreeSet::from([(1, 5), (2, 5), (3, 5)]));
            sleep(Duration::from_secs(100)).await;
            assert_eq!(notes.try_iter().collect::<Vec<_>>(), [(9, 9)]);
        });
    }
}

#[test]
fn time_that_is_resumed_goes_by_itself() {
    within_reason(|| {
        paused().block_on(async {
            time::sleep(HOUR).await;
            time::resume();
            let start = Instant::now();
            sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() >= Duration::from_millis(5));
            assert!(start.elapsed() < HOUR);
            time::pause();
            let still = Instant::now();
            yield_now().await;
            assert_eq!(still.elapsed(), Duration::ZERO);
            sleep(HOUR).await;
            assert_eq!(still.elapsed().as_secs(), 3600);
        });
    });
}

#[test]
fn who_moves_time_that_cannot_be_moved_is_told_why() {
    let rt = Builder::new().worker_threads(1).build().unwrap();
    let said = panic_of(|| rt.block_on(async { time::pause() }));
    assert!(said.contains("start_paused(true)"), "{said}");
    let said = panic_of(|| rt.block_on(time::advance(HOUR)));
    assert!(said.contains("start_paused(true)"), "{said}");
    let said = panic_of(time::resume);
    assert!(said.contains("needs a runtime"), "{said}");
    let said = panic_of(|| simulated(1).block_on(async { time::resume() }));
    assert!(said.contains("always virtual"), "{said}");
    simulated(1).block_on(async { time::pause() });
    let said = panic_of(|| paused().block_on(async { time::pause() }));
    assert!(said.contains("stands still already"), "{said}");
    let resumed_twice = async {
        time::resume();
        time::resume();
    };
    let said = panic_of(|| paused().block_on(resumed_twice));
    assert!(said.contains("goes already"), "{said}");
    let moving = async {
        time::resume();
        time::advance(HOUR).await;
    };
    let said = panic_of(|| paused().block_on(moving));
    assert!(said.contains("call time::pause"), "{said}");
}

// ---- What a paused runtime waits for.

#[test]
fn a_blocking_call_holds_time_still() {
    within_reason(|| {
        paused().block_on(async {
            let is_over = Arc::new(AtomicBool::new(false));
            let (tell, look) = (is_over.clone(), is_over);
            let sleeper = spawn(async move {
                let start = Instant::now();
                sleep(HOUR).await;
                tell.store(true, Ordering::SeqCst);
                start.elapsed()
            });
            // On a thread of its own, which takes its time; the hour is over afterwards only.
            let early = spawn_blocking(move || {
                for _ in 0..1000 {
                    std::thread::yield_now();
                }
                look.load(Ordering::SeqCst)
            });
            assert!(!early.await.unwrap(), "time went while a call ran");
            assert_eq!(sleeper.await.unwrap(), HOUR);
        });
    });
}

#[test]
fn a_paused_runtime_hears_other_threads_and_descriptors() {
    within_reason(|| {
        let rt = paused();
        let handle = rt.handle().clone();
        rt.block_on(async {
            for _ in 0..100 {
                let handle = handle.clone();
                let thread = std::thread::spawn(move || handle.spawn(async { 7 }));
                // Nothing else is to be done meanwhile, and no timer is armed.
                let (send, receive) = mpsc::channel();
                let joiner = std::thread::spawn(move || send.send(thread.join().unwrap()).unwrap());
                let task = loop {
                    match receive.try_recv() {
                        Ok(task) => break task,
                        Err(_) => yield_now().await,
                    }
                };
                assert_eq!(task.await.unwrap(), 7);
                joiner.join().unwrap();
            }
            let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            theirs.set_nonblocking(true).unwrap();
            let theirs = filch::io::AsyncFd::new(theirs).unwrap();
            let writer = std::thread::spawn(move || std::io::Write::write_all(&mut ours, b"!"));
            let mut byte = [0];
            let read = theirs.async_read(|mut stream| std::io::Read::read(&mut stream, &mut byte));
            assert_eq!(read.await.unwrap(), 1);
            writer.join().unwrap().unwrap();
        });
    });
}

/// Only one thread drives at a time; when it is done, one of those that wait goes on. Pool threads may wait in `block_on` as well.
#[test]
fn a_paused_runtime_is_driven_by_whoever_is_there() {
    within_reason(|| {
        for round in 0..100 {
            let rt = Arc::new(paused());
            let threads: Vec<_> = (0..4)
                .map(|n| {
                    let rt = rt.clone();
                    std::thread::spawn(move || {
                        rt.block_on(async move {
                            let task = spawn(async move {
                                sleep(Duration::from_secs((n * round) % 7)).await;
                                n
                            });
                            task.await.unwrap()
                        })
                    })
                })
                .collect();
            let handle = rt.handle().clone();
            let inner = handle.clone();
            let called =
                handle.spawn_blocking(move || inner.block_on(inner.spawn(async { 7 })).unwrap());
            let sum: u64 = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum();
            assert_eq!(sum, 6);
            assert_eq!(rt.block_on(called).unwrap(), 7);
        }
    });
}

/// Tasks are polled first in, first out, and a task that never waits keeps nobody out.
#[test]
fn a_paused_runtime_is_fair() {
    within_reason(|| {
        paused().block_on(async {
            let done = Arc::new(AtomicBool::new(false));
            let spinning = spawn({
                let done = done.clone();
                async move {
                    while !done.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                }
            });
            for _ in 0..10 {
                spawn(async { yield_now().await }).await.unwrap();
            }
            // Nor does the future in `block_on`.
            let other = spawn(async {
                for _ in 0..10 {
                    yield_now().await;
                }
            });
            while !other.is_finished() {
                yield_now().await;
            }
            done.store(true, Ordering::Relaxed);
            spinning.await.unwrap();
        });
    });
}

// ---- Deadlocks.

#[test]
fn a_deadlock_is_told_of_with_seed_time_and_tasks() {
    let rt = simulated(4711);
    let stuck = async {
        for _ in 0..3 {
            spawn(std::future::pending::<()>()).detach();
        }
        sleep(HOUR).await;
        let never = spawn(sleep(Duration::MAX));
        never.await.unwrap();
    };
    let said = panic_of(|| rt.block_on(stuck));
    for part in [
        "deadlock",
        "seed 4711",
        "3600s",
        "so do 4 tasks",
        "spawn_blocking",
        "simulation.rs:",
        "waits for: Timer",
        "waits for: Unknown",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    // It can still be used, and ends.
    assert_eq!(rt.block_on(async { 7 }), 7);
    assert!(rt.shutdown_timeout(Duration::MAX));
}

// ---- block_on within a task, and other runtimes.

#[test]
fn a_nested_block_on_drives_the_simulation() {
    for seed in seeds(100) {
        let rt = simulated(seed);
        let handle = rt.handle().clone();
        rt.block_on(async move {
            let other = spawn(async {
                sleep(HOUR).await;
                7
            });
            let nesting = spawn(async move {
                let inner = handle.clone();
                handle.block_on(async move {
                    let task = spawn(async move {
                        sleep(Duration::from_secs(1)).await;
                        inner.block_on(other).unwrap()
                    });
                    task.await.unwrap() + 1
                })
            });
            assert_eq!(nesting.await.unwrap(), 8);
        });
    }
}

#[test]
fn a_nested_deadlock_is_a_panic_of_its_task() {
    let rt = simulated(1);
    let handle = rt.handle().clone();
    rt.block_on(async move {
        let stuck = spawn(async move { handle.block_on(std::future::pending::<()>()) });
        let said = message(&*stuck.await.unwrap_err().into_panic());
        assert!(said.contains("stands within a poll"), "{said}");
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
    });
}

#[test]
fn simulations_and_runtimes_may_be_used_in_each_other() {
    within_reason(|| {
        let real = Builder::new().worker_threads(1).build().unwrap();
        let outer = simulated(1);
        let sum = outer.block_on(async {
            spawn(async move {
                let inner = simulated(2);
                let of_inner = inner.block_on(async {
                    sleep(HOUR).await;
                    spawn(async { 1 }).await.unwrap()
                });
                drop(inner);
                let of_real = real.block_on(async {
                    let task = spawn(async {
                        sleep(Duration::from_millis(1)).await;
                        10
                    });
                    task.await.unwrap()
                });
                of_inner + of_real
            })
            .await
        });
        assert_eq!(sum.unwrap(), 11);
    });
}

#[test]
fn a_worker_of_another_runtime_may_drive() {
    within_reason(|| {
        let real = Builder::new().worker_threads(1).build().unwrap();
        let sum = real.block_on(async {
            let task = spawn(async {
                let other = spawn(async { 1 });
                let rt = simulated(3);
                let of_simulation = rt.block_on(async {
                    sleep(HOUR).await;
                    // What is awaited of the other runtime happens there, on another thread.
                    let answer = spawn(async { 10 });
                    answer.await.unwrap()
                });
                drop(rt);
                of_simulation + other.await.unwrap()
            });
            task.await.unwrap()
        });
        assert_eq!(sum, 11);
    });
}

#[test]
fn a_second_thread_is_refused() {
    within_reason(|| {
        let rt = simulated(1);
        let handle = rt.handle().clone();
        rt.block_on(async move {
            let thread = std::thread::spawn(move || panic_of(|| handle.block_on(async {})));
            let said = thread.join().unwrap();
            assert!(said.contains("another thread drives"), "{said}");
        });
    });
}

#[test]
fn another_thread_may_drive_after_the_first() {
    let rt = Arc::new(simulated(1));
    let task = rt.spawn(async { 7 });
    let own = rt.clone();
    let thread = std::thread::spawn(move || own.block_on(task).unwrap());
    assert_eq!(thread.join().unwrap(), 7);
    assert_eq!(rt.block_on(async { spawn(async { 8 }).await.unwrap() }), 8);
}

// ---- The end.

#[test]
fn what_is_left_is_dropped_with_the_runtime() {
    for seed in seeds(50) {
        for rt in both(seed) {
            let drops = Tally::new();
            let waiting: Vec<_> = (0..10)
                .map(|n| {
                    let token = drops.track();
                    rt.spawn(async move {
                        let _token = token;
                        if n % 2 == 0 {
                            sleep(HOUR).await;
                        }
                        std::future::pending::<()>().await;
                    })
                })
                .collect();
            rt.block_on(async { sleep(Duration::from_secs(1)).await });
            drop(rt);
            drops.assert_all_gone();
            drop(waiting);
        }
    }
}

#[test]
fn a_runtime_that_never_ran_ends() {
    for rt in both(0) {
        let drops = Tally::new();
        let token = drops.track();
        let task = rt.spawn(async move { drop(token) });
        let handle = rt.handle().clone();
        assert!(rt.shutdown_timeout(Duration::MAX));
        drops.assert_all_gone();
        assert!(handle.block_on(task).unwrap_err().is_cancelled());
        assert!(
            handle
                .block_on(handle.spawn(async {}))
                .unwrap_err()
                .is_cancelled()
        );
    }
}

#[test]
fn a_runtime_may_be_dropped_within_its_own_task() {
    within_reason(|| {
        for seed in seeds(50) {
            for rt in both(seed) {
                let handle = rt.handle().clone();
                let drops = Tally::new();
                let token = drops.track();
                rt.spawn(async move {
                    let _token = token;
                    std::future::pending::<()>().await;
                })
                .detach();
                let own = handle.clone();
                let error = handle.block_on(async move {
                    let waits = spawn(std::future::pending::<()>());
                    let task = spawn(async move {
                        yield_now().await;
                        // From within a nested block_on, which goes on without it.
                        own.block_on(async move {
                            drop(rt);
                            sleep(HOUR).await;
                        });
                    });
                    let _ = task.await;
                    waits.await.unwrap_err()
                });
                assert!(error.is_cancelled());
                drops.assert_all_gone();
            }
        }
    });
}

/// It is over before the loop has looked again whether the end has begun.
#[test]
fn a_runtime_may_be_dropped_by_the_future_in_block_on() {
    for rt in both(1) {
        let drops = Tally::new();
        let token = drops.track();
        let task = rt.spawn(async move {
            let _token = token;
            std::future::pending::<()>().await;
        });
        let handle = rt.handle().clone();
        handle.block_on(async move { drop(rt) });
        drops.assert_all_gone();
        assert!(handle.block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_runtime_may_be_dropped_while_another_thread_drives_it() {
    within_reason(|| {
        for rt in both(1) {
            let drops = Tally::new();
            let token = drops.track();
            let task = rt.spawn(async move {
                let _token = token;
                std::future::pending::<()>().await;
            });
            let handle = rt.handle().clone();
            let (begin, begun) = mpsc::channel();
            let driving = std::thread::spawn(move || {
                handle.block_on(async move {
                    begin.send(()).unwrap();
                    while !task.is_finished() {
                        yield_now().await;
                    }
                });
            });
            begun.recv().unwrap();
            drop(rt);
            drops.assert_all_gone();
            driving.join().unwrap();
        }
    });
}

// ---- Streams.

#[test]
fn a_simulation_has_no_descriptors() {
    let said = simulated(0).block_on(async {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        filch::io::AsyncFd::new(one).unwrap_err().to_string()
    });
    assert!(said.contains("filch::io::duplex"), "{said}");
}

#[test]
fn an_echo_over_a_bad_network_is_whole_or_reset() {
    let mut resets = 0;
    let mut times = BTreeSet::new();
    for seed in 0..200 {
        let (result, took) = simulated(seed).block_on(async {
            let faults = Faults::new()
                .tear(true)
                .delay(Duration::ZERO..=Duration::from_secs(1))
                .reset(0.002)
                .capacity(100);
            let (mut ours, theirs) = pair(faults);
            let start = Instant::now();
            spawn(async move {
                let mut theirs = theirs;
                let mut room = [0; 64];
                loop {
                    let n = theirs.read(&mut room).await?;
                    if n == 0 {
                        return std::io::Result::Ok(());
                    }
                    theirs.write_all(&room[..n]).await?;
                }
            })
            .detach();
            let talk = async {
                let sent: Vec<u8> = (0..150).collect();
                ours.write_all(&sent).await?;
                ours.close().await?;
                let mut got = Vec::new();
                ours.read_to_end(&mut got).await?;
                assert_eq!(got, sent);
                std::io::Result::Ok(())
            };
            (talk.await, start.elapsed())
        });
        times.insert(took);
        if let Err(error) = result {
            use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
            assert!(
                matches!(error.kind(), ConnectionReset | BrokenPipe),
                "{error}"
            );
            resets += 1;
        }
    }
    assert!((1..199).contains(&resets), "{resets} of 200 were reset");
    assert!(times.len() > 100, "the network does not change");
}

#[test]
fn a_delay_is_in_its_range_and_keeps_the_order() {
    for seed in seeds(100) {
        simulated(seed).block_on(async {
            let (least, most) = (Duration::from_secs(1), Duration::from_secs(3));
            let (mut ours, mut theirs) = pair(Faults::new().delay(least..=most));
            let start = Instant::now();
            for n in 0..10 {
                assert_eq!(ours.write(&[n]).await.unwrap(), 1);
            }
            drop(ours);
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, (0..10).collect::<Vec<_>>());
            // All are under way at the same time. Timers are rounded up to the millisecond.
            let took = start.elapsed();
            assert!(
                least <= took && took <= most + Duration::from_millis(1),
                "{took:?}"
            );
        });
    }
}

/// When a runtime ends every timer fires: what is under way arrives, instead of being asked for again and again.
#[test]
fn what_is_under_way_arrives_when_the_runtime_ends() {
    within_reason(|| {
        let rt = simulated(1);
        let handle = rt.handle().clone();
        let (mut ours, mut theirs) = rt.block_on(async { pair(Faults::new().delay(HOUR..=HOUR)) });
        rt.block_on(ours.write_all(b"late")).unwrap();
        drop(rt);
        let mut got = [0; 4];
        handle.block_on(theirs.read_exact(&mut got)).unwrap();
        assert_eq!(&got, b"late");
    });
}

#[test]
fn a_reset_is_heard_by_who_waits() {
    let (ours, mut theirs) = pair(Faults::new());
    simulated(9).block_on(async move {
        let reader = spawn(async move { theirs.read(&mut [0]).await.unwrap_err().kind() });
        sleep(HOUR).await;
        ours.reset();
        assert_eq!(reader.await.unwrap(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn back_pressure_holds_in_a_simulation() {
    for seed in seeds(100) {
        simulated(seed).block_on(async {
            let (mut ours, mut theirs) = duplex(10);
            let written = Arc::new(AtomicUsize::new(0));
            let count = written.clone();
            spawn(async move {
                for _ in 0..100 {
                    ours.write_all(b"x").await.unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .detach();
            sleep(HOUR).await;
            assert_eq!(written.load(Ordering::Relaxed), 10);
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            assert_eq!(got.len(), 100);
        });
    }
}

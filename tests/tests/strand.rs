//! Is nothing stranded behind a task that hogs its worker?
//!
//! A task that spins here spins until the thing it could strand has happened: without a rescue the test hangs, and the guard says so. No
//! test says how fast; the ignored ones at the end measure that:
//!
//! ```sh
//! cargo test --release -p filch-tests --test strand -- --ignored --nocapture --test-threads=1
//! ```

use filch::Runtime;
use filch::io::AsyncFd;
use filch::runtime::Builder;
use filch::time::{Duration, Instant, sleep};
use filch_net::TcpListener;
use filch_tests::guard::{spin_until, within_reason};
use filch_tests::random::Random;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};

fn two_workers() -> Runtime {
    Builder::new().worker_threads(2).build().expect("a runtime")
}

/// Runs a task that hogs its worker on fresh runtimes of two workers, again and again: what it strands is each time elsewhere.
fn hog<F: Future<Output = ()> + Send + 'static>(rounds: usize, task: impl Fn() -> F) {
    let rt = two_workers();
    for _ in 0..rounds {
        let task = rt.spawn(task());
        let handle = rt.handle().clone();
        within_reason(move || handle.block_on(task).expect("no panic"));
    }
}

/// A flag that one sets and others see.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A task that waits to be woken, and sets the flag when it runs again. The waker comes when it waits.
async fn parked() -> (Waker, Flag) {
    let (send, receive) = mpsc::channel();
    let ran = Flag::default();
    filch::spawn({
        let ran = ran.clone();
        let mut is_first = true;
        poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                send.send(cx.waker().clone())
                    .expect("the test waits for it");
                return Poll::Pending;
            }
            ran.set();
            Poll::Ready(())
        })
    })
    .detach();
    loop {
        match receive.try_recv() {
            Ok(waker) => return (waker, ran),
            Err(_) => filch::yield_now().await,
        }
    }
}

#[test]
fn a_task_woken_by_one_that_spins_runs_elsewhere() {
    hog(200, || async {
        let (waker, ran) = parked().await;
        waker.wake();
        spin_until("the woken task has run", || ran.is_set());
    });
}

#[test]
fn tasks_spawned_by_one_that_spins_run_elsewhere() {
    for tasks in [1, 2, 3, 100] {
        hog(50, move || async move {
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..tasks {
                let ran = ran.clone();
                filch::spawn(async move {
                    filch::yield_now().await;
                    ran.fetch_add(1, Ordering::SeqCst);
                })
                .detach();
            }
            spin_until("they have run", || ran.load(Ordering::SeqCst) == tasks);
        });
    }
}

#[test]
fn a_task_woken_into_the_slot_again_and_again_is_rescued_each_time() {
    hog(20, || async {
        for _ in 0..10 {
            let (waker, ran) = parked().await;
            waker.wake_by_ref();
            spin_until("the woken task has run", || ran.is_set());
        }
    });
}

#[test]
fn a_joiner_runs_although_the_task_it_awaits_left_its_worker_to_a_hog() {
    hog(100, || async {
        let (go, joined) = (Flag::default(), Flag::default());
        let (mine, theirs) = (go.clone(), joined.clone());
        let child = filch::spawn(async move {
            while !mine.is_set() {
                filch::yield_now().await;
            }
        });
        filch::spawn(async move {
            child.await.expect("no panic");
            theirs.set();
        })
        .detach();
        go.set();
        spin_until("the child has been joined", || joined.is_set());
    });
}

#[test]
fn a_socket_of_one_that_spins_is_served_elsewhere() {
    hog(50, || async {
        // Registered with the poller of this worker, which the rest of this poll then hogs.
        let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.set_nonblocking(true).expect("a socket option");
        let theirs = AsyncFd::new(theirs).expect("a descriptor");
        let (waiting, served) = (Flag::default(), Flag::default());
        let (is_waiting, has_served) = (waiting.clone(), served.clone());
        filch::spawn(async move {
            let mut byte = [0];
            let read = theirs.async_read(|mut stream| {
                let read = stream.read(&mut byte);
                waiting.set();
                read
            });
            assert_eq!(read.await.expect("a byte"), 1);
            served.set();
        })
        .detach();
        spin_until("the reader waits", || is_waiting.is_set());
        ours.write_all(b"x").expect("room for a byte");
        spin_until("the reader is served", || has_served.is_set());
    });
}

#[test]
fn an_expired_timer_of_one_that_spins_fires_elsewhere() {
    hog(50, || async {
        // Polled here, it stands in the wheel of this worker, and stays there.
        let mut timer = Box::pin(sleep(Duration::from_millis(2)));
        assert!(
            futures_lite::future::poll_once(timer.as_mut())
                .await
                .is_none()
        );
        let fired = Flag::default();
        let has_fired = fired.clone();
        filch::spawn(async move {
            timer.await;
            fired.set();
        })
        .detach();
        spin_until("the timer has fired", || has_fired.is_set());
    });
}

/// All but one of the workers spin, and what they strand is served by the one that is left.
#[test]
fn one_worker_serves_what_the_others_strand() {
    const HOGS: usize = 3;
    for _ in 0..20 {
        let rt = Builder::new().worker_threads(HOGS + 1).build().unwrap();
        let hogs: Vec<_> = (0..HOGS)
            .map(|_| {
                rt.spawn(async {
                    let ran = Flag::default();
                    let has_run = ran.clone();
                    filch::spawn(async move {
                        sleep(Duration::from_millis(1)).await;
                        ran.set();
                    })
                    .detach();
                    spin_until("what was spawned has slept and run", || has_run.is_set());
                })
            })
            .collect();
        within_reason(move || {
            for hog in hogs {
                rt.block_on(hog).expect("no panic");
            }
        });
    }
}

/// The others have work of their own all the time, so that they never look for any elsewhere.
#[test]
fn tasks_behind_one_that_spins_run_though_the_others_are_busy() {
    let rt = two_workers();
    let is_over = Flag::default();
    let busy: Vec<_> = (0..6)
        .map(|_| {
            let is_over = is_over.clone();
            rt.spawn(async move {
                while !is_over.is_set() {
                    filch::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let hog = rt.spawn(async {
            let flags: Vec<_> = (0..20).map(|_| Flag::default()).collect();
            for flag in &flags {
                let flag = flag.clone();
                filch::spawn(async move { flag.set() }).detach();
            }
            spin_until("all that was spawned has run", || {
                flags.iter().all(Flag::is_set)
            });
        });
        let handle = rt.handle().clone();
        within_reason(move || handle.block_on(hog).expect("no panic"));
    }
    is_over.set();
    within_reason(move || {
        for task in busy {
            rt.block_on(task).expect("no panic");
        }
    });
}

// Measurements: they print, and judge nothing.

/// Prints the median and the 99th percentile.
fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "{what}: p50 {:?}, p90 {:?}, p95 {:?}, p99 {:?}, longest {:?}, of {}",
        at(50),
        at(90),
        at(95),
        at(99),
        at(100),
        times.len()
    );
}

fn spin_for(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Repeats a task that hogs its worker and tells how long the other thing took.
fn measure<F: Future<Output = ()> + Send + 'static>(
    what: &str,
    samples: usize,
    hog: impl Fn(mpsc::Sender<Duration>) -> F,
) {
    let rt = two_workers();
    let (send, receive) = mpsc::channel();
    for _ in 0..samples {
        let task = rt.spawn(hog(send.clone()));
        rt.block_on(task).expect("no panic");
        // Both workers fall asleep, and the sentinel too, every now and then.
        rt.block_on(sleep(Duration::from_millis(3)));
    }
    drop(rt);
    drop(send);
    let times: Vec<_> = receive.iter().collect();
    assert_eq!(times.len(), samples, "{what}: some were never served");
    print(what, times);
}

#[test]
#[ignore = "a measurement"]
fn measure_a_task_woken_before_a_spin_of_10_ms() {
    measure("woken, then 10 ms of spinning", 1000, |tell| async move {
        let (send, receive) = mpsc::channel();
        let woken_at = Arc::new(std::sync::OnceLock::<Instant>::new());
        filch::spawn({
            let (woken_at, mut is_first) = (woken_at.clone(), true);
            poll_fn(move |cx| {
                if std::mem::take(&mut is_first) {
                    send.send(cx.waker().clone()).expect("the test waits");
                    return Poll::Pending;
                }
                let woken_at = woken_at.get().expect("set before the wake");
                tell.send(woken_at.elapsed()).expect("the test waits");
                Poll::Ready(())
            })
        })
        .detach();
        let waker: Waker = loop {
            match receive.try_recv() {
                Ok(waker) => break waker,
                Err(_) => filch::yield_now().await,
            }
        };
        // The other worker shall be asleep.
        sleep(Duration::from_millis(2)).await;
        woken_at.set(Instant::now()).expect("set once");
        waker.wake();
        spin_for(Duration::from_millis(10));
    });
}

#[test]
#[ignore = "a measurement"]
fn measure_a_socket_whose_owner_spins_for_100_ms() {
    measure(
        "readable while its owner spins 100 ms",
        200,
        |tell| async move {
            let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
            theirs.set_nonblocking(true).expect("a socket option");
            let theirs = AsyncFd::new(theirs).expect("a descriptor");
            let written_at = Arc::new(std::sync::OnceLock::<Instant>::new());
            let waiting = Flag::default();
            filch::spawn({
                let (written_at, waiting) = (written_at.clone(), waiting.clone());
                async move {
                    let mut byte = [0];
                    let read = theirs.async_read(|mut stream| {
                        let read = stream.read(&mut byte);
                        waiting.set();
                        read
                    });
                    read.await.expect("a byte");
                    let written_at = written_at.get().expect("set before the write");
                    tell.send(written_at.elapsed()).expect("the test waits");
                }
            })
            .detach();
            spin_until("the reader waits", || waiting.is_set());
            // The data comes from outside, in the middle of the spin, when the other worker is asleep.
            let writer = std::thread::spawn(move || {
                spin_for(Duration::from_millis(5));
                written_at.set(Instant::now()).expect("set once");
                ours.write_all(b"x").expect("room for a byte");
                ours
            });
            spin_for(Duration::from_millis(100));
            drop(writer.join());
        },
    );
}

/// Asks an echo server of 64 connections on two workers, one question after the other on connections at random, while nothing else happens, and while one worker is hogged a second at a time.
#[test]
#[ignore = "a measurement"]
fn measure_connections_of_a_worker_that_is_hogged_for_a_second() {
    const ROUNDS: usize = 20;
    let rt = two_workers();
    let mut clients = rt.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let addr = listener.local_addr().expect("its address");
        let server = filch::spawn(async move {
            for _ in 0..64 {
                let (mut stream, _peer) = listener.accept().await.expect("a connection");
                filch::spawn(async move {
                    let mut byte = [0];
                    while let Ok(()) = stream.read_exact(&mut byte).await {
                        stream.write_all(&byte).await.expect("room for a byte");
                    }
                })
                .detach();
            }
        });
        let clients: Vec<_> = (0..64)
            .map(|_| std::net::TcpStream::connect(addr).expect("a connection"))
            .collect();
        server.await.expect("no panic");
        clients
    });
    let mut random = Random::new(1);
    for is_hogged in [false, true] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let is_over = Flag::default();
            if is_hogged {
                let is_over = is_over.clone();
                let begun = Flag::default();
                let is_spinning = begun.clone();
                let hog = rt.spawn(async move {
                    is_spinning.set();
                    spin_for(Duration::from_secs(1));
                    is_over.set();
                });
                hog.detach();
                spin_until("the worker is hogged", || begun.is_set());
            }
            for _ in 0..500 {
                if is_over.is_set() {
                    break;
                }
                let client = &mut clients[random.below(64)];
                let asked = Instant::now();
                client.write_all(b"x").expect("room for a byte");
                client.read_exact(&mut [0]).expect("an echo");
                times.push(asked.elapsed());
                std::thread::park_timeout(Duration::from_millis(1));
            }
            while is_hogged && !is_over.is_set() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        let what = match is_hogged {
            false => "echo, both workers idle",
            true => "echo, one worker hogged for a second",
        };
        print(what, times);
    }
}

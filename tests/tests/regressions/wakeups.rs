//! Wake-ups held back, timers and drivers not looked at.

use super::{Flag, poll_with, runtime};
use filch::io::AsyncFd;
use filch::time::{Duration, Instant, sleep};
use filch_tests::guard::{eventually, spin_until, within_reason};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread::{self, ThreadId};

/// A worker that was woken as a searcher, and whose own driver had something too, never ended its search; meanwhile nobody was woken for what others
/// pushed.
#[test]
fn a_searcher_with_events_of_its_own_strands_nothing() {
    const ROUNDS: usize = 60;
    let rt = runtime(3);
    let handle = rt.handle().clone();
    let strand_something = Arc::new(move |round: usize| {
        // Readers on all workers, that spin politely once they have got their byte.
        let (is_over, places) = (Flag::default(), Arc::new(Mutex::new(Vec::new())));
        let readers: Vec<_> = (0..6)
            .map(|_| handle.spawn(reader_that_goes_on(places.clone(), is_over.clone())))
            .collect();
        eventually("all readers are there", || {
            (places.lock().unwrap().len() == readers.len()).then_some(())
        });
        // All workers shall be asleep.
        thread::sleep(Duration::from_millis(5));
        let ours = places.clone();
        let hog = handle.spawn(async move {
            let mut places = ours.lock().unwrap();
            let me = thread::current().id();
            let elsewhere: Vec<_> = places
                .iter_mut()
                .filter(|(owner, _)| *owner != me)
                .collect();
            let count = elsewhere.len();
            if let Some((_, writer)) = elsewhere.into_iter().nth(round % count.max(1)) {
                writer.write_all(b"x").unwrap();
                let ran = Flag::default();
                let has_run = ran.clone();
                filch::spawn(async move { ran.set() }).detach();
                // Pushes the other out of the slot, into the queue, and so wakes a worker for it.
                filch::spawn(async {}).detach();
                spin_until("what stands behind this poll runs elsewhere", || {
                    has_run.is_set()
                });
            }
        });
        handle.block_on(hog).expect("nothing is stranded");
        is_over.set();
        places.lock().unwrap().clear();
        for reader in readers {
            handle.block_on(reader).unwrap();
        }
    });
    for round in 0..ROUNDS {
        let strand_something = strand_something.clone();
        within_reason(move || strand_something(round));
    }
}

async fn reader_that_goes_on(places: Arc<Mutex<Vec<(ThreadId, UnixStream)>>>, is_over: Flag) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let theirs = AsyncFd::new(theirs).unwrap();
    places.lock().unwrap().push((thread::current().id(), ours));
    // Long enough for the next reader to begin on another worker.
    spin_for(Duration::from_millis(1));
    let mut byte = [0];
    let _ = theirs.async_read(|mut stream| stream.read(&mut byte)).await;
    while !is_over.is_set() {
        filch::yield_now().await;
    }
}

/// A batch of polls that was ended by a search that found something never looked at the clock: timers did not fire while the injector lasted.
#[test]
fn a_timer_fires_while_outside_spawns_last() {
    behind_a_full_injector(|waker| {
        let mut timer = Box::pin(sleep(Duration::from_millis(1)));
        assert!(!poll_with(&mut timer, waker));
        timer
    });
}

/// The same for the driver: what was readable was not reported while the injector lasted.
#[test]
fn a_driver_is_looked_at_while_outside_spawns_last() {
    behind_a_full_injector(|waker| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = AsyncFd::new(theirs).unwrap();
        // A new descriptor counts as ready.
        let nothing = theirs.try_read(|mut stream| stream.read(&mut [0]));
        assert!(nothing.is_err());
        let polled = theirs.poll_read_ready(&mut Context::from_waker(waker));
        assert!(polled.is_pending());
        ours.write_all(b"x").unwrap();
        (ours, theirs)
    });
}

/// One worker, a task that arms something, and so many tasks behind it that what it has armed must wake before the last of them.
fn behind_a_full_injector<T: Send + 'static>(arm: fn(&Waker) -> T) {
    const TASKS: usize = 400_000;
    /// By then batches are as long as they become.
    const ARMED_AFTER: usize = 40_000;

    /// Tells how many tasks had run when it was woken.
    struct Count(Arc<AtomicUsize>, mpsc::Sender<usize>);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            // Nobody listens to a second time.
            let _ = self.1.send(self.0.load(Ordering::Relaxed));
        }
    }

    within_reason(move || {
        let rt = runtime(1);
        let (open, is_open) = mpsc::channel::<()>();
        rt.spawn(async move {
            let _ = is_open.recv();
        })
        .detach();
        let ran = Arc::new(AtomicUsize::new(0));
        let (woken, is_woken) = mpsc::channel();
        let waker = Arc::new(Count(ran.clone(), woken)).into();
        let spawn = |tasks| {
            for _ in 0..tasks {
                let ran = ran.clone();
                rt.spawn(async move {
                    ran.fetch_add(1, Ordering::Relaxed);
                })
                .detach();
            }
        };
        spawn(ARMED_AFTER);
        let armed = rt.spawn(async move { arm(&waker) });
        spawn(TASKS - ARMED_AFTER);
        drop(open);
        let ran_before = is_woken.recv().unwrap();
        assert!(ran_before < TASKS, "{ran_before} of {TASKS} came first");
        drop(rt.block_on(armed).unwrap());
    });
}

/// The length of a batch was settled by the polls of the last one: when polls became long, up to 512 of them passed before anybody looked at the clock.
#[test]
fn a_timer_fires_when_polls_have_become_long() {
    const ROUNDS: usize = 6;
    const WARM_UP: usize = 200_000;
    /// Five are due; the rest is for a machine that has other things to do than to run the sentinel.
    const LONG_POLLS_MAX: usize = 100;
    within_reason(|| {
        for _ in 0..ROUNDS {
            let rt = runtime(1);
            let (is_long, is_over) = (Flag::default(), Flag::default());
            let polls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
            for _ in 0..8 {
                let (is_long, is_over, polls) = (is_long.clone(), is_over.clone(), polls.clone());
                rt.spawn(async move {
                    while !is_over.is_set() {
                        let is_long = is_long.is_set();
                        if is_long {
                            spin_for(Duration::from_millis(1));
                        }
                        polls[usize::from(is_long)].fetch_add(1, Ordering::Relaxed);
                        filch::yield_now().await;
                    }
                })
                .detach();
            }
            let [short, long] = &*polls;
            eventually("batches have become long", || {
                (short.load(Ordering::Relaxed) > WARM_UP).then_some(())
            });
            let sleeper = rt.spawn(async move {
                let mut sleep = Box::pin(sleep(Duration::from_millis(5)));
                let first = futures_lite::future::poll_once(sleep.as_mut()).await;
                is_long.set();
                if first.is_none() {
                    sleep.await;
                }
            });
            rt.block_on(sleeper).unwrap();
            let long = long.load(Ordering::Relaxed);
            is_over.set();
            assert!(long < LONG_POLLS_MAX, "{long} polls of 1 ms came first");
        }
    });
}

fn spin_for(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A task that yields was put behind another without anybody being told: both stayed on one worker, and the other slept.
#[test]
fn two_tasks_that_yield_have_a_worker_each() {
    for _ in 0..8 {
        let rt = runtime(2);
        // Until both workers sleep: one that has just started looks for work by itself.
        std::thread::sleep(Duration::from_millis(20));
        let threads = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
        let is_seen = |threads: &std::sync::Mutex<std::collections::HashSet<_>>| {
            let mut threads = threads.lock().unwrap();
            threads.insert(std::thread::current().id());
            threads.len() == 2
        };
        let alternate = move |threads: std::sync::Arc<std::sync::Mutex<_>>| async move {
            for _ in 0..4_000 {
                if is_seen(&threads) {
                    return true;
                }
                (0..2_000).for_each(|_| std::hint::spin_loop());
                filch::yield_now().await;
            }
            false
        };
        let first = rt.spawn(async move {
            let second = filch::spawn(alternate(threads.clone()));
            // Until then neither may end, or the other would be alone.
            alternate(threads).await & second.await.unwrap()
        });
        assert!(
            rt.block_on(first).unwrap(),
            "a worker sleeps, and a task waits"
        );
    }
}

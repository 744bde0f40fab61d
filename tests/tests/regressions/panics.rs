//! Workers and wake-ups lost to a panic in a waker or a destructor.
//!
//! The panics are reported on standard error, as they should be.

use super::{Flag, assert_sound, poll_with, runtime};
use filch::JoinHandle;
use filch::io::AsyncFd;
use filch::time::{Duration, Instant, sleep, sleep_until};
use filch_tests::guard::{eventually, spin_until, within_reason};
use std::future::{pending, poll_fn};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::panic_any;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

struct PanicsWhenWoken;

impl Wake for PanicsWhenWoken {
    fn wake(self: Arc<Self>) {
        panic!("a waker's panic");
    }
}

fn panics_when_woken() -> Waker {
    Waker::from(Arc::new(PanicsWhenWoken))
}

/// What a panic throws, and what throws again when it is dropped.
struct Bomb(usize);

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(next) = self.0.checked_sub(1) {
            panic_any(Bomb(next));
        }
    }
}

/// A panicking waker among those of one turn of the wheel cost the worker its life and the sleepers behind it their wake-ups; then the end hung.
#[test]
fn a_panicking_waker_of_a_timer_costs_nothing() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        let fired: [Arc<Flag>; 21] = std::array::from_fn(|_| Arc::default());
        let wakers: Vec<_> = fired.iter().cloned().map(Waker::from).collect();
        // All in the wheel of one worker, and due at once.
        let timers = rt.spawn(async move {
            let due = Instant::now() + Duration::from_millis(20);
            let arm = |waker: &Waker| {
                let mut timer = Box::pin(sleep_until(due));
                assert!(!poll_with(&mut timer, waker));
                timer
            };
            let mut timers = Vec::new();
            for waker in &wakers {
                timers.push(arm(waker));
                timers.push(arm(&panics_when_woken()));
            }
            timers
        });
        let handle = rt.handle().clone();
        let timers = within_reason(move || handle.block_on(timers).unwrap());
        for fired in fired {
            eventually("the others are woken", || fired.is_set().then_some(()));
        }
        assert_sound(rt);
        drop(timers);
    }
}

/// The same of one turn of the driver.
#[test]
fn a_panicking_waker_of_a_descriptor_costs_nothing() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        let readable: [Arc<Flag>; 8] = std::array::from_fn(|_| Arc::default());
        let wakers: Vec<_> = readable.iter().cloned().map(Waker::from).collect();
        let pairs = rt.spawn(async move {
            let register = |waker: &Waker| {
                let (ours, theirs) = UnixStream::pair().unwrap();
                theirs.set_nonblocking(true).unwrap();
                let theirs = AsyncFd::new(theirs).unwrap();
                use_up(&theirs);
                let polled = theirs.poll_read_ready(&mut Context::from_waker(waker));
                assert!(polled.is_pending());
                (ours, theirs)
            };
            let mut pairs = Vec::new();
            for waker in &wakers {
                pairs.push(register(&panics_when_woken()));
                pairs.push(register(waker));
            }
            // Still in the same poll: one turn finds them all.
            for (ours, _) in &mut pairs {
                ours.write_all(b"x").unwrap();
            }
            pairs
        });
        let handle = rt.handle().clone();
        let pairs = within_reason(move || handle.block_on(pairs).unwrap());
        for readable in readable {
            eventually("the others are woken", || readable.is_set().then_some(()));
        }
        drop(pairs);
        assert_sound(rt);
    }
}

/// A new descriptor counts as ready.
fn use_up(socket: &AsyncFd<UnixStream>) {
    let read = socket.try_read(|mut stream| std::io::Read::read(&mut stream, &mut [0]));
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// The panicking waker of a joiner cost the worker that had run the task its life.
#[test]
fn a_panicking_waker_of_a_joiner_costs_nothing() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        for _ in 0..=workers {
            let go = Flag::default();
            let may_go = go.clone();
            let mut joined = rt.spawn(async move {
                while !may_go.is_set() {
                    filch::yield_now().await;
                }
                9
            });
            assert!(!poll_with(&mut joined, &panics_when_woken()));
            go.set();
            eventually("it is complete", || joined.is_finished().then_some(()));
            assert_eq!(rt.block_on(joined).unwrap(), 9);
        }
        assert_sound(rt);
    }
}

/// A waker whose end panics was dropped without protection when its task's memory was freed, here by the worker.
#[test]
fn a_joiners_waker_that_panics_when_it_is_dropped_costs_nothing() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        for _ in 0..=workers {
            let (go, ended) = (Flag::default(), Flag::default());
            let may_go = go.clone();
            let mut joined = rt.spawn(async move {
                while !may_go.is_set() {
                    filch::yield_now().await;
                }
            });
            let joiner = Arc::new(Joiner {
                joined: Mutex::default(),
                ended: ended.clone(),
            });
            assert!(!poll_with(&mut joined, &joiner.clone().into()));
            *joiner.joined.lock().unwrap() = Some(joined);
            // The task has the last one now.
            drop(joiner);
            go.set();
            eventually("the waker is gone", || ended.is_set().then_some(()));
        }
        assert_sound(rt);
    }
}

/// A waker that gives up the task it is woken for, so that the worker frees it; and then panics.
struct Joiner {
    joined: Mutex<Option<JoinHandle<()>>>,
    ended: Flag,
}

impl Wake for Joiner {
    fn wake(self: Arc<Self>) {
        drop(self.joined.lock().unwrap().take());
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        self.ended.set();
        panic!("the panic of a waker's end");
    }
}

/// What a task's panic throws was dropped without protection, and what that throws too.
#[test]
fn a_payload_that_panics_when_it_is_dropped_costs_nothing() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        for bombs in 0..4 {
            for _ in 0..=workers {
                rt.spawn(async move { panic_any(Bomb(bombs)) }).detach();
                rt.spawn(async move {
                    filch::yield_now().await;
                    panic_any(Bomb(bombs));
                })
                .detach();
                rt.spawn(async move {
                    let _thrown_by_its_destructor = Throws(bombs);
                    filch::yield_now().await;
                })
                .detach();
            }
        }
        assert_sound(rt);
    }
}

struct Throws(usize);

impl Drop for Throws {
    fn drop(&mut self) {
        panic_any(Bomb(self.0));
    }
}

/// The sentinel wakes what is stranded behind a long poll; a panicking waker among that ended its thread, and nothing was rescued any more.
#[test]
fn a_panicking_waker_does_not_end_the_rescue() {
    within_reason(|| {
        let rt = runtime(2);
        for _ in 0..20 {
            let hog = rt.spawn(async {
                let due = Instant::now() + Duration::from_millis(2);
                let fired = Arc::<Flag>::default();
                let (mut bad, mut good) = (Box::pin(sleep_until(due)), Box::pin(sleep_until(due)));
                assert!(!poll_with(&mut bad, &panics_when_woken()));
                assert!(!poll_with(&mut good, &fired.clone().into()));
                spin_until("the timer fires elsewhere", || fired.is_set());
            });
            rt.block_on(hog).unwrap();
        }
        assert_sound(rt);
    });
}

/// A runtime that ends wakes whoever still waits for it; a panicking waker among them left the others asleep, and the end incomplete.
#[test]
fn a_panicking_waker_does_not_stop_the_end() {
    let rt = runtime(2);
    let told: [Arc<Flag>; 8] = std::array::from_fn(|_| Arc::default());
    let wakers: Vec<_> = told.iter().cloned().map(Waker::from).collect();
    let handle = rt.handle().clone();
    let kept = within_reason(move || {
        handle.block_on(async move {
            let mut timers = Vec::new();
            let mut joined = Vec::new();
            for waker in &wakers {
                for waker in [&panics_when_woken(), waker] {
                    let mut timer = Box::pin(sleep(Duration::from_secs(3600)));
                    assert!(!poll_with(&mut timer, waker));
                    timers.push(timer);
                }
                let mut task = filch::spawn(pending::<()>());
                assert!(!poll_with(&mut task, &panics_when_woken()));
                joined.push(task);
            }
            (timers, joined)
        })
    });
    within_reason(move || drop(rt));
    for told in told {
        assert!(told.is_set(), "nobody told a sleeper of the end");
    }
    let other = runtime(1);
    within_reason(move || {
        for task in kept.1 {
            assert!(other.block_on(task).unwrap_err().is_cancelled());
        }
    });
}

/// Wakers run in a batch; the mark that they do stayed when one panicked, and `block_on` in a task blocked its worker from then on.
#[test]
fn a_panicking_waker_leaves_no_batch_behind() {
    within_reason(|| {
        let rt = runtime(1);
        let handle = rt.handle().clone();
        let armed = rt.spawn(async {
            let mut timer = Box::pin(sleep(Duration::from_millis(1)));
            assert!(!poll_with(&mut timer, &panics_when_woken()));
            // Not before the wheel has turned.
            sleep(Duration::from_millis(5)).await;
        });
        rt.block_on(armed).unwrap();
        let nested = rt.spawn(async move {
            let inner = handle.spawn(async { 4 });
            handle.block_on(inner).unwrap()
        });
        assert_eq!(rt.block_on(nested).unwrap(), 4);
        let mut polls = 0;
        let woken_by_itself = rt.spawn(poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls < 10 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        }));
        rt.block_on(woken_by_itself).unwrap();
        assert_sound(rt);
    });
}

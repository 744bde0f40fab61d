//! How long does a coroutine with a stack wait?
//!
//! The shape is that of `bench/workloads/{roundtrip,stranded,timer_hog,readiness_hog}.rs`. What may 0.3.51 makes different:
//!
//! - Timers are kept by a thread of its own, which also runs the coroutine that has slept. So the sleeper comes first and starts the hogs after
//!   a first sleep: on a worker that has a coroutine which only yields, nothing new begins.
//! - A socket belongs to the worker that its number picks, not to the one it was made on. So a first byte is waited for before each sample: whoever
//!   has got that runs on the socket's worker, and the pair can stay.

use crate::workloads::join;
use filch_bench_common::clock::{block_for, now, spin_for};
use filch_bench_common::{Writer, Written};
use may::coroutine::{park, sleep, yield_now};
use may::go;
use may::os::unix::net::UnixStream;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(1);
const HOG: Duration = Duration::from_millis(10);
const SETTLED: Duration = Duration::from_micros(100);
const SLEEP: Duration = Duration::from_millis(1);
const WRITE_AFTER: Duration = Duration::from_millis(2);
const ATTEMPTS_MAX: usize = 50;

pub(crate) fn roundtrip() -> Duration {
    let begun = now();
    join(go!(|| {}));
    begun.elapsed()
}

pub(crate) fn roundtrip_idle() -> Duration {
    block_for(PAUSE);
    roundtrip()
}

pub(crate) fn woken() -> Duration {
    let is_there = Arc::new(AtomicBool::new(false));
    let woken_at = Arc::new(OnceLock::<Instant>::new());
    let late = go!({
        let (is_there, woken_at) = (is_there.clone(), woken_at.clone());
        move || {
            // ORDERING: nothing stands behind it.
            is_there.store(true, Ordering::Relaxed);
            loop {
                park();
                if let Some(woken_at) = woken_at.get() {
                    return woken_at.elapsed();
                }
            }
        }
    });
    // ORDERING: nothing stands behind it.
    while !is_there.load(Ordering::Relaxed) {
        thread::yield_now();
    }
    // Within this time it has parked, too.
    block_for(PAUSE);
    let waiting = late.coroutine().clone();
    join(go!(move || {
        spin_for(SETTLED);
        woken_at.set(now()).expect("woken once");
        waiting.unpark();
        spin_for(HOG);
    }));
    join(late)
}

pub(crate) fn spawned() -> Duration {
    block_for(PAUSE);
    join(go!(|| {
        spin_for(SETTLED);
        let begun = now();
        let late = go!(move || begun.elapsed());
        spin_for(HOG);
        join(late)
    }))
}

pub(crate) fn timer(workers: usize, samples: usize) -> Vec<Duration> {
    sleep(SLEEP);
    let is_over = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..workers)
        .map(|_| {
            let is_over = is_over.clone();
            go!(move || hog(&is_over))
        })
        .collect();
    let late = (0..samples).map(|_| {
        let due = now() + SLEEP;
        sleep(SLEEP);
        now().saturating_duration_since(due)
    });
    let late = late.collect();
    // ORDERING: nothing stands behind it.
    is_over.store(true, Ordering::Relaxed);
    for hog in hogs {
        join(hog);
    }
    late
}

fn hog(is_over: &AtomicBool) {
    // ORDERING: nothing stands behind it.
    while !is_over.load(Ordering::Relaxed) {
        spin_for(HOG);
        yield_now();
    }
}

pub(crate) fn readiness(writer: &Writer, samples: usize) -> Vec<Duration> {
    let (theirs, mut ours) = UnixStream::pair().expect("a pair of sockets");
    (0..samples)
        .map(|_| {
            let mut attempts = (0..ATTEMPTS_MAX).map(|_| attempt(writer, &theirs, &mut ours));
            let late = attempts.find_map(|late| late);
            late.expect("a hog runs where the reader waits, now and then")
        })
        .collect()
}

fn attempt(writer: &Writer, theirs: &UnixStream, ours: &mut UnixStream) -> Option<Duration> {
    let stream = || theirs.inner().try_clone().expect("a descriptor");
    writer.order(stream(), PAUSE, Written::default());
    read_byte(ours);
    let (written, here) = (Written::default(), this_thread());
    let hog = go!({
        let (writer, stream, written) = (writer.clone(), stream(), written.clone());
        move || {
            writer.order(stream, WRITE_AFTER, written);
            spin_for(HOG);
            this_thread()
        }
    });
    read_byte(ours);
    let late = written.elapsed();
    (join(hog) == here).then_some(late)
}

fn read_byte(stream: &mut UnixStream) {
    assert_eq!(stream.read(&mut [0]).expect("a byte comes"), 1);
}

/// Not inlined: a coroutine may go on on another thread, and the compiler, who does not know that, would keep the first one's answer.
#[inline(never)]
fn this_thread() -> ThreadId {
    thread::current().id()
}

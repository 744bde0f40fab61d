//! How late is a byte whose reader's worker is busy, while another worker is idle?
//!
//! The reader spawns the hog as the last thing before it waits for the byte, so that the hog runs where the reader did, and where the socket is. Where
//! another worker has taken it, it gives up its turn until it is there; if it does not get there, that attempt is no sample, and is made again.
//! Each attempt has a pair of sockets of its own: after one the reader may live elsewhere than its socket.

use super::stranded::{HOG, PAUSE, SETTLED};
use super::{Runtime, read_byte, spawn, yield_now};
use filch_bench_common::clock::{block_for, now, spin_for};
use filch_bench_common::{Writer, Written};
use std::future::poll_fn;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::thread::{self, ThreadId};
use std::time::Duration;

/// So long after the hog has begun the byte is written: the other workers have gone to sleep again.
const WRITE_AFTER: Duration = Duration::from_millis(2);

/// So long a hog gives up its turn to get to its reader's worker, if it is not there. On an idle machine a few turns are enough where workers
/// compete for every task (async-executor); where the machine is loaded a worker may have to wait for its core, some milliseconds.
const MOVING_MAX: Duration = Duration::from_millis(10);

/// So many attempts may be in vain one after the other.
const ATTEMPTS_MAX: usize = 50;

/// One sample: from the write to the poll of the reader that has the byte.
pub(crate) fn late(runtime: &mut Runtime, writer: &Writer) -> Duration {
    let attempt = |_| {
        block_for(PAUSE);
        runtime.run(attempt(writer.clone()))
    };
    let late = (0..ATTEMPTS_MAX).find_map(attempt);
    late.expect("a hog runs where the reader waits, now and then")
}

/// How late the byte was, if the hog ran where the reader did.
async fn attempt(writer: Writer) -> Option<Duration> {
    spin_for(SETTLED);
    let (theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    ours.set_nonblocking(true).expect("a socket option");
    let written = Written::default();
    let mut coming = Some((writer, theirs, written.clone()));
    let mut hog = None;
    let mut byte = pin!(read_byte(ours));
    poll_fn(|cx| {
        let byte = byte.as_mut().poll(cx);
        // After the first poll the socket is registered, and the byte is waited for.
        if let Some((writer, theirs, written)) = coming.take() {
            let here = thread::current().id();
            hog = Some(spawn(hogging(here, writer, theirs, written)));
        }
        byte
    })
    .await;
    let late = written.elapsed();
    let was_hogged = hog.expect("it comes before the byte").await;
    was_hogged.then_some(late)
}

/// Orders the byte and keeps the worker busy, if it gets to that thread.
async fn hogging(here: ThreadId, writer: Writer, theirs: UnixStream, written: Written) -> bool {
    let begun = now();
    while thread::current().id() != here {
        if begun.elapsed() > MOVING_MAX {
            writer.order(theirs, Duration::ZERO, written);
            return false;
        }
        yield_now().await;
    }
    writer.order(theirs, WRITE_AFTER, written);
    spin_for(HOG);
    true
}

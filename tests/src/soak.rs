//! How long does a soak test go on, when does it hang, and what has it not given back?
//!
//! Rounds that are all alike: three in the short version, or as many as fit into `FILCH_SOAK` seconds; `FILCH_SOAK=full` is half an hour. Before the first count there is a warm-up, in which the
//! allocator, the runtime's slabs and the table of sources set themselves up.

#![expect(
    clippy::disallowed_methods,
    reason = "a thread that sleeps in real time, and rounds that last for some"
)]

use crate::census::{Census, settle};
use crate::guard::{HANG, eventually};
use crate::is_soak;
use crate::random::Random;
use filch::time::sleep;
use filch_net::TcpStream;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Of the short version.
const ROUNDS: usize = 3;
/// Before the first count, in the short version.
const WARM_UP_ROUNDS: usize = 2;
/// The part of the time, as a divisor, that the long versions warm up for: the allocator's pages grow for some fifty rounds, and then no more.
const WARM_UP_PART: u32 = 6;

/// How much more a process may hold in the end than after the warm-up.
#[derive(Debug, Clone, Copy)]
pub struct Slack {
    /// Of the heap.
    pub heap_bytes: usize,
    /// Of resident memory: pages that are in use in part, and a chunk of each worker.
    pub resident_bytes: usize,
}

/// Does rounds, and compares what the process holds before them and after; [`progress`] is to be told of what goes on in them.
///
/// # Panics
///
/// If more is held than the slack allows.
pub fn soak(slack: Slack, mut round: impl FnMut()) {
    watch_over();
    let time = time();
    rounds(
        WARM_UP_ROUNDS,
        time.map(|time| time / WARM_UP_PART),
        &mut round,
    );
    give_back_pages();
    let before = Census::now().expect("/proc is there");
    let rounds = rounds(ROUNDS, time, &mut round);
    let held = PROGRESS.load(Ordering::SeqCst);
    settle(&before);
    give_back_pages();
    let after = Census::now().expect("/proc is there");
    println!("{held} conversations, {rounds} rounds\nbefore: {before:?}\nafter:  {after:?}");
    assert!(
        after.heap_bytes <= before.heap_bytes + slack.heap_bytes,
        "the heap has grown"
    );
    eventually("memory is given back", || {
        give_back_pages();
        let resident = Census::now().expect("/proc is there").resident_bytes;
        (resident <= before.resident_bytes + slack.resident_bytes).then_some(())
    });
}

/// So many rounds, or as many as fit into this time.
fn rounds(count: usize, time: Option<Duration>, round: &mut impl FnMut()) -> usize {
    let (begun, mut rounds) = (Instant::now(), 0);
    while time.map_or(rounds < count, |time| begun.elapsed() < time) {
        round();
        rounds += 1;
        let held = Census::now().expect("/proc is there");
        println!("  held: {held:?}");
    }
    rounds
}

/// How long it shall go on, if it is not the short version.
fn time() -> Option<Duration> {
    if is_soak() {
        return Some(Duration::from_secs(30 * 60));
    }
    let seconds = std::env::var("FILCH_SOAK").ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What the allocator keeps free says nothing of what the program holds.
fn give_back_pages() {
    // SAFETY: it takes a number and the allocator's own locks, and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// How many conversations were held.
static PROGRESS: AtomicUsize = AtomicUsize::new(0);

/// A conversation is over.
pub fn progress() {
    PROGRESS.fetch_add(1, Ordering::SeqCst);
}

/// Ends the process with a message if nothing goes on. It counts its own steps, so that a process that was stopped for a while does not count as hanging.
fn watch_over() {
    let step = Duration::from_secs(1);
    thread::spawn(move || {
        let (mut seen, mut unchanged) = (0, Duration::ZERO);
        loop {
            thread::sleep(step);
            let now = PROGRESS.load(Ordering::SeqCst);
            unchanged = if now == seen {
                unchanged + step
            } else {
                Duration::ZERO
            };
            seen = now;
            if unchanged >= 2 * HANG {
                eprintln!("hangs after {seen} conversations");
                std::process::abort();
            }
        }
    });
}

/// Connects, and waits where all ports are taken by connections that ended just now.
///
/// # Errors
///
/// What else `connect(2)` says.
pub async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    loop {
        match TcpStream::connect(addr).await {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                sleep(Duration::from_millis(10)).await;
            }
            result => return result,
        }
    }
}

/// The pause of somebody slow: now and then a real one.
pub async fn dawdle(random: &mut Random) {
    match random.below(20) {
        0 => sleep(Duration::from_millis(1)).await,
        _ => filch::yield_now().await,
    }
}

//! Does it all hold with more workers than cores and everything mixed?
//!
//! A random program of tasks that spawn, join, detach, abort, park, wake each other (rightly and for nothing), sleep, yield, block, panic and
//! talk over sockets, on eight workers (or `FILCH_WORKERS`), with threads outside that wake and spawn too. Afterwards the books must balance: every
//! task that was begun has completed, panicked as planned or been cut off by an abort or by the end, and each was dropped exactly once.
//! A wake-up that is lost is a hang, which the guard turns into a failure.
//!
//! The seed is printed. `FILCH_STRESS=n` does n times as much, `FILCH_SOAK=full` a hundred times.

#![expect(
    clippy::disallowed_types,
    reason = "the test's own locks are none of the runtime's business"
)]

use filch::io::AsyncFd;
use filch::runtime::{Builder, Handle};
use filch::time::{Duration, sleep, timeout};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::random::{Random, seed};
use filch_tests::{is_soak, stress_factor};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// Unless `FILCH_WORKERS` says otherwise.
const WORKERS: usize = 8;
/// How many tasks a round may begin.
const TASKS_PER_ROUND: usize = 4000;
const ROUNDS: usize = 10;
const BELLS: usize = 16;
const DEPTH_MAX: usize = 6;

fn workers() -> usize {
    let chosen = std::env::var("FILCH_WORKERS").ok();
    chosen.map_or(WORKERS, |text| text.parse().expect("a number"))
}

/// What the tasks of one round share.
struct World {
    tally: Tally,
    begun: AtomicUsize,
    completed: AtomicUsize,
    panicked: AtomicUsize,
    cut: AtomicUsize,
    /// Tasks that wait for somebody to ring.
    bells: [Mutex<Vec<Arc<Sleeper>>>; BELLS],
    /// Wakers of anybody, woken now and then for nothing.
    strays: Mutex<Vec<Waker>>,
    is_ending: AtomicBool,
    over: AtomicBool,
}

struct Sleeper {
    rung: AtomicBool,
    waker: Waker,
}

/// A task's entry in the books; lives in its future.
struct Entry {
    world: Arc<World>,
    end: End,
    _own: Tracked,
}

enum End {
    Cut,
    Completed,
    Panicked,
}

impl Entry {
    /// If the round may still begin a task, its entry.
    fn new(world: &Arc<World>) -> Option<Self> {
        if world.begun.fetch_add(1, SeqCst) >= TASKS_PER_ROUND {
            world.begun.fetch_sub(1, SeqCst);
            return None;
        }
        Some(Self {
            world: world.clone(),
            end: End::Cut,
            _own: world.tally.track(),
        })
    }

    fn close(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let column = match self.end {
            End::Cut => &self.world.cut,
            End::Completed => &self.world.completed,
            End::Panicked => &self.world.panicked,
        };
        column.fetch_add(1, SeqCst);
    }
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            tally: Tally::new(),
            begun: AtomicUsize::new(0),
            completed: AtomicUsize::new(0),
            panicked: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            bells: Default::default(),
            strays: Mutex::default(),
            is_ending: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    fn ring(&self, bell: usize) {
        let sleepers = std::mem::take(&mut *self.bells[bell].lock().unwrap());
        for sleeper in sleepers {
            sleeper.rung.store(true, SeqCst);
            sleeper.waker.wake_by_ref();
        }
    }

    fn wake_a_stray(&self, random: &mut Random) {
        let mut strays = self.strays.lock().unwrap();
        if strays.is_empty() {
            return;
        }
        let at = random.below(strays.len());
        let waker = strays.swap_remove(at);
        drop(strays);
        match random.below(3) {
            0 => waker.wake(),
            1 => waker.wake_by_ref(),
            _ => drop(waker),
        }
    }

    fn assert_balanced(&self) {
        let [begun, completed, panicked, cut] =
            [&self.begun, &self.completed, &self.panicked, &self.cut].map(|n| n.load(SeqCst));
        assert_eq!(begun, completed + panicked + cut);
        assert_eq!(begun, self.tally.made());
        self.tally.assert_all_gone();
    }
}

/// Waits until somebody rings.
async fn park(world: &World, bell: usize) {
    let mut place: Option<Arc<Sleeper>> = None;
    poll_fn(|cx| {
        if place
            .as_ref()
            .is_some_and(|sleeper| sleeper.rung.load(SeqCst))
        {
            return Poll::Ready(());
        }
        // Woken for nothing: the place is still there, and its waker is this task's.
        if place.is_none() {
            let sleeper = Arc::new(Sleeper {
                rung: AtomicBool::new(false),
                waker: cx.waker().clone(),
            });
            place = Some(sleeper.clone());
            world.bells[bell].lock().unwrap().push(sleeper);
        }
        Poll::Pending
    })
    .await;
}

/// Sends bytes to a task of its own and has them sent back.
async fn ping_pong(bytes: usize) {
    let (here, there) = match UnixStream::pair() {
        // Others have them all, where the process may have few.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => return,
        pair => pair.expect("a pair of sockets"),
    };
    here.set_nonblocking(true).expect("a socket option");
    there.set_nonblocking(true).expect("a socket option");
    let here = AsyncFd::new(here).expect("registered");
    let echo = filch::spawn(async move {
        let there = AsyncFd::new(there).expect("registered");
        let mut buffer = [0; 64];
        // The peer may be aborted and close its end at any time.
        while let Ok(1) = there
            .async_read(|mut stream| stream.read(&mut buffer))
            .await
        {
            let written = there.async_write(|mut stream| stream.write(&buffer[..1]));
            if written.await.is_err() {
                break;
            }
        }
    });
    for n in 0..bytes {
        let byte = [n as u8];
        let written = here.async_write(|mut stream| stream.write(&byte));
        assert_eq!(written.await.expect("a write"), 1);
        let mut back = [0];
        let read = here.async_read(|mut stream| stream.read(&mut back));
        assert_eq!((read.await.expect("a read"), back), (1, byte));
    }
    drop(here);
    echo.await.expect("the echo does not panic");
}

type Node = Pin<Box<dyn Future<Output = usize> + Send>>;

/// A task that does a few random things and gives its depth.
fn node(entry: Entry, mut random: Random, depth: usize) -> Node {
    Box::pin(async move {
        let world = entry.world.clone();
        for _ in 0..1 + random.below(4) {
            act(&world, &mut random, depth).await;
        }
        if random.below(20) == 0 {
            entry.close(End::Panicked);
            std::panic::panic_any(Planned);
        }
        entry.close(End::Completed);
        depth
    })
}

/// The payload of the panics that belong to the program.
struct Planned;

fn child(
    world: &Arc<World>,
    random: &mut Random,
    depth: usize,
) -> Option<filch::JoinHandle<usize>> {
    if depth == DEPTH_MAX {
        return None;
    }
    let entry = Entry::new(world)?;
    Some(filch::spawn(node(entry, random.fork(), depth + 1)))
}

/// Checks what a child that nobody has aborted gave.
fn check(result: Result<usize, filch::JoinError>, depth: usize) {
    match result {
        Ok(its) => assert_eq!(its, depth + 1),
        Err(error) => assert!(error.into_panic().is::<Planned>()),
    }
}

async fn act(world: &Arc<World>, random: &mut Random, depth: usize) {
    match random.below(14) {
        0 => {
            for _ in 0..random.below(4) {
                filch::yield_now().await;
            }
        }
        1 | 2 => {
            let children: Vec<_> = (0..1 + random.below(4))
                .filter_map(|_| child(world, random, depth))
                .collect();
            for child in children {
                check(child.await, depth);
            }
        }
        3 => {
            for _ in 0..1 + random.below(4) {
                drop(child(world, random, depth));
            }
        }
        4 => park(world, random.below(BELLS)).await,
        5 => world.ring(random.below(BELLS)),
        6 => {
            if let Some(child) = child(world, random, depth) {
                for _ in 0..random.below(3) {
                    filch::yield_now().await;
                }
                child.abort();
                match child.await {
                    Err(error) if error.is_cancelled() => {}
                    result => check(result, depth),
                }
            }
        }
        7 => sleep(Duration::from_micros(random.below(2500) as u64)).await,
        8 => {
            if let Some(mut child) = child(world, random, depth) {
                let limit = Duration::from_micros(random.below(2500) as u64);
                if let Ok(result) = timeout(limit, &mut child).await {
                    check(result, depth);
                }
            }
        }
        9 => {
            let n = random.below(1000);
            let call = filch::spawn_blocking(move || n * 2);
            assert_eq!(call.await.expect("a blocking call"), n * 2);
        }
        10 => ping_pong(1 + random.below(5)).await,
        11 => {
            poll_fn(|cx| {
                world.strays.lock().unwrap().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            world.wake_a_stray(random);
        }
        12 if random.below(8) == 0 => {
            let handle = Handle::current();
            let inner = handle.block_on(async { filch::spawn(filch::yield_now()).await });
            // Cut off, if the runtime ends meanwhile.
            assert!(inner.is_ok() || world.is_ending.load(SeqCst));
        }
        _ => {
            for _ in 0..random.below(20_000) {
                std::hint::spin_loop();
            }
        }
    }
}

/// A thread that is no worker: rings, wakes strays, spawns roots.
fn outsider(world: &Arc<World>, handle: &Handle, mut random: Random) {
    while !world.over.load(SeqCst) {
        world.ring(random.below(BELLS));
        world.wake_a_stray(&mut random);
        if random.below(50) == 0 {
            if let Some(entry) = Entry::new(world) {
                drop(handle.spawn(node(entry, random.fork(), DEPTH_MAX - 2)));
            }
        }
        std::thread::yield_now();
    }
}

/// One runtime, one random program. It ends by itself, or is ended in the middle. Returns how many tasks completed.
fn round(mut random: Random) -> usize {
    let rt = Builder::new()
        .worker_threads(workers())
        .max_blocking_threads(1 + random.below(8))
        .build()
        .expect("a runtime");
    let world = World::new();
    let outsiders: Vec<_> = (0..2)
        .map(|_| {
            let (world, handle, random) = (world.clone(), rt.handle().clone(), random.fork());
            std::thread::spawn(move || outsider(&world, &handle, random))
        })
        .collect();
    let roots: Vec<_> = (0..64)
        .filter_map(|_| Some(rt.spawn(node(Entry::new(&world)?, random.fork(), 0))))
        .collect();
    if random.below(3) > 0 {
        rt.block_on(async {
            for root in roots {
                match root.await {
                    Ok(depth) => assert_eq!(depth, 0),
                    Err(error) => assert!(error.into_panic().is::<Planned>()),
                }
            }
        });
        // Nobody spawns from outside any more, but the bells are still rung.
        world.begun.fetch_add(TASKS_PER_ROUND, SeqCst);
        eventually("the detached ones have ended too", || {
            (world.tally.alive() == 0).then_some(())
        });
        world.begun.fetch_sub(TASKS_PER_ROUND, SeqCst);
    }
    world.is_ending.store(true, SeqCst);
    drop(rt);
    world.over.store(true, SeqCst);
    for outsider in outsiders {
        outsider.join().expect("an outsider");
    }
    world.assert_balanced();
    world.completed.load(SeqCst)
}

#[test]
fn everything_at_once_balances() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Planned>() {
            usual(info);
        }
    }));
    let mut random = Random::new(seed("--test stress"));
    let rounds = ROUNDS * if is_soak() { 100 } else { stress_factor() };
    let mut tasks = 0;
    for _ in 0..rounds {
        let random = random.fork();
        tasks += within_reason(move || round(random));
    }
    println!("{tasks} tasks completed in {rounds} rounds");
    assert!(tasks >= rounds * 64, "the program has come to nothing");
}

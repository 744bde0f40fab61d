//! Does a seed mean the same run everywhere: in each process, whatever the kernel can do, whichever thread it is?

use filch::io::sim::{Faults, pair};
use filch::sync::{Mutex, Semaphore, broadcast, mpmc, mpsc, watch};
use filch::task::JoinSet;
use filch::time::{Duration, Instant, interval, sleep, timeout};
use filch::{Runtime, select, spawn, spawn_blocking, spawn_local, yield_now};
use filch_tests::virtual_time::{paused, simulated};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::process::Command;
use std::sync::Arc;

/// Lines of who has done what when, by virtual time.
#[derive(Clone)]
struct Log {
    start: Instant,
    lines: std::sync::mpsc::Sender<String>,
}

impl Log {
    fn note(&self, what: impl std::fmt::Debug) {
        let at = self.start.elapsed().as_micros();
        self.lines.send(format!("{at} {what:?}\n")).unwrap();
    }
}

/// A bit of everything in which there is a choice.
async fn everything() -> String {
    let (lines, text) = std::sync::mpsc::channel();
    let start = Instant::now();
    let log = Log { start, lines };
    let mut tasks = JoinSet::new();
    let (broad, _) = broadcast::channel(4);
    let (see, seen) = watch::channel(0);
    let (many, any) = mpmc::channel(2);
    let (send, mut receive) = mpsc::channel(3);
    let lock = Arc::new(Mutex::new(0));
    let room = Arc::new(Semaphore::new(2));
    for n in 0..6_u64 {
        let (log, lock, room) = (log.clone(), lock.clone(), room.clone());
        let (many, any, send, mut seen) = (many.clone(), any.clone(), send.clone(), seen.clone());
        let (broad, mut heard) = (broad.clone(), broad.subscribe());
        tasks.spawn(async move {
            let permit = room.acquire().await.unwrap();
            log.note(("permit", n));
            *lock.lock().await += n;
            drop(permit);
            let _ = timeout(Duration::from_millis(n % 3), many.send(n)).await;
            let _ = broad.send(n);
            select! {
                got = any.recv() => log.note(("any", n, got.ok())),
                got = heard.recv() => log.note(("heard", n, got.is_ok())),
                _ = seen.changed() => log.note(("seen", n)),
                () = sleep(Duration::from_millis(2)) => log.note(("slept", n)),
            }
            let called = spawn_blocking(move || n * n).await.unwrap();
            log.note(("called", n, called));
            send.send(n).await.unwrap();
            n
        });
    }
    drop(send);
    let notes = log.clone();
    let local = spawn_local(async move {
        let mut beat = interval(Duration::from_millis(1));
        for n in 0..4 {
            beat.tick().await;
            notes.note(("beat", n));
            see.send(n).unwrap();
        }
    });
    while let Some(n) = receive.recv().await {
        log.note(("received", n));
    }
    while let Some(n) = tasks.join_next().await {
        log.note(("joined", n.unwrap()));
    }
    local.await.unwrap();
    let faults = Faults::new()
        .tear(true)
        .delay(Duration::ZERO..=Duration::from_millis(9));
    let (mut ours, mut theirs) = pair(faults);
    let writer = spawn(async move { ours.write_all(&[7; 40]).await.unwrap() });
    let mut room = [0; 16];
    loop {
        let n = theirs.read(&mut room).await.unwrap();
        log.note(("read", n));
        if n == 0 {
            break;
        }
    }
    writer.await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let log = log.clone();
            spawn(async move {
                log.note(n);
                yield_now().await;
                log.note(n + 10);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(log);
    text.iter().collect()
}

fn traces() -> String {
    let trace = |seed| {
        let trace = simulated(seed).block_on(everything());
        format!("seed {seed}\n{trace}")
    };
    (0..20).map(trace).collect()
}

const CHILD: &str = "a_seed_means_the_same_in_every_process";

/// The order in which a worker's queue gives tasks back was part of it, and which queue it is depends on the kernel.
#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn a_seed_means_the_same_in_every_process() {
    let here = traces();
    if let Some(path) = std::env::var_os("FILCH_TEST_CHILD") {
        return std::fs::write(path, here).unwrap();
    }
    let own = std::env::current_exe().unwrap();
    for (variable, value) in [
        ("FILCH_QUEUE", "fast"),
        ("FILCH_QUEUE", "portable"),
        ("FILCH_NO_MEMBARRIER", "1"),
        ("FILCH_WORKERS", "7"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(&own)
            .args([CHILD, "--exact"])
            .env("FILCH_TEST_CHILD", file.path())
            .env_remove("FILCH_NO_MEMBARRIER")
            .env(variable, value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}");
        let there = std::fs::read_to_string(file.path()).unwrap();
        if let Some((one, other)) = here.lines().zip(there.lines()).find(|(a, b)| a != b) {
            panic!("with {variable}={value}: {one} is {other}");
        }
        assert_eq!(here.len(), there.len());
    }
}

#[test]
fn a_seed_means_the_same_on_every_thread() {
    let here = traces();
    for _ in 0..3 {
        let there = std::thread::spawn(traces).join().unwrap();
        assert!(here == there);
    }
}

/// What a poll spawns and wakes stood in the order in which a worker would take it, the newest first.
#[test]
fn with_paused_time_tasks_run_in_the_order_in_which_they_were_spawned() {
    let order = paused().block_on(async {
        let (note, mut notes) = mpsc::unbounded_channel();
        let tasks: Vec<_> = (0..600)
            .map(|n| {
                let note = note.clone();
                spawn(async move {
                    note.send(n).unwrap();
                    yield_now().await;
                    note.send(n + 1000).unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(note);
        let mut order = Vec::new();
        while let Some(n) = notes.recv().await {
            order.push(n);
        }
        order
    });
    let expected: Vec<_> = (0..600).chain(1000..1600).collect();
    assert_eq!(order, expected);
}

#[test]
fn with_paused_time_tasks_run_in_the_order_in_which_they_were_woken() {
    let order = paused().block_on(async {
        let (note, mut notes) = mpsc::unbounded_channel();
        let (senders, tasks): (Vec<_>, Vec<_>) = (0..8)
            .map(|n| {
                let (send, receive) = filch::sync::oneshot::channel::<()>();
                let note = note.clone();
                let task = spawn(async move {
                    receive.await.unwrap();
                    note.send(n).unwrap();
                });
                (send, task)
            })
            .unzip();
        yield_now().await;
        senders.into_iter().for_each(|send| send.send(()).unwrap());
        for task in tasks {
            task.await.unwrap();
        }
        drop(note);
        let mut order = Vec::new();
        while let Some(n) = notes.recv().await {
            order.push(n);
        }
        order
    });
    assert_eq!(order, (0..8).collect::<Vec<_>>());
}

/// Each thread has a lane, and lanes have numbers, which depend on how many threads there were before.
#[test]
fn what_threads_have_spawned_comes_in_the_order_in_which_they_did() {
    let spawn_from_threads = |rt: &Runtime| {
        let (note, notes) = std::sync::mpsc::channel();
        for n in 0..9 {
            let (handle, note) = (rt.handle().clone(), note.clone());
            let spawn = move || handle.spawn(async move { note.send(n).unwrap() }).detach();
            std::thread::spawn(spawn).join().unwrap();
        }
        drop(note);
        rt.block_on(async { sleep(Duration::from_millis(1)).await });
        notes.iter().collect::<Vec<i32>>()
    };
    assert_eq!(spawn_from_threads(&paused()), (0..9).collect::<Vec<_>>());
    for seed in 0..20 {
        let first = spawn_from_threads(&simulated(seed));
        // Another thread in turn has the first lane.
        std::thread::spawn(|| simulated(0).spawn(async {}).detach())
            .join()
            .unwrap();
        assert_eq!(first, spawn_from_threads(&simulated(seed)), "seed {seed}");
    }
}

//! Does a program go on whose every worker is blocked by a task?
//!
//! The tasks here block their threads on channels that only further tasks can fill: without spare workers each test hangs, and the guard says so. No test says how fast.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tasks that block are what is tested"
)]

use filch::Runtime;
use filch::io::AsyncFd;
use filch::runtime::Builder;
use filch::time::{Duration, Instant, sleep};
use filch_tests::census::{Census, settle};
use filch_tests::drops::Tally;
use filch_tests::guard::{eventually, spin_until, within_reason};
use filch_tests::limits;
use std::future::pending;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};

fn runtime(workers: usize, spares: usize) -> Runtime {
    Builder::new()
        .worker_threads(workers)
        .max_spare_workers(spares)
        .build()
        .expect("a runtime")
}

/// Tasks that block their threads, one on each worker to begin with; they return when something is sent to each, or the senders are gone.
struct Blocked {
    tasks: Vec<filch::JoinHandle<()>>,
    senders: Vec<Sender<()>>,
}

/// Starts as many tasks that block as there are workers, and waits until all do.
fn block_all(rt: &Runtime, tasks: usize) -> Blocked {
    let (begun, has_begun) = channel();
    let (senders, receivers): (Vec<_>, Vec<Receiver<()>>) = (0..tasks).map(|_| channel()).unzip();
    let tasks = receivers
        .into_iter()
        .map(|receiver| {
            let begun = begun.clone();
            rt.spawn(async move {
                begun.send(()).expect("the test waits");
                let _ = receiver.recv();
            })
        })
        .collect::<Vec<_>>();
    tasks.iter().for_each(|_| {
        has_begun
            .recv()
            .expect("each begins, on a spare if need be");
    });
    Blocked { tasks, senders }
}

impl Blocked {
    fn release(self, rt: &Runtime) {
        drop(self.senders);
        for task in self.tasks {
            rt.block_on(task).expect("no panic");
        }
    }
}

/// What it took for the time when it fell asleep is no time for what it is called for: deadlines that count from then would be over.
#[test]
fn a_spare_that_is_called_again_knows_the_time() {
    within_reason(|| {
        let rt = runtime(1, 1);
        eventually("it was called twenty times", || {
            let (begun, calls) = (Instant::now(), rt.metrics().spare_call_count());
            let blocked = block_all(&rt, 1);
            let recent = rt.spawn(async { Instant::recent() });
            let recent = rt.block_on(recent).expect("no panic");
            // Otherwise it had not fallen asleep since the last time.
            if rt.metrics().spare_call_count() > calls {
                assert!(recent >= begun, "{:?} too early", begun - recent);
            }
            blocked.release(&rt);
            (calls >= 20).then_some(())
        });
    });
}

#[test]
fn a_task_that_others_block_for_runs() {
    for workers in [1, 2, 4] {
        let rt = runtime(workers, 4);
        for _ in 0..20 {
            let (blocked, handle) = (block_all(&rt, workers), rt.handle().clone());
            let rt = &rt;
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    // The tasks that they wait for are queued from outside.
                    for sender in blocked.senders {
                        handle
                            .spawn(async move { sender.send(()).expect("it waits") })
                            .detach();
                    }
                    blocked
                        .tasks
                        .into_iter()
                        .for_each(|task| rt.block_on(task).expect("no panic"));
                });
            });
        }
    }
}

/// What stands in the slot and the queue of the worker that is blocked, and what wakes the tasks there is on the same worker too.
#[test]
fn children_of_a_task_that_blocks_run() {
    for workers in [1, 2] {
        let rt = runtime(workers, 8);
        for children in [1, 2, 50] {
            let tasks: Vec<_> = (0..workers)
                .map(|_| {
                    rt.spawn(async move {
                        let (send, receive) = channel();
                        for n in 0..children {
                            let send = send.clone();
                            filch::spawn(async move {
                                filch::yield_now().await;
                                send.send(n).expect("the parent waits");
                            })
                            .detach();
                        }
                        let mut got: Vec<_> = receive.iter().take(children).collect();
                        got.sort_unstable();
                        assert!(got.into_iter().eq(0..children));
                    })
                })
                .collect();
            let handle = rt.handle().clone();
            within_reason(move || {
                tasks
                    .into_iter()
                    .for_each(|task| handle.block_on(task).expect("no panic"));
            });
        }
    }
}

#[test]
fn timers_and_sockets_are_served_while_every_worker_is_blocked() {
    for workers in [1, 2] {
        let rt = runtime(workers, 4);
        for _ in 0..10 {
            let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
            theirs.set_nonblocking(true).expect("a socket option");
            let (send, receive) = channel();
            let (tell, told) = channel();
            let by_timer = send.clone();
            // Both are registered with a worker that is blocked later.
            rt.spawn(async move {
                sleep(Duration::from_millis(1)).await;
                sleep(Duration::from_millis(3)).await;
                by_timer.send("timer").expect("the test waits");
            })
            .detach();
            rt.spawn(async move {
                let theirs = AsyncFd::new(theirs).expect("a descriptor");
                let mut byte = [0];
                tell.send(()).expect("the test waits");
                for _ in 0..2 {
                    let read = theirs.async_read(|mut stream| stream.read(&mut byte));
                    assert_eq!(read.await.expect("a byte"), 1);
                    // A timer that is armed on a spare.
                    sleep(Duration::from_millis(1)).await;
                    send.send("socket").expect("the test waits");
                }
            })
            .detach();
            told.recv().expect("it reads");
            let blocked = block_all(&rt, workers);
            ours.write_all(b"x").expect("room for a byte");
            let mut got = within_reason(move || {
                let mut got: Vec<_> = receive.iter().take(2).collect();
                ours.write_all(b"y").expect("room for a byte");
                got.extend(receive.iter());
                got
            });
            got.sort_unstable();
            assert_eq!(got, ["socket", "socket", "timer"]);
            blocked.release(&rt);
        }
    }
}

/// A task that reads bytes, and says so of each.
struct Reads {
    rt: Runtime,
    reader: filch::JoinHandle<()>,
    ours: UnixStream,
    told: Receiver<()>,
}

impl Reads {
    fn on(rt: Runtime) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.set_nonblocking(true).expect("a socket option");
        let (tell, told) = channel();
        let reader = rt.spawn(async move {
            let theirs = AsyncFd::new(theirs).expect("a descriptor");
            let mut byte = [0];
            loop {
                let read = theirs.async_read(|mut stream| stream.read(&mut byte));
                if read.await.expect("a byte, or the end") == 0 {
                    return;
                }
                tell.send(()).expect("the test waits");
            }
        });
        let mut reads = Self {
            rt,
            reader,
            ours,
            told,
        };
        reads.there_and_back(1, Duration::ZERO);
        reads
    }

    /// So many bytes, each after a pause, so that a spare has nothing to do any more. Returns how many were found by the sentinel and not by a spare.
    fn there_and_back(&mut self, bytes: usize, pause: Duration) -> u64 {
        let before = self.rt.metrics().rescued_event_count();
        for _ in 0..bytes {
            std::thread::sleep(pause);
            self.ours.write_all(b"x").expect("room for a byte");
            self.told.recv().expect("it reads");
        }
        self.rt.metrics().rescued_event_count() - before
    }

    fn until_spares_find_most(&mut self) {
        eventually("most were found by a spare", || {
            let rescued = self.there_and_back(20, Duration::from_millis(2));
            (rescued < 10).then_some(())
        });
    }

    fn end(self, blocked: Blocked) {
        drop(self.ours);
        self.rt.block_on(self.reader).expect("no panic");
        blocked.release(&self.rt);
    }
}

/// Readiness wakes the spare that waits for it, and is not left to the sentinel's next look, which finds it where nobody stands at the post.
#[test]
fn readiness_wakes_a_spare_while_every_worker_is_blocked() {
    for workers in [1, 2] {
        let mut reads = Reads::on(runtime(workers, 4));
        let blocked = block_all(&reads.rt, workers);
        reads.until_spares_find_most();
        reads.end(blocked);
    }
}

/// The post is made of descriptors. Where there were none when it was needed first, it is there when they are.
#[test]
fn a_post_that_there_were_no_descriptors_for_comes_with_them() {
    limits::in_child(
        "a_post_that_there_were_no_descriptors_for_comes_with_them",
        || {
            within_reason(|| {
                let mut reads = Reads::on(runtime(1, 4));
                let most = limits::most_descriptors().expect("the system says");
                // Those of standard input, output and error are in use.
                limits::descriptors(3).expect("the limit is lowered");
                let blocked = block_all(&reads.rt, 1);
                reads.there_and_back(20, Duration::from_millis(2));
                limits::descriptors(most).expect("the limit is raised");
                reads.until_spares_find_most();
                reads.end(blocked);
            });
        },
    );
}

/// A spare that nobody has needed for ten seconds ends, and gives back what the post is made of.
#[test]
fn the_descriptors_of_the_post_come_back() {
    limits::in_child("the_descriptors_of_the_post_come_back", || {
        let descriptors = || Census::now().expect("proc is there").descriptors;
        within_reason(move || {
            let rt = runtime(1, 4);
            // And both ends of what is read from. Taken later it might have the post in it.
            let before = descriptors() + 2;
            let mut reads = Reads::on(rt);
            let blocked = block_all(&reads.rt, 1);
            eventually("there is a post", || {
                reads.there_and_back(1, Duration::from_millis(2));
                (descriptors() > before).then_some(())
            });
            blocked.release(&reads.rt);
            eventually("they are given back", || {
                (descriptors() == before).then_some(())
            });
        });
    });
}

/// A socket that is registered on a spare is a worker's to look after.
#[test]
fn a_socket_made_on_a_spare_works_there_and_afterwards() {
    let rt = runtime(1, 2);
    let blocked = block_all(&rt, 1);
    let (mut ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    theirs.set_nonblocking(true).expect("a socket option");
    let (tell, told) = channel();
    let reader = rt.spawn(async move {
        let theirs = AsyncFd::new(theirs).expect("a descriptor");
        for _ in 0..3 {
            let mut byte = [0];
            let read = theirs.async_read(|mut stream| stream.read(&mut byte));
            read.await.expect("a byte");
            tell.send(()).expect("the test waits");
        }
    });
    within_reason(move || {
        ours.write_all(b"x").expect("room for a byte");
        told.recv().expect("while the worker is blocked");
        blocked.release(&rt);
        ours.write_all(b"y").expect("room for a byte");
        told.recv().expect("when it is free");
        let blocked = block_all(&rt, 1);
        ours.write_all(b"z").expect("room for a byte");
        told.recv().expect("when it is blocked again");
        rt.block_on(reader).expect("no panic");
        blocked.release(&rt);
    });
}

/// As many as there may be, spares included: each that blocks needs the next.
#[test]
fn spares_that_are_blocked_too_get_another_up_to_the_bound() {
    for (workers, spares) in [(1, 1), (1, 5), (2, 3)] {
        let rt = runtime(workers, spares);
        within_reason(move || {
            for _ in 0..3 {
                let blocked = block_all(&rt, workers + spares);
                let last = rt.spawn(async {});
                assert!(!last.is_finished(), "there is nobody left to run it");
                blocked.release(&rt);
                rt.block_on(last).expect("no panic");
            }
        });
    }
}

#[test]
fn more_tasks_that_block_than_there_may_be_threads_all_get_their_turn() {
    let rt = runtime(2, 2);
    let turns = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let turns = turns.clone();
            rt.spawn(async move {
                std::thread::sleep(Duration::from_millis(5));
                turns.fetch_add(1, Ordering::SeqCst);
                filch::yield_now().await;
                turns.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    within_reason(move || {
        tasks
            .into_iter()
            .for_each(|task| rt.block_on(task).expect("no panic"));
    });
    assert_eq!(turns.load(Ordering::SeqCst), 80);
}

/// A chain: each task blocks until the next one, which it has spawned, has got as far, until there is no thread left but for the last.
#[test]
fn tasks_that_block_for_each_other_in_a_row_come_to_an_end() {
    fn link(left: usize) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if left == 0 {
                return 0;
            }
            let (send, receive) = channel();
            filch::spawn(async move { send.send(link(left - 1).await).expect("it waits") })
                .detach();
            receive.recv().expect("it comes") + 1
        })
    }
    for workers in [1, 2] {
        let rt = runtime(workers, 6);
        let chain = rt.spawn(link(workers + 5));
        within_reason(move || assert_eq!(rt.block_on(chain).expect("no panic"), workers + 5));
    }
}

/// Spares are for tasks that compute as well; those behind them shall not wait until they have.
#[test]
fn tasks_run_while_every_worker_computes() {
    for workers in [1, 2] {
        let rt = runtime(workers, 2);
        let is_over = Arc::new(AtomicBool::new(false));
        // One of them on the first spare, perhaps.
        let hogs: Vec<_> = (0..workers)
            .map(|_| {
                let is_over = is_over.clone();
                rt.spawn(async move {
                    spin_until("somebody else runs", || is_over.load(Ordering::SeqCst));
                })
            })
            .collect();
        rt.spawn(async move { is_over.store(true, Ordering::SeqCst) })
            .detach();
        within_reason(move || {
            hogs.into_iter()
                .for_each(|hog| rt.block_on(hog).expect("no panic"));
        });
    }
}

#[test]
fn without_spares_what_is_behind_a_blocked_worker_waits() {
    for workers in [1, 2] {
        let rt = runtime(workers, 0);
        let blocked = block_all(&rt, workers);
        let ran = Arc::new(AtomicBool::new(false));
        let task = rt.spawn({
            let ran = ran.clone();
            async move { ran.store(true, Ordering::SeqCst) }
        });
        // A spare would have come by then; if this is too short for a slow machine, the test proves less.
        std::thread::sleep(Duration::from_millis(50));
        assert!(!ran.load(Ordering::SeqCst), "there is nobody to run it");
        blocked.release(&rt);
        rt.block_on(task).expect("no panic");
        assert!(ran.load(Ordering::SeqCst));
    }
}

#[test]
fn block_on_within_a_task_on_a_spare_hands_the_spare_on() {
    for workers in [1, 2] {
        let rt = runtime(workers, 1);
        let blocked = block_all(&rt, workers);
        let handle = rt.handle().clone();
        // The only spare runs this task, which waits for another one; so somebody has to go on as the spare.
        let task = rt.spawn(async move {
            let inner = filch::spawn(async {
                sleep(Duration::from_millis(1)).await;
                filch::spawn(async { 7 }).await.expect("no panic")
            });
            handle.block_on(inner).expect("no panic")
        });
        within_reason(move || {
            assert_eq!(rt.block_on(task).expect("no panic"), 7);
            blocked.release(&rt);
        });
    }
}

#[test]
fn a_runtime_is_dropped_within_a_task_on_a_spare() {
    for workers in [1, 2] {
        let tally = Tally::new();
        let rt = Arc::new(Mutex::new(None));
        let new = runtime(workers, 3);
        for _ in 0..10 {
            let own = tally.track();
            new.spawn(async move {
                let _own = own;
                pending::<()>().await;
            })
            .detach();
        }
        let blocked = block_all(&new, workers);
        let (handle, own) = (new.handle().clone(), rt.clone());
        *rt.lock().unwrap() = Some(new);
        let (tell, told) = channel();
        handle
            .spawn(async move {
                let _senders = blocked.senders;
                drop(own.lock().unwrap().take());
                tell.send(()).expect("the test waits");
            })
            .detach();
        within_reason(move || told.recv().expect("the drop returns"));
        tally.wait_until_all_gone();
    }
}

#[test]
fn a_runtime_ends_while_spares_are_blocked() {
    for (workers, spares) in [(1, 1), (2, 3)] {
        let rt = runtime(workers, spares);
        let tally = Tally::new();
        let own = tally.track();
        // Spawned on a spare, so that its memory is the spare's.
        let blocked = block_all(&rt, workers);
        let (tell, told) = channel();
        rt.spawn(async move {
            let nested = filch::spawn(async move {
                let _own = own;
                pending::<()>().await;
            });
            tell.send(nested).expect("the test waits");
        })
        .detach();
        let nested = told.recv().expect("a spare runs it");
        let more = block_all(&rt, spares);
        // They come out of their polls when the end has begun, or is about to.
        let ender = std::thread::spawn(move || drop(rt));
        let other = runtime(1, 0);
        within_reason(move || {
            drop((blocked.senders, more.senders));
            ender.join().expect("no panic");
            assert!(other.block_on(nested).unwrap_err().is_cancelled());
        });
        tally.assert_all_gone();
    }
}

#[test]
fn a_runtime_ends_while_spares_are_parked() {
    for workers in [1, 2] {
        let rt = runtime(workers, 4);
        let blocked = block_all(&rt, workers + 2);
        blocked.release(&rt);
        // Two spares have nothing to do now, or will find out in a moment.
        within_reason(move || drop(rt));
    }
}

/// Ends at every moment in the life of a spare.
#[test]
fn a_runtime_ends_while_a_spare_starts() {
    for round in 0..60 {
        let rt = runtime(1 + round % 2, 2);
        let tally = Tally::new();
        let (send, receive) = channel::<()>();
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..6 {
            let (own, receive) = (tally.track(), receive.clone());
            rt.spawn(async move {
                let _own = own;
                let _ = receive.lock().map(|receive| receive.recv());
                filch::yield_now().await;
                pending::<()>().await;
            })
            .detach();
        }
        std::thread::sleep(Duration::from_micros(
            200 * u64::try_from(round).expect("small"),
        ));
        let ender = std::thread::spawn(move || drop(rt));
        drop(send);
        within_reason(move || ender.join().expect("no panic"));
        tally.assert_all_gone();
    }
}

/// Counted in a process of its own, since it counts what all of it holds.
#[test]
fn threads_and_descriptors_of_spares_are_given_back() {
    limits::in_child("threads_and_descriptors_of_spares_are_given_back", || {
        let before = Census::now().expect("/proc is there");
        for workers in [1, 2] {
            let rt = runtime(workers, 6);
            let idle = Census::now().expect("/proc is there");
            let blocked = block_all(&rt, workers + 6);
            // A thread for each spare and no descriptor, but for those that somebody reads the CPU limits by for a moment.
            let threads = idle.threads + 6;
            let busy = settle(&Census { threads, ..idle });
            assert_eq!(busy.threads, threads);
            blocked.release(&rt);
            // Those that are there already are used again, and no others.
            block_all(&rt, workers + 6).release(&rt);
            let again = Census::now().expect("/proc is there");
            assert!(again.threads <= busy.threads);
            within_reason(move || drop(rt));
            settle(&before);
        }
    });
}

/// A thread that is not to be had is asked for again later.
#[test]
fn a_spare_that_cannot_be_started_starts_when_it_can() {
    if !limits::can_limit_threads() {
        return;
    }
    limits::in_child("a_spare_that_cannot_be_started_starts_when_it_can", || {
        for workers in [1, 2] {
            let rt = runtime(workers, 2);
            let threads = Census::now().expect("/proc is there").threads;
            limits::threads(threads).expect("the limit is lowered");
            let blocked = block_all(&rt, workers);
            let (tell, told) = channel();
            rt.spawn(async move { tell.send(()).expect("the test waits") })
                .detach();
            // Long enough for a try that fails; if it is too short on a slow machine, the test proves less.
            let waited = told.recv_timeout(Duration::from_millis(30));
            assert_eq!(waited, Err(RecvTimeoutError::Timeout));
            limits::threads(threads + 40).expect("the limit is raised");
            within_reason(move || {
                told.recv().expect("a spare runs it");
                blocked.release(&rt);
            });
        }
    });
}

#[test]
fn spares_may_be_limited_and_nonsense_is_refused() {
    let error = Builder::new()
        .max_spare_workers(65_536)
        .build()
        .expect_err("too many");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(
        text.contains("max_spare_workers") && text.contains("give fewer"),
        "{text}"
    );
    drop(
        Builder::new()
            .worker_threads(1)
            .max_spare_workers(65_535)
            .build()
            .expect("the most there may be"),
    );
}

/// What the stuck tasks left is run by the workers again, and in a while nobody needs spares: the counter is theirs.
#[test]
fn what_a_spare_has_left_is_run_by_workers_that_are_free_again() {
    let rt = runtime(2, 2);
    for _ in 0..20 {
        let blocked = block_all(&rt, 2);
        let count = Arc::new(AtomicUsize::new(0));
        let (tell, told) = channel();
        let own = count.clone();
        rt.spawn(async move {
            for _ in 0..100 {
                let own = own.clone();
                filch::spawn(async move {
                    for _ in 0..20 {
                        filch::yield_now().await;
                    }
                    own.fetch_add(1, Ordering::SeqCst);
                })
                .detach();
            }
            tell.send(()).expect("the test waits");
        })
        .detach();
        told.recv().expect("a spare runs it");
        blocked.release(&rt);
        eventually("all have run", || {
            (count.load(Ordering::SeqCst) == 100).then_some(())
        });
    }
}

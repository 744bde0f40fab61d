//! How often does a program ask for memory, once it is warm?
//!
//! Each test runs one kind of operation some thousands of times in a task of a runtime with one worker, and then as often again, counting what the worker's thread asks for meanwhile: for
//! the task itself, for those it talks to, and for the scheduler, the timers and the reactor. That is nothing, or as much as is said here. (What channels and locks need by themselves, without a runtime,
//! is asked by `mpsc_alloc`, `mpmc_alloc` and `locks_alloc`.)

use filch::__bench::Queue;
use filch::io::{AsyncFd, duplex};
use filch::runtime::Builder;
use filch::sync::{
    Barrier, Mutex, Notify, RwLock, Semaphore, WaitGroup, broadcast, mpmc, mpsc, oneshot, watch,
};
use filch::task::JoinSet;
use filch::time::{Duration, Instant, interval, sleep, timeout};
use filch_net::{TcpListener, TcpStream};
use filch_tests::allocations::{Counting, of_this_thread};
use filch_tests::guard::within_reason;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often each operation is done, to become warm and to be counted.
const TIMES: usize = 10_000;

/// The same for what takes a millisecond.
const TIMES_SLOW: usize = 200;

const HOUR: Duration = Duration::from_secs(3600);

/// How often it is counted: what is asked for again and again is asked for each time; what is done for the first time where a machine is slow, is not. What is asked for more seldom than
/// once in all these times is not seen.
const COUNTS: usize = 3;

/// Does something that often, and that often again: what the second time has asked for, or a later one.
macro_rules! steady {
    ($times:expr, $once:block) => {{
        for _ in 0..$times {
            let _ = $once;
        }
        let mut least = usize::MAX;
        for _ in 0..COUNTS {
            let before = of_this_thread();
            for _ in 0..$times {
                let _ = $once;
            }
            least = least.min(of_this_thread() - before);
            if least == 0 {
                break;
            }
        }
        least
    }};
}

/// What a task gives that is run on the only worker.
fn on_a_worker(program: impl Future<Output = usize> + Send + 'static) -> usize {
    within_reason(|| {
        // Without spare workers, so that there is no other thread that could go on with it.
        let runtime = Builder::new()
            .worker_threads(1)
            .max_spare_workers(0)
            .build();
        let runtime = runtime.expect("a runtime");
        runtime
            .block_on(runtime.spawn(program))
            .expect("it does not panic")
    })
}

#[test]
fn an_allocation_is_counted() {
    let boxes = async { steady!(TIMES, { drop(std::hint::black_box(Box::new(1))) }) };
    assert_eq!(on_a_worker(boxes), TIMES);
}

#[test]
fn a_turn_is_given_up_for_nothing() {
    let count = on_a_worker(async { steady!(TIMES, { filch::yield_now().await }) });
    assert_eq!(count, 0);
}

#[test]
fn a_task_is_spawned_for_nothing() {
    let joined =
        on_a_worker(async { steady!(TIMES, { filch::spawn(async { 7 }).await.unwrap() }) });
    assert_eq!(joined, 0);
    let detached = on_a_worker(async {
        steady!(TIMES, {
            filch::spawn(async {}).detach();
            filch::yield_now().await;
        })
    });
    assert_eq!(detached, 0);
    // A future that waits, and is aborted.
    let aborted = on_a_worker(async {
        steady!(TIMES, {
            let task = filch::spawn(std::future::pending::<()>());
            filch::yield_now().await;
            task.abort();
            assert!(task.await.is_err());
        })
    });
    assert_eq!(aborted, 0);
}

#[test]
fn many_tasks_at_once_come_from_the_slab() {
    let count = on_a_worker(async {
        let mut handles = Vec::with_capacity(100);
        steady!(TIMES / 100, {
            handles.extend((0..100).map(|_| filch::spawn(filch::yield_now())));
            for handle in handles.drain(..) {
                handle.await.unwrap();
            }
        })
    });
    // Crossbeam's queue shrinks when it is nearly empty and has to grow again, five times for a hundred; ours keeps a block.
    let most_per_hundred = if Queue::new().is_fast() { 0 } else { 5 };
    assert!(
        count <= most_per_hundred * TIMES / 100,
        "{count} allocations"
    );
}

#[test]
fn a_bounded_channel_waits_for_nothing() {
    let count = on_a_worker(async {
        let (to, mut from) = mpsc::channel(1);
        let (back, mut answers) = mpsc::channel(1);
        filch::spawn(async move {
            while let Some(number) = from.recv().await {
                back.send(number).await.unwrap();
            }
        })
        .detach();
        steady!(TIMES, {
            to.send(7).await.unwrap();
            assert_eq!(answers.recv().await, Some(7));
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn a_sender_waits_for_room_for_nothing() {
    let count = on_a_worker(async {
        let (to, mut from) = mpsc::channel(1);
        filch::spawn(async move { while from.recv().await.is_some() {} }).detach();
        // Every second one finds no room.
        steady!(TIMES, { to.send(7).await.unwrap() })
    });
    assert_eq!(count, 0);
}

#[test]
fn an_unbounded_channel_waits_for_nothing() {
    let count = on_a_worker(async {
        let (to, mut from) = mpsc::unbounded_channel();
        let (back, mut answers) = mpsc::unbounded_channel();
        filch::spawn(async move {
            while let Some(number) = from.recv().await {
                back.send(number).unwrap();
            }
        })
        .detach();
        steady!(TIMES, {
            to.send(7).unwrap();
            assert_eq!(answers.recv().await, Some(7));
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn a_channel_of_many_waits_for_nothing() {
    let count = on_a_worker(async {
        let (to, from) = mpmc::channel(1);
        let (back, answers) = mpmc::channel(1);
        // Two who receive, and a third who waits for room at times.
        for _ in 0..2 {
            let (from, back) = (from.clone(), back.clone());
            filch::spawn(async move {
                while let Ok(number) = from.recv().await {
                    back.send(number).await.unwrap();
                }
            })
            .detach();
        }
        steady!(TIMES, {
            to.send(7).await.unwrap();
            to.send(7).await.unwrap();
            assert_eq!(answers.recv().await, Ok(7));
            assert_eq!(answers.recv().await, Ok(7));
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn a_broadcast_costs_nothing() {
    let count = on_a_worker(async {
        let (to, mut from) = broadcast::channel(4);
        let (back, mut answers) = broadcast::channel(4);
        filch::spawn(async move {
            while let Ok(number) = from.recv().await {
                back.send(number).unwrap();
            }
        })
        .detach();
        steady!(TIMES, {
            to.send(7).unwrap();
            assert_eq!(answers.recv().await, Ok(7));
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn a_oneshot_is_one_allocation_also_if_it_waits() {
    let count = on_a_worker(async {
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<u32>>(1);
        filch::spawn(async move {
            while let Some(answer) = asked.recv().await {
                answer.send(7).unwrap();
            }
        })
        .detach();
        steady!(TIMES, {
            let (sender, receiver) = oneshot::channel();
            ask.send(sender).await.unwrap();
            assert_eq!(receiver.await, Ok(7));
        })
    });
    assert_eq!(count, TIMES);
}

#[test]
fn news_of_a_watch_cost_nothing() {
    let count = on_a_worker(async {
        let (to, mut from) = watch::channel(0);
        let (back, mut answers) = watch::channel(0);
        filch::spawn(async move {
            while from.changed().await.is_ok() {
                back.send_replace(*from.borrow_and_update());
            }
        })
        .detach();
        let mut number = 0;
        steady!(TIMES, {
            number += 1;
            to.send(number).unwrap();
            answers.wait_for(|seen| *seen == number).await.unwrap();
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn signals_cost_nothing() {
    let notify = on_a_worker(async {
        let there = Arc::new(Notify::new());
        let back = Arc::new(Notify::new());
        let (told, answers) = (there.clone(), back.clone());
        filch::spawn(async move {
            loop {
                told.notified().await;
                answers.notify_one();
            }
        })
        .detach();
        steady!(TIMES, {
            there.notify_one();
            back.notified().await;
        })
    });
    assert_eq!(notify, 0);
    let barrier = on_a_worker(async {
        let barrier = Arc::new(Barrier::new(2));
        let other = barrier.clone();
        filch::spawn(async move {
            loop {
                other.wait().await;
            }
        })
        .detach();
        steady!(TIMES, { barrier.wait().await })
    });
    assert_eq!(barrier, 0);
    let group = on_a_worker(async {
        let group = WaitGroup::new();
        steady!(TIMES, {
            let guard = group.add();
            filch::spawn(async { drop(guard) }).detach();
            group.wait().await;
        })
    });
    assert_eq!(group, 0);
}

#[test]
fn locks_are_waited_for_for_nothing() {
    let mutex = on_a_worker(async {
        let lock = Arc::new(Mutex::new(0));
        let other = lock.clone();
        filch::spawn(async move {
            loop {
                let _guard = other.lock().await;
                filch::yield_now().await;
            }
        })
        .detach();
        let mut waits = 0;
        let count = steady!(TIMES, {
            waits += usize::from(lock.try_lock().is_err());
            let guard = lock.lock().await;
            filch::yield_now().await;
            drop(guard);
            filch::yield_now().await;
        });
        assert!(waits > TIMES / 2, "it waits seldom: {waits}");
        count
    });
    assert_eq!(mutex, 0);
    let rwlock = on_a_worker(async {
        let lock = Arc::new(RwLock::new(0));
        let other = lock.clone();
        filch::spawn(async move {
            loop {
                drop(other.write().await);
                let _guard = other.read().await;
                filch::yield_now().await;
            }
        })
        .detach();
        let mut waits = 0;
        let count = steady!(TIMES, {
            waits += usize::from(lock.try_write().is_err());
            let guard = lock.write().await;
            filch::yield_now().await;
            drop(guard);
            filch::yield_now().await;
            drop(lock.read().await);
        });
        assert!(waits > TIMES / 2, "it waits seldom: {waits}");
        count
    });
    assert_eq!(rwlock, 0);
    let semaphore = on_a_worker(async {
        let permits = Arc::new(Semaphore::new(2));
        let other = permits.clone();
        filch::spawn(async move {
            loop {
                let _permit = other.acquire_many(2).await.unwrap();
                filch::yield_now().await;
            }
        })
        .detach();
        let mut waits = 0;
        let count = steady!(TIMES, {
            waits += usize::from(permits.try_acquire().is_err());
            let permit = permits.acquire().await.unwrap();
            filch::yield_now().await;
            drop(permit);
            filch::yield_now().await;
        });
        assert!(waits > TIMES / 2, "it waits seldom: {waits}");
        count
    });
    assert_eq!(semaphore, 0);
}

#[test]
fn timers_cost_nothing() {
    let armed =
        on_a_worker(async { steady!(TIMES, { timeout(HOUR, filch::yield_now()).await.unwrap() }) });
    assert_eq!(armed, 0);
    let fired =
        on_a_worker(async { steady!(TIMES_SLOW, { sleep(Duration::from_millis(1)).await }) });
    assert_eq!(fired, 0);
    let elapsed = on_a_worker(async {
        let never = std::future::pending::<()>;
        steady!(TIMES_SLOW, {
            assert!(timeout(Duration::from_millis(1), never()).await.is_err());
        })
    });
    assert_eq!(elapsed, 0);
    let ticks = on_a_worker(async {
        let mut interval = interval(Duration::from_millis(1));
        steady!(TIMES_SLOW, { interval.tick().await })
    });
    assert_eq!(ticks, 0);
}

#[test]
fn many_timers_at_once_cost_nothing() {
    let count = on_a_worker(async {
        // Their memory is theirs; the wheel has none.
        let mut naps: Vec<Pin<Box<_>>> = (0..100).map(|_| Box::pin(sleep(HOUR))).collect();
        steady!(TIMES / 100, {
            let until = Instant::now() + Duration::from_millis(1);
            for nap in &mut naps {
                nap.as_mut().reset(until);
                assert!(
                    futures_lite::future::poll_once(nap).await.is_none() || Instant::now() >= until
                );
            }
            sleep(Duration::from_millis(2)).await;
            assert!(naps.iter().all(|nap| nap.is_elapsed()));
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn several_futures_are_waited_for_for_nothing() {
    let count = on_a_worker(async {
        steady!(TIMES, {
            filch::join!(filch::yield_now(), filch::yield_now());
            filch::select! {
                () = filch::yield_now() => (),
                () = sleep(HOUR) => (),
            }
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn a_set_of_tasks_costs_nothing_per_task() {
    let count = on_a_worker(async {
        let mut set = JoinSet::new();
        steady!(TIMES, {
            set.spawn(async { 7 });
            assert_eq!(set.join_next().await.unwrap().unwrap(), 7);
        })
    });
    assert_eq!(count, 0);
}

#[test]
fn streams_wait_for_nothing() {
    let memory = on_a_worker(async {
        let (mut ours, mut theirs) = duplex(64);
        filch::spawn(async move {
            let mut word = [0; 4];
            while theirs.read_exact(&mut word).await.is_ok() {
                theirs.write_all(&word).await.unwrap();
            }
        })
        .detach();
        let mut word = *b"ping";
        steady!(TIMES, {
            ours.write_all(&word).await.unwrap();
            ours.read_exact(&mut word).await.unwrap();
        })
    });
    assert_eq!(memory, 0);
    let descriptors = on_a_worker(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let [ours, theirs] = [ours, theirs].map(|stream| {
            stream.set_nonblocking(true).unwrap();
            AsyncFd::new(stream).unwrap()
        });
        filch::spawn(async move {
            let mut word = [0; 4];
            // Until there is nobody to write to.
            let mut has_answered = true;
            while has_answered {
                let read = theirs.async_read(|mut stream| stream.read(&mut word));
                read.await.unwrap();
                let written = theirs.async_write(|mut stream| stream.write(&word));
                has_answered = written.await.is_ok();
            }
        })
        .detach();
        let mut word = *b"ping";
        steady!(TIMES, {
            ours.async_write(|mut stream| stream.write(&word))
                .await
                .unwrap();
            ours.async_read(|mut stream| stream.read(&mut word))
                .await
                .unwrap();
        })
    });
    assert_eq!(descriptors, 0);
    let sockets = on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        ours.set_nodelay(true).unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        filch::spawn(async move {
            let mut word = [0; 4];
            while theirs.read_exact(&mut word).await.is_ok() {
                theirs.write_all(&word).await.unwrap();
            }
        })
        .detach();
        let mut word = *b"ping";
        steady!(TIMES, {
            ours.write_all(&word).await.unwrap();
            ours.read_exact(&mut word).await.unwrap();
        })
    });
    assert_eq!(sockets, 0);
}

//! Do filch's own primitives hold together in random programs, whatever the order of the steps?
//!
//! Each test is run with many seeds: a few hundred, or ten thousand with `FILCH_SOAK=full`. The seed decides the program (who sends how much, who gives up when) as well as the order of
//! its steps ([`simulate`]), so the line that a failure prints repeats both. Whoever is stuck makes the simulation panic by itself: that everything ends needs no assertion.
//!
//! Whether such a test would notice anything at all is asked in the last part, by bugs that were planted.

use filch::runtime::simulate;
use filch::sync::{
    Barrier, CancellationToken, Mutex, Notify, RwLock, Semaphore, WaitGroup, broadcast, mpmc, mpsc,
    oneshot, watch,
};
use filch::task::JoinSet;
use filch::time::{Duration, sleep, timeout};
use filch::{scope, select, spawn, spawn_blocking, try_scope, yield_now};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::{is_soak, random::Random};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Runs a program that its seed decides, and looks afterwards whether it has left anything behind.
fn each_seed<F: Future<Output = ()>>(program: impl Fn(Random, Tally) -> F) {
    let only = std::env::var("FILCH_SEED").ok();
    let count = match (cfg!(miri), is_soak()) {
        (true, _) => 3,
        (false, true) => 10_000,
        (false, false) => 300,
    };
    let seeds = match only.and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    };
    for seed in seeds {
        let drops = Tally::new();
        simulate([seed], || program(Random::new(seed), drops.clone()));
        assert_eq!(drops.alive(), 0, "left behind with seed {seed}");
        drops.assert_all_gone();
    }
}

/// How often something has happened, over all seeds: what never does was not tested.
#[derive(Clone, Default)]
struct Happened(Arc<AtomicUsize>);

impl Happened {
    fn note(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    #[track_caller]
    fn assert_did(&self) {
        let is_partial = cfg!(miri) || std::env::var_os("FILCH_SEED").is_some();
        assert!(is_partial || self.0.load(Relaxed) > 0, "never happened");
    }
}

fn millis(random: &mut Random, below: usize) -> Duration {
    Duration::from_millis(random.below(below) as u64)
}

/// Nothing, some turns, or a while.
async fn pause(random: &mut Random) {
    match random.below(4) {
        0 | 1 => {}
        2 => {
            for _ in 0..=random.below(3) {
                yield_now().await;
            }
        }
        _ => sleep(millis(random, 5)).await,
    }
}

/// The future's output, unless the seed has it dropped before.
async fn perhaps_dropped<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    match random.below(3) {
        0 => Some(future.await),
        1 => timeout(millis(random, 4), future).await.ok(),
        _ => {
            let turns = random.below(4);
            let patience = async {
                for _ in 0..turns {
                    yield_now().await;
                }
            };
            select! {
                output = future => Some(output),
                () = patience => None,
            }
        }
    }
}

// ---- Channels.

/// From whom, and which of theirs.
type Number = (usize, usize);
type Message = (Number, Tracked);

#[derive(Clone)]
enum Tx {
    Bounded(mpsc::Sender<Message>),
    Unbounded(mpsc::UnboundedSender<Message>),
    Many(mpmc::Sender<Message>),
}

enum Rx {
    Bounded(mpsc::Receiver<Message>),
    Unbounded(mpsc::UnboundedReceiver<Message>),
    Many(mpmc::Receiver<Message>),
}

/// What became of a message.
#[derive(PartialEq)]
enum Fate {
    Sent,
    /// It was not sent: dropped with the future, or given back.
    Kept,
    /// Nor will others be.
    Closed,
}

impl Fate {
    fn of<E>(sent: Option<Result<(), E>>) -> Self {
        match sent {
            Some(Ok(())) => Self::Sent,
            Some(Err(_)) => Self::Closed,
            None => Self::Kept,
        }
    }
}

impl Tx {
    async fn send(&self, random: &mut Random, message: Message) -> Fate {
        use mpmc::error::SendTimeoutError as ManyTimeout;
        use mpsc::error::{SendTimeoutError, TrySendError};

        match (self, random.below(4)) {
            (Self::Unbounded(tx), _) => Fate::of(Some(tx.send(message))),
            (Self::Bounded(tx), 0) => match tx.try_send(message) {
                Ok(()) => Fate::Sent,
                Err(TrySendError::Full(_)) => Fate::Kept,
                Err(TrySendError::Closed(_)) => Fate::Closed,
            },
            (Self::Bounded(tx), 1) => {
                let limit = millis(random, 4);
                match tx.send_timeout(message, limit).await {
                    Ok(()) => Fate::Sent,
                    Err(SendTimeoutError::Timeout(_)) => Fate::Kept,
                    Err(SendTimeoutError::Closed(_)) => Fate::Closed,
                }
            }
            (Self::Bounded(tx), 2) => match perhaps_dropped(random, tx.reserve()).await {
                Some(Ok(permit)) => {
                    // What is reserved holds, even if the channel is closed meanwhile.
                    pause(random).await;
                    if random.below(3) == 0 {
                        return Fate::Kept;
                    }
                    permit.send(message);
                    Fate::Sent
                }
                other => Fate::of(other.map(|reserved| reserved.map(drop))),
            },
            (Self::Bounded(tx), _) => Fate::of(perhaps_dropped(random, tx.send(message)).await),
            (Self::Many(tx), 0) => {
                let limit = millis(random, 4);
                match tx.send_timeout(message, limit).await {
                    Ok(()) => Fate::Sent,
                    Err(ManyTimeout::Timeout(_)) => Fate::Kept,
                    Err(ManyTimeout::Closed(_)) => Fate::Closed,
                }
            }
            (Self::Many(tx), _) => Fate::of(perhaps_dropped(random, tx.send(message)).await),
        }
    }
}

impl Rx {
    /// The next messages; none if none come any more.
    async fn recv(&mut self, many: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        match self {
            Self::Bounded(rx) if many > 1 => drop(rx.recv_many(&mut messages, many).await),
            Self::Bounded(rx) => messages.extend(rx.recv().await),
            Self::Unbounded(rx) if many > 1 => drop(rx.recv_many(&mut messages, many).await),
            Self::Unbounded(rx) => messages.extend(rx.recv().await),
            Self::Many(rx) if many > 1 => drop(rx.recv_many(&mut messages, many).await),
            Self::Many(rx) => messages.extend(rx.recv().await.ok()),
        }
        messages
    }

    fn close(&mut self) {
        match self {
            Self::Bounded(rx) => rx.close(),
            Self::Unbounded(rx) => rx.close(),
            Self::Many(rx) => drop(rx.close()),
        }
    }
}

fn channel(random: &mut Random) -> (Tx, Vec<Rx>) {
    let capacity = [1, 2, 7][random.below(3)];
    match random.below(3) {
        0 => {
            let (tx, rx) = mpsc::channel(capacity);
            (Tx::Bounded(tx), vec![Rx::Bounded(rx)])
        }
        1 => {
            let (tx, rx) = mpsc::unbounded_channel();
            (Tx::Unbounded(tx), vec![Rx::Unbounded(rx)])
        }
        _ => {
            let (tx, rx) = mpmc::channel(capacity);
            let all = (0..=random.below(3)).map(|_| Rx::Many(rx.clone()));
            (Tx::Many(tx), all.collect())
        }
    }
}

/// Returns the numbers that were sent.
async fn produce(mut random: Random, from: usize, tx: Tx, drops: Tally) -> Vec<usize> {
    let mut sent = Vec::new();
    for number in 0..random.below(10) {
        pause(&mut random).await;
        let message = ((from, number), drops.track());
        match tx.send(&mut random, message).await {
            Fate::Sent => sent.push(number),
            Fate::Kept => {}
            Fate::Closed => break,
        }
    }
    sent
}

/// Returns what was received, and whether that was until the end.
async fn consume(mut random: Random, mut rx: Rx) -> (Vec<Number>, bool) {
    let mut got = Vec::new();
    // After so many turns it is closed, or dropped. Most never come to that.
    let (close, leave) = (random.below(30), random.below(60));
    for turn in 0.. {
        if turn == leave {
            return (got, false);
        }
        if turn == close {
            rx.close();
        }
        pause(&mut random).await;
        let many = 1 + random.below(3);
        if let Some(messages) = perhaps_dropped(&mut random, rx.recv(many)).await {
            if messages.is_empty() {
                return (got, true);
            }
            got.extend(messages.iter().map(|(number, _)| *number));
        }
    }
    unreachable!("the loop has no end of its own")
}

/// Checks that nobody sees the messages of one sender out of order.
fn assert_ascending(got: &[Number]) {
    let mut last = BTreeMap::new();
    for &(from, number) in got {
        let before = last.insert(from, number);
        assert!(before.is_none_or(|before| before < number), "{got:?}");
    }
}

#[test]
fn each_message_of_a_queue_comes_once_and_in_order() {
    let (lost, kept) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        let (tx, receivers) = channel(&mut random);
        let consumers: Vec<_> = receivers
            .into_iter()
            .map(|rx| spawn(consume(random.fork(), rx)))
            .collect();
        let producers: Vec<_> = (0..=random.below(3))
            .map(|from| spawn(produce(random.fork(), from, tx.clone(), drops.clone())))
            .collect();
        drop(tx);
        let mut got = BTreeMap::<usize, Vec<usize>>::new();
        let mut is_drained = false;
        for consumer in consumers {
            let (numbers, until_end) = consumer.await.unwrap();
            assert_ascending(&numbers);
            is_drained |= until_end;
            for (from, number) in numbers {
                got.entry(from).or_default().push(number);
            }
        }
        for (from, producer) in producers.into_iter().enumerate() {
            let sent = producer.await.unwrap();
            let mut got = got.remove(&from).unwrap_or_default();
            got.sort_unstable();
            if is_drained {
                assert_eq!(got, sent, "from {from}");
            } else {
                // What was in the channel when its last receiver went is lost, and nothing before that.
                assert!(sent.starts_with(&got), "{got:?} of {sent:?}");
            }
            if got.len() < sent.len() {
                lost.note();
            }
            if sent.last().is_some_and(|last| last + 1 > sent.len()) {
                kept.note();
            }
        }
        assert!(got.is_empty(), "from nowhere: {got:?}");
        // Nothing is left in a channel without handles.
        drops.assert_all_gone();
    });
    lost.assert_did();
    kept.assert_did();
}

type Shared = (Number, Arc<Tracked>);

/// Returns how many were received, and how many missed; `None` if it left early.
async fn listen(mut random: Random, mut rx: broadcast::Receiver<Shared>) -> Option<(usize, u64)> {
    use broadcast::error::RecvError;

    let leave = random.below(40);
    let (mut got, mut missed) = (Vec::new(), 0);
    for _ in 0..10 * leave {
        pause(&mut random).await;
        match perhaps_dropped(&mut random, rx.recv()).await {
            None => {}
            Some(Ok((number, _))) => got.push(number),
            Some(Err(RecvError::Lagged(more))) => missed += more,
            Some(Err(RecvError::Closed)) => {
                assert_ascending(&got);
                return Some((got.len(), missed));
            }
        }
    }
    assert_ascending(&got);
    None
}

#[test]
fn each_message_of_a_broadcast_comes_to_everybody_or_is_counted_as_missed() {
    let (missed, given_back) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        let (tx, first) = broadcast::channel([1, 2, 4][random.below(3)]);
        let mut listeners: Vec<_> = (0..random.below(3))
            .map(|_| spawn(listen(random.fork(), tx.subscribe())))
            .collect();
        listeners.push(spawn(listen(random.fork(), first)));
        let senders: Vec<_> = (0..=random.below(3))
            .map(|from| {
                let (mut random, tx, drops) = (random.fork(), tx.clone(), drops.clone());
                spawn(async move {
                    let mut sent = 0;
                    for number in 0..random.below(10) {
                        pause(&mut random).await;
                        let message = ((from, number), Arc::new(drops.track()));
                        sent += usize::from(tx.send(message).is_ok());
                    }
                    sent
                })
            })
            .collect();
        // One that comes late, and misses the beginning.
        let late = spawn(listen(random.fork(), tx.subscribe()));
        drop(tx);
        let mut sent = 0;
        for sender in senders {
            sent += sender.await.unwrap();
        }
        for listener in listeners {
            match listener.await.unwrap() {
                Some((got, lost)) => {
                    assert_eq!(got as u64 + lost, sent as u64);
                    (0..lost).for_each(|_| missed.note());
                }
                None => given_back.note(),
            }
        }
        late.await.unwrap();
        drops.assert_all_gone();
    });
    missed.assert_did();
    given_back.assert_did();
}

#[test]
fn the_newest_value_of_a_watch_comes_to_everybody() {
    let skipped = Happened::default();
    each_seed(async |mut random, _| {
        let (tx, rx) = watch::channel(0);
        let last = random.below(8);
        let watchers: Vec<_> = (0..=random.below(3))
            .map(|_| {
                let (mut random, mut rx) = (random.fork(), rx.clone());
                let goal = random.below(8);
                spawn(async move {
                    let (mut seen, mut times) = (0, 0);
                    if random.below(3) == 0 {
                        match rx.wait_for(|value| *value >= goal).await {
                            Ok(value) => seen = *value,
                            Err(_) => assert!(goal > last),
                        }
                        assert!(seen >= goal || goal > last);
                    }
                    loop {
                        pause(&mut random).await;
                        let has_changed = perhaps_dropped(&mut random, rx.changed()).await;
                        match has_changed {
                            None => continue,
                            Some(Err(_)) => break,
                            Some(Ok(())) => {}
                        }
                        let value = *rx.borrow_and_update();
                        assert!(value >= seen, "{value} after {seen}");
                        (seen, times) = (value, times + 1);
                    }
                    (*rx.borrow(), times)
                })
            })
            .collect();
        drop(rx);
        for value in 1..=last {
            pause(&mut random).await;
            // Whoever watches stays until the end.
            tx.send(value).unwrap();
        }
        drop(tx);
        for watcher in watchers {
            let (seen, times) = watcher.await.unwrap();
            assert_eq!(seen, last);
            if times < last {
                skipped.note();
            }
        }
    });
    skipped.assert_did();
}

#[test]
fn one_value_comes_if_and_only_if_it_was_sent() {
    let (got, refused) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        for _ in 0..5 {
            let (tx, mut rx) = oneshot::channel();
            let (mut ours, mut theirs) = (random.fork(), random.fork());
            let token = drops.track();
            let sender = spawn(async move {
                pause(&mut theirs).await;
                if theirs.below(4) == 0 {
                    return false;
                }
                tx.send(token).is_ok()
            });
            let receiver = spawn(async move {
                for _ in 0..ours.below(6) {
                    if let Some(value) = perhaps_dropped(&mut ours, &mut rx).await {
                        return Some(value.is_ok());
                    }
                    if ours.below(6) == 0 {
                        rx.close();
                    }
                }
                // Dropped, with what is in it, or awaited to its end.
                if ours.below(2) == 0 {
                    return None;
                }
                Some(rx.await.is_ok())
            });
            let (was_sent, has_come) = (sender.await.unwrap(), receiver.await.unwrap());
            if let Some(has_come) = has_come {
                assert_eq!(has_come, was_sent);
                if has_come { got.note() } else { refused.note() }
            }
            drops.assert_all_gone();
        }
    });
    got.assert_did();
    refused.assert_did();
}

// ---- Locks and signals.

/// Who is within, if only so many may be.
#[derive(Clone, Default)]
struct Room(Arc<AtomicUsize>);

/// Leaves when it is dropped, also with a task that is aborted.
struct Within(Room, usize);

impl Room {
    fn enter(&self, weight: usize, limit: usize) -> Within {
        let within = self.0.fetch_add(weight, Relaxed) + weight;
        assert!(within <= limit, "{within} within, where {limit} may be");
        Within(self.clone(), weight)
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Relaxed);
    }
}

#[test]
fn a_mutex_lets_one_in_and_none_is_forgotten() {
    let (aborted, gave_up) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        let is_fair = random.below(2) == 0;
        let new = if is_fair { Mutex::new_fair } else { Mutex::new };
        let lock = Arc::new(new(0));
        let (room, added) = (Room::default(), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..=random.below(4))
            .map(|_| {
                let (mut random, lock, room) = (random.fork(), lock.clone(), room.clone());
                let (added, token, gave_up) = (added.clone(), drops.track(), gave_up.clone());
                spawn(async move {
                    let _token = token;
                    for _ in 0..random.below(6) {
                        pause(&mut random).await;
                        let guard = match random.below(3) {
                            0 => lock.clone().try_lock_owned().ok(),
                            _ => perhaps_dropped(&mut random, lock.clone().lock_owned()).await,
                        };
                        let Some(mut guard) = guard else {
                            gave_up.note();
                            continue;
                        };
                        let _within = room.enter(1, 1);
                        let before = *guard;
                        pause(&mut random).await;
                        *guard = before + 1;
                        added.fetch_add(1, Relaxed);
                        pause(&mut random).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            if random.below(4) == 0 {
                pause(&mut random).await;
                task.abort();
            }
            if task.await.is_err_and(|error| error.is_cancelled()) {
                aborted.note();
            }
        }
        assert_eq!(*lock.try_lock().unwrap(), added.load(Relaxed));
        drops.assert_all_gone();
    });
    aborted.assert_did();
    gave_up.assert_did();
}

#[test]
fn a_reader_sees_no_half_of_a_change() {
    let shared = Happened::default();
    each_seed(async |mut random, _| {
        let lock = Arc::new(RwLock::new((0, 0)));
        let (readers, writers) = (Room::default(), Room::default());
        let tasks: Vec<_> = (0..=random.below(5))
            .map(|_| {
                let (mut random, lock, shared) = (random.fork(), lock.clone(), shared.clone());
                let (readers, writers) = (readers.clone(), writers.clone());
                spawn(async move {
                    let mut added = 0;
                    for _ in 0..random.below(6) {
                        pause(&mut random).await;
                        if random.below(2) == 0 {
                            let guard = perhaps_dropped(&mut random, lock.read()).await;
                            let Some(guard) = guard else { continue };
                            let _within = readers.enter(1, usize::MAX);
                            let before = *guard;
                            pause(&mut random).await;
                            if readers.0.load(Relaxed) > 1 {
                                shared.note();
                            }
                            assert_eq!(writers.0.load(Relaxed), 0);
                            assert_eq!((*guard, guard.0), (before, guard.1));
                            continue;
                        }
                        let guard = perhaps_dropped(&mut random, lock.write()).await;
                        let Some(mut guard) = guard else { continue };
                        let within = writers.enter(1, 1);
                        guard.0 += 1;
                        pause(&mut random).await;
                        assert_eq!(readers.0.load(Relaxed), 0);
                        guard.1 += 1;
                        added += 1;
                        drop(within);
                        if random.below(2) == 0 {
                            let guard = guard.downgrade();
                            let _within = readers.enter(1, usize::MAX);
                            pause(&mut random).await;
                            assert_eq!(guard.0, guard.1);
                        }
                    }
                    added
                })
            })
            .collect();
        let mut added = 0;
        for task in tasks {
            added += task.await.unwrap();
        }
        assert_eq!(*lock.try_write().unwrap(), (added, added));
    });
    shared.assert_did();
}

#[test]
fn a_semaphore_gives_no_more_than_it_has_and_gets_all_back() {
    let (aborted, refused) = (Happened::default(), Happened::default());
    each_seed(async |mut random, _| {
        let total = 1 + random.below(4);
        let permits = Arc::new(Semaphore::new(total));
        let room = Room::default();
        let tasks: Vec<_> = (0..=random.below(5))
            .map(|_| {
                let (mut random, permits, room) = (random.fork(), permits.clone(), room.clone());
                let refused = refused.clone();
                spawn(async move {
                    for _ in 0..random.below(6) {
                        pause(&mut random).await;
                        let n = random.below(total + 1);
                        let acquire = permits.acquire_many(n as u32);
                        match perhaps_dropped(&mut random, acquire).await {
                            None => {}
                            Some(Err(_)) => {
                                refused.note();
                                assert!(permits.is_closed());
                            }
                            Some(Ok(_permit)) => {
                                let _within = room.enter(n, total);
                                pause(&mut random).await;
                            }
                        }
                    }
                })
            })
            .collect();
        if random.below(4) == 0 {
            pause(&mut random).await;
            permits.close();
        }
        for task in tasks {
            if random.below(4) == 0 {
                pause(&mut random).await;
                task.abort();
            }
            if task.await.is_err_and(|error| error.is_cancelled()) {
                aborted.note();
            }
        }
        assert_eq!(permits.available_permits(), total);
    });
    aborted.assert_did();
    refused.assert_did();
}

#[test]
fn a_notification_is_not_lost_by_who_gives_up() {
    let gave_up = Happened::default();
    each_seed(async |mut random, _| {
        let (pushed, items) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let take = |items: &AtomicUsize| {
            let less = |n: usize| n.checked_sub(1);
            items.fetch_update(Relaxed, Relaxed, less).is_ok()
        };
        let mut sum = 0;
        let consumers: Vec<_> = (0..=random.below(3))
            .map(|_| {
                let (mut random, pushed, items) = (random.fork(), pushed.clone(), items.clone());
                let (gave_up, quota) = (gave_up.clone(), random.below(6));
                sum += quota;
                spawn(async move {
                    for _ in 0..quota {
                        while !take(&items) {
                            let waited = perhaps_dropped(&mut random, pushed.notified()).await;
                            if waited.is_none() {
                                gave_up.note();
                            }
                        }
                        pause(&mut random).await;
                    }
                    // One permit may stand for several items: the next one looks.
                    pushed.notify_one();
                })
            })
            .collect();
        for _ in 0..sum {
            pause(&mut random).await;
            items.fetch_add(1, Relaxed);
            if random.below(2) == 0 {
                pushed.notify_one();
            } else {
                pushed.notify_last();
            }
        }
        for consumer in consumers {
            consumer.await.unwrap();
        }
        assert_eq!(items.load(Relaxed), 0);
    });
    gave_up.assert_did();
}

#[test]
fn a_call_to_everybody_reaches_everybody() {
    each_seed(async |mut random, _| {
        let (calls, is_open) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let tasks: Vec<_> = (0..random.below(40))
            .map(|_| {
                let (mut random, calls) = (random.fork(), calls.clone());
                let is_open = is_open.clone();
                spawn(async move {
                    loop {
                        pause(&mut random).await;
                        let called = calls.notified();
                        if is_open.load(Relaxed) {
                            return;
                        }
                        pause(&mut random).await;
                        let _ = perhaps_dropped(&mut random, called).await;
                    }
                })
            })
            .collect();
        pause(&mut random).await;
        is_open.store(true, Relaxed);
        calls.notify_waiters();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_barrier_keeps_the_rounds_apart() {
    let gave_up = Happened::default();
    each_seed(async |mut random, _| {
        let (size, rounds) = (1 + random.below(4), random.below(5));
        let barrier = Arc::new(Barrier::new(size));
        let (come, leaders) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..size)
            .map(|_| {
                let (mut random, barrier) = (random.fork(), barrier.clone());
                let (come, leaders, gave_up) = (come.clone(), leaders.clone(), gave_up.clone());
                spawn(async move {
                    for round in 1..=rounds {
                        pause(&mut random).await;
                        come.fetch_add(1, Relaxed);
                        loop {
                            match perhaps_dropped(&mut random, barrier.wait()).await {
                                Some(result) => {
                                    leaders.fetch_add(usize::from(result.is_leader()), Relaxed);
                                    break;
                                }
                                // Too late to be taken back: the last one has come meanwhile.
                                None if leaders.load(Relaxed) >= round => break,
                                None => gave_up.note(),
                            }
                        }
                        assert!(come.load(Relaxed) >= round * size);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(come.load(Relaxed), size * rounds);
        assert_eq!(leaders.load(Relaxed), rounds);
    });
    gave_up.assert_did();
}

#[test]
fn a_cancellation_reaches_all_below_and_none_above() {
    let (spared, done) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        // Each but the first is the child of one before it.
        let mut tree = vec![(CancellationToken::new(), 0)];
        for n in 1..1 + random.below(8) {
            let parent = random.below(n);
            tree.push((tree[parent].0.child_token(), parent));
        }
        let tasks: Vec<_> = tree
            .iter()
            .map(|(token, _)| {
                let (mut random, token, drop) = (random.fork(), token.clone(), drops.track());
                spawn(async move {
                    let _drop = drop;
                    let work = async {
                        for _ in 0..random.below(5) {
                            pause(&mut random).await;
                        }
                        if random.below(3) > 0 {
                            std::future::pending::<()>().await;
                        }
                    };
                    let is_done = token.run_until_cancelled(work).await.is_some();
                    assert!(is_done || token.is_cancelled());
                    is_done
                })
            })
            .collect();
        pause(&mut random).await;
        let first = random.below(tree.len());
        tree[first].0.cancel();
        let mut is_below = vec![false; tree.len()];
        for (n, (token, parent)) in tree.iter().enumerate() {
            is_below[n] = n == first || (n > 0 && is_below[*parent]);
            assert_eq!(token.is_cancelled(), is_below[n], "{n} below {first}");
            if !is_below[n] {
                spared.note();
            }
        }
        // Whoever is below ends without any help.
        let mut others = Vec::new();
        for (n, task) in tasks.into_iter().enumerate() {
            if !is_below[n] {
                others.push(task);
            } else if task.await.unwrap() {
                done.note();
            }
        }
        tree[0].0.cancel();
        for task in others {
            task.await.unwrap();
        }
        drops.assert_all_gone();
    });
    spared.assert_did();
    done.assert_did();
}

#[test]
fn a_wait_group_waits_for_the_last_guard() {
    each_seed(async |mut random, drops| {
        let group = WaitGroup::new();
        let working = Tally::new();
        for _ in 0..random.below(6) {
            // Fields are dropped in order: the work has gone when the guard does.
            let mut work = vec![(working.track(), group.add())];
            let (mut random, token) = (random.fork(), drops.track());
            let working = working.clone();
            let is_aborted = random.below(3) == 0;
            let task = spawn(async move {
                let _token = token;
                pause(&mut random).await;
                for _ in 0..random.below(4) {
                    let guard = work[0].1.clone();
                    work.push((working.track(), guard));
                }
                while work.pop().is_some() {
                    pause(&mut random).await;
                }
            });
            if is_aborted {
                task.abort();
            }
            task.detach();
        }
        let mut waits = 0;
        while perhaps_dropped(&mut random, group.wait()).await.is_none() {
            waits += 1;
            assert!(waits < 10_000, "a wait that is over never ends");
            sleep(Duration::from_millis(1)).await;
        }
        working.assert_all_gone();
        assert_eq!(group.count(), 0);
    });
}

// ---- Tasks and scopes.

type Tree = Pin<Box<dyn Future<Output = usize> + Send>>;

/// What the trees of one run share.
#[derive(Clone)]
struct Forest {
    drops: Tally,
    aborted: Happened,
    failed: Happened,
    late: Happened,
}

impl Forest {
    /// A tree of tasks that starts others in every way there is, and looks whether those have gone when they are said to.
    fn grow(&self, depth: usize, random: Random) -> Tree {
        let (forest, token) = (self.clone(), self.drops.track());
        Box::pin(async move {
            let _token = token;
            forest.grow_here(depth, random).await
        })
    }

    async fn grow_here(&self, depth: usize, mut random: Random) -> usize {
        pause(&mut random).await;
        if depth == 0 {
            return 1;
        }
        let own = Tally::new();
        let count = random.below(4);
        let children: Vec<_> = (0..count)
            .map(|_| {
                let (tree, token) = (self.grow(depth - 1, random.fork()), own.track());
                Box::pin(async move {
                    let _token = token;
                    tree.await
                })
            })
            .collect();
        match random.below(5) {
            0 => self.join_set(&mut random, children, &own).await,
            1 => self.scope(random, children).await,
            2 => self.try_scope(random, children).await,
            3 => self.one_by_one(&mut random, children).await,
            _ => {
                for child in children {
                    let limit = millis(&mut random, 10);
                    if timeout(limit, child).await.is_err() {
                        self.late.note();
                    }
                }
            }
        }
        own.assert_all_gone();
        assert_eq!(own.made(), count);
        1 + count
    }

    async fn join_set(&self, random: &mut Random, children: Vec<impl Child>, own: &Tally) {
        let (mut set, mut left) = (JoinSet::new(), children.len());
        for child in children {
            let abort = set.spawn(child);
            if random.below(4) == 0 {
                pause(random).await;
                abort.abort();
            }
        }
        if random.below(2) == 0 {
            let token = self.drops.track();
            set.spawn_blocking(move || {
                drop(token);
                0
            });
            left += 1;
        }
        if random.below(4) == 0 {
            pause(random).await;
            return set.shutdown().await;
        }
        while !set.is_empty() {
            let next = perhaps_dropped(random, set.join_next()).await;
            let Some(next) = next else { continue };
            left -= 1;
            if let Err(error) = next.unwrap() {
                assert!(error.is_cancelled());
                self.aborted.note();
            }
            assert!(own.alive() <= left);
        }
        assert_eq!(left, 0);
        assert!(set.join_next().await.is_none());
    }

    async fn scope(&self, mut random: Random, children: Vec<impl Child>) {
        let aborted = self.aborted.clone();
        scope(|s| async move {
            let mut handles = Vec::new();
            for child in children {
                let inner = s.clone();
                // Half of them are the children of others, which may have gone by then.
                handles.push(if random.below(2) == 0 {
                    s.spawn(async move { drop(inner.spawn(child)) })
                } else {
                    s.spawn(async move {
                        child.await;
                    })
                });
                pause(&mut random).await;
            }
            for handle in handles {
                match random.below(4) {
                    0 => handle.abort(),
                    1 => continue,
                    _ => {}
                }
                if handle.await.is_err() {
                    aborted.note();
                }
            }
            if random.below(4) == 0 {
                s.cancel();
            }
        })
        .await;
    }

    async fn try_scope(&self, mut random: Random, children: Vec<impl Child>) {
        let (mut failing, failed) = (Vec::new(), self.failed.clone());
        let plan: Vec<_> = children.iter().map(|_| random.below(4) == 0).collect();
        failing.extend(
            plan.iter()
                .enumerate()
                .filter_map(|(n, fails)| fails.then_some(n)),
        );
        let result = try_scope(|s| async move {
            for (n, (child, fails)) in children.into_iter().zip(plan).enumerate() {
                s.spawn(async move {
                    child.await;
                    if fails { Err(n) } else { Ok(()) }
                });
                pause(&mut random).await;
            }
            Ok(())
        })
        .await;
        match result {
            Ok(()) => assert!(failing.is_empty(), "{failing:?} have not failed"),
            Err(n) => {
                assert!(failing.contains(&n), "{n} of {failing:?} has failed");
                failed.note();
            }
        }
    }

    async fn one_by_one(&self, random: &mut Random, children: Vec<impl Child>) {
        for child in children {
            // Resumed, so that no hook prints it.
            let panics = random.below(4) == 0;
            let task = spawn(async move {
                child.await;
                if panics {
                    resume_unwind(Box::new("planned"));
                }
                spawn_blocking(|| 7).await.unwrap()
            });
            let is_aborted = random.below(3) == 0;
            pause(random).await;
            if is_aborted {
                task.abort();
            }
            match task.await {
                Ok(number) => assert!(number == 7 && !panics),
                Err(error) if error.is_panic() => {
                    assert!(panics);
                    self.failed.note();
                }
                Err(_) => {
                    assert!(is_aborted);
                    self.aborted.note();
                }
            }
        }
    }
}

trait Child: Future<Output = usize> + Send + Unpin + 'static {}

impl<F: Future<Output = usize> + Send + Unpin + 'static> Child for F {}

#[test]
fn everything_that_is_started_ends_and_goes_when_it_is_said_to() {
    let [all, aborted, failed, late] = [(); 4].map(|()| Happened::default());
    each_seed(async |mut random, drops| {
        let forest = Forest {
            drops,
            aborted: aborted.clone(),
            failed: failed.clone(),
            late: late.clone(),
        };
        let tree = forest.grow(3, random.fork());
        let task = spawn(tree);
        if random.below(8) == 0 {
            // What it has started and does not wait for any more goes with the runtime at the latest.
            pause(&mut random).await;
            task.abort();
            all.note();
            assert!(task.await.map_err(|error| error.is_cancelled()) != Err(false));
        } else {
            assert!(task.await.unwrap() > 0);
        }
    });
    for happened in [all, aborted, failed, late] {
        happened.assert_did();
    }
}

// ---- Planted bugs.

/// Room that was there a moment ago is taken for granted.
async fn sends_without_looking_again() {
    let (tx, mut rx) = mpsc::channel(1);
    let senders = [1, 2].map(|turns| {
        let tx = tx.clone();
        spawn(async move {
            for _ in 0..4 * turns {
                yield_now().await;
            }
            while tx.capacity() == 0 {
                yield_now().await;
            }
            yield_now().await;
            assert!(tx.try_send(turns).is_ok(), "a message is lost");
        })
    });
    drop(tx);
    while rx.recv().await.is_some() {}
    for sender in senders {
        sender.await.unwrap();
    }
}

/// Unlocks between reading and writing.
async fn unlocks_too_early() {
    let count = Arc::new(Mutex::new(0));
    let tasks = [1, 2].map(|turns| {
        let count = count.clone();
        spawn(async move {
            for _ in 0..4 * turns {
                yield_now().await;
            }
            let before = *count.lock().await;
            yield_now().await;
            *count.lock().await = before + 1;
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*count.lock().await, 2, "an addition is lost");
}

/// Looks first and begins to wait a turn later, and is not told if it was between the two.
async fn waits_after_looking() {
    let shared = Arc::new((Notify::new(), AtomicBool::new(false)));
    let waiting = spawn({
        let shared = shared.clone();
        async move {
            let (opened, is_open) = &*shared;
            if !is_open.load(Relaxed) {
                yield_now().await;
                opened.notified().await;
            }
        }
    });
    for _ in 0..4 {
        yield_now().await;
    }
    shared.1.store(true, Relaxed);
    shared.0.notify_waiters();
    waiting.await.unwrap();
}

/// Takes for granted that a task which has not ended can still be aborted.
async fn aborts_what_has_ended() {
    let task = spawn(async {
        for _ in 0..8 {
            yield_now().await;
        }
    });
    for _ in 0..4 {
        yield_now().await;
    }
    if !task.is_finished() {
        yield_now().await;
        task.abort();
        assert!(task.await.is_err(), "it was done already");
    }
}

/// Runs the test again in a process of its own, with this seed or with all; returns what it said if it has failed.
fn run_alone(test: &str, seed: Option<&str>) -> Option<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env("FILCH_TEST_CHILD", "1")
        .env_remove("FILCH_SEED");
    if let Some(seed) = seed {
        command.env("FILCH_SEED", seed);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

/// Checks that the bug is found in so many seeds, and at once with the one that is printed, each time.
fn assert_found_and_found_again<F: Future<Output = ()>>(
    test: &str,
    program: impl Fn() -> F,
    bug: &str,
) {
    const SEEDS: u64 = 300;
    if std::env::var_os("FILCH_TEST_CHILD").is_some() {
        return simulate(0..SEEDS, program);
    }
    let said = run_alone(test, None).expect("not found");
    assert!(said.contains(bug), "{said}");
    let line = "filch: simulation failed; replay with FILCH_SEED=";
    let (_, rest) = said.split_once(line).expect("a line that repeats it");
    let (seed, command) = rest.split_once(' ').expect("how to repeat it");
    assert!(command.starts_with(&format!("cargo test {test}")), "{said}");
    for _ in 0..2 {
        let again = run_alone(test, Some(seed)).expect("not found again");
        assert!(again.contains(bug), "{again}");
        assert!(again.contains(&format!("{line}{seed} ")), "{again}");
    }
    // It is the order that decides: there are seeds with which all goes well.
    let is_harmless = |seed: u64| run_alone(test, Some(&seed.to_string())).is_none();
    assert!(
        (0..100).any(is_harmless),
        "it has nothing to do with the order"
    );
}

#[test]
fn a_send_without_looking_again_is_found() {
    let test = "a_send_without_looking_again_is_found";
    assert_found_and_found_again(test, sends_without_looking_again, "a message is lost");
}

#[test]
fn an_unlock_too_early_is_found() {
    let test = "an_unlock_too_early_is_found";
    assert_found_and_found_again(test, unlocks_too_early, "an addition is lost");
}

#[test]
fn a_missed_notification_is_found() {
    let test = "a_missed_notification_is_found";
    assert_found_and_found_again(test, waits_after_looking, "deadlock");
}

#[test]
fn an_abort_of_what_has_ended_is_found() {
    let test = "an_abort_of_what_has_ended_is_found";
    assert_found_and_found_again(test, aborts_what_has_ended, "it was done already");
}

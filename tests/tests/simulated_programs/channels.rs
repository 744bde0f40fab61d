//! Does each message come once and in order, or is it known to be lost, whoever gives up, closes or leaves?

use super::{Happened, each_seed, millis, pause, perhaps_dropped};
use filch::spawn;
use filch::sync::{broadcast, mpmc, mpsc, oneshot, watch};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;

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

    fn is_closed(&self) -> bool {
        match self {
            Self::Bounded(rx) => rx.is_closed(),
            Self::Unbounded(rx) => rx.is_closed(),
            Self::Many(rx) => rx.is_closed(),
        }
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
    // Few messages: who gives up then does not come again, and whoever waits behind it has to be told. Many: the channel is full more often.
    let count = if random.below(2) == 0 { 3 } else { 10 };
    for number in 0..random.below(count) {
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
    // After so many turns it is closed, or dropped. Most are not, so that who is stuck is not let out by that.
    let [close, leave] = [(); 2].map(|()| (random.below(5) == 0).then(|| random.below(20)));
    for turn in 0.. {
        if Some(turn) == leave {
            return (got, false);
        }
        if Some(turn) == close {
            rx.close();
            assert!(rx.is_closed());
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
        let producers: Vec<_> = (0..=random.below(5))
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
                            Err(_) => {
                                assert!(goal > last);
                                seen = last;
                            }
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
                    assert_eq!(*rx.borrow(), seen, "a change was not told of");
                    (seen, times)
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

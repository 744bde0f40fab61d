//! Channels: does each message come once or stay with its sender, and is room given back?

use filch::sync::broadcast::error::RecvError;
use filch::sync::{broadcast, mpmc, mpsc, oneshot, watch};
use filch::time::{Duration, advance};
use filch_tests::cancel::{Case, Cut, Sibling};
use filch_tests::cases;
use filch_tests::drops::Tally;
use futures_lite::{Stream, StreamExt};

pub(crate) const CASES: &[Case] = cases! {
    Simulated:
    "sync::mpsc::Sender::send" => |cut| async move {
        let (sender, receiver) = full();
        send(cut, sender.send(1), &sender, receiver).await;
    },
    "sync::mpsc::Sender::send" => |cut| send_to_nobody(cut),
    "sync::mpsc::Sender::send_timeout" => |cut| async move {
        let (sender, receiver) = full();
        send(cut, sender.send_timeout(1, HOUR), &sender, receiver).await;
    },
    "sync::mpsc::Sender::send_timeout" => |cut| send_too_late(cut),
    "sync::mpsc::Sender::send_many" => |cut| send_many(cut),
    "sync::mpsc::Sender::reserve" => |cut| async move {
        let (sender, receiver) = full();
        reserve(cut, sender.reserve(), &sender, receiver).await;
    },
    "sync::mpsc::Sender::reserve_many" => |cut| reserve_many(cut),
    "sync::mpsc::Sender::reserve_owned" => |cut| async move {
        let (sender, receiver) = full();
        reserve(cut, sender.clone().reserve_owned(), &sender, receiver).await;
    },
    "sync::mpsc::Sender::closed" => |cut| async move {
        let (sender, receiver) = mpsc::channel::<u32>(1);
        ends(cut, || sender.closed(), receiver).await;
    },
    "sync::mpsc::UnboundedSender::closed" => |cut| async move {
        let (sender, receiver) = mpsc::unbounded_channel::<u32>();
        ends(cut, || sender.closed(), receiver).await;
    },
    "sync::mpsc::Receiver::recv" => |cut| async move {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut sender = Some(sender);
        let mut left = Vec::new();
        let step = async |number| match number {
            0 => sender.as_ref().expect("it lives").try_send(1).unwrap(),
            _ => sender = None,
        };
        let got = cut.drive(receiver.recv(), 2, step).await;
        left.extend(got.flatten());
        left.extend(receiver.recv().await);
        assert_eq!(left, [1]);
        assert_eq!((receiver.recv().await, receiver.capacity()), (None, 1));
    },
    "sync::mpsc::Receiver::recv_many" => |cut| async move {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut got = Vec::new();
        let step = async |number| sender.try_send(number).unwrap();
        let count = cut.drive(receiver.recv_many(&mut got, 8), 2, step).await;
        assert_eq!(count.unwrap_or(0), got.len());
        got.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!((got, receiver.capacity()), (vec![0, 1], 2));
    },
    "sync::mpsc::UnboundedReceiver::recv" => |cut| async move {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let step = async |number| sender.send(number).unwrap();
        let got = cut.drive(receiver.recv(), 2, step).await;
        let left = std::iter::from_fn(|| receiver.try_recv().ok());
        assert_eq!(got.flatten().into_iter().chain(left).collect::<Vec<_>>(), [0, 1]);
    },
    "sync::mpsc::UnboundedReceiver::recv_many" => |cut| async move {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut got = Vec::new();
        let step = async |number| sender.send(number).unwrap();
        let count = cut.drive(receiver.recv_many(&mut got, 8), 2, step).await;
        assert_eq!(count.unwrap_or(0), got.len());
        got.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(got, [0, 1]);
    },
    "sync::mpmc::Sender::send" => |cut| async move {
        let (sender, receiver) = mpmc::channel(1);
        send_to_many(cut, sender.send(1), &sender, &receiver).await;
    },
    "sync::mpmc::Sender::send" => |cut| async move {
        let (sender, receiver) = mpmc::channel(1);
        let tally = Tally::new();
        sender.try_send(tally.track()).unwrap();
        let got = cut.drive(sender.send(tally.track()), 1, async |_| assert!(receiver.close())).await;
        assert!(got.is_none_or(|got| got.is_err()));
        drop((sender, receiver));
        tally.assert_all_gone();
    },
    "sync::mpmc::Sender::send_timeout" => |cut| async move {
        let (sender, receiver) = mpmc::channel(1);
        send_to_many(cut, sender.send_timeout(1, HOUR), &sender, &receiver).await;
    },
    "sync::mpmc::Sender::send_timeout" => |cut| async move {
        // Room comes when the time is up.
        let (sender, receiver) = mpmc::channel(1);
        sender.try_send(0).unwrap();
        let mut received = Vec::new();
        let step = async |number| match number {
            0 => advance(HOUR).await,
            _ => received.extend(receiver.try_recv()),
        };
        let got = cut.drive(sender.send_timeout(1, HOUR), 2, step).await;
        received.extend(receiver.try_recv());
        let expected = if matches!(got, Some(Ok(()))) { vec![0, 1] } else { vec![0] };
        assert_eq!(received, expected);
    },
    "sync::mpmc::Sender::send_many" => |cut| async move {
        let (sender, receiver) = mpmc::channel(2);
        (0..2).for_each(|number| sender.try_send(number).unwrap());
        let mut items = 2..4;
        let mut received = Vec::new();
        let step = async |_| received.extend(receiver.try_recv());
        let got = cut.drive(sender.send_many(&mut items), 2, step).await;
        received.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert!(got.is_none() || received.len() == 4);
        // One of those that were not sent may have been dropped.
        assert!(items.len() + received.len() + 1 >= 4);
        assert_eq!(received, (0..received.len()).collect::<Vec<_>>());
    },
    "sync::mpmc::Receiver::recv" => |cut| async move {
        let (sender, receiver) = mpmc::channel(2);
        receive_one_of_two(cut, receiver.recv(), &sender, &receiver).await;
    },
    "sync::mpmc::Receiver::recv" => |cut| async move {
        let (sender, receiver) = mpmc::channel::<u32>(1);
        let mut sibling = None;
        let step = async |number| match number {
            0 => sibling = Some(Sibling::new(receiver.recv())),
            _ => assert!(sender.close()),
        };
        let got = cut.drive(receiver.recv(), 2, step).await;
        assert!(got.is_none_or(|got| got.is_err()));
        assert!(sibling.expect("step 0").output().is_err());
    },
    "sync::mpmc::Receiver::recv_many" => |cut| async move {
        let (sender, receiver) = mpmc::channel(2);
        let mut got = Vec::new();
        let step = async |number| sender.try_send(number).unwrap();
        let count = cut.drive(receiver.recv_many(&mut got, 8), 2, step).await;
        assert_eq!(count.unwrap_or(0), got.len());
        got.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(got, [0, 1]);
    },
    "sync::mpmc::Sender::closed" => |cut| async move {
        let (sender, receiver) = mpmc::channel::<u32>(1);
        ends(cut, || sender.closed(), receiver).await;
    },
    "sync::broadcast::Sender::closed" => |cut| async move {
        let (sender, receiver) = broadcast::channel::<u32>(1);
        ends(cut, || sender.closed(), receiver).await;
    },
    "sync::broadcast::Receiver::recv" => |cut| async move {
        let (sender, mut receiver) = broadcast::channel(2);
        let step = async |number| assert_eq!(sender.send(number), Ok(1));
        let got = cut.drive(receiver.recv(), 2, step).await;
        let left = std::iter::from_fn(|| receiver.try_recv().ok());
        let all: Vec<_> = got.map(Result::unwrap).into_iter().chain(left).collect();
        assert_eq!(all, [0, 1]);
    },
    "sync::broadcast::Receiver::recv" => |cut| async move {
        // The second message overwrites the first: one that was not received by then is told of once.
        let (sender, mut receiver) = broadcast::channel(1);
        let step = async |number| assert_eq!(sender.send(number), Ok(1));
        let got = cut.drive(receiver.recv(), 2, step).await;
        let mut all: Vec<_> = got.into_iter().collect();
        while all.last() != Some(&Ok(1)) {
            all.push(receiver.recv().await);
        }
        assert!(all == [Ok(0), Ok(1)] || all == [Err(RecvError::Lagged(1)), Ok(1)], "{all:?}");
    },
    "sync::mpsc::Receiver (next)" => |cut| async move {
        let (sender, receiver) = mpsc::channel(2);
        next(cut, receiver, async |number| sender.try_send(number).unwrap()).await;
    },
    "sync::mpsc::UnboundedReceiver (next)" => |cut| async move {
        let (sender, receiver) = mpsc::unbounded_channel();
        next(cut, receiver, async |number| sender.send(number).unwrap()).await;
    },
    "sync::mpmc::RecvStream (next)" => |cut| async move {
        let (sender, receiver) = mpmc::channel(2);
        next(cut, receiver.into_stream(), async |number| sender.try_send(number).unwrap()).await;
    },
    "sync::broadcast::BroadcastStream (next)" => |cut| async move {
        let (sender, receiver) = broadcast::channel(2);
        let messages = receiver.into_stream().map(Result::unwrap);
        next(cut, messages, async |number| assert_eq!(sender.send(number), Ok(1))).await;
    },
    "sync::watch::WatchStream (next)" => |cut| async move {
        let (sender, receiver) = watch::channel(0);
        let mut values = receiver.into_stream();
        let step = async |number| sender.send(number + 1).unwrap();
        let mut last = cut.drive(values.next(), 2, step).await.flatten();
        while last != Some(2) {
            // The last value comes, whichever was seen before.
            last = values.next().await;
        }
    },
    "sync::oneshot::Sender::closed" => |cut| async move {
        let (mut sender, receiver) = oneshot::channel::<u32>();
        let mut receiver = Some(receiver);
        cut.drive(sender.closed(), 1, async |_| receiver = None).await;
        assert!(sender.is_closed());
        sender.closed().await;
    },
    "sync::oneshot::Receiver" => |cut| async move {
        let (sender, mut receiver) = oneshot::channel();
        let mut sender = Some(sender);
        let step = async |_| sender.take().expect("once").send(7).unwrap();
        let got = cut.drive(&mut receiver, 1, step).await;
        // A borrow was dropped, and not the receiver.
        let value = match got {
            Some(value) => value,
            None => receiver.await,
        };
        assert_eq!(value, Ok(7));
    },
    "sync::oneshot::Receiver" => |cut| async move {
        let (sender, receiver) = oneshot::channel();
        let (tally, mut sender) = (Tally::new(), Some(sender));
        let mut refused = None;
        let step = async |_| refused = sender.take().expect("once").send(tally.track()).err();
        let got = cut.drive(receiver, 1, step).await;
        assert!(got.is_none() || refused.is_none(), "received and refused");
        drop((got, refused));
        tally.assert_all_gone();
    },
    "sync::watch::Sender::closed" => |cut| async move {
        let (sender, receiver) = watch::channel(0);
        ends(cut, || sender.closed(), receiver).await;
    },
    "sync::watch::Receiver::changed" => |cut| async move {
        let (sender, mut receiver) = watch::channel(0);
        let step = async |number| sender.send(number + 1).unwrap();
        let got = cut.drive(receiver.changed(), 2, step).await;
        let has_changed = receiver.has_changed().unwrap();
        assert!(got.is_some() || has_changed, "nobody will hear of the last value");
        assert_eq!(*receiver.borrow_and_update(), 2);
    },
    "sync::watch::Receiver::changed" => |cut| async move {
        let (sender, mut receiver) = watch::channel(0);
        let mut sender = Some(sender);
        let got = cut.drive(receiver.changed(), 1, async |_| sender = None).await;
        assert!(got.is_none_or(|got| got.is_err()));
        assert!(receiver.changed().await.is_err());
    },
    "sync::watch::Receiver::wait_for" => |cut| async move {
        let (sender, mut receiver) = watch::channel(0);
        let step = async |number| sender.send(number + 1).unwrap();
        let got = cut.drive(receiver.wait_for(|value| *value == 2), 2, step).await;
        assert!(got.is_none_or(|got| *got.unwrap() == 2));
        // What is right is found, whether it was marked as seen or not.
        assert_eq!(*receiver.wait_for(|value| *value == 2).await.unwrap(), 2);
    },
};

const HOUR: Duration = Duration::from_secs(3600);

/// With one message in it, 0, and no room.
fn full() -> (mpsc::Sender<usize>, mpsc::Receiver<usize>) {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(0).expect("there is room for one");
    (sender, receiver)
}

/// A sibling comes with a message of its own, 2, and the receiver takes one after the other.
async fn send<E: std::fmt::Debug>(
    cut: &Cut,
    future: impl Future<Output = Result<(), E>>,
    sender: &mpsc::Sender<usize>,
    mut receiver: mpsc::Receiver<usize>,
) {
    let mut sibling = None;
    let mut received = Vec::new();
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(sender.send(2))),
        1 => received.push(receiver.try_recv().unwrap()),
        2 => Sibling::go_on(&mut sibling),
        _ => received.extend(receiver.try_recv()),
    };
    let got = cut.drive(future, 4, step).await;
    received.extend(receiver.try_recv());
    Sibling::go_on(&mut sibling);
    assert!(
        sibling.is_none(),
        "there is room, and the sibling does not get it"
    );
    received.extend(receiver.try_recv());
    received.sort_unstable();
    let expected = if got.is_some() {
        vec![0, 1, 2]
    } else {
        vec![0, 2]
    };
    assert_eq!(received, expected);
    assert_eq!(sender.capacity(), 1);
}

/// The receiver goes; a message that is not sent comes back, or is dropped with the future.
async fn send_to_nobody(cut: &Cut) {
    let (sender, receiver) = mpsc::channel(1);
    let tally = Tally::new();
    sender.try_send(tally.track()).unwrap();
    let mut receiver = Some(receiver);
    let got = cut
        .drive(sender.send(tally.track()), 1, async |_| receiver = None)
        .await;
    assert!(got.is_none_or(|got| got.is_err()));
    tally.assert_all_gone();
}

/// Room comes when the time is up.
async fn send_too_late(cut: &Cut) {
    let (sender, mut receiver) = full();
    let mut received = Vec::new();
    let step = async |number| match number {
        0 => advance(HOUR).await,
        _ => received.push(receiver.try_recv().unwrap()),
    };
    let got = cut.drive(sender.send_timeout(1, HOUR), 2, step).await;
    received.extend(receiver.try_recv());
    // The hour begins with the first poll: it may be in time.
    let expected = if matches!(got, Some(Ok(()))) {
        vec![0, 1]
    } else {
        vec![0]
    };
    assert_eq!((received, sender.capacity()), (expected, 1));
}

/// What was taken from the iterator was sent.
async fn send_many(cut: &Cut) {
    let (sender, mut receiver) = mpsc::channel(2);
    (0..2).for_each(|number| sender.try_send(number).unwrap());
    let mut messages = 2..4_usize;
    let mut received = Vec::new();
    let step = async |_| received.extend(receiver.try_recv());
    let got = cut
        .drive(sender.send_many(messages.by_ref()), 2, step)
        .await;
    received.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
    assert!(got.is_none() || messages.is_empty());
    received.extend(messages);
    assert_eq!(received, [0, 1, 2, 3]);
    assert_eq!(sender.capacity(), 2);
}

/// Two messages come, and each is received once.
async fn next(
    cut: &Cut,
    mut messages: impl Stream<Item = usize> + Unpin,
    send: impl AsyncFnMut(usize),
) {
    let got = cut.drive(messages.next(), 2, send).await;
    let mut all: Vec<_> = got.flatten().into_iter().collect();
    while all.len() < 2 {
        all.extend(messages.next().await);
    }
    assert_eq!(all, [0, 1]);
}

/// With one message in it, 0; a sibling comes with its own, 2.
async fn send_to_many<E: std::fmt::Debug>(
    cut: &Cut,
    future: impl Future<Output = Result<(), E>>,
    sender: &mpmc::Sender<usize>,
    receiver: &mpmc::Receiver<usize>,
) {
    sender.try_send(0).expect("there is room for one");
    let mut sibling = None;
    let mut received = Vec::new();
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(sender.send(2))),
        2 => Sibling::go_on(&mut sibling),
        _ => received.extend(receiver.try_recv()),
    };
    let got = cut.drive(future, 4, step).await;
    received.extend(receiver.try_recv());
    assert!(sibling.is_none_or(|sibling| sibling.output().is_ok()));
    received.extend(receiver.try_recv());
    received.sort_unstable();
    let expected = if got.is_some() {
        vec![0, 1, 2]
    } else {
        vec![0, 2]
    };
    assert_eq!(received, expected);
}

/// A sibling waits too, and there is a message for each; for the sibling alone, if the other one is gone by then.
async fn receive_one_of_two<E: std::fmt::Debug>(
    cut: &Cut,
    future: impl Future<Output = Result<usize, E>>,
    sender: &mpmc::Sender<usize>,
    receiver: &mpmc::Receiver<usize>,
) {
    let mut sibling = None;
    let mut sent = Vec::new();
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(receiver.recv())),
        2 if cut.is_dropped() => {}
        number => {
            sender.try_send(number).unwrap();
            sent.push(number);
        }
    };
    let got = cut.drive(future, 3, step).await;
    let mut all: Vec<_> = got.map(Result::unwrap).into_iter().collect();
    all.extend(sibling.expect("step 0").output());
    all.extend(receiver.try_recv());
    all.sort_unstable();
    assert_eq!(all, sent);
}

async fn reserve<P, E: std::fmt::Debug>(
    cut: &Cut,
    future: impl Future<Output = Result<P, E>>,
    sender: &mpsc::Sender<usize>,
    mut receiver: mpsc::Receiver<usize>,
) {
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(sender.reserve())),
        1 => assert_eq!(receiver.try_recv(), Ok(0)),
        _ => Sibling::go_on(&mut sibling),
    };
    drop(cut.drive(future, 3, step).await.map(Result::unwrap));
    drop(sibling.map(Sibling::output));
    assert_eq!((sender.capacity(), receiver.len()), (1, 0));
}

/// Room comes for one at a time, and somebody wants less.
async fn reserve_many(cut: &Cut) {
    let (sender, mut receiver) = mpsc::channel(2);
    (0..2).for_each(|number| sender.try_send(number).unwrap());
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(sender.reserve())),
        3 => Sibling::go_on(&mut sibling),
        number => assert_eq!(receiver.try_recv(), Ok(number - 1)),
    };
    let got = cut.drive(sender.reserve_many(2), 4, step).await;
    drop(got.map(Result::unwrap));
    drop(sibling.map(Sibling::output));
    assert_eq!((sender.capacity(), receiver.len()), (2, 0));
}

/// One more waits for the receiver to go, and hears of it.
async fn ends<F: Future<Output = ()>>(cut: &Cut, closed: impl Fn() -> F, receiver: impl Sized) {
    let mut receiver = Some(receiver);
    let mut sibling = None;
    let step = async |number| match number {
        0 => sibling = Some(Sibling::new(closed())),
        _ => receiver = None,
    };
    cut.drive(closed(), 2, step).await;
    sibling.expect("step 0").output();
}

//! Each thing a sender may do, against each that the receiver may do, in every interleaving: with room for one message or two, and blocks of two places.
//!
//! A wake-up that is lost is a deadlock, which loom reports; a message that is lost, comes twice or out of order fails the books.

use super::error::TryRecvError;
use super::*;
use crate::sys::sync::thread;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A message with a number, whose drop is counted by its Arc.
struct Message(u32, #[expect(dead_code, reason = "counted")] Arc<()>);

#[derive(Debug, Clone, Copy)]
enum Sends {
    SendsTwo,
    TriesTwo,
    ReservesAndGivesUp,
    ReservesAndSends,
    CancelsASend,
    CancelsAReserveOfTwo,
    SendsMany,
    WaitsToBeClosed,
    Drops,
}

#[derive(Debug, Clone, Copy)]
enum Receives {
    All,
    AllAtOnce,
    TriesAndDrops,
    ClosesAndReceives,
    ReceivesAndCloses,
    CancelsAndReceives,
    TakesOneAndWaitsForTheSender,
    Drops,
}

/// Polls once, and drops it.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    loom::future::block_on(future)
}

/// The numbers that were sent.
fn send(sender: Sender<Message>, what: Sends, token: &Arc<()>) -> Vec<u32> {
    let message = |number| Message(number, token.clone());
    let mut sent = Vec::new();
    let mut note = |number, is_sent: bool| {
        if is_sent {
            sent.push(number);
        }
    };
    match what {
        Sends::SendsTwo => {
            for number in 0..2 {
                note(number, block_on(sender.send(message(number))).is_ok());
            }
        }
        Sends::TriesTwo => {
            for number in 0..2 {
                note(number, sender.try_send(message(number)).is_ok());
            }
        }
        Sends::ReservesAndGivesUp => {
            drop(block_on(sender.reserve()));
            note(1, block_on(sender.send(message(1))).is_ok());
        }
        Sends::ReservesAndSends => {
            if let Ok(permit) = block_on(sender.reserve()) {
                permit.send(message(0));
                note(0, true);
            }
            note(1, sender.try_send(message(1)).is_ok());
        }
        Sends::CancelsASend => {
            note(0, sender.try_send(message(0)).is_ok());
            note(
                1,
                poll_once(sender.send(message(1))).is_some_and(|sent| sent.is_ok()),
            );
        }
        Sends::CancelsAReserveOfTwo => {
            note(0, sender.try_send(message(0)).is_ok());
            drop(poll_once(sender.reserve_many(sender.max_capacity())));
            note(1, block_on(sender.send(message(1))).is_ok());
        }
        Sends::SendsMany => {
            let mut messages = (0..2).map(message);
            let _closed = block_on(sender.send_many(messages.by_ref()));
            let left = messages.len() as u32;
            (0..2 - left).for_each(|number| note(number, true));
        }
        Sends::WaitsToBeClosed => {
            note(0, sender.try_send(message(0)).is_ok());
            block_on(sender.closed());
            assert!(sender.try_send(message(1)).is_err());
        }
        Sends::Drops => {}
    }
    sent
}

fn all(receiver: &mut Receiver<Message>, received: &mut Vec<u32>) {
    while let Some(Message(number, _)) = block_on(receiver.recv()) {
        received.push(number);
    }
}

/// The numbers that came, and whether they must be all.
fn receive(
    mut receiver: Receiver<Message>,
    what: Receives,
    is_sent: impl FnOnce(),
) -> (Vec<u32>, bool) {
    let mut received = Vec::new();
    match what {
        Receives::All => all(&mut receiver, &mut received),
        Receives::AllAtOnce => {
            let mut messages = Vec::new();
            while block_on(receiver.recv_many(&mut messages, 8)) > 0 {}
            received.extend(messages.iter().map(|message| message.0));
        }
        Receives::TriesAndDrops => {
            for _ in 0..2 {
                if let Ok(Message(number, _)) = receiver.try_recv() {
                    received.push(number);
                }
            }
            return (received, false);
        }
        Receives::ClosesAndReceives => {
            receiver.close();
            all(&mut receiver, &mut received);
        }
        Receives::ReceivesAndCloses => {
            received.extend(block_on(receiver.recv()).map(|message| message.0));
            receiver.close();
            all(&mut receiver, &mut received);
            assert!(matches!(
                receiver.try_recv(),
                Err(TryRecvError::Disconnected)
            ));
        }
        Receives::CancelsAndReceives => {
            if let Some(Some(message)) = poll_once(receiver.recv()) {
                received.push(message.0);
            }
            all(&mut receiver, &mut received);
        }
        Receives::TakesOneAndWaitsForTheSender => {
            received.extend(block_on(receiver.recv()).map(|message| message.0));
            is_sent();
            all(&mut receiver, &mut received);
        }
        Receives::Drops => return (received, false),
    }
    (received, true)
}

fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(f);
}

fn meet(preemptions: usize, capacity: usize, sends: Sends, receives: Receives) {
    model(preemptions, move || {
        let token = Arc::new(());
        let (sender, receiver) = channel(capacity);
        let for_sender = token.clone();
        let mut sending = Some(thread::spawn(move || send(sender, sends, &for_sender)));
        let mut sent = None;
        let (received, is_all) = receive(receiver, receives, || {
            sent = sending.take().map(|sending| sending.join().unwrap())
        });
        let sent = sent.unwrap_or_else(|| {
            sending
                .take()
                .map(|sending| sending.join().unwrap())
                .unwrap()
        });
        if is_all {
            assert_eq!(received, sent);
        } else {
            assert!(sent.starts_with(&received), "{received:?} of {sent:?}");
        }
        assert_eq!(Arc::strong_count(&token), 1, "a message leaked");
    });
}

macro_rules! models {
    ($($name:ident: $preemptions:literal, $capacity:literal, $sends:ident, [$($receives:ident),*];)*) => {
        $(#[test]
        fn $name() {
            for receives in [$(Receives::$receives),*] {
                meet($preemptions, $capacity, Sends::$sends, receives);
            }
        })*
    };
}

models! {
    loom_mpsc_send_against_receive: 2, 1, SendsTwo, [All, AllAtOnce];
    loom_mpsc_send_against_drop: 3, 1, SendsTwo, [Drops, TriesAndDrops];
    loom_mpsc_send_against_close: 2, 1, SendsTwo, [ClosesAndReceives, ReceivesAndCloses];
    loom_mpsc_send_against_cancel: 2, 1, SendsTwo, [CancelsAndReceives];
    loom_mpsc_send_against_one_that_goes_away: 3, 1, SendsTwo, [TakesOneAndWaitsForTheSender];
    loom_mpsc_send_with_room: 3, 2, SendsTwo, [All, CancelsAndReceives, Drops, ClosesAndReceives];
    loom_mpsc_try_send: 3, 1, TriesTwo, [All, TriesAndDrops, Drops, ClosesAndReceives, ReceivesAndCloses, CancelsAndReceives];
    loom_mpsc_try_send_with_room: 3, 2, TriesTwo, [All, AllAtOnce, TriesAndDrops, Drops, CancelsAndReceives];
    loom_mpsc_permit_given_up: 3, 1, ReservesAndGivesUp, [All, ClosesAndReceives, Drops, CancelsAndReceives];
    loom_mpsc_permit_used: 3, 1, ReservesAndSends, [All, ClosesAndReceives, Drops, CancelsAndReceives];
    loom_mpsc_cancelled_send: 3, 1, CancelsASend, [All, ClosesAndReceives, Drops, TriesAndDrops];
    loom_mpsc_cancelled_reserve: 3, 2, CancelsAReserveOfTwo, [All, ClosesAndReceives];
    loom_mpsc_many: 2, 1, SendsMany, [All, Drops, ReceivesAndCloses];
    loom_mpsc_many_with_room: 2, 2, SendsMany, [All, AllAtOnce, Drops];
    loom_mpsc_closed: 3, 1, WaitsToBeClosed, [Drops, ClosesAndReceives, TriesAndDrops, ReceivesAndCloses];
    loom_mpsc_drop: 3, 1, Drops, [All, ClosesAndReceives, CancelsAndReceives, Drops];
}

/// Two senders and room for one: each message comes once, whoever waits.
#[test]
fn loom_mpsc_two_senders() {
    model(2, || {
        let (sender, mut receiver) = channel(1);
        let senders: Vec<_> = [sender.clone(), sender]
            .into_iter()
            .zip(0u32..)
            .map(|(sender, number)| thread::spawn(move || block_on(sender.send(number)).unwrap()))
            .collect();
        let mut received = [
            block_on(receiver.recv()).unwrap(),
            block_on(receiver.recv()).unwrap(),
        ];
        received.sort_unstable();
        assert_eq!(received, [0, 1]);
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        assert_eq!(block_on(receiver.recv()), None);
    });
}

/// Of two that wait for room the first gives up, while it is given some: the second gets it.
#[test]
fn loom_mpsc_cancelled_in_front_of_another() {
    model(3, || {
        let (sender, mut receiver) = channel(1);
        sender.try_send(0u32).unwrap();
        let mut first = Box::pin(sender.send(1));
        let mut second = Box::pin(sender.send(2));
        for sending in [&mut first, &mut second] {
            let polled = sending
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(0));
            receiver
        });
        drop(first);
        block_on(second).unwrap();
        let mut receiver = receiving.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(2));
    });
}

/// Polls once, with a waker that does nothing: it stands in line.
fn begin<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let polled = (future.as_mut()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    future
}

/// A channel that is full, of its first numbers.
fn full(capacity: u32) -> (Sender<u32>, Receiver<u32>) {
    let (sender, receiver) = channel(capacity as usize);
    (0..capacity).for_each(|number| sender.try_send(number).unwrap());
    (sender, receiver)
}

/// Room for two, of which one was called: it calls the other.
#[test]
fn loom_mpsc_call_is_passed_on() {
    model(3, || {
        let (sender, mut receiver) = full(2);
        let (first, second) = (begin(sender.send(2)), begin(sender.send(3)));
        let receiving = thread::spawn(move || {
            assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Ok(1)));
            receiver
        });
        block_on(first).unwrap();
        block_on(second).unwrap();
        let mut receiver = receiving.join().unwrap();
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Ok(3)));
    });
}

/// Room for two, of which one was called, and gives up: the other gets it.
#[test]
fn loom_mpsc_call_of_one_that_gives_up() {
    model(3, || {
        let (sender, mut receiver) = full(2);
        let (first, second) = (begin(sender.send(2)), begin(sender.send(3)));
        assert_eq!(receiver.try_recv(), Ok(0));
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        drop(first);
        block_on(second).unwrap();
        let mut receiver = receiving.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(3));
    });
}

/// One that was called in vain stands in line again, while room is freed.
#[test]
fn loom_mpsc_call_in_vain() {
    model(3, || {
        let (sender, mut receiver) = full(1);
        let waiting = begin(sender.send(1));
        assert_eq!(receiver.try_recv(), Ok(0));
        sender.try_send(2).unwrap();
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(2));
            receiver
        });
        block_on(waiting).unwrap();
        assert_eq!(receiving.join().unwrap().try_recv(), Ok(1));
    });
}

/// One that comes takes room while another is called for it: both are sent, whoever is first.
#[test]
fn loom_mpsc_call_against_one_that_comes() {
    model(2, || {
        let (sender, mut receiver) = full(1);
        let waiting = begin(sender.send(1));
        let comes = sender.clone();
        let coming = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(0));
            let expected = if comes.try_send(2).is_ok() {
                vec![1, 2]
            } else {
                vec![1]
            };
            let received = expected.iter().map(|_| block_on(receiver.recv()).unwrap());
            let mut received: Vec<_> = received.collect();
            received.sort_unstable();
            assert_eq!(received, expected);
        });
        block_on(waiting).unwrap();
        coming.join().unwrap();
    });
}

/// Nobody overtakes one that has lost too often.
#[test]
fn loom_mpsc_patience_ends() {
    model(3, || {
        let (sender, mut receiver) = full(1);
        let mut waiting = begin(sender.send(1));
        for number in 0..u32::from(room::PATIENCE) {
            assert_eq!(receiver.try_recv(), Ok(number * 2));
            sender.try_send(number * 2 + 2).unwrap();
            assert!(poll_once(waiting.as_mut()).is_none());
        }
        let comes = sender.clone();
        let coming = thread::spawn(move || comes.try_send(9).is_ok());
        assert!(receiver.try_recv().is_ok());
        assert!(!coming.join().unwrap());
        block_on(waiting).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
    });
}

/// Room that was reserved for one that gives up goes to the next.
#[test]
fn loom_mpsc_patience_of_one_that_gives_up() {
    model(3, || {
        let (sender, mut receiver) = full(1);
        let mut first = begin(sender.send(1));
        let second = begin(sender.send(2));
        assert_eq!(receiver.try_recv(), Ok(0));
        sender.try_send(3).unwrap();
        assert!(poll_once(first.as_mut()).is_none());
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(3));
            receiver
        });
        drop(first);
        block_on(second).unwrap();
        assert_eq!(receiving.join().unwrap().try_recv(), Ok(2));
    });
}

/// One that waits for much room leaves the line: there is enough for who stands behind it.
#[test]
fn loom_mpsc_leaving_of_who_reserves_many() {
    model(3, || {
        let (sender, mut receiver) = full(2);
        let first = begin(sender.reserve_many(2));
        let second = begin(sender.send(2));
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(0));
            receiver
        });
        drop(first);
        block_on(second).unwrap();
        let mut receiver = receiving.join().unwrap();
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
    });
}

/// Who asks for much gets it together, whoever comes for less.
#[test]
fn loom_mpsc_patience_of_who_reserves_many() {
    model(3, || {
        let (sender, mut receiver) = full(2);
        let waiting = begin(sender.reserve_many(2));
        assert_eq!(receiver.try_recv(), Ok(0));
        let comes = sender.clone();
        let coming = thread::spawn(move || comes.try_send(9).is_ok());
        assert_eq!(receiver.try_recv(), Ok(1));
        assert!(!coming.join().unwrap());
        for (permit, number) in block_on(waiting).unwrap().zip(2..) {
            permit.send(number);
        }
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Ok(3)));
    });
}

/// The channel is closed while one is called, and another waits behind it.
#[test]
fn loom_mpsc_call_against_close() {
    model(3, || {
        let (sender, mut receiver) = full(1);
        let (first, second) = (begin(sender.send(1)), begin(sender.send(2)));
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(0));
            receiver.close();
            receiver
        });
        let is_sent = block_on(first).is_ok();
        assert!(block_on(second).is_err());
        let mut receiver = receiving.join().unwrap();
        assert_eq!(block_on(receiver.recv()), is_sent.then_some(1));
        assert_eq!(block_on(receiver.recv()), None);
    });
}

/// One that was called is not polled any more: it holds up nobody for longer than until the receiver waits.
#[test]
fn loom_mpsc_call_of_one_that_does_not_come() {
    model(3, || {
        let (sender, mut receiver) = full(1);
        let (first, second) = (begin(sender.send(1)), begin(sender.send(2)));
        let receiving = thread::spawn(move || {
            assert_eq!(block_on(receiver.recv()), Some(0));
            assert_eq!(block_on(receiver.recv()), Some(2));
        });
        block_on(second).unwrap();
        receiving.join().unwrap();
        drop(first);
    });
}

/// The same, until a permit is given up.
#[test]
fn loom_mpsc_permit_given_up_for_another_than_who_was_called() {
    model(3, || {
        let (sender, mut receiver) = channel(2);
        sender.try_send(0).unwrap();
        let permit = sender.clone().try_reserve_owned().unwrap();
        let (first, second) = (begin(sender.send(1)), begin(sender.send(2)));
        assert_eq!(receiver.try_recv(), Ok(0));
        sender.try_send(3).unwrap();
        let giving_up = thread::spawn(move || drop(permit));
        block_on(second).unwrap();
        giving_up.join().unwrap();
        drop(first);
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(3), Ok(2)));
    });
}

/// The receiver of a closed channel waits for the last permit, with senders still there.
#[test]
fn loom_mpsc_last_permit_of_a_closed_channel() {
    model(3, || {
        let (sender, mut receiver) = channel::<u32>(1);
        let permit = sender.clone().try_reserve_owned().unwrap();
        let giving_up = thread::spawn(move || drop(permit));
        receiver.close();
        assert_eq!(block_on(receiver.recv()), None);
        giving_up.join().unwrap();
        drop(sender);
    });
}

/// A permit is given up while another sender finds no room.
#[test]
fn loom_mpsc_permit_given_up_for_another() {
    model(3, || {
        let (sender, mut receiver) = channel(1);
        let waits = sender.clone();
        let permit = sender.try_reserve_owned().unwrap();
        let sending = thread::spawn(move || block_on(waits.send(1u32)).unwrap());
        drop(permit);
        sending.join().unwrap();
        assert_eq!(block_on(receiver.recv()), Some(1));
    });
}

/// The receiver polls with one waker after the other while it is woken: the last one is.
#[test]
fn loom_mpsc_change_of_waker() {
    model(3, || {
        let (sender, mut receiver) = channel(2);
        let sending = thread::spawn(move || {
            sender.try_send(0u32).unwrap();
            sender.try_send(1).unwrap();
        });
        let mut received = Vec::new();
        for _ in 0..2 {
            received.extend(poll_once(receiver.recv()).flatten());
            let next = block_on(poll_fn(|cx| receiver.poll_recv(cx)));
            received.extend(next);
        }
        while let Some(number) = block_on(receiver.recv()) {
            received.push(number);
        }
        sending.join().unwrap();
        assert_eq!(received, [0, 1]);
    });
}

/// A block is left by one sender, taken up by the receiver, and used again, while another walks.
#[test]
fn loom_mpsc_blocks_come_back() {
    model(2, || {
        let (sender, mut receiver) = unbounded_channel();
        let other = sender.clone();
        sender.send(0u32).unwrap();
        sender.send(1).unwrap();
        let sending = thread::spawn(move || {
            other.send(3).unwrap();
            other.send(4).unwrap();
        });
        sender.send(2).unwrap();
        drop(sender);
        let mut received = Vec::new();
        while let Some(number) = block_on(receiver.recv()) {
            received.push(number);
        }
        sending.join().unwrap();
        assert_eq!(received[..2], [0, 1]);
        received.sort_unstable();
        assert_eq!(received, [0, 1, 2, 3, 4]);
    });
}

/// A sender that has claimed the last place of a block finds it, though others are in the next one already.
#[test]
fn loom_mpsc_blocks_wait_for_who_is_slow() {
    model(3, || {
        let (sender, mut receiver) = unbounded_channel();
        let slow = sender.clone();
        sender.send(0u32).unwrap();
        let sending = thread::spawn(move || slow.send(9).unwrap());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        sending.join().unwrap();
        drop(sender);
        let mut received = Vec::new();
        while let Ok(number) = receiver.try_recv() {
            received.push(number);
        }
        received.retain(|&number| number != 9);
        assert_eq!(received, [0, 1, 2]);
    });
}

/// A weak sender becomes a strong one, or the channel has ended: not both.
#[test]
fn loom_mpsc_upgrade_against_the_last_drop() {
    model(3, || {
        let (sender, mut receiver) = channel(1);
        let weak = sender.downgrade();
        let dropping = thread::spawn(move || drop(sender));
        let sent = weak
            .upgrade()
            .is_some_and(|sender| sender.try_send(1u32).is_ok());
        assert_eq!(block_on(receiver.recv()), sent.then_some(1));
        dropping.join().unwrap();
    });
}

/// What is sent while the receiver goes is dropped, although there still is a sender: the receiver waits for who has claimed a place, and who has a permit comes by itself.
#[test]
fn loom_mpsc_try_send_against_a_receiver_that_goes() {
    model(3, || {
        let (sender, receiver) = channel(2);
        let token = Arc::new(());
        let going = thread::spawn(move || drop(receiver));
        drop(sender.try_send(Message(0, token.clone())));
        going.join().unwrap();
        assert_eq!(Arc::strong_count(&token), 1);
        drop(sender);
    });
}

#[test]
fn loom_mpsc_permits_against_a_receiver_that_goes() {
    model(3, || {
        let (sender, receiver) = channel(2);
        let token = Arc::new(());
        let permit = sender.clone().try_reserve_owned().unwrap();
        let other = sender.try_reserve().unwrap();
        let message = Message(0, token.clone());
        let sending = thread::spawn(move || permit.send(message));
        let last = Message(1, token.clone());
        let going = thread::spawn(move || drop(receiver));
        other.send(last);
        going.join().unwrap();
        let clone = sending.join().unwrap();
        assert_eq!(Arc::strong_count(&token), 1);
        drop((clone, sender));
    });
}

//! What senders and the receiver promise, one thing at a time; also under Miri, some with threads.

use super::error::{SendError, TryRecvError, TrySendError};
use super::*;
use crate::util::block_on::block_on;
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future>(future: Pin<&mut F>, count: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(count.clone());
    future.poll(&mut Context::from_waker(&waker))
}

fn poll_recv<T>(receiver: &mut Receiver<T>, count: &Arc<Count>) -> Poll<Option<T>> {
    let waker = Waker::from(count.clone());
    receiver.poll_recv(&mut Context::from_waker(&waker))
}

fn woken(count: &Arc<Count>) -> usize {
    count.0.load(Ordering::Relaxed)
}

#[test]
fn messages_come_in_order_across_many_blocks() {
    for capacity in [1, 2, 31, 32, 33, 64, 100, 1000] {
        let (sender, mut receiver) = channel(capacity);
        let mut next = 0;
        for round in 0..if cfg!(miri) { 3 } else { 20 } {
            let some = if round % 2 == 0 {
                capacity
            } else {
                capacity.div_ceil(3)
            };
            (next..next + some).for_each(|number| sender.try_send(number).unwrap());
            assert_eq!(
                (receiver.len(), receiver.capacity(), sender.capacity()),
                (some, capacity - some, capacity - some)
            );
            for number in next..next + some {
                assert_eq!(receiver.try_recv(), Ok(number));
            }
            assert!(receiver.is_empty());
            next += some;
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn there_is_room_for_the_capacity_and_no_more() {
    for capacity in [1, 2, 31, 32, 33, 64, 100] {
        let (sender, mut receiver) = channel(capacity);
        (0..capacity).for_each(|number| sender.try_send(number).unwrap());
        assert_eq!(sender.try_send(7), Err(TrySendError::Full(7)));
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(sender.try_send(7), Ok(()));
        assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
        assert_eq!((sender.capacity(), sender.max_capacity()), (0, capacity));
    }
}

#[test]
fn a_large_capacity_costs_nothing_before_it_is_used() {
    let (sender, mut receiver) = channel(super::tail::CAPACITY_MAX);
    assert_eq!(sender.capacity(), super::tail::CAPACITY_MAX);
    sender.try_send([0u8; 64]).unwrap();
    assert!(receiver.try_recv().is_ok());
    let permits = sender.try_reserve_many(super::tail::CAPACITY_MAX).unwrap();
    assert!(sender.try_send([0; 64]).is_err());
    drop(permits);
    assert!(sender.try_send([0; 64]).is_ok());
}

#[test]
#[should_panic(expected = "give it at least 1")]
fn a_channel_without_room_is_refused() {
    let _channel = channel::<u32>(0);
}

#[test]
#[should_panic(expected = "unbounded_channel")]
fn too_large_a_channel_is_refused() {
    let _channel = channel::<u32>(super::tail::CAPACITY_MAX + 1);
}

#[test]
fn a_receiver_that_waits_is_woken_once() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(4));
    assert!(poll_recv(&mut receiver, &count).is_pending());
    assert!(poll_recv(&mut receiver, &count).is_pending());
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(woken(&count), 1);
    assert_eq!(poll_recv(&mut receiver, &count), Poll::Ready(Some(1)));
    assert_eq!(poll_recv(&mut receiver, &count), Poll::Ready(Some(2)));
    assert!(poll_recv(&mut receiver, &count).is_pending());
    drop(sender);
    assert_eq!(woken(&count), 2);
    assert_eq!(poll_recv(&mut receiver, &count), Poll::Ready(None));
    assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
}

#[test]
fn the_waker_given_last_is_woken() {
    let (before, after) = (Arc::<Count>::default(), Arc::<Count>::default());
    let (sender, mut receiver) = channel(4);
    assert!(poll_recv(&mut receiver, &before).is_pending());
    assert!(poll_recv(&mut receiver, &after).is_pending());
    assert_eq!(Arc::strong_count(&before), 1);
    sender.try_send(1).unwrap();
    assert_eq!((woken(&before), woken(&after)), (0, 1));
    drop(receiver);
    assert_eq!(Arc::strong_count(&after), 1, "a waker leaked");
}

#[test]
fn a_receiver_that_goes_away_takes_its_waker_along() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel::<u32>(4));
    assert!(poll_recv(&mut receiver, &count).is_pending());
    drop(receiver);
    assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
    assert!(sender.is_closed());
    assert_eq!(woken(&count), 0);
}

#[test]
fn senders_that_wait_are_called_in_order_and_one_at_a_time() {
    let (sender, mut receiver) = channel(3);
    (0..3).for_each(|number| sender.try_send(number).unwrap());
    let counts: [Arc<Count>; 4] = Default::default();
    let mut sends: Vec<_> = (3..)
        .map(|number| Box::pin(sender.send(number)))
        .take(4)
        .collect();
    for (send, count) in sends.iter_mut().zip(&counts) {
        assert!(poll(send.as_mut(), count).is_pending());
    }
    (0..3).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number)));
    for called in 0..3 {
        let by_now = counts.each_ref().map(woken);
        assert_eq!(by_now.iter().sum::<usize>(), called + 1);
        assert_eq!(by_now[called], 1);
        assert!(poll(sends[called].as_mut(), &counts[called]).is_ready());
    }
    // There is no room for the fourth.
    assert_eq!(woken(&counts[3]), 0);
    assert_eq!(receiver.try_recv(), Ok(3));
    assert!(poll(sends[3].as_mut(), &counts[3]).is_ready());
    (4..7).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number)));
}

/// Each time that one of them is called another was there before, for as long as it may.
#[test]
fn each_sender_that_waits_is_overtaken_a_few_times_and_no_more() {
    const SENDERS: usize = 5;
    for capacity in [1, 3, 40] {
        let (sender, mut receiver) = channel(capacity);
        (0..capacity).for_each(|_| sender.try_send("first").unwrap());
        let counts: [Arc<Count>; SENDERS] = Default::default();
        let mut sends: Vec<_> = counts
            .iter()
            .map(|_| Box::pin(sender.send("waited")))
            .collect();
        for (send, count) in sends.iter_mut().zip(&counts) {
            assert!(poll(send.as_mut(), count).is_pending());
        }
        for waiting in 0..SENDERS {
            let mut overtaken = 0;
            loop {
                assert!(receiver.try_recv().is_ok());
                overtaken += usize::from(sender.try_send("overtook").is_ok());
                if poll(sends[waiting].as_mut(), &counts[waiting]).is_ready() {
                    break;
                }
            }
            assert_eq!(overtaken, usize::from(super::room::PATIENCE));
            assert_eq!(woken(&counts[waiting]), overtaken + 1);
        }
    }
}

/// Those who ask for little do not keep the room from growing to what another needs, for ever.
#[test]
fn who_reserves_many_is_overtaken_a_few_times_and_no_more() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(8));
    (0..8).for_each(|_| sender.try_send(0).unwrap());
    let mut many = Box::pin(sender.reserve_many(8));
    assert!(poll(many.as_mut(), &count).is_pending());
    let mut overtaken = 0;
    for received in 1.. {
        assert_eq!(receiver.try_recv(), Ok(0));
        if woken(&count) > 0 {
            assert_eq!(received, 8 + overtaken);
            break;
        }
        overtaken += usize::from(sender.try_send(0).is_ok());
    }
    // The last time that it lost, the one that came found the line closed.
    assert_eq!(overtaken, usize::from(super::room::PATIENCE) - 1);
    let Poll::Ready(Ok(permits)) = poll(many.as_mut(), &count) else {
        panic!("the room is its own")
    };
    assert_eq!(permits.len(), 8);
    drop(permits);
    assert_eq!((sender.capacity(), sender.try_send(1)), (8, Ok(())));
}

/// One that was called and is not polled, as in a `select!` that has something else to do.
#[test]
fn one_that_was_called_and_does_not_come_holds_up_nobody_for_long() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(2));
    (0..2).for_each(|number| sender.try_send(number).unwrap());
    let mut stays = Box::pin(sender.send(9));
    let mut sends: Vec<_> = (2..5).map(|number| Box::pin(sender.send(number))).collect();
    assert!(poll(stays.as_mut(), &count).is_pending());
    for send in &mut sends {
        assert!(poll(send.as_mut(), &count).is_pending());
    }
    (0..2).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number)));
    assert_eq!(woken(&count), 1);
    assert!(poll_recv(&mut receiver, &count).is_pending());
    assert_eq!(woken(&count), 2);
    // From here on the one calls the next.
    assert!(poll(sends[0].as_mut(), &count).is_ready());
    assert!(poll(sends[1].as_mut(), &count).is_ready());
    (2..4).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number)));
    assert!(poll(sends[2].as_mut(), &count).is_ready());
    assert!(poll(stays.as_mut(), &count).is_ready());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(4), Ok(9)));
}

/// Nor does it if the receiver never waits, since somebody else sends on and on.
#[test]
fn one_that_was_called_and_does_not_come_is_not_waited_for() {
    for batch in [1, 2] {
        let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(2));
        (0..2).for_each(|_| sender.try_send(0).unwrap());
        let mut stays = Box::pin(sender.send(0));
        let mut sending = Box::pin(sender.send(1));
        assert!(poll(stays.as_mut(), &Arc::default()).is_pending());
        assert!(poll(sending.as_mut(), &count).is_pending());
        let (mut called, mut messages) = (0, Vec::new());
        while poll(sending.as_mut(), &count).is_pending() {
            block_on(receiver.recv_many(&mut messages, batch));
            (0..batch).for_each(|_| _ = sender.try_send(0));
            called += 1;
            assert!(called < 10_000, "it waits for ever");
        }
        assert!(poll(stays.as_mut(), &count).is_pending());
    }
}

/// Room was given when the receiver had taken half of the capacity, or waited itself: one that took a single message and waited for its sender waited for ever.
#[test]
fn one_message_received_makes_room_for_one() {
    for capacity in [1, 4, 63, 64, 128] {
        let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(capacity));
        (0..capacity).for_each(|number| sender.try_send(number).unwrap());
        let mut sending = pin!(sender.send(capacity));
        assert!(poll(sending.as_mut(), &count).is_pending());
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(woken(&count), 1);
        assert_eq!(poll(sending.as_mut(), &count), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_sender_that_gives_up_lets_those_behind_it_through() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(2));
    sender.try_send(7).unwrap();
    sender.try_send(0).unwrap();
    let mut many = Box::pin(sender.reserve_many(2));
    let mut one = pin!(sender.send(1));
    assert!(poll(many.as_mut(), &count).is_pending());
    assert!(poll(one.as_mut(), &count).is_pending());
    assert_eq!(receiver.try_recv(), Ok(7));
    // There is room for one, but who wants two is first.
    assert_eq!(woken(&count), 0);
    drop(many);
    assert_eq!(woken(&count), 1);
    assert!(poll(one.as_mut(), &count).is_ready());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Ok(1)));
}

#[test]
fn room_that_was_given_and_not_used_goes_to_the_next() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(1));
    sender.try_send(0).unwrap();
    let mut first = Box::pin(sender.send(1));
    let mut second = pin!(sender.send(2));
    assert!(poll(first.as_mut(), &count).is_pending());
    assert!(poll(second.as_mut(), &count).is_pending());
    assert_eq!(receiver.try_recv(), Ok(0));
    drop(first);
    assert_eq!(woken(&count), 2);
    assert!(poll(second.as_mut(), &count).is_ready());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sender.capacity(), 1);
}

#[test]
fn a_permit_holds_room_and_nobody_up() {
    let (sender, mut receiver) = channel(2);
    let permit = sender.try_reserve().unwrap();
    for number in 0..100 {
        sender.try_send(number).unwrap();
        assert!(sender.try_send(7).is_err());
        assert_eq!(receiver.try_recv(), Ok(number));
    }
    permit.send(100);
    assert_eq!(receiver.try_recv(), Ok(100));
    drop(sender.try_reserve().unwrap());
    assert_eq!(sender.capacity(), 2);
    let owned = sender.clone().try_reserve_owned().unwrap();
    assert!(owned.same_channel_as_sender(&sender));
    assert!(owned.release().same_channel(&sender));
    let owned = block_on(sender.clone().reserve_owned()).unwrap();
    drop(owned.send(1));
    assert_eq!(sender.capacity(), 1);
    let Err(TrySendError::Full(())) = sender.try_reserve_many(2).map(drop) else {
        panic!("there is room for one")
    };
    assert!(sender.try_reserve_many(3).is_err());
    let mut permits = sender.try_reserve_many(1).unwrap();
    permits.next().unwrap().send(2);
    assert!(permits.next().is_none());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
    let mut permits = block_on(sender.reserve_many(2)).unwrap();
    assert_eq!(permits.len(), 2);
    drop(permits.next());
    drop(permits);
    assert_eq!(sender.capacity(), 2);
}

#[test]
fn permits_outlive_a_close_and_the_receiver_waits_for_them() {
    for is_used in [false, true] {
        let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(2));
        let permit = sender.try_reserve().unwrap();
        receiver.close();
        assert!(sender.try_reserve().is_err());
        assert!(poll_recv(&mut receiver, &count).is_pending());
        if is_used {
            permit.send(1);
        } else {
            drop(permit);
        }
        assert_eq!(woken(&count), 1);
        assert_eq!(
            poll_recv(&mut receiver, &count),
            Poll::Ready(is_used.then_some(1))
        );
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

/// A send that room was reserved for, and is dropped after the channel was closed, gives the last permit up: the receiver waits for that.
#[test]
fn a_cancelled_send_may_be_what_the_end_waits_for() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(1));
    sender.try_send(0).unwrap();
    let mut sending = Box::pin(sender.send(1));
    assert!(poll(sending.as_mut(), &count).is_pending());
    for called in 1..=usize::from(super::room::PATIENCE) {
        assert_eq!((receiver.try_recv(), sender.try_send(0)), (Ok(0), Ok(())));
        assert_eq!(woken(&count), called);
        assert!(poll(sending.as_mut(), &count).is_pending());
    }
    let called = woken(&count) + 1;
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((woken(&count), sender.capacity()), (called, 0));
    receiver.close();
    assert!(poll_recv(&mut receiver, &count).is_pending());
    drop(sending);
    assert_eq!(woken(&count), called + 1);
    assert_eq!(poll_recv(&mut receiver, &count), Poll::Ready(None));
}

/// Room that it was called for is not its own yet.
#[test]
fn one_that_was_called_before_the_end_does_not_send_after_it() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(1));
    sender.try_send(0).unwrap();
    let mut sending = Box::pin(sender.send(1));
    assert!(poll(sending.as_mut(), &count).is_pending());
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(woken(&count), 1);
    receiver.close();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(
        poll(sending.as_mut(), &count),
        Poll::Ready(Err(SendError(1)))
    );
}

#[test]
fn closing_tells_everybody_who_waits() {
    let (count, (sender, mut receiver)) = (Arc::<Count>::default(), channel(1));
    sender.try_send(0).unwrap();
    let mut sends: Vec<_> = (1..100)
        .map(|number| Box::pin(sender.send(number)))
        .collect();
    for send in &mut sends {
        assert!(poll(send.as_mut(), &count).is_pending());
    }
    let mut closed = pin!(sender.closed());
    assert!(poll(closed.as_mut(), &count).is_pending());
    receiver.close();
    assert_eq!(woken(&count), 100);
    assert!(poll(closed.as_mut(), &count).is_ready());
    for (send, number) in sends.iter_mut().zip(1..) {
        assert_eq!(
            poll(send.as_mut(), &count),
            Poll::Ready(Err(SendError(number)))
        );
    }
    assert_eq!(block_on(receiver.recv()), Some(0));
    assert_eq!(block_on(receiver.recv()), None);
    assert!(receiver.is_closed() && sender.is_closed());
}

#[test]
fn many_are_sent_and_received_at_once() {
    let (sender, mut receiver) = channel(100);
    block_on(sender.send_many(0..90)).unwrap();
    assert_eq!(receiver.len(), 90);
    let mut messages = Vec::new();
    assert_eq!(block_on(receiver.recv_many(&mut messages, 50)), 50);
    assert_eq!(block_on(receiver.recv_many(&mut messages, 0)), 0);
    assert_eq!(block_on(receiver.recv_many(&mut messages, 50)), 40);
    assert!(messages.into_iter().eq(0..90));

    let count = Arc::<Count>::default();
    let mut numbers = 0..150;
    let mut sending = Box::pin(sender.send_many(numbers.by_ref()));
    assert!(poll(sending.as_mut(), &count).is_pending());
    drop(sending);
    assert_eq!(numbers, 100..150);
    receiver.close();
    let SendError(left) = block_on(sender.send_many(numbers)).unwrap_err();
    assert_eq!(left, 100..150);
}

/// An iterator that panics must not keep the room it was to fill.
#[test]
fn an_iterator_that_panics_costs_no_room() {
    let (sender, mut receiver) = channel(10);
    let tokens = Arc::new(());
    let bad = (0..5).map(|number| {
        assert!(number != 2, "as planned");
        (number, tokens.clone())
    });
    let sending = std::panic::AssertUnwindSafe(|| block_on(sender.send_many(bad)).map_err(drop));
    assert!(std::panic::catch_unwind(sending).is_err());
    assert_eq!((sender.capacity(), receiver.len()), (10, 0));
    assert_eq!(Arc::strong_count(&tokens), 1);
    sender.try_send((9, tokens.clone())).unwrap();
    assert_eq!(receiver.try_recv().unwrap().0, 9);
}

#[test]
fn what_nobody_receives_is_dropped_once() {
    let token = Arc::new(());
    let (sender, receiver) = channel(100);
    let permit = sender.try_reserve().unwrap();
    (0..70).for_each(|_| sender.try_send(token.clone()).unwrap());
    drop(receiver);
    assert_eq!(Arc::strong_count(&token), 1);
    permit.send(token.clone());
    assert!(sender.try_send(token.clone()).is_err());
    drop(sender);
    assert_eq!(Arc::strong_count(&token), 1);

    let (sender, mut receiver) = unbounded_channel();
    (0..70).for_each(|_| sender.send(token.clone()).unwrap());
    drop(sender);
    drop(receiver.try_recv().unwrap());
    drop(receiver);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn senders_are_counted() {
    let (sender, receiver) = channel::<u32>(1);
    let (clone, weak) = (sender.clone(), sender.downgrade());
    assert_eq!(
        (
            sender.strong_count(),
            receiver.sender_strong_count(),
            weak.strong_count()
        ),
        (2, 2, 2)
    );
    assert_eq!(
        (
            sender.weak_count(),
            receiver.sender_weak_count(),
            weak.clone().weak_count()
        ),
        (1, 1, 2)
    );
    assert!(clone.same_channel(&sender) && !clone.same_channel(&channel(1).0));
    drop((sender, clone));
    assert!(weak.upgrade().is_none() && receiver.is_closed());
}

#[test]
fn a_receiver_is_a_stream() {
    let (sender, mut receiver) = unbounded_channel();
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(
        block_on(poll_fn(|cx| Pin::new(&mut receiver).poll_next(cx))),
        Some(1)
    );
    assert_eq!(
        block_on(poll_fn(|cx| Pin::new(&mut receiver).poll_next(cx))),
        None
    );
}

#[test]
fn messages_without_a_size_and_large_ones() {
    let (sender, mut receiver) = unbounded_channel();
    (0..100).for_each(|_| sender.send(()).unwrap());
    assert_eq!(receiver.len(), 100);
    (0..100).for_each(|_| receiver.try_recv().unwrap());
    let (sender, mut receiver) = unbounded_channel();
    for round in 0..100u8 {
        sender.send([round; 5000]).unwrap();
        assert_eq!(receiver.try_recv().unwrap()[4999], round);
    }
}

#[test]
fn threads_send_each_message_once_and_in_order() {
    let messages = if cfg!(miri) { 40 } else { 2000 };
    for capacity in [1, 3, 64, 100, usize::MAX] {
        let (bounded, unbounded) = (channel(capacity.min(1000)), unbounded_channel());
        let senders: Vec<_> = (0..3)
            .map(|who| {
                let (bounded, unbounded) = (bounded.0.clone(), unbounded.0.clone());
                thread::spawn(move || {
                    for number in 0..messages {
                        match capacity {
                            usize::MAX => unbounded.send((who, Box::new(number))).unwrap(),
                            _ => bounded.blocking_send((who, Box::new(number))).unwrap(),
                        }
                    }
                })
            })
            .collect();
        let ((sender, mut bounded), (unbounded_sender, mut unbounded)) = (bounded, unbounded);
        drop((sender, unbounded_sender));
        let mut next = [0; 3];
        for _ in 0..3 * messages {
            let message = if capacity == usize::MAX {
                unbounded.blocking_recv()
            } else {
                bounded.blocking_recv()
            };
            let (who, number) = message.unwrap();
            assert_eq!(*number, next[who]);
            next[who] += 1;
        }
        assert_eq!(
            (bounded.blocking_recv(), unbounded.blocking_recv()),
            (None, None)
        );
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
    }
}

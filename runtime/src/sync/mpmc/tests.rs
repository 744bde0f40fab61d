//! What it promises, on one thread, and on a few under Miri.

use super::error::{RecvError, SendError, TryRecvError, TrySendError};
use super::ring::Ring;
use super::shared::Shared;
use super::*;
use crate::sys::sync::thread;
use futures_core::Stream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn poll<F: Future>(self: &Arc<Self>, future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        let waker = self.clone().into();
        future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn exactly_the_capacity_fits_and_comes_out_in_order() {
    for capacity in [1, 2, 3, 4, 5] {
        // Once with positions that overflow on the way.
        for ring in [
            Ring::new(capacity),
            Ring::beginning_at(0_usize.wrapping_sub(1 << 6), capacity),
        ] {
            let (sender, receiver) = Shared::pair_of(ring);
            for round in 0..20 {
                for n in 0..capacity {
                    assert_eq!(sender.len(), n);
                    assert!(!sender.is_full());
                    sender.try_send(round + n).unwrap();
                }
                assert!(sender.is_full() && receiver.is_full());
                assert_eq!(sender.try_send(7), Err(TrySendError::Full(7)));
                for n in 0..capacity {
                    assert_eq!(receiver.try_recv(), Ok(round + n));
                }
                assert!(receiver.is_empty());
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                // So that the next round begins within a lap.
                sender.try_send(0).unwrap();
                assert_eq!(receiver.try_recv(), Ok(0));
            }
        }
    }
}

#[test]
fn waiters_are_woken_in_order_each_by_a_message() {
    let (sender, receiver) = channel(8);
    let counts: [Arc<Count>; 3] = Default::default();
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(receiver.recv())).collect();
    for (wait, count) in waits.iter_mut().zip(&counts) {
        assert!(count.poll(wait).is_pending());
    }
    for n in 0..3 {
        sender.try_send(n).unwrap();
        let woken: Vec<_> = counts.iter().map(|count| count.woken()).collect();
        assert_eq!(
            woken,
            (0..3).map(|i| usize::from(i <= n)).collect::<Vec<_>>()
        );
    }
    sender.try_send(3).unwrap();
    for (n, (wait, count)) in waits.iter_mut().zip(&counts).enumerate() {
        assert_eq!(count.poll(wait), Poll::Ready(Ok(n)));
    }
}

#[test]
fn who_is_robbed_keeps_its_place() {
    let (sender, receiver) = channel(1);
    let counts: [Arc<Count>; 2] = Default::default();
    let mut first = Box::pin(receiver.recv());
    let mut second = Box::pin(receiver.recv());
    assert!(counts[0].poll(&mut first).is_pending());
    assert!(counts[1].poll(&mut second).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(counts[0].poll(&mut first).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!((counts[0].woken(), counts[1].woken()), (2, 0));
    assert_eq!(counts[0].poll(&mut first), Poll::Ready(Ok(2)));
}

#[test]
fn a_woken_waiter_that_is_dropped_wakes_the_next_on_either_side() {
    let (sender, receiver) = channel(1);
    let counts: [Arc<Count>; 2] = Default::default();
    let mut gone = Box::pin(receiver.recv());
    let mut stays = Box::pin(receiver.recv());
    assert!(counts[0].poll(&mut gone).is_pending());
    assert!(counts[1].poll(&mut stays).is_pending());
    sender.try_send(1).unwrap();
    drop(gone);
    assert_eq!(counts[1].woken(), 1);
    assert_eq!(counts[1].poll(&mut stays), Poll::Ready(Ok(1)));

    sender.try_send(2).unwrap();
    let mut gone = Box::pin(sender.send(3));
    let mut stays = Box::pin(sender.send(4));
    assert!(counts[0].poll(&mut gone).is_pending());
    assert!(counts[1].poll(&mut stays).is_pending());
    assert_eq!(receiver.try_recv(), Ok(2));
    drop(gone);
    assert_eq!(counts[1].woken(), 2);
    assert_eq!(counts[1].poll(&mut stays), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(4), "3 was given up");
}

#[test]
fn a_waiter_that_is_dropped_before_it_is_woken_leaves_the_queue() {
    let (sender, receiver) = channel(1);
    let counts: [Arc<Count>; 2] = Default::default();
    let mut gone = Box::pin(receiver.recv());
    let mut stays = Box::pin(receiver.recv());
    assert!(counts[0].poll(&mut gone).is_pending());
    assert!(counts[1].poll(&mut stays).is_pending());
    drop(gone);
    assert_eq!(counts[1].woken(), 0);
    sender.try_send(1).unwrap();
    assert_eq!((counts[0].woken(), counts[1].woken()), (0, 1));
}

#[test]
fn closing_wakes_everybody_and_leaves_what_was_sent() {
    let (sender, receiver) = channel(1);
    sender.try_send(0).unwrap();
    let count = Arc::<Count>::default();
    let mut sends: Vec<_> = (1..=40).map(|n| Box::pin(sender.send(n))).collect();
    assert!(sends.iter_mut().all(|send| count.poll(send).is_pending()));
    assert!(receiver.close());
    assert!(!sender.close(), "once");
    assert_eq!(count.woken(), 40);
    for (send, n) in sends.iter_mut().zip(1..) {
        assert_eq!(count.poll(send), Poll::Ready(Err(SendError(n))));
    }
    assert_eq!(sender.try_send(5), Err(TrySendError::Closed(5)));
    assert_eq!(poll(pin!(receiver.recv())), Poll::Ready(Ok(0)));
    assert_eq!(poll(pin!(receiver.recv())), Poll::Ready(Err(RecvError)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.blocking_recv(), Err(RecvError));
    assert_eq!(sender.blocking_send(6), Err(SendError(6)));
}

#[test]
fn receivers_learn_that_the_last_sender_has_gone() {
    let (sender, receiver) = channel::<i32>(1);
    let other = sender.clone();
    let count = Arc::<Count>::default();
    let mut waits: Vec<_> = (0..40).map(|_| Box::pin(receiver.recv())).collect();
    assert!(waits.iter_mut().all(|wait| count.poll(wait).is_pending()));
    drop(sender);
    assert_eq!(count.woken(), 0);
    assert!(!receiver.is_closed());
    drop(other);
    assert_eq!(count.woken(), 40);
    assert!(
        waits
            .iter_mut()
            .all(|wait| count.poll(wait) == Poll::Ready(Err(RecvError)))
    );
}

#[test]
fn the_last_receiver_drops_what_is_in_it() {
    let (sender, receiver) = channel(4);
    let message = Arc::new(());
    sender.try_send(message.clone()).unwrap();
    sender.try_send(message.clone()).unwrap();
    let other = receiver.clone();
    drop(receiver);
    assert_eq!(Arc::strong_count(&message), 3);
    drop(other);
    assert_eq!(Arc::strong_count(&message), 1);
    assert!(matches!(
        sender.try_send(message),
        Err(TrySendError::Closed(_))
    ));
}

#[test]
fn many_are_received_at_once_and_as_many_senders_woken() {
    let (sender, receiver) = channel(3);
    let count = Arc::<Count>::default();
    (0..3).for_each(|n| sender.try_send(n).unwrap());
    let mut sends: Vec<_> = (3..6).map(|n| Box::pin(sender.send(n))).collect();
    assert!(sends.iter_mut().all(|send| count.poll(send).is_pending()));
    let mut messages = Vec::new();
    assert_eq!(
        poll(pin!(receiver.recv_many(&mut messages, 0))),
        Poll::Ready(0)
    );
    assert_eq!(
        poll(pin!(receiver.recv_many(&mut messages, 2))),
        Poll::Ready(2)
    );
    assert_eq!(count.woken(), 2);
    assert_eq!(count.poll(&mut sends[0]), Poll::Ready(Ok(())));
    assert_eq!(count.poll(&mut sends[1]), Poll::Ready(Ok(())));
    assert_eq!(
        poll(pin!(receiver.recv_many(&mut messages, 100))),
        Poll::Ready(3)
    );
    assert_eq!(messages, [0, 1, 2, 3, 4]);
    drop(sends);
    sender.close();
    assert_eq!(
        poll(pin!(receiver.recv_many(&mut messages, 100))),
        Poll::Ready(0)
    );
}

#[test]
fn many_are_sent_and_those_who_wait_are_told() {
    let (sender, receiver) = channel(3);
    let counts: [Arc<Count>; 2] = Default::default();
    let mut waits: Vec<_> = (0..2).map(|_| Box::pin(receiver.recv())).collect();
    for (wait, count) in waits.iter_mut().zip(&counts) {
        assert!(count.poll(wait).is_pending());
    }
    let mut items = 0..10;
    let mut sending = Box::pin(sender.send_many(&mut items));
    let count = Arc::<Count>::default();
    assert!(count.poll(&mut sending).is_pending());
    assert_eq!((counts[0].woken(), counts[1].woken()), (1, 1));
    assert_eq!(counts[0].poll(&mut waits[0]), Poll::Ready(Ok(0)));
    assert_eq!(count.woken(), 1);
    assert!(count.poll(&mut sending).is_pending());
    receiver.close();
    assert_eq!(count.poll(&mut sending), Poll::Ready(Err(SendError(4))));
    drop(sending);
    assert_eq!(items, 5..10);
}

#[test]
fn an_iterator_that_panics_leaves_nobody_asleep() {
    let (sender, receiver) = channel(3);
    let count = Arc::<Count>::default();
    let mut wait = Box::pin(receiver.recv());
    assert!(count.poll(&mut wait).is_pending());
    let items = (0..2).inspect(|n| assert_eq!(*n, 0, "a planned panic"));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        poll(pin!(sender.send_many(items)))
    }));
    assert!(panic.is_err());
    assert_eq!(count.woken(), 1);
    assert_eq!(count.poll(&mut wait), Poll::Ready(Ok(0)));
}

#[test]
fn weak_handles_keep_nothing_open() {
    let (sender, receiver) = channel::<i32>(1);
    let (weak_sender, weak_receiver) = (sender.downgrade(), receiver.downgrade());
    let again = weak_sender.upgrade().expect("there is one");
    assert!(again.same_channel(&sender));
    assert_eq!((sender.sender_count(), sender.receiver_count()), (2, 1));
    drop((sender, again));
    assert!(weak_sender.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(
        weak_receiver
            .upgrade()
            .is_some_and(|again| again.same_channel(&receiver))
    );
    drop(receiver);
    assert!(weak_receiver.clone().upgrade().is_none());
}

#[test]
fn a_stream_ends_with_the_channel() {
    let (sender, receiver) = channel(2);
    let mut stream = pin!(receiver.into_stream());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    sender.try_send(1).unwrap();
    drop(sender);
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(Some(1)));
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
    assert_eq!(stream.as_mut().poll_next(&mut cx), Poll::Ready(None));
}

#[test]
fn futures_and_handles_may_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let (sender, receiver) = channel::<std::cell::Cell<i32>>(1);
    is_send(&sender);
    is_send(&receiver.recv());
    is_send(&sender.send(std::cell::Cell::new(1)));
    is_send(&sender.send_many(std::iter::empty()));
}

#[test]
fn many_threads_send_and_receive_each_message_once() {
    const EACH: usize = if cfg!(miri) { 20 } else { 5000 };
    let (sender, receiver) = channel(3);
    let senders: Vec<_> = (0..3)
        .map(|own| {
            let sender = sender.clone();
            thread::spawn(move || {
                (0..EACH).for_each(|n| sender.blocking_send(own * EACH + n).unwrap());
            })
        })
        .collect();
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let receiver = receiver.clone();
            thread::spawn(move || {
                let mut all = Vec::new();
                while let Ok(n) = receiver.blocking_recv() {
                    all.push(n);
                }
                all
            })
        })
        .collect();
    drop((sender, receiver));
    senders
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let mut all: Vec<_> = receivers
        .into_iter()
        .flat_map(|thread| {
            let received = thread.join().unwrap();
            for own in 0..3 {
                let of_one: Vec<_> = received.iter().filter(|n| **n / EACH == own).collect();
                assert!(of_one.is_sorted(), "those of one sender in order");
            }
            received
        })
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..3 * EACH).collect::<Vec<_>>());
}

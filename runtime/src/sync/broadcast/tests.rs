//! What it promises, on one thread, and on a few under Miri.

use super::error::{Lagged, RecvError, SendError, TryRecvError};
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

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn every_receiver_gets_every_message_in_order() {
    let (sender, mut first) = channel(4);
    let mut second = sender.subscribe();
    for round in 0..5 {
        for n in 0..4 {
            assert_eq!(sender.send((round, n)), Ok(2));
        }
        assert_eq!((first.len(), sender.len()), (4, 4));
        for n in 0..4 {
            assert_eq!(first.try_recv(), Ok((round, n)));
        }
        assert_eq!((first.len(), second.len(), sender.len()), (0, 4, 4));
        for n in 0..4 {
            assert_eq!(sender.len(), 4 - n);
            assert_eq!(second.try_recv(), Ok((round, n)));
        }
        assert!(sender.is_empty() && first.is_empty());
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn who_is_too_slow_is_told_what_it_has_lost() {
    for sent in 4..=20 {
        let (sender, mut receiver) = channel(4);
        for n in 0..sent {
            sender.send(n).unwrap();
        }
        if sent > 4 {
            assert_eq!(receiver.len() as u64, sent);
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(sent - 4)));
        }
        for n in sent - 4..sent {
            assert_eq!(receiver.try_recv(), Ok(n));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn the_capacity_is_rounded_up() {
    let (sender, mut receiver) = channel(3);
    (0..4).for_each(|n| assert_eq!(sender.send(n), Ok(1)));
    assert_eq!(receiver.try_recv(), Ok(0));
}

#[test]
#[should_panic(expected = "at least 1")]
fn no_capacity_is_refused() {
    drop(channel::<()>(0));
}

#[test]
fn the_last_one_gets_the_message_itself() {
    let (sender, mut first) = channel(2);
    let mut second = sender.subscribe();
    let message = Arc::new(());
    sender.send(message.clone()).unwrap();
    let clone = first.try_recv().unwrap();
    assert_eq!(Arc::strong_count(&message), 3);
    let itself = second.try_recv().unwrap();
    assert_eq!(Arc::strong_count(&message), 3, "moved out of the channel");
    drop((clone, itself, sender));
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn what_nobody_will_read_is_dropped() {
    let (sender, first) = channel(4);
    let second = sender.subscribe();
    let message = Arc::new(());
    for _ in 0..6 {
        sender.send(message.clone()).unwrap();
    }
    assert_eq!(Arc::strong_count(&message), 5, "two were overwritten");
    drop(first);
    assert_eq!(Arc::strong_count(&message), 5);
    drop(second);
    assert_eq!(Arc::strong_count(&message), 1);
    assert!(matches!(sender.send(message), Err(SendError(_))));
}

#[test]
fn the_end_comes_behind_the_last_message() {
    let (sender, mut receiver) = channel(2);
    let other = sender.clone();
    let weak = sender.downgrade();
    assert_eq!(
        (weak.strong_count(), receiver.sender_strong_count()),
        (2, 2)
    );
    sender.send(1).unwrap();
    drop(sender);
    assert!(!receiver.is_closed());
    drop((weak.upgrade(), other));
    assert!(weak.upgrade().is_none());
    assert!(receiver.is_closed());
    let mut late = receiver.resubscribe();
    assert_eq!(receiver.blocking_recv(), Ok(1));
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Closed));
    assert_eq!(late.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn more_than_one_round_of_receivers_is_woken_and_those_who_wait_for_the_next_are_not() {
    let (sender, receiver) = channel(4);
    let mut receivers: Vec<_> = (0..100).map(|_| receiver.resubscribe()).collect();
    let count = Arc::<Count>::default();
    let waker = count.clone().into();
    let mut cx = Context::from_waker(&waker);
    let mut waits: Vec<_> = (receivers.iter_mut())
        .map(|one| Box::pin(one.recv()))
        .collect();
    assert!(
        waits
            .iter_mut()
            .all(|wait| wait.as_mut().poll(&mut cx).is_pending())
    );
    assert_eq!(sender.send(1), Ok(101));
    assert_eq!(count.0.load(Ordering::Relaxed), 100);
    for wait in &mut waits {
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(Ok(1)));
    }
    drop(waits);
    assert!(poll(pin!(receivers[0].recv())).is_pending());
}

#[test]
fn closed_waits_for_the_last_receiver() {
    let (sender, receiver) = channel::<i32>(1);
    let other = sender.subscribe();
    let mut closed = pin!(sender.closed());
    drop(receiver);
    assert!(poll(closed.as_mut()).is_pending());
    drop(other);
    assert!(poll(closed).is_ready());
    assert!(sender.subscribe().same_channel(&sender.subscribe()));
}

#[test]
fn a_message_that_cannot_be_cloned_is_lost_to_one_and_locks_nobody_out() {
    #[derive(Debug)]
    struct Uncloned(Arc<()>);
    impl Clone for Uncloned {
        fn clone(&self) -> Self {
            panic!("a planned panic");
        }
    }
    let (sender, mut first) = channel(1);
    let mut second = sender.subscribe();
    let message = Arc::new(());
    sender.send(Uncloned(message.clone())).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| first.try_recv()));
    assert!(panic.is_err());
    assert!(matches!(first.try_recv(), Err(TryRecvError::Empty)));
    drop(second.try_recv().unwrap().0);
    assert_eq!(Arc::strong_count(&message), 1);
    sender.send(Uncloned(message.clone())).unwrap();
    drop(first);
    drop(second);
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn a_stream_says_what_it_has_lost_and_ends() {
    let (sender, receiver) = channel(2);
    let mut stream = pin!(receiver.into_stream());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stream.as_mut().poll_next(&mut cx).is_pending());
    (0..5).for_each(|n| assert_eq!(sender.send(n), Ok(1)));
    drop(sender);
    let mut next = || stream.as_mut().poll_next(&mut cx);
    assert_eq!(next(), Poll::Ready(Some(Err(Lagged(3)))));
    assert_eq!(next(), Poll::Ready(Some(Ok(3))));
    assert_eq!(next(), Poll::Ready(Some(Ok(4))));
    assert_eq!(next(), Poll::Ready(None));
}

#[test]
fn many_threads_read_or_lose_each_message_once() {
    const EACH: u64 = if cfg!(miri) { 40 } else { 5000 };
    let (sender, receiver) = channel::<Box<(usize, u64)>>(4);
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let mut receiver = receiver.resubscribe();
            thread::spawn(move || {
                let (mut last, mut sum) = ([None; 2], 0);
                loop {
                    match receiver.blocking_recv() {
                        Ok(message) => {
                            let (own, n) = *message;
                            assert!(last[own] < Some(n), "those of one sender in order");
                            last[own] = Some(n);
                            sum += 1;
                        }
                        Err(RecvError::Lagged(lost)) => sum += lost,
                        Err(RecvError::Closed) => return sum,
                    }
                }
            })
        })
        .collect();
    drop(receiver);
    let senders: Vec<_> = (0..2)
        .map(|own| {
            let sender = sender.clone();
            thread::spawn(move || {
                (0..EACH).for_each(|n| assert!(sender.send(Box::new((own, n))).is_ok()));
            })
        })
        .collect();
    drop(sender);
    senders
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    for thread in receivers {
        assert_eq!(thread.join().unwrap(), 2 * EACH);
    }
}

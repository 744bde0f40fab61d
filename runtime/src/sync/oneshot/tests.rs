//! What each side may do, against what the other has done; also under Miri.

use super::error::{RecvError, TryRecvError};
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::thread;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<T>(receiver: &mut Receiver<T>, count: &Arc<Count>) -> Poll<Result<T, RecvError>> {
    let waker = Waker::from(count.clone());
    Pin::new(receiver).poll(&mut Context::from_waker(&waker))
}

fn poll_closed<T>(sender: &mut Sender<T>, count: &Arc<Count>) -> Poll<()> {
    let waker = Waker::from(count.clone());
    sender.poll_closed(&mut Context::from_waker(&waker))
}

#[test]
fn what_was_sent_is_received_whoever_comes_first() {
    let count = Arc::<Count>::default();
    let (sender, mut receiver) = channel();
    sender.send(String::from("early")).unwrap();
    assert!(!receiver.is_empty());
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(Ok("early".into())));
    assert!(receiver.is_terminated() && receiver.is_empty());

    let (sender, mut receiver) = channel();
    assert!(poll(&mut receiver, &count).is_pending());
    assert!(poll(&mut receiver, &count).is_pending());
    sender.send(String::from("late")).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut receiver, &count), Poll::Ready(Ok("late".into())));
    drop(receiver);
    assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
}

#[test]
fn a_value_that_nobody_takes_is_dropped_once() {
    let value = Arc::new(());
    let (sender, receiver) = channel();
    sender.send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);

    let (sender, receiver) = channel();
    drop(receiver);
    assert!(sender.send(value.clone()).is_err());
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn the_end_of_the_sender_is_an_error() {
    let count = Arc::<Count>::default();
    for polled_before in [false, true] {
        let (sender, mut receiver) = channel::<String>();
        if polled_before {
            assert!(poll(&mut receiver, &count).is_pending());
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(sender);
        assert_eq!(poll(&mut receiver, &count), Poll::Ready(Err(RecvError)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    }
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
}

#[test]
fn the_waker_given_last_is_woken() {
    let (before, after) = (Arc::<Count>::default(), Arc::<Count>::default());
    let (sender, mut receiver) = channel();
    assert!(poll(&mut receiver, &before).is_pending());
    assert!(poll(&mut receiver, &after).is_pending());
    assert_eq!(Arc::strong_count(&before), 1);
    sender.send(1).unwrap();
    assert_eq!(
        (
            before.0.load(Ordering::Relaxed),
            after.0.load(Ordering::Relaxed)
        ),
        (0, 1)
    );
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn a_sender_learns_of_the_end_of_the_receiver() {
    for closes in [false, true] {
        let count = Arc::<Count>::default();
        let (mut sender, mut receiver) = channel::<String>();
        assert!(poll(&mut receiver, &count).is_pending());
        assert!(poll_closed(&mut sender, &count).is_pending());
        assert!(!sender.is_closed());
        if closes {
            receiver.close();
            assert_eq!(poll(&mut receiver, &count), Poll::Ready(Err(RecvError)));
        }
        drop(receiver);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(sender.is_closed());
        assert!(poll_closed(&mut sender, &count).is_ready());
        assert_eq!(sender.send("back".into()), Err("back".into()));
        assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
    }
}

#[test]
fn wakers_of_who_ended_are_dropped_with_the_cell() {
    let count = Arc::<Count>::default();
    let (mut sender, mut receiver) = channel();
    assert!(poll_closed(&mut sender, &count).is_pending());
    assert!(poll(&mut receiver, &count).is_pending());
    sender.send(3).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
}

#[test]
fn closing_twice_or_late_changes_nothing() {
    let (sender, mut receiver) = channel();
    sender.send(1).unwrap();
    receiver.close();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    assert!(receiver.is_terminated());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
#[should_panic(expected = "polled after")]
fn a_receiver_that_is_done_must_not_be_polled() {
    let count = Arc::<Count>::default();
    let (sender, mut receiver) = channel();
    sender.send(1).unwrap();
    assert!(poll(&mut receiver, &count).is_ready());
    let _ = poll(&mut receiver, &count);
}

#[test]
fn threads_meet_in_any_order() {
    for _ in 0..if cfg!(miri) { 8 } else { 500 } {
        let (sender, receiver) = channel();
        let sending = thread::spawn(move || sender.send(Box::new(7)));
        assert_eq!(receiver.blocking_recv(), Ok(Box::new(7)));
        sending.join().unwrap().unwrap();

        let (sender, receiver) = channel();
        let dropping = thread::spawn(move || drop(receiver));
        let _maybe = sender.send(Box::new(7));
        dropping.join().unwrap();
    }
}

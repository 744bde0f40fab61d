//! What it promises, on one thread.

use super::*;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn values_that_nobody_has_seen_are_skipped() {
    let (sender, mut receiver) = channel(0);
    assert!(poll(pin!(receiver.changed())).is_pending());
    for value in 1..=3 {
        sender.send(value).unwrap();
    }
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(poll(pin!(receiver.changed())), Poll::Ready(Ok(())));
    assert_eq!(*receiver.borrow(), 3);
    assert!(poll(pin!(receiver.changed())).is_pending());
}

#[test]
fn borrow_does_not_mark_and_update_does() {
    let (sender, mut receiver) = channel(0);
    sender.send(1).unwrap();
    assert!(receiver.borrow().has_changed());
    assert!(receiver.borrow().has_changed());
    assert!(receiver.borrow_and_update().has_changed());
    assert!(!receiver.borrow_and_update().has_changed());
    receiver.mark_changed();
    assert_eq!(receiver.has_changed(), Ok(true));
    receiver.mark_unchanged();
    assert_eq!(receiver.has_changed(), Ok(false));
}

#[test]
fn the_last_value_is_seen_after_the_senders_have_gone() {
    let (sender, mut receiver) = channel(0);
    let other = sender.clone();
    drop(sender);
    assert_eq!(receiver.has_changed(), Ok(false));
    other.send(1).unwrap();
    drop(other);
    assert_eq!(receiver.has_changed(), Err(RecvError(())));
    assert_eq!(poll(pin!(receiver.changed())), Poll::Ready(Ok(())));
    assert_eq!(*receiver.borrow(), 1);
    assert_eq!(
        poll(pin!(receiver.changed())),
        Poll::Ready(Err(RecvError(())))
    );
    assert_eq!(
        poll(pin!(receiver.wait_for(|value| *value == 1))).map(|found| *found.unwrap()),
        Poll::Ready(1)
    );
    assert!(matches!(
        poll(pin!(receiver.wait_for(|value| *value == 2))),
        Poll::Ready(Err(RecvError(())))
    ));
}

#[test]
fn a_value_comes_back_when_nobody_looks() {
    let (sender, receiver) = channel(0);
    drop(receiver);
    assert_eq!(sender.send(1), Err(SendError(1)));
    assert_eq!(*sender.borrow(), 0);
    assert_eq!(sender.send_replace(2), 0);
    let receiver = sender.subscribe();
    assert_eq!(*receiver.borrow(), 2);
    assert_eq!(receiver.has_changed(), Ok(false), "it was there before");
    assert_eq!((sender.receiver_count(), sender.sender_count()), (1, 1));
}

#[test]
fn a_change_that_is_none_wakes_nobody() {
    let (sender, mut receiver) = channel(0);
    let count = std::sync::Arc::<Count>::default();
    let waker = count.clone().into();
    let mut wait = pin!(receiver.changed());
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert!(!sender.send_if_modified(|_| false));
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    assert!(sender.send_if_modified(|_| true));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    );
}

#[test]
fn a_panic_while_the_value_is_changed_tells_nobody_and_locks_nobody_out() {
    let (sender, receiver) = channel(0);
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| {
        sender.send_modify(|value| {
            *value = 1;
            panic!("in the middle");
        });
    }));
    assert!(panic.is_err());
    assert_eq!(receiver.has_changed(), Ok(false));
    assert_eq!(*receiver.borrow(), 1);
    sender.send(2).unwrap();
    assert_eq!(*receiver.borrow(), 2);
}

#[test]
fn a_panic_while_asked_for_the_right_value_locks_nobody_out() {
    let (sender, mut receiver) = channel(0);
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| {
        drop(poll(pin!(receiver.wait_for(|_| panic!("asked")))));
    }));
    assert!(panic.is_err());
    sender.send(1).unwrap();
}

#[test]
fn more_than_one_round_of_receivers_is_woken() {
    let (sender, receiver) = channel(0);
    let mut receivers: Vec<_> = (0..100).map(|_| receiver.clone()).collect();
    let count = std::sync::Arc::<Count>::default();
    let waker = count.clone().into();
    let mut waits: Vec<_> = receivers
        .iter_mut()
        .map(|it| Box::pin(it.changed()))
        .collect();
    for wait in &mut waits {
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    sender.send(1).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 100);
    for wait in &mut waits {
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        );
    }
}

#[test]
fn closed_waits_for_the_last_receiver() {
    let (sender, receiver) = channel(0);
    let other = receiver.clone();
    let mut closed = pin!(sender.closed());
    drop(receiver);
    assert!(poll(closed.as_mut()).is_pending());
    drop(other);
    assert!(poll(closed).is_ready());
    assert!(sender.is_closed());
}

#[test]
fn versions_begin_anew() {
    let (sender, mut receiver) = channel(0);
    sender.shared.state.0.store(VERSIONS, Ordering::Relaxed);
    receiver.mark_unchanged();
    sender.send(1).unwrap();
    assert_eq!(sender.shared.state.load().version, Version(0));
    assert_eq!(poll(pin!(receiver.changed())), Poll::Ready(Ok(())));
    receiver.mark_changed();
    assert_eq!(receiver.seen, Version(VERSIONS));
    assert_eq!(poll(pin!(receiver.changed())), Poll::Ready(Ok(())));
}

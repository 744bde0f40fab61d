//! Every interleaving of a sender with a receiver, or two.

use super::*;
use crate::sys::sync::thread;
use crate::util::block_on::block_on;
use std::task::Waker;

/// Every interleaving with at most three preemptions.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.check(run);
}

#[test]
fn loom_watch_a_change_is_seen() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || sender.send(1).unwrap());
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow(), 1);
        sending.join().unwrap();
    });
}

#[test]
fn loom_watch_two_receivers_see_the_end() {
    model(|| {
        let (sender, mut first) = channel(0);
        let mut second = first.clone();
        let other = thread::spawn(move || {
            while block_on(second.changed()).is_ok() {}
            assert_eq!(*second.borrow(), 1);
        });
        sender.send(1).unwrap();
        drop(sender);
        while block_on(first.changed()).is_ok() {}
        assert_eq!(*first.borrow(), 1);
        other.join().unwrap();
    });
}

#[test]
fn loom_watch_a_wait_that_is_given_up_takes_nothing_from_another() {
    model(|| {
        let (sender, mut stays) = channel(0);
        let mut gone = stays.clone();
        let mut wait = Box::pin(gone.changed());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        let sending = thread::spawn(move || assert_eq!(sender.send_replace(1), 0));
        drop(wait);
        block_on(stays.changed()).unwrap();
        sending.join().unwrap();
        assert_eq!(gone.has_changed(), Err(RecvError(())));
    });
}

#[test]
fn loom_watch_closed_when_the_last_receiver_goes() {
    model(|| {
        let (sender, first) = channel(0);
        let second = first.clone();
        let going = thread::spawn(move || drop(first));
        let also_going = thread::spawn(move || drop(second));
        block_on(sender.closed());
        assert_eq!(sender.send(1), Err(SendError(1)));
        going.join().unwrap();
        also_going.join().unwrap();
    });
}

#[test]
fn loom_watch_what_is_waited_for_is_found() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
        });
        assert_eq!(
            *block_on(receiver.wait_for(|value| *value == 2)).unwrap(),
            2
        );
        sending.join().unwrap();
    });
}

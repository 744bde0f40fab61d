//! Every interleaving of a sender with a receiver, or two.

use super::*;
use crate::sys::sync::thread;
use crate::util::block_on::block_on;
use std::pin::pin;
use std::task::Waker;

#[test]
fn loom_watch_a_change_is_seen() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || sender.send(1).unwrap());
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow(), 1);
        sending.join().unwrap();
    });
}

#[test]
fn loom_watch_two_receivers_see_the_end() {
    loom::model(|| {
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
    loom::model(|| {
        let (sender, mut stays) = channel(0);
        let mut gone = stays.clone();
        let leaving = thread::spawn(move || {
            let mut wait = pin!(gone.changed());
            let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        let sending = thread::spawn(move || sender.send_replace(1));
        block_on(stays.changed()).unwrap();
        leaving.join().unwrap();
        sending.join().unwrap();
    });
}

#[test]
fn loom_watch_closed_when_the_last_receiver_goes() {
    loom::model(|| {
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
    loom::model(|| {
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

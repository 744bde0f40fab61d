//! Every interleaving of a sender with a receiver, or two.

use super::super::testing::Polled;
use super::*;
use crate::sys::sync::thread;

#[test]
fn loom_watch_a_change_against_a_wait() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || sender.send_replace(1));
        let mut wait = Polled::new(receiver.changed());
        let at_once = wait.ready();
        sending.join().unwrap();
        assert_eq!(at_once.unwrap_or_else(|| wait.expect_ready()), Ok(()));
        assert_eq!(*receiver.borrow(), 1);
    });
}

#[test]
fn loom_watch_the_end_against_a_wait() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let ending = thread::spawn(move || drop(sender));
        let mut wait = Polled::new(receiver.changed());
        let at_once = wait.ready();
        ending.join().unwrap();
        assert!(at_once.unwrap_or_else(|| wait.expect_ready()).is_err());
    });
}

#[test]
fn loom_watch_a_wait_that_is_given_up_takes_nothing_from_another() {
    loom::model(|| {
        let (sender, mut stays) = channel(0);
        let mut gone = stays.clone();
        let mut wait = Polled::new(stays.changed());
        assert!(wait.ready().is_none());
        let leaving = thread::spawn(move || {
            let mut wait = Polled::new(gone.changed());
            wait.ready();
        });
        assert_eq!(sender.send_replace(1), 0);
        leaving.join().unwrap();
        assert_eq!(wait.expect_ready(), Ok(()));
    });
}

/// Who has asked before a change, and looks under the lock after it, while another waits for the next one.
#[test]
fn loom_watch_who_finds_a_change_late_hides_nobody_who_waits() {
    loom::model(|| {
        let (sender, mut stays) = channel(0);
        let mut late = stays.clone();
        let coming = thread::spawn(move || {
            let mut wait = Polled::new(late.changed());
            wait.ready();
        });
        sender.send_replace(1);
        assert_eq!(Polled::new(stays.changed()).ready(), Some(Ok(())));
        let mut wait = Polled::new(stays.changed());
        assert!(wait.ready().is_none());
        sender.send_replace(2);
        coming.join().unwrap();
        assert_eq!(wait.expect_ready(), Ok(()));
    });
}

#[test]
fn loom_watch_two_changes_against_a_wait_and_a_look() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let sending = thread::spawn(move || {
            sender.send_replace(1);
            sender.send_replace(2);
        });
        let mut wait = Polled::new(receiver.changed());
        let at_once = wait.ready();
        if at_once.is_some() {
            drop(wait);
            let seen = *receiver.borrow_and_update();
            sending.join().unwrap();
            assert_eq!(
                receiver.shared.state.load().version != receiver.seen,
                seen != 2
            );
        } else {
            sending.join().unwrap();
            assert_eq!(wait.expect_ready(), Ok(()));
        }
        assert_eq!(*receiver.borrow(), 2);
    });
}

#[test]
fn loom_watch_closed_when_the_last_receiver_goes() {
    loom::model(|| {
        let (sender, first) = channel(0);
        let second = first.clone();
        let going = thread::spawn(move || drop(first));
        let mut closed = Polled::new(sender.closed());
        assert!(closed.ready().is_none(), "there is a second one");
        drop(second);
        going.join().unwrap();
        closed.expect_ready();
        assert_eq!(sender.send(1), Err(SendError(1)));
    });
}

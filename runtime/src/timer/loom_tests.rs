//! Every interleaving of a firing thread with a holder that does one thing.
//!
//! [`Entry`]'s drop claims each of its fields as their only user (under loom), so that a firing thread which still uses
//! one is reported.

use super::*;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::sync::{Arc, Condvar, thread};
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

/// A waker that counts. The count is no part of the model: it orders nothing.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Count {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::default()
    }

    fn woken(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn timers(start: Instant) -> Arc<Timers> {
    Arc::new(Timers::new(start, Box::new(|| ())))
}

fn armed(timers: &Arc<Timers>, at: Instant, count: &std::sync::Arc<Count>) -> Pin<Box<Entry>> {
    let mut entry = Box::pin(Entry::new());
    let polled = entry
        .as_mut()
        .arm(timers.clone(), at, count.clone().into(), true);
    assert_eq!(polled, Polled::Armed);
    entry
}

fn fire(timers: &Timers, now: Instant) {
    let mut ready = WakeBatch::new();
    timers.fire(now, &mut ready);
    ready.wake_all();
}

fn firing(timers: &Arc<Timers>, now: Instant) -> thread::JoinHandle<()> {
    let timers = timers.clone();
    thread::spawn(move || fire(&timers, now))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn loom_fire_against_drop() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, count) = (timers(start), Count::new());
        let entry = armed(&timers, start + ms(1), &count);
        let firing = firing(&timers, start + ms(1));
        drop(entry);
        firing.join().unwrap();
        assert!(count.woken() <= 1);
        assert_eq!(std::sync::Arc::strong_count(&count), 1, "a waker leaked");
        assert_eq!(timers.next_deadline(), None);
    });
}

#[test]
fn loom_fire_against_drop_of_a_neighbour() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, count, gone) = (timers(start), Count::new(), Count::new());
        let stays = armed(&timers, start + ms(1), &count);
        let goes = armed(&timers, start + ms(1), &gone);
        let firing = firing(&timers, start + ms(1));
        drop(goes);
        firing.join().unwrap();
        assert_eq!(count.woken(), 1);
        assert!(stays.is_fired());
        assert!(gone.woken() <= 1);
    });
}

#[test]
fn loom_fire_against_poll_with_the_same_waker() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, count) = (timers(start), Count::new());
        let mut entry = armed(&timers, start + ms(1), &count);
        let firing = firing(&timers, start + ms(1));
        let polled = entry.as_mut().poll(&count.clone().into());
        if polled == Polled::Fired {
            // The future is done, and goes while the other thread may still be about to wake.
            drop(entry);
        }
        firing.join().unwrap();
        assert_eq!(count.woken(), 1);
    });
}

#[test]
fn loom_fire_against_poll_with_another_waker() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, old, new) = (timers(start), Count::new(), Count::new());
        let mut entry = armed(&timers, start + ms(1), &old);
        let firing = firing(&timers, start + ms(1));
        let polled = entry.as_mut().poll(&new.clone().into());
        firing.join().unwrap();
        match polled {
            Polled::Armed => assert_eq!((old.woken(), new.woken()), (0, 1), "a lost wake"),
            Polled::Fired => assert_eq!((old.woken(), new.woken()), (1, 0)),
            Polled::Idle => panic!("it was armed"),
        }
        assert_eq!(entry.as_mut().poll(&new.clone().into()), Polled::Fired);
        drop(entry);
        assert_eq!(std::sync::Arc::strong_count(&old), 1, "a waker leaked");
        assert_eq!(std::sync::Arc::strong_count(&new), 1, "a waker leaked");
    });
}

#[test]
fn loom_owner_and_thief_fire_once() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, count) = (timers(start), Count::new());
        let entry = armed(&timers, start + ms(1), &count);
        let owner = firing(&timers, start + ms(1));
        let mut ready = WakeBatch::new();
        timers.try_fire(start + ms(1), &mut ready);
        ready.wake_all();
        owner.join().unwrap();
        assert_eq!(count.woken(), 1);
        assert!(entry.is_fired());
    });
}

#[test]
fn loom_fire_against_rearm() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, count) = (timers(start), Count::new());
        let mut entry = armed(&timers, start + ms(1), &count);
        let firing = firing(&timers, start + ms(1));
        entry.as_mut().rearm(start + ms(70), false);
        let still_armed = entry.is_armed();
        firing.join().unwrap();
        assert_eq!(count.woken(), usize::from(!still_armed));
        fire(&timers, start + ms(70));
        assert_eq!(count.woken(), 1);
        assert_eq!(entry.is_fired(), still_armed);
    });
}

#[test]
fn loom_fire_against_a_move_to_another_wheel() {
    loom::model(|| {
        let start = SystemClock.now();
        let (first, second) = (timers(start), timers(start));
        let (old, new) = (Count::new(), Count::new());
        let mut entry = armed(&first, start + ms(1), &old);
        let firing = firing(&first, start + ms(1));
        let polled = entry
            .as_mut()
            .arm(second.clone(), start + ms(1), new.clone().into(), true);
        assert_eq!(polled, Polled::Armed);
        firing.join().unwrap();
        assert!(old.woken() <= 1);
        assert_eq!(new.woken(), 0);
        fire(&second, start + ms(1));
        assert_eq!(new.woken(), 1);
    });
}

#[test]
fn loom_shutdown_against_arm() {
    loom::model(|| {
        let start = SystemClock.now();
        let (timers, count) = (timers(start), Count::new());
        let ending = {
            let timers = timers.clone();
            thread::spawn(move || {
                let mut ready = WakeBatch::new();
                timers.shutdown(&mut ready);
                ready.wake_all();
            })
        };
        let mut entry = Box::pin(Entry::new());
        let polled = entry
            .as_mut()
            .arm(timers.clone(), start + ms(9), count.clone().into(), true);
        ending.join().unwrap();
        assert!(entry.is_fired());
        assert_eq!(count.woken(), usize::from(polled == Polled::Armed));
        assert_eq!(timers.next_deadline(), None);
    });
}

/// Where the owner waits: an unpark that comes too early is remembered.
#[derive(Debug, Default)]
struct Park {
    token: Mutex<bool>,
    given: Condvar,
}

impl Park {
    fn unpark(&self) {
        *self.token.lock() = true;
        self.given.notify_one();
    }

    fn park(&self) {
        let mut token = self.token.lock();
        while !*token {
            self.given.wait(&mut token);
        }
        *token = false;
    }
}

/// An owner that sleeps because it knows of no timer hears of a remote one; if not, the model deadlocks.
#[test]
fn loom_a_remote_arm_ends_the_wait() {
    loom::model(|| {
        let start = SystemClock.now();
        let park = std::sync::Arc::new(Park::default());
        let unpark = {
            let park = park.clone();
            Box::new(move || park.unpark())
        };
        let timers = Arc::new(Timers::new(start, unpark));
        let owner = {
            let timers = timers.clone();
            thread::spawn(move || {
                while timers.next_deadline().is_none() {
                    park.park();
                }
                fire(&timers, start + ms(1));
            })
        };
        let count = Count::new();
        let mut entry = Box::pin(Entry::new());
        let polled = entry
            .as_mut()
            .arm(timers, start + ms(1), count.clone().into(), false);
        assert_eq!(polled, Polled::Armed);
        owner.join().unwrap();
        assert_eq!(count.woken(), 1);
    });
}

/// The same when the owner waits for a later timer of its own, which fires in between.
#[test]
fn loom_a_remote_arm_shortens_the_wait() {
    loom::model(|| {
        let start = SystemClock.now();
        let park = std::sync::Arc::new(Park::default());
        let unpark = {
            let park = park.clone();
            Box::new(move || park.unpark())
        };
        let timers = Arc::new(Timers::new(start, unpark));
        let late = Count::new();
        let _late = armed(&timers, start + ms(100), &late);
        let owner = {
            let timers = timers.clone();
            thread::spawn(move || {
                while timers.next_deadline() > Some(start + ms(1)) {
                    park.park();
                }
                fire(&timers, start + ms(1));
            })
        };
        let count = Count::new();
        let mut entry = Box::pin(Entry::new());
        let polled = entry
            .as_mut()
            .arm(timers.clone(), start + ms(1), count.clone().into(), false);
        assert_eq!(polled, Polled::Armed);
        owner.join().unwrap();
        assert_eq!((count.woken(), late.woken()), (1, 0));
        assert!(timers.next_deadline() > Some(start + ms(1)));
    });
}

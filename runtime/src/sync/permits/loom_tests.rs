//! What each side may do to a few permits, against each other: taking, trying, giving back, leaving the queue, adding, forgetting, closing.
//!
//! Behind the permits stands a cell that loom watches: who has all of them writes to it, so that an ordering that is missing is a race.

use super::super::testing::Polled;
use super::{Permits, Refused, Take};
use crate::sys::sync::{UnsafeCell, thread};
use crate::util::wait_reason::WaitReason;
use std::sync::Arc;

struct Shared {
    permits: Permits,
    cell: UnsafeCell<usize>,
}

// SAFETY: loom watches the cell, and reports who uses it at the same time.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Permits::new(permits),
            cell: UnsafeCell::new(0),
        })
    }

    fn take(&self, permits: usize) -> Polled<Take<'_>> {
        Polled::new(self.permits.take(permits, WaitReason::Semaphore))
    }

    /// One that stands in the queue.
    fn waiting(&self, permits: usize) -> Polled<Take<'_>> {
        let mut take = self.take(permits);
        assert!(take.ready().is_none());
        take
    }

    /// Only with every permit.
    fn write(&self) {
        // SAFETY: loom reports it if somebody else uses the cell.
        self.cell.with_mut(|cell| unsafe { *cell += 1 });
    }

    /// With any permit.
    fn read(&self) {
        // SAFETY: loom reports it if somebody writes meanwhile.
        self.cell.with(|cell| unsafe { *cell });
    }
}

/// On the other thread: takes all of `n` if it can at once.
fn try_all(shared: &Shared, n: usize) {
    if shared.permits.try_take(n) == Ok(()) {
        shared.write();
        shared.permits.give(n);
    }
}

#[test]
fn loom_permits_take_against_take() {
    loom::model(|| {
        let shared = Shared::new(1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                let mut take = shared.take(1);
                // If it has to wait, it leaves again.
                if take.ready().is_some() {
                    shared.write();
                    shared.permits.give(1);
                }
            })
        };
        let mut take = shared.take(1);
        let at_once = take.ready();
        if at_once.is_some() {
            shared.write();
            shared.permits.give(1);
        }
        other.join().unwrap();
        if at_once.is_none() {
            assert_eq!(take.expect_ready(), Ok(()));
            shared.write();
            shared.permits.give(1);
        }
        assert_eq!(shared.permits.available(), 1);
    });
}

#[test]
fn loom_permits_give_against_begin() {
    loom::model(|| {
        let shared = Shared::new(1);
        shared.permits.try_take(1).unwrap();
        let giving = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.write();
                shared.permits.give(1);
            })
        };
        let mut take = shared.take(1);
        if take.ready().is_none() {
            giving.join().unwrap();
            assert_eq!(take.expect_ready(), Ok(()));
            shared.write();
        } else {
            shared.write();
            giving.join().unwrap();
        }
        shared.permits.give(1);
        assert_eq!(shared.permits.available(), 1);
    });
}

#[test]
fn loom_permits_give_against_leave() {
    for behind in [false, true] {
        loom::model(move || {
            let shared = Shared::new(2);
            shared.permits.try_take(2).unwrap();
            let leaves = shared.waiting(2);
            let stays = behind.then(|| shared.waiting(1));
            let giving = {
                let shared = shared.clone();
                thread::spawn(move || shared.permits.give(1))
            };
            drop(leaves);
            giving.join().unwrap();
            if let Some(stays) = stays {
                assert_eq!(stays.expect_ready(), Ok(()));
                shared.permits.give(1);
            }
            shared.permits.give(1);
            assert_eq!(shared.permits.available(), 2);
        });
    }
}

#[test]
fn loom_permits_leave_after_the_grant() {
    loom::model(|| {
        let shared = Shared::new(1);
        shared.permits.try_take(1).unwrap();
        let (granted, behind) = (shared.waiting(1), shared.waiting(1));
        shared.permits.give(1);
        assert!(granted.is_woken() && !behind.is_woken());
        let trying = {
            let shared = shared.clone();
            thread::spawn(move || assert_eq!(shared.permits.try_take(1), Err(Refused::TooFew)))
        };
        drop(granted);
        trying.join().unwrap();
        assert_eq!(behind.expect_ready(), Ok(()));
    });
}

#[test]
fn loom_permits_poll_elsewhere_against_give() {
    loom::model(|| {
        let shared = Shared::new(1);
        shared.permits.try_take(1).unwrap();
        let mut take = shared.waiting(1);
        let giving = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.write();
                shared.permits.give(1);
            })
        };
        let at_once = take.poll_elsewhere().is_ready();
        giving.join().unwrap();
        if !at_once {
            assert_eq!(take.expect_ready(), Ok(()));
        }
        shared.write();
    });
}

/// What two have given back is handed out by one of them, and reaches the taker from both.
#[test]
fn loom_permits_of_two_givers_reach_the_taker() {
    loom::model(|| {
        let shared = Shared::new(2);
        shared.permits.try_take(2).unwrap();
        let take = shared.waiting(2);
        let givers = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.read();
                shared.permits.give(1);
            })
        });
        givers.into_iter().for_each(|giver| giver.join().unwrap());
        assert_eq!(take.expect_ready(), Ok(()));
        shared.write();
        assert_eq!(shared.permits.available(), 0);
    });
}

/// As before; the taker looks while the givers run.
#[test]
fn loom_permits_of_two_givers_reach_who_looks() {
    loom::model(|| {
        let shared = Shared::new(2);
        shared.permits.try_take(2).unwrap();
        let mut take = shared.waiting(2);
        let giver = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.read();
                shared.permits.give(1);
            })
        };
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.read();
                shared.permits.give(1);
            })
        };
        if take.ready().is_some() {
            shared.write();
        }
        giver.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn loom_permits_try_against_give_to_a_waiter() {
    loom::model(|| {
        let shared = Shared::new(2);
        shared.permits.try_take(1).unwrap();
        let waits = shared.waiting(2);
        let trying = {
            let shared = shared.clone();
            // It must not overtake, nor disturb who hands out.
            thread::spawn(move || {
                if shared.permits.try_take(1) == Ok(()) {
                    panic!("overtakes");
                }
            })
        };
        shared.permits.give(1);
        trying.join().unwrap();
        assert_eq!(waits.expect_ready(), Ok(()));
        shared.permits.give(2);
        assert_eq!(shared.permits.available(), 2);
    });
}

#[test]
fn loom_permits_close_against_begin_and_wait() {
    loom::model(|| {
        let shared = Shared::new(0);
        let waits = shared.waiting(1);
        let closing = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.write();
                shared.permits.close();
            })
        };
        let mut begins = shared.take(1);
        match begins.ready() {
            Some(refused) => {
                assert_eq!(refused, Err(Refused::Closed));
                shared.read();
                closing.join().unwrap();
            }
            None => {
                closing.join().unwrap();
                assert_eq!(begins.expect_ready(), Err(Refused::Closed));
            }
        }
        assert_eq!(waits.expect_ready(), Err(Refused::Closed));
        assert_eq!(shared.permits.try_take(0), Err(Refused::Closed));
    });
}

#[test]
fn loom_permits_close_against_give() {
    loom::model(|| {
        let shared = Shared::new(1);
        shared.permits.try_take(1).unwrap();
        let waits = shared.waiting(1);
        let closing = {
            let shared = shared.clone();
            thread::spawn(move || shared.permits.close())
        };
        shared.permits.give(1);
        closing.join().unwrap();
        let left = usize::from(waits.expect_ready().is_err());
        assert_eq!(shared.permits.available(), left);
    });
}

#[test]
fn loom_permits_forget_against_give_and_take() {
    loom::model(|| {
        let shared = Shared::new(1);
        shared.permits.try_take(1).unwrap();
        let waits = shared.waiting(1);
        let forgetting = {
            let shared = shared.clone();
            thread::spawn(move || shared.permits.forget(1))
        };
        shared.permits.give(1);
        // Either the waiter had it, or it is gone, and the waiter waits for another one.
        if forgetting.join().unwrap() == 1 {
            assert!(!waits.is_woken());
            shared.permits.give(1);
        }
        assert_eq!(waits.expect_ready(), Ok(()));
        assert_eq!(shared.permits.available(), 0);
    });
}

#[test]
fn loom_permits_forget_against_try() {
    loom::model(|| {
        let shared = Shared::new(1);
        let trying = {
            let shared = shared.clone();
            thread::spawn(move || try_all(&shared, 1))
        };
        let forgotten = shared.permits.forget(1);
        trying.join().unwrap();
        assert_eq!(shared.permits.available(), 1 - forgotten);
    });
}

/// Readers take one, writers two.
#[test]
fn loom_permits_reader_against_writer() {
    loom::model(|| {
        let shared = Shared::new(2);
        let writing = {
            let shared = shared.clone();
            thread::spawn(move || try_all(&shared, 2))
        };
        let mut reading = shared.take(1);
        let at_once = reading.ready();
        if at_once.is_some() {
            shared.read();
            shared.permits.give(1);
        }
        writing.join().unwrap();
        if at_once.is_none() {
            assert_eq!(reading.expect_ready(), Ok(()));
            shared.read();
            shared.permits.give(1);
        }
        assert_eq!(shared.permits.available(), 2);
    });
}

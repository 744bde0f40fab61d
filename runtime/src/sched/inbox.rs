//! How does a task that is pinned to a thread get there when another thread wakes it?
//!
//! Through the thread's inbox: a list in a lock, and beside it the driver that the thread waits in at the moment.
//!
//! | who | does |
//! |---|---|
//! | sender | under the lock: puts the letter in, and if there was none takes note of the driver; then unparks it |
//! | owner | takes all letters; only if it has seen that there are none it may wait in its driver, and after each wait it looks again |
//! | owner, when it is about to wait elsewhere | changes the driver under the lock; then looks again before it waits |
//!
//! Why no letter stays: a letter that is put in while another one stands there has been announced with the first of them. The first is announced after it was put in,
//! to the driver that stood beside it. If the owner has taken it by then, the unpark is for nothing. If not, the owner either has not waited yet or waits: a driver remembers an
//! unpark that comes before the wait, and brings what its caller did before, so that the look after the wait finds the letter. And if the owner has gone to another driver meanwhile, the lock
//! has shown it the letter before it waits there.
//!
//! So the idle protocol (`IDLE.md`) need not know of it: a letter is to its worker what readiness in its own driver is. Nobody else looks here: there is nothing to steal.
//!
//! Rejected: a lane (whoever comes first takes from those); a stack without a lock (a wake across threads costs an unpark, beside which the lock is nothing, and the driver has to change
//! together with it).

use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::fmt;

/// Letters `T` for a thread that waits in a driver `D`.
pub(super) struct Inbox<T, D> {
    /// Whether there are any; changed under the lock.
    has_mail: AtomicBool,
    inside: Mutex<Inside<T, D>>,
}

struct Inside<T, D> {
    mail: Vec<T>,
    /// None while the owner looks before it waits anywhere.
    driver: Option<D>,
    is_closed: bool,
}

impl<T, D: Clone> Inbox<T, D> {
    /// Of a thread that waits in this driver, if anywhere.
    pub(super) fn new(driver: Option<D>) -> Self {
        Self {
            has_mail: AtomicBool::new(false),
            inside: Mutex::new(Inside {
                mail: Vec::new(),
                driver,
                is_closed: false,
            }),
        }
    }

    /// Puts a letter in. The driver that is given back must be unparked. Once closed, letters are forgotten.
    #[must_use = "the owner may be waiting"]
    pub(super) fn push(&self, letter: T) -> Option<D> {
        let mut inside = self.inside.lock();
        if inside.is_closed {
            return None;
        }
        inside.mail.push(letter);
        if inside.mail.len() > 1 {
            return None;
        }
        // ORDERING: Relaxed: brought to the owner by the unpark that follows, or by the lock in `move_to`.
        self.has_mail.store(true, Ordering::Relaxed);
        inside.driver.clone()
    }

    /// Whether there are letters, for the owner.
    #[inline]
    pub(super) fn has_mail(&self) -> bool {
        // ORDERING: Relaxed, see `push`.
        self.has_mail.load(Ordering::Relaxed)
    }

    /// Takes all letters, for the owner.
    #[inline]
    pub(super) fn take(&self, into: &mut VecDeque<T>) {
        if self.has_mail() {
            self.take_slow(into);
        }
    }

    #[cold]
    fn take_slow(&self, into: &mut VecDeque<T>) {
        let mut inside = self.inside.lock();
        // ORDERING: Relaxed: under the lock, as each store of it.
        self.has_mail.store(false, Ordering::Relaxed);
        into.extend(inside.mail.drain(..));
    }

    /// The owner is going to wait in another driver. It has to look for letters before it does.
    pub(super) fn move_to(&self, driver: D) {
        let before = self.inside.lock().driver.replace(driver);
        drop(before);
    }

    /// Nobody takes letters any more.
    pub(super) fn close(&self) {
        let mut inside = self.inside.lock();
        inside.is_closed = true;
        let left = (std::mem::take(&mut inside.mail), inside.driver.take());
        drop(inside);
        drop(left);
    }
}

impl<T, D> fmt::Debug for Inbox<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("has_mail", &self.has_mail)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_asks_for_the_driver_and_the_next_ones_do_not() {
        let inbox = Inbox::new(Some("epoll"));
        let mut letters = VecDeque::new();
        assert_eq!(inbox.push(1), Some("epoll"));
        assert_eq!(inbox.push(2), None);
        inbox.take(&mut letters);
        assert_eq!(letters, [1, 2]);
        assert!(!inbox.has_mail());
        inbox.move_to("bed");
        assert_eq!(inbox.push(3), Some("bed"));
        inbox.take(&mut letters);
        assert_eq!(letters, [1, 2, 3]);
    }

    #[test]
    fn nothing_comes_out_of_one_that_is_closed() {
        let inbox = Inbox::new(Some("epoll"));
        assert_eq!(inbox.push(1), Some("epoll"));
        inbox.close();
        assert_eq!(inbox.push(2), None);
        let mut letters = VecDeque::new();
        inbox.take(&mut letters);
        assert!(letters.is_empty());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::driver::condvar::CondvarDriver;
    use crate::driver::{Driver, Wait};
    use crate::sys::sync::{Arc, thread};
    use crate::util::wake_batch::WakeBatch;

    type Bed = Arc<CondvarDriver>;

    /// Senders of so many letters each, and an owner that waits for all of them; after the first few it does so in another driver. A letter that stays is a deadlock.
    fn every_letter_arrives(senders: usize, each: usize, moves_after: usize) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound.get_or_insert(3);
        model.check(move || {
            let mut bed: Bed = Arc::new(CondvarDriver::new());
            let inbox = Arc::new(Inbox::new(Some(bed.clone())));
            let senders: Vec<_> = (0..senders)
                .map(|_| {
                    let inbox = inbox.clone();
                    thread::spawn(move || {
                        for letter in 0..each {
                            if let Some(bed) = inbox.push(letter) {
                                bed.unpark();
                            }
                        }
                    })
                })
                .collect();
            let mut letters = VecDeque::new();
            let mut has_moved = false;
            while letters.len() < senders.len() * each {
                if !has_moved && letters.len() >= moves_after {
                    has_moved = true;
                    bed = Arc::new(CondvarDriver::new());
                    inbox.move_to(bed.clone());
                }
                inbox.take(&mut letters);
                if letters.len() < senders.len() * each && !inbox.has_mail() {
                    bed.turn(Wait::Forever, &mut WakeBatch::new());
                }
            }
            for sender in senders {
                sender.join().unwrap();
            }
        });
    }

    #[test]
    fn loom_inbox_letters_of_one() {
        every_letter_arrives(1, 3, usize::MAX);
    }

    #[test]
    fn loom_inbox_letters_of_two() {
        every_letter_arrives(2, 1, usize::MAX);
    }

    #[test]
    fn loom_inbox_owner_goes_elsewhere_first() {
        every_letter_arrives(2, 1, 0);
    }

    #[test]
    fn loom_inbox_owner_goes_elsewhere_in_between() {
        every_letter_arrives(1, 2, 1);
    }
}

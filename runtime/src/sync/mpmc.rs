//! How do messages get from many to many, each to one?
//!
//! Through a ring of slots of fixed size (Vyukov's bounded queue, 2010, with laps as in crossbeam's): who sends claims a slot by one exchange of `tail`, who receives by one of `head`,
//! and the slot's *stamp* says whose turn it is. Who finds the ring full, or empty, stands in the queue (`sync/wait_queue.rs`) of its side.
//!
//! | stamp of a slot, with `p` a position that falls on it | it is | next moved by |
//! |---|---|---|
//! | `p` | empty | who claims `p` by `tail`: writes the value, then the stamp `p` + 1 |
//! | `p` + 1 | full | who claims `p` by `head`: takes the value out, then the stamp `p` + a lap |
//! | `p` + a lap | empty, a lap later | |
//!
//! | bits of `tail`, and of `head` | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | CLOSED (of `tail`) | `close`, the last sender, the last receiver | never |
//! | 1 | WAITING | of `tail`: a receiver, of `head`: a sender, under the lock of its queue, before it stands in it | who wants to wake somebody and finds the queue empty, under its lock |
//! | 2.. | position | who claims the slot there | |
//!
//! Who claims a slot learns with the same instruction whether somebody waits on the other side, and if so locks that queue and wakes who has waited longest. Who is about to wait sets
//! WAITING and sees the position with one instruction, too: whichever of the two comes second sees the other. While WAITING is set already, it needs no instruction at all: whoever claims
//! a slot meanwhile takes the lock behind that. So WAITING is left standing when the queue becomes empty, and who comes in vain clears it: two that send to each other by turns
//! never change it.
//!
//! | locked instructions | |
//! |---|---|
//! | a message that nobody waits for, sent, received | 1, 1 |
//! | one for which a receiver waits: sent; received (and waited for anew) | 3 and the wake; 1 (2) |
//! | `recv_many` of n | 1 |
//!
//! A wake is a hint to look again, not a message: whoever comes by may take what was meant for another, who then keeps its place at the front of the queue. A future that is dropped
//! after it was woken, before it has looked, wakes the next one instead.
//!
//! A thread that is preempted between its claim and the stamp holds up whoever comes to that slot next, as in every queue of this kind: it spins, then yields (`sync/short_wait.rs`).
//!
//! Rejected: a message put into the hands of who waits for it, past the ring, as Go does (two locked instructions less when a receiver waits; but the message of a future that is
//! dropped then has to go back to the front of a ring that may be full by now); a lock around a `VecDeque` (two locked instructions on each side, on one line); channels of capacity 0, where both sides
//! meet (a send that is given up and a receive that is given up would have to agree about it; a oneshot channel in the message says that it has arrived).

mod end;
pub mod error;
mod laps;
mod receiver;
mod ring;
mod sender;
mod shared;
mod turn;
mod weak;

pub use receiver::{Receiver, RecvStream};
pub use sender::Sender;
pub use weak::{WeakReceiver, WeakSender};

use shared::Shared;

/// Makes a channel for at most `capacity` messages. Each message is received once, by any of the receivers; those of one sender arrive in order.
///
/// Both sides can be cloned. The channel is closed when every sender has gone, or every receiver, or by `close` of either: what is in it can still be received, and nothing
/// more can be sent. When the last receiver goes, what is in it is dropped.
///
/// # Units and limits
///
/// Exactly `capacity` messages, at least 1. Their slots are allocated here, and nothing after that: neither for a message nor for whoever waits.
///
/// # Panics
///
/// If `capacity` is 0, or more than a quarter of the address space. A channel of 0 slots, where each message is handed over from hand to hand, does not exist here.
///
/// # Cancel safety
///
/// What waits here may be dropped at any time. A `send` that is dropped has sent nothing, a `recv` that is dropped has received nothing.
///
/// # Examples
///
/// ```
/// use filch::sync::mpmc;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (jobs, queue) = mpmc::channel(8);
///     let workers: Vec<_> = (0..3)
///         .map(|_| {
///             let queue = queue.clone();
///             filch::spawn(async move {
///                 let mut sum = 0;
///                 while let Ok(job) = queue.recv().await {
///                     sum += job;
///                 }
///                 sum
///             })
///         })
///         .collect();
///     for job in 1..=100 {
///         jobs.send(job).await.unwrap();
///     }
///     drop(jobs);
///     let mut total = 0;
///     for worker in workers {
///         total += worker.await.unwrap();
///     }
///     assert_eq!(total, 5050);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    Shared::pair(capacity)
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

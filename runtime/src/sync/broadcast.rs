//! How does each message get to everybody?
//!
//! Through a ring of slots that keeps the newest messages. Each receiver reads at its own pace; one that is too slow loses the oldest ones, and is told how many those were. Who
//! sends never waits for a slow one.
//!
//! Whoever sends has the lock of the queue in which receivers wait for news, and so learns for nothing whether somebody does. Whoever receives takes no lock while there is something for it: it looks at the
//! position of its slot, goes in, copies the message and leaves.
//!
//! | bits of a slot's `rights` | name | meaning |
//! |---|---|---|
//! | 0 | FULL | there is a message in it |
//! | 1 | BUSY | who sends writes it, or who has read it last empties it |
//! | 2..33 | rights | so many receivers have yet to read it |
//! | 33.. | inside | so many are reading it, or looking whether they may |
//!
//! | who | when | does | with |
//! |---|---|---|---|
//! | sends | the word is 0: everybody has read the last message | writes, sets FULL and one right for each receiver, then the position | plain stores |
//! | sends | otherwise | waits until nobody is inside, sets BUSY, takes the old message out, writes, stores the position, then FULL and the rights in the place of BUSY | 2 locked instructions |
//! | receives | the position is the one that it looks for | adds itself to those inside; looks again whether it is not BUSY, and still the position | 1 |
//! | receives | it may read, and has the only right | takes the message out, leaves, FULL and the right with it | 1 |
//! | receives | it may read | copies the message, leaves, and the right with it | 1 |
//! | receives | that was the last right | sets BUSY if nobody else is inside, takes the message out, clears BUSY | 2, when two have read it last at the same time |
//! | receives | it may not read | leaves | 1 |
//! | comes | | counts under the lock; has a right to what is sent from then on | |
//! | goes | | gives up its rights, as if it read everything; the last of them under the lock, and is not counted any more | 1 for each, and the lock |
//!
//! Why plain stores will do when the word is 0: whoever is on its way into a slot, having seen the position there, was counted when that message was sent, and so for every later one; if its own
//! message is overwritten before it arrives, it has a right to the new one, and has not used that up. So while nobody has a right, nobody is on its way. That is why a receiver that goes gives up the last of its rights under the
//! lock: nothing may come in between for which it is not counted any more while it is still on its way to something older.
//!
//! Locked instructions: two to send a message that nobody waits for, two for each who receives it (counted in the code).
//!
//! Rejected: a lock for each slot (one locked instruction more to receive, to count who has read it); one lock for everything (the receivers, who are many, would wait for each other while each copies); a list of messages with a counter each (an
//! allocation for each message).

pub mod error;
mod receiver;
mod sender;
mod shared;
mod slot;
mod weak;

pub use receiver::{BroadcastStream, Receiver};
pub use sender::Sender;
pub use weak::WeakSender;

/// Makes a channel that keeps the newest messages, at least `capacity`. Every receiver gets each message that is sent after it was made.
///
/// # Units and limits
///
/// The capacity is rounded up to a power of two. All slots are allocated here, and nothing after that: neither for a message nor for whoever waits.
///
/// A message is kept until the last receiver has read it, or it is overwritten. The last one gets the message itself, the others get clones, which are made on several threads at once:
/// so the channel can be shared between threads if `T` is `Send` and `Sync`. (A message that is overwritten while it is cloned makes the sender wait for that, and with it everybody who waits or comes: a `clone` should be short, and must not use the channel itself.)
///
/// # Panics
///
/// If `capacity` is 0, or more than a quarter of the address space.
///
/// # Cancel safety
///
/// What waits here, [`Receiver::recv`] and [`Sender::closed`], may be dropped at any time, and loses nothing.
///
/// # Examples
///
/// ```
/// use filch::sync::broadcast::{self, error::RecvError};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (sender, mut first) = broadcast::channel(16);
///     let mut second = sender.subscribe();
///     let reader = filch::spawn(async move { (first.recv().await, first.recv().await) });
///     assert_eq!(sender.send(1), Ok(2));
///     assert_eq!(sender.send(2), Ok(2));
///     drop(sender);
///     assert_eq!(reader.await.unwrap(), (Ok(1), Ok(2)));
///     assert_eq!(second.recv().await, Ok(1));
///     assert_eq!(second.recv().await, Ok(2));
///     assert_eq!(second.recv().await, Err(RecvError::Closed));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

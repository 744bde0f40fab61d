//! How do many tasks send messages to one?
//!
//! [`channel`] makes a channel with room for so many messages, whose senders wait for room; [`unbounded_channel`] one without a limit. Messages of one sender arrive in the
//! order in which they were sent, and each once. Both kinds work without a runtime, on threads, and between tasks of different runtimes.
//!
//! | file | answers |
//! |---|---|
//! | `mpsc/bounded`, `mpsc/permit`, `mpsc/unbounded`, [`error`] | what senders and receivers offer |
//! | `mpsc/chan` | what they share, and what each may do with it |
//! | `mpsc/tail` | how a sender gets a place with one locked instruction: one word, without unsafe |
//! | `mpsc/chain`, `mpsc/block` | how messages get from the senders to the receiver, and blocks back |
//! | `mpsc/room` | how a sender waits for room, and who calls it |
//! | `mpsc/line` | whether who frees room has to call somebody: one word, without unsafe |
//! | `mpsc/rx_waker` | whose the place of the receiver's waker is |
//!
//! Both kinds are the same channel: the chain of blocks has no limit, and the capacity is a number that a sender compares with. A capacity costs memory for what is in the
//! channel, and nothing for what could be.
//!
//! # The end
//!
//! When the last sender is dropped, the receiver still gets what was sent, and then `None`. When the receiver is dropped, what was not received is dropped with it, and senders
//! get their message back in an error. [`Receiver::close`] does the same, but leaves what was sent to be received.
//!
//! # Examples
//!
//! ```
//! use filch::sync::mpsc;
//!
//! let rt = filch::Runtime::new()?;
//! rt.block_on(async {
//!     let (sender, mut receiver) = mpsc::channel(16);
//!     for number in 1..=4 {
//!         let sender = sender.clone();
//!         filch::spawn(async move { sender.send(number).await }).detach();
//!     }
//!     drop(sender);
//!     let mut sum = 0;
//!     while let Some(number) = receiver.recv().await {
//!         sum += number;
//!     }
//!     assert_eq!(sum, 10);
//! });
//! # Ok::<(), std::io::Error>(())
//! ```

mod block;
mod bounded;
mod chain;
mod chan;
pub mod error;
mod line;
#[cfg(all(test, loom))]
mod loom_tests;
mod own_line;
mod permit;
mod room;
mod rx_waker;
mod tail;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
mod unbounded;

pub use bounded::{Receiver, Sender, WeakSender, channel};
pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};

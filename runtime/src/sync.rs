//! What tasks and threads coordinate with: locks, signals, channels.
//!
//! All of it works without a runtime, and between tasks of different ones. What waits does so in the future itself: no wait allocates, and a future that is dropped
//! leaves the queue it stood in.
//!
//! | file | answers |
//! |---|---|
//! | [`broadcast`] | how does each message get to everybody? |
//! | [`mpmc`] | how do messages get from many to many, each to one? |
//! | [`watch`] | how do many learn of the newest value? |
//! | `wait_queue` | how does a future wait for another task without an allocation? |
//! | `wait_until` | how does it wait until something holds that is looked at under a lock? |
//! | `snooze` | how does a thread wait for another one that is between two instructions? |
//! | `handles` | how does the last of several handles learn that it is the last? |
//! | `generated` | how does an async loop become a stream? |

#![cfg_attr(
    not(test),
    expect(dead_code, reason = "the primitives that stand on it come next")
)]

pub mod broadcast;
mod generated;
mod handles;
pub mod mpmc;
mod snooze;
pub(crate) mod wait_queue;
mod wait_until;
pub mod watch;

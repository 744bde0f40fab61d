//! What tasks and threads coordinate with: locks, signals, channels.
//!
//! All of it works without a runtime, and between tasks of different ones. What waits does so in the future itself: no wait allocates, and a future that is dropped
//! leaves the queue it stood in.
//!
//! | file | answers |
//! |---|---|
//! | [`oneshot`] | how does one task give one value to another? |
//! | [`mpsc`] | how do many tasks send messages to one? |
//! | `wait_queue` | how does a future wait for another task without an allocation? |
//! | `short_wait` | how does a thread wait for another one that is in the middle of a few instructions? |

pub mod mpsc;
pub mod oneshot;

pub(crate) mod short_wait;
pub(crate) mod wait_queue;

//! Which descriptors are ready, and who waits for them?
//!
//! | file | answers |
//! |---|---|
//! | `poller` | what has the kernel to report? (one epoll instance per worker; the door to mio) |
//! | `table` | which source does an event belong to, if it still exists? |
//! | `owners` | whose is a descriptor's number? |
//! | `source` | who waits for a descriptor, in which direction? |
//! | `readiness` | is a direction ready, and since which event? |
//!
//! The reactor knows descriptors and readiness; it names no socket and no task.

#[cfg(not(any(loom, shuttle)))]
mod owners;
#[cfg(not(any(loom, shuttle)))]
mod poller;
mod readiness;
mod source;
#[cfg(not(any(loom, shuttle)))]
mod table;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use poller::{Interest, Poller, Registration};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use readiness::Seen;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use source::{Direction, Source, WaiterId};

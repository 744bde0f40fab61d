//! How does a task send and receive datagrams?
//!
//! | file | question |
//! |---|---|
//! | `socket` | how are single datagrams sent and received, to and from anybody or one peer? |
//! | `builder` | what must be set before a socket is bound? |
//! | `options` | what may be set at any time: broadcast, multicast, lifetimes, buffers? |
//! | `datagram` | what is known of a datagram that was received? |
//! | `batch` | how are many sent or received by one system call? |
//! | `segments` | how does the kernel cut a buffer into datagrams, or put them together? |
//!
//! # What UDP is, and what not
//!
//! A datagram comes whole, doubled or not at all. An empty one is a datagram too: 0 bytes are not an end, of which there is none. What does not fit into the room that it is received into
//! is cut off, without an error; [`UdpSocket::recv_datagram`] and the batches say so.
//!
//! Errors belong to a datagram, not to the socket, which goes on. On a connected socket a peer that is not there answers by ICMP, and the next call, whichever it is, fails with
//! `ConnectionRefused`: that is about a datagram sent before, and this one was neither sent nor received. Who serves many peers logs errors and goes on.

mod batch;
mod builder;
mod datagram;
mod options;
mod segments;
mod socket;

pub use batch::{BATCH_MAX, RecvBatch, SendBatch};
pub use builder::Builder;
pub use datagram::Datagram;
pub use segments::SEGMENTS_MAX;
pub use socket::UdpSocket;

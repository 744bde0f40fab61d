//! What is asked of the system that `std` does not offer? Only here does this crate name `libc`, or has `unsafe`.
//!
//! | file | question |
//! |---|---|
//! | `socket` | how is a socket made that never blocks, and how does it begin to connect? |
//! | `accept` | how is a connection taken from the queue, and what does an error of that mean? |
//! | `datagrams` | how does one call send or take many datagrams, and how does it say where one ends and the next begins? |
//! | `transfer` | how are bytes sent without a signal, and looked at without being taken? |
//! | `unix` | how is a Unix socket made, connected and asked who is at its other end? |
//! | `descriptors` | how are descriptors sent along with bytes, and how does none of those received get lost? |
//! | `option` | how is an option of TCP's set that nobody else offers? |
//! | `signal` | how does a signal become something to read? |
//! | `process` | how does a process watch its children, and send them signals? |
//! | `pre_exec` | what is done in a child before its program begins? |
//! | `epoll` | how does a thread that is no worker wait for many descriptors? |
//! | `standard` | how can a standard stream be watched without changing it for those who share it? |
//! | `pipe` | how is a pipe made, and what is known of one that somebody else has made? |
//! | `quiet_write` | how is something other than a socket written to, without a signal when nobody reads any more? |
//! | `inherit` | how does a process take over what its parent has left open for it? |
//! | `splice` | how do bytes go from one descriptor to another without passing through the process? |
//! | `beneath` | how is a file opened whose name comes from somebody who must not get beyond a folder? |
//! | `pipe_signal` | how does a peer that is gone become an error, and not a signal, where a call has no flag for that? |

mod accept;
pub(crate) mod beneath;
mod datagrams;
mod descriptors;
mod epoll;
mod inherit;
mod option;
mod pipe;
mod pipe_signal;
mod pre_exec;
mod process;
mod quiet_write;
mod signal;
mod socket;
mod splice;
mod standard;
mod transfer;
mod unix;

pub(crate) use accept::{AcceptFault, accept, accept_fault, empty};
pub(crate) use datagrams::{
    Arrived, cannot_segment, gro, may_be_for_segments, recv_datagrams, send_datagrams,
    send_segments, set_gro, supports_segments,
};
pub(crate) use descriptors::{FDS_MAX, Received, recv_fds, send_fds};
pub(crate) use epoll::Epoll;
pub(crate) use inherit::{is_inherited, monotonic_micros, take_inherited};
pub(crate) use option::{TcpOption, set_tcp_option, tcp_option};
pub(crate) use pipe::{O_NOCTTY, O_NONBLOCK, access, pipe, set_nonblocking, set_pipe_bytes};
pub(crate) use pipe_signal::PipeSignal;
pub(crate) use pre_exec::{Identity, SharedIdentity, assume_identity};
pub(crate) use process::{
    is_gone, is_unknown_call, own_ids, pidfd_open, pidfd_send_signal, send_signal,
};
pub(crate) use quiet_write::{write, write_masked, write_vectored};
pub(crate) use signal::{SignalHook, count_signals, event_counter, numbers};
pub(crate) use socket::{begin_connect, buffer_bytes, local_addr, tcp_socket, udp_socket};
pub(crate) use splice::{
    beyond_files, has_ended, is_exhausted, is_readable, is_writable, splice, splice_at,
};
pub(crate) use standard::{Standard, receive_now, send_now, standard};
pub(crate) use transfer::{
    at_once, peek, read, receive, rooms_at_once, send, send_more, send_vectored,
};
pub(crate) use unix::{
    NAME_BYTES_MAX, accept_unix, is_of_a_living_peer, peek_from, peer_cred, peer_pidfd, recv_from,
    send_to, try_lock, unix_connect, unix_local_addr, unix_peer_addr, unix_socket,
};

use std::io;

/// The system's number of an error; 0 if it is not the system's.
fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

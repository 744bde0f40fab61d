//! What does a connection have only now and then?
//!
//! An [`Aside`]: what belongs to a body that does not come, or go, whole with its head, to another protocol, to a client that does not read, and to the end. It is made when the first of it is needed and given
//! up when the connection waits for its next request, so that one that is idle, or only asks and is answered, has a pointer for all of it.

use super::streaming::Outgoing;
use super::switching::Switched;
use crate::server::allowance::Allowance;
use crate::server::invitation::Invitation;
use crate::server::upload::Upload;
use filch::time::Instant;
use std::sync::Arc;

/// What most requests do without.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// What follows the head of the response.
    pub(super) following: Following,
    /// What the client waits for before it sends the body.
    pub(super) invitation: Option<Arc<Invitation>>,
    /// The body of the last request that had not come whole with its head.
    pub(super) upload: Option<Arc<Upload>>,
    /// The time that the client may be waited for to read; made when it is waited for the first time.
    pub(super) allowance: Option<Allowance>,
    /// Until when the client may be waited for to read the last response.
    pub(super) lingers_until: Option<Instant>,
    /// Bytes that may still be read and dropped: of a body that nobody wants, or after the last response.
    pub(super) discard: u64,
    /// Whether the client will take the end of the connection for that of a body that is not sent whole yet.
    pub(super) ends_by_close: bool,
    /// Whether another protocol was spoken and has ended by itself: what it keeps of the stream is its own.
    pub(super) is_let_go: bool,
}

/// What follows the head of a response, after the bytes that are there.
#[derive(Debug, Default)]
pub(super) enum Following {
    #[default]
    Nothing,
    /// A body that comes in pieces.
    Body(Box<Outgoing>),
    /// Another protocol.
    Protocol(Switched),
}

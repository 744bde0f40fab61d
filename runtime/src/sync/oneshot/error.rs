//! How can receiving from a oneshot fail?

use std::error::Error;
use std::fmt;

/// The sender was dropped without sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecvError;

/// Why there is no value at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TryRecvError {
    /// It was not sent yet.
    Empty,
    /// It never comes: the sender was dropped without sending, the receiver was closed, or the value was received before.
    Closed,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped without sending")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing was sent yet",
            Self::Closed => "nothing comes any more",
        })
    }
}

impl Error for RecvError {}
impl Error for TryRecvError {}

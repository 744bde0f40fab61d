//! What is there to say of a panic that nobody will be told of?
//!
//! That of a task without a join handle, or whose handle was dropped before it gave the error: the [`harness`](super::harness) comes upon it when it drops the output, and gives this
//! to the scheduler while the task's cell is still there.

use super::error::JoinError;
use super::id::About;
use std::fmt;

/// A panic that ends with its task.
#[derive(Debug)]
pub(crate) struct Unhandled {
    pub(crate) about: About,
    /// The name of the future's type.
    pub(crate) task: &'static str,
    /// What it panicked with, if that is a text.
    pub(crate) message: Option<String>,
}

impl Unhandled {
    /// None if it is no panic that the task ended with.
    pub(super) fn new(about: About, task: &'static str, error: &JoinError) -> Option<Self> {
        error.is_panic().then(|| Self {
            about,
            task,
            message: error.message().map(str::to_owned),
        })
    }

    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or("no text")
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the task {} ({}), spawned at {}, has panicked, and nobody awaits it: {}",
            self.about.id,
            self.task,
            self.about.location,
            self.message(),
        )
    }
}

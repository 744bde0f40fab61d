//! What does a [`Stamp`] know of the current runtime? The type itself is below, where reactor and scheduler make them.

use crate::runtime::context;
use crate::sys::clock::Stamp;

impl Stamp {
    /// Nearly the present, as [`Instant::recent`](super::Instant::recent) has it, for even less.
    #[must_use]
    #[inline]
    pub fn recent() -> Self {
        context::recent_stamp()
    }
}

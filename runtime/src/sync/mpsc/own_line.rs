//! What keeps what one side writes with each message away from what the other side reads?

/// On a line of the cache of its own.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct OwnLine<T>(pub(super) T);

//! Who has the stream of a connection?
//!
//! The connection, in itself; and besides it, where there is one, the reader of a body that has not come whole with its head, or another protocol. Most connections never have a second owner, and
//! those that wait for a request have none: so the stream moves behind an `Arc` only when it is [shared](MaybeShared::share), and [comes back](MaybeShared::unshare) when nobody else has it. That saves an idle connection an
//! allocation of 64 bytes.

use std::ops::Deref;
use std::sync::Arc;

/// Something that has one owner as a rule.
#[derive(Debug)]
pub(crate) enum MaybeShared<T> {
    Own(T),
    /// `None` only in the midst of a change from one to the other. As a variant of its own that would take eight bytes more.
    Shared(Option<Arc<T>>),
}

impl<T> MaybeShared<T> {
    /// Another handle of it.
    pub(crate) fn share(&mut self) -> Arc<T> {
        let shared = match std::mem::replace(self, Self::Shared(None)) {
            Self::Own(value) => Arc::new(value),
            Self::Shared(shared) => shared.expect(MOVING),
        };
        *self = Self::Shared(Some(shared.clone()));
        shared
    }

    /// Takes it back, if nobody else has it.
    pub(crate) fn unshare(&mut self) {
        if let Self::Shared(shared) = self {
            *self = match Arc::try_unwrap(shared.take().expect(MOVING)) {
                Ok(value) => Self::Own(value),
                Err(shared) => Self::Shared(Some(shared)),
            };
        }
    }

    /// Whether anybody else has it.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(Some(shared)) if Arc::strong_count(shared) > 1)
    }
}

const MOVING: &str = "a change from one owner to several runs no code of others";

impl<T> Deref for MaybeShared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Self::Own(value) => value,
            Self::Shared(shared) => shared.as_ref().expect(MOVING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_when_nobody_else_has_it() {
        let mut value = MaybeShared::Own(7);
        assert!(!value.is_shared());
        value.unshare();
        let (first, second) = (value.share(), value.share());
        assert!(Arc::ptr_eq(&first, &second) && value.is_shared());
        drop(first);
        value.unshare();
        assert!(value.is_shared() && *value == *second);
        drop(second);
        assert!(!value.is_shared() && matches!(value, MaybeShared::Shared(_)));
        value.unshare();
        assert!(matches!(value, MaybeShared::Own(7)));
    }
}

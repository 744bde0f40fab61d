//! What has middleware left with a request?
//!
//! [`Extensions`], made for the first who leaves something. Most requests end without any, and to drop what is not there costs them
//! a comparison: in a field of its own type, the code that drops a table would be called for each, to find that there is none.

use http::Extensions;
use std::mem::ManuallyDrop;
use std::sync::LazyLock;

/// What was left, if anything was.
#[derive(Default)]
pub(super) struct Left(ManuallyDrop<Option<Box<Extensions>>>);

impl Left {
    #[inline]
    pub(super) fn get(&self) -> &Extensions {
        static NONE: LazyLock<Extensions> = LazyLock::new(Extensions::new);
        self.0.as_deref().unwrap_or(&NONE)
    }

    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut Extensions {
        self.0.get_or_insert_default()
    }
}

impl Drop for Left {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(extensions) = self.0.take() {
            drop_slow(extensions);
        }
    }
}

#[inline(never)]
fn drop_slow(extensions: Box<Extensions>) {
    drop(extensions);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_was_left_is_found_and_dropped() {
        let (mut left, held) = (Left::default(), Arc::new(()));
        assert!(left.get().is_empty());
        left.get_mut().insert(held.clone());
        assert!(left.get().get::<Arc<()>>().is_some());
        drop(left);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

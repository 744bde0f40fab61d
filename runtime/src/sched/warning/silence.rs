//! The same without `tracing`: nobody listens.

use super::Warning;

pub(super) fn is_heard() -> bool {
    false
}

pub(super) fn tell(_warning: &Warning) {}

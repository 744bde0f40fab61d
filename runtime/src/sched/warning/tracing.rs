//! The door to `tracing`.

use super::Warning;

/// Whether anybody may want to hear of it; asks nobody.
pub(super) fn is_heard() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::Level::WARN
}

pub(super) fn tell(warning: &Warning) {
    tracing::warn!(
        target: "filch::sentinel",
        worker = warning.worker,
        task = warning.task(),
        milliseconds = u64::try_from(warning.so_far.as_millis()).unwrap_or(u64::MAX),
        spares_working = warning.spares_working,
        spares_max = warning.spares_max,
        left_out = warning.left_out,
        "{warning}"
    );
}

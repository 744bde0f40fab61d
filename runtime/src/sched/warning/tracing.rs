//! The door to `tracing`.

use super::Warning;
use crate::task::unhandled::Unhandled;

/// Whether anybody may want to hear of it; asks nobody.
pub(super) fn is_heard() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::Level::WARN
}

pub(super) fn tell(warning: &Warning) {
    tracing::warn!(
        target: "filch::sentinel",
        worker = warning.worker,
        task = warning.task(),
        location = warning.location.map(tracing::field::display),
        milliseconds = u64::try_from(warning.so_far.as_millis()).unwrap_or(u64::MAX),
        spares_working = warning.spares_working,
        spares_max = warning.spares_max,
        left_out = warning.left_out,
        "{warning}"
    );
}

/// The same for the panics of tasks.
pub(in crate::sched) fn is_panic_heard() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::Level::ERROR
}

pub(in crate::sched) fn tell_panic(panic: &Unhandled, left_out: u64) {
    tracing::error!(
        target: "filch::task",
        id = %panic.about.id,
        task = panic.task,
        location = %panic.about.location,
        panic = panic.message(),
        left_out,
        "{panic}"
    );
}

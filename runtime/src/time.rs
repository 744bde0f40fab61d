//! Sleeping, deadlines and regular ticks.
//!
//! | to | use |
//! |---|---|
//! | wait for a while, or until a time | [`sleep()`], [`sleep_until`] |
//! | give a future only so long | [`timeout()`], [`timeout_at`] |
//! | do something again and again | [`interval()`], [`interval_at`] |
//! | let a test's hours pass at once | [`advance`], [`pause`], [`resume`] |
//!
//! # Units and limits
//!
//! Times are rounded up to the next millisecond since the runtime began: a timer never fires early, and at most one
//! millisecond late plus the time until a worker looks. Durations of any length are taken; what no clock can show means
//! "never".
//!
//! A timer is a part of the future that waits: it needs no memory of its own, and costs nothing before it is first polled.
//! It then belongs to the worker that polled it (or to one in turn, outside the workers), which looks after it from then
//! on; when that worker is busy, another one fires it.
//!
//! # Panics
//!
//! What waits must be polled within a runtime: in a task, or in [`Runtime::block_on`](crate::Runtime::block_on). It may be
//! made, moved and dropped anywhere.
//!
//! # After the end of a runtime
//!
//! A timer that is still waiting when its runtime ends fires at once, whatever its deadline: a future that is polled by
//! something else by then resolves rather than hangs.

pub mod error;
mod instant;
mod interval;
mod paused;
mod send_timeout;
mod sleep;
mod stamp;
mod timeout;

pub use crate::sys::clock::Stamp;
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use paused::{advance, pause, resume};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};

#[doc(no_inline)]
pub use std::time::Duration;

//! filch: a coroutine runtime with a work-stealing scheduler and an epoll reactor it drives.

pub(crate) mod driver;
pub(crate) mod sys;
pub(crate) mod util;

//! What do the words of the workloads mean on the executor made by hand?

use crate::executor;
use filch_bench_common::{Cannot, Job};
use futures_lite::future;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(crate) use async_task::Task as Handle;
pub(crate) use futures_lite::future::yield_now;
pub(crate) use std::marker::Send as Travels;

/// Any thread may spawn.
pub(crate) type Outside = Runtime;

pub(crate) struct Runtime;

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        if job.work.needs_timers() {
            return Err(Cannot("it has no timers"));
        }
        if job.work.needs_reactor() {
            return Err(Cannot("it has no reactor"));
        }
        executor::start(job.workers);
        Ok(Self)
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        future::block_on(executor::spawn(future))
    }

    pub(crate) fn outside(self) -> Result<Outside, Cannot> {
        Ok(self)
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Handle<()> {
        spawn(future)
    }
}

#[inline]
pub(crate) fn spawn<F>(future: F) -> Handle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    executor::spawn(future)
}

/// Nobody gets here: [`Runtime::start`] refuses the work.
pub(crate) async fn sleep(_: Duration) {
    unreachable!("there are no timers");
}

/// Nobody gets here: [`Runtime::start`] refuses the work.
pub(crate) async fn read_byte(_: UnixStream) {
    unreachable!("there is no reactor");
}

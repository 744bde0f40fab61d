//! What do the words of the workloads mean on async-executor?
//!
//! A static executor, which is its fastest form, and a thread for each worker that runs it, as smol's global one has. Timers are those of
//! async-io, as smol's are: where they are needed, the workers drive its reactor between tasks, which smol's always do.

use async_executor::{StaticExecutor, Task};
use async_io::Timer;
use filch_bench_common::{Cannot, Job};
use futures_lite::future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

pub(crate) use futures_lite::future::yield_now;
pub(crate) use std::marker::Send as Travels;

static EXECUTOR: StaticExecutor = StaticExecutor::new();

pub(crate) struct Runtime;

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        let needs_timers = job.work.needs_timers();
        for _ in 0..job.workers {
            thread::spawn(move || {
                let work = EXECUTOR.run(future::pending::<()>());
                if needs_timers {
                    async_io::block_on(work);
                } else {
                    future::block_on(work);
                }
            });
        }
        Ok(Self)
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        future::block_on(EXECUTOR.spawn(future))
    }

    pub(crate) fn outside(self) -> Result<Outside, Cannot> {
        Ok(Outside)
    }
}

pub(crate) struct Outside;

impl Outside {
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Handle<()> {
        spawn(future)
    }
}

#[inline]
pub(crate) fn spawn<F>(future: F) -> Handle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Handle(EXECUTOR.spawn(future))
}

pub(crate) fn sleep(time: Duration) -> Timer {
    Timer::after(time)
}

pub(crate) struct Handle<T>(Task<T>);

impl<T> Handle<T> {
    #[inline]
    pub(crate) fn detach(self) {
        self.0.detach();
    }
}

impl<T> Future for Handle<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}

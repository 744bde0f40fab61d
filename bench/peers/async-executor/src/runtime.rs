//! What do the words of the workloads mean on async-executor?
//!
//! A static executor, which is its fastest form, and a thread for each worker that runs it, as smol's global one has.

use async_executor::{StaticExecutor, Task};
use filch_bench_common::Cannot;
use futures_lite::future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

pub(crate) use futures_lite::future::yield_now;
pub(crate) use std::marker::Send as Travels;

static EXECUTOR: StaticExecutor = StaticExecutor::new();

pub(crate) struct Runtime;

impl Runtime {
    pub(crate) fn start(workers: usize) -> Result<Self, Cannot> {
        for _ in 0..workers {
            thread::spawn(|| future::block_on(EXECUTOR.run(future::pending::<()>())));
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

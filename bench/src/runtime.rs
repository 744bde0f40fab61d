//! What do the words of the workloads mean on filch?

use filch::runtime::Builder;
use filch_bench_common::{Cannot, Job};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub(crate) use filch::time::sleep;
pub(crate) use filch::yield_now;
pub(crate) use std::marker::Send as Travels;

pub(crate) struct Runtime(filch::Runtime);

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        Self::build(job.workers).map_err(|_| Cannot("its threads could not be started"))
    }

    /// The same for who tells why it cannot be.
    pub(crate) fn build(workers: usize) -> io::Result<Self> {
        Builder::new().worker_threads(workers).build().map(Self)
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.block_on(Handle(self.0.spawn(future)))
    }

    pub(crate) fn outside(self) -> Result<Outside, Cannot> {
        Ok(Outside(self.0))
    }
}

pub(crate) struct Outside(filch::Runtime);

impl Outside {
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Handle<()> {
        Handle(self.0.spawn(future))
    }
}

#[inline]
pub(crate) fn spawn<F>(future: F) -> Handle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Handle(filch::spawn(future))
}

pub(crate) struct Handle<T>(filch::JoinHandle<T>);

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
        let output = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(output.expect("no workload panics"))
    }
}

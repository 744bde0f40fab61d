//! What do the words of the workloads mean on monoio?
//!
//! One thread, and tasks that never leave it. With io_uring where the kernel has it, else with epoll; the workloads use neither.
//!
//! A task that wakes itself is run again at once in monoio 0.2.4, before all others, so the usual `yield_now` would not give up the
//! turn. Here it is a task that does nothing, and is awaited: that one stands behind everybody, and its waiter then does too.

use filch_bench_common::Cannot;
use monoio::task::JoinHandle;
use monoio::{FusionDriver, FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Tasks stay on their thread, so everything may be in them.
pub(crate) trait Travels {}

impl<T> Travels for T {}

pub(crate) struct Runtime(FusionRuntime<IoUringDriver, LegacyDriver>);

impl Runtime {
    pub(crate) fn start(workers: usize) -> Result<Self, Cannot> {
        if workers > 1 {
            return Err(Cannot("a runtime has one thread"));
        }
        let runtime = RuntimeBuilder::<FusionDriver>::new().build();
        runtime
            .map(Self)
            .map_err(|_| Cannot("it could not be built"))
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        self.0.block_on(async { spawn(future).await })
    }

    pub(crate) fn outside(self) -> Result<Outside, Cannot> {
        Err(Cannot("other threads cannot spawn"))
    }
}

/// Nobody has one.
pub(crate) enum Outside {}

impl Outside {
    pub(crate) fn spawn(&self, _: impl Future<Output = ()>) -> Handle<()> {
        match *self {}
    }
}

#[inline]
pub(crate) fn spawn<F>(future: F) -> Handle<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    Handle(monoio::spawn(future))
}

pub(crate) async fn yield_now() {
    spawn(async {}).await;
}

pub(crate) struct Handle<T>(JoinHandle<T>);

impl<T> Handle<T> {
    #[inline]
    pub(crate) fn detach(self) {
        drop(self.0);
    }
}

impl<T> Future for Handle<T> {
    type Output = T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}

//! What do the words of the workloads mean on async-executor?
//!
//! A static executor, which is its fastest form, and a thread for each worker that runs it, as smol's global one has. Timers and reactor are
//! those of async-io, as smol's are: where they are needed, the workers drive it between tasks, which smol's always do.

use async_executor::StaticExecutor;
use async_io::{Async, Timer};
use filch_bench_common::{Cannot, Job};
use futures_lite::future;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

pub(crate) use async_executor::Task as Handle;
pub(crate) use futures_lite::future::yield_now;
pub(crate) use std::marker::Send as Travels;

static EXECUTOR: StaticExecutor = StaticExecutor::new();

/// Any thread may spawn.
pub(crate) type Outside = Runtime;

pub(crate) struct Runtime;

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        let needs_async_io = job.work.needs_timers() || job.work.needs_reactor();
        for _ in 0..job.workers {
            thread::spawn(move || {
                let work = EXECUTOR.run(future::pending::<()>());
                if needs_async_io {
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
    EXECUTOR.spawn(future)
}

pub(crate) fn sleep(time: Duration) -> Timer {
    Timer::after(time)
}

pub(crate) async fn read_byte(socket: UnixStream) {
    let socket = Async::new(socket).expect("a socket can be watched");
    let read = socket.read_with(|mut socket| socket.read(&mut [0]));
    assert_eq!(read.await.expect("a byte comes"), 1);
}

//! What do the words of the workloads mean on filch?

use filch::io::AsyncFd;
use filch::runtime::Builder;
use filch_bench_common::{Cannot, Job, Joined};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;

pub(crate) use filch::time::sleep;
pub(crate) use filch::yield_now;
pub(crate) use std::marker::Send as Travels;

pub(crate) type Handle<T> = Joined<filch::JoinHandle<T>>;

/// Any thread may spawn.
pub(crate) type Outside = Runtime;

pub(crate) struct Runtime(filch::Runtime);

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        let builder = Builder::new().worker_threads(job.workers);
        let runtime = if job.work.strands() || job.work.needs_reactor() {
            builder.build().map(Self)
        } else {
            Self::build(job.workers)
        };
        runtime.map_err(|_| Cannot("its threads could not be started"))
    }

    /// With so many threads and no more, as everybody has where it is compared: a task that spawns for milliseconds would call a spare. Or why that cannot be.
    pub(crate) fn build(workers: usize) -> io::Result<Self> {
        let builder = Builder::new().worker_threads(workers);
        builder.max_spare_workers(0).build().map(Self)
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.block_on(self.spawn(future))
    }

    pub(crate) fn outside(self) -> Result<Outside, Cannot> {
        Ok(self)
    }

    pub(crate) fn spawn<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        Joined(self.0.spawn(future))
    }
}

#[inline]
pub(crate) fn spawn<F>(future: F) -> Handle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Joined(filch::spawn(future))
}

pub(crate) async fn read_byte(socket: UnixStream) {
    let socket = AsyncFd::new(socket).expect("a socket can be watched");
    let read = socket.async_read(|mut socket| socket.read(&mut [0]));
    assert_eq!(read.await.expect("a byte comes"), 1);
}

//! What do the words of the workloads mean on tokio?
//!
//! Both flavours are built as their documentation says, with timers and a reactor where the work needs them. The
//! current-thread flavour runs on a thread of its own, so that its worker is no other thread than everybody's.

use filch_bench_common::{Cannot, Job, Joined};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::thread;
use tokio::net::UnixStream as Watched;
use tokio::runtime::{Builder, Handle as Starter};
use tokio::task::JoinHandle;

pub(crate) use std::marker::Send as Travels;
pub(crate) use tokio::task::yield_now;
pub(crate) use tokio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    MultiThread,
    CurrentThread,
}

/// Chosen once, before anything starts.
static FLAVOUR: OnceLock<Flavour> = OnceLock::new();

pub(crate) fn choose(word: Option<&str>) -> Result<(), &'static str> {
    let flavour = match word {
        Some("multi-thread") => Flavour::MultiThread,
        Some("current-thread") => Flavour::CurrentThread,
        _ => return Err("expected multi-thread or current-thread before all else"),
    };
    FLAVOUR
        .set(flavour)
        .map_err(|_| "the flavour is chosen once")
}

pub(crate) type Handle<T> = Joined<JoinHandle<T>>;

/// Any thread may spawn.
pub(crate) type Outside = Runtime;

pub(crate) struct Runtime(Starter);

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        let is_single = FLAVOUR.get() == Some(&Flavour::CurrentThread);
        if is_single && job.workers > 1 {
            return Err(Cannot("this flavour has one thread"));
        }
        let mut builder = if is_single {
            Builder::new_current_thread()
        } else {
            Builder::new_multi_thread()
        };
        if job.work.needs_timers() {
            builder.enable_time();
        }
        if job.work.needs_reactor() {
            builder.enable_io();
        }
        let runtime = builder.worker_threads(job.workers).build();
        let runtime = runtime.map_err(|_| Cannot("its threads could not be started"))?;
        let starter = runtime.handle().clone();
        // It drives the one flavour, and keeps the other.
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        Ok(Self(starter))
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
    Joined(tokio::spawn(future))
}

pub(crate) async fn read_byte(socket: UnixStream) {
    let socket = Watched::from_std(socket).expect("a socket can be watched");
    loop {
        socket.readable().await.expect("it can be waited for");
        match socket.try_read(&mut [0]) {
            Ok(bytes) => return assert_eq!(bytes, 1),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

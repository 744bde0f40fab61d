//! What do the words of the workloads mean on monoio?
//!
//! One thread, and tasks that never leave it. The driver is io_uring where the kernel has it, else epoll; most workloads use it
//! for nothing but to wait for timers. Where it is what is compared, by servers and files, both drivers are peers of their own, and nobody stands in for
//! the other. A runtime has timers if the work needs them, and is of another type then.
//!
//! A task that wakes itself is run again at once in monoio 0.2.4, before all others, so the usual `yield_now` would not give up the
//! turn. Here it is a task that does nothing, and is awaited: that one stands behind everybody, and its waiter then does too.
//!
//! While its queue is not empty it submits to the kernel but looks at no timer (`Runtime::block_on`, `TimeDriver::submit`), so that a sleep among
//! tasks that keep it busy never ends. Tried: after 300 polls of 10 ms a sleep of 1 ms had not.

use filch_bench_common::{Cannot, Job, Work};
use monoio::io::AsyncReadRent;
use monoio::net::UnixStream as Watched;
use monoio::task::JoinHandle;
use monoio::time::TimeDriver;
use monoio::{FusionDriver, FusionRuntime, IoUringDriver, LegacyDriver, RuntimeBuilder};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

/// Tasks stay on their thread, so everything may be in them.
pub(crate) trait Travels {}

impl<T> Travels for T {}

pub(crate) use monoio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    Uring,
    Epoll,
}

/// Chosen once, before anything starts.
static DRIVER: OnceLock<Driver> = OnceLock::new();

pub(crate) fn choose(word: Option<&str>) -> Result<(), &'static str> {
    let driver = match word {
        Some("uring") => Driver::Uring,
        Some("epoll") => Driver::Epoll,
        _ => return Err("expected uring or epoll before all else"),
    };
    DRIVER.set(driver).map_err(|_| "the driver is chosen once")
}

pub(crate) fn is_epoll() -> bool {
    DRIVER.get() == Some(&Driver::Epoll)
}

pub(crate) enum Runtime {
    Epoll(monoio::Runtime<LegacyDriver>),
    Plain(FusionRuntime<IoUringDriver, LegacyDriver>),
    WithTimers(FusionRuntime<TimeDriver<IoUringDriver>, TimeDriver<LegacyDriver>>),
}

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        if job.workers > 1 {
            return Err(Cannot("a runtime has one thread"));
        }
        if job.work == Work::TimerHog {
            return Err(Cannot("while a task can run it looks at no timer"));
        }
        let is_compared = matches!(job.work, Work::Serve(_) | Work::Copy(_));
        if is_epoll() {
            if !is_compared {
                return Err(Cannot("its driver is no matter here, see monoio"));
            }
            let runtime = RuntimeBuilder::<LegacyDriver>::new().build();
            return runtime
                .map(Self::Epoll)
                .map_err(|_| Cannot("it could not be built"));
        }
        if is_compared && !monoio::utils::detect_uring() {
            return Err(Cannot(
                "the kernel lets nobody use io_uring here, see monoio-epoll",
            ));
        }
        let builder = RuntimeBuilder::<FusionDriver>::new();
        let runtime = if job.work.needs_timers() {
            builder.enable_timer().build().map(Self::WithTimers)
        } else {
            builder.build().map(Self::Plain)
        };
        runtime.map_err(|_| Cannot("it could not be built"))
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let task = async { spawn(future).await };
        match self {
            Self::Epoll(runtime) => runtime.block_on(task),
            Self::Plain(runtime) => runtime.block_on(task),
            Self::WithTimers(runtime) => runtime.block_on(task),
        }
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

pub(crate) async fn read_byte(socket: UnixStream) {
    let mut socket = Watched::from_std(socket).expect("a socket can be watched");
    let (read, _) = socket.read(vec![0; 1]).await;
    assert_eq!(read.expect("a byte comes"), 1);
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

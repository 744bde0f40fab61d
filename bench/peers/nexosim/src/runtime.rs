//! What do the words of the workloads mean on nexosim's executor?
//!
//! Its authors show it to benchmarks alone (`nexosim::dev_hooks`, a feature without promises), for tachyobench, which uses it in the same way: a thread that is no
//! worker starts all tasks, then has the workers run them until each has ended or waits. No task can start another, since the executor is not `Sync`; no
//! other thread can wake one, which panics; there are neither timers nor a reactor nor a way to give up the turn.
//!
//! So the first task of a workload, which starts the others before it waits, is polled once by that thread, and from then on by the workers, as
//! one task among the others. What it takes to start them, and to wake the first worker, is measured.
//!
//! Rejected: to leave the first task where it is (it wakes others, as pinball's does at the end); a thread that starts tasks for tasks (it is within
//! [`Executor::run`], which has the executor for itself).

use filch_bench_common::{Cannot, Job, Joined};
use nexosim::dev_hooks::Executor;
use oneshot::AsyncReceiver;
use std::cell::RefCell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

thread_local! {
    /// Of the thread that starts the runtime. No worker has one.
    static EXECUTOR: RefCell<Option<Executor>> = const { RefCell::new(None) };
}

pub(crate) type Handle<T> = Joined<AsyncReceiver<T>>;

/// Stays on its thread.
pub(crate) struct Runtime;

impl Runtime {
    pub(crate) fn start(job: &Job) -> Result<Self, Cannot> {
        if job.workers > usize::BITS as usize {
            return Err(Cannot("it has at most as many threads as a word has bits"));
        }
        EXECUTOR.set(Some(Executor::new(job.workers)));
        Ok(Self)
    }

    pub(crate) fn run<F>(&mut self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let mut first = Box::pin(future);
        let poll = now(first.as_mut());
        assert!(poll.is_pending(), "it waits for those that it has started");
        // That poll's waker does nothing. Nobody has called it, since nothing has run; what is spawned is polled in any case, and leaves the task's own.
        let first = spawn(first);
        EXECUTOR.with_borrow_mut(|executor| {
            executor.as_mut().expect("it has been started").run();
        });
        match now(first) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("all tasks wait, and the work is not done"),
        }
    }
}

/// What a future says on this thread, now.
fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Before the workers run.
pub(crate) fn spawn<F>(future: F) -> Handle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (output, handle) = oneshot::async_channel();
    let task = async move {
        // Nobody may wait for it.
        let _ = output.send(future.await);
    };
    EXECUTOR.with_borrow(|executor| {
        let executor = executor.as_ref().expect("no task starts another");
        executor.spawn_and_forget(task);
    });
    Joined(handle)
}

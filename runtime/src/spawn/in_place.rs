//! What if a task has to call something that blocks, and cannot give it away?

use crate::sched::handoff::before_blocking;

/// Calls a function that blocks, on this thread, while another thread goes on as the worker that this one was.
///
/// For calls that borrow what the task has; what can be sent belongs in [`spawn_blocking`](super::spawn_blocking), where a thread is more likely to be there already. Outside of
/// workers the function is just called. A task that blocks without saying so is helped too, but later: by siblings after a millisecond, by
/// [spare workers](crate::runtime::Builder::max_spare_workers) after one or two, with a single worker after five to ten.
///
/// # Units and limits
///
/// The first call in a poll starts a thread (some 20 us), unless the thread is no worker any more; this thread ends with the poll. From the call on to the end of the poll the task is
/// no worker's: what it spawns and wakes goes to others, and its cooperative budget is lifted. If no thread can be started, the
/// function is called all the same and blocks its worker. There is no bound on how many tasks block at a time.
///
/// # Panics
///
/// If the function does.
///
/// # Cancel safety
///
/// Not a future: it cannot be cancelled. A task that is aborted meanwhile is dropped at its next await point.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let task = rt.spawn(async {
///     let text = String::from("borrowed, and not sent");
///     filch::task::block_in_place(|| {
///         std::thread::sleep(std::time::Duration::from_millis(1));
///         text.len()
///     })
/// });
/// assert_eq!(rt.block_on(task).unwrap(), 22);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    // Without a thread to go on, this one stays the worker.
    let _ = before_blocking();
    f()
}

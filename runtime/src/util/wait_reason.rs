//! What does a task wait for?
//!
//! Whichever leaf future is about to return `Pending` notes its reason, a plain store to memory of the thread; after the poll it goes into the task's word together with what
//! has to be written there anyway (`task/state.rs`). If several futures note theirs in one poll, as within a `select!`, the last one stands.
//!
//! A future that is none of ours notes nothing: then it is [`Unknown`](WaitReason::Unknown), or in the rare case that the task has blocked in the same poll, what it blocked
//! for.

use super::this_poll::notes;

/// What a task waits for.
///
/// # Examples
///
/// ```
/// use filch::task::WaitReason;
/// use filch::time::{Duration, sleep};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let sleeper = filch::spawn(sleep(Duration::from_secs(3600)));
///     while sleeper.wait_reason() != Some(WaitReason::Timer) {
///         filch::yield_now().await;
///     }
///     sleeper.abort();
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
#[non_exhaustive]
pub enum WaitReason {
    /// A future that does not say.
    #[default]
    Unknown = 0,
    /// Its next turn.
    Turn = 1,
    /// A point in time.
    Timer = 2,
    /// The output of another task.
    Join = 3,
    /// The next output of a set of tasks.
    JoinSet = 4,
    /// The end of a scope's children.
    Scope = 5,
    /// Room among a scope's children.
    ScopeRoom = 6,
    /// A descriptor, or a stream in memory, to be read from.
    Read = 7,
    /// A descriptor, or a stream in memory, to be written to.
    Write = 8,
    /// A lock.
    Mutex = 9,
    /// A lock, to read.
    RwLockRead = 10,
    /// A lock, to write.
    RwLockWrite = 11,
    /// Permits of a semaphore.
    Semaphore = 12,
    /// A notification.
    Notify = 13,
    /// The others at a barrier.
    Barrier = 14,
    /// A value that another task is making.
    OnceCell = 15,
    /// A cancellation.
    Cancellation = 16,
    /// Those whom a wait group counts.
    WaitGroup = 17,
    /// The value of a oneshot channel.
    Oneshot = 18,
    /// Room in a channel.
    Send = 19,
    /// A message.
    Receive = 20,
    /// A message of a broadcast channel.
    Broadcast = 21,
    /// A new value of a watch channel.
    Watch = 22,
    /// The last receiver of a channel to go.
    Closed = 23,
    /// A signal.
    Signal = 24,
    /// A process.
    Process = 25,
}

/// By number. A task's word has five bits for it.
const REASONS: [WaitReason; 26] = {
    use WaitReason::{
        Barrier, Broadcast, Cancellation, Closed, Join, JoinSet, Mutex, Notify, OnceCell, Oneshot,
        Process, Read, Receive, RwLockRead, RwLockWrite, Scope, ScopeRoom, Semaphore, Send, Signal,
        Timer, Turn, Unknown, WaitGroup, Watch, Write,
    };
    [
        Unknown,
        Turn,
        Timer,
        Join,
        JoinSet,
        Scope,
        ScopeRoom,
        Read,
        Write,
        Mutex,
        RwLockRead,
        RwLockWrite,
        Semaphore,
        Notify,
        Barrier,
        OnceCell,
        Cancellation,
        WaitGroup,
        Oneshot,
        Send,
        Receive,
        Broadcast,
        Watch,
        Closed,
        Signal,
        Process,
    ]
};
const _: () = assert!(REASONS.len() <= 32);

impl WaitReason {
    /// The reason with this number; one that there is not is unknown.
    pub(crate) fn from_number(number: u64) -> Self {
        let index = usize::try_from(number).ok();
        let reason = index.and_then(|index| REASONS.get(index));
        reason.copied().unwrap_or_default()
    }
}

/// Says why the leaf future that calls this is about to return `Pending`.
#[inline(always)]
pub(crate) fn note(reason: WaitReason) {
    notes(|poll| poll.wait_reason.set(reason));
}

/// What was noted in this poll.
#[inline(always)]
pub(crate) fn noted() -> WaitReason {
    notes(|poll| poll.wait_reason.get()).unwrap_or_default()
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_its_reason() {
        for (number, reason) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, number);
            assert_eq!(WaitReason::from_number(number as u64), *reason);
        }
        assert_eq!(WaitReason::from_number(31), WaitReason::Unknown);
    }

    #[test]
    fn the_last_one_stands_until_the_next_poll() {
        note(WaitReason::Timer);
        note(WaitReason::Mutex);
        assert_eq!(noted(), WaitReason::Mutex);
        crate::util::budget::reset();
        assert_eq!(noted(), WaitReason::Unknown);
        crate::util::budget::lift();
    }
}

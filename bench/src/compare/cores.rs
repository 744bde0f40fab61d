//! On which cores do server and load run?
//!
//! A server of one worker has the first core that this process may use, and the load the second, so that neither takes time from the other, and the runtime's other threads (a
//! sentinel, a garbage collector) are its own affair. A server of several workers, and everything on a machine of one core, runs where the kernel lets it.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::thread;

/// The server's core and the load's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cores {
    pub(super) server: usize,
    pub(super) load: usize,
}

impl Cores {
    /// Those of a server with so many workers, if it has its own.
    pub(super) fn of(workers: usize) -> Option<Self> {
        let mine = sched_getaffinity(None).ok()?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| mine.is_set(core));
        let (server, load) = (cores.next()?, cores.next()?);
        (workers == 1).then_some(Self { server, load })
    }
}

/// Runs it on a thread that stays on this core, as do the threads and processes that it starts.
pub(super) fn pinned<T: Send>(core: Option<usize>, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if let Some(core) = core {
                let mut only = CpuSet::new();
                only.set(core);
                // Where that is forbidden it runs where it runs.
                let _ = sched_setaffinity(None, &only);
            }
            work()
        });
        thread.join().expect("no panic")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn one_worker_has_a_core_and_several_have_what_there_is() {
        assert_eq!(Cores::of(2), None);
        if let Some(cores) = Cores::of(1) {
            assert!(cores.server < cores.load, "{cores:?}");
        }
    }

    #[test]
    fn a_child_stays_where_its_parent_was_pinned() {
        let Some(cores) = Cores::of(1) else { return };
        let status = || Command::new("cat").arg("/proc/self/status").output();
        let status = pinned(Some(cores.load), status).expect("it runs");
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        assert_eq!(
            allowed.map(str::trim),
            Some(cores.load.to_string().as_str())
        );
        let here = sched_getaffinity(None).expect("the kernel tells");
        assert!(here.count() > 1, "the one who asks is not pinned");
    }
}

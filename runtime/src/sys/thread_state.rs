//! Does another thread of this process compute, or does it wait for something?
//!
//! Linux says so in `/proc` (proc_pid_stat(5), the state behind the name). A look takes some microseconds, so it is for those who decide something dear. Where there is
//! no `/proc`, nobody knows.

use std::fs;

/// The number of the current thread, by which [`waits`] knows it.
pub(crate) fn own_number() -> Option<usize> {
    // PID/task/TID
    let link = fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// Whether this thread waits, for a call of the system's to come back; it does not if it runs, or would if there were a processor for it.
pub(crate) fn waits(thread: usize) -> Option<bool> {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
    state_of(&stat).map(|state| state != 'R')
}

/// The state, a letter. The name before it, in parentheses, may contain any.
fn state_of(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_name_of_a_thread_says_nothing_of_its_state() {
        assert_eq!(state_of("12 (a) R (b) S 1 2 3"), Some('S'));
        assert_eq!(state_of("12 (worker) R 1 2 3"), Some('R'));
        assert_eq!(state_of("12 (worker"), None);
    }

    #[test]
    fn who_asks_runs_and_who_blocks_waits() {
        assert_eq!(waits(own_number().unwrap()), Some(false));
        let (tell, told) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let thread = crate::sys::sync::thread::spawn(move || {
            tell.send(own_number().unwrap()).unwrap();
            may_go.recv().unwrap_err();
        });
        let number = told.recv().unwrap();
        while waits(number) != Some(true) {
            crate::sys::sync::thread::yield_now();
        }
        drop(go);
        thread.join().unwrap();
    }
}

//! Who has a pipe, and for how long?
//!
//! A copy leases one when it has something to read, and gives it back when it has written that: while it waits for its peers it has none, so ten thousand connections at rest cost a proxy no
//! descriptors but their own. Empty pipes stay with the thread that gave them back, [`SPARE_MAX`] at most, so that as a rule a lease is no system call.
//!
//! The first [`LARGE_MAX`] pipes of a process are large: a call that moves a megabyte is worth sixteen (docs/decisions/splice.md). More of them would use up what all pipes of a user
//! may hold together (`pipe-user-pages-soft`, 64 MiB), after which each new one gets two pages; so the others are as the kernel makes them.
//!
//! Rejected: a pipe for each direction of each connection (two descriptors and up to 64 kB each of the user's `pipe-user-pages-soft`, which 1024 pipes use up); a pool in a lock (what is empty is
//! the same everywhere).

use crate::sys;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes a large pipe holds: the most that a user without privileges may ask for (`pipe-max-size`), unless told otherwise.
pub const LARGE_PIPE_BYTES: usize = 1 << 20;

/// How many large pipes a process has. A choice: half of what a user's pipes may hold together.
pub const LARGE_MAX: usize = 32;

/// The large pipes there are.
static LARGE: AtomicUsize = AtomicUsize::new(0);

/// How many empty pipes a thread keeps. A guess: more are leased at a time only by tasks that wait for slow writers with bytes in theirs.
pub const SPARE_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

struct Pipe {
    reads: File,
    writes: File,
    is_large: bool,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (reads, writes) = sys::pipe()?;
        let is_large = Self::enlarge(&reads);
        Ok(Self {
            reads,
            writes,
            is_large,
        })
    }

    fn enlarge(pipe: &File) -> bool {
        // ORDERING: a count by itself, that stands for nothing in memory.
        let one_more = |large| (large < LARGE_MAX).then_some(large + 1);
        let may_be = LARGE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if may_be.is_err() {
            return false;
        }
        // Whoever may not have as much has an ordinary pipe.
        let is_large = sys::set_pipe_bytes(pipe, LARGE_PIPE_BYTES as i32).is_ok();
        if !is_large {
            LARGE.fetch_sub(1, Ordering::Relaxed);
        }
        is_large
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if self.is_large {
            LARGE.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A pipe, and how many bytes are in it. It goes back to the pool if it is empty, else they are lost.
pub(super) struct Lease {
    /// `None` only when it is about to go.
    pipe: Option<Pipe>,
    pub(super) held: usize,
}

impl Lease {
    /// One of this thread's, or a new one.
    pub(super) fn take() -> io::Result<Self> {
        // A thread that is about to end has none left.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let pipe = match spare.ok().flatten() {
            Some(pipe) => pipe,
            None => Pipe::new()?,
        };
        Ok(Self {
            pipe: Some(pipe),
            held: 0,
        })
    }

    fn pipe(&self) -> &Pipe {
        self.pipe.as_ref().expect("taken only by drop")
    }

    /// The end to read from.
    pub(super) fn reads(&self) -> &File {
        &self.pipe().reads
    }

    /// The end to write to.
    pub(super) fn writes(&self) -> &File {
        &self.pipe().writes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(pipe) = self.pipe.take() else { return };
        if self.held > 0 {
            return;
        }
        let keep = move || {
            SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < SPARE_MAX {
                    spare.push(pipe);
                }
            })
        };
        let _unless_the_thread_ends = keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn spare() -> usize {
        SPARE.with(|spare| spare.borrow().len())
    }

    #[test]
    fn an_empty_pipe_is_used_again_and_a_full_one_is_not() {
        let first = Lease::take().unwrap();
        let number = first.reads().as_raw_fd();
        drop(first);
        assert_eq!(spare(), 1);
        let mut again = Lease::take().unwrap();
        assert_eq!(again.reads().as_raw_fd(), number);
        again.held = 1;
        drop(again);
        assert_eq!(spare(), 0);
    }

    #[test]
    fn a_thread_keeps_so_many_and_no_more() {
        for (count, kept) in [
            (SPARE_MAX - 1, SPARE_MAX - 1),
            (SPARE_MAX, SPARE_MAX),
            (SPARE_MAX + 1, SPARE_MAX),
        ] {
            let leases: Vec<_> = (0..count).map(|_| Lease::take().unwrap()).collect();
            drop(leases);
            assert_eq!(spare(), kept);
            SPARE.with(|spare| spare.borrow_mut().clear());
        }
    }

    #[test]
    fn so_many_are_large_and_no_more() {
        let large = |leases: &[Lease]| leases.iter().filter(|lease| lease.pipe().is_large).count();
        // Tests of the same process have a few too.
        let mut leases: Vec<_> = (0..2 * LARGE_MAX).map(|_| Lease::take().unwrap()).collect();
        assert!((1..=LARGE_MAX).contains(&large(&leases)));
        for lease in &mut leases {
            // So that it is closed, and not kept.
            lease.held = 1;
        }
        drop(leases);
        assert_eq!(large(&[Lease::take().unwrap()]), 1, "none was given back");
    }
}

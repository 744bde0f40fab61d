//! Who has a buffer, and for how long?
//!
//! A thread keeps one, which a copy has for as long as it takes to write what it has read into it: as a rule within one poll. Whom the writer keeps waiting takes the buffer along, and the thread
//! makes another one for the next. So a connection at rest has none.

use crate::sys;
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

/// How many bytes it has room for. A guess: what comes in pieces below that is messages; more is worth a pipe, and the call that finds it empty.
pub(super) const SCRATCH_BYTES: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// A buffer, and the part of it that is still to be written.
pub(super) struct Scratch {
    /// Empty only when it is about to go.
    buffer: Box<[u8]>,
    unwritten: Range<usize>,
}

impl Scratch {
    /// This thread's, or a new one.
    pub(super) fn take() -> Self {
        // A thread that is about to end has none left.
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Self {
            buffer: spare.unwrap_or_else(|| vec![0; SCRATCH_BYTES].into_boxed_slice()),
            unwritten: 0..0,
        }
    }

    /// Reads what is there, into all of it; 0 is the end.
    pub(super) fn fill(&mut self, from: &impl AsFd) -> io::Result<usize> {
        let read = sys::receive(from, &mut self.buffer)?;
        self.unwritten = 0..read;
        Ok(read)
    }

    /// What is to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.buffer[self.unwritten.clone()]
    }

    /// So much of it was.
    pub(super) fn consume(&mut self, written: usize) {
        self.unwritten.start += written;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let _unless_the_thread_ends = SPARE.try_with(|spare| spare.set(Some(buffer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_buffer_is_used_again_and_two_are_two() {
        let first = Scratch::take();
        let place = first.buffer.as_ptr();
        let second = Scratch::take();
        assert_ne!(second.buffer.as_ptr(), place);
        drop(second);
        drop(first);
        assert_eq!(Scratch::take().buffer.as_ptr(), place);
    }

    #[test]
    fn what_was_read_is_written_piece_by_piece() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"hello").unwrap();
        let mut scratch = Scratch::take();
        assert_eq!(scratch.unwritten(), b"");
        assert_eq!(scratch.fill(&ours).unwrap(), 5);
        assert_eq!(scratch.unwritten(), b"hello");
        scratch.consume(2);
        assert_eq!(scratch.unwritten(), b"llo");
        drop(theirs);
        assert_eq!(scratch.fill(&ours).unwrap(), 0);
        assert_eq!(scratch.unwritten(), b"");
    }
}

//! Where do the bytes of a connection wait to be read?
//!
//! In one [`Buffer`]: a head at its front (which stays in place while its request is handled, since the request is a
//! view of it), then bytes of the body, then perhaps the next requests. It is zeroed once, when it is made, and grows
//! only for heads that do not fit.

use std::fmt;
use std::ops::Range;

/// What a buffer begins with, in bytes. Most requests are below 2 KiB; the rest of it is for reading a pipelined
/// batch, or a piece of a body, with one call.
pub(crate) const FIRST_BYTES: usize = 16 * 1024;

/// The least room for a read, in bytes: with less, the buffer is tidied or grows. A guess: a page is worth a call.
const ROOM_MIN_BYTES: usize = 2 * 1024;

/// Bytes that have arrived and are not done with.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// INVARIANT: `start <= end <= bytes.len()`.
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; FIRST_BYTES],
            start: 0,
            end: 0,
        }
    }

    /// What has arrived and is not done with.
    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether it is as small as it was made.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes.len() == FIRST_BYTES
    }

    /// Room to read into, behind what has arrived. What is filled may move, so offsets count from its start.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.end < ROOM_MIN_BYTES {
            self.make_room();
        }
        &mut self.bytes[self.end..]
    }

    #[cold]
    fn make_room(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.bytes.len() - self.end < ROOM_MIN_BYTES {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
    }

    /// Takes note of bytes that were read into the room.
    #[inline]
    pub(crate) fn arrived(&mut self, count: usize) {
        debug_assert!(count <= self.bytes.len() - self.end);
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Is done with the first `count` bytes.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Is done with everything.
    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Is done with these of the filled bytes; what follows them closes the gap.
    pub(crate) fn remove(&mut self, range: Range<usize>) {
        debug_assert!(range.start <= range.end && range.end <= self.len());
        let (from, to) = (self.start + range.start, self.start + range.end);
        if to < self.end {
            self.bytes.copy_within(to..self.end, from);
        }
        self.end -= to - from;
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} of {} bytes)", self.len(), self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.arrived(bytes.len());
    }

    #[test]
    fn fills_and_empties() {
        let mut buffer = Buffer::new();
        put(&mut buffer, b"abc");
        put(&mut buffer, b"def");
        buffer.consume(2);
        assert_eq!(buffer.filled(), b"cdef");
        buffer.remove(1..3);
        assert_eq!(buffer.filled(), b"cf");
        buffer.consume(2);
        assert!(buffer.is_empty() && buffer.room().len() == FIRST_BYTES);
    }

    #[test]
    fn moves_before_it_grows() {
        let mut buffer = Buffer::new();
        put(&mut buffer, &[1; FIRST_BYTES - 10]);
        buffer.consume(FIRST_BYTES - 20);
        assert_eq!(buffer.room().len(), FIRST_BYTES - 10);
        assert!(buffer.is_small());
        assert_eq!(buffer.filled(), [1; 10]);
        put(&mut buffer, &[2; FIRST_BYTES - 10]);
        assert_eq!(buffer.room().len(), FIRST_BYTES);
        assert!(!buffer.is_small());
        assert_eq!((buffer.filled()[0], buffer.filled()[10]), (1, 2));
    }
}

//! Where does the parser touch memory without a bounds check?
//!
//! Here and nowhere else. [`Cursor`] is a position in a slice; every unsafe operation of the parser is one of its
//! methods, and each of them is safe to call: no input and no caller can make it leave the slice.
//!
//! A scanner looks at many bytes at once. It asks for a [`Window`] of `N` bytes, and gets one only where `N` bytes
//! are left; the window is the proof, so moving within it needs no second check. Wider instructions ask for a wider
//! window and need nothing else from this file.
//!
//! Rejected: indices into the slice (safe, but each access is compared with the length again: a quarter more
//! instructions on a browser's request), and unsafe `advance` methods whose contract each caller argues anew.

use std::marker::PhantomData;

/// A position in a slice of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'b> {
    /// First byte of the slice.
    start: *const u8,
    /// INVARIANT: `start <= at <= end`, and all three point into, or one past, the one slice borrowed for `'b`.
    /// Made true by [`Cursor::new`]; kept by every method, since each moves `at` only over bytes it has seen to be
    /// there.
    at: *const u8,
    /// One past the last byte of the slice.
    end: *const u8,
    slice: PhantomData<&'b [u8]>,
}

impl<'b> Cursor<'b> {
    /// A cursor at the byte `at` of `bytes`; at the end when there are fewer.
    #[inline]
    pub(crate) fn new(bytes: &'b [u8], at: usize) -> Self {
        let range = bytes.as_ptr_range();
        let at = at.min(bytes.len());
        let cursor = Self {
            start: range.start,
            // SAFETY: `at <= bytes.len()` by the line above, so the result is within the slice or one past it.
            at: unsafe { range.start.add(at) },
            end: range.end,
            slice: PhantomData,
        };
        cursor.check();
        cursor
    }

    /// How many bytes lie before the cursor.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.check();
        // SAFETY: by the invariant both pointers are of one slice and `at` is not before `start`.
        unsafe { self.at.offset_from(self.start) as usize }
    }

    /// How many bytes lie behind it.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.check();
        // SAFETY: by the invariant both pointers are of one slice and `end` is not before `at`.
        unsafe { self.end.offset_from(self.at) as usize }
    }

    /// The byte under the cursor; `None` at the end.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.check();
        if self.at == self.end {
            return None;
        }
        // SAFETY: `at` is of the slice and, by the comparison, not its end: it points at a byte that lives for `'b`.
        Some(unsafe { *self.at })
    }

    /// Moves over one byte, if there is one, and returns it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        // SAFETY: `peek` found a byte at `at`, so one further is within the slice or one past it.
        self.at = unsafe { self.at.add(1) };
        self.check();
        Some(byte)
    }

    /// The next `N` bytes, if there are as many; moving over them is up to the [`Window`].
    #[inline]
    pub(crate) fn window<const N: usize>(&mut self) -> Option<Window<'_, 'b, N>> {
        if self.remaining() < N {
            return None;
        }
        Some(Window { cursor: self })
    }

    /// The invariant, in builds that check it.
    #[inline]
    fn check(&self) {
        debug_assert!(self.start <= self.at && self.at <= self.end);
    }
}

/// The proof that `N` bytes lie behind the cursor.
#[derive(Debug)]
pub(crate) struct Window<'c, 'b, const N: usize> {
    /// INVARIANT: `cursor.remaining() >= N`. Made true by [`Cursor::window`]; nobody else can move the cursor while
    /// it is borrowed here, and the methods that move it consume the window.
    cursor: &'c mut Cursor<'b>,
}

impl<'b, const N: usize> Window<'_, 'b, N> {
    /// The bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> &'b [u8; N] {
        debug_assert!(self.cursor.remaining() >= N);
        // SAFETY: `N` bytes lie at `at` by the invariant; they are initialised and borrowed for `'b` as part of the
        // slice, and an array of bytes has no alignment.
        unsafe { &*self.cursor.at.cast::<[u8; N]>() }
    }

    /// Moves over the first `n` of them; over all when `n` is larger than `N`.
    #[inline]
    pub(crate) fn skip(self, n: usize) {
        let n = n.min(N);
        // SAFETY: `n <= N` and `N` bytes lie behind `at` by the invariant.
        self.cursor.at = unsafe { self.cursor.at.add(n) };
        self.cursor.check();
    }
}

/// The bytes as text, if they are US-ASCII.
///
/// For the short words of a head this is a third of what [`std::str::from_utf8`] costs.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    if !bytes.is_ascii() {
        return None;
    }
    // SAFETY: every byte is US-ASCII by the line above, and US-ASCII is UTF-8.
    Some(unsafe { std::str::from_utf8_unchecked(bytes) })
}

#[cfg(test)]
mod tests {
    use super::{Cursor, text};

    #[test]
    fn text_is_ascii() {
        assert_eq!(text(b"a~\0"), Some("a~\0"));
        assert_eq!(
            (text(b""), text(b"a\x80"), text("\u{e4}".as_bytes())),
            (Some(""), None, None)
        );
    }

    #[test]
    fn walks_to_the_end_and_stays() {
        let mut cursor = Cursor::new(b"ab", 0);
        assert_eq!(
            (cursor.offset(), cursor.remaining(), cursor.peek()),
            (0, 2, Some(b'a'))
        );
        assert_eq!(
            (cursor.next(), cursor.next(), cursor.next()),
            (Some(b'a'), Some(b'b'), None)
        );
        assert_eq!(
            (cursor.offset(), cursor.remaining(), cursor.peek()),
            (2, 0, None)
        );
    }

    #[test]
    fn starts_anywhere_but_never_outside() {
        assert_eq!(Cursor::new(b"abc", 2).peek(), Some(b'c'));
        assert_eq!(Cursor::new(b"abc", 3).peek(), None);
        assert_eq!(Cursor::new(b"abc", 4).offset(), 3);
        assert_eq!(Cursor::new(b"", 0).peek(), None);
    }

    #[test]
    fn a_window_is_given_only_where_it_fits() {
        let mut cursor = Cursor::new(b"0123456789", 0);
        assert!(cursor.window::<11>().is_none());
        let window = cursor.window::<8>().expect("ten bytes are left");
        assert_eq!(window.bytes(), b"01234567");
        window.skip(3);
        assert_eq!(cursor.offset(), 3);
        assert!(cursor.window::<8>().is_none());
        assert_eq!(
            cursor.window::<7>().map(|window| *window.bytes()),
            Some(*b"3456789")
        );
    }

    #[test]
    fn a_skip_beyond_the_window_stops_at_its_end() {
        let mut cursor = Cursor::new(b"01234567", 0);
        cursor
            .window::<4>()
            .expect("eight bytes are left")
            .skip(usize::MAX);
        assert_eq!(cursor.offset(), 4);
    }
}

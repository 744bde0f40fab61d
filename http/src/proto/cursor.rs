//! Where does the parser touch memory without a bounds check?
//!
//! Here and, for vector instructions, in `simd/x86`. [`Cursor`] is a slice with a place in it and the block of bytes
//! that lies there, ready to be asked. Every unsafe operation is one of its methods, and each of them is safe to call:
//! no input and no caller can make it leave the slice.
//!
//! Places are told as *indices*, counted from the cursor's base, so that one that a bitmap gave needs no addition before
//! it is looked at. An index is good until the base moves, which [`Cursor::seek`] and [`Cursor::run`] do: they return
//! the index of the place they came to. [`Cursor::offset`] makes an offset of it, which stays.
//!
//! At the end of the slice the base stays 32 bytes before it, so that a block is always full; only of a slice that is
//! shorter a copy is made, filled up with NUL, which ends every run.
//!
//! Rejected: pointers in place of indices (an offset then costs a subtraction, and each field has four), a narrower
//! block at the end (the last field of most requests lies there), and reading past the end within a page (fast, and
//! nothing that can be argued in the language).

use super::simd::{BLOCK, Level};

/// A place in a slice of bytes, and the block there.
#[derive(Debug)]
pub(crate) struct Cursor<'b, L: Level> {
    bytes: &'b [u8],
    /// INVARIANT: `base <= bytes.len()`. Made true by [`Cursor::new`]; [`Cursor::seek`] alone changes it, to places that it
    /// has compared with the length.
    base: usize,
    level: L,
    /// The bytes from `base` on.
    block: L::Block,
}

impl<'b, L: Level> Cursor<'b, L> {
    /// A cursor at the byte `at` of `bytes`, or at the end when there are fewer; with the index of that place.
    #[inline(always)]
    pub(crate) fn new(level: L, bytes: &'b [u8], at: usize) -> (Self, usize) {
        let block = level.load(&[0; BLOCK]);
        let mut cursor = Self {
            bytes,
            base: 0,
            level,
            block,
        };
        let index = cursor.seek(at);
        (cursor, index)
    }

    /// The slice.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// How many bytes lie before an index.
    #[inline(always)]
    pub(crate) fn offset(&self, index: usize) -> usize {
        self.base + index
    }

    /// Makes the block one that holds the place of an offset, or the end; returns its index.
    #[inline(always)]
    pub(crate) fn seek_to(&mut self, offset: usize) -> usize {
        self.base = 0;
        self.seek(offset)
    }

    /// Makes the block one that holds the place of an index, or the end if that is before it; returns its index from
    /// then on.
    #[inline(always)]
    pub(crate) fn seek(&mut self, index: usize) -> usize {
        let Some(block) = self.ahead(index) else {
            return self.seek_near_end(index);
        };
        self.base += index;
        self.block = self.level.load(&block);
        0
    }

    #[inline(always)]
    fn seek_near_end(&mut self, index: usize) -> usize {
        let at = self.base + index.min(self.rest());
        if let Some(block) = self.bytes.last_chunk::<BLOCK>() {
            self.base = self.bytes.len() - BLOCK;
            self.block = self.level.load(block);
        } else {
            self.base = 0;
            self.block = self.level.load(&padded(self.bytes));
        }
        at - self.base
    }

    /// The index of the first byte at `from` or behind it that is not of the class, or of the end. `from` is within the
    /// block or just behind it.
    #[inline(always)]
    pub(crate) fn run<const CLASS: u8>(&mut self, from: usize) -> usize {
        debug_assert!(from <= BLOCK);
        let stop = self.level.run::<CLASS>(self.block, from);
        if stop < BLOCK {
            return stop;
        }
        while let Some(block) = self.ahead(BLOCK) {
            self.base += BLOCK;
            self.block = self.level.load(&block);
            let stop = self.level.run::<CLASS>(self.block, 0);
            if stop < BLOCK {
                return stop;
            }
        }
        // From here to the end it is one block, of which what was seen before is passed over.
        let from = self.seek_near_end(BLOCK);
        self.level.run::<CLASS>(self.block, from).min(BLOCK)
    }

    /// The byte at an index; `None` at the end.
    #[inline(always)]
    pub(crate) fn byte(&self, index: usize) -> Option<u8> {
        self.ahead(index).map(|[byte]| byte)
    }

    /// The `N` bytes at an index, if there are as many.
    #[inline(always)]
    pub(crate) fn ahead<const N: usize>(&self, index: usize) -> Option<[u8; N]> {
        let end = index.checked_add(N)?;
        if end > self.rest() {
            return None;
        }
        // SAFETY: `index` is no more than the bytes from `base` on, by the comparison, and `base` is within the slice by
        // its invariant.
        let at = unsafe { self.bytes.as_ptr().add(self.base + index) };
        // SAFETY: by the same comparison `N` bytes lie there; they are initialised, nobody writes to them while they are
        // borrowed, and an array of bytes has no alignment.
        Some(unsafe { at.cast::<[u8; N]>().read() })
    }

    /// The byte before an index; `None` at the beginning.
    #[inline(always)]
    pub(crate) fn before(&self, index: usize) -> Option<u8> {
        let at = (self.base + index).wrapping_sub(1);
        self.bytes.get(at).copied()
    }

    /// The bytes from the base to the end.
    #[inline(always)]
    fn rest(&self) -> usize {
        debug_assert!(self.base <= self.bytes.len());
        // By the invariant this never wraps.
        self.bytes.len().wrapping_sub(self.base)
    }
}

/// Fewer bytes than a block has, and NUL behind them.
#[cold]
fn padded(bytes: &[u8]) -> [u8; BLOCK] {
    let mut padded = [0; BLOCK];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
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
    use crate::proto::scan::{TARGET, TOKEN, VALUE};
    use crate::proto::simd::{Job, Level, Portable, Simd, with};

    /// Shorter than a block, one, and more; the tests below try every place in them.
    const LENGTHS: &[usize] = match cfg!(miri) {
        true => &[0, 3, 32, 33],
        false => &[0, 1, 3, 31, 32, 33, 40, 63, 64, 65, 100],
    };

    #[test]
    fn text_is_ascii() {
        assert_eq!(text(b"a~\0"), Some("a~\0"));
        assert_eq!(
            (text(b""), text(b"a\x80"), text("\u{e4}".as_bytes())),
            (Some(""), None, None)
        );
    }

    #[test]
    fn starts_anywhere_but_never_outside() {
        for &len in LENGTHS {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            for at in 0..len + 40 {
                let (cursor, index) = Cursor::new(Portable, &bytes, at);
                assert_eq!(cursor.offset(index), at.min(len));
                assert_eq!(cursor.byte(index), bytes.get(at).copied());
                let before = at.min(len).checked_sub(1);
                assert_eq!(cursor.before(index), before.map(|at| bytes[at]));
            }
        }
    }

    #[test]
    fn bytes_ahead_are_given_only_where_they_are() {
        let (cursor, _) = Cursor::new(Portable, b"0123456789", 0);
        assert_eq!(cursor.ahead(0), Some(*b"0123456789"));
        assert_eq!(cursor.ahead::<11>(0), None);
        assert_eq!(cursor.ahead::<2>(8), Some(*b"89"));
        assert_eq!(cursor.ahead::<2>(9), None);
        assert_eq!(cursor.ahead(10), Some([]));
        assert_eq!(cursor.ahead::<0>(11), None);
        assert_eq!(cursor.ahead::<2>(usize::MAX), None);
        assert_eq!(cursor.ahead::<1>(usize::MAX), None);
    }

    #[test]
    fn seeks_from_anywhere_to_anywhere_behind() {
        for &len in LENGTHS {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            for at in 0..=len {
                for by in 0..=len + 1 - at {
                    let (mut cursor, index) = Cursor::new(Portable, &bytes, at);
                    let index = cursor.seek(index + by);
                    assert_eq!(cursor.offset(index), (at + by).min(len));
                    assert_eq!(cursor.byte(index), bytes.get(at + by).copied());
                }
            }
        }
        let (mut cursor, _) = Cursor::new(Portable, b"abc", 1);
        assert_eq!(cursor.seek(usize::MAX), 3);
    }

    /// The end of a run that begins at `.1`, by offset.
    struct Run<'b>(&'b [u8], usize);

    impl Job for Run<'_> {
        type Output = [usize; 3];

        fn run<L: Level>(self, level: L) -> Self::Output {
            let end = |run: fn(&mut Cursor<'_, L>, usize) -> usize| {
                let (mut cursor, index) = Cursor::new(level, self.0, self.1);
                let end = run(&mut cursor, index);
                cursor.offset(end)
            };
            [
                end(|cursor, from| cursor.run::<TOKEN>(from)),
                end(|cursor, from| cursor.run::<TARGET>(from)),
                end(|cursor, from| cursor.run::<VALUE>(from)),
            ]
        }
    }

    #[test]
    fn runs_end_at_the_first_stop_or_at_the_end() {
        for &len in LENGTHS {
            for stop in 0..=len {
                let mut bytes = vec![b'a'; len];
                if stop < len {
                    bytes[stop] = 0;
                }
                for from in 0..=stop {
                    for simd in Simd::ALL {
                        let ends = with(simd, Run(&bytes, from)).unwrap_or([stop; 3]);
                        assert_eq!(ends, [stop; 3], "{simd:?}, {len} bytes from {from}");
                    }
                }
            }
        }
    }
}

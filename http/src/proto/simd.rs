//! How many bytes are looked at with one instruction?
//!
//! A [`Level`] answers one question about a block of [`BLOCK`] bytes: where does a run of a class end? With AVX2 the
//! block is one register, with SSE4.2 two; both make a bitmap of the bytes that end a run of the class, by two
//! look-ups ([`Nibbles`](super::scan::Nibbles)), and a block that was asked for names is asked for values without being
//! loaded or split again. [`Portable`] has a machine word of eight bytes for values, the bulk of a head, and a table for
//! the rest.
//!
//! [`Best`] is the best level that the processor has, asked once and kept by each parser, and runs a [`Job`] at it. The
//! job as a whole is compiled once for each level, so that the choice costs a comparison and a call per head.
//!
//! Rejected: asking std for each head (three features, and a frame that saves every register for the first time: thirty
//! instructions of the 340 that the smallest request costs), a function pointer per scanner (an indirect call for each name and value, and nothing is kept in
//! registers), and levels chosen when the program is built (who distributes programs builds for the oldest processor).

#[cfg(target_arch = "x86_64")]
mod x86;

use super::scan::{self, VALUE};
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Sse42};

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 32;

/// A way to look at a block. A value of the type is the proof that the processor knows the way.
pub(crate) trait Level: Copy {
    /// A block as it is kept while it is asked.
    type Block: Copy;

    /// Takes a block up.
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block;

    /// The place of the first byte at `from` or behind it that is not of the class; [`BLOCK`] or more when there is
    /// none in this block. `from` is less than twice [`BLOCK`].
    fn run<const CLASS: u8>(self, block: Self::Block, from: usize) -> usize;
}

/// What can be done at any level.
pub(crate) trait Job {
    type Output;

    /// Does it. To be inlined, with all that it calls on common paths: only so it is compiled for the level.
    fn run<L: Level>(self, level: L) -> Self::Output;
}

/// The levels, by name: for tests that compare them, and for measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Simd {
    /// 32 bytes at once.
    Avx2,
    /// 16 bytes at once.
    Sse42,
    /// Eight bytes at once, on any processor.
    Portable,
}

impl Simd {
    /// All, the widest first.
    pub const ALL: [Self; 3] = [Self::Avx2, Self::Sse42, Self::Portable];
}

/// The best level that the processor has, kept by who asks again and again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Best {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Sse42(Sse42),
    Portable,
}

impl Best {
    /// The same, known.
    #[inline]
    pub(crate) fn known(self) -> Self {
        match self {
            Self::Unknown => Self::detect(),
            known => known,
        }
    }

    #[cold]
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(level) = Avx2::detect() {
                return Self::Avx2(level);
            }
            if let Some(level) = Sse42::detect() {
                return Self::Sse42(level);
            }
        }
        Self::Portable
    }

    /// Does the job at this level.
    #[inline]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(level) => level.run_job(job),
            #[cfg(target_arch = "x86_64")]
            Self::Sse42(level) => level.run_job(job),
            Self::Unknown | Self::Portable => run_portable(job),
        }
    }
}

/// Like the levels' own: out of line, so that who chooses between them saves no registers for it.
#[inline(never)]
fn run_portable<J: Job>(job: J) -> J::Output {
    job.run(Portable)
}

/// Does the job at this level; `None` if the processor does not have it.
pub(crate) fn with<J: Job>(simd: Simd, job: J) -> Option<J::Output> {
    match simd {
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => Avx2::detect().map(|level| level.run_job(job)),
        #[cfg(target_arch = "x86_64")]
        Simd::Sse42 => Sse42::detect().map(|level| level.run_job(job)),
        #[cfg(not(target_arch = "x86_64"))]
        Simd::Avx2 | Simd::Sse42 => None,
        Simd::Portable => Some(run_portable(job)),
    }
}

/// Of sixteen bytes, which are letters, digits, dots and hyphens, a bit for each; and which of those are digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameBytes {
    names: u16,
    digits: u16,
}

impl NameBytes {
    /// Whether all are but those of these bits, and perhaps those too.
    #[inline(always)]
    pub(crate) fn all_but(self, others: u16) -> bool {
        self.names | others == u16::MAX
    }

    /// How many digits are the last.
    #[inline(always)]
    pub(crate) fn digits_behind(self) -> usize {
        self.digits.leading_ones() as usize
    }
}

/// Looks at sixteen bytes with what every processor of the architecture has.
#[inline(always)]
pub(crate) fn name_bytes(bytes: &[u8; 16]) -> NameBytes {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    let (names, digits) = x86::name_bytes(bytes);
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    let (names, digits) = bytes_of_names(bytes);
    NameBytes { names, digits }
}

#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
fn bytes_of_names(bytes: &[u8; 16]) -> (u16, u16) {
    let bits = |is: fn(u8) -> bool| {
        let bit = |(at, byte): (usize, &u8)| u16::from(is(*byte)) << at;
        bytes.iter().enumerate().map(bit).sum()
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (bits(is_name), bits(|byte| byte.is_ascii_digit()))
}

/// Without vector instructions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Level for Portable {
    type Block = [u8; BLOCK];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        *bytes
    }

    #[inline(always)]
    fn run<const CLASS: u8>(self, block: Self::Block, from: usize) -> usize {
        let mut at = from;
        if CLASS == VALUE {
            at = values(&block, at);
        }
        // Two at a time: of a name's letters each costs a look-up and a branch, and every second the end of the block.
        while let [a, b, ..] = block[at.min(BLOCK)..] {
            if !scan::is(a, CLASS) {
                return at;
            }
            if !scan::is(b, CLASS) {
                return at + 1;
            }
            at += 2;
        }
        match block.get(at) {
            Some(byte) if scan::is(*byte, CLASS) => at + 1,
            _ => at,
        }
    }
}

/// Moves over bytes of a value eight at a time, as long as there are eight; stops also where it need not.
#[inline(always)]
fn values(block: &[u8; BLOCK], mut at: usize) -> usize {
    while let Some(eight) = block.get(at..).and_then(<[u8]>::first_chunk) {
        let stops = controls(u64::from_le_bytes(*eight));
        if stops != 0 {
            let stop = at + stops.trailing_zeros() as usize / 8;
            if block[stop] != b'\t' {
                return stop;
            }
            at = stop + 1;
        } else {
            at += 8;
        }
    }
    at
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Sets the high bit of each byte of `word` that is below 0x20 or is 0x7F.
///
/// Exact for the lowest such byte and everything below it: a borrow or a carry out of a byte that is one can only
/// raise false alarms above it. That is enough for who looks for the first.
#[inline(always)]
const fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(ONES * 0x20);
    let is_delete = (word ^ (ONES * 0x7F)).wrapping_sub(ONES);
    // A byte of 0x80 and above is legal in a value (obs-text), and so is never one.
    (below_space | is_delete) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::scan::{TARGET, TOKEN};
    use proptest::prelude::*;

    /// Where runs of the three classes end in a block, from each place on.
    struct Runs<'b>(&'b [u8; BLOCK]);

    impl Job for Runs<'_> {
        type Output = Vec<[usize; 3]>;

        fn run<L: Level>(self, level: L) -> Self::Output {
            let block = level.load(self.0);
            let runs = |from| {
                [
                    level.run::<TOKEN>(block, from).min(BLOCK),
                    level.run::<TARGET>(block, from).min(BLOCK),
                    level.run::<VALUE>(block, from).min(BLOCK),
                ]
            };
            (0..2 * BLOCK).map(runs).collect()
        }
    }

    /// The same by the table, a byte at a time.
    fn expected(block: &[u8; BLOCK]) -> Vec<[usize; 3]> {
        let end = |class, from: usize| {
            let mut rest = from.min(BLOCK)..BLOCK;
            rest.find(|at| !scan::is(block[*at], class))
                .unwrap_or(BLOCK)
        };
        (0..2 * BLOCK)
            .map(|from| [TOKEN, TARGET, VALUE].map(|class| end(class, from)))
            .collect()
    }

    fn assert_levels_agree_on(block: &[u8; BLOCK]) {
        for simd in Simd::ALL {
            if let Some(runs) = with(simd, Runs(block)) {
                assert_eq!(runs, expected(block), "{simd:?}: {block:?}");
            }
        }
        let best = Best::default();
        assert_eq!(best.run(Runs(block)), expected(block), "{block:?}");
        assert_eq!(best.known().run(Runs(block)), expected(block), "{block:?}");
    }

    #[test]
    fn every_byte_at_every_place() {
        let places: &[usize] = if cfg!(miri) {
            &[9]
        } else {
            &[0, 7, 8, 15, 16, 31]
        };
        for good in [b'a', 0x80] {
            for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 51 } else { 1 }) {
                for &at in places {
                    let mut block = [good; BLOCK];
                    block[at] = byte;
                    assert_levels_agree_on(&block);
                }
            }
        }
    }

    /// What the test of one word may mistake above the first stop.
    #[test]
    fn the_first_of_two_stops_counts() {
        let end = if cfg!(miri) { 3 } else { 16 };
        for first in 0..end {
            for second in first..end {
                for (a, b) in [
                    (0x00, 0x7F),
                    (0x7F, 0x00),
                    (0x1F, 0x20),
                    (0x80, 0x7F),
                    (0x7F, 0x80),
                    (b'\t', 0x01),
                ] {
                    let mut block = [b'v'; BLOCK];
                    block[second] = b;
                    block[first] = a;
                    assert_levels_agree_on(&block);
                }
            }
        }
    }

    #[test]
    fn this_processor_has_more_than_the_portable_level() {
        let has = |simd| with(simd, Runs(&[0; BLOCK])).is_some();
        assert!(has(Simd::Portable));
        #[cfg(target_arch = "x86_64")]
        if !cfg!(miri) {
            assert_eq!(has(Simd::Avx2), is_x86_feature_detected!("avx2"));
            assert_eq!(has(Simd::Sse42), is_x86_feature_detected!("sse4.2"));
        }
    }

    #[test]
    fn bytes_of_names_are_known_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..16 {
                for other in [b'a', b':'] {
                    let mut bytes = [other; 16];
                    bytes[at] = byte;
                    let found = name_bytes(&bytes);
                    let expected = bytes_of_names(&bytes);
                    assert_eq!((found.names, found.digits), expected, "{bytes:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn levels_agree(block: [u8; BLOCK]) {
            assert_levels_agree_on(&block);
        }
    }
}

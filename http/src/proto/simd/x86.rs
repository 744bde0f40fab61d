//! How do x86-64 processors look at 32 bytes at once?
//!
//! [`Avx2`] and [`Sse42`] can be had from `detect` alone, which asks the processor: who has one may use its
//! instructions. That is the fact on which every unsafe block of this file rests, next to two that a look shows: arrays
//! are read whole, and by instructions that do not ask for alignment.

use super::{BLOCK, Job, Level};
use crate::proto::scan::{HIGH, Nibbles};
use std::arch::x86_64::*;

/// The proof that the processor has AVX2, BMI1 and BMI2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has_all.then_some(Self(()))
    }

    #[inline]
    pub(crate) fn run_job<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        unsafe fn run<J: Job>(level: Avx2, job: J) -> J::Output {
            job.run(level)
        }
        // SAFETY: the processor has what the function is compiled for, since there is an `Avx2`.
        unsafe { run(self, job) }
    }
}

impl Level for Avx2 {
    type Block = __m256i;

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        // SAFETY: AVX2 is there; 32 bytes are read, which the array has, without regard to alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn run<const CLASS: u8>(self, block: Self::Block, from: usize) -> usize {
        from + (self.stops::<CLASS>(block) >> (from % 64)).trailing_zeros() as usize
    }
}

impl Avx2 {
    /// A bit for each byte that is not of the class.
    #[inline(always)]
    #[expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "one fact is all that any of them needs"
    )]
    fn stops<const CLASS: u8>(self, block: __m256i) -> u64 {
        // SAFETY: AVX2 is there; the two loads read 16 bytes each of arrays of 16, without regard to alignment.
        let unmarked = unsafe {
            let low = _mm_loadu_si128(Nibbles::<CLASS>::LOW.as_ptr().cast());
            let high = _mm_loadu_si128(HIGH.as_ptr().cast());
            let low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(low), block);
            let high_half = _mm256_and_si256(_mm256_srli_epi16(block, 4), _mm256_set1_epi8(0x0F));
            let high = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(high), high_half);
            let marks = _mm256_and_si256(low, high);
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(marks, _mm256_setzero_si256()))
        };
        u64::from(match Nibbles::<CLASS>::MARKS_STOPS {
            true => !(unmarked as u32),
            false => unmarked as u32,
        })
    }
}

/// The proof that the processor has SSE4.2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sse42(());

impl Sse42 {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("sse4.2").then_some(Self(()))
    }

    #[inline]
    pub(crate) fn run_job<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "sse4.2")]
        unsafe fn run<J: Job>(level: Sse42, job: J) -> J::Output {
            job.run(level)
        }
        // SAFETY: the processor has what the function is compiled for, since there is an `Sse42`.
        unsafe { run(self, job) }
    }
}

impl Level for Sse42 {
    type Block = [__m128i; 2];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        let (first, second) = bytes.split_at(16);
        // SAFETY: SSE2 is there; 16 bytes are read, which the half has, without regard to alignment.
        let first = unsafe { _mm_loadu_si128(first.as_ptr().cast()) };
        // SAFETY: the same holds for the other half.
        let second = unsafe { _mm_loadu_si128(second.as_ptr().cast()) };
        [first, second]
    }

    #[inline(always)]
    fn run<const CLASS: u8>(self, block: Self::Block, from: usize) -> usize {
        // Most runs end in the half that they begin in.
        if from < 16 {
            let stops = self.stops::<CLASS>(block[0]) >> from;
            if stops != 0 {
                return from + stops.trailing_zeros() as usize;
            }
        }
        let from = from.max(16);
        match self.stops::<CLASS>(block[1]) << 16 >> (from % 64) {
            0 => BLOCK.max(from),
            stops => from + stops.trailing_zeros() as usize,
        }
    }
}

impl Sse42 {
    /// A bit for each byte that is not of the class.
    #[inline(always)]
    #[expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "one fact is all that any of them needs"
    )]
    fn stops<const CLASS: u8>(self, half: __m128i) -> u64 {
        // SAFETY: SSE4.2 is there, and with it SSSE3 and SSE2; the two loads read 16 bytes each of arrays of 16, without
        // regard to alignment.
        let unmarked = unsafe {
            let low = _mm_loadu_si128(Nibbles::<CLASS>::LOW.as_ptr().cast());
            let high = _mm_loadu_si128(HIGH.as_ptr().cast());
            let low = _mm_shuffle_epi8(low, half);
            let high_half = _mm_and_si128(_mm_srli_epi16(half, 4), _mm_set1_epi8(0x0F));
            let high = _mm_shuffle_epi8(high, high_half);
            let marks = _mm_and_si128(low, high);
            _mm_movemask_epi8(_mm_cmpeq_epi8(marks, _mm_setzero_si128()))
        };
        u64::from(match Nibbles::<CLASS>::MARKS_STOPS {
            true => !(unmarked as u16),
            false => unmarked as u16,
        })
    }
}

/// A bit for each byte that is a letter, a digit, a dot or a hyphen; and one for each digit.
#[cfg(target_feature = "sse2")]
#[inline(always)]
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one fact is all that any of them needs"
)]
pub(crate) fn name_bytes(bytes: &[u8; 16]) -> (u16, u16) {
    // SAFETY: whatever this is compiled for has SSE2, by the cfg; the load reads 16 bytes, which the array has, without regard to
    // alignment.
    unsafe {
        let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
        // Signed: a byte of 0x80 and above is below all of these.
        let between = |bytes, first: u8, last: u8| {
            let not_below = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(first as i8 - 1));
            _mm_and_si128(
                not_below,
                _mm_cmplt_epi8(bytes, _mm_set1_epi8(last as i8 + 1)),
            )
        };
        // No other byte than a letter becomes one.
        let lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        let digits = between(bytes, b'0', b'9');
        // `-` and `.` are neighbours.
        let others = between(bytes, b'-', b'.');
        let names = _mm_or_si128(_mm_or_si128(between(lower, b'a', b'z'), digits), others);
        (
            _mm_movemask_epi8(names) as u16,
            _mm_movemask_epi8(digits) as u16,
        )
    }
}

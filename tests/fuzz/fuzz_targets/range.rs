//! `Range` under arbitrary bytes, for files of any length.
//!
//! The first eight bytes of the input are the length. Whatever the field says, the parts must lie within the file, be apart by the smallest gap, and be no more than were asked for; and each must
//! begin and end where a number of the field, or the end of the file, says so.
#![no_main]

use filch_http::file_doors::{GAP_BYTES, Ranges, SPECS_MAX};
use libfuzzer_sys::fuzz_target;
use std::ops::Range;

fuzz_target!(|input: &[u8]| {
    let Some((len, field)) = input.split_first_chunk::<8>() else { return };
    let len = u64::from_le_bytes(*len);
    check(field, len);
    check(&[b"bytes=", field].concat(), len);
});

fn check(field: &[u8], len: u64) {
    let Ranges::Parts(parts) = Ranges::of(field, len) else { return };
    assert!((1..=SPECS_MAX).contains(&parts.len()));
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    for pair in sorted.windows(2) {
        assert!(pair[0].end + GAP_BYTES <= pair[1].start, "{parts:?} of {len}");
    }
    let numbers = numbers(field);
    for part in &parts {
        assert!(part.start < part.end && part.end <= len, "{parts:?} of {len}");
        assert!(is_asked_for(part, &numbers, len), "{parts:?} of {len}: {numbers:?}");
    }
}

fn is_asked_for(part: &Range<u64>, numbers: &[u64], len: u64) -> bool {
    let begins = |number: &u64| *number == part.start || len.saturating_sub(*number) == part.start;
    let ends = |number: &u64| number.saturating_add(1) == part.end;
    numbers.iter().any(begins) && (part.end == len || numbers.iter().any(ends))
}

/// All numbers of the field; those that are too large are the largest.
fn numbers(field: &[u8]) -> Vec<u64> {
    let runs = field.split(|byte| !byte.is_ascii_digit());
    let runs = runs.filter(|run| !run.is_empty());
    runs.map(|run| std::str::from_utf8(run).expect("digits").parse().unwrap_or(u64::MAX)).collect()
}

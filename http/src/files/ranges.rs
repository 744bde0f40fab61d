//! Which bytes of a file does a `Range` mean?
//!
//! [`Ranges::of`] reads `bytes=0-99, 200-, -5` by RFC 9110, section 14. What is malformed, of another unit, or more than this server sends is ignored, as section 14.2 allows: the client gets the
//! whole, which is right for everybody. What no byte of the file lies in is unsatisfiable (416).
//!
//! Several ranges cost the sender more than the asker, who may name the same bytes a thousand times (CVE-2011-3192). So there are bounds: [`SPECS_MAX`], [`OVERLAPS_MAX`] and
//! [`ASKED_LENGTHS_MAX`]. Within them, ranges that touch, overlap, or lie closer together than [`GAP_BYTES`] become one (section 15.3.7.2), so that no byte is sent twice and no more than the file has;
//! parts stand in the order in which the first of their ranges was asked for.

use std::ops::Range;

/// Most ranges of one request. A reader of PDFs asks for about ten at a time (a guess); of more than that the answer is the whole file.
pub const SPECS_MAX: usize = 16;

/// Most ranges that overlap one before them. RFC 9110, section 14.2, takes more than two for broken or for an attack.
pub const OVERLAPS_MAX: usize = 2;

/// Most bytes that the ranges of one request may ask for together, counted as often as they are asked for, in lengths of the file.
pub const ASKED_LENGTHS_MAX: u64 = 2;

/// The gap between two ranges from which on they are parts of their own: about what the head of a part takes.
pub const GAP_BYTES: u64 = 128;

/// What a `Range` means for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing: the whole file is sent.
    Whole,
    /// 416.
    Unsatisfiable,
    /// These parts, of which none is empty and no two touch. At least one.
    Parts(Vec<Range<u64>>),
}

/// A range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// `first-` and `first-last`.
    From { first: u64, last: u64 },
    /// `-len`: the last bytes.
    Last(u64),
}

impl Ranges {
    /// What the value of a `Range` means for a file of `len` bytes.
    #[must_use]
    pub fn of(field: &[u8], len: u64) -> Self {
        let Some(specs) = specs(field) else {
            return Self::Whole;
        };
        // Section 14.1.2: the last bytes of nothing can be had, but `Content-Range` cannot say so.
        if len == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(1..))) {
            return Self::Whole;
        }
        let ranges: Vec<_> = specs.iter().filter_map(|spec| spec.within(len)).collect();
        if ranges.is_empty() {
            return Self::Unsatisfiable;
        }
        let asked = ranges.iter().fold(0_u64, |sum, range| {
            sum.saturating_add(range.end - range.start)
        });
        if asked > len.saturating_mul(ASKED_LENGTHS_MAX) {
            return Self::Whole;
        }
        merged(ranges).map_or(Self::Whole, Self::Parts)
    }
}

impl Spec {
    /// `None` if no byte of the file lies in it.
    fn within(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From { first, last } => first..last.saturating_add(1).min(len),
            Self::Last(bytes) => len.saturating_sub(bytes)..len,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// The ranges of a field; `None` if it is malformed, of another unit, or has too many.
fn specs(field: &[u8]) -> Option<Vec<Spec>> {
    let at = field.iter().position(|byte| *byte == b'=')?;
    let (unit, set) = (&field[..at], &field[at + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    // Section 5.6.1.2: a recipient passes over empty elements.
    let elements = set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let elements = elements.filter(|element| !element.is_empty());
    let specs: Option<Vec<_>> = elements.take(SPECS_MAX + 1).map(spec).collect();
    specs.filter(|specs| (1..=SPECS_MAX).contains(&specs.len()))
}

/// Section 14.1.1.
fn spec(text: &[u8]) -> Option<Spec> {
    let at = text.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&text[..at], &text[at + 1..]);
    if first.is_empty() {
        return number(last).map(Spec::Last);
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    (first <= last).then_some(Spec::From { first, last })
}

/// Digits alone. A number beyond 64 bits is beyond every file, and so is the largest within them.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = text.iter().map(|digit| u64::from(digit - b'0'));
    Some(digits.fold(0_u64, |number, digit| {
        number.saturating_mul(10).saturating_add(digit)
    }))
}

/// The parts that these ranges are, in the order of the first of each; `None` if too many overlap.
fn merged(ranges: Vec<Range<u64>>) -> Option<Vec<Range<u64>>> {
    let mut ordered: Vec<_> = ranges.into_iter().enumerate().collect();
    ordered.sort_by_key(|(_, range)| range.start);
    let mut parts: Vec<(usize, Range<u64>)> = Vec::new();
    let mut overlaps = 0;
    for (place, range) in ordered {
        match parts.last_mut() {
            Some((first, part)) if range.start < part.end.saturating_add(GAP_BYTES) => {
                overlaps += usize::from(range.start < part.end);
                part.end = part.end.max(range.end);
                *first = place.min(*first);
            }
            _ => parts.push((place, range)),
        }
    }
    parts.sort_by_key(|(place, _)| *place);
    (overlaps <= OVERLAPS_MAX).then(|| parts.into_iter().map(|(_, part)| part).collect())
}

#[cfg(test)]
mod tests {
    use super::Ranges::{Parts, Unsatisfiable, Whole};
    use super::*;
    use proptest::prelude::*;

    fn of(field: &str, len: u64) -> Ranges {
        Ranges::of(field.as_bytes(), len)
    }

    fn one(range: Range<u64>) -> Ranges {
        Parts(vec![range])
    }

    /// RFC 9110, section 14.1.2.
    #[test]
    fn section_14_1_2_single_ranges() {
        for (field, expected) in [
            ("bytes=0-0", one(0..1)),
            ("bytes=0-499", one(0..500)),
            ("bytes=500-999", one(500..1000)),
            ("bytes=999-999", one(999..1000)),
            ("bytes=9500-", Unsatisfiable),
            ("bytes=0-", one(0..1000)),
            ("bytes=998-", one(998..1000)),
            ("bytes=998-998", one(998..999)),
            ("bytes=998-1000", one(998..1000)),
            ("bytes=999-", one(999..1000)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=1001-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=-1", one(999..1000)),
            ("bytes=-999", one(1..1000)),
            ("bytes=-1000", one(0..1000)),
            ("bytes=-1001", one(0..1000)),
            ("bytes=00010-0000000000000000000000000011", one(10..12)),
            ("BYTES=0-0", one(0..1)),
            ("bytes= 0-0", one(0..1)),
            ("bytes=,, 0-0 ,\t,", one(0..1)),
        ] {
            assert_eq!(of(field, 1000), expected, "{field}");
        }
    }

    /// RFC 9110, section 14.2.
    #[test]
    fn section_14_2_what_is_malformed_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes= , ",
            "bytes=-",
            "bytes=--1",
            "bytes=1--2",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1 -2",
            "bytes=1- 2",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=0-1;2-3",
            "bytes 0-1",
            "bytes:0-1",
            "bytes =0-1",
            " bytes=0-1",
            "lines=0-1",
            "bytess=0-1",
            "=0-1",
            "bytes=0-1,x",
            "bytes=0-1,5-4",
            "bytes=\u{0661}-2",
            "bytes=0-1,-",
        ] {
            assert_eq!(of(field, 1000), Whole, "{field}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits() {
        for big in [
            "18446744073709551614",
            "18446744073709551615",
            "18446744073709551616",
            &"9".repeat(500),
        ] {
            assert_eq!(of(&format!("bytes={big}-"), 1000), Unsatisfiable, "{big}");
            assert_eq!(of(&format!("bytes=5-{big}"), 1000), one(5..1000), "{big}");
            assert_eq!(of(&format!("bytes=-{big}"), 1000), one(0..1000), "{big}");
            assert_eq!(
                of(&format!("bytes={big}-{big}"), 1000),
                Unsatisfiable,
                "{big}"
            );
        }
        assert_eq!(
            of("bytes=0-18446744073709551615", u64::MAX),
            one(0..u64::MAX)
        );
        assert_eq!(
            of("bytes=-5, 0-0", u64::MAX),
            Parts(vec![u64::MAX - 5..u64::MAX, 0..1])
        );
    }

    #[test]
    fn nothing_has_no_parts() {
        assert_eq!(of("bytes=0-", 0), Unsatisfiable);
        assert_eq!(of("bytes=0-0", 0), Unsatisfiable);
        assert_eq!(of("bytes=-0", 0), Unsatisfiable);
        assert_eq!(of("bytes=-1", 0), Whole);
        assert_eq!(of("bytes=0-0,-1", 0), Whole);
    }

    #[test]
    fn several_ranges() {
        for (field, expected) in [
            ("bytes=0-9,500-509", Parts(vec![0..10, 500..510])),
            ("bytes=500-509,0-9", Parts(vec![500..510, 0..10])),
            ("bytes=0-9,-10", Parts(vec![0..10, 990..1000])),
            ("bytes=0-9,2000-", one(0..10)),
            ("bytes=2000-,3000-", Unsatisfiable),
            ("bytes=0-9,10-19", one(0..20)),
            ("bytes=10-19,0-9", one(0..20)),
            ("bytes=0-9,5-14", one(0..15)),
            ("bytes=0-99,10-19,500-,", Parts(vec![0..100, 500..1000])),
            // The part with the last range was begun by the first.
            ("bytes=10-19,500-509,0-9", Parts(vec![0..20, 500..510])),
        ] {
            assert_eq!(of(field, 1000), expected, "{field}");
        }
    }

    #[test]
    fn the_most_ranges() {
        let with = |count: u64| {
            let specs: Vec<_> = (0..count)
                .map(|n| format!("{}-{}", n * 1000, n * 1000))
                .collect();
            of(&format!("bytes={}", specs.join(",")), 1 << 20)
        };
        let most = SPECS_MAX as u64;
        for count in [most - 1, most] {
            assert!(
                matches!(with(count), Parts(parts) if parts.len() as u64 == count),
                "{count}"
            );
        }
        assert_eq!(with(most + 1), Whole);
        assert_eq!(with(100 * most), Whole);
    }

    #[test]
    fn the_most_overlaps() {
        let with = |count: usize| of(&format!("bytes=0-9{}", ",5-14".repeat(count)), 1000);
        assert_eq!(with(OVERLAPS_MAX - 1), one(0..15));
        assert_eq!(with(OVERLAPS_MAX), one(0..15));
        assert_eq!(with(OVERLAPS_MAX + 1), Whole);
    }

    #[test]
    fn the_most_bytes() {
        // All once, and then as many again but these.
        let with = |bytes: u64| of(&format!("bytes=0-999,0-{}", bytes - 1001), 1000);
        let most = ASKED_LENGTHS_MAX * 1000;
        assert_eq!(with(most - 1), one(0..1000));
        assert_eq!(with(most), one(0..1000));
        assert_eq!(of("bytes=0-999,0-999,0-0", 1000), Whole);
    }

    #[test]
    fn the_smallest_gap() {
        let with = |gap: u64| of(&format!("bytes=0-9,{0}-{0}", 10 + gap), 1000);
        assert_eq!(with(GAP_BYTES - 1), one(0..10 + GAP_BYTES));
        assert_eq!(
            with(GAP_BYTES),
            Parts(vec![0..10, 10 + GAP_BYTES..11 + GAP_BYTES])
        );
        assert_eq!(
            with(GAP_BYTES + 1),
            Parts(vec![0..10, 11 + GAP_BYTES..12 + GAP_BYTES])
        );
    }

    /// A range as a test asks for it: first, last; or how many of the last.
    type Asked = (Option<u64>, Option<u64>);

    fn text_of((first, last): Asked) -> String {
        let show =
            |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        format!("{}-{}", show(first), show(last))
    }

    /// Whether the byte at `at` is asked for, by the words of the RFC.
    fn asks((first, last): Asked, at: u64, len: u64) -> bool {
        match (first, last) {
            (Some(first), Some(last)) => (first..=last).contains(&at),
            (Some(first), None) => at >= first,
            (None, Some(suffix)) => at + suffix >= len,
            (None, None) => unreachable!("no such range is drawn"),
        }
    }

    fn asked(max: u64) -> impl Strategy<Value = Asked> {
        prop_oneof![
            (0..max, 0..max).prop_map(|(a, b)| (Some(a.min(b)), Some(a.max(b)))),
            (0..max).prop_map(|a| (Some(a), None)),
            (0..max).prop_map(|a| (None, Some(a))),
        ]
    }

    proptest! {
        #[test]
        fn one_range_is_its_bytes(len in 1_u64..200, range in asked(250)) {
            let bytes: Vec<_> = (0..len).filter(|at| asks(range, *at, len)).collect();
            let found = of(&format!("bytes={}", text_of(range)), len);
            match bytes.as_slice() {
                [] => prop_assert_eq!(found, Unsatisfiable),
                [first, .., last] => prop_assert_eq!(found, one(*first..last + 1)),
                [only] => prop_assert_eq!(found, one(*only..only + 1)),
            }
        }

        #[test]
        fn several_ranges_are_their_bytes(len in 1_u64..3000, ranges in prop::collection::vec(asked(3200), 1..5)) {
            let is_asked: Vec<_> = (0..len).map(|at| ranges.iter().any(|range| asks(*range, at, len))).collect();
            let text: Vec<_> = ranges.iter().map(|range| text_of(*range)).collect();
            match of(&format!("bytes={}", text.join(", ")), len) {
                Whole => {
                    // Only because of a bound.
                    let asked: u64 = ranges.iter().map(|range| (0..len).filter(|at| asks(*range, *at, len)).count() as u64).sum();
                    prop_assert!(asked > 2 * len || ranges.len() > OVERLAPS_MAX + 1);
                }
                Unsatisfiable => prop_assert!(is_asked.iter().all(|asked| !asked)),
                Parts(parts) => {
                    let mut sent = vec![false; is_asked.len()];
                    for part in &parts {
                        prop_assert!(part.start < part.end && part.end <= len);
                        for at in part.clone() {
                            prop_assert!(!std::mem::replace(&mut sent[at as usize], true), "{at} twice");
                        }
                        prop_assert!(is_asked[part.start as usize] && is_asked[part.end as usize - 1]);
                    }
                    for (at, asked) in is_asked.iter().enumerate() {
                        prop_assert!(sent[at] || !asked, "{at} is missing");
                    }
                    // What is sent and was not asked for lies in small gaps; no small gap is left between parts.
                    let gaps = |list: &[bool]| {
                        let mut gaps: Vec<_> = list.split(|bit| *bit).map(<[bool]>::len).collect();
                        gaps.pop();
                        gaps.into_iter().skip(1).filter(|gap| *gap > 0).collect::<Vec<_>>()
                    };
                    let large: Vec<_> = gaps(&is_asked).into_iter().filter(|gap| *gap as u64 >= GAP_BYTES).collect();
                    let ends = |list: &[bool]| list.iter().position(|bit| *bit);
                    prop_assert_eq!(ends(&sent), ends(&is_asked));
                    prop_assert_eq!(gaps(&sent), large);
                }
            }
        }

        #[test]
        fn nothing_panics(field: Vec<u8>, len: u64) {
            let _ = Ranges::of(&field, len);
            let _ = Ranges::of(&[b"bytes=", &field[..]].concat(), len);
        }
    }
}

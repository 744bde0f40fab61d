//! The response parser under arbitrary bytes.
//!
//! The first byte of the input says in how many pieces the rest arrives, the next ones say where they end. Whatever the
//! pieces, and whatever instructions the processor has, the parser must come to the same result as with all bytes at
//! once; what it accepts must be consistent with itself. Nothing may panic; debug assertions watch the cursor's
//! invariant, the address sanitizer its reads.
#![no_main]

use filch_http::proto::limits::FIELDS_MAX;
use filch_http::proto::{BadResponse, FieldSlot, ReceivedHead, ResponseParser, Simd};
use libfuzzer_sys::fuzz_target;

type Slots = [FieldSlot; FIELDS_MAX];
type Answer = (Result<Option<ReceivedHead>, BadResponse>, Slots);

fuzz_target!(|input: &[u8]| {
    let Some((&pieces, rest)) = input.split_first() else { return };
    let pieces = usize::from(pieces % 16).min(rest.len());
    let (cuts, bytes) = rest.split_at(pieces);
    let mut slots: Slots = [FieldSlot::default(); FIELDS_MAX];
    let whole = ResponseParser::default().parse(bytes, &mut slots);
    for simd in Simd::ALL {
        for cuts in [&[], cuts] {
            let Some((answer, its_slots)) = in_pieces(simd, bytes, cuts) else { continue };
            assert_eq!(answer, whole, "{simd:?}");
            if let Ok(Some(_)) = answer {
                assert_eq!(its_slots, slots, "{simd:?}");
            }
        }
    }
    if let Ok(Some(head)) = whole {
        check(&head, bytes, &slots);
    }
});

/// The same bytes, arriving at places that the cuts say; `None` if the processor does not have the instructions.
fn in_pieces(simd: Simd, bytes: &[u8], cuts: &[u8]) -> Option<Answer> {
    let mut slots: Slots = [FieldSlot::default(); FIELDS_MAX];
    let mut parser = ResponseParser::default();
    let mut end = 0;
    for cut in cuts {
        end = (end + usize::from(*cut)).min(bytes.len());
        match parser.parse_with(simd, &bytes[..end], &mut slots)? {
            Ok(None) => {}
            result => return Some((again(parser, simd, bytes, result), slots)),
        }
    }
    let result = parser.parse_with(simd, bytes, &mut slots)?;
    Some((again(parser, simd, bytes, result), slots))
}

/// What a parser has refused, it refuses again.
fn again(mut parser: ResponseParser, simd: Simd, bytes: &[u8], result: Result<Option<ReceivedHead>, BadResponse>) -> Result<Option<ReceivedHead>, BadResponse> {
    if result.is_err() {
        let second = parser.parse_with(simd, bytes, &mut [FieldSlot::default(); FIELDS_MAX]);
        assert_eq!(second, Some(result));
    }
    result
}

fn check(head: &ReceivedHead, bytes: &[u8], slots: &Slots) {
    assert!(head.len() <= bytes.len() && bytes[..head.len()].ends_with(b"\r\n\r\n"));
    let view = head.view(bytes, slots);
    assert!((100..1000).contains(&view.status().as_u16()));
    assert!(!view.reason().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    for (name, value) in view.fields() {
        assert!(!name.is_empty() && view.field(name).is_some());
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert!(value.trim_ascii().len() == value.len());
    }
}

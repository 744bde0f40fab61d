//! The request parser and the framing rules under arbitrary bytes.
//!
//! The first byte of the input says in how many pieces the rest arrives, the next ones say where they end. Whatever
//! the pieces, the parser must come to the same result as with all bytes at once; what it accepts must be consistent
//! with itself, and its framing must not depend on what follows the head. Nothing may panic; debug assertions watch
//! the cursor's invariant, the address sanitizer its reads.
#![no_main]

use filch_http::proto::limits::FIELDS_MAX;
use filch_http::proto::{FieldSlot, Framing, Head, Refusal, RequestParser};
use libfuzzer_sys::fuzz_target;

type Slots = [FieldSlot; FIELDS_MAX];

fuzz_target!(|input: &[u8]| {
    let Some((&pieces, rest)) = input.split_first() else { return };
    let pieces = usize::from(pieces % 16).min(rest.len());
    let (cuts, bytes) = rest.split_at(pieces);
    let mut slots: Slots = [FieldSlot::default(); FIELDS_MAX];
    let whole = RequestParser::default().parse(bytes, &mut slots);
    assert_eq!(in_pieces(bytes, cuts), whole);
    if let Ok(Some(head)) = whole {
        check(&head, bytes, &slots);
    }
});

/// The same bytes, arriving at places that the cuts say.
fn in_pieces(bytes: &[u8], cuts: &[u8]) -> Result<Option<Head>, Refusal> {
    let mut slots: Slots = [FieldSlot::default(); FIELDS_MAX];
    let mut parser = RequestParser::default();
    let mut end = 0;
    for cut in cuts {
        end = (end + usize::from(*cut)).min(bytes.len());
        match parser.parse(&bytes[..end], &mut slots) {
            Ok(None) => {}
            result => return result,
        }
    }
    parser.parse(bytes, &mut slots)
}

fn check(head: &Head, bytes: &[u8], slots: &Slots) {
    assert!(head.len() <= bytes.len() && bytes[..head.len()].ends_with(b"\r\n\r\n"));
    let view = head.view(bytes, slots);
    assert!(!view.method().is_empty() && !view.target().is_empty());
    assert!(view.target().starts_with(view.path()) || view.target().contains("://"));
    for (name, value) in view.fields() {
        assert!(!name.is_empty() && view.field(name).is_some());
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert!(value.trim_ascii().len() == value.len());
    }
    let alone = head.view(&bytes[..head.len()], slots);
    assert_eq!(Framing::of(&view, 1 << 20), Framing::of(&alone, 1 << 20));
}

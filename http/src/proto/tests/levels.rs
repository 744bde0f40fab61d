//! Do wide instructions say what plain ones say, however the bytes arrive?
//!
//! [`assert_one_answer`] is asked by the other tests too: a head is parsed at every level that the processor has, whole,
//! cut once at each place, and byte by byte, and all must come to one result.

use super::super::{FieldSlot, Framing, RequestParser, ResponseParser, Simd};
use super::corpus::{BAD_REQUESTS, BAD_RESPONSES, GOOD_REQUESTS, GOOD_RESPONSES};
use super::{Slots, slots};
use proptest::prelude::*;
use std::fmt::Debug;

/// A parser of either kind, to be asked at one level.
pub(super) trait Parser: Default {
    /// Where everything is, or why not.
    type Answer: PartialEq + Debug;

    /// `None` where the processor does not have the level.
    fn ask(&mut self, simd: Simd, bytes: &[u8], slots: &mut Slots) -> Option<Self::Answer>;
    fn wants_more(answer: &Self::Answer) -> bool;
    fn is_refusal(answer: &Self::Answer) -> bool;
}

macro_rules! parser {
    ($parser:ty, $head:ty, $error:ty) => {
        impl Parser for $parser {
            type Answer = Result<Option<($head, Vec<FieldSlot>)>, $error>;

            fn ask(&mut self, simd: Simd, bytes: &[u8], slots: &mut Slots) -> Option<Self::Answer> {
                let head = self.parse_with(simd, bytes, slots)?;
                Some(head.map(|head| {
                    head.map(|head| {
                        let count = head.view(bytes, slots).fields().len();
                        (head, slots[..count].to_vec())
                    })
                }))
            }

            fn wants_more(answer: &Self::Answer) -> bool {
                matches!(answer, Ok(None))
            }

            fn is_refusal(answer: &Self::Answer) -> bool {
                answer.is_err()
            }
        }
    };
}

parser!(RequestParser, super::super::Head, super::super::Refusal);
parser!(
    ResponseParser,
    super::super::ReceivedHead,
    super::super::BadResponse
);

/// Gives a parser the first `cuts[0]` bytes, then the first `cuts[1]`, and so on, then all. What it refuses, it must refuse again,
/// whether more has come or not.
fn in_pieces<P: Parser>(simd: Simd, bytes: &[u8], cuts: &[usize]) -> Option<P::Answer> {
    let mut parser = P::default();
    let mut slots = slots();
    for cut in cuts.iter().chain([&bytes.len()]) {
        let answer = parser.ask(simd, &bytes[..*cut], &mut slots)?;
        if P::is_refusal(&answer) {
            for again in [*cut, bytes.len()] {
                let second = parser.ask(simd, &bytes[..again], &mut slots)?;
                assert_eq!(second, answer, "{:?}", String::from_utf8_lossy(bytes));
            }
        }
        if !P::wants_more(&answer) {
            return Some(answer);
        }
    }
    parser.ask(simd, bytes, &mut slots)
}

fn assert_cut<P: Parser>(bytes: &[u8], cuts: &[usize], expected: &P::Answer) {
    for simd in Simd::ALL {
        if let Some(answer) = in_pieces::<P>(simd, bytes, cuts) {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(answer, *expected, "{simd:?}, cut at {cuts:?}: {text:?}");
        }
    }
}

/// One result at every level, for the whole, for each way to cut it in two, and byte by byte.
pub(super) fn assert_one_answer<P: Parser>(bytes: &[u8]) {
    let expected = in_pieces::<P>(Simd::Portable, bytes, &[]).expect("every processor has it");
    for cut in 0..=bytes.len() {
        assert_cut::<P>(bytes, &[cut], &expected);
    }
    let every_byte: Vec<usize> = (0..=bytes.len()).collect();
    assert_cut::<P>(bytes, &every_byte, &expected);
}

#[test]
fn on_the_corpus() {
    for request in GOOD_REQUESTS.iter().chain(BAD_REQUESTS) {
        assert_one_answer::<RequestParser>(request);
    }
    for response in GOOD_RESPONSES.iter().chain(BAD_RESPONSES) {
        assert_one_answer::<ResponseParser>(response);
    }
}

/// Every place of a line's parts in a block, and what lies across the end of one.
#[test]
fn on_parts_of_every_length() {
    let expected = |bytes: &[u8]| {
        in_pieces::<RequestParser>(Simd::Portable, bytes, &[]).expect("every processor has it")
    };
    for len in 1..=100 {
        let long = "l".repeat(len);
        for head in [
            format!("GET /{long} HTTP/1.1\r\nA: b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{long}: b\r\nA: b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{long}:b\r\nA: b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nA: {long}\r\nA: b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nA: {long}\0\r\nA: b\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nA: {long} \t\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nA:{}b\r\n\r\n", " ".repeat(len)),
            format!("GET / HTTP/1.1\r\nA: b{}\r\n\r\n", "\t".repeat(len)),
        ] {
            let bytes = head.as_bytes();
            let expected = expected(bytes);
            assert_cut::<RequestParser>(bytes, &[], &expected);
            assert_cut::<RequestParser>(bytes, &[16 + len], &expected);
        }
    }
}

/// Mostly heads, with whatever they are not.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"GET / HTTP/1.1\r\n".to_vec()),
        4 => Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        4 => "[a-z-]{1,40}: ?[ -~]{0,80}\r\n".prop_map(String::into_bytes),
        2 => Just(b"Host: a\r\n".to_vec()),
        1 => Just(b"Content-Length: 5\r\n".to_vec()),
        1 => Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        1 => Just(b"GET http://a".to_vec()),
        1 => Just(b"HTTP/1.".to_vec()),
        1 => Just(b"A: b".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => "[\r\n\t :/]".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The same in fewer bytes, so that every split can be tried.
fn nearly_short() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"GET / HTTP/1.1\r\n"[..]),
        2 => Just(&b"HTTP/1.1 200 OK\r\n"[..]),
        4 => Just(&b"Host: a\r\n"[..]),
        4 => Just(&b"\r\n"[..]),
        1 => Just(&b"GET /?"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\t"[..]),
        1 => Just(&b":"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\xFF\x80"[..]),
        1 => Just(&b"A: b"[..]),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn on_anything(bytes in nearly(), mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let expected = in_pieces::<RequestParser>(Simd::Portable, &bytes, &[]).expect("it is everywhere");
        assert_cut::<RequestParser>(&bytes, &[], &expected);
        assert_cut::<RequestParser>(&bytes, &cuts, &expected);
        let expected = in_pieces::<ResponseParser>(Simd::Portable, &bytes, &[]).expect("it is everywhere");
        assert_cut::<ResponseParser>(&bytes, &[], &expected);
        assert_cut::<ResponseParser>(&bytes, &cuts, &expected);
    }

    #[test]
    fn every_split_of_anything(bytes in nearly_short()) {
        assert_one_answer::<RequestParser>(&bytes);
        assert_one_answer::<ResponseParser>(&bytes);
    }

    /// What is accepted can be looked at and framed, and nothing behind its end was looked at.
    #[test]
    fn what_is_accepted_can_be_used(bytes in nearly()) {
        let mut slots = slots();
        if let Ok(Some(head)) = RequestParser::default().parse(&bytes, &mut slots) {
            let view = head.view(&bytes, &slots);
            let _ = (view.method(), view.path(), view.query(), Framing::of(&view, 100));
            let alone = RequestParser::default().parse(&bytes[..head.len()], &mut slots);
            prop_assert_eq!(alone, Ok(Some(head)));
        }
    }
}

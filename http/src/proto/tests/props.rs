//! What holds for every input: the result does not depend on how the bytes were split, and nothing panics.

use super::super::{Framing, Head, Refusal, RequestParser};
use super::{Slots, slots};
use proptest::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn seen(
    parser: &mut RequestParser,
    bytes: &[u8],
    slots: &mut Slots,
) -> Result<Option<(Head, Fields)>, Refusal> {
    Ok(parser.parse(bytes, slots)?.map(|head| {
        let fields = head
            .view(bytes, slots)
            .fields()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        (head, fields)
    }))
}

fn at_once(bytes: &[u8]) -> Result<Option<(Head, Fields)>, Refusal> {
    seen(&mut RequestParser::default(), bytes, &mut slots())
}

/// Gives the parser the first `cuts[0]` bytes, then the first `cuts[1]`, and so on, then all.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Option<(Head, Fields)>, Refusal> {
    let mut parser = RequestParser::default();
    let mut slots = slots();
    for cut in cuts {
        let result = seen(&mut parser, &bytes[..*cut], &mut slots);
        if !matches!(result, Ok(None)) {
            return result;
        }
    }
    seen(&mut parser, bytes, &mut slots)
}

fn assert_every_split_agrees(bytes: &[u8]) {
    let whole = at_once(bytes);
    for cut in 0..=bytes.len() {
        assert_eq!(
            in_pieces(bytes, &[cut]),
            whole,
            "cut at {cut}: {:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    let every_byte: Vec<usize> = (0..=bytes.len()).collect();
    assert_eq!(
        in_pieces(bytes, &every_byte),
        whole,
        "byte by byte: {:?}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn every_split_of_these_agrees() {
    for bytes in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nPOST /a?b HTTP/1.0\r\nA:\r\nB: \t \r\nC: \t d \te \r\n\r\nrest",
        "GET / HTTP/1.1\r\nA: b\n\r\n",
        "GET / HTTP/1.1\r\nA: \r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/3.1\r\n\r\n",
        "GET / HTXP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET /a\0 HTTP/1.1\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\nA\0",
        "GET / HTTP/1.1\r\nA: b\0",
        "GET / HTTP/1.1\r\n: b",
    ] {
        assert_every_split_agrees(bytes.as_bytes());
    }
}

/// Bytes of which most arrangements come near to being a request.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"GET / HTTP/1.1\r\n"[..]),
        4 => Just(&b"Host: a\r\n"[..]),
        2 => Just(&b"Content-Length: 5\r\n"[..]),
        1 => Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        4 => Just(&b"\r\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"\t"[..]),
        1 => Just(&b":"[..]),
        1 => Just(&b"\0"[..]),
        1 => Just(&b"\xFF\x80"[..]),
        1 => Just(&b"HTTP/1."[..]),
        1 => Just(&b"http://a"[..]),
        1 => Just(&b"A: b"[..]),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_split_agrees(bytes in nearly()) {
        assert_every_split_agrees(&bytes);
    }

    #[test]
    fn random_splits_agree(bytes in nearly(), mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(in_pieces(&bytes, &cuts), at_once(&bytes));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = at_once(&bytes);
    }

    /// What is accepted can be looked at and framed, and nothing behind its end was looked at.
    #[test]
    fn what_is_accepted_can_be_used(bytes in nearly()) {
        let mut slots = slots();
        if let Ok(Some(head)) = RequestParser::default().parse(&bytes, &mut slots) {
            let view = head.view(&bytes, &slots);
            let _ = (view.method(), view.path(), view.query(), Framing::of(&view, 100));
            prop_assert_eq!(at_once(&bytes[..head.len()]), at_once(&bytes));
        }
    }
}

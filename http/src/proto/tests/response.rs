//! Tests of the response parser: against the RFC's grammar, our limits, and httparse.

use super::super::limits::{FIELD_NAME_MAX_BYTES, FIELDS_MAX, HEAD_MAX_BYTES};
use super::super::{BadResponse, Limits, ReceivedHead, ResponseParser, Version};
use super::corpus::{BAD_RESPONSES, GOOD_RESPONSES};
use super::levels::assert_one_answer;
use super::{Slots, ends_within_a_version, slots};
use proptest::prelude::*;

fn parse(bytes: impl AsRef<[u8]>) -> Result<Option<ReceivedHead>, BadResponse> {
    ResponseParser::default().parse(bytes.as_ref(), &mut slots())
}

/// The refusal of a response whose status line is plain and whose fields are these.
fn refusal_of_fields(fields: impl AsRef<[u8]>) -> Option<BadResponse> {
    let bytes = [b"HTTP/1.1 200 OK\r\n", fields.as_ref(), b"\r\n"].concat();
    parse(bytes).err()
}

#[test]
fn a_whole_head() {
    let bytes = b"HTTP/1.0 404 Not Found\r\nServer: s\r\nX:\r\n\r\nBODY";
    let mut slots = slots();
    let head = ResponseParser::default()
        .parse(bytes, &mut slots)
        .expect("good")
        .expect("whole");
    assert_eq!((head.len(), head.is_empty()), (bytes.len() - 4, false));
    let view = head.view(bytes, &slots);
    assert_eq!(
        (view.version(), view.status().as_u16(), view.reason()),
        (Version::Http10, 404, &b"Not Found"[..])
    );
    let fields: Vec<_> = view.fields().collect();
    assert_eq!(fields, [("Server", &b"s"[..]), ("X", b"")]);
    assert_eq!(
        (view.field("sERVER"), view.field("y")),
        (Some(&b"s"[..]), None)
    );
    assert!(format!("{view:?}").contains("404"));
}

#[test]
fn a_parser_is_used_again() {
    let mut parser = ResponseParser::default();
    let mut slots = slots();
    for (bytes, status) in [
        (&b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"[..], 204),
        (b"HTTP/1.0 500 \r\n\r\n", 500),
    ] {
        assert_eq!(parser.parse(&bytes[..15], &mut slots), Ok(None));
        let head = parser.parse(bytes, &mut slots).expect("good");
        let head = head.expect("whole");
        assert_eq!(head.view(bytes, &slots).status(), status);
        parser.reset();
    }
}

/// RFC 9112, section 2.3.
#[test]
fn section_2_3_versions() {
    for (bytes, refusal) in [
        ("HTTP/2.0 200 OK\r\n\r\n", BadResponse::VersionUnsupported),
        ("HTTP/1.2 200 OK\r\n\r\n", BadResponse::VersionUnsupported),
        ("HTTP/2 200\r\n\r\n", BadResponse::Version),
        ("http/1.1 200 OK\r\n\r\n", BadResponse::Version),
        ("ICY 200 OK\r\n\r\n", BadResponse::Version),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", BadResponse::Version),
        ("<", BadResponse::Version),
        ("HTTP/1.1\r\n", BadResponse::Status),
    ] {
        assert_eq!(parse(bytes), Err(refusal), "{bytes}");
    }
}

/// RFC 9112, section 4; RFC 9110, section 15.
#[test]
fn section_4_status() {
    for number in 0..=999 {
        let parsed = parse(format!("HTTP/1.1 {number:03} X\r\n\r\n"));
        if number < 100 {
            assert_eq!(parsed, Err(BadResponse::Status), "{number}");
        } else {
            let bytes = format!("HTTP/1.1 {number:03} X\r\n\r\n");
            let head = parsed.expect("good").expect("whole");
            assert_eq!(head.view(bytes.as_bytes(), &slots()).status(), number);
        }
    }
    for bad in ["+20", "2a0", " 20", "20 ", "-12", "0x1", "\u{b2}0"] {
        let bytes = format!("HTTP/1.1 {bad} X\r\n\r\n");
        assert_eq!(parse(&bytes), Err(BadResponse::Status), "{bad}");
    }
    for bad in [
        "HTTP/1.1 2000\r\n\r\n",
        "HTTP/1.1 200\tOK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
    ] {
        assert_eq!(parse(bad), Err(BadResponse::Status), "{bad}");
    }
}

/// RFC 9112, section 4.
#[test]
fn section_4_reason() {
    for byte in 0..=u8::MAX {
        let bytes = [b"HTTP/1.1 200 a", &[byte][..], b"b\r\n\r\n"].concat();
        let expected = match byte {
            b'\t' | 0x20..=0x7E | 0x80.. => None,
            b'\r' | b'\n' => Some(BadResponse::LineEnd),
            _ => Some(BadResponse::Reason),
        };
        assert_eq!(parse(bytes).err(), expected, "{byte:#x}");
    }
    for (line, reason) in [("200 \r\n", ""), ("200\r\n", ""), ("200  a \r\n", " a ")] {
        let bytes = format!("HTTP/1.1 {line}\r\n");
        let head = parse(&bytes).expect("good").expect("whole");
        let slots = slots();
        let view = head.view(bytes.as_bytes(), &slots);
        assert_eq!(view.reason(), reason.as_bytes(), "{line:?}");
    }
}

/// RFC 9112, section 5.
#[test]
fn section_5_fields() {
    for (fields, refusal) in [
        ("A : b\r\n", BadResponse::FieldName),
        (": b\r\n", BadResponse::FieldName),
        (" A: b\r\n", BadResponse::FieldName),
        ("A: b\r\n c\r\n", BadResponse::Fold),
        ("A: \0\r\n", BadResponse::FieldValue),
        ("A: b\n", BadResponse::LineEnd),
        ("A: b\rc\r\n", BadResponse::LineEnd),
    ] {
        assert_eq!(refusal_of_fields(fields), Some(refusal), "{fields:?}");
    }
}

#[test]
fn the_longest_field_name() {
    let with = |len: usize| refusal_of_fields("n".repeat(len) + ": v\r\n");
    assert_eq!(with(FIELD_NAME_MAX_BYTES - 1), None);
    assert_eq!(with(FIELD_NAME_MAX_BYTES), None);
    assert_eq!(
        with(FIELD_NAME_MAX_BYTES + 1),
        Some(BadResponse::HeadTooLarge)
    );
}

#[test]
fn the_most_fields() {
    let with = |count: usize| refusal_of_fields("A: b\r\n".repeat(count));
    assert_eq!(with(FIELDS_MAX - 1), None);
    assert_eq!(with(FIELDS_MAX), None);
    assert_eq!(with(FIELDS_MAX + 1), Some(BadResponse::TooManyFields));
}

#[test]
fn the_longest_head() {
    let with = |len: usize, reason: bool| {
        let frame = "HTTP/1.1 200 \r\n\r\n".len() + if reason { 0 } else { "A:\r\n".len() };
        let long = "v".repeat(len - frame);
        parse(match reason {
            true => format!("HTTP/1.1 200 {long}\r\n\r\n"),
            false => format!("HTTP/1.1 200 \r\nA:{long}\r\n\r\n"),
        })
    };
    for reason in [true, false] {
        assert!(matches!(with(HEAD_MAX_BYTES - 1, reason), Ok(Some(_))));
        assert!(matches!(with(HEAD_MAX_BYTES, reason), Ok(Some(_))));
        let more = with(HEAD_MAX_BYTES + 1, reason);
        assert_eq!(more, Err(BadResponse::HeadTooLarge));
    }
}

#[test]
fn a_client_may_accept_less_but_not_more() {
    let bytes = b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
    let with = |head_bytes, fields| {
        let limits = Limits {
            head_bytes,
            fields,
            ..Limits::DEFAULT
        };
        ResponseParser::new(limits).parse(bytes, &mut slots())
    };
    assert!(matches!(with(bytes.len(), 2), Ok(Some(_))));
    assert!(matches!(with(usize::MAX, usize::MAX), Ok(Some(_))));
    assert_eq!(with(bytes.len() - 1, 2), Err(BadResponse::HeadTooLarge));
    assert_eq!(with(bytes.len(), 1), Err(BadResponse::TooManyFields));
}

/// What comes in single bytes costs no scan of what came before.
#[test]
fn nothing_long_is_read_again() {
    for begin in [
        "HTTP/1.1 200 ",
        "HTTP/1.1 200 OK\r\nA: ",
        "HTTP/1.1 200 OK\r\nA",
    ] {
        let mut parser = ResponseParser::default();
        let mut bytes = begin.as_bytes().to_vec();
        for _ in 0..1000 {
            bytes.push(b'v');
            assert_eq!(parser.parse(&bytes, &mut slots()), Ok(None));
            assert_eq!(parser.resumes_at(), bytes.len(), "{begin:?}");
        }
    }
}

/// What both parsers can say about a head.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole {
        minor: u8,
        status: u16,
        reason: Vec<u8>,
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        len: usize,
    },
    Partial,
    Refused(Option<BadResponse>),
}

fn ours(bytes: &[u8]) -> Outcome {
    let mut slots: Slots = slots();
    match ResponseParser::default().parse(bytes, &mut slots) {
        Ok(None) => Outcome::Partial,
        Err(refusal) => Outcome::Refused(Some(refusal)),
        Ok(Some(head)) => {
            let view = head.view(bytes, &slots);
            Outcome::Whole {
                minor: u8::from(view.version() == Version::Http11),
                status: view.status().as_u16(),
                // Theirs is text, and empty where it would not be.
                reason: if view.reason().is_ascii() {
                    view.reason().into()
                } else {
                    Vec::new()
                },
                fields: view
                    .fields()
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
                len: head.len(),
            }
        }
    }
}

fn theirs(bytes: &[u8]) -> Outcome {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) => Outcome::Partial,
        Err(_) => Outcome::Refused(None),
        Ok(httparse::Status::Complete(len)) => Outcome::Whole {
            minor: response.version.expect("whole"),
            status: response.code.expect("whole"),
            reason: response.reason.expect("whole").into(),
            fields: response
                .headers
                .iter()
                .map(|h| (h.name.into(), h.value.into()))
                .collect(),
            len,
        },
    }
}

/// Equal, or one of the differences that the documentation of [`response`](super::super::response) lists.
fn assert_agree(bytes: &[u8]) {
    let (ours, theirs) = (ours(bytes), theirs(bytes));
    let is_listed = match (&ours, &theirs) {
        (Outcome::Refused(_), Outcome::Refused(_)) => true,
        (Outcome::Refused(Some(refusal)), _) => match refusal {
            BadResponse::LineEnd => bytes.contains(&b'\n'),
            // Before the status line; and what cannot become a version any more, before its eighth byte.
            BadResponse::Version => true,
            BadResponse::Status => bytes[9..].starts_with(b"0"),
            _ => false,
        },
        (Outcome::Partial, Outcome::Refused(_)) => ends_within_a_version(bytes),
        _ => ours == theirs,
    };
    let text = String::from_utf8_lossy(bytes);
    assert!(is_listed, "{ours:?} but {theirs:?}: {text:?}");
}

#[test]
fn the_corpus_is_good_or_bad() {
    for bytes in GOOD_RESPONSES {
        let text = String::from_utf8_lossy(bytes);
        assert!(matches!(ours(bytes), Outcome::Whole { .. }), "{text:?}");
    }
    for bytes in BAD_RESPONSES {
        let text = String::from_utf8_lossy(bytes);
        assert!(matches!(ours(bytes), Outcome::Refused(_)), "{text:?}");
    }
}

#[test]
fn equal_on_the_corpus_and_every_beginning_of_it() {
    for bytes in GOOD_RESPONSES.iter().chain(BAD_RESPONSES) {
        for end in 0..=bytes.len() {
            assert_agree(&bytes[..end]);
        }
    }
}

#[test]
fn difference_1_bare_lf() {
    for bytes in [
        &b"HTTP/1.1 200 OK\n\n"[..],
        b"HTTP/1.1 200\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\n\r\n",
        b"HTTP/1.1 200 OK\r\n\n",
    ] {
        assert!(matches!(theirs(bytes), Outcome::Whole { .. }));
        assert_eq!(ours(bytes), Outcome::Refused(Some(BadResponse::LineEnd)));
    }
}

#[test]
fn difference_2_empty_lines() {
    for bytes in [
        &b"\r\nHTTP/1.1 200 OK\r\n\r\n"[..],
        b"\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        assert!(matches!(theirs(bytes), Outcome::Whole { .. }));
        assert_eq!(ours(bytes), Outcome::Refused(Some(BadResponse::Version)));
    }
}

#[test]
fn difference_3_status_below_100() {
    for bytes in [&b"HTTP/1.1 099 X\r\n\r\n"[..], b"HTTP/1.1 000\r\n\r\n"] {
        assert!(matches!(theirs(bytes), Outcome::Whole { .. }));
        assert_eq!(ours(bytes), Outcome::Refused(Some(BadResponse::Status)));
    }
}

#[test]
fn difference_4_limits() {
    for bytes in [
        format!("HTTP/1.1 200 OK\r\n{}: b\r\n\r\n", "n".repeat(1025)),
        format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "v".repeat(65536)),
    ] {
        assert!(matches!(theirs(bytes.as_bytes()), Outcome::Whole { .. }));
        let refused = Outcome::Refused(Some(BadResponse::HeadTooLarge));
        assert_eq!(ours(bytes.as_bytes()), refused);
    }
}

/// Well-formed heads.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || {
        let byte = prop_oneof![8 => 0x20u8..0x7F, 1 => Just(b'\t'), 1 => 0x80u8..=0xFF];
        proptest::collection::vec(byte, 0..60)
    };
    let field = (
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
        "[ \t]{0,3}",
        bytes(),
        "[ \t]{0,3}",
    );
    let reason = prop_oneof![1 => Just(None), 4 => bytes().prop_map(Some)];
    let fields = proptest::collection::vec(field, 0..12);
    (0..2u8, 100..1000u16, reason, fields).prop_map(|(minor, status, reason, fields)| {
        let mut head = format!("HTTP/1.{minor} {status}").into_bytes();
        if let Some(reason) = reason {
            head.push(b' ');
            head.extend_from_slice(&reason);
        }
        head.extend_from_slice(b"\r\n");
        for (name, before, value, after) in fields {
            head.extend_from_slice(format!("{name}:{before}").as_bytes());
            head.extend_from_slice(&value);
            head.extend_from_slice(format!("{after}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    })
}

proptest! {
    #[test]
    fn equal_on_well_formed_heads(bytes in head()) {
        prop_assert!(matches!(ours(&bytes), Outcome::Whole { .. }), "{:?}", ours(&bytes));
        assert_agree(&bytes);
    }

    /// One byte replaced, inserted or removed, and the rest perhaps not there yet.
    #[test]
    fn equal_on_mutated_heads(
        mut bytes in head(), at: prop::sample::Index, byte: u8, how in 0..3u8, cut: prop::sample::Index,
    ) {
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        assert_agree(&bytes);
        assert_agree(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn every_split_agrees(bytes in "HTTP/1[.][01] 2[0-9]{1,2}[ \r\n\taA]{0,3}(\r\n|\r|\n|A|:|: ?b|\0){0,8}") {
        assert_one_answer::<ResponseParser>(bytes.as_bytes());
    }
}

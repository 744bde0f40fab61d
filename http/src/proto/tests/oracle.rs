//! The parser against httparse: equal results on well-formed and mutated heads, but for the differences that the
//! documentation of [`request`](super::super::request) lists. Each of those has a test here.

use super::super::limits::{
    EMPTY_LINES_MAX, FIELD_NAME_MAX_BYTES, HEAD_MAX_BYTES, METHOD_MAX_BYTES, TARGET_MAX_BYTES,
};
use super::super::{FieldSlot, Refusal, RequestParser, Version};
use super::corpus::{BAD_REQUESTS, GOOD_REQUESTS};
use super::{Slots, ends_within_a_version, slots};
use proptest::prelude::*;

/// What both parsers can say about a head.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole {
        method: Vec<u8>,
        target: Vec<u8>,
        minor: u8,
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        len: usize,
    },
    Partial,
    Refused(Option<Refusal>),
}

fn ours(bytes: &[u8]) -> Outcome {
    let mut slots: Slots = slots();
    match RequestParser::default().parse(bytes, &mut slots) {
        Ok(None) => Outcome::Partial,
        Err(refusal) => Outcome::Refused(Some(refusal)),
        Ok(Some(head)) => {
            let view = head.view(bytes, &slots);
            Outcome::Whole {
                method: view.method().into(),
                target: view.target().into(),
                minor: u8::from(view.version() == Version::Http11),
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
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => Outcome::Partial,
        Err(_) => Outcome::Refused(None),
        Ok(httparse::Status::Complete(len)) => Outcome::Whole {
            method: request.method.expect("whole").into(),
            target: request.path.expect("whole").into(),
            minor: request.version.expect("whole"),
            fields: request
                .headers
                .iter()
                .map(|h| (h.name.into(), h.value.into()))
                .collect(),
            len,
        },
    }
}

/// Equal, or one of the listed differences.
fn assert_agree(bytes: &[u8]) {
    let (ours, theirs) = (ours(bytes), theirs(bytes));
    match (&ours, &theirs) {
        (Outcome::Refused(_), Outcome::Refused(_)) => {}
        (Outcome::Refused(Some(refusal)), _) => {
            assert!(
                is_listed(*refusal, bytes),
                "{refusal:?} but {theirs:?}: {:?}",
                String::from_utf8_lossy(bytes)
            );
        }
        (Outcome::Partial, Outcome::Refused(_)) if ends_within_a_version(bytes) => {}
        // httparse says that a version is bad once it is whole; a value's bad byte in the end of its window later.
        _ => assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// Whether the list of differences covers this refusal of what httparse accepts or waits for: whether what it names is in the bytes.
fn is_listed(refusal: Refusal, bytes: &[u8]) -> bool {
    let line = request_line(bytes);
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next());
    match refusal {
        Refusal::LineEnd => bytes.contains(&b'\n'),
        Refusal::EmptyLines => bytes.starts_with(&b"\r\n".repeat(EMPTY_LINES_MAX + 1)),
        // An empty line that ends in LF alone.
        Refusal::Method => {
            let lines = bytes.split(|byte| *byte == b'\n');
            let before: Vec<&[u8]> = lines
                .take_while(|line| line.is_empty() || *line == b"\r")
                .collect();
            before.iter().any(|line| line.is_empty())
        }
        Refusal::MethodTooLong => method.len() > METHOD_MAX_BYTES,
        Refusal::TargetTooLong => target.is_some_and(|target| target.len() > TARGET_MAX_BYTES),
        Refusal::Target => target.is_some_and(|target| {
            let has_form = |form: &[u8]| target.starts_with(form);
            target
                .iter()
                .any(|byte| *byte >= 0x80 || b"\"#<>`".contains(byte))
                || (method == b"CONNECT" || !has_form(b"/"))
        }),
        Refusal::HeadTooLarge => {
            let names = bytes.split(|byte| *byte == b'\n');
            let longest = names.map(|line| {
                line.split(|byte| *byte == b':')
                    .next()
                    .unwrap_or_default()
                    .len()
            });
            bytes.len() >= HEAD_MAX_BYTES || longest.max() > Some(FIELD_NAME_MAX_BYTES)
        }
        // What cannot become a version any more is refused before its eighth byte: there the bytes end.
        Refusal::Version => {
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            bytes.ends_with(line) && version.len() < b"HTTP/1.1".len()
        }
        _ => false,
    }
}

/// The first line that is not empty, as far as it is there.
fn request_line(bytes: &[u8]) -> &[u8] {
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let line = &bytes[begin.unwrap_or(bytes.len())..];
    let end = line.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    &line[..end.unwrap_or(line.len())]
}

#[test]
fn the_corpus_is_good_or_bad() {
    for bytes in GOOD_REQUESTS {
        let text = String::from_utf8_lossy(bytes);
        assert!(matches!(ours(bytes), Outcome::Whole { .. }), "{text:?}");
    }
    for bytes in BAD_REQUESTS {
        let text = String::from_utf8_lossy(bytes);
        assert!(matches!(ours(bytes), Outcome::Refused(_)), "{text:?}");
    }
}

#[test]
fn equal_on_the_corpus_and_every_beginning_of_it() {
    for bytes in GOOD_REQUESTS.iter().chain(BAD_REQUESTS) {
        for end in 0..=bytes.len() {
            assert_agree(&bytes[..end]);
        }
    }
}

#[test]
fn difference_1_bare_lf() {
    for bytes in [
        &b"GET / HTTP/1.1\n\n"[..],
        b"GET / HTTP/1.1\r\nA: b\n\r\n",
        b"GET / HTTP/1.1\r\n\n",
    ] {
        assert!(matches!(theirs(bytes), Outcome::Whole { .. }));
        assert_eq!(ours(bytes), Outcome::Refused(Some(Refusal::LineEnd)));
    }
}

#[test]
fn difference_2_empty_lines() {
    let many = [b"\r\n".repeat(5), b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat();
    assert!(matches!(theirs(&many), Outcome::Whole { .. }));
    assert_eq!(ours(&many), Outcome::Refused(Some(Refusal::EmptyLines)));
    let bare = b"\nGET / HTTP/1.1\r\n\r\n";
    assert!(matches!(theirs(bare), Outcome::Whole { .. }));
    assert_eq!(ours(bare), Outcome::Refused(Some(Refusal::Method)));
}

#[test]
fn difference_3_target_bytes() {
    for target in ["/\u{e4}", "/\"", "/#a", "/<", "/>", "/`"] {
        let bytes = format!("GET {target} HTTP/1.1\r\n\r\n");
        assert!(
            matches!(theirs(bytes.as_bytes()), Outcome::Whole { .. }),
            "{target}"
        );
        assert_eq!(
            ours(bytes.as_bytes()),
            Outcome::Refused(Some(Refusal::Target)),
            "{target}"
        );
    }
}

#[test]
fn difference_4_target_forms() {
    for line in ["GET *", "GET a:1", "CONNECT /", "GET a", "GET ftp://a/"] {
        let bytes = format!("{line} HTTP/1.1\r\n\r\n");
        assert!(
            matches!(theirs(bytes.as_bytes()), Outcome::Whole { .. }),
            "{line}"
        );
        assert_eq!(
            ours(bytes.as_bytes()),
            Outcome::Refused(Some(Refusal::Target)),
            "{line}"
        );
    }
}

#[test]
fn difference_5_limits() {
    for (bytes, refusal) in [
        (
            format!("{} / HTTP/1.1\r\n\r\n", "M".repeat(33)),
            Refusal::MethodTooLong,
        ),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "t".repeat(8192)),
            Refusal::TargetTooLong,
        ),
        (
            format!("GET / HTTP/1.1\r\n{}: b\r\n\r\n", "n".repeat(1025)),
            Refusal::HeadTooLarge,
        ),
        (
            format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "v".repeat(65536)),
            Refusal::HeadTooLarge,
        ),
    ] {
        assert!(matches!(theirs(bytes.as_bytes()), Outcome::Whole { .. }));
        assert_eq!(ours(bytes.as_bytes()), Outcome::Refused(Some(refusal)));
    }
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}"
}

/// Well-formed heads.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let path = "/[!$%&'()*+,./0-9:;=?@A-Z_a-z~-]{0,60}";
    let host = "([0-9a-z][0-9a-z.-]{0,20}|\\[::1\\])";
    let line = prop_oneof![
        6 => (token(), path).prop_map(|(method, path)| match method.as_str() {
            "CONNECT" => format!("GET {path}"),
            _ => format!("{method} {path}"),
        }),
        1 => (token(), "(http|HTTPS)://", host, "(:[0-9]{0,5})?", "([/?][a-z?/]{0,20})?")
            .prop_map(|(method, scheme, host, port, rest)| match method.as_str() {
                "CONNECT" => format!("GET {scheme}{host}{port}{rest}"),
                _ => format!("{method} {scheme}{host}{port}{rest}"),
            }),
        1 => (host, 0..=65535u16).prop_map(|(host, port)| format!("CONNECT {host}:{port}")),
        1 => Just("OPTIONS *".to_owned()),
    ];
    let value =
        proptest::collection::vec(prop_oneof![Just(b'\t'), 0x20u8..0x7F, 0x80u8..=0xFF], 0..60);
    let spaces = "[ \t]{0,3}";
    let field = (token(), spaces, value, spaces);
    let fields = proptest::collection::vec(field, 0..12);
    (line, 0..2u8, fields, 0..3usize).prop_map(|(line, minor, fields, empty_lines)| {
        let mut bytes = b"\r\n".repeat(empty_lines);
        bytes.extend_from_slice(format!("{line} HTTP/1.{minor}\r\n").as_bytes());
        for (name, before, value, after) in fields {
            bytes.extend_from_slice(format!("{name}:{before}").as_bytes());
            bytes.extend_from_slice(&value);
            bytes.extend_from_slice(format!("{after}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    })
}

proptest! {
    #[test]
    fn equal_on_well_formed_heads(bytes in head()) {
        let ours = ours(&bytes);
        prop_assert!(matches!(ours, Outcome::Whole { .. }), "{ours:?}");
        prop_assert_eq!(ours, theirs(&bytes));
    }

    #[test]
    fn equal_on_every_beginning_of_one(bytes in head(), cut in any::<prop::sample::Index>()) {
        assert_agree(&bytes[..cut.index(bytes.len())]);
    }

    /// One byte replaced, inserted or removed: both refuse, both accept the same, or the difference is listed.
    #[test]
    fn equal_on_mutated_heads(mut bytes in head(), at in any::<prop::sample::Index>(), byte: u8, how in 0..3u8) {
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        assert_agree(&bytes);
    }
}

#[test]
fn a_slot_is_eight_bytes_where_theirs_is_32() {
    assert_eq!(
        size_of::<FieldSlot>() * 4,
        size_of::<httparse::Header<'_>>()
    );
}

//! The parser against httparse: equal results on well-formed and mutated heads, but for the differences that the
//! documentation of [`request`](super::super::request) lists. Each of those has a test here.

use super::super::{FieldSlot, Refusal, RequestParser, Version};
use super::{Slots, slots};
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
        // httparse says that a version is bad once it is whole; a value's bad byte in the end of its window later.
        _ => assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(bytes)),
    }
}

/// Whether the list of differences covers this refusal of what httparse accepts or waits for.
fn is_listed(refusal: Refusal, bytes: &[u8]) -> bool {
    match refusal {
        Refusal::LineEnd => bytes.contains(&b'\n'),
        Refusal::EmptyLines => bytes.starts_with(b"\r\n"),
        Refusal::Method => {
            bytes.first() == Some(&b'\n') || bytes.windows(2).any(|pair| pair == b"\n\n")
        }
        Refusal::Target
        | Refusal::TargetTooLong
        | Refusal::MethodTooLong
        | Refusal::HeadTooLarge => true,
        // What cannot become a version any more is refused before its eighth byte.
        Refusal::Version => true,
        _ => false,
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
    let target = "/[!$%&'()*+,./0-9:;=?@A-Z_a-z~-]{0,60}";
    let value =
        proptest::collection::vec(prop_oneof![Just(b'\t'), 0x20u8..0x7F, 0x80u8..=0xFF], 0..60);
    let spaces = "[ \t]{0,3}";
    let field = (token(), spaces, value, spaces);
    (
        token(),
        target,
        0..2u8,
        proptest::collection::vec(field, 0..12),
        0..3usize,
    )
        .prop_map(|(method, target, minor, fields, empty_lines)| {
            let method = if method == "CONNECT" {
                "GET".into()
            } else {
                method
            };
            let mut bytes = b"\r\n".repeat(empty_lines);
            bytes.extend_from_slice(format!("{method} {target} HTTP/1.{minor}\r\n").as_bytes());
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

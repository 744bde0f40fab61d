//! Tests of the request parser, filed by what they hold it against: the RFC's grammar and our limits here, another
//! parser in `oracle`, and in `levels` what must hold for every input: one answer, whatever the instructions and however the bytes
//! arrive. Those of the response parser are in `response`; both have their examples in `corpus`.

mod corpus;
mod levels;
mod oracle;
mod response;
mod tables;

use super::limits::{
    EMPTY_LINES_MAX, FIELD_NAME_MAX_BYTES, FIELDS_MAX, HEAD_MAX_BYTES, METHOD_MAX_BYTES,
    TARGET_MAX_BYTES,
};
use super::{FieldSlot, Head, Limits, Refusal, RequestParser, TargetForm, Version};

type Slots = [FieldSlot; FIELDS_MAX];

fn slots() -> Slots {
    [FieldSlot::default(); FIELDS_MAX]
}

fn parse(bytes: impl AsRef<[u8]>) -> Result<Option<Head>, Refusal> {
    RequestParser::default().parse(bytes.as_ref(), &mut slots())
}

/// Whether the last of these bytes are `HTTP/` and less than a version. We wait for all of it to say whether it is
/// malformed or only not spoken; httparse refuses what does not go on to be 1.0 or 1.1.
fn ends_within_a_version(bytes: &[u8]) -> bool {
    (5..8).any(|len| {
        let tail = bytes.len().checked_sub(len).map(|at| &bytes[at..]);
        tail.is_some_and(|tail| tail.starts_with(b"HTTP/"))
    })
}

/// The refusal of a request whose line is plain and whose fields are these.
fn refusal_of_fields(fields: impl AsRef<[u8]>) -> Option<Refusal> {
    let bytes = [b"GET / HTTP/1.1\r\n", fields.as_ref(), b"\r\n"].concat();
    parse(bytes).err()
}

/// The value of the one field of such a request.
fn value_of(field: &str) -> Vec<u8> {
    let bytes = format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
    let mut slots = slots();
    let head = RequestParser::default()
        .parse(bytes.as_bytes(), &mut slots)
        .expect("good")
        .expect("whole");
    head.view(bytes.as_bytes(), &slots)
        .fields()
        .next()
        .expect("one field")
        .1
        .to_vec()
}

#[test]
fn a_whole_head() {
    let bytes = b"POST /a?b=c HTTP/1.0\r\nHost: h\r\nX:\r\n\r\nBODY";
    let mut slots = slots();
    let head = RequestParser::default()
        .parse(bytes, &mut slots)
        .expect("good")
        .expect("whole");
    assert_eq!(head.len(), bytes.len() - 4);
    let view = head.view(bytes, &slots);
    assert_eq!(
        (view.method(), view.target(), view.version()),
        ("POST", "/a?b=c", Version::Http10)
    );
    assert_eq!(
        (view.path(), view.query(), view.form()),
        ("/a", Some("b=c"), TargetForm::Origin)
    );
    let fields: Vec<_> = view.fields().collect();
    assert_eq!(fields, [("Host", &b"h"[..]), ("X", b"")]);
    assert_eq!(
        (view.field("hOST"), view.field("y")),
        (Some(&b"h"[..]), None)
    );
}

/// RFC 9112, section 2.2.
#[test]
fn section_2_2_lines_end_in_crlf() {
    assert_eq!(parse("GET / HTTP/1.1\n\n"), Err(Refusal::LineEnd));
    assert_eq!(parse("GET / HTTP/1.1\r\r\n\r\n"), Err(Refusal::LineEnd));
    assert_eq!(parse("GET / HTTP/1.1\r\nA: b\n\r\n"), Err(Refusal::LineEnd));
    assert_eq!(
        parse("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
        Err(Refusal::LineEnd)
    );
    assert_eq!(parse("GET / HTTP/1.1\r\nA: b\r\n\n"), Err(Refusal::LineEnd));
    assert_eq!(
        parse("GET / HTTP/1.1\r\nA: b\r\n\rX"),
        Err(Refusal::LineEnd)
    );
    assert_eq!(parse("\nGET / HTTP/1.1\r\n\r\n"), Err(Refusal::Method));
    assert_eq!(parse("\rGET / HTTP/1.1\r\n\r\n"), Err(Refusal::LineEnd));
}

/// RFC 9112, section 2.2.
#[test]
fn section_2_2_empty_lines_before_a_request() {
    let with = |lines: usize| parse("\r\n".repeat(lines) + "GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(with(EMPTY_LINES_MAX - 1), Ok(Some(_))));
    assert!(matches!(with(EMPTY_LINES_MAX), Ok(Some(_))));
    assert_eq!(with(EMPTY_LINES_MAX + 1), Err(Refusal::EmptyLines));
}

/// RFC 9112, section 2.3.
#[test]
fn section_2_3_versions() {
    for (version, refusal) in [
        ("HTTP/2.0", Refusal::VersionUnsupported),
        ("HTTP/1.2", Refusal::VersionUnsupported),
        ("HTTP/0.9", Refusal::VersionUnsupported),
        ("HTTP/1.", Refusal::Version),
        ("HTTP/1", Refusal::Version),
        ("HTTP/11", Refusal::Version),
        ("http/1.1", Refusal::Version),
        ("HTTP/a.b", Refusal::Version),
        ("HTTPS/1.1", Refusal::Version),
        ("X", Refusal::Version),
        ("", Refusal::Version),
        (" HTTP/1.1", Refusal::Version),
        ("HTTP/1.10", Refusal::LineEnd),
        ("HTTP/1.1 ", Refusal::LineEnd),
    ] {
        assert_eq!(
            parse(format!("GET / {version}\r\nHost: a\r\n\r\n")),
            Err(refusal),
            "{version}"
        );
    }
    assert_eq!(
        parse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Err(Refusal::VersionUnsupported)
    );
    assert_eq!(parse("GET /\r\n"), Err(Refusal::Version));
}

/// RFC 9112, section 3.
#[test]
fn section_3_request_line() {
    assert_eq!(parse(" GET / HTTP/1.1\r\n\r\n"), Err(Refusal::Method));
    assert_eq!(parse("GET  / HTTP/1.1\r\n\r\n"), Err(Refusal::Target));
    assert_eq!(parse("GET /  HTTP/1.1\r\n\r\n"), Err(Refusal::Version));
    assert_eq!(parse("GET\t/ HTTP/1.1\r\n\r\n"), Err(Refusal::Method));
    assert_eq!(parse("GET /\tHTTP/1.1\r\n\r\n"), Err(Refusal::Target));
    assert_eq!(parse("GET\r\n\r\n"), Err(Refusal::Method));
    assert_eq!(parse("G\0T / HTTP/1.1\r\n\r\n"), Err(Refusal::Method));
    assert_eq!(parse("G:T / HTTP/1.1\r\n\r\n"), Err(Refusal::Method));
    assert_eq!(
        parse("\x16\x03\x01\x02"),
        Err(Refusal::Method),
        "a TLS client"
    );
    assert!(matches!(parse("M-SEARCH / HTTP/1.1\r\n\r\n"), Ok(Some(_))));
}

/// RFC 9112, section 3.2; RFC 3986, section 2.
#[test]
fn section_3_2_targets() {
    for byte in 0..=u8::MAX {
        let bytes = [b"GET /", &[byte][..], b" HTTP/1.1\r\n\r\n"].concat();
        let is_good = matches!(byte, 0x21..=0x7E) && !b"\"#<>`".contains(&byte);
        match parse(&bytes) {
            Ok(Some(_)) => assert!(is_good, "{byte:#x}"),
            Err(refusal) => {
                assert!(!is_good, "{byte:#x}");
                let expected = if matches!(byte, b' ' | b'\r' | b'\n') {
                    Refusal::Version
                } else {
                    Refusal::Target
                };
                assert_eq!(refusal, expected, "{byte:#x}");
            }
            Ok(None) => panic!("{byte:#x} is neither"),
        }
    }
}

/// Whatever the parser takes for a target, the `http` crate takes for a URI.
#[test]
fn targets_are_uris() {
    for byte in (0x21..=0x7E).filter(|byte| super::scan::is(*byte, super::scan::TARGET)) {
        let char = char::from(byte);
        for target in [
            format!("/{char}"),
            format!("/?{char}"),
            format!("http://a/{char}"),
            format!("http://a?{char}"),
        ] {
            assert!(target.parse::<http::Uri>().is_ok(), "{target}");
        }
    }
}

/// RFC 9112, section 5.1.
#[test]
fn section_5_1_names() {
    for bad in [
        "A : b",
        "A\t: b",
        ": b",
        "A",
        "A b: c",
        "A(: b",
        "\u{e4}: b",
        "A\0: b",
        "A\x7F: b",
    ] {
        assert_eq!(
            refusal_of_fields(format!("{bad}\r\n")),
            Some(Refusal::FieldName),
            "{bad}"
        );
    }
    assert_eq!(refusal_of_fields(" A: b\r\n"), Some(Refusal::FieldName));
    assert_eq!(refusal_of_fields("!#$%&'*+-.^_`|~09azAZ: b\r\n"), None);
}

/// RFC 9112, section 5.2.
#[test]
fn section_5_2_folding() {
    assert_eq!(refusal_of_fields("A: b\r\n c\r\n"), Some(Refusal::Fold));
    assert_eq!(refusal_of_fields("A: b\r\n\tc: d\r\n"), Some(Refusal::Fold));
}

/// RFC 9110, section 5.5.
#[test]
fn section_5_5_values() {
    for byte in 0..=u8::MAX {
        let expected = match byte {
            b'\t' | 0x20..=0x7E | 0x80.. => None,
            b'\r' | b'\n' => Some(Refusal::LineEnd),
            _ => Some(Refusal::FieldValue),
        };
        assert_eq!(
            refusal_of_fields([b"A: b", &[byte][..], b"c\r\n"].concat()),
            expected,
            "{byte:#x}"
        );
    }
}

/// RFC 9112, section 5.1.
#[test]
fn section_5_1_spaces_around_values() {
    assert_eq!(value_of("A:b"), b"b");
    assert_eq!(value_of("A: \t b \t "), b"b");
    assert_eq!(value_of("A: b \t c "), b"b \t c");
    assert_eq!(value_of("A:"), b"");
    assert_eq!(value_of("A: \t "), b"");
    assert_eq!(value_of("A: ::"), b"::");
}

#[test]
fn the_longest_method() {
    let with = |len: usize| parse("M".repeat(len) + " / HTTP/1.1\r\n\r\n");
    assert!(matches!(with(METHOD_MAX_BYTES - 1), Ok(Some(_))));
    assert!(matches!(with(METHOD_MAX_BYTES), Ok(Some(_))));
    assert_eq!(with(METHOD_MAX_BYTES + 1), Err(Refusal::MethodTooLong));
}

#[test]
fn the_longest_target() {
    let with = |len: usize| parse(format!("GET /{} HTTP/1.1\r\n\r\n", "t".repeat(len - 1)));
    assert!(matches!(with(TARGET_MAX_BYTES - 1), Ok(Some(_))));
    assert!(matches!(with(TARGET_MAX_BYTES), Ok(Some(_))));
    assert_eq!(with(TARGET_MAX_BYTES + 1), Err(Refusal::TargetTooLong));
    // Before its end is known.
    assert_eq!(
        parse(format!("GET /{}", "t".repeat(TARGET_MAX_BYTES))),
        Err(Refusal::TargetTooLong)
    );
}

#[test]
fn the_longest_field_name() {
    let with = |len: usize| refusal_of_fields("n".repeat(len) + ": v\r\n");
    assert_eq!(with(FIELD_NAME_MAX_BYTES - 1), None);
    assert_eq!(with(FIELD_NAME_MAX_BYTES), None);
    assert_eq!(with(FIELD_NAME_MAX_BYTES + 1), Some(Refusal::HeadTooLarge));
}

#[test]
fn the_most_fields() {
    let with = |count: usize| refusal_of_fields("A: b\r\n".repeat(count));
    assert_eq!(with(FIELDS_MAX - 1), None);
    assert_eq!(with(FIELDS_MAX), None);
    assert_eq!(with(FIELDS_MAX + 1), Some(Refusal::TooManyFields));
}

#[test]
fn the_longest_head() {
    let with = |len: usize| {
        let frame = "GET / HTTP/1.1\r\nA: \r\n\r\n";
        parse(format!(
            "GET / HTTP/1.1\r\nA: {}\r\n\r\n",
            "v".repeat(len - frame.len())
        ))
    };
    assert!(matches!(with(HEAD_MAX_BYTES - 1), Ok(Some(_))));
    assert!(matches!(with(HEAD_MAX_BYTES), Ok(Some(head)) if head.len() == HEAD_MAX_BYTES));
    assert_eq!(with(HEAD_MAX_BYTES + 1), Err(Refusal::HeadTooLarge));
}

#[test]
fn a_server_may_accept_less_but_not_more() {
    let bytes = b"GET /abc HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
    let with = |limits: Limits| RequestParser::new(limits).parse(bytes, &mut slots());
    let len = bytes.len();
    assert!(
        with(Limits {
            head_bytes: len,
            target_bytes: 4,
            fields: 2,
            ..Limits::DEFAULT
        })
        .is_ok()
    );
    assert!(
        with(Limits {
            head_bytes: usize::MAX,
            fields: usize::MAX,
            ..Limits::DEFAULT
        })
        .is_ok()
    );
    assert_eq!(
        with(Limits {
            head_bytes: len - 1,
            ..Limits::DEFAULT
        }),
        Err(Refusal::HeadTooLarge)
    );
    assert_eq!(
        with(Limits {
            target_bytes: 3,
            ..Limits::DEFAULT
        }),
        Err(Refusal::TargetTooLong)
    );
    assert_eq!(
        with(Limits {
            fields: 1,
            ..Limits::DEFAULT
        }),
        Err(Refusal::TooManyFields)
    );
}

#[test]
fn a_parser_is_used_again() {
    let mut parser = RequestParser::default();
    let mut slots = slots();
    let bytes = b"\r\nGET /abcdefghij HTTP/1.1\r\nHost: example.org\r\n\r\n";
    for cut in 0..bytes.len() {
        assert_eq!(parser.parse(&bytes[..cut], &mut slots), Ok(None));
        parser.reset();
        assert!(!parser.has_begun(b"") && parser.resumes_at() == 0);
        assert!(matches!(parser.parse(bytes, &mut slots), Ok(Some(_))));
        parser.reset_with(Limits {
            target_bytes: 5,
            ..Limits::DEFAULT
        });
        assert_eq!(parser.parse(bytes, &mut slots), Err(Refusal::TargetTooLong));
        assert_eq!(parser.method_bytes(bytes), None);
        parser.reset_with(Limits::DEFAULT);
    }
}

/// Wherever it is cut.
#[test]
fn paths_and_queries() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/?", "/", Some("")),
        ("/a/b?c=d&e?f?", "/a/b", Some("c=d&e?f?")),
        (
            "/a?????????????????????????????????????b",
            "/a",
            Some("????????????????????????????????????b"),
        ),
        (
            "/0123456789012345678901234567890123456789?c",
            "/0123456789012345678901234567890123456789",
            Some("c"),
        ),
        ("http://a?b?c", "/", Some("b?c")),
        ("http://a/b?c", "/b", Some("c")),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\n\r\n");
        for cut in 0..text.len() {
            let (mut parser, mut slots) = (RequestParser::default(), slots());
            assert_eq!(parser.parse(&text.as_bytes()[..cut], &mut slots), Ok(None));
            let head = parser.parse(text.as_bytes(), &mut slots).expect("good");
            let head = head.expect("whole");
            let view = head.view(text.as_bytes(), &slots);
            assert_eq!(
                (view.target(), view.path(), view.query()),
                (target, path, query),
                "cut at {cut}"
            );
        }
    }
}

/// RFC 9112, section 2.2: an empty line behind a request is none of the next one, nor is half of it.
#[test]
fn empty_lines_begin_no_request() {
    for (bytes, has_begun) in [
        ("", false),
        ("\r", false),
        ("\r\n", false),
        ("\r\n\r", false),
        ("\r\nG", true),
        ("\rG", true),
        ("\n", true),
        ("GET / HTTP/1.1\r\n", true),
        ("GET / HTTP/1.1\r\nA\r", true),
    ] {
        let mut parser = RequestParser::default();
        let _ = parser.parse(bytes.as_bytes(), &mut slots());
        assert_eq!(parser.has_begun(bytes.as_bytes()), has_begun, "{bytes:?}");
    }
}

/// What is known of a request that is refused stays known.
#[test]
fn the_method_of_a_refused_request() {
    for (bytes, method) in [
        ("HEAD / HTTP/1.1\r\nA\0", Some(&b"HEAD"[..])),
        ("HEAD / HTTP/3.1\r\n", None),
        ("HEAD /", None),
    ] {
        let mut parser = RequestParser::default();
        for _ in 0..2 {
            let _ = parser.parse(bytes.as_bytes(), &mut slots());
            assert_eq!(parser.method_bytes(bytes.as_bytes()), method, "{bytes:?}");
        }
    }
}

/// What comes in single bytes costs no scan of what came before, wherever a part may be long.
#[test]
fn nothing_long_is_read_again() {
    for begin in ["GET /", "GET / HTTP/1.1\r\nA: ", "GET / HTTP/1.1\r\nA"] {
        let mut parser = RequestParser::default();
        let mut slots = slots();
        let mut bytes = begin.as_bytes().to_vec();
        for _ in 0..1000 {
            bytes.push(b'v');
            assert_eq!(parser.parse(&bytes, &mut slots), Ok(None));
            assert_eq!(parser.resumes_at(), bytes.len(), "{begin:?}");
        }
    }
}

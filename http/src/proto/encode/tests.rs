//! Tests of the heads that we send: what they say of the body and of the connection, and that nobody breaks out of them.

use super::*;
use std::time::SystemTime;

fn standard() -> StandardFields {
    StandardFields::new(
        Some(&HeaderValue::from_static("filch")),
        SystemTime::UNIX_EPOCH,
    )
}

const PLAIN: ResponseHead<'static> = ResponseHead {
    status: StatusCode::OK,
    content_type: ContentType::Elsewhere,
    fields: None,
    body: BodyFraming::Length(13),
    persistence: Persistence::KeepAlive,
};

fn encoded(head: ResponseHead<'_>) -> String {
    let mut out = Vec::new();
    head.encode(&standard(), &mut out);
    String::from_utf8(out).expect("the head is text")
}

#[test]
fn a_plain_response() {
    assert_eq!(
        encoded(ResponseHead {
            content_type: ContentType::Text,
            ..PLAIN
        }),
        "HTTP/1.1 200 OK\r\nServer: filch\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\n"
    );
}

#[test]
fn lengths_and_types() {
    for len in [0, 9, 10, 99, 100, u64::MAX] {
        let text = encoded(ResponseHead {
            body: BodyFraming::Length(len),
            ..PLAIN
        });
        assert!(
            text.contains(&format!("\r\nContent-Length: {len}\r\n")),
            "{text}"
        );
    }
    for known in [
        ContentType::Elsewhere,
        ContentType::Text,
        ContentType::Json,
        ContentType::Octets,
        ContentType::Html,
    ] {
        let value = known.value().map(|value| value.to_str().expect("text"));
        let line = value.map_or(String::new(), |value| format!("Content-Type: {value}\r\n"));
        assert_eq!(known.line(), line.as_bytes());
    }
}

/// The beginnings that are kept say what is put together for others.
#[test]
fn the_short_way_is_the_long_one() {
    let without_server = StandardFields::new(None, SystemTime::UNIX_EPOCH);
    for standard in [standard(), without_server] {
        for (index, content_type) in ContentType::ALL.into_iter().enumerate() {
            assert_eq!(content_type as usize, index);
            for length in [0, 9, 10, 13, 99, 100, u64::MAX] {
                for persistence in [
                    Persistence::KeepAlive,
                    Persistence::KeepAliveSaid,
                    Persistence::Close,
                ] {
                    let head = ResponseHead {
                        content_type,
                        body: BodyFraming::Length(length),
                        persistence,
                        ..PLAIN
                    };
                    let (mut short, mut long) = (Vec::new(), Vec::new());
                    head.encode(&standard, &mut short);
                    head.encode_any(&standard, &mut long);
                    assert_eq!(
                        String::from_utf8_lossy(&short),
                        String::from_utf8_lossy(&long)
                    );
                }
            }
        }
    }
}

/// RFC 9112, section 9.3; RFC 9110, section 7.6.1.
#[test]
fn persistence_is_said_where_it_is_not_the_default() {
    assert!(!encoded(PLAIN).contains("Connection"));
    let said = encoded(ResponseHead {
        persistence: Persistence::KeepAliveSaid,
        ..PLAIN
    });
    assert!(said.ends_with("\r\nConnection: keep-alive\r\n\r\n"));
    let close = encoded(ResponseHead {
        persistence: Persistence::Close,
        ..PLAIN
    });
    assert!(close.ends_with("\r\nConnection: close\r\n\r\n"));
}

const BODIES: [BodyFraming; 5] = [
    BodyFraming::Length(0),
    BodyFraming::Length(13),
    BodyFraming::Chunked,
    BodyFraming::UntilClose,
    BodyFraming::Tunnel,
];

/// What must become of the connection.
fn closing(body: BodyFraming) -> Persistence {
    match body {
        BodyFraming::UntilClose => Persistence::Close,
        _ => Persistence::KeepAlive,
    }
}

/// RFC 9110, section 8.6; RFC 9112, section 6.1.
#[test]
fn responses_without_a_body_speak_of_none() {
    for status in [100, 101, 103, 204, 304] {
        let status = StatusCode::from_u16(status).expect("a status");
        for body in BODIES {
            let text = encoded(ResponseHead {
                status,
                body,
                ..PLAIN
            });
            assert!(
                !text.contains("Length")
                    && !text.contains("Transfer")
                    && !text.contains("Connection"),
                "{text}"
            );
        }
        assert!(!may_have_body(status));
    }
    assert!(may_have_body(StatusCode::OK) && may_have_body(StatusCode::NOT_FOUND));
}

/// RFC 9112, sections 6.1 and 6.3; RFC 9110, section 8.6.
#[test]
fn bodies_end_where_the_head_says() {
    for (body, said) in [
        (BodyFraming::Length(5), "Content-Length: 5\r\n\r\n"),
        (BodyFraming::Chunked, "Transfer-Encoding: chunked\r\n\r\n"),
        (BodyFraming::UntilClose, "GMT\r\nConnection: close\r\n\r\n"),
        (BodyFraming::Tunnel, "GMT\r\n\r\n"),
    ] {
        let text = encoded(ResponseHead {
            body,
            persistence: closing(body),
            ..PLAIN
        });
        assert!(text.ends_with(said), "{text}");
        let said_twice =
            text.matches("Content-Length").count() + text.matches("Transfer-Encoding").count() > 1;
        assert!(!said_twice, "{text}");
    }
}

/// Who keeps a connection that its client was told is over waits for nobody.
#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "what is said must be done")]
fn what_ends_with_the_connection_is_not_kept() {
    encoded(ResponseHead {
        body: BodyFraming::UntilClose,
        ..PLAIN
    });
}

/// RFC 9110, section 7.8.
#[test]
fn an_upgrade_is_named_by_connection() {
    let mut fields = HeaderMap::new();
    fields.insert("upgrade", HeaderValue::from_static("websocket"));
    fields.insert("connection", HeaderValue::from_static("x"));
    for (status, body, persistence, said) in [
        (
            101,
            BodyFraming::Tunnel,
            Persistence::KeepAlive,
            "Connection: upgrade\r\n\r\n",
        ),
        (
            426,
            BodyFraming::Length(0),
            Persistence::KeepAliveSaid,
            "Connection: keep-alive, upgrade\r\n\r\n",
        ),
        (
            426,
            BodyFraming::Length(0),
            Persistence::Close,
            "Connection: close, upgrade\r\n\r\n",
        ),
        (
            426,
            BodyFraming::UntilClose,
            Persistence::Close,
            "Connection: close, upgrade\r\n\r\n",
        ),
    ] {
        let text = encoded(ResponseHead {
            status: StatusCode::from_u16(status).expect("a status"),
            fields: Some(&fields),
            body,
            persistence,
            ..PLAIN
        });
        assert!(
            text.contains("\r\nupgrade: websocket\r\n") && text.ends_with(said),
            "{text}"
        );
        assert_eq!(text.matches("onnection").count(), 1);
    }
}

/// RFC 9110, section 15.2.
#[test]
fn interim_responses() {
    let interim = |interim, fields: Option<&HeaderMap>| {
        let mut out = Vec::new();
        encode_interim(interim, fields, &mut out);
        String::from_utf8(out).expect("text")
    };
    assert_eq!(interim(Interim::Continue, None).as_bytes(), CONTINUE);
    assert_eq!(
        interim(Interim::Processing, None),
        "HTTP/1.1 102 Processing\r\n\r\n"
    );
    let mut fields = HeaderMap::new();
    for owned in OWNED {
        fields.insert(owned, HeaderValue::from_static("5"));
    }
    fields.append("link", HeaderValue::from_static("a"));
    fields.append("link", HeaderValue::from_static("b"));
    let hints = interim(Interim::EarlyHints, Some(&fields));
    assert_eq!(
        hints,
        "HTTP/1.1 103 Early Hints\r\nlink: a\r\nlink: b\r\n\r\n"
    );
}

/// RFC 9110, section 15.3.6.
#[test]
fn reset_content_says_that_it_has_none() {
    let status = StatusCode::RESET_CONTENT;
    assert!(encoded(ResponseHead { status, ..PLAIN }).contains("\r\nContent-Length: 0\r\n"));
    assert!(!may_have_body(status));
}

/// RFC 9112, section 4.
#[test]
fn status_lines() {
    for (status, line) in [
        (404, "HTTP/1.1 404 Not Found\r\n"),
        (599, "HTTP/1.1 599 \r\n"),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        assert!(encoded(ResponseHead { status, ..PLAIN }).starts_with(line));
    }
}

#[test]
fn the_callers_fields_are_written_except_those_that_frame() {
    let mut fields = HeaderMap::new();
    fields.insert("x-a", HeaderValue::from_static("1"));
    fields.append("x-a", HeaderValue::from_static("2"));
    fields.insert("content-length", HeaderValue::from_static("99"));
    fields.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    fields.insert("connection", HeaderValue::from_static("upgrade"));
    let text = encoded(ResponseHead {
        fields: Some(&fields),
        ..PLAIN
    });
    assert!(text.contains("x-a: 1\r\nx-a: 2\r\n"));
    assert!(text.contains("Content-Length: 13\r\n") && !text.contains("99"));
    assert!(!text.contains("chunked") && !text.contains("upgrade"));
    assert!(text.contains("Server: filch\r\n") && text.contains("Date: Thu"));
}

#[test]
fn the_callers_server_and_date_replace_ours() {
    let mut fields = HeaderMap::new();
    fields.insert("server", HeaderValue::from_static("mine"));
    fields.insert("date", HeaderValue::from_static("now"));
    let text = encoded(ResponseHead {
        fields: Some(&fields),
        ..PLAIN
    });
    assert_eq!(text.matches("erver: ").count(), 1);
    assert_eq!(text.matches("ate: ").count(), 1);
}

/// RFC 9110, section 5.5: a value cannot leave its line, because no value that could exists.
#[test]
fn injection_is_impossible() {
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_str(value).is_err());
    }
    assert!(HeaderName::from_bytes(b"a\r\nb").is_err());
}

/// Whatever names and values the types let through, a parser of another's sees these fields, each once, and a body that ends
/// where we say.
mod props {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
        let name = prop_oneof![
            4 => proptest::collection::vec(any::<u8>(), 1..12),
            1 => Just(b"Content-Length".to_vec()),
            1 => Just(b"Transfer-Encoding".to_vec()),
            1 => Just(b"Connection".to_vec()),
            1 => Just(b"X-A".to_vec()),
        ];
        let value = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            Just(b"5\r\nContent-Length: 9".to_vec()),
            Just(b"chunked".to_vec()),
        ];
        (name, value).prop_filter_map("no field", |(name, value)| {
            Some((
                HeaderName::from_bytes(&name).ok()?,
                HeaderValue::from_bytes(&value).ok()?,
            ))
        })
    }

    proptest! {
        #[test]
        fn nobody_breaks_out(fields in proptest::collection::vec(field(), 0..8), status in 200u16..1000, body in 0..BODIES.len()) {
            let fields: HeaderMap = fields.into_iter().collect();
            let status = StatusCode::from_u16(status).expect("three digits");
            let persistence = closing(BODIES[body]);
            let head = ResponseHead { status, fields: Some(&fields), body: BODIES[body], persistence, ..PLAIN };
            let mut bytes = Vec::new();
            head.encode(&standard(), &mut bytes);

            let mut slots = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut slots);
            prop_assert_eq!(response.parse(&bytes), Ok(httparse::Status::Complete(bytes.len())));
            prop_assert_eq!(response.code, Some(status.as_u16()));
            let count = |name: &str| response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
            prop_assert!(count("content-length") + count("transfer-encoding") <= 1 && count("connection") <= 1);
            let theirs = fields.keys().filter(|name| !OWNED.contains(name)).map(|name| fields.get_all(name).iter().count()).sum::<usize>();
            let ours = ["server", "date"].iter().filter(|name| !fields.contains_key(**name)).count();
            let owned = count("content-length") + count("transfer-encoding") + count("connection");
            prop_assert_eq!(response.headers.len(), theirs + ours + owned);
        }
    }
}

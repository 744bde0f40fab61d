//! How does the head of a response become bytes?
//!
//! [`ResponseHead::encode`] appends it to a buffer that the caller reuses. A response can carry no field of the
//! caller's making that breaks out of its line: names and values are the `http` crate's types, which hold no CR, LF
//! or NUL, and the fields that frame the message ([`OWNED`]) are written from the message itself, never from the
//! map. The clock is the caller's: the fields that are the same in every answer of a second come in as
//! [`StandardFields`].
//!
//! Rejected: `write!` (four times the instructions), and a table of prebuilt status lines for all statuses (one
//! branch for 200 gives the same where it matters).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

/// What happens to the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// It stays open, as it does in HTTP/1.1 unless said otherwise.
    KeepAlive,
    /// It stays open, and a client of HTTP/1.0 must be told.
    KeepAliveSaid,
    /// It closes.
    Close,
}

/// The fields that are the same in all responses of one second: `Server` and `Date`, as bytes.
///
/// # Units and limits
///
/// Made once a second; a copy of about 60 bytes per response.
#[derive(Debug, Clone)]
pub struct StandardFields {
    bytes: Vec<u8>,
}

impl StandardFields {
    /// The fields for this server name and this moment, a date as [`httpdate`] prints it.
    #[must_use]
    pub fn new(server: Option<&HeaderValue>, date: std::time::SystemTime) -> Self {
        let mut bytes = Vec::with_capacity(80);
        if let Some(server) = server {
            push_field(&mut bytes, b"Server", server.as_bytes());
        }
        push_field(
            &mut bytes,
            b"Date",
            httpdate::fmt_http_date(date).as_bytes(),
        );
        Self { bytes }
    }
}

/// The fields that the encoder writes itself. In a response's own map they are passed over.
///
/// RFC 9112, sections 6 and 9.3: they say where the message ends and what becomes of the connection.
pub const OWNED: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
];

/// The head of a response.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// Its status.
    pub status: StatusCode,
    /// `Content-Type`; a field of its own because nearly every response has it and no other.
    pub content_type: Option<&'a HeaderValue>,
    /// All other fields.
    pub fields: Option<&'a HeaderMap>,
    /// The length of the body that the response has, or would have if the request were not HEAD.
    pub body_len: u64,
    /// What becomes of the connection.
    pub persistence: Persistence,
}

impl ResponseHead<'_> {
    /// Appends the head, with the empty line that ends it, to `out`.
    pub fn encode(&self, standard: &StandardFields, out: &mut Vec<u8>) {
        // Enough for everything but fields of the caller's own, so that the common head grows the buffer once.
        out.reserve(256);
        push_status_line(out, self.status);
        match self.fields {
            None => out.extend_from_slice(&standard.bytes),
            Some(fields) => push_map(out, fields, standard),
        }
        if let Some(content_type) = self.content_type {
            push_field(out, b"Content-Type", content_type.as_bytes());
        }
        if may_have_body(self.status) {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(self.body_len).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        match self.persistence {
            Persistence::KeepAlive => out.extend_from_slice(b"\r\n"),
            Persistence::KeepAliveSaid => out.extend_from_slice(b"Connection: keep-alive\r\n\r\n"),
            Persistence::Close => out.extend_from_slice(b"Connection: close\r\n\r\n"),
        }
    }
}

/// The interim response that invites a body (RFC 9110, section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Whether a response of this status may have a body (RFC 9110, section 6.4.1).
#[must_use]
pub fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED)
}

/// Whether the body of a response follows its head on the wire.
#[must_use]
pub fn sends_body(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD && may_have_body(status)
}

#[inline]
fn push_status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        push_status_line_slow(out, status);
    }
}

/// Every status but 200. A status without a registered reason has an empty one; the space before it stays
/// (RFC 9112, section 4).
#[cold]
fn push_status_line_slow(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The caller's fields and ours: a `Server` or `Date` of the caller's stands, ours is then left out.
fn push_map(out: &mut Vec<u8>, fields: &HeaderMap, standard: &StandardFields) {
    for line in standard.bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_overridden = match line[0] {
            b'S' => fields.contains_key(header::SERVER),
            _ => fields.contains_key(header::DATE),
        };
        if !is_overridden {
            out.extend_from_slice(line);
        }
    }
    for (name, value) in fields {
        if !OWNED.contains(name) {
            push_field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
}

#[inline]
fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
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
        content_type: None,
        fields: None,
        body_len: 13,
        persistence: Persistence::KeepAlive,
    };

    fn encoded(head: ResponseHead<'_>) -> String {
        let mut out = Vec::new();
        head.encode(&standard(), &mut out);
        String::from_utf8(out).expect("the head is text")
    }

    #[test]
    fn a_plain_response() {
        let content_type = HeaderValue::from_static("text/plain");
        assert_eq!(
            encoded(ResponseHead {
                content_type: Some(&content_type),
                ..PLAIN
            }),
            "HTTP/1.1 200 OK\r\nServer: filch\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Content-Type: text/plain\r\nContent-Length: 13\r\n\r\n"
        );
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

    /// RFC 9110, section 8.6.
    #[test]
    fn responses_without_a_body_have_no_length() {
        for status in [100, 101, 204, 304] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(
                !encoded(ResponseHead {
                    status,
                    body_len: 0,
                    ..PLAIN
                })
                .contains("Length"),
                "{status}"
            );
            assert!(!sends_body(&Method::GET, status));
        }
        assert!(!sends_body(&Method::HEAD, StatusCode::OK));
        assert!(sends_body(&Method::GET, StatusCode::NOT_FOUND));
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
}

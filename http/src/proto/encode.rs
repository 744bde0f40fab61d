//! How does the head of a response become bytes?
//!
//! [`ResponseHead::encode`] appends it to a buffer that the caller reuses. A response can carry no field of the
//! caller's making that breaks out of its line: names and values are the `http` crate's types, which hold no CR, LF
//! or NUL, and the fields that frame the message ([`OWNED`]) are written from the message itself, never from the
//! map. The clock is the caller's: the fields that are the same in every answer of a second come in as
//! [`StandardFields`].
//!
//! Rejected: `write!` (four times the instructions), and a table of prebuilt status lines for all statuses (that of 200
//! stands before the standard fields already, and the others do not matter).

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

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
/// Made once a second; a copy of about 80 bytes per response.
#[derive(Debug, Clone)]
pub struct StandardFields {
    /// The status line of 200, then the fields: one copy begins nearly every response.
    bytes: Vec<u8>,
}

impl StandardFields {
    /// The fields for this server name and this moment, a date as [`httpdate`] prints it.
    #[must_use]
    pub fn new(server: Option<&HeaderValue>, date: std::time::SystemTime) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(OK_LINE);
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

    fn fields(&self) -> &[u8] {
        &self.bytes[OK_LINE.len()..]
    }
}

const OK_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";

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
    /// `Content-Type`; apart, because nearly every response has it and no other.
    pub content_type: ContentType,
    /// All other fields.
    pub fields: Option<&'a HeaderMap>,
    /// The length of the body that the response has, or would have if the request were not HEAD.
    pub body_len: u64,
    /// What becomes of the connection.
    pub persistence: Persistence,
}

impl ResponseHead<'_> {
    /// Appends the head, with the empty line that ends it, to `out`.
    #[inline]
    pub fn encode(&self, standard: &StandardFields, out: &mut Vec<u8>) {
        if self.status == StatusCode::OK && self.fields.is_none() {
            out.extend_from_slice(&standard.bytes);
        } else {
            self.encode_beginning_slow(standard, out);
        }
        match &self.content_type {
            ContentType::Elsewhere => {}
            known => out.extend_from_slice(known.line()),
        }
        if let Some(length) = self.content_length() {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        match self.persistence {
            Persistence::KeepAlive => out.extend_from_slice(b"\r\n"),
            Persistence::KeepAliveSaid => out.extend_from_slice(b"Connection: keep-alive\r\n\r\n"),
            Persistence::Close => out.extend_from_slice(b"Connection: close\r\n\r\n"),
        }
    }

    /// RFC 9110, section 8.6. With 205 it is how a response says that nothing follows (section 15.3.6).
    #[inline]
    fn content_length(&self) -> Option<u64> {
        match self.status.as_u16() {
            100..=199 | 204 | 304 => None,
            205 => Some(0),
            _ => Some(self.body_len),
        }
    }

    /// The status line and the fields, when the one is not 200 or there are others than the standard ones.
    #[cold]
    fn encode_beginning_slow(&self, standard: &StandardFields, out: &mut Vec<u8>) {
        push_status_line(out, self.status);
        match self.fields {
            None => out.extend_from_slice(standard.fields()),
            Some(fields) => push_map(out, fields, standard),
        }
    }
}

/// A `Content-Type` that is said so often that it needs no value of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContentType {
    /// There is none, or it is among the other fields.
    #[default]
    Elsewhere,
    /// `text/plain; charset=utf-8`
    Text,
    /// `application/json`
    Json,
    /// `application/octet-stream`
    Octets,
}

static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
static JSON: HeaderValue = HeaderValue::from_static("application/json");
static OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

impl ContentType {
    /// The value of the field.
    #[must_use]
    pub fn value(self) -> Option<&'static HeaderValue> {
        match self {
            Self::Elsewhere => None,
            Self::Text => Some(&TEXT),
            Self::Json => Some(&JSON),
            Self::Octets => Some(&OCTETS),
        }
    }

    /// The whole line of the field.
    #[inline]
    fn line(self) -> &'static [u8] {
        match self {
            Self::Elsewhere => b"",
            Self::Text => b"Content-Type: text/plain; charset=utf-8\r\n",
            Self::Json => b"Content-Type: application/json\r\n",
            Self::Octets => b"Content-Type: application/octet-stream\r\n",
        }
    }
}

/// The interim response that invites a body (RFC 9110, section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Whether a response of this status may have a body (RFC 9110, sections 6.4.1 and 15.3.6).
#[must_use]
#[inline]
pub fn may_have_body(status: StatusCode) -> bool {
    !matches!(status.as_u16(), 100..=199 | 204 | 205 | 304)
}

/// A status without a registered reason has an empty one; the space before it stays (RFC 9112, section 4).
fn push_status_line(out: &mut Vec<u8>, status: StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn push_decimal(out: &mut Vec<u8>, number: u64) {
    // Two digits are the most common length of a body that is small enough for this to matter.
    if let 10..100 = number {
        out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// The caller's fields and ours: a `Server` or `Date` of the caller's stands, ours is then left out.
fn push_map(out: &mut Vec<u8>, fields: &HeaderMap, standard: &StandardFields) {
    for line in standard.fields().split_inclusive(|byte| *byte == b'\n') {
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
        content_type: ContentType::Elsewhere,
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
                body_len: len,
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
        ] {
            let value = known.value().map(|value| value.to_str().expect("text"));
            let line = value.map_or(String::new(), |value| format!("Content-Type: {value}\r\n"));
            assert_eq!(known.line(), line.as_bytes());
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
            assert!(!may_have_body(status));
        }
        assert!(may_have_body(StatusCode::OK) && may_have_body(StatusCode::NOT_FOUND));
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
}

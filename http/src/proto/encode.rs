//! How does the head of a response become bytes?
//!
//! [`ResponseHead::encode`] appends it to a buffer that the caller reuses. A response can carry no field of the
//! caller's making that breaks out of its line: names and values are the `http` crate's types, which hold no CR, LF
//! or NUL, and the fields that frame the message ([`OWNED`]) are written from the message itself, never from the
//! map. The clock is the caller's: the fields that are the same in every answer of a second come in as
//! [`StandardFields`].
//!
//! What is said of the body, by [`BodyFraming`] and status (RFC 9112, section 6; RFC 9110, section 8.6):
//!
//! | | 1xx, 204, 304 | 205 | any other |
//! |---|---|---|---|
//! | `Length` | – | `Content-Length: 0` | `Content-Length` |
//! | `Chunked` | – | `Content-Length: 0` | `Transfer-Encoding: chunked` |
//! | `UntilClose` | – | `Content-Length: 0` | `Connection: close` |
//! | `Tunnel` | – | – | – |
//!
//! The answer to HEAD says the same and sends no body.
//!
//! Rejected: `write!` (four times the instructions), and a table of prebuilt status lines for all statuses (that of 200
//! stands before the standard fields already, and the others do not matter).

use super::framing::BodyFraming;
use super::request::Version;
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
/// Made once a second, of about 500 bytes; a copy of about 130 per response.
#[derive(Debug, Clone)]
pub struct StandardFields {
    /// Beginnings of responses, one for each [`ContentType`]: the status line of 200, the fields, the type, and the name of
    /// the length. One copy makes nearly all of nearly every response.
    beginnings: [Vec<u8>; ContentType::ALL.len()],
}

impl StandardFields {
    /// The fields for this server name and this moment, a date as [`httpdate`] prints it.
    #[must_use]
    pub fn new(server: Option<&HeaderValue>, date: std::time::SystemTime) -> Self {
        let date = httpdate::fmt_http_date(date);
        let beginnings = ContentType::ALL.map(|content_type| {
            let mut bytes = Vec::with_capacity(160);
            bytes.extend_from_slice(OK_LINE);
            if let Some(server) = server {
                push_field(&mut bytes, b"Server", server.as_bytes());
            }
            push_field(&mut bytes, b"Date", date.as_bytes());
            bytes.extend_from_slice(content_type.line());
            bytes.extend_from_slice(LENGTH_NAME);
            bytes
        });
        Self { beginnings }
    }

    /// The beginning of a response of 200 with this type, up to the number of its length.
    #[inline]
    fn beginning(&self, content_type: ContentType) -> &[u8] {
        &self.beginnings[content_type as usize]
    }

    fn fields(&self) -> &[u8] {
        let bytes = self.beginning(ContentType::Elsewhere);
        &bytes[OK_LINE.len()..bytes.len() - LENGTH_NAME.len()]
    }
}

const OK_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";
const LENGTH_NAME: &[u8] = b"Content-Length: ";

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
    /// Where the body ends that the response has, or would have if the request were not HEAD.
    pub body: BodyFraming,
    /// What becomes of the connection. When the head says that the body ends with it, it must be [`Close`](Persistence::Close):
    /// so it will be said, whatever stands here.
    pub persistence: Persistence,
}

impl ResponseHead<'_> {
    /// Appends the head, with the empty line that ends it, to `out`.
    #[inline(always)]
    pub fn encode(&self, standard: &StandardFields, out: &mut Vec<u8>) {
        match (self.status, self.fields, self.body) {
            (StatusCode::OK, None, BodyFraming::Length(length)) => {
                out.extend_from_slice(standard.beginning(self.content_type));
                self.encode_length(length, false, out);
            }
            _ => self.encode_any(standard, out),
        }
    }

    /// The number of a length, and the end.
    #[inline]
    fn encode_length(&self, length: u64, upgrades: bool, out: &mut Vec<u8>) {
        match (length, self.persistence, upgrades) {
            // The most common of bodies that are small enough for this to matter.
            (10..100, Persistence::KeepAlive, false) => {
                let [tens, ones] = [length / 10, length % 10].map(|digit| b'0' + digit as u8);
                out.extend_from_slice(&[tens, ones, b'\r', b'\n', b'\r', b'\n']);
            }
            _ => self.encode_any_length(length, upgrades, out),
        }
    }

    #[inline(never)]
    fn encode_any_length(&self, length: u64, upgrades: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        out.extend_from_slice(self.persistence.end(upgrades));
    }

    /// A head of any kind.
    #[inline(never)]
    fn encode_any(&self, standard: &StandardFields, out: &mut Vec<u8>) {
        push_status_line(out, self.status);
        match self.fields {
            None => out.extend_from_slice(standard.fields()),
            Some(fields) => push_map(out, fields, standard),
        }
        out.extend_from_slice(self.content_type.line());
        let is_upgrade = |fields: &HeaderMap| fields.contains_key(header::UPGRADE);
        let upgrades = self.fields.is_some_and(is_upgrade);
        let mut persistence = self.persistence;
        match self.body_said() {
            BodyFraming::Length(length) => {
                out.extend_from_slice(LENGTH_NAME);
                return self.encode_length(length, upgrades, out);
            }
            BodyFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            BodyFraming::UntilClose => {
                debug_assert_eq!(persistence, Persistence::Close, "what is said must be done");
                persistence = Persistence::Close;
            }
            BodyFraming::Tunnel => {}
        }
        // The lines above have ended themselves.
        out.extend_from_slice(&persistence.end(upgrades)[LINE_END.len()..]);
    }

    /// Of what the head speaks. `Tunnel` where it says nothing. With 205 a length is how a response says that nothing follows
    /// (RFC 9110, section 15.3.6).
    #[inline]
    fn body_said(&self) -> BodyFraming {
        match (self.status.as_u16(), self.body) {
            (100..=199 | 204 | 304, _) | (_, BodyFraming::Tunnel) => BodyFraming::Tunnel,
            (205, _) => BodyFraming::Length(0),
            (_, body) => body,
        }
    }
}

const LINE_END: &[u8] = b"\r\n";

impl Persistence {
    /// The end of a head: that of a line, the field `Connection`, and the empty line. Who sends `Upgrade` names it there (RFC 9110,
    /// section 7.8).
    #[inline]
    const fn end(self, upgrades: bool) -> &'static [u8] {
        match (self, upgrades) {
            (Self::KeepAlive, false) => b"\r\n\r\n",
            (Self::KeepAliveSaid, false) => b"\r\nConnection: keep-alive\r\n\r\n",
            (Self::Close, false) => b"\r\nConnection: close\r\n\r\n",
            (Self::KeepAlive, true) => b"\r\nConnection: upgrade\r\n\r\n",
            (Self::KeepAliveSaid, true) => b"\r\nConnection: keep-alive, upgrade\r\n\r\n",
            (Self::Close, true) => b"\r\nConnection: close, upgrade\r\n\r\n",
        }
    }
}

/// How a body of unknown length is sent to a client of this version: one of 1.0 knows no chunks (RFC 9112, section 6.1).
///
/// # Examples
///
/// ```
/// use filch_http::proto::encode::body_of_unknown_length;
/// use filch_http::proto::framing::BodyFraming;
/// use filch_http::proto::Version;
///
/// assert_eq!(body_of_unknown_length(Version::Http11), BodyFraming::Chunked);
/// assert_eq!(body_of_unknown_length(Version::Http10), BodyFraming::UntilClose);
/// ```
#[must_use]
pub const fn body_of_unknown_length(version: Version) -> BodyFraming {
    match version {
        Version::Http10 => BodyFraming::UntilClose,
        Version::Http11 => BodyFraming::Chunked,
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
    /// `text/html; charset=utf-8`
    // The last one, as `ALL` knows.
    Html,
}

static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
static JSON: HeaderValue = HeaderValue::from_static("application/json");
static OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

impl ContentType {
    /// All, in the order of their numbers.
    const ALL: [Self; Self::Html as usize + 1] = [
        Self::Elsewhere,
        Self::Text,
        Self::Json,
        Self::Octets,
        Self::Html,
    ];

    /// The value of the field.
    #[must_use]
    pub fn value(self) -> Option<&'static HeaderValue> {
        match self {
            Self::Elsewhere => None,
            Self::Text => Some(&TEXT),
            Self::Json => Some(&JSON),
            Self::Octets => Some(&OCTETS),
            Self::Html => Some(&HTML),
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
            Self::Html => b"Content-Type: text/html; charset=utf-8\r\n",
        }
    }
}

/// The interim response that invites a body (RFC 9110, section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A response that is none yet: another follows (RFC 9110, section 15.2).
///
/// 101 is not among them: nothing of HTTP follows that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interim {
    /// 100: the client may send the body.
    Continue,
    /// 102: it takes a while (RFC 2518, section 10.1).
    Processing,
    /// 103: some fields of the response to come (RFC 8297).
    EarlyHints,
}

/// Appends an interim response with these fields to `out`. A client of 1.0 must not get one.
///
/// The fields that frame a message are passed over, as in any head.
///
/// # Examples
///
/// ```
/// use filch_http::proto::encode::{Interim, encode_interim};
/// use http::{HeaderMap, HeaderValue};
///
/// let mut fields = HeaderMap::new();
/// fields.insert("link", HeaderValue::from_static("</a.css>; rel=preload"));
/// let mut out = Vec::new();
/// encode_interim(Interim::EarlyHints, Some(&fields), &mut out);
/// assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
/// ```
pub fn encode_interim(interim: Interim, fields: Option<&HeaderMap>, out: &mut Vec<u8>) {
    out.extend_from_slice(match interim {
        Interim::Continue => b"HTTP/1.1 100 Continue\r\n",
        Interim::Processing => b"HTTP/1.1 102 Processing\r\n",
        Interim::EarlyHints => b"HTTP/1.1 103 Early Hints\r\n",
    });
    push_fields(out, fields.into_iter().flatten());
    out.extend_from_slice(b"\r\n");
}

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
    push_fields(out, fields);
}

/// All but those that the encoder writes itself.
fn push_fields<'a>(
    out: &mut Vec<u8>,
    fields: impl IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) {
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
mod tests;

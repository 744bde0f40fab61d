//! Which fields may stand behind a body, and what becomes of the others?
//!
//! A trailer section is read after everybody along the way has acted on the head. A field that would have changed what they did
//! is therefore useless to the honest, and to others a way to tell one party what another never saw. RFC 9110, section 6.5.1,
//! forbids to send those that concern framing, routing, authentication, how the request is meant or how its content is
//! read; [`FORBIDDEN`] lists them.
//!
//! Decided: a message with one of them is refused. Dropping it in silence, which RFC 9112, section 7.1.2, permits as well, leaves
//! open what the next party makes of it, and nobody who means well sends one. Any other field is kept, apart from the fields of
//! the head: nothing merges the two. In what we send ourselves a forbidden one is passed over, since it is the
//! application that put it there, not an attacker.
//!
//! Rejected: to accept only the trailers that the field `Trailer` announces (section 6.6.2 makes that a hint), and to accept
//! only those whose definition permits it, which is what section 6.5.1 says to the letter (nobody has the list).

use super::error::Refusal;
use super::limits::{FIELD_NAME_MAX_BYTES, FIELDS_MAX, HEAD_MAX_BYTES, Limits};
use super::scan;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The fields that no trailer section may have, in lower case and in alphabetical order.
///
/// # Source
///
/// RFC 9110, section 6.5.1, whose kinds are those of RFC 7230, section 4.1.2, with the fields that section named; beside
/// them what proxies put in to say whom a request came from (RFC 7239 and its unregistered forerunners).
pub const FORBIDDEN: &[&str] = &[
    "accept-encoding",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Whether a trailer section may have this field.
///
/// # Examples
///
/// ```
/// use filch_http::proto::trailers::may_be_trailer;
/// use http::{HeaderName, header};
///
/// assert!(may_be_trailer(&HeaderName::from_static("content-digest")));
/// assert!(!may_be_trailer(&header::CONTENT_LENGTH));
/// ```
#[must_use]
pub fn may_be_trailer(name: &HeaderName) -> bool {
    FORBIDDEN.binary_search(&name.as_str()).is_err()
}

/// Reads a trailer section byte by byte. Made only when there is one.
#[derive(Debug, Clone)]
pub(super) struct TrailerReader {
    /// The line so far, without CR.
    line: Vec<u8>,
    /// Bytes of all lines so far, the empty one not counted.
    bytes: usize,
    /// Whether the last byte was a CR.
    is_after_cr: bool,
    fields: HeaderMap,
    fields_count: usize,
    bytes_max: usize,
    fields_max: usize,
}

impl TrailerReader {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            line: Vec::new(),
            bytes: 0,
            is_after_cr: false,
            fields: HeaderMap::new(),
            fields_count: 0,
            bytes_max: limits.trailer_bytes.min(HEAD_MAX_BYTES),
            fields_max: limits.trailer_fields.min(FIELDS_MAX),
        }
    }

    /// Takes in a byte. Whether it was the last of the section.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, Refusal> {
        let is_after_cr = std::mem::replace(&mut self.is_after_cr, byte == b'\r');
        match byte {
            b'\n' if is_after_cr => return self.line_end(),
            b'\n' => return Err(Refusal::LineEnd),
            _ if is_after_cr => return Err(Refusal::LineEnd),
            b'\r' => return Ok(false),
            b' ' | b'\t' if self.line.is_empty() && self.fields_count > 0 => {
                return Err(Refusal::Fold);
            }
            _ => {}
        }
        // CR LF is counted with the first byte of its line.
        self.bytes += if self.line.is_empty() { 3 } else { 1 };
        if self.bytes > self.bytes_max {
            return Err(Refusal::TrailersTooLarge);
        }
        self.line.push(byte);
        Ok(false)
    }

    pub(super) fn into_fields(self) -> HeaderMap {
        self.fields
    }

    fn line_end(&mut self) -> Result<bool, Refusal> {
        if self.line.is_empty() {
            return Ok(true);
        }
        if self.fields_count == self.fields_max {
            return Err(Refusal::TrailersTooLarge);
        }
        self.fields_count += 1;
        let (name, value) = field(&self.line)?;
        if !may_be_trailer(&name) {
            return Err(Refusal::TrailerForbidden);
        }
        self.fields.append(name, value);
        self.line.clear();
        Ok(false)
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112, section 5), as in a head.
fn field(line: &[u8]) -> Result<(HeaderName, HeaderValue), Refusal> {
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Refusal::FieldName)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.len() > FIELD_NAME_MAX_BYTES {
        return Err(Refusal::TrailersTooLarge);
    }
    if !name.iter().all(|byte| scan::is(*byte, scan::TOKEN)) {
        return Err(Refusal::FieldName);
    }
    if !line[colon + 1..]
        .iter()
        .all(|byte| scan::is(*byte, scan::VALUE))
    {
        return Err(Refusal::FieldValue);
    }
    let name = HeaderName::from_bytes(name).map_err(|_| Refusal::FieldName)?;
    let value = HeaderValue::from_bytes(value).map_err(|_| Refusal::FieldValue)?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: impl AsRef<[u8]>) -> Result<Option<HeaderMap>, Refusal> {
        read_under(Limits::DEFAULT, section)
    }

    fn read_under(limits: Limits, section: impl AsRef<[u8]>) -> Result<Option<HeaderMap>, Refusal> {
        let mut reader = TrailerReader::new(limits);
        let section = section.as_ref();
        for (at, byte) in section.iter().enumerate() {
            if reader.push(*byte)? {
                assert_eq!(at + 1, section.len(), "the end is the end");
                return Ok(Some(reader.into_fields()));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_list_is_sorted_and_each_of_it_is_refused() {
        assert!(FORBIDDEN.is_sorted());
        for name in FORBIDDEN {
            let shouted = name.to_ascii_uppercase();
            assert_eq!(
                read(format!("{shouted}: x\r\n\r\n")),
                Err(Refusal::TrailerForbidden),
                "{name}"
            );
            assert_eq!(
                read(format!("A: x\r\n{name}:\r\n\r\n")),
                Err(Refusal::TrailerForbidden),
                "{name}"
            );
        }
        for name in [
            "x-sum",
            "content-digest",
            "digest",
            "server-timing",
            "etag",
            "grpc-status",
            "content-md5",
        ] {
            assert!(
                matches!(read(format!("{name}: x\r\n\r\n")), Ok(Some(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn fields_keep_their_order_and_lose_the_spaces_around() {
        let fields = read("A: \t b \t \r\nX: 1\r\na:c d\te\r\n\r\n")
            .expect("good")
            .expect("whole");
        let values: Vec<_> = fields.get_all("a").iter().collect();
        assert_eq!(values, ["b", "c d\te"]);
        assert_eq!(
            (fields.len(), &fields["x"]),
            (3, &HeaderValue::from_static("1"))
        );
        assert_eq!(read("\r\n"), Ok(Some(HeaderMap::new())));
        assert_eq!(read("A: b\r\n"), Ok(None));
    }

    /// RFC 9112, sections 2.2, 5.1 and 5.2: the same that a head is held to.
    #[test]
    fn malformed_lines() {
        for (section, refusal) in [
            ("A: b\n\r\n", Refusal::LineEnd),
            ("A: b\rc\r\n\r\n", Refusal::LineEnd),
            ("A: b\r\r\n", Refusal::LineEnd),
            ("A: b\r\n\n", Refusal::LineEnd),
            ("\n", Refusal::LineEnd),
            ("A: b\r\n c\r\n\r\n", Refusal::Fold),
            ("A: b\r\n\tc: d\r\n\r\n", Refusal::Fold),
            (" A: b\r\n\r\n", Refusal::FieldName),
            ("A : b\r\n\r\n", Refusal::FieldName),
            ("A\t: b\r\n\r\n", Refusal::FieldName),
            (": b\r\n\r\n", Refusal::FieldName),
            ("A\r\n\r\n", Refusal::FieldName),
            ("A\0: b\r\n\r\n", Refusal::FieldName),
            ("A\": b\r\n\r\n", Refusal::FieldName),
            ("A: b\0c\r\n\r\n", Refusal::FieldValue),
            ("A: \x0b\r\n\r\n", Refusal::FieldValue),
            ("A: \x7f\r\n\r\n", Refusal::FieldValue),
        ] {
            assert_eq!(read(section), Err(refusal), "{section:?}");
        }
    }

    #[test]
    fn the_most_trailers() {
        let with = |count: usize| read("A: b\r\n".repeat(count) + "\r\n");
        for count in [
            Limits::DEFAULT.trailer_fields - 1,
            Limits::DEFAULT.trailer_fields,
        ] {
            assert_eq!(
                with(count).map(|fields| fields.map(|it| it.len())),
                Ok(Some(count))
            );
        }
        assert_eq!(
            with(Limits::DEFAULT.trailer_fields + 1),
            Err(Refusal::TrailersTooLarge)
        );
    }

    #[test]
    fn the_longest_trailers() {
        let max = Limits::DEFAULT.trailer_bytes;
        let with = |bytes: usize| {
            read(format!(
                "A: b\r\nC: {}\r\n\r\n",
                "v".repeat(bytes - "A: b\r\nC: \r\n".len())
            ))
        };
        assert!(matches!(with(max - 1), Ok(Some(_))));
        assert!(matches!(with(max), Ok(Some(_))));
        assert_eq!(with(max + 1), Err(Refusal::TrailersTooLarge));
        // Before the line ends.
        assert_eq!(read("A".repeat(max + 1)), Err(Refusal::TrailersTooLarge));
    }

    #[test]
    fn a_server_may_accept_less_but_not_more() {
        let with = |trailer_bytes, trailer_fields| {
            let limits = Limits {
                trailer_bytes,
                trailer_fields,
                ..Limits::DEFAULT
            };
            read_under(limits, "A: b\r\nC: d\r\n\r\n").map(|fields| fields.is_some())
        };
        assert_eq!(with(12, 2), Ok(true));
        assert_eq!(with(11, 2), Err(Refusal::TrailersTooLarge));
        assert_eq!(with(12, 1), Err(Refusal::TrailersTooLarge));
        assert_eq!(with(usize::MAX, usize::MAX), Ok(true));
        let limits = Limits {
            trailer_fields: usize::MAX,
            ..Limits::DEFAULT
        };
        let many = "A: b\r\n".repeat(FIELDS_MAX + 1) + "\r\n";
        assert_eq!(read_under(limits, many), Err(Refusal::TrailersTooLarge));
    }

    #[test]
    fn the_longest_name() {
        let with =
            |len: usize| read("n".repeat(len) + ": v\r\n\r\n").map(|fields| fields.is_some());
        assert_eq!(with(FIELD_NAME_MAX_BYTES - 1), Ok(true));
        assert_eq!(with(FIELD_NAME_MAX_BYTES), Ok(true));
        assert_eq!(
            with(FIELD_NAME_MAX_BYTES + 1),
            Err(Refusal::TrailersTooLarge)
        );
    }
}

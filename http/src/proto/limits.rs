//! How much may a peer ask for before it is refused?
//!
//! Every length that a peer decides has a bound here, with its reason. What a server may choose is a field of
//! [`Limits`]; what follows from the shape of the parser is only a constant.

/// Longest head of a request in bytes, from its first byte to the end of the empty line. More is refused with 431.
///
/// Offsets in a head are 16-bit numbers so that a field costs eight bytes; this is all that they reach. Servers in
/// use accept 8 to 64 KiB, and heads beyond 16 KiB are cookies gone wrong.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;

/// Most fields of a head. More are refused with 431.
///
/// Browsers send about 15, proxies add about 10; tables of the fields are kept per connection at eight bytes each.
pub const FIELDS_MAX: usize = 128;

/// Longest request target in bytes. More is refused with 414.
///
/// RFC 9112, section 3, recommends to support at least 8 000.
pub const TARGET_MAX_BYTES: usize = 8 * 1024;

/// Longest method in bytes. More is refused with 501 (RFC 9112, section 3).
///
/// The longest of the IANA registry is `UPDATEREDIRECTREF` with 17.
pub const METHOD_MAX_BYTES: usize = 32;

/// Longest field name in bytes. More is refused with 431.
///
/// The longest of the IANA registry has 47. It bounds what is scanned again when a head arrives in pieces.
pub const FIELD_NAME_MAX_BYTES: usize = 1024;

/// Most empty lines before a request line. More are refused with 400.
///
/// RFC 9112, section 2.2, asks for at least one: some clients send one after a body.
pub const EMPTY_LINES_MAX: usize = 4;

/// Longest body of a request in bytes unless the server is told otherwise. More is refused with 413.
///
/// A guess at what nobody sends by accident; a body is streamed, so that this bounds work rather than memory.
pub const BODY_MAX_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;

/// Least bytes per second of a body, in either direction, once the grace of the server's timeouts is used up.
///
/// What Kestrel asks for. The slowest mobile networks carry four times as much; a body of the largest size that is accepted by
/// default may then take most of a day, which is why servers with few connections want more.
pub const BODY_RATE_MIN_BYTES_PER_SECOND: u64 = 240;

/// Longest trailer section of a chunked body in bytes, without the empty line that ends it. More is refused with 431.
///
/// A guess: what is sent as trailers is a digest, a signature or a status, each below a few hundred bytes. They are kept in
/// memory beside the body until somebody asks for them.
pub const TRAILERS_MAX_BYTES: usize = 8 * 1024;

/// Most fields of a trailer section. More are refused with 431. A guess, four times what anybody was seen to send.
pub const TRAILERS_MAX: usize = 32;

/// What a server accepts. [`Limits::default`] is meant to be left as it is.
///
/// # Examples
///
/// ```
/// use filch_http::Limits;
///
/// let limits = Limits { body_bytes: 1024, ..Limits::default() };
/// assert!(limits.head_bytes >= 16 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest head in bytes; never more than [`HEAD_MAX_BYTES`].
    pub head_bytes: usize,
    /// Most fields of a head; never more than [`FIELDS_MAX`].
    pub fields: usize,
    /// Longest request target in bytes; never more than the head.
    pub target_bytes: usize,
    /// Longest body in bytes.
    pub body_bytes: u64,
    /// Least bytes per second of the body of a request, and of a response, while the client is waited for. Zero asks for any.
    pub body_rate: u64,
    /// Longest trailer section in bytes, without the empty line that ends it.
    pub trailer_bytes: usize,
    /// Most fields of a trailer section.
    pub trailer_fields: usize,
}

impl Limits {
    /// The limits of this file.
    pub const DEFAULT: Self = Self {
        head_bytes: HEAD_MAX_BYTES,
        fields: FIELDS_MAX,
        target_bytes: TARGET_MAX_BYTES,
        body_bytes: BODY_MAX_BYTES_DEFAULT,
        body_rate: BODY_RATE_MIN_BYTES_PER_SECOND,
        trailer_bytes: TRAILERS_MAX_BYTES,
        trailer_fields: TRAILERS_MAX,
    };

    /// The same with what exceeds the parser's own bounds brought down to them.
    #[must_use]
    pub(crate) const fn bounded(mut self) -> Self {
        if self.head_bytes > HEAD_MAX_BYTES {
            self.head_bytes = HEAD_MAX_BYTES;
        }
        if self.fields > FIELDS_MAX {
            self.fields = FIELDS_MAX;
        }
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// The contract with users: at least 16 KiB and 62 fields are accepted, more than 64 KiB or 1 000 fields refused.
const _: () = assert!(HEAD_MAX_BYTES >= 16 * 1024 && HEAD_MAX_BYTES <= 64 * 1024);
const _: () = assert!(FIELDS_MAX >= 62 && FIELDS_MAX <= 1000);
// Offsets are u16; the last two bytes of a head are its empty line, so that no field ends beyond.
const _: () = assert!(HEAD_MAX_BYTES - 2 <= u16::MAX as usize);

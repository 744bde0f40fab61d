//! What does the head of a response say, without copying a byte of it?
//!
//! The twin of [`request`](super::request), for who sends requests: [`ResponseParser::parse`] notes where things are,
//! [`ReceivedResponse`] is the view of the bytes through these notes, and the fields are read by the same code.
//!
//! # The grammar, and where it is stricter than httparse
//!
//! RFC 9112, sections 2, 4 and 5. httparse 1.10 is the oracle of the tests; it accepts, and this parser refuses (each
//! has a test):
//!
//! 1. a line that ends in LF without CR (RFC 9112, section 2.2);
//! 2. empty lines before the status line: only a server is asked to pass over them (RFC 9112, section 2.2), and to a client
//!    they are bytes that no response accounts for;
//! 3. a status below 100 (RFC 9110, section 15);
//! 4. a field name or a head beyond the limits.
//!
//! It is as lenient as httparse where a status ends its line without the space that belongs behind it, as many servers
//! send it: nobody can be misled by that. And it keeps a reason phrase with bytes of 0x80 and above, which httparse
//! drops, and says of `HTTP/` DIGIT `.` DIGIT that it is not spoken where httparse says that it is malformed.

use super::cursor::Cursor;
use super::fields::{self, Fault, FieldSlot, Fields, Part, Read};
use super::limits::Limits;
use super::request::ascii;
use super::scan::VALUE;
use super::simd::{self, Best, Job, Level, Simd};
use super::version::{Found, Version};
use http::StatusCode;
use std::fmt;

/// Reads the head of one response, in as many pieces as it comes.
///
/// # Examples
///
/// ```
/// use filch_http::proto::{FieldSlot, ResponseParser};
///
/// let bytes = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
/// let mut slots = [FieldSlot::default(); 8];
/// let mut parser = ResponseParser::default();
///
/// assert_eq!(parser.parse(&bytes[..20], &mut slots), Ok(None));
/// let head = parser.parse(bytes, &mut slots).unwrap().unwrap();
/// let response = head.view(bytes, &slots);
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.field("content-length"), Some(&b"0"[..]));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ResponseParser {
    limits: Limits,
    best: Best,
    /// Where to go on in the reason phrase; 0 if not within it.
    reason_at: usize,
    /// What the status line says, once it has been read.
    line: StatusLine,
    part: Part<BadResponse>,
    /// What comes behind the status line.
    fields: Fields,
}

/// Where the parts of a response's head are. [`ReceivedHead::view`] shows them. The default is a head of no bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceivedHead {
    line: StatusLine,
    fields: u16,
    len: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct StatusLine {
    version: Version,
    status: u16,
    reason_at: u16,
    reason_end: u16,
}

/// Why a response is refused. The connection is of no use after any of these: where the next response would begin is
/// unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadResponse {
    /// The response does not begin with an HTTP version.
    Version,
    /// The version is neither 1.0 nor 1.1.
    VersionUnsupported,
    /// The status is not a number from 100 to 999 behind one space.
    Status,
    /// The reason phrase holds NUL or another control.
    Reason,
    /// A line ends in LF without CR, or holds a CR without LF.
    LineEnd,
    /// A field name is empty, or is not a token followed at once by a colon.
    FieldName,
    /// A field value holds NUL or another control.
    FieldValue,
    /// A field is continued on the next line (obs-fold).
    Fold,
    /// More fields than the limit.
    TooManyFields,
    /// The head, or a field name in it, is longer than the limit.
    HeadTooLarge,
}

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "the response does not begin with an HTTP version",
            Self::VersionUnsupported => "the response is of neither HTTP/1.0 nor HTTP/1.1",
            Self::Status => "the status of the response is malformed",
            Self::Reason => "the reason phrase holds a control character",
            Self::LineEnd => "a line does not end in CR LF",
            Self::FieldName => "a field name is malformed",
            Self::FieldValue => "a field value holds a control character",
            Self::Fold => "a field is continued on the next line",
            Self::TooManyFields => "too many fields",
            Self::HeadTooLarge => "the head is too large",
        })
    }
}

impl std::error::Error for BadResponse {}

impl From<Fault> for BadResponse {
    #[cold]
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::LineEnd => Self::LineEnd,
            Fault::Name => Self::FieldName,
            Fault::NameTooLong => Self::HeadTooLarge,
            Fault::Value => Self::FieldValue,
            Fault::Fold => Self::Fold,
            Fault::TooMany => Self::TooManyFields,
        }
    }
}

impl ResponseParser {
    /// A parser for one head under these limits, of which it needs those for the head's size and fields.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits: limits.bounded(),
            best: Best::Unknown,
            reason_at: 0,
            line: StatusLine::NONE,
            part: Part::Line,
            fields: Fields::at(0),
        }
    }

    /// Gets ready for another head under the same limits.
    #[inline]
    pub fn reset(&mut self) {
        self.reason_at = 0;
        self.part = Part::Line;
    }

    /// Reads on in `bytes`: everything that has arrived of this response so far, from its first byte. Fields go into
    /// `slots`, which must be the same table in each call.
    ///
    /// `Ok(None)` asks for more bytes. Behind a whole head, [`reset`](Self::reset) comes before the next call: without it the
    /// answer has no meaning.
    ///
    /// # Errors
    ///
    /// The head is refused; so it will be, for the same reason, if it is asked about again.
    ///
    /// # Source
    ///
    /// RFC 9112, sections 2, 4 and 5.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<Option<ReceivedHead>, BadResponse> {
        self.best = self.best.known();
        self.best.run(Parse(self, bytes, slots))
    }

    /// The same with these instructions; `None` if the processor does not have them.
    #[doc(hidden)]
    pub fn parse_with(
        &mut self,
        simd: Simd,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Option<Result<Option<ReceivedHead>, BadResponse>> {
        simd::with(simd, Parse(self, bytes, slots))
    }

    /// How many bytes the next call will pass over. It looks again at what has come of a version, a status, and the end of a
    /// line; those are short.
    #[must_use]
    pub const fn resumes_at(&self) -> usize {
        if self.part.has_line() {
            self.fields.resume_at()
        } else {
            self.reason_at
        }
    }

    #[inline(always)]
    fn parse_at<L: Level>(
        &mut self,
        level: L,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<Option<ReceivedHead>, BadResponse> {
        let head_max = self.limits.head_bytes;
        let bytes = &bytes[..bytes.len().min(head_max)];
        let refusal = match self.lines(level, bytes, slots) {
            Ok(Read::Done(end)) => {
                return Ok(Some(ReceivedHead {
                    line: self.line,
                    fields: self.fields.count() as u16,
                    len: end as u32,
                }));
            }
            Ok(Read::Open) if bytes.len() < head_max => return Ok(None),
            Ok(Read::Open) => BadResponse::HeadTooLarge,
            Err(refusal) => refusal,
        };
        self.part = self.part.refused(refusal);
        Err(refusal)
    }

    #[inline(always)]
    fn lines<L: Level>(
        &mut self,
        level: L,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<Read<usize>, BadResponse> {
        let (mut cursor, mut at);
        match self.part {
            Part::Line => {
                (cursor, at) = Cursor::new(level, bytes, 0);
                at = match self.status_line(&mut cursor, at)? {
                    Read::Done(at) => at,
                    Read::Open => return Ok(Read::Open),
                };
                self.part = Part::Fields;
                self.fields = Fields::at(cursor.offset(at));
            }
            Part::Fields => (cursor, at) = Cursor::new(level, bytes, self.fields.resume_at()),
            Part::Refused { refusal, .. } => return Err(refusal),
        }
        let slots = match slots.get_mut(..self.limits.fields) {
            Some(slots) => slots,
            None => slots,
        };
        Ok(self.fields.parse(&mut cursor, at, slots)?)
    }

    /// `HTTP-version SP status-code SP [ reason-phrase ] CRLF` (RFC 9112, section 4). The index is of what is behind it.
    #[inline(always)]
    fn status_line<L: Level>(
        &mut self,
        cursor: &mut Cursor<'_, L>,
        at: usize,
    ) -> Result<Read<usize>, BadResponse> {
        let bytes = cursor.bytes();
        let (version, status, behind) = match cursor.ahead(at).and_then(version_and_status) {
            Some(good) => good,
            None => return status_refusal(bytes),
        };
        let reason_at = match behind {
            b' ' => STATUS_END + 1,
            b'\r' | b'\n' => STATUS_END,
            _ => return Err(BadResponse::Status),
        };
        // The space before the reason phrase is as good as a byte of it.
        let from = match self.reason_at {
            0 => at + STATUS_END,
            resume_at => cursor.seek_to(resume_at),
        };
        let stop = cursor.run::<VALUE>(from);
        let reason_end = cursor.offset(stop);
        if cursor.ahead(stop) != Some(*b"\r\n") {
            self.reason_at = reason_end;
            return match bytes[reason_end..] {
                [] | [b'\r'] => Ok(Read::Open),
                [b'\r' | b'\n', ..] => Err(BadResponse::LineEnd),
                _ => Err(BadResponse::Reason),
            };
        }
        self.line = StatusLine {
            version,
            status,
            reason_at: reason_at as u16,
            reason_end: reason_end as u16,
        };
        Ok(Read::Done(cursor.seek(stop + 2)))
    }
}

/// Where the status ends: `HTTP/1.1 200`.
const STATUS_END: usize = 12;

/// The beginning of a status line, if it is good, with the byte behind it.
#[inline(always)]
fn version_and_status(bytes: [u8; STATUS_END + 1]) -> Option<(Version, u16, u8)> {
    let [a, b, c, d, e, f, g, h, b' ', digits @ .., behind] = bytes else {
        return None;
    };
    let version = match &[a, b, c, d, e, f, g, h] {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return None,
    };
    let [hundreds, tens, ones] = digits.map(|byte| u16::from(byte.wrapping_sub(b'0')));
    if hundreds == 0 || hundreds > 9 || tens > 9 || ones > 9 {
        return None;
    }
    Some((version, hundreds * 100 + tens * 10 + ones, behind))
}

/// What is wrong with the beginning of a status line; nothing, if more has to arrive first.
#[cold]
fn status_refusal(bytes: &[u8]) -> Result<Read<usize>, BadResponse> {
    match Found::first_in(bytes) {
        Found::Open => return Ok(Read::Open),
        Found::Nothing => return Err(BadResponse::Version),
        Found::Unsupported => return Err(BadResponse::VersionUnsupported),
        Found::Version(_) => {}
    }
    // Of a status that is whole, the byte behind it is missing.
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'1' => matches!(byte, b'1'..=b'9'),
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    let status = &bytes[b"HTTP/1.1".len()..];
    match status.iter().zip(b" 100").all(fits) {
        true => Ok(Read::Open),
        false => Err(BadResponse::Status),
    }
}

/// [`ResponseParser::parse`] with its arguments.
struct Parse<'a>(&'a mut ResponseParser, &'a [u8], &'a mut [FieldSlot]);

impl Job for Parse<'_> {
    type Output = Result<Option<ReceivedHead>, BadResponse>;

    #[inline(always)]
    fn run<L: Level>(self, level: L) -> Self::Output {
        self.0.parse_at(level, self.1, self.2)
    }
}

impl StatusLine {
    const NONE: Self = Self {
        version: Version::Http11,
        status: 0,
        reason_at: 0,
        reason_end: 0,
    };
}

impl ReceivedHead {
    /// The length of the head in bytes with its empty line: the body, or the next response, begins there.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether this is no head but the default.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Shows the head in the bytes and the table that it was parsed from.
    ///
    /// # Panics
    ///
    /// When `bytes` or `slots` are fewer than those it was parsed from. With others of enough length the view shows
    /// nonsense, or panics when asked for a part that begins behind its end.
    #[must_use]
    #[inline]
    pub fn view<'b>(&self, bytes: &'b [u8], slots: &'b [FieldSlot]) -> ReceivedResponse<'b> {
        ReceivedResponse {
            bytes: &bytes[..self.len()],
            slots: &slots[..usize::from(self.fields)],
            line: self.line,
        }
    }
}

/// The head of a response, as a view of the bytes it came in.
#[derive(Clone, Copy)]
pub struct ReceivedResponse<'b> {
    bytes: &'b [u8],
    slots: &'b [FieldSlot],
    line: StatusLine,
}

impl<'b> ReceivedResponse<'b> {
    /// The version of the response.
    #[must_use]
    #[inline]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The status.
    ///
    /// # Panics
    ///
    /// When the view is of [the default](ReceivedHead::default), which has none.
    #[must_use]
    #[inline]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.line.status).expect("the view is of a head that was parsed")
    }

    /// The reason phrase, as sent: often empty, perhaps not UTF-8, and never a reason to do anything (RFC 9112,
    /// section 4).
    #[must_use]
    #[inline]
    pub fn reason(&self) -> &'b [u8] {
        &self.bytes[usize::from(self.line.reason_at)..usize::from(self.line.reason_end)]
    }

    /// The first value of the field `name`, whatever the case of either.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Name and value of each field in the order of arrival.
    ///
    /// Values have no spaces or tabs around them, no controls but tabs in them, and need not be UTF-8.
    #[inline]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&'b str, &'b [u8])> + Clone + use<'b> {
        fields::shown(self.bytes, self.slots).map(|(name, value)| (ascii(name), value))
    }
}

impl fmt::Debug for ReceivedResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedResponse")
            .field("version", &self.version())
            .field("status", &self.line.status)
            .field("fields", &self.slots.len())
            .finish()
    }
}

//! What does the head of a request say, without copying a byte of it?
//!
//! [`RequestParser::parse`] reads the bytes that have arrived and notes where things are: the request line in a
//! [`Head`], each field as a [`FieldSlot`] of the table that the caller brings. Nothing is allocated. A
//! [`RequestHead`] is the view of the bytes through these notes.
//!
//! When the head is not whole yet, the parser remembers the line it was in (within a field value, the byte), and the
//! next call goes on from there. What it says is a function of the bytes alone: however they were split, the result
//! is the same, and an error is reported with the first byte that makes it certain.
//!
//! # The grammar, and where it is stricter than httparse
//!
//! RFC 9112, sections 2 to 5, without its leniencies. httparse 1.10 is the oracle of the tests; it accepts, and this
//! parser refuses (each has a test):
//!
//! 1. a line that ends in LF without CR (RFC 9112, section 2.2, allows to accept it; who disagrees about it can be
//!    made to see two requests where another sees one);
//! 2. more than [`EMPTY_LINES_MAX`] empty lines before the request line, and any that end in LF alone;
//! 3. bytes of 0x80 and above in the target, and `"`, `#`, `<`, `>` and the grave accent;
//! 4. a target of a form that the method does not allow, or of no form at all (RFC 9112, section 3.2);
//! 5. a method, a target, a field name or a head beyond the limits.
//!
//! And it says 505 where httparse says that the version is malformed, for `HTTP/` DIGIT `.` DIGIT.
//!
//! Rejected: looking for the end of the head first (a second pass over every byte of every request), and a parser
//! that keeps its place to the byte everywhere (a state machine with a branch per byte; only field values are long
//! enough to matter, everything else is bounded by small limits).

use super::cursor::{Cursor, text};
use super::error::Refusal;
use super::limits::{
    EMPTY_LINES_MAX, FIELD_NAME_MAX_BYTES, HEAD_MAX_BYTES, Limits, METHOD_MAX_BYTES,
};
use super::scan;
use std::fmt;

pub use super::target::TargetForm;

/// Reads the head of one request, in as many pieces as it comes.
///
/// # Examples
///
/// ```
/// use filch_http::proto::{FieldSlot, RequestParser};
///
/// let bytes = b"GET /fib/10 HTTP/1.1\r\nHost: example.org\r\n\r\n";
/// let mut slots = [FieldSlot::default(); 8];
/// let mut parser = RequestParser::default();
///
/// assert_eq!(parser.parse(&bytes[..20], &mut slots), Ok(None));
/// let head = parser.parse(bytes, &mut slots).unwrap().unwrap();
/// let request = head.view(bytes, &slots);
/// assert_eq!(request.method(), "GET");
/// assert_eq!(request.field("host"), Some(&b"example.org"[..]));
/// ```
#[derive(Debug, Clone, Default)]
pub struct RequestParser {
    limits: Limits,
    /// Where the first line begins that is not done with.
    line_at: usize,
    /// Where to go on in the value of the field that `line_at` is the line of; 0 if not within a value.
    value_at: usize,
    /// Fields that stand in the table already.
    fields: usize,
    empty_lines: usize,
    request_line: Option<RequestLine>,
}

/// Where the parts of a head are. [`Head::view`] shows them. The default is a head of no bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    line: RequestLine,
    fields: u16,
    len: u32,
}

/// Where a field is: its name and its value, as offsets from the first byte of the head.
///
/// # Units and limits
///
/// Eight bytes; offsets reach [`HEAD_MAX_BYTES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FieldSlot {
    name_at: u16,
    name_end: u16,
    value_at: u16,
    value_end: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RequestLine {
    method_at: u16,
    method_end: u16,
    target_at: u16,
    target_end: u16,
    version: Version,
    form: TargetForm,
}

/// The version of the protocol that a message says it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// How far a line was read.
enum Line<T> {
    Done(T),
    /// The bytes ended within it.
    Open,
}

/// Goes on with the value of a finished line; hands an open one up.
macro_rules! done {
    ($line:expr) => {
        match $line {
            Line::Done(value) => value,
            Line::Open => return Ok(Line::Open),
        }
    };
}

impl RequestParser {
    /// A parser for one head under these limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            line_at: 0,
            value_at: 0,
            fields: 0,
            empty_lines: 0,
            request_line: None,
        }
    }

    /// Gets ready for another head under the same limits.
    #[inline]
    pub fn reset(&mut self) {
        self.line_at = 0;
        self.value_at = 0;
        self.fields = 0;
        self.empty_lines = 0;
        self.request_line = None;
    }

    /// Reads on in `bytes`: everything that has arrived of this request so far, from its first byte. Fields go into
    /// `slots`, which must be the same table in each call.
    ///
    /// `Ok(None)` asks for more bytes.
    ///
    /// # Errors
    ///
    /// The head is refused. Calling again is pointless, but harmless.
    ///
    /// # Source
    ///
    /// RFC 9112, sections 2 to 5.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<Option<Head>, Refusal> {
        let head_max = self.limits.head_bytes.min(HEAD_MAX_BYTES);
        let bytes = &bytes[..bytes.len().min(head_max)];
        match self.lines(bytes, slots)? {
            Line::Done(head) => Ok(Some(head)),
            Line::Open if bytes.len() == head_max => Err(Refusal::HeadTooLarge),
            Line::Open => Ok(None),
        }
    }

    /// Whether anything but empty lines has been seen.
    #[must_use]
    pub fn has_begun(&self, bytes: &[u8]) -> bool {
        self.request_line.is_some() || bytes.len() > self.line_at
    }

    /// The method, as sent, of a request whose first line was accepted; also when the rest of it was refused.
    #[must_use]
    pub fn method_bytes<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let line = self.request_line?;
        bytes.get(usize::from(line.method_at)..usize::from(line.method_end))
    }

    /// How many bytes the next call will pass over: those before the line, or the place in a value, that it was in.
    #[must_use]
    pub const fn resumes_at(&self) -> usize {
        if self.value_at != 0 {
            self.value_at
        } else {
            self.line_at
        }
    }

    fn lines(&mut self, bytes: &[u8], slots: &mut [FieldSlot]) -> Result<Line<Head>, Refusal> {
        let mut cursor = Cursor::new(bytes, self.line_at);
        let line = match self.request_line {
            Some(line) => line,
            None => done!(self.first_line(&mut cursor, bytes)?),
        };
        let fields_max = self.limits.fields.min(slots.len());
        let slots = &mut slots[..fields_max];
        if self.value_at != 0 {
            cursor = Cursor::new(bytes, self.value_at);
            let Some(slot) = slots.get_mut(self.fields) else {
                return Err(Refusal::TooManyFields);
            };
            done!(self.field_value(&mut cursor, slot, bytes)?);
        }
        loop {
            self.line_at = cursor.offset();
            if cursor.peek() == Some(b'\r') {
                done!(line_end(&mut cursor)?);
                return Ok(Line::Done(Head {
                    line,
                    fields: self.fields as u16,
                    len: cursor.offset() as u32,
                }));
            }
            let name_at = cursor.offset();
            let name_end = done!(field_name(&mut cursor, self.fields == 0)?);
            let Some(slot) = slots.get_mut(self.fields) else {
                return Err(Refusal::TooManyFields);
            };
            scan::whitespace(&mut cursor);
            let value_at = cursor.offset() as u16;
            *slot = FieldSlot {
                name_at: name_at as u16,
                name_end: name_end as u16,
                value_at,
                value_end: value_at,
            };
            done!(self.field_value(&mut cursor, slot, bytes)?);
        }
    }

    /// The request line with the empty lines before it.
    fn first_line(
        &mut self,
        cursor: &mut Cursor<'_>,
        bytes: &[u8],
    ) -> Result<Line<RequestLine>, Refusal> {
        while cursor.peek() == Some(b'\r') {
            done!(line_end(cursor)?);
            self.line_at = cursor.offset();
            self.empty_lines += 1;
            if self.empty_lines > EMPTY_LINES_MAX {
                return Err(Refusal::EmptyLines);
            }
        }
        let line = done!(request_line(cursor, bytes, self.limits.target_bytes)?);
        self.request_line = Some(line);
        Ok(Line::Done(line))
    }

    /// The rest of a field line, from within its value on. `slot` has the name and where the value begins.
    #[inline(always)]
    fn field_value(
        &mut self,
        cursor: &mut Cursor<'_>,
        slot: &mut FieldSlot,
        bytes: &[u8],
    ) -> Result<Line<()>, Refusal> {
        if self.value_at == usize::from(slot.value_at) {
            // Came back to a value of which nothing but spaces had arrived.
            scan::whitespace(cursor);
            slot.value_at = cursor.offset() as u16;
        }
        scan::value(cursor);
        let end = cursor.offset();
        match crlf(cursor) {
            Crlf::Yes => {}
            Crlf::Open => {
                self.value_at = end;
                return Ok(Line::Open);
            }
            Crlf::No => return Err(value_refusal(cursor.peek())),
        }
        slot.value_end = trim_end(bytes, usize::from(slot.value_at), end) as u16;
        self.value_at = 0;
        self.fields += 1;
        Ok(Line::Done(()))
    }
}

/// Whether CR LF lies under the cursor.
enum Crlf {
    /// It did, and the cursor is behind it.
    Yes,
    /// The bytes end before it is certain.
    Open,
    No,
}

#[inline]
fn crlf(cursor: &mut Cursor<'_>) -> Crlf {
    match cursor.window::<2>() {
        Some(window) if window.bytes() == b"\r\n" => {
            window.skip(2);
            Crlf::Yes
        }
        Some(_) => Crlf::No,
        None => match cursor.peek() {
            None | Some(b'\r') => Crlf::Open,
            Some(_) => Crlf::No,
        },
    }
}

#[inline]
fn line_end(cursor: &mut Cursor<'_>) -> Result<Line<()>, Refusal> {
    match crlf(cursor) {
        Crlf::Yes => Ok(Line::Done(())),
        Crlf::Open => Ok(Line::Open),
        Crlf::No => Err(Refusal::LineEnd),
    }
}

/// `method SP request-target SP HTTP-version CRLF` (RFC 9112, section 3).
#[inline]
fn request_line(
    cursor: &mut Cursor<'_>,
    bytes: &[u8],
    target_max: usize,
) -> Result<Line<RequestLine>, Refusal> {
    let method_at = cursor.offset();
    scan::token(cursor);
    let method_end = cursor.offset();
    if method_end - method_at > METHOD_MAX_BYTES {
        return Err(Refusal::MethodTooLong);
    }
    match cursor.next() {
        Some(b' ') if method_end > method_at => {}
        None => return Ok(Line::Open),
        Some(_) => return Err(Refusal::Method),
    }

    let target_at = cursor.offset();
    scan::target(cursor);
    let target_end = cursor.offset();
    if target_end - target_at > target_max {
        return Err(Refusal::TargetTooLong);
    }
    match cursor.next() {
        Some(b' ') if target_end > target_at => {}
        None => return Ok(Line::Open),
        // A request of HTTP/0.9, or of a client that forgot the version.
        Some(b'\r' | b'\n') if target_end > target_at => return Err(Refusal::Version),
        Some(_) => return Err(Refusal::Target),
    }

    let version = done!(version(cursor)?);
    done!(line_end(cursor)?);
    let form = TargetForm::of(&bytes[method_at..method_end], &bytes[target_at..target_end])?;
    Ok(Line::Done(RequestLine {
        method_at: method_at as u16,
        method_end: method_end as u16,
        target_at: target_at as u16,
        target_end: target_end as u16,
        version,
        form,
    }))
}

/// `HTTP-name "/" DIGIT "." DIGIT` (RFC 9112, section 2.3), of which 1.0 and 1.1 are spoken.
#[inline]
fn version(cursor: &mut Cursor<'_>) -> Result<Line<Version>, Refusal> {
    let Some(window) = cursor.window::<8>() else {
        return match version_may_begin(cursor) {
            true => Ok(Line::Open),
            false => Err(Refusal::Version),
        };
    };
    let version = match window.bytes() {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Refusal::VersionUnsupported);
        }
        _ => return Err(Refusal::Version),
    };
    window.skip(8);
    Ok(Line::Done(version))
}

/// Whether the fewer than eight bytes that are left can become a version.
#[cold]
fn version_may_begin(cursor: &Cursor<'_>) -> bool {
    let mut cursor = cursor.clone();
    for shape in b"HTTP/0.0" {
        match cursor.next() {
            None => return true,
            Some(b'0'..=b'9') if *shape == b'0' => {}
            Some(byte) if byte == *shape && *shape != b'0' => {}
            Some(_) => return false,
        }
    }
    true
}

/// A field name with its colon; says where the name ends.
#[inline(always)]
fn field_name(cursor: &mut Cursor<'_>, is_first: bool) -> Result<Line<usize>, Refusal> {
    let at = cursor.offset();
    scan::token(cursor);
    let end = cursor.offset();
    if end - at > FIELD_NAME_MAX_BYTES {
        return Err(Refusal::HeadTooLarge);
    }
    match cursor.next() {
        Some(b':') if end > at => Ok(Line::Done(end)),
        None => Ok(Line::Open),
        Some(byte) => Err(name_refusal(byte, end == at, is_first)),
    }
}

/// What is wrong with a line whose name is followed by `byte`.
#[cold]
fn name_refusal(byte: u8, is_empty: bool, is_first: bool) -> Refusal {
    match byte {
        b' ' | b'\t' if is_empty && !is_first => Refusal::Fold,
        b'\n' if is_empty => Refusal::LineEnd,
        _ => Refusal::FieldName,
    }
}

/// What is wrong with a value that ends in `byte`.
#[cold]
fn value_refusal(byte: Option<u8>) -> Refusal {
    match byte {
        Some(b'\r' | b'\n') => Refusal::LineEnd,
        _ => Refusal::FieldValue,
    }
}

/// Where the value ends without the spaces and tabs behind it.
#[inline]
fn trim_end(bytes: &[u8], at: usize, mut end: usize) -> usize {
    while end > at && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    end
}

impl Head {
    /// The length of the head in bytes with its empty line: the body, or the next request, begins there.
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
    pub fn view<'b>(&self, bytes: &'b [u8], slots: &'b [FieldSlot]) -> RequestHead<'b> {
        RequestHead {
            bytes: &bytes[..self.len()],
            slots: &slots[..usize::from(self.fields)],
            line: self.line,
        }
    }
}

/// The head of a request, as a view of the bytes it came in.
#[derive(Clone, Copy)]
pub struct RequestHead<'b> {
    bytes: &'b [u8],
    slots: &'b [FieldSlot],
    line: RequestLine,
}

impl<'b> RequestHead<'b> {
    /// The method, as sent: methods are case-sensitive.
    #[must_use]
    #[inline]
    pub fn method(&self) -> &'b str {
        ascii(self.method_bytes())
    }

    /// The bytes of the method.
    #[must_use]
    #[inline]
    pub fn method_bytes(&self) -> &'b [u8] {
        &self.bytes[usize::from(self.line.method_at)..usize::from(self.line.method_end)]
    }

    /// The request target, as sent.
    #[must_use]
    #[inline]
    pub fn target(&self) -> &'b str {
        ascii(&self.bytes[usize::from(self.line.target_at)..usize::from(self.line.target_end)])
    }

    /// The form of the target.
    #[must_use]
    #[inline]
    pub fn form(&self) -> TargetForm {
        self.line.form
    }

    /// The path of the target, still encoded: `/` where an absolute target has none, `*` for the asterisk, empty for
    /// an authority.
    #[must_use]
    #[inline]
    pub fn path(&self) -> &'b str {
        self.line.form.path(self.target())
    }

    /// What follows the first `?` of the target.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The version of the request.
    #[must_use]
    #[inline]
    pub fn version(&self) -> Version {
        self.line.version
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
        self.raw_fields().map(|(name, value)| (ascii(name), value))
    }

    /// The same with names as bytes, which spares a check of them.
    #[inline]
    pub(crate) fn raw_fields(
        &self,
    ) -> impl ExactSizeIterator<Item = (&'b [u8], &'b [u8])> + Clone + use<'b> {
        let bytes = self.bytes;
        self.slots.iter().map(move |slot| {
            (
                &bytes[usize::from(slot.name_at)..usize::from(slot.name_end)],
                &bytes[usize::from(slot.value_at)..usize::from(slot.value_end)],
            )
        })
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("fields", &self.slots.len())
            .finish()
    }
}

/// Bytes that a scanner has found to be US-ASCII, as text. Checked again: a view can be made of other bytes than those
/// that were parsed.
#[inline]
fn ascii(bytes: &[u8]) -> &str {
    text(bytes).expect("the view is of the bytes that were parsed")
}

const _: () = assert!(size_of::<FieldSlot>() == 8);

//! What does the head of a request say, without copying a byte of it?
//!
//! [`RequestParser::parse`] reads the bytes that have arrived and notes where things are: the request line in a
//! [`Head`], each field as a [`FieldSlot`] of the table that the caller brings. Nothing is allocated. A
//! [`RequestHead`] is the view of the bytes through these notes.
//!
//! When the head is not whole yet, the parser remembers how far it has come in a target, a name or a value, and the next
//! call goes on from there. What it says is a function of the bytes alone: however they were split, and whatever
//! instructions the processor has, the result is the same, and an error is reported with the first byte that makes it
//! certain.
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
//! And it says 505 where httparse says that the version is malformed, for `HTTP/` DIGIT `.` DIGIT; it waits for the
//! whole of it. That 1.2 is among them is a decision; its reasons are in `version`.
//!
//! Rejected: looking for the end of the head first (a second pass over every byte of every request), bitmaps of a whole
//! head before anything is made of them (they have to be kept somewhere, and most lines are shorter than two blocks), and
//! a parser that keeps its place to the byte everywhere (a state machine with a branch per byte; methods, versions and
//! line ends are short).

use super::cursor::{Cursor, text};
use super::error::Refusal;
use super::fields::{self, Fault, Fields, Initials, Part, Read, Shown};
use super::limits::{EMPTY_LINES_MAX, Limits, METHOD_MAX_BYTES};
use super::scan::{PATH, TARGET, TOKEN};
use super::simd::{self, Best, Job, Level, Simd};
use super::version::Found;
use std::fmt;

pub use super::fields::FieldSlot;
pub use super::target::TargetForm;
pub use super::version::Version;

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
    best: Best,
    empty_lines: usize,
    /// Where the request line begins, as far as is known.
    line_at: usize,
    /// Where to go on in its target; 0 if not within it.
    target_at: usize,
    /// Where its query begins, if one goes on there; else 0.
    query_at: usize,
    /// What the request line says, once it has been read; all of it, once it is whole.
    head: Head,
    part: Part<Refusal>,
    /// What comes behind the request line.
    fields: Fields,
}

/// Where the parts of a head are. [`Head::view`] shows them. The default is a head of no bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    line: RequestLine,
    fields: u16,
    len: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RequestLine {
    /// Behind a few empty lines at most.
    method_at: u8,
    method_end: u8,
    target_at: u16,
    /// The first question mark, or the end.
    query_at: u16,
    target_end: u16,
    version: Version,
    form: TargetForm,
}

// A method ends where a byte reaches.
const _: () = assert!(2 * EMPTY_LINES_MAX + METHOD_MAX_BYTES <= u8::MAX as usize);

impl Head {
    /// Of which nothing has come.
    pub(crate) const NONE: Self = Self {
        line: RequestLine {
            method_at: 0,
            method_end: 0,
            target_at: 0,
            query_at: 0,
            target_end: 0,
            version: Version::Http11,
            form: TargetForm::Origin,
        },
        fields: 0,
        len: 0,
    };
}

/// Goes on with what was read; hands up that the bytes have ended.
macro_rules! done {
    ($read:expr) => {
        match $read {
            Read::Done(value) => value,
            Read::Open => return Ok(Read::Open),
        }
    };
}

impl RequestParser {
    /// A parser for one head under these limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits: limits.bounded(),
            best: Best::Unknown,
            empty_lines: 0,
            line_at: 0,
            target_at: 0,
            query_at: 0,
            head: Head::NONE,
            part: Part::Line,
            fields: Fields::at(0),
        }
    }

    /// Gets ready for another head under the same limits.
    #[inline]
    pub fn reset(&mut self) {
        self.empty_lines = 0;
        self.line_at = 0;
        self.target_at = 0;
        self.head = Head::NONE;
        self.part = Part::Line;
    }

    /// Gets ready for another head under other limits.
    ///
    /// What a new parser would have to find out, which instructions the processor has, this one knows already.
    #[inline]
    pub fn reset_with(&mut self, limits: Limits) {
        self.limits = limits.bounded();
        self.reset();
    }

    /// Reads on in `bytes`: everything that has arrived of this request so far, from its first byte. Fields go into
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
    /// RFC 9112, sections 2 to 5.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<Option<Head>, Refusal> {
        Ok(self.parse_on(bytes, slots)?.then_some(self.head))
    }

    /// The same; says whether the [head](Self::head) is whole.
    #[inline]
    pub(crate) fn parse_on(
        &mut self,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<bool, Refusal> {
        self.best = self.best.known();
        self.best.run(Parse(self, bytes, slots))
    }

    /// The head, once it is whole. Until then it [is empty](Head::is_empty), and no view of anything.
    #[inline]
    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    /// The same with these instructions; `None` if the processor does not have them.
    #[doc(hidden)]
    pub fn parse_with(
        &mut self,
        simd: Simd,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Option<Result<Option<Head>, Refusal>> {
        let parsed = simd::with(simd, Parse(self, bytes, slots))?;
        Some(parsed.map(|is_whole| is_whole.then_some(self.head)))
    }

    /// Whether anything but empty lines, and what may become one, has been seen.
    #[must_use]
    pub fn has_begun(&self, bytes: &[u8]) -> bool {
        !matches!(self.part, Part::Line)
            || !matches!(bytes.get(self.line_at..), None | Some([] | [b'\r']))
    }

    /// The method, as sent, of a request whose first line was accepted; also when the rest of it was refused.
    #[must_use]
    pub fn method_bytes<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let line = &self.head.line;
        let method = usize::from(line.method_at)..usize::from(line.method_end);
        self.part.has_line().then(|| bytes.get(method))?
    }

    /// How many bytes the next call will pass over. It looks again at what has come of a method, a version, and the end of
    /// a line; those are short.
    #[must_use]
    pub const fn resumes_at(&self) -> usize {
        if self.part.has_line() {
            self.fields.resume_at()
        } else if self.target_at != 0 {
            self.target_at
        } else {
            self.line_at
        }
    }

    #[inline(always)]
    fn parse_at<L: Level>(
        &mut self,
        level: L,
        bytes: &[u8],
        slots: &mut [FieldSlot],
    ) -> Result<bool, Refusal> {
        let head_max = self.limits.head_bytes;
        let bytes = &bytes[..bytes.len().min(head_max)];
        let refusal = match self.lines(level, bytes, slots) {
            Ok(Read::Done(end)) => {
                self.head.fields = self.fields.count() as u16;
                self.head.len = end as u32;
                return Ok(true);
            }
            Ok(Read::Open) if bytes.len() < head_max => return Ok(false),
            Ok(Read::Open) => Refusal::HeadTooLarge,
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
    ) -> Result<Read<usize>, Refusal> {
        let (mut cursor, mut at);
        match self.part {
            Part::Line => {
                if let Some(b'\r') = bytes.get(self.line_at) {
                    done!(self.empty_lines(bytes)?);
                }
                (cursor, at) = Cursor::new(level, bytes, self.line_at);
                at = done!(self.request_line(&mut cursor, at)?);
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

    /// The empty lines before the request line.
    #[cold]
    fn empty_lines(&mut self, bytes: &[u8]) -> Result<Read<()>, Refusal> {
        loop {
            match bytes[self.line_at..] {
                [] | [b'\r'] => return Ok(Read::Open),
                [b'\r', b'\n', ..] => {
                    self.line_at += 2;
                    self.empty_lines += 1;
                    if self.empty_lines > EMPTY_LINES_MAX {
                        return Err(Refusal::EmptyLines);
                    }
                }
                [b'\r', ..] => return Err(Refusal::LineEnd),
                _ => return Ok(Read::Done(())),
            }
        }
    }

    /// `method SP request-target SP HTTP-version CRLF` (RFC 9112, section 3). The index is of what is behind it.
    #[inline(always)]
    fn request_line<L: Level>(
        &mut self,
        cursor: &mut Cursor<'_, L>,
        at: usize,
    ) -> Result<Read<usize>, Refusal> {
        let method_at = self.line_at;
        let stop = if cursor.ahead(at) == Some(*b"GET ") {
            // As most are, which is seen at a glance.
            at + 3
        } else {
            let stop = cursor.run::<TOKEN>(at);
            let len = cursor.offset(stop) - method_at;
            if len > METHOD_MAX_BYTES {
                return Err(Refusal::MethodTooLong);
            }
            match cursor.byte(stop) {
                Some(b' ') if len > 0 => stop,
                None => return Ok(Read::Open),
                Some(_) => return Err(Refusal::Method),
            }
        };
        let method_end = cursor.offset(stop);

        let target_at = method_end + 1;
        let (from, known_query_at) = match self.target_at {
            0 => (stop + 1, 0),
            resume_at => (cursor.seek_to(resume_at), self.query_at),
        };
        // Where it has no query, its version follows; if that is not so, all there may be of a query is passed over as well.
        let mut stop = cursor.run::<PATH>(from);
        let mut query_at = cursor.offset(stop);
        let mut target_end = query_at;
        let mut version = cursor.ahead(stop).and_then(spoken_version);
        if version.is_none() {
            stop = cursor.run::<TARGET>(stop);
            target_end = cursor.offset(stop);
            version = cursor.ahead(stop).and_then(spoken_version);
        }
        if known_query_at != 0 {
            query_at = known_query_at;
        }
        if target_end - target_at > self.limits.target_bytes {
            return Err(Refusal::TargetTooLong);
        }
        let bytes = cursor.bytes();
        let version = match version {
            Some(version) if target_end > target_at => version,
            _ => {
                self.target_at = target_end;
                self.query_at = if query_at < target_end { query_at } else { 0 };
                return match fault_behind_target(&bytes[target_end..], target_end == target_at) {
                    Some(refusal) => Err(refusal),
                    None => Ok(Read::Open),
                };
            }
        };
        self.head.line = RequestLine {
            method_at: method_at as u8,
            method_end: method_end as u8,
            target_at: target_at as u16,
            query_at: query_at as u16,
            target_end: target_end as u16,
            version,
            form: TargetForm::Origin,
        };
        if bytes[target_at] != b'/' || method_end - method_at == b"CONNECT".len() {
            let (method, target) = (&bytes[method_at..method_end], &bytes[target_at..target_end]);
            self.head.line.form = TargetForm::of(method, target)?;
        }
        Ok(Read::Done(cursor.seek(stop + 11)))
    }
}

/// The end of a request line from behind its target, if it is as nearly all are.
#[inline(always)]
fn spoken_version([a, b, c, d, e, f, g, h, minor, cr, lf]: [u8; 11]) -> Option<Version> {
    if [a, b, c, d, e, f, g, h] != *b" HTTP/1." || [cr, lf] != *b"\r\n" {
        return None;
    }
    match minor {
        b'1' => Some(Version::Http11),
        b'0' => Some(Version::Http10),
        _ => None,
    }
}

/// [`RequestParser::parse`] with its arguments.
struct Parse<'a>(&'a mut RequestParser, &'a [u8], &'a mut [FieldSlot]);

impl Job for Parse<'_> {
    type Output = Result<bool, Refusal>;

    #[inline(always)]
    fn run<L: Level>(self, level: L) -> Self::Output {
        self.0.parse_at(level, self.1, self.2)
    }
}

/// What is wrong with the rest of a request line, from behind its target; nothing, if more has to arrive first.
#[cold]
fn fault_behind_target(rest: &[u8], is_empty: bool) -> Option<Refusal> {
    let rest = match rest {
        [] => return None,
        [b' ', rest @ ..] if !is_empty => rest,
        // A request of HTTP/0.9, or of a client that forgot the version.
        [b'\r' | b'\n', ..] if !is_empty => return Some(Refusal::Version),
        _ => return Some(Refusal::Target),
    };
    match (Found::first_in(rest), rest.get(8..)) {
        (Found::Open, _) | (Found::Version(_), Some([] | [b'\r'])) => None,
        (Found::Version(_), _) => Some(Refusal::LineEnd),
        (Found::Unsupported, _) => Some(Refusal::VersionUnsupported),
        (Found::Nothing, _) => Some(Refusal::Version),
    }
}

impl From<Fault> for Refusal {
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

    /// The version of the request.
    #[must_use]
    #[inline]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The bytes of the path, as [`RequestHead::path`] has it, which looks at them once more to make text of them.
    ///
    /// # Panics
    ///
    /// As [`view`](Self::view).
    #[inline(always)]
    pub(crate) fn path_bytes<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        match self.line.form {
            TargetForm::Origin => {
                &bytes[usize::from(self.line.target_at)..usize::from(self.line.query_at)]
            }
            _ => path_of_any(self.line, bytes).as_bytes(),
        }
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
    #[inline(always)]
    pub fn path(&self) -> &'b str {
        match self.line.form {
            TargetForm::Origin => ascii(
                &self.bytes[usize::from(self.line.target_at)..usize::from(self.line.query_at)],
            ),
            _ => path_of_any(self.line, self.bytes),
        }
    }

    /// What follows the first `?` of the target.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        let query = &self.bytes[usize::from(self.line.query_at)..usize::from(self.line.target_end)];
        query.split_first().map(|(_, query)| ascii(query))
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
        fields::shown(self.bytes, self.slots)
    }

    /// Those of them that may have one of these names.
    #[inline]
    pub(crate) fn fields_of(
        &self,
        initials: &'static Initials,
    ) -> impl Iterator<Item = Shown<'b>> + use<'b> {
        fields::shown_of(self.bytes, self.slots, initials)
    }
}

/// By values, so that who asks for the path of a plain target needs no place for a whole head.
#[inline(never)]
fn path_of_any(line: RequestLine, bytes: &[u8]) -> &str {
    let target = usize::from(line.target_at)..usize::from(line.target_end);
    line.form.path(ascii(&bytes[target]))
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
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    text(bytes).expect("the view is of the bytes that were parsed")
}

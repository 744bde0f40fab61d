//! Where is the data in a body that comes in chunks?
//!
//! [`ChunkedDecoder::decode`] goes over the bytes that have arrived and says where in them the next piece of data lies, so that
//! nobody copies it. Everything else it takes in: it is a machine that looks at each byte of the framing once and keeps no
//! place in the caller's buffer, so what it says is a function of the bytes alone, however they were split.
//!
//! # The grammar, and where it is stricter than RFC 9112, section 7.1
//!
//! Each tolerance here was a way to smuggle a request: two parties that disagree about one byte of a chunk's line read two
//! different bodies. Refused, though a recipient might accept them:
//!
//! 1. spaces and tabs anywhere but in a quoted value of an extension (`BWS` of section 7.1.1; nobody has to send it);
//! 2. a CR without LF or a LF without CR, in an extension as well;
//! 3. a size of more than [`CHUNK_SIZE_MAX_DIGITS`] digits, leading zeros among them (section 7.1 asks for care);
//! 4. a line of more than [`CHUNK_LINE_MAX_BYTES`], and more framing than the data is worth ([`OVERHEAD_PER_DATA_BYTE`]), which
//!    section 7.1.1 asks for;
//! 5. fields in the trailer section that belong into a head ([`trailers`](super::trailers)).
//!
//! Extensions are otherwise ignored, as section 7.1.1 asks of who does not understand them.
//!
//! Rejected: to wait until a line is whole and parse it then (somebody must keep it, and half a line would be read again), and
//! to hand out the trailers as places in the buffer (the head of the request, which stays there, and the trailers would
//! bound each other).

mod write;

pub use write::{CHUNK_END, CHUNK_HEAD_MAX_BYTES, ChunkHead, encode_last_chunk};

use super::error::Refusal;
use super::limits::Limits;
use super::scan;
use super::trailers::TrailerReader;
use http::HeaderMap;

/// Most digits of a chunk's size: as many as 64 bits need. Leading zeros count.
pub const CHUNK_SIZE_MAX_DIGITS: usize = 16;

/// Longest line of a chunk's size with its extensions, without CR LF, in bytes. More is refused with 400.
///
/// A guess. No extension was ever registered, and those in use (signatures of chunks) are below 100 bytes.
pub const CHUNK_LINE_MAX_BYTES: usize = 256;

/// Framing that any body may have, in bytes, however short its data: sizes, extensions and line ends, but not trailers.
///
/// A guess, and the same as that of other servers.
pub const OVERHEAD_FREE_BYTES: u64 = 16 * 1024;

/// Framing that a body may have beyond that for each byte of its data. More is refused with 400.
///
/// A chunk of one byte without extensions, the worst that an honest client sends, has five. So the work for a body is
/// bounded by its length, which is itself bounded.
pub const OVERHEAD_PER_DATA_BYTE: u64 = 8;

/// Reads a chunked body, in as many pieces as it comes.
///
/// # Units and limits
///
/// The data is at most [`Limits::body_bytes`] long, a trailer section [`Limits::trailer_bytes`]. A chunk that would exceed the one
/// is refused when it is announced. Allocates nothing unless there are trailers.
///
/// # Source
///
/// RFC 9112, section 7.1.
///
/// # Examples
///
/// ```
/// use filch_http::proto::chunked::{ChunkedDecoder, Step};
///
/// let mut input = &b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 7\r\n\r\nGET "[..];
/// let mut decoder = ChunkedDecoder::default();
/// let mut body = Vec::new();
/// let end = loop {
///     match decoder.decode(input).unwrap() {
///         Step::Data { at, len } => {
///             body.extend_from_slice(&input[at..at + len]);
///             input = &input[at + len..];
///         }
///         Step::End { at } => break at,
///         Step::More => panic!("it is all here"),
///     }
/// };
/// assert_eq!(body, b"hello world");
/// assert_eq!(&input[end..], b"GET ");
/// assert_eq!(decoder.take_trailers()["x-sum"], "7");
/// ```
#[derive(Debug, Clone)]
pub struct ChunkedDecoder {
    state: State,
    /// The size as far as it was read, then what is still to come of the data.
    left: u64,
    /// Bytes of the line of the size so far.
    line_bytes: usize,
    /// Bytes of finished lines of sizes, and of what ends their data.
    framing: u64,
    /// The sum of all sizes so far.
    announced: u64,
    limits: Limits,
    /// Only made when there are any.
    trailers: Option<Box<TrailerReader>>,
}

/// What [`ChunkedDecoder::decode`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All of the input was framing, and is done with. More bytes are needed.
    More,
    /// `len` bytes of data, at least one, lie at `at` in the input; what lies before them was framing. The next input begins
    /// behind them.
    Data {
        /// Where the data begins in the input.
        at: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// The body ended, with its trailers: what belongs to the next message begins at `at` in the input. Said again by each
    /// further call, with 0.
    End {
        /// Where the input goes on that is none of the body.
        at: usize,
    },
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The digits of a size.
    Size,
    /// The name of an extension, of which nothing was seen.
    NameStart,
    Name,
    /// The value of an extension, of which nothing was seen.
    ValueStart,
    Token,
    Quoted,
    /// Behind a backslash in a quoted value.
    Escaped,
    /// Behind a quoted value.
    QuotedEnd,
    /// The LF that ends the line of a size.
    SizeLf,
    Data,
    /// The CR behind the data.
    DataCr,
    /// The LF behind the data.
    DataLf,
    /// The first byte behind the last chunk.
    TrailersStart,
    Trailers,
    /// The LF behind a CR at once behind the last chunk.
    EndLf,
    End,
    Failed(Refusal),
}

impl ChunkedDecoder {
    /// A decoder of one body under these limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            state: State::Size,
            left: 0,
            line_bytes: 0,
            framing: 0,
            announced: 0,
            limits,
            trailers: None,
        }
    }

    /// Looks for the next piece of data in `input`, which begins where the last step ended.
    ///
    /// # Errors
    ///
    /// The body is refused, and where the next message begins is unknown. Calling again says the same.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        for (at, byte) in input.iter().enumerate() {
            match self.state {
                State::Data => return Ok(self.data(at, input.len() - at)),
                State::End => return Ok(Step::End { at }),
                state => match self.framing(state, *byte) {
                    Ok(next) => self.state = next,
                    Err(refusal) => {
                        self.state = State::Failed(refusal);
                        return Err(refusal);
                    }
                },
            }
        }
        match self.state {
            State::End => Ok(Step::End { at: input.len() }),
            State::Failed(refusal) => Err(refusal),
            _ => Ok(Step::More),
        }
    }

    /// How many bytes of data come next, before any framing: who reads them into a place of its own tells
    /// [`data_was_taken`](Self::data_was_taken).
    #[must_use]
    pub const fn data_ahead(&self) -> u64 {
        match self.state {
            State::Data => self.left,
            _ => 0,
        }
    }

    /// Takes note that `count` bytes of data were taken, of those that are [ahead](Self::data_ahead).
    ///
    /// # Panics
    ///
    /// When they are more than those.
    pub const fn data_was_taken(&mut self, count: u64) {
        assert!(
            count <= self.data_ahead(),
            "more than there is in the chunk"
        );
        if count > 0 {
            self.left -= count;
            if self.left == 0 {
                self.state = State::DataCr;
            }
        }
    }

    /// Whether the body has ended.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// The data that was announced by now, in bytes: at the end, the length of the body.
    #[must_use]
    pub const fn announced(&self) -> u64 {
        self.announced
    }

    /// The fields behind the last chunk; none before the end of the body.
    #[must_use]
    pub fn take_trailers(&mut self) -> HeaderMap {
        match self.trailers.take() {
            Some(reader) if self.is_at_end() => reader.into_fields(),
            reader => {
                self.trailers = reader;
                HeaderMap::new()
            }
        }
    }

    fn data(&mut self, at: usize, here: usize) -> Step {
        let len = here.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.data_was_taken(len as u64);
        Step::Data { at, len }
    }

    /// The table: in this state, upon this byte, where to go.
    fn framing(&mut self, state: State, byte: u8) -> Result<State, Refusal> {
        match (state, byte) {
            (State::Size, b'\r') if self.line_bytes > 0 => Ok(State::SizeLf),
            (State::Size, b';') if self.line_bytes > 0 => self.in_line(State::NameStart),
            (State::Size, _) => self.digit(byte),
            (State::NameStart | State::Name, _) if is_token(byte) => self.in_line(State::Name),
            (State::Name, b'=') => self.in_line(State::ValueStart),
            (State::ValueStart | State::Token, _) if is_token(byte) => self.in_line(State::Token),
            (State::ValueStart, b'"') => self.in_line(State::Quoted),
            (State::Quoted, b'"') => self.in_line(State::QuotedEnd),
            (State::Quoted, b'\\') => self.in_line(State::Escaped),
            (State::Quoted | State::Escaped, _) if is_quotable(byte) => self.in_line(State::Quoted),
            (State::Name | State::Token | State::QuotedEnd, b';') => self.in_line(State::NameStart),
            (State::Name | State::Token | State::QuotedEnd, b'\r') => Ok(State::SizeLf),
            (State::SizeLf, b'\n') => self.line_end(),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::TrailersStart, b'\r') => Ok(State::EndLf),
            (State::TrailersStart | State::Trailers, _) => self.trailer(byte),
            (State::EndLf, b'\n') => Ok(State::End),
            (State::DataCr | State::DataLf, _) => Err(Refusal::ChunkEnd),
            (State::NameStart | State::ValueStart, b'\r') => Err(Refusal::ChunkExtension),
            (State::SizeLf | State::EndLf, _) | (_, b'\r' | b'\n') => Err(Refusal::LineEnd),
            (State::Failed(refusal), _) => Err(refusal),
            // Data and the end are seen to by the caller; what is left are the extensions.
            _ => Err(Refusal::ChunkExtension),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, Refusal> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\n' => return Err(Refusal::LineEnd),
            _ => return Err(Refusal::ChunkSize),
        };
        if self.line_bytes == CHUNK_SIZE_MAX_DIGITS {
            return Err(Refusal::ChunkSize);
        }
        self.line_bytes += 1;
        // Sixteen digits of four bits fill the number: nothing is lost.
        self.left = (self.left << 4) | u64::from(digit);
        Ok(State::Size)
    }

    /// Counts a byte of the line behind the digits.
    fn in_line(&mut self, next: State) -> Result<State, Refusal> {
        if self.line_bytes == CHUNK_LINE_MAX_BYTES {
            return Err(Refusal::ChunkLineTooLong);
        }
        self.line_bytes += 1;
        Ok(next)
    }

    /// The line of a size is whole: what it announces is within the limits, or refused.
    fn line_end(&mut self) -> Result<State, Refusal> {
        let line_end_bytes = if self.left > 0 { 4 } else { 2 };
        self.framing += self.line_bytes as u64 + line_end_bytes;
        self.line_bytes = 0;
        self.announced = self
            .announced
            .checked_add(self.left)
            .ok_or(Refusal::BodyTooLarge)?;
        if self.announced > self.limits.body_bytes {
            return Err(Refusal::BodyTooLarge);
        }
        let worth = self.announced.saturating_mul(OVERHEAD_PER_DATA_BYTE);
        if self.framing > worth.saturating_add(OVERHEAD_FREE_BYTES) {
            return Err(Refusal::ChunkOverhead);
        }
        Ok(if self.left > 0 {
            State::Data
        } else {
            State::TrailersStart
        })
    }

    #[cold]
    fn trailer(&mut self, byte: u8) -> Result<State, Refusal> {
        let limits = self.limits;
        let reader = self
            .trailers
            .get_or_insert_with(|| Box::new(TrailerReader::new(limits)));
        Ok(if reader.push(byte)? {
            State::End
        } else {
            State::Trailers
        })
    }
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new(Limits::DEFAULT)
    }
}

fn is_token(byte: u8) -> bool {
    scan::is(byte, scan::TOKEN)
}

/// What may stand in a quoted value, and behind a backslash in it (RFC 9110, section 5.6.4).
fn is_quotable(byte: u8) -> bool {
    scan::is(byte, scan::VALUE)
}

#[cfg(test)]
mod tests;

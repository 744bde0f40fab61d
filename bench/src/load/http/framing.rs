//! Where does an answer end?
//!
//! As little is parsed as that takes: the status, `Content-Length`, whether the coding is chunked. What else is in a head is passed over, and a body is passed over without
//! being looked at. A server that is measured is not tested by this: it is believed what it says.

use std::io;

/// A head that is longer is no head.
const HEAD_MAX: usize = 64 << 10;

/// Which part of an answer comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    /// So many bytes of a body that says how long it is.
    Body(u64),
    Chunk(Chunk),
    /// A body that says nothing: the end of the connection is its end.
    ToEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// Digits of its size, so far this number; whether there are more.
    Size(u64, bool),
    /// So many bytes of it and of its line end.
    Data(u64),
    /// The lines after the last; whether the one that comes is empty so far.
    Trailer(bool),
}

/// How far one is in the answers of a connection.
#[derive(Debug)]
pub(super) struct Framing {
    part: Part,
    status: u16,
    /// What came of a head that is not there whole.
    head: Vec<u8>,
}

/// What a head says.
struct Head {
    bytes: usize,
    status: u16,
    part: Part,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            part: Part::Head,
            status: 0,
            head: Vec::new(),
        }
    }

    /// Takes bytes up to the end of an answer, whose status it gives, or else all of them.
    ///
    /// # Errors
    ///
    /// If this is no answer.
    pub(super) fn take(&mut self, bytes: &mut &[u8]) -> io::Result<Option<u16>> {
        while !bytes.is_empty() {
            let is_over = match self.part {
                Part::Head => self.take_head(bytes)?,
                Part::Body(left) => {
                    let now = left.min(bytes.len() as u64);
                    *bytes = &bytes[now as usize..];
                    self.part = Part::Body(left - now);
                    left == now
                }
                Part::Chunk(chunk) => self.take_chunk(chunk, bytes)?,
                Part::ToEnd => {
                    *bytes = &[];
                    false
                }
            };
            if is_over {
                self.part = Part::Head;
                return Ok(Some(self.status));
            }
        }
        Ok(None)
    }

    /// Of how many bytes that come it is known that they are a body's, with nothing behind them.
    pub(super) fn known(&self) -> usize {
        match self.part {
            Part::Body(left) => usize::try_from(left).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// Takes so many of those, which nobody has looked at; gives what [`take`](Self::take) does.
    pub(super) fn skip(&mut self, bytes: usize) -> Option<u16> {
        let Part::Body(left) = self.part else {
            unreachable!("only what is known is skipped");
        };
        let left = left - bytes as u64;
        self.part = if left == 0 {
            Part::Head
        } else {
            Part::Body(left)
        };
        (left == 0).then_some(self.status)
    }

    /// Whether nothing of an answer has come that is not over.
    pub(super) fn is_between(&self) -> bool {
        self.part == Part::Head && self.head.is_empty()
    }

    /// The status of an answer that ends with its connection, if this is one.
    ///
    /// # Errors
    ///
    /// If it ends within one that does not.
    pub(super) fn end(&self) -> io::Result<Option<u16>> {
        match self.part {
            Part::ToEnd => Ok(Some(self.status)),
            _ if self.is_between() => Ok(None),
            _ => Err(io::Error::other("the connection ends within an answer")),
        }
    }

    /// Whether the answer is over already.
    fn take_head(&mut self, bytes: &mut &[u8]) -> io::Result<bool> {
        let head = if self.head.is_empty() {
            head(bytes)?
        } else {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let found = head(&self.head)?;
            found.map(|head| Head {
                bytes: head.bytes - before,
                ..head
            })
        };
        let Some(head) = head else {
            if self.head.is_empty() {
                self.head.extend_from_slice(bytes);
            }
            *bytes = &[];
            if self.head.len() > HEAD_MAX {
                return Err(io::Error::other("the head of an answer does not end"));
            }
            return Ok(false);
        };
        *bytes = &bytes[head.bytes..];
        self.head.clear();
        (self.status, self.part) = (head.status, head.part);
        if (100..200).contains(&head.status) {
            // The one that counts comes after it.
            self.part = Part::Head;
            return Ok(false);
        }
        Ok(self.part == Part::Body(0))
    }

    fn take_chunk(&mut self, chunk: Chunk, bytes: &mut &[u8]) -> io::Result<bool> {
        if let Chunk::Data(left) = chunk {
            let now = left.min(bytes.len() as u64);
            *bytes = &bytes[now as usize..];
            self.part = Part::Chunk(match left - now {
                0 => Chunk::Size(0, true),
                left => Chunk::Data(left),
            });
            return Ok(false);
        }
        let (&byte, rest) = bytes.split_first().expect("there are some");
        *bytes = rest;
        self.part = Part::Chunk(match (chunk, byte) {
            (Chunk::Size(0, _), b'\n') => Chunk::Trailer(true),
            // And its line end.
            (Chunk::Size(size, _), b'\n') => Chunk::Data(size + 2),
            (Chunk::Size(size, true), _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let next = size
                    .checked_mul(16)
                    .and_then(|size| size.checked_add(digit.into()));
                // So that the line end can be added.
                let next = next.filter(|size| *size < u64::MAX / 2);
                let next = next.ok_or_else(|| io::Error::other("a chunk has no end"))?;
                Chunk::Size(next, true)
            }
            (Chunk::Size(size, _), _) => Chunk::Size(size, false),
            (Chunk::Trailer(true), b'\n') => return Ok(true),
            (Chunk::Trailer(_), b'\n') => Chunk::Trailer(true),
            (Chunk::Trailer(is_empty), b'\r') => Chunk::Trailer(is_empty),
            (Chunk::Trailer(_), _) => Chunk::Trailer(false),
            (Chunk::Data(_), _) => unreachable!("it was taken above"),
        });
        Ok(false)
    }
}

/// What the head at the beginning says, if it is there whole.
fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut at = match line_end(bytes, 0) {
        Some(end) => end,
        None => return Ok(None),
    };
    let status = bytes.get(9..12).filter(|_| bytes.starts_with(b"HTTP/1."));
    let status = status.and_then(number);
    let status = status.ok_or_else(|| io::Error::other("this is no answer of HTTP/1"))? as u16;
    let (mut length, mut is_chunked) = (None, false);
    while let Some(end) = line_end(bytes, at) {
        let line = &bytes[at..end - 1];
        at = end;
        match line.first() {
            None | Some(b'\r') => {
                let part = match length {
                    _ if is_chunked => Part::Chunk(Chunk::Size(0, true)),
                    Some(length) => Part::Body(length),
                    None if matches!(status, 204 | 304) => Part::Body(0),
                    None => Part::ToEnd,
                };
                let bytes = at;
                return Ok(Some(Head {
                    bytes,
                    status,
                    part,
                }));
            }
            Some(b'c' | b'C') => {
                if let Some(value) = value(line, b"content-length:") {
                    let value = number(value);
                    length = Some(value.ok_or_else(|| io::Error::other("a length is no number"))?);
                }
            }
            Some(b't' | b'T') => {
                is_chunked |= value(line, b"transfer-encoding:")
                    .is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// Where the line that begins there has ended.
fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut line = bytes[from..].iter();
    line.position(|&byte| byte == b'\n')
        .map(|length| from + length + 1)
}

fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0, |number, &digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statuses of what comes in pieces of this size, and whether nothing is left open.
    fn statuses(text: &str, piece: usize) -> io::Result<(Vec<u16>, bool)> {
        let (mut framing, mut statuses) = (Framing::new(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            let mut rest = piece;
            while let Some(status) = framing.take(&mut rest)? {
                statuses.push(status);
            }
            assert!(rest.is_empty());
        }
        Ok((statuses, framing.is_between()))
    }

    #[test]
    fn answers_end_where_they_say_however_they_come() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 404 Not Found\r\nserver: x\r\ncontent-length:0\r\n\r\n\
            HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 201 Created\r\nX: y\r\nCONTENT-LENGTH: 12 \r\n\r\n\r\n\r\nHTTP/1.1\
            HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a;x=\"0\"\r\n\
            abcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n\
            HTTP/1.1 206 Partial\r\ntransfer-encoding: Chunked\r\n\r\n1\r\nx\r\n00\r\nA: b\r\nC: d\r\n\r\n\
            HTTP/1.1 500 Oh\nContent-Length: 2\n\nno";
        for piece in 1..=text.len() {
            assert_eq!(
                statuses(text, piece).expect("answers"),
                (vec![200, 404, 201, 204, 200, 206, 500], true),
                "{piece}"
            );
        }
    }

    #[test]
    fn a_body_that_is_known_can_be_skipped() {
        let mut framing = Framing::new();
        let mut rest: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nxyz";
        assert_eq!(framing.take(&mut rest).expect("an answer"), None);
        assert_eq!(framing.known(), 999_997);
        assert_eq!(framing.skip(999_996), None);
        assert!(!framing.is_between());
        assert_eq!(framing.skip(1), Some(200));
        assert!(framing.is_between() && framing.known() == 0);
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection_and_no_other_does() {
        let open = |text: &str| {
            let mut framing = Framing::new();
            let taken = framing.take(&mut text.as_bytes()).expect("an answer");
            assert_eq!(taken, None);
            framing.end()
        };
        assert_eq!(
            open("HTTP/1.1 200 OK\r\n\r\nsome").expect("its end"),
            Some(200)
        );
        assert_eq!(Framing::new().end().expect("nothing is open"), None);
        assert!(open("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsome").is_err());
        assert!(open("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nso").is_err());
        assert!(open("HTTP/1.1 200 O").is_err());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(HEAD_MAX / 6));
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            &endless,
        ] {
            assert!(statuses(text, 1000).is_err(), "{text}");
        }
    }
}

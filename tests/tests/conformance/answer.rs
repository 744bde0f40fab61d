//! What did the server answer?
//!
//! Read without mercy: whatever is not as RFC 9112 has it is a complaint, since a client that is more lenient would hide what others
//! stumble over.

use crate::bytes::show;
use filch_tests::guard::HANG;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What comes next on a connection.
#[derive(Debug)]
pub(crate) enum Came {
    Answer(Answer),
    Eof,
    Reset,
}

/// The answers on a connection, as they come.
pub(crate) struct Answers {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Answers {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// The next answer, or the end.
    pub(crate) fn next(&mut self, is_to_head: bool) -> Result<Came, String> {
        let end = loop {
            let found = self.unread.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(at) = found {
                break at + 4;
            }
            match self.read()? {
                Some(true) => {}
                None if self.unread.is_empty() => return Ok(Came::Reset),
                Some(false) if self.unread.is_empty() => return Ok(Came::Eof),
                _ => return Err(format!("the end within a head: {}", show(&self.unread))),
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let mut answer = Answer::of(&head).ok_or_else(|| format!("no head: {}", show(&head)))?;
        answer.judge()?;
        if !is_to_head && !matches!(answer.status, 100..=199 | 204 | 304) {
            answer.body = self.body(&answer)?;
        }
        Ok(Came::Answer(answer))
    }

    fn body(&mut self, answer: &Answer) -> Result<Vec<u8>, String> {
        if answer.field("transfer-encoding") == Some(b"chunked") {
            return self.chunks();
        }
        match answer.field("content-length") {
            Some(value) => {
                let text = std::str::from_utf8(value).unwrap_or_default();
                let len = text
                    .parse()
                    .map_err(|_| format!("Content-Length: {text}"))?;
                self.take(len)
            }
            None => {
                while self.read()? == Some(true) {}
                Ok(std::mem::take(&mut self.unread))
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| format!("chunk {line:?}"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err("a chunk does not end in CR LF".to_owned());
            }
        }
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|it| it == b"\r\n") {
                let line = self.take(at + 2)?;
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.read()? != Some(true) {
                return Err("the end within chunks".to_owned());
            }
        }
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, String> {
        while self.unread.len() < len {
            if self.read()? != Some(true) {
                return Err(format!(
                    "the end after {} of {len} bytes of a body",
                    self.unread.len()
                ));
            }
        }
        Ok(self.unread.drain(..len).collect())
    }

    /// Whether more has come, or the end; `None` after a reset.
    fn read(&mut self) -> Result<Option<bool>, String> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.unread.extend_from_slice(&piece[..count]);
                    return Ok(Some(count > 0));
                }
                // signal(7): so ends a read with a time limit when the process is stopped and told to go on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Err(format!(
                        "nothing for {HANG:?}, after {}",
                        show(&self.unread)
                    ));
                }
                Err(error) => return Err(format!("cannot be read: {error}")),
            }
        }
    }
}

impl Answer {
    /// `None` where it is not as RFC 9112, sections 4 and 5, has it.
    fn of(head: &[u8]) -> Option<Self> {
        let text = head.strip_suffix(b"\r\n")?;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let status = lines.next()?.strip_suffix(b"\r\n")?;
        let status = status.strip_prefix(b"HTTP/1.1 ")?;
        let (digits, reason) = status.split_at_checked(3)?;
        let is_clean = |bytes: &[u8]| !bytes.iter().any(|it| matches!(it, 0..=8 | 10..=31 | 127));
        if reason.first() != Some(&b' ') || !is_clean(reason) {
            return None;
        }
        let fields = lines.map(|line| {
            let line = line.strip_suffix(b"\r\n")?;
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'-');
            let value = line[colon + 1..].trim_ascii();
            (is_name && is_clean(value)).then(|| (name.to_ascii_lowercase(), value.to_vec()))
        });
        Some(Self {
            status: std::str::from_utf8(digits).ok()?.parse().ok()?,
            fields: fields.collect::<Option<_>>()?,
            body: Vec::new(),
        })
    }

    /// What must be true of any answer.
    fn judge(&self) -> Result<(), String> {
        let count = |name: &str| self.fields.iter().filter(|(it, _)| it == name).count();
        let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
        // RFC 9110, sections 8.6, 15.2 and 15.3.5; RFC 9112, section 6.1.
        let is_unframed = matches!(self.status, 100..=199 | 204);
        let complaint = if lengths + codings > 1 {
            "is framed twice"
        } else if is_unframed && lengths + codings > 0 {
            "has no body and says how long it is"
        // RFC 9110, section 6.6.1.
        } else if !matches!(self.status, 100..=199) && count("date") != 1 {
            "has not one Date"
        } else {
            return Ok(());
        };
        Err(format!(
            "an answer with {} {complaint}: {self:?}",
            self.status
        ))
    }

    /// The first value of a field, whose name is in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| &**value)
    }

    /// Whether it says that the connection closes.
    pub(crate) fn says_close(&self) -> bool {
        let options = self.field("connection").unwrap_or_default();
        options
            .split(|byte| *byte == b',')
            .any(|it| it.trim_ascii().eq_ignore_ascii_case(b"close"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_strictly() {
        let good = Answer::of(b"HTTP/1.1 200 OK\r\nX-A: b \r\nDate: c\r\n\r\n").expect("a head");
        assert_eq!((good.status, good.field("x-a")), (200, Some(&b"b"[..])));
        assert!(Answer::of(b"HTTP/1.1 299 \r\n\r\n").is_some());
        for bad in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\n\r\n",
        ] {
            assert!(Answer::of(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn what_must_hold_of_any_answer() {
        let judge = |status: &str, fields: &str| {
            let head = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
            Answer::of(head.as_bytes()).expect("a head").judge()
        };
        assert!(judge("200", "Date: x\r\nContent-Length: 1\r\n").is_ok());
        assert!(judge("100", "").is_ok());
        assert!(judge("200", "Content-Length: 1\r\n").is_err());
        assert!(judge("204", "Date: x\r\nContent-Length: 0\r\n").is_err());
        assert!(
            judge(
                "200",
                "Date: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"
            )
            .is_err()
        );
    }
}

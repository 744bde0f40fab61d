//! What has come back from a server?
//!
//! Answers, read as RFC 9112 says and no more leniently. What is malformed is a bug of the server's, however its client behaves; what is cut off is an error, which is a bug only for those who stay.

use filch_net::TcpStream;
use filch_tests::random::Random;
use filch_tests::soak::dawdle;
use futures_lite::{AsyncReadExt, future};
use std::io::{self, ErrorKind};
use std::str::from_utf8;

/// The longest crumb in bytes.
const CRUMB_MAX_BYTES: usize = 2000;

/// Reads the answers on a connection.
pub(crate) struct Reader<'s> {
    stream: &'s TcpStream,
    unread: Vec<u8>,
    /// Of one who reads in crumbs.
    crumbs: Option<Random>,
}

/// An answer, whole.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    trailers: Vec<(String, String)>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(stream: &'s TcpStream, crumbs: Option<Random>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            crumbs,
        }
    }

    /// The next answer but for invitations.
    pub(crate) async fn answer(&mut self, is_head: bool) -> io::Result<Answer> {
        loop {
            let answer = self.any_answer(is_head).await?;
            if answer.status != 100 {
                return Ok(answer);
            }
        }
    }

    /// The next answer, which may be an invitation.
    pub(crate) async fn any_answer(&mut self, is_head: bool) -> io::Result<Answer> {
        let line = self.line().await?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3));
        let mut answer = Answer {
            status: status.and_then(|it| it.parse().ok()).expect("a status"),
            fields: self.fields().await?,
            ..Answer::default()
        };
        let length = answer.field("content-length").map(str::parse::<usize>);
        let is_chunked = answer.field("transfer-encoding") == Some("chunked");
        match length {
            _ if is_head => {}
            Some(length) => {
                assert!(!is_chunked, "two lengths: {answer:?}");
                answer.body = self.exact(length.expect("a length")).await?;
            }
            None if is_chunked => {
                while let Some(chunk) = self.chunk().await? {
                    answer.body.extend(chunk);
                }
                answer.trailers = self.fields().await?;
            }
            None => assert!(answer.status < 200, "no length: {answer:?}"),
        }
        Ok(answer)
    }

    /// The connection must end here.
    pub(crate) async fn ends(&mut self) -> io::Result<()> {
        match self.fill().await {
            Err(error) if self.unread.is_empty() && error.kind() == ErrorKind::UnexpectedEof => {
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => panic!("more than was asked for: {:?}", self.unread),
        }
    }

    /// The next chunk; `None` for the last.
    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line().await?;
        let length = usize::from_str_radix(&line, 16).expect("a length");
        if length == 0 {
            return Ok(None);
        }
        let chunk = self.exact(length).await?;
        assert_eq!(self.line().await?, "", "the end of a chunk");
        Ok(Some(chunk))
    }

    async fn fields(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(": ").expect("a field");
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut seen = 0;
        let length = loop {
            match self.unread[seen..].windows(2).position(|it| it == b"\r\n") {
                Some(at) => break seen + at,
                None => {
                    seen = self.unread.len().saturating_sub(1);
                    self.fill().await?;
                }
            }
        };
        let line = from_utf8(&self.unread[..length]).expect("text").to_owned();
        self.unread.drain(..length + 2);
        Ok(line)
    }

    /// So many bytes.
    pub(crate) async fn exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            self.fill().await?;
        }
        let rest = self.unread.split_off(count);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    /// Reads once, whatever it is.
    async fn fill(&mut self) -> io::Result<()> {
        let mut room = [0; 16 * 1024];
        let most = match &mut self.crumbs {
            None => room.len(),
            Some(random) => {
                dawdle(random).await;
                1 + random.below(CRUMB_MAX_BYTES)
            }
        };
        match self.stream.read(&mut room[..most]).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.unread.extend_from_slice(&room[..count]);
                Ok(())
            }
        }
    }
}

impl Answer {
    /// The value of a field, which may only be there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        only(&self.fields, name)
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        only(&self.trailers, name)
    }
}

fn only<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let mut values = fields.iter().filter(|field| field.0 == name);
    let value = values.next().map(|field| &*field.1);
    assert!(values.next().is_none(), "{name} twice: {fields:?}");
    value
}

/// Reads and throws away until the end, or until so many bytes came, and returns whether it was the end: in whatever way, after whatever.
pub(crate) async fn runs_out(mut stream: &TcpStream, most: usize) -> bool {
    let mut room = vec![0; 64 * 1024];
    let mut left = most;
    while left > 0 {
        match stream.read(&mut room).await {
            Ok(0) | Err(_) => return true,
            Ok(count) => left = left.saturating_sub(count),
        }
        future::yield_now().await;
    }
    false
}

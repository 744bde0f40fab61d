//! How does an answer become a response?
//!
//! A whole file, or one part of it, is a [`Body::file`], which the kernel sends. Several parts with their heads between them are a stream that reads the file piece by piece as the client takes
//! them; who asks for several parts wants little of each, so there is not much that the kernel could spare us. What an answer says itself is bytes.
//!
//! A file that has become shorter meanwhile ends the body with an error, and with it the connection: what was announced cannot be sent any more.

use super::Answer;
use super::multipart::Piece;
use crate::body::Body;
use crate::response::{IntoResponse, Response};
use crate::server::open_files::FilePermit;
use bytes::Bytes;
use futures_core::Stream;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec::IntoIter;

/// How much of a file is read at a time, in bytes: as much as the connection gathers for one write.
const READ_BYTES: u64 = 64 * 1024;

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(body(self.plan.pieces, self.file, self.permit));
        *response.headers_mut() = self.plan.fields;
        response.with_status(self.plan.status)
    }
}

fn body(mut pieces: Vec<Piece>, file: Option<File>, permit: Option<FilePermit>) -> Body {
    match (pieces.as_mut_slice(), file) {
        ([], _) => Body::empty(),
        ([Piece::Bytes(bytes)], _) => std::mem::take(bytes).into(),
        ([Piece::File(range)], Some(file)) => Body::counted_file(file, range.clone(), permit),
        (_, Some(file)) => {
            let len = pieces.iter().map(Piece::len).sum();
            let parts = Parts {
                _permit: permit,
                ..Parts::of(pieces, file)
            };
            Body::stream(parts).with_length(len)
        }
        (_, None) => unreachable!("only what is found has several pieces"),
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.end - range.start,
        }
    }
}

/// The pieces, one after another.
struct Parts {
    /// What is being sent; the start of a range moves.
    current: Option<Piece>,
    rest: IntoIter<Piece>,
    file: File,
    /// The right to have it open; behind it, since it is given back when the file is closed.
    _permit: Option<FilePermit>,
}

impl Parts {
    fn of(pieces: Vec<Piece>, file: File) -> Self {
        let mut rest = pieces.into_iter();
        Self {
            current: rest.next(),
            rest,
            file,
            _permit: None,
        }
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match &mut self.current {
                None => return Ok(None),
                Some(Piece::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.current = self.rest.next();
                    return Ok(Some(bytes));
                }
                Some(Piece::File(range)) if range.is_empty() => self.current = self.rest.next(),
                Some(Piece::File(range)) => {
                    let step = (range.end - range.start).min(READ_BYTES);
                    let bytes = read(&self.file, range.start, step)?;
                    range.start += step;
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// `bytes` of the file, neither more nor less. It may wait for a disk, as sending by the kernel may.
fn read(file: &File, at: u64, bytes: u64) -> io::Result<Bytes> {
    let mut room = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    file.read_exact_at(&mut room, at)?;
    Ok(room.into())
}

impl Stream for Parts {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Poll::Ready(self.get_mut().next().transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file of so many bytes, each another than those beside it.
    fn file(len: u64) -> (File, Vec<u8>) {
        let bytes: Vec<_> = (0..len).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&bytes).expect("written");
        (file, bytes)
    }

    fn collect(mut parts: Parts) -> io::Result<Vec<Bytes>> {
        let mut all = Vec::new();
        while let Some(bytes) = parts.next()? {
            all.push(bytes);
        }
        Ok(all)
    }

    #[test]
    fn pieces_come_in_their_order_and_in_steps() {
        for len in [READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES] {
            let (file, bytes) = file(len + 10);
            let pieces = vec![
                Piece::Bytes("head".into()),
                Piece::File(10..10 + len),
                Piece::File(0..5),
                Piece::Bytes("end".into()),
            ];
            let announced: u64 = pieces.iter().map(Piece::len).sum();
            let all = collect(Parts::of(pieces, file)).expect("read");
            let longest = all.iter().map(Bytes::len).max().expect("there are some");
            assert_eq!(longest as u64, len.min(READ_BYTES));
            assert_eq!(all.len() as u64, 3 + len.div_ceil(READ_BYTES));
            let all = all.concat();
            assert_eq!(all.len() as u64, announced);
            assert_eq!(all, [b"head", &bytes[10..], &bytes[..5], b"end"].concat());
        }
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        let (file, _) = file(10);
        let read = collect(Parts::of(vec![Piece::File(5..11)], file));
        assert_eq!(
            read.expect_err("one is missing").kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn lengths_are_announced() {
        let range = |range| Piece::File(range);
        let text = || Piece::Bytes("abc".into());
        for (pieces, len) in [
            (vec![], 0),
            (vec![text()], 3),
            (vec![range(5..10)], 5),
            (vec![text(), range(5..10), text()], 11),
        ] {
            assert_eq!(body(pieces, Some(file(10).0), None).length(), Some(len));
        }
    }
}

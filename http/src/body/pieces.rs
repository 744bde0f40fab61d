//! What does the connection ask of a body that is not there yet?
//!
//! The next piece ([`Pieces::poll_piece`]), and nothing before it can send it; whether there is an end that may be told as
//! one; and the trailers behind it. Streams of all types stand behind one door, a trait object, since a response is one
//! type whatever it carries.

use super::BoxError;
use super::channel::BodyReceiver;
use super::file::FilePart;
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body that comes in pieces.
pub(crate) struct Pieces {
    pub(crate) source: Source,
    /// How many bytes it is said to have.
    pub(crate) length: Option<u64>,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether it ends when the server drains.
    pub(crate) until_drain: bool,
}

/// Where the pieces come from.
pub(crate) enum Source {
    /// One piece, which had to become some for its trailers.
    Whole(Bytes),
    Stream(Pin<Box<dyn PieceStream + Send>>),
    Channel(BodyReceiver),
    File(FilePart),
}

/// A stream of pieces, whatever they and its errors are.
pub(crate) trait PieceStream {
    fn poll_piece(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>>;
}

/// A piece, or why there is none.
pub(crate) type Piece = Result<Bytes, BoxError>;

impl<S, B, E> PieceStream for S
where
    S: Stream<Item = Result<B, E>>,
    B: Into<Bytes>,
    E: Into<BoxError>,
{
    fn poll_piece(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let next = ready!(self.poll_next(cx));
        Poll::Ready(next.map(|piece| piece.map(Into::into).map_err(Into::into)))
    }
}

impl Pieces {
    pub(crate) fn of(source: Source) -> Self {
        Self {
            source,
            length: None,
            trailers: None,
            until_drain: false,
        }
    }

    /// The length that is announced: trailers come only behind a body that announces none (RFC 9112, section 7.1.2).
    pub(crate) fn announced(&self) -> Option<u64> {
        match self.trailers {
            None => self.length,
            Some(_) => None,
        }
    }

    /// The next piece; `None` at a proper end.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match &mut self.source {
            Source::Stream(stream) => stream.as_mut().poll_piece(cx),
            Source::Channel(receiver) => {
                let piece = ready!(receiver.poll_piece(cx));
                if piece.is_none() {
                    if let Some(trailers) = receiver.take_trailers() {
                        self.trailers = Some(trailers);
                    }
                }
                Poll::Ready(piece)
            }
            Source::File(part) => Poll::Ready(part.read().transpose()),
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
        }
    }

    /// The part of a file that it is, if it is one.
    pub(crate) fn file(&mut self) -> Option<&mut FilePart> {
        match &mut self.source {
            Source::File(part) => Some(part),
            _ => None,
        }
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("length", &self.length)
            .field("trailers", &self.trailers)
            .finish_non_exhaustive()
    }
}

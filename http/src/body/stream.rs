//! How does middleware look at a body on its way?
//!
//! As the stream of its pieces, which it may change and make a body again ([`Body::stream`]).

use super::pieces::Pieces;
use super::{Body, pieces::Source};
use super::{BoxError, Later};
use bytes::Bytes;
use futures_core::Stream;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The pieces of a [`Body`], from [`Body::into_stream`]. It ends with the first error.
pub struct BodyStream {
    /// None after the end.
    pieces: Option<Box<Pieces>>,
}

impl BodyStream {
    pub(super) fn of(body: Body) -> Self {
        let pieces = match body.into_later() {
            Later::Pieces(pieces) => pieces,
            Later::Switch(_) => Box::new(Pieces::of(Source::Whole(Bytes::new()))),
        };
        Self {
            pieces: Some(pieces),
        }
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(pieces) = &mut self.pieces else {
            return Poll::Ready(None);
        };
        let piece = ready!(pieces.poll_piece(cx));
        if !matches!(piece, Some(Ok(_))) {
            self.pieces = None;
        }
        Poll::Ready(piece)
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream")
            .field("pieces", &self.pieces)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn next(stream: &mut BodyStream) -> Option<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(stream).poll_next(&mut cx) {
            Poll::Ready(piece) => piece.map(|piece| piece.expect("no error")),
            Poll::Pending => panic!("it is there"),
        }
    }

    #[test]
    fn bytes_are_one_piece_and_nothing_is_none() {
        let mut stream = Body::from("one").into_stream();
        assert_eq!(next(&mut stream).as_deref(), Some(&b"one"[..]));
        assert!(next(&mut stream).is_none() && next(&mut stream).is_none());
        assert!(next(&mut Body::empty().into_stream()).is_none());
    }

    #[test]
    fn it_ends_with_its_error() {
        let (sender, body) = Body::channel(1);
        drop(sender);
        let mut stream = body.into_stream();
        let mut cx = Context::from_waker(Waker::noop());
        let failed = Pin::new(&mut stream).poll_next(&mut cx);
        assert!(matches!(failed, Poll::Ready(Some(Err(_)))));
        assert!(next(&mut stream).is_none());
    }
}

//! How does a task send a body while it makes it?
//!
//! By [`BodySender`], the one end of a bounded channel, whose other end is the body. The end of the body is said
//! ([`BodySender::finish`]), not guessed from the sender having gone: a task that fails or panics on its way drops its
//! sender, and what it has sent by then must not look whole.

use super::pieces::Piece;
use bytes::Bytes;
use filch::sync::mpsc;
use http::HeaderMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

/// The end of a [`Body::channel`](super::Body::channel) that sends.
///
/// Dropped before [`finish`](Self::finish), it cuts the connection, so that the client does not take what came for the
/// whole.
///
/// # Examples
///
/// ```
/// use filch_http::{Body, Response};
///
/// async fn two_lines() -> Response {
///     let (mut sender, body) = Body::channel(1);
///     filch::spawn(async move {
///         if sender.send("one\n").await.is_ok() && sender.send("two\n").await.is_ok() {
///             sender.finish();
///         }
///     })
///     .detach();
///     Response::text(body)
/// }
/// # let _ = filch_http::Router::new().get("/", two_lines);
/// ```
pub struct BodySender {
    pieces: mpsc::Sender<Bytes>,
    end: Arc<End>,
}

/// Set when the body has a proper end: the trailers that stand there.
type End = OnceLock<HeaderMap>;

/// The other end.
pub(crate) struct BodyReceiver {
    pieces: mpsc::Receiver<Bytes>,
    end: Arc<End>,
}

/// Nobody reads the body any more: its client is gone, or asked for its head alone, or the server has cut it off.
///
/// That a client has broken its connection off is known at once. One that has closed it properly looks like one that has only nothing more to ask, until its system answers the next piece
/// with a reset: a body that is silent for long may send something now and then that means nothing.
///
/// # Examples
///
/// ```
/// use filch_http::Body;
///
/// # filch::Runtime::new()?.block_on(async {
/// let (mut sender, body) = Body::channel(1);
/// drop(body);
/// assert!(sender.send("text").await.is_err());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyClosed;

pub(crate) fn channel(capacity: usize) -> (BodySender, BodyReceiver) {
    let (sender, receiver) = mpsc::channel(capacity);
    let end = Arc::new(End::new());
    let sender = BodySender {
        pieces: sender,
        end: end.clone(),
    };
    (
        sender,
        BodyReceiver {
            pieces: receiver,
            end,
        },
    )
}

impl BodySender {
    /// Sends a piece, when there is room for it. An empty one is nothing.
    ///
    /// # Errors
    ///
    /// When nobody reads the body any more.
    ///
    /// # Cancel safety
    ///
    /// The piece is sent, or it is lost with the future: use [`ready`](Self::ready) first where that matters.
    pub async fn send(&mut self, piece: impl Into<Bytes>) -> Result<(), BodyClosed> {
        self.pieces.send(piece.into()).await.map_err(|_| BodyClosed)
    }

    /// Waits for room: the next piece is then sent without waiting.
    ///
    /// # Errors
    ///
    /// When nobody reads the body any more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ready(&mut self) -> Result<(), BodyClosed> {
        self.pieces
            .reserve()
            .await
            .map(drop)
            .map_err(|_| BodyClosed)
    }

    /// Waits until nobody reads the body any more. A client that has closed its connection, but has not broken it off, is only known to be gone when pieces are sent to it: see [`BodyClosed`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// The end of the body: it is whole.
    pub fn finish(self) {
        self.send_trailers(HeaderMap::new());
    }

    /// The end of the body, with these fields behind it, as [`Body::with_trailers`](super::Body::with_trailers) has them: a body that
    /// announced its length, and clients of HTTP/1.0, do without.
    pub fn send_trailers(self, trailers: HeaderMap) {
        // It is the first call, as it takes the sender.
        let _ = self.end.set(trailers);
    }
}

impl BodyReceiver {
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match ready!(self.pieces.poll_recv(cx)) {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None if self.end.get().is_some() => Poll::Ready(None),
            None => Poll::Ready(Some(Err(Unfinished.into()))),
        }
    }

    pub(crate) fn take_trailers(&self) -> Option<HeaderMap> {
        self.end
            .get()
            .filter(|trailers| !trailers.is_empty())
            .cloned()
    }
}

/// Why the connection is cut then.
#[derive(Debug)]
struct Unfinished;

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its sender was dropped before the end")
    }
}

impl std::error::Error for Unfinished {}

impl fmt::Display for BodyClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the body of the response any more")
    }
}

impl std::error::Error for BodyClosed {}

impl fmt::Debug for BodySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn poll(receiver: &mut BodyReceiver) -> Poll<Option<Piece>> {
        receiver.poll_piece(&mut Context::from_waker(Waker::noop()))
    }

    fn sent(sender: &mut BodySender, text: &'static str) {
        sender
            .pieces
            .try_send(Bytes::from_static(text.as_bytes()))
            .expect("there is room");
    }

    #[test]
    fn an_end_is_one_only_when_it_was_said() {
        let (mut sender, mut receiver) = channel(1);
        sent(&mut sender, "a");
        assert!(matches!(poll(&mut receiver), Poll::Ready(Some(Ok(piece))) if piece == "a"));
        assert!(poll(&mut receiver).is_pending());
        sender.finish();
        assert!(matches!(poll(&mut receiver), Poll::Ready(None)));
        assert!(receiver.take_trailers().is_none());

        let (mut sender, mut receiver) = channel(1);
        sent(&mut sender, "a");
        drop(sender);
        assert!(matches!(poll(&mut receiver), Poll::Ready(Some(Ok(_)))));
        assert!(matches!(poll(&mut receiver), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn trailers_come_with_the_end() {
        let (sender, mut receiver) = channel(1);
        let mut trailers = HeaderMap::new();
        trailers.insert("a", http::HeaderValue::from_static("b"));
        sender.send_trailers(trailers.clone());
        assert!(matches!(poll(&mut receiver), Poll::Ready(None)));
        assert_eq!(receiver.take_trailers(), Some(trailers));
    }

    #[test]
    fn what_does_not_fit_waits() {
        let (mut sender, receiver) = channel(1);
        sent(&mut sender, "a");
        assert!(sender.pieces.try_send(Bytes::new()).is_err());
        drop(receiver);
        assert!(matches!(
            sender.pieces.try_send(Bytes::new()),
            Err(mpsc::error::TrySendError::Closed(_))
        ));
    }
}

//! How does a server send events as they happen?
//!
//! As a body that does not end, of the type `text/event-stream` (HTML standard, section 9.2): what a stream of [`Event`]s
//! yields is written as it comes, and a comment when nothing has come for a while, so that neither a proxy takes the connection
//! for dead nor the server a client that has gone for one that listens.

mod event;

pub use event::{Event, EventError};

use super::{IntoResponse, Response};
use crate::body::Body;
use bytes::Bytes;
use filch::time::{Duration, Instant, Sleep, sleep_until};
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How long nothing may come before a comment is sent, unless it is set. Proxies close what was idle for a minute as a rule; a
/// guess.
const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(15);

/// Events, sent as a stream of theirs yields them.
///
/// It is a stream itself, of the bytes that are sent. When the stream of events ends, so does the response, and a browser
/// connects again, with the id of the last event that had one in `Last-Event-ID`. It also ends when the server begins to drain. An error
/// cuts the connection.
///
/// # Units and limits
///
/// When nothing has come for fifteen seconds a comment is sent, unless [`Sse::keep_alive`] says otherwise. The stream is only
/// asked when there is room to send, so that a client that reads slowly holds it up, and a stream that drops what is old should
/// stand before it where that matters.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, sleep};
/// use filch_http::{Event, Router, Sse};
/// use futures_lite::stream;
/// use std::convert::Infallible;
///
/// async fn seconds() -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
///     Sse::new(stream::unfold(0, |n| async move {
///         sleep(Duration::from_secs(1)).await;
///         Some((Ok(Event::data(&n.to_string())), n + 1))
///     }))
/// }
///
/// let router = Router::new().get("/events", seconds);
/// ```
#[must_use = "it does nothing unless it is answered with"]
pub struct Sse<St> {
    events: Pin<Box<St>>,
    /// How long nothing may come.
    keep_alive: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether something has come since the sleep was set.
    has_sent: bool,
}

impl<St, E> Sse<St>
where
    St: Stream<Item = Result<Event, E>>,
{
    /// Sends what this stream yields.
    pub fn new(events: St) -> Self {
        Self {
            events: Box::pin(events),
            keep_alive: Some(KEEP_ALIVE_DEFAULT),
            sleep: None,
            has_sent: true,
        }
    }

    /// Sends a comment when nothing has come for so long; `None` sends none, and then only the next event finds out that a
    /// client has gone.
    pub fn keep_alive(self, time: Option<Duration>) -> Self {
        Self {
            keep_alive: time,
            ..self
        }
    }

    /// Ready when nothing has come for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(time) = self.keep_alive else {
            return Poll::Pending;
        };
        // Counted from when it begins to wait: who sends again and again sets no timer.
        if std::mem::take(&mut self.has_sent) {
            let deadline = Instant::now() + time;
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(deadline),
                None => self.sleep = Some(Box::pin(sleep_until(deadline))),
            }
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<St, E> Stream for Sse<St>
where
    St: Stream<Item = Result<Event, E>>,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let item = match this.events.as_mut().poll_next(cx) {
            Poll::Ready(item) => item.map(|event| event.map(Event::into_bytes)),
            Poll::Pending if this.poll_idle(cx).is_ready() => {
                Some(Ok(Event::comment("").into_bytes()))
            }
            Poll::Pending => return Poll::Pending,
        };
        this.has_sent = true;
        Poll::Ready(item.map(|bytes| bytes.map(Bytes::from)))
    }
}

impl<St, E> IntoResponse for Sse<St>
where
    St: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::stream(self).until_drain());
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // What is past is not to be shown again as if it happened now.
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<St> fmt::Debug for Sse<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch::sync::mpsc;
    use filch::time::sleep;
    use futures_lite::StreamExt;
    use std::convert::Infallible;

    /// A stream that yields each event after so many seconds.
    fn after(times: &'static [u64]) -> impl Stream<Item = Result<Event, Infallible>> {
        futures_lite::stream::unfold(times.iter(), |mut left| async move {
            let seconds = left.next()?;
            sleep(Duration::from_secs(*seconds)).await;
            Some((Ok(Event::data(&seconds.to_string())), left))
        })
    }

    fn sent(sse: Sse<impl Stream<Item = Result<Event, Infallible>> + Send + 'static>) -> String {
        let runtime = filch::runtime::Builder::new().simulated(7).build();
        runtime.expect("a runtime").block_on(async move {
            let mut sse = Box::pin(sse);
            let mut all = Vec::new();
            while let Some(Ok(bytes)) = sse.next().await {
                all.extend_from_slice(&bytes);
            }
            String::from_utf8(all).expect("text")
        })
    }

    #[test]
    fn a_comment_when_nothing_has_come_for_a_while() {
        let quick = Sse::new(after(&[1, 14, 2]));
        assert_eq!(sent(quick), "data: 1\n\ndata: 14\n\ndata: 2\n\n");
        let slow = Sse::new(after(&[1, 16, 31]));
        assert_eq!(
            sent(slow),
            "data: 1\n\n:\n\ndata: 16\n\n:\n\n:\n\ndata: 31\n\n"
        );
        let other = Sse::new(after(&[1, 5])).keep_alive(Some(Duration::from_secs(2)));
        assert_eq!(sent(other), "data: 1\n\n:\n\n:\n\ndata: 5\n\n");
        let none = Sse::new(after(&[100])).keep_alive(None);
        assert_eq!(sent(none), "data: 100\n\n");
    }

    #[test]
    fn a_channel_of_events() {
        let runtime = filch::runtime::Builder::new().simulated(7).build();
        let all = runtime.expect("a runtime").block_on(async {
            let (sender, mut receiver) = mpsc::channel(1);
            filch::spawn(async move {
                for n in 0..3 {
                    let _ = sender.send(Event::data(&n.to_string())).await;
                }
            })
            .detach();
            let events = futures_lite::stream::poll_fn(move |cx| {
                receiver
                    .poll_recv(cx)
                    .map(|event| event.map(Ok::<_, Infallible>))
            });
            Sse::new(events)
                .map(|bytes| bytes.expect("never fails"))
                .collect::<Vec<_>>()
                .await
        });
        assert_eq!(all.concat(), b"data: 0\n\ndata: 1\n\ndata: 2\n\n");
    }
}

//! What does a response carry?
//!
//! [`Body`]: bytes that are there already, in the form in which the handler had them, so that none is copied or
//! allocated to become one; or bytes that come in pieces, from a stream, a task or a file, which the connection asks for
//! when it can send them.
//!
//! | file | question |
//! |---|---|
//! | `pieces` | what does the connection ask of a body that is not there yet? |
//! | `channel` | how does a task send a body while it makes it? |
//! | `file` | which part of a file is a body? |
//! | `stream` | how does middleware look at a body on its way? |

mod channel;
mod file;
pub(crate) mod pieces;
mod stream;

pub use channel::{BodyClosed, BodySender};
pub use stream::BodyStream;

use crate::server::open_files::FilePermit;
use crate::server::upgraded::Switch;
use bytes::Bytes;
use file::FilePart;
use futures_core::Stream;
use http::HeaderMap;
use pieces::{Pieces, Source};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// What can go wrong in a body of one's own making.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a response.
///
/// Bytes become one as they are; what comes in pieces is made by [`stream`](Self::stream), [`channel`](Self::channel) and
/// [`file`](Self::file). A body whose length is not known is sent chunked, and to a client of HTTP/1.0 until the connection
/// closes.
///
/// A body is only asked for its next piece when there is room for it: a client that does not read costs up to 64 KiB and
/// one piece, and what its kernel holds. One that takes less than a least rate is cut off
/// ([`Limits::body_rate`](crate::Limits::body_rate)). A body that fails, panics or ends before its length is never passed
/// off as whole: the connection is cut, which the client notices.
///
/// # Examples
///
/// ```
/// use filch_http::Body;
///
/// assert_eq!(Body::from("static").length(), Some(6));
/// assert_eq!(Body::from(format!("{}", 42)).as_bytes(), b"42");
/// assert!(Body::empty().is_empty());
/// ```
#[derive(Default)]
pub struct Body {
    form: Form,
}

enum Form {
    Static(&'static [u8]),
    Owned(Vec<u8>),
    Shared(Bytes),
    Pieces(Box<Pieces>),
    /// None: the protocol that the connection goes over to.
    Switch(Switch),
}

impl Default for Form {
    fn default() -> Self {
        Self::Static(&[])
    }
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            form: Form::Static(&[]),
        }
    }

    /// The pieces that a stream gives. Its error cuts the connection, and is told to the server's
    /// [error log](crate::Server::error_log).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Body, Response};
    /// use futures_lite::stream;
    /// use std::convert::Infallible;
    ///
    /// async fn count() -> Response {
    ///     let lines = (0..1000).map(|n| Ok::<_, Infallible>(format!("{n}\n")));
    ///     Response::text(Body::stream(stream::iter(lines)))
    /// }
    /// # let _ = filch_http::Router::new().get("/count", count);
    /// ```
    #[must_use]
    pub fn stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Pieces::of(Source::Stream(Box::pin(stream))).into()
    }

    /// A body that is sent by a task while it makes it, and the end that sends.
    ///
    /// # Units and limits
    ///
    /// `capacity` pieces wait for the client; then [`BodySender::send`] waits.
    ///
    /// # Panics
    ///
    /// When `capacity` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Body, BodyClosed, Response};
    ///
    /// async fn count() -> Response {
    ///     let (mut sender, body) = Body::channel(8);
    ///     filch::spawn(async move {
    ///         for n in 0..1000 {
    ///             sender.send(format!("{n}\n")).await?;
    ///         }
    ///         sender.finish();
    ///         Ok::<(), BodyClosed>(())
    ///     })
    ///     .detach();
    ///     Response::text(body)
    /// }
    /// # let _ = filch_http::Router::new().get("/count", count);
    /// ```
    #[must_use]
    pub fn channel(capacity: usize) -> (BodySender, Self) {
        let (sender, receiver) = channel::channel(capacity);
        (sender, Pieces::of(Source::Channel(receiver)).into())
    }

    /// The bytes `range` of a file, which the kernel sends by itself (`sendfile(2)`); by reading, where it cannot.
    ///
    /// The file's own position is neither used nor changed: one open file can be sent to any number of clients. A
    /// [`filch_net::fs::File`] becomes one of `std` by its `into_std`.
    ///
    /// # Units and limits
    ///
    /// A megabyte at most is sent at a time; for a file that is not in memory, the disk holds up the worker for as long as that takes.
    /// A file that has become shorter meanwhile cuts the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Body, Response};
    ///
    /// async fn report() -> std::io::Result<Response> {
    ///     let file = filch_net::fs::File::open("report.txt").await?;
    ///     let length = file.metadata().await?.len();
    ///     Ok(Response::text(Body::file(file.into_std().await?, 0..length)))
    /// }
    /// ```
    #[must_use]
    pub fn file(file: impl Into<Arc<File>>, range: Range<u64>) -> Self {
        Self::of_part(FilePart::new(file.into(), range))
    }

    /// The same with the right to have it open, which ends with the body.
    pub(crate) fn counted_file(file: File, range: Range<u64>, permit: Option<FilePermit>) -> Self {
        let part = FilePart::new(Arc::new(file), range);
        Self::of_part(part.with_permit(permit))
    }

    fn of_part(part: FilePart) -> Self {
        let length = part.range.end.saturating_sub(part.range.start);
        let mut pieces = Pieces::of(Source::File(part));
        pieces.length = Some(length);
        pieces.into()
    }

    /// The same, known to have so many bytes in all, which are then announced. A body that has fewer cuts the connection;
    /// what it has more is not sent. It does nothing to bytes and files, whose length is known.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::Body;
    ///
    /// let (sender, body) = Body::channel(1);
    /// assert_eq!(body.with_length(1000).length(), Some(1000));
    /// # drop(sender);
    /// ```
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        if let Form::Pieces(pieces) = &mut self.form {
            if !matches!(pieces.source, Source::File(_)) {
                pieces.length = Some(bytes);
            }
        }
        self
    }

    /// The same, for a body that would go on for ever: when the server begins to drain, it ends after the pieces that are there by then (256 at most), properly, as if it had ended itself. Otherwise
    /// the drain waits for its client to go, and cuts it off in the end. It does nothing to a body whose length is announced. [`Sse`](crate::Sse) does it by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::time::{Duration, sleep};
    /// use filch_http::{Body, Response, Router};
    /// use futures_lite::stream;
    /// use std::io;
    ///
    /// async fn ticks() -> Response {
    ///     let ticks = stream::unfold((), |()| async {
    ///         sleep(Duration::from_secs(1)).await;
    ///         Some((io::Result::Ok("tick\n"), ()))
    ///     });
    ///     Response::text(Body::stream(ticks).until_drain())
    /// }
    ///
    /// let router = Router::new().get("/ticks", ticks);
    /// ```
    #[must_use]
    pub fn until_drain(mut self) -> Self {
        if let Form::Pieces(pieces) = &mut self.form {
            pieces.until_drain = true;
        }
        self
    }

    /// The same with these fields behind it. Only a chunked body has room for them: the length is no longer announced, and to
    /// HEAD and to clients of HTTP/1.0 they are not sent. Fields that frame or route a message are left out (RFC 9110, section 6.5.1).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Body, HeaderMap, HeaderValue};
    ///
    /// let mut trailers = HeaderMap::new();
    /// trailers.insert("checksum", HeaderValue::from_static("1234"));
    /// let body = Body::from("text").with_trailers(trailers);
    /// assert_eq!(body.length(), None);
    /// ```
    #[must_use]
    pub fn with_trailers(self, trailers: HeaderMap) -> Self {
        let mut pieces = match self.into_later() {
            Later::Pieces(pieces) => pieces,
            Later::Switch(switch) => return Self::switch(switch),
        };
        pieces.trailers = Some(trailers);
        Self {
            form: Form::Pieces(pieces),
        }
    }

    /// The bytes. None of a body that comes in pieces: it has not come.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.form {
            Form::Static(bytes) => bytes,
            Form::Owned(bytes) => bytes,
            Form::Shared(bytes) => bytes,
            Form::Pieces(_) | Form::Switch(_) => &[],
        }
    }

    /// The bytes, where they are the program's own: then nothing is left to be dropped.
    #[inline]
    pub(crate) fn into_static(self) -> Result<&'static [u8], Self> {
        match self.form {
            Form::Static(bytes) => {
                // Says so to the compiler, which would call what drops any form.
                std::mem::forget(self);
                Ok(bytes)
            }
            _ => Err(self),
        }
    }

    /// How many bytes there are already: all, unless the body comes in pieces.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// How many bytes there will be in all, where that is known.
    #[must_use]
    #[inline]
    pub fn length(&self) -> Option<u64> {
        match &self.form {
            Form::Pieces(pieces) => pieces.announced(),
            _ => Some(self.len() as u64),
        }
    }

    /// The pieces of it, for middleware that counts or changes them: bytes are one, a file is read. What was said of the body besides, its [length](Self::with_length), its
    /// [trailers](Self::with_trailers) and its [end](Self::until_drain), does not come along; of a response that changes the protocol nothing does: leave those as they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Body, Next, Request, Response};
    /// use futures_lite::StreamExt;
    ///
    /// async fn count(request: Request, next: Next) -> Response {
    ///     let mut response = next.run(request).await;
    ///     if response.status().is_success() {
    ///         let length = response.body().length();
    ///         let pieces = std::mem::take(response.body_mut()).into_stream();
    ///         let pieces = pieces.inspect(|piece| println!("{} bytes", piece.as_ref().map_or(0, |it| it.len())));
    ///         let body = Body::stream(pieces);
    ///         *response.body_mut() = match length {
    ///             Some(length) => body.with_length(length),
    ///             None => body,
    ///         };
    ///     }
    ///     response
    /// }
    /// # let _ = filch_http::Router::new().get("/", async || "text").middleware(count);
    /// ```
    #[must_use]
    pub fn into_stream(self) -> BodyStream {
        BodyStream::of(self)
    }

    /// Whether there are none, and there will be none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length() == Some(0)
    }

    /// What follows the head of a response that changes the protocol.
    pub(crate) fn switch(switch: Switch) -> Self {
        Self {
            form: Form::Switch(switch),
        }
    }

    /// Whether all of it is there.
    #[inline]
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.form, Form::Pieces(_) | Form::Switch(_))
    }

    /// Whether it is another protocol.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.form, Form::Switch(_))
    }

    /// What it is when it is not there.
    pub(crate) fn into_later(self) -> Later {
        match self.form {
            Form::Pieces(pieces) => Later::Pieces(pieces),
            Form::Switch(switch) => Later::Switch(switch),
            Form::Static(bytes) => Later::Pieces(Box::new(Pieces::of(Source::Whole(bytes.into())))),
            Form::Owned(bytes) => Later::Pieces(Box::new(Pieces::of(Source::Whole(bytes.into())))),
            Form::Shared(bytes) => Later::Pieces(Box::new(Pieces::of(Source::Whole(bytes)))),
        }
    }
}

/// What follows a head but is not there yet.
pub(crate) enum Later {
    Pieces(Box<Pieces>),
    Switch(Switch),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.form, self.length()) {
            (Form::Pieces(_), Some(length)) => write!(f, "Body({length} bytes, in pieces)"),
            (Form::Pieces(_), None) => write!(f, "Body(in pieces)"),
            (Form::Switch(_), _) => write!(f, "Body(another protocol)"),
            _ => write!(f, "Body({} bytes)", self.len()),
        }
    }
}

impl From<Pieces> for Body {
    fn from(pieces: Pieces) -> Self {
        Self {
            form: Form::Pieces(Box::new(pieces)),
        }
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self {
            form: Form::Static(bytes),
        }
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

impl From<&'static str> for Body {
    #[inline]
    fn from(text: &'static str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            form: Form::Owned(bytes),
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            form: Form::Shared(bytes),
        }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

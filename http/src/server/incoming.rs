//! How far has the body of a request been read, and where does the rest come from?
//!
//! A body is read here, by the handler, on whichever task that is, and straight from the connection's buffer: who does
//! not ask for more leaves it in the socket, and the peer waits. It lies behind the head in the buffer, so that the head
//! can still be looked at:
//!
//! ```text
//! | head | handed out | data that is here | not looked at: framing of chunks, next requests |
//! ```
//!
//! What was handed out is removed when there is no more data behind it. Of a chunked body the framing is taken out where it lies, in one pass
//! over what has come, so that many small chunks are handed out as one piece and cost one copy.

use super::allowance::{Allowance, Rate};
use super::buffer::Buffer;
use super::deadline::Deadline;
use super::invitation::{Invitation, Progress};
use super::transport::Transport;
use super::upload::Upload;
use crate::proto::chunked::Step;
use crate::proto::{ChunkedDecoder, Refusal};
use crate::request::BodyError;
use bytes::Bytes;
use filch::time::Instant;
use http::HeaderMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The body of a request under way.
#[derive(Default)]
pub(crate) struct Incoming {
    /// Whether there is a body; if not, the rest says that nothing is to come.
    is_there: bool,
    /// Of a body whose length was said: bytes that were not handed out yet.
    remaining: u64,
    /// Of a chunked body: how far it was decoded.
    chunks: Option<ChunkedDecoder>,
    /// Of a chunked body: bytes of data that are here and were not handed out.
    decoded: usize,
    /// Bytes behind the head that were handed out.
    handed_out: usize,
    /// Where more comes from; only set when the body was not there whole with its head.
    source: Option<Source>,
    /// Why there is no more.
    failure: Option<BodyError>,
    /// Room for a piece that is read to be kept.
    spare: Vec<u8>,
    /// How often that room has been doubled.
    doubled: u32,
}

struct Source {
    transport: Arc<dyn Transport>,
    /// What the connection wants to know of it, and says to it.
    upload: Arc<Upload>,
    /// What the client waits for before it sends; `None` when it does not, or no more.
    invitation: Option<Arc<Invitation>>,
    rate: Rate,
    allowance: Allowance,
    deadline: Deadline,
}

/// What is still to come of a body that nobody will read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    None,
    /// So many bytes.
    Bytes(u64),
    /// Nobody knows.
    Unknown,
    /// It never comes: the client was not invited to send it, or has failed to.
    Lost,
}

/// Least and most room that is made at once for a body that is collected, in bytes. In between it is as much as has come
/// already, so that a client which announces much and sends little has cost little.
const APPEND_MIN_BYTES: usize = 64 * 1024;
const APPEND_MAX_BYTES: usize = 1024 * 1024;

/// Least and most room for a piece that is read to be kept, in bytes. It begins with the least, is twice as much whenever the client has filled it, and the least again when the client is waited for: so only
/// who sends fast has much. With pieces of 64 KiB alone an echoed megabyte cost half as much again.
const PIECE_MIN_BYTES: usize = 64 * 1024;
const PIECE_MAX_BYTES: usize = 256 * 1024;

/// Least data that is read around the buffer, in bytes: below it a copy is cheaper than another call.
const DIRECT_MIN_BYTES: u64 = 8 * 1024;

impl Incoming {
    /// A request without a body begins.
    #[inline(always)]
    pub(crate) fn begin_none(&mut self) {
        if self.is_there {
            self.reset();
        }
    }

    /// Forgets the body of the request before.
    #[inline(never)]
    fn reset(&mut self) {
        self.is_there = false;
        self.remaining = 0;
        self.chunks = None;
        self.decoded = 0;
        self.failure = None;
        self.doubled = 0;
    }

    /// A body of this length begins.
    pub(crate) fn begin(&mut self, length: u64) {
        self.begin_none();
        self.is_there = length > 0;
        self.remaining = length;
    }

    /// A chunked body begins.
    pub(crate) fn begin_chunked(&mut self, decoder: ChunkedDecoder) {
        self.begin_none();
        self.is_there = true;
        self.chunks = Some(decoder);
    }

    /// Whether the rest of the body is in the buffer, behind its first `head` bytes.
    ///
    /// # Errors
    ///
    /// What is here of it is not as it must be.
    #[inline]
    pub(crate) fn is_here(&mut self, buffer: &mut Buffer, head: usize) -> Result<bool, Refusal> {
        if !self.is_there {
            return Ok(true);
        }
        self.is_here_slow(buffer, head)
    }

    #[inline(never)]
    fn is_here_slow(&mut self, buffer: &mut Buffer, head: usize) -> Result<bool, Refusal> {
        if self.chunks.is_some() {
            self.decode(buffer, head)?;
            return Ok(self.is_decoded());
        }
        Ok(self.remaining <= (buffer.len() - head - self.handed_out) as u64)
    }

    /// Says where the rest of the body comes from, and what the client waits for.
    pub(crate) fn set_source(
        &mut self,
        transport: Arc<dyn Transport>,
        upload: Arc<Upload>,
        invitation: Option<Arc<Invitation>>,
        rate: Rate,
    ) {
        self.source = Some(Source {
            transport,
            upload,
            invitation,
            rate,
            allowance: Allowance::default(),
            deadline: Deadline::default(),
        });
    }

    /// How many bytes are still to be handed out, where that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match &self.chunks {
            None => Some(self.remaining),
            Some(decoder) => decoder.is_at_end().then_some(self.decoded as u64),
        }
    }

    /// Whether all of it was handed out.
    pub(crate) fn is_at_end(&self) -> bool {
        self.remaining() == Some(0)
    }

    /// The fields behind a chunked body, once all of it was handed out.
    pub(crate) fn take_trailers(&mut self) -> HeaderMap {
        self.chunks
            .as_mut()
            .map_or_else(HeaderMap::new, ChunkedDecoder::take_trailers)
    }

    /// The request is over: drops what is in the buffer of its body, whose head is `head` bytes long, and says what is still to come.
    #[inline]
    pub(crate) fn finish(&mut self, buffer: &mut Buffer, head: usize) -> Rest {
        if !self.is_there {
            buffer.consume(head);
            return Rest::None;
        }
        self.finish_body(buffer, head)
    }

    #[inline(never)]
    fn finish_body(&mut self, buffer: &mut Buffer, head: usize) -> Rest {
        if self.chunks.is_none() && self.source.is_none() {
            // All of it was here.
            let len = head + self.handed_out + self.buffered(buffer, head);
            self.remaining = 0;
            self.handed_out = 0;
            buffer.consume(len);
            return Rest::None;
        }
        self.finish_slow(buffer, head)
    }

    #[cold]
    fn finish_slow(&mut self, buffer: &mut Buffer, head: usize) -> Rest {
        let is_lost = self.failure.is_some() || self.is_uninvited();
        self.source = None;
        self.spare = Vec::new();
        buffer.consume(head + self.handed_out);
        self.handed_out = 0;
        match self.skip(buffer) {
            Ok(true) => Rest::None,
            Err(_) => Rest::Lost,
            Ok(false) if is_lost => Rest::Lost,
            Ok(false) if self.chunks.is_some() => Rest::Unknown,
            Ok(false) => Rest::Bytes(self.remaining),
        }
    }

    /// Drops what is in the buffer of a body whose request is over. Whether that was all of it.
    pub(crate) fn skip(&mut self, buffer: &mut Buffer) -> Result<bool, Refusal> {
        self.decode(buffer, 0)?;
        let here = self.take_buffered(buffer, 0);
        buffer.consume(here);
        Ok(self.is_at_end())
    }

    /// Bytes of data in the buffer that were not handed out.
    #[inline]
    fn buffered(&self, buffer: &Buffer, head: usize) -> usize {
        if self.chunks.is_some() {
            return self.decoded;
        }
        let behind = buffer.len() - head - self.handed_out;
        behind.min(usize::try_from(self.remaining).unwrap_or(usize::MAX))
    }

    /// The same; they count as handed out from now on.
    fn take_buffered(&mut self, buffer: &Buffer, head: usize) -> usize {
        let len = self.buffered(buffer, head);
        match &self.chunks {
            Some(_) => self.decoded = 0,
            None => self.remaining -= len as u64,
        }
        len
    }

    fn is_decoded(&self) -> bool {
        self.chunks.as_ref().is_none_or(ChunkedDecoder::is_at_end)
    }

    /// Takes the framing out of what has come of a chunked body.
    fn decode(&mut self, buffer: &mut Buffer, head: usize) -> Result<(), Refusal> {
        let Some(decoder) = &mut self.chunks else {
            return Ok(());
        };
        let begin = head + self.handed_out + self.decoded;
        let filled = buffer.filled_mut();
        let (mut from, mut to) = (begin, begin);
        while !decoder.is_at_end() {
            match decoder.decode(&filled[from..])? {
                Step::Data { at, len } => {
                    filled.copy_within(from + at..from + at + len, to);
                    from += at + len;
                    to += len;
                }
                Step::End { at } => from += at,
                Step::More => {
                    from = filled.len();
                    break;
                }
            }
        }
        self.decoded += to - begin;
        buffer.remove(to..from);
        Ok(())
    }

    /// The next piece of the body, as a range of the buffer, whose first `head` bytes stay; empty at the end.
    pub(crate) fn poll_piece(
        &mut self,
        buffer: &mut Buffer,
        head: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Range<usize>, BodyError>> {
        loop {
            let at = head + self.handed_out;
            let len = self.take_buffered(buffer, head);
            if len > 0 || self.is_at_end() {
                self.handed_out += len;
                return Poll::Ready(Ok(at..at + len));
            }
            if self.handed_out > 0 {
                buffer.remove(head..at);
                self.handed_out = 0;
            }
            let count = ready!(self.poll_source(buffer.room(), cx))?;
            buffer.arrived(count);
            if let Err(refusal) = self.decode(buffer, head) {
                return Poll::Ready(Err(self.fail(BodyError::Refused(refusal))));
            }
        }
    }

    /// What fits into `room`; nothing at the end.
    pub(crate) fn poll_read(
        &mut self,
        buffer: &mut Buffer,
        head: usize,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyError>> {
        if room.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let wanted = self.direct(buffer, head).min(room.len());
        if wanted as u64 >= DIRECT_MIN_BYTES {
            let count = ready!(self.poll_source(&mut room[..wanted], cx))?;
            self.took(count);
            return Poll::Ready(Ok(count));
        }
        let piece = ready!(self.poll_piece(buffer, head, cx))?;
        let count = piece.len().min(room.len());
        self.give_back(piece.len() - count);
        room[..count].copy_from_slice(&buffer.filled()[piece][..count]);
        Poll::Ready(Ok(count))
    }

    /// The last bytes of what was handed out were not taken.
    fn give_back(&mut self, count: usize) {
        self.handed_out -= count;
        match &self.chunks {
            Some(_) => self.decoded += count,
            None => self.remaining += count as u64,
        }
    }

    /// The next piece, to be kept; empty at the end.
    pub(crate) fn poll_bytes(
        &mut self,
        buffer: &mut Buffer,
        head: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, BodyError>> {
        let wanted = self.direct(buffer, head);
        if wanted == 0 {
            let range = ready!(self.poll_piece(buffer, head, cx))?;
            return Poll::Ready(Ok(Bytes::copy_from_slice(&buffer.filled()[range])));
        }
        let mut room = std::mem::take(&mut self.spare);
        let most = PIECE_MAX_BYTES.min(PIECE_MIN_BYTES << self.doubled);
        room.resize(wanted.min(most), 0);
        match self.poll_source(&mut room, cx) {
            Poll::Ready(count) => {
                let count = count?;
                self.took(count);
                if count == most && most < PIECE_MAX_BYTES {
                    self.doubled += 1;
                }
                if count < room.len() / 2 {
                    // It would keep memory that it does not need, and new room would be made for the next.
                    let piece = Bytes::copy_from_slice(&room[..count]);
                    self.spare = room;
                    return Poll::Ready(Ok(piece));
                }
                room.truncate(count);
                Poll::Ready(Ok(room.into()))
            }
            Poll::Pending => {
                self.doubled = 0;
                if room.len() <= PIECE_MIN_BYTES {
                    self.spare = room;
                }
                Poll::Pending
            }
        }
    }

    /// More of the body, into `whole` behind its first `filled` bytes: first what is in the buffer, then straight from
    /// the socket. What is behind them is room, zeroed once.
    pub(crate) fn poll_append(
        &mut self,
        buffer: &mut Buffer,
        head: usize,
        whole: &mut Vec<u8>,
        filled: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        let wanted = self.direct(buffer, head);
        if wanted == 0 {
            let range = ready!(self.poll_piece(buffer, head, cx))?;
            whole.truncate(*filled);
            whole.extend_from_slice(&buffer.filled()[range]);
            *filled = whole.len();
            return Poll::Ready(Ok(()));
        }
        if whole.len() == *filled {
            let to_come = match &self.chunks {
                None => wanted,
                // Nobody knows how many chunks there are.
                Some(_) => usize::MAX,
            };
            make_room(whole, wanted, to_come);
        }
        let end = whole.len().min(filled.saturating_add(wanted));
        let count = ready!(self.poll_source(&mut whole[*filled..end], cx))?;
        *filled += count;
        self.took(count);
        Poll::Ready(Ok(()))
    }

    /// How many bytes of data may be read around the buffer; none when some are in it, or too few are to come.
    fn direct(&self, buffer: &Buffer, head: usize) -> usize {
        let wanted = match &self.chunks {
            _ if self.buffered(buffer, head) > 0 => 0,
            None => self.remaining,
            Some(decoder) => decoder.data_ahead(),
        };
        match wanted {
            ..DIRECT_MIN_BYTES => 0,
            _ => usize::try_from(wanted).unwrap_or(usize::MAX),
        }
    }

    /// So many were.
    fn took(&mut self, count: usize) {
        match &mut self.chunks {
            None => self.remaining -= count as u64,
            Some(decoder) => decoder.data_was_taken(count as u64),
        }
    }

    /// Reads from the socket.
    fn poll_source(
        &mut self,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyError>> {
        if let Some(failure) = self.failure {
            return Poll::Ready(Err(failure));
        }
        let Some(source) = &mut self.source else {
            return Poll::Ready(Err(self.fail(BodyError::Incomplete)));
        };
        match source.poll_read(room, cx) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(self.fail(BodyError::Incomplete))),
            Poll::Ready(Ok(count)) => {
                source.allowance.moved(count, source.rate);
                source.deadline.clear();
                Poll::Ready(Ok(count))
            }
            Poll::Pending if source.poll_late(cx).is_ready() => {
                Poll::Ready(Err(self.fail(BodyError::Timeout)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn fail(&mut self, failure: BodyError) -> BodyError {
        self.failure = Some(failure);
        failure
    }

    /// Whether the client still waits to be invited, so that nothing of the body comes.
    pub(crate) fn is_uninvited(&self) -> bool {
        let source = self.source.as_ref();
        let invitation = source.and_then(|source| source.invitation.as_ref());
        invitation.is_some_and(|it| it.progress() != Progress::Sent)
    }
}

impl Source {
    fn poll_read(&mut self, room: &mut [u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let transport = &self.transport;
        let read = self.upload.poll(cx, |cx| transport.poll_read(cx, room));
        if read.is_pending() {
            return self.poll_uninvited(cx);
        }
        // Who sends unasked does not wait.
        self.invitation = None;
        read
    }

    /// Sees to it that the client does not wait in vain. Ready with an error if it cannot be invited any more.
    fn poll_uninvited(&self, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        match &self.invitation {
            Some(invitation) if invitation.ask(cx.waker()) == Progress::Over => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            _ => Poll::Pending,
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        self.deadline.set(self.allowance.wait(now, self.rate));
        // The request may have moved to another task since.
        self.deadline.poll_from_any_task(cx)
    }
}

/// Room at the end of `whole`, where `wanted` bytes may be read, and at most `to_come` will ever stand. Its memory doubles, but never beyond the latter.
fn make_room(whole: &mut Vec<u8>, wanted: usize, to_come: usize) {
    let filled = whole.len();
    let room = filled.clamp(APPEND_MIN_BYTES, APPEND_MAX_BYTES).min(wanted);
    if whole.capacity() - filled < room {
        whole.reserve_exact(filled.max(room).min(to_come));
    }
    whole.resize(filled + room, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Limits;
    use std::task::Waker;

    #[test]
    fn a_collected_body_has_just_the_memory_it_needs() {
        for total in [
            1,
            APPEND_MIN_BYTES,
            APPEND_MIN_BYTES + 1,
            3 * APPEND_MAX_BYTES + 7,
        ] {
            let mut whole = Vec::new();
            while whole.len() < total {
                let filled = whole.len();
                make_room(&mut whole, total - filled, total - filled);
                let most = filled + filled.clamp(APPEND_MIN_BYTES, APPEND_MAX_BYTES);
                assert!(filled < whole.len() && whole.len() <= most);
                assert!(whole.capacity() <= total.min(most.max(2 * filled)));
            }
            assert_eq!((whole.len(), whole.capacity()), (total, total));
        }
    }

    #[test]
    fn a_body_of_many_chunks_grows_by_doubling() {
        let chunk = usize::try_from(DIRECT_MIN_BYTES).expect("small");
        let (mut whole, mut growths) = (Vec::new(), 0);
        while whole.len() < 16 * APPEND_MAX_BYTES {
            let capacity = whole.capacity();
            make_room(&mut whole, chunk, usize::MAX);
            growths += usize::from(whole.capacity() != capacity);
        }
        assert!(growths <= 12, "{growths}");
    }

    fn buffer_with(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::new();
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.arrived(bytes.len());
        buffer
    }

    fn chunked() -> Incoming {
        let mut incoming = Incoming::default();
        incoming.begin_chunked(ChunkedDecoder::new(Limits::DEFAULT));
        incoming
    }

    #[test]
    fn small_chunks_are_one_piece_and_what_follows_stays() {
        let mut buffer = buffer_with(b"HEAD1\r\na\r\n2\r\nbc\r\n0\r\nx: y\r\n\r\nNEXT");
        let mut body = chunked();
        assert_eq!(body.is_here(&mut buffer, 4), Ok(true));
        assert_eq!(body.remaining(), Some(3));
        let mut cx = Context::from_waker(Waker::noop());
        let piece = body.poll_piece(&mut buffer, 4, &mut cx);
        assert_eq!(piece, Poll::Ready(Ok(4..7)));
        assert_eq!(buffer.filled(), b"HEADabcNEXT");
        assert_eq!(
            body.poll_piece(&mut buffer, 4, &mut cx),
            Poll::Ready(Ok(7..7))
        );
        assert_eq!(body.take_trailers()["x"], "y");
        assert_eq!(body.finish(&mut buffer, 4), Rest::None);
        assert_eq!(buffer.filled(), b"NEXT");
    }

    #[test]
    fn what_does_not_fit_is_read_next() {
        let mut cx = Context::from_waker(Waker::noop());
        for (mut buffer, mut body) in [
            (
                buffer_with(b"HEAD3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\nNEXT"),
                chunked(),
            ),
            (buffer_with(b"HEADabcdefgNEXT"), {
                let mut body = Incoming::default();
                body.begin(7);
                body
            }),
        ] {
            assert_eq!(body.is_here(&mut buffer, 4), Ok(true));
            let mut read = Vec::new();
            loop {
                let mut room = [0; 2];
                match body.poll_read(&mut buffer, 4, &mut room, &mut cx) {
                    Poll::Ready(Ok(0)) => break,
                    Poll::Ready(Ok(count)) => read.extend_from_slice(&room[..count]),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(read, b"abcdefg");
            assert_eq!(body.finish(&mut buffer, 4), Rest::None);
            assert_eq!(buffer.filled(), b"NEXT");
        }
    }

    #[test]
    fn what_is_not_read_is_skipped_wherever_it_is_cut() {
        let whole = b"HEAD5\r\nhello\r\n0\r\n\r\n";
        for cut in 4..whole.len() {
            let mut buffer = buffer_with(&whole[..cut]);
            let mut body = chunked();
            assert_eq!(body.is_here(&mut buffer, 4), Ok(false));
            assert_eq!(body.finish(&mut buffer, 4), Rest::Unknown);
            assert!(buffer.is_empty());
            let rest = &whole[cut..];
            buffer.room()[..rest.len()].copy_from_slice(rest);
            buffer.arrived(rest.len());
            buffer.room()[..4].copy_from_slice(b"NEXT");
            buffer.arrived(4);
            assert_eq!(body.skip(&mut buffer), Ok(true));
            assert_eq!(buffer.filled(), b"NEXT");
        }
    }

    #[test]
    fn bad_chunks_are_refused_and_never_come() {
        let mut buffer = buffer_with(b"HEADx\r\n");
        let mut body = chunked();
        assert_eq!(body.is_here(&mut buffer, 4), Err(Refusal::ChunkSize));
        assert_eq!(body.finish(&mut buffer, 4), Rest::Lost);
    }

    #[test]
    fn a_body_of_known_length_ends_where_it_should() {
        let mut buffer = buffer_with(b"HEADabcdNEXT");
        let mut body = Incoming::default();
        body.begin(4);
        assert_eq!(body.is_here(&mut buffer, 4), Ok(true));
        assert_eq!(body.finish(&mut buffer, 4), Rest::None);
        assert_eq!(buffer.filled(), b"NEXT");
    }
}

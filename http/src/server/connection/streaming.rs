//! How is a body sent that is not there yet?
//!
//! Piece by piece, each asked for when what came before it is sent, or fits beside it into one write. When the body makes
//! its reader wait, everything that is there is sent first; a connection that has nothing to send then holds no buffer.
//!
//! A body that fails, panics, or ends before its announced length is never passed off as whole: the connection is cut, in a way that
//! the client notices, and the operator is told. What a body has beyond its length is not sent.

use super::aside::Following;
use super::finishing::is_worth_reading;
use super::logging::Entry;
use super::waiting::WaitsFor;
use super::{Connection, Step};
use crate::body::pieces::{Piece, Pieces};
use crate::body::{BoxError, Later};
use crate::proto::Version;
use crate::proto::chunked::{CHUNK_END, ChunkHead, encode_last_chunk};
use crate::proto::conn::Event;
use crate::proto::encode;
use crate::proto::framing::BodyFraming;
use crate::request::BodyError;
use crate::response::Response;
use crate::server::asked::Name;
use crate::server::failure::Failure;
use crate::server::incoming::Rest;
use crate::server::shield;
use crate::server::transport::Transport;
use bytes::Bytes;
use std::io;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

/// A response whose body is being sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pieces: Box<Pieces>,
    /// Where it ends; of a length, what is still to come of it.
    framing: BodyFraming,
    /// How many pieces were asked for since the server drains.
    since_drain: usize,
    /// Whether it had more than it announced.
    is_over: bool,
    /// Whether the connection may be used again.
    keep_alive: bool,
    /// What is still to come of the body of its request; `None` while somebody has that.
    rest: Option<Rest>,
    /// What was asked, for the error log.
    request: Name,
    /// What the access log is told when it is over.
    entry: Option<Box<Entry>>,
}

/// What became of a body that was asked for more.
enum Next {
    Wait,
    Piece(Bytes),
    End,
    Failed(BoxError),
}

/// Most pieces that are taken in one step, and of a body that ends with the server, once that drains. A guess: the smallest cost some 10 us together.
const PIECES_MAX: usize = 256;

impl<T: Transport> Connection<T> {
    /// The head of a response whose body comes in pieces.
    #[cold]
    pub(super) fn begin_stream(&mut self, response: Response) -> Step {
        let request = self.name_request();
        let sends_body = !self.current.is_head && encode::may_have_body(response.status());
        let entry = match sends_body {
            true => self.log_later(&response),
            false => {
                self.log(&response);
                None
            }
        };
        self.account_slow(&response);
        let rest = self.settle();
        self.close_invitation(rest);
        let framing = match (response.body().length(), self.current.version) {
            (Some(length), _) => BodyFraming::Length(length),
            (None, Version::Http11) => BodyFraming::Chunked,
            (None, Version::Http10) => BodyFraming::UntilClose,
        };
        // To HEAD too: it is told what GET would be.
        let ends_with_it =
            framing == BodyFraming::UntilClose && encode::may_have_body(response.status());
        // While somebody has the request, its body may still be read to the end.
        let keep_alive = self.may_stay(&response)
            && !ends_with_it
            && rest.is_none_or(|it| is_worth_reading(Some(it)));
        let persistence = self.persistence(keep_alive);
        self.work();
        self.encode_head(&response, framing, persistence);
        let Later::Pieces(pieces) = response.into_body().into_later() else {
            return self.broken();
        };
        let outgoing = Outgoing {
            pieces,
            framing: match sends_body {
                true => framing,
                false => BodyFraming::Length(0),
            },
            since_drain: 0,
            is_over: false,
            keep_alive,
            rest,
            request,
            entry,
        };
        if !sends_body {
            return self.end_stream(outgoing);
        }
        self.aside().ends_by_close = framing == BodyFraming::UntilClose;
        self.note_body(rest);
        let _wait = self.conn.on(Event::Answering);
        self.aside().following = Following::Body(Box::new(outgoing));
        Step::Again
    }

    /// A client that waits to be invited is, if the body of the response may be made of that of the request.
    fn close_invitation(&mut self, rest: Option<Rest>) {
        let aside = self.aside.as_mut();
        let Some(invitation) = aside.and_then(|aside| aside.invitation.take()) else {
            return;
        };
        if rest.is_some() {
            invitation.close();
        } else if invitation.grant() {
            if let Some(work) = &mut self.work {
                let _wait = self.conn.on(Event::Continue);
                work.out.bytes.extend_from_slice(encode::CONTINUE);
            }
        }
    }

    /// Sends more of the body.
    #[inline(never)]
    pub(super) fn step_stream(&mut self, cx: &mut Context<'_>) -> Step {
        let Following::Body(mut outgoing) = std::mem::take(&mut self.aside().following) else {
            return self.broken();
        };
        for _ in 0..PIECES_MAX {
            if self.is_full() {
                match self.poll_flush(cx) {
                    Poll::Pending => return self.go_on_later(outgoing, WaitsFor::Room),
                    Poll::Ready(Err(_)) => return self.broken(),
                    Poll::Ready(Ok(())) => return self.go_on(outgoing),
                }
            }
            if outgoing.is_complete() || (self.is_draining && outgoing.ends_anyway()) {
                return self.end_stream(*outgoing);
            }
            if outgoing.pieces.file().is_some_and(|part| part.by_kernel) {
                return self.step_file(outgoing, cx);
            }
            match outgoing.next(cx) {
                Next::Piece(piece) => self.push_piece(&mut outgoing, piece),
                Next::Wait if self.is_draining && outgoing.ends_with_server() => {
                    return self.end_stream(*outgoing);
                }
                Next::Wait => return self.wait_for_piece(outgoing, cx),
                Next::End if outgoing.is_short() => {
                    return self.cut(
                        &outgoing,
                        Some("it ended before the length that it announced"),
                        cx,
                    );
                }
                Next::End => return self.end_stream(*outgoing),
                // The client knows itself that its request was not whole.
                Next::Failed(error) if error.is::<BodyError>() => {
                    return self.cut(&outgoing, None, cx);
                }
                Next::Failed(error) => return self.cut(&outgoing, Some(&error.to_string()), cx),
            }
        }
        self.go_on(outgoing)
    }

    fn is_full(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.out.is_full())
    }

    fn go_on(&mut self, outgoing: Box<Outgoing>) -> Step {
        self.aside().following = Following::Body(outgoing);
        Step::Again
    }

    fn go_on_later(&mut self, outgoing: Box<Outgoing>, waits_for: WaitsFor) -> Step {
        self.aside().following = Following::Body(outgoing);
        Step::Wait(waits_for)
    }

    /// Adds a piece to what is to be sent, as far as it was announced.
    fn push_piece(&mut self, outgoing: &mut Outgoing, mut piece: Bytes) {
        let mut end = &b""[..];
        let work = self.work();
        match &mut outgoing.framing {
            BodyFraming::Length(left) => {
                outgoing.is_over |= piece.len() as u64 > *left;
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
            }
            BodyFraming::Chunked => match NonZeroU64::new(piece.len() as u64) {
                // A chunk of nothing would be the last.
                None => return,
                Some(len) => {
                    work.out
                        .bytes
                        .extend_from_slice(ChunkHead::new(len).as_bytes());
                    end = CHUNK_END;
                }
            },
            BodyFraming::UntilClose | BodyFraming::Tunnel => {}
        }
        outgoing.sent(piece.len());
        work.out.push_piece(piece.into(), end);
    }

    /// The body has nothing yet: what is there is sent, and what is not needed is given back.
    fn wait_for_piece(&mut self, outgoing: Box<Outgoing>, cx: &mut Context<'_>) -> Step {
        match self.poll_flush(cx) {
            Poll::Pending => self.go_on_later(outgoing, WaitsFor::Room),
            Poll::Ready(Err(_)) => self.broken(),
            Poll::Ready(Ok(())) if self.transport.poll_gone(cx).is_ready() => self.broken(),
            Poll::Ready(Ok(())) => {
                if outgoing.rest == Some(Rest::None) {
                    self.give_back_last_work();
                }
                self.go_on_later(outgoing, WaitsFor::Piece)
            }
        }
    }

    /// Lets the kernel send the next part of a file.
    fn step_file(&mut self, mut outgoing: Box<Outgoing>, cx: &mut Context<'_>) -> Step {
        match self.poll_flush_before_file(cx) {
            Poll::Pending => return self.go_on_later(outgoing, WaitsFor::Room),
            Poll::Ready(Err(_)) => return self.broken(),
            Poll::Ready(Ok(())) => {}
        }
        let Some(part) = outgoing.pieces.file() else {
            return self.go_on(outgoing);
        };
        match self
            .transport
            .poll_send_file(cx, &part.file, &mut part.range)
        {
            Poll::Pending => self.go_on_later(outgoing, WaitsFor::Room),
            Poll::Ready(Ok(0)) => self.cut(&outgoing, Some("the file is shorter than it was"), cx),
            Poll::Ready(Ok(count)) => {
                if let BodyFraming::Length(left) = &mut outgoing.framing {
                    *left -= count as u64;
                }
                outgoing.sent(count);
                self.moved_out(count);
                self.go_on(outgoing)
            }
            Poll::Ready(Err(error)) if is_of_file(&error) => {
                // Not every file can be sent by the kernel; reading tells what is wrong with the others.
                part.by_kernel = false;
                self.go_on(outgoing)
            }
            Poll::Ready(Err(_)) => self.broken(),
        }
    }

    /// The end of the body, or of its head if nothing follows that.
    fn end_stream(&mut self, outgoing: Outgoing) -> Step {
        let Outgoing {
            mut pieces,
            since_drain: _,
            framing,
            is_over,
            keep_alive,
            rest,
            request,
            entry,
        } = outgoing;
        if is_over {
            self.tell(&request, "it had more than the length that it announced");
        }
        if framing == BodyFraming::Chunked {
            let trailers = pieces.trailers.take();
            let work = self.work();
            encode_last_chunk(trailers.as_ref(), &mut work.out.bytes);
        }
        // It may have had the request, and may panic.
        shield::shield(|| drop(pieces));
        drop(entry);
        let rest = rest.or_else(|| self.settle());
        // If the server ends meanwhile, the next answer says so: this one's head has let the client send another request.
        let may_stay = keep_alive && !is_over && is_worth_reading(rest);
        self.complete(may_stay, rest)
    }

    /// The body cannot be finished: what came of it is sent, as far as there is room, and the connection ends so that nobody takes it for
    /// the whole.
    #[cold]
    fn cut(&mut self, outgoing: &Outgoing, reason: Option<&str>, cx: &mut Context<'_>) -> Step {
        if let Some(reason) = reason {
            self.tell(&outgoing.request, reason);
        }
        let _ = self.poll_flush(cx);
        self.end(Event::Break)
    }

    #[cold]
    fn tell(&self, request: &Name, reason: &str) {
        let failure = Failure {
            peer: self.seat.peer.address(),
            request: request.as_str(),
            reason,
        };
        shield::shield(|| (self.seat.service.error_log)(&failure));
    }
}

impl Outgoing {
    /// Whether all was sent that was announced.
    fn is_complete(&self) -> bool {
        self.framing == BodyFraming::Length(0)
    }

    /// Whether its handler has said that it may end as the server does, and it may.
    fn ends_with_server(&self) -> bool {
        self.pieces.until_drain && !self.is_short()
    }

    /// The same of one that has always something.
    fn ends_anyway(&mut self) -> bool {
        if !self.ends_with_server() {
            return false;
        }
        self.since_drain += 1;
        self.since_drain > PIECES_MAX
    }

    /// Takes note of bytes that were given out.
    fn sent(&mut self, bytes: usize) {
        if let Some(entry) = &mut self.entry {
            entry.sent(bytes);
        }
    }

    /// Whether it must not end here.
    fn is_short(&self) -> bool {
        matches!(self.framing, BodyFraming::Length(1..))
    }

    /// Asks for more. It is code of the handler's, and may panic.
    fn next(&mut self, cx: &mut Context<'_>) -> Next {
        let pieces = &mut self.pieces;
        match catch_unwind(AssertUnwindSafe(|| pieces.poll_piece(cx))) {
            Ok(Poll::Pending) => Next::Wait,
            Ok(Poll::Ready(Some(Piece::Ok(piece)))) => Next::Piece(piece),
            Ok(Poll::Ready(Some(Piece::Err(error)))) => Next::Failed(error),
            Ok(Poll::Ready(None)) => Next::End,
            Err(payload) => {
                shield::discard(payload);
                Next::Failed("it panicked".into())
            }
        }
    }
}

/// Whether an error of `sendfile(2)` may be the file's, and not the connection's.
fn is_of_file(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
    )
}

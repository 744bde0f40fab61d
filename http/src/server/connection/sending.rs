//! How do the bytes get out?
//!
//! All that was gathered by one write, and at once; the stream is only asked to tell when there is room after a write
//! has found none.

use super::Connection;
use crate::server::transport::Transport;
use std::io;
use std::task::{Context, Poll, ready};

impl<T: Transport> Connection<T> {
    /// Sends everything that is to be sent.
    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.work {
            Some(work) if !work.out.is_empty() => self.poll_send::<false>(cx),
            Some(_) => {
                self.conn.sent();
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Ok(())),
        }
    }

    /// The same before the kernel sends a file: the head of that and its first bytes are to be one packet.
    #[cold]
    pub(super) fn poll_flush_before_file(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send::<true>(cx)
    }

    #[inline(never)]
    fn poll_send<const FILE_FOLLOWS: bool>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(work) = self.work.as_mut().filter(|work| !work.out.is_empty()) {
            let count = match work.out.only_piece() {
                Some(piece) if FILE_FOLLOWS => ready!(self.transport.poll_write_more(cx, piece))?,
                Some(piece) => ready!(self.transport.poll_write(cx, piece))?,
                None => ready!(self.transport.poll_write_vectored(cx, &work.out.slices()))?,
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            work.out.advance(count);
            self.moved_out(count);
        }
        self.conn.sent();
        Poll::Ready(Ok(()))
    }

    /// Takes note of bytes that went out.
    #[inline]
    pub(super) fn moved_out(&mut self, count: usize) {
        self.moved(count);
        let aside = self.aside.as_mut();
        if let Some(allowance) = aside.and_then(|aside| aside.allowance.as_mut()) {
            allowance.moved(count, self.seat.service.download_rate());
        }
    }
}

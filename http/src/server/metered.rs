//! How are the bytes of a connection counted?
//!
//! Where they pass: [`Metered`] is a stream that adds them to the counters of the thread it is used on. So neither the connection nor the reader of a body has to think of it.

use super::metrics::Counters;
use super::shards::Shards;
use super::transport::Transport;
use filch::time::Stamp;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A stream whose bytes are counted.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    counters: Arc<Shards<Counters>>,
}

impl<S> Metered<S> {
    pub(crate) fn new(stream: S, counters: Arc<Shards<Counters>>) -> Self {
        Self { stream, counters }
    }

    #[inline]
    fn received(&self, count: usize) -> usize {
        self.counters.counting().received(count);
        count
    }

    #[inline]
    fn sent(&self, count: usize) -> usize {
        self.counters.counting().sent(count);
        count
    }
}

impl<S: Transport> Transport for Metered<S> {
    #[inline(always)]
    fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = self.stream.poll_read(cx, room);
        if let Poll::Ready(Ok(count)) = read {
            self.received(count);
        }
        read
    }

    #[inline]
    fn readable_since(&self) -> Option<Stamp> {
        self.stream.readable_since()
    }

    fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read_now(room);
        read.map(|count| self.received(count))
    }

    #[inline(always)]
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.sent(count);
        }
        written
    }

    fn poll_write_more(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write_more(cx, bytes);
        written.map_ok(|count| self.sent(count))
    }

    #[inline]
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write_vectored(cx, pieces);
        written.map_ok(|count| self.sent(count))
    }

    fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &File,
        range: &mut Range<u64>,
    ) -> Poll<io::Result<usize>> {
        let sent = self.stream.poll_send_file(cx, file, range);
        sent.map_ok(|count| self.sent(count))
    }

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_gone(cx)
    }

    fn shut(&self) -> io::Result<()> {
        self.stream.shut()
    }

    fn cut(&self) {
        self.stream.cut();
    }

    fn will_reset(&self) {
        self.stream.will_reset();
    }
}

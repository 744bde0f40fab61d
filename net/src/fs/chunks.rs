//! How is something listed that blocks for each piece, with few calls?
//!
//! The iterator that blocks is sent to the pool, and comes back with up to [`PIECES_PER_HOP`] pieces, which are given out here one by one. When they are used up, it is sent again: so there is never more
//! than one chunk in memory, and nobody reads what nobody asks for.
//!
//! Whoever waits may give up: the next one to ask finds the call under way, and gets its pieces in order.

use crate::hop::{Hop, Place};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};

/// How many pieces one call brings: some hundred bytes and microseconds each at most, if nothing has to come from a disk (a guess).
pub(crate) const PIECES_PER_HOP: usize = 256;

/// An iterator that blocks, and what it has brought.
pub(crate) struct Chunks<I: Iterator> {
    state: State<I>,
}

enum State<I: Iterator> {
    /// Without an iterator, these are the last.
    Here(VecDeque<I::Item>, Option<I>),
    Away(Hop<Chunk<I>>),
}

pub(crate) struct Chunk<I: Iterator> {
    pieces: VecDeque<I::Item>,
    /// If there is more.
    rest: Option<I>,
}

impl<I: Iterator> Chunk<I> {
    /// The next pieces, on a thread that may block.
    pub(crate) fn blocking_next(mut iterator: I) -> Self {
        let mut pieces = VecDeque::new();
        while pieces.len() < PIECES_PER_HOP {
            let Some(piece) = iterator.next() else {
                return Self { pieces, rest: None };
            };
            pieces.push_back(piece);
        }
        Self {
            pieces,
            rest: Some(iterator),
        }
    }
}

impl<I, T> Chunks<I>
where
    I: Iterator<Item = io::Result<T>> + Send + 'static,
    T: Send + 'static,
{
    /// Of an iterator that has not begun.
    pub(crate) fn new(iterator: I) -> Self {
        Self::after(Chunk {
            pieces: VecDeque::new(),
            rest: Some(iterator),
        })
    }

    /// Of one that has brought a chunk already.
    pub(crate) fn after(chunk: Chunk<I>) -> Self {
        Self {
            state: State::Here(chunk.pieces, chunk.rest),
        }
    }

    /// The iterator, as long as it has not begun, or is between two chunks.
    pub(crate) fn iterator(&mut self) -> Option<&mut I> {
        match &mut self.state {
            State::Here(_, iterator) => iterator.as_mut(),
            State::Away(_) => None,
        }
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<T>>> {
        loop {
            match &mut self.state {
                State::Here(pieces, rest) => {
                    if let Some(piece) = pieces.pop_front() {
                        return Poll::Ready(Some(piece));
                    }
                    let Some(iterator) = rest.take() else {
                        return Poll::Ready(None);
                    };
                    match Hop::start(Place::Pool, move || Chunk::blocking_next(iterator)) {
                        Ok(hop) => self.state = State::Away(hop),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Away(hop) => {
                    let chunk = ready!(hop.poll(cx));
                    // The end of the runtime is the end of the list, told once.
                    let (pieces, rest) = match chunk {
                        Ok(chunk) => (chunk.pieces, chunk.rest),
                        Err(error) => (VecDeque::from([Err(error)]), None),
                    };
                    self.state = State::Here(pieces, rest);
                }
            }
        }
    }
}

impl<I: Iterator> fmt::Debug for Chunks<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (here, has_ended) = match &self.state {
            State::Here(pieces, rest) => (pieces.len(), rest.is_none()),
            State::Away(_) => (0, false),
        };
        f.debug_struct("Chunks")
            .field("here", &here)
            .field("has_ended", &has_ended)
            .finish_non_exhaustive()
    }
}

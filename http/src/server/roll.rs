//! Where does the server note how to wake each of its connections?
//!
//! In a [`Roll`], by their places, in pieces of 1 KiB that stay where they are. Rejected: one `Vec`. While it grows it is there twice, under the lock that each connection comes through, and the allocator
//! keeps a good part of what it leaves: of 10 000 idle connections each paid as much for that as for its own entry.

use std::task::Waker;

/// Wakers by place; none for places that are free, and for connections that were not polled yet.
#[derive(Default)]
pub(crate) struct Roll {
    pieces: Vec<Piece>,
    len: usize,
}

/// Stays where it is when another comes.
type Piece = Box<[Option<Waker>; PIECE]>;

/// How many wakers a piece has, of 16 bytes each.
const PIECE: usize = 64;

impl Roll {
    /// Another place at the end.
    pub(crate) fn push(&mut self) -> usize {
        if self.len == self.pieces.len() * PIECE {
            self.pieces.push(Box::new([const { None }; PIECE]));
        }
        self.len += 1;
        self.len - 1
    }

    /// What stands in this place.
    pub(crate) fn at(&mut self, place: usize) -> &mut Option<Waker> {
        &mut self.pieces[place / PIECE][place % PIECE]
    }

    /// All wakers there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waker> {
        self.pieces.iter().flat_map(|piece| piece.iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_another() {
        let mut roll = Roll::default();
        for place in 0..=2 * PIECE {
            assert_eq!(roll.push(), place);
            assert!(roll.at(place).replace(Waker::noop().clone()).is_none());
            assert_eq!(roll.iter().count(), place + 1);
            assert_eq!(roll.pieces.len(), place / PIECE + 1);
        }
        assert!(roll.at(PIECE).take().is_some() && roll.at(PIECE).is_none());
        assert_eq!(roll.iter().count(), 2 * PIECE);
    }
}

//! Where does the server note how to wake each of its connections, and when?
//!
//! In a [`Roll`], by their places, in pieces of 1.25 KiB that stay where they are. Rejected: one `Vec`. While it grows it is there twice, under the lock that each connection comes through, and the allocator
//! keeps a good part of what it leaves: of 10 000 idle connections each paid as much for that as for its own entry.

use super::sweep::is_over;
use filch::time::Stamp;
use std::task::Waker;

/// Wakers by place, none for places that are free, and for connections that were not polled yet; and when those are to be woken that wait ([`sweep`](super::sweep)).
#[derive(Default)]
pub(crate) struct Roll {
    pieces: Vec<Piece>,
    len: usize,
    /// No later than any of their times.
    earliest: Option<Stamp>,
}

/// Stays where it is when another comes.
type Piece = Box<Places>;

/// The times lie together, as they are looked through again and again.
struct Places {
    wakers: [Option<Waker>; PIECE],
    dues: [Option<Stamp>; PIECE],
}

/// How many places a piece has, of 20 bytes each.
const PIECE: usize = 64;

impl Roll {
    /// Another place at the end.
    pub(crate) fn push(&mut self) -> usize {
        if self.len == self.pieces.len() * PIECE {
            self.pieces.push(Box::new(Places {
                wakers: [const { None }; PIECE],
                dues: [None; PIECE],
            }));
        }
        self.len += 1;
        self.len - 1
    }

    /// Says how to wake whoever has this place.
    pub(crate) fn set_waker(&mut self, place: usize, waker: Waker) {
        self.pieces[place / PIECE].wakers[place % PIECE] = Some(waker);
    }

    /// Clears this place.
    pub(crate) fn take(&mut self, place: usize) -> Option<Waker> {
        let piece = &mut self.pieces[place / PIECE];
        piece.dues[place % PIECE] = None;
        piece.wakers[place % PIECE].take()
    }

    /// All wakers there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waker> {
        self.pieces
            .iter()
            .flat_map(|piece| piece.wakers.iter().flatten())
    }

    /// Says when whoever has this place is to be woken, in place of what was said before. Whether that is earlier than all others.
    pub(crate) fn set_due(&mut self, place: usize, due: Stamp) -> bool {
        self.pieces[place / PIECE].dues[place % PIECE] = Some(due);
        let is_earliest = self.earliest.is_none_or(|it| !is_over(it, due));
        if is_earliest {
            self.earliest = Some(due);
        }
        is_earliest
    }

    /// When the first is to be woken, or somebody was who has left.
    pub(crate) fn earliest(&self) -> Option<Stamp> {
        self.earliest
    }

    /// The wakers of those whose time has come, once.
    pub(crate) fn sweep(&mut self, now: Stamp) -> Vec<Waker> {
        let (mut over, mut earliest) = (Vec::new(), None::<Stamp>);
        for piece in &mut self.pieces {
            for (noted, waker) in piece.dues.iter_mut().zip(&piece.wakers) {
                match *noted {
                    None => {}
                    Some(due) if is_over(due, now) => {
                        *noted = None;
                        over.extend(waker.clone());
                    }
                    Some(due) if earliest.is_none_or(|it| !is_over(it, due)) => {
                        earliest = Some(due);
                    }
                    Some(_) => {}
                }
            }
        }
        self.earliest = earliest;
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u32) -> Stamp {
        Stamp::from_bits(1000 + millis).expect("a stamp")
    }

    #[test]
    fn each_place_is_another() {
        let mut roll = Roll::default();
        for place in 0..=2 * PIECE {
            assert_eq!(roll.push(), place);
            assert_eq!(roll.iter().count(), place);
            roll.set_waker(place, Waker::noop().clone());
            assert_eq!(roll.iter().count(), place + 1);
            assert_eq!(roll.pieces.len(), place / PIECE + 1);
        }
        assert!(roll.take(PIECE).is_some() && roll.take(PIECE).is_none());
        assert_eq!(roll.iter().count(), 2 * PIECE);
    }

    #[test]
    fn a_time_comes_once_and_goes_with_its_place() {
        let mut roll = Roll::default();
        for place in [0, PIECE - 1, PIECE] {
            while roll.len <= place {
                roll.push();
            }
            roll.set_waker(place, Waker::noop().clone());
            assert!(roll.set_due(place, at(9)));
            assert!(roll.set_due(place, at(5)));
            for (passed_ms, over, next) in [(4, 0, Some(at(5))), (5, 1, None), (6, 0, None)] {
                let woken = roll.sweep(at(passed_ms)).len();
                assert_eq!((woken, roll.earliest()), (over, next), "{passed_ms}");
            }
            assert!(roll.set_due(place, at(5)));
            roll.take(place);
            assert_eq!(roll.sweep(at(6)).len(), 0);
        }
    }

    #[test]
    fn the_earliest_is_known() {
        let mut roll = Roll::default();
        for (ahead_ms, is_earliest) in [(9, true), (5, true), (7, false), (5, false)] {
            let place = roll.push();
            assert_eq!(roll.set_due(place, at(ahead_ms)), is_earliest);
        }
        for (passed_ms, earliest_ms) in [(0, 5), (5, 7), (7, 9)] {
            roll.sweep(at(passed_ms));
            assert_eq!(roll.earliest(), Some(at(earliest_ms)));
        }
    }
}

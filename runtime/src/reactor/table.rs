//! To which source does an event belong, if that source still exists?
//!
//! The token of a registration is the number of a slot and the slot's generation. Removing a source raises the generation, so that an event the
//! kernel had fetched before the descriptor was closed finds nothing, even if the slot (or the descriptor) is in use again.
//!
//! Slots stand in pieces of 1 KiB. In one `Vec` they would be there twice while it grows, under the lock, and the allocator keeps a good part of what it leaves.

use super::source::Source;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::sys::sync::{Arc, Mutex};

/// Slot in the low, generation in the high half. Fits the 64 bits that epoll keeps for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    slot: u32,
    generation: u32,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Mutex<Slots>,
    /// How many sources there are. Written under the lock, read by anybody.
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slots {
    pieces: Vec<Piece>,
    /// How many were ever used.
    len: u32,
    free: Vec<u32>,
}

/// Stays where it is when another comes.
type Piece = Box<[Slot; PIECE]>;

/// How many slots a piece has, of 16 bytes each.
const PIECE: usize = 64;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    source: Option<Arc<Source>>,
}

impl Token {
    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self {
            slot: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

impl Table {
    pub(super) fn insert(&self, source: Arc<Source>) -> Token {
        let mut slots = self.slots.lock();
        let slot = slots.free.pop().unwrap_or_else(|| slots.push());
        let entry = slots.at(slot);
        entry.source = Some(source);
        let generation = entry.generation;
        self.note_len(&slots);
        Token { slot, generation }
    }

    /// Events with this token find nothing from now on.
    pub(super) fn remove(&self, token: Token) {
        let mut slots = self.slots.lock();
        let entry = slots.at(token.slot);
        if entry.generation != token.generation {
            return;
        }
        entry.generation = entry.generation.wrapping_add(1);
        let source = entry.source.take();
        slots.free.push(token.slot);
        self.note_len(&slots);
        drop(slots);
        drop(source);
    }

    fn note_len(&self, slots: &Slots) {
        let len = slots.len as usize - slots.free.len();
        // ORDERING: Relaxed, and no read-modify-write: a number, written under the lock.
        self.len.store(len, Ordering::Relaxed);
    }

    /// How many sources there are, or were a moment ago.
    pub(super) fn len(&self) -> usize {
        // ORDERING: Relaxed: a number to compare loads by; nothing is read because of it.
        self.len.load(Ordering::Relaxed)
    }

    /// Calls `deliver` for each event whose source is still there.
    pub(super) fn for_each<E>(
        &self,
        events: impl Iterator<Item = (Token, E)>,
        mut deliver: impl FnMut(&Source, E),
    ) {
        let slots = self.slots.lock();
        for (token, event) in events {
            if let Some(source) = slots.find(token) {
                deliver(source, event);
            }
        }
    }

    /// The source with this token, if it is still there.
    pub(super) fn find(&self, token: Token) -> Option<Arc<Source>> {
        self.slots.lock().find(token).cloned()
    }

    /// Every source that is registered.
    pub(super) fn all(&self) -> Vec<Arc<Source>> {
        let slots = self.slots.lock();
        let all = slots.pieces.iter().flat_map(|piece| piece.iter());
        all.filter_map(|slot| slot.source.clone()).collect()
    }
}

impl Slots {
    /// A slot that was never used.
    fn push(&mut self) -> u32 {
        let slot = self.len;
        if slot as usize == self.pieces.len() * PIECE {
            let piece = std::array::from_fn(|_| Slot::default());
            self.pieces.push(Box::new(piece));
        }
        self.len = slot.checked_add(1).expect("fewer descriptors than 2^32");
        slot
    }

    fn at(&mut self, slot: u32) -> &mut Slot {
        &mut self.pieces[slot as usize / PIECE][slot as usize % PIECE]
    }

    #[inline]
    fn find(&self, token: Token) -> Option<&Arc<Source>> {
        let piece = self.pieces.get(token.slot as usize / PIECE)?;
        let slot = &piece[token.slot as usize % PIECE];
        slot.source
            .as_ref()
            .filter(|_| slot.generation == token.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(table: &Table, token: Token) -> usize {
        let mut hits = 0;
        table.for_each([(token, ())].into_iter(), |_, ()| hits += 1);
        hits
    }

    #[test]
    fn a_late_event_of_a_removed_source_finds_nothing() {
        let table = Table::default();
        let old = table.insert(Arc::new(Source::new()));
        assert_eq!(hits(&table, old), 1);
        assert!(table.find(old).is_some());
        table.remove(old);
        assert_eq!(hits(&table, old), 0);
        let new = table.insert(Arc::new(Source::new()));
        assert_eq!((new.slot, new.generation), (old.slot, old.generation + 1));
        assert_eq!(hits(&table, old), 0);
        assert!(table.find(old).is_none());
        assert_eq!(hits(&table, new), 1);
        table.remove(old);
        assert_eq!(hits(&table, new), 1, "removed twice, and not the new one");
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn sources_are_counted() {
        let table = Table::default();
        let tokens: Vec<_> = (1..=3)
            .map(|count| {
                let token = table.insert(Arc::new(Source::new()));
                assert_eq!(table.len(), count);
                token
            })
            .collect();
        for (left, token) in [
            (2, tokens[1]),
            (2, tokens[1]),
            (1, tokens[0]),
            (0, tokens[2]),
        ] {
            table.remove(token);
            assert_eq!(table.len(), left);
        }
        table.insert(Arc::new(Source::new()));
        assert_eq!(table.len(), 1, "in a slot that is used again");
    }

    #[test]
    fn each_of_many_is_found() {
        let table = Table::default();
        let tokens: Vec<_> = (0..=2 * PIECE)
            .map(|_| table.insert(Arc::new(Source::new())))
            .collect();
        assert!(tokens.iter().all(|token| hits(&table, *token) == 1));
        let beyond = Token {
            slot: 3 * PIECE as u32,
            generation: 0,
        };
        assert_eq!(hits(&table, beyond), 0);
        assert_eq!(table.all().len(), tokens.len());
        table.remove(tokens[PIECE]);
        assert_eq!((table.all().len(), table.len()), (2 * PIECE, 2 * PIECE));
    }

    #[test]
    fn a_token_survives_the_kernel() {
        let token = Token {
            slot: u32::MAX - 1,
            generation: u32::MAX,
        };
        assert_eq!(Token::from_bits(token.to_bits()), token);
    }
}

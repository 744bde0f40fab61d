//! To which source does an event belong, if that source still exists?
//!
//! The sources stand in the table itself, in pieces that stay where they are; whoever has a registration shares the piece and knows the slot. An `Arc` for each source would cost sixteen bytes
//! more, the allocator's own, and a slot that points to it.
//!
//! A piece has once what each of its registrations would have: how to reach the poller, which has the table, which has the piece; hence weakly.
//!
//! The token of a registration is the number of a slot and the slot's generation. Taking a slot and giving it back raise the generation by one each, so that an event the
//! kernel had fetched before the descriptor was closed finds nothing, even if the slot (or the descriptor) is in use again. A slot in use has an odd one.
//!
//! Who has no registration comes to a source only here, under the lock, by a slot that is in use. So a source is nobody's once its slot was given back; there, under the same lock, it begins
//! anew, and whoever has the slot next finds a new source.
//!
//! A piece of which no slot is in use is freed, all but one: what a crowd leaves behind is four bytes for each, the generations, which nobody may forget.

use super::source::{Source, Waiters};
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::sys::sync::{Arc, Mutex};

/// Slot in the low, generation in the high half. Fits the 64 bits that epoll keeps for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    slot: u32,
    generation: u32,
}

/// `H` is what every registration can reach, the same for all: the poller.
#[derive(Debug)]
pub(super) struct Table<H> {
    slots: Mutex<Slots<H>>,
    /// How many sources there are. Written under the lock, read by anybody.
    len: AtomicUsize,
}

/// A slot with its source, from `insert` to `remove`.
#[derive(Debug)]
pub(super) struct Place<H> {
    piece: Arc<Piece<H>>,
    token: Token,
}

#[derive(Debug)]
struct Slots<H> {
    rows: Vec<Row<H>>,
    /// Those with a slot that is not in use; the next one comes from the last.
    roomy: Vec<u32>,
    /// A piece that no row has, so that a descriptor that comes and goes by itself asks for no memory each time.
    spare: Option<Arc<Piece<H>>>,
    len: usize,
}

/// What is known of as many slots as a piece has.
#[derive(Debug)]
struct Row<H> {
    generations: Box<[u32; PIECE]>,
    /// A bit for each slot.
    used: u64,
    /// There while a slot is in use.
    piece: Option<Arc<Piece<H>>>,
}

/// Stays where it is when another comes.
#[derive(Debug)]
struct Piece<H> {
    sources: [Source; PIECE],
    home: H,
}

/// How many slots a piece has, of 64 bytes each.
const PIECE: usize = u64::BITS as usize;

/// What a slot leaves that was given back: to be dropped without the lock.
type Left<H> = (Waiters, Option<Arc<Piece<H>>>);

impl Token {
    pub(super) fn slot(self) -> u32 {
        self.slot
    }

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

impl<H> Place<H> {
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// Of whoever has this, until it is given back.
    #[inline]
    pub(super) fn source(&self) -> &Source {
        self.piece.at(self.token.slot)
    }

    pub(super) fn home(&self) -> &H {
        &self.piece.home
    }
}

impl<H> Table<H> {
    /// A slot with a new source; `home` is asked for where that takes a new piece.
    pub(super) fn insert(&self, home: impl FnOnce() -> H) -> Place<H> {
        let mut slots = self.slots.lock();
        let place = slots.insert(home);
        self.note_len(&slots);
        place
    }

    /// Gives a slot back: events with its token find nothing from now on.
    pub(super) fn remove(&self, token: Token) {
        let mut slots = self.slots.lock();
        let left = slots.remove(token);
        self.note_len(&slots);
        drop(slots);
        drop(left);
    }

    fn note_len(&self, slots: &Slots<H>) {
        // ORDERING: Relaxed, and no read-modify-write: a number, written under the lock.
        self.len.store(slots.len, Ordering::Relaxed);
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

    /// Calls `tell` for the source of a slot that is in use.
    pub(super) fn with_slot(&self, slot: u32, tell: impl FnOnce(&Source)) {
        let slots = self.slots.lock();
        let piece = &slots.rows[slot as usize / PIECE].piece;
        tell(piece.as_ref().expect("a slot that is in use").at(slot));
    }

    /// Calls `tell` for every source that is registered.
    pub(super) fn for_all(&self, mut tell: impl FnMut(&Source)) {
        let slots = self.slots.lock();
        for row in &slots.rows {
            if let Some(piece) = &row.piece {
                let used = (0..PIECE).filter(|at| row.used & 1 << at != 0);
                used.for_each(|at| tell(&piece.sources[at]));
            }
        }
    }
}

impl<H> Slots<H> {
    fn insert(&mut self, home: impl FnOnce() -> H) -> Place<H> {
        if self.roomy.is_empty() {
            let row = u32::try_from(self.rows.len()).expect("fewer descriptors than 2^32");
            self.rows.push(Row::default());
            self.roomy.push(row);
        }
        let number = self.roomy[self.roomy.len() - 1];
        let row = &mut self.rows[number as usize];
        let piece = row
            .piece
            .get_or_insert_with(|| self.spare.take().unwrap_or_else(|| Piece::new(home())))
            .clone();
        let at = row.take();
        if row.is_full() {
            self.roomy.pop();
        }
        self.len += 1;
        let token = Token {
            slot: number * PIECE as u32 + at as u32,
            generation: row.generations[at],
        };
        Place { piece, token }
    }

    fn remove(&mut self, token: Token) -> Option<Left<H>> {
        let number = token.slot / PIECE as u32;
        let waiters = self.find(token)?.begin_anew();
        let row = &mut self.rows[number as usize];
        if row.is_full() {
            self.roomy.push(number);
        }
        row.give_back(token.slot as usize % PIECE);
        self.len -= 1;
        let empty = row.piece.take_if(|_| row.used == 0);
        let surplus = match &self.spare {
            Some(_) => empty,
            None => {
                self.spare = empty;
                None
            }
        };
        Some((waiters, surplus))
    }

    #[inline]
    fn find(&self, token: Token) -> Option<&Source> {
        let row = self.rows.get(token.slot as usize / PIECE)?;
        let generation = row.generations[token.slot as usize % PIECE];
        let piece = row.piece.as_ref()?;
        (generation == token.generation).then(|| piece.at(token.slot))
    }
}

impl<H> Row<H> {
    fn is_full(&self) -> bool {
        self.used == u64::MAX
    }

    /// The first slot that is not in use. There is one.
    fn take(&mut self) -> usize {
        let at = self.used.trailing_ones() as usize;
        self.used |= 1 << at;
        self.raise(at);
        at
    }

    fn give_back(&mut self, at: usize) {
        self.used &= !(1 << at);
        self.raise(at);
    }

    fn raise(&mut self, at: usize) {
        self.generations[at] = self.generations[at].wrapping_add(1);
    }
}

impl<H> Default for Table<H> {
    fn default() -> Self {
        Self {
            slots: Mutex::new(Slots {
                rows: Vec::new(),
                roomy: Vec::new(),
                spare: None,
                len: 0,
            }),
            len: AtomicUsize::new(0),
        }
    }
}

impl<H> Default for Row<H> {
    fn default() -> Self {
        Self {
            generations: Box::new([0; PIECE]),
            used: 0,
            piece: None,
        }
    }
}

impl<H> Piece<H> {
    fn new(home: H) -> Arc<Self> {
        Arc::new(Self {
            sources: std::array::from_fn(|_| Source::new()),
            home,
        })
    }

    #[inline]
    fn at(&self, slot: u32) -> &Source {
        &self.sources[slot as usize % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Direction;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake, Waker};

    fn hits(table: &Table<()>, token: Token) -> usize {
        let mut hits = 0;
        table.for_each([(token, ())].into_iter(), |_, ()| hits += 1);
        hits
    }

    fn all(table: &Table<()>) -> usize {
        let mut all = 0;
        table.for_all(|_| all += 1);
        all
    }

    fn pieces(table: &Table<()>) -> usize {
        let slots = table.slots.lock();
        slots.rows.iter().filter(|row| row.piece.is_some()).count()
    }

    fn insert(table: &Table<()>, count: usize) -> Vec<Place<()>> {
        (0..count).map(|_| table.insert(|| ())).collect()
    }

    #[test]
    fn a_late_event_of_a_removed_source_finds_nothing() {
        let table = Table::default();
        let old = table.insert(|| ()).token;
        assert_eq!(hits(&table, old), 1);
        table.remove(old);
        assert_eq!(hits(&table, old), 0);
        let new = table.insert(|| ()).token;
        assert_eq!((new.slot, new.generation), (old.slot, old.generation + 2));
        assert_eq!(hits(&table, old), 0);
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
                let token = table.insert(|| ()).token;
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
            assert_eq!((table.len(), all(&table)), (left, left));
        }
        table.insert(|| ());
        assert_eq!(table.len(), 1, "in a slot that is used again");
    }

    #[test]
    fn each_of_many_is_found() {
        let table = Table::default();
        let places = insert(&table, 2 * PIECE + 1);
        assert!(places.iter().all(|place| hits(&table, place.token) == 1));
        for (slot, place) in places.iter().enumerate() {
            assert_eq!(place.token.slot as usize, slot);
            table.for_each([(place.token, ())].into_iter(), |source, ()| {
                assert!(std::ptr::eq(source, place.source()));
            });
        }
        let beyond = Token {
            slot: 3 * PIECE as u32,
            generation: 1,
        };
        assert_eq!(hits(&table, beyond), 0);
        assert_eq!(all(&table), places.len());
        table.remove(places[PIECE].token);
        assert_eq!((all(&table), table.len()), (2 * PIECE, 2 * PIECE));
        let again = table.insert(|| ());
        assert_eq!(again.token.slot as usize, PIECE);
        let rest = insert(&table, PIECE - 1);
        let slots = rest.iter().map(|place| place.token.slot as usize);
        assert_eq!(slots.max(), Some(3 * PIECE - 1), "before the table grows");
    }

    #[test]
    fn a_source_that_is_used_again_is_a_new_one() {
        struct Counter(AtomicUsize);

        impl Wake for Counter {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let table = Table::default();
        let place = table.insert(|| ());
        let (direction, source) = (Direction::Read, place.source());
        let new = source.look(direction);
        source.clear(direction, new.unwrap());
        let counter = Arc::new(Counter(AtomicUsize::new(0)));
        let waker = Waker::from(counter.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(source.poll_ready(direction, &mut cx).is_pending());
        let mut id = None;
        assert!(
            source
                .poll_ready_as(direction, &mut id, &mut cx)
                .is_pending()
        );
        assert_eq!(Arc::strong_count(&counter), 4);
        table.remove(place.token);
        assert_eq!(Arc::strong_count(&counter), 2, "nobody waits any more");
        let again = table.insert(|| ());
        assert!(std::ptr::eq(again.source(), place.source()));
        assert_eq!(again.source().look(direction), new);
        again.source().shut_down(&mut Default::default());
        table.remove(again.token);
        let again = table.insert(|| ());
        assert_eq!(again.source().look(direction), new, "and not shut down");
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn pieces_go_when_nobody_is_left_in_them_and_generations_stay() {
        let table = Table::default();
        let places = insert(&table, 3 * PIECE);
        let last = &places[3 * PIECE - 1];
        assert_eq!(pieces(&table), 3);
        places[..2 * PIECE]
            .iter()
            .for_each(|place| table.remove(place.token));
        assert_eq!(pieces(&table), 1);
        assert!(table.slots.lock().spare.is_some());
        assert_eq!(hits(&table, last.token), 1);
        assert_eq!(
            Arc::strong_count(&places[PIECE].piece),
            PIECE,
            "the table has it no more"
        );
        let again = insert(&table, 2 * PIECE);
        assert_eq!((pieces(&table), table.len()), (3, 3 * PIECE));
        assert!(table.slots.lock().spare.is_none());
        for old in &places[..2 * PIECE] {
            assert_eq!(hits(&table, old.token), 0);
            assert!(again.iter().any(|new| new.token.slot == old.token.slot
                && new.token.generation == old.token.generation + 2));
        }
        (again.iter().chain(&places[2 * PIECE..])).for_each(|place| table.remove(place.token));
        assert_eq!((table.len(), all(&table), pieces(&table)), (0, 0, 0));
    }

    #[test]
    fn a_generation_comes_round() {
        let table = Table::default();
        let slot = table.insert(|| ()).token;
        table.remove(slot);
        table.slots.lock().rows[0].generations[0] = u32::MAX - 1;
        let last = table.insert(|| ()).token;
        assert_eq!((last.slot, last.generation), (slot.slot, u32::MAX));
        table.remove(last);
        let first = table.insert(|| ()).token;
        assert_eq!((first.slot, first.generation), (slot.slot, 1));
        assert_eq!((hits(&table, last), hits(&table, first)), (0, 1));
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

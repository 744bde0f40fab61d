//! How does a sender get a place with one locked instruction?
//!
//! Everything it has to know stands in one word, which it exchanges. No unsafe here.
//!
//! | bits | name | means |
//! |---|---|---|
//! | 0 | RX_WAITING | the receiver's waker is in its place; it has received all that was claimed |
//! | 1 | CLOSED | no more places but for what is reserved |
//! | 2..31 | reserved | permits that are out: room taken, but no place in the order yet |
//! | 31..64 | position | of the next place to be claimed, modulo 2^33 |
//!
//! | transition | by | changes | verdict |
//! |---|---|---|---|
//! | [`claim`](Tail::claim) | a sender, if there is room and not CLOSED | position + n, RX_WAITING away | the places, and whether the receiver is to be woken once they are full |
//! | [`reserve`](Tail::reserve) | a sender, the same | reserved + n | n permits |
//! | [`settle`](Tail::settle) | who has permits | position + sent, reserved - (sent + given up); RX_WAITING away if something is sent, or with CLOSED the last permit goes | as `claim` |
//! | [`close`](Tail::close) | the receiver | CLOSED | |
//! | [`end`](Tail::end) | the last sender | CLOSED, RX_WAITING away | whether the receiver is to be woken |
//! | [`wait`](Tail::wait) | the receiver, if everything claimed was received | RX_WAITING | fails if the word has changed |
//! | [`retract`](Tail::retract) | the receiver | RX_WAITING away | fails if the word has changed |
//!
//! RX_WAITING is only set in a word whose position is the receiver's, and goes with the next claim. So who claims behind a waiting receiver is exactly one, and it wakes it
//! after it has filled its place; and a receiver which finds a place claimed and not filled knows that nobody waits for its word: it looks again until it is full.
//!
//! The room is `capacity - (position - head) - reserved`. The head is the receiver's; senders keep the last one that they have seen beside the word, so that one in a whole
//! lap looks at the receiver's line. An old head only makes the room look smaller.
//!
//! A permit is no place: a place that is claimed and not filled holds up everything behind it, and a permit may be held for ever. So it is counted, and
//! gets its place when it sends.
//!
//! Position and reserved wrap by their widths: the capacity is less than 2^29, or for an unbounded channel 2^32 - 1. Whether a word comes again is no matter of safety: a claim that
//! succeeds is that of the place in the word, and its block is looked for after it. At worst a sender that slept for exactly 2^33 messages exceeds the capacity by
//! its own.
//!
//! Rejected: sequence numbers in a ring (the claim of a permit would hold up the others, and a large capacity is allocated at once); a semaphore beside the position, as tokio has it (two
//! locked instructions, and a third to mark the place); `fetch_add` (it claims also where there is no room, or nobody receives any more; a place could not be given back).

use crate::sys::sync::atomic::{AtomicU64, Ordering};

const RX_WAITING: u64 = 1 << 0;
const CLOSED: u64 = 1 << 1;
const RESERVED_SHIFT: u32 = 2;
const POSITION_SHIFT: u32 = 31;
const POSITIONS: u64 = 1 << (64 - POSITION_SHIFT);

/// The most that a bounded channel can hold: what fits into the count of permits.
pub(super) const CAPACITY_MAX: usize = (1 << (POSITION_SHIFT - RESERVED_SHIFT)) - 1;
/// What counts as the capacity of an unbounded channel: of two positions that far apart it is still known which one is later.
pub(super) const UNBOUNDED: u64 = POSITIONS / 2 - 1;

/// A place in the order of all messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(u64);

impl Position {
    pub(super) const START: Self = Self(0);

    #[inline]
    pub(super) fn plus(self, n: u64) -> Self {
        Self((self.0 + n) % POSITIONS)
    }

    /// How far it is behind an earlier one. Half of all positions or more means that it is the earlier one itself.
    #[inline]
    pub(super) fn since(self, earlier: Self) -> u64 {
        self.0.wrapping_sub(earlier.0) % POSITIONS
    }

    /// Whether it is that one or a later one.
    #[inline]
    pub(super) fn has_reached(self, other: Self) -> bool {
        self.since(other) < POSITIONS / 2
    }

    #[inline]
    pub(super) fn to_number(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn from_number(number: u64) -> Self {
        Self(number % POSITIONS)
    }
}

/// The word as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    #[inline]
    pub(super) fn position(self) -> Position {
        Position(self.0 >> POSITION_SHIFT)
    }

    #[inline]
    pub(super) fn reserved(self) -> u64 {
        (self.0 % (1 << POSITION_SHIFT)) >> RESERVED_SHIFT
    }

    #[inline]
    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether the receiver's waker is in its place.
    #[inline]
    pub(super) fn is_waited(self) -> bool {
        self.0 & RX_WAITING != 0
    }

    #[inline]
    fn claimed(self, n: u64) -> Self {
        // The position is at the top, and what it carries over is gone.
        Self(self.0.wrapping_add(n << POSITION_SHIFT) & !RX_WAITING)
    }

    fn settled(self, sent: u64, given_up: u64) -> Self {
        debug_assert!(self.reserved() >= sent + given_up, "permits out of nothing");
        let less = Self(self.0 - ((sent + given_up) << RESERVED_SHIFT));
        let is_last = less.is_closed() && less.reserved() == 0;
        if sent > 0 || is_last {
            less.claimed(sent)
        } else {
            less
        }
    }
}

/// Places that are somebody's to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the receiver may have to be woken"]
pub(super) struct Claim {
    pub(super) first: Position,
    /// The receiver is to be woken when the places are full.
    pub(super) wakes: bool,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

/// The word, and what senders know of the head.
#[derive(Debug)]
pub(super) struct Tail {
    word: AtomicU64,
    head_seen: AtomicU64,
}

/// How far the receiver has come.
#[derive(Debug)]
pub(super) struct Head(AtomicU64);

impl Head {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn load(&self) -> Position {
        // ORDERING: Acquire, partner of the store: what was done before the room was given is seen by who uses it.
        Position(self.0.load(Ordering::Acquire))
    }

    /// Only by the receiver.
    #[inline]
    pub(super) fn store(&self, head: Position) {
        // ORDERING: Release, partner of `load`.
        self.0.store(head.0, Ordering::Release);
    }
}

enum Room {
    Enough,
    Full,
    /// The word is older than the head.
    Stale,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            head_seen: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn load(&self) -> Word {
        // ORDERING: Acquire, partner of `end` and `settle`: who is told that nothing comes any more has seen all that was done before.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Claims `n` places in a row.
    #[inline]
    pub(super) fn claim(&self, n: u64, head: &Head, capacity: u64) -> Result<Claim, Refused> {
        let before = self.take_room(n, head, capacity, |word| word.claimed(n))?;
        Ok(Claim {
            first: before.position(),
            wakes: before.is_waited(),
        })
    }

    /// Takes room for `n` without places.
    pub(super) fn reserve(&self, n: u64, head: &Head, capacity: u64) -> Result<(), Refused> {
        let reserved = |word: Word| Word(word.0 + (n << RESERVED_SHIFT));
        self.take_room(n, head, capacity, reserved).map(drop)
    }

    /// Whether there is room for `n`, if nobody takes it.
    pub(super) fn has_room(&self, n: u64, head: &Head, capacity: u64) -> bool {
        loop {
            // ORDERING: Relaxed: who relies upon it has passed a fence, or has a lock.
            let now = Word(self.word.load(Ordering::Relaxed));
            match self.room(now, n, head, capacity) {
                Room::Enough => return true,
                Room::Full => return false,
                Room::Stale => {}
            }
        }
    }

    #[inline]
    fn take_room(
        &self,
        n: u64,
        head: &Head,
        capacity: u64,
        next: impl Fn(Word) -> Word,
    ) -> Result<Word, Refused> {
        // ORDERING: Relaxed: the exchange compares it.
        let mut now = Word(self.word.load(Ordering::Relaxed));
        loop {
            if now.is_closed() {
                return Err(Refused::Closed);
            }
            match self.room(now, n, head, capacity) {
                Room::Enough => match self.exchange(now, next(now)) {
                    Ok(()) => return Ok(now),
                    Err(word) => now = word,
                },
                Room::Full => return Err(Refused::Full),
                // ORDERING: Relaxed: whatever it was, the receiver has got what lies before its head by an Acquire, and so the word is not older now.
                Room::Stale => now = Word(self.word.load(Ordering::Relaxed)),
            }
        }
    }

    /// One locked instruction: the only one of a send.
    #[inline]
    fn exchange(&self, now: Word, next: Word) -> Result<(), Word> {
        // ORDERING: Acquire, partner of the Release in `wait`, for the receiver's waker, and in `look`, for the block to start from. Release for `load` of a receiver that
        // learns by this that the last permit is gone.
        let changed =
            self.word
                .compare_exchange_weak(now.0, next.0, Ordering::AcqRel, Ordering::Relaxed);
        changed.map(drop).map_err(Word)
    }

    #[inline]
    fn room(&self, now: Word, n: u64, head: &Head, capacity: u64) -> Room {
        // ORDERING: Acquire, partner of the store below, and through it of the head's own.
        let seen = Position(self.head_seen.load(Ordering::Acquire));
        if fits(now, n, seen, capacity) {
            return Room::Enough;
        }
        self.room_for_sure(now, n, head, capacity)
    }

    #[cold]
    fn room_for_sure(&self, now: Word, n: u64, head: &Head, capacity: u64) -> Room {
        let head = head.load();
        if !now.position().has_reached(head) {
            return Room::Stale;
        }
        // ORDERING: Release, partner of the load in `room`. A slow sender may put an older head there again, which makes the next one look again.
        self.head_seen.store(head.0, Ordering::Release);
        if fits(now, n, head, capacity) {
            Room::Enough
        } else {
            Room::Full
        }
    }

    /// Uses `sent` permits for places in a row, and gives others up.
    pub(super) fn settle(&self, sent: u64, given_up: u64) -> Claim {
        // ORDERING: Relaxed: the exchange compares it.
        let mut now = Word(self.word.load(Ordering::Relaxed));
        loop {
            let next = now.settled(sent, given_up);
            match self.exchange(now, next) {
                Ok(()) => {
                    return Claim {
                        first: now.position(),
                        wakes: now.is_waited() && !next.is_waited(),
                    };
                }
                Err(word) => now = word,
            }
        }
    }

    /// No more places.
    pub(super) fn close(&self) {
        // ORDERING: AcqRel, partner of `load` in `is_closed`.
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// No more senders. Whether the receiver is to be woken.
    pub(super) fn end(&self) -> bool {
        // ORDERING: Release, partner of `load`; Acquire, of `wait`, for the waker.
        let ended = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                Some((word | CLOSED) & !RX_WAITING)
            });
        ended.is_ok_and(|word| Word(word).is_waited())
    }

    /// The word, in such a way that who claims after it knows what this thread did before.
    pub(super) fn look(&self) -> Word {
        // ORDERING: Release, partner of the Acquire in `exchange`, by way of the exchanges between, which are all of this word.
        Word(self.word.fetch_or(0, Ordering::AcqRel))
    }

    /// The receiver's waker is in its place, and `seen` has nothing for it.
    pub(super) fn wait(&self, seen: Word) -> Result<(), Word> {
        // ORDERING: Release, partner of `exchange` and `end`: the waker. Acquire if it fails, as `load`.
        let changed = self.word.compare_exchange(
            seen.0,
            seen.0 | RX_WAITING,
            Ordering::Release,
            Ordering::Acquire,
        );
        changed.map(drop).map_err(Word)
    }

    /// The receiver takes its waker back.
    pub(super) fn retract(&self, seen: Word) -> Result<Word, Word> {
        let next = seen.0 & !RX_WAITING;
        // ORDERING: Relaxed: the waker is the receiver's own, as it was. Acquire if it fails, as `load`.
        let changed =
            self.word
                .compare_exchange(seen.0, next, Ordering::Relaxed, Ordering::Acquire);
        changed.map(|_| Word(next)).map_err(Word)
    }
}

#[inline]
fn fits(now: Word, n: u64, head: Position, capacity: u64) -> bool {
    now.position().since(head) + now.reserved() + n <= capacity
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// A tail and a head at a position.
    fn at(position: u64) -> (Tail, Head) {
        let (tail, head) = (Tail::new(), Head::new());
        tail.word
            .store(position << POSITION_SHIFT, Ordering::Relaxed);
        tail.head_seen.store(position, Ordering::Relaxed);
        head.store(Position(position));
        (tail, head)
    }

    #[test]
    fn there_is_room_for_the_capacity_wherever_the_lap_begins() {
        for start in [0, 5, POSITIONS - 3, POSITIONS - 1] {
            let (tail, head) = at(start);
            for n in 0..4 {
                let claim = tail.claim(1, &head, 4).unwrap();
                assert_eq!(claim.first, Position(start).plus(n));
            }
            assert_eq!(tail.claim(1, &head, 4), Err(Refused::Full));
            head.store(Position(start).plus(2));
            assert_eq!(tail.claim(3, &head, 4), Err(Refused::Full));
            assert!(tail.claim(2, &head, 4).is_ok());
            assert_eq!(tail.reserve(1, &head, 4), Err(Refused::Full));
        }
    }

    #[test]
    fn permits_take_room_and_no_place() {
        let (tail, head) = at(0);
        tail.reserve(3, &head, 4).unwrap();
        assert!(tail.claim(1, &head, 4).is_ok());
        assert_eq!(tail.claim(1, &head, 4), Err(Refused::Full));
        assert_eq!(tail.settle(1, 1).first, Position(1));
        assert_eq!(
            (tail.load().reserved(), tail.load().position()),
            (1, Position(2))
        );
        assert!(tail.claim(1, &head, 4).is_ok());
    }

    #[test]
    fn the_first_claim_wakes_and_a_permit_given_up_does_not() {
        let (tail, head) = at(7);
        tail.reserve(2, &head, 4).unwrap();
        tail.wait(tail.load()).unwrap();
        assert!(!tail.settle(0, 1).wakes);
        assert!(tail.claim(1, &head, 4).unwrap().wakes);
        assert!(!tail.claim(1, &head, 4).unwrap().wakes);
        assert!(!tail.settle(1, 0).wakes);
    }

    #[test]
    fn after_closing_permits_still_send_and_the_last_one_wakes() {
        let (tail, head) = at(7);
        tail.reserve(3, &head, 4).unwrap();
        tail.close();
        assert_eq!(tail.claim(1, &head, 4), Err(Refused::Closed));
        tail.wait(tail.load()).unwrap();
        assert!(tail.settle(1, 0).wakes);
        tail.wait(tail.load()).unwrap();
        assert!(!tail.settle(0, 1).wakes);
        assert!(tail.settle(0, 1).wakes);
    }

    #[test]
    fn the_largest_capacity_fits_the_count_of_permits() {
        let (tail, head) = at(POSITIONS - 1);
        let most = CAPACITY_MAX as u64;
        tail.reserve(most, &head, most).unwrap();
        assert_eq!(
            (tail.load().reserved(), tail.load().position()),
            (most, Position(POSITIONS - 1))
        );
        assert_eq!(tail.reserve(1, &head, most), Err(Refused::Full));
        let _claim = tail.settle(most, 0);
        assert_eq!(
            (tail.load().reserved(), tail.load().position()),
            (0, Position(POSITIONS - 1).plus(most))
        );
    }
}

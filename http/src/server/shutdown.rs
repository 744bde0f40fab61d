//! How does a server end without cutting anybody off?
//!
//! In phases, each of which only the next one follows:
//!
//! | phase | `/readyz` | accepts | after a response | idle connections | streams | goes on |
//! |---|---|---|---|---|---|---|
//! | Serving | 200 | yes | kept alive | stay | go on | when told to stop |
//! | NotReady | 503 | yes | kept alive | stay | go on | after [`not_ready_for`](crate::Server::not_ready_for) |
//! | LameDuck | 503 | yes | `Connection: close` | stay | go on | after [`lame_duck_for`](crate::Server::lame_duck_for) |
//! | Draining | 503 | what is in the queue, then no more | `Connection: close` | close | are told to end | with the last connection, or after [`drain_timeout`](crate::Server::drain_timeout) |
//! | Forced | 503 | no | | are cut off | are cut off | |
//!
//! A load balancer that asks `/readyz` sends nobody any more after NotReady, so that nobody is refused later; in the lame duck's time the clients that are there go elsewhere by themselves, a request at a
//! time, without a connection that closes under a request they are sending. Both take no time unless they are given one. A second signal goes to Forced from anywhere. An admin listener is served
//! from the first phase to the end of the last.
//!
//! Forced means that every connection that is polled ends where it stands. A connection that has sent its last answer and only waits for its client
//! to have read it was not cut off by that, and is not counted.
//!
//! A [`Registry`] knows which connections live, and how to wake each of them for this. A connection pays a lock when
//! it comes and when it goes, and one per timeout while it waits for requests ([`sweep`](super::sweep)); per request it costs a plain load. Who goes through the phases is [`drain`](super::drain).

use super::census::{Census, Full, Origin, Room, Ticket};
use super::roll::Roll;
use super::shards::Padded;
use super::sweep::is_over;
use filch::time::{Duration, Instant, Stamp};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

#[expect(
    clippy::disallowed_types,
    reason = "taken once per connection, or for a rare field, and never in a model: the runtime's own lock stays its own"
)]
pub(crate) type Lock<T> = std::sync::Mutex<T>;

/// How far a server is in ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Serving,
    NotReady,
    LameDuck,
    Draining,
    Forced,
}

const PHASES: [Phase; 5] = [
    Phase::Serving,
    Phase::NotReady,
    Phase::LameDuck,
    Phase::Draining,
    Phase::Forced,
];

/// The connections of a server.
pub(crate) struct Registry {
    shared: Padded<Shared>,
    members: Lock<Members>,
}

/// What is read with each request: not in a line that is written with each connection.
struct Shared {
    phase: AtomicU8,
    /// The time of the last [sweep](super::sweep); zero before the first.
    swept_until: AtomicU32,
}

/// A connection's place among those of its server, to be given back with [`Registry::leave`].
///
/// Four bytes: where its waker stands, times two, and one more for a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    fn new(at: usize, ticket: Ticket) -> Self {
        let at = u32::try_from(at).ok().and_then(|at| at.checked_mul(2));
        let at = at.expect("fewer connections than 2^31, as there are descriptors");
        Self(at + u32::from(ticket == Ticket::Guest))
    }

    fn at(self) -> usize {
        (self.0 / 2) as usize
    }

    fn ticket(self) -> Ticket {
        match self.is_guest() {
            true => Ticket::Guest,
            false => Ticket::Member,
        }
    }

    /// Whether it is beyond the limits: see [`census`](super::census).
    #[inline]
    pub(crate) fn is_guest(self) -> bool {
        self.0 % 2 == 1
    }
}

/// How many connections came, and how many of them were beyond a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrivals {
    pub(crate) accepted: u64,
    pub(crate) full: u64,
    pub(crate) full_of_address: u64,
    /// Those that the kernel had no memory to watch.
    pub(crate) unwatched: u64,
    /// How often accepting had to pause.
    pub(crate) pauses: u64,
}

/// What a [`sweep`](super::sweep) has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) now: Stamp,
    pub(crate) is_any_over: bool,
    /// When somebody is to be woken next, or was who has left.
    pub(crate) next: Option<Stamp>,
}

/// How far apart two stamps may lie, to tell which is later: less than 24 days. After a longer time without a sweep, all clocks are later.
const TOLD_APART: Duration = Duration::from_secs(20 * 24 * 60 * 60);

#[derive(Default)]
struct Members {
    census: Census,
    arrivals: Arrivals,
    /// Who is to be woken, and when.
    roll: Roll,
    free: Vec<usize>,
    /// How many of them have sent their last response.
    answered: usize,
    /// Who waits for the last to go.
    waiter: Option<Waker>,
    /// When was swept last.
    swept_at: Option<Instant>,
    /// Who waits for somebody who is to be woken earlier than all others.
    sweeper: Option<Waker>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            shared: Padded(Shared {
                phase: AtomicU8::new(Phase::Serving as u8),
                swept_until: AtomicU32::new(0),
            }),
            members: Lock::default(),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // ORDERING: Relaxed: who must not miss a change is woken after it, through the lock.
        PHASES[usize::from(self.shared.phase.load(Ordering::Relaxed)).min(PHASES.len() - 1)]
    }

    /// A place for a connection that comes; `None` if there is no room for it, not even to read what it wants.
    pub(crate) fn enter(&self, origin: Option<Origin>, room: &Room) -> Option<Place> {
        let mut members = self.lock();
        let (ticket, full) = members.census.enter(origin, room);
        let arrivals = &mut members.arrivals;
        arrivals.accepted += 1;
        match full {
            None => {}
            Some(Full::Connections) => arrivals.full += 1,
            Some(Full::Address) => arrivals.full_of_address += 1,
        }
        let ticket = ticket?;
        let at = match members.free.pop() {
            Some(at) => at,
            None => members.roll.push(),
        };
        Some(Place::new(at, ticket))
    }

    /// Takes note of a connection that could not be watched, and ends.
    #[cold]
    pub(crate) fn unwatched(&self) {
        self.lock().arrivals.unwatched += 1;
    }

    /// Takes note that accepting pauses for want of descriptors or memory.
    #[cold]
    pub(crate) fn pauses(&self) {
        self.lock().arrivals.pauses += 1;
    }

    /// How many live, and how many came.
    pub(crate) fn counts(&self) -> (usize, Arrivals) {
        let members = self.lock();
        (members.census.live(), members.arrivals)
    }

    /// Says how to wake the connection of this place.
    pub(crate) fn set_waker(&self, place: Place, waker: Waker) {
        self.lock().roll.set_waker(place.at(), waker);
    }

    /// The time of the last sweep: what was noted for later has not been cleared.
    #[inline]
    pub(crate) fn swept_until(&self) -> Option<Stamp> {
        // ORDERING: Relaxed: who must not miss a sweep is woken after it.
        Stamp::from_bits(self.shared.swept_until.load(Ordering::Relaxed))
    }

    /// Notes when the connection of this place is to be woken, in place of what was noted before. False if that is over; then nobody is woken.
    #[must_use = "nobody is woken if it is over"]
    pub(crate) fn note(&self, place: Place, due: Stamp) -> bool {
        let mut members = self.lock();
        if is_over(due, self.now(&members)) {
            return false;
        }
        let is_earliest = members.roll.set_due(place.at(), due);
        let sweeper = is_earliest.then(|| members.sweeper.take()).flatten();
        drop(members);
        if let Some(sweeper) = sweeper {
            sweeper.wake();
        }
        true
    }

    /// Wakes who was to be woken by now. Says what time it is, and when the next is to be woken, if there is one.
    pub(crate) fn sweep(&self) -> Swept {
        let mut members = self.lock();
        let now = self.now(&members);
        // ORDERING: Relaxed: by the lock for who notes, by the wake for who is woken.
        self.shared
            .swept_until
            .store(now.to_bits(), Ordering::Relaxed);
        members.swept_at = Some(Instant::now());
        let over = members.roll.sweep(now);
        let next = members.roll.earliest();
        drop(members);
        let is_any_over = !over.is_empty();
        for waker in over {
            waker.wake();
        }
        Swept {
            now,
            is_any_over,
            next,
        }
    }

    /// A recent time, but none before the last sweep: the clock of this thread may lie behind that of the one that has swept.
    fn now(&self, members: &Members) -> Stamp {
        let now = Stamp::recent();
        let swept_at = members.swept_at.unwrap_or_else(Instant::now);
        match self.swept_until() {
            Some(swept_until) if is_over(now, swept_until) && swept_at.elapsed() < TOLD_APART => {
                swept_until
            }
            _ => now,
        }
    }

    /// Waits until somebody is to be woken who was not known of when the next was this one. Only the last to wait is woken.
    pub(crate) fn poll_earlier(&self, next: Option<Stamp>, cx: &mut Context<'_>) -> Poll<()> {
        let mut members = self.lock();
        if members.roll.earliest() != next {
            return Poll::Ready(());
        }
        members.sweeper = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes note of a connection that has sent its last response.
    pub(crate) fn answered(&self) {
        self.lock().answered += 1;
    }

    /// Gives the place back, of a connection from there. `is_answered` says whether [`answered`](Self::answered) was called for it.
    pub(crate) fn leave(&self, place: Place, origin: Option<Origin>, is_answered: bool) {
        let mut members = self.lock();
        members.answered -= usize::from(is_answered);
        let gone = members.roll.take(place.at());
        members.free.push(place.at());
        members.census.leave(place.ticket(), origin);
        let waiter = if members.census.live() == 0 {
            members.waiter.take()
        } else {
            None
        };
        drop(members);
        // Outside the lock: either may be the last handle of something.
        drop(gone);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Goes on to this phase, unless it is there or beyond; wakes every connection where there is something to be seen.
    pub(crate) fn advance(&self, phase: Phase) {
        // ORDERING: Relaxed: a connection that enters or sets its waker later takes the lock after us, and sees it.
        let before = self.shared.phase.fetch_max(phase as u8, Ordering::Relaxed);
        if before >= phase as u8 || phase < Phase::Draining {
            return;
        }
        let wakers: Vec<Waker> = self.lock().roll.iter().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// How many connections live that may still owe a response.
    pub(crate) fn unanswered(&self) -> usize {
        let members = self.lock();
        members.census.live() - members.answered
    }

    /// Waits for the last connection to go. Only the last to wait is woken.
    pub(crate) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut members = self.lock();
        if members.census.live() == 0 {
            return Poll::Ready(());
        }
        members.waiter = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = Members> + '_ {
        // No user code runs under it, so that a panic cannot leave it half changed.
        self.members
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(registry: &Registry) -> Place {
        let place = registry.enter(None, &Room::ENDLESS);
        place.expect("there is room")
    }

    #[test]
    fn places_are_used_again_and_the_last_to_go_is_noticed() {
        let registry = Registry::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(registry.poll_empty(&mut cx).is_ready());
        let (a, b) = (enter(&registry), enter(&registry));
        registry.set_waker(a, Waker::noop().clone());
        assert!(registry.poll_empty(&mut cx).is_pending());
        registry.leave(a, None, false);
        assert_eq!((enter(&registry), registry.unanswered()), (a, 2));
        registry.answered();
        assert_eq!(registry.unanswered(), 1);
        registry.leave(a, None, true);
        assert_eq!(registry.unanswered(), 1);
        registry.leave(b, None, false);
        assert_eq!(registry.unanswered(), 0);
        assert!(registry.poll_empty(&mut cx).is_ready());
        assert_eq!(registry.counts().1.accepted, 3);
    }

    #[test]
    fn who_is_beyond_a_limit_is_counted() {
        let registry = Registry::new();
        let room = Room {
            connections: 1,
            guests: 1,
            ..Room::ENDLESS
        };
        let member = registry.enter(None, &room).expect("within the limits");
        let guest = registry.enter(None, &room).expect("a guest");
        assert_eq!((member.is_guest(), guest.is_guest()), (false, true));
        assert_eq!(registry.enter(None, &room), None);
        registry.unwatched();
        registry.pauses();
        let arrivals = Arrivals {
            accepted: 3,
            full: 2,
            full_of_address: 0,
            unwatched: 1,
            pauses: 1,
        };
        assert_eq!(registry.counts(), (2, arrivals));
        registry.leave(guest, None, false);
        registry.leave(member, None, false);
        assert_eq!(registry.counts().0, 0);
    }

    #[test]
    fn phases_only_follow_each_other() {
        let registry = Registry::new();
        for phase in PHASES {
            registry.advance(phase);
            assert_eq!(registry.phase(), phase);
            registry.advance(Phase::Serving);
            assert_eq!(registry.phase(), phase, "there is no way back");
        }
        assert!(PHASES.is_sorted());
    }
}

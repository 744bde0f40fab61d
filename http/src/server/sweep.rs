//! Who notices that a connection has waited for too long for its next request?
//!
//! One for all of a server: [`sweep`], beside what [accepts](super::accepting). A connection that waits has [noted](Registry::note) when it is to be woken, in four bytes of the [`Roll`](super::roll::Roll); the sweep looks through all of
//! these when the earliest may have come, clears those that are over, and wakes whose they are. Whether the connection's own time is over, it finds out itself: a request that has come meanwhile has moved that away without a
//! note, since a note that is too early does no harm. So a connection in use costs a wake per timeout, and per request no lock, no clock and no line that others write.
//!
//! **How late:** never too early; between two sweeps lies a pause, an eighth of the shortest time that anybody may wait, 10 ms at least, and what comes in it is noticed at its end. A guest may wait for a second, so it is an eighth of a
//! second at most.
//!
//! **That nobody is forgotten:** a due is noted and cleared under the lock of the [`Registry`]. Who sweeps says [until when](Registry::swept_until) before it wakes anybody, and a connection takes for noted what it has noted for later than that. If it has
//! not seen the last sweep yet, the wake is still ahead, and the poll that follows it sees that sweep, or a later one: the time of a sweep never goes back, whichever thread's clock it has it from. Then it takes the lock, to be over or to note another due.
//!
//! While nothing is noted the sweep has no timer. Whoever notes what is earlier than all others wakes it, and it looks anew how long it may sleep.
//!
//! **Other waits** are noted for a moment before their end, from which they have a [timer](super::deadline), so that they end to the millisecond. Most are over before, and never have one.
//!
//! The sweep ends when the server begins to drain: from then on nobody waits for another request, and who waits for anything else has a timer.
//!
//! Rejected: a timer for each, of 72 bytes in a box, a sixth of what an idle connection cost; dues that are written with each request, without a lock (to cache lines that all cores write).

use super::census;
use super::drain::first;
use super::shutdown::Registry;
use crate::limits::Timeouts;
use filch::time::{Duration, Stamp, sleep};
use std::future::poll_fn;

/// How long connections may wait for a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdleTimes {
    /// For the first one.
    pub(crate) first: IdleTime,
    /// For the first one of a guest.
    pub(crate) first_of_guest: IdleTime,
    /// For another.
    pub(crate) next: IdleTime,
}

/// A time from a recent one on, in milliseconds; `None` if it is too long to be told, and has no end.
pub(crate) type IdleTime = Option<u32>;

/// How far a recent time may lie behind the present, as a rule ([`Stamp::recent`]), and the millisecond that a stamp leaves out: so much longer may a client take for its next request, that it does not have less than it was
/// promised.
const RECENT_LAG: Duration = Duration::from_millis(5 + 1);

/// Longest time that is told, in milliseconds, some twelve days: half of what two stamps may lie apart, since a due may be looked at as long after.
const TOLD_MAX_MS: u32 = 1 << 30;

/// The part of the shortest time, as a divisor, that a connection may be closed late.
const PAUSE_PART: u32 = 8;

/// Least pause, in milliseconds: who has times so short has few connections that wait. A guess.
const PAUSE_MIN_MS: u32 = 10;

impl IdleTimes {
    pub(crate) fn of(timeouts: &Timeouts) -> Self {
        let first = timeouts.keep_alive.max(timeouts.header);
        Self {
            first: told(first),
            first_of_guest: told(first.min(census::GUEST_TIME)),
            next: told(timeouts.keep_alive),
        }
    }

    /// How long after a sweep that has woken somebody the next one comes at least, in milliseconds.
    pub(crate) fn pause_ms(&self) -> u32 {
        let times = [self.first, self.first_of_guest, self.next];
        // Who has no time at all never waits.
        let shortest = times.into_iter().flatten().filter(|ms| *ms > 0).min();
        shortest.map_or(0, |ms| ms / PAUSE_PART).max(PAUSE_MIN_MS)
    }
}

/// Rounded up. Nothing stays nothing: it is over at once.
fn told(time: Duration) -> IdleTime {
    if time.is_zero() {
        return Some(0);
    }
    let time = time.checked_add(RECENT_LAG)?;
    let millis = u32::try_from(time.as_nanos().div_ceil(1_000_000)).ok()?;
    (millis <= TOLD_MAX_MS).then_some(millis)
}

/// So many milliseconds later, or one more: an odd stamp is never the one that is none.
#[inline]
pub(crate) fn later(stamp: Stamp, millis: u32) -> Stamp {
    let bits = stamp.to_bits().wrapping_add(millis) | 1;
    Stamp::from_bits(bits).unwrap_or(stamp)
}

/// The same of a time that may be longer than can be told, of which that is the beginning then.
pub(crate) fn after(stamp: Stamp, time: Duration) -> Stamp {
    let millis = u32::try_from(time.as_millis()).unwrap_or(TOLD_MAX_MS);
    later(stamp, millis.min(TOLD_MAX_MS))
}

/// Whether it is due by then.
#[inline]
pub(crate) fn is_over(due: Stamp, now: Stamp) -> bool {
    due.millis_since(now) == 0
}

/// Wakes, again and again, who has waited for too long.
pub(crate) async fn sweep(registry: &Registry, pause_ms: u32) {
    loop {
        let swept = registry.sweep();
        let earlier = poll_fn(|cx| registry.poll_earlier(swept.next, cx));
        let Some(due) = swept.next else {
            earlier.await;
            continue;
        };
        // Where nobody was over, the thread's clock was behind the one that had told, or somebody has gone: that costs no pause.
        let pause_ms = if swept.is_any_over { pause_ms } else { 0 };
        let millis = due.millis_since(swept.now).max(pause_ms);
        first(sleep(Duration::from_millis(millis.into())), earlier).await;
    }
}

//! Is the server too late, and which request is it better not to begin with?
//!
//! Requests whose handlers wait are bounded by [`admission`](super::admission). Those whose handlers compute are never in them at the same time on one thread: when more of them come than can be computed, all wait in
//! the queues of the workers, everybody is answered late, and nobody is turned away. So it is asked for each request how long it has lain there when its turn comes, which its connection knows ([`Since`]).
//!
//! | of the last interval's requests | state | a request that comes late | a prompt one |
//! |---|---|---|---|
//! | none was late | calm | goes to its handler; the first begins an interval | goes to its handler, and that is all |
//! | half or fewer were late | watching | goes to its handler, and is counted | the same |
//! | more than half were late | overloaded | is counted and turned away: 503 with `Retry-After` | the same |
//!
//! An interval is over when it has lasted for [`INTERVAL`] and has seen [`REQUESTS_MIN`] requests: a pause of the machine, or one long computation, makes some late and not most of those that come meanwhile. A
//! few that come by luck (from a worker's slot, by theft) are prompt whatever happens, so no single one ends anything. Exempt paths do not count, in either direction.
//!
//! **While it is overloaded, late is what waits for a quarter of the time** ([`SHED_PART`]). Those that go to their handlers are young then, and those that are turned away learn it soon: both wait for that quarter
//! and one handler's time at most, since a worker that has computed for one request turns away at once what has become too old meanwhile, at some 10 us each, until it comes to one that has not.
//!
//! **It ends below twice the capacity at the latest.** The share that is turned away is that by which more comes than can be done: half at twice the capacity. Where a computation is long beside the quarter, so that whoever
//! finds no worker free is turned away, it is Erlang's loss formula: with two workers half are turned away at 1.4 times the capacity, and a third at 0.8. So half as the bound keeps no server in this state to which less comes than it can do; a
//! lower one would. Between once and twice the capacity it comes and goes, and nobody waits for much longer than the time and two intervals.
//!
//! Measured with computations of 5 ms on two workers, ten times as many offered for a minute by a thousand connections of the same machine (two cores, shared with these clients; November 2026): 369 of 396 possible a second were
//! admitted and answered after 53 ms in the median and 99 ms in 99 of 100 cases; 3600 a second were turned away after 58 and 160 ms; memory stood still; a request that was sent right after it was answered as if nothing had been.
//!
//! **What it costs:** a request that is prompt while all is calm takes two loads and a comparison; the rest is cold. Numbers are counted on cache lines of each thread's own.
//!
//! Rejected: to end it with the first prompt request (it came by luck each time, and the next interval began with everybody served late); controlled delay as for routers (it turns away one after the other, ever
//! faster, which takes seconds at ten times the capacity); a limit on the length of the workers' queues (what is in it may take 10 us or 100 ms each, and is not only requests); last in, first out (the ones in
//! between would be answered late rather than turned away).
//!
//! **What is not seen:** bytes that the kernel keeps while a worker computes are found at the end of its poll, or by a sibling; what lies in a socket behind a read that filled its buffer counts from the next read;
//! connections in the queue of a listener count from when they are accepted. In each case a request seems younger than it is, so nobody is turned away for it.

use super::shards::{Count, Padded, Shards};
use super::shutdown::Lock;
use filch::time::{Duration, Stamp};
use std::sync::atomic::{AtomicU32, Ordering};

/// How long an interval lasts at least: as long as the default for being late, so that whatever made one late has had its time to pass.
const INTERVAL: Duration = Duration::from_millis(100);

/// Of how many requests the share is taken, at least. Where fewer come in a time, not much is to be turned away, and a few that were unlucky would be most. A guess.
const REQUESTS_MIN: u64 = 8;

/// How long an interval lasts at most; then the state is calm, whatever the few that came were like. Time for `REQUESTS_MIN` computations of a second each on two workers.
const WATCH_MAX: Duration = Duration::from_secs(4);

/// The same while it is overloaded: where fewer come than `REQUESTS_MIN` in a second, the overload is over.
const OVERLOAD_MAX: Duration = Duration::from_secs(1);

/// The part of the time, as a divisor, from which requests count as late while the server is overloaded. Long enough that the workers do not run dry: a quarter of 100 ms has work for several
/// computations of some milliseconds. A guess.
const SHED_PART: u32 = 4;

/// Bounds that no wait reaches.
const NEVER: u32 = u32::MAX;

/// How late the requests of a server come to their handlers.
#[derive(Debug)]
pub(crate) struct Lateness {
    /// From which wait on a request is looked at closely, in milliseconds; every one unless all is calm. Written seldom, read for each request.
    look_from: Padded<AtomicU32>,
    /// From which wait on a request is turned away, in milliseconds.
    shed_from: AtomicU32,
    /// From which wait on a request is late, in milliseconds.
    late_from: u32,
    counts: Shards<Counts>,
    /// The stamp before which the interval is not over; zero if all is calm. So that only who ends one takes the lock.
    goes_on_until: AtomicU32,
    interval: Lock<Interval>,
}

/// What a thread has counted while not all was calm.
#[derive(Debug, Default)]
struct Counts {
    requests: Count,
    late: Count,
}

/// The interval that goes on, unless all is calm.
#[derive(Debug, Default)]
struct Interval {
    began: Option<Stamp>,
    /// What was counted before.
    before: Sums,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    requests: u64,
    late: u64,
}

/// What an interval has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Calm,
    Watching,
    Overloaded,
}

impl Lateness {
    /// Late is what has waited for longer than that; nothing if no clock can show it.
    pub(crate) fn new(late_after: Duration) -> Self {
        let late_from = match u32::try_from(late_after.as_millis()) {
            // Longer waits cannot be told.
            Ok(millis) if millis < i32::MAX as u32 => millis + 1,
            _ => NEVER,
        };
        Self {
            look_from: Padded(AtomicU32::new(late_from)),
            shed_from: AtomicU32::new(NEVER),
            late_from,
            counts: Shards::new(),
            goes_on_until: AtomicU32::new(0),
            interval: Lock::default(),
        }
    }

    /// Whether a request that has waited for so many milliseconds is to be judged.
    #[inline]
    pub(crate) fn is_worth_a_look(&self, waited_ms: u32) -> bool {
        // ORDERING: Relaxed, here and below: bounds and counts, each by itself; who reads an old one judges as a moment ago.
        waited_ms >= self.look_from.load(Ordering::Relaxed)
    }

    /// Counts a request that is not exempt and has waited for so many milliseconds. Whether it is turned away.
    #[cold]
    #[must_use]
    pub(crate) fn judge(&self, waited_ms: u32, now: Stamp) -> bool {
        self.pass(now);
        let shed_from = self.shed_from.load(Ordering::Relaxed);
        let is_late = waited_ms >= self.late_from.min(shed_from);
        let shard = self.counts.mine();
        shard.add(|counts| &counts.requests, 1);
        shard.add(|counts| &counts.late, u64::from(is_late));
        waited_ms >= shed_from
    }

    /// Begins an interval if there is none, and ends one that is over.
    fn pass(&self, now: Stamp) {
        let goes_on_until = Stamp::from_bits(self.goes_on_until.load(Ordering::Relaxed));
        if goes_on_until.is_some_and(|end| end.millis_since(now) > 0) {
            return;
        }
        // Whoever has it does just this.
        if let Ok(mut interval) = self.interval.try_lock() {
            self.pass_slow(&mut interval, now);
        }
    }

    fn pass_slow(&self, interval: &mut Interval, now: Stamp) {
        let Some(began) = interval.began else {
            return self.turn(interval, State::Watching, now);
        };
        let lasted = now.millis_since(began);
        if lasted < millis(INTERVAL) {
            return;
        }
        let seen = self.sums().since(interval.before);
        let is_overloaded = self.shed_from.load(Ordering::Relaxed) != NEVER;
        let lasts_at_most = if is_overloaded {
            OVERLOAD_MAX
        } else {
            WATCH_MAX
        };
        let state = match seen.requests {
            REQUESTS_MIN.. => seen.state(),
            _ if lasted >= millis(lasts_at_most) => State::Calm,
            _ => return,
        };
        self.turn(interval, state, now);
    }

    fn turn(&self, interval: &mut Interval, state: State, now: Stamp) {
        let (look_from, shed_from) = match state {
            State::Calm => (self.late_from, NEVER),
            State::Watching => (0, NEVER),
            State::Overloaded => (0, self.late_from.div_ceil(SHED_PART)),
        };
        *interval = Interval {
            began: (state != State::Calm).then_some(now),
            before: self.sums(),
        };
        let goes_on_until = interval
            .began
            .map_or(0, |began| (began + INTERVAL).to_bits());
        self.goes_on_until.store(goes_on_until, Ordering::Relaxed);
        self.shed_from.store(shed_from, Ordering::Relaxed);
        self.look_from.store(look_from, Ordering::Relaxed);
    }

    fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for counts in self.counts.iter() {
            sums.requests = sums.requests.wrapping_add(counts.requests.get());
            sums.late = sums.late.wrapping_add(counts.late.get());
        }
        sums
    }
}

impl Sums {
    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.wrapping_sub(before.requests),
            late: self.late.wrapping_sub(before.late),
        }
    }

    fn state(self) -> State {
        match self.late {
            0 => State::Calm,
            late if late > self.requests / 2 => State::Overloaded,
            _ => State::Watching,
        }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(NEVER)
}

/// Since when the requests that a connection has read wait for its thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    /// None if they do not yet, or it is not known.
    stamp: Option<Stamp>,
    /// Whether what is read next is what the connection has waited for, so that it is as old as the event that told of it.
    is_awaited: bool,
}

impl Since {
    /// Of a connection that begins. What has come before it was there is as old as it is.
    pub(crate) fn beginning() -> Self {
        Self {
            stamp: Some(Stamp::recent()),
            is_awaited: true,
        }
    }

    /// The connection goes to sleep, until something can be read or for another reason. In the second case the requests that are there wait for that, and not for their thread.
    #[inline]
    pub(crate) fn sleeps(&mut self, until_readable: bool) {
        *self = Self {
            stamp: None,
            is_awaited: until_readable,
        };
    }

    /// Something was read, which became readable then, as far as that is known. What is read without having been awaited has come since the last read, nobody knows when.
    #[inline]
    pub(crate) fn read(&mut self, readable_since: Option<Stamp>) {
        let is_awaited = std::mem::replace(&mut self.is_awaited, false);
        if !is_awaited {
            self.stamp = None;
        } else if readable_since.is_some() {
            self.stamp = readable_since;
        }
    }

    /// How many milliseconds the next request has waited.
    #[inline]
    pub(crate) fn waited_ms(&mut self, now: Stamp) -> u32 {
        now.millis_since(*self.stamp.get_or_insert(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server with the default time, and a clock that is moved by hand.
    struct Bench {
        lateness: Lateness,
        now: Stamp,
    }

    const LATE_MS: u32 = 101;
    const SHED_MS: u32 = 26;

    impl Bench {
        fn new() -> Self {
            Self {
                lateness: Lateness::new(Duration::from_millis(100)),
                now: Stamp::recent(),
            }
        }

        fn pass(&mut self, time: Duration) {
            self.now = self.now + time;
        }

        /// Whether a request that has waited for so long is turned away.
        fn is_shed(&self, waited_ms: u32) -> bool {
            self.lateness.is_worth_a_look(waited_ms) && self.lateness.judge(waited_ms, self.now)
        }

        /// So many come at once; how many are turned away.
        fn come(&self, count: u64, waited_ms: u32) -> usize {
            (0..count).filter(|_| self.is_shed(waited_ms)).count()
        }

        /// What an interval of these leads to. The first one that comes after it has decided it.
        fn after(&mut self, late: u64, prompt: u64) -> State {
            assert_eq!(self.come(late, LATE_MS), 0);
            assert_eq!(self.come(prompt, 0), 0);
            self.pass(INTERVAL);
            assert!(!self.is_shed(0));
            self.state()
        }

        fn state(&self) -> State {
            match self.lateness.shed_from.load(Ordering::Relaxed) {
                NEVER if self.lateness.is_worth_a_look(0) => State::Watching,
                NEVER => State::Calm,
                _ => State::Overloaded,
            }
        }

        fn overloaded() -> Self {
            let mut bench = Self::new();
            assert_eq!(bench.after(REQUESTS_MIN, 0), State::Overloaded);
            bench
        }
    }

    #[test]
    fn late_is_what_waits_for_longer_than_that() {
        for (waited_ms, state) in [
            (99, State::Calm),
            (100, State::Calm),
            (101, State::Watching),
        ] {
            let bench = Bench::new();
            assert!(!bench.is_shed(waited_ms));
            assert_eq!(bench.state(), state, "{waited_ms}");
        }
    }

    #[test]
    fn more_than_half_overload_it() {
        for (late, prompt, state) in [
            (9, 11, State::Watching),
            (10, 10, State::Watching),
            (11, 9, State::Overloaded),
            (10, 9, State::Overloaded),
            (1, REQUESTS_MIN, State::Watching),
        ] {
            assert_eq!(
                Bench::new().after(late, prompt),
                state,
                "{late} and {prompt}"
            );
        }
    }

    #[test]
    fn fewer_than_the_least_number_overload_nothing() {
        for (late, state) in [
            (REQUESTS_MIN - 1, State::Watching),
            (REQUESTS_MIN, State::Overloaded),
            (REQUESTS_MIN + 1, State::Overloaded),
        ] {
            assert_eq!(Bench::new().after(late, 0), state, "{late}");
        }
    }

    /// The interval goes on until there are enough, or it has lasted for too long.
    #[test]
    fn few_requests_have_a_longer_interval() {
        for (time, state) in [
            (WATCH_MAX - Duration::from_millis(1), State::Overloaded),
            (WATCH_MAX, State::Calm),
            (WATCH_MAX + Duration::from_millis(1), State::Calm),
        ] {
            let mut bench = Bench::new();
            assert_eq!(bench.after(REQUESTS_MIN - 2, 0), State::Watching);
            bench.pass(time - INTERVAL);
            // The one that `after` has sent was prompt; with this there are enough, which the next one finds.
            assert_eq!(bench.come(1, LATE_MS), 0);
            bench.pass(Duration::ZERO);
            assert!(!bench.is_shed(0));
            assert_eq!(bench.state(), state, "{time:?}");
        }
    }

    #[test]
    fn an_interval_is_whole() {
        for (time, state) in [
            (INTERVAL - Duration::from_millis(1), State::Watching),
            (INTERVAL, State::Overloaded),
            (INTERVAL + Duration::from_millis(1), State::Overloaded),
        ] {
            let mut bench = Bench::new();
            bench.come(100, LATE_MS);
            bench.pass(time);
            assert!(!bench.is_shed(0));
            assert_eq!(bench.state(), state, "{time:?}");
        }
    }

    #[test]
    fn who_has_waited_for_a_quarter_is_turned_away_and_no_other() {
        let bench = Bench::overloaded();
        for (waited_ms, is_shed) in [
            (0, false),
            (SHED_MS - 1, false),
            (SHED_MS, true),
            (SHED_MS + 1, true),
            (LATE_MS, true),
        ] {
            assert_eq!(bench.is_shed(waited_ms), is_shed, "{waited_ms}");
        }
    }

    /// One that came by luck ended the overload once, and all those behind it were served too late.
    #[test]
    fn a_lucky_one_does_not_end_it() {
        let mut bench = Bench::overloaded();
        for _ in 0..50 {
            assert!(!bench.is_shed(0));
            assert_eq!(bench.come(9, SHED_MS), 9);
            bench.pass(INTERVAL / 10);
        }
        assert_eq!(bench.state(), State::Overloaded);
    }

    #[test]
    fn it_ends_when_no_more_than_half_are_late() {
        for (late, prompt, state) in [
            (11, 9, State::Overloaded),
            (10, 10, State::Watching),
            (9, 11, State::Watching),
            (0, 20, State::Calm),
        ] {
            let mut bench = Bench::overloaded();
            // Besides the prompt one that has ended the last interval.
            bench.come(prompt - 1, 0);
            bench.come(late, SHED_MS);
            bench.pass(INTERVAL);
            bench.come(1, 0);
            assert_eq!(bench.state(), state, "{late} and {prompt}");
        }
    }

    #[test]
    fn an_overload_that_nobody_comes_to_is_over_after_a_second() {
        for (time, is_shed) in [
            (OVERLOAD_MAX - Duration::from_millis(1), true),
            (OVERLOAD_MAX, false),
            (OVERLOAD_MAX + Duration::from_millis(1), false),
        ] {
            let mut bench = Bench::overloaded();
            bench.pass(time);
            assert_eq!(bench.is_shed(LATE_MS), is_shed, "{time:?}");
        }
    }

    #[test]
    fn nothing_is_late_where_the_time_has_no_end() {
        for time in [Duration::MAX, Duration::from_millis(i32::MAX as u64)] {
            let lateness = Lateness::new(time);
            assert!(!lateness.is_worth_a_look(i32::MAX as u32));
        }
        assert!(!Lateness::new(Duration::ZERO).is_worth_a_look(0));
        assert!(Lateness::new(Duration::ZERO).is_worth_a_look(1));
    }

    #[test]
    fn what_was_awaited_is_as_old_as_its_event() {
        let event = Stamp::recent();
        let now = event + Duration::from_millis(30);
        let mut since = Since::beginning();
        since.sleeps(true);
        since.read(Some(event));
        assert_eq!(since.waited_ms(now), 30);
        // What lies behind it waits too, and what is read without a pause counts from then.
        assert_eq!(since.waited_ms(now + Duration::from_millis(5)), 35);
        since.read(Some(event));
        assert_eq!(since.waited_ms(now), 0);
        assert_eq!(since.waited_ms(now + Duration::from_millis(5)), 5);
    }

    #[test]
    fn who_waited_for_a_handler_has_not_waited_for_the_thread() {
        let event = Stamp::recent();
        let now = event + Duration::from_millis(500);
        let mut since = Since::beginning();
        since.sleeps(true);
        since.read(Some(event));
        since.sleeps(false);
        assert_eq!(since.waited_ms(now), 0);
        since.sleeps(false);
        since.read(Some(event));
        assert_eq!(since.waited_ms(now), 0, "the event is an old one");
    }

    #[test]
    fn what_came_before_its_connection_is_as_old_as_that() {
        let mut since = Since::beginning();
        let began = Stamp::recent();
        since.read(None);
        assert!(since.waited_ms(began + Duration::from_millis(40)) >= 40);
    }
}

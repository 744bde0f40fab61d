//! One wheel, its owner, its thieves and its holders, on real threads.

use super::*;
use crate::sys::clock::{Clock, ManualClock, SystemClock};
use crate::sys::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.add();
    }
}

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A wheel that counts how often its owner was unparked.
struct Bench {
    start: Instant,
    timers: Arc<Timers>,
    unparks: Arc<Count>,
    count: Arc<Count>,
}

impl Bench {
    fn new() -> Self {
        let unparks = Arc::new(Count::default());
        let start = SystemClock.now();
        let unpark = {
            let unparks = unparks.clone();
            Box::new(move || unparks.add())
        };
        Self {
            start,
            timers: Arc::new(Timers::new(start, unpark)),
            unparks,
            count: Arc::default(),
        }
    }

    fn arm(&self, entry: &mut Pin<Box<Entry>>, at_us: u64, by_owner: bool) -> Polled {
        let waker = self.count.clone().into();
        let deadline = self.start + us(at_us);
        entry
            .as_mut()
            .arm(self.timers.clone(), deadline, waker, by_owner)
    }

    fn armed(&self, at_us: u64) -> Pin<Box<Entry>> {
        let mut entry = Box::pin(Entry::new());
        assert_eq!(self.arm(&mut entry, at_us, true), Polled::Armed);
        entry
    }

    fn fire(&self, now_us: u64) {
        let mut ready = WakeBatch::new();
        self.timers.fire(self.start + us(now_us), &mut ready);
        ready.wake_all();
    }

    fn next_us(&self) -> Option<u128> {
        let deadline = self.timers.next_deadline()?;
        Some((deadline - self.start).as_micros())
    }
}

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

#[test]
fn an_entry_is_56_bytes() {
    assert_eq!(size_of::<Entry>(), 56);
}

#[test]
fn nothing_fires_early_and_nothing_more_than_a_tick_late() {
    for deadline in [
        1, 500, 999, 1000, 1001, 1999, 2000, 63_999, 64_000, 64_001, 4_096_001,
    ] {
        let bench = Bench::new();
        let entry = bench.armed(deadline);
        bench.fire(deadline - 1);
        assert!(!entry.is_fired(), "{deadline} fired early");
        bench.fire(deadline + 999);
        assert!(entry.is_fired(), "{deadline} fired late");
        assert_eq!(bench.count.woken(), 1);
    }
}

#[test]
fn the_next_deadline_is_the_earliest_exactly() {
    let bench = Bench::new();
    assert_eq!(bench.next_us(), None);
    let _late = bench.armed(90_000_000);
    assert_eq!(bench.next_us(), Some(90_000_000));
    let _early = bench.armed(5_000_500);
    assert_eq!(bench.next_us(), Some(5_001_000));
    assert!(!bench.timers.is_due(bench.start + us(5_000_999)));
    assert!(bench.timers.is_due(bench.start + us(5_001_000)));
}

#[test]
fn cancelling_the_earliest_makes_the_next_deadline_later_and_never_too_late() {
    let bench = Bench::new();
    let _late = bench.armed(50_000);
    let early = bench.armed(2_000);
    drop(early);
    assert_eq!(bench.next_us(), Some(50_000));
    let twin = bench.armed(50_000);
    drop(twin);
    assert_eq!(bench.next_us(), Some(50_000));
}

#[test]
fn an_empty_wheel_has_no_deadline() {
    let bench = Bench::new();
    drop(bench.armed(1_000));
    assert_eq!(bench.next_us(), None);
    assert!(!bench.timers.is_due(bench.start + us(u64::MAX)));
}

#[test]
fn only_a_remote_arm_of_the_earliest_unparks() {
    let bench = Bench::new();
    let mut entries: Vec<_> = (0..4).map(|_| Box::pin(Entry::new())).collect();
    let mut unparks_after = |index: usize, at_us, by_owner| {
        assert_eq!(
            bench.arm(&mut entries[index], at_us, by_owner),
            Polled::Armed
        );
        bench.unparks.woken()
    };
    assert_eq!(unparks_after(0, 9_000, true), 0);
    assert_eq!(unparks_after(1, 9_000, false), 0);
    assert_eq!(unparks_after(2, 8_000, false), 1);
    assert_eq!(unparks_after(3, 8_500, false), 1);
    entries[3].as_mut().rearm(bench.start + us(7_000), false);
    assert_eq!(bench.unparks.woken(), 2);
    entries[3].as_mut().rearm(bench.start + us(6_000), true);
    assert_eq!(bench.unparks.woken(), 2);
}

#[test]
fn a_past_deadline_fires_at_the_next_turn() {
    let bench = Bench::new();
    bench.fire(70_000);
    let entry = bench.armed(3);
    assert!(!entry.is_fired());
    assert!(bench.timers.is_due(bench.start + us(70_000)));
    bench.fire(70_000);
    assert!(entry.is_fired());
}

#[test]
fn a_leap_of_the_clock_fires_everything_it_passed_and_nothing_else() {
    let clock = ManualClock::new();
    let timers = Arc::new(Timers::new(clock.now(), Box::new(|| ())));
    let days = |days: u32| Duration::from_secs(24 * 3600) * days;
    let count = Arc::new(Count::default());
    let mut entries: Vec<_> = (0..100).map(|_| Box::pin(Entry::new())).collect();
    for (n, entry) in (0..).zip(&mut entries) {
        let deadline = clock.now() + days(n * 30);
        let waker = count.clone().into();
        let polled = entry.as_mut().arm(timers.clone(), deadline, waker, true);
        assert_eq!(polled, Polled::Armed);
    }
    let mut ready = WakeBatch::new();
    for months in [0, 1, 30, 90] {
        clock.advance(days(months * 30));
        timers.fire(clock.now(), &mut ready);
    }
    assert_eq!(ready.len(), 100);
    assert!(!timers.is_due(clock.now() + days(10_000)));
}

#[test]
fn a_deadline_beyond_all_clocks_is_none() {
    let bench = Bench::new();
    let mut entry = Box::pin(Entry::new());
    let far = bench.start + Duration::from_secs(u64::MAX / 4);
    let waker = bench.count.clone().into();
    let polled = entry.as_mut().arm(bench.timers.clone(), far, waker, true);
    assert_eq!(polled, Polled::Armed);
    bench.fire(u64::MAX);
    assert!(!entry.is_fired());
}

#[test]
fn rearm_keeps_the_waker_and_changes_the_time() {
    let bench = Bench::new();
    let mut entry = bench.armed(5_000);
    entry.as_mut().rearm(bench.start + us(900_000), true);
    bench.fire(899_999);
    assert!(!entry.is_fired());
    bench.fire(900_000);
    assert_eq!((entry.is_fired(), bench.count.woken()), (true, 1));
    entry.as_mut().rearm(bench.start + us(950_000), true);
    assert_eq!(entry.as_mut().poll(Waker::noop()), Polled::Idle);
}

#[test]
fn an_entry_can_be_armed_again_and_move_to_another_wheel() {
    let (here, there) = (Bench::new(), Bench::new());
    let mut entry = here.armed(5_000);
    assert_eq!(there.arm(&mut entry, 5_000, true), Polled::Armed);
    assert_eq!(here.next_us(), None);
    there.fire(5_000);
    assert_eq!((here.count.woken(), there.count.woken()), (0, 1));
    assert_eq!(there.arm(&mut entry, 6_000, true), Polled::Armed);
    there.fire(6_000);
    assert_eq!(there.count.woken(), 2);
}

#[test]
fn after_shutdown_everything_has_fired_and_fires() {
    let bench = Bench::new();
    let waiting: Vec<_> = (0..u64::from(STEPS_PER_HOLD) * 2)
        .map(|n| bench.armed(n * 5_000))
        .collect();
    let mut ready = WakeBatch::new();
    bench.timers.shutdown(&mut ready);
    ready.wake_all();
    assert_eq!(bench.count.woken(), waiting.len());
    assert!(waiting.iter().all(|entry| entry.is_fired()));
    let mut late = Box::pin(Entry::new());
    assert_eq!(bench.arm(&mut late, 5_000, false), Polled::Fired);
    assert!(late.is_fired());
    assert_eq!((bench.next_us(), bench.unparks.woken()), (None, 0));
}

#[test]
fn more_than_one_hold_is_fired_in_one_call() {
    let bench = Bench::new();
    let count = u64::from(STEPS_PER_HOLD) * if cfg!(miri) { 2 } else { 20 };
    let entries: Vec<_> = (0..count).map(|n| bench.armed(100_000 + n)).collect();
    bench.fire(100_000 + count + 1_000);
    assert_eq!(bench.count.woken(), entries.len());
    assert_eq!(bench.next_us(), None);
}

#[test]
fn a_thief_leaves_a_locked_wheel_alone() {
    let bench = Bench::new();
    let entry = bench.armed(1_000);
    let mut ready = WakeBatch::new();
    let now = bench.start + us(1_000);
    {
        let _guard = bench.timers.inside.lock();
        bench.timers.try_fire(now, &mut ready);
        assert!(!entry.is_fired());
    }
    bench.timers.try_fire(now, &mut ready);
    assert!(entry.is_fired());
    assert_eq!(ready.len(), 1);
}

/// A waker whose end drops another entry of the same wheel, as a task does that sleeps.
struct HoldsEntry(#[expect(dead_code, reason = "is dropped")] Pin<Box<Entry>>);

impl Wake for HoldsEntry {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_may_use_the_wheel_when_it_is_dropped() {
    let bench = Bench::new();
    let at = bench.start + us(1_000);
    let nested = || Waker::from(Arc::new(HoldsEntry(bench.armed(1_000))));

    let mut cancelled = Box::pin(Entry::new());
    assert_eq!(
        cancelled
            .as_mut()
            .arm(bench.timers.clone(), at, nested(), true),
        Polled::Armed
    );
    drop(cancelled);

    let mut changed = Box::pin(Entry::new());
    assert_eq!(
        changed
            .as_mut()
            .arm(bench.timers.clone(), at, nested(), true),
        Polled::Armed
    );
    assert_eq!(changed.as_mut().poll(Waker::noop()), Polled::Armed);

    let mut fired = Box::pin(Entry::new());
    assert_eq!(
        fired.as_mut().arm(bench.timers.clone(), at, nested(), true),
        Polled::Armed
    );
    bench.fire(1_000);

    let mut refused = Box::pin(Entry::new());
    let waker = nested();
    let mut ready = WakeBatch::new();
    bench.timers.shutdown(&mut ready);
    let polled = refused.as_mut().arm(bench.timers.clone(), at, waker, true);
    assert_eq!(polled, Polled::Fired);
}

/// Threads that arm, change, re-arm and drop, against one that fires.
#[test]
fn holders_on_many_threads() {
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    let bench = Bench::new();
    std::thread::scope(|scope| {
        let bench = &bench;
        let spawn = |seed| scope.spawn(move || hold(bench, seed, rounds));
        let holders: Vec<_> = (0..3).map(spawn).collect();
        let mut now = 0;
        while holders.iter().any(|holder| !holder.is_finished()) {
            now += 300;
            bench.fire(now);
            std::thread::yield_now();
        }
    });
    assert_eq!(bench.next_us(), None);
}

fn hold(bench: &Bench, seed: u64, rounds: u64) {
    let mut entries: Vec<_> = (0..4).map(|_| Box::pin(Entry::new())).collect();
    for round in 0..rounds {
        let dice = (round + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let entry = &mut entries[dice as usize % 4];
        match dice / 4 % 4 {
            0 => drop(bench.arm(entry, dice % 90_000_000, false)),
            1 => entry
                .as_mut()
                .rearm(bench.start + us(dice % 7_000_000), false),
            2 => drop(entry.as_mut().poll(Waker::noop())),
            _ => *entry = Box::pin(Entry::new()),
        }
    }
}

//! Does virtual time hold at its ends: nothing, everything, and timers without number?

use filch::runtime::simulate;
use filch::time::{
    self, Duration, Instant, MissedTickBehavior, interval, interval_at, sleep, sleep_until, timeout,
};
use filch::{spawn, yield_now};
use filch_tests::guard::within_reason;
use filch_tests::virtual_time::{both, paused};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn time_may_be_advanced_to_its_end() {
    within_reason(|| {
        for rt in both(1) {
            rt.block_on(async {
                let start = Instant::now();
                let mut sleepers = Vec::new();
                for n in 0..2000_u64 {
                    // From milliseconds to millions of years.
                    let by = Duration::from_millis(1 << (n % 60)) + Duration::from_millis(n);
                    sleepers.push(spawn(sleep(by)));
                }
                let never = spawn(sleep(Duration::MAX));
                yield_now().await;
                time::advance(Duration::MAX).await;
                let end = Instant::now();
                assert_eq!(end, start + Duration::MAX);
                for sleeper in sleepers {
                    sleeper.await.unwrap();
                }
                // The last time there is has come.
                never.await.unwrap();
                assert_eq!(Instant::now(), end);
                time::advance(Duration::MAX).await;
                time::advance(Duration::ZERO).await;
                assert_eq!(Instant::now(), end);
                // What is due by now comes at once.
                sleep(HOUR).await;
                let mut beat = interval(HOUR);
                beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
                for _ in 0..3 {
                    beat.tick().await;
                }
                assert!(timeout(SECOND, std::future::pending::<()>()).await.is_err());
            });
        }
        // And goes on from there, as far as there is.
        paused().block_on(async {
            time::advance(Duration::MAX).await;
            let end = Instant::now();
            time::resume();
            assert_eq!(Instant::now(), end);
            sleep(Duration::from_millis(1)).await;
            time::pause();
            assert_eq!(Instant::now(), end);
        });
    });
}

#[test]
fn advancing_by_nothing_gives_up_a_turn_and_no_more() {
    for rt in both(2) {
        rt.block_on(async {
            let start = Instant::now();
            let other = spawn(async { sleep(SECOND).await });
            for _ in 0..100 {
                time::advance(Duration::ZERO).await;
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
            assert!(!other.is_finished());
            // A part of a timer's tick is kept.
            for _ in 0..1000 {
                time::advance(Duration::from_micros(1)).await;
            }
            assert_eq!(start.elapsed(), Duration::from_millis(1));
            other.await.unwrap();
            assert!(start.elapsed() >= SECOND);
        });
    }
}

/// Years apart, so that they stand in every level of the wheel and beyond.
#[test]
fn time_leaps_from_timer_to_timer_however_far_apart() {
    within_reason(|| {
        for rt in both(3) {
            rt.block_on(async {
                let start = Instant::now();
                let mut tasks = Vec::new();
                for n in 0..40_u32 {
                    let by = Duration::from_millis(3_u64.pow(n.min(28)) + u64::from(n));
                    tasks.push(spawn(async move {
                        sleep(by).await;
                        assert_eq!(start.elapsed(), by);
                    }));
                }
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
    });
}

#[test]
fn an_interval_keeps_its_policy_however_late_it_is() {
    use MissedTickBehavior::{Burst, Delay, Skip};
    let ms = Duration::from_millis;
    for rt in both(4) {
        rt.block_on(async {
            for (policy, expected) in [
                (Burst, [0, 10, 20, 30, 40]),
                (Delay, [0, 10, 47, 57, 67]),
                (Skip, [0, 10, 40, 50, 60]),
            ] {
                let start = Instant::now();
                let mut beat = interval(ms(10));
                beat.set_missed_tick_behavior(policy);
                let mut due = vec![beat.tick().await - start];
                time::advance(ms(37)).await;
                for _ in 0..4 {
                    due.push(beat.tick().await - start);
                }
                assert_eq!(due, expected.map(ms), "{policy:?}");
            }
            // Thirty million years late, and a tick each nanosecond.
            let start = Instant::now();
            let mut beat = interval_at(start, Duration::from_nanos(1));
            time::advance(Duration::from_secs(1 << 50)).await;
            let late = start.elapsed();
            beat.set_missed_tick_behavior(Skip);
            assert_eq!(beat.tick().await, start);
            assert_eq!(beat.tick().await, start + late + Duration::from_nanos(1));
            // A period that no clock can show: one tick, and then never.
            let mut beat = interval(Duration::MAX);
            beat.tick().await;
            assert!(timeout(1000 * HOUR, beat.tick()).await.is_err());
            beat.reset_immediately();
            beat.tick().await;
            beat.reset_after(Duration::MAX);
            assert!(timeout(HOUR, beat.tick()).await.is_err());
        });
    }
}

#[test]
fn what_is_long_past_is_due_at_once() {
    simulate(0..20, || async {
        let now = Instant::now();
        sleep_until(now - HOUR).await;
        assert!(now.elapsed() <= Duration::from_millis(1));
        sleep_until(now - Duration::MAX).await;
        let mut beat = interval_at(now - HOUR, SECOND);
        for n in 0..3600 {
            assert_eq!(beat.tick().await, now - HOUR + n * SECOND);
        }
        assert!(now.elapsed() <= Duration::from_millis(2));
    });
}

#[test]
fn a_recent_time_is_the_present_where_time_is_virtual() {
    within_reason(|| {
        for rt in both(7) {
            let task = rt.spawn(async {
                let start = Instant::now();
                time::advance(HOUR).await;
                assert_eq!(Instant::recent(), start + HOUR);
                sleep(SECOND).await;
                assert_eq!(Instant::recent(), Instant::now());
            });
            rt.block_on(task).unwrap();
        }
    });
}

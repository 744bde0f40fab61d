//! Which of several addresses is connected to?
//!
//! The first that answers ("happy eyeballs"). A host with two families of addresses is often reachable by one of them only, and the other one answers nothing at all for minutes; so
//! its addresses are tried in turn of their families, each a quarter of a second after the one before, or at once when one has failed, and none is given up for the next. The first
//! success wins; the others are closed with their futures, which live in this one: there are no tasks, and dropping it drops everything.
//!
//! # Source
//!
//! RFC 8305: sections 4 (order), 5 (delay), 8 (values). Its section 3, to begin before all answers of the resolver are there, is not to be had with `getaddrinfo(3)`.
//!
//! Rejected: a delay that learns from round trips (section 5 allows it; it needs a memory of hosts).

use filch::time::{Duration, Sleep, sleep};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

/// How long an attempt has before the next one begins beside it: 250 ms, the value that RFC 8305 recommends (section 8).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Why an address did not answer.
pub(super) type Failure = (SocketAddr, io::Error);

/// Attempts to connect, of which the first to succeed wins.
pub(super) struct Race<'a, F> {
    attempt: Box<dyn Fn(SocketAddr) -> F + Send + Sync + 'a>,
    delay: Duration,
    /// Those that have not begun.
    left: vec::IntoIter<SocketAddr>,
    /// Those that have, oldest first.
    under_way: Vec<(SocketAddr, Pin<Box<F>>)>,
    failures: Vec<Failure>,
    /// Until the next one begins, if there is a next one.
    pause: Option<Pin<Box<Sleep>>>,
}

/// What became of the attempts, if none has succeeded (yet).
pub(super) struct Standing {
    pub(super) failures: Vec<Failure>,
    pub(super) under_way: Vec<SocketAddr>,
    /// How many have not begun.
    pub(super) left: usize,
}

impl<'a, T, F: Future<Output = io::Result<T>>> Race<'a, F> {
    pub(super) fn new(
        addresses: &[SocketAddr],
        delay: Duration,
        attempt: impl Fn(SocketAddr) -> F + Send + Sync + 'a,
    ) -> Self {
        Self {
            attempt: Box::new(attempt),
            delay,
            left: in_turn_of_families(addresses).into_iter(),
            under_way: Vec::new(),
            failures: Vec::new(),
            pause: None,
        }
    }

    /// The winner; none when all have failed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            let failures_before = self.failures.len();
            if let Some(winner) = self.poll_attempts(cx) {
                self.under_way.clear();
                return Poll::Ready(Some(winner));
            }
            let has_failed = self.failures.len() > failures_before;
            let is_next_due = has_failed || self.under_way.is_empty() || self.is_pause_over(cx);
            if !is_next_due {
                return Poll::Pending;
            }
            match self.left.next() {
                Some(addr) => self.begin(addr),
                None if self.under_way.is_empty() => return Poll::Ready(None),
                None => return Poll::Pending,
            }
        }
    }

    fn begin(&mut self, addr: SocketAddr) {
        self.under_way.push((addr, Box::pin((self.attempt)(addr))));
        let has_next = self.left.len() > 0;
        self.pause = has_next.then(|| Box::pin(sleep(self.delay)));
    }

    /// Looks at those that are under way.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<T> {
        let mut index = 0;
        while let Some((_, attempt)) = self.under_way.get_mut(index) {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(winner)) => return Some(winner),
                Poll::Ready(Err(cause)) => {
                    let (addr, _) = self.under_way.remove(index);
                    self.failures.push((addr, cause));
                }
            }
        }
        None
    }

    fn is_pause_over(&mut self, cx: &mut Context<'_>) -> bool {
        let pause = self.pause.as_mut();
        pause.is_some_and(|pause| pause.as_mut().poll(cx).is_ready())
    }

    /// Closes those that are under way, and tells what became of all.
    pub(super) fn end(self) -> Standing {
        Standing {
            failures: self.failures,
            under_way: self.under_way.iter().map(|(addr, _)| *addr).collect(),
            left: self.left.len(),
        }
    }
}

/// The first address first, then the families in turn, each in its order.
fn in_turn_of_families(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().partition(|addr| addr.is_ipv6() == is_v6);
    let mut ordered = Vec::with_capacity(addresses.len());
    let mut second = second.into_iter();
    for addr in first {
        ordered.push(addr);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch::time::Instant;
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    fn v4(host: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, host], 1))
    }

    fn v6(host: u16) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, host], 1))
    }

    #[test]
    fn families_take_turns() {
        let cases: [(&[SocketAddr], &[SocketAddr]); 5] = [
            (&[], &[]),
            (&[v4(1), v4(2)], &[v4(1), v4(2)]),
            (&[v6(1), v6(2), v4(1)], &[v6(1), v4(1), v6(2)]),
            (&[v4(1), v6(1), v6(2), v6(3)], &[v4(1), v6(1), v6(2), v6(3)]),
            (
                &[v6(1), v6(2), v6(3), v4(1), v4(2)],
                &[v6(1), v4(1), v6(2), v4(2), v6(3)],
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(in_turn_of_families(given), expected);
        }
    }

    /// What an attempt comes to, and after how many milliseconds; never, if there is no time.
    type Outcome = (Option<u64>, Result<(), ()>);

    const HANGS: Outcome = (None, Err(()));

    const fn fails(after: u64) -> Outcome {
        (Some(after), Err(()))
    }

    const fn answers(after: u64) -> Outcome {
        (Some(after), Ok(()))
    }

    /// When a race was over, and with what; when each attempt began, in milliseconds; and how many are left.
    struct Course {
        ended: u128,
        winner: Option<usize>,
        begun: Vec<u128>,
        failures: usize,
    }

    struct Counted<'a>(&'a AtomicUsize);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn course(outcomes: &[Outcome]) -> Course {
        let rt = filch::Runtime::builder()
            .start_paused(true)
            .build()
            .unwrap();
        rt.block_on(async {
            let (begin, begun) = channel();
            let alive = AtomicUsize::new(0);
            let start = Instant::now();
            let addresses: Vec<_> = (0..outcomes.len()).map(|n| v4(n as u8)).collect();
            let mut race = Race::new(&addresses, ATTEMPT_DELAY, |addr| {
                let index = addresses.iter().position(|known| *known == addr).unwrap();
                begin.send(start.elapsed().as_millis()).unwrap();
                alive.fetch_add(1, Ordering::Relaxed);
                let counted = Counted(&alive);
                async move {
                    let _counted = counted;
                    let (after, outcome) = outcomes[index];
                    match after {
                        Some(after) => sleep(Duration::from_millis(after)).await,
                        None => std::future::pending().await,
                    }
                    outcome
                        .map(|()| index)
                        .map_err(|()| io::ErrorKind::ConnectionRefused.into())
                }
            });
            let winner = poll_fn(|cx| race.poll(cx)).await;
            let ended = start.elapsed().as_millis();
            assert_eq!(
                alive.load(Ordering::Relaxed),
                0,
                "the losers are gone already"
            );
            let Standing {
                failures,
                under_way,
                left,
            } = race.end();
            assert!(under_way.is_empty());
            let begun: Vec<_> = begun.try_iter().collect();
            assert_eq!(left + begun.len(), outcomes.len());
            Course {
                ended,
                winner,
                begun,
                failures: failures.len(),
            }
        })
    }

    #[test]
    fn one_that_answers_in_time_is_the_only_one() {
        let Course {
            ended,
            winner,
            begun,
            ..
        } = course(&[answers(249), answers(0)]);
        assert_eq!((ended, winner), (249, Some(0)));
        assert_eq!(begun, [0]);
    }

    #[test]
    fn each_has_a_quarter_of_a_second_before_the_next() {
        let Course { winner, begun, .. } = course(&[HANGS, HANGS, HANGS, answers(0), answers(0)]);
        assert_eq!(winner, Some(3));
        assert_eq!(begun, [0, 250, 500, 750]);
    }

    #[test]
    fn the_first_to_answer_wins_not_the_last_to_begin() {
        let Course {
            ended,
            winner,
            begun,
            ..
        } = course(&[answers(400), answers(300), HANGS]);
        assert_eq!((ended, winner), (400, Some(0)));
        assert_eq!(begun, [0, 250]);
        let Course { ended, winner, .. } = course(&[answers(1000), answers(300)]);
        assert_eq!((ended, winner), (550, Some(1)));
    }

    #[test]
    fn after_a_failure_the_next_begins_at_once_and_has_its_full_time() {
        let Course {
            winner,
            begun,
            failures,
            ..
        } = course(&[fails(10), HANGS, fails(20), fails(0), answers(5)]);
        assert_eq!(winner, Some(4));
        assert_eq!(begun, [0, 10, 260, 280, 280]);
        assert_eq!(failures, 3);
    }

    #[test]
    fn a_failure_while_others_are_under_way_begins_the_next_too() {
        let Course { begun, winner, .. } = course(&[fails(300), HANGS, answers(0)]);
        assert_eq!((begun, winner), (vec![0, 250, 300], Some(2)));
    }

    #[test]
    fn when_all_fail_it_ends_with_the_last() {
        let Course {
            ended,
            winner,
            failures,
            ..
        } = course(&[fails(600), fails(0), fails(700)]);
        assert_eq!((ended, winner, failures), (950, None, 3));
    }

    #[test]
    fn none_is_none() {
        let Course { ended, winner, .. } = course(&[]);
        assert_eq!((ended, winner), (0, None));
    }

    #[test]
    fn a_race_that_is_dropped_leaves_nothing() {
        let rt = filch::Runtime::builder()
            .start_paused(true)
            .build()
            .unwrap();
        rt.block_on(async {
            let alive = AtomicUsize::new(0);
            let mut race = Race::new(&[v4(1), v4(2)], ATTEMPT_DELAY, |_| {
                alive.fetch_add(1, Ordering::Relaxed);
                let counted = Counted(&alive);
                async move {
                    let _counted = counted;
                    std::future::pending::<io::Result<()>>().await
                }
            });
            let waiting =
                filch::time::timeout(Duration::from_millis(300), poll_fn(|cx| race.poll(cx)));
            assert!(waiting.await.is_err());
            assert_eq!(alive.load(Ordering::Relaxed), 2);
            drop(race);
            assert_eq!(alive.load(Ordering::Relaxed), 0);
        });
    }
}

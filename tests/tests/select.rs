//! Does `select!` run the right branch, drop the others, and stay out of the way of the code around?
//!
//! This file has no `use` of anything that the macro needs, and its lints are as strict as a user's can be.

#![deny(warnings)]
#![forbid(unsafe_code)]

use filch::future::{FutureExt, race};
use filch_tests::drops::{Tally, Tracked};
use futures_lite::future::{block_on, poll_once};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::task::{Poll, Waker};

/// Ready at the second poll.
async fn later<T>(value: T) -> T {
    filch::yield_now().await;
    value
}

/// Never ready, and holds on to something.
async fn never(held: Tracked) {
    let _held = held;
    pending().await
}

// Which branch.

#[test]
fn the_one_that_is_ready_wins() {
    let value = block_on(async {
        filch::select! {
            () = pending::<()>() => 1,
            two = ready(2) => two,
            () = pending::<()>() => 3,
        }
    });
    assert_eq!(value, 2);
}

#[test]
fn one_branch_alone_is_awaited() {
    assert_eq!(block_on(async { filch::select!(n = later(7) => n) }), 7);
}

/// How often each of three branches was taken that are always ready.
async fn taken_of_300() -> [u32; 3] {
    let mut taken = [0; 3];
    for _ in 0..300 {
        filch::select! {
            () = ready(()) => taken[0] += 1,
            () = ready(()) => taken[1] += 1,
            () = ready(()) => taken[2] += 1,
        }
    }
    taken
}

#[test]
fn each_of_three_that_are_ready_is_taken_sometimes() {
    // Fewer than 30 of 300 happen once in 10^19 (Chernoff's bound).
    let taken = block_on(taken_of_300());
    assert!(taken.iter().all(|&n| n >= 30), "{taken:?}");
    assert_eq!(taken.iter().sum::<u32>(), 300);
}

#[test]
fn on_the_workers_too() {
    let rt = filch::Runtime::builder().worker_threads(1).build().unwrap();
    let taken = rt.block_on(rt.spawn(taken_of_300())).unwrap();
    assert!(taken.iter().all(|&n| n >= 30), "{taken:?}");
}

#[test]
fn biased_takes_the_first_that_is_ready() {
    block_on(async {
        for _ in 0..100 {
            let first = filch::select! {
                biased;
                () = pending() => 0,
                () = ready(()) => 1,
                () = ready(()) => 2,
            };
            assert_eq!(first, 1);
        }
    });
}

#[test]
fn biased_polls_in_the_order_of_the_text() {
    let order = Cell::new(String::new());
    let note = |name: char| {
        let order = &order;
        poll_fn(move |_| {
            let mut text = order.take();
            text.push(name);
            order.set(text);
            Poll::<()>::Pending
        })
    };
    let waits = async {
        filch::select! {
            biased;
            () = note('a') => {}
            () = note('b') => {}
            () = note('c') => {}
        }
    };
    assert_eq!(block_on(poll_once(waits)), None);
    assert_eq!(order.take(), "abc");
}

#[test]
fn a_variable_may_be_called_biased() {
    assert_eq!(
        block_on(async { filch::select!(biased = ready(1) => biased) }),
        1
    );
}

// Conditions.

#[test]
fn a_condition_that_is_false_disables_its_branch() {
    for is_wanted in [false, true] {
        let value = block_on(async {
            filch::select! {
                biased;
                n = ready(1), if is_wanted => n,
                n = ready(2), if !is_wanted || n_is_even(3) => n,
            }
        });
        assert_eq!(value, if is_wanted { 1 } else { 2 });
    }
}

fn n_is_even(n: u32) -> bool {
    n & 1 == 0
}

#[test]
fn conditions_come_before_futures_which_are_all_made() {
    let log = Cell::new(String::new());
    let note = |text: &str| log.set(log.take() + text);
    let condition = |text: &str, is_met: bool| {
        note(text);
        is_met
    };
    let future = |text: &str| {
        note(text);
        ready(())
    };
    block_on(async {
        filch::select! {
            () = future("A"), if condition("a", false) => unreachable!(),
            () = future("B"), if condition("b", true) => note("!"),
            () = future("C"), if condition("c", false) => unreachable!(),
        }
    });
    assert_eq!(log.take(), "abcABC!");
}

#[test]
fn a_branch_that_is_disabled_is_not_polled() {
    let untouchable = || poll_fn(|_| -> Poll<()> { panic!("it was polled") });
    let value = block_on(async {
        filch::select! {
            () = untouchable(), if false => 1,
            n = later(2) => n,
        }
    });
    assert_eq!(value, 2);
}

// Patterns.

#[test]
fn a_pattern_that_does_not_match_disables_its_branch() {
    let polled = Cell::new(0);
    let nothing = poll_fn(|_| {
        polled.set(polled.get() + 1);
        Poll::Ready(None::<u32>)
    });
    let value = block_on(async {
        filch::select! {
            biased;
            Some(n) = nothing => n,
            n = later(5) => n,
        }
    });
    assert_eq!((value, polled.get()), (5, 1));
}

#[test]
fn patterns_of_every_kind() {
    struct Point {
        x: u32,
        y: Option<String>,
    }
    const SEVEN: u32 = 7;
    block_on(async {
        let point = || Point {
            x: 1,
            y: Some("y".to_owned()),
        };
        // What is bound is moved out, though the pattern was tried before.
        let text = filch::select!(Point { x: 1, y: Some(text) } = ready(point()) => text);
        assert_eq!(text, "y");
        let text = filch::select!(Point { y: Some(mut text), .. } = ready(point()) => { text.push('!'); text });
        assert_eq!(text, "y!");
        let length =
            filch::select!(Point { y: Some(ref text), x: _ } = ready(point()) => text.len());
        assert_eq!(length, 1);
        let is_low = filch::select! {
            0..=6 = ready(7) => true,
            SEVEN | 9 = ready(7) => false,
        };
        assert!(!is_low);
        let whole = filch::select!(whole @ (_, Some(_)) = ready((1, Some(2))) => whole);
        assert_eq!(whole, (1, Some(2)));
        let rest = filch::select!([1, rest @ ..] = ready([1, 2, 3]) => rest);
        assert_eq!(rest, [2, 3]);
        let inner = filch::select!(&n = ready(&4) => n);
        assert_eq!(inner, 4);
        let either = filch::select!(Ok(n) | Err(n) = ready(Ok::<_, u32>(3)) => n);
        assert_eq!(either, 3);
    });
}

// `else`.

async fn sum(mut left: Vec<u32>, mut right: Vec<u32>) -> u32 {
    let mut sum = 0;
    loop {
        filch::select! {
            Some(n) = async { left.pop() } => sum += n,
            Some(n) = async { right.pop() } => sum += n,
            else => return sum,
        }
    }
}

#[test]
fn else_comes_when_every_pattern_has_failed() {
    assert_eq!(block_on(sum(vec![1, 2, 3], vec![10])), 16);
}

#[test]
fn else_comes_when_every_condition_is_false() {
    let value = block_on(async {
        filch::select! {
            n = ready(1), if false => n,
            else => { 2 }
        }
    });
    assert_eq!(value, 2);
}

#[test]
fn nothing_but_else_is_else() {
    assert_eq!(block_on(async { filch::select!(else => 3) }), 3);
}

#[test]
#[should_panic(expected = "every branch of this select! is disabled")]
fn without_else_it_panics() {
    block_on(async { filch::select!(Some(()) = ready(None) => {}) });
}

#[test]
fn the_panic_names_the_place() {
    let place = std::sync::Arc::new(std::sync::OnceLock::new());
    let hook = {
        let (place, here) = (place.clone(), std::thread::current().id());
        move |info: &std::panic::PanicHookInfo<'_>| {
            // Tests beside this one panic too.
            if std::thread::current().id() == here {
                let _ = place.set(
                    info.location()
                        .map(|place| (place.file().to_owned(), place.line())),
                );
            }
        }
    };
    std::panic::set_hook(Box::new(hook));
    let line = line!() + 1;
    let run = || block_on(async { filch::select!(() = ready(()), if false => {}) });
    assert!(std::panic::catch_unwind(run).is_err());
    let _ = std::panic::take_hook();
    assert_eq!(place.get(), Some(&Some((file!().to_owned(), line))));
}

// What a handler may do.

fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

#[test]
fn a_handler_may_use_what_any_code_may() {
    async fn with_question_mark(text: &str) -> Result<u32, std::num::ParseIntError> {
        let n = filch::select! {
            text = ready(text) => parse(text)?,
        };
        Ok(n + 1)
    }
    assert_eq!(block_on(with_question_mark("41")), Ok(42));
    assert!(block_on(with_question_mark("x")).is_err());

    let value = block_on(async {
        let mut rounds = 0;
        'outer: loop {
            loop {
                rounds += 1;
                filch::select! {
                    n = ready(rounds) => {
                        if n == 1 {
                            continue;
                        }
                        if n == 2 {
                            continue 'outer;
                        }
                        later(()).await;
                        break 'outer n;
                    }
                }
            }
        }
    });
    assert_eq!(value, 3);
}

#[test]
fn conditions_and_futures_may_use_the_question_mark() {
    async fn f(text: &str) -> Result<u32, std::num::ParseIntError> {
        Ok(filch::select! {
            n = ready(parse(text)?), if parse("1")? == 1 => n,
        })
    }
    assert_eq!(block_on(f("5")), Ok(5));
    assert!(block_on(f("")).is_err());
}

#[test]
fn a_handler_may_have_a_select_of_its_own() {
    let value = block_on(async {
        filch::select! {
            a = ready(1) => filch::select! {
                b = ready(2), if a == 1 => {
                    filch::select! { c = later(3) => (a, b, c), }
                }
                else => unreachable!(),
            },
            () = pending() => unreachable!(),
        }
    });
    assert_eq!(value, (1, 2, 3));
}

#[test]
fn handlers_of_every_form() {
    let value = block_on(async {
        let mut log = Vec::new();
        for wanted in 0..4 {
            filch::select! {
                () = ready(()), if wanted == 0 => log.push("expression"),
                () = ready(()), if wanted == 1 => { log.push("block") }
                () = ready(()), if wanted == 2 => { log.push("block and comma") },
                () = ready(()), if wanted == 3 => log.push("the last")
            }
        }
        log
    });
    assert_eq!(
        value,
        ["expression", "block", "block and comma", "the last"]
    );
}

// What is dropped, and when.

#[test]
fn the_others_are_dropped_before_the_handler_runs() {
    let tally = Tally::new();
    block_on(async {
        filch::select! {
            () = never(tally.track()) => unreachable!(),
            () = never(tally.track()), if false => unreachable!(),
            () = later(()) => tally.assert_all_gone(),
        }
    });
    assert_eq!(tally.made(), 2);
}

#[test]
fn outputs_that_do_not_match_are_dropped() {
    let tally = Tally::new();
    block_on(async {
        filch::select! {
            (false, _held) = ready((true, tally.track())) => unreachable!(),
            () = later(()) => tally.assert_all_gone(),
        }
    });
}

#[test]
fn when_it_is_dropped_so_is_every_branch() {
    let tally = Tally::new();
    let mut waits = Box::pin(async {
        filch::select! {
            () = never(tally.track()) => {}
            () = never(tally.track()) => {}
            () = never(tally.track()) => {}
        }
    });
    assert_eq!(block_on(poll_once(&mut waits)), None);
    assert_eq!(tally.alive(), 3);
    drop(waits);
    tally.assert_all_gone();
}

#[test]
fn when_a_future_panics_so_does_it_and_everything_is_dropped() {
    let tally = Tally::new();
    let bad = poll_fn(|_| -> Poll<()> { panic!("oh") });
    let run = std::panic::AssertUnwindSafe(|| {
        block_on(async {
            filch::select! {
                biased;
                () = never(tally.track()) => {}
                () = bad => {}
                () = never(tally.track()) => {}
            }
        });
    });
    assert!(std::panic::catch_unwind(run).is_err());
    tally.assert_all_gone();
}

// Futures that stay.

#[test]
fn a_future_outside_goes_on_where_it_stood() {
    let rounds = block_on(async {
        let mut work = pin!(async {
            for _ in 0..5 {
                filch::yield_now().await;
            }
            "done"
        });
        let mut rounds = 0;
        loop {
            filch::select! {
                text = &mut work => {
                    assert_eq!(text, "done");
                    break rounds;
                }
                () = later(()) => rounds += 1,
            }
        }
    });
    assert!(rounds > 0);
}

#[test]
fn what_a_future_borrows_from_lives_as_long_as_it_does() {
    async fn length(text: &str) -> usize {
        filch::yield_now().await;
        text.len()
    }
    let length = block_on(async {
        filch::select! {
            n = length(&String::from("four")) => n,
            n = length(&format!("{}", 12)) => n + 2,
        }
    });
    assert_eq!(length, 4);
}

#[test]
fn a_handler_may_use_what_the_futures_borrowed() {
    let mut numbers = vec![1, 2, 3];
    block_on(async {
        filch::select! {
            n = async { numbers.pop() } => numbers.push(n.unwrap() * 10),
            () = pending() => numbers.clear(),
        }
    });
    assert_eq!(numbers, [1, 2, 30]);
}

#[test]
fn what_becomes_a_future_is_one() {
    struct Later(u32);
    impl IntoFuture for Later {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;
        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    assert_eq!(block_on(async { filch::select!(n = Later(8) => n) }), 8);
}

#[test]
fn a_task_may_wait_in_it() {
    let rt = filch::Runtime::new().unwrap();
    let task = rt.spawn(async {
        let sleep = filch::time::sleep(filch::time::Duration::from_millis(1));
        filch::select! {
            () = pending() => false,
            () = sleep => true,
        }
    });
    assert!(rt.block_on(task).unwrap());
}

// Hygiene.

#[test]
#[allow(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    dead_code,
    non_camel_case_types
)]
fn names_of_the_macros_own_are_the_users_too() {
    type A0 = u32;
    struct A1;
    enum Poll {
        Ready,
        Pending,
    }
    mod std {}
    mod core {}
    let (armed, output, pass, cx, is_match, future, futures) = (1, 2, 3, 4, 5, 6, 7);
    let number: A0 = block_on(async {
        filch::select! {
            cx = self::ready(cx + armed), if is_match == 5 && pass == 3 => cx + output + future + futures,
            (A1, output) = self::ready((A1, output)), if armed == 2 => output + is_match,
        }
    });
    assert_eq!(number, 5 + 2 + 6 + 7);
    let _ = (Poll::Ready, Poll::Pending);
}

/// In a macro of the user's, with parts that were parsed there.
macro_rules! first_of {
    ($(case $pattern:pat, $future:expr, $condition:expr, $handler:expr;)* else $last:expr) => {
        filch::select! {
            $($pattern = $future, if $condition => $handler,)*
            else => $last
        }
    };
}

#[test]
fn it_can_be_written_by_a_macro() {
    let value = block_on(async {
        first_of!(case Some(1 | 2), ready(Some(3)), true, 1; case n, ready(2), 1 + 1 == 2, n; else 9)
    });
    assert_eq!(value, 2);
}

#[test]
fn without_prelude_too() {
    assert_eq!(block_on(bare::f()), 1);
}

mod bare {
    #![no_implicit_prelude]

    pub(super) async fn f() -> u32 {
        let (a, b): (u32, ()) = ::filch::join!(async { 1 }, async {});
        ::filch::try_join!(async { Ok::<_, ()>(a) }, async { Ok(b) }).unwrap();
        ::filch::select! {
            n = async { a } => n,
            _ = ::std::future::pending::<()>() => 2,
        }
    }

    use ::std::prelude::v1::Ok;
}

// Limits.

#[test]
fn sixty_four_branches() {
    let mut taken = BTreeMap::new();
    for wanted in 0..64 {
        let value = block_on(async {
            macro_rules! of_64 {
                ($($n:literal)*) => {
                    filch::select! { $($n = ready($n), if wanted == $n => $n,)* }
                };
            }
            of_64!(
                0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
                32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
            )
        });
        taken.insert(value, wanted);
    }
    assert!(taken.iter().all(|(value, wanted)| value == wanted));
    assert_eq!(taken.len(), 64);
}

#[test]
fn it_takes_little_more_room_than_its_futures() {
    async fn hold(bytes: [u8; 1000]) -> u8 {
        later(()).await;
        bytes[0]
    }
    let one = size_of_val(&hold([0; 1000]));
    let two = size_of_val(&async {
        filch::select! {
            n = hold([0; 1000]) => n,
            n = hold([0; 1000]) => n,
        }
    });
    // Pins, bits and states.
    assert!(two < 2 * one + 100, "{two}, of twice {one}");
}

// `race`, and methods.

#[test]
fn a_race_has_either_winner() {
    let mut won = [0; 2];
    block_on(async {
        for _ in 0..200 {
            won[race(ready(0), ready(1)).await] += 1;
            won[ready(0).race(ready(1)).await] += 1;
        }
    });
    // Fewer than 100 of 400 happen once in 10^22 (Chernoff's bound).
    assert!(won.iter().all(|&n| n >= 100), "{won:?}");
}

#[test]
fn a_race_waits_for_both_and_drops_the_one_that_loses() {
    let tally = Tally::new();
    let held = tally.track();
    let loses = async {
        never(held).await;
        1
    };
    assert_eq!(block_on(loses.race(later(2))), 2);
    tally.assert_all_gone();
    assert_eq!(block_on(race(later(3), pending())), 3);
}

#[test]
fn what_is_cancelled_already_is_not_begun() {
    let untouchable = poll_fn(|_| -> Poll<()> { panic!("it was polled") });
    let outcome = block_on(untouchable.with_cancellation(ready("stop")));
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "the operation was cancelled before it was done"
    );
}

#[test]
fn what_is_cancelled_while_it_waits_is_dropped() {
    let tally = Tally::new();
    let work = never(tally.track());
    assert!(block_on(work.with_cancellation(later(()))).is_err());
    tally.assert_all_gone();
    assert_eq!(block_on(later(1).with_cancellation(pending::<()>())), Ok(1));
}

#[test]
fn whoever_waits_is_woken_by_either_side() {
    // Polled by hand: a branch's waker is that of the whole.
    let waker = Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    let seen = Cell::new(0);
    let watch = || {
        poll_fn(|cx| {
            seen.set(seen.get() + u32::from(cx.waker().will_wake(waker)));
            Poll::<()>::Pending
        })
    };
    let mut whole = pin!(async {
        filch::select! {
            () = watch() => {}
            () = watch() => {}
        }
    });
    assert!(whole.as_mut().poll(&mut cx).is_pending());
    assert_eq!(seen.get(), 2);
}

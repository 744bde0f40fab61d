//! Do `join!` and `try_join!` wait for all, poll none too often, and drop what they should?

#![deny(warnings)]
#![forbid(unsafe_code)]

use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::within_reason;
use futures_lite::future::{block_on, poll_once};
use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Ready at the second poll.
async fn later<T>(value: T) -> T {
    filch::yield_now().await;
    value
}

/// Never ready, and holds on to something.
async fn never<T>(held: Tracked) -> T {
    let _held = held;
    pending().await
}

/// Ready at the given poll; panics at any after that.
fn at_poll(number: u32) -> impl Future<Output = u32> {
    let mut polls = 0;
    poll_fn(move |cx| {
        polls += 1;
        assert!(polls <= number, "polled after it was done");
        cx.waker().wake_by_ref();
        if polls == number {
            Poll::Ready(number)
        } else {
            Poll::Pending
        }
    })
}

// Outputs.

#[test]
fn outputs_come_in_the_order_of_the_text() {
    block_on(async {
        assert_eq!(
            filch::join!(later(1), ready("two"), at_poll(3)),
            (1, "two", 3)
        );
        assert_eq!(filch::join!(later(1)), (1,));
        assert_eq!(filch::join!(later(1), later(2),), (1, 2));
        let () = filch::join!();
    });
}

#[test]
fn values_come_in_the_order_of_the_text() {
    block_on(async {
        let values = filch::try_join!(later(Ok::<_, ()>(1)), ready(Ok("two")), async {
            Ok(at_poll(3).await)
        });
        assert_eq!(values, Ok((1, "two", 3)));
        assert_eq!(filch::try_join!(ready(Ok::<_, u8>(1))), Ok((1,)));
        let nothing: Result<(), u8> = filch::try_join!();
        assert_eq!(nothing, Ok(()));
    });
}

#[test]
fn outputs_need_not_be_copied() {
    let (text, bytes) =
        block_on(async { filch::join!(later(String::from("a")), later(vec![1_u8])) });
    assert_eq!((text.as_str(), bytes.as_slice()), ("a", [1].as_slice()));
}

#[test]
fn what_is_done_is_polled_no_more() {
    let all = block_on(async { filch::join!(at_poll(1), at_poll(4), at_poll(2), at_poll(3)) });
    assert_eq!(all, (1, 4, 2, 3));
    let all = block_on(async {
        filch::try_join!(async { Ok::<_, ()>(at_poll(1).await) }, async {
            Ok(at_poll(5).await)
        })
    });
    assert_eq!(all, Ok((1, 5)));
}

// Errors.

#[test]
fn the_first_error_ends_it_and_drops_the_others() {
    let tally = Tally::new();
    let outcome: Result<((), (), Tracked), &str> = block_on(async {
        let outcome = filch::try_join!(
            never(tally.track()),
            async { later(Err("oh")).await },
            ready(Ok(tally.track())),
        );
        tally.assert_all_gone();
        outcome
    });
    assert_eq!(outcome.unwrap_err(), "oh");
}

#[test]
fn an_error_passes_through_the_question_mark() {
    async fn f(text: &str) -> Result<u32, std::num::ParseIntError> {
        let (a, b) = filch::try_join!(async { text.parse::<u32>() }, async { "1".parse::<u32>() })?;
        Ok(a + b)
    }
    assert_eq!(block_on(f("2")), Ok(3));
    assert!(block_on(f("x")).is_err());
}

#[test]
fn what_a_future_borrows_from_lives_as_long_as_it_does() {
    async fn length(text: &str) -> Result<usize, ()> {
        filch::yield_now().await;
        Ok(text.len())
    }
    block_on(async {
        assert_eq!(
            filch::join!(length(&String::from("a")), length(&format!("{}", 12))),
            (Ok(1), Ok(2))
        );
        assert_eq!(
            filch::try_join!(length(&String::from("a")), length(&format!("{}", 12))),
            Ok((1, 2))
        );
    });
}

// Drops.

#[test]
fn when_it_is_dropped_so_is_everything_in_it() {
    let tally = Tally::new();
    let mut waits = Box::pin(async {
        let (_output, (), ()) = filch::join!(
            ready(tally.track()),
            never(tally.track()),
            never(tally.track())
        );
    });
    assert_eq!(block_on(poll_once(&mut waits)), None);
    assert_eq!(tally.alive(), 3);
    drop(waits);
    tally.assert_all_gone();
}

#[test]
fn a_future_that_is_done_is_dropped_before_the_others_are() {
    let tally = Tally::new();
    block_on(async {
        let held = tally.track();
        let first = async move {
            let _held = held;
        };
        let ((), alive) = filch::join!(first, async {
            later(()).await;
            tally.alive()
        });
        assert_eq!(alive, 0);
    });
}

#[test]
fn when_a_future_panics_so_does_it() {
    let tally = Tally::new();
    let run = std::panic::AssertUnwindSafe(|| {
        block_on(async {
            let bad = async { panic!("oh") };
            let (_output, (), ()): ((), (), ()) =
                filch::join!(later(()), bad, never(tally.track()));
        });
    });
    assert!(std::panic::catch_unwind(run).is_err());
    tally.assert_all_gone();
}

// Order.

#[test]
fn each_poll_begins_with_the_next_one() {
    let order = Cell::new(String::new());
    let note = |name: char| {
        let order = &order;
        let mut polls = 0;
        poll_fn(move |cx| {
            order.set(order.take() + &name.to_string());
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 3 {
                Poll::Ready(Ok::<_, ()>(()))
            } else {
                Poll::Pending
            }
        })
    };
    let outputs = block_on(async { filch::join!(note('a'), note('b'), note('c')) });
    assert_eq!(outputs, (Ok(()), Ok(()), Ok(())));
    assert_eq!(order.take(), "abcbcacab");
    block_on(async { filch::try_join!(note('a'), note('b'), note('c')) }).unwrap();
    assert_eq!(order.take(), "abcbcacab");
}

/// The first takes whatever the task's budget has, in every poll.
#[test]
fn one_that_uses_up_the_budget_does_not_starve_the_others() {
    let rt = filch::Runtime::builder().worker_threads(1).build().unwrap();
    let task = async {
        let is_over = AtomicBool::new(false);
        let greedy = async {
            let mut sleep = pin!(filch::time::sleep(filch::time::Duration::ZERO));
            while !is_over.load(Ordering::Relaxed) {
                // Elapsed from the second time on, so that it charges the budget and goes on.
                sleep.as_mut().await;
            }
        };
        let modest = async {
            filch::time::sleep(filch::time::Duration::from_millis(1)).await;
            is_over.store(true, Ordering::Relaxed);
        };
        filch::join!(greedy, modest);
    };
    // A task, since outside the workers there is no budget.
    within_reason(move || rt.block_on(rt.spawn(task)).unwrap());
}

// Hygiene and limits.

#[test]
fn names_of_the_macros_own_are_the_users_too() {
    let (future, turns, pass, number, is_pending, cx) = (1, 2, 3, 4, 5, 6);
    let all = block_on(async {
        filch::join!(
            later(future + turns),
            later(pass + number),
            later(is_pending + cx)
        )
    });
    assert_eq!(all, (3, 7, 11));
}

#[test]
fn a_hundred_futures() {
    macro_rules! of_100 {
        ($($n:literal)*) => {
            filch::join!($(later($n), later($n + 1),)*)
        };
    }
    let all = block_on(async {
        of_100!(
            0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 38 40 42 44 46 48
            50 52 54 56 58 60 62 64 66 68 70 72 74 76 78 80 82 84 86 88 90 92 94 96 98
        )
    });
    assert_eq!((all.0, all.42, all.99), (0, 42, 99));
}

#[test]
fn it_takes_little_more_room_than_its_futures() {
    async fn hold(bytes: [u8; 1000]) -> u8 {
        later(()).await;
        bytes[0]
    }
    let one = size_of_val(&hold([0; 1000]));
    let two = size_of_val(&async { filch::join!(hold([0; 1000]), hold([0; 1000])) });
    assert!(two < 2 * one + 100, "{two}, of twice {one}");
}

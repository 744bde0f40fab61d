//! Do the macros take what tokio's take, however rarely it is written, without a warning?

#![deny(warnings)]
#![forbid(unsafe_code)]

use futures_lite::future::block_on;
use std::convert::Infallible;
use std::future::{pending, ready};

async fn endless() -> ! {
    pending().await
}

/// In a branch that never comes: what is behind it is code that is never reached, which is no news.
#[test]
fn outputs_that_there_cannot_be() {
    block_on(async {
        let value = filch::select! {
            _ = endless() => 1,
            value = ready(2) => value,
        };
        assert_eq!(value, 2);
        let value = filch::select! {
            never = endless() => never,
            value = ready(2) => value,
        };
        assert_eq!(value, 2);
        let value: u32 = filch::select! {
            never = pending::<Infallible>() => match never {},
            value = ready(2) => value,
        };
        assert_eq!(value, 2);
        let value: Result<u32, Infallible> = filch::select! {
            Err(error) = pending::<Result<Infallible, Infallible>>() => Err(error),
            value = ready(2) => Ok(value),
        };
        assert_eq!(value, Ok(2));
    });
}

#[test]
fn patterns_that_borrow_mutably() {
    block_on(async {
        let len = filch::select! {
            ref mut all = ready(vec![1]) => {
                all.push(2);
                all.len()
            }
        };
        assert_eq!(len, 2);
        let len = filch::select! {
            Some(ref mut all) = ready(Some(vec![1])) => {
                all.push(2);
                all.len()
            }
            else => 0,
        };
        assert_eq!(len, 2);
        let mut text = String::new();
        filch::select! {
            text = async { &mut text } => text.push('x'),
        }
        assert_eq!(text, "x");
    });
}

/// Also those whose name the prelude has, and a module `std`.
mod with_a_world_of_its_own {
    #![allow(
        dead_code,
        non_camel_case_types,
        unreachable_pub,
        unused_macros,
        reason = "they are there to be mistaken for others"
    )]

    pub struct Box;
    pub struct Err;
    pub struct None;
    pub struct Ok;
    pub struct Option;
    pub struct Pin;
    pub struct Poll;
    pub struct Result;
    pub struct Some;
    pub trait Future {}
    pub trait IntoFuture {
        fn into_future(self) -> u32;
    }
    pub mod std {}
    pub mod core {}
    macro_rules! stringify {
        () => {};
    }
    macro_rules! unreachable {
        () => {};
    }
    macro_rules! panic {
        () => {};
    }
    macro_rules! pin {
        () => {};
    }

    filch::task_local! {
        static USER: u32;
    }

    pub async fn sum() -> u32 {
        let one = filch::select! {
            one = ::std::future::ready(1) => one,
            () = ::std::future::pending::<()>() => 0,
        };
        let (two, three) = filch::join!(::std::future::ready(2), ::std::future::ready(3));
        let both = filch::try_join!(async { ::std::result::Result::<u32, ()>::Ok(4) }, async {
            ::std::result::Result::<u32, ()>::Ok(5)
        },);
        let (four, five) = both.unwrap();
        let six = ::std::future::ready(6);
        filch::pin!(six);
        one + two + three + four + five + six.await
    }

    #[filch::main]
    pub async fn main() -> u32 {
        USER.scope(7, async { USER.get() }).await
    }

    #[filch::test]
    async fn as_a_test() {}

    #[filch::test(simulated)]
    async fn as_a_simulation() {}
}

#[test]
fn nothing_is_taken_from_around() {
    assert_eq!(block_on(with_a_world_of_its_own::sum()), 21);
    assert_eq!(with_a_world_of_its_own::main(), 7);
}

#[test]
fn a_biased_join_begins_with_the_first_each_time() {
    use std::cell::RefCell;
    async fn twice(log: &RefCell<Vec<u32>>, number: u32) -> u32 {
        log.borrow_mut().push(number);
        filch::yield_now().await;
        log.borrow_mut().push(number);
        number
    }
    let log = RefCell::default();
    block_on(async {
        assert_eq!(filch::join!(biased; twice(&log, 1), twice(&log, 2)), (1, 2));
        assert_eq!(log.take(), [1, 2, 1, 2]);
        let both: Result<_, ()> = filch::try_join!(
            biased;
            async { Ok(twice(&log, 1).await) },
            async { Ok(twice(&log, 2).await) },
        );
        assert_eq!((both, log.take()), (Ok((1, 2)), vec![1, 2, 1, 2]));
        filch::join!(biased;);
        let biased = ready(3);
        assert_eq!(filch::join!(biased), (3,));
    });
}

mod functions_of_a_program {
    use std::fmt::Debug;

    #[filch::main(workers = 1)]
    pub(super) async fn by_value(mut text: String, (a, b): (u32, u32)) -> String {
        filch::yield_now().await;
        text.push_str(&(a + b).to_string());
        text
    }

    #[filch::main(workers = 1)]
    pub(super) async fn borrowed<'a>(texts: &'a [String], default: &'a str) -> &'a str {
        filch::yield_now().await;
        texts.first().map_or(default, String::as_str)
    }

    #[filch::main(workers = 1)]
    pub(super) async fn writes(sum: &mut u32, n: u32) {
        filch::yield_now().await;
        *sum += n;
        if n > 1 {
            return;
        }
        *sum += 100;
    }

    #[filch::main(workers = 1)]
    pub(super) async fn generic<F: Fn(u32) -> Result<T, ()>, T>(f: F, n: u32) -> Result<T, ()>
    where
        T: Debug,
    {
        filch::yield_now().await;
        let value = f(n)?;
        Ok(value)
    }

    #[filch::main(workers = 1)]
    pub(super) async fn opaque(n: u32) -> impl Debug {
        filch::yield_now().await;
        n
    }

    /// An error that becomes another one, where only the signature says which.
    #[filch::main(workers = 1)]
    pub(super) async fn fallible(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
        if text.is_empty() {
            return Err("nothing".into());
        }
        Ok(text.parse::<u32>()?)
    }

    pub(super) struct Program(u32);

    impl Program {
        #[filch::main(workers = 1)]
        pub(super) async fn new(n: u32) -> Self {
            filch::yield_now().await;
            Self(n)
        }

        #[filch::main(workers = 1)]
        pub(super) async fn one() -> Self {
            filch::yield_now().await;
            Self(1)
        }

        #[filch::main(workers = 1)]
        pub(super) async fn run(&mut self) -> u32 {
            filch::yield_now().await;
            self.0 += 1;
            self.0
        }
    }

    #[filch::main(start_paused = true)]
    pub(super) async fn paused(seconds: u64) -> bool {
        let begun = filch::time::Instant::now();
        let long = filch::time::Duration::from_secs(seconds);
        filch::time::sleep(long).await;
        begun.elapsed() == long
    }

    #[filch::test]
    async fn a_test_may_have_types_of_its_own() {
        struct Own;
        impl Own {
            fn new() -> Self {
                Self
            }
        }
        let Own = Own::new();
    }
}

/// As of tokio's `main`, of which it is written that it may stand before any function.
#[test]
fn functions_that_are_called_may_have_arguments() {
    use functions_of_a_program::*;
    assert_eq!(by_value("x".to_owned(), (1, 2)), "x3");
    assert_eq!(borrowed(&["a".to_owned()], "b"), "a");
    assert_eq!(borrowed(&[], "b"), "b");
    let mut sum = 0;
    writes(&mut sum, 1);
    writes(&mut sum, 2);
    assert_eq!(sum, 103);
    assert_eq!(generic(|n| Ok(n + 1), 1), Ok(2));
    assert_eq!(generic(|_| Err::<u32, ()>(()), 1), Err(()));
    assert_eq!(format!("{:?}", opaque(7)), "7");
    assert_eq!(fallible("7").unwrap(), 7);
    assert!(fallible("").is_err() && fallible("x").is_err());
    assert_eq!(Program::new(4).run() + Program::one().run(), 7);
    assert!(paused(3600));
}

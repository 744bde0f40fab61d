//! How does a task wait for several futures at once, without a task for each?
//!
//! `join!` and `try_join!` poll them in turn, each until it is done, in place: no allocation. Which one comes first changes from poll to poll
//! ([`Turns`](super::turns::Turns) says why), unless told otherwise.
//!
//! The macros give each future a variable of its own. Its name is the same word every time; that it is written by another step of the expansion each time keeps
//! them apart (hygiene). So there is a step for each future, and the limit is the compiler's: some 120 futures, more with `#![recursion_limit]`.

/// Waits for all of these futures at once, and gives a tuple of their outputs.
///
/// They run in one task, as parts of the current one: at the same time, but never in parallel. For that, [`spawn`](crate::spawn()) them, and join the handles.
///
/// Each expression is a future or becomes one by [`IntoFuture`], also `&mut` of one that is [`Unpin`] (`std::pin::pin!` makes it so). They are made in order, and polled in turn;
/// one that is done is polled no more. Without any, `join!()` is `()`.
///
/// Each poll begins with the next future in turn, so that none keeps the others from their share of the task's budget. With `biased;` in front it begins with the first each time; then that is
/// up to you.
///
/// # Units and limits
///
/// No allocation. Up to some 120 futures; more with `#![recursion_limit]`. Each poll of the whole polls every future that is not done: where
/// there are hundreds, tasks are better.
///
/// # Panics
///
/// If one of the futures does; the others are dropped.
///
/// # Cancel safety
///
/// As safe as its futures together: when it is dropped, all that are not done are dropped where they stand, and so are the outputs of those that are done.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, sleep};
///
/// async fn after(ms: u64, text: &str) -> &str {
///     sleep(Duration::from_millis(ms)).await;
///     text
/// }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (first, second) = filch::join!(after(2, "slow"), after(1, "fast"));
///     assert_eq!((first, second), ("slow", "fast"));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! join {
    ($(biased;)?) => {
        ()
    };
    (biased; $($future:expr),+ $(,)?) => {
        $crate::__join!(@all InOrder {} $($future,)+)
    };
    ($($future:expr),+ $(,)?) => {
        $crate::__join!(@all Turns {} $($future,)+)
    };
}

/// Waits for all of these futures at once until one of them fails: gives `Ok` with a tuple of their values, or the first `Err`.
///
/// At the first error the futures that are not done are dropped. All have the same type of error. Otherwise as [`join!`](crate::join!), also with `biased;`.
///
/// # Units and limits
///
/// As for [`join!`](crate::join!).
///
/// # Errors
///
/// The error of the future that failed first; where two fail in one poll, that of the one that was polled first.
///
/// # Panics
///
/// If one of the futures does; the others are dropped.
///
/// # Cancel safety
///
/// As safe as its futures together: when one fails, or the whole is dropped, all that are not done are dropped where they stand, and so are the values of those that are done.
///
/// # Examples
///
/// ```
/// async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     assert_eq!(filch::try_join!(parse("1"), parse("2")), Ok((1, 2)));
///     assert!(filch::try_join!(parse("1"), parse("one")).is_err());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! try_join {
    ($(biased;)?) => {
        $crate::__macros::Ok(())
    };
    (biased; $($future:expr),+ $(,)?) => {
        $crate::__join!(@try InOrder {} $($future,)+)
    };
    ($($future:expr),+ $(,)?) => {
        $crate::__join!(@try Turns {} $($future,)+)
    };
}

// `@all` is `join!`, `@try` is `try_join!`. The futures stand in a `match` and not in a `let`, so that what they borrow from lives until they are done:
// `join!(ask(&String::new()))`.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    // Gives the next future a name.
    (@$which:ident $turns:ident {$($named:tt)*} $next:expr, $($rest:expr,)*) => {
        $crate::__join!(@$which $turns {$($named)* (future $next)} $($rest,)*)
    };
    (@all $turns:ident {$(($future:ident $expression:expr))*}) => {
        match ($($crate::__macros::MaybeDone::new($expression),)*) {
            ($($future,)*) => {
                $(let mut $future = $crate::__macros::pin!($future);)*
                let mut turns = $crate::__macros::$turns::new();
                $crate::__macros::poll_fn(move |cx| {
                    let mut is_pending = false;
                    for pass in turns.passes([$($crate::__macros::stringify!($future)),*].len()) {
                        let mut number = 0;
                        $(
                            if pass.contains(&number) {
                                is_pending |= $future.as_mut().poll(cx).is_pending();
                            }
                            number += 1;
                        )*
                    }
                    if is_pending {
                        return $crate::__macros::Poll::Pending;
                    }
                    $crate::__macros::Poll::Ready(($($future.as_mut().take(),)*))
                })
                .await
            }
        }
    };
    (@try $turns:ident {$(($future:ident $expression:expr))*}) => {
        match ($($crate::__macros::MaybeDone::new_try($expression),)*) {
            ($($future,)*) => {
                $(let mut $future = $crate::__macros::pin!($future);)*
                let mut turns = $crate::__macros::$turns::new();
                $crate::__macros::poll_fn(move |cx| {
                    let mut is_pending = false;
                    for pass in turns.passes([$($crate::__macros::stringify!($future)),*].len()) {
                        let mut number = 0;
                        $(
                            if pass.contains(&number) {
                                match $future.as_mut().poll_try(cx) {
                                    $crate::__macros::Poll::Pending => is_pending = true,
                                    $crate::__macros::Poll::Ready(result) => {
                                        if let $crate::__macros::Err(error) = result {
                                            return $crate::__macros::Poll::Ready($crate::__macros::Err(error));
                                        }
                                    }
                                }
                            }
                            number += 1;
                        )*
                    }
                    if is_pending {
                        return $crate::__macros::Poll::Pending;
                    }
                    $crate::__macros::Poll::Ready($crate::__macros::Ok(($($future.as_mut().take(),)*)))
                })
                .await
            }
        }
    };
}

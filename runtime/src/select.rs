//! Which of several futures is done first, and what is done then?
//!
//! `select!` is a macro of rules: one step for each branch, which the compiler's own parser reads, so that whatever is a pattern or an expression is one here; and a last step that
//! writes the code:
//!
//! 1. the conditions, into one word of bits ([`Armed`](armed::Armed));
//! 2. the futures, in a `match`, so that what they borrow from lives as long as they do;
//! 3. one future that polls those that are armed, and resolves to the first output that fits its pattern, in an `enum` with a variant for each branch;
//! 4. when it is done the futures are dropped, and a `match` over the `enum` runs the handler, outside of every closure: `?`, `break`, `return` and `.await` mean what they mean
//!    around the macro.
//!
//! Nothing is allocated. Two futures that are ready at once cost a random number, some arithmetic on bits, one poll and two matches.
//!
//! Rejected: a procedural macro. It could number the branches by itself, but would have to bring a parser of the language; the price for doing without is the list of names in
//! `select!`, which sets the limit of 64.

pub(crate) mod armed;
mod join;
pub(crate) mod maybe_done;
mod pin;
pub(crate) mod turns;

use crate::sys::rng;

/// The branch that a `select!` of so many begins with.
#[inline]
#[must_use]
pub fn select_start(branches: u32) -> u32 {
    rng::thread_below(branches)
}

/// What a `select!` without `else` does when there is nothing left to wait for.
///
/// # Panics
///
/// Always.
#[cold]
#[track_caller]
pub fn all_disabled() -> ! {
    panic!(
        "every branch of this select! is disabled, by its condition or since its pattern did not match, and there is no `else`"
    )
}

/// Waits for several futures at once, and runs the handler of the one that is done first.
///
/// ```text
/// filch::select! {
///     pattern = future => handler,
///     pattern = future, if condition => { handler }
///     else => handler,
/// }
/// ```
///
/// 1. The conditions are evaluated. A branch whose condition is false is disabled.
/// 2. The expressions of the futures are evaluated, also those of disabled branches, whose futures are never polled. What is
///    [`IntoFuture`] becomes a future.
/// 3. The others are polled until an output matches its branch's pattern. A branch whose output does not match is disabled.
/// 4. The futures are dropped; those that were not done are cancelled by that.
/// 5. The handler is run, with the pattern's variables. It may use `?`, `break`, `continue`, `return` and `.await` as any other code. Its value is that of the whole.
///
/// When every branch is disabled, the value is that of `else`.
///
/// As in a `match`, a handler that is a block needs no comma behind it. `else` stands last.
///
/// It needs no runtime of filch's: wherever `.await` is allowed, so is this.
///
/// # Which branch comes first
///
/// Polling begins with a branch at random and goes on in order, so that one that is always ready does not keep the others from their turn. With `biased;` at the top it begins with
/// the first branch each time: where that is wanted (look for the end first, then for work), and for the last nanoseconds. Then it is up to you that a branch which
/// is always ready does not starve those behind it.
///
/// # Units and limits
///
/// Up to 64 branches. No allocation: the futures stand in the future around.
///
/// # Panics
///
/// When every branch is disabled and there is no `else`. When a future panics.
///
/// # Cancel safety
///
/// Each time, all branches but one are dropped before they are done. Where `select!` stands in a loop, what they had done until then is lost unless
/// they are cancel safe, which the documentation of each async function says. There are two ways around: keep the future outside of the loop and give `&mut future` to the branch
/// (below), or move the steps that must not be torn apart into the handler, which is not cancelled by other branches.
///
/// A future given as `&mut future` is not dropped and stands where it was. One that is done must not be polled again: disable its branch by a condition, or leave the loop.
///
/// When the whole is dropped while it waits, so are all futures in it.
///
/// # Examples
///
/// The first of two:
///
/// ```
/// use filch::time::{Duration, sleep};
///
/// let rt = filch::Runtime::new()?;
/// let first = rt.block_on(async {
///     filch::select! {
///         () = sleep(Duration::from_millis(1)) => "the short sleep",
///         () = sleep(Duration::from_secs(60)) => "the long sleep",
///     }
/// });
/// assert_eq!(first, "the short sleep");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A loop that goes on with the same future, and leaves it out once it is done:
///
/// ```
/// use filch::time::{Duration, interval, sleep};
/// use std::pin::pin;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let mut work = pin!(async {
///         sleep(Duration::from_millis(5)).await;
///         "done"
///     });
///     let mut beat = interval(Duration::from_millis(2));
///     let (mut result, mut ticks) = (None, 0);
///     while result.is_none() || ticks < 3 {
///         filch::select! {
///             value = &mut work, if result.is_none() => result = Some(value),
///             _ = beat.tick() => ticks += 1,
///         }
///     }
///     assert_eq!(result, Some("done"));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Patterns that need not match, and what is done when none does:
///
/// ```
/// async fn next(queue: &mut Vec<u32>) -> Option<u32> {
///     queue.pop()
/// }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (mut left, mut right) = (vec![1, 2], vec![3]);
///     let mut sum = 0;
///     loop {
///         filch::select! {
///             Some(n) = next(&mut left) => sum += n,
///             Some(n) = next(&mut right) => sum += n,
///             else => break,
///         }
///     }
///     assert_eq!(sum, 6);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The end comes first, however much there is to do:
///
/// ```
/// # async fn work() {}
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let mut stop = std::pin::pin!(filch::time::sleep(filch::time::Duration::from_millis(1)));
///     loop {
///         filch::select! {
///             biased;
///             () = &mut stop => break,
///             () = work() => filch::yield_now().await,
///         }
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// There must be a branch, and `else` is the last:
///
/// ```compile_fail
/// async fn f() {
///     filch::select! {}
/// }
/// ```
///
/// ```compile_fail
/// async fn f() {
///     filch::select! {
///         else => (),
///         () = async {} => (),
///     }
/// }
/// ```
#[macro_export]
macro_rules! select {
    ($(biased;)?) => {
        $crate::__macros::compile_error!("a select! needs branches, as in `value = future => handler`")
    };
    (biased; $($branches:tt)+) => {
        $crate::__select!(@names first $($branches)+)
    };
    ($($branches:tt)+) => {
        $crate::__select!(@names any $($branches)+)
    };
}

// Reading: `@begin [names that are left] {branches that were read} branches`, where `begin` is which branch is polled first, and a branch that was read is
// `(future name number (pattern) (expression) (condition) (handler))`. Each step writes the word `future` anew, which makes another variable of it.
#[doc(hidden)]
#[macro_export]
#[rustfmt::skip]
macro_rules! __select {
    (@names $begin:ident $($branches:tt)+) => {
        $crate::__select!(@$begin [
            A0 0 A1 1 A2 2 A3 3 A4 4 A5 5 A6 6 A7 7 A8 8 A9 9 A10 10 A11 11 A12 12 A13 13 A14 14 A15 15
            A16 16 A17 17 A18 18 A19 19 A20 20 A21 21 A22 22 A23 23 A24 24 A25 25 A26 26 A27 27 A28 28 A29 29 A30 30 A31 31
            A32 32 A33 33 A34 34 A35 35 A36 36 A37 37 A38 38 A39 39 A40 40 A41 41 A42 42 A43 43 A44 44 A45 45 A46 46 A47 47
            A48 48 A49 49 A50 50 A51 51 A52 52 A53 53 A54 54 A55 55 A56 56 A57 57 A58 58 A59 59 A60 60 A61 61 A62 62 A63 63
        ] {} $($branches)+)
    };

    // The end. First, since `$pattern:pat` takes any word, also `else`, and fails.
    (@$begin:ident [$($names:tt)*] {$($read:tt)*}) => {
        $crate::__select!(@write $begin {$($read)*} ($crate::__macros::all_disabled()))
    };
    (@$begin:ident [$($names:tt)*] {$($read:tt)*} else => $otherwise:expr $(,)?) => {
        $crate::__select!(@write $begin {$($read)*} ($otherwise))
    };
    (@$begin:ident [$($names:tt)*] {$($read:tt)*} else => $($rest:tt)*) => {
        $crate::__macros::compile_error!("`else` is the last branch of a select!")
    };

    // A branch with a block, with a block and a comma, with an expression, and with one at the end. A block is matched by its braces: `$handler:block` would
    // also take what a macro of the user's has read as an expression, and fail.
    (@$begin:ident [$name:ident $number:literal $($names:tt)*] {$($read:tt)*}
        $pattern:pat = $future:expr $(, if $condition:expr)? => {$($handler:tt)*}, $($rest:tt)*
    ) => {
        $crate::__select!(@$begin [$($names)*]
            {$($read)* (future $name $number ($pattern) ($future) (true $(&& $condition)?) ({$($handler)*}))}
            $($rest)*
        )
    };
    (@$begin:ident [$name:ident $number:literal $($names:tt)*] {$($read:tt)*}
        $pattern:pat = $future:expr $(, if $condition:expr)? => {$($handler:tt)*} $($rest:tt)*
    ) => {
        $crate::__select!(@$begin [$($names)*]
            {$($read)* (future $name $number ($pattern) ($future) (true $(&& $condition)?) ({$($handler)*}))}
            $($rest)*
        )
    };
    (@$begin:ident [$name:ident $number:literal $($names:tt)*] {$($read:tt)*}
        $pattern:pat = $future:expr $(, if $condition:expr)? => $handler:expr, $($rest:tt)*
    ) => {
        $crate::__select!(@$begin [$($names)*]
            {$($read)* (future $name $number ($pattern) ($future) (true $(&& $condition)?) ($handler))}
            $($rest)*
        )
    };
    (@$begin:ident [$name:ident $number:literal $($names:tt)*] {$($read:tt)*}
        $pattern:pat = $future:expr $(, if $condition:expr)? => $handler:expr
    ) => {
        $crate::__select!(@$begin [$($names)*]
            {$($read)* (future $name $number ($pattern) ($future) (true $(&& $condition)?) ($handler))}
        )
    };
    (@$begin:ident [] {$($read:tt)*} $pattern:pat = $($rest:tt)*) => {
        $crate::__macros::compile_error!("a select! has 64 branches at most")
    };

    // Writing.
    (@start first $($name:ident)*) => {
        0
    };
    (@start any $($name:ident)*) => {
        $crate::__macros::select_start([$($crate::__macros::stringify!($name)),*].len() as u32)
    };
    // Nothing but `else`.
    (@write $begin:ident {} ($otherwise:expr)) => {
        $otherwise
    };
    (@write $begin:ident {$((
        $future:ident $name:ident $number:literal ($pattern:pat) ($expression:expr) ($condition:expr) ($handler:expr)
    ))+} ($otherwise:expr)) => {{
        enum __FilchSelect<$($name),+> {
            $($name($name),)+
            Disabled,
        }
        let mut armed = $crate::__macros::Armed::none();
        $(armed.arm($number, $condition);)+
        #[allow(unused_mut)]
        let mut output = match ($($crate::__macros::IntoFuture::into_future($expression),)+) {
            ($($future,)+) => {
                $(let mut $future = $crate::__macros::pin!($future);)+
                $crate::__macros::poll_fn(move |cx| {
                    for pass in armed.passes($crate::__select!(@start $begin $($name)+)) {
                        $(
                            if pass.has($number) {
                                // `mut` is for patterns with `ref mut`.
                                #[allow(unused_mut)]
                                if let $crate::__macros::Poll::Ready(mut output) = $crate::__macros::Future::poll($future.as_mut(), cx) {
                                    armed.disarm($number);
                                    // A condition that is never true lets the pattern see the output without taking it apart.
                                    let mut is_match = false;
                                    match output {
                                        #[allow(unused_variables, unused_mut, unreachable_patterns)]
                                        $pattern if { is_match = true; false } => $crate::__macros::unreachable!(),
                                        _ => {}
                                    }
                                    if is_match {
                                        // Reached by no output of type `!`.
                                        #[allow(unreachable_code)]
                                        return $crate::__macros::Poll::Ready(__FilchSelect::$name(output));
                                    }
                                }
                            }
                        )+
                    }
                    if armed.is_empty() {
                        return $crate::__macros::Poll::Ready(__FilchSelect::Disabled);
                    }
                    $crate::__macros::Poll::Pending
                })
                .await
            }
        };
        match output {
            $(__FilchSelect::$name($pattern) => $handler,)+
            __FilchSelect::Disabled => $otherwise,
            #[allow(unreachable_patterns)]
            _ => $crate::__macros::unreachable!(),
        }
    }};
}

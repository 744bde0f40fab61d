//! How is a variable pinned under its own name?
//!
//! By `std::pin::pin!`, whose result takes the name over. The macro is for programs that come from tokio, which has it under this name; `let mut work = std::pin::pin!(work)` is the same.

/// Pins the futures in these variables where they stand, so that `&mut work` is a future too: for a [`select!`](crate::select!) in a loop.
///
/// Each variable becomes a `Pin<&mut _>` of the same name. With `let` in front, the variable is made as well.
///
/// # Cancel safety
///
/// What is pinned is dropped at the end of the block, and not by a `select!` that was given `&mut` of it.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, interval, sleep};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let mut ticks = interval(Duration::from_millis(1));
///     let work = sleep(Duration::from_millis(5));
///     filch::pin!(work);
///     loop {
///         filch::select! {
///             () = &mut work => break,
///             _ = ticks.tick() => println!("still at it"),
///         }
///     }
///
///     filch::pin! {
///         let one = async { 1 };
///         let two = async { 2 };
///     }
///     assert_eq!(one.as_mut().await + two.as_mut().await, 3);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! pin {
    ($($name:ident),* $(,)?) => {
        $(
            #[allow(unused_mut, reason = "not every use of it asks for `mut`")]
            let mut $name = $crate::__macros::pin!($name);
        )*
    };
    ($(let $name:ident = $future:expr;)*) => {
        $(
            #[allow(unused_mut, reason = "not every use of it asks for `mut`")]
            let mut $name = $crate::__macros::pin!($future);
        )*
    };
}

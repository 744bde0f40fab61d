//! What if a value belongs to one task?
//!
//! It stands in the future that has it ([`TaskLocalFuture`]), and for the length of each poll in a `thread_local` of the key: two swaps of a value for each poll, and nothing for tasks
//! that have none. A guard swaps it back, also when the poll panics.
//!
//! Rejected: a map in each task's header (every task would pay for it).

use crate::util::apart;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Declares values that belong to one task each: `static NAME: TYPE;`, any number of them, with attributes and `pub` as for other statics.
///
/// Each becomes a [`LocalKey`], which gives a future its value by [`scope`](LocalKey::scope) and shows the current one by
/// [`with`](LocalKey::with). There is no initial value, and a task that is spawned inherits none.
///
/// # Examples
///
/// ```
/// filch::task_local! {
///     /// Whose request this task serves.
///     pub static USER: String;
///     static DEPTH: u32;
/// }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let greeting = USER.scope("Ada".to_owned(), async { USER.with(|user| format!("hello {user}")) });
///     assert_eq!(filch::spawn(greeting).await.unwrap(), "hello Ada");
///     assert!(DEPTH.try_with(|_| ()).is_err());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::task_local!($(#[$attribute])* $visibility static $name: $type);
        $crate::task_local!($($rest)*);
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty) => {
        $(#[$attribute])*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            ::std::thread_local! {
                static PLACE: ::std::cell::RefCell<$crate::task::__Held<$type>> =
                    const { ::std::cell::RefCell::new($crate::task::__Held::nothing()) };
            }
            $crate::task::LocalKey::__new(&PLACE)
        };
    };
}

/// A value that belongs to a task, declared by [`task_local!`](crate::task_local).
///
/// The value is there while a future runs that was given one by [`scope`](Self::scope), also in what that future polls itself and in functions that it calls; not in tasks that it
/// spawns. Scopes can be nested: the innermost counts.
///
/// # Examples
///
/// ```
/// filch::task_local! { static NUMBER: u32; }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(NUMBER.scope(1, async {
///     assert_eq!(NUMBER.get(), 1);
///     NUMBER.scope(2, async { assert_eq!(NUMBER.get(), 2) }).await;
///     assert_eq!(NUMBER.get(), 1);
/// }));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LocalKey<T: 'static> {
    place: &'static thread::LocalKey<RefCell<Held<T>>>,
}

/// What stands in a place, or in the future whose value it is.
#[doc(hidden)]
pub struct Held<T> {
    value: Option<T>,
    /// On which [level](apart) it was put there.
    level: u32,
}

impl<T> Held<T> {
    /// For the macro.
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            value: None,
            level: 0,
        }
    }

    fn new(value: T) -> Self {
        Self {
            value: Some(value),
            level: 0,
        }
    }
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// There is no value: [`LocalKey::try_with`] was called outside of every scope of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task-local value is not set: call this within `scope` of its key, in the same task")
    }
}

impl Error for AccessError {}

impl<T: 'static> LocalKey<T> {
    /// For the macro.
    #[doc(hidden)]
    #[must_use]
    pub const fn __new(place: &'static thread::LocalKey<RefCell<Held<T>>>) -> Self {
        Self { place }
    }

    /// Gives a future its own value: `value` is there whenever `future` is polled, and while it is dropped.
    ///
    /// # Panics
    ///
    /// The future's poll, if it is called within [`with`](Self::with) of the same key.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops future and value; otherwise what `future` promises. [`TaskLocalFuture::take_value`] saves the value.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture {
            future: Some(future),
            value: Value {
                key: self,
                value: Held::new(value),
            },
        }
    }

    /// Calls a function that has its own value.
    ///
    /// # Panics
    ///
    /// If the function does, or within [`with`](Self::with) of the same key.
    ///
    /// # Examples
    ///
    /// ```
    /// filch::task_local! { static NUMBER: u32; }
    ///
    /// assert_eq!(NUMBER.sync_scope(6, || NUMBER.get() * 7), 42);
    /// ```
    #[track_caller]
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let mut value = Held::new(value);
        self.swapped(&mut value, f)
    }

    /// Shows the current value.
    ///
    /// # Panics
    ///
    /// If there is none; [`try_with`](Self::try_with) gives an error instead.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Shows the current value, if there is one.
    ///
    /// # Errors
    ///
    /// If there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// filch::task_local! { static NUMBER: u32; }
    ///
    /// assert!(NUMBER.try_with(|_| ()).is_err());
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        // A thread that is ending has lost its locals.
        let result = self
            .place
            .try_with(|place| {
                let held = place.borrow();
                let value = held.value.as_ref();
                value.filter(|_| held.level == apart::level()).map(f)
            })
            .unwrap_or(None);
        result.ok_or(AccessError)
    }

    /// The current value.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// The current value, if there is one.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_get(&'static self) -> Result<T, AccessError>
    where
        T: Clone,
    {
        self.try_with(T::clone)
    }

    /// Calls `f` with this value in its place, and puts it back.
    #[track_caller]
    fn swapped<R>(&'static self, value: &mut Held<T>, f: impl FnOnce() -> R) -> R {
        value.level = apart::level();
        if !self.swap(value) {
            panic!(
                "a scope of a task-local value cannot begin within `with` of the same key, or while the thread ends"
            );
        }
        let _back = SwapBack { key: self, value };
        f()
    }

    /// False if the place is not to be had.
    fn swap(&'static self, value: &mut Held<T>) -> bool {
        let swapped = self.place.try_with(|place| {
            let mut place = place.try_borrow_mut().ok()?;
            std::mem::swap(&mut *place, value);
            Some(())
        });
        matches!(swapped, Ok(Some(())))
    }
}

struct SwapBack<'a, T: 'static> {
    key: &'static LocalKey<T>,
    value: &'a mut Held<T>,
}

impl<T> Drop for SwapBack<'_, T> {
    fn drop(&mut self) {
        // It was possible before, and nothing borrows the place at the end of a call that did not when it began.
        let is_back = self.key.swap(self.value);
        debug_assert!(is_back, "a task-local value is back where it was");
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// A future with a value of its own, made by [`LocalKey::scope`].
    ///
    /// # Panics
    ///
    /// If it is polled again after it has given its output, or within [`LocalKey::with`] of its key.
    ///
    /// # Cancel safety
    ///
    /// That of the future it was made of.
    pub struct TaskLocalFuture<T: 'static, F> {
        // None once it is complete, so that it is dropped with the value in its place.
        #[pin]
        future: Option<F>,
        value: Value<T>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                let Value { key, value } = this.value;
                value.level = apart::level();
                // What cannot have its value is dropped without, by the fields.
                if key.swap(value) {
                    let _back = SwapBack { key, value };
                    this.future.set(None);
                }
            }
        }
    }
}

/// The value while its future is not polled.
struct Value<T: 'static> {
    key: &'static LocalKey<T>,
    value: Held<T>,
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out of a future that is complete, or will not be polled any more: there is none in its polls from now on. None if it was taken before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::pin::pin;
    ///
    /// filch::task_local! { static SUM: Cell<u32>; }
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let mut counting = pin!(SUM.scope(Cell::new(1), async { SUM.with(|sum| sum.set(sum.get() + 1)) }));
    ///     counting.as_mut().await;
    ///     assert_eq!(counting.take_value(), Some(Cell::new(2)));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.value.value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Value { key, value } = this.value;
        key.swapped(value, || {
            let future = this.future.as_mut().as_pin_mut();
            let Some(future) = future else {
                panic!("a TaskLocalFuture was polled after it had given its output");
            };
            let polled = future.poll(cx);
            if polled.is_ready() {
                this.future.set(None);
            }
            polled
        })
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture")
            .field("value", &self.value.value.value)
            .finish_non_exhaustive()
    }
}

//! What if code asks for the current runtime where there is none, and is no future?
//!
//! A guard makes a runtime the thread's own for as long as it lives: constructors that call [`spawn`](crate::spawn()) or register a descriptor work then, on any thread. Nothing is
//! driven by that.

use super::context;
use super::handle::Handle;
use std::fmt;
use std::marker::PhantomData;

/// Makes a runtime the current one of this thread until it is dropped; see [`Handle::enter`].
#[must_use = "dropped at once, it has made nothing current"]
pub struct EnterGuard<'a> {
    entered: Option<context::Entered>,
    handle: &'a Handle,
    /// It belongs to a thread.
    _not_send: PhantomData<*mut ()>,
}

impl Handle {
    /// Makes this the current runtime of the thread, as within [`block_on`](Self::block_on), until the guard is dropped: for code that spawns, or makes sockets or timers, and is no future.
    ///
    /// Runtimes may be entered within one another; the guards go in the reverse order.
    ///
    /// # Units and limits
    ///
    /// The guard is a thread's and not a task's. Held over an `.await`, in a future of `block_on` or of [`spawn_local`](crate::spawn_local), it would count for everything that the thread polls
    /// meanwhile; the futures of other tasks cannot hold it, since it is not [`Send`]. The same goes for one that is forgotten.
    ///
    /// # Panics
    ///
    /// The guard does when it is dropped, if another runtime was entered after it and is current still.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let task = {
    ///     let _guard = rt.enter();
    ///     filch::spawn(async { 7 })
    /// };
    /// assert_eq!(rt.block_on(task).unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// A task cannot hold it while it waits:
    ///
    /// ```compile_fail
    /// let rt = filch::Runtime::new().unwrap();
    /// let handle = rt.handle().clone();
    /// rt.spawn(async move {
    ///     let _guard = handle.enter();
    ///     filch::yield_now().await;
    /// });
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            entered: Some(context::enter_outside(self.clone())),
            handle: self,
            _not_send: PhantomData,
        }
    }
}

impl super::Runtime {
    /// Makes this the current runtime of the thread until the guard is dropped; see [`Handle::enter`].
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        let is_mine = context::is_current(self.handle.inner());
        if is_mine {
            self.entered = None;
        } else {
            // What is current is left to whoever has made it so.
            self.entered
                .take()
                .into_iter()
                .for_each(context::Entered::forget);
            assert!(
                std::thread::panicking(),
                "the guards of Handle::enter are dropped in another order than the reverse of their making: another runtime is current"
            );
        }
    }
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard")
            .field("handle", &self.handle)
            .finish()
    }
}

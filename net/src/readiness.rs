//! How does a task do with a socket what this crate does not know?
//!
//! With its descriptor (`AsRawFd`, `AsFd`), by operations that say by an [`Interest`](filch::io::Interest) which readiness decides if they are worth trying.

/// Gives a type with a field `fd: AsyncFd<_>` operations of the caller's own. `$note` is what is to be known of the type besides.
macro_rules! impl_ready {
    ($socket:ident $(, $note:literal)?) => {
        /// Operations of the caller's own, on the descriptor.
        impl $socket {
            /// Waits until an operation is worth trying in one of these directions. Any number of tasks may wait.
            ///
            $(
                #[doc = $note]
                ///
            )?
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn ready(
                &self,
                interest: filch::io::Interest,
            ) -> io::Result<filch::io::Ready> {
                self.fd.readiness(interest).await
            }

            /// Does an operation on this socket at once, if it may be ready, without waiting.
            ///
            /// Ask for the direction that decides if the operation would block, and for no other: when it would block, tasks that wait for any direction asked for go on waiting for
            /// the kernel's next event.
            ///
            $(
                #[doc = $note]
                ///
            )?
            /// # Errors
            ///
            /// Those of the operation; `WouldBlock` if the socket is not ready, without calling it.
            pub fn try_io<R>(
                &self,
                interest: filch::io::Interest,
                operation: impl FnOnce() -> io::Result<R>,
            ) -> io::Result<R> {
                self.fd.try_io(interest, |_| operation())
            }

            /// Does an operation on this socket, waiting as often as it would block; see [`try_io`](Self::try_io) for what to ask for.
            ///
            $(
                #[doc = $note]
                ///
            )?
            /// # Errors
            ///
            /// Those of the operation; `Interrupted` is tried again. Or if the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, the operation was not done.
            pub async fn async_io<R>(
                &self,
                interest: filch::io::Interest,
                mut operation: impl FnMut() -> io::Result<R>,
            ) -> io::Result<R> {
                self.fd.async_io(interest, |_| operation()).await
            }
        }
    };
}

pub(crate) use impl_ready;

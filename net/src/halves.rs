//! How do two tasks share a stream, one for each direction?
//!
//! A stream works through a shared reference, so a half is only a permission: to read, or to write. The borrowed halves cost nothing. The owned
//! ones share the stream by counting; the socket is closed when both are gone.
//!
//! The half that writes ends its direction when it is dropped, so that a peer that reads until the end does not wait for a task that is
//! gone. Who wants otherwise says `OwnedWriteHalf::forget`.
//!
//! `impl_halves` makes the types, one set for each kind of stream.

/// Makes the halves of `$stream`, whose ends have addresses of type `$addr`.
macro_rules! impl_halves {
    ($stream:ident, $addr:ty) => {
        /// The half of a borrowed stream that reads, from its `split`.
        #[derive(Debug)]
        pub struct ReadHalf<'a> {
            stream: &'a $stream,
        }

        /// The half of a borrowed stream that writes, from its `split`. Dropping it does nothing: the stream goes on.
        #[derive(Debug)]
        pub struct WriteHalf<'a> {
            stream: &'a $stream,
        }

        /// The half that reads, from its `into_split`. Dropping it does nothing while the other half lives.
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            stream: Arc<$stream>,
        }

        /// The half that writes, from its `into_split`.
        ///
        /// Dropping it shuts down the direction of writing: the peer reads the end after what was written. See [`forget`](Self::forget).
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$stream>,
            ends_on_drop: bool,
        }

        /// Two halves that are not of the same stream; they are given back.
        #[derive(Debug)]
        pub struct ReuniteError(
            /// The half that reads.
            pub OwnedReadHalf,
            /// The half that writes.
            pub OwnedWriteHalf,
        );

        pub(crate) fn borrowed(stream: &$stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf { stream }, WriteHalf { stream })
        }

        pub(crate) fn owned(stream: $stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            let read = OwnedReadHalf {
                stream: stream.clone(),
            };
            let write = OwnedWriteHalf {
                stream,
                ends_on_drop: true,
            };
            (read, write)
        }

        fn reunite(
            read: OwnedReadHalf,
            mut write: OwnedWriteHalf,
        ) -> Result<$stream, ReuniteError> {
            if !Arc::ptr_eq(&read.stream, &write.stream) {
                return Err(ReuniteError(read, write));
            }
            write.ends_on_drop = false;
            drop(write);
            Ok(Arc::into_inner(read.stream).expect("there are only two halves"))
        }

        /// Reading by hand; the same as the stream's methods.
        impl ReadHalf<'_> {
            /// As the stream's `peek`.
            ///
            /// # Errors
            ///
            /// As for the stream's `poll_read`.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
                self.stream.peek(room).await
            }

            /// As the stream's `poll_peek`.
            ///
            /// # Errors
            ///
            /// As for the stream's `poll_read`.
            pub fn poll_peek(
                &self,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_peek(cx, room)
            }

            /// As the stream's `ready`: of either direction, whichever half this is.
            ///
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
                self.stream.ready(interest).await
            }

            /// As the stream's `readable`.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn readable(&self) -> io::Result<()> {
                self.stream.readable().await
            }

            /// As the stream's `try_read`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_read`.
            pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
                self.stream.try_read(room)
            }

            /// As the stream's `try_read_vectored`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_read`.
            pub fn try_read_vectored(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.stream.try_read_vectored(rooms)
            }
        }

        /// Reading by hand; the same as the stream's methods.
        impl OwnedReadHalf {
            /// As the stream's `peek`.
            ///
            /// # Errors
            ///
            /// As for the stream's `poll_read`.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
                self.stream.peek(room).await
            }

            /// As the stream's `poll_peek`.
            ///
            /// # Errors
            ///
            /// As for the stream's `poll_read`.
            pub fn poll_peek(
                &self,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_peek(cx, room)
            }

            /// As the stream's `ready`: of either direction, whichever half this is.
            ///
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
                self.stream.ready(interest).await
            }

            /// As the stream's `readable`.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn readable(&self) -> io::Result<()> {
                self.stream.readable().await
            }

            /// As the stream's `try_read`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_read`.
            pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
                self.stream.try_read(room)
            }

            /// As the stream's `try_read_vectored`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_read`.
            pub fn try_read_vectored(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.stream.try_read_vectored(rooms)
            }
        }

        /// Writing by hand; the same as the stream's methods.
        impl WriteHalf<'_> {
            /// As the stream's `ready`: of either direction, whichever half this is.
            ///
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
                self.stream.ready(interest).await
            }

            /// As the stream's `writable`.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn writable(&self) -> io::Result<()> {
                self.stream.writable().await
            }

            /// As the stream's `try_write`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_write`.
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.stream.try_write(bytes)
            }

            /// As the stream's `try_write_vectored`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_write`.
            pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
                self.stream.try_write_vectored(pieces)
            }
        }

        /// Writing by hand; the same as the stream's methods.
        impl OwnedWriteHalf {
            /// As the stream's `ready`: of either direction, whichever half this is.
            ///
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
                self.stream.ready(interest).await
            }

            /// As the stream's `writable`.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn writable(&self) -> io::Result<()> {
                self.stream.writable().await
            }

            /// As the stream's `try_write`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_write`.
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.stream.try_write(bytes)
            }

            /// As the stream's `try_write_vectored`.
            ///
            /// # Errors
            ///
            /// As for the stream's `try_write`.
            pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
                self.stream.try_write_vectored(pieces)
            }
        }

        /// Who is connected.
        impl ReadHalf<'_> {
            /// As the stream's `local_addr`.
            ///
            /// # Errors
            ///
            /// What `getsockname(2)` says.
            pub fn local_addr(&self) -> io::Result<$addr> {
                self.stream.local_addr()
            }

            /// As the stream's `peer_addr`.
            ///
            /// # Errors
            ///
            /// What `getpeername(2)` says.
            pub fn peer_addr(&self) -> io::Result<$addr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<$stream> for ReadHalf<'_> {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        /// Who is connected.
        impl WriteHalf<'_> {
            /// As the stream's `local_addr`.
            ///
            /// # Errors
            ///
            /// What `getsockname(2)` says.
            pub fn local_addr(&self) -> io::Result<$addr> {
                self.stream.local_addr()
            }

            /// As the stream's `peer_addr`.
            ///
            /// # Errors
            ///
            /// What `getpeername(2)` says.
            pub fn peer_addr(&self) -> io::Result<$addr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<$stream> for WriteHalf<'_> {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        /// Who is connected.
        impl OwnedReadHalf {
            /// As the stream's `local_addr`.
            ///
            /// # Errors
            ///
            /// What `getsockname(2)` says.
            pub fn local_addr(&self) -> io::Result<$addr> {
                self.stream.local_addr()
            }

            /// As the stream's `peer_addr`.
            ///
            /// # Errors
            ///
            /// What `getpeername(2)` says.
            pub fn peer_addr(&self) -> io::Result<$addr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<$stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        /// Who is connected.
        impl OwnedWriteHalf {
            /// As the stream's `local_addr`.
            ///
            /// # Errors
            ///
            /// What `getsockname(2)` says.
            pub fn local_addr(&self) -> io::Result<$addr> {
                self.stream.local_addr()
            }

            /// As the stream's `peer_addr`.
            ///
            /// # Errors
            ///
            /// What `getpeername(2)` says.
            pub fn peer_addr(&self) -> io::Result<$addr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<$stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }
        impl_async_read!(ReadHalf<'_>, $stream, |half| half.stream);
        impl_async_read!(OwnedReadHalf, $stream, |half| &half.stream);
        impl_async_write!(WriteHalf<'_>, $stream, |half| half.stream);
        impl_async_write!(OwnedWriteHalf, $stream, |half| &half.stream);

        impl OwnedReadHalf {
            /// Makes one stream of two halves again.
            ///
            /// # Errors
            ///
            /// Gives the halves back if they are not of the same stream.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                reunite(self, other)
            }
        }

        impl OwnedWriteHalf {
            /// Makes one stream of two halves again.
            ///
            /// # Errors
            ///
            /// Gives the halves back if they are not of the same stream.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                reunite(other, self)
            }

            /// Drops this half without ending its direction. The connection lasts as long as the other half.
            pub fn forget(mut self) {
                self.ends_on_drop = false;
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.ends_on_drop {
                    // It fails when the connection has ended already.
                    let _ = self.stream.close_write();
                }
            }
        }

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the two halves are not of the same stream")
            }
        }

        impl Error for ReuniteError {}
    };
}

pub(crate) use impl_halves;

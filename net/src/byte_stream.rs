//! What do all streams of bytes have in common?
//!
//! The same ways to read and write, whatever the descriptor is: by the `poll_` and `try_` methods through a shared reference, and by the traits of `futures-io`. These macros give
//! them to a type with a field `fd: AsyncFd<_>` whose inner value reads through a shared reference.
//!
//! | macro | gives |
//! |---|---|
//! | `impl_reading` | `poll_read`, `try_read` and the like |
//! | `impl_writing` | `poll_write`, `try_write` and the like, by two functions that write what fits |
//! | `impl_socket` | what only sockets have: peeking, ending one direction, the pending error |
//! | `impl_async_read`, `impl_async_write` | the traits, for a type, a reference or a half |
//! | `impl_descriptor` | `Debug`, `AsRawFd`, `AsFd` |
//!
//! Rejected: a generic `Stream<S>` as the public type (its documentation could not say which system call fails how, and users would meet a parameter that means nothing to them); a trait with
//! these methods (who calls `poll_read` would have to import it).

/// Reading by hand. `$call` is the system call that reads. A read that comes back short tells that there is no more; where it does not, `$most` is 0: only reads of fewer bytes
/// than that are taken for short.
macro_rules! impl_reading {
    ($stream:ident, $call:literal, $read:path $(, $most:literal)?) => {
        /// Reading by hand.
        impl $stream {
            /// Reads what is there; 0 is the end. Only the last task to call this, or another `poll_read_*`, is woken.
            ///
            /// # Errors
            ///
            #[doc = concat!("What `", $call, "` says: `ConnectionReset` if the peer has broken the connection off. `EINTR` is tried again.")]
            #[inline]
            pub fn poll_read(
                &self,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let wanted = room.len()$(.min($most))?;
                self.fd
                    .poll_read_with(cx, wanted, |inner| $read(inner, room))
            }

            /// Reads what is there into several pieces of room, of which one call takes 1024; 0 is the end.
            ///
            /// # Errors
            ///
            /// As for [`poll_read`](Self::poll_read).
            #[inline]
            pub fn poll_read_vectored(
                &self,
                cx: &mut Context<'_>,
                rooms: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let rooms = $crate::sys::rooms_at_once(rooms);
                let wanted = rooms.iter().map(|room| room.len()).sum::<usize>()$(.min($most))?;
                self.fd
                    .poll_read_with(cx, wanted, |mut inner| inner.read_vectored(rooms))
            }

            /// Waits until a read is worth trying; with [`try_read`](Self::try_read). Any number of tasks may wait.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn readable(&self) -> io::Result<()> {
                self.fd.readable().await.map(drop)
            }

            /// Waits like [`readable`](Self::readable), for hand-written futures: only the last task to call this, or another `poll_read_*`, is woken.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.fd.poll_read_ready(cx).map_ok(drop)
            }

            /// Reads what is there, without waiting; 0 is the end.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is nothing, after [`readable`](Self::readable) too, which only says that it is worth trying; else as for
            /// [`poll_read`](Self::poll_read).
            pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
                self.fd.try_read(|inner| $read(inner, room))
            }

            /// Reads what is there into several pieces of room, without waiting; 0 is the end.
            ///
            /// # Errors
            ///
            /// As for [`try_read`](Self::try_read).
            pub fn try_read_vectored(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.fd.try_read(|mut inner| inner.read_vectored(rooms))
            }
        }
    };
}

/// Writing by hand. `$call` is the system call that writes; `$write` and `$write_vectored` do it.
macro_rules! impl_writing {
    ($stream:ident, $call:literal, $write:path, $write_vectored:path) => {
        /// Writing by hand.
        impl $stream {
            /// Writes what fits. Only the last task to call this, or another `poll_write_*`, is woken.
            ///
            /// # Errors
            ///
            #[doc = concat!("What `", $call, "` says: `BrokenPipe` or `ConnectionReset` if nobody reads any more. `EINTR` is tried again.")]
            #[inline]
            pub fn poll_write(
                &self,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.fd
                    .poll_write_with(cx, bytes.len(), |inner| $write(inner, bytes))
            }

            /// Writes what fits of several pieces, by one system call. Of more than 1024 pieces, the first 1024 are tried.
            ///
            /// # Errors
            ///
            /// As for [`poll_write`](Self::poll_write).
            #[inline]
            pub fn poll_write_vectored(
                &self,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let pieces = $crate::sys::at_once(pieces);
                let wanted = pieces.iter().map(|piece| piece.len()).sum();
                self.fd
                    .poll_write_with(cx, wanted, |inner| $write_vectored(inner, pieces))
            }

            /// Waits until a write is worth trying; with [`try_write`](Self::try_write). Any number of tasks may wait.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn writable(&self) -> io::Result<()> {
                self.fd.writable().await.map(drop)
            }

            /// Waits like [`writable`](Self::writable), for hand-written futures: only the last task to call this, or another `poll_write_*`, is woken.
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.fd.poll_write_ready(cx).map_ok(drop)
            }

            /// Writes what fits, without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if nothing fits; else as for [`poll_write`](Self::poll_write).
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.fd.try_write(|inner| $write(inner, bytes))
            }

            /// Writes what fits of several pieces, without waiting.
            ///
            /// # Errors
            ///
            /// As for [`try_write`](Self::try_write).
            pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
                let pieces = $crate::sys::at_once(pieces);
                self.fd.try_write(|inner| $write_vectored(inner, pieces))
            }
        }
    };
}

/// What only connected sockets have.
macro_rules! impl_socket {
    ($stream:ident) => {
        /// What sockets have besides.
        impl $stream {
            /// Reads what is there, and leaves it there; 0 is the end.
            ///
            /// # Errors
            ///
            /// As for [`poll_read`](Self::poll_read).
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
                self.fd
                    .async_read(|socket| $crate::sys::peek(socket, room))
                    .await
            }

            /// Reads what is there and leaves it there, or waits for it: only the last task to call this, or a `poll_read_*`, is woken.
            ///
            /// # Errors
            ///
            /// As for [`poll_read`](Self::poll_read).
            pub fn poll_peek(
                &self,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                // What was peeked at is still there: no count is short.
                let mut count = 0;
                let peeked = self.fd.poll_read_with(cx, 0, |socket| {
                    count = $crate::sys::peek(socket, room)?;
                    Ok(count)
                });
                peeked.map_ok(|_| count)
            }

            /// Reads what is there at this moment; 0 is the end. It asks the kernel, also where [`try_read`](Self::try_read) knows of nothing: for the last look
            /// before a connection is closed, which what has come and was not read would turn into a reset.
            ///
            /// # Errors
            ///
            /// What `recv(2)` says: `WouldBlock` if there is nothing.
            pub fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
                self.fd.get_ref().read(room)
            }

            /// When the event was found that has made it readable last, as [`AsyncFd::readable_since`](filch::io::AsyncFd::readable_since) says it: after a read, since when what was read has waited.
            #[must_use]
            #[inline]
            pub fn readable_since(&self) -> Option<filch::time::Stamp> {
                self.fd.readable_since()
            }

            /// Waits until the connection was reset, or both directions have ended: for who has nothing to write, and wants to know whether the peer is still there. Only the last task to call this,
            /// or a `poll_write_*`, is woken, and more often than this is ready.
            ///
            /// A peer that has closed a TCP connection looks like one that sends no more, until something is written to it.
            pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
                self.fd.poll_gone(cx)
            }

            /// Shuts down one direction, or both: what was written is still sent, then the peer reads the end; reading gives what came, then the end.
            ///
            /// # Errors
            ///
            /// What `shutdown(2)` says; `NotConnected` after a reset.
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.fd.get_ref().shutdown(how)
            }

            /// The error that the socket holds, which is cleared by that (`SO_ERROR`).
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.fd.get_ref().take_error()
            }

            /// Ends the direction of writing, for `AsyncWrite::poll_close`. After a reset there is nothing to end.
            pub(crate) fn close_write(&self) -> io::Result<()> {
                match self.shutdown(Shutdown::Write) {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }
        }
    };
}

/// Implements `AsyncRead` by the methods of the `$stream` that `$find` finds in a value.
macro_rules! impl_async_read {
    ($type:ty, $stream:ident, $find:expr) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let find: fn(&Self) -> &$stream = $find;
                $stream::poll_read(find(&self), cx, room)
            }

            #[inline]
            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                rooms: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let find: fn(&Self) -> &$stream = $find;
                $stream::poll_read_vectored(find(&self), cx, rooms)
            }
        }
    };
}

/// Implements `AsyncWrite` by the methods of the `$stream` that `$find` finds in a value; closing it is `$stream::close_write`.
macro_rules! impl_async_write {
    ($type:ty, $stream:ident, $find:expr) => {
        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let find: fn(&Self) -> &$stream = $find;
                $stream::poll_write(find(&self), cx, bytes)
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let find: fn(&Self) -> &$stream = $find;
                $stream::poll_write_vectored(find(&self), cx, pieces)
            }

            /// Nothing is buffered.
            #[inline]
            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Ends the direction of writing.
            fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let find: fn(&Self) -> &$stream = $find;
                Poll::Ready(find(&self).close_write())
            }
        }
    };
}

/// Shows the inner value, and lends the descriptor.
macro_rules! impl_descriptor {
    ($stream:ident) => {
        impl fmt::Debug for $stream {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.fd.get_ref().fmt(f)
            }
        }

        impl AsRawFd for $stream {
            fn as_raw_fd(&self) -> RawFd {
                self.fd.as_raw_fd()
            }
        }

        impl AsFd for $stream {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.fd.as_fd()
            }
        }
    };
}

pub(crate) use {
    impl_async_read, impl_async_write, impl_descriptor, impl_reading, impl_socket, impl_writing,
};

#[cfg(test)]
mod tests {
    use crate::testing::run;
    use crate::{TcpListener, TcpStream};
    use socket2::SockRef;
    use std::future::poll_fn;
    use std::io::{IoSliceMut, Write};
    use std::net;

    /// A stream that knows that it has nothing to read, and its peer.
    async fn drained() -> (TcpStream, net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(stream.try_read(&mut [0]).is_err());
        (stream, peer)
    }

    #[test]
    fn a_read_into_more_pieces_than_a_call_takes_is_not_taken_for_short() {
        for count in [1023, 1024, 1025, 3000] {
            run(async {
                let (stream, mut peer) = drained().await;
                peer.write_all(&[7; 3000]).unwrap();
                stream.readable().await.unwrap();
                let mut room = vec![0; count];
                let mut left = 3000_usize;
                // Would wait for ever for what is there already.
                while left > 0 {
                    let mut rooms: Vec<_> = room.chunks_mut(1).map(IoSliceMut::new).collect();
                    let read = poll_fn(|cx| stream.poll_read_vectored(cx, &mut rooms)).await;
                    left -= read.unwrap();
                }
            });
        }
    }

    #[test]
    fn what_comes_behind_urgent_bytes_is_read() {
        run(async {
            let (stream, mut peer) = drained().await;
            peer.write_all(b"before").unwrap();
            SockRef::from(&peer).send_out_of_band(b"!").unwrap();
            peer.write_all(b"behind").unwrap();
            let mut got = Vec::new();
            // A read ends where urgent bytes are. Would wait for ever for what is there already.
            while got.len() < 12 {
                let mut room = [0; 64];
                let read = poll_fn(|cx| stream.poll_read(cx, &mut room)).await;
                got.extend_from_slice(&room[..read.unwrap()]);
            }
            assert_eq!(got, b"beforebehind");
            drop(peer);
            assert_eq!(
                poll_fn(|cx| stream.poll_read(cx, &mut [0; 64]))
                    .await
                    .unwrap(),
                0
            );
        });
    }
}

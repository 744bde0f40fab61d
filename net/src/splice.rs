//! How do bytes go from socket to socket, or between socket and file, without passing through the process?
//!
//! | what | how |
//! |---|---|
//! | [`copy_bidirectional`] | joins two sockets, for proxies: `splice(2)` through a pipe where much comes, a buffer for small messages |
//! | [`sendfile`] | a part of a file to a socket: `sendfile(2)` |
//! | [`receive_file`] | from a socket to a part of a file: `splice(2)` through a pipe |
//! | [`splice()`] | from a pipe or to a pipe, one call at a time: `splice(2)` itself |
//!
//! They take a [`TcpStream`](crate::TcpStream), or any descriptor in an [`AsyncFd`](filch::io::AsyncFd). For streams that are not descriptors, there is [`filch::io::copy_bidirectional`].
//!
//! | file | question |
//! |---|---|
//! | `both_ways` | how does a proxy join two sockets without seeing what they say? |
//! | `files` | how do bytes go between a socket and a file? |
//! | `pool` | who has a pipe, and for how long? |
//! | `scratch` | who has a buffer, and for how long? |

mod both_ways;
mod files;
mod pool;
mod scratch;

pub use both_ways::{PIPE_BYTES, copy_bidirectional};
pub use files::{STEP_BYTES, poll_sendfile, receive_file, sendfile};
pub use pool::{LARGE_MAX, LARGE_PIPE_BYTES, SPARE_MAX};

use crate::pauses::Pauses;
use crate::sys::{self, PipeSignal};
use crate::watched::Watched;
use filch::time::{Duration, sleep};
use std::io;

/// The first pause when the kernel moves nothing though it says that it could.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The longest. A guess: ten calls a second are nothing.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Moves what is there from one descriptor to another, of which one is a pipe, and waits while there is nothing, or no room for it; returns how many bytes were moved, 0 at the end.
///
/// # Units and limits
///
/// Up to `bytes` are moved, by one system call.
///
/// # Errors
///
/// `InvalidInput` if neither is a pipe, or the descriptor can do no such thing; else what `splice(2)` says. A peer that is gone is never a `SIGPIPE`. Or if the runtime has shut down.
///
/// # Panics
///
/// If it has to pause outside of a runtime: where the kernel moves nothing though it says that it could, as behind urgent bytes of TCP's, this tries again with pauses of 1 ms to 100 ms.
///
/// # Cancel safety
///
/// Nothing was moved if the future is dropped.
///
/// # Examples
///
/// ```
/// use filch::io::AsyncFd;
/// use filch_net::{TcpListener, TcpStream, splice::splice};
/// use futures_lite::AsyncWriteExt;
/// use std::os::unix::net::UnixStream;
/// # use std::io::Read;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # let mut client = TcpStream::connect(addr).await?;
/// # let (stream, _) = listener.accept().await?;
/// // A child's standard input is a pipe.
/// let mut child = std::process::Command::new("cat")
///     .stdin(std::process::Stdio::piped())
///     .stdout(std::process::Stdio::piped())
///     .spawn()?;
/// let input = child.stdin.take().unwrap();
/// let input = AsyncFd::new(input)?;
/// client.write_all(b"hello").await?;
/// assert_eq!(splice(&stream, &input, 1 << 16).await?, 5);
/// drop(input);
/// assert_eq!(child.wait_with_output()?.stdout, b"hello");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn splice<F: Watched, T: Watched>(from: &F, to: &T, bytes: usize) -> io::Result<usize> {
    let signal = PipeSignal::ask();
    let mut pauses = None;
    loop {
        let mut source = from.watched().readable().await?;
        let mut sink = to.watched().writable().await?;
        let (reads, writes) = (source.get_inner(), sink.get_inner());
        match signal.without(|| sys::splice(reads, writes, bytes)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => return result,
        }
        // One of them it was. What is noted wrongly would never be waited for in vain: an event since then undoes the note.
        let (can_read, can_write) = (sys::is_readable(reads)?, sys::is_writable(writes)?);
        if !can_read {
            source.clear_ready();
        }
        if !can_write {
            sink.clear_ready();
        }
        if can_read && can_write {
            // As a rule one of them has become so since.
            match &mut pauses {
                None => filch::yield_now().await,
                Some(pauses) => sleep(Pauses::step(pauses)).await,
            }
            pauses.get_or_insert_with(|| Pauses::between(PAUSE_MIN, PAUSE_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TcpListener, TcpStream};
    use filch::io::AsyncFd;
    use socket2::SockRef;
    use std::io::Write;
    use std::net;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_the_kernel_does_not_move_is_not_tried_without_a_pause() {
        let rt = filch::Runtime::builder().worker_threads(1).build().unwrap();
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _): (TcpStream, _) = listener.accept().await.unwrap();
            let (_reads, writes) = sys::pipe().unwrap();
            let writes = AsyncFd::new(writes).unwrap();
            // The kernel moves nothing from there on, and says that there is something to read.
            SockRef::from(&peer).send_out_of_band(b"!").unwrap();
            peer.write_all(b"behind").unwrap();
            stream.readable().await.unwrap();
            let woken = Arc::new(Woken::default());
            let waker = woken.clone().into();
            let mut cx = Context::from_waker(&waker);
            let mut moving = pin!(splice(&stream, &writes, 64));
            // It may sleep, and be woken by a worker; a task that wakes itself each time burns a core.
            let is_quiet = (0..100).any(|_| {
                let before = woken.0.load(Ordering::Relaxed);
                assert!(moving.as_mut().poll(&mut cx).is_pending());
                woken.0.load(Ordering::Relaxed) == before
            });
            assert!(is_quiet);
        });
    }
}

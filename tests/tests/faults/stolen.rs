//! Somebody else closes a descriptor, and its number is used again.
//!
//! Rust forbids it, but C libraries do it to whoever watches their descriptors, and mistakes happen. What is promised stands with [`AsyncFd`]: operations fail, and what the number means by
//! now is not touched. A task that waits is woken when the number is watched again; before that nobody tells, neither the kernel nor anybody else.

use super::{Echo, ask, gone, number, runtime};
use filch::io::AsyncFd;
use filch::time::timeout;
use filch_net::{TcpListener, TcpStream};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use filch_tests::quiet::{self, Work};
use futures_lite::future::{poll_once, yield_now};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A number whose descriptor belongs to somebody else, as libraries in C hand them out.
struct Number(RawFd);

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Number {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the kernel writes at most as many bytes as there are in the room, which is ours.
        let count = unsafe { libc::read(self.0, room.as_mut_ptr().cast(), room.len()) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }
}

/// A pair whose first end does not block.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

/// Puts a copy of `file` in the place of a number, whose descriptor is closed by that if it is open.
fn replace(number: RawFd, file: &impl AsRawFd) {
    // SAFETY: two numbers; whose descriptor the second was is what these tests are about, and each says what becomes of its owner.
    let status = unsafe { libc::dup3(file.as_raw_fd(), number, libc::O_CLOEXEC) };
    assert_eq!(status, number, "{}", io::Error::last_os_error());
}

/// An owner of a number, which closes it.
fn own(number: RawFd) -> UnixStream {
    // SAFETY: the descriptor is open. That whoever had the number until now does not close it as well is what each of these tests sees to.
    UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) })
}

#[test]
fn an_operation_says_that_the_descriptor_is_closed() {
    in_child(
        "stolen::an_operation_says_that_the_descriptor_is_closed",
        || {
            within_reason(|| {
                let rt = runtime(1);
                rt.block_on(rt.spawn(async {
                    let (ours, theirs) = pair();
                    let watched = AsyncFd::new(Number(ours.as_raw_fd())).unwrap();
                    drop(ours);
                    let read = watched.async_read(|number| number.read(&mut [0; 8])).await;
                    assert_eq!(read.unwrap_err().raw_os_error(), Some(libc::EBADF));
                    // An error is no reason to think that it was not ready.
                    let read = watched.try_read(|number| number.read(&mut [0; 8]));
                    assert_eq!(read.unwrap_err().raw_os_error(), Some(libc::EBADF));
                    drop((watched, theirs));
                }))
                .unwrap();
                quiet::rest(&rt.metrics());
            });
        },
    );
}

#[test]
fn a_listener_that_was_closed_says_where_it_listened() {
    let name = "stolen::a_listener_that_was_closed_says_where_it_listened";
    in_child(name, || {
        within_reason(|| {
            let rt = runtime(1);
            rt.block_on(rt.spawn(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                drop(own(listener.as_raw_fd()));
                let error = listener.accept().await.unwrap_err();
                assert_eq!(number(&error), Some(libc::EBADF));
                assert!(error.to_string().contains(&addr.to_string()), "{error}");
                // It would close the number a second time.
                let _not_ours = listener.into_std().into_raw_fd();
            }))
            .unwrap();
            quiet::rest(&rt.metrics());
        });
    });
}

#[test]
fn who_waits_for_a_closed_descriptor_can_give_up() {
    in_child(
        "stolen::who_waits_for_a_closed_descriptor_can_give_up",
        || {
            within_reason(|| {
                let rt = runtime(2);
                let waiting = rt.spawn(async {
                    let (ours, theirs) = pair();
                    let watched = AsyncFd::new(Number(ours.as_raw_fd())).unwrap();
                    let mut read = Box::pin(watched.async_read(|number| number.read(&mut [0; 8])));
                    assert!(poll_once(&mut read).await.is_none());
                    drop((ours, theirs));
                    let read = timeout(Duration::from_millis(50), read).await;
                    assert!(read.is_err(), "nobody tells");
                });
                rt.block_on(waiting).unwrap();
                // One who does not give up is no reason for the runtime not to end.
                rt.spawn(async {
                    let (ours, _theirs) = pair();
                    let watched = AsyncFd::new(Number(ours.as_raw_fd())).unwrap();
                    let mut read = Box::pin(watched.async_read(|number| number.read(&mut [0; 8])));
                    assert!(poll_once(&mut read).await.is_none());
                    drop(ours);
                    read.await
                })
                .detach();
                quiet::rest(&rt.metrics());
                drop(rt);
            });
        },
    );
}

/// Dropping the first took the number out of the poller, and with it the second: whoever waited for that one was not woken any more.
#[test]
fn the_next_owner_of_a_number_is_heard_when_the_last_one_goes() {
    let name = "stolen::the_next_owner_of_a_number_is_heard_when_the_last_one_goes";
    in_child(name, || {
        within_reason(|| {
            let rt = runtime(1);
            rt.block_on(rt.spawn(async {
                for round in 0..3 {
                    let (first, _first_peer) = pair();
                    let number = first.as_raw_fd();
                    let watched = AsyncFd::new(Number(number)).unwrap();
                    let mut waiting =
                        Box::pin(watched.async_read(|number| number.read(&mut [0; 8])));
                    assert!(poll_once(&mut waiting).await.is_none());
                    let (second, mut second_peer) = pair();
                    // The library closes its descriptor, and the number goes to the next who opens something.
                    assert_eq!(first.into_raw_fd(), number);
                    replace(number, &second);
                    drop(second);
                    let second = AsyncFd::new(own(number)).unwrap();
                    // Now it is known, and who waited for the first learns it.
                    let error = waiting.await.unwrap_err();
                    assert!(error.to_string().contains("closed by somebody"), "{error}");
                    let error = watched.try_read(|number| number.read(&mut [0; 8]));
                    assert!(error.is_err(), "it would read what belongs to the second");
                    if round > 0 {
                        drop(watched);
                    }
                    let mut room = [0; 8];
                    let mut read = Box::pin(second.async_read(|mut s| s.read(&mut room)));
                    assert!(poll_once(&mut read).await.is_none());
                    second_peer.write_all(b"second").unwrap();
                    assert_eq!(read.await.unwrap(), 6);
                }
            }))
            .unwrap();
            quiet::rest(&rt.metrics());
        });
    });
}

/// The number of an owner is closed behind its back, and somebody else watches a descriptor with it: when the owner goes it must not close that.
#[test]
fn an_owner_that_was_robbed_closes_nothing_of_others() {
    let name = "stolen::an_owner_that_was_robbed_closes_nothing_of_others";
    in_child(name, || {
        within_reason(|| {
            let rt = runtime(1);
            rt.block_on(rt.spawn(async {
                let echo = Echo::start().await;
                let robbed = TcpStream::connect(echo.addr).await.unwrap();
                ask(&robbed, b"mine").await.unwrap();
                let number = robbed.as_raw_fd();
                let (ours, mut theirs) = pair();
                replace(number, &ours);
                drop(ours);
                let ours = AsyncFd::new(own(number)).unwrap();
                let error = ask(&robbed, b"mine").await.unwrap_err();
                assert!(error.to_string().contains("closed by somebody"), "{error}");
                drop(robbed);
                theirs.write_all(b"still here").unwrap();
                let read = ours.async_read(|mut ours| ours.read(&mut [0; 16])).await;
                assert_eq!(read.unwrap(), 10);
                gone(&echo.tasks).await;
            }))
            .unwrap();
            quiet::rest(&rt.metrics());
        });
    });
}

/// A copy keeps the first description open, so that its events go on coming, under a number that belongs to another by now.
#[test]
fn late_events_of_the_last_owner_do_not_wake_the_next() {
    let name = "stolen::late_events_of_the_last_owner_do_not_wake_the_next";
    in_child(name, || {
        within_reason(|| {
            let rt = runtime(1);
            let metrics = rt.metrics();
            rt.block_on(rt.spawn(async move {
                let (first, mut first_peer) = pair();
                let copy = first.try_clone().unwrap();
                let number = first.as_raw_fd();
                let watched = AsyncFd::new(Number(number)).unwrap();
                let (second, mut second_peer) = pair();
                assert_eq!(first.into_raw_fd(), number);
                replace(number, &second);
                drop(second);
                let second = Arc::new(AsyncFd::new(own(number)).unwrap());
                let waiting = filch::spawn({
                    let second = second.clone();
                    async move {
                        let mut tries = 0;
                        let read = second.async_read(|mut second| {
                            tries += 1;
                            second.read(&mut [0; 8])
                        });
                        (read.await.unwrap(), tries)
                    }
                });
                for _ in 0..3 {
                    yield_now().await;
                }
                let mut write_late = async || {
                    for _ in 0..100 {
                        first_peer.write_all(b"late").unwrap();
                        yield_now().await;
                    }
                };
                write_late().await;
                // From here on nobody has the events' token.
                drop(watched);
                write_late().await;
                assert!(!waiting.is_finished());
                let before = Work::so_far(&metrics);
                second_peer.write_all(b"due").unwrap();
                let (count, tries) = waiting.await.unwrap();
                assert_eq!(count, 3);
                // One that found nothing, and the one that the event of the second was for; the registration itself is an event.
                assert!(tries <= 3, "woken {tries} times");
                assert!(Work::so_far(&metrics).since(before).polls < 10);
                drop(copy);
            }))
            .unwrap();
            quiet::rest(&rt.metrics());
        });
    });
}

/// Numbers are used again all the time: each connection of a burst has the number of one that was just closed, with events of that one still on their way.
#[test]
fn numbers_that_are_used_again_at_once_mix_nothing_up() {
    let name = "stolen::numbers_that_are_used_again_at_once_mix_nothing_up";
    in_child(name, || {
        for workers in [1, 2, 8] {
            super::run_and_settle(workers, async {
                let echo = Echo::start().await;
                let clients: Vec<_> = (0..16_u8)
                    .map(|client| {
                        let addr = echo.addr;
                        filch::spawn(async move {
                            for round in 0..100_u8 {
                                let stream = TcpStream::connect(addr).await.unwrap();
                                ask(&stream, &[client, round, 1]).await.unwrap();
                                // What comes now comes to a number that is somebody else's by then.
                                stream.try_write(&[client; 600]).unwrap();
                                if round % 2 == 0 {
                                    stream.set_linger(Some(Duration::ZERO)).unwrap();
                                }
                            }
                        })
                    })
                    .collect();
                for client in clients {
                    client.await.unwrap();
                }
                gone(&echo.tasks).await;
                assert_eq!(echo.tasks.made(), 1600);
            });
        }
    });
}

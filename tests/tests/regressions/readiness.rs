//! Endless loops and lost readiness in `AsyncFd`.

use super::{Flag, runtime};
use filch::Runtime;
use filch::io::{AsyncFd, Interest};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::pipe::make_fifo;
use filch_tests::waker;
use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Context;

/// The end of a pipe's last writer stayed noted for good: with another writer, who says nothing yet, a read tried again and again within one poll.
#[test]
fn a_second_writer_of_a_pipe_does_not_make_the_reader_spin() {
    within_reason(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        make_fifo(&path).unwrap();
        let mut options = OpenOptions::new();
        let reader = options.read(true).custom_flags(libc::O_NONBLOCK);
        let reader = reader.open(&path).unwrap();
        let rt = runtime(1);
        let waits = Arc::new(AtomicUsize::new(0));
        let (got, has_got) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let (has_waited, count_waits) = (waits.clone(), waits);
        rt.spawn(async move {
            let fifo = AsyncFd::with_interest(reader, Interest::Readable).unwrap();
            loop {
                let mut bytes = [0; 16];
                let read = fifo.async_read(|mut fifo| {
                    let read = fifo.read(&mut bytes);
                    if read.is_err() {
                        count_waits.fetch_add(1, Ordering::SeqCst);
                    }
                    read
                });
                got.send(read.await.unwrap()).unwrap();
                if may_go_on.recv().is_err() {
                    return;
                }
            }
        })
        .detach();
        let open = || OpenOptions::new().write(true).open(&path).unwrap();
        // Without a writer the first read finds the end, and would find it again and again.
        assert_eq!(has_got.recv().unwrap(), 0);
        for _ in 0..3 {
            let mut writer = open();
            let waited = has_waited.load(Ordering::SeqCst);
            go_on.send(()).unwrap();
            eventually("the reader waits for this writer", || {
                (has_waited.load(Ordering::SeqCst) > waited).then_some(())
            });
            assert_others_run(&rt);
            writer.write_all(b"hello").unwrap();
            assert_eq!(has_got.recv().unwrap(), 5);
            let waited = has_waited.load(Ordering::SeqCst);
            go_on.send(()).unwrap();
            eventually("the reader waits for more", || {
                (has_waited.load(Ordering::SeqCst) > waited).then_some(())
            });
            drop(writer);
            assert_eq!(has_got.recv().unwrap(), 0);
        }
        drop(go_on);
        drop(rt);
    });
}

/// An error of a datagram socket is fetched once, but stayed noted for good: the next read tried again and again within one poll.
#[test]
fn an_error_of_a_datagram_socket_does_not_make_the_reader_spin() {
    within_reason(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = {
            let closed = UdpSocket::bind("127.0.0.1:0").unwrap();
            closed.local_addr().unwrap()
        };
        socket.connect(nobody).unwrap();
        socket.set_nonblocking(true).unwrap();
        let sender = socket.try_clone().unwrap();
        let rt = runtime(1);
        let waits = Arc::new(AtomicUsize::new(0));
        let (got, has_got) = mpsc::channel();
        let has_waited = waits.clone();
        let reader = rt.spawn(async move {
            let socket = AsyncFd::new(socket).unwrap();
            loop {
                let mut bytes = [0; 16];
                let mut receive = |socket: &UdpSocket| {
                    let received = socket.recv(&mut bytes);
                    if is_would_block(&received) {
                        waits.fetch_add(1, Ordering::SeqCst);
                    }
                    received
                };
                let read = poll_fn(|cx| socket.poll_read_with(cx, 0, &mut receive));
                got.send(read.await.map_err(|error| error.kind())).unwrap();
            }
        });
        for round in 1..=3 {
            eventually("the reader waits", || {
                (has_waited.load(Ordering::SeqCst) >= round).then_some(())
            });
            assert_others_run(&rt);
            sender.send(b"x").unwrap();
            let told = has_got.recv().unwrap();
            assert_eq!(told, Err(io::ErrorKind::ConnectionRefused));
        }
        assert_others_run(&rt);
        reader.abort();
        assert!(rt.block_on(reader).unwrap_err().is_cancelled());
    });
}

fn is_would_block<T>(result: &io::Result<T>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// On a runtime of one worker another task gets its turn.
fn assert_others_run(rt: &Runtime) {
    let (ran, has_run) = mpsc::channel();
    rt.spawn(async move {
        // Not only a poll that was on its way.
        filch::yield_now().await;
        ran.send(()).unwrap();
    })
    .detach();
    has_run.recv().unwrap();
}

/// A datagram shorter than the buffer counted as the last one: a second that had come with it was not reported. Where messages have bounds 0 bytes are wanted.
#[test]
fn a_short_datagram_does_not_hide_the_next() {
    within_reason(|| {
        let rt = runtime(1);
        let task = rt.spawn(async {
            let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            receiver.set_nonblocking(true).unwrap();
            sender.connect(receiver.local_addr().unwrap()).unwrap();
            let receiver = AsyncFd::new(receiver).unwrap();
            let mut bytes = [0; 1500];
            for _ in 0..10 {
                let nothing = receiver.try_read(|socket| socket.recv(&mut bytes));
                assert!(is_would_block(&nothing));
                // In one poll, so that there is one event for all.
                for length in 1..=3 {
                    sender.send(&bytes[..length]).unwrap();
                }
                for length in 1..=3 {
                    let mut receive = |socket: &UdpSocket| socket.recv(&mut bytes);
                    let received = poll_fn(|cx| receiver.poll_read_with(cx, 0, &mut receive));
                    assert_eq!(received.await.unwrap(), length);
                }
            }
        });
        rt.block_on(task).unwrap();
    });
}

/// A waker was cloned under the lock of a descriptor's waiters; a clone that touches the same descriptor waited for itself.
#[test]
fn a_waker_may_touch_the_descriptor_it_is_cloned_for() {
    within_reason(|| {
        let rt = runtime(1);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = Arc::new(rt.block_on(async { AsyncFd::new(theirs).unwrap() }));
        let nothing = theirs.try_read(|mut stream| stream.read(&mut [0]));
        assert!(is_would_block(&nothing));
        let cloned = Flag::default();
        let waker = waker::with_clone({
            let (theirs, cloned) = (theirs.clone(), cloned.clone());
            move || {
                cloned.set();
                let touched = Arc::<Flag>::default().into();
                let polled = theirs.poll_read_ready(&mut Context::from_waker(&touched));
                let _ = polled.map(drop);
            }
        });
        let mut cx = Context::from_waker(&waker);
        assert!(theirs.poll_read_ready(&mut cx).is_pending());
        // Another in between, so that it is cloned anew.
        let other = Arc::<Flag>::default().into();
        let polled = theirs.poll_read_ready(&mut Context::from_waker(&other));
        assert!(polled.is_pending());
        assert!(theirs.poll_read_ready(&mut cx).is_pending());
        assert!(cloned.is_set());
        // The same for those who have a place of their own.
        let mut readable = Box::pin(theirs.readable());
        assert!(readable.as_mut().poll(&mut cx).is_pending());
        drop(readable);
        ours.write_all(b"x").unwrap();
        assert_eq!(
            rt.block_on(theirs.async_read(|mut stream| stream.read(&mut [0])))
                .unwrap(),
            1
        );
    });
}

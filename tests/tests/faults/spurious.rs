//! What was reported ready is not.
//!
//! The count of attempts is compared with the count of events: each event is worth a few, whatever the time it takes.

use super::{ask, gone, run_and_settle};
use filch::io::AsyncFd;
use filch_net::{TcpListener, TcpStream};
use filch_tests::drops::Tally;
use filch_tests::limits::in_child;
use futures_lite::{AsyncReadExt, future};
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each byte is worth for each of those that wait for it: it is found, looked for again in vain, and looked for in vain where another had it.
const ATTEMPTS_PER_EVENT: usize = 4;

const BYTES: usize = 500;
const READERS: usize = 8;

/// Each byte wakes eight, and seven of them find nothing.
///
/// So it is on one worker, whose task writes the byte: all eight are ready when it looks for events. With more of them, or while the sentinel and a spare look after a worker that gets no processor, one may have
/// taken the byte before the others are told.
#[test]
fn those_who_find_nothing_wait_again() {
    in_child("spurious::those_who_find_nothing_wait_again", || {
        run_and_settle(1, async {
            let in_vain = filch::spawn(eight_readers()).await.unwrap();
            assert!(
                in_vain >= (READERS - 1) * BYTES / 4,
                "there was no storm: {in_vain} attempts in vain"
            );
        });
        for workers in [2, 8] {
            run_and_settle(workers, async {
                eight_readers().await;
            });
        }
    });
}

/// Says how often a reader looked for a byte in vain.
async fn eight_readers() -> usize {
    let (mut sender, receiver) = UnixStream::pair().unwrap();
    receiver.set_nonblocking(true).unwrap();
    let (got, in_vain) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (got, in_vain) = (got.clone(), in_vain.clone());
            let own = AsyncFd::new(receiver.try_clone().unwrap()).unwrap();
            filch::spawn(async move {
                loop {
                    let read = own.async_read(|mut own| {
                        let read = own.read(&mut [0]);
                        if read
                            .as_ref()
                            .is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
                        {
                            in_vain.fetch_add(1, Ordering::SeqCst);
                        }
                        read
                    });
                    match read.await.unwrap() {
                        0 => return,
                        count => got.fetch_add(count, Ordering::SeqCst),
                    };
                }
            })
        })
        .collect();
    for sent in 1..=BYTES {
        sender.write_all(b"x").unwrap();
        while got.load(Ordering::SeqCst) < sent {
            filch::yield_now().await;
        }
    }
    drop(sender);
    for reader in readers {
        reader.await.unwrap();
    }
    let in_vain = in_vain.load(Ordering::SeqCst);
    println!("{in_vain} attempts in vain for {BYTES} bytes and {READERS} readers");
    assert_eq!(got.load(Ordering::SeqCst), BYTES);
    assert!(in_vain <= ATTEMPTS_PER_EVENT * READERS * (BYTES + 1));
    in_vain
}

/// Each connection wakes all who accept, and all but one find none.
#[test]
fn many_who_accept_take_one_each() {
    in_child("spurious::many_who_accept_take_one_each", || {
        for workers in [1, 4] {
            run_and_settle(workers, many_accept());
        }
    });
}

async fn many_accept() {
    const ACCEPTERS: usize = 64;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let addr = listener.local_addr().unwrap();
    let tally = Tally::new();
    let polls = Arc::new(AtomicUsize::new(0));
    for _ in 0..ACCEPTERS {
        let (listener, own, polls) = (listener.clone(), tally.track(), polls.clone());
        filch::spawn(async move {
            let _own = own;
            let mut accept = Box::pin(listener.accept());
            let accepted = poll_fn(|cx| {
                polls.fetch_add(1, Ordering::SeqCst);
                accept.as_mut().poll(cx)
            });
            let (stream, _) = accepted.await.unwrap();
            super::echo(stream).await.unwrap();
        });
    }
    for _ in 0..ACCEPTERS {
        let stream = TcpStream::connect(addr).await.unwrap();
        ask(&stream, b"one of many").await.unwrap();
    }
    gone(&tally).await;
    // Those who are left are woken by each connection; and perhaps by its handshake.
    let most = ATTEMPTS_PER_EVENT * ACCEPTERS * (ACCEPTERS + 1) / 2;
    let polls = polls.load(Ordering::SeqCst);
    assert!(polls <= most, "{polls} polls");
}

/// A writer with hardly any buffer is told again and again that something fits.
#[test]
fn a_reader_of_crumbs_does_not_make_the_writer_spin() {
    in_child(
        "spurious::a_reader_of_crumbs_does_not_make_the_writer_spin",
        || {
            for workers in [1, 2] {
                run_and_settle(workers, crumbs());
            }
        },
    );
}

async fn crumbs() {
    const BYTES: usize = 300_000;
    let (client, mut served) = super::pair().await;
    client.set_send_buffer_size(4096).unwrap();
    let polls = AtomicUsize::new(0);
    let sent = vec![3; BYTES];
    let mut written = 0;
    let write = poll_fn(|cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        while written < BYTES {
            match client.poll_write(cx, &sent[written..]) {
                std::task::Poll::Ready(count) => written += count.unwrap(),
                std::task::Poll::Pending => return std::task::Poll::Pending,
            }
        }
        std::task::Poll::Ready(())
    });
    let mut reads = 0;
    let read = async {
        let mut got = 0;
        while got < BYTES {
            got += served.read(&mut [0; 100]).await.unwrap();
            reads += 1;
        }
    };
    let ((), ()) = future::zip(write, read).await;
    let polls = polls.load(Ordering::SeqCst);
    println!("{polls} polls of the writer, {reads} reads");
    assert!(polls <= ATTEMPTS_PER_EVENT * reads + 100);
}

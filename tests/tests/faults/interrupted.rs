//! Signals interrupt system calls, connections die in the queue.

use super::{Echo, ask, gone, pair, run_and_settle};
use filch::io::{AsyncFd, Interest};
use filch::time::{Duration, Instant, sleep};
use filch_net::{TcpListener, TcpStream, UdpSocket, splice};
use filch_tests::limits::in_child;
use filch_tests::pipe::pipe;
use filch_tests::surroundings::{Injection, with_failing_calls};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Handles a signal without `SA_RESTART`, so that it interrupts system calls.
fn interrupt_on(signal: i32) {
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(i32) as usize;
    // SAFETY: the handler does one atomic addition; the structure lives during the call.
    let set = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// A signal for each thread of the process.
fn interrupt_every_thread(signal: i32) {
    let process = i32::try_from(std::process::id()).unwrap();
    for thread in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let id: i32 = thread.file_name().to_str().unwrap().parse().unwrap();
        // SAFETY: tgkill takes three numbers; a thread that has ended meanwhile is an error, which is ignored.
        let _ = unsafe { libc::syscall(libc::SYS_tgkill, process, id, signal) };
    }
}

#[test]
fn a_storm_of_signals_loses_nothing() {
    in_child("interrupted::a_storm_of_signals_loses_nothing", || {
        interrupt_on(libc::SIGUSR2);
        for workers in [1, 4] {
            run_and_settle(workers, in_a_storm());
        }
    });
}

async fn in_a_storm() {
    let is_over = Arc::new(AtomicBool::new(false));
    let until = is_over.clone();
    let storm = std::thread::spawn(move || {
        while !until.load(Ordering::SeqCst) {
            interrupt_every_thread(libc::SIGUSR2);
            std::thread::yield_now();
        }
    });
    let until = HANDLED.load(Ordering::SeqCst) + 1000;
    while HANDLED.load(Ordering::SeqCst) < until {
        let all = [
            filch::spawn(connections()),
            filch::spawn(datagrams()),
            filch::spawn(sleeps()),
            filch::spawn(blocking_calls()),
            filch::spawn(pipes()),
        ];
        for one in all {
            one.await.unwrap();
        }
    }
    is_over.store(true, Ordering::SeqCst);
    storm.join().unwrap();
}

async fn connections() {
    let (client, served) = pair().await;
    let sent = vec![7; 1 << 20];
    let echo = filch::spawn(super::echo(served));
    let (writing, mut reading) = (&client, &client);
    let writes = async {
        let mut writing = writing;
        writing.write_all(&sent).await.unwrap();
    };
    let mut got = vec![0; sent.len()];
    let (read, ()) = futures_lite::future::zip(reading.read_exact(&mut got), writes).await;
    read.unwrap();
    assert!(got == sent);
    drop(client);
    echo.await.unwrap().unwrap();
}

async fn datagrams() {
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    one.connect(other.local_addr().unwrap()).await.unwrap();
    let mut room = [0; 8];
    for n in 0..100_u8 {
        one.send(&[n]).await.unwrap();
        assert_eq!(other.recv_from(&mut room).await.unwrap().0, 1);
        assert_eq!(room[0], n);
    }
}

async fn sleeps() {
    for n in 0..10 {
        let (begun, time) = (Instant::now(), Duration::from_millis(n));
        sleep(time).await;
        assert!(begun.elapsed() >= time, "a signal is not the time");
    }
}

async fn blocking_calls() {
    for n in 0..50 {
        assert_eq!(filch::spawn_blocking(move || n).await.unwrap(), n);
    }
}

async fn pipes() {
    let (reader, mut writer) = pipe().unwrap();
    let reader = AsyncFd::with_interest(reader, Interest::Readable).unwrap();
    for n in 0..50_u8 {
        let writing = filch::spawn_blocking(move || {
            writer.write_all(&[n]).unwrap();
            writer
        });
        let mut byte = [0];
        let read = reader.async_read(|mut reader| reader.read(&mut byte));
        assert_eq!((read.await.unwrap(), byte), (1, [n]));
        writer = writing.await.unwrap();
    }
}

/// Every second call of every thread is interrupted before it has done anything.
#[test]
fn interrupted_calls_are_tried_again() {
    let name = "interrupted::interrupted_calls_are_tried_again";
    let injection = Injection {
        calls: "?epoll_wait,epoll_pwait,recvfrom,sendto,accept4",
        error: "EINTR",
        first: 1,
        step: 2,
    };
    with_failing_calls(name, injection, || {
        run_and_settle(2, async {
            let echo = Echo::start().await;
            for _ in 0..20 {
                let stream = TcpStream::connect(echo.addr).await.unwrap();
                for _ in 0..5 {
                    ask(&stream, &[1; 1000]).await.unwrap();
                }
            }
            datagrams().await;
            pipes().await;
            gone(&echo.tasks).await;
        });
    });
}

/// Every second call is interrupted: among them each that writes to the file what has been taken from the socket already.
#[test]
fn an_interrupted_write_to_a_file_loses_nothing() {
    const LEN: u64 = 300_000;
    let name = "interrupted::an_interrupted_write_to_a_file_loses_nothing";
    let injection = Injection {
        calls: "splice",
        error: "EINTR",
        first: 2,
        step: 2,
    };
    with_failing_calls(name, injection, || {
        run_and_settle(1, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let talking = filch::spawn(async move {
                client.write_all(&[7; LEN as usize]).await.unwrap();
            });
            let file = tempfile::tempfile().unwrap();
            let received = splice::receive_file(&stream, &file, &mut (0..LEN)).await;
            assert_eq!(received.unwrap(), LEN);
            assert_eq!(file.metadata().unwrap().len(), LEN);
            talking.await.unwrap();
        });
    });
}

/// Every second call of `accept4` finds a connection that has died; nobody is told.
fn dead_connections_are_passed_over(name: &str, error: &str) {
    let injection = Injection {
        calls: "accept4",
        error,
        first: 1,
        step: 2,
    };
    with_failing_calls(name, injection, || {
        run_and_settle(2, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let listener = listener.on_accept_pause(|error, _| panic!("{error}"));
            let echo = Echo::on(listener);
            for _ in 0..50 {
                let stream = TcpStream::connect(echo.addr).await.unwrap();
                ask(&stream, b"let in").await.unwrap();
            }
            gone(&echo.tasks).await;
            assert_eq!(echo.tasks.made(), 50);
        });
    });
}

#[test]
fn aborted_connections_are_passed_over() {
    let name = "interrupted::aborted_connections_are_passed_over";
    dead_connections_are_passed_over(name, "ECONNABORTED");
}

#[test]
fn connections_with_a_protocol_error_are_passed_over() {
    let name = "interrupted::connections_with_a_protocol_error_are_passed_over";
    dead_connections_are_passed_over(name, "EPROTO");
}

#[test]
fn connections_over_a_dead_network_are_passed_over() {
    let name = "interrupted::connections_over_a_dead_network_are_passed_over";
    dead_connections_are_passed_over(name, "ENETDOWN");
}

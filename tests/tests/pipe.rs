//! Do bytes come through pipes, whatever kind they are, and does their end come too?

use filch::runtime::Builder;
use filch_net::pipe::{self, OpenOptions, Receiver, Sender, pipe};
use filch_tests::census::{Census, settle};
use filch_tests::guard::within_reason;
use filch_tests::limits::{descriptors, in_child};
use filch_tests::pipe::make_fifo;
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use tempfile::tempdir;

/// On one worker, on two, and on more than there are cores.
fn run<F, M>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = ()> + Send + 'static,
{
    for workers in [1, 2, 8] {
        let future = make();
        within_reason(move || {
            let rt = Builder::new().worker_threads(workers).build();
            let rt = rt.expect("a runtime");
            rt.block_on(async { filch::spawn(future).await.unwrap() });
        });
    }
}

#[test]
fn many_bytes_come_through_in_order() {
    run(|| async {
        let (mut sender, mut receiver) = pipe().unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        let own = bytes.clone();
        let writer = filch::spawn(async move { sender.write_all(&own).await });
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).await.unwrap();
        assert!(got == bytes);
        writer.await.unwrap().unwrap();
    });
}

#[test]
fn a_task_waits_in_both_directions() {
    run(|| async {
        let (mut sender, mut receiver) = pipe().unwrap();
        let mut room = [0; 8];
        assert!(poll_once(receiver.read(&mut room)).await.is_none());
        let empty = receiver.try_read(&mut room).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock);
        let mut filled = 0;
        while let Some(count) = poll_once(sender.write(&[7; 1000])).await {
            filled += count.unwrap();
        }
        let full = sender.try_write(&[7; 5000]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let reader = filch::spawn(async move {
            receiver.readable().await.unwrap();
            let mut got = Vec::new();
            receiver.read_to_end(&mut got).await.map(|_| got)
        });
        sender.writable().await.unwrap();
        sender.write_all(b"end").await.unwrap();
        sender.close().await.unwrap();
        drop(sender);
        let got = reader.await.unwrap().unwrap();
        assert_eq!(got.len(), filled + 3);
        assert!(got.ends_with(b"end"));
    });
}

#[test]
fn pieces_are_written_by_one_call() {
    run(|| async {
        let (sender, receiver) = pipe().unwrap();
        let pieces = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!(sender.try_write_vectored(&pieces).unwrap(), 7);
        let mut room = [0; 8];
        assert_eq!(receiver.try_read(&mut room).unwrap(), 7);
        assert_eq!(&room[..7], b"one two");
        // More pieces than one call takes.
        let many = vec![IoSlice::new(b"x"); 1025];
        assert_eq!(sender.try_write_vectored(&many).unwrap(), 1024);
    });
}

#[test]
fn a_reader_that_is_gone_is_an_error() {
    run(|| async {
        let (mut sender, receiver) = pipe().unwrap();
        let mut filled = sender.try_write(&[0; 65536]).unwrap();
        let waiting = async {
            // Waits for room, and is told that there will be none.
            loop {
                match sender.write(&[0; 65536]).await {
                    Ok(count) => filled += count,
                    Err(error) => return error,
                }
            }
        };
        let dropping = async { drop(receiver) };
        let (error, ()) = futures_lite::future::zip(waiting, dropping).await;
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

/// As in a program that has given `SIGPIPE` its default action back, which would end it.
#[test]
fn no_signal_kills() {
    in_child("no_signal_kills", || {
        // SAFETY: signal takes two numbers.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        assert_ne!(before, libc::SIG_ERR);
        run(|| async {
            let (mut sender, receiver) = pipe().unwrap();
            drop(receiver);
            let error = sender.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let error = sender
                .try_write_vectored(&[IoSlice::new(b"x")])
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn a_name_is_opened_at_both_ends() {
    run(|| async {
        let folder = tempdir().unwrap();
        let path = folder.path().join("fifo");
        make_fifo(&path).unwrap();
        // ENXIO: nobody reads.
        let error = OpenOptions::new().open_sender(&path).unwrap_err();
        assert!(error.to_string().contains("fifo: "), "{error}");
        let mut receiver = OpenOptions::new().open_receiver(&path).unwrap();
        for word in ["one", "two"] {
            let mut sender = OpenOptions::new().open_sender(&path).unwrap();
            sender.write_all(word.as_bytes()).await.unwrap();
            drop(sender);
            let mut text = String::new();
            receiver.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, word, "and again with the next writer");
        }
        drop(receiver);
        let mut options = OpenOptions::new();
        options.read_write(true);
        let mut both = options.open_sender(&path).unwrap();
        let mut receiver = options.open_receiver(&path).unwrap();
        both.write_all(b"x").await.unwrap();
        drop(both);
        assert_eq!(receiver.read(&mut [0; 2]).await.unwrap(), 1);
        assert!(poll_once(receiver.read(&mut [0])).await.is_none(), "no end");
    });
}

/// The kernel does not say that the writers have gone of a FIFO that was opened after they had; and a short read does not say either that something is left.
#[test]
fn the_end_of_a_name_comes_also_to_who_opens_late() {
    run(|| async {
        let folder = tempdir().unwrap();
        let path = folder.path().join("fifo");
        make_fifo(&path).unwrap();
        let _keeps_it = OpenOptions::new().open_receiver(&path).unwrap();
        let mut sender = OpenOptions::new().open_sender(&path).unwrap();
        sender.write_all(b"left behind").await.unwrap();
        drop(sender);
        let mut late = OpenOptions::new().open_receiver(&path).unwrap();
        let mut text = String::new();
        late.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "left behind");
    });
}

#[test]
fn packets_come_one_by_one_and_all() {
    run(|| async {
        let mut ends = [-1; 2];
        // SAFETY: the kernel writes two numbers into the array, which is ours.
        let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_DIRECT | libc::O_CLOEXEC) };
        assert_eq!(made, 0);
        // SAFETY: the kernel has just opened both, and nobody else knows them.
        let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        let mut receiver = Receiver::from_owned_fd(read).unwrap();
        let mut sender = Sender::from_owned_fd(write).unwrap();
        for packet in ["one", "two", "three"] {
            assert_eq!(sender.write(packet.as_bytes()).await.unwrap(), packet.len());
        }
        let mut room = [0; 100];
        for packet in ["one", "two", "three"] {
            let count = receiver.read(&mut room).await.unwrap();
            assert_eq!(&room[..count], packet.as_bytes());
        }
    });
}

#[test]
fn what_is_no_pipe_or_the_wrong_end_is_refused() {
    run(|| async {
        let refused = |result: io::Result<()>, why: &str| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().ends_with(why), "{error}");
        };
        let file = tempfile::tempfile().unwrap();
        refused(
            Sender::from_file(file.try_clone().unwrap()).map(drop),
            "not a pipe",
        );
        refused(Receiver::from_file(file).map(drop), "not a pipe");
        let (read, write) = filch_tests::pipe::pipe().unwrap();
        refused(Sender::from_file(read).map(drop), "not open for writing");
        refused(Receiver::from_file(write).map(drop), "not open for reading");
        let named = tempfile::NamedTempFile::new().unwrap();
        refused(
            OpenOptions::new().open_receiver(named.path()).map(drop),
            "not a pipe",
        );
        refused(
            OpenOptions::new().open_sender(named.path()).map(drop),
            "not a pipe",
        );
        // Unchecked, it is the reactor that refuses a file.
        let mut unchecked = OpenOptions::new();
        let error = unchecked
            .unchecked(true)
            .open_receiver(named.path())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        // And a socket is fine.
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut ours = Receiver::from_owned_fd_unchecked(ours.into()).unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(ours.read(&mut [0; 2]).await.unwrap(), 1);
    });
}

#[test]
fn descriptors_go_back_in_the_mode_that_is_asked_for() {
    run(|| async {
        let is_nonblocking = |fd: &dyn AsRawFd| {
            // SAFETY: this fcntl takes numbers.
            let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
            flags & libc::O_NONBLOCK != 0
        };
        let (sender, receiver) = pipe().unwrap();
        assert!(is_nonblocking(&sender) && is_nonblocking(&receiver));
        assert_eq!(sender.as_fd().as_raw_fd(), sender.as_raw_fd());
        let (write, read) = (
            sender.into_nonblocking_fd().unwrap(),
            receiver.into_blocking_fd().unwrap(),
        );
        assert!(is_nonblocking(&write) && !is_nonblocking(&read));
        File::from(write).write_all(b"x").unwrap();
        let mut bytes = Vec::new();
        File::from(read).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"x");
    });
}

#[test]
fn outside_a_runtime_it_is_an_error_that_says_so() {
    let error = pipe::pipe().map(drop).unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
}

#[test]
fn without_descriptors_it_is_an_error_and_nothing_leaks() {
    in_child(
        "without_descriptors_it_is_an_error_and_nothing_leaks",
        || {
            let before = Census::now().unwrap();
            within_reason(|| {
                let rt = Builder::new().worker_threads(1).build().unwrap();
                rt.block_on(async {
                    for _ in 0..1000 {
                        pipe().unwrap();
                    }
                    descriptors(64).unwrap();
                    let mut pipes = Vec::new();
                    let error = loop {
                        match pipe() {
                            Ok(both) => pipes.push(both),
                            Err(error) => break error,
                        }
                    };
                    assert!(error.to_string().starts_with("make a pipe: "), "{error}");
                    pipes.pop();
                    pipe().unwrap();
                });
            });
            settle(&before);
        },
    );
}

//! How many calls does each pattern of use cost, and what becomes of the buffer when one is given up, or fails?

use super::core::READ_AHEAD_FIRST_BYTES;
use super::*;
use crate::hop::HOPS;
use crate::testing::run;
use futures_lite::future::poll_once;
use std::fs::OpenOptions;
use std::io::{Read, Seek, Write};
use std::sync::mpsc;
use std::task::Waker;
use tempfile::tempfile;

/// Polls a future once, while the pool's only thread is busy with something else, and drops it.
async fn give_up<F: Future>(future: F) {
    let (done, until_done) = mpsc::channel::<()>();
    let busy = filch::spawn_blocking(move || until_done.recv());
    assert!(poll_once(future).await.is_none());
    drop(done);
    busy.await.unwrap().unwrap_err();
}

/// How many calls a future sends.
async fn hops<F: Future>(future: F) -> (usize, F::Output) {
    let before = HOPS.get();
    let output = future.await;
    (HOPS.get() - before, output)
}

fn with(bytes: &[u8]) -> Buffered {
    let mut file = tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Buffered::new(file, Place::Pool)
}

/// Bytes of which none is like those around it.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

async fn read(file: &mut Buffered, count: usize) -> Vec<u8> {
    let mut room = vec![0; count];
    let got = poll_fn(|cx| file.poll_read(cx, &mut room)).await.unwrap();
    room.truncate(got);
    room
}

async fn read_to_end(file: &mut Buffered, step: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let some = read(file, step).await;
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

async fn write(file: &mut Buffered, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| file.poll_write(cx, bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}

async fn flush(file: &mut Buffered) -> io::Result<()> {
    poll_fn(|cx| file.poll_flush(cx)).await
}

async fn seek(file: &mut Buffered, to: SeekFrom) -> u64 {
    poll_fn(|cx| file.poll_seek(cx, to)).await.unwrap()
}

fn contents(file: &Buffered) -> Vec<u8> {
    let (mut bytes, mut file) = (Vec::new(), &**file.file());
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn small_reads_share_calls_that_grow() {
    run(async {
        let bytes = pattern(1024 * 1024);
        let mut file = with(&bytes);
        // 16 + 32 + 64 + 128 + 3 * 256 + 16 kB, and one that finds the end.
        let (count, got) = hops(read_to_end(&mut file, 100)).await;
        assert_eq!((count, got == bytes), (9, true));
        // As many as for large reads, but for the first ones.
        seek(&mut file, SeekFrom::Start(0)).await;
        let (count, got) = hops(read_to_end(&mut file, BUFFER_BYTES)).await;
        assert_eq!((count, got == bytes), (5, true));
    });
}

#[test]
fn what_is_read_ahead_costs_nothing_up_to_its_last_byte() {
    for (wanted, calls) in [
        (READ_AHEAD_FIRST_BYTES - 1, 1),
        (READ_AHEAD_FIRST_BYTES, 1),
        (READ_AHEAD_FIRST_BYTES + 1, 2),
    ] {
        run(async {
            let mut file = with(&pattern(4 * READ_AHEAD_FIRST_BYTES));
            let (count, ()) = hops(async {
                for _ in 0..wanted {
                    assert_eq!(read(&mut file, 1).await.len(), 1);
                }
            })
            .await;
            assert_eq!(count, calls, "{wanted} bytes");
        });
    }
}

#[test]
fn small_writes_share_one_call() {
    run(async {
        let mut file = with(b"");
        let (count, ()) = hops(async {
            for at in 0..10_000 {
                write(&mut file, format!("{at:9}\n").as_bytes())
                    .await
                    .unwrap();
            }
        })
        .await;
        assert_eq!(count, 0);
        let (count, flushed) = hops(flush(&mut file)).await;
        flushed.unwrap();
        assert_eq!((count, contents(&file).len()), (1, 100_000));
        let (count, flushed) = hops(flush(&mut file)).await;
        flushed.unwrap();
        assert_eq!(count, 0, "nothing is left to be written");
    });
}

#[test]
fn a_full_buffer_is_written_in_the_background() {
    for (bytes, calls) in [
        (BUFFER_BYTES - 1, 0),
        (BUFFER_BYTES, 1),
        (BUFFER_BYTES + 1, 1),
        (2 * BUFFER_BYTES, 2),
    ] {
        run(async {
            let (bytes, mut file) = (pattern(bytes), with(b""));
            let (count, written) = hops(write(&mut file, &bytes)).await;
            written.unwrap();
            assert_eq!(count, calls, "{} bytes", bytes.len());
            flush(&mut file).await.unwrap();
            assert!(contents(&file) == bytes);
        });
    }
}

#[test]
fn a_limit_of_ones_own_counts_for_both_directions() {
    for (limit, most) in [(0, 1), (1, 1), (7, 7)] {
        run(async {
            let (bytes, mut file) = (pattern(21), with(b""));
            file.set_bytes_max(limit);
            let (count, written) = hops(write(&mut file, &bytes)).await;
            written.unwrap();
            assert_eq!(count, 21 / most);
            seek(&mut file, SeekFrom::Start(0)).await;
            let (count, got) = hops(read_to_end(&mut file, 100)).await;
            assert_eq!((count, got == bytes), (21 / most + 1, true));
        });
    }
}

#[test]
fn a_call_writes_first_and_does_the_rest() {
    run(async {
        let mut file = with(b"0123456789");
        // Behind the read the position is 3, whatever was read ahead.
        assert_eq!(read(&mut file, 3).await, b"012");
        let (count, got) = hops(async {
            write(&mut file, b"abc").await.unwrap();
            read(&mut file, 2).await
        })
        .await;
        assert_eq!((count, got.as_slice()), (1, &b"67"[..]));
        write(&mut file, b"X").await.unwrap();
        let (count, metadata) = hops(file.ask(Request::Metadata)).await;
        assert_eq!((count, metadata.unwrap().metadata().len()), (1, 10));
        assert_eq!(seek(&mut file, SeekFrom::Current(0)).await, 9);
        assert_eq!(contents(&file), b"012abc67X9");
    });
}

#[test]
fn a_seek_counts_from_where_the_user_is() {
    run(async {
        let mut file = with(b"0123456789");
        assert_eq!(read(&mut file, 2).await, b"01");
        assert_eq!(seek(&mut file, SeekFrom::Current(3)).await, 5);
        assert_eq!(read(&mut file, 2).await, b"56");
        assert_eq!(seek(&mut file, SeekFrom::Current(-7)).await, 0);
        write(&mut file, b"ab").await.unwrap();
        assert_eq!(seek(&mut file, SeekFrom::Current(0)).await, 2);
        assert_eq!(seek(&mut file, SeekFrom::End(-1)).await, 9);
        assert_eq!(read(&mut file, 2).await, b"9");
        // A seek that is refused leaves the position where it was.
        let refused = poll_fn(|cx| file.poll_seek(cx, SeekFrom::Current(-11))).await;
        let error = refused.unwrap_err();
        assert!(error.to_string().starts_with("seek in /"), "{error}");
        assert_eq!(seek(&mut file, SeekFrom::Current(0)).await, 10);
    });
}

/// Of a pipe, as of a terminal: many ask by a seek whether there is a position at all.
#[test]
fn a_seek_that_is_refused_loses_nothing_that_was_read_ahead() {
    run(async {
        let (pipe, mut other) = crate::sys::pipe().unwrap();
        crate::sys::set_nonblocking(&pipe, false).unwrap();
        other.write_all(b"0123456789").unwrap();
        drop(other);
        let mut file = Buffered::new(pipe, Place::Pool);
        assert_eq!(read(&mut file, 2).await, b"01");
        let refused = poll_fn(|cx| file.poll_seek(cx, SeekFrom::Current(0))).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NotSeekable);
        assert_eq!(read(&mut file, 2).await, b"23");
        for request in [Request::TryClone, Request::SetLen(0), Request::Settle] {
            assert!(file.ask(request).await.is_err());
        }
        assert_eq!(read_to_end(&mut file, 4).await, b"456789");
    });
}

#[test]
fn a_read_that_is_given_up_is_there_for_the_next() {
    run(async {
        let mut file = with(b"0123456789");
        give_up(read(&mut file, 3)).await;
        assert_eq!(read(&mut file, 2).await, b"01");
        // Or it is as if it had not been, for whatever else comes next.
        seek(&mut file, SeekFrom::Start(2)).await;
        give_up(read(&mut file, 3)).await;
        write(&mut file, b"ab").await.unwrap();
        flush(&mut file).await.unwrap();
        assert_eq!(contents(&file), b"01ab456789");
        seek(&mut file, SeekFrom::Start(4)).await;
        give_up(read(&mut file, 3)).await;
        assert_eq!(seek(&mut file, SeekFrom::Current(1)).await, 5);
    });
}

#[test]
fn a_seek_that_is_given_up_is_done_or_another_takes_its_place() {
    run(async {
        let mut file = with(b"0123456789");
        give_up(seek(&mut file, SeekFrom::Start(4))).await;
        assert_eq!(read(&mut file, 1).await, b"4");
        give_up(seek(&mut file, SeekFrom::Start(4))).await;
        assert_eq!(seek(&mut file, SeekFrom::Start(7)).await, 7);
        assert_eq!(read(&mut file, 1).await, b"7");
    });
}

/// Every write to it fails.
fn full() -> Buffered {
    let file = OpenOptions::new().read(true).write(true).open("/dev/full");
    Buffered::new(file.unwrap(), Place::Pool)
}

#[test]
fn an_error_in_the_background_is_told_to_the_next_operation_once() {
    run(async {
        let block = vec![b'x'; BUFFER_BYTES];
        for operation in 0..5 {
            let mut file = full();
            write(&mut file, &block).await.unwrap();
            let told = match operation {
                0 => write(&mut file, b"more").await.map(drop),
                1 => flush(&mut file).await,
                2 => poll_fn(|cx| file.poll_read(cx, &mut [0])).await.map(drop),
                3 => poll_fn(|cx| file.poll_seek(cx, SeekFrom::Start(0)))
                    .await
                    .map(drop),
                _ => file.ask(Request::Metadata).await.map(drop),
            };
            let error = told.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{operation}");
            assert!(
                error.to_string().starts_with("write /dev/full: "),
                "{error}"
            );
            flush(&mut file).await.unwrap();
            assert_eq!(read(&mut file, 1).await, [0]);
        }
    });
}

#[test]
fn a_flush_tells_and_one_that_is_given_up_leaves_it_to_the_next() {
    run(async {
        let mut file = full();
        write(&mut file, b"x").await.unwrap();
        assert!(flush(&mut file).await.is_err());
        flush(&mut file).await.unwrap();
        write(&mut file, b"x").await.unwrap();
        give_up(flush(&mut file)).await;
        assert!(file.ask(Request::Metadata).await.is_err());
        file.ask(Request::Metadata).await.unwrap();
    });
}

#[test]
fn a_drop_writes_with_a_runtime_and_without() {
    let (file, mut other) = {
        let file = tempfile().unwrap();
        (file.try_clone().unwrap(), file)
    };
    let mut read = || {
        let mut bytes = String::new();
        other.rewind().unwrap();
        other.read_to_string(&mut bytes).unwrap();
        bytes
    };
    let rt = filch::Runtime::builder().worker_threads(1).build().unwrap();
    let mut buffered = Buffered::new(file.try_clone().unwrap(), Place::Pool);
    rt.block_on(async { write(&mut buffered, b"one ").await.unwrap() });
    rt.block_on(async { drop(buffered) });
    // Waits for the pool.
    drop(rt);
    assert_eq!(read(), "one ");
    let mut buffered = Buffered::new(file, Place::Pool);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(buffered.poll_write(&mut cx, b"two").is_ready());
    drop(buffered);
    assert_eq!(read(), "one two");
}

#[test]
fn without_a_runtime_what_needs_a_call_is_an_error_that_says_so() {
    let mut file = with(b"0123");
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = file.poll_read(&mut cx, &mut [0; 4]) else {
            panic!("there is nobody to wait for");
        };
        assert!(error.to_string().contains("runtime"), "{error}");
    }
    // It can be used within one afterwards.
    assert_eq!(run(read(&mut file, 4)), b"0123");
}

#[test]
fn the_end_of_a_runtime_loses_no_byte() {
    let mut file = with(b"0123456789");
    run(async {
        give_up(read(&mut file, 3)).await;
    });
    // The call was made, or dropped with the pool; in either case the position is right.
    let got = run(async {
        loop {
            let mut room = [0; 3];
            if let Ok(got) = poll_fn(|cx| file.poll_read(cx, &mut room)).await {
                return room[..got].to_vec();
            }
        }
    });
    assert_eq!(got, b"012");
}

#[test]
fn a_thread_of_its_own_does_the_same() {
    let mut file = with(b"0123456789");
    file.place = Place::OwnThread;
    futures_lite::future::block_on(async {
        assert_eq!(read(&mut file, 3).await, b"012");
        write(&mut file, b"ab").await.unwrap();
        flush(&mut file).await.unwrap();
        assert_eq!(contents(&file), b"012ab56789");
    });
}

//! Do streams in memory behave like sockets at their ends: nothing, one byte, the end, a reset, and whoever waits then?

use filch::io::sim::{Faults, SimStream, pair};
use filch::io::{DuplexStream, duplex};
use filch::runtime::{Builder, simulate};
use filch::task::WaitReason;
use filch::time::{Duration, Instant, sleep, timeout};
use filch::{spawn, yield_now};

use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::pin::Pin;

const SECOND: Duration = Duration::from_secs(1);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl Stream for DuplexStream {}
impl Stream for SimStream {}
type Pair = (Box<dyn Stream>, Box<dyn Stream>);

/// Of each kind, with room for so many bytes.
fn pairs(capacity: usize) -> Vec<Pair> {
    let (ours, theirs) = duplex(capacity);
    let mut pairs: Vec<Pair> = vec![(Box::new(ours), Box::new(theirs))];
    let plain = Faults::new().capacity(capacity);
    let slow = plain.clone().delay(SECOND..=3 * SECOND);
    let torn = plain.clone().tear(true);
    for faults in [plain, slow, torn] {
        let (ours, theirs) = pair(faults);
        pairs.push((Box::new(ours), Box::new(theirs)));
    }
    pairs
}

fn each_pair<F: Future<Output = ()>>(capacity: usize, test: impl Fn(Pair) -> F) {
    let count = if cfg!(miri) { 2 } else { 30 };
    for kind in 0..pairs(capacity).len() {
        simulate(0..count, || test(pairs(capacity).swap_remove(kind)));
    }
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

#[test]
fn a_byte_at_a_time_arrives_in_order() {
    each_pair(1, |(mut ours, mut theirs)| async move {
        let sent: Vec<u8> = (0..50).collect();
        let expected = sent.clone();
        let writer = spawn(async move {
            ours.write_all(&sent).await.unwrap();
            ours.flush().await.unwrap();
            ours.close().await.unwrap();
            // As often as one likes.
            ours.close().await.unwrap();
            assert_eq!(kind(ours.write(b"x").await), ErrorKind::BrokenPipe);
            ours
        });
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, expected);
        // The end stays the end, and the other direction goes on.
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        let mut ours = writer.await.unwrap();
        theirs.write_all(b"!").await.unwrap();
        let mut byte = [0];
        ours.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"!");
    });
}

#[test]
fn nothing_is_read_and_written_at_once() {
    each_pair(1, |(mut ours, mut theirs)| async move {
        // Also where there is neither room nor anything to read.
        assert_eq!(theirs.read(&mut []).await.unwrap(), 0);
        ours.write_all(b"x").await.unwrap();
        assert_eq!(ours.write(&[]).await.unwrap(), 0);
        let mut byte = [0];
        theirs.read_exact(&mut byte).await.unwrap();
        drop(theirs);
        assert_eq!(kind(ours.write(b"y").await), ErrorKind::BrokenPipe);
        assert_eq!(ours.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn several_buffers_are_a_stream_of_bytes_too() {
    each_pair(5, |(mut ours, mut theirs)| async move {
        let sent = b"one after the other";
        let writer = spawn(async move {
            let mut done = 0;
            while done < sent.len() {
                let (one, other) = sent[done..].split_at((sent.len() - done) / 2);
                let parts = [IoSlice::new(&[]), IoSlice::new(one), IoSlice::new(other)];
                done += ours.write_vectored(&parts).await.unwrap();
            }
        });
        let mut got = Vec::new();
        loop {
            let (mut one, mut other) = ([0; 2], [0; 3]);
            let mut parts = [
                IoSliceMut::new(&mut []),
                IoSliceMut::new(&mut one),
                IoSliceMut::new(&mut other),
            ];
            let n = theirs.read_vectored(&mut parts).await.unwrap();
            if n == 0 {
                break;
            }
            let both: Vec<u8> = one.into_iter().chain(other).take(n).collect();
            got.extend(both);
        }
        assert_eq!(got, sent);
        writer.await.unwrap();
    });
}

#[test]
fn who_waits_is_told_of_the_end() {
    each_pair(1, |(mut ours, mut theirs)| async move {
        ours.write_all(b"x").await.unwrap();
        let writer = spawn(async move {
            let result = ours.write_all(b"y").await;
            (kind(result), ours)
        });
        sleep(10 * SECOND).await;
        assert_eq!(writer.wait_reason(), Some(WaitReason::Write));
        let mut byte = [0];
        theirs.read_exact(&mut byte).await.unwrap();
        theirs.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"y");
        drop(theirs);
        let _ = writer.await;
    });
    each_pair(1, |(mut ours, theirs)| async move {
        ours.write_all(b"x").await.unwrap();
        let writer = spawn(async move { kind(ours.write_all(b"y").await) });
        sleep(10 * SECOND).await;
        drop(theirs);
        assert_eq!(writer.await.unwrap(), ErrorKind::BrokenPipe);
    });
    each_pair(1, |(ours, mut theirs)| async move {
        let reader = spawn(async move { theirs.read(&mut [0]).await.unwrap() });
        sleep(SECOND).await;
        assert_eq!(reader.wait_reason(), Some(WaitReason::Read));
        drop(ours);
        assert_eq!(reader.await.unwrap(), 0);
    });
}

/// A read that is given up has taken nothing, wherever it was.
#[test]
fn a_read_that_is_given_up_takes_nothing() {
    each_pair(3, |(mut ours, mut theirs)| async move {
        let writer = spawn(async move {
            for n in 0..20 {
                sleep(Duration::from_millis(700)).await;
                ours.write_all(&[n]).await.unwrap();
            }
        });
        let mut got: Vec<u8> = Vec::new();
        loop {
            let mut byte = [99];
            match timeout(Duration::from_millis(300), theirs.read(&mut byte)).await {
                Err(_) => {}
                Ok(Ok(0)) => break,
                Ok(n) => got.extend(&byte[..n.unwrap()]),
            }
        }
        assert_eq!(got, (0..20).collect::<Vec<_>>());
        writer.await.unwrap();
    });
}

#[test]
fn what_was_written_before_an_end_arrives_though_it_is_late() {
    simulate(0..30, || async {
        let (mut ours, mut theirs) = pair(Faults::new().delay(SECOND..=9 * SECOND));
        let start = Instant::now();
        ours.write_all(b"last words").await.unwrap();
        drop(ours);
        // It is told at once that nobody reads.
        assert_eq!(kind(theirs.write(b"x").await), ErrorKind::BrokenPipe);
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "last words");
        assert!(start.elapsed() >= SECOND);
    });
}

#[test]
fn a_reset_is_an_error_at_both_ends_whatever_they_do() {
    simulate(0..30, || async {
        let (mut ours, mut theirs) = pair(Faults::new().capacity(1).delay(SECOND..=SECOND));
        ours.write_all(b"x").await.unwrap();
        let writer = spawn(async move { kind(ours.write_all(b"y").await) });
        yield_now().await;
        theirs.reset();
        assert_eq!(writer.await.unwrap(), ErrorKind::ConnectionReset);
        assert_eq!(
            kind(theirs.read(&mut [0]).await),
            ErrorKind::ConnectionReset
        );
        assert_eq!(kind(theirs.write(b"z").await), ErrorKind::ConnectionReset);
        assert_eq!(kind(theirs.write(&[]).await), ErrorKind::ConnectionReset);
    });
}

/// A stream has one reader and one writer at a time, but whoever polled last is the one that is woken.
#[test]
fn whoever_polled_last_is_woken() {
    each_pair(1, |(mut ours, mut theirs)| async move {
        let mut byte = [0];
        let given_up = timeout(SECOND, theirs.read(&mut byte)).await;
        assert!(given_up.is_err());
        let reader = spawn(async move {
            let mut byte = [0];
            theirs.read_exact(&mut byte).await.unwrap();
            byte
        });
        sleep(SECOND).await;
        ours.write_all(b"x").await.unwrap();
        assert_eq!(&reader.await.unwrap(), b"x");
    });
}

#[test]
fn a_deadlock_says_who_waits_for_a_stream() {
    let rt = Builder::new().simulated(1).build().unwrap();
    let stuck = || {
        rt.block_on(async {
            let (mut ours, _theirs) = duplex(1);
            spawn(async move { ours.read(&mut [0]).await })
                .await
                .unwrap()
                .unwrap();
        });
    };
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(stuck)).unwrap_err();
    let said = payload.downcast::<String>().unwrap();
    assert!(said.contains("waits for: Read"), "{said}");
    assert!(
        said.contains("the future in block_on waits for Join"),
        "{said}"
    );
}

/// Works under any executor.
#[test]
fn a_duplex_needs_no_runtime() {
    let (mut ours, mut theirs) = duplex(2);
    futures_lite::future::block_on(async {
        ours.write_all(b"ab").await.unwrap();
        let full = futures_lite::future::poll_once(Pin::new(&mut ours).write(b"c")).await;
        assert!(full.is_none());
        let mut both = [0; 2];
        theirs.read_exact(&mut both).await.unwrap();
        assert_eq!(&both, b"ab");
    });
}

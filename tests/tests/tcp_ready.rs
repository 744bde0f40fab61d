//! Can a program do with a socket what filch-net does not know, and do halves what the stream does?

use filch::io::Interest;
use filch::runtime::Builder;
use filch_net::{TcpListener, TcpStream};
use filch_tests::guard::within_reason;
use futures_lite::future::{poll_once, yield_now, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read};
use std::net::{self, Shutdown};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;

fn run<F>(workers: usize, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    within_reason(move || {
        let rt = Builder::new().worker_threads(workers).build();
        rt.expect("a runtime").block_on(future)
    })
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (served, _) = listener.accept().await.unwrap();
    (client, served)
}

/// The same socket for `std`: for operations of our own.
fn twin(stream: &TcpStream) -> net::TcpStream {
    let fd: OwnedFd = stream.as_fd().try_clone_to_owned().unwrap();
    fd.into()
}

#[test]
fn an_operation_of_ones_own_waits_for_its_direction() {
    for workers in [1, 2, 8] {
        run(workers, async {
            let (client, mut served) = pair().await;
            let own = twin(&client);
            let mut word = [0; 8];
            {
                let reading = client.async_io(Interest::READABLE, || (&own).read(&mut word));
                let mut reading = pin!(reading);
                assert!(poll_once(reading.as_mut()).await.is_none());
                let (count, wrote) = zip(reading, served.write_all(b"hello")).await;
                wrote.unwrap();
                assert_eq!(count.unwrap(), 5);
            }
            assert_eq!(&word[..5], b"hello");
            // It knows that it is drained; nobody calls the operation before more comes.
            let error = client.try_io(Interest::READABLE, || (&own).read(&mut [0; 8]));
            assert_eq!(error.unwrap_err().kind(), ErrorKind::WouldBlock);
            let never = || -> io::Result<()> { panic!("it is not ready") };
            let error = client.try_io(Interest::READABLE, never).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(client.try_io(Interest::WRITABLE, || Ok(())).is_ok());
        });
    }
}

#[test]
fn what_is_ready_is_said_of_each_direction() {
    run(2, async {
        let (client, mut served) = pair().await;
        assert!(client.try_read(&mut [0]).is_err());
        let both = Interest::READABLE | Interest::WRITABLE;
        let ready = client.ready(both).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable());
        let mut waiting = pin!(client.ready(Interest::READABLE));
        assert!(poll_once(waiting.as_mut()).await.is_none());
        served.write_all(b"x").await.unwrap();
        assert!(waiting.await.unwrap().is_readable());
        served.shutdown(Shutdown::Write).unwrap();
        while !client
            .ready(Interest::READABLE)
            .await
            .unwrap()
            .is_read_closed()
        {
            yield_now().await;
        }
        let mut all = Vec::new();
        (&client).read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"x");
        // A reset is the end of both, and an error; the kernel may be seen between one and the other.
        served.set_zero_linger().unwrap();
        drop(served);
        loop {
            let ready = client.ready(both).await.unwrap();
            if ready.is_error() && ready.is_write_closed() {
                break;
            }
            yield_now().await;
        }
    });
}

#[test]
fn halves_do_what_the_stream_does() {
    run(2, async {
        let (mut client, served) = pair().await;
        let (served_read, served_write) = served.into_split();
        let addrs = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let (read, write) = client.split();
        assert_eq!(
            (read.local_addr().unwrap(), read.peer_addr().unwrap()),
            addrs
        );
        assert_eq!(
            (write.local_addr().unwrap(), write.peer_addr().unwrap()),
            addrs
        );
        assert_eq!(served_read.peer_addr().unwrap(), addrs.0);
        assert_eq!(served_write.local_addr().unwrap(), addrs.1);
        write.writable().await.unwrap();
        assert_eq!(write.try_write(b"he").unwrap(), 2);
        let pieces = [IoSlice::new(b"l"), IoSlice::new(b"lo")];
        assert_eq!(write.try_write_vectored(&pieces).unwrap(), 3);
        let mut word = [0; 8];
        while served_read.peek(&mut word).await.unwrap() < 5 {
            yield_now().await;
        }
        assert_eq!(&word[..5], b"hello");
        served_read.readable().await.unwrap();
        assert_eq!(served_read.try_read(&mut word[..2]).unwrap(), 2);
        let (mut one, mut two) = ([0; 1], [0; 8]);
        let mut rooms = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(served_read.try_read_vectored(&mut rooms).unwrap(), 3);
        assert_eq!((one, &two[..2]), (*b"l", &b"lo"[..]));
        // Options of the whole are had through either half.
        served_write.as_ref().set_nodelay(true).unwrap();
        assert!(served_read.as_ref().nodelay().unwrap());
        // A half that is forgotten does not end its direction; one that is dropped does.
        served_write.forget();
        assert!(poll_once(read.peek(&mut word)).await.is_none());
        drop(served_read);
        assert_eq!(
            read.peek(&mut word).await.unwrap(),
            0,
            "the connection was closed in order"
        );
    });
}

#[test]
fn readiness_is_polled_for_by_hand_and_halves_have_it_too() {
    run(2, async {
        let (mut client, served) = pair().await;
        let mut room = [0; 8];
        poll_fn(|cx| client.poll_write_ready(cx)).await.unwrap();
        assert!(client.try_read(&mut room).is_err());
        let mut readable = pin!(poll_fn(|cx| client.poll_read_ready(cx)));
        assert!(poll_once(readable.as_mut()).await.is_none());
        assert_eq!(served.try_write(b"hello").unwrap(), 5);
        readable.await.unwrap();
        {
            let (read, write) = client.split();
            assert!(read.ready(Interest::READABLE).await.unwrap().is_readable());
            assert!(write.ready(Interest::WRITABLE).await.unwrap().is_writable());
            let peeked = poll_fn(|cx| read.poll_peek(cx, &mut room)).await;
            assert_eq!(&room[..peeked.unwrap()], b"hello");
        }
        let (read, write) = client.into_split();
        assert!(write.ready(Interest::WRITABLE).await.unwrap().is_writable());
        // Of what was peeked at nothing is taken.
        for _ in 0..2 {
            assert!(read.ready(Interest::READABLE).await.unwrap().is_readable());
            let peeked = poll_fn(|cx| read.poll_peek(cx, &mut room)).await;
            assert_eq!(&room[..peeked.unwrap()], b"hello");
        }
        assert_eq!(read.try_read(&mut room).unwrap(), 5);
        let mut nothing = pin!(poll_fn(|cx| read.poll_peek(cx, &mut room)));
        assert!(poll_once(nothing.as_mut()).await.is_none());
    });
}

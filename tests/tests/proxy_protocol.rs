//! Is a PROXY header taken from a connection, exactly, however its bytes come; and refused where it is not one, is not trusted, or does not come?

use filch::time::{Duration, sleep};
use filch_net::proxy_protocol::{
    Config, Header, Network, Parsed, V1_BYTES_MAX, V2_LENGTH_MAX, accept_header, parse, read_header,
};
use filch_net::{TcpListener, TcpStream};
use filch_tests::run_on;
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use proptest::prelude::*;
use std::io::{self, ErrorKind};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What the client has sent. Its beginning looks like another header.
const PAYLOAD: &[u8] = b"PROXY TCP4 GET / HTTP/1.1\r\n\r\n";

/// The proxy's end, and the server's.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpStream::connect(listener.local_addr().unwrap()).await;
    let proxy = proxy.unwrap();
    proxy.set_nodelay(true).unwrap();
    (proxy, listener.accept().await.unwrap().0)
}

fn local() -> Network {
    "127.0.0.0/8".parse().unwrap()
}

fn patient() -> Config {
    Config::new()
        .trust(local())
        .timeout(Duration::from_secs(1000))
}

/// A binary header that says besides as much as makes `length`.
fn binary(length: usize) -> Vec<u8> {
    let besides = length - 12;
    let mut body = vec![192, 0, 2, 7, 192, 0, 2, 1, 0x13, 0x88, 0x01, 0xbb];
    if besides > 0 {
        body.push(4);
        body.extend_from_slice(&u16::try_from(besides - 3).unwrap().to_be_bytes());
        body.resize(length, 9);
    }
    let length = u16::try_from(length).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, 0x11], &length, &body].concat()
}

/// What the server makes of bytes that come in these pieces, each after it has seen those before; and what it reads after that, if it was no error.
async fn received(config: Config, pieces: &[&[u8]]) -> (io::Result<Option<Header>>, Vec<u8>) {
    let (mut proxy, mut server) = pair().await;
    let mut takes = Box::pin(async move {
        let header = accept_header(&mut server, &config).await;
        let mut rest = Vec::new();
        if header.is_ok() {
            server.read_to_end(&mut rest).await.unwrap();
        }
        (header, rest)
    });
    for piece in pieces {
        if let Some(done) = poll_once(takes.as_mut()).await {
            return done;
        }
        proxy.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    drop(proxy);
    takes.await
}

fn is_as_expected((header, rest): (io::Result<Option<Header>>, Vec<u8>)) {
    let header = header.unwrap().expect("a header");
    assert_eq!(header.source().unwrap().to_string(), "192.0.2.7:5000");
    assert_eq!(header.destination().unwrap().to_string(), "192.0.2.1:443");
    assert_eq!(rest, PAYLOAD);
}

#[test]
fn every_split_of_the_bytes_is_the_same() {
    for header in [LINE.to_vec(), binary(12), binary(20)] {
        let all = [&header, PAYLOAD].concat();
        run_on(2, async move {
            for at in 0..=all.len() {
                let (first, second) = all.split_at(at);
                is_as_expected(received(patient(), &[first, second]).await);
            }
            let each: Vec<_> = all.chunks(1).collect();
            is_as_expected(received(patient(), &each).await);
        });
    }
}

#[test]
fn the_longest_header_comes_in_small_pieces() {
    run_on(1, async {
        let all = [&binary(V2_LENGTH_MAX)[..], PAYLOAD].concat();
        let pieces: Vec<_> = all.chunks(37).collect();
        is_as_expected(received(patient(), &pieces).await);
    });
}

#[test]
fn limits_are_kept() {
    run_on(1, async {
        for bytes in V1_BYTES_MAX - 1..=V1_BYTES_MAX + 1 {
            let line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(bytes - 16));
            let (header, rest) = received(patient(), &[line.as_bytes(), PAYLOAD]).await;
            if bytes <= V1_BYTES_MAX {
                assert_eq!(header.unwrap().unwrap().source(), None);
                assert_eq!(rest, PAYLOAD);
            } else {
                assert_eq!(header.unwrap_err().kind(), ErrorKind::InvalidData);
            }
        }
        for length in V2_LENGTH_MAX - 1..=V2_LENGTH_MAX + 1 {
            let (header, rest) = received(patient(), &[&binary(length), PAYLOAD]).await;
            if length <= V2_LENGTH_MAX {
                assert!(header.unwrap().is_some());
                assert_eq!(rest, PAYLOAD);
            } else {
                assert_eq!(header.unwrap_err().kind(), ErrorKind::InvalidData);
            }
        }
    });
}

#[test]
fn an_end_before_the_end_is_an_error_at_each_byte() {
    run_on(2, async {
        for header in [LINE.to_vec(), binary(16)] {
            for count in 0..header.len() {
                let (header, _) = received(patient(), &[&header[..count]]).await;
                let error = header.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{count}");
                let text = error.to_string();
                assert!(
                    text.starts_with("read the PROXY header of 127.0.0.1:"),
                    "{text}"
                );
                assert!(
                    text.ends_with(&format!("after {count} bytes of it")),
                    "{text}"
                );
            }
        }
    });
}

#[test]
fn where_none_is_required_everything_else_is_left_as_it_is() {
    run_on(2, async {
        let config = || patient().required(false);
        for other in [
            "GET / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "\r\n\r\nGET",
            "PROXYTCP4",
            "\0",
            "X",
        ] {
            for at in 0..other.len() {
                let (first, second) = other.as_bytes().split_at(at);
                let (header, rest) = received(config(), &[first, second]).await;
                assert_eq!(header.unwrap(), None);
                assert_eq!(rest, other.as_bytes());
            }
        }
        // What could have become one, but has ended.
        for short in ["", "P", "PROXY", "\r\n\r\n\0\r\nQUIT"] {
            let (header, rest) = received(config(), &[short.as_bytes()]).await;
            assert_eq!(header.unwrap(), None, "{short:?}");
            assert_eq!(rest, short.as_bytes());
        }
        // What can be nothing else is one.
        is_as_expected(received(config(), &[LINE, PAYLOAD]).await);
        for broken in [
            &b"PROXY "[..],
            b"PROXY TCP4 x\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x11",
        ] {
            let (header, _) = received(config(), &[broken]).await;
            assert!(header.is_err());
        }
    });
}

#[test]
fn where_one_is_required_anything_else_is_an_error() {
    run_on(1, async {
        for other in ["GET / HTTP/1.1\r\n\r\n", "X", "PROXYTCP4", "\r\n\r\nGET"] {
            let (header, _) = received(patient(), &[other.as_bytes()]).await;
            let error = header.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(
                error
                    .to_string()
                    .ends_with("it does not begin with a header"),
                "{error}"
            );
        }
    });
}

#[test]
fn who_is_not_trusted_says_nothing() {
    run_on(1, async {
        for networks in [&[][..], &["127.0.0.2", "10.0.0.0/8", "::/0"]] {
            let networks = networks.iter().map(|network| network.parse().unwrap());
            let config = Config::new().trusted(networks);
            let (header, _) = received(config.clone(), &[LINE, PAYLOAD]).await;
            let error = header.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("127.0.0.1:"), "{error}");
            let (header, rest) = received(config.required(false), &[LINE, PAYLOAD]).await;
            assert_eq!(header.unwrap(), None);
            assert_eq!(rest, [LINE, PAYLOAD].concat());
        }
        let config = patient().trust("10.0.0.0/8".parse().unwrap());
        is_as_expected(received(config, &[LINE, PAYLOAD]).await);
    });
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    run_on(1, async {
        for begun in [&b""[..], b"PRO", b"PROXY TCP4 1", SIGNATURE] {
            for is_required in [true, false] {
                let (mut proxy, mut server) = pair().await;
                proxy.write_all(begun).await.unwrap();
                let config = patient()
                    .timeout(Duration::from_millis(5))
                    .required(is_required);
                let error = accept_header(&mut server, &config).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                assert!(error.to_string().contains("5ms"), "{error}");
                drop(proxy);
            }
        }
    });
}

#[test]
fn one_byte_after_the_other_does_not_win_time() {
    run_on(2, async {
        let (mut proxy, mut server) = pair().await;
        let drip = filch::spawn(async move {
            for byte in b"PROXY UNKNOWN "
                .iter()
                .chain(std::iter::repeat_n(&b'x', 80))
            {
                proxy.write_all(&[*byte]).await?;
                sleep(Duration::from_millis(5)).await;
            }
            io::Result::Ok(proxy)
        });
        let config = patient().timeout(Duration::from_millis(20));
        let error = accept_header(&mut server, &config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drip.abort();
    });
}

#[test]
fn a_reset_is_an_error() {
    run_on(1, async {
        // What has come is shown before the reset is told of.
        for (begun, kind) in [
            (&b""[..], ErrorKind::ConnectionReset),
            (b"PROXY", ErrorKind::UnexpectedEof),
        ] {
            let (mut proxy, mut server) = pair().await;
            proxy.write_all(begun).await.unwrap();
            let mut takes = Box::pin(async { read_header(&mut server, &patient()).await });
            assert!(poll_once(takes.as_mut()).await.is_none());
            proxy.set_linger(Some(Duration::ZERO)).unwrap();
            drop(proxy);
            assert_eq!(takes.await.unwrap_err().kind(), kind);
        }
    });
}

#[test]
fn who_gives_up_may_try_again() {
    run_on(1, async {
        for at in 0..LINE.len() {
            let (mut proxy, mut server) = pair().await;
            let (first, second) = LINE.split_at(at);
            proxy.write_all(first).await.unwrap();
            for _ in 0..3 {
                assert!(
                    poll_once(accept_header(&mut server, &patient()))
                        .await
                        .is_none()
                );
                sleep(Duration::from_millis(1)).await;
            }
            proxy.write_all(&[second, PAYLOAD].concat()).await.unwrap();
            let header = accept_header(&mut server, &patient()).await;
            let mut rest = vec![0; PAYLOAD.len()];
            server.read_exact(&mut rest).await.unwrap();
            is_as_expected((header, rest));
        }
    });
}

/// Bytes that are often almost a header.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let line = "PROXY (TCP4|TCP6|UNKNOWN|TCP)[ 0-9.:a-f\r]{0,60}(\r\n|\n|\r)?[ -~]{0,100}";
    let line = line.prop_map(String::into_bytes);
    let head = (
        prop_oneof![Just(0x20_u8), Just(0x21), any::<u8>()],
        prop_oneof![Just(0x11_u8), Just(0x21), Just(0x31), any::<u8>()],
        prop_oneof![0..300_u16, any::<u16>()],
        proptest::collection::vec(prop_oneof![Just(0_u8), 0..8_u8, any::<u8>()], 0..400),
    );
    let binary = head.prop_map(|(command, kind, length, body)| {
        [SIGNATURE, &[command, kind], &length.to_be_bytes(), &body].concat()
    });
    let any = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![line, binary, any]
}

proptest! {
    #[test]
    fn any_bytes_have_one_meaning_however_many_have_come(bytes in almost()) {
        match parse(&bytes) {
            Ok(Parsed::Header(header, count)) => {
                // Nothing that follows makes a difference, and nothing that is missing is guessed.
                prop_assert!(count <= bytes.len());
                prop_assert_eq!(parse(&bytes[..count]), Ok(Parsed::Header(header.clone(), count)));
                for shorter in 0..count {
                    prop_assert_eq!(parse(&bytes[..shorter]), Ok(Parsed::Partial));
                }
                let said: usize = header.tlvs().map(|tlv| 3 + tlv.value.len()).sum();
                prop_assert!(said <= count);
            }
            Ok(Parsed::Partial) => {
                for shorter in 0..bytes.len() {
                    prop_assert_eq!(parse(&bytes[..shorter]), Ok(Parsed::Partial));
                }
            }
            // What is wrong does not become right by what follows.
            Ok(Parsed::None) => {
                let longer = [&bytes[..], b"\r\n"].concat();
                prop_assert_eq!(parse(&longer), Ok(Parsed::None));
            }
            Err(wrong) => {
                let longer = [&bytes[..], b"\r\n"].concat();
                prop_assert_eq!(parse(&longer), Err(wrong));
            }
        }
    }
}

#[test]
fn a_connection_that_was_broken_off_is_told_by_our_own_address() {
    run_on(1, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap();
        let proxy = TcpStream::connect(ours).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        proxy.set_zero_linger().unwrap();
        drop(proxy);
        while server.peer_addr().is_ok() {
            filch::yield_now().await;
        }
        let error = accept_header(&mut server, &patient()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        assert!(error.to_string().contains(&ours.to_string()), "{error}");
    });
}

//! Does futures-rustls, as it is, make TLS servers and clients on filch that others understand, whatever a client does?
//!
//! The server is the example `tls_echo`, and so is one of the clients. Another one is Python's `ssl` (tests/foreign/tls.py); openssl and curl, where they are installed.

#[path = "../../net/examples/tls_echo.rs"]
mod tls_echo;

use filch::JoinHandle;
use filch::runtime::Builder;
use filch::sync::CancellationToken;
use filch::time::Duration;
use filch_net::TcpStream;
use filch_tests::census::{Census, settle};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use futures_rustls::pki_types::CertificateDer;
use futures_rustls::rustls::HandshakeKind;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tls_echo::{
    Authority, Certificate, Files, HANDSHAKE_TIMEOUT, Keep, client_config, connect, say, serve,
    server_config, shown,
};

/// Runs it with few and with many workers.
fn run(test: impl AsyncFn() + Clone + Send + 'static) {
    for workers in [1, 2, 8] {
        let test = test.clone();
        within_reason(move || {
            let rt = Builder::new().worker_threads(workers).build().unwrap();
            rt.block_on(test());
        });
    }
}

/// A server, and what a test wants of it.
struct Server {
    addr: SocketAddr,
    authority: Authority,
    folder: TempDir,
    keep: Keep,
    end: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(handshake_timeout: Duration) -> Self {
        let listener = filch_net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let files = authority.certify(folder.path(), "server").unwrap();
        let (keep, certificate) = Certificate::read(files).await.unwrap();
        let (config, end) = (
            server_config(certificate).unwrap(),
            CancellationToken::new(),
        );
        let task = filch::spawn(serve(listener, config, handshake_timeout, end.clone()));
        Self {
            addr,
            authority,
            folder,
            keep,
            end,
            task,
        }
    }

    /// Where the authority's certificate stands, for clients in other languages.
    fn authority_file(&self) -> PathBuf {
        let file = self.folder.path().join("authority.pem");
        fs::write(&file, self.authority.0.pem()).unwrap();
        file
    }

    async fn connect(&self) -> futures_rustls::client::TlsStream<TcpStream> {
        let config = client_config([self.authority.der()], &["echo"]).unwrap();
        connect(self.addr, config).await.unwrap()
    }

    /// What it shows to a client that comes now.
    async fn shows(&self) -> CertificateDer<'static> {
        let mut stream = self.connect().await;
        say(&mut stream, "hello").await.unwrap();
        shown(&stream).unwrap().clone()
    }

    async fn end(self) {
        self.end.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[test]
fn the_example_talks_to_itself() {
    within_reason(tls_echo::main).unwrap();
}

#[test]
fn the_page_shows_what_the_example_does() {
    let read = |file: &str| fs::read_to_string(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR")));
    let page = read("docs/TLS.md").unwrap();
    let example = read("net/examples/tls_echo.rs").unwrap();
    let blocks: Vec<_> = page.split("```rust\n").skip(1).collect();
    assert!(blocks.len() > 5, "the page has blocks of code");
    for block in blocks {
        let code = block.split("```").next().unwrap();
        assert!(example.contains(code), "not in tls_echo.rs:\n{code}");
    }
}

/// More than all buffers on the way hold, so that both sides write and read at the same time.
#[test]
fn what_is_said_comes_back() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        filch::try_scope(async |scope| {
            for n in 0..20u32 {
                let stream = server.connect().await;
                scope.spawn(async move {
                    let text: Vec<u8> = (n..n + 300_000).map(|n| (n % 251) as u8).collect();
                    let (mut read, mut write) = futures_lite::io::split(stream);
                    let mut heard = Vec::new();
                    let say = async {
                        write.write_all(&text).await?;
                        write.close().await
                    };
                    future::try_zip(say, read.read_to_end(&mut heard)).await?;
                    assert!(heard == text);
                    io::Result::Ok(())
                });
            }
            io::Result::Ok(())
        })
        .await
        .unwrap();
        server.end().await;
    });
}

// Certificates.

#[test]
fn who_comes_after_the_change_gets_the_new_certificate() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let mut early = server.connect().await;
        let before = shown(&early).unwrap().clone();
        server
            .authority
            .certify(server.folder.path(), "server")
            .unwrap();
        assert_eq!(
            server.shows().await,
            before,
            "nobody has said that it has changed"
        );
        server.keep.read_again().await.unwrap();
        assert_ne!(server.shows().await, before);
        say(&mut early, "still here").await.unwrap();
        server.end().await;
    });
}

/// docs/TLS.md says what follows from it.
#[test]
fn who_resumes_a_session_is_shown_nothing_new() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let config = client_config([server.authority.der()], &["echo"]).unwrap();
        let mut first = connect(server.addr, config.clone()).await.unwrap();
        say(&mut first, "hello").await.unwrap();
        let folder = server.folder.path();
        server.authority.certify(folder, "server").unwrap();
        server.keep.read_again().await.unwrap();
        let again = connect(server.addr, config).await.unwrap();
        let kind = again.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Resumed));
        assert_eq!(shown(&again), shown(&first));
        server.end().await;
    });
}

#[test]
fn files_that_are_wrong_change_nothing() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let before = server.shows().await;
        let folder = server.folder.path();
        let other = server.authority.certify(folder, "other").unwrap();
        let own = Files {
            chain: folder.join("server.pem"),
            key: folder.join("server-key.pem"),
        };
        let first = fs::read(&own.chain).unwrap();

        // What somebody finds who reads while they are written: one is new, one is empty, one has not been there yet.
        for written in [
            fs::read(&other.chain).unwrap(),
            Vec::new(),
            b"nonsense".to_vec(),
        ] {
            fs::write(&own.chain, written).unwrap();
            let error = server.keep.read_again().await.unwrap_err();
            assert!(error.to_string().contains("server.pem"), "{error}");
            assert_eq!(server.shows().await, before);
        }
        fs::write(&own.chain, &first).unwrap();
        fs::remove_file(&own.key).unwrap();
        let error = server.keep.read_again().await.unwrap_err();
        assert!(error.to_string().contains("server-key.pem"), "{error}");
        assert_eq!(server.shows().await, before);

        fs::copy(&other.chain, &own.chain).unwrap();
        fs::copy(&other.key, &own.key).unwrap();
        server.keep.read_again().await.unwrap();
        assert_ne!(server.shows().await, before);
        server.end().await;
    });
}

#[test]
fn an_authority_that_is_not_trusted_is_an_error() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let config = client_config([Authority::new().der()], &["echo"]).unwrap();
        let error = connect(server.addr, config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        server.shows().await;
        server.end().await;
    });
}

// Protocols.

#[test]
fn both_sides_know_what_they_have_agreed_on() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        for (offered, agreed) in [
            (&[][..], None),
            (&["echo"], Some("echo")),
            (&["http/1.1", "echo"], Some("echo")), // the server's order counts
            (&["http/1.1"], Some("http/1.1")),
        ] {
            let config = client_config([server.authority.der()], offered).unwrap();
            let mut stream = connect(server.addr, config).await.unwrap();
            let found = stream.get_ref().1.alpn_protocol();
            assert_eq!(found, agreed.map(str::as_bytes), "{offered:?}");
            if agreed == Some("http/1.1") {
                let head = "GET / HTTP/1.1\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                assert!(answer.ends_with(&format!("\r\n\r\n{head}")), "{answer}");
            } else {
                say(&mut stream, "hello").await.unwrap();
            }
        }
        let config = client_config([server.authority.der()], &["other"]).unwrap();
        let error = connect(server.addr, config).await.unwrap_err();
        assert!(
            error.to_string().contains("NoApplicationProtocol"),
            "{error}"
        );
        server.end().await;
    });
}

// Ends.

#[test]
fn who_does_not_shake_hands_is_left() {
    run(async || {
        let server = Server::start(Duration::from_millis(20)).await;
        for begun in [
            &b""[..],
            b"\x16",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ] {
            let mut stream = TcpStream::connect(server.addr).await.unwrap();
            stream.write_all(begun).await.unwrap();
            let mut answer = Vec::new();
            let end = stream.read_to_end(&mut answer).await;
            // Closed, or reset, since what was sent has not been read.
            assert!(answer.is_empty(), "{answer:?}, then {end:?}");
        }
        server.end().await;
    });
}

#[test]
fn who_does_not_speak_tls_is_told_so() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[0], 21, "an alert");
        assert_eq!(answer[5], 2, "that ends the connection");
        server.shows().await;
        server.end().await;
    });
}

/// Without a farewell of TLS, a connection that somebody else has cut off would look like one that has ended.
#[test]
fn an_end_without_farewell_is_an_error() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;

        // The server sees the end of a client that says nothing, and says nothing either.
        let mut stream = server.connect().await;
        say(&mut stream, "hello").await.unwrap();
        stream.get_ref().0.shutdown(Shutdown::Write).unwrap();
        let error = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);

        // With it, both sides have.
        let mut stream = server.connect().await;
        say(&mut stream, "hello").await.unwrap();
        stream.close().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);

        // The server's end cuts off.
        let mut stream = server.connect().await;
        say(&mut stream, "hello").await.unwrap();
        server.end().await;
        let error = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn nothing_is_left_behind() {
    in_child("nothing_is_left_behind", || {
        let before = Census::now().unwrap();
        run(async || {
            let server = Server::start(HANDSHAKE_TIMEOUT).await;
            let halves: Vec<_> = [server.connect().await, server.connect().await].into();
            let silent = TcpStream::connect(server.addr).await.unwrap();
            let config = client_config([server.authority.der()], &["other"]).unwrap();
            connect(server.addr, config).await.unwrap_err();
            server.end().await;
            drop((halves, silent));
        });
        settle(&before);
    });
}

// Foreign clients.

#[test]
fn python_understands_it() {
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let (port, file) = (server.addr.port().to_string(), server.authority_file());
        let python = filch::spawn_blocking(move || {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/tls.py");
            let python = Command::new("python3")
                .args([script, &port])
                .arg(file)
                .status();
            python.expect("python3 is needed")
        });
        assert!(python.await.unwrap().success());
        server.end().await;
    });
}

#[test]
fn openssl_understands_it() {
    if !is_installed("openssl", "version") {
        return;
    }
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let (addr, file) = (server.addr.to_string(), server.authority_file());
        let openssl = filch::spawn_blocking(move || {
            let mut openssl = Command::new("openssl")
                .args(["s_client", "-connect", &addr, "-servername", "localhost"])
                .args([
                    "-verify_return_error",
                    "-verify_hostname",
                    "localhost",
                    "-alpn",
                    "echo",
                ])
                .arg("-CAfile")
                .arg(file)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = openssl.stdin.take().unwrap();
            stdin.write_all(b"what openssl says\n").unwrap();
            let said = BufReader::new(openssl.stdout.take().unwrap()).lines();
            let said: Vec<_> = said
                .map(|line| line.unwrap())
                .take_while(|line| line != "what openssl says")
                .collect();
            drop(stdin); // then it says good-bye
            assert!(openssl.wait().unwrap().success(), "{said:#?}");
            said.join("\n")
        });
        let said = openssl.await.unwrap();
        assert!(said.contains("ALPN protocol: echo"), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        server.end().await;
    });
}

#[test]
fn curl_understands_it() {
    if !is_installed("curl", "--version") {
        return;
    }
    run(async || {
        let server = Server::start(HANDSHAKE_TIMEOUT).await;
        let (port, file) = (server.addr.port(), server.authority_file());
        let curl = filch::spawn_blocking(move || {
            Command::new("curl")
                .args(["--silent", "--show-error", "--fail", "--noproxy", "*"])
                .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
                .arg("--cacert")
                .arg(file)
                .arg(format!("https://localhost:{port}/path"))
                .output()
                .unwrap()
        });
        let curl = curl.await.unwrap();
        assert!(curl.status.success(), "{curl:?}");
        assert!(
            curl.stdout.starts_with(b"GET /path HTTP/1.1\r\n"),
            "{curl:?}"
        );
        server.end().await;
    });
}

fn is_installed(program: &str, argument: &str) -> bool {
    let answer = Command::new(program).arg(argument).output();
    let is_installed = answer.is_ok_and(|output| output.status.success());
    if !is_installed {
        println!("skipped: {program} is not installed");
    }
    is_installed
}

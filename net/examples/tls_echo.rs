//! TLS: a server and a client by futures-rustls, as it is, with certificates that are read again when the process gets `SIGHUP`.
//!
//! ```text
//! cargo run -p filch-net --example tls_echo                                           # talks to itself, and ends
//! cargo run -p filch-net --example tls_echo -- 127.0.0.1:7443 chain.pem key.pem       # serves until ctrl-c
//! openssl s_client -connect 127.0.0.1:7443 -alpn echo                                 # says back what you say
//! curl --insecure https://127.0.0.1:7443/                                             # says back the head of your request
//! kill -HUP $(pidof tls_echo)                                                         # who comes from now on gets the new certificate
//! ```
//!
//! Which of the two it does is agreed on by ALPN. docs/TLS.md of the repository explains the parts.

use filch::sync::{CancellationToken, watch};
use filch::task::JoinSet;
use filch::time::{Duration, timeout};
use filch_net::signal::{Signal, SignalKind, ctrl_c, signal};
use filch_net::{TcpListener, TcpStream};
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use futures_rustls::rustls::sign::CertifiedKey;
use futures_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use futures_rustls::{TlsAcceptor, TlsConnector, client, server};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;

/// What the server speaks, the best first.
const PROTOCOLS: [&str; 2] = ["echo", "http/1.1"];

/// How long a client may take for its part of the handshake. A guess: some round trips over a bad line.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest head of a request that is answered. A guess: most have less than a tenth.
const HEAD_MAX: u64 = 8192;

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let addr = args
        .first()
        .and_then(|addr| addr.parse::<SocketAddr>().ok());
    let (Some(addr), [_, chain, key]) = (addr, &args[..]) else {
        return demonstrate().await;
    };
    let files = Files {
        chain: chain.into(),
        key: key.into(),
    };
    let (keep, certificate) = Certificate::read(files).await?;
    filch::spawn(keep.on(signal(SignalKind::hangup())?));
    let listener = TcpListener::bind(addr).await?;
    println!("listening on {}", listener.local_addr()?);
    let end = CancellationToken::new();
    let server = serve(
        listener,
        server_config(certificate)?,
        HANDSHAKE_TIMEOUT,
        end.clone(),
    );
    let server = filch::spawn(server);
    ctrl_c().await?;
    end.cancel();
    server.await?
}

// The certificate.

/// Where a certificate stands, as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The server's own first, then those of the authorities between it and one that clients know.
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    /// Reads both, and makes sure that they belong together: a pair that is only half written is no certificate.
    fn read(&self) -> io::Result<Arc<CertifiedKey>> {
        let chain = CertificateDer::pem_file_iter(&self.chain).and_then(Iterator::collect);
        let chain: Vec<_> = chain.map_err(|cause| cannot_read(&self.chain, cause))?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|cause| cannot_read(&self.key, cause))?;
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
        pair.map(Arc::new)
            .map_err(|cause| cannot_read(&self.chain, cause))
    }
}

fn cannot_read(file: &Path, cause: impl std::error::Error) -> io::Error {
    let text = format!("read the certificate {}: {cause}", file.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// What a handshake shows: always the latest. Who has shaken hands needs it no more, so open connections go on.
#[derive(Debug, Clone)]
pub(crate) struct Certificate(watch::Receiver<Arc<CertifiedKey>>);

impl Certificate {
    /// Reads it, and gives it with who keeps it up to date.
    pub(crate) async fn read(files: Files) -> io::Result<(Keep, Self)> {
        let first = read_apart(files.clone()).await?;
        let (latest, certificate) = watch::channel(first);
        Ok((Keep { files, latest }, Self(certificate)))
    }

    /// Waits until there is another one.
    pub(crate) async fn changed(&mut self) {
        self.0
            .changed()
            .await
            .expect("somebody keeps it up to date");
    }
}

impl ResolvesServerCert for Certificate {
    /// Also the place to choose by the name that the client asks for (`hello.server_name()`).
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }
}

/// Keeps a certificate up to date.
pub(crate) struct Keep {
    files: Files,
    latest: watch::Sender<Arc<CertifiedKey>>,
}

impl Keep {
    /// Reads the files again at each signal.
    pub(crate) async fn on(self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            // Files that are wrong are told of, and the server goes on with what it has.
            if let Err(error) = self.read_again().await {
                eprintln!("{error}");
            }
        }
    }

    pub(crate) async fn read_again(&self) -> io::Result<()> {
        let latest = read_apart(self.files.clone()).await?;
        self.latest.send_replace(latest);
        Ok(())
    }
}

/// Files block: not on a worker.
async fn read_apart(files: Files) -> io::Result<Arc<CertifiedKey>> {
    filch::spawn_blocking(move || files.read()).await?
}

// The server.

pub(crate) fn server_config(certificate: Certificate) -> io::Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = PROTOCOLS.map(|name| name.as_bytes().to_vec()).to_vec();
    Ok(Arc::new(config))
}

/// Serves until the end; then connections are cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    handshake_timeout: Duration,
    end: CancellationToken,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(config);
    let mut connections = JoinSet::new();
    loop {
        filch::select! {
            accepted = listener.accept() => {
                let (stream, _peer) = accepted?;
                // The future of the handshake is for the connection's task: here, one client would hold up all that come after it.
                let handshake = timeout(handshake_timeout, acceptor.accept(stream));
                connections.spawn(async move { answer(handshake.await??).await });
            }
            Some(_ended) = connections.join_next() => {} // an error of one connection is nobody else's
            () = end.cancelled() => return Ok(()),
        }
    }
}

async fn answer(stream: server::TlsStream<TcpStream>) -> io::Result<()> {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"http/1.1") => answer_http(stream).await,
        _ => echo(stream).await,
    }
}

async fn echo(mut stream: server::TlsStream<TcpStream>) -> io::Result<()> {
    let mut room = vec![0; 16 * 1024];
    loop {
        // Zero says that the client has closed (`close_notify`). A connection that ends without is an error, `UnexpectedEof`: somebody may have cut it off.
        let count = stream.read(&mut room).await?;
        if count == 0 {
            return stream.close().await; // says the same to the client
        }
        stream.write_all(&room[..count]).await?;
        stream.flush().await?; // what TLS holds back is not sent by itself
    }
}

/// Says back the head of one request.
async fn answer_http(stream: server::TlsStream<TcpStream>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut rest = (&mut stream).take(HEAD_MAX.saturating_sub(head.len() as u64));
        if rest.read_until(b'\n', &mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into()); // it ends here, or is too long
        }
    }
    let count = head.len();
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {count}\r\n\r\n");
    let stream = stream.get_mut();
    stream.write_all(answer.as_bytes()).await?;
    stream.write_all(&head).await?;
    stream.close().await
}

// The client.

/// A client that trusts who is vouched for by these, and speaks these protocols.
pub(crate) fn client_config(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    protocols: &[&str],
) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(io::Error::other)?;
    }
    let provider = Arc::new(ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Arc::new(config))
}

pub(crate) async fn connect(
    addr: SocketAddr,
    config: Arc<ClientConfig>,
) -> io::Result<client::TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = TcpStream::connect(addr).await?;
    TlsConnector::from(config).connect(name, stream).await
}

/// What the server has shown.
pub(crate) fn shown(stream: &client::TlsStream<TcpStream>) -> Option<&CertificateDer<'static>> {
    let connection: &rustls::ClientConnection = stream.get_ref().1;
    connection.peer_certificates()?.first()
}

/// Says something, and hears the same.
pub(crate) async fn say(stream: &mut client::TlsStream<TcpStream>, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await?;
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).await?;
    assert_eq!(heard, text.as_bytes());
    Ok(())
}

// The demonstration.

async fn demonstrate() -> io::Result<()> {
    let authority = Authority::new();
    let folder = tempfile::tempdir()?;
    let files = authority.certify(folder.path(), "server")?;
    let (keep, mut certificate) = Certificate::read(files).await?;
    // Listened for from here on, not from when the task begins.
    filch::spawn(keep.on(signal(SignalKind::hangup())?));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let (config, end) = (
        server_config(certificate.clone())?,
        CancellationToken::new(),
    );
    let server = filch::spawn(serve(listener, config, HANDSHAKE_TIMEOUT, end.clone()));

    let config = client_config([authority.der()], &["echo"])?;
    let mut early = connect(addr, config.clone()).await?;
    assert_eq!(early.get_ref().1.alpn_protocol(), Some(b"echo".as_slice()));
    say(&mut early, "good morning").await?;
    println!("before: {:?}", early.get_ref().1.protocol_version());

    // Another certificate in the same place.
    authority.certify(folder.path(), "server")?;
    hang_up()?;
    certificate.changed().await;
    // A configuration of its own: with the same one, the client would resume its session, and be shown nothing.
    let config = client_config([authority.der()], &["echo"])?;
    let mut late = connect(addr, config).await?;
    say(&mut late, "good evening").await?;
    assert_ne!(shown(&early), shown(&late));
    say(&mut early, "still here").await?;
    println!("after: the new certificate for those who come, and nobody was cut off");

    for mut stream in [early, late] {
        stream.close().await?;
        assert_eq!(
            stream.read(&mut [0]).await?,
            0,
            "the server has closed, too"
        );
    }
    end.cancel();
    server.await?
}

/// As whoever renews certificates does.
fn hang_up() -> io::Result<()> {
    let pid = process::id().to_string();
    let status = Command::new("sh")
        .args(["-c", "kill -HUP $0", &pid])
        .status()?;
    assert!(status.success());
    Ok(())
}

/// Who vouches for certificates: for tests. A server gets its own from a real one (Let's Encrypt, a company's).
pub(crate) struct Authority(pub(crate) rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = called("an authority for tests");
        let key = rcgen::KeyPair::generate().expect("a key");
        Self(rcgen::CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// What a client that trusts it has to know.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// Writes a new certificate for `localhost`, in the place of the one that was there.
    pub(crate) fn certify(&self, folder: &Path, name: &str) -> io::Result<Files> {
        let names = vec!["localhost".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name = called("a server for tests");
        params.use_authority_key_identifier_extension = true;
        let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.0).map_err(io::Error::other)?;
        let files = Files {
            chain: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}-key.pem")),
        };
        std::fs::write(&files.chain, certificate.pem())?;
        std::fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}

fn called(name: &str) -> rcgen::DistinguishedName {
    let mut full = rcgen::DistinguishedName::new();
    full.push(rcgen::DnType::CommonName, name);
    full
}

//! How is a service of tower served, and how does that end?
//!
//! A task accepts, and each connection is a task of a `JoinSet`. Whoever says *stop* is heard by all of them at once: nobody is accepted any more, and each connection ends when the request
//! that is under way has been answered.
//!
//! It is as small as it is because whoever wants another protocol, limits or options of hyper's has all of it in [`serve_connection`]'s twenty lines.

use crate::{FilchIo, FilchTimer};
use filch::sync::CancellationToken;
use filch::task::JoinSet;
use filch_net::TcpListener;
use futures_io::{AsyncRead, AsyncWrite};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use tower_service::Service;

/// Serves HTTP/1.1 by a service of tower, as an axum `Router` is, until `stop` is ready: then nobody is accepted any more, what has been asked is answered, and it returns when the last
/// connection is gone.
///
/// A connection that is idle then is closed, and a request that comes in that moment is lost with it, as each idle connection's may be; clients ask again.
///
/// # Units and limits
///
/// Those of [`serve_connection`]. There is no limit on the number of connections but that of descriptors, for which it waits, and none on how long answering takes: see the example.
///
/// # Errors
///
/// If the listener fails for good, or the runtime has shut down; the connections are served to their end before. What goes wrong with one connection ends that one, a panic of its service
/// too.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it closes the listener and cuts off every connection, in the midst of an answer too.
///
/// # Examples
///
/// The end is asked for by ctrl-c, and has ten seconds:
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use filch::sync::CancellationToken;
/// use filch::time::{Duration, timeout};
/// use filch_net::{TcpListener, signal::ctrl_c};
///
/// #[filch::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:8080").await?;
///     let router = Router::new().route("/", get(async || "Hello, World!"));
///     let stop = CancellationToken::new();
///     let mut server = filch::spawn(filch_hyper::serve(listener, router, stop.clone().cancelled_owned()));
///     filch::select! {
///         ended = &mut server => return ended?,
///         () = async { drop(ctrl_c().await) } => stop.cancel(),
///     }
///     match timeout(Duration::from_secs(10), server).await {
///         Ok(ended) => ended?,
///         Err(_) => Ok(()), // returning from main cuts off who is still served
///     }
/// }
/// ```
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    stop: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let ending = CancellationToken::new();
    let mut connections = JoinSet::new();
    let start = |stream: filch_net::TcpStream| {
        // hyper writes whole answers: waiting for more would only delay them. Without it the connection still works.
        let _ = stream.set_nodelay(true);
        let (service, ending) = (service.clone(), ending.clone());
        let stream = FilchIo::vectored(stream);
        async move { serve_connection(stream, service, &ending).await }
    };
    let mut stop = pin!(stop);
    let failure = loop {
        filch::select! {
            biased;
            () = stop.as_mut() => break None,
            Some(_ended) = connections.join_next() => {} // what one connection died of is nobody else's
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => drop(connections.spawn(start(stream))),
                // The system had no memory for that one, or no room; it has been closed.
                Err(error) if is_passing(&error) => {}
                Err(error) => break Some(error),
            }
        }
    };
    // Who is in the queue has been accepted by the kernel, and may have sent a request. Not more than the queue holds: others may come faster than they are taken out.
    for _ in 0..filch_net::tcp::BACKLOG {
        match listener.accept_now() {
            Ok((stream, _peer)) => drop(connections.spawn(start(stream))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // That one connection was lost; the next may be good. The loop ends all the same.
            Err(_) => {}
        }
    }
    drop(listener);
    ending.cancel();
    while connections.join_next().await.is_some() {}
    failure.map_or(Ok(()), Err)
}

/// Whether the next connection may be good: the system had no memory to watch this one, or no room.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::OutOfMemory | io::ErrorKind::StorageFull
    )
}

/// Serves HTTP/1.1 on one connection of any kind (TLS, Unix), until the client closes it, or `ending` is cancelled and what has been asked is answered.
///
/// # Units and limits
///
/// hyper's: 30 seconds for a head, from the end of the last answer on, so that a connection that is idle for so long ends too; about 400 kB for a head or a piece of a body; 100 header
/// fields. Bodies have neither limits nor deadlines: those are the service's (`axum::extract::DefaultBodyLimit`, [`filch::time::timeout`]).
///
/// # Errors
///
/// What hyper says of the connection: it was broken off, what came was no HTTP, or the service has failed.
///
/// # Panics
///
/// Outside of a runtime. If the service panics.
///
/// # Cancel safety
///
/// Dropping it cuts the connection off.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use filch::sync::CancellationToken;
/// use filch_hyper::{FilchIo, serve_connection};
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # fn main() -> std::io::Result<()> {
/// filch::Runtime::new()?.block_on(async {
///     let router = Router::new().route("/", get(async || "hello"));
///     let (mut client, served) = filch::io::duplex(1024);
///     let ending = CancellationToken::new();
///     filch::spawn(async move { serve_connection(FilchIo::new(served), router, &ending).await });
///     client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await?;
///     assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"));
///     Ok(())
/// })
/// # }
/// ```
pub async fn serve_connection<T, S, B>(
    stream: FilchIo<T>,
    service: S,
    ending: &CancellationToken,
) -> hyper::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let mut connection = http1::Builder::new()
        .timer(FilchTimer::new())
        .serve_connection(stream, TowerToHyperService::new(service))
        .with_upgrades();
    // In this order: of a connection that is accepted last, what has been sent is read before it is asked whether anything is under way.
    filch::select! {
        biased;
        ended = &mut connection => return ended,
        () = ending.cancelled() => {}
    }
    Pin::new(&mut connection).graceful_shutdown();
    connection.await
}

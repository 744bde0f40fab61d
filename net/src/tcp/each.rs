//! How does each worker get a listener of its own?
//!
//! By a socket for each, bound to one address with `SO_REUSEPORT`: the kernel chooses for each new connection whose queue it comes into, by a hash of its addresses and ports. So no two workers
//! take connections out of one queue, whose lock is what limits the rate of a listener that many cores share.
//!
//! It is not the usual way, since a queue is bound to its listener: connections in the queue of one whose task does not come to it wait, while siblings have nothing to do, and when it is closed
//! they are reset. One listener has neither. Where the connections are served is decided after accepting, in both ways alike (`filch::io::Placement`). docs/decisions/placement.md.

use crate::addr::{Resolved, ToSocketAddrs};
use crate::error;
use crate::tcp::listener::{BACKLOG, TcpListener};
use crate::tcp::socket::TcpSocket;
use filch::io::Placement;
use std::io;
use std::net::SocketAddr;

impl TcpListener {
    /// Listens on the first of these addresses that can be had, with one socket for each worker that is active. The kernel spreads the connections over them by a hash (`SO_REUSEPORT`).
    ///
    /// For servers that accept tens of thousands of connections in a second; elsewhere one listener from [`bind`](Self::bind), with one or more tasks that accept, does better: here a
    /// connection waits for the listener it was given to, also if the worker of that one is busy, and connections that wait at a listener that is closed are reset. Each should be
    /// accepted from by a task of its own, for as long as any is.
    ///
    /// Each socket is otherwise set up as by [`bind`](Self::bind). Port 0 takes a free one, the same for all.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind). An address that a socket without `SO_REUSEPORT`, or of another user, is bound to is in use.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only while a name is resolved, and nothing is bound before.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::{TcpListener, TcpStream};
    ///
    /// async fn serve(listener: TcpListener) -> std::io::Result<()> {
    ///     loop {
    ///         let (stream, _peer) = listener.accept().await?;
    ///         filch::spawn(async move { drop(stream) });
    ///     }
    /// }
    ///
    /// let rt = filch::runtime::Builder::new().worker_threads(2).build()?;
    /// rt.block_on(async {
    ///     let listeners = TcpListener::bind_each("127.0.0.1:0").await?;
    ///     let addr = listeners[0].local_addr()?;
    ///     for listener in listeners {
    ///         filch::spawn(serve(listener));
    ///     }
    ///     TcpStream::connect(addr).await.map(drop)
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind_each(addr: impl ToSocketAddrs) -> io::Result<Vec<Self>> {
        let wanted = addr.wanted()?;
        let resolved = wanted.resolve().await?;
        let runtime = filch::runtime::Handle::try_current().map_err(io::Error::other)?;
        bind_each_to_any(&resolved, runtime.metrics().num_active_workers())
    }
}

fn bind_each_to_any(resolved: &Resolved, count: usize) -> io::Result<Vec<TcpListener>> {
    let mut last = None;
    for &addr in &resolved.addresses {
        match bind_all(addr, count) {
            Ok(listeners) => return Ok(listeners),
            Err(cause) => last = Some((addr, cause)),
        }
    }
    let (addr, cause) = last.expect("a resolved name has an address");
    let step = format!("listen on {}", resolved.call(addr));
    Err(error::at(step, cause))
}

fn bind_all(addr: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind_one(addr, 0)?;
    // With the port that was chosen for the first one.
    let addr = first.local_addr()?;
    let rest = (1..count).map(|worker| bind_one(addr, worker));
    std::iter::once(Ok(first)).chain(rest).collect()
}

fn bind_one(addr: SocketAddr, worker: usize) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_for(addr)?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    socket.listen_with(BACKLOG, Placement::Worker(worker))
}

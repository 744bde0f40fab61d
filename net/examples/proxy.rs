//! A proxy that looks at nothing of what it passes on: the kernel moves the bytes from socket to socket, but for small messages, which are cheaper to copy.
//!
//! ```text
//! cargo run -p filch-net --example proxy                                       # joins a client and a server of its own, and ends
//! cargo run -p filch-net --example proxy -- 127.0.0.1:7009 example.org:80      # serves until ctrl-c: curl -H 'Host: example.org' http://127.0.0.1:7009/
//! ```
//!
//! A task for each connection connects to the server and copies both ways (`splice::copy_bidirectional`). When one side says no more, the other one is told, and the way back stays open; when one
//! breaks off, both connections are closed. After ctrl-c nobody is let in any more, and those who are in have ten seconds.

use filch::task::JoinSet;
use filch::time::{Duration, timeout};
use filch_net::{TcpListener, TcpStream, splice};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io;

/// How long connections may go on after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(addr), Some(server)) if addr.contains(':') => {
            let listener = TcpListener::bind(addr).await?;
            println!("{} leads to {server}", listener.local_addr()?);
            proxy(listener, server, filch_net::signal::ctrl_c()).await
        }
        _ => demonstrate().await,
    }
}

/// Lets connections in until `end` is ready.
async fn proxy(
    listener: TcpListener,
    server: String,
    end: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    filch::pin!(end);
    loop {
        filch::select! {
            accepted = listener.accept() => {
                let (client, peer) = accepted?;
                let server = server.clone();
                connections.spawn(async move {
                    match join(client, &server).await {
                        Ok((asked, answered)) => println!("{peer}: {asked} bytes there, {answered} back"),
                        Err(error) => println!("{peer}: {error}"),
                    }
                });
            }
            Some(_gone) = connections.join_next() => {}
            ended = &mut end => {
                ended?;
                break;
            }
        }
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, rest).await.is_err() {
        println!("{} connections are broken off", connections.len());
    }
    Ok(())
}

async fn join(mut client: TcpStream, server: &str) -> io::Result<(u64, u64)> {
    let mut server = TcpStream::connect(server).await?;
    // What is small shall not wait for more: neither for the client nor for the server.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    splice::copy_bidirectional(&mut client, &mut server).await
}

/// A server that answers when it has heard everything, and a client that says it has said everything.
async fn demonstrate() -> io::Result<()> {
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = server.local_addr()?.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let (stop, end) = filch::sync::oneshot::channel();
    let end = async { end.await.map_err(io::Error::other) };
    let proxy = filch::spawn(proxy(listener, upstream, end));
    let answers = filch::spawn(async move {
        let (mut stream, _) = server.accept().await?;
        let mut asked = Vec::new();
        stream.read_to_end(&mut asked).await?;
        stream
            .write_all(format!("{} bytes", asked.len()).as_bytes())
            .await
    });

    let mut client = TcpStream::connect(addr).await?;
    client.write_all(&vec![7; 1_000_000]).await?;
    client.close().await?; // of the direction of writing
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    assert_eq!(answer, "1000000 bytes");
    answers.await??;
    drop(client);

    let _ = stop.send(());
    proxy.await?
}

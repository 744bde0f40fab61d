//! A server that ends well: a signal stops it, what is under way is finished, and who takes too long is cut off.
//!
//! ```text
//! cargo run -p filch-net --example shutdown
//! ```
//!
//! The program sends itself `SIGTERM`. A [`CancellationToken`] carries that to whoever wants to know: the server accepts nobody any more, connections that are idle end at once, a
//! request that was begun is answered. A [`JoinSet`] says when all connections have ended, and a deadline how long that may take.

use filch::sync::CancellationToken;
use filch::task::JoinSet;
use filch::time::{Duration, sleep, timeout};
use filch_net::signal::{SignalKind, signal};
use filch_net::{TcpListener, TcpStream};
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use std::io;
use std::net::SocketAddr;
use std::process::{self, Command};

/// How the connections ended.
#[derive(Debug, PartialEq, Eq)]
struct Ends {
    by_themselves: usize,
    cut_off: usize,
}

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    // There is time enough: the idle one of two connections ends at once, the busy one when its answer is sent.
    let (server, addr) = start(Duration::from_secs(3600)).await?;
    let mut idle = greeted(addr).await?;
    let mut busy = greeted(addr).await?;
    busy.write_all(b"a question\n").await?;
    let mut line = String::new();
    busy.read_line(&mut line).await?;
    assert_eq!(line, "thinking\n");
    terminate()?;
    assert_eq!(rest(&mut idle).await?, "");
    assert_eq!(rest(&mut busy).await?, "A QUESTION\n");
    let ends = server.await??;
    println!("with time enough: {ends:?}");
    assert_eq!((ends.by_themselves, ends.cut_off), (2, 0));

    // There is not: somebody has asked what takes an hour to answer.
    let (server, addr) = start(Duration::from_millis(20)).await?;
    let mut hour = greeted(addr).await?;
    hour.write_all(b"hour\n").await?;
    line.clear();
    hour.read_line(&mut line).await?;
    assert_eq!(line, "thinking\n");
    terminate()?;
    let ends = server.await??;
    println!("with a deadline:  {ends:?}");
    assert_eq!((ends.by_themselves, ends.cut_off), (0, 1));
    assert_eq!(
        rest(&mut hour).await?,
        "",
        "it is closed, without an answer"
    );
    Ok(())
}

/// A server that ends with the next `SIGTERM`, and where it listens.
async fn start(
    deadline: Duration,
) -> io::Result<(filch::JoinHandle<io::Result<Ends>>, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    // Listened for from here on, not from when the task begins.
    let mut signals = signal(SignalKind::terminate())?;
    let on_signal = stop.clone();
    filch::spawn(async move {
        signals.recv().await;
        on_signal.cancel();
    });
    Ok((filch::spawn(serve(listener, stop, deadline)), addr))
}

async fn serve(
    listener: TcpListener,
    stop: CancellationToken,
    deadline: Duration,
) -> io::Result<Ends> {
    let mut connections = JoinSet::new();
    let mut by_themselves = 0;
    loop {
        filch::select! {
            accepted = listener.accept() => {
                connections.spawn(answer(accepted?.0, stop.clone()));
            }
            Some(_ended) = connections.join_next() => by_themselves += 1,
            () = stop.cancelled() => break,
        }
    }
    drop(listener); // who comes now is refused
    let all_end = async {
        while connections.join_next().await.is_some() {
            by_themselves += 1;
        }
    };
    let _ = timeout(deadline, all_end).await; // cut_off says whether it was in time
    let cut_off = connections.len();
    connections.shutdown().await; // aborts them, and waits until they are gone
    Ok(Ends {
        by_themselves,
        cut_off,
    })
}

/// One connection: a line is a request, and the same in capitals the answer.
async fn answer(stream: TcpStream, stop: CancellationToken) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"hello\n").await?;
    loop {
        let mut line = String::new();
        // Only the wait for a request is given up. What stands behind the select! is never torn apart.
        let count = filch::select! {
            () = stop.cancelled() => return Ok(()),
            count = stream.read_line(&mut line) => count?,
        };
        if count == 0 {
            return Ok(());
        }
        stream.get_mut().write_all(b"thinking\n").await?;
        let is_hard = line == "hour\n";
        sleep(Duration::from_millis(if is_hard { 3_600_000 } else { 20 })).await;
        let answer = line.to_uppercase();
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}

/// A connection that the server has accepted.
async fn greeted(server: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    assert_eq!(line, "hello\n");
    Ok(stream)
}

/// What comes before the server closes the connection.
async fn rest(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await?;
    Ok(rest)
}

/// As `kill` in a shell does, or whoever manages services.
fn terminate() -> io::Result<()> {
    let pid = process::id().to_string();
    let status = Command::new("sh")
        .args(["-c", "kill -TERM $0", &pid])
        .status()?;
    assert!(status.success());
    Ok(())
}

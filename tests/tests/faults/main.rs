//! What becomes of a program when the system, the network or the program itself misbehaves?
//!
//! Each test shows that nothing hangs, that nothing is left behind (descriptors, tasks), that nobody waits in a loop ([`filch_tests::quiet`]), and that an error says what was
//! tried. What concerns the whole process is done in a process of its own; what the system may not permit says that it was left out.
//!
//! | file | what goes wrong |
//! |---|---|
//! | `exhaustion` | there are no descriptors, no memory, no watches left |
//! | `interrupted` | signals interrupt system calls, connections die in the queue |
//! | `spurious` | what was reported ready is not |
//! | `half_open` | the peer has vanished without a word |
//! | `broken_off` | the connection is reset, ended, cut, stalled or silent at any byte |
//! | `stolen` | somebody else closes a descriptor, and its number is used again |
//! | `forked` | a program with many threads forks |
//! | `resolver` | a name server never answers |

mod broken_off;
mod exhaustion;
mod forked;
mod half_open;
mod interrupted;
mod resolver;
mod spurious;
mod stolen;

use filch_net::{TcpListener, TcpStream};
use filch_tests::census::{Census, settle};
use filch_tests::drops::Tally;
use filch_tests::guard::within_reason;
use filch_tests::quiet;
use filch_tests::runtime;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Runs `test` on a runtime of its own, whose tasks rest afterwards, and whose end gives everything back. In a process of its own.
fn run_and_settle<F>(workers: usize, test: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let before = Census::now().unwrap();
    within_reason(move || {
        let rt = runtime(workers);
        rt.block_on(test);
        quiet::rest(&rt.metrics());
        drop(rt);
    });
    settle(&before);
}

/// A server that sends back what comes. Whatever a client does is that client's end alone.
struct Echo {
    addr: SocketAddr,
    /// Of its connections.
    tasks: Tally,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    fn on(listener: TcpListener) -> Self {
        let addr = listener.local_addr().unwrap();
        let tasks = Tally::new();
        let count = tasks.clone();
        let serving = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let own = count.track();
                filch::spawn(async move {
                    let _own = own;
                    let _client_s_business = echo(stream).await;
                });
            }
        };
        filch::spawn(serving);
        Self { addr, tasks }
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    futures_lite::io::copy(&stream, &stream).await?;
    (&stream).close().await
}

/// Sends a word and reads it back.
async fn ask(mut stream: &TcpStream, word: &[u8]) -> io::Result<()> {
    stream.write_all(word).await?;
    let mut answer = vec![0; word.len()];
    stream.read_exact(&mut answer).await?;
    assert!(answer == word);
    Ok(())
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (served, _) = listener.accept().await.unwrap();
    (client.unwrap(), served)
}

/// The system's number of an error, of ours or its own.
fn number(error: &io::Error) -> Option<i32> {
    let source = || error.source()?.downcast_ref::<io::Error>();
    error.raw_os_error().or_else(|| number(source()?))
}

/// Waits until everything is dropped.
async fn gone(tally: &Tally) {
    while tally.alive() > 0 {
        filch::time::sleep(Duration::from_millis(1)).await;
    }
    tally.assert_all_gone();
}

//! A chat server: whoever connects says a name, and then whatever is to be said to all the others.
//!
//! ```text
//! cargo run -p filch-net --example chat                      # talks to itself, and ends
//! cargo run -p filch-net --example chat -- 127.0.0.1:7008    # serves until ctrl-c; talk to it with `nc 127.0.0.1 7008`
//! ```
//!
//! Each line goes into a `broadcast` channel, from which each connection takes what the others have said. A task for each connection waits for three things at once (`select!`): a line of its
//! own member, a message of another one, and the end. Who is too slow loses messages and is told so, rather than hold up the others; who says more than a line holds has to leave; and who reads
//! nothing any more does not hold up the end, which has a deadline.

use filch::sync::CancellationToken;
use filch::sync::broadcast::{self, error::RecvError};
use filch::task::JoinSet;
use filch::time::{Duration, timeout};
use filch_net::tcp::OwnedReadHalf;
use filch_net::{TcpListener, TcpStream};
use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use std::io;
use std::net::SocketAddr;

/// How many messages are kept for those who are slow.
const BACKLOG: usize = 64;

/// How long a line may be, with its end: whoever never ends one must not fill the memory.
const LINE_BYTES_MAX: usize = 1024;

/// How long the members have to hear that it is over.
const GOODBYE: Duration = Duration::from_secs(5);

/// Who has said it, and what.
type Message = (SocketAddr, String);

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let end = CancellationToken::new();
    let addr = std::env::args().nth(1);
    match addr.and_then(|addr| addr.parse::<SocketAddr>().ok()) {
        None => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let addr = listener.local_addr()?;
            let server = filch::spawn(serve(listener, end.clone()));
            demonstrate(addr, end).await?;
            server.await?
        }
        Some(addr) => {
            let listener = TcpListener::bind(addr).await?;
            println!("listening on {}", listener.local_addr()?);
            let server = filch::spawn(serve(listener, end.clone()));
            filch_net::signal::ctrl_c().await?;
            end.cancel();
            server.await?
        }
    }
}

/// Until the end, and until every member has been told of it or the time for that is up.
async fn serve(listener: TcpListener, end: CancellationToken) -> io::Result<()> {
    let room = broadcast::Sender::new(BACKLOG);
    let mut members = JoinSet::new();
    loop {
        filch::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                members.spawn(member(stream, peer, room.clone(), end.clone()));
            }
            Some(_gone) = members.join_next() => {} // an error of one connection is nobody else's
            () = end.cancelled() => break,
        }
    }
    let all_gone = async { while members.join_next().await.is_some() {} };
    if timeout(GOODBYE, all_gone).await.is_err() {
        println!("somebody does not listen"); // and is cut off: dropping the set ends what is left in it
    }
    Ok(())
}

async fn member(
    stream: TcpStream,
    peer: SocketAddr,
    room: broadcast::Sender<Message>,
    end: CancellationToken,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = Lines::new(reader);
    writer.write_all(b"your name?\n").await?;
    let name = filch::select! {
        name = lines.next() => name?,
        () = end.cancelled() => None,
    };
    let Some(name) = name else { return Ok(()) };

    let mut messages = room.subscribe();
    writer.write_all(b"welcome\n").await?;
    say(&room, peer, format!("{name} is here"));
    loop {
        filch::select! {
            line = lines.next() => match line {
                Ok(Some(line)) => say(&room, peer, format!("{name}: {line}")),
                Ok(None) | Err(_) => break,
            },
            message = messages.recv() => match message {
                Ok((from, _)) if from == peer => {}
                Ok((_, text)) => writer.write_all(format!("{text}\n").as_bytes()).await?,
                Err(RecvError::Lagged(missed)) => {
                    writer.write_all(format!("({missed} messages missed)\n").as_bytes()).await?;
                }
                Err(RecvError::Closed) => break,
            },
            () = end.cancelled() => return writer.write_all(b"good night\n").await,
        }
    }
    say(&room, peer, format!("{name} has left"));
    Ok(())
}

/// The lines that a member says. It keeps what it has read of one when it is left for another branch; `read_line` would lose that, and has no bound.
struct Lines {
    reader: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Lines {
    fn new(reader: OwnedReadHalf) -> Self {
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
        }
    }

    /// The next one; `None` when the member has gone.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let ahead = self.reader.fill_buf().await?;
            let end = ahead.iter().position(|&byte| byte == b'\n');
            let count = end.map_or(ahead.len(), |end| end + 1);
            if self.line.len() + count > LINE_BYTES_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line is too long",
                ));
            }
            self.line.extend_from_slice(&ahead[..count]);
            self.reader.consume(count);
            // What is not ended is said all the same when nothing more comes.
            if end.is_some() || (count == 0 && !self.line.is_empty()) {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                return Ok(Some(line.trim_end().to_owned()));
            }
            if count == 0 {
                return Ok(None);
            }
        }
    }
}

fn say(room: &broadcast::Sender<Message>, from: SocketAddr, text: String) {
    // An error says that nobody listens, which is nobody's fault.
    let _ = room.send((from, text));
}

/// Two members, who see what the other says, and the end.
async fn demonstrate(addr: SocketAddr, end: CancellationToken) -> io::Result<()> {
    let mut ada = Member::connect(addr).await?;
    ada.say("Ada").await?;
    assert_eq!(ada.hear().await?, "welcome");
    let mut ben = Member::connect(addr).await?;
    ben.say("Ben").await?;
    assert_eq!(ben.hear().await?, "welcome");
    assert_eq!(ada.hear().await?, "Ben is here");

    ada.say("good morning").await?;
    assert_eq!(ben.hear().await?, "Ada: good morning");
    ben.say("is it?").await?;
    assert_eq!(ada.hear().await?, "Ben: is it?");
    ben.say(&"very ".repeat(LINE_BYTES_MAX)).await?;
    assert_eq!(ada.hear().await?, "Ben has left");
    drop(ben);

    end.cancel();
    assert_eq!(ada.hear().await?, "good night");
    println!("all has been said and heard");
    Ok(())
}

struct Member(BufReader<TcpStream>);

impl Member {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let mut member = Self(BufReader::new(TcpStream::connect(addr).await?));
        assert_eq!(member.hear().await?, "your name?");
        Ok(member)
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await
    }

    async fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }
}

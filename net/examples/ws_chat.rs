//! A chat by WebSocket, with async-tungstenite, as it is: whoever connects has a name in the URL, and sends what is to be said to all.
//!
//! ```text
//! cargo run -p filch-net --example ws_chat                      # talks to itself, and ends
//! cargo run -p filch-net --example ws_chat -- 127.0.0.1:7009    # serves until ctrl-c
//! ```
//!
//! In the console of a browser: `s = new WebSocket("ws://127.0.0.1:7009/Ada"); s.onmessage = e => console.log(e.data)`, then `s.send("hello")`.
//!
//! A task for each connection waits for four things at once: a message of its own member, one of another member by the `broadcast` channel, the time for a ping, and the end. None of the
//! four loses anything when another one is first: what was read of a message stays in the WebSocket. Who is too slow to read misses messages and is told so; who gives no sign of life
//! is left.

use async_tungstenite::tungstenite::error::Error;
use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::http::StatusCode;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use async_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async};
use filch::sync::CancellationToken;
use filch::sync::broadcast::{self, error::RecvError};
use filch::task::JoinSet;
use filch::time::{Duration, Instant, interval, timeout};
use filch_net::{TcpListener, TcpStream};
use futures_lite::StreamExt;
use std::io;
use std::net::{Shutdown, SocketAddr};

/// How many messages are kept for those who are slow.
const BACKLOG: usize = 64;

/// The longest message, in bytes. A guess: nobody reads more at once.
pub(crate) const MESSAGE_MAX: usize = 64 * 1024;

/// How long the other side may take to shake hands, to take a message, or to answer a farewell. A guess.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How to find out that somebody is gone without a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heartbeat {
    /// From one ping to the next.
    pub(crate) every: Duration,
    /// How long to go on without a sign of life.
    pub(crate) patience: Duration,
}

/// Routers forget connections that are silent for a minute; guesses beyond that.
const HEARTBEAT: Heartbeat = Heartbeat {
    every: Duration::from_secs(20),
    patience: Duration::from_secs(50),
};

/// Who has said it, and what.
type Said = (SocketAddr, String);

#[filch::main]
pub(crate) async fn main() -> Result<(), Error> {
    let end = CancellationToken::new();
    let addr = std::env::args().nth(1);
    match addr.and_then(|addr| addr.parse::<SocketAddr>().ok()) {
        None => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let addr = listener.local_addr()?;
            let server = filch::spawn(serve(listener, HEARTBEAT, end.clone()));
            demonstrate(addr, end).await?;
            server.await.map_err(io::Error::from)??;
        }
        Some(addr) => {
            let listener = TcpListener::bind(addr).await?;
            println!("listening on {}", listener.local_addr()?);
            let server = filch::spawn(serve(listener, HEARTBEAT, end.clone()));
            filch_net::signal::ctrl_c().await?;
            end.cancel();
            server.await.map_err(io::Error::from)??;
        }
    }
    Ok(())
}

/// Until the end, and until every member has been told of it.
pub(crate) async fn serve(
    listener: TcpListener,
    heartbeat: Heartbeat,
    end: CancellationToken,
) -> io::Result<()> {
    let room = broadcast::Sender::new(BACKLOG);
    let mut members = JoinSet::new();
    loop {
        filch::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                members.spawn(welcome(stream, peer, room.clone(), heartbeat, end.clone()));
            }
            Some(_gone) = members.join_next() => {} // an error of one connection is nobody else's
            () = end.cancelled() => break,
        }
    }
    drop(listener);
    while members.join_next().await.is_some() {}
    Ok(())
}

async fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    room: broadcast::Sender<Said>,
    heartbeat: Heartbeat,
    end: CancellationToken,
) -> Result<(), Error> {
    let mut joined = None;
    #[expect(clippy::result_large_err, reason = "tungstenite wants it so")]
    let handshake = |request: &Request, response: Response| {
        let name = request.uri().path().trim_matches('/');
        if name.is_empty() {
            return Err(refusal("the path of the URL is your name\n"));
        }
        // Before the response: who has that hears everybody, and everybody has heard of it.
        joined = Some((room.subscribe(), Presence::begin(&room, peer, name)));
        Ok(response)
    };
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX));
    let limits = limits.max_frame_size(Some(MESSAGE_MAX));
    let handshake = accept_hdr_async_with_config(stream, handshake, Some(limits));
    let mut socket = filch::select! {
        shaken = timeout(TIMEOUT, handshake) => shaken.map_err(io::Error::from)??,
        () = end.cancelled() => return Ok(()),
    };
    let Some((messages, presence)) = joined else {
        unreachable!("whoever is refused has no socket");
    };

    let left = member(&mut socket, &presence, messages, heartbeat, &end).await;
    drop(presence);
    match left {
        Ok(Some(farewell)) => close(&mut socket, farewell).await,
        Ok(None) => finish(&mut socket).await,
        // To whom has broken the rules it is said which.
        Err(error) => close(&mut socket, complaint(&error)).await.and(Err(error)),
    }
}

/// Somebody is here until it is dropped, and everybody else is told so.
struct Presence {
    room: broadcast::Sender<Said>,
    peer: SocketAddr,
    name: String,
}

impl Presence {
    fn begin(room: &broadcast::Sender<Said>, peer: SocketAddr, name: &str) -> Self {
        let (room, name) = (room.clone(), name.to_owned());
        let presence = Self { room, peer, name };
        presence.say(" is here");
        presence
    }

    fn say(&self, what: &str) {
        // An error says that nobody listens, which is nobody's fault.
        let _ = self.room.send((self.peer, format!("{}{what}", self.name)));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.say(" has left");
    }
}

fn refusal(why: &str) -> ErrorResponse {
    let mut refusal = ErrorResponse::new(Some(why.to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    refusal
}

/// Until the member has left; or why the server leaves.
async fn member(
    socket: &mut WebSocketStream<TcpStream>,
    presence: &Presence,
    mut messages: broadcast::Receiver<Said>,
    heartbeat: Heartbeat,
    end: &CancellationToken,
) -> Result<Option<CloseFrame>, Error> {
    let mut heartbeats = interval(heartbeat.every);
    let mut sign_of_life = Instant::now();
    loop {
        filch::select! {
            message = socket.next() => {
                sign_of_life = Instant::now();
                match message.transpose()? {
                    Some(Message::Text(text)) => presence.say(&format!(": {text}")),
                    // It is answered by tungstenite, and so is a ping; after it there is nothing more to be sent.
                    Some(Message::Close(_)) | None => return Ok(None),
                    Some(_) => {}
                }
            }
            message = messages.recv() => match message {
                Ok((from, _)) if from == presence.peer => {}
                Ok((_, text)) => send(socket, Message::text(text)).await?,
                Err(RecvError::Lagged(missed)) => {
                    send(socket, Message::text(format!("({missed} messages missed)"))).await?;
                }
                Err(RecvError::Closed) => return Ok(None),
            },
            _ = heartbeats.tick() => {
                if sign_of_life.elapsed() > heartbeat.patience {
                    return Ok(Some(farewell(CloseCode::Policy, "no sign of life")));
                }
                send(socket, Message::Ping("are you there?".into())).await?;
            }
            () = end.cancelled() => return Ok(Some(farewell(CloseCode::Away, "good night"))),
        }
    }
}

/// Who takes nothing is not waited for.
async fn send(socket: &mut WebSocketStream<TcpStream>, message: Message) -> Result<(), Error> {
    timeout(TIMEOUT, socket.send(message))
        .await
        .map_err(io::Error::from)?
}

/// Says why, and waits for the answer.
async fn close(socket: &mut WebSocketStream<TcpStream>, frame: CloseFrame) -> Result<(), Error> {
    let said = timeout(TIMEOUT, socket.close(Some(frame))).await;
    said.map_err(io::Error::from)??;
    finish(socket).await
}

/// Until both sides have said good-bye, and the other one has closed the connection.
async fn finish(socket: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
    let is_closed = async {
        while let Some(Ok(_sent_before)) = socket.next().await {} // sends what is due, too
        // Whatever is on the way still, after a message too long for example, is thrown away: the kernel resets a connection that is closed with something unread, and the farewell
        // may be lost by that.
        let stream = socket.get_mut();
        stream.shutdown(Shutdown::Write)?;
        futures_lite::io::copy(stream, &mut futures_lite::io::sink()).await?;
        Ok(())
    };
    timeout(TIMEOUT, is_closed).await.map_err(io::Error::from)?
}

fn farewell(code: CloseCode, reason: &str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}

fn complaint(error: &Error) -> CloseFrame {
    let code = match error {
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        _ => CloseCode::Protocol,
    };
    farewell(code, "")
}

/// Two members, who see what the other says, and the end.
async fn demonstrate(addr: SocketAddr, end: CancellationToken) -> Result<(), Error> {
    let mut ada = Member::connect(addr, "Ada").await?;
    let mut ben = Member::connect(addr, "Ben").await?;
    assert_eq!(ada.hear().await?, "Ben is here");

    ada.0.send(Message::text("good morning")).await?;
    assert_eq!(ben.hear().await?, "Ada: good morning");
    ben.0.send(Message::text("is it?")).await?;
    assert_eq!(ada.hear().await?, "Ben: is it?");
    ben.0.close(None).await?;
    assert_eq!(ada.hear().await?, "Ben has left");

    end.cancel();
    let frame = loop {
        match ada.0.next().await.transpose()? {
            Some(Message::Close(frame)) => break frame.expect("the server says why"),
            Some(_) => {}
            None => panic!("the server says good-bye"),
        }
    };
    assert_eq!(
        (frame.code, frame.reason.as_str()),
        (CloseCode::Away, "good night")
    );
    while ada.0.next().await.is_some() {} // sends the answer
    println!("all has been said and heard");
    Ok(())
}

struct Member(WebSocketStream<TcpStream>);

impl Member {
    async fn connect(addr: SocketAddr, name: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(addr).await?;
        let (socket, _response) = client_async(format!("ws://{addr}/{name}"), stream).await?;
        Ok(Self(socket))
    }

    /// What is said next; pings are answered on the way.
    async fn hear(&mut self) -> Result<String, Error> {
        loop {
            match self.0.next().await.transpose()? {
                Some(Message::Text(text)) => return Ok(text.to_string()),
                Some(_) => {}
                None => return Err(Error::ConnectionClosed),
            }
        }
    }
}

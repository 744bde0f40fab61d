//! A server that sends every datagram back to who sent it, and a client that does not rely on getting it.
//!
//! ```text
//! cargo run -p filch-net --example echo_udp                      # asks itself, and ends
//! cargo run -p filch-net --example echo_udp -- 127.0.0.1:7007    # serves until ctrl-c; talk to it with `nc -u 127.0.0.1 7007`
//! ```
//!
//! The server receives what has come by one system call and sends it back by another: under load the calls are spread over many datagrams, and without load nobody waits for a batch to be
//! full. An error belongs to one datagram, so it is told and the server goes on.
//!
//! The client numbers its questions: an answer may be lost, and then the question is asked again; or late, and then it is an answer to another question.

use filch::time::{Duration, timeout};
use filch_net::UdpSocket;
use filch_net::udp::{RecvBatch, SendBatch};
use std::io;
use std::net::SocketAddr;

/// The largest datagram that is sent back whole: what an Ethernet takes.
const DATAGRAM_MAX_BYTES: usize = 1500;

/// How long an answer may take before the question is asked again.
const PATIENCE: Duration = Duration::from_millis(200);

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1);
    match addr.and_then(|addr| addr.parse::<SocketAddr>().ok()) {
        None => {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            let addr = socket.local_addr()?;
            let server = filch::spawn(serve(socket));
            demonstrate(addr).await?;
            server.abort();
            Ok(())
        }
        Some(addr) => {
            let socket = UdpSocket::bind(addr).await?;
            println!("listening on {}", socket.local_addr()?);
            filch::select! {
                result = serve(socket) => result,
                signal = filch_net::signal::ctrl_c() => signal,
            }
        }
    }
}

/// For ever, unless the socket itself is of no use.
async fn serve(socket: UdpSocket) -> io::Result<()> {
    let mut questions = RecvBatch::new(32, DATAGRAM_MAX_BYTES);
    let mut answers = SendBatch::new();
    loop {
        socket.recv_many(&mut questions).await?;
        for question in questions.iter().filter(|question| !question.is_truncated()) {
            answers.push_to(question.bytes(), question.peer());
        }
        while !answers.is_empty() {
            if let Err(error) = socket.send_many(&mut answers).await {
                eprintln!("an answer cannot be sent: {error}");
                answers.skip();
            }
        }
    }
}

/// Three clients at a time, each with ten questions; one of them is empty, which is a datagram too.
async fn demonstrate(server: SocketAddr) -> io::Result<()> {
    let clients: Vec<_> = (0..3)
        .map(|_| {
            filch::spawn(async move {
                let client = Client::connect(server).await?;
                for number in 0..10_u32 {
                    let words = "again ".repeat(number as usize);
                    assert_eq!(
                        client.ask(number, words.as_bytes()).await?,
                        words.as_bytes()
                    );
                }
                io::Result::Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    println!("everything has come back");
    Ok(())
}

struct Client(UdpSocket);

impl Client {
    async fn connect(server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(server).await?;
        Ok(Self(socket))
    }

    /// Asks until there is an answer.
    async fn ask(&self, number: u32, words: &[u8]) -> io::Result<Vec<u8>> {
        let question = [&number.to_be_bytes(), words].concat();
        loop {
            self.0.send(&question).await?;
            if let Ok(answer) = timeout(PATIENCE, self.answer(number)).await {
                return answer;
            }
        }
    }

    /// The answer to this question; older ones are thrown away.
    async fn answer(&self, number: u32) -> io::Result<Vec<u8>> {
        let mut room = [0; DATAGRAM_MAX_BYTES];
        loop {
            let count = self.0.recv(&mut room).await?;
            match room[..count].split_first_chunk() {
                Some((head, words)) if *head == number.to_be_bytes() => return Ok(words.to_vec()),
                _ => {}
            }
        }
    }
}

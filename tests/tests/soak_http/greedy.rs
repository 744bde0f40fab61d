//! What do those do who want more than the strict server gives?
//!
//! They stay until they are cut off, and read what they are told. An answer is the right one or says why there is none, and what it says of a request must be what the books say.

use crate::asks::Ask;
use crate::ledger::{Fate, Ledger};
use crate::reader::{Answer, Reader};
use filch::time::{Duration, sleep};
use filch_net::TcpStream;
use filch_tests::random::Random;
use filch_tests::soak::connect;
use futures_lite::{AsyncWriteExt, future};
use std::net::SocketAddr;
use std::sync::Arc;

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greed {
    /// A head for ever, byte by byte.
    Loris,
    /// To announce a body, and send it later.
    Announces,
    /// To send a body, but slowly.
    Trickles,
    /// Many answers, to be read some other time.
    ReadsNothing,
    /// A connection, to have one.
    Idles,
    /// An answer that takes for ever.
    WaitsForEver,
    /// Many connections.
    Crowds,
    /// More bytes than are taken.
    SendsTooMuch,
    /// What anybody wants.
    IsModest,
}

const GREEDS: [Greed; 9] = [
    Greed::Loris,
    Greed::Announces,
    Greed::Trickles,
    Greed::ReadsNothing,
    Greed::Idles,
    Greed::WaitsForEver,
    Greed::Crowds,
    Greed::SendsTooMuch,
    Greed::IsModest,
];

/// How many connections a crowd makes.
const CROWD: u64 = 12;

/// More answers of 300 kB than the kernel holds for one connection.
const UNREAD_ANSWERS: u64 = 30;

/// In which pieces somebody sends, and how long after each other.
#[derive(Debug, Clone, Copy)]
struct Pace {
    bytes: usize,
    pause: Duration,
}

const AT_ONCE: Pace = Pace {
    bytes: usize::MAX,
    pause: Duration::ZERO,
};

/// One client of the strict server.
pub(crate) struct Visit {
    /// The number of its first request.
    pub(crate) first_id: u64,
    pub(crate) addr: SocketAddr,
    pub(crate) greed: Greed,
    pub(crate) random: Random,
    pub(crate) ledger: Arc<Ledger>,
}

impl Greed {
    pub(crate) fn draw(random: &mut Random) -> Self {
        GREEDS[random.below(GREEDS.len())]
    }
}

impl Visit {
    pub(crate) async fn pay(mut self) {
        let id = self.first_id;
        match self.greed {
            Greed::Loris => self.dawdle_over_a_head().await,
            Greed::Idles => self.ask(&[Ask::plain(id)], AT_ONCE, true).await,
            Greed::WaitsForEver => {
                let asks = [Ask::never(id), Ask::plain(id + 1)];
                self.ask(&asks, AT_ONCE, false).await;
            }
            Greed::ReadsNothing => {
                let asks: Vec<_> = (id..id + UNREAD_ANSWERS).map(Ask::large).collect();
                self.ask(&asks, AT_ONCE, false).await;
            }
            Greed::Crowds => self.crowd().await,
            Greed::Announces | Greed::Trickles | Greed::SendsTooMuch => {
                let (ask, pace) = self.draw_too_much(id);
                self.ask(&[ask], pace, true).await;
            }
            Greed::IsModest => {
                let count = 1 + self.random.below(6) as u64;
                let random = &mut self.random;
                let asks: Vec<_> = (id..id + count)
                    .map(|id| Ask::draw(random, id, true))
                    .collect();
                self.ask(&asks, AT_ONCE, false).await;
            }
        }
    }

    fn draw_too_much(&mut self, id: u64) -> (Ask, Pace) {
        let sent = |length, bytes| Ask::uploaded(id, length, bytes);
        let slowly = Pace {
            bytes: 100,
            pause: Duration::from_millis(5),
        };
        match (self.greed, self.random.below(3)) {
            (Greed::Announces, _) => (sent(5000, 100), AT_ONCE),
            (Greed::Trickles, _) => (sent(50_000, 50_000), slowly),
            (_, 0) => (sent(100_001, 5000), AT_ONCE),
            (_, 1) => {
                let field = format!("X-Long: {}", "x".repeat(8000));
                (Ask::plain(id).with_field(&field), AT_ONCE)
            }
            _ => (Ask::get_of_length(id, 2001), AT_ONCE),
        }
    }

    /// Many at a time.
    async fn crowd(&mut self) {
        let visits: Vec<_> = (0..CROWD)
            .map(|n| {
                let visit = Self {
                    first_id: self.first_id + n * 2,
                    greed: [Greed::IsModest, Greed::WaitsForEver][self.random.below(2)],
                    random: self.random.fork(),
                    addr: self.addr,
                    ledger: self.ledger.clone(),
                };
                filch::spawn(async move {
                    let asks = match visit.greed {
                        Greed::WaitsForEver => vec![Ask::never(visit.first_id)],
                        _ => vec![Ask::plain(visit.first_id), Ask::plain(visit.first_id + 1)],
                    };
                    visit.ask(&asks, AT_ONCE, false).await;
                })
            })
            .collect();
        for visit in visits {
            visit.await.unwrap();
        }
    }

    /// A head that does not end.
    async fn dawdle_over_a_head(&self) {
        let stream = self.connect().await;
        let writes = async {
            let pace = Pace {
                bytes: 1,
                pause: Duration::from_millis(5),
            };
            let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".iter().copied();
            let endless: Vec<_> = head.chain(std::iter::repeat_n(b'x', 7000)).collect();
            let _is_refused = send(&stream, &endless, pace).await;
            future::pending().await
        };
        let reads = async {
            let answer = Reader::new(&stream, None).answer(false).await;
            // None if it is reset by what is sent on.
            if let Ok(answer) = answer {
                assert!(matches!(answer.status, 408 | 503), "{answer:?}");
            }
        };
        future::or(writes, reads).await;
    }

    /// Asks, and reads what it is told; to the end, if it waits for that.
    async fn ask(&self, asks: &[Ask], pace: Pace, waits: bool) {
        for ask in asks {
            self.ledger.note(ask.id, Fate::MayLeave);
        }
        let stream = self.connect().await;
        let writes = async {
            for ask in asks {
                if send(&stream, &ask.bytes, pace).await.is_err() {
                    break;
                }
            }
            future::pending().await
        };
        let reads = async {
            if self.greed == Greed::ReadsNothing {
                sleep(Duration::from_millis(250)).await;
            }
            let mut reader = Reader::new(&stream, None);
            for ask in asks {
                match reader.answer(ask.is_head).await {
                    Ok(answer) => self.judge(ask, &answer),
                    Err(_cut_off) => return,
                }
            }
            if waits {
                let _may_be_reset = reader.ends().await;
            }
        };
        future::or(writes, reads).await;
    }

    async fn connect(&self) -> TcpStream {
        let stream = connect(self.addr).await.unwrap();
        self.ledger.connects();
        stream
    }

    /// What an answer says of its request, which the books must say too.
    fn judge(&self, ask: &Ask, answer: &Answer) {
        let says = |reason: &str| answer.body.starts_with(reason.as_bytes());
        let fate = match answer.status {
            // Of HEAD there is no reason.
            503 if ask.is_head => return,
            503 if says("took too long") => Fate::Answered(503),
            503 if says("too many connections") => Fate::Unread,
            503 if says("waited too long") => Fate::Late,
            503 => Fate::TurnedAway,
            408 | 413 | 414 | 431 if answer.field("x-id").is_none() => return,
            status @ (408 | 413) => Fate::Answered(status),
            status => {
                ask.check(answer);
                Fate::Answered(status)
            }
        };
        self.ledger.note(ask.id, fate);
    }
}

async fn send(mut stream: &TcpStream, bytes: &[u8], pace: Pace) -> std::io::Result<()> {
    for piece in bytes.chunks(pace.bytes) {
        stream.write_all(piece).await?;
        if !pace.pause.is_zero() {
            sleep(pace.pause).await;
        }
    }
    Ok(())
}

//! What do clients of the patient server do?
//!
//! Some stay, and check each answer and that nothing follows it; the others say before they send anything that they may break off.

use crate::asks::{Ask, Ending};
use crate::ledger::{Fate, Ledger};
use crate::reader::{Reader, runs_out};
use filch::time::{Duration, timeout};
use filch_net::TcpStream;
use filch_tests::random::Random;
use filch_tests::soak::{connect, dawdle};
use futures_lite::{AsyncWriteExt, future};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

/// The most requests of a connection.
const ASKS_MAX: usize = 6;

/// How long those wait that will break off.
const PATIENCE: Duration = Duration::from_millis(20);

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One request after the other.
    Talks,
    /// All at once.
    Pipelines,
    /// The same, and the end of what it sends before it reads.
    EndsFirst,
    /// The same, and it reads in crumbs.
    ReadsCrumbs,
    /// The same, and it writes in crumbs.
    WritesCrumbs,
    /// Breaks off anywhere in its requests.
    Resets,
    /// Breaks off anywhere in the answers.
    ResetsInAnswer,
    /// Asks, and reads nothing.
    Leaves,
    /// Has enough of an answer without end.
    LeavesStream,
    /// Sends what is no request, or hardly one.
    Babbles,
    /// Says nothing.
    IsSilent,
}

impl Manner {
    pub(crate) fn draw(random: &mut Random) -> Self {
        match random.below(16) {
            0..5 => Self::Talks,
            5 => Self::Pipelines,
            6 => Self::EndsFirst,
            7 => Self::ReadsCrumbs,
            8 => Self::WritesCrumbs,
            9 | 10 => Self::Resets,
            11 => Self::ResetsInAnswer,
            12 => Self::Leaves,
            13 => Self::LeavesStream,
            14 => Self::Babbles,
            _ => Self::IsSilent,
        }
    }

    /// Whether it reads all answers.
    fn stays(self) -> bool {
        matches!(self, Self::Talks | Self::Pipelines) || self.ends_first()
    }

    /// Whether it ends what it sends before it has all answers. These must be small: a server may close its side behind them, and the kernel gives up what nobody has room for, after some minutes,
    /// in which this process may be stopped.
    fn ends_first(self) -> bool {
        matches!(
            self,
            Self::EndsFirst | Self::ReadsCrumbs | Self::WritesCrumbs
        )
    }
}

/// One connection of a client, from its beginning to its end.
pub(crate) struct Conversation {
    /// The number of its first request.
    pub(crate) first_id: u64,
    pub(crate) addr: SocketAddr,
    pub(crate) is_faulty: bool,
    pub(crate) manner: Manner,
    pub(crate) random: Random,
    pub(crate) ledger: Arc<Ledger>,
}

impl Conversation {
    pub(crate) async fn hold(mut self) {
        let asks = self.draw_asks();
        let fate = match self.manner.stays() && !self.is_faulty {
            true => Fate::Stays,
            false => Fate::MayLeave,
        };
        for ask in &asks {
            self.ledger.note(ask.id, fate);
        }
        if self.is_faulty {
            // Only because some of these would wait for ever.
            let _broken_off = timeout(Duration::from_millis(500), self.talk(&asks)).await;
        } else if let Err(error) = self.talk(&asks).await {
            panic!("from {} {:?}: {error}", self.first_id, self.manner);
        }
    }

    fn draw_asks(&mut self) -> Vec<Ask> {
        let random = &mut self.random;
        let is_small = self.manner.ends_first();
        let count = 1 + random.below(ASKS_MAX) as u64;
        let last = self.first_id + count - 1;
        let mut asks: Vec<_> = (self.first_id..last)
            .map(|id| Ask::draw(random, id, is_small))
            .collect();
        let endings = [
            Ending::Closes,
            Ending::Panics,
            Ending::Upgrades,
            // What is cut off is answered when what is sent ends; and who talks waits to be invited.
            match self.manner {
                Manner::Talks | Manner::Pipelines => Ending::Declined,
                _ => Ending::Cut,
            },
        ];
        asks.push(match (self.manner, random.below(8)) {
            (Manner::LeavesStream, _) => Ask::without_end(random, last, self.is_faulty),
            (_, n @ 0..4) => Ask::ending(random, last, endings[n]),
            _ => Ask::draw(random, last, is_small),
        });
        asks
    }

    async fn talk(&mut self, asks: &[Ask]) -> io::Result<()> {
        let stream = connect(self.addr).await?;
        if !self.is_faulty {
            self.ledger.connects();
        }
        let all: Vec<_> = asks.iter().map(|ask| &*ask.bytes).collect();
        let all = all.concat();
        match self.manner {
            Manner::Talks => self.take_turns(&stream, asks).await?,
            Manner::Pipelines => {
                let both = future::zip(self.write(&stream, asks), self.read(&stream, asks));
                let (written, read) = both.await;
                (&stream).close().await?;
                read?.ends().await.and(written)?;
            }
            Manner::EndsFirst | Manner::ReadsCrumbs | Manner::WritesCrumbs => {
                let writes = async {
                    self.write(&stream, asks).await?;
                    (&stream).close().await
                };
                let (written, read) = future::zip(writes, self.read(&stream, asks)).await;
                read?.ends().await.and(written)?;
            }
            Manner::Resets => {
                let some = self.random.below(all.len());
                self.send_some(&stream, &all[..some]).await;
                stream.set_zero_linger()?;
            }
            Manner::ResetsInAnswer => {
                let most = 1 + self.random.below(100_000);
                let reads = async {
                    runs_out(&stream, most).await;
                };
                let both = future::zip(self.send_some(&stream, &all), reads);
                let _has_enough = timeout(PATIENCE, both).await;
                if self.random.below(2) == 0 {
                    stream.set_zero_linger()?;
                }
            }
            // What is left to be sent or read makes a reset of a simple close, too.
            Manner::Leaves => self.send_some(&stream, &all).await,
            Manner::LeavesStream => {
                // An end of what it sends would not be seen as one of what it wants.
                stream.set_zero_linger()?;
                self.send(&stream, &all).await?;
                if let Ok(ended) = timeout(PATIENCE, self.read(&stream, asks)).await {
                    ended?;
                    panic!("from {}: there is an end", self.first_id);
                }
            }
            Manner::Babbles => {
                let garbage = Ask::garbage(&mut self.random);
                let _may_be_refused = self.send(&stream, &garbage).await;
                let _may_be_refused = (&stream).close().await;
                assert!(runs_out(&stream, usize::MAX).await);
            }
            Manner::IsSilent => {
                if self.random.below(2) == 0 {
                    (&stream).close().await?;
                    Reader::new(&stream, None).ends().await?;
                }
            }
        }
        Ok(())
    }

    /// One request after the other, each with its answer.
    async fn take_turns(&self, stream: &TcpStream, asks: &[Ask]) -> io::Result<()> {
        let mut reader = Reader::new(stream, None);
        for ask in asks {
            let begun = ask.waits_at.unwrap_or(0);
            if let Some(head_bytes) = ask.waits_at {
                self.send(stream, &ask.bytes[..head_bytes]).await?;
                let invitation = reader.any_answer(false).await?;
                self.check_for_cuts(invitation.status)?;
                assert_eq!(invitation.status, 100, "request {}", ask.id);
            }
            let sends = self.send(stream, &ask.bytes[begun..]);
            let (sent, got) = future::zip(sends, self.receive(&mut reader, ask)).await;
            got.and(sent)?;
            if ask.switched_bytes() > 0 {
                self.speak(stream, &mut reader).await?;
            }
        }
        let is_over = asks.last().is_some_and(Ask::closes);
        if is_over {
            reader.ends().await?;
        }
        let mut stream = stream;
        stream.close().await?;
        reader.ends().await
    }

    /// Goes on in another protocol.
    async fn speak(&self, mut stream: &TcpStream, reader: &mut Reader<'_>) -> io::Result<()> {
        for word in ["GET / HTTP/1.1\r\n\r\n", "x", "\r\n"] {
            stream.write_all(word.as_bytes()).await?;
            assert_eq!(reader.exact(word.len()).await?, word.as_bytes());
        }
        Ok(())
    }

    async fn write(&self, stream: &TcpStream, asks: &[Ask]) -> io::Result<()> {
        for ask in asks {
            self.send(stream, &ask.bytes).await?;
        }
        Ok(())
    }

    async fn read<'s>(&self, stream: &'s TcpStream, asks: &[Ask]) -> io::Result<Reader<'s>> {
        let crumbs = (self.manner == Manner::ReadsCrumbs).then(|| self.random.clone());
        let mut reader = Reader::new(stream, crumbs);
        for ask in asks {
            self.receive(&mut reader, ask).await?;
        }
        Ok(reader)
    }

    async fn send(&self, mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        if self.manner != Manner::WritesCrumbs {
            return stream.write_all(bytes).await;
        }
        let mut random = self.random.clone();
        let mut left = bytes;
        while !left.is_empty() {
            let (piece, rest) = left.split_at((1 + random.below(300)).min(left.len()));
            stream.write_all(piece).await?;
            dawdle(&mut random).await;
            left = rest;
        }
        Ok(())
    }

    /// Sends, for as long as somebody reads who is not read either.
    async fn send_some(&self, stream: &TcpStream, bytes: &[u8]) {
        let _may_be_refused = timeout(PATIENCE, self.send(stream, bytes)).await;
    }

    async fn receive(&self, reader: &mut Reader<'_>, ask: &Ask) -> io::Result<()> {
        let mut answer = reader.answer(ask.is_head).await?;
        self.check_for_cuts(answer.status)?;
        answer
            .body
            .extend(reader.exact(ask.switched_bytes()).await?);
        ask.check(&answer);
        self.ledger.note(ask.id, Fate::Answered(answer.status));
        Ok(())
    }

    /// What the proxy cuts off is no request.
    fn check_for_cuts(&self, status: u16) -> io::Result<()> {
        match status {
            400 if self.is_faulty => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

//! Does a case hold?
//!
//! A client that is nothing but a socket plays its part of it. What it says is either written whole, or byte by byte with a pause
//! after each, which gives the server time to see it by itself; that it does is likely, not certain, and the parsers' own tests know
//! it for certain. Of what is long only the two ends are sent so: the pauses would be seconds.

use crate::answer::{Answer, Answers, Came};
use crate::bytes::show;
use crate::case::{Case, Check, End, Expected, Step};
use filch_tests::guard::HANG;
use std::fmt;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How the bytes of a step arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Bytewise,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Bytewise => "byte by byte",
        })
    }
}

/// So many bytes at either end of a step are sent one by one; what lies between them, as fast as it goes.
const ALONE: usize = 400;

/// The pause after a byte: a few times what a server needs to read it.
const PAUSE: Duration = Duration::from_micros(50);

/// Asked where the connection is said to be open: whatever is left over from before would be in its way.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n";

/// Plays a case, and says what came instead of what should.
pub(crate) fn check(case: &Case, delivery: Delivery, addr: SocketAddr) -> Result<(), String> {
    let stream = TcpStream::connect(addr).map_err(|error| format!("no connection: {error}"))?;
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(HANG)).expect("a socket");
    stream.set_write_timeout(Some(HANG)).expect("a socket");
    let mut play = Play {
        answers: Answers::new(stream.try_clone().expect("a socket")),
        stream,
        ahead: None,
        seen: Vec::new(),
        said_close: false,
    };
    for step in &case.steps {
        match step {
            Step::Send(bytes) => play.send(bytes, delivery),
            // It may be gone already.
            Step::HalfClose => drop(play.stream.shutdown(Shutdown::Write)),
            Step::Answer(expected) => play.expect(expected)?,
        }
    }
    play.end(case.end)
}

/// A case that is being played.
struct Play {
    stream: TcpStream,
    answers: Answers,
    /// What came where an answer might have, and is not that.
    ahead: Option<Came>,
    /// The statuses so far.
    seen: Vec<u16>,
    /// Whether the last answer did.
    said_close: bool,
}

impl Play {
    /// That the server does not read it all is seen by what comes back.
    fn send(&mut self, bytes: &[u8], delivery: Delivery) {
        let alone = match delivery {
            Delivery::Whole => 0,
            Delivery::Bytewise => ALONE.min(bytes.len().div_ceil(2)),
        };
        let (first, rest) = bytes.split_at(alone);
        let (middle, last) = rest.split_at(rest.len() - alone.min(rest.len()));
        let _ = one_by_one(&mut self.stream, first)
            .and_then(|()| self.stream.write_all(middle))
            .and_then(|()| one_by_one(&mut self.stream, last));
    }

    fn next(&mut self, is_to_head: bool) -> Result<Came, String> {
        match self.ahead.take() {
            Some(came) => Ok(came),
            None => self.answers.next(is_to_head).map_err(|it| self.after(&it)),
        }
    }

    fn expect(&mut self, expected: &Expected) -> Result<(), String> {
        for _ in 0..expected.times {
            match self.next(expected.is_to_head)? {
                Came::Answer(answer) if answer.status == expected.status => {
                    self.seen(&answer)?;
                    holds(&answer, &expected.checks).map_err(|it| self.after(&it))?;
                }
                came if expected.is_optional => {
                    self.ahead = Some(came);
                    return Ok(());
                }
                came => {
                    let complaint = format!("{} instead of {}", describe(&came), expected.status);
                    return Err(self.after(&complaint));
                }
            }
        }
        Ok(())
    }

    fn seen(&mut self, answer: &Answer) -> Result<(), String> {
        if self.said_close {
            return Err(self.after("an answer after one that said Connection: close"));
        }
        self.said_close = answer.says_close();
        self.seen.push(answer.status);
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), String> {
        match end {
            End::Open => {
                if self.said_close {
                    return Err(self.after("Connection: close, though it is to stay open"));
                }
                // If it is closed, the answer is missing.
                let _ = self.stream.write_all(PROBE);
                let body = Check::Body(b"probe".to_vec());
                self.expect(&Expected {
                    status: 200,
                    times: 1,
                    checks: vec![body],
                    ..Expected::default()
                })
                .map_err(|it| format!("the connection is not as good as new: {it}"))?;
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            End::Close if !self.said_close => {
                return Err(self.after("the last answer does not say Connection: close"));
            }
            End::Close | End::Eof | End::Gone => {}
        }
        match self.next(false)? {
            Came::Eof => Ok(()),
            Came::Reset if end == End::Gone => Ok(()),
            came => Err(self.after(&format!("{} instead of the end", describe(&came)))),
        }
    }

    fn after(&self, complaint: &str) -> String {
        match &*self.seen {
            [] => complaint.to_owned(),
            seen => format!("after {seen:?}: {complaint}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client pauses in real time")]
fn one_by_one(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte])?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn holds(answer: &Answer, checks: &[Check]) -> Result<(), String> {
    let lines = || answer.body.split(|byte| *byte == b'\n');
    for check in checks {
        let complaint = match check {
            Check::Field(name, value) => {
                let name = name.to_ascii_lowercase();
                let mut fields = answer.fields.iter();
                let found = fields.any(|(it, its)| *it == name && its == value);
                (!found).then(|| format!("no {name}: {}", show(value)))
            }
            Check::NoField(name) => {
                let found = answer.field(&name.to_ascii_lowercase());
                found.map(|value| format!("{name}: {}", show(value)))
            }
            Check::Body(body) => (answer.body != *body).then(|| format!("no {}", show(body))),
            Check::Says(line) => {
                (!lines().any(|it| it == line)).then(|| format!("no line {}", show(line)))
            }
            Check::NeverSays(start) => {
                let found = lines().find(|it| it.starts_with(start));
                found.map(|line| format!("the line {}", show(line)))
            }
        };
        if let Some(complaint) = complaint {
            return Err(format!("{complaint} in {}", describe_answer(answer)));
        }
    }
    Ok(())
}

fn describe(came: &Came) -> String {
    match came {
        Came::Answer(answer) => describe_answer(answer),
        Came::Eof => "the end".to_owned(),
        Came::Reset => "a reset".to_owned(),
    }
}

fn describe_answer(answer: &Answer) -> String {
    let fields = answer.fields.iter().filter(|(name, _)| name != "date");
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{name}: {}", value.escape_ascii()))
        .collect();
    let fields = fields.join(", ");
    format!("{} ({fields}) {}", answer.status, show(&answer.body))
}

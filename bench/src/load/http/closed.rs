//! How are many connections kept busy?
//!
//! Each sends its requests, one or several in one piece, and the next when all of those are answered.

use super::histogram::Histogram;
use super::line::Lines;
use super::request::Request;
use filch_bench_common::clock::now;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

pub(crate) struct Closed {
    lines: Lines,
    /// How long one request is.
    bytes: usize,
    /// So many are sent at once.
    at_once: usize,
    turns: Vec<Turn>,
    numbers: Vec<usize>,
}

/// What a connection waits for.
struct Turn {
    since: Instant,
    missing: usize,
}

impl Closed {
    /// Each connection has been answered once, so that all are accepted.
    pub(super) fn over(
        server: SocketAddr,
        request: &Request,
        connections: usize,
        at_once: usize,
    ) -> io::Result<Self> {
        let bytes = request.bytes();
        let mut closed = Self {
            lines: Lines::none()?,
            bytes: bytes.len(),
            at_once,
            turns: Vec::new(),
            numbers: Vec::new(),
        };
        let request: Rc<[u8]> = bytes.repeat(at_once).into();
        for number in 0..connections {
            closed.lines.add(server, &request)?;
            closed.turns.push(Turn {
                since: now(),
                missing: 0,
            });
            closed.give(number, &mut 1)?;
            closed.until_answered(1, &mut 0, &mut Histogram::default())?;
        }
        Ok(closed)
    }

    /// So many requests, until the last is answered.
    pub(super) fn run(&mut self, requests: usize, times: &mut Histogram) -> io::Result<()> {
        let mut unsent = requests;
        for number in 0..self.lines.count() {
            self.give(number, &mut unsent)?;
        }
        self.until_answered(requests, &mut unsent, times)
    }

    fn until_answered(
        &mut self,
        mut unanswered: usize,
        unsent: &mut usize,
        times: &mut Histogram,
    ) -> io::Result<()> {
        let mut numbers = std::mem::take(&mut self.numbers);
        while unanswered > 0 {
            numbers.extend(self.lines.ready.wait()?);
            for number in numbers.drain(..) {
                let answers = self.lines.answers(number)?;
                if answers == 0 {
                    continue;
                }
                let turn = &mut self.turns[number];
                let took = turn.since.elapsed();
                (0..answers).for_each(|_| times.add(took));
                let missing = turn.missing.checked_sub(answers);
                turn.missing = missing.ok_or_else(|| io::Error::other("an answer too many"))?;
                unanswered -= answers;
                if turn.missing == 0 {
                    self.give(number, unsent)?;
                }
            }
        }
        self.numbers = numbers;
        Ok(())
    }

    /// Its next requests, if any are left.
    fn give(&mut self, number: usize, unsent: &mut usize) -> io::Result<()> {
        let now_sent = self.at_once.min(*unsent);
        if now_sent == 0 {
            return Ok(());
        }
        *unsent -= now_sent;
        self.turns[number] = Turn {
            since: now(),
            missing: now_sent,
        };
        self.lines.send(number, now_sent * self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Manner, served};
    use super::*;
    use filch_bench_common::Http;

    fn asked(manner: Manner, http: Http, connections: usize, at_once: usize, requests: usize) {
        let (server, seen) = served(manner);
        let request = Request::of(http);
        let mut closed = Closed::over(server, &request, connections, at_once).expect("answers");
        let mut times = Histogram::default();
        closed.run(requests, &mut times).expect("answers");
        closed.run(1, &mut times).expect("an answer");
        assert_eq!(times.total(), requests as u64 + 1);
        drop(closed);
        assert_eq!(seen.end(), connections + requests + 1);
    }

    #[test]
    fn each_request_is_sent_and_counted_once() {
        asked(Manner::Plain, Http::Json, 3, 1, 50);
        asked(Manner::Plain, Http::Json, 4, 1, 2);
    }

    #[test]
    fn several_at_once_are_all_of_what_is_asked_for() {
        asked(Manner::Plain, Http::Json, 2, 16, 101);
        asked(Manner::Chunked, Http::Json, 2, 5, 33);
    }

    #[test]
    fn what_does_not_fit_into_a_socket_goes_there_and_back() {
        asked(Manner::Echo, Http::Echo, 2, 1, 7);
    }

    #[test]
    fn an_answer_that_is_none_or_too_many_or_refuses_is_an_error() {
        for manner in [Manner::Refuses, Manner::Twice, Manner::Closes] {
            let (server, seen) = served(manner);
            let request = Request::of(Http::Json);
            let made = Closed::over(server, &request, 1, 1);
            let run = made.and_then(|mut closed| {
                (0..100).try_for_each(|_| closed.run(10, &mut Histogram::default()))
            });
            assert!(run.is_err(), "{manner:?}");
            seen.end();
        }
    }
}

//! How does each request get a connection of its own?
//!
//! So many at a time: each is connected, asks with `Connection: close`, and is over when the server has closed it, whose end of it then waits for stray segments. Were this
//! end the first to close, it would run out of ports.

use super::histogram::Histogram;
use super::line::Lines;
use super::request::Request;
use filch_bench_common::clock::now;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

pub(crate) struct Visits {
    server: SocketAddr,
    lines: Lines,
    request: Rc<[u8]>,
    together: usize,
    visits: Vec<Visit>,
}

struct Visit {
    since: Instant,
    /// Whether it waits for its answer, or for the end.
    is_open: bool,
    is_answered: bool,
}

impl Visits {
    pub(super) fn to(server: SocketAddr, request: &Request, together: usize) -> io::Result<Self> {
        Ok(Self {
            server,
            lines: Lines::none()?,
            request: request.bytes().into(),
            together,
            visits: Vec::new(),
        })
    }

    pub(super) fn run(&mut self, requests: usize, times: &mut Histogram) -> io::Result<()> {
        let mut unsent = requests;
        for number in 0..self.together.min(requests) {
            unsent -= 1;
            self.begin(number)?;
        }
        let (mut unanswered, mut numbers) = (requests, Vec::new());
        while unanswered > 0 {
            numbers.extend(self.lines.ready.wait()?);
            for number in numbers.drain(..) {
                if !self.visits[number].is_open || !self.is_over(number)? {
                    continue;
                }
                let visit = &mut self.visits[number];
                visit.is_open = false;
                times.add(visit.since.elapsed());
                unanswered -= 1;
                if unsent > 0 {
                    unsent -= 1;
                    self.begin(number)?;
                }
            }
        }
        // What has ended tells of its end for as long as it is watched.
        self.lines = Lines::none()?;
        self.visits.clear();
        Ok(())
    }

    fn begin(&mut self, number: usize) -> io::Result<()> {
        let visit = Visit {
            since: now(),
            is_open: true,
            is_answered: false,
        };
        if number == self.visits.len() {
            self.lines.add(self.server, &self.request)?;
            self.visits.push(visit);
        } else {
            self.lines.replace(number, self.server)?;
            self.visits[number] = visit;
        }
        self.lines.send(number, self.request.len())
    }

    /// Whether it is answered and closed.
    fn is_over(&mut self, number: usize) -> io::Result<bool> {
        match self.lines.event(number)? {
            Some(answers) => {
                self.visits[number].is_answered |= answers > 0;
                Ok(false)
            }
            None if self.visits[number].is_answered || self.lines.ends_answer(number)? => Ok(true),
            None => Err(io::Error::other(
                "a connection was closed without an answer",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Manner, served};
    use super::*;
    use filch_bench_common::Http;

    #[test]
    fn each_request_has_a_connection_whether_its_answer_has_a_length_or_not() {
        for manner in [Manner::Plain, Manner::ToEnd] {
            let (server, seen) = served(manner);
            let request = Request::of(Http::Visits);
            let mut visits = Visits::to(server, &request, 3).expect("it can begin");
            let mut times = Histogram::default();
            visits.run(20, &mut times).expect("answers");
            visits.run(2, &mut times).expect("answers");
            assert_eq!(times.total(), 22, "{manner:?}");
            drop(visits);
            assert_eq!(seen.end(), 22);
        }
    }

    #[test]
    fn a_connection_that_is_closed_without_an_answer_is_an_error() {
        let (server, seen) = served(Manner::Closes);
        let request = Request::of(Http::Visits);
        let mut visits = Visits::to(server, &request, 1).expect("it can begin");
        assert!(visits.run(10, &mut Histogram::default()).is_err());
        seen.end();
    }
}

//! How do requests come at a fixed rate, also beside others that keep the server busy?
//!
//! With a core to itself the load looks at the clock all the time: a thread that sleeps gets up some ten microseconds late, which is as long as an answer takes. Where it
//! shares the cores with the server it sleeps until the next request is due, by a timer of the kernel's that is exact to less than that.

use super::super::ready::Ready;
use super::histogram::Histogram;
use super::line::Lines;
use super::request::Request;
use super::schedule::Schedule;
use filch_bench_common::clock::now;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Who is silent for so long does not answer any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of the alarm among those of connections.
const ALARM: usize = usize::MAX;

pub(crate) struct Paced {
    lines: Lines,
    /// So many of the lines are paced; the others burn.
    paced: usize,
    bytes: usize,
    burn_bytes: usize,
    rate: f64,
    /// What wakes the load; without one it does not sleep.
    alarm: Option<OwnedFd>,
}

impl Paced {
    pub(super) fn over(
        server: SocketAddr,
        request: &Request,
        connections: usize,
        rate: f64,
        has_core: bool,
    ) -> io::Result<Self> {
        let request: Rc<[u8]> = request.bytes().into();
        let mut lines = Lines::none()?;
        for number in 0..connections {
            lines.add(server, &request)?;
            lines.send(number, request.len())?;
            until_answered(&mut lines)?;
        }
        let alarm = if has_core {
            None
        } else {
            Some(alarm(&lines.ready)?)
        };
        Ok(Self {
            lines,
            paced: connections,
            bytes: request.len(),
            burn_bytes: 0,
            rate,
            alarm,
        })
    }

    /// So many more clients ask for that, each again as soon as it is answered.
    pub(super) fn beside(
        &mut self,
        server: SocketAddr,
        burn: &Request,
        clients: usize,
    ) -> io::Result<()> {
        let request: Rc<[u8]> = burn.bytes().into();
        self.burn_bytes = request.len();
        for _ in 0..clients {
            let number = self.lines.add(server, &request)?;
            self.lines.send(number, request.len())?;
        }
        Ok(())
    }

    /// So many requests; how many others were answered meanwhile.
    pub(super) fn run(&mut self, requests: usize, times: &mut Histogram) -> io::Result<usize> {
        let mut schedule = Schedule::begin(now(), requests, self.rate, self.paced);
        // After the schedule, so that it goes off when a request is due, and not just before.
        self.set_alarm()?;
        let (mut burns, mut numbers, mut heard) = (0, Vec::new(), now());
        while !schedule.is_over() {
            let time = now();
            while let Some(line) = schedule.come(time) {
                self.start(&mut schedule, line)?;
            }
            if time - heard > PATIENCE {
                return Err(io::Error::other("the server answers no more"));
            }
            match self.alarm {
                Some(_) => numbers.extend(self.lines.ready.wait()?),
                None => numbers.extend(self.lines.ready.look()?),
            }
            for number in numbers.drain(..) {
                if number == ALARM {
                    self.silence()?;
                    continue;
                }
                let answers = self.lines.answers(number)?;
                for _ in 0..answers {
                    heard = now();
                    if number >= self.paced {
                        burns += 1;
                        self.lines.send(number, self.burn_bytes)?;
                        continue;
                    }
                    times.add(late(schedule.finish(number), heard)?);
                    self.start(&mut schedule, number)?;
                }
            }
        }
        Ok(burns)
    }

    fn start(&mut self, schedule: &mut Schedule, line: usize) -> io::Result<()> {
        if schedule.start(line) {
            self.lines.send(line, self.bytes)?;
        }
        Ok(())
    }

    /// From now on the alarm goes off in time with the requests: at another time, it would add its distance from theirs to each.
    fn set_alarm(&self) -> io::Result<()> {
        let Some(alarm) = &self.alarm else {
            return Ok(());
        };
        let distance = Duration::from_secs_f64(1.0 / self.rate);
        let distance = Timespec::try_from(distance).map_err(io::Error::other)?;
        let times = Itimerspec {
            it_interval: distance,
            it_value: distance,
        };
        timerfd_settime(alarm, TimerfdTimerFlags::empty(), &times)?;
        Ok(())
    }

    /// Until the alarm goes off again, which it does by itself.
    fn silence(&self) -> io::Result<()> {
        let alarm = self.alarm.as_ref().expect("it has gone off");
        match rustix::io::read(alarm, &mut [0; 8]) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn late(due: Option<Instant>, answered: Instant) -> io::Result<Duration> {
    let due = due.ok_or_else(|| io::Error::other("an answer too many"))?;
    Ok(answered - due)
}

fn until_answered(lines: &mut Lines) -> io::Result<()> {
    let mut answers = 0;
    while answers == 0 {
        let numbers: Vec<_> = lines.ready.wait()?.collect();
        for number in numbers {
            answers += lines.answers(number)?;
        }
    }
    Ok(())
}

/// An alarm that is not set yet.
fn alarm(ready: &Ready) -> io::Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let alarm = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    ready.watch(&alarm, ALARM)?;
    Ok(alarm)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Manner, served};
    use super::*;
    use filch_bench_common::Http;

    #[test]
    fn each_request_is_sent_once_whether_the_load_sleeps_or_not() {
        for has_core in [true, false] {
            let (server, seen) = served(Manner::Plain);
            let request = Request::of(Http::AtRate(2000));
            let mut paced =
                Paced::over(server, &request, 3, 2000.0, has_core).expect("connections");
            let mut times = Histogram::default();
            let begun = now();
            assert_eq!(paced.run(100, &mut times).expect("answers"), 0);
            assert!(begun.elapsed() >= Duration::from_millis(49), "{has_core}");
            assert_eq!(times.total(), 100);
            drop(paced);
            assert_eq!(seen.end(), 3 + 100);
        }
    }

    #[test]
    fn others_are_answered_beside_it_and_are_not_in_its_times() {
        let (server, seen) = served(Manner::Plain);
        let request = Request::of(Http::Beside(2));
        let mut paced = Paced::over(server, &request, 2, 1000.0, false).expect("connections");
        let burn = Request::long_burn();
        paced.beside(server, &burn, 2).expect("connections");
        let mut times = Histogram::default();
        let burns = paced.run(50, &mut times).expect("answers");
        assert_eq!(times.total(), 50);
        assert!(burns > 0);
        drop(paced);
        let seen = seen.end();
        assert!(seen >= 2 + 50 + burns, "{seen} {burns}");
    }
}

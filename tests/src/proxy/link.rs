//! How are the bytes of one direction passed on, and how is a connection broken off?
//!
//! Each direction has a thread with blocking calls. To break off, both sockets get `SO_LINGER` 0, the readers are woken by shutting down reading, which sends nothing, and writers look
//! every few milliseconds; the sockets are closed by the thread that lets go last, and that sends the reset.

use super::Tally;
use super::course::{Course, Fault, Pieces, Plan};
use crate::random::Random;
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How soon who cannot be woken looks whether the connection is over.
const LOOK: Duration = Duration::from_millis(5);

/// A connection through the proxy.
#[derive(Debug)]
pub(super) struct Link {
    /// Gone when both threads have let go.
    ends: std::sync::Weak<Ends>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Ends {
    client: TcpStream,
    server: TcpStream,
    is_over: AtomicBool,
    tally: Arc<Tally>,
}

/// One direction.
struct Way {
    ends: Arc<Ends>,
    is_up: bool,
    course: Course,
    random: Random,
    passed: usize,
}

/// Nothing more is to be done for this direction.
struct Over;

impl Link {
    pub(super) fn start(
        client: TcpStream,
        server: SocketAddr,
        plan: Plan,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let server = TcpStream::connect(server)?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
            end.set_write_timeout(Some(LOOK))?;
        }
        let ends = Arc::new(Ends {
            client,
            server,
            is_over: AtomicBool::new(false),
            tally,
        });
        let start = |is_up, course| {
            let way = Way::new(ends.clone(), is_up, course);
            let thread = thread::Builder::new().stack_size(256 << 10);
            thread.spawn(move || way.run())
        };
        let threads = vec![start(true, plan.up)?, start(false, plan.down)?];
        Ok(Self {
            ends: Arc::downgrade(&ends),
            threads,
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.ends.strong_count() == 0
    }

    /// Breaks it off.
    pub(super) fn reset(self) {
        if let Some(ends) = self.ends.upgrade() {
            ends.reset();
        }
        self.join();
    }

    /// Closes it.
    pub(super) fn end(self) {
        if let Some(ends) = self.ends.upgrade() {
            ends.stop(Shutdown::Both);
        }
        self.join();
    }

    fn join(self) {
        for thread in self.threads {
            let _has_ended = thread.join();
        }
    }
}

impl Ends {
    fn reset(&self) {
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        self.tally.resets.fetch_add(1, Ordering::SeqCst);
        for end in [&self.client, &self.server] {
            // It is refused only by a socket that is broken off already.
            let _broken_off = SockRef::from(end).set_linger(Some(Duration::ZERO));
        }
        self.stop(Shutdown::Read);
    }

    fn stop(&self, how: Shutdown) {
        self.is_over.store(true, Ordering::SeqCst);
        for end in [&self.client, &self.server] {
            let _broken_off = end.shutdown(how);
        }
    }
}

impl Way {
    fn new(ends: Arc<Ends>, is_up: bool, mut course: Course) -> Self {
        course.faults.reverse();
        let seed = match course.pieces {
            Pieces::Random(_, seed) => seed,
            _ => 0,
        };
        Self {
            ends,
            is_up,
            course,
            random: Random::new(seed),
            passed: 0,
        }
    }

    fn run(mut self) {
        while self.step().is_ok() {}
    }

    /// What is due at this byte, and then one piece.
    fn step(&mut self) -> Result<(), Over> {
        while let Some(fault) = self.due() {
            self.apply(fault)?;
        }
        let mut room = [0; 16 << 10];
        let size = self.piece_size().min(room.len());
        let count = self.collect(&mut room[..size])?;
        if count == 0 {
            let _may_be_broken_off = self.to().shutdown(Shutdown::Write);
            return Err(Over);
        }
        self.wait(self.course.delay)?;
        self.pass(&room[..count])?;
        self.passed += count;
        Ok(())
    }

    fn from(&self) -> &TcpStream {
        if self.is_up {
            &self.ends.client
        } else {
            &self.ends.server
        }
    }

    fn to(&self) -> &TcpStream {
        if self.is_up {
            &self.ends.server
        } else {
            &self.ends.client
        }
    }

    /// The fault that comes at this byte.
    fn due(&mut self) -> Option<Fault> {
        let faults = &mut self.course.faults;
        let is_due = faults
            .last()
            .is_some_and(|(after, _)| *after <= self.passed);
        is_due
            .then(|| faults.pop())
            .flatten()
            .map(|(_, fault)| fault)
    }

    fn apply(&self, fault: Fault) -> Result<(), Over> {
        let note = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::SeqCst);
        let tally = &self.ends.tally;
        match fault {
            Fault::Stall(pause) => self.wait(pause),
            Fault::Reset => {
                self.ends.reset();
                Err(Over)
            }
            Fault::HalfClose => {
                note(&tally.half_closes);
                let _may_be_broken_off = self.to().shutdown(Shutdown::Write);
                // Its end is the sender's business, an error the end of both.
                self.ends_with(io::copy(&mut self.from(), &mut io::sink()).map(drop))
            }
            Fault::Silence => {
                note(&tally.silences);
                self.wait(Duration::MAX)
            }
        }
    }

    fn ends_with(&self, result: io::Result<()>) -> Result<(), Over> {
        if result.is_err() {
            self.ends.reset();
        }
        Err(Over)
    }

    /// How many bytes the next piece has at most.
    fn piece_size(&mut self) -> usize {
        let size = match self.course.pieces {
            Pieces::AsTheyCome => usize::MAX,
            Pieces::UpTo(most) | Pieces::Collected(most) => most,
            Pieces::Random(most, _) => 1 + self.random.below(most),
        };
        match self.course.faults.last() {
            Some((after, _)) => size.min(after - self.passed),
            None => size,
        }
    }

    /// Reads a piece; 0 is the end.
    fn collect(&self, room: &mut [u8]) -> Result<usize, Over> {
        let mut count = self.read(room)?.unwrap_or(0);
        if matches!(self.course.pieces, Pieces::Collected(_)) && count > 0 {
            let timed = |time| self.from().set_read_timeout(time).map_err(|_| Over);
            timed(Some(LOOK))?;
            while count < room.len() {
                match self.read(&mut room[count..])? {
                    // The end is read again for the next piece.
                    None | Some(0) => break,
                    Some(more) => count += more,
                }
            }
            timed(None)?;
        }
        Ok(count)
    }

    /// Reads once; `None` if nothing came in time.
    fn read(&self, room: &mut [u8]) -> Result<Option<usize>, Over> {
        loop {
            let read = self.from().read(room);
            if self.ends.is_over.load(Ordering::SeqCst) {
                return Err(Over);
            }
            match read {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.ends.reset();
                    return Err(Over);
                }
            }
        }
    }

    fn pass(&self, mut bytes: &[u8]) -> Result<(), Over> {
        while !bytes.is_empty() {
            let written = self.to().write(bytes);
            if self.ends.is_over.load(Ordering::SeqCst) {
                return Err(Over);
            }
            match written {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.ends.reset();
                    return Err(Over);
                }
            }
        }
        Ok(())
    }

    /// Lets time pass, unless the connection is over.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of the test's own sleeps"
    )]
    fn wait(&self, pause: Duration) -> Result<(), Over> {
        let begun = Instant::now();
        loop {
            if self.ends.is_over.load(Ordering::SeqCst) {
                return Err(Over);
            }
            match pause.checked_sub(begun.elapsed()) {
                None | Some(Duration::ZERO) => return Ok(()),
                Some(left) => thread::sleep(left.min(LOOK)),
            }
        }
    }
}

//! What is this process asked to measure?
//!
//! Five words: the work, the number of workers, the size, how many times to warm up and how many to measure. The same five for
//! every peer, whatever it is written in.

use crate::http::Http;
use std::str::FromStr;

/// What is done once per repetition. `size` is [`Job::size`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A task starts `size` empty coroutines and keeps no handle. Seconds.
    EmptyDetached,
    /// The same with handles kept, and awaited one after the other. Seconds.
    EmptyJoined,
    /// A thread that is no worker starts them and keeps no handle. Seconds.
    EmptyOutside,
    /// As [`Work::EmptyDetached`], and each coroutine computes for about a microsecond. Seconds.
    BusyDetached,
    /// `size` coroutines that wait for ever, without handle. Bytes that stay resident.
    ParkedDetached,
    /// The same with handles kept. Bytes that stay resident.
    ParkedJoined,
    /// One task gives up its turn `size` times. Seconds.
    YieldOne,
    /// 1000 tasks do, `size` times together. Seconds.
    YieldEach,
    /// The `size`-th Fibonacci number by naive recursion, each call a coroutine that is awaited. Seconds.
    Fib,
    /// A tree of coroutines with `size` leaves, ten children each, that adds up their numbers. Seconds.
    Skynet,
    /// Two tasks wake each other in turn, `size` times there and back. Seconds.
    PingPong,
    /// 1000 tasks signal one, `size` times together. Seconds.
    FanIn,
    /// `size` coroutines sleep once, 1 to 100 ms. Seconds of processor time.
    SleepsCpu,
    /// `size` coroutines sleep for an hour. Bytes that stay resident.
    SleepsBytes,
    /// One task begins a sleep and drops it, `size` times. Seconds.
    Timer,
    /// A thread that is no worker spawns a task and waits for its result, again and again. Seconds, of each of `size` samples, as all below.
    RoundTripBusy,
    /// The same, each time after a millisecond in which the runtime has had nothing to do.
    RoundTripIdle,
    /// A task wakes another and then keeps its worker busy: from the wake until the other one is polled.
    WakeHog,
    /// A task spawns another and then keeps its worker busy: from the spawn until the other one is polled.
    SpawnHog,
    /// A task sleeps while others keep every worker busy: how late it is.
    TimerHog,
    /// A socket becomes readable while its reader's worker is busy: from the write until the reader has the byte.
    ReadinessHog,
    /// Tasks use what the runtime, or a library, has for them to coordinate with. Seconds.
    Coordinate(Coordination),
    /// The process is a server, and the load comes from another one: see [`mod@crate::serve`].
    Serve(Service),
    /// The same of HTTP: see [`mod@crate::http`].
    Http(Http),
    /// A file of 1 MiB is copied onto another, `size` times. Seconds, and seconds of processor time.
    Copy(Copying),
}

/// What a server does, and what load it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Sends back what comes over so many TCP connections, in messages of so many bytes.
    Echo(usize, usize),
    /// Sends back datagrams of 64 bytes to so many sockets.
    UdpEcho(usize),
    /// Accepts connections and closes them.
    Connect,
    /// Has `size` connections that have been answered once, and wait.
    Idle,
    /// Passes on what comes over so many connections, megabytes of it.
    ProxyStream(usize),
    /// Passes on messages of 64 bytes and their answers over so many connections.
    ProxyEcho(usize),
}

/// How a file is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copying {
    /// By the one call that a runtime has for it.
    Whole,
    /// By reading and writing in turn, 64 KiB at a time.
    Pieces,
}

/// What tasks coordinate with, and how; `size` times in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordination {
    /// So many tasks send to one.
    Mpsc(usize, Room),
    /// Four tasks send to four, through a channel with room for 128.
    Mpmc,
    /// One task makes a channel for one value, sends, and receives.
    OneshotAlone,
    /// One asks another through a channel, and is answered through one for one value.
    OneshotReply,
    /// Two tasks send a number to and fro through two channels with room for one.
    PingPongChannels,
    /// One sends to ten, each of whom gets everything.
    Broadcast,
    /// Two tasks answer each other's new value.
    Watch,
    /// One task locks and unlocks.
    MutexAlone,
    /// Four do.
    MutexShared,
    /// Four tasks lock to read nine times and to write once.
    RwLock,
    /// Four tasks take one of two permits and give it back.
    Semaphore,
    /// A set of `size` tasks whose outputs are taken as they come.
    JoinSet,
    /// `size` tasks in a scope.
    Scope,
    /// 61 times 13 tasks send to one, through channels with so much room.
    Funnel(usize),
    /// 61 times so many messages wander among 13 tasks, each of which can send to each.
    Pinball(usize),
}

/// How many messages a channel has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// So many.
    For(usize),
    /// Without bound.
    Unbounded,
}

/// The words for the works.
const WORKS: &[(&str, Work)] = &[
    ("empty-detached", Work::EmptyDetached),
    ("empty-joined", Work::EmptyJoined),
    ("empty-outside", Work::EmptyOutside),
    ("busy-detached", Work::BusyDetached),
    ("parked-detached", Work::ParkedDetached),
    ("parked-joined", Work::ParkedJoined),
    ("yield-one", Work::YieldOne),
    ("yield-each", Work::YieldEach),
    ("fib", Work::Fib),
    ("skynet", Work::Skynet),
    ("pingpong", Work::PingPong),
    ("fan-in", Work::FanIn),
    ("sleeps-cpu", Work::SleepsCpu),
    ("sleeps-bytes", Work::SleepsBytes),
    ("timer", Work::Timer),
    ("roundtrip-busy", Work::RoundTripBusy),
    ("roundtrip-idle", Work::RoundTripIdle),
    ("wake-hog", Work::WakeHog),
    ("spawn-hog", Work::SpawnHog),
    ("timer-hog", Work::TimerHog),
    ("readiness-hog", Work::ReadinessHog),
    (
        "mpsc-1-room-1",
        Work::Coordinate(Coordination::Mpsc(1, Room::For(1))),
    ),
    (
        "mpsc-1-room-128",
        Work::Coordinate(Coordination::Mpsc(1, Room::For(128))),
    ),
    (
        "mpsc-1-unbounded",
        Work::Coordinate(Coordination::Mpsc(1, Room::Unbounded)),
    ),
    (
        "mpsc-4-room-1",
        Work::Coordinate(Coordination::Mpsc(4, Room::For(1))),
    ),
    (
        "mpsc-4-room-128",
        Work::Coordinate(Coordination::Mpsc(4, Room::For(128))),
    ),
    (
        "mpsc-4-unbounded",
        Work::Coordinate(Coordination::Mpsc(4, Room::Unbounded)),
    ),
    ("mpmc", Work::Coordinate(Coordination::Mpmc)),
    (
        "oneshot-alone",
        Work::Coordinate(Coordination::OneshotAlone),
    ),
    (
        "oneshot-reply",
        Work::Coordinate(Coordination::OneshotReply),
    ),
    (
        "pingpong-channels",
        Work::Coordinate(Coordination::PingPongChannels),
    ),
    ("broadcast", Work::Coordinate(Coordination::Broadcast)),
    ("watch", Work::Coordinate(Coordination::Watch)),
    ("mutex-alone", Work::Coordinate(Coordination::MutexAlone)),
    ("mutex-shared", Work::Coordinate(Coordination::MutexShared)),
    ("rwlock", Work::Coordinate(Coordination::RwLock)),
    ("semaphore", Work::Coordinate(Coordination::Semaphore)),
    ("joinset", Work::Coordinate(Coordination::JoinSet)),
    ("scope", Work::Coordinate(Coordination::Scope)),
    ("funnel-1", Work::Coordinate(Coordination::Funnel(1))),
    ("funnel-10", Work::Coordinate(Coordination::Funnel(10))),
    ("funnel-100", Work::Coordinate(Coordination::Funnel(100))),
    ("pinball-1", Work::Coordinate(Coordination::Pinball(1))),
    ("pinball-10", Work::Coordinate(Coordination::Pinball(10))),
    ("pinball-100", Work::Coordinate(Coordination::Pinball(100))),
    ("echo-1-64", Work::Serve(Service::Echo(1, 64))),
    ("echo-64-64", Work::Serve(Service::Echo(64, 64))),
    ("echo-1000-64", Work::Serve(Service::Echo(1000, 64))),
    ("echo-1-16k", Work::Serve(Service::Echo(1, 16 << 10))),
    ("echo-64-16k", Work::Serve(Service::Echo(64, 16 << 10))),
    ("echo-1000-16k", Work::Serve(Service::Echo(1000, 16 << 10))),
    ("udp-echo-1", Work::Serve(Service::UdpEcho(1))),
    ("udp-echo-64", Work::Serve(Service::UdpEcho(64))),
    ("connect", Work::Serve(Service::Connect)),
    ("idle-connections", Work::Serve(Service::Idle)),
    ("proxy-stream-1", Work::Serve(Service::ProxyStream(1))),
    ("proxy-stream-16", Work::Serve(Service::ProxyStream(16))),
    ("proxy-echo-64", Work::Serve(Service::ProxyEcho(64))),
    ("http-hello-64", Work::Http(Http::Hello(64, 1))),
    ("http-hello-64x16", Work::Http(Http::Hello(64, 16))),
    ("http-hello-256", Work::Http(Http::Hello(256, 1))),
    ("http-json", Work::Http(Http::Json)),
    ("http-fib", Work::Http(Http::Fib)),
    ("http-burn", Work::Http(Http::Burn)),
    ("http-visits", Work::Http(Http::Visits)),
    ("http-beside-1", Work::Http(Http::Beside(1))),
    ("http-beside-4", Work::Http(Http::Beside(4))),
    ("http-small-file", Work::Http(Http::SmallFile)),
    ("http-large-file", Work::Http(Http::LargeFile)),
    ("http-echo", Work::Http(Http::Echo)),
    ("http-idle", Work::Http(Http::Idle)),
    ("http-among-idle", Work::Http(Http::AmongIdle)),
    ("http-at-half", Work::Http(Http::AtHalf)),
    ("http-at-20000", Work::Http(Http::AtRate(20_000))),
    ("copy-whole", Work::Copy(Copying::Whole)),
    ("copy-pieces", Work::Copy(Copying::Pieces)),
];

impl Service {
    /// Whether it passes on what comes to somebody behind it, whose address is a line of its standard input.
    pub fn is_proxy(self) -> bool {
        matches!(self, Self::ProxyStream(_) | Self::ProxyEcho(_))
    }
}

impl Work {
    /// The word for it.
    ///
    /// # Panics
    ///
    /// Never: each has one.
    pub fn word(self) -> &'static str {
        let row = WORKS.iter().find(|row| row.1 == self);
        row.expect("each work has a word").0
    }

    /// Whether bytes are measured, and not seconds.
    pub fn is_parked(self) -> bool {
        matches!(
            self,
            Self::ParkedDetached
                | Self::ParkedJoined
                | Self::SleepsBytes
                | Self::Serve(Service::Idle)
                | Self::Http(Http::Idle)
        )
    }

    /// Whether processor time and system calls are told beside the time on the clock.
    pub fn tells_cost(self) -> bool {
        match self {
            Self::Serve(service) => service != Service::Idle,
            Self::Copy(_) => true,
            _ => false,
        }
    }

    /// Whether a runtime needs timers for it.
    pub fn needs_timers(self) -> bool {
        matches!(
            self,
            Self::SleepsCpu | Self::SleepsBytes | Self::Timer | Self::TimerHog
        )
    }

    /// Whether a runtime needs a reactor for it.
    pub fn needs_reactor(self) -> bool {
        matches!(self, Self::ReadinessHog | Self::Serve(_))
    }

    /// Whether it is about what computes for long and strands something: runtimes do all they do against that.
    pub fn strands(self) -> bool {
        matches!(
            self,
            Self::WakeHog | Self::SpawnHog | Self::TimerHog | Self::ReadinessHog
        )
    }

    /// Whether a repetition is a sample of a latency. What is told of those is how long it usually takes and how long at worst, so all of them
    /// are measured, however long that takes.
    pub fn is_latency(self) -> bool {
        matches!(self, Self::RoundTripBusy | Self::RoundTripIdle) || self.has_hog()
    }

    /// Whether a task keeps a worker busy, and another one waits.
    fn has_hog(self) -> bool {
        matches!(
            self,
            Self::WakeHog | Self::SpawnHog | Self::TimerHog | Self::ReadinessHog
        )
    }

    /// Whether it is done with so many workers. What asks for what an idle worker does for a busy one is nothing for a single one; a server of HTTP has one
    /// worker, and a core to itself, unless it is about several.
    pub fn suits(self, workers: usize) -> bool {
        match self {
            Self::Http(http) => http.shares_cores() == (workers > 1),
            _ => workers > 1 || !self.needs_sibling(),
        }
    }

    /// Whether it asks what an idle worker does for a busy one.
    fn needs_sibling(self) -> bool {
        self.has_hog() && self != Self::TimerHog
    }
}

/// What a process is asked to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// What is done in a repetition.
    pub work: Work,
    /// On how many threads.
    pub workers: usize,
    /// How large it is; [`Work`] says of what.
    pub size: usize,
    /// So many repetitions come first and do not count.
    pub warm_ups: usize,
    /// So many count; slow ones are cut short, see [`mod@crate::answer`].
    pub repetitions: usize,
}

impl Job {
    /// The command line that [`Job::from_words`] reads.
    pub fn words(&self) -> [String; 5] {
        [
            self.work.word().to_owned(),
            self.workers.to_string(),
            self.size.to_string(),
            self.warm_ups.to_string(),
            self.repetitions.to_string(),
        ]
    }

    /// Reads a command line.
    ///
    /// # Errors
    ///
    /// What is expected, if this is not it.
    pub fn from_words(words: &[String]) -> Result<Self, String> {
        let [work, workers, size, warm_ups, repetitions] = words else {
            return Err("expected WORK WORKERS SIZE WARM_UPS REPETITIONS".to_owned());
        };
        let row = WORKS.iter().find(|row| row.0 == work);
        Ok(Self {
            work: row.ok_or_else(|| format!("there is no work '{work}'"))?.1,
            workers: number(workers)?,
            size: number(size)?,
            warm_ups: number(warm_ups)?,
            repetitions: number(repetitions)?,
        })
    }
}

fn number(word: &str) -> Result<usize, String> {
    usize::from_str(word).map_err(|_| format!("'{word}' is no number"))
}

/// Why a peer cannot do a job at all: it has one thread, say. No failure; part of what the peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cannot(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_the_command_line() {
        for &(_, work) in WORKS {
            let job = Job {
                work,
                workers: 2,
                size: 500_000,
                warm_ups: 1,
                repetitions: 5,
            };
            assert_eq!(Job::from_words(&job.words()), Ok(job));
        }
    }

    #[test]
    fn who_needs_a_sibling_measures_a_latency() {
        for &(word, work) in WORKS {
            let is_hog = word.ends_with("-hog");
            assert_eq!(
                work.is_latency(),
                is_hog || word.starts_with("roundtrip"),
                "{word}"
            );
            assert_eq!(
                work.needs_sibling(),
                is_hog && word != "timer-hog",
                "{word}"
            );
        }
        assert!(!Work::WakeHog.suits(1) && Work::WakeHog.suits(2));
        assert!(Work::TimerHog.suits(1) && Work::TimerHog.suits(2));
    }

    #[test]
    fn a_server_of_http_has_one_worker_or_shares_all_cores() {
        let both = |http| [1, 2].map(|workers| Work::Http(http).suits(workers));
        assert_eq!(both(Http::Hello(64, 1)), [true, false]);
        assert_eq!(both(Http::Hello(256, 1)), [false, true]);
        assert_eq!(both(Http::Beside(1)), [false, true]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let read = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            Job::from_words(&words).expect_err(line)
        };
        assert!(read("fib 1 2").contains("WORKERS"));
        assert!(read("fob 1 2 3 4").contains("fob"));
        assert!(read("fib 1 x 3 4").contains("'x'"));
    }
}

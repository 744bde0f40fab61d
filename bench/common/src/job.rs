//! What is this process asked to measure?
//!
//! Five words: the work, the number of workers, the size, how many times to warm up and how many to measure. The same five for
//! every peer, whatever it is written in.

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
];

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
            Self::ParkedDetached | Self::ParkedJoined | Self::SleepsBytes
        )
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
        self == Self::ReadinessHog
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

    /// Whether it asks what an idle worker does for a busy one, which a single worker cannot answer.
    pub fn needs_sibling(self) -> bool {
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

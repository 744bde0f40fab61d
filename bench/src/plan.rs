//! What is one measurement, and what is its result?

use crate::stats::Spread;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Who starts the coroutines, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// A task starts them and drops their handles.
    Detached,
    /// A task starts them, keeps their handles, and awaits one after the other.
    Joined,
    /// A thread that is no worker starts them and drops their handles.
    Outside,
    /// They never complete: what does one that waits keep resident?
    Parked,
    /// The same, with its handle kept.
    ParkedJoined,
}

/// In which state the memory is that the coroutines get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Memory {
    /// First touch, in a fresh process.
    Cold,
    /// Used by an earlier round.
    Warm,
}

/// What a child process is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) mode: Mode,
    pub(crate) memory: Memory,
    pub(crate) workers: usize,
    pub(crate) tasks: usize,
    /// How many rounds this process makes; one if cold.
    pub(crate) rounds: usize,
}

/// What a child process answers after a round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// Until the last spawn returned.
    pub(crate) spawn_s: f64,
    /// From then until all had run.
    pub(crate) run_s: f64,
    /// By how much the memory in use has grown over what it was before the first task: the most at any time, or for parked ones the
    /// growth that stays.
    pub(crate) grown_bytes: u64,
    /// The most memory the process has had resident.
    pub(crate) peak_bytes: u64,
}

/// A measurement: the job, and what its rounds gave.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) job: Job,
    pub(crate) rounds: Vec<Round>,
}

impl Mode {
    pub(crate) fn is_parked(self) -> bool {
        matches!(self, Self::Parked | Self::ParkedJoined)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Detached => "detached",
            Self::Joined => "joined",
            Self::Outside => "outside",
            Self::Parked => "parked",
            Self::ParkedJoined => "parked-joined",
        }
    }
}

impl Memory {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

impl Round {
    pub(crate) fn total_s(&self) -> f64 {
        self.spawn_s + self.run_s
    }
}

impl Measured {
    pub(crate) fn spawn_s(&self) -> Spread {
        self.spread(|round| round.spawn_s)
    }

    pub(crate) fn run_s(&self) -> Spread {
        self.spread(|round| round.run_s)
    }

    pub(crate) fn total_s(&self) -> Spread {
        self.spread(Round::total_s)
    }

    pub(crate) fn ns_per_task(&self) -> f64 {
        self.total_s().median * 1e9 / self.job.tasks as f64
    }

    pub(crate) fn bytes_per_task(&self) -> f64 {
        self.spread(|round| round.grown_bytes as f64).median / self.job.tasks as f64
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        self.rounds
            .iter()
            .map(|round| round.peak_bytes)
            .max()
            .unwrap_or(0)
    }

    fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A measurement of three rounds, 1000 coroutines each, with round figures.
    pub(crate) fn example() -> Measured {
        let round = |spawn_s, run_s| Round {
            spawn_s,
            run_s,
            grown_bytes: 65_000,
            peak_bytes: 3 << 20,
        };
        Measured {
            job: Job {
                mode: Mode::Detached,
                memory: Memory::Warm,
                workers: 2,
                tasks: 1000,
                rounds: 3,
            },
            rounds: vec![round(0.25, 0.5), round(0.125, 0.25), round(0.5, 1.0)],
        }
    }

    #[test]
    fn the_figures_are_medians() {
        let measured = example();
        assert_eq!(measured.spawn_s().median, 0.25);
        assert_eq!(measured.run_s().median, 0.5);
        assert_eq!(measured.total_s().median, 0.75);
        assert_eq!(measured.total_s().min, 0.375);
        assert_eq!(measured.total_s().max, 1.5);
        assert_eq!(measured.ns_per_task(), 750_000.0);
        assert_eq!(measured.bytes_per_task(), 65.0);
        assert_eq!(measured.peak_bytes(), 3 << 20);
    }

    #[test]
    fn names_are_those_of_the_flags() {
        for mode in Mode::value_variants() {
            assert_eq!(
                mode.to_possible_value().expect("all have one").get_name(),
                mode.name()
            );
        }
        for memory in Memory::value_variants() {
            assert_eq!(
                memory.to_possible_value().expect("all have one").get_name(),
                memory.name()
            );
        }
    }
}

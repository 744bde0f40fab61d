//! What happens to the bytes of one direction, and when?

use crate::random::Random;
use std::time::Duration;

/// What happens to a connection.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// To what the client sends.
    pub up: Course,
    /// To what the server sends.
    pub down: Course,
}

/// What happens to one direction. Without more said, bytes pass as they come.
#[derive(Debug, Clone, Default)]
pub struct Course {
    pub(super) pieces: Pieces,
    /// How long each piece is held back; with the size of the pieces a limit of the rate.
    pub(super) delay: Duration,
    /// Each after so many bytes of this direction, in this order.
    pub(super) faults: Vec<(usize, Fault)>,
}

/// In which pieces bytes are passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pieces {
    /// As they were read.
    #[default]
    AsTheyCome,
    /// With at most so many bytes.
    UpTo(usize),
    /// With so many, or fewer where no more came for some milliseconds.
    Collected(usize),
    /// With at most so many, anew for each by a generator with this seed.
    Random(usize, u64),
}

/// What happens at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes for so long.
    Stall(Duration),
    /// This direction ends; what comes besides is thrown away.
    HalfClose,
    /// The connection is broken off, on both sides.
    Reset,
    /// Nothing passes any more, nor is taken from the sender: neither bytes nor an end.
    Silence,
}

impl Plan {
    /// The same for both directions.
    #[must_use]
    pub fn both(course: Course) -> Self {
        Self {
            up: course.clone(),
            down: course,
        }
    }

    /// Only for what the client sends.
    #[must_use]
    pub fn up(up: Course) -> Self {
        Self {
            up,
            ..Self::default()
        }
    }

    /// Only for what the server sends.
    #[must_use]
    pub fn down(down: Course) -> Self {
        Self {
            down,
            ..Self::default()
        }
    }

    /// Any, for a conversation of about `length` bytes in each direction. One in four has no fault, but is cut and late.
    #[must_use]
    pub fn random(random: &mut Random, length: usize) -> Self {
        Self {
            up: Course::random(random, length),
            down: Course::random(random, length),
        }
    }
}

impl Course {
    /// In other pieces than they come.
    #[must_use]
    pub fn cut(pieces: Pieces) -> Self {
        Self {
            pieces,
            ..Self::default()
        }
    }

    /// Each piece so much later.
    #[must_use]
    pub fn late(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// At most so many bytes per second, a hundredth of them at a time.
    #[must_use]
    pub fn slow(bytes_per_second: usize) -> Self {
        let delay = Duration::from_millis(10);
        Self::cut(Pieces::UpTo((bytes_per_second / 100).max(1))).late(delay)
    }

    /// And this after so many bytes.
    #[must_use]
    pub fn then(mut self, after: usize, fault: Fault) -> Self {
        self.faults.push((after, fault));
        self.faults.sort_by_key(|&(after, _)| after);
        self
    }

    fn random(random: &mut Random, length: usize) -> Self {
        let mut course = Self::cut(match random.below(8) {
            0..3 => Pieces::AsTheyCome,
            3 => Pieces::UpTo(1 + length / 200),
            4 => Pieces::Collected(1 + random.below(length.max(1))),
            _ => Pieces::Random(1 + random.below(length.max(1)), random.next_u64()),
        });
        if random.below(4) == 0 {
            course.delay = Duration::from_micros(random.below(500) as u64);
        }
        for _ in 0..random.below(3) {
            let pause = Duration::from_millis(random.below(5) as u64);
            course = course.then(random.below(length + 1), Fault::Stall(pause));
        }
        match random.below(8) {
            0 => course.then(random.below(length + 1), Fault::Reset),
            1 => course.then(random.below(length + 1), Fault::HalfClose),
            2 => course.then(random.below(length + 1), Fault::Silence),
            _ => course,
        }
    }
}

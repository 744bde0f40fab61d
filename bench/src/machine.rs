//! On what was it measured?

use serde::{Deserialize, Serialize};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_A_DAY: u64 = 86_400;

/// What a machine is, and how busy it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// How many could run at a time in the minute before the measurement, if the kernel tells.
    pub(crate) load_before: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub(crate) fn here() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let load = read("/proc/loadavg");
        Self {
            processor: model(&read("/proc/cpuinfo")).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load.split(' ').next().and_then(|load| load.parse().ok()),
        }
    }

    /// Processor, cores and kernel, for people.
    pub(crate) fn text(&self) -> String {
        let (processor, cores, kernel) = (&self.processor, self.cores, &self.kernel);
        format!("{processor}, {cores} cores, Linux {kernel}")
    }

    /// Whether figures of the two may be compared. The kernel and the load may differ: those change within a history.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.processor == other.processor && self.cores == other.cores
    }

    /// The load as it is told.
    pub(crate) fn load(&self) -> String {
        let load = self.load_before;
        load.map_or("unknown".to_owned(), |load| format!("{load:.2}"))
    }
}

/// Processor, cores, kernel, day and version on one line: figures without them mean nothing.
pub(crate) fn line(machine: &Machine) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (machine, load) = (machine.text(), machine.load());
    format!(
        "{machine}, {}, filch {version}; load before {load}",
        today()
    )
}

/// The processor's name.
fn model(cpuinfo: &str) -> &str {
    cpuinfo
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(':')
                .map(|(_, name)| name.trim())
        })
        .unwrap_or("unknown processor")
}

/// The day in UTC, as 2026-01-31.
fn today() -> String {
    date(now_s() / SECONDS_A_DAY)
}

/// The day and the minute in UTC, as 2026-01-31T23:59Z: in the order of time if sorted as text.
pub(crate) fn minute() -> String {
    let now = now_s();
    let of_day = now % SECONDS_A_DAY;
    let (hours, minutes) = (of_day / 3600, of_day / 60 % 60);
    format!("{}T{hours:02}:{minutes:02}Z", date(now / SECONDS_A_DAY))
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// The civil date of a day counted from 1970-01-01.
///
/// # Source
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in March there, so that the leap day
/// is the last.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(11_017), "2000-03-01");
        assert_eq!(date(20_453), "2025-12-31");
        assert_eq!(date(20_454), "2026-01-01");
    }

    #[test]
    fn minutes_sort_as_text() {
        let minute = minute();
        assert_eq!(minute.len(), "2026-01-31T23:59Z".len(), "{minute}");
        assert!(minute.as_str() > "2026-01-31T23:59Z", "{minute}");
    }

    #[test]
    fn machines_are_alike_by_processor_and_cores() {
        let here = Machine::here();
        let mut other = here.clone();
        other.kernel.push('1');
        assert!(here.is_like(&other));
        other.cores += 1;
        assert!(!here.is_like(&other));
    }

    #[test]
    fn the_line_names_the_parts() {
        let line = line(&Machine::here());
        for part in ["cores", "Linux", "filch 0."] {
            assert!(line.contains(part), "{line}");
        }
        assert_eq!(model("processor\t: 0\nmodel name\t: X 1\n"), "X 1");
        assert_eq!(model(""), "unknown processor");
    }
}

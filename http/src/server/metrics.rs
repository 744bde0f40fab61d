//! What does a server count?
//!
//! [`Counters`], one set for each thread ([`shards`](super::shards)), so that a request adds to numbers that no other core writes; and what is known anyway (connections, requests in handlers,
//! those that wait). They are added up, and printed in the text format of Prometheus, when somebody asks.
//!
//! The time of a handler would take two looks at the clock for each request, a twentieth of all that a plain request costs. So of the handlers that answer without ever waiting, one of
//! [`TIMED_EVERY`] is timed and stands for those until the next; who waits is timed each time (without what it did before its first wait, unless that was timed as well).
//! The number of times in the histogram is the number of requests that had a handler, at every moment, and nothing in it ever falls: whoever is not timed is counted where the last one was that was timed,
//! once and for all.
//!
//! Rejected: to count those that are not timed apart, and let the sample that follows stand for them. Until then they have to be shown somewhere, and move when it is another bucket than theirs: a counter falls,
//! which Prometheus takes for the end of the process.

use super::shards::{Count, Shard, Shards};
use filch::time::Duration;
use std::fmt::{self, Write};

/// One of so many handlers that answer at once is timed. A guess.
const TIMED_EVERY: u64 = 64;

/// Upper bounds of the histogram's buckets in nanoseconds: three for each power of ten, from a tenth of a millisecond to ten seconds; and how Prometheus is told.
const BUCKETS: [(u64, &str); 16] = [
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// The buckets, and one for what takes longer.
const TIMES: usize = BUCKETS.len() + 1;

/// Why somebody got 503 from the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Rejected {
    /// The queue was full.
    QueueFull,
    /// It waited in the queue for too long.
    QueueTime,
    /// Its handler took too long.
    HandlerTime,
    /// The request of a connection beyond the limits.
    Guest,
    /// Its turn came too late, as that of most did.
    Late,
}

const REJECTED: [(Rejected, &str); 5] = [
    (Rejected::QueueFull, "queue_full"),
    (Rejected::QueueTime, "queue_timeout"),
    (Rejected::HandlerTime, "handler_timeout"),
    (Rejected::Guest, "connection_limit"),
    (Rejected::Late, "lateness"),
];

/// What a thread has counted for a server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Responses by the first digit of their status.
    responses: [Count; 5],
    rejected: [Count; REJECTED.len()],
    received_bytes: Count,
    sent_bytes: Count,
    /// How often a handler took so long.
    times: [Count; TIMES],
    nanos: Count,
    /// Of the last handler that answered at once and was timed: its bucket, its time, and how many more it stands for. They are written like counters.
    last_bucket: Count,
    last_nanos: Count,
    stands_for: Count,
}

/// What a thread counts with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counting<'a> {
    shard: Shard<'a, Counters>,
}

/// How long a handler took, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Took {
    /// It answered at once and was not timed.
    Untimed,
    /// It answered at once, and was timed.
    AtOnce(Duration),
    /// It waited.
    Waited(Duration),
}

impl Shards<Counters> {
    /// For the calling thread.
    #[inline]
    pub(crate) fn counting(&self) -> Counting<'_> {
        Counting { shard: self.mine() }
    }
}

impl Counting<'_> {
    #[inline]
    pub(crate) fn received(&self, bytes: usize) {
        self.shard.add(|all| &all.received_bytes, bytes as u64);
    }

    #[inline]
    pub(crate) fn sent(&self, bytes: usize) {
        self.shard.add(|all| &all.sent_bytes, bytes as u64);
    }

    /// A response begins.
    #[inline]
    pub(crate) fn responded(&self, status: http::StatusCode) {
        let class = match status.as_u16() {
            ..200 => 0,
            200..300 => 1,
            300..400 => 2,
            400..500 => 3,
            500.. => 4,
        };
        self.shard.add(|all| &all.responses[class], 1);
    }

    #[cold]
    pub(crate) fn rejected(&self, why: Rejected) {
        self.shard.add(|all| &all.rejected[why as usize], 1);
    }

    /// Whether a handler that begins is to be timed.
    #[inline]
    pub(crate) fn begins(&self) -> bool {
        let stands_for = self.shard.get().stands_for.get();
        // Who shares a shard would have to agree about who stands for whom.
        stands_for.wrapping_sub(1) >= TIMED_EVERY - 1 || !self.shard.is_own()
    }

    /// A handler has answered.
    #[inline]
    pub(crate) fn took(self, took: Took) {
        match took {
            Took::Untimed => self.like_the_last(),
            Took::AtOnce(time) => self.like_the_next(time),
            Took::Waited(time) => {
                self.add_time(time);
            }
        }
    }

    /// It stands for those that follow, too.
    #[inline(never)]
    fn like_the_next(self, time: Duration) {
        let (bucket, nanos) = self.add_time(time);
        self.set(|all| &all.last_bucket, bucket as u64);
        self.set(|all| &all.last_nanos, nanos);
        self.set(|all| &all.stands_for, TIMED_EVERY - 1);
    }

    #[inline]
    fn like_the_last(&self) {
        let all = self.shard.get();
        let bucket = usize::try_from(all.last_bucket.get()).map_or(0, |at| at.min(TIMES - 1));
        let nanos = all.last_nanos.get();
        self.shard.add(|all| &all.times[bucket], 1);
        self.shard.add(|all| &all.nanos, nanos);
        self.shard.add(|all| &all.stands_for, 1u64.wrapping_neg());
    }

    /// Says in which bucket it is, and how many nanoseconds it has.
    #[inline(never)]
    fn add_time(self, time: Duration) -> (usize, u64) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(most, _)| *most < nanos);
        self.shard.add(|all| &all.times[bucket], 1);
        self.shard.add(|all| &all.nanos, nanos);
        (bucket, nanos)
    }

    /// Makes a counter of the thread's own say this.
    fn set(&self, count: impl Fn(&Counters) -> &Count, to: u64) {
        let before = count(self.shard.get()).get();
        self.shard.add(count, to.wrapping_sub(before));
    }
}

/// All that the threads have counted, added up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    responses: [u64; 5],
    rejected: [u64; REJECTED.len()],
    received_bytes: u64,
    sent_bytes: u64,
    times: [u64; TIMES],
    nanos: u64,
}

impl Sums {
    fn of(shards: &Shards<Counters>) -> Self {
        let mut sums = Self::default();
        for shard in shards.iter() {
            add_all(&mut sums.responses, &shard.responses);
            add_all(&mut sums.rejected, &shard.rejected);
            add_all(&mut sums.times, &shard.times);
            sums.received_bytes += shard.received_bytes.get();
            sums.sent_bytes += shard.sent_bytes.get();
            sums.nanos += shard.nanos.get();
        }
        sums
    }
}

fn add_all(sums: &mut [u64], counts: &[Count]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count.get();
    }
}

/// What is known of a server at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) connections: usize,
    pub(crate) accepted: u64,
    pub(crate) full: u64,
    pub(crate) full_of_address: u64,
    pub(crate) unwatched: u64,
    pub(crate) accept_pauses: u64,
    pub(crate) in_handlers: usize,
    pub(crate) in_queue: usize,
    pub(crate) is_ready: bool,
}

/// Prints them as Prometheus reads them: `# HELP` and `# TYPE` for each name, then its values.
pub(crate) fn print(counters: &Shards<Counters>, gauges: &Gauges) -> String {
    let mut text = String::with_capacity(4096);
    // Writing to a string does not fail.
    let _ = write_server(&mut Page(&mut text), &Sums::of(counters), gauges);
    if let Ok(handle) = filch::runtime::Handle::try_current() {
        let _ = write_runtime(&mut Page(&mut text), &handle.metrics());
    }
    text
}

/// The text as it grows.
struct Page<'t>(&'t mut String);

impl Page<'_> {
    fn begin(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl fmt::Display) -> fmt::Result {
        self.begin(name, kind, help)?;
        writeln!(self.0, "{name} {value}")
    }

    fn each<V: fmt::Display>(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        label: &str,
        values: impl IntoIterator<Item = (impl fmt::Display, V)>,
    ) -> fmt::Result {
        self.begin(name, kind, help)?;
        for (of, value) in values {
            writeln!(self.0, "{name}{{{label}=\"{of}\"}} {value}")?;
        }
        Ok(())
    }
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

fn write_server(page: &mut Page<'_>, sums: &Sums, now: &Gauges) -> fmt::Result {
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"]
        .into_iter()
        .zip(sums.responses);
    page.each(
        (
            "filch_http_responses_total",
            COUNTER,
            "Responses by class of their status.",
        ),
        "status",
        classes,
    )?;
    page.one(
        "filch_http_requests_in_handlers",
        GAUGE,
        "Requests whose handlers have not answered yet.",
        now.in_handlers,
    )?;
    page.one(
        "filch_http_requests_queued",
        GAUGE,
        "Requests that wait for their handlers.",
        now.in_queue,
    )?;
    let rejected = REJECTED
        .into_iter()
        .map(|(why, name)| (name, sums.rejected[why as usize]));
    page.each(
        (
            "filch_http_requests_rejected_total",
            COUNTER,
            "Requests that the server itself answered with 503.",
        ),
        "reason",
        rejected,
    )?;
    page.one(
        "filch_http_connections",
        GAUGE,
        "Connections that are open.",
        now.connections,
    )?;
    page.one(
        "filch_http_connections_accepted_total",
        COUNTER,
        "Connections that were accepted.",
        now.accepted,
    )?;
    let beyond = [
        ("total", now.full),
        ("address", now.full_of_address),
        ("unwatched", now.unwatched),
    ];
    page.each(
        (
            "filch_http_connections_rejected_total",
            COUNTER,
            "Connections beyond the limits, or that the kernel had no memory to watch.",
        ),
        "reason",
        beyond,
    )?;
    page.one(
        "filch_http_accept_pauses_total",
        COUNTER,
        "How often accepting paused for want of descriptors or memory, on listeners that the server made.",
        now.accept_pauses,
    )?;
    page.one(
        "filch_http_received_bytes_total",
        COUNTER,
        "Bytes received.",
        sums.received_bytes,
    )?;
    page.one(
        "filch_http_sent_bytes_total",
        COUNTER,
        "Bytes sent.",
        sums.sent_bytes,
    )?;
    page.one(
        "filch_http_ready",
        GAUGE,
        "1 unless the server is about to end.",
        u8::from(now.is_ready),
    )?;
    write_times(page, sums)
}

fn write_times(page: &mut Page<'_>, sums: &Sums) -> fmt::Result {
    let name = "filch_http_handler_seconds";
    page.begin(
        name,
        "histogram",
        "How long handlers took; those that answer at once are sampled.",
    )?;
    let mut so_far = 0;
    for ((_, most), count) in BUCKETS.iter().zip(sums.times) {
        so_far += count;
        writeln!(page.0, "{name}_bucket{{le=\"{most}\"}} {so_far}")?;
    }
    so_far += sums.times[BUCKETS.len()];
    writeln!(page.0, "{name}_bucket{{le=\"+Inf\"}} {so_far}")?;
    writeln!(
        page.0,
        "{name}_sum {}",
        Duration::from_nanos(sums.nanos).as_secs_f64()
    )?;
    writeln!(page.0, "{name}_count {so_far}")
}

fn write_runtime(page: &mut Page<'_>, runtime: &filch::runtime::RuntimeMetrics) -> fmt::Result {
    let workers = || 0..runtime.num_workers();
    page.one(
        "filch_workers",
        GAUGE,
        "Workers that are active.",
        runtime.num_active_workers(),
    )?;
    page.one(
        "filch_spare_workers",
        GAUGE,
        "Spare workers that work now.",
        runtime.num_spare_workers(),
    )?;
    page.one(
        "filch_spare_worker_calls_total",
        COUNTER,
        "How often a spare worker was needed.",
        runtime.spare_call_count(),
    )?;
    page.one(
        "filch_outside_queue_depth",
        GAUGE,
        "Tasks from other threads that wait for a worker.",
        runtime.global_queue_depth(),
    )?;
    let polls = workers().map(|worker| (worker, runtime.worker_poll_count(worker)));
    page.each(
        (
            "filch_worker_polls_total",
            COUNTER,
            "Polls that a worker has begun.",
        ),
        "worker",
        polls,
    )?;
    let queued = workers().map(|worker| (worker, runtime.worker_local_queue_depth(worker)));
    page.each(
        (
            "filch_worker_queue_depth",
            GAUGE,
            "Tasks that wait in a worker's queue.",
        ),
        "worker",
        queued,
    )?;
    let stolen = workers().map(|worker| (worker, runtime.worker_steal_count(worker)));
    page.each(
        (
            "filch_worker_steals_total",
            COUNTER,
            "Tasks that a worker has taken from others.",
        ),
        "worker",
        stolen,
    )?;
    let parks = workers().map(|worker| (worker, runtime.worker_park_count(worker)));
    page.each(
        (
            "filch_worker_parks_total",
            COUNTER,
            "How often a worker had nothing to do.",
        ),
        "worker",
        parks,
    )?;
    let sources = workers().map(|worker| (worker, runtime.worker_source_count(worker)));
    page.each(
        (
            "filch_worker_descriptors",
            GAUGE,
            "Descriptors that a worker watches.",
        ),
        "worker",
        sources,
    )?;
    let long = workers().map(|worker| (worker, runtime.worker_long_poll_count(worker)));
    page.each(
        (
            "filch_worker_long_polls_total",
            COUNTER,
            "Polls of 10 ms and more.",
        ),
        "worker",
        long,
    )?;
    page.one(
        "filch_rescued_tasks_total",
        COUNTER,
        "Tasks that were taken from a worker stuck in a poll.",
        runtime.rescued_task_count(),
    )?;
    page.one(
        "filch_rescued_events_total",
        COUNTER,
        "Events that were taken from a worker stuck in a poll.",
        runtime.rescued_event_count(),
    )?;
    page.one(
        "filch_blocking_threads",
        GAUGE,
        "Threads for blocking calls.",
        runtime.num_blocking_threads(),
    )?;
    page.one(
        "filch_blocking_queue_depth",
        GAUGE,
        "Blocking calls that wait for a thread.",
        runtime.blocking_queue_depth(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn value(text: &str, name: &str) -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .parse()
            .expect("a number")
    }

    #[test]
    fn each_bucket_ends_with_its_bound() {
        for (at, (most, name)) in BUCKETS.into_iter().enumerate() {
            let shards = Shards::new();
            for nanos in [most - 1, most, most + 1] {
                shards
                    .counting()
                    .took(Took::Waited(Duration::from_nanos(nanos)));
            }
            assert_eq!(
                (Sums::of(&shards).times[at], Sums::of(&shards).times[at + 1]),
                (2, 1),
                "{name}"
            );
            let seconds: f64 = name.parse().expect("a number");
            assert!((seconds * 1e9 - most as f64).abs() < 1e-3, "{name}");
        }
    }

    /// Whoever is not timed is counted at once, like the last that was.
    #[test]
    fn the_histogram_counts_every_handler() {
        // Enough for every thread of the tests.
        let shards = Shards::with(1024);
        let times = [50_000, 2_000_000];
        let mut timed = 0;
        for handled in 1..=2 * TIMED_EVERY {
            let counting = shards.counting();
            counting.took(if counting.begins() {
                timed += 1;
                Took::AtOnce(Duration::from_nanos(times[timed - 1]))
            } else {
                Took::Untimed
            });
            assert_eq!(Sums::of(&shards).times.iter().sum::<u64>(), handled);
        }
        let sums = Sums::of(&shards);
        // Each stands for itself and those until the next.
        assert_eq!(
            (timed, sums.times[0], sums.times[4]),
            (2, TIMED_EVERY, TIMED_EVERY)
        );
        assert_eq!(sums.nanos, (times[0] + times[1]) * TIMED_EVERY);
    }

    /// The numbers of the histogram, in the order of the page.
    fn counters_of(text: &str) -> Vec<(&str, f64)> {
        let of_histogram = text
            .lines()
            .filter(|line| line.starts_with("filch_http_handler_seconds"));
        let split = of_histogram.map(|line| line.rsplit_once(' ').expect("a name and a number"));
        split
            .map(|(name, number)| (name, number.parse().expect("a number")))
            .collect()
    }

    /// A page, some requests, another page: a counter that has fallen would be taken for a server that has begun anew.
    #[test]
    fn no_counter_falls_when_a_slower_sample_follows() {
        let shards = Shards::with(1024);
        let counting = shards.counting();
        let page = || print(&shards, &Gauges::default());
        counting.took(Took::AtOnce(Duration::from_micros(50)));
        let mut before = page();
        for took in [
            Took::Untimed,
            Took::Untimed,
            Took::AtOnce(Duration::from_secs(1)),
            Took::Untimed,
            Took::AtOnce(Duration::from_micros(50)),
            Took::Waited(Duration::from_millis(1)),
        ] {
            counting.took(took);
            let after = page();
            for (old, new) in counters_of(&before).iter().zip(counters_of(&after)) {
                assert_eq!(old.0, new.0);
                assert!(old.1 <= new.1, "{took:?}: {old:?}, then {new:?}");
            }
            before = after;
        }
        assert!((value(&before, "filch_http_handler_seconds_count") - 7.0).abs() < 1e-9);
    }

    /// The format: each line is a comment or a name, perhaps with labels, and a number; each name was announced; buckets never fall.
    #[test]
    fn prometheus_can_read_it() {
        let shards = Shards::new();
        let counting = shards.counting();
        for status in [
            StatusCode::OK,
            StatusCode::NOT_FOUND,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::OK,
        ] {
            counting.responded(status);
        }
        counting.rejected(Rejected::QueueFull);
        counting.received(40);
        counting.sent(100);
        counting.took(Took::Waited(Duration::from_millis(3)));
        counting.took(Took::Waited(Duration::from_secs(30)));
        let gauges = Gauges {
            connections: 7,
            in_queue: 3,
            accept_pauses: 2,
            ..Gauges::default()
        };
        let runtime = filch::Runtime::new().expect("a runtime");
        let text = runtime.block_on(async { print(&shards, &gauges) });
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, number) = line.rsplit_once(' ').expect("a name and a number");
            number.parse::<f64>().expect("a number");
            let bare = name.split('{').next().expect("a name");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| bare.strip_suffix(end))
                .unwrap_or(bare);
            assert!(text.contains(&format!("# TYPE {family} ")), "{line}");
            assert!(text.contains(&format!("# HELP {family} ")), "{line}");
        }
        for (name, expected) in [
            ("filch_http_responses_total{status=\"2xx\"}", 2.0),
            ("filch_http_responses_total{status=\"4xx\"}", 1.0),
            ("filch_http_responses_total{status=\"5xx\"}", 1.0),
            (
                "filch_http_requests_rejected_total{reason=\"queue_full\"}",
                1.0,
            ),
            ("filch_http_received_bytes_total", 40.0),
            ("filch_http_sent_bytes_total", 100.0),
            ("filch_http_connections", 7.0),
            ("filch_http_requests_queued", 3.0),
            ("filch_http_accept_pauses_total", 2.0),
            ("filch_http_handler_seconds_bucket{le=\"0.0025\"}", 0.0),
            ("filch_http_handler_seconds_bucket{le=\"0.005\"}", 1.0),
            ("filch_http_handler_seconds_bucket{le=\"10\"}", 1.0),
            ("filch_http_handler_seconds_bucket{le=\"+Inf\"}", 2.0),
            ("filch_http_handler_seconds_count", 2.0),
            ("filch_http_handler_seconds_sum", 30.003),
        ] {
            assert!((value(&text, name) - expected).abs() < 1e-9, "{name}");
        }
        assert!(text.contains("filch_worker_polls_total{worker=\"0\"} "));
        let names: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "each name stands once");
    }
}

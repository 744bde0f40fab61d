//! Is each request that was sent handled once, and answered once, and does the server count the same?
//!
//! Four hands write about a request, by the number that its target ends with: the client that asks and reads the answer, the middleware around all handlers, and the server's access log. A server's
//! metrics, which know no numbers, must have the same sums.

use filch_http::{Middleware, Monitor, Next, Request, Response};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::eventually;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What is known of a server's requests.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Those of this round.
    entries: Mutex<HashMap<u64, Entry>>,
    /// Middleware, bodies and other protocols that were begun.
    pub(crate) begun: Tally,
    /// Requests whose handlers have answered, since the start.
    answered: AtomicUsize,
    /// Those whose handlers were to panic.
    panicked: AtomicUsize,
    /// How many answers of each status the access log was told of, since the start.
    logged: Mutex<BTreeMap<u16, usize>>,
    /// Connections that clients have made.
    connected: AtomicUsize,
    /// Connections that the proxy may have made.
    passed_on: AtomicUsize,
}

/// What is known of one request.
#[derive(Debug, Default)]
struct Entry {
    fate: Fate,
    /// How often its handler was begun.
    handled: usize,
    /// With which status it was answered, each time.
    logged: Vec<u16>,
}

/// What became of a request, as its client tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody has asked it.
    #[default]
    Forged,
    /// Its client will wait for the answer, whatever comes.
    Stays,
    /// Its client may break off, or be cut off.
    MayLeave,
    /// It was answered so, by its handler or while that was at work.
    Answered(u16),
    /// It was answered with 503, and its handler has not seen it.
    TurnedAway,
    /// It was answered with 503 when it was not its turn for too long, to begin or to go on.
    Late,
    /// It was answered with 503 on a connection beyond the limits, where it need not have been read.
    Unread,
}

/// The number of a request, which its target ends with.
fn number_of(target: &str) -> Option<u64> {
    target.split_once("id=")?.1.parse().ok()
}

impl Ledger {
    /// What its client says of a request, before and after.
    pub(crate) fn note(&self, id: u64, fate: Fate) {
        self.entries.lock().unwrap().entry(id).or_default().fate = fate;
    }

    /// A connection was made.
    pub(crate) fn connects(&self) {
        self.connected.fetch_add(1, Ordering::SeqCst);
    }

    /// The proxy was to make so many.
    pub(crate) fn passes_on(&self, count: usize) {
        self.passed_on.fetch_add(count, Ordering::SeqCst);
    }

    /// A handler is about to panic.
    pub(crate) fn panics(&self) {
        self.panicked.fetch_add(1, Ordering::SeqCst);
    }

    /// For the access log.
    pub(crate) fn logs(&self, target: &str, status: u16) {
        *self.logged.lock().unwrap().entry(status).or_default() += 1;
        if let Some(id) = number_of(target) {
            let mut entries = self.entries.lock().unwrap();
            entries.entry(id).or_default().logged.push(status);
        }
    }

    /// The statuses of all answers.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.logged.lock().unwrap().keys().copied().collect()
    }

    /// A handler begins.
    fn begins(&self, id: Option<u64>) -> Tracked {
        if let Some(id) = id {
            let mut entries = self.entries.lock().unwrap();
            entries.entry(id).or_default().handled += 1;
        }
        self.begun.track()
    }

    /// Stands around all handlers; each answer says which request it is to.
    pub(crate) fn middleware(self: &Arc<Self>) -> impl Middleware + use<> {
        let ledger = self.clone();
        move |request: Request, next: Next| {
            let ledger = ledger.clone();
            async move {
                let id = number_of(request.target());
                let _begun = ledger.begins(id);
                let response: Response = next.run(request).await;
                ledger.answered.fetch_add(1, Ordering::SeqCst);
                match id {
                    Some(id) => response.with_header("x-id", &id.to_string()),
                    None => response,
                }
            }
        }
    }

    /// Waits until a server has nothing to do any more, and compares what it has counted.
    pub(crate) fn compare(&self, monitor: &Monitor) {
        let text = eventually("no connection is open", || {
            let text = monitor.text();
            (sum(&text, "filch_http_connections") == 0).then(|| monitor.text())
        });
        self.begun.wait_until_all_gone();
        let of = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        assert_eq!(sum(&text, "filch_http_requests_in_handlers"), 0);
        assert_eq!(sum(&text, "filch_http_requests_queued"), 0);
        let logged = self.logged.lock().unwrap().clone();
        let responses = sum(&text, "filch_http_responses_total");
        assert_eq!(responses, logged.values().sum::<usize>());
        let rejected = sum(&text, "filch_http_requests_rejected_total");
        assert_eq!(rejected, logged.get(&503).copied().unwrap_or(0));
        // A handler that took too long was dropped and has its time, and so has one that has waited for its client and then for too long for its turn.
        let late = |reason| {
            let name = "filch_http_requests_rejected_total";
            sum(&text, &format!("{name}{{reason=\"{reason}_timeout\"}}"))
        };
        let ended = of(&self.answered) + of(&self.panicked) + late("handler");
        let timed = sum(&text, "filch_http_handler_seconds_count");
        assert!((ended..=ended + late("queue")).contains(&timed));
        let accepted = sum(&text, "filch_http_connections_accepted_total");
        let connected = of(&self.connected);
        assert!((connected..=connected + of(&self.passed_on)).contains(&accepted));
    }

    /// The books of a round. Returns how many requests were answered, and how many were lost with their clients.
    pub(crate) fn close(&self) -> (usize, usize) {
        let entries = std::mem::take(&mut *self.entries.lock().unwrap());
        let (mut answered, mut left) = (0, 0);
        for (id, entry) in entries {
            let is_right = match entry.fate {
                Fate::Forged | Fate::Stays => false,
                Fate::MayLeave => entry.handled <= 1 && entry.logged.len() <= 1,
                Fate::Answered(status) => entry.handled == 1 && entry.logged == [status],
                Fate::TurnedAway => entry.handled == 0 && entry.logged == [503],
                Fate::Late => entry.handled <= 1 && entry.logged == [503],
                Fate::Unread => entry.handled == 0 && entry.logged.len() <= 1,
            };
            assert!(is_right, "request {id}: {entry:?}");
            match entry.fate {
                Fate::MayLeave => left += 1,
                _ => answered += 1,
            }
        }
        (answered, left)
    }
}

/// A number of the metrics; of those that differ in their labels only, the sum.
pub(crate) fn sum(text: &str, name: &str) -> usize {
    let lines = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (_labels, number) = rest.rsplit_once(' ')?;
        (rest.starts_with(' ') || rest.starts_with('{')).then(|| number.parse::<usize>())
    });
    lines.sum::<Result<_, _>>().expect("numbers")
}

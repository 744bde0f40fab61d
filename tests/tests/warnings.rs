//! Is somebody told, through `tracing`, of a task that blocks its worker?
//!
//! The only test of its binary: a subscriber that a thread of the runtime finds is everybody's.

#![expect(
    clippy::disallowed_types,
    reason = "what listens is no part of the runtime"
)]

use filch::runtime::{Builder, Handle};
use filch_tests::guard::{spin_until, within_reason};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Sends the fields of each warning.
struct Listener {
    tell: Mutex<Sender<Fields>>,
    has_panicked: AtomicBool,
}

#[derive(Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    fn number(&self, name: &str) -> u64 {
        self.0[name].parse().expect("a number")
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// The runtime that is watched: what listens may use it.
static WATCHED: OnceLock<Handle> = OnceLock::new();

/// What a subscriber shares with the tasks: standard output, for instance.
static SHARED_WITH_TASKS: Mutex<()> = Mutex::new(());
static WAITS_FOR_IT: AtomicBool = AtomicBool::new(false);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "filch::sentinel"
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::WARN);
        WAITS_FOR_IT.store(true, Ordering::SeqCst);
        drop(SHARED_WITH_TASKS.lock().expect("nobody panics with it"));
        let mut fields = Fields::default();
        event.record(&mut fields);
        // A lock of the scheduler's that was held by whoever tells would be waited for here for ever.
        let watched = WATCHED.get().expect("set before anything blocks");
        watched.spawn(async {}).detach();
        drop(format!("{watched:?}"));
        let tell = self.tell.lock().expect("nobody panics with it");
        tell.send(fields).expect("the test listens");
        drop(tell);
        assert!(
            self.has_panicked.swap(true, Ordering::SeqCst),
            "the first time, to see that the sentinel survives it"
        );
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

async fn block_for_news(news: Receiver<()>) {
    let _ = news.recv();
}

#[test]
fn tasks_that_block_their_workers_are_told_of() {
    let (tell, told) = channel();
    tracing::subscriber::set_global_default(Listener {
        tell: Mutex::new(tell),
        has_panicked: AtomicBool::new(false),
    })
    .expect("the only one");
    let rt = Builder::new()
        .worker_threads(2)
        .max_spare_workers(1)
        .build()
        .expect("a runtime");
    WATCHED.set(rt.handle().clone()).expect("set once");
    // The workers, and the only spare.
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| channel()).unzip();
    let tasks: Vec<_> = receivers
        .into_iter()
        .map(|news| rt.spawn(block_for_news(news)))
        .collect();
    within_reason(move || {
        let first = told.recv().expect("the subscriber lives");
        assert!(first.number("milliseconds") >= 100, "{first:?}");
        assert!(first.number("worker") < 3, "{first:?}");
        assert_eq!(first.number("left_out"), 0, "{first:?}");
        assert_eq!(first.number("spares_max"), 1, "{first:?}");
        assert!(first.0["task"].contains("block_for_news"), "{first:?}");
        assert!(first.0["message"].contains("spawn_blocking"), "{first:?}");
        // The others came too early after it, and are counted in the next that comes in time.
        let second = told.recv().expect("the subscriber lives");
        assert!(second.number("left_out") >= 1, "{second:?}");
        assert_eq!(second.number("spares_working"), 1, "{second:?}");
        let text = &second.0["message"];
        let parts = ["all 1 spare workers run", "the bound", "were left out"];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        drop(senders);
        for task in tasks {
            rt.block_on(task).expect("no panic");
        }
        drop(rt);
    });
    within_reason(a_subscriber_that_waits_for_a_task_keeps_nobody_from_helping_it);
}

/// The subscriber was called on the sentinel's thread: if it waited for a lock that the stuck task held, nothing behind that task was rescued any more.
fn a_subscriber_that_waits_for_a_task_keeps_nobody_from_helping_it() {
    let rt = Builder::new().worker_threads(2).build().expect("a runtime");
    let task = rt.spawn(async {
        let _shared = SHARED_WITH_TASKS.lock().expect("nobody panics with it");
        WAITS_FOR_IT.store(false, Ordering::SeqCst);
        spin_until("the subscriber is called", || {
            WAITS_FOR_IT.load(Ordering::SeqCst)
        });
        let has_run = Arc::new(AtomicBool::new(false));
        let runs = has_run.clone();
        // Into the slot, from where only the sentinel can take it.
        filch::spawn(async move { runs.store(true, Ordering::SeqCst) }).detach();
        spin_until("the task in the slot runs elsewhere", || {
            has_run.load(Ordering::SeqCst)
        });
    });
    rt.block_on(task).expect("no panic");
}

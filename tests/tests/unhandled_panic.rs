//! What becomes of a panic that nobody will be told of?

#![expect(
    clippy::disallowed_types,
    reason = "what listens is no part of the runtime"
)]

use filch::runtime::{Builder, UnhandledPanic};
use filch::{Runtime, spawn, spawn_blocking};
use filch_tests::guard::{eventually, within_reason};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

fn with(policy: UnhandledPanic) -> Runtime {
    let builder = Builder::new().worker_threads(2);
    builder.unhandled_panic(policy).build().expect("a runtime")
}

type Fields = BTreeMap<&'static str, String>;

/// Sends the fields of each event to the test whose panic it tells of.
static LISTENER: OnceLock<Mutex<Vec<Ear>>> = OnceLock::new();

/// A mark in the panic's message, and who wants to hear of such.
type Ear = (&'static str, Sender<Fields>);

struct Listener;

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "filch::task"
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        assert_eq!(*event.metadata().level(), Level::ERROR);
        let mut fields = Fields::new();
        event.record(&mut Fill(&mut fields));
        for (mark, tell) in listeners().lock().unwrap().iter() {
            if fields["panic"].contains(mark) {
                let _ = tell.send(fields.clone());
            }
        }
        panic!("a listener's own, which is nobody's");
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

fn listeners() -> &'static Mutex<Vec<Ear>> {
    LISTENER.get_or_init(|| {
        tracing::subscriber::set_global_default(Listener).expect("the only one");
        Mutex::default()
    })
}

/// What is told of panics with this mark while `work` runs on a runtime, and until that has ended.
fn told(
    mark: &'static str,
    policy: Option<UnhandledPanic>,
    work: impl FnOnce(&Runtime) + Send + 'static,
) -> Vec<Fields> {
    let (tell, told) = channel();
    listeners().lock().unwrap().push((mark, tell));
    within_reason(move || {
        let mut builder = Builder::new().worker_threads(2);
        if let Some(policy) = policy {
            builder = builder.unhandled_panic(policy);
        }
        let rt = builder.build().unwrap();
        work(&rt);
        // Waits for what is being told.
        drop(rt);
        listeners().lock().unwrap().retain(|(of, _)| *of != mark);
        told.iter().collect()
    })
}

#[test]
fn by_default_a_detached_panic_is_logged() {
    let told = told("mark-detached", None, |rt| {
        let task = rt.spawn(async {
            filch::yield_now().await;
            panic!("mark-detached {}", 1);
        });
        let end = task.abort_handle();
        task.detach();
        eventually("it has ended", || end.is_finished().then_some(()));
    });
    let [fields] = told.as_slice() else {
        panic!("once: {told:#?}")
    };
    assert_eq!(fields["panic"], "\"mark-detached 1\"");
    assert!(fields["task"].contains("by_default_a_detached_panic_is_logged"));
    assert!(fields["location"].contains("unhandled_panic.rs:"));
    assert!(fields["id"].parse::<usize>().is_ok(), "{fields:?}");
    assert!(fields["message"].contains("nobody awaits it"), "{fields:?}");
    assert_eq!(fields["left_out"], "0");
}

#[test]
fn a_handle_that_is_dropped_unread_is_as_good_as_none() {
    let told = told("mark-unread", Some(UnhandledPanic::Log), |rt| {
        let task = rt.spawn(async { panic!("mark-unread") });
        eventually("it has ended", || task.is_finished().then_some(()));
        drop(task);
        // And of a call that blocks: on its thread, and on that of whoever drops the handle.
        let call = || -> () { panic!("mark-unread") };
        rt.block_on(async { spawn_blocking(call).detach() });
        let call = rt.handle().spawn_blocking(call);
        eventually("it has ended", || call.is_finished().then_some(()));
        drop(call);
    });
    // The first call may have been dropped before it began.
    assert!((2..=3).contains(&told.len()), "{told:#?}");
}

#[test]
fn a_panic_that_is_read_is_not_told() {
    let told = told("mark-read", Some(UnhandledPanic::Log), |rt| {
        let task = rt.spawn(async { panic!("mark-read") });
        assert!(rt.block_on(task).unwrap_err().is_panic());
        let aborted = rt.spawn(pending::<()>());
        aborted.abort();
        drop(aborted);
    });
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_panic_that_is_ignored_is_not_told() {
    let told = told("mark-ignored", Some(UnhandledPanic::Ignore), |rt| {
        let task = rt.spawn(async { panic!("mark-ignored") });
        let end = task.abort_handle();
        task.detach();
        eventually("it has ended", || end.is_finished().then_some(()));
        assert_eq!(rt.block_on(rt.spawn(async { 7 })).unwrap(), 7);
    });
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn of_many_each_is_told_or_counted() {
    const MANY: usize = 500;
    let told = told("mark-many", None, |rt| {
        let tasks = (0..MANY).map(|_| rt.spawn(async { panic!("mark-many") }));
        let ends: Vec<_> = tasks.map(|task| task.abort_handle()).collect();
        eventually("they have ended", || {
            ends.iter().all(|end| end.is_finished()).then_some(())
        });
    });
    let left_out: usize = told
        .iter()
        .map(|fields| fields["left_out"].parse::<usize>().unwrap())
        .sum();
    assert!(told.len() + left_out <= MANY);
    // The last ones to be left out are told of by the next that is not, and there is none.
    assert!(told.len() >= 64, "{} and {left_out}", told.len());
}

/// The handle outlives the runtime, and the thread that would tell is nobody's to wait for.
#[test]
fn a_handle_may_be_dropped_after_the_end() {
    let (tell, told) = channel();
    listeners().lock().unwrap().push(("mark-late", tell));
    let rt = with(UnhandledPanic::Log);
    let task = rt.spawn(async { panic!("mark-late") });
    eventually("it has ended", || task.is_finished().then_some(()));
    drop(rt);
    drop(task);
    within_reason(move || assert_eq!(told.recv().unwrap()["panic"], "\"mark-late\""));
}

#[test]
fn the_process_ends_if_that_was_chosen() {
    const NAME: &str = "the_process_ends_if_that_was_chosen";
    const CHILD: &str = "FILCH_TEST_ABORTS";
    if std::env::var_os(CHILD).is_some() {
        let rt = with(UnhandledPanic::Abort);
        // One that is read first: it goes on.
        let read = rt.spawn(async { panic!("read") });
        assert!(rt.block_on(read).is_err());
        eprintln!("alive");
        rt.spawn(async { panic!("for everybody") }).detach();
        rt.block_on(pending::<()>());
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own)
        .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{complained}");
    assert!(complained.contains("alive"), "{complained}");
    let last = complained.lines().last().unwrap();
    assert!(last.starts_with("filch: the task "), "{last}");
    assert!(last.ends_with("for everybody; the process ends"), "{last}");
    assert!(last.contains("unhandled_panic.rs:"), "{last}");
}

#[test]
fn the_runtime_ends_if_that_was_chosen_and_roots_panic() {
    within_reason(|| {
        let rt = with(UnhandledPanic::Shutdown);
        let (gone, is_gone) = channel::<()>();
        let other = rt.spawn(async move {
            let _gone = gone;
            pending::<()>().await;
        });
        let waits = AssertUnwindSafe(|| rt.block_on(pending::<()>()));
        let panics = std::thread::scope(|scope| {
            let another = scope.spawn(waits);
            let root = AssertUnwindSafe(|| {
                rt.block_on(async {
                    spawn(async { panic!("the end") }).detach();
                    pending::<()>().await;
                });
            });
            [catch_unwind(root).unwrap_err(), another.join().unwrap_err()]
        });
        for panic in panics {
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains("the end") && text.contains(file!()), "{text}");
        }
        // Everything was dropped, though the runtime was not.
        is_gone.recv().unwrap_err();
        eventually("what was dropped ends", || {
            other.is_finished().then_some(())
        });
        let never = rt.spawn(async {});
        eventually("it ends", || never.is_finished().then_some(()));
        assert!(catch_unwind(AssertUnwindSafe(|| rt.block_on(async {}))).is_err());
        drop(rt);
    });
}

#[test]
fn a_panic_that_is_read_ends_no_runtime() {
    let rt = with(UnhandledPanic::Shutdown);
    let task = rt.spawn(async { panic!("as planned") });
    assert!(rt.block_on(task).unwrap_err().is_panic());
    assert_eq!(rt.block_on(rt.spawn(async { 7 })).unwrap(), 7);
}

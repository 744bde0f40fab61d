//! Do scopes, sets and cleanups keep their promises where several rare things come together?

use filch::runtime::{Builder, Handle, Runtime, UnhandledPanic};
use filch::scope::on_cancel;
use filch::task::JoinSet;
use filch::time::{Duration, Instant, advance, sleep, timeout};
use filch_tests::drops::Tally;
use std::any::Any;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;

filch::task_local! { static USER: u32; }

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor's own");
    }
}

fn runtime() -> Runtime {
    Builder::new().worker_threads(1).build().unwrap()
}

fn ends_with_a_panic() -> Runtime {
    let builder = Builder::new().worker_threads(1);
    builder
        .unhandled_panic(UnhandledPanic::Shutdown)
        .build()
        .unwrap()
}

fn text(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().map(ToString::to_string);
    literal
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .expect("a text")
}

/// What the call panics with.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it has returned"),
        Err(payload) => text(&*payload),
    }
}

// A blocking scope whose wait panics: it was the end of the process.

#[test]
fn a_deadlock_in_a_simulation_ends_a_blocking_scope_with_a_panic() {
    let rt = Builder::new().simulated(1).build().unwrap();
    let tally = Tally::new();
    let local = String::from("borrowed");
    let text = panic_of(|| {
        rt.blocking_scope(|s| {
            let held = (tally.track(), &local);
            s.spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
        });
    });
    assert!(text.contains("deadlock in the simulation"), "{text}");
    tally.assert_all_gone();
    assert_eq!(rt.block_on(async { 1 }), 1, "it can be used again");
}

#[test]
fn a_deadlock_within_a_task_of_a_simulation_is_a_panic_of_that_task() {
    let rt = Builder::new().simulated(2).build().unwrap();
    let task = rt.spawn(async {
        let local = String::from("borrowed");
        filch::blocking_scope(|s| {
            s.spawn(async {
                let _borrowed = &local;
                pending::<()>().await;
            });
        });
    });
    let error = rt.block_on(task).unwrap_err();
    assert!(error.to_string().contains("deadlock"), "{error}");
}

#[test]
fn a_runtime_that_a_panic_ends_ends_a_blocking_scope_with_a_panic() {
    let local = String::from("borrowed");
    for joins in [false, true] {
        let rt = ends_with_a_panic();
        let text = panic_of(|| {
            rt.blocking_scope(|s| {
                let child = s.spawn(async {
                    let _borrowed = &local;
                    filch::spawn(async { panic!("nobody awaits this") });
                    pending::<()>().await;
                });
                if joins {
                    child.join().unwrap();
                }
            });
        });
        assert!(text.contains("nobody awaits this"), "{text}");
    }
}

#[test]
fn where_the_wait_would_panic_the_closure_is_not_called() {
    let rt = ends_with_a_panic();
    rt.spawn(async { panic!("nobody awaits this") }).detach();
    panic_of(|| rt.block_on(pending::<()>()));
    let text = panic_of(|| rt.blocking_scope(|_| unreachable!("it is called")));
    assert!(text.contains("nobody awaits this"), "{text}");
}

#[test]
fn an_output_that_panics_in_its_destructor_does_not_hide_the_panic() {
    let rt = runtime();
    let text = panic_of(|| {
        rt.blocking_scope(|s| {
            s.spawn(async { panic!("a child's") });
            Bomb
        });
    });
    assert_eq!(text, "a child's");
}

// Other tasks that a simulation polls within the poll of one that blocks.

fn simulated_and_paused() -> [Runtime; 2] {
    let builders = [
        Builder::new().simulated(3),
        Builder::new().start_paused(true),
    ];
    builders.map(|builder| builder.build().unwrap())
}

#[test]
fn task_locals_and_names_of_a_task_that_blocks_are_not_those_of_others() {
    for rt in simulated_and_paused() {
        rt.block_on(async {
            let other = filch::spawn(async {
                sleep(Duration::from_secs(1)).await;
                (USER.try_get(), filch::task::name())
            });
            let blocking = USER.scope(7, async {
                let inner = async {
                    sleep(Duration::from_secs(2)).await;
                    USER.get()
                };
                (Handle::current().block_on(inner), USER.get())
            });
            let blocking = filch::task::Builder::new().name("blocks").spawn(blocking);
            assert_eq!(blocking.await.unwrap(), (7, 7));
            let (user, name) = other.await.unwrap();
            assert!(user.is_err() && name.is_none(), "{user:?} {name:?}");
        });
        let unlike = USER.sync_scope(8, || {
            rt.block_on(async {
                let task = filch::spawn(async { USER.try_get().is_err() });
                (task.await.unwrap(), USER.get())
            })
        });
        assert_eq!(unlike, (true, 8));
    }
}

#[test]
fn a_scope_does_not_wait_for_what_others_drop_while_its_child_blocks() {
    for rt in simulated_and_paused() {
        rt.block_on(async {
            let other = filch::spawn(async {
                sleep(Duration::from_secs(1)).await;
                let cleanup = sleep(Duration::from_secs(50));
                let work = on_cancel(pending::<()>(), Duration::from_secs(100), cleanup);
                assert!(timeout(Duration::from_millis(1), work).await.is_err());
            });
            let begun = Instant::now();
            filch::scope(|s| async move {
                s.spawn(async { Handle::current().block_on(sleep(Duration::from_secs(2))) });
            })
            .await;
            assert_eq!(begun.elapsed(), Duration::from_secs(2));
            other.await.unwrap();
        });
    }
}

// Others.

#[test]
fn the_deadline_of_a_cleanup_counts_from_the_drop() {
    let rt = Builder::new().start_paused(true).build().unwrap();
    rt.block_on(async {
        for (late, is_done) in [(3, true), (5, false)] {
            let (send, receive) = mpsc::channel();
            let cleanup = async move {
                sleep(Duration::from_secs(1)).await;
                send.send(()).unwrap();
            };
            let mut work = Box::pin(on_cancel(pending::<()>(), Duration::from_secs(5), cleanup));
            assert!(futures_lite::future::poll_once(&mut work).await.is_none());
            drop(work);
            // The cleanup has not been polled yet.
            advance(Duration::from_secs(late)).await;
            sleep(Duration::from_secs(20)).await;
            assert_eq!(receive.try_recv().is_ok(), is_done, "after {late} s");
        }
    });
}

#[test]
fn a_blocking_call_of_a_set_says_where_it_was_spawned() {
    fn lines(set: &mut JoinSet<(&'static str, u32)>, handle: &Handle) -> [u32; 2] {
        let here = || {
            let location = filch::task::location().unwrap();
            (location.file(), location.line())
        };
        let first = line!() + 1;
        set.spawn_blocking(here);
        set.spawn_blocking_on(here, handle);
        [first, first + 1]
    }
    for rt in [runtime(), Builder::new().simulated(4).build().unwrap()] {
        rt.block_on(async {
            let mut set = JoinSet::new();
            let expected = lines(&mut set, rt.handle()).map(|line| (file!(), line));
            let mut seen = set.join_all().await;
            seen.sort_unstable();
            assert_eq!(seen, expected);
        });
    }
}

#[test]
fn a_set_takes_what_cannot_be_sent_and_says_which_task_it_was() {
    let rt = runtime();
    let task = rt.spawn_pinned(|| async {
        let mut set = JoinSet::new();
        let shared = Rc::new(7);
        let first = set.spawn_local({
            let shared = shared.clone();
            async move { shared }
        });
        let line = line!() + 1;
        let second = set.spawn_local(async move {
            assert_eq!(filch::task::location().unwrap().line(), line);
            shared
        });
        while !(first.is_finished() && second.is_finished()) {
            filch::yield_now().await;
        }
        let mut ids = Vec::new();
        while let Some(result) = set.try_join_next_with_id() {
            let (id, shared) = result.unwrap();
            assert_eq!(*shared, 7);
            ids.push(id);
        }
        assert_eq!(ids, [first.id(), second.id()]);
        let aborted = set.spawn_local(pending());
        set.abort_all();
        let error = set.join_next_with_id().await.unwrap().unwrap_err();
        assert!(error.is_cancelled() && error.id() == aborted.id());

        let named = filch::task::Builder::new().name("here");
        let name = named.spawn_local(async { Rc::new(filch::task::name()) });
        assert_eq!(name.await.unwrap().as_deref(), Some("here"));
    });
    rt.block_on(task).unwrap();
}

#[test]
fn abort_handles_of_children_outlive_their_scopes() {
    let rt = runtime();
    let local = String::from("borrowed");
    let abort = rt.blocking_scope(|s| {
        let child = s.spawn(async {
            let _borrowed = &local;
            pending::<()>().await;
        });
        let abort = child.abort_handle();
        assert_eq!(abort.id(), child.id());
        abort.clone().abort();
        assert!(child.join().unwrap_err().is_cancelled());
        abort
    });
    drop(local);
    abort.abort();
    // The scope has ended when nothing of the child is left; its task says so right after.
    while !abort.is_finished() {
        std::thread::yield_now();
    }
    rt.block_on(filch::scope(|s| async move {
        let child = s.spawn(pending::<()>());
        child.abort_handle().abort();
        assert!(child.await.unwrap_err().is_cancelled());
        s.cancel();
        let refused = s.spawn(pending::<()>()).abort_handle();
        refused.abort();
        assert!(refused.is_finished());
    }));
}

/// A panic for want of a runtime names the line that wants one.
#[test]
fn without_a_runtime_the_panic_names_the_caller() {
    type Call = fn();
    let calls: [(&str, Call); 6] = [
        ("Handle::current", || drop(Handle::current())),
        ("spawn_batch", || filch::spawn_batch_detached([async {}])),
        ("spawn_blocking", || drop(filch::spawn_blocking(|| ()))),
        ("spawn_local", || drop(filch::spawn_local(async {}))),
        ("blocking_scope", || filch::blocking_scope(|_| ())),
        ("JoinSet::spawn_blocking", || {
            drop(JoinSet::new().spawn_blocking(|| ()));
        }),
    ];
    let here = std::thread::current().id();
    let (send, receive) = mpsc::channel();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            let file = info.location().unwrap().file().to_owned();
            send.send(file).unwrap();
        } else {
            before(info);
        }
    }));
    let panics: Vec<_> = calls
        .iter()
        .map(|(name, call)| (name, catch_unwind(call).is_err(), receive.try_recv()))
        .collect();
    drop(std::panic::take_hook());
    for (name, has_panicked, file) in panics {
        assert!(has_panicked, "{name}");
        assert_eq!(file.as_deref(), Ok(file!()), "{name}");
    }
}

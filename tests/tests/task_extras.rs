//! What does a task know of itself, and what can be done with its handles?

use filch::runtime::{Builder, Handle};
use filch::task::{self, Id};
use filch::{JoinHandle, Runtime, spawn, spawn_blocking, yield_now};
use filch_tests::guard::within_reason;
use std::collections::{BTreeSet, HashSet};
use std::future::pending;
use std::panic::Location;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

fn two_workers() -> Runtime {
    Builder::new().worker_threads(2).build().expect("a runtime")
}

/// What a task says of itself.
fn self_told() -> (Option<Id>, Option<&'static Location<'static>>) {
    (task::try_id(), task::location())
}

#[test]
fn ids_of_tasks_that_live_at_the_same_time_differ() {
    let rt = two_workers();
    let tasks: Vec<_> = (0..1000).map(|_| rt.spawn(async { task::id() })).collect();
    let outside: Vec<_> = tasks.iter().map(JoinHandle::id).collect();
    assert_eq!(outside.iter().collect::<HashSet<_>>().len(), 1000);
    assert_eq!(outside.iter().collect::<BTreeSet<_>>().len(), 1000);
    let texts: HashSet<_> = outside.iter().map(Id::to_string).collect();
    assert_eq!(texts.len(), 1000);
    within_reason(move || {
        for (task, id) in tasks.into_iter().zip(outside) {
            assert_eq!(rt.block_on(task).unwrap(), id);
        }
    });
}

#[test]
fn a_task_knows_itself_in_each_poll_wherever_it_is() {
    let rt = two_workers();
    let here = Location::caller().line();
    let task = rt.spawn(async {
        let mut seen = vec![self_told()];
        for _ in 0..10 {
            yield_now().await;
            seen.push(self_told());
        }
        // Others are polled meanwhile, here and elsewhere.
        spawn(async { task::id() }).await.unwrap();
        seen.push(self_told());
        seen.push(task::block_in_place(self_told));
        // As a guest, which is no worker any more.
        seen.push(self_told());
        seen.push(Handle::current().block_on(async {
            yield_now().await;
            self_told()
        }));
        yield_now().await;
        seen.push(self_told());
        seen
    });
    let id = task.id();
    let seen = within_reason(move || rt.block_on(task).unwrap());
    for (told, location) in seen {
        assert_eq!(told, Some(id));
        let location = location.unwrap();
        assert_eq!(location.file(), file!());
        assert_eq!(location.line(), here + 1);
    }
}

#[test]
fn a_blocking_call_is_a_task_too() {
    let rt = two_workers();
    let here = Location::caller().line();
    let task = rt.handle().spawn_blocking(self_told);
    let id = task.id();
    let (told, location) = rt.block_on(task).unwrap();
    assert_eq!(told, Some(id));
    assert_eq!(location.unwrap().line(), here + 1);
}

#[test]
fn outside_of_tasks_there_is_none() {
    assert_eq!(task::try_id(), None);
    assert!(task::location().is_none() && task::name().is_none());
    let rt = two_workers();
    rt.block_on(async { assert_eq!(task::try_id(), None) });
    let panic = thread::spawn(|| task::id().to_string()).join().unwrap_err();
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    assert!(text.unwrap().contains("no task here"));
}

/// The guest's thread ends with its poll; a waker that runs user code between two polls is in no task.
#[test]
fn whoever_is_woken_by_the_end_of_a_task_is_not_in_it() {
    struct Tells(std::sync::mpsc::Sender<Option<Id>>);
    impl std::task::Wake for Tells {
        fn wake(self: Arc<Self>) {
            self.0.send(task::try_id()).unwrap();
        }
    }
    let rt = two_workers();
    let (open, door) = channel::<()>();
    let mut task = rt.spawn(async move { door.recv() });
    let (tell, told) = channel();
    let waker = Arc::new(Tells(tell)).into();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut task).poll(&mut cx).is_pending());
    open.send(()).unwrap();
    assert_eq!(within_reason(move || told.recv().unwrap()), None);
}

#[test]
fn every_way_to_spawn_says_where() {
    async fn line() -> u32 {
        task::location().unwrap().line()
    }
    fn line_now() -> u32 {
        task::location().unwrap().line()
    }
    let rt = two_workers();
    let handle = rt.handle().clone();
    let on = &handle;
    let here = || Location::caller().line();
    #[rustfmt::skip]
    let tasks = rt.block_on(async {
        // Spawned from outside, each on the line that it is said to be on.
        vec![
            (line!(), spawn(line())),
            (line!(), on.spawn(line())),
            (line!(), rt.spawn(line())),
            (line!(), filch::spawn_batch([line()]).remove(0)),
            (line!(), on.spawn_batch([line()]).remove(0)),
            (line!(), rt.spawn_batch([line()]).remove(0)),
            (line!(), spawn_blocking(line_now)),
            (line!(), on.spawn_blocking(line_now)),
            (line!(), task::Builder::new().spawn(line())),
            (line!(), task::Builder::new().name("a").spawn(line())),
            (line!(), task::Builder::new().spawn_on(line(), on)),
            (line!(), task::Builder::new().name("a").spawn_on(line(), on)),
            (line!(), task::Builder::new().spawn_blocking(line_now)),
            (line!(), task::Builder::new().name("a").spawn_blocking(line_now)),
            (line!(), task::Builder::new().spawn_blocking_on(line_now, on)),
            (line!(), task::Builder::new().name("a").spawn_blocking_on(line_now, on)),
        ]
    });
    assert!(here() > 0);
    for (line, task) in tasks {
        assert!(format!("{task:?}").contains(file!()), "{task:?}");
        assert_eq!(rt.block_on(task).unwrap(), line);
    }
    // And on a worker, where those that are detached tell by themselves.
    #[rustfmt::skip]
    let task = rt.spawn(async move {
        let (send, receive) = channel();
        let (a, b) = (send.clone(), send);
        let first = (line!(), spawn(line()));
        filch::spawn_batch_detached([async move { a.send((line!() - 1, line().await - 1)).unwrap() }]);
        Handle::current().spawn_batch_detached([async move { b.send((line!(), line().await)).unwrap() }]);
        assert_eq!(first.1.await.unwrap(), first.0);
        task::block_in_place(|| receive.iter().collect::<Vec<_>>())
    });
    let told = within_reason(move || rt.block_on(task).unwrap());
    assert_eq!(told.len(), 2);
    for (expected, line) in told {
        assert!(expected.abs_diff(line) <= 1, "{expected} {line}");
    }
}

#[test]
fn a_name_is_there_in_each_poll_and_after_none() {
    let rt = Builder::new().worker_threads(1).build().unwrap();
    let rt = &rt;
    rt.block_on(async {
        let named = task::Builder::new().name(String::from("reader"));
        let named = named.spawn(async {
            let mut names = vec![task::name()];
            yield_now().await;
            names.push(task::name());
            assert_eq!(spawn(async { task::name() }).await.unwrap(), None);
            names.push(task::block_in_place(task::name));
            names
        });
        let unnamed = spawn(async {
            yield_now().await;
            task::name()
        });
        for name in named.await.unwrap() {
            assert_eq!(name.as_deref(), Some("reader"));
        }
        assert_eq!(unnamed.await.unwrap(), None);
        let builder = task::Builder::new().name("blocks");
        let name = builder.clone().spawn_blocking(task::name).await.unwrap();
        assert_eq!(name.as_deref(), Some("blocks"));
        let panics = builder.spawn_blocking(|| panic!("as planned")).await;
        assert!(panics.unwrap_err().is_panic());
        // On the thread where that happened, most likely.
        assert_eq!(spawn_blocking(task::name).await.unwrap(), None);
    });
}

#[test]
fn an_abort_handle_outlives_everything() {
    let rt = two_workers();
    let sleeping = rt.spawn(pending::<()>());
    let abort = sleeping.abort_handle();
    assert_eq!(abort.id(), sleeping.id());
    assert!(!abort.is_finished());
    let error = within_reason({
        let (handle, abort) = (rt.handle().clone(), abort.clone());
        move || {
            abort.abort();
            handle.block_on(sleeping).unwrap_err()
        }
    });
    assert!(error.is_cancelled());
    assert_eq!(error.id(), abort.id());
    assert!(abort.is_finished());
    // Detached, and aborted all the same.
    let (gone, is_gone) = channel::<()>();
    let detached = rt.spawn(async move {
        let _gone = gone;
        pending::<()>().await;
    });
    let also = detached.abort_handle();
    detached.detach();
    also.abort();
    within_reason(move || is_gone.recv().unwrap_err());
    let left = rt.spawn(pending::<()>()).abort_handle();
    let handle = rt.handle().clone();
    drop(rt);
    assert!(left.is_finished());
    left.abort();
    also.abort();
    let never = handle.spawn(async {}).abort_handle();
    never.abort();
    assert!(never.is_finished());
}

#[test]
fn a_blocking_call_in_the_queue_can_be_aborted() {
    let rt = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (open, door) = channel::<()>();
    let first = rt.handle().spawn_blocking(move || door.recv());
    let second = rt.handle().spawn_blocking(|| ());
    second.abort_handle().abort();
    open.send(()).unwrap();
    within_reason(move || {
        assert_eq!(rt.block_on(first).unwrap(), Ok(()));
        assert!(rt.block_on(second).unwrap_err().is_cancelled());
    });
}

/// With one worker and no spares, what blocks without saying so would wait for ever.
#[test]
fn a_task_that_blocks_in_place_leaves_its_worker_to_others() {
    let rt = Builder::new()
        .worker_threads(1)
        .max_spare_workers(0)
        .build()
        .unwrap();
    let (open, door) = channel();
    let text = String::from("borrowed");
    let task = rt.spawn(async move {
        spawn(async move { open.send(()).unwrap() }).detach();
        let length = task::block_in_place(|| {
            door.recv().unwrap();
            text.len()
        });
        // Again, in the same poll and in a later one.
        task::block_in_place(|| ());
        yield_now().await;
        task::block_in_place(|| length)
    });
    assert_eq!(within_reason(move || rt.block_on(task).unwrap()), 8);
}

#[test]
fn outside_of_workers_block_in_place_just_calls() {
    assert_eq!(task::block_in_place(|| 7), 7);
    let rt = two_workers();
    let here = thread::current().id();
    rt.block_on(async {
        assert_eq!(task::block_in_place(|| thread::current().id()), here);
    });
    let task = rt.handle().spawn_blocking(|| task::block_in_place(|| 7));
    assert_eq!(rt.block_on(task).unwrap(), 7);
}

#[test]
fn a_panic_in_place_is_the_tasks() {
    let rt = two_workers();
    let task = rt.spawn(async { task::block_in_place(|| panic!("as planned")) });
    let id = task.id();
    let error = within_reason(move || rt.block_on(task).unwrap_err());
    assert!(error.is_panic());
    assert_eq!(error.id(), id);
}

#[test]
fn aborts_against_ends_from_many_threads() {
    let rt = Arc::new(two_workers());
    within_reason(move || {
        for _ in 0..200 {
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    rt.spawn(async {
                        yield_now().await;
                        task::id()
                    })
                })
                .collect();
            let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
            let aborter = thread::spawn(move || aborts.iter().for_each(task::AbortHandle::abort));
            for task in tasks {
                let id = task.id();
                match rt.block_on(task) {
                    Ok(told) => assert_eq!(told, id),
                    Err(error) => assert!(error.is_cancelled() && error.id() == id),
                }
            }
            aborter.join().unwrap();
        }
    });
}

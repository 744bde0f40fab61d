//! One task at a time, every way it can end; run under Miri too.

use super::testing::{Counted, TestQueue, counted, spawn};
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn the_output_goes_to_the_handle() {
    let queue = TestQueue::new();
    let mut handle = spawn(&queue, async { String::from("done") });
    assert!(poll(&mut handle).is_pending());
    assert!(!handle.is_finished());
    queue.pop().unwrap().run();
    assert!(handle.is_finished());
    let Poll::Ready(Ok(output)) = poll(&mut handle) else {
        panic!("not ready")
    };
    assert_eq!(output, "done");
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn a_detached_task_drops_its_output_itself() {
    let queue = TestQueue::new();
    let (drops, output) = counted();
    drop(spawn(&queue, ready(output)));
    assert_eq!(drops.load(SeqCst), 0);
    queue.pop().unwrap().run();
    assert_eq!(drops.load(SeqCst), 1);
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn a_handle_dropped_after_the_end_drops_the_output() {
    let queue = TestQueue::new();
    let (drops, output) = counted();
    let handle = spawn(&queue, ready(output));
    queue.pop().unwrap().run();
    assert_eq!(drops.load(SeqCst), 0);
    drop(handle);
    assert_eq!(drops.load(SeqCst), 1);
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn futures_of_every_size_and_alignment_fit() {
    #[repr(align(256))]
    struct Strict([u8; 256]);
    #[repr(align(32))]
    struct Stricter([u8; 32]);
    let queue = TestQueue::new();
    let large = [7_u8; 10_000];
    let strict = Strict([9; 256]);
    let mut a = spawn(&queue, async move { large });
    let mut b = spawn(&queue, async move {
        assert_eq!(std::ptr::from_ref(&strict).addr() % 256, 0);
        strict
    });
    let mut c = spawn(&queue, async {});
    let stricter = Stricter([5; 32]);
    let mut d = spawn(&queue, async move {
        assert_eq!(std::ptr::from_ref(&stricter).addr() % 32, 0);
        stricter
    });
    while let Some(task) = queue.pop() {
        task.run();
    }
    assert!(matches!(poll(&mut a), Poll::Ready(Ok(output)) if output == large));
    assert!(matches!(poll(&mut b), Poll::Ready(Ok(Strict(bytes))) if bytes == [9; 256]));
    assert!(matches!(poll(&mut c), Poll::Ready(Ok(()))));
    assert!(matches!(poll(&mut d), Poll::Ready(Ok(Stricter(bytes))) if bytes == [5; 32]));
    assert_eq!(queue.freed.load(SeqCst), 4);
}

#[test]
fn a_panic_of_the_future_becomes_the_output() {
    let queue = TestQueue::new();
    let (drops, held) = counted();
    let mut handle = spawn(&queue, async move {
        let _held = held;
        panic!("as planned");
    });
    queue.pop().unwrap().run();
    assert_eq!(drops.load(SeqCst), 1);
    let Poll::Ready(Err(error)) = poll(&mut handle) else {
        panic!("not an error")
    };
    let _: &() = &handle.abort();
    assert_eq!(error.to_string(), "task panicked: as planned");
    assert_eq!(
        *error.into_panic().downcast::<&str>().unwrap(),
        "as planned"
    );
}

#[test]
fn a_panic_of_the_destructor_becomes_the_output() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let queue = TestQueue::new();
    let bomb = Bomb;
    let mut handle = spawn(
        &queue,
        poll_fn(move |_| {
            let _bomb = &bomb;
            Poll::Ready(())
        }),
    );
    queue.pop().unwrap().run();
    let Poll::Ready(Err(error)) = poll(&mut handle) else {
        panic!("not an error")
    };
    assert!(error.is_panic());
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn an_aborted_task_is_dropped_and_says_so() {
    let queue = TestQueue::new();
    let (drops, held) = counted();
    let mut handle = spawn(&queue, async move {
        let _held = held;
        pending::<()>().await;
    });
    queue.pop().unwrap().run();
    assert!(queue.pop().is_none());
    handle.abort();
    handle.abort();
    queue.pop().unwrap().run();
    assert!(queue.pop().is_none());
    assert_eq!(drops.load(SeqCst), 1);
    let Poll::Ready(Err(error)) = poll(&mut handle) else {
        panic!("not an error")
    };
    assert!(error.is_cancelled());
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn a_waker_that_outlives_its_task_keeps_the_cell_and_does_nothing() {
    let queue = TestQueue::new();
    let stolen = std::sync::Arc::new(std::sync::OnceLock::new());
    drop(spawn(
        &queue,
        poll_fn({
            let stolen = stolen.clone();
            move |cx| {
                stolen.set(cx.waker().clone()).unwrap();
                Poll::Ready(())
            }
        }),
    ));
    queue.pop().unwrap().run();
    assert_eq!(queue.freed.load(SeqCst), 0);
    let waker = stolen.get().unwrap().clone();
    waker.wake_by_ref();
    waker.wake();
    assert!(queue.pop().is_none());
    drop(stolen);
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn the_last_of_two_join_wakers_is_woken() {
    struct Flag(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Flag {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let flag = std::sync::Arc::new(Flag(Default::default()));
    let queue = TestQueue::new();
    let mut handle = spawn(&queue, async { 5 });
    assert!(poll(&mut handle).is_pending());
    for _ in 0..2 {
        let waker = Waker::from(flag.clone());
        assert!(
            pin!(&mut handle)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    queue.pop().unwrap().run();
    assert_eq!(flag.0.load(SeqCst), 1);
    assert!(matches!(poll(&mut handle), Poll::Ready(Ok(5))));
    assert_eq!(std::sync::Arc::strong_count(&flag), 1);
}

#[test]
#[should_panic(expected = "polled after it had given its output")]
fn a_handle_gives_its_output_once() {
    let queue = TestQueue::new();
    let mut handle = spawn(&queue, async {});
    queue.pop().unwrap().run();
    assert!(poll(&mut handle).is_ready());
    let _ = poll(&mut handle);
}

#[test]
fn a_handle_of_a_task_never_started_says_cancelled() {
    let mut handle = super::JoinHandle::<Counted>::never_started();
    handle.abort();
    assert!(handle.is_finished());
    assert!(matches!(poll(&mut handle), Poll::Ready(Err(error)) if error.is_cancelled()));
}

#[test]
fn panics_that_nobody_is_told_of_are_reported_once() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned");
        }
    }
    let queue = TestQueue::new();
    let is = |unhandled: usize, freed: usize| {
        assert_eq!(queue.unhandled.load(SeqCst), unhandled);
        assert_eq!(queue.freed.load(SeqCst), freed);
    };
    let task = || spawn(&queue, async { panic!("as planned") });
    let run = || queue.pop().unwrap().run();
    // Detached before the end.
    drop(task());
    run();
    is(1, 1);
    // Dropped unread.
    let handle = task();
    run();
    is(1, 1);
    drop(handle);
    is(2, 2);
    // Read.
    let mut handle = task();
    run();
    assert!(matches!(poll(&mut handle), Poll::Ready(Err(error)) if error.is_panic()));
    drop(handle);
    is(2, 3);
    // Cancelled.
    let handle = task();
    handle.abort();
    drop(handle);
    run();
    is(2, 4);
    // In the future's destructor, where nobody has a handle: with and without a reference.
    for keeps_waker in [false, true] {
        let bomb = Bomb;
        let waker = std::sync::Arc::new(std::sync::OnceLock::new());
        let keep = waker.clone();
        drop(spawn(
            &queue,
            poll_fn(move |cx| {
                let _bomb = &bomb;
                if keeps_waker {
                    keep.set(cx.waker().clone()).unwrap();
                }
                Poll::Ready(())
            }),
        ));
        run();
    }
    is(4, 6);
}

#[test]
fn an_abort_handle_keeps_the_cell_and_not_the_output() {
    let queue = TestQueue::new();
    let (drops, output) = counted();
    let handle = spawn(&queue, ready(output));
    let abort = handle.abort_handle();
    assert_eq!(abort.id(), handle.id());
    let other = abort.clone();
    drop(abort);
    assert!(!other.is_finished());
    queue.pop().unwrap().run();
    assert!(other.is_finished());
    other.abort();
    assert_eq!(drops.load(SeqCst), 0);
    drop(handle);
    assert_eq!(drops.load(SeqCst), 1);
    assert_eq!(queue.freed.load(SeqCst), 0);
    let text = format!("{other:?}");
    assert!(
        text.contains("finished: true") && text.contains(file!()),
        "{text}"
    );
    drop(other);
    assert_eq!(queue.freed.load(SeqCst), 1);
}

#[test]
fn an_id_stays_when_the_output_was_taken() {
    let queue = TestQueue::new();
    let (mut a, b) = (spawn(&queue, async { 1 }), spawn(&queue, async { 2 }));
    let id = a.id();
    assert_ne!(id, b.id());
    queue.pop().unwrap().run();
    assert!(poll(&mut a).is_ready());
    assert_eq!(a.id(), id);
    assert!(a.is_finished());
    let text = format!("{a:?}");
    assert!(text.contains(&format!("{id:?}")), "{text}");
    let never = super::JoinHandle::<()>::never_started();
    assert_eq!(never.id(), super::Id::NEVER);
    assert!(never.abort_handle().is_finished());
    queue.pop().unwrap().run();
}

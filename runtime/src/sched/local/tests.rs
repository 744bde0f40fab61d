//! A host on a thread without a core: a hermit from the start. Run under Miri too.

use super::*;
use crate::sys::sync::thread;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Waker;

/// As if spawned where this stands.
fn spawn<F: Future + 'static>(future: F) -> Result<JoinHandle<F::Output>, NoHost> {
    super::spawn(future, Location::caller())
}

/// Runs `test` on a thread that can have a host.
fn on_a_runner<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let runner = thread::spawn(|| {
        enter(Arc::new(|_| ()));
        let result = test();
        leave(&Hermits::default(), || true);
        result
    });
    runner.join().unwrap()
}

/// Runs what is pinned here until all is complete.
fn run_all() {
    host().unwrap().stay(&Hermits::default(), || false);
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Says where it is dropped.
struct Dropped(std::sync::Arc<(AtomicUsize, AtomicBool)>, thread::ThreadId);

impl Dropped {
    fn new() -> (std::sync::Arc<(AtomicUsize, AtomicBool)>, Self) {
        let seen = std::sync::Arc::new((AtomicUsize::new(0), AtomicBool::new(true)));
        (seen.clone(), Self(seen, thread::current().id()))
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let is_here = self.1 == thread::current().id();
        self.0.1.fetch_and(is_here, Ordering::SeqCst);
    }
}

#[test]
fn tasks_share_what_is_not_send_and_run_in_their_order() {
    on_a_runner(|| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..3)
            .map(|n| {
                let seen = seen.clone();
                spawn(async move {
                    seen.borrow_mut().push(n);
                    seen
                })
                .unwrap()
            })
            .collect();
        run_all();
        assert_eq!(*seen.borrow(), [0, 1, 2]);
        for mut handle in handles {
            let Poll::Ready(Ok(output)) = poll(&mut handle) else {
                panic!("not ready")
            };
            assert!(Rc::ptr_eq(&output, &seen));
        }
        assert_eq!(Rc::strong_count(&seen), 1);
    });
}

#[test]
fn a_wake_and_an_abort_from_elsewhere_end_a_wait() {
    on_a_runner(|| {
        let (send, receive) = mpsc::channel::<Waker>();
        let woken = std::sync::Arc::new(AtomicBool::new(false));
        let task = spawn({
            let woken = woken.clone();
            let not_send = Rc::new(());
            async move {
                let _not_send = not_send;
                poll_fn(|cx| {
                    if woken.load(Ordering::SeqCst) {
                        return Poll::Ready(());
                    }
                    send.send(cx.waker().clone()).unwrap();
                    Poll::Pending
                })
                .await;
                thread::current().id()
            }
        });
        let (seen, dropped) = Dropped::new();
        let never = spawn(async move {
            let _dropped = (dropped, Rc::new(()));
            pending::<()>().await;
        });
        let never = never.unwrap();
        let other = thread::spawn(move || {
            let waker = receive.recv().unwrap();
            woken.store(true, Ordering::SeqCst);
            waker.wake();
            never.abort();
            never
        });
        run_all();
        assert!(
            matches!(poll(&mut task.unwrap()), Poll::Ready(Ok(id)) if id == thread::current().id())
        );
        assert_eq!(seen.0.load(Ordering::SeqCst), 1);
        assert!(seen.1.load(Ordering::SeqCst));
        let mut never = other.join().unwrap();
        assert!(matches!(poll(&mut never), Poll::Ready(Err(error)) if error.is_cancelled()));
    });
}

#[test]
fn what_is_left_is_dropped_here_and_its_last_waker_elsewhere() {
    let (send, receive) = mpsc::channel::<Waker>();
    let (seen, mut handle) = on_a_runner(move || {
        let (seen, dropped) = Dropped::new();
        let large = [7_u8; 10_000];
        let handle = spawn(async move {
            let _here = (dropped, large, Rc::new(()));
            poll_fn(|cx| {
                send.send(cx.waker().clone()).unwrap();
                Poll::<()>::Pending
            })
            .await;
        });
        host().unwrap().next().unwrap().run();
        (seen, handle.unwrap())
    });
    assert_eq!(seen.0.load(Ordering::SeqCst), 1);
    assert!(seen.1.load(Ordering::SeqCst), "on its own thread");
    assert!(matches!(poll(&mut handle), Poll::Ready(Err(error)) if error.is_cancelled()));
    let waker = receive.recv().unwrap();
    waker.wake_by_ref();
    waker.wake();
}

#[test]
fn an_output_that_nobody_wants_is_dropped_here() {
    on_a_runner(|| {
        let (seen, dropped) = Dropped::new();
        let detached = spawn(async move { (dropped, Rc::new(())) });
        drop(detached);
        run_all();
        assert_eq!(seen.0.load(Ordering::SeqCst), 1);
        let (seen, dropped) = Dropped::new();
        let complete = spawn(async move { (dropped, Rc::new(())) });
        run_all();
        drop(complete);
        assert_eq!(seen.0.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_destructor_at_the_end_may_wake_its_siblings_and_spawns_in_vain() {
    struct AtEnd(Rc<RefCell<Vec<Waker>>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.borrow_mut().drain(..).for_each(Waker::wake);
            let mut late = spawn(pending::<()>()).unwrap();
            assert!(matches!(poll(&mut late), Poll::Ready(Err(error)) if error.is_cancelled()));
        }
    }

    on_a_runner(|| {
        let wakers = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..3 {
            let at_end = AtEnd(wakers.clone());
            let task = spawn(poll_fn(move |cx| {
                at_end.0.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            }));
            drop(task);
            host().unwrap().next().unwrap().run();
        }
        assert_eq!(host().unwrap().live.get(), 3);
        leave(&Hermits::default(), || true);
        assert!(wakers.borrow().is_empty());
        assert_eq!(Rc::strong_count(&wakers), 1, "each was dropped");
    });
}

#[test]
fn a_panic_ends_its_task_alone() {
    on_a_runner(|| {
        let mut bad = spawn(poll_fn(|_| -> Poll<()> { panic!("as planned") })).unwrap();
        let mut good = spawn(async { 7 }).unwrap();
        run_all();
        assert!(matches!(poll(&mut bad), Poll::Ready(Err(error)) if error.is_panic()));
        assert!(matches!(poll(&mut good), Poll::Ready(Ok(7))));
    });
}

#[test]
fn a_hermit_is_told_of_the_end() {
    let hermits = Arc::new(Hermits::default());
    let is_closing = Arc::new(AtomicBool::new(false));
    let hermit = thread::spawn({
        let (hermits, is_closing) = (hermits.clone(), is_closing.clone());
        move || {
            enter(Arc::new(|_| ()));
            let (seen, dropped) = Dropped::new();
            let never = spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            drop(never);
            leave(&hermits, || is_closing.load(Ordering::SeqCst));
            assert_eq!(seen.0.load(Ordering::SeqCst), 1);
        }
    });
    while hermits.0.lock().is_empty() {
        thread::yield_now();
    }
    is_closing.store(true, Ordering::SeqCst);
    hermits.unpark_all();
    hermit.join().unwrap();
    assert!(hermits.0.lock().is_empty());
}

#[test]
fn nothing_is_pinned_to_a_thread_that_is_no_runner() {
    assert!(matches!(spawn(pending::<()>()), Err(NoHost)));
}

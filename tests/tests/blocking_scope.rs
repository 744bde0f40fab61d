//! May children borrow from the stack, and is nothing of them left when the scope returns, whatever becomes of them and of the runtime?

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what blocks threads is what is tested"
)]

use filch::scope::CancelReason;
use filch::task::on_cancel;
use filch::time::{Duration, sleep};
use filch::{Runtime, blocking_scope, scope, spawn_blocking, yield_now};
use filch_tests::drops::Tally;
use filch_tests::guard::{eventually, within_reason};
use filch_tests::random::{Random, seed};
use filch_tests::runtime;
use filch_tests::stress_factor;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

fn with_each(test: impl Fn(&Runtime) + Send + Sync + 'static) {
    within_reason(move || {
        for workers in [1, 4] {
            test(&runtime(workers));
        }
    });
}

/// What `f` panics with, as text.
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
    (*payload.downcast::<&str>().expect("a literal")).to_owned()
}

/// Says when it goes, in a place that it borrows.
struct Says<'a>(&'a AtomicUsize);

impl Drop for Says<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn children_read_and_write_what_is_borrowed() {
    with_each(|rt| {
        let numbers: Vec<u64> = (0..1000).collect();
        let (mut low, mut high) = (0, 0);
        let sum: u64 = rt.blocking_scope(|s| {
            let (one, other) = numbers.split_at(500);
            s.spawn(async {
                yield_now().await;
                low = one.iter().sum();
            });
            s.spawn(async { high = other.iter().sum() });
            let parts: Vec<_> = numbers
                .chunks(10)
                .map(|part| s.spawn(async move { part.iter().sum::<u64>() }))
                .collect();
            parts.into_iter().map(|part| part.join().unwrap()).sum()
        });
        assert_eq!((sum, low + high), (499_500, 499_500));
        drop(numbers);
    });
}

#[test]
fn outputs_may_borrow() {
    with_each(|rt| {
        let text = String::from("to be borrowed");
        let words: Vec<&str> = rt.blocking_scope(|s| {
            let words: Vec<_> = text
                .split(' ')
                .map(|word| s.spawn(async move { word }))
                .collect();
            // One whose output nobody takes, and one that is leaked.
            drop(s.spawn(async { &text }));
            std::mem::forget(s.spawn(async { &text }));
            words.into_iter().map(|word| word.join().unwrap()).collect()
        });
        assert_eq!(words, ["to", "be", "borrowed"]);
    });
}

#[test]
fn futures_and_outputs_have_gone_when_the_scope_returns() {
    with_each(|rt| {
        let gone = AtomicUsize::new(0);
        rt.blocking_scope(|s| {
            for n in 0..1000 {
                let (held, output) = (Says(&gone), Says(&gone));
                let handle = s.spawn(async move {
                    let _held = held;
                    if n % 3 == 0 {
                        yield_now().await;
                    }
                    output
                });
                match n % 4 {
                    0 => drop(handle),
                    1 => drop(handle.join()),
                    2 => {
                        s.spawn(async move { drop(handle.await) });
                    }
                    _ => handle.abort(),
                }
            }
        });
        assert_eq!(gone.load(Ordering::Relaxed), 2000);
    });
}

#[test]
fn a_hundred_thousand_children() {
    with_each(|rt| {
        let count = AtomicUsize::new(0);
        rt.blocking_scope(|s| {
            for _ in 0..100_000 {
                s.spawn(async {
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(count.into_inner(), 100_000);
    });
}

#[test]
fn children_spawn_children() {
    with_each(|rt| {
        let count = AtomicUsize::new(0);
        let counted = &count;
        rt.blocking_scope(|s| {
            for _ in 0..10 {
                s.spawn(async move {
                    for _ in 0..10 {
                        let inner = s.spawn(async move {
                            s.spawn(async move { counted.fetch_add(1, Ordering::Relaxed) })
                                .await
                        });
                        inner.await.unwrap().unwrap();
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 100);
    });
}

#[test]
fn a_panic_of_a_child_ends_the_others_and_is_resumed() {
    with_each(|rt| {
        let gone = AtomicUsize::new(0);
        let text = panic_of(|| {
            rt.blocking_scope(|s| {
                for _ in 0..10 {
                    let says = Says(&gone);
                    s.spawn(async move {
                        let _says = says;
                        pending::<()>().await;
                    });
                }
                let panics = s.spawn(async { panic!("of a child") });
                // The closure cannot be stopped; what it panics with afterwards is lost.
                panics.join().unwrap();
            });
        });
        assert_eq!((text.as_str(), gone.into_inner()), ("of a child", 10));
    });
}

#[test]
fn a_panic_of_the_closure_ends_the_children_and_is_resumed() {
    with_each(|rt| {
        let gone = AtomicUsize::new(0);
        let text = panic_of(|| {
            rt.blocking_scope(|s| {
                for n in 0..100 {
                    let says = Says(&gone);
                    s.spawn(async move {
                        let _says = says;
                        if n % 2 == 0 {
                            pending::<()>().await;
                        }
                    });
                }
                panic!("of the closure");
            });
        });
        assert_eq!((text.as_str(), gone.into_inner()), ("of the closure", 100));
    });
}

/// Those that are in the middle of a poll are waited for.
#[test]
fn a_panic_of_the_closure_waits_for_polls_that_are_under_way() {
    with_each(|rt| {
        let (is_in, may_go) = (AtomicBool::new(false), AtomicBool::new(false));
        let is_out = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                let text = panic_of(|| {
                    rt.blocking_scope(|s| {
                        s.spawn(async {
                            is_in.store(true, Ordering::SeqCst);
                            while !may_go.load(Ordering::SeqCst) {
                                thread::yield_now();
                            }
                        });
                        while !is_in.load(Ordering::SeqCst) {
                            thread::yield_now();
                        }
                        panic!("of the closure");
                    });
                });
                assert_eq!(text, "of the closure");
                is_out.store(true, Ordering::SeqCst);
            });
            eventually("the child is in its poll", || {
                is_in.load(Ordering::SeqCst).then_some(())
            });
            thread::sleep(Duration::from_millis(5));
            assert!(!is_out.load(Ordering::SeqCst), "the poll borrows still");
            may_go.store(true, Ordering::SeqCst);
        });
        assert!(is_out.into_inner());
    });
}

#[test]
fn a_request_ends_the_children() {
    with_each(|rt| {
        let gone = AtomicUsize::new(0);
        let output = rt.blocking_scope(|s| {
            let says = Says(&gone);
            let waiting = s.spawn(async move {
                let _says = says;
                pending::<()>().await;
            });
            assert_eq!((s.len(), s.cancel_reason()), (1, None));
            s.cancel();
            assert!(waiting.join().unwrap_err().is_cancelled());
            assert_eq!(s.cancel_reason(), Some(CancelReason::Requested));
            let refused = s.spawn(async { Says(&gone) });
            assert!(refused.is_finished() && refused.join().is_err());
            "output"
        });
        assert_eq!((output, gone.into_inner()), ("output", 1));
    });
}

#[test]
fn it_may_be_called_in_a_task_and_the_worker_goes_on() {
    with_each(|rt| {
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                rt.spawn(async move {
                    let numbers = [n; 10];
                    let sum: i32 = blocking_scope(|s| {
                        let parts: Vec<_> = (numbers.iter())
                            .map(|number| {
                                s.spawn(async move {
                                    sleep(Duration::from_millis(1)).await;
                                    // A scope in a child of a scope, in a task.
                                    blocking_scope(|s| s.spawn(async { *number }).join().unwrap())
                                })
                            })
                            .collect();
                        parts.into_iter().map(|part| part.join().unwrap()).sum()
                    });
                    yield_now().await;
                    sum
                })
            })
            .collect();
        let sums: Vec<_> = tasks
            .into_iter()
            .map(|task| rt.block_on(task).unwrap())
            .collect();
        assert_eq!(sums.into_iter().sum::<i32>(), 450);
    });
}

#[test]
fn it_may_be_called_in_blocking_calls_and_within_block_on() {
    with_each(|rt| {
        let text = String::from("borrowed");
        let length = || blocking_scope(|s| s.spawn(async { text.len() }).join().unwrap());
        assert_eq!(rt.block_on(async { length() }), 8);
        let call = rt.block_on(async {
            spawn_blocking(|| {
                let text = String::from("in a call");
                blocking_scope(|s| s.spawn(async { text.len() }).join().unwrap())
            })
            .await
        });
        assert_eq!(call.unwrap(), 9);
        assert!(
            catch_unwind(AssertUnwindSafe(length)).is_err(),
            "it needs a runtime"
        );
    });
}

#[test]
fn scopes_of_two_runtimes_nest() {
    within_reason(|| {
        let (one, two) = (runtime(1), runtime(1));
        let number = 7;
        let (number, one, two) = (&number, &one, &two);
        let found = one.blocking_scope(|s| {
            let outer = s.spawn(async move {
                two.blocking_scope(|s| {
                    let inner = s.spawn(async move {
                        one.blocking_scope(|s| s.spawn(async { *number }).join().unwrap())
                    });
                    inner.join().unwrap()
                })
            });
            outer.join().unwrap()
        });
        assert_eq!(found, 7);
    });
}

#[test]
fn async_scopes_and_cleanups_in_children_are_waited_for() {
    with_each(|rt| {
        for _ in 0..20 {
            let (tally, done) = (Tally::new(), AtomicUsize::new(0));
            let cleaned = Arc::new(AtomicUsize::new(0));
            rt.blocking_scope(|s| {
                let (count, own, left) = (cleaned.clone(), tally.track(), tally.track());
                let (done, (begun, has_begun)) = (&done, mpsc::channel());
                let child = s.spawn(async move {
                    let says = Says(done);
                    let cleanup = async move {
                        let _own = own;
                        sleep(Duration::from_millis(2)).await;
                        count.fetch_add(1, Ordering::SeqCst);
                    };
                    let inner = scope(|s| async move {
                        s.spawn(async move {
                            let _left = left;
                            begun.send(()).expect("it waits");
                            pending::<()>().await;
                        });
                        pending::<()>().await;
                    });
                    let work = async move {
                        let _says = says;
                        inner.await;
                    };
                    on_cancel(work, Duration::from_secs(3600), cleanup).await;
                });
                has_begun.recv().expect("it begins");
                child.abort();
            });
            tally.assert_all_gone();
            assert_eq!((done.into_inner(), cleaned.load(Ordering::SeqCst)), (1, 1));
        }
    });
}

#[test]
fn a_runtime_that_has_ended_drops_the_children_at_once() {
    with_each(|other| {
        let rt = runtime(2);
        let handle = rt.handle().clone();
        drop(rt);
        let gone = AtomicUsize::new(0);
        handle.blocking_scope(|s| {
            let says = Says(&gone);
            let child = s.spawn(async move { drop(says) });
            assert!(child.is_finished() && child.join().unwrap_err().is_cancelled());
        });
        assert_eq!(gone.into_inner(), 1);
        assert_eq!(other.block_on(async { 1 }), 1);
    });
}

/// The runtime is told to end while children wait, run, and hold a thread; nobody waits for it but the scope, for its own children.
#[test]
fn a_runtime_that_ends_meanwhile_ends_the_children() {
    within_reason(|| {
        for workers in [1, 4] {
            for round in 0..20 {
                let rt = runtime(workers);
                let handle = rt.handle().clone();
                let gone = AtomicUsize::new(0);
                let text = String::from("borrowed");
                let (is_in, may_go) = (AtomicBool::new(false), AtomicBool::new(false));
                thread::scope(|threads| {
                    let (ending, ended) = mpsc::channel::<Runtime>();
                    threads.spawn(move || ended.recv().expect("sent below").shutdown_background());
                    let (is_in, may_go, gone, text) = (&is_in, &may_go, &gone, &text);
                    handle.blocking_scope(|s| {
                        for n in 0..30 {
                            let says = Says(gone);
                            s.spawn(async move {
                                let _says = says;
                                match n % 3 {
                                    0 => pending::<()>().await,
                                    1 => loop {
                                        assert_eq!(text.len(), 8);
                                        yield_now().await;
                                    },
                                    _ => sleep(Duration::from_millis(1)).await,
                                }
                            });
                        }
                        let says = Says(gone);
                        s.spawn(async move {
                            let _says = says;
                            is_in.store(true, Ordering::SeqCst);
                            if round % 2 == 0 {
                                // A guest: its worker goes to another thread, and the end does not wait for it.
                                blocking_scope(|s| s.spawn(yield_now()).join().ok());
                            }
                            while !may_go.load(Ordering::SeqCst) {
                                thread::yield_now();
                            }
                            assert_eq!(text.len(), 8);
                        });
                        while !is_in.load(Ordering::SeqCst) {
                            thread::yield_now();
                        }
                        ending.send(rt).expect("it waits");
                        thread::sleep(Duration::from_millis(1));
                        may_go.store(true, Ordering::SeqCst);
                    });
                    assert_eq!(gone.load(Ordering::Relaxed), 31);
                });
            }
        }
    });
}

/// In the closure itself, and in a task of the runtime that ends.
#[test]
fn a_runtime_may_be_dropped_in_the_closure() {
    within_reason(|| {
        for workers in [1, 4] {
            let place = Mutex::new(Some(runtime(workers)));
            let handle = place
                .lock()
                .unwrap()
                .as_ref()
                .expect("just made")
                .handle()
                .clone();
            let gone = AtomicUsize::new(0);
            handle.blocking_scope(|s| {
                for n in 0..10 {
                    let (says, place) = (Says(&gone), &place);
                    s.spawn(async move {
                        let _says = says;
                        if n == 5 {
                            drop(place.lock().unwrap().take());
                        }
                        pending::<()>().await;
                    });
                }
                eventually("a child has dropped it", || {
                    place.lock().unwrap().is_none().then_some(())
                });
            });
            assert_eq!(gone.into_inner(), 10);
        }
    });
}

/// Everything mixed: what is borrowed is freed right behind each scope, so that a child that is left over would be seen by Miri, by ThreadSanitizer, or as nonsense.
#[test]
fn a_thousand_scopes_at_random() {
    let mut random = Random::new(seed("a_thousand_scopes_at_random"));
    for workers in [1, 4] {
        let rt = runtime(workers);
        for _ in 0..500 * stress_factor() {
            let seed = random.next_u64();
            let gone = AtomicUsize::new(0);
            let mut made = 0;
            let ended = catch_unwind(AssertUnwindSafe(|| one_scope(&rt, seed, &gone, &mut made)));
            assert_eq!(gone.load(Ordering::Relaxed), made, "seed {seed}");
            drop(ended);
        }
    }
}

fn one_scope(rt: &Runtime, seed: u64, gone: &AtomicUsize, made: &mut usize) {
    let numbers: Box<[u64]> = (0..16).map(|n| n + seed % 1000).collect();
    let mut written = vec![0; 16].into_boxed_slice();
    rt.blocking_scope(|s| {
        for (n, place) in written.iter_mut().enumerate() {
            let (numbers, kind) = (&numbers, seed >> (3 * n) & 7);
            let says = Says(gone);
            *made += 1;
            let handle = s.spawn(async move {
                for _ in 0..kind {
                    yield_now().await;
                }
                match kind {
                    6 if seed % 5 == 0 => panic!("one of many"),
                    7 if seed % 3 == 0 => pending().await,
                    _ => *place = numbers[n],
                }
                (says, numbers)
            });
            match kind {
                1 => handle.abort(),
                2 => drop(handle.join().map(|(_, numbers)| numbers[n])),
                _ => {}
            }
        }
        match seed % 7 {
            0 => panic!("of the closure"),
            _ => s.cancel(),
        }
    });
    assert!(
        written
            .iter()
            .zip(&numbers)
            .all(|(written, number)| *written == 0 || written == number)
    );
}

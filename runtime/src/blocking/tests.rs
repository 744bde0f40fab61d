use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

const LONG: Duration = Duration::from_secs(600);

fn config(max_threads: usize) -> Config {
    Config {
        max_threads,
        thread_name: "test-blocking".to_owned(),
        stack_bytes: 256 * 1024,
        around: Box::new(|work| work()),
    }
}

fn pool(max_threads: usize, keep_alive: Duration) -> Pool {
    Pool::with_keep_alive(config(max_threads), keep_alive)
}

/// Waits for what other threads are about to do. Guards against hanging: a minute is far beyond any load of the machine.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = now();
    while !is_so() {
        assert!(
            now() - begun < Duration::from_secs(60),
            "never happened: {what}"
        );
        thread::yield_now();
    }
}

/// A job that says when it has begun and goes on until it is told.
fn held() -> (Job, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let job = Box::new(move || {
        begun.send(()).unwrap();
        let _ = may_go_on.recv();
    });
    (job, has_begun, go_on)
}

#[test]
fn a_job_runs_on_a_thread_of_the_pool() {
    let pool = pool(4, LONG);
    let (send, receive) = mpsc::channel();
    pool.run(Box::new(move || {
        send.send(std::thread::current().name().map(str::to_owned))
            .unwrap();
    }))
    .unwrap();
    assert_eq!(receive.recv().unwrap().as_deref(), Some("test-blocking"));
    assert!(pool.shutdown(None));
}

#[test]
fn an_idle_thread_is_used_again() {
    let pool = pool(4, LONG);
    for _ in 0..100 {
        let (send, receive) = mpsc::channel();
        pool.run(Box::new(move || send.send(()).unwrap())).unwrap();
        receive.recv().unwrap();
        eventually("the thread is idle", || pool.with_roster(|r| r.idle() == 1));
    }
    assert_eq!(pool.with_roster(Roster::threads), 1);
}

#[test]
fn at_most_so_many_run_at_a_time_and_the_others_wait() {
    let pool = pool(3, LONG);
    let (running, peak, done) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    for _ in 0..200 {
        let (running, peak, done) = (running.clone(), peak.clone(), done.clone());
        pool.run(Box::new(move || {
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
        }))
        .unwrap();
    }
    eventually("all are done", || done.load(Ordering::SeqCst) == 200);
    assert!(peak.load(Ordering::SeqCst) <= 3);
    assert!(pool.with_roster(Roster::threads) <= 3);
}

#[test]
fn three_calls_that_block_get_three_threads() {
    let pool = pool(3, LONG);
    let held: Vec<_> = (0..3)
        .map(|_| {
            let (job, has_begun, go_on) = held();
            pool.run(job).unwrap();
            (has_begun, go_on)
        })
        .collect();
    // All have begun while none has ended.
    held.iter()
        .for_each(|(has_begun, _)| has_begun.recv().unwrap());
    drop(held);
    assert!(pool.shutdown(None));
}

#[test]
fn idle_threads_retire_and_come_back() {
    let pool = pool(4, Duration::from_millis(1));
    for _ in 0..20 {
        let (send, receive) = mpsc::channel();
        pool.run(Box::new(move || send.send(()).unwrap())).unwrap();
        receive.recv().unwrap();
        eventually("nobody is left", || pool.with_roster(|r| r.threads() == 0));
    }
    assert!(pool.shutdown(None));
}

#[test]
fn a_panic_ends_with_its_job() {
    let pool = pool(1, LONG);
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the payload of a panic panics");
        }
    }
    pool.run(Box::new(|| panic!("as it should"))).unwrap();
    pool.run(Box::new(|| std::panic::panic_any(Bomb))).unwrap();
    let (send, receive) = mpsc::channel();
    pool.run(Box::new(move || send.send(()).unwrap())).unwrap();
    receive.recv().unwrap();
    eventually("the thread is idle", || pool.with_roster(|r| r.idle() == 1));
    assert_eq!(pool.with_roster(Roster::threads), 1);
    assert!(pool.shutdown(None));
}

#[test]
fn a_shutdown_drops_what_waits_and_waits_for_what_runs() {
    let pool = pool(1, LONG);
    let (job, has_begun, go_on) = held();
    pool.run(job).unwrap();
    has_begun.recv().unwrap();
    let waiting = Arc::new(());
    for _ in 0..10 {
        let waiting = waiting.clone();
        pool.run(Box::new(move || unreachable!("{waiting:?}")))
            .unwrap();
    }
    assert!(
        !pool.shutdown(Some(Duration::from_millis(1))),
        "one job still runs"
    );
    assert_eq!(
        Arc::strong_count(&waiting),
        1,
        "those in the queue are gone already"
    );
    assert!(!pool.shutdown(Some(Duration::ZERO)));
    drop(go_on);
    assert!(pool.shutdown(None));
    assert!(pool.shutdown(Some(Duration::ZERO)), "it stays ended");
}

#[test]
fn a_closed_pool_drops_jobs() {
    let pool = pool(1, LONG);
    assert!(pool.shutdown(None));
    let witness = Arc::new(());
    let job_s = witness.clone();
    pool.run(Box::new(move || unreachable!("{job_s:?}")))
        .unwrap();
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn a_shutdown_on_a_thread_of_the_pool_does_not_wait_for_itself() {
    let pool = Arc::new(pool(2, LONG));
    let (send, receive) = mpsc::channel();
    let inner = pool.clone();
    pool.run(Box::new(move || send.send(inner.shutdown(None)).unwrap()))
        .unwrap();
    assert!(!receive.recv().unwrap());
    assert!(pool.shutdown(None));
}

#[test]
fn a_pool_may_be_dropped_by_its_own_job() {
    let pool = Arc::new(pool(2, LONG));
    let (send, receive) = mpsc::channel();
    let inner = pool.clone();
    let (go_on, may_go_on) = mpsc::channel();
    pool.run(Box::new(move || {
        may_go_on.recv().unwrap();
        drop(inner);
        send.send(()).unwrap();
    }))
    .unwrap();
    drop(pool);
    go_on.send(()).unwrap();
    receive.recv().unwrap();
}

#[test]
fn hooks_surround_every_thread_and_may_panic() {
    let (starts, stops) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (in_start, in_stop) = (starts.clone(), stops.clone());
    let pool = Pool::new(Config {
        around: Box::new(move |work| {
            // Every other thread panics before its work, the others after it.
            let number = in_start.fetch_add(1, Ordering::SeqCst);
            assert!(number % 2 == 1, "a hook that panics");
            work();
            in_stop.fetch_add(1, Ordering::SeqCst);
            panic!("another");
        }),
        ..config(4)
    });
    let held: Vec<_> = (0..4)
        .map(|_| {
            let (job, has_begun, go_on) = held();
            pool.run(job).unwrap();
            has_begun.recv().unwrap();
            go_on
        })
        .collect();
    drop(held);
    assert!(pool.shutdown(None));
    assert_eq!(starts.load(Ordering::SeqCst), 4);
    assert_eq!(
        stops.load(Ordering::SeqCst),
        2,
        "a shutdown waits for the hooks"
    );
}

#[test]
#[cfg_attr(miri, ignore = "Miri's threads have no stack of a chosen size")]
fn a_thread_that_cannot_be_had_is_an_error_that_names_the_step() {
    let pool = Pool::new(Config {
        stack_bytes: 1 << 60,
        ..config(4)
    });
    let witness = Arc::new(());
    let job_s = witness.clone();
    let error = pool.run(Box::new(move || drop(job_s))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot start a thread for blocking calls")
    );
    assert_eq!(Arc::strong_count(&witness), 1, "the job is gone");
    assert!(pool.shutdown(None));
}

/// The race between a retiring thread and a job, with real threads: the keep-alive is nothing, so they retire all the time.
#[test]
fn nothing_is_lost_while_threads_come_and_go() {
    let jobs = if cfg!(miri) { 20 } else { 5_000 };
    let pool = pool(3, Duration::ZERO);
    let done = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..jobs {
                    let done = done.clone();
                    pool.run(Box::new(move || {
                        done.fetch_add(1, Ordering::Relaxed);
                    }))
                    .unwrap();
                }
            });
        }
    });
    eventually("all are done", || done.load(Ordering::Relaxed) == 3 * jobs);
    assert!(pool.shutdown(None));
}

/// Closing while others submit: each job is run or dropped, and no thread stays.
#[test]
fn every_job_ends_when_the_pool_closes_meanwhile() {
    for _ in 0..if cfg!(miri) { 2 } else { 200 } {
        let pool = pool(2, Duration::ZERO);
        let witness = Arc::new(());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let witness = witness.clone();
                        pool.run(Box::new(move || drop(witness))).unwrap();
                    }
                });
            }
            scope.spawn(|| assert!(pool.shutdown(None)));
        });
        assert_eq!(Arc::strong_count(&witness), 1);
        assert!(pool.shutdown(Some(Duration::ZERO)));
    }
}

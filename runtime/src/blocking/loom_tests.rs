//! The pool itself, over loom's locks and threads, with a channel whose receivers time out at once. A job that is lost
//! leaves the model waiting for it: loom reports the deadlock.

use super::{Config, Job, Pool};
use crate::sys::sync::{Arc, Condvar, Mutex};

/// Jobs that have been run, and jobs that have been dropped with or without it.
#[derive(Default)]
struct Tally {
    counts: Mutex<(usize, usize)>,
    bell: Condvar,
}

/// Counts its own drop.
struct Witness(Arc<Tally>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.counts.lock().1 += 1;
        self.0.bell.notify_all();
    }
}

impl Tally {
    fn wait_for_drops(&self, drops: usize) {
        let mut counts = self.counts.lock();
        while counts.1 < drops {
            self.bell.wait(&mut counts);
        }
    }
}

fn job(tally: &Arc<Tally>) -> Job {
    let witness = Witness(tally.clone());
    Box::new(move || witness.0.counts.lock().0 += 1)
}

fn pool(max_threads: usize) -> Arc<Pool> {
    Arc::new(Pool::new(Config {
        max_threads,
        thread_name: "blocking".to_owned(),
        stack_bytes: 64 * 1024,
        around: Box::new(|work| work()),
    }))
}

fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(f);
}

#[test]
fn loom_blocking_a_job_meets_the_retirement_of_the_only_thread() {
    model(3, || {
        let (tally, pool) = (Arc::new(Tally::default()), pool(1));
        pool.run(job(&tally)).unwrap();
        pool.run(job(&tally)).unwrap();
        tally.wait_for_drops(2);
        assert_eq!(tally.counts.lock().0, 2);
        assert!(pool.shutdown(None));
    });
}

#[test]
fn loom_blocking_two_submitters_and_two_threads_lose_nothing() {
    model(2, || {
        let (tally, pool) = (Arc::new(Tally::default()), pool(2));
        let other = loom::thread::spawn({
            let (tally, pool) = (tally.clone(), pool.clone());
            move || pool.run(job(&tally)).unwrap()
        });
        pool.run(job(&tally)).unwrap();
        other.join().unwrap();
        tally.wait_for_drops(2);
        assert_eq!(tally.counts.lock().0, 2);
        assert!(pool.shutdown(None));
    });
}

#[test]
fn loom_blocking_a_shutdown_ends_every_job_and_every_thread() {
    model(2, || {
        let (tally, pool) = (Arc::new(Tally::default()), pool(1));
        let other = loom::thread::spawn({
            let (tally, pool) = (tally.clone(), pool.clone());
            move || pool.run(job(&tally)).unwrap()
        });
        pool.run(job(&tally)).unwrap();
        assert!(pool.shutdown(None));
        other.join().unwrap();
        // Run or not, each was dropped once, and nobody is left who could still do it.
        assert_eq!(tally.counts.lock().1, 2);
        assert_eq!(
            pool.with_roster(|roster| (roster.threads(), roster.queued())),
            (0, 0)
        );
    });
}

#[test]
fn loom_blocking_two_shutdowns_both_see_the_end() {
    model(2, || {
        let (tally, pool) = (Arc::new(Tally::default()), pool(1));
        pool.run(job(&tally)).unwrap();
        let other = loom::thread::spawn({
            let pool = pool.clone();
            move || assert!(pool.shutdown(None))
        });
        assert!(pool.shutdown(None));
        other.join().unwrap();
        assert_eq!(tally.counts.lock().1, 1);
    });
}

//! What does a lock cost?
//!
//! Nothing is awaited while a lock is held, so that tasks on one worker are never in each other's way; on two they are.

use super::primitives::{Mutex, RwLock, Semaphore, acquire};
use super::{share, spawn};
use filch_bench_common::clock::now;
use std::sync::Arc;
use std::time::Duration;

/// How many tasks share a lock.
pub(crate) const TASKS: usize = 4;

/// One in so many locks of the reader-writer lock is to write.
const WRITE_ONE_IN: usize = 10;

/// How many permits they share.
const PERMITS: usize = 2;

pub(crate) async fn mutex(tasks: usize, times: usize) -> Duration {
    let mutex = Arc::new(Mutex::new(0));
    let begun = now();
    let each = |task| {
        let mutex = Arc::clone(&mutex);
        spawn(async move {
            for _ in 0..share(times, task, tasks) {
                *mutex.lock().await += 1;
            }
        })
    };
    let handles: Vec<_> = (0..tasks).map(each).collect();
    for task in handles {
        task.await;
    }
    let took = begun.elapsed();
    assert_eq!(*mutex.lock().await, times);
    took
}

pub(crate) async fn rwlock(times: usize) -> Duration {
    let lock = Arc::new(RwLock::new(0));
    let begun = now();
    let each = |task| {
        let lock = Arc::clone(&lock);
        spawn(async move {
            let mut seen = 0;
            for time in 0..share(times, task, TASKS) {
                if time % WRITE_ONE_IN == 0 {
                    *lock.write().await += 1;
                } else {
                    seen = *lock.read().await;
                }
            }
            seen
        })
    };
    let handles: Vec<_> = (0..TASKS).map(each).collect();
    for task in handles {
        assert!(task.await <= times);
    }
    begun.elapsed()
}

pub(crate) async fn semaphore(times: usize) -> Duration {
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let begun = now();
    let each = |task| {
        let semaphore = Arc::clone(&semaphore);
        spawn(async move {
            for _ in 0..share(times, task, TASKS) {
                drop(acquire(&semaphore).await);
            }
        })
    };
    let handles: Vec<_> = (0..TASKS).map(each).collect();
    for task in handles {
        task.await;
    }
    begun.elapsed()
}

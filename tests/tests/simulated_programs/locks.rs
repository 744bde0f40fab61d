//! Do locks and semaphores let in whom they should, whoever gives up or is aborted within?

use super::{Happened, each_seed, pause, perhaps_dropped};
use filch::spawn;
use filch::sync::{Mutex, RwLock, Semaphore};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Who is within, if only so many may be.
#[derive(Clone, Default)]
struct Room(Arc<AtomicUsize>);

/// Leaves when it is dropped, also with a task that is aborted.
struct Within(Room, usize);

impl Room {
    fn enter(&self, weight: usize, limit: usize) -> Within {
        let within = self.0.fetch_add(weight, Relaxed) + weight;
        assert!(within <= limit, "{within} within, where {limit} may be");
        Within(self.clone(), weight)
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Relaxed);
    }
}

#[test]
fn a_mutex_lets_one_in_and_none_is_forgotten() {
    let (aborted, gave_up) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        let is_fair = random.below(2) == 0;
        let new = if is_fair { Mutex::new_fair } else { Mutex::new };
        let lock = Arc::new(new(0));
        let (room, added) = (Room::default(), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..=random.below(4))
            .map(|_| {
                let (mut random, lock, room) = (random.fork(), lock.clone(), room.clone());
                let (added, token, gave_up) = (added.clone(), drops.track(), gave_up.clone());
                spawn(async move {
                    let _token = token;
                    for _ in 0..random.below(6) {
                        pause(&mut random).await;
                        let guard = match random.below(3) {
                            0 => lock.clone().try_lock_owned().ok(),
                            _ => perhaps_dropped(&mut random, lock.clone().lock_owned()).await,
                        };
                        let Some(mut guard) = guard else {
                            gave_up.note();
                            continue;
                        };
                        let _within = room.enter(1, 1);
                        let before = *guard;
                        pause(&mut random).await;
                        *guard = before + 1;
                        added.fetch_add(1, Relaxed);
                        pause(&mut random).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            if random.below(4) == 0 {
                pause(&mut random).await;
                task.abort();
            }
            if task.await.is_err_and(|error| error.is_cancelled()) {
                aborted.note();
            }
        }
        assert_eq!(*lock.try_lock().unwrap(), added.load(Relaxed));
        drops.assert_all_gone();
    });
    aborted.assert_did();
    gave_up.assert_did();
}

#[test]
fn a_reader_sees_no_half_of_a_change() {
    let shared = Happened::default();
    each_seed(async |mut random, _| {
        let lock = Arc::new(RwLock::new((0, 0)));
        let (readers, writers) = (Room::default(), Room::default());
        let tasks: Vec<_> = (0..=random.below(5))
            .map(|_| {
                let (mut random, lock, shared) = (random.fork(), lock.clone(), shared.clone());
                let (readers, writers) = (readers.clone(), writers.clone());
                spawn(async move {
                    let mut added = 0;
                    for _ in 0..random.below(6) {
                        pause(&mut random).await;
                        if random.below(2) == 0 {
                            let guard = perhaps_dropped(&mut random, lock.read()).await;
                            let Some(guard) = guard else { continue };
                            let _within = readers.enter(1, usize::MAX);
                            let before = *guard;
                            pause(&mut random).await;
                            if readers.0.load(Relaxed) > 1 {
                                shared.note();
                            }
                            assert_eq!(writers.0.load(Relaxed), 0);
                            assert_eq!((*guard, guard.0), (before, guard.1));
                            continue;
                        }
                        let guard = perhaps_dropped(&mut random, lock.write()).await;
                        let Some(mut guard) = guard else { continue };
                        let within = writers.enter(1, 1);
                        guard.0 += 1;
                        pause(&mut random).await;
                        assert_eq!(readers.0.load(Relaxed), 0);
                        guard.1 += 1;
                        added += 1;
                        drop(within);
                        if random.below(2) == 0 {
                            let guard = guard.downgrade();
                            let _within = readers.enter(1, usize::MAX);
                            pause(&mut random).await;
                            assert_eq!(guard.0, guard.1);
                        }
                    }
                    added
                })
            })
            .collect();
        let mut added = 0;
        for task in tasks {
            added += task.await.unwrap();
        }
        assert_eq!(*lock.try_write().unwrap(), (added, added));
    });
    shared.assert_did();
}

#[test]
fn a_semaphore_gives_no_more_than_it_has_and_gets_all_back() {
    let (aborted, refused) = (Happened::default(), Happened::default());
    each_seed(async |mut random, _| {
        let total = 1 + random.below(4);
        let permits = Arc::new(Semaphore::new(total));
        let room = Room::default();
        let tasks: Vec<_> = (0..=random.below(5))
            .map(|_| {
                let (mut random, permits, room) = (random.fork(), permits.clone(), room.clone());
                let refused = refused.clone();
                spawn(async move {
                    for _ in 0..random.below(6) {
                        pause(&mut random).await;
                        let n = random.below(total + 1);
                        let acquire = permits.acquire_many(n as u32);
                        match perhaps_dropped(&mut random, acquire).await {
                            None => {}
                            Some(Err(_)) => {
                                refused.note();
                                assert!(permits.is_closed());
                            }
                            Some(Ok(_permit)) => {
                                let _within = room.enter(n, total);
                                pause(&mut random).await;
                            }
                        }
                    }
                })
            })
            .collect();
        if random.below(4) == 0 {
            pause(&mut random).await;
            permits.close();
        }
        for task in tasks {
            if random.below(4) == 0 {
                pause(&mut random).await;
                task.abort();
            }
            if task.await.is_err_and(|error| error.is_cancelled()) {
                aborted.note();
            }
        }
        assert_eq!(permits.available_permits(), total);
    });
    aborted.assert_did();
    refused.assert_did();
}

//! Has every task gone when it is said to have ended, however tasks, sets and scopes are nested, aborted and failing?

use super::{Happened, each_seed, millis, pause, perhaps_dropped};
use filch::task::JoinSet;
use filch::time::timeout;
use filch::{scope, spawn, spawn_blocking, try_scope};
use filch_tests::drops::Tally;
use filch_tests::random::Random;
use std::panic::resume_unwind;
use std::pin::Pin;

type Tree = Pin<Box<dyn Future<Output = usize> + Send>>;

/// What the trees of one run share.
#[derive(Clone)]
struct Forest {
    drops: Tally,
    aborted: Happened,
    failed: Happened,
    late: Happened,
}

impl Forest {
    /// A tree of tasks that starts others in every way there is, and looks whether those have gone when they are said to.
    fn grow(&self, depth: usize, random: Random) -> Tree {
        let (forest, token) = (self.clone(), self.drops.track());
        Box::pin(async move {
            let _token = token;
            forest.grow_here(depth, random).await
        })
    }

    async fn grow_here(&self, depth: usize, mut random: Random) -> usize {
        pause(&mut random).await;
        if depth == 0 {
            return 1;
        }
        let own = Tally::new();
        let count = random.below(4);
        let children: Vec<_> = (0..count)
            .map(|_| {
                let (tree, token) = (self.grow(depth - 1, random.fork()), own.track());
                Box::pin(async move {
                    let _token = token;
                    tree.await
                })
            })
            .collect();
        match random.below(5) {
            0 => self.join_set(&mut random, children, &own).await,
            1 => self.scope(random, children).await,
            2 => self.try_scope(random, children).await,
            3 => self.one_by_one(&mut random, children).await,
            _ => {
                for child in children {
                    let limit = millis(&mut random, 10);
                    if timeout(limit, child).await.is_err() {
                        self.late.note();
                    }
                }
            }
        }
        own.assert_all_gone();
        assert_eq!(own.made(), count);
        1 + count
    }

    async fn join_set(&self, random: &mut Random, children: Vec<impl Child>, own: &Tally) {
        let (mut set, mut left) = (JoinSet::new(), children.len());
        for child in children {
            let abort = set.spawn(child);
            if random.below(4) == 0 {
                pause(random).await;
                abort.abort();
            }
        }
        if random.below(2) == 0 {
            let token = self.drops.track();
            set.spawn_blocking(move || {
                drop(token);
                0
            });
            left += 1;
        }
        if random.below(4) == 0 {
            pause(random).await;
            return set.shutdown().await;
        }
        while !set.is_empty() {
            let next = perhaps_dropped(random, set.join_next()).await;
            let Some(next) = next else { continue };
            left -= 1;
            if let Err(error) = next.unwrap() {
                assert!(error.is_cancelled());
                self.aborted.note();
            }
            assert!(own.alive() <= left);
        }
        assert_eq!(left, 0);
        assert!(set.join_next().await.is_none());
    }

    async fn scope(&self, mut random: Random, children: Vec<impl Child>) {
        let aborted = self.aborted.clone();
        scope(|s| async move {
            let mut handles = Vec::new();
            for child in children {
                let inner = s.clone();
                // Half of them are the children of others, which may have gone by then.
                handles.push(if random.below(2) == 0 {
                    s.spawn(async move { drop(inner.spawn(child)) })
                } else {
                    s.spawn(async move {
                        child.await;
                    })
                });
                pause(&mut random).await;
            }
            for handle in handles {
                match random.below(4) {
                    0 => handle.abort(),
                    1 => continue,
                    _ => {}
                }
                if handle.await.is_err() {
                    aborted.note();
                }
            }
            if random.below(4) == 0 {
                s.cancel();
            }
        })
        .await;
    }

    async fn try_scope(&self, mut random: Random, children: Vec<impl Child>) {
        let (mut failing, failed) = (Vec::new(), self.failed.clone());
        let plan: Vec<_> = children.iter().map(|_| random.below(4) == 0).collect();
        failing.extend(
            plan.iter()
                .enumerate()
                .filter_map(|(n, fails)| fails.then_some(n)),
        );
        let result = try_scope(|s| async move {
            for (n, (child, fails)) in children.into_iter().zip(plan).enumerate() {
                s.spawn(async move {
                    child.await;
                    if fails { Err(n) } else { Ok(()) }
                });
                pause(&mut random).await;
            }
            Ok(())
        })
        .await;
        match result {
            Ok(()) => assert!(failing.is_empty(), "{failing:?} have not failed"),
            Err(n) => {
                assert!(failing.contains(&n), "{n} of {failing:?} has failed");
                failed.note();
            }
        }
    }

    async fn one_by_one(&self, random: &mut Random, children: Vec<impl Child>) {
        for child in children {
            // Resumed, so that no hook prints it.
            let panics = random.below(4) == 0;
            let task = spawn(async move {
                child.await;
                if panics {
                    resume_unwind(Box::new("planned"));
                }
                spawn_blocking(|| 7).await.unwrap()
            });
            let is_aborted = random.below(3) == 0;
            pause(random).await;
            if is_aborted {
                task.abort();
            }
            match task.await {
                Ok(number) => assert!(number == 7 && !panics),
                Err(error) if error.is_panic() => {
                    assert!(panics);
                    self.failed.note();
                }
                Err(_) => {
                    assert!(is_aborted);
                    self.aborted.note();
                }
            }
        }
    }
}

trait Child: Future<Output = usize> + Send + Unpin + 'static {}

impl<F: Future<Output = usize> + Send + Unpin + 'static> Child for F {}

#[test]
fn everything_that_is_started_ends_and_goes_when_it_is_said_to() {
    let [all, aborted, failed, late] = [(); 4].map(|()| Happened::default());
    each_seed(async |mut random, drops| {
        let forest = Forest {
            drops,
            aborted: aborted.clone(),
            failed: failed.clone(),
            late: late.clone(),
        };
        let tree = forest.grow(3, random.fork());
        let task = spawn(tree);
        if random.below(8) == 0 {
            // What it has started and does not wait for any more goes with the runtime at the latest.
            pause(&mut random).await;
            task.abort();
            all.note();
            assert!(task.await.map_err(|error| error.is_cancelled()) != Err(false));
        } else {
            assert!(task.await.unwrap() > 0);
        }
    });
    for happened in [all, aborted, failed, late] {
        happened.assert_did();
    }
}

//! Tasks, scopes, and futures made of others: does nothing run on that should not, and is no output lost that should stay?

use filch::future::{FutureExt, race};
use filch::scope::Builder;
use filch::sync::oneshot;
use filch::task::{JoinSet, on_cancel};
use filch::time::error::Elapsed;
use filch::time::{Duration, advance};
use filch_tests::cancel::{Case, Cut};
use filch_tests::cases;
use filch_tests::drops::Tally;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const CASES: &[Case] = cases! {
    Simulated:
    "task::JoinHandle" => |cut| async move {
        let (mut tell, told) = pair();
        let mut handle = filch::spawn(told);
        let got = cut.drive(&mut handle, 1, async |_| tell.say(7)).await;
        let output = match got {
            Some(output) => output,
            None => handle.await,
        };
        assert_eq!(output.unwrap(), 7);
    },
    "task::JoinHandle" => |cut| async move {
        // The handle itself: the task goes on without it.
        let (mut tell, told) = pair();
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = ended.clone();
        let handle = filch::spawn(async move { counted.fetch_add(told.await, Ordering::Relaxed) });
        cut.drive(handle, 1, async |_| tell.say(1)).await;
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    },
    "task::JoinSet::join_next" => |cut| async move {
        let (mut set, mut tell) = set_of_two();
        let step = async |number: usize| tell[number].say(number);
        let got = cut.drive(set.join_next(), 2, step).await.flatten();
        let got = got.map(Result::unwrap).into_iter();
        assert_eq!(rest(set, got).await, [0, 1]);
    },
    "task::JoinSet::join_next_with_id" => |cut| async move {
        let (mut set, mut tell) = set_of_two();
        let step = async |number: usize| tell[number].say(number);
        let got = cut.drive(set.join_next_with_id(), 2, step).await.flatten();
        let got = got.map(|got| got.unwrap().1).into_iter();
        assert_eq!(rest(set, got).await, [0, 1]);
    },
    "task::JoinSet::join_all" => |cut| join_all(cut),
    "task::JoinSet::shutdown" => |cut| async move {
        let tally = Tally::new();
        let mut set = JoinSet::new();
        for held in [tally.track(), tally.track()] {
            set.spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        }
        cut.drive(set.shutdown(), 1, async |_| ()).await;
        assert_eq!(tally.alive(), if cut.is_polled() { 0 } else { 2 });
        set.shutdown().await;
        assert!(set.is_empty());
        tally.assert_all_gone();
    },
    "task::TaskLocalFuture" => |cut| async move {
        let (mut tell, told) = pair();
        let work = NUMBER.scope(3, async { told.await + NUMBER.get() });
        let got = cut.drive(work, 1, async |_| tell.say(4)).await;
        assert!(got.is_none_or(|got| got == 7));
        assert!(NUMBER.try_with(|_| ()).is_err(), "the value has stayed");
    },
    "task::yield_now" => |cut| async move {
        cut.drive(filch::yield_now(), 1, async |_| ()).await;
    },
    "future::Race" => |cut| async move {
        let ([mut one, mut other], mut told) = two();
        let [a, b] = &mut told;
        let step = async |number| if number == 0 { one.say(0) } else { other.say(1) };
        let got = cut.drive(race(a, b), 2, step).await;
        assert_eq!(all_said(got.into_iter(), told).await, [0, 1]);
    },
    "future::WithCancellation" => |cut| async move {
        let ([mut one, mut stop], mut told) = two();
        let [work, stopped] = &mut told;
        let step = async |number| if number == 0 { stop.say(1) } else { one.say(0) };
        let got = cut.drive(work.with_cancellation(stopped), 2, step).await;
        // What has stopped it is not given back.
        let got = got.map(|got| got.unwrap_or(1));
        assert_eq!(all_said(got.into_iter(), told).await, [0, 1]);
    },
    "select!" => |cut| async move {
        let ([mut one, mut other], mut told) = two();
        let [a, b] = &mut told;
        let step = async |number| if number == 0 { other.say(1) } else { one.say(0) };
        let first = async { filch::select! { got = a => got, got = b => got } };
        let got = cut.drive(first, 2, step).await;
        assert_eq!(all_said(got.into_iter(), told).await, [0, 1]);
    },
    "join!" => |cut| join(cut),
    "try_join!" => |cut| try_join(cut),
    "scope::scope" => |cut| async move {
        scope(cut, |tell, tally| (filch::scope(async move |s| child(&s, tell, tally).await), Duration::ZERO)).await;
    },
    "scope::Builder::run" => |cut| async move {
        let run = Builder::new().max_in_flight(1);
        scope(cut, |tell, tally| (run.run(async move |s| child(&s, tell, tally).await), Duration::ZERO)).await;
    },
    "scope::TimedBuilder::run" => |cut| async move {
        let run = Builder::new().timeout(HOUR);
        let run = |tell, tally| {
            let run = run.run(async move |s| child(&s, tell, tally).await);
            (async move { run.await.unwrap_or(7) }, Duration::ZERO)
        };
        scope(cut, run).await;
    },
    "scope::TimedBuilder::run" => |cut| async move {
        // The time is up before the child is done.
        let run = Builder::new().timeout(HOUR);
        let run = |tell, tally| {
            let run = run.run(async move |s| child(&s, tell, tally).await);
            (async move { run.await.unwrap_or(7) }, HOUR)
        };
        scope(cut, run).await;
    },
    "scope::try_scope" => |cut| async move {
        let run = |tell, tally| {
            let run = filch::try_scope(async move |s| try_child(&s, tell, tally).await);
            (async move { run.await.unwrap() }, Duration::ZERO)
        };
        scope(cut, run).await;
    },
    "scope::Builder::try_run" => |cut| async move {
        let run = |tell, tally| {
            let run = Builder::new().try_run(async move |s| try_child(&s, tell, tally).await);
            (async move { run.await.unwrap() }, Duration::ZERO)
        };
        scope(cut, run).await;
    },
    "scope::TimedBuilder::try_run" => |cut| async move {
        let run = |tell, tally| {
            let run = Builder::new().timeout(HOUR);
            let run = run.try_run(async move |s| try_child(&s, tell, tally).await);
            (async move { run.await.unwrap_or(7) }, HOUR)
        };
        scope(cut, run).await;
    },
    "scope::Scope::spawn_when_free" => |cut| async move {
        Builder::new().max_in_flight(1).run(async move |s| {
            let (mut tell, told) = pair();
            s.spawn(told);
            let tally = Tally::new();
            let held = tally.track();
            let next = s.spawn_when_free(async move { drop(held) });
            let handle = cut.drive(next, 1, async |_| tell.say(0)).await;
            if let Some(handle) = handle {
                handle.await.unwrap();
            }
            tally.assert_all_gone();
            s.spawn_when_free(async {}).await.await.unwrap();
        }).await;
    },
    "scope::TryScope::spawn_when_free" => |cut| async move {
        let done = Builder::new().max_in_flight(1).try_run(async move |s| {
            let (mut tell, told) = pair();
            s.spawn(async move { Ok(told.await) });
            let tally = Tally::new();
            let held = tally.track();
            let next = s.spawn_when_free(async move {
                drop(held);
                Ok(())
            });
            let handle = cut.drive(next, 1, async |_| tell.say(0)).await;
            if let Some(handle) = handle {
                handle.await.unwrap();
            }
            tally.assert_all_gone();
            s.spawn_when_free(async { Ok(()) }).await.await.unwrap();
            Ok::<_, ()>(())
        });
        done.await.unwrap();
    },
    "scope::ScopedHandle" => |cut| async move {
        filch::scope(async move |s| {
            let (mut tell, told) = pair();
            let mut handle = s.spawn(told);
            let got = cut.drive(&mut handle, 1, async |_| tell.say(7)).await;
            let output = match got {
                Some(output) => output,
                None => handle.await,
            };
            assert_eq!(output.unwrap(), 7);
        }).await;
    },
    "scope::OnCancel" => |cut| async move {
        let cleanups = Arc::new(AtomicUsize::new(0));
        let counted = cleanups.clone();
        let (mut tell, told) = pair();
        let cleanup = async move {
            filch::yield_now().await;
            counted.fetch_add(1, Ordering::Relaxed);
        };
        let got = cut.drive(on_cancel(told, HOUR, cleanup), 1, async |_| tell.say(7)).await;
        let expected = usize::from(cut.is_polled() && got.is_none());
        assert_eq!(cleanups.load(Ordering::Relaxed), expected);
    },
};

const HOUR: Duration = Duration::from_secs(3600);

filch::task_local! {
    static NUMBER: usize;
}

/// Says a number once, to whoever is still there.
struct Tell(Option<oneshot::Sender<usize>>);

impl Tell {
    fn say(&mut self, number: usize) {
        let _ = self.0.take().expect("it is said once").send(number);
    }
}

type Told = std::pin::Pin<Box<dyn Future<Output = usize> + Send>>;

fn pair() -> (Tell, Told) {
    let (sender, receiver) = oneshot::channel();
    let told = async { receiver.await.expect("it is said") };
    (Tell(Some(sender)), Box::pin(told))
}

fn two() -> ([Tell; 2], [Told; 2]) {
    let [(one, told_one), (other, told_other)] = [pair(), pair()];
    ([one, other], [told_one, told_other])
}

/// What came, and what can still be heard, in order. Of those that are not heard yet, one was told more than was heard.
async fn all_said(got: impl Iterator<Item = usize>, told: [Told; 2]) -> Vec<usize> {
    let mut said: Vec<_> = got.collect();
    for (number, told) in told.into_iter().enumerate() {
        if !said.contains(&number) {
            said.push(told.await);
        }
    }
    said.sort_unstable();
    said
}

fn set_of_two() -> (JoinSet<usize>, [Tell; 2]) {
    let (tell, told) = two();
    let mut set = JoinSet::new();
    for told in told {
        set.spawn(told);
    }
    (set, tell)
}

async fn rest(mut set: JoinSet<usize>, got: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut all: Vec<_> = got.collect();
    while let Some(output) = set.join_next().await {
        all.push(output.unwrap());
    }
    all.sort_unstable();
    all
}

/// Dropped, it takes the tasks along.
async fn join_all(cut: &Cut) {
    let tally = Tally::new();
    let (mut tell, told) = two();
    let mut set = JoinSet::new();
    for told in told {
        let held = tally.track();
        set.spawn(async move {
            let number = told.await;
            (number, held)
        });
    }
    let step = async |number: usize| tell[number].say(number);
    let got = cut.drive(set.join_all(), 2, step).await;
    if let Some(mut all) = got {
        all.sort_by_key(|output| output.0);
        assert_eq!(
            all.iter().map(|output| output.0).collect::<Vec<_>>(),
            [0, 1]
        );
    }
    tally.assert_all_gone();
}

/// Both outputs come, or what was not done is dropped, and what was done too.
async fn join(cut: &Cut) {
    let tally = Tally::new();
    let ([mut one, mut other], [a, b]) = two();
    let hold = async |told: Told| (told.await, tally.track());
    let step = async |number| {
        if number == 0 {
            other.say(1)
        } else {
            one.say(0)
        }
    };
    let both = async { filch::join!(hold(a), hold(b)) };
    let got = cut.drive(both, 2, step).await;
    assert!(got.as_ref().is_none_or(|(a, b)| (a.0, b.0) == (0, 1)));
    drop(got);
    tally.assert_all_gone();
}

/// One is done and the other fails.
async fn try_join(cut: &Cut) {
    let tally = Tally::new();
    let ([mut one, mut other], [a, b]) = two();
    let hold = async |told: Told| Ok((told.await, tally.track()));
    let fail = async |told: Told| Err::<(), _>((told.await, tally.track()));
    let step = async |number| {
        if number == 0 {
            one.say(0)
        } else {
            other.say(1)
        }
    };
    let both = async { filch::try_join!(hold(a), fail(b)) };
    let got = cut.drive(both, 2, step).await;
    assert!(
        got.as_ref()
            .is_none_or(|got| got.as_ref().is_err_and(|error| error.0 == 1))
    );
    drop(got);
    tally.assert_all_gone();
}

/// A scope with a child that is told 7 has ended with it, and one that is dropped takes it along.
async fn scope<F: Future<Output = usize>>(
    cut: &Cut,
    run: impl FnOnce(Told, Tally) -> (F, Duration),
) {
    let tally = Tally::new();
    let (mut tell, told) = pair();
    let (future, before) = run(told, tally.clone());
    let step = async |number| match number {
        0 => advance(before).await,
        _ => tell.say(7),
    };
    let got = cut.drive(future, 2, step).await;
    assert!(got.is_none_or(|got| got == 7));
    tally.assert_all_gone();
}

async fn child(s: &filch::scope::Scope, told: Told, tally: Tally) -> usize {
    let held = tally.track();
    let child = s.spawn(async move {
        let _held = held;
        told.await
    });
    child.await.unwrap()
}

async fn try_child(
    s: &filch::scope::TryScope<Elapsed>,
    told: Told,
    tally: Tally,
) -> Result<usize, Elapsed> {
    let held = tally.track();
    let child = s.spawn(async move {
        let _held = held;
        Ok(told.await)
    });
    Ok(child.await.unwrap())
}

//! Is nobody forgotten, whatever is done to a lock, and in whatever order?
//!
//! A few places for futures, steps at random: one begins, is polled though nobody woke it, with another waker than before, leaves, gives back. In the end all is given back, and
//! from then on only those are polled that were woken, as tasks are: each has to have had its turn, and nothing may be left over. One thread, so that it runs under Miri too;
//! races are in the models.

use super::testing::Polled;
use super::{Mutex, RwLock, Semaphore};
use proptest::prelude::*;
use std::pin::Pin;

const PLACES: usize = 5;
/// One more than a semaphore here has permits: who asks for so many waits until it leaves.
const ASKED_MAX: u32 = 4;
const STEPS_MAX: usize = if cfg!(miri) { 20 } else { 60 };

#[derive(Debug, Clone, Copy)]
enum Step {
    /// With a number, of permits or for the kind of lock.
    Begin(usize, u32),
    Poll(usize),
    PollElsewhere(usize),
    /// As a task does.
    PollIfWoken(usize),
    /// Whether it waits or has got it.
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || 0..PLACES;
    let step = prop_oneof![
        3 => (place(), 1..=ASKED_MAX).prop_map(|(at, n)| Step::Begin(at, n)),
        1 => place().prop_map(Step::Poll),
        1 => place().prop_map(Step::PollElsewhere),
        3 => place().prop_map(Step::PollIfWoken),
        3 => place().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..STEPS_MAX)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

type Boxed<'a, G> = Pin<Box<dyn Future<Output = G> + 'a>>;

enum Place<'a, G> {
    Empty,
    /// And has asked for so many.
    Waits(Polled<Boxed<'a, G>>, u32),
    Has(G),
}

impl<'a, G> Place<'a, G> {
    fn take_if_ready(&mut self, poll: impl FnOnce(&mut Polled<Boxed<'a, G>>) -> Option<G>) {
        let Place::Waits(waits, _) = self else { return };
        if let Some(got) = poll(waits) {
            *self = Place::Has(got);
        }
    }
}

/// `check` says whether it may be that just these have it. Who asks for more than `get_at_most` may have to wait for ever.
fn run<'a, G>(
    steps: &[Step],
    get_at_most: u32,
    begin: impl Fn(u32) -> Boxed<'a, G>,
    check: impl Fn(&mut dyn Iterator<Item = &G>),
) {
    let mut places: [Place<'a, G>; PLACES] = [const { Place::Empty }; PLACES];
    for step in steps {
        match *step {
            Step::Begin(at, n) if matches!(places[at], Place::Empty) => {
                places[at] = Place::Waits(Polled::new(begin(n)), n);
                places[at].take_if_ready(Polled::ready);
            }
            Step::Begin(..) => {}
            Step::Poll(at) => places[at].take_if_ready(Polled::ready),
            Step::PollElsewhere(at) => {
                places[at].take_if_ready(|waits| match waits.poll_elsewhere() {
                    std::task::Poll::Ready(got) => Some(got),
                    std::task::Poll::Pending => None,
                });
            }
            Step::PollIfWoken(at) => {
                places[at].take_if_ready(|waits| waits.is_woken().then(|| waits.ready())?);
            }
            Step::Leave(at) => places[at] = Place::Empty,
        }
        check(&mut places.iter().filter_map(|place| match place {
            Place::Has(got) => Some(got),
            _ => None,
        }));
    }
    while !places.iter().all(|place| matches!(place, Place::Empty)) {
        for place in &mut places {
            if let Place::Has(_) = place {
                *place = Place::Empty;
            }
        }
        let is_woken =
            |place: &Place<'_, G>| matches!(place, Place::Waits(waits, _) if waits.is_woken());
        if let Some(woken) = places.iter_mut().find(|place| is_woken(place)) {
            woken.take_if_ready(Polled::ready);
        } else {
            // Who can wait for ever leaves; who stands behind it must not.
            let leaves =
                |place: &Place<'_, G>| matches!(place, Place::Waits(_, n) if *n > get_at_most);
            let waits = |place: &Place<'_, G>| matches!(place, Place::Waits(..));
            match places.iter_mut().find(|place| leaves(place)) {
                Some(place) => *place = Place::Empty,
                None => assert!(!places.iter().any(waits), "it waits, and nobody wakes it"),
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nobody_is_forgotten_by_a_mutex(steps in steps(), fair in any::<bool>()) {
        let mutex = if fair { Mutex::new_fair(()) } else { Mutex::new(()) };
        run(&steps, ASKED_MAX, |_| Box::pin(mutex.lock()), |guards| assert!(guards.count() <= 1));
        prop_assert!(mutex.try_lock().is_ok());
    }

    #[test]
    fn nobody_is_forgotten_by_a_semaphore(steps in steps()) {
        let semaphore = Semaphore::new(3);
        let begin = |n| -> Boxed<'_, _> { Box::pin(semaphore.acquire_many(n)) };
        run(&steps, ASKED_MAX - 1, begin, |permits| {
            let held: usize = permits.map(|got| got.as_ref().unwrap().num_permits()).sum();
            assert!(held + semaphore.available_permits() <= 3);
        });
        prop_assert_eq!(semaphore.available_permits(), 3);
    }

    /// Who waits when it is closed is told so; what is given back afterwards is there.
    #[test]
    fn nobody_is_forgotten_by_a_semaphore_that_closes(steps in steps()) {
        let semaphore = Semaphore::new(3);
        let begin = |n| -> Boxed<'_, _> { Box::pin(semaphore.acquire_many(n)) };
        let left = std::cell::Cell::new(steps.len() / 2);
        run(&steps, ASKED_MAX - 1, begin, |_| {
            left.set(left.get().saturating_sub(1));
            if left.get() == 0 {
                semaphore.close();
            }
        });
        prop_assert_eq!(semaphore.available_permits(), 3);
    }

    /// 1 and 2 read, 3 and 4 write.
    #[test]
    fn nobody_is_forgotten_by_a_rw_lock(steps in steps()) {
        let lock = RwLock::with_max_readers((), 3);
        let begin = |n| -> Boxed<'_, _> {
            match n {
                3.. => Box::pin(async { (Some(lock.write().await), None) }),
                _ => Box::pin(async { (None, Some(lock.read().await)) }),
            }
        };
        run(&steps, ASKED_MAX, begin, |guards| {
            let (mut writers, mut readers) = (0, 0);
            for (writes, reads) in guards {
                writers += usize::from(writes.is_some());
                readers += usize::from(reads.is_some());
            }
            assert!(writers + usize::from(readers > 0) <= 1);
        });
        prop_assert!(lock.try_write().is_ok());
    }
}

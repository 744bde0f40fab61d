//! What is left behind by a future that is dropped before it is done?
//!
//! A *case* makes something (a lock, a channel, a task), then gives a future of it to [`Cut::drive`] together with the *steps* of the other side (the lock is released, a
//! message is sent, an hour passes), and checks at its end that nothing was lost, doubled or left locked. [`explore`] runs it again and again, each time with another *order* of
//! polls and steps, after which the future is dropped: never polled; polled and then dropped before, between and after the steps; woken, but not polled again. The steps
//! that are left come after the drop, so that at the end of a case all have been done. And with every order of the steps the future is also awaited to its end.
//!
//! All orders are tried, with up to two polls in a row: a second one without a wake in between is allowed to futures, and shall change nothing. In a simulation the last poll
//! is also one at which the task's cooperative budget is used up: what the future was given it must not take then, and not lose either.
//!
//! The future is polled with a waker that counts. In a [simulation](filch::runtime::Builder::simulated), where everything else stands still meanwhile, one that was pending, was not
//! woken and is ready at the next poll has missed a wake, which fails the case as well.
//!
//! Rejected: one future dropped at random points under load. It finds the same in the end, but not each time, and does not say at which point.

#![expect(
    clippy::disallowed_types,
    reason = "what is tested shall not be what it is tested with"
)]

use filch::Runtime;
use filch::time::{Duration, sleep};
use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// A row of a table of cases.
#[derive(Clone, Copy)]
pub struct Case {
    /// Of the function, type or macro whose future is dropped.
    pub name: &'static str,
    /// Where it is run.
    pub host: Host,
    /// What is run once for each order.
    pub run: for<'a> fn(&'a Cut) -> Running<'a>,
}

/// One run of a case.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Which runtime a case needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// One whose time is virtual, and in which nothing else happens while a future is polled.
    Simulated,
    /// One with descriptors and threads.
    Real,
}

/// What is done next to the future or by the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Poll,
    /// Polled when the task's cooperative budget is used up; no polls but [`Finish`](Self::Finish) come after it.
    Starve,
    Step,
    /// Polled whenever it is woken, until it is done.
    Finish,
}

/// How often a future is polled in a row.
const POLLS_IN_A_ROW: usize = 2;

/// More than the cooperative budget of a task.
const TURNS_MAX: usize = 10_000;

/// More orders than this are a case with too many steps.
const ORDERS_MAX: usize = 10_000;

/// One order, and what has become of it.
#[derive(Debug)]
pub struct Cut {
    order: Vec<Move>,
    host: Host,
    /// How many steps there are; known when the case has run.
    steps: Cell<Option<usize>>,
    is_complete: Cell<bool>,
    is_dropped: Cell<bool>,
}

impl Cut {
    fn new(host: Host, order: Vec<Move>) -> Self {
        Self {
            order,
            host,
            steps: Cell::new(None),
            is_complete: Cell::new(false),
            is_dropped: Cell::new(false),
        }
    }

    /// Polls the future and does the steps 0 to `steps` - 1 in this run's order, drops the future, and does the steps that are left. The output, if it came to that.
    ///
    /// # Panics
    ///
    /// If a wake was missed. If it is called twice in a run.
    pub async fn drive<F: Future>(
        &self,
        future: F,
        steps: usize,
        mut step: impl AsyncFnMut(usize),
    ) -> Option<F::Output> {
        assert_eq!(self.steps.replace(Some(steps)), None, "driven twice");
        let mut polled = Polled::new(future, self.host);
        let mut done = 0;
        for action in &self.order {
            match action {
                Move::Poll => polled.poll(),
                Move::Starve => {
                    use_up_the_budget();
                    polled.poll();
                    filch::yield_now().await;
                }
                Move::Step => {
                    step(done).await;
                    self.settle().await;
                    done += 1;
                }
                Move::Finish => polled.finish().await,
            }
        }
        self.is_complete.set(polled.output.is_some());
        self.is_dropped.set(!self.is_complete.get());
        let output = polled.drop_future();
        for number in done..steps {
            step(number).await;
        }
        self.settle().await;
        output
    }

    /// Whether the future was dropped before it was done; to be asked by a step that is only right after that, or only before.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.is_dropped.get()
    }

    /// Whether the future is polled in this order.
    #[must_use]
    pub fn is_polled(&self) -> bool {
        self.order.iter().any(|&action| action != Move::Step)
    }

    /// Lets everybody else come to rest, in a simulation; a step of a case with a real runtime waits by itself for what it has begun.
    pub async fn settle(&self) {
        if self.host == Host::Simulated {
            // The clock moves when nobody has anything to do.
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn can_step(&self) -> bool {
        let done = self.order.iter().filter(|&&action| action == Move::Step);
        done.count() < self.steps.get().expect("every case drives a future")
    }

    fn can_poll(&self) -> bool {
        let tail = self.order.iter().rev();
        let in_a_row = tail.take_while(|&&action| action == Move::Poll).count();
        in_a_row < POLLS_IN_A_ROW && !self.order.contains(&Move::Starve)
    }

    /// The orders that begin with this one and have one move more.
    fn longer(&self) -> Vec<Vec<Move>> {
        let is_over = self.is_complete.get() || self.order.last() == Some(&Move::Finish);
        if is_over {
            return Vec::new();
        }
        let (can_poll, can_step) = (self.can_poll(), self.can_step());
        let moves = [
            (Move::Poll, can_poll),
            (Move::Starve, can_poll && self.host == Host::Simulated),
            (Move::Step, can_step),
            (Move::Finish, !can_step),
        ];
        let moves = moves.iter().filter(|(_, is_possible)| *is_possible);
        moves
            .map(|(action, _)| [self.order.as_slice(), &[*action]].concat())
            .collect()
    }
}

/// Takes turns of the current task's until it has none left.
///
/// # Panics
///
/// If there is no end of them.
fn use_up_the_budget() {
    let lock = filch::sync::Mutex::new(());
    let mut cx = Context::from_waker(Waker::noop());
    let is_used_up = (0..TURNS_MAX).any(|_| pin!(lock.lock()).poll(&mut cx).is_pending());
    assert!(is_used_up, "the cases do not run in a task with a budget");
}

/// The future of a case, polled by hand.
struct Polled<F: Future> {
    future: Pin<Box<F>>,
    host: Host,
    wakes: Arc<Wakes>,
    /// How many wakes there had been when the last poll began, if that had to wait.
    before: Option<usize>,
    output: Option<F::Output>,
}

impl<F: Future> Polled<F> {
    fn new(future: F, host: Host) -> Self {
        Self {
            future: Box::pin(future),
            host,
            wakes: Arc::default(),
            before: None,
            output: None,
        }
    }

    /// Nothing happens to a future that is done.
    fn poll(&mut self) {
        if self.output.is_some() {
            return;
        }
        let before = self.wakes.count();
        let waker = Waker::from(self.wakes.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => {
                let is_told = self.before != Some(before) || self.host == Host::Real;
                assert!(
                    is_told,
                    "ready, but not woken since it was pending: a wake was missed"
                );
                self.output = Some(output);
            }
            Poll::Pending => self.before = Some(before),
        }
    }

    async fn finish(&mut self) {
        loop {
            self.poll();
            match self.before {
                Some(before) if self.output.is_none() => self.wakes.more_than(before).await,
                _ => return,
            }
        }
    }

    fn drop_future(self) -> Option<F::Output> {
        drop(self.future);
        self.output
    }
}

/// A waker that counts, and wakes whoever waits for the count.
#[derive(Debug, Default)]
struct Wakes {
    count: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
}

impl Wakes {
    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    async fn more_than(&self, before: usize) {
        poll_fn(|cx| {
            *self.waiting.lock().expect("nobody panics with it") = Some(cx.waker().clone());
            if self.count() > before {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let waiting = self.waiting.lock().expect("nobody panics with it").take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

/// A table of [`Case`]s: a host, then a name and a body for each.
#[macro_export]
macro_rules! cases {
    ($host:ident: $($name:literal => |$cut:ident| $body:expr),* $(,)?) => {
        &[$($crate::cancel::Case {
            name: $name,
            host: $crate::cancel::Host::$host,
            run: |$cut| ::std::boxed::Box::pin($body),
        }),*]
    };
}

/// Somebody else who waits for the same thing, polled by hand too.
pub struct Sibling<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    wakes: Arc<Wakes>,
    before: usize,
    output: Option<T>,
}

impl<'a, T> Sibling<'a, T> {
    /// Begins to wait.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        let mut sibling = Self {
            future: Box::pin(future),
            wakes: Arc::default(),
            before: 0,
            output: None,
        };
        sibling.poll();
        sibling
    }

    fn poll(&mut self) {
        self.before = self.wakes.count();
        let waker = Waker::from(self.wakes.clone());
        if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.output = Some(output);
        }
    }

    /// Whether its turn has come, which a poll says.
    pub fn is_ready(&mut self) -> bool {
        if self.output.is_none() {
            self.poll();
        }
        self.output.is_some()
    }

    /// If its turn has come, it is done with what it waited for, and out of the way.
    pub fn go_on(sibling: &mut Option<Self>) {
        if sibling.as_mut().is_some_and(Self::is_ready) {
            *sibling = None;
        }
    }

    /// Its output, now that its turn has come.
    ///
    /// # Panics
    ///
    /// If it was not told, or has to wait still.
    pub fn output(mut self) -> T {
        while self.output.is_none() {
            let is_woken = self.wakes.count() > self.before;
            assert!(is_woken, "a sibling waits, and nobody has woken it");
            self.poll();
        }
        self.output.expect("the loop ends with it")
    }
}

impl<T> fmt::Debug for Sibling<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sibling")
            .field("wakes", &self.wakes)
            .finish_non_exhaustive()
    }
}

/// Runs a case in every order; returns in how many.
///
/// # Panics
///
/// If it does in one of them; the order goes to standard error.
pub fn explore(case: &Case) -> usize {
    let runtime = match case.host {
        Host::Simulated => Runtime::builder().simulated(1).build(),
        Host::Real => Runtime::builder().worker_threads(1).build(),
    };
    let runtime = runtime.expect("a runtime");
    let mut orders = vec![Vec::new()];
    let mut runs = 0;
    while let Some(order) = orders.pop() {
        let cut = Cut::new(case.host, order);
        let run = || runtime.block_on((case.run)(&cut));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            eprintln!("{} fails when dropped after {:?}", case.name, cut.order);
            resume_unwind(payload);
        }
        runs += 1;
        assert!(runs < ORDERS_MAX, "{}: too many steps", case.name);
        orders.extend(cut.longer());
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn run(run: for<'a> fn(&'a Cut) -> Running<'a>) -> usize {
        explore(&Case {
            name: "a case of the harness",
            host: Host::Simulated,
            run,
        })
    }

    /// A slot with a value and whoever waits for it, which can be told to make mistakes.
    #[derive(Default)]
    struct Slot {
        value: Option<u32>,
        waiting: Option<Waker>,
    }

    fn put(slot: &RefCell<Slot>, wakes: bool) {
        let mut slot = slot.borrow_mut();
        slot.value = Some(7);
        if let (Some(waker), true) = (slot.waiting.take(), wakes) {
            waker.wake();
        }
    }

    async fn take(slot: &RefCell<Slot>) -> u32 {
        poll_fn(|cx| {
            let mut slot = slot.borrow_mut();
            slot.waiting = Some(cx.waker().clone());
            slot.value.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    #[test]
    fn every_order_is_tried() {
        // No poll, one or two, and where there is room for it a starved one: five. So many again with the step behind them. After that a last poll of each kind or as many as it takes, but
        // for the two that have starved already only the latter. The poll after the step ends it.
        let runs = run(|cut| {
            Box::pin(async {
                let slot = RefCell::default();
                let got = cut.drive(take(&slot), 1, async |_| put(&slot, true)).await;
                assert_eq!(got.xor(slot.borrow().value), Some(7));
            })
        });
        assert_eq!(runs, 5 + 5 + 3 * 3 + 2);
    }

    #[test]
    #[should_panic(expected = "a wake was missed")]
    fn a_wake_that_is_missed_is_noticed() {
        run(|cut| {
            Box::pin(async {
                let slot = RefCell::default();
                cut.drive(take(&slot), 1, async |_| put(&slot, false)).await;
            })
        });
    }

    #[test]
    #[should_panic(expected = "a value is lost")]
    fn a_value_that_is_lost_is_noticed() {
        run(|cut| {
            Box::pin(async {
                let slot = RefCell::default();
                let in_two_polls = async {
                    let value = take(&slot).await;
                    filch::yield_now().await;
                    value
                };
                let got = cut.drive(in_two_polls, 1, async |_| put(&slot, true)).await;
                let left = slot.borrow().value;
                assert_eq!(got.xor(left), Some(7), "a value is lost");
            })
        });
    }

    #[test]
    #[should_panic(expected = "nobody has woken it")]
    fn a_sibling_that_is_forgotten_is_noticed() {
        let slot = RefCell::default();
        let sibling = Sibling::new(take(&slot));
        put(&slot, false);
        let _ = sibling.output();
    }
}

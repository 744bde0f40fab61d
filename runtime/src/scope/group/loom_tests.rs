//! Every interleaving of those who change a group: children that start and end, who cancels it, who waits for it.

use super::super::turn::Turn;
use super::{CancelReason, Group, Member, Outcome};
use crate::sys::sync::thread;
use crate::task::testing::{TestQueue, spawn};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake, Waker};

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(run);
}

/// A waker that counts. The count is no part of the model: it orders nothing.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A child that ends at its first poll, or never.
struct Child {
    ends: bool,
    _member: Member,
}

impl Future for Child {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if self.ends {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// What a parent does, until it has to wait: whether the group has ended, and how often it had been woken before.
fn wait(group: &Group, count: &Arc<Count>) -> (bool, usize) {
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let woken = count.0.load(SeqCst);
    let _stopped = group.is_stopped(&mut cx);
    (group.poll_ended(&mut cx).is_ready(), woken)
}

/// A child is spawned, or refused, while the group is cancelled, and another thread runs tasks: it ends, and nothing of it stays. One that waits for ever ends only if who spawned it and who
/// cancels do not miss each other.
fn a_child_against_a_cancellation(ends: bool) {
    model(move || {
        let (queue, group) = (TestQueue::new(), Group::new(None));
        let canceller = {
            let group = group.clone();
            thread::spawn(move || group.cancel(CancelReason::Requested))
        };
        let runner = {
            let queue = queue.clone();
            thread::spawn(move || queue.pop().into_iter().for_each(|task| task.run()))
        };
        let mut frees = 0;
        if let Some(member) = group.admit_child() {
            let number = member.number.expect("of a child");
            let child = Child {
                ends,
                _member: member,
            };
            let handle = spawn(&queue, child);
            group.note_task(number, handle.task_ref());
            frees = 1;
        }
        assert!(canceller.join().expect("no panic"));
        runner.join().expect("no panic");
        while let Some(task) = queue.pop() {
            task.run();
        }
        assert_eq!((group.members(), queue.freed.load(SeqCst)), (0, frees));
        assert!(group.admit_child().is_none());
    });
}

#[test]
fn loom_scope_a_child_that_waits_against_a_cancellation() {
    a_child_against_a_cancellation(false);
}

#[test]
fn loom_scope_a_child_that_ends_against_a_cancellation() {
    a_child_against_a_cancellation(true);
}

/// Two members leave while the parent looks: it sees the end, or is woken.
#[test]
fn loom_scope_the_last_member_wakes_the_parent() {
    model(|| {
        let group = Group::new(None);
        let leaving: Vec<_> = (0..2)
            .map(|_| {
                let member = group.admit();
                thread::spawn(move || drop(member))
            })
            .collect();
        let count = Arc::<Count>::default();
        let (has_ended, woken) = wait(&group, &count);
        leaving
            .into_iter()
            .for_each(|leaving| leaving.join().expect("no panic"));
        assert!(
            has_ended || count.0.load(SeqCst) > woken,
            "it waits, and nobody wakes it"
        );
        assert!(wait(&group, &count).0 || has_ended);
        assert!(group.admit().is_none());
    });
}

/// Two errors while the parent looks: one of them is the first, and the parent learns of it.
#[test]
fn loom_scope_the_first_outcome_wakes_the_parent() {
    model(|| {
        let group = Group::new(None);
        let member = group.admit();
        let (firsts, count) = (Arc::<Count>::default(), Arc::<Count>::default());
        let failing: Vec<_> = [Outcome::Error, Outcome::Timeout]
            .into_iter()
            .map(|outcome| {
                let (group, firsts) = (group.clone(), firsts.clone());
                thread::spawn(move || group.stop(outcome, || firsts.wake()))
            })
            .collect();
        let waker = Waker::from(count.clone());
        let is_stopped = group.is_stopped(&mut Context::from_waker(&waker));
        let woken = if is_stopped { 0 } else { 1 };
        failing
            .into_iter()
            .for_each(|failing| failing.join().expect("no panic"));
        assert!(
            count.0.load(SeqCst) >= woken,
            "it waits, and nobody wakes it"
        );
        assert_eq!(firsts.0.load(SeqCst), 1);
        assert!(group.is_stopped(&mut Context::from_waker(&waker)));
        drop(member);
    });
}

/// A turn is given up, and the next in the queue goes away meanwhile: the one behind gets it, or is woken.
#[test]
fn loom_scope_a_turn_is_passed_on() {
    model(|| {
        let group = Group::new(Some(1));
        let [first, second, mut third] = std::array::from_fn(|_| Turn::new(&group));
        let leaving: Vec<_> = [first, second]
            .into_iter()
            .map(|turn| thread::spawn(move || drop(turn)))
            .collect();
        let count = Arc::<Count>::default();
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let has_it = third.poll(&mut cx).is_ready();
        leaving
            .into_iter()
            .for_each(|leaving| leaving.join().expect("no panic"));
        assert!(
            has_it || count.0.load(SeqCst) > 0,
            "it waits, and nobody wakes it"
        );
        assert!(third.poll(&mut cx).is_ready());
    });
}

/// A dropped scope hands what is left to the one around it, while the last of that goes: the outer one ends, once.
#[test]
fn loom_scope_what_is_left_is_handed_on() {
    model(|| {
        let (outer, inner) = (Group::new(None), Group::new(None));
        let around = outer.admit();
        let member = inner.admit();
        let leaving = thread::spawn(move || drop(member));
        inner.hand_to(&outer);
        let is_held = outer.members() > 1;
        drop(around);
        leaving.join().expect("no panic");
        assert_eq!((outer.members(), inner.members()), (0, 0), "{is_held}");
    });
}

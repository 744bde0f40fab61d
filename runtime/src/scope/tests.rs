//! Groups and children without a runtime, for Miri: polled and dropped by hand, on threads of the test's own.

use super::blocking::unbounded;
use super::child::{self, Child, Packet};
use super::group::{Around, Group, Outcome, current};
use super::turn::Turn;
use super::{CancelReason, ScopedHandle};
use std::future::{Ready, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn has_ended(group: &Group) -> bool {
    group
        .poll_ended(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

/// A child of the group whose task is the test's, and its handle.
fn make<F>(group: &Arc<Group>, future: F) -> (impl Future<Output = ()>, ScopedHandle<F::Output>)
where
    F: Future,
{
    let mut made = None;
    let start = |child| {
        made = Some(child);
        crate::JoinHandle::never_started()
    };
    let handle = child::spawn(group, future, Some, Turn::new(group), start);
    (made.expect("the group takes it"), handle)
}

#[test]
fn a_group_ends_when_the_last_member_has_gone() {
    let group = Group::new(None);
    let (one, two) = (make(&group, ready(1)).0, make(&group, pending::<()>()).0);
    assert_eq!(group.members(), 2);
    assert!(!has_ended(&group));
    drop(one);
    let cleanup = group.admit().expect("open");
    drop(two);
    assert!(!has_ended(&group));
    drop(cleanup);
    assert!(has_ended(&group));
    assert!(group.admit().is_none() && group.admit_child().is_none());
}

#[test]
fn the_last_member_wakes_the_parent() {
    let group = Group::new(None);
    let count = Arc::<Count>::default();
    let waker = Waker::from(count.clone());
    let child = make(&group, ready(1)).0;
    let mut cx = Context::from_waker(&waker);
    assert!(group.poll_ended(&mut cx).is_pending());
    assert!(group.poll_ended(&mut cx).is_pending());
    drop(child);
    assert_eq!(count.woken(), 1);
    assert!(group.poll_ended(&mut cx).is_ready());
}

#[test]
fn an_output_is_given_when_the_task_has_gone() {
    let group = Group::new(None);
    let (child, mut handle) = make(&group, async { String::from("output") });
    {
        let mut child = pin!(child);
        assert!(poll(child.as_mut()).is_ready());
        assert!(!handle.is_finished());
    }
    assert_eq!(
        poll(Pin::new(&mut handle)).map(Result::unwrap),
        Poll::Ready("output".to_owned())
    );
    assert!(has_ended(&group));
}

#[test]
fn numbers_of_children_are_used_again() {
    let group = Group::new(None);
    for _ in 0..10 {
        let first = group.admit_child().expect("open");
        let second = group.admit_child().expect("open");
        // The one ends before its task is known, the other after.
        let (number, other) = (first.number.unwrap(), second.number.unwrap());
        assert!(number < 2 && other < 2 && number != other);
        drop(first);
        group.note_task(number, None);
        group.note_task(other, None);
        drop(second);
    }
}

#[test]
fn what_comes_first_comes_out() {
    let group = Group::new(None);
    let member = group.admit();
    group.stop(Outcome::Timeout, || ());
    group.stop(Outcome::Panic(Box::new(1)), || ());
    group.stop(Outcome::Error, || panic!("it is not the first"));
    assert_eq!(group.reason(), Some(CancelReason::Timeout));
    assert!(group.is_stopped(&mut Context::from_waker(Waker::noop())));
    assert!(!group.cancel(CancelReason::Requested));
    drop(member);
    let ended = group.poll_ended(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ended, Poll::Ready(Some(Outcome::Timeout))));
}

#[test]
fn a_panic_of_a_child_is_told_wherever_it_comes_from() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    /// An output that its child drops, since nobody has a handle.
    fn output() -> Ready<Bomb> {
        ready(Bomb)
    }
    let ends: [fn(&Arc<Group>); 4] = [
        |group| {
            let (child, _handle) = make(group, async { panic!("in a poll") });
            assert!(poll(pin!(child)).is_ready());
        },
        |group| {
            let bomb = Bomb;
            let (child, _handle) = make(group, async move {
                let _bomb = bomb;
                pending::<()>().await;
            });
            assert!(poll(pin!(child)).is_pending());
        },
        |group| {
            let bomb = Bomb;
            let (child, _handle) = make(group, async move { drop(bomb) });
            assert!(poll(pin!(child)).is_ready());
        },
        |group| {
            let (child, handle) = make(group, output());
            drop(handle);
            assert!(poll(pin!(child)).is_ready());
        },
    ];
    for end in ends {
        let group = Group::new(None);
        end(&group);
        assert_eq!(group.reason(), Some(CancelReason::Panic));
        assert!(has_ended(&group));
    }
}

#[test]
fn turns_are_given_in_order_and_passed_on() {
    let group = Group::new(Some(2));
    let counts: [_; 4] = std::array::from_fn(|_| Arc::<Count>::default());
    let wakers = counts.clone().map(Waker::from);
    let mut turns: Vec<_> = counts.iter().map(|_| Some(Turn::new(&group))).collect();
    let poll = |turns: &mut Vec<Option<Turn>>, at: usize| {
        let turn = turns[at].as_mut().expect("not dropped");
        turn.poll(&mut Context::from_waker(&wakers[at])).is_ready()
    };
    let polled: Vec<_> = (0..4).map(|at| poll(&mut turns, at)).collect();
    assert_eq!(polled, [true, true, false, false]);
    assert!(poll(&mut turns, 0), "it has it still");
    turns[1] = None;
    assert_eq!((counts[2].woken(), counts[3].woken()), (1, 0));
    // It has the turn, and is dropped before it learns of it.
    turns[2] = None;
    assert_eq!(counts[3].woken(), 1);
    assert!(poll(&mut turns, 3));
    turns[0] = None;
    turns[3] = None;
    assert!(
        Turn::new(&group)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
}

#[test]
fn one_that_leaves_the_queue_takes_nobodys_turn() {
    let group = Group::new(Some(1));
    let mut cx = Context::from_waker(Waker::noop());
    let mut turns: [_; 3] = std::array::from_fn(|_| Turn::new(&group));
    assert!(turns[0].poll(&mut cx).is_ready());
    assert!(turns[1].poll(&mut cx).is_pending());
    assert!(turns[2].poll(&mut cx).is_pending());
    let [first, second, mut third] = turns;
    drop(second);
    assert!(third.poll(&mut cx).is_pending());
    drop(first);
    assert!(third.poll(&mut cx).is_ready());
}

#[test]
fn a_cancelled_group_lets_everybody_through() {
    let group = Group::new(Some(1));
    let count = Arc::<Count>::default();
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let (mut first, mut second) = (Turn::new(&group), Turn::new(&group));
    assert!(first.poll(&mut cx).is_ready());
    assert!(second.poll(&mut cx).is_pending());
    assert!(group.cancel(CancelReason::Requested));
    assert_eq!(count.woken(), 1);
    assert!(second.poll(&mut cx).is_ready());
    drop((second, first));
}

#[test]
fn what_is_left_of_an_inner_group_keeps_the_outer_one() {
    let (outer, inner) = (Group::new(None), Group::new(None));
    let member = inner.admit();
    inner.hand_to(&outer);
    assert!(!has_ended(&outer));
    drop(member);
    assert!(has_ended(&outer));

    let (outer, empty) = (Group::new(None), Group::new(None));
    empty.hand_to(&outer);
    assert!(has_ended(&outer) && empty.admit().is_none());
}

#[test]
fn code_knows_which_group_it_is_part_of() {
    let (outer, inner) = (Group::new(None), Group::new(None));
    let is_current =
        |group: &Arc<Group>| current().is_some_and(|current| Arc::ptr_eq(&current, group));
    let (mut around, mut within) = (Around::new(&outer), Around::new(&inner));
    for _ in 0..2 {
        let ran = around.run(|| {
            assert!(is_current(&outer));
            let panicked = within.run(|| {
                assert!(is_current(&inner));
                panic!("through it");
            });
            assert!(panicked.is_err() && is_current(&outer));
        });
        assert!(ran.is_ok() && current().is_none());
    }
}

#[test]
fn a_handle_that_is_taken_from_again_says_cancelled() {
    let packet = Packet::<i32>::new();
    assert_eq!((packet.is_done(), packet.take()), (false, None));
    drop(packet);
    let group = Group::new(None);
    let (child, mut handle) = make(&group, ready(1));
    drop(child);
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = poll(Pin::new(&mut handle)) else {
            panic!("its task was dropped");
        };
        assert!(error.is_cancelled());
    }
}

/// The lifetime of what a child borrows is forgotten, the child moves to another thread, is polled and dropped there; the borrower waits for the group alone, and then ends what was borrowed.
#[test]
fn what_a_child_borrows_may_go_when_the_group_has_ended() {
    for round in 0..if cfg!(miri) { 4 } else { 200 } {
        let text = String::from("borrowed");
        let mut written = Vec::new();
        let group = Group::new(None);
        let threads: [_; 2] = {
            let spawn = |future: Pin<Box<dyn Future<Output = usize> + Send + '_>>| {
                let mut thread = None;
                let start = |child: Child<_, _, _>| {
                    // SAFETY: the group is waited for below, before what the futures borrow ends.
                    let mut task = unsafe { unbounded(child) };
                    thread = Some(std::thread::spawn(move || {
                        // In some rounds it is dropped without being polled to its end.
                        while round % 4 != 3 && poll(task.as_mut()).is_pending() {}
                        drop(task);
                    }));
                    crate::JoinHandle::never_started()
                };
                let handle = child::spawn(&group, future, Some, Turn::needless(), start);
                // In some rounds nobody wants the output.
                (thread.expect("started"), (round % 2 == 0).then_some(handle))
            };
            let (first, handle) = spawn(Box::pin(async { text.len() }));
            let (second, _) = spawn(Box::pin(async {
                written.push(1);
                crate::yield_now().await;
                written.push(2);
                written.len()
            }));
            while !has_ended(&group) {
                std::thread::yield_now();
            }
            if let Some(mut handle) = handle {
                assert!(matches!(poll(Pin::new(&mut handle)), Poll::Ready(Ok(8))));
            }
            [first, second]
        };
        written.push(text.len());
        drop((text, written));
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("no panic"));
    }
}

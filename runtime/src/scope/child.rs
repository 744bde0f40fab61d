//! How does a future become a child of a scope, and its output reach whoever has the handle?
//!
//! A [`Child`] is the future of an ordinary task without output. In this order: it waits for its turn, if the scope has a limit; polls the future; drops it; puts the
//! output into the [`Packet`] that it shares with the handle, and lets go of the packet; gives up the turn; and last its [`Member`]. So when the group has
//! ended, nothing of the child is left anywhere but an output in the hands of who has the handle. (The output of a task itself would not do: it is stored, or dropped if
//! nobody wants it, after the future has gone, and the scope might return meanwhile.)
//!
//! Panics are caught here, wherever they come from, and told to the group.
//!
//! What it costs: one allocation for the packet, and two locks of the group at either end.

use super::ScopedHandle;
use super::group::{Around, Group, Member, Outcome, wake};
use super::turn::Turn;
use crate::sys::sync::Mutex;
use crate::util::shield::shield;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Where a child's output waits for the handle.
pub(super) struct Packet<T>(Mutex<State<T>>);

enum State<T> {
    /// The waker of who awaits the handle.
    Waiting(Option<Waker>),
    /// None, if the child has none to give.
    Done(Option<T>),
}

impl<T> Packet<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State::Waiting(None))))
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(*self.0.lock(), State::Done(_))
    }

    /// Whether the output, or that there is none, is there; else the waker is woken when it is.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Code of the user's: a waker is cloned, and others dropped, without the lock.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.0.lock();
        let (polled, unused) = match &mut *state {
            State::Waiting(place) => (Poll::Pending, std::mem::replace(place, waker.take())),
            State::Done(_) => (Poll::Ready(()), None),
        };
        drop(state);
        drop((unused, waker));
        polled
    }

    /// Takes the output of a child that is done.
    pub(super) fn take(&self) -> Option<T> {
        match &mut *self.0.lock() {
            State::Waiting(_) => None,
            State::Done(output) => output.take(),
        }
    }

    fn put(&self, output: Option<T>) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Done(output));
        if let State::Waiting(Some(waker)) = before {
            wake(waker);
        }
    }
}

pin_project! {
    /// The task of a child. The order of the last two fields is that of their ends.
    pub(super) struct Child<F, T, J>
    where
        F: Future,
    {
        #[pin]
        future: Option<F>,
        judge: Option<J>,
        output: Option<T>,
        packet: Option<Arc<Packet<T>>>,
        around: Around,
        turn: Turn,
        member: Member,
    }

    impl<F, T, J> PinnedDrop for Child<F, T, J>
    where
        F: Future,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let (mut future, around) = (this.future, this.around);
            let group = &this.member.group;
            if future.is_some() {
                if let Err(payload) = around.run(|| future.set(None)) {
                    group.stop(Outcome::Panic(payload), || ());
                }
            }
            let (packet, output) = (this.packet.take(), this.output.take());
            let give = || {
                if let Some(packet) = packet {
                    packet.put(output);
                }
            };
            if let Err(payload) = around.run(give) {
                group.stop(Outcome::Panic(payload), || ());
            }
        }
    }
}

impl<F, T, J> Child<F, T, J>
where
    F: Future,
    J: FnOnce(F::Output) -> Option<T>,
{
    /// `judge` turns what the future gives into what the handle gives; none, if that is an error of the scope's.
    pub(super) fn new(
        future: F,
        judge: J,
        packet: Option<Arc<Packet<T>>>,
        turn: Turn,
        member: Member,
    ) -> Self {
        Self {
            future: Some(future),
            judge: Some(judge),
            output: None,
            packet,
            around: Around::new(&member.group),
            turn,
            member,
        }
    }
}

impl<F, T, J> Future for Child<F, T, J>
where
    F: Future,
    J: FnOnce(F::Output) -> Option<T>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        ready!(this.turn.poll(cx));
        let (mut future, around) = (this.future, this.around);
        let polled = around.run(|| match future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx).map(Some),
            None => Poll::Ready(None),
        });
        let result = match polled {
            Ok(poll) => Ok(ready!(poll)),
            Err(payload) => Err(payload),
        };
        let dropped = around.run(|| future.set(None));
        let group = &this.member.group;
        match (result, dropped) {
            (Ok(output), Ok(())) => {
                let judge = this.judge.take();
                *this.output = output.zip(judge).and_then(|(output, judge)| judge(output));
            }
            (Ok(output), Err(payload)) => {
                shield(|| drop(output));
                group.stop(Outcome::Panic(payload), || ());
            }
            (Err(payload), dropped) => {
                shield(|| drop(dropped));
                group.stop(Outcome::Panic(payload), || ());
            }
        }
        Poll::Ready(())
    }
}

/// Makes a child, of which `start` makes a task; if the group takes none any more, the future is dropped, and the handle says so.
pub(super) fn spawn<F, T, J>(
    group: &Arc<Group>,
    future: F,
    judge: J,
    turn: Turn,
    start: impl FnOnce(Child<F, T, J>) -> crate::JoinHandle<()>,
) -> ScopedHandle<T>
where
    F: Future,
    J: FnOnce(F::Output) -> Option<T>,
{
    let packet = Packet::new();
    let Some(member) = group.admit_child() else {
        packet.put(None);
        return ScopedHandle { packet, task: None };
    };
    let number = member.number;
    let task = start(Child::new(
        future,
        judge,
        Some(packet.clone()),
        turn,
        member,
    ));
    if let Some(number) = number {
        group.note_task(number, task.task_ref());
    }
    ScopedHandle {
        packet,
        task: Some(task),
    }
}

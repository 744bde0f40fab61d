//! Who belongs to a scope, and how do they end together?
//!
//! A group counts its members. Each holds a [`Member`], which it drops last, when its future and what it made are gone. The group has ended when no
//! member is left and it was *closed*: from then on nobody can join any more.
//!
//! | what is asked | who may do so | members | new members |
//! |---|---|---|---|
//! | nothing yet | | run | run |
//! | cancel | anybody, a failed child, a timeout, a scope that is dropped | children are aborted, once each; cleanups go on until their deadlines | are refused; cleanups are let in |
//! | close | the parent, when there is no member | | are refused |
//!
//! The first *outcome* that is none of the body's (an error, a panic, a timeout) stops the body and is what comes out. What comes later is lost, except that the panic hook
//! has reported panics.
//!
//! **Aborting.** The group keeps a reference to each child's task, in a place with a number. The task is spawned outside of the lock, since a runtime that has ended drops
//! the future at once, and with it the member. So a place is *starting* at first; if the child ends before the reference is there, the place says so; and if the group is
//! cancelled before, who brings the reference aborts.
//!
//! **A scope that is dropped** cannot wait. If another scope's child (or body) is being dropped or polled around it, that one waits for it: the group
//! gets an *heir*, a member of the outer group, which it lets go when its own last member has gone.
//!
//! Everything is under one lock, which is held for a few instructions and never while code of the user's runs.

#[cfg(all(test, loom))]
mod loom_tests;

use super::turn::Turns;
use crate::sys::sync::Mutex;
use crate::task::refs::TaskRef;
use crate::util::apart;
use crate::util::shield::shield;
use crate::util::wait_reason::{self, WaitReason};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Why a scope was cancelled: what came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// The body or a child of a [`try_scope`](crate::try_scope) gave an error.
    Error,
    /// The body or a child panicked.
    Panic,
    /// The time was up.
    Timeout,
    /// The scope's future was dropped before it was done.
    Dropped,
    /// [`Scope::cancel`](crate::scope::Scope::cancel) was called.
    Requested,
}

/// What a panic was thrown with.
pub(super) type Payload = Box<dyn Any + Send + 'static>;

/// The members of a scope, and what becomes of them.
pub(crate) struct Group {
    /// How many children may have begun and not ended.
    pub(super) max_in_flight: Option<usize>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    members: usize,
    is_closed: bool,
    reason: Option<CancelReason>,
    outcome: Option<Outcome>,
    /// Of children, by number.
    places: Vec<Place>,
    /// Numbers that no child has.
    free: Vec<usize>,
    /// The scope's own, which waits for an outcome or the end.
    parent: Option<Waker>,
    turns: Turns,
    heir: Option<Member>,
}

/// What comes out instead of the body's output.
pub(super) enum Outcome {
    /// The error itself is where the scope that knows its type has put it.
    Error,
    Panic(Payload),
    Timeout,
}

impl Outcome {
    fn reason(&self) -> CancelReason {
        match self {
            Self::Error => CancelReason::Error,
            Self::Panic(_) => CancelReason::Panic,
            Self::Timeout => CancelReason::Timeout,
        }
    }
}

enum Place {
    /// The child is being spawned.
    Starting,
    Running(TaskRef),
    /// It was aborted.
    Told,
    /// The child has ended before its reference came.
    Ended,
    Free,
}

impl Group {
    pub(super) fn new(max_in_flight: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            max_in_flight,
            inner: Mutex::new(Inner::default()),
        })
    }

    /// Room for a child; none if the group is cancelled or closed.
    pub(super) fn admit_child(self: &Arc<Self>) -> Option<Member> {
        let mut inner = self.inner.lock();
        if inner.is_closed || inner.reason.is_some() {
            return None;
        }
        inner.members += 1;
        let number = inner.free.pop().unwrap_or(inner.places.len());
        if number == inner.places.len() {
            inner.places.push(Place::Starting);
        } else {
            inner.places[number] = Place::Starting;
        }
        drop(inner);
        Some(Member {
            group: self.clone(),
            number: Some(number),
        })
    }

    /// Room for somebody whom nobody aborts; none if the group is closed.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Member> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return None;
        }
        inner.members += 1;
        drop(inner);
        Some(Member {
            group: self.clone(),
            number: None,
        })
    }

    /// The task of a child that was given this number.
    pub(super) fn note_task(&self, number: usize, task: Option<TaskRef>) {
        let mut inner = self.inner.lock();
        let place = mem::replace(&mut inner.places[number], Place::Free);
        let is_cancelled = inner.reason.is_some();
        match (place, task) {
            (Place::Starting, Some(task)) if !is_cancelled => {
                inner.places[number] = Place::Running(task);
            }
            (Place::Starting, task) => {
                inner.places[number] = Place::Told;
                drop(inner);
                task.iter().for_each(TaskRef::abort);
            }
            (_, task) => {
                inner.free.push(number);
                // It may be the last reference to a task that has ended.
                drop(inner);
                drop(task);
            }
        }
    }

    /// A member has gone.
    fn leave(&self, number: Option<usize>) {
        let mut inner = self.inner.lock();
        let place = number.map(|number| {
            let ended = mem::replace(&mut inner.places[number], Place::Ended);
            if !matches!(ended, Place::Starting) {
                inner.places[number] = Place::Free;
                inner.free.push(number);
            }
            ended
        });
        inner.members -= 1;
        let (heir, parent) = if inner.members == 0 {
            (inner.heir.take(), inner.parent.take())
        } else {
            (None, None)
        };
        drop(inner);
        drop(place);
        parent.into_iter().for_each(wake);
        drop(heir);
    }

    /// Aborts every child, and refuses further ones. True the first time.
    pub(super) fn cancel(&self, reason: CancelReason) -> bool {
        let mut inner = self.inner.lock();
        if inner.reason.is_some() || inner.is_closed {
            return false;
        }
        inner.reason = Some(reason);
        let tasks: Vec<_> = inner.places.iter_mut().filter_map(tell).collect();
        let queue = inner.turns.open();
        drop(inner);
        tasks.iter().for_each(TaskRef::abort);
        queue.for_each(wake);
        true
    }

    /// Cancels the group and stops its body, unless something else has done so. `before` is called if this is the outcome, by which time nobody has been told.
    pub(super) fn stop(&self, outcome: Outcome, before: impl FnOnce()) {
        let reason = outcome.reason();
        let mut inner = self.inner.lock();
        let nobody_asks = inner.is_closed || inner.reason == Some(CancelReason::Dropped);
        if inner.outcome.is_some() || nobody_asks {
            drop(inner);
            // The payload of a panic may panic itself.
            shield(|| drop(outcome));
            return;
        }
        before();
        inner.outcome = Some(outcome);
        let parent = inner.parent.take();
        drop(inner);
        self.cancel(reason);
        parent.into_iter().for_each(wake);
    }

    pub(super) fn reason(&self) -> Option<CancelReason> {
        self.inner.lock().reason
    }

    pub(super) fn members(&self) -> usize {
        self.inner.lock().members
    }

    /// Whether there is an outcome that stops the body; else the waker is woken when there is, or when the last member has gone.
    pub(super) fn is_stopped(&self, cx: &mut Context<'_>) -> bool {
        self.watch(cx, |inner| inner.outcome.is_some().then_some(()))
            .is_some()
    }

    /// Closes the group if nobody is left, and tells what comes out instead of the body's output.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        wait_reason::note(WaitReason::Scope);
        let ended = self.watch(cx, |inner| {
            (inner.members == 0).then(|| {
                inner.is_closed = true;
                inner.outcome.take()
            })
        });
        ended.map_or(Poll::Pending, Poll::Ready)
    }

    /// What `look` finds; if that is nothing, the waker is the parent's from now on.
    fn watch<R>(
        &self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Inner) -> Option<R>,
    ) -> Option<R> {
        let mut inner = self.inner.lock();
        let found = look(&mut inner);
        let is_known = (inner.parent.as_ref()).is_some_and(|parent| parent.will_wake(cx.waker()));
        if found.is_some() || is_known {
            return found;
        }
        // Code of the user's: a waker is cloned, and another dropped, without the lock.
        drop(inner);
        let waker = cx.waker().clone();
        let mut inner = self.inner.lock();
        let before = inner.parent.replace(waker);
        let found = look(&mut inner);
        drop(inner);
        drop(before);
        found
    }

    /// What `f` does to the turns; there are none in a group that is cancelled.
    pub(super) fn with_turns<R>(&self, f: impl FnOnce(Option<&mut Turns>) -> R) -> R {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        f(inner.reason.is_none().then_some(&mut inner.turns))
    }

    /// If members are left, `outer` waits for them too.
    pub(super) fn hand_to(&self, outer: &Arc<Self>) {
        let Some(heir) = outer.admit() else {
            return;
        };
        let mut inner = self.inner.lock();
        let unused = if inner.members > 0 {
            inner.heir.replace(heir)
        } else {
            inner.is_closed = true;
            Some(heir)
        };
        drop(inner);
        drop(unused);
    }
}

/// The task of a child that has not been aborted yet.
fn tell(place: &mut Place) -> Option<TaskRef> {
    match mem::replace(place, Place::Told) {
        Place::Running(task) => Some(task),
        other => {
            *place = other;
            None
        }
    }
}

/// A panic of a waker's is nobody's here.
pub(super) fn wake(waker: Waker) {
    shield(|| waker.wake());
}

/// Keeps a group from ending, until it is dropped.
pub(super) struct Member {
    pub(super) group: Arc<Group>,
    /// Of a child.
    pub(super) number: Option<usize>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.group.leave(self.number);
    }
}

thread_local! {
    /// The group whose child or body this thread polls, or drops, and on which [level](apart) it does.
    static CURRENT: Cell<Option<(u32, Arc<Group>)>> = const { Cell::new(None) };
}

/// What makes code part of a group: lent to the thread while that polls or drops it. So the count of the group's references is not touched for each poll.
pub(super) struct Around(Option<Arc<Group>>);

impl Around {
    pub(super) fn new(group: &Arc<Group>) -> Self {
        Self(Some(group.clone()))
    }

    /// Calls `f` as part of the group, and gives a panic of it as an error.
    pub(super) fn run<R>(&mut self, f: impl FnOnce() -> R) -> Result<R, Payload> {
        // A thread that is ending has lost its locals: what it drops is part of nothing.
        let own = self.0.take().map(|group| (apart::level(), group));
        let before = CURRENT.try_with(|current| current.replace(own));
        let result = catch_unwind(AssertUnwindSafe(f));
        if let Ok(before) = before {
            self.0 = CURRENT
                .try_with(|current| current.replace(before))
                .ok()
                .flatten()
                .map(|(_, group)| group);
        }
        result
    }
}

/// The group that the code running now is part of.
pub(super) fn current() -> Option<Arc<Group>> {
    let (level, group) = CURRENT
        .try_with(|current| {
            let found = current.take();
            current.set(found.clone());
            found
        })
        .ok()
        .flatten()?;
    (level == apart::level()).then_some(group)
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.lock();
        f.debug_struct("Group")
            .field("members", &inner.members)
            .field("reason", &inner.reason)
            .finish_non_exhaustive()
    }
}

//! Who is polled next in a simulation?
//!
//! Between two polls everything that is runnable lies on the [`Desk`], and the [`Order`] says which of it is taken. A future in `block_on` is one of those: a [`Root`].

use super::root::Root;
use crate::sched::core::Core;
use crate::sys::rng::XorShift;
use crate::sys::sync::Arc;
use crate::sys::sync::thread::ThreadId;
use crate::task::refs::Notified;
use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

/// After so many choices in first-in-first-out order the driver is looked at, also if tasks never end: tokio's figure, for the same purpose.
pub(super) const SWEEP_EVERY: u32 = 61;

/// Who is polled next?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Whoever the numbers say that follow from this seed.
    Drawn(u64),
    /// Whoever has waited longest.
    Fifo,
}

/// What lies ready between two polls. No lock is held during one.
pub(super) struct Desk {
    /// None while somebody drives, and after the end.
    pub(super) core: Option<Box<Core>>,
    pub(super) has_ended: bool,
    /// Who drives.
    pub(super) thread: Option<ThreadId>,
    pub(super) runnable: VecDeque<Runnable>,
    /// How many of them are [pinned](Runnable::Pinned).
    pub(super) pinned: usize,
    pub(super) random: XorShift,
    /// How many of the runnable are older than the latest wake of the future in `block_on`.
    pub(super) before_root: usize,
    /// Those that the thread is in the middle of: the last is the one on top of its stack, and the first that goes on.
    pub(super) roots: Vec<Arc<Root>>,
    /// Which of them is asked first whether it is woken, if the order is not drawn.
    pub(super) next_root: usize,
    /// Until the next look at the driver.
    pub(super) sweep_in: u32,
    /// Threads that would drive if nobody did.
    pub(super) waiting: Vec<Waker>,
}

/// Something whose turn may come.
pub(super) enum Runnable {
    Task(Notified),
    /// One of the tasks that are pinned to the thread that drives, and that stay [there](crate::sched::local).
    Pinned,
}

/// Whose turn it is.
pub(super) enum Chosen {
    Root(Arc<Root>),
    Task(Notified),
    /// The pinned one at this place among those that are ready.
    Pinned(usize),
}

/// What is polled next.
pub(super) enum Next {
    Root(Arc<Root>),
    Task(Notified),
    /// Nothing here: the scheduler has ended.
    Ended,
}

impl Desk {
    /// So many pinned tasks are ready. Those that were not before are as old as anybody who has become runnable in the same poll.
    pub(super) fn note_pinned(&mut self, ready: usize) {
        while self.pinned < ready {
            self.pinned += 1;
            self.runnable.push_back(Runnable::Pinned);
        }
    }

    /// The thread leaves that they are pinned to. It will find them.
    pub(super) fn forget_pinned(&mut self) {
        if mem::take(&mut self.pinned) > 0 {
            self.runnable.retain(|it| matches!(it, Runnable::Task(_)));
        }
    }

    /// Whether the turn of a future in `block_on` may come.
    pub(super) fn has_runnable_root(&self) -> bool {
        self.roots.iter().any(|root| root.is_runnable())
    }

    /// Any of those that are runnable.
    pub(super) fn draw(&mut self) -> Option<Chosen> {
        let others = self.runnable.len();
        let roots = || self.roots.iter().filter(|root| root.is_runnable());
        let candidates = others + roots().count();
        if candidates == 0 {
            return None;
        }
        let chosen = self.random.below(candidates as u32) as usize;
        if let Some(root) = chosen.checked_sub(others) {
            // It stays runnable: nobody takes a wake back, and this thread alone polls.
            let root = roots().nth(root)?.clone();
            root.take_wake();
            return Some(Chosen::Root(root));
        }
        let place = |desk: &Self| desk.random.below(desk.pinned as u32) as usize;
        let chosen = self.runnable.swap_remove_back(chosen)?;
        Some(self.take(chosen, place))
    }

    /// The oldest. A future in `block_on` comes after those that were runnable when one was polled last; where there are several, they take turns.
    pub(super) fn oldest(&mut self) -> Option<Chosen> {
        if self.before_root == 0 || self.runnable.is_empty() {
            let (before, after) = self.roots.split_at(self.next_root.min(self.roots.len()));
            let mut in_turn = after.iter().chain(before);
            if let Some(root) = in_turn.find(|root| root.is_runnable()).cloned() {
                let place = self.roots.iter().position(|it| Arc::ptr_eq(it, &root));
                self.next_root = place.map_or(0, |place| place + 1);
                self.before_root = self.runnable.len();
                root.take_wake();
                return Some(Chosen::Root(root));
            }
        }
        self.before_root = self.before_root.saturating_sub(1);
        let chosen = self.runnable.pop_front()?;
        Some(self.take(chosen, |_| 0))
    }

    /// If it is a pinned one, which of them `place` says.
    fn take(&mut self, chosen: Runnable, place: impl FnOnce(&Self) -> usize) -> Chosen {
        match chosen {
            Runnable::Task(task) => Chosen::Task(task),
            Runnable::Pinned => {
                let place = place(self);
                self.pinned -= 1;
                Chosen::Pinned(place)
            }
        }
    }

    /// The core is about to be handed in, if this thread has it. What is runnable is forgotten: the slabs know the tasks.
    pub(super) fn note_end(&mut self, is_ours: bool) {
        if is_ours {
            self.has_ended = true;
            self.runnable.clear();
            self.pinned = 0;
        }
    }
}

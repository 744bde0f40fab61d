//! How does a cancellation reach everything below a token, while tokens come and go?
//!
//! A node for each token and its clones. It owns its parent and is known to it by a weak reference; so a node goes with the last token of it and of what is below it.
//!
//! | what | protected by |
//! |---|---|
//! | whether it is cancelled | written under its lock, read without; under it, whether there is a table |
//! | reason; those who wait ([queue](super::super::wait_queue)); children | its lock |
//! | its parent, and its place there | written once, before anybody can drop the node |
//!
//! | arrow | made by | under the lock of |
//! |---|---|---|
//! | no node -> child of a live one | [`Node::child`] | the parent |
//! | no node -> cancelled, without a parent | [`Node::child`] of one that is cancelled | the parent |
//! | live -> cancelled: takes its children out, wakes all who wait | [`Node::cancel`] | the node |
//! | live or cancelled -> gone: leaves its parent's table, if that still has one | drop | the parent |
//!
//! No lock is taken within another one. A child that is made while its parent is cancelled is in the table before that is taken out, or finds the parent cancelled; the same
//! holds for what is made below it. A child that goes meanwhile cannot be upgraded, and then nothing is below it.
//!
//! Neither cancelling nor dropping a tree is recursive: a chain of a million tokens needs no more stack than one.
//!
//! Rejected: one lock for a whole tree (every request of a server would take that of the process's token); to move the children of a node whose tokens are gone up to its parent (a
//! node stays as long as something is below it, which costs its memory and nothing else).

use super::children::Children;
use super::reason::CancelReason;
use crate::sync::wait_queue::{Wait, WaitQueue};
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

/// See the module's tables.
#[derive(Debug)]
pub(super) struct Node {
    is_cancelled: AtomicBool,
    queue: WaitQueue<Inside, ()>,
    /// Empty for who has no parent.
    above: OnceLock<Above>,
}

/// What a node's lock protects, beside those who wait.
#[derive(Debug)]
pub(super) struct Inside {
    reason: Option<CancelReason>,
    /// None when it is cancelled. Whoever has the lock asks this and not the flag: of each atomic loom knows the last access only, so that it would not try the flag's store
    /// against loads of others if one of the same thread stood before it.
    children: Option<Children>,
}

#[derive(Debug)]
struct Above {
    parent: Arc<Node>,
    /// In the parent's table.
    at: usize,
}

/// Whether a new node is cancelled from the start, and why.
type Born = Option<Option<CancelReason>>;

impl Node {
    pub(super) fn root(born: Born) -> Arc<Self> {
        Arc::new(Self {
            is_cancelled: AtomicBool::new(born.is_some()),
            queue: WaitQueue::new(Inside {
                children: born.is_none().then(Children::default),
                reason: born.flatten(),
            }),
            above: OnceLock::new(),
        })
    }

    pub(super) fn child(self: &Arc<Self>) -> Arc<Self> {
        let child = Self::root(None);
        let mut locked = self.queue.lock();
        let Some(children) = &mut locked.children else {
            let reason = locked.reason.clone();
            drop(locked);
            return Self::root(Some(reason));
        };
        let at = children.insert(Arc::downgrade(&child));
        drop(locked);
        let parent = self.clone();
        let is_new = child.above.set(Above { parent, at }).is_ok();
        debug_assert!(is_new, "a node has one parent");
        child
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        // ORDERING: Acquire, partner of the Release in `cancel_alone`: what was done before the cancellation, and the reason.
        self.is_cancelled.load(Ordering::Acquire)
    }

    pub(super) fn reason(&self) -> Option<CancelReason> {
        self.queue.lock().reason.clone()
    }

    /// Cancels this one and all below it.
    pub(super) fn cancel(&self, reason: Option<CancelReason>) {
        let mut left: Vec<Weak<Self>> = self.cancel_alone(reason.clone()).into_iter().collect();
        while let Some(node) = left.pop() {
            if let Some(node) = node.upgrade() {
                left.extend(node.cancel_alone(reason.clone()).into_iter());
            }
        }
    }

    /// Returns the children; none if it was cancelled before.
    fn cancel_alone(&self, reason: Option<CancelReason>) -> Children {
        let mut locked = self.queue.lock();
        let Some(children) = locked.children.take() else {
            // The second reason is dropped when the lock is gone.
            drop(locked);
            return Children::default();
        };
        locked.reason = reason;
        // ORDERING: Release, partner of the Acquire in `is_cancelled`.
        self.is_cancelled.store(true, Ordering::Release);
        // Nobody comes any more: they find it cancelled under the lock.
        locked.wake_while(|_, ()| true);
        children
    }

    pub(super) fn queue(&self) -> &WaitQueue<Inside, ()> {
        &self.queue
    }

    /// Enters the list, unless it is cancelled: then false.
    #[cold]
    pub(super) fn enter<O>(&self, wait: Pin<&mut Wait<'_, Inside, (), O>>, waker: Waker) -> bool {
        let mut locked = self.queue.lock();
        if locked.children.is_none() {
            drop(locked);
            return false;
        }
        wait.enqueue(&mut locked, waker);
        true
    }

    /// Makes the parent forget it, and returns that.
    fn leave(&mut self) -> Option<Arc<Self>> {
        let Above { parent, at } = self.above.take()?;
        let mut locked = parent.queue.lock();
        if let Some(children) = &mut locked.children {
            children.remove(at);
        }
        drop(locked);
        Some(parent)
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(super) fn children(&self) -> (usize, usize) {
        let locked = self.queue.lock();
        locked.children.as_ref().map_or((0, 0), Children::size)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut above = self.leave();
        // One after the other, rather than each in the drop of the one below.
        while let Some(mut node) = above.and_then(Arc::into_inner) {
            above = node.leave();
        }
    }
}

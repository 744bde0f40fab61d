//! How can a waiter stand in a queue without an allocation, and leave it from the middle?
//!
//! The links lie inside the waiter: a doubly linked list of nodes that belong to somebody else (a pinned future, as a rule).
//! Adding, taking from either end and removing any node cost a handful of plain instructions each.
//!
//! What the list asks for, and why an ordinary node type cannot get it wrong by accident:
//!
//! - A node stays where it is and alive while it is linked. [`Pointers`] is `!Unpin`, so that a future which holds one is
//!   pinned before it is polled; its destructor takes it out of the list first (that is the user's duty).
//! - Whoever changes a list has all of it: methods take `&mut`, and the links of the nodes are only touched by them. A list that is
//!   shared lives in a lock, its nodes' links are protected by the same lock.
//! - The list reaches a node through a raw pointer while its owner may hold a `Pin<&mut Node>`. The links are in an
//!   `UnsafeCell` and the node is `!Unpin`, so neither reference claims them for itself.
//!
//! Rejected: a `VecDeque` of waiters (removal from the middle is a search, and each new waiter may allocate under a lock), a slab of
//! waiters with indices (a second lookup, and the memory of the largest crowd for ever), safe wrappers by generative
//! lifetimes (they cannot express "linked until its destructor takes the lock").

use crate::sys::sync::UnsafeCell;
use std::fmt;
use std::marker::PhantomPinned;
use std::ptr::NonNull;

/// A type whose values can stand in a [`List`].
///
/// # Safety
///
/// `pointers` returns the address of a field of the node itself, always the same one, without making a reference to the rest of
/// the node. Nothing but [`List`] uses the field.
pub(crate) unsafe trait Linked: Sized {
    /// The links of a node.
    ///
    /// # Safety
    ///
    /// The node is alive.
    unsafe fn pointers(node: NonNull<Self>) -> NonNull<Pointers<Self>>;
}

/// The links inside a node.
pub(crate) struct Pointers<T> {
    links: UnsafeCell<Links<T>>,
    _pinned: PhantomPinned,
}

struct Links<T> {
    /// Towards the front. `None` at the front and outside a list.
    previous: Option<NonNull<T>>,
    /// Towards the back. `None` at the back and outside a list.
    next: Option<NonNull<T>>,
}

// SAFETY: the links are only read and written by a `List` that has its nodes to itself; outside it they are inert.
unsafe impl<T: Send> Send for Pointers<T> {}
// SAFETY: as above; a shared reference to the links offers nothing.
unsafe impl<T: Send> Sync for Pointers<T> {}

impl<T> Pointers<T> {
    /// The links of a node that stands in no list.
    pub(crate) fn new() -> Self {
        Self {
            links: UnsafeCell::new(Links {
                previous: None,
                next: None,
            }),
            _pinned: PhantomPinned,
        }
    }
}

impl<T> fmt::Debug for Pointers<T> {
    /// Without the links: they may be changing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pointers").finish_non_exhaustive()
    }
}

/// A queue of nodes that belong to others. Dropping it leaves its nodes linked to one another and in no list.
pub(crate) struct List<T> {
    /// Each node reachable from here by `next` is alive and in this list alone.
    front: Option<NonNull<T>>,
    /// The same nodes from the other end, by `previous`. `None` exactly if `front` is.
    back: Option<NonNull<T>>,
}

// SAFETY: the list hands out its nodes' addresses; whoever has the list may use them on its thread if they may be sent.
unsafe impl<T: Send> Send for List<T> {}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> List<T> {
    pub(crate) const fn new() -> Self {
        Self {
            front: None,
            back: None,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    /// Whether there is exactly one node.
    #[inline]
    pub(crate) fn is_single(&self) -> bool {
        self.front.is_some() && self.front == self.back
    }
}

impl<T: Linked> List<T> {
    /// Adds a node at the front.
    ///
    /// # Safety
    ///
    /// The node stands in no list, and stays alive and where it is until it is popped or removed.
    pub(crate) unsafe fn push_front(&mut self, node: NonNull<T>) {
        let old = self.front.replace(node);
        debug_assert!(old != Some(node), "pushed while in the list");
        // SAFETY: alive, says the caller.
        unsafe { set_links(node, None, old) };
        match old {
            // SAFETY: the old front is alive, as everything in the list.
            Some(old) => unsafe { set_previous(old, Some(node)) },
            None => self.back = Some(node),
        }
    }

    /// Adds a node at the back.
    ///
    /// # Safety
    ///
    /// As for [`push_front`](Self::push_front).
    pub(crate) unsafe fn push_back(&mut self, node: NonNull<T>) {
        let old = self.back.replace(node);
        debug_assert!(old != Some(node), "pushed while in the list");
        // SAFETY: alive, says the caller.
        unsafe { set_links(node, old, None) };
        match old {
            // SAFETY: the old back is alive, as everything in the list.
            Some(old) => unsafe { set_next(old, Some(node)) },
            None => self.front = Some(node),
        }
    }

    /// The node at the front, which stays there.
    pub(crate) fn front(&self) -> Option<NonNull<T>> {
        self.front
    }

    /// The node at the back, which stays there.
    pub(crate) fn back(&self) -> Option<NonNull<T>> {
        self.back
    }

    /// Takes the node at the front.
    pub(crate) fn pop_front(&mut self) -> Option<NonNull<T>> {
        let node = self.front?;
        // SAFETY: the front is alive and in this list.
        unsafe { self.unlink(node) };
        Some(node)
    }

    /// Takes the node at the back.
    pub(crate) fn pop_back(&mut self) -> Option<NonNull<T>> {
        let node = self.back?;
        // SAFETY: the back is alive and in this list.
        unsafe { self.unlink(node) };
        Some(node)
    }

    /// Takes a node from wherever it stands. False if it stood in no list.
    ///
    /// # Safety
    ///
    /// The node is alive, and stands in this list or in none.
    pub(crate) unsafe fn remove(&mut self, node: NonNull<T>) -> bool {
        // SAFETY: alive, says the caller.
        let (previous, next) = unsafe { links(node) };
        let stands_alone = previous.is_none() && next.is_none();
        if stands_alone && self.front != Some(node) {
            return false;
        }
        // SAFETY: alive and linked; into this list, says the caller.
        unsafe { self.unlink(node) };
        true
    }

    /// # Safety
    ///
    /// The node is alive and stands in this list.
    unsafe fn unlink(&mut self, node: NonNull<T>) {
        // SAFETY: alive, says the caller.
        let (previous, next) = unsafe { links(node) };
        match previous {
            // SAFETY: a neighbour is in the list, so it is alive.
            Some(previous) => unsafe { set_next(previous, next) },
            None => {
                debug_assert!(self.front == Some(node), "removed from another list");
                self.front = next;
            }
        }
        match next {
            // SAFETY: a neighbour is in the list, so it is alive.
            Some(next) => unsafe { set_previous(next, previous) },
            None => {
                debug_assert!(self.back == Some(node), "removed from another list");
                self.back = previous;
            }
        }
        // SAFETY: alive, says the caller.
        unsafe { set_links(node, None, None) };
    }
}

impl<T> fmt::Debug for List<T> {
    /// Without the nodes: they belong to others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}

/// Runs `access` on the links of a node.
///
/// # Safety
///
/// The node is alive, and its links are the caller's: it is in the caller's list, or in none.
#[inline]
unsafe fn with_links<T: Linked, R>(node: NonNull<T>, access: impl FnOnce(&mut Links<T>) -> R) -> R {
    // SAFETY: alive, says the caller.
    let pointers = unsafe { T::pointers(node) };
    // SAFETY: a field of a node that is alive; only its cell is looked at.
    let pointers = unsafe { pointers.as_ref() };
    pointers.links.with_mut(|links| {
        // SAFETY: the caller has the list to itself, and `access` reaches no other node.
        access(unsafe { &mut *links })
    })
}

/// # Safety
///
/// As for [`with_links`].
#[inline]
unsafe fn links<T: Linked>(node: NonNull<T>) -> (Option<NonNull<T>>, Option<NonNull<T>>) {
    // SAFETY: passed on to the caller.
    unsafe { with_links(node, |links| (links.previous, links.next)) }
}

/// # Safety
///
/// As for [`with_links`].
#[inline]
unsafe fn set_links<T: Linked>(
    node: NonNull<T>,
    previous: Option<NonNull<T>>,
    next: Option<NonNull<T>>,
) {
    // SAFETY: passed on to the caller.
    unsafe { with_links(node, |links| *links = Links { previous, next }) };
}

/// # Safety
///
/// As for [`with_links`].
#[inline]
unsafe fn set_previous<T: Linked>(node: NonNull<T>, previous: Option<NonNull<T>>) {
    // SAFETY: passed on to the caller.
    unsafe { with_links(node, |links| links.previous = previous) };
}

/// # Safety
///
/// As for [`with_links`].
#[inline]
unsafe fn set_next<T: Linked>(node: NonNull<T>, next: Option<NonNull<T>>) {
    // SAFETY: passed on to the caller.
    unsafe { with_links(node, |links| links.next = next) };
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::pin::Pin;

    #[derive(Debug)]
    struct Node {
        name: usize,
        pointers: Pointers<Node>,
    }

    // SAFETY: the address of the field, by projection from the raw pointer.
    unsafe impl Linked for Node {
        unsafe fn pointers(node: NonNull<Self>) -> NonNull<Pointers<Self>> {
            // SAFETY: the node is alive, so the field's address is in bounds.
            let field = unsafe { &raw mut (*node.as_ptr()).pointers };
            // SAFETY: the address of a field is not null.
            unsafe { NonNull::new_unchecked(field) }
        }
    }

    /// Owned nodes, all pinned, and where each stands: the model of what the list may be asked.
    struct Nodes(Vec<Pin<Box<Node>>>);

    impl Nodes {
        fn new(count: usize) -> Self {
            let node = |name| {
                Box::pin(Node {
                    name,
                    pointers: Pointers::new(),
                })
            };
            Self((0..count).map(node).collect())
        }

        /// As a pinned future gives its address to a list while it keeps its own `Pin<&mut Self>`.
        fn address(&mut self, name: usize) -> NonNull<Node> {
            let node = self.0[name].as_mut();
            // SAFETY: the node is not moved through the reference.
            NonNull::from(unsafe { node.get_unchecked_mut() })
        }
    }

    fn name(node: Option<NonNull<Node>>) -> Option<usize> {
        // SAFETY: every node of these tests outlives its list.
        node.map(|node| unsafe { node.as_ref() }.name)
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        PushFront(usize),
        PushBack(usize),
        PopFront,
        PopBack,
        Remove(usize),
    }

    const NODES: usize = 6;
    const STEPS_MAX: usize = if cfg!(miri) { 24 } else { 64 };

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..NODES).prop_map(Step::PushFront),
            (0..NODES).prop_map(Step::PushBack),
            Just(Step::PopFront),
            Just(Step::PopBack),
            (0..NODES).prop_map(Step::Remove),
        ]
    }

    /// Runs the steps on a list and on a `VecDeque`; a push of a node that is in the list is left out.
    fn agrees_with_a_deque(steps: &[Step]) {
        let mut nodes = Nodes::new(NODES);
        let mut list = List::new();
        let mut model = VecDeque::new();
        for &step in steps {
            match step {
                Step::PushFront(n) if !model.contains(&n) => {
                    model.push_front(n);
                    // SAFETY: the model says it is in no list; `nodes` keeps it alive and pinned.
                    unsafe { list.push_front(nodes.address(n)) };
                }
                Step::PushBack(n) if !model.contains(&n) => {
                    model.push_back(n);
                    // SAFETY: as above.
                    unsafe { list.push_back(nodes.address(n)) };
                }
                Step::PushFront(_) | Step::PushBack(_) => {}
                Step::PopFront => assert_eq!(name(list.pop_front()), model.pop_front()),
                Step::PopBack => assert_eq!(name(list.pop_back()), model.pop_back()),
                Step::Remove(n) => {
                    let stood = model.iter().position(|&other| other == n);
                    stood.map(|at| model.remove(at));
                    // SAFETY: there is one list; `nodes` keeps the node alive.
                    let removed = unsafe { list.remove(nodes.address(n)) };
                    assert_eq!(removed, stood.is_some());
                }
            }
            assert_eq!(list.is_empty(), model.is_empty());
        }
        while let Some(n) = model.pop_front() {
            assert_eq!(name(list.pop_front()), Some(n));
        }
        assert!(list.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 4 } else { 500 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn behaves_like_a_deque(steps in prop::collection::vec(step(), 0..STEPS_MAX)) {
            agrees_with_a_deque(&steps);
        }
    }

    #[test]
    fn a_node_leaves_from_the_front_the_middle_and_the_back() {
        for leaves in 0..3 {
            let mut steps: Vec<_> = (0..3).map(Step::PushBack).collect();
            steps.extend([Step::Remove(leaves), Step::Remove(leaves)]);
            agrees_with_a_deque(&steps);
        }
    }

    /// What every waiter does: its owner goes on using the pinned node while the list holds its address.
    #[test]
    fn the_owner_and_the_list_do_not_get_in_each_others_way() {
        let mut nodes = Nodes::new(2);
        let mut list = List::new();
        for n in 0..2 {
            // SAFETY: in no list yet; `nodes` keeps it alive and pinned.
            unsafe { list.push_back(nodes.address(n)) };
        }
        assert_eq!(nodes.0[0].as_mut().as_ref().name, 0);
        // SAFETY: the list's nodes are alive.
        assert!(unsafe { list.remove(nodes.address(1)) });
        // SAFETY: as above.
        assert!(!unsafe { list.remove(nodes.address(1)) });
        assert_eq!(name(list.pop_back()), Some(0));
        assert!(list.pop_front().is_none());
    }
}

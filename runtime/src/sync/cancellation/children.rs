//! How does a node know its children, and forget one at once?
//!
//! A table of places and a list of the free ones through it: a child knows its place. What was needed for a crowd of children is given back when the last of them has
//! gone. Rejected: a list through the children themselves (as quick, and unsafe), a set of addresses (hashing, and the same memory).

use super::tree::Node;
use std::sync::Weak;

/// Places that are kept when no child is left.
const KEPT: usize = 16;
/// The end of the list of free places.
const NONE: usize = usize::MAX;

/// The children of a node.
#[derive(Debug)]
pub(super) struct Children {
    places: Vec<Place>,
    first_free: usize,
    len: usize,
}

#[derive(Debug)]
enum Place {
    Child(Weak<Node>),
    Free { next: usize },
}

impl Default for Children {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            first_free: NONE,
            len: 0,
        }
    }
}

impl Children {
    /// Returns its place.
    pub(super) fn insert(&mut self, child: Weak<Node>) -> usize {
        self.len += 1;
        let at = self.first_free;
        if at == NONE {
            self.places.push(Place::Child(child));
            return self.places.len() - 1;
        }
        match std::mem::replace(&mut self.places[at], Place::Child(child)) {
            Place::Free { next } => self.first_free = next,
            Place::Child(_) => unreachable!("a place in the list of free ones"),
        }
        at
    }

    pub(super) fn remove(&mut self, at: usize) {
        let next = self.first_free;
        let place = std::mem::replace(&mut self.places[at], Place::Free { next });
        debug_assert!(matches!(place, Place::Child(_)), "removed twice");
        self.first_free = at;
        self.len -= 1;
        if self.len == 0 {
            self.places.clear();
            self.places.shrink_to(KEPT);
            self.first_free = NONE;
        }
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Weak<Node>> {
        self.places.into_iter().filter_map(|place| match place {
            Place::Child(child) => Some(child),
            Place::Free { .. } => None,
        })
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.len, self.places.len())
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn a_crowd_leaves_nothing_behind() {
        let mut children = Children::default();
        let places: Vec<_> = (0..1000).map(|_| children.insert(Weak::new())).collect();
        assert_eq!(children.size(), (1000, 1000));
        places.into_iter().for_each(|at| children.remove(at));
        assert_eq!(children.size(), (0, 0));
        assert!(children.places.capacity() <= KEPT);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 4 } else { 200 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// A number below 3 adds, any other removes one of those that are there.
        #[test]
        fn as_many_are_there_as_were_left(steps in prop::collection::vec(0..20_usize, 0..100)) {
            let (mut children, mut places) = (Children::default(), Vec::new());
            let node = Node::root(None);
            for step in steps {
                if step < 3 || places.is_empty() {
                    let at = children.insert(Arc::downgrade(&node));
                    prop_assert!(!places.contains(&at));
                    places.push(at);
                } else {
                    children.remove(places.swap_remove(step % places.len()));
                }
                prop_assert_eq!(children.len, places.len());
            }
            prop_assert_eq!(children.into_iter().count(), places.len());
        }
    }
}

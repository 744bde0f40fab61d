//! How do requests on all cores share something without one count that all of them write?
//!
//! What outlives its caller, as the future of a handler may, has to hold what it uses, by a count of the holders. [`Striped`] has several copies of a thing with a count each, and a thread takes always the
//! same one, which it has for itself if there are no more threads than copies. It is given back wherever the request has got to, mostly on the same thread.
//!
//! Rejected: one `Arc` (each request of each core would wait twice for the one cache line that all write).

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Copies of a thing, all the same.
#[derive(Debug)]
pub(crate) struct Striped<T> {
    /// At least one.
    stripes: Box<[Stripe<T>]>,
}

/// One of the copies. To hold it costs no other core anything.
pub(crate) type Stripe<T> = Arc<Line<T>>;

/// Something with cache lines of its own, and with it the count before it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Line<T>(T);

impl<T> Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Most copies. A guess: beyond it, cores share them in groups, and a copy of each handler within middleware is 128 bytes.
const STRIPES_MAX: usize = 16;

impl<T: Clone> Striped<T> {
    pub(crate) fn new(value: T) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(value, cores.min(STRIPES_MAX))
    }

    fn with(value: T, count: usize) -> Self {
        let mut copies = vec![value; count.max(1)];
        Self {
            stripes: copies.drain(..).map(|copy| Arc::new(Line(copy))).collect(),
        }
    }
}

impl<T> Striped<T> {
    /// That of this thread, to be held.
    #[inline]
    pub(crate) fn hold(&self) -> Stripe<T> {
        self.stripes[number() % self.stripes.len()].clone()
    }

    /// Any, to be looked at.
    pub(crate) fn get(&self) -> &T {
        &self.stripes[0]
    }
}

/// The number of this thread: those that begin one after another have others.
#[inline]
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        // ORDERING: Relaxed: only the count itself matters.
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is ending may have any.
    MINE.try_with(|mine| *mine).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_holds_always_the_same_and_its_neighbour_another() {
        for count in [0, 1, 2, 3] {
            let striped = Striped::with("x".to_owned(), count);
            let mine = striped.hold();
            assert!(Arc::ptr_eq(&mine, &striped.hold()));
            assert_eq!((&***mine, &**striped.get()), ("x", "x"));
            assert_eq!(striped.stripes.len(), count.max(1));
            // One of several threads has another number, whatever other tests start meanwhile.
            let differs = (0..100).any(|_| {
                std::thread::scope(|scope| {
                    let other = scope.spawn(|| striped.hold()).join().expect("no panic");
                    !Arc::ptr_eq(&other, &mine)
                })
            });
            assert_eq!(differs, count > 1);
        }
    }

    #[test]
    fn counts_stand_apart() {
        let striped = Striped::with(1u8, 3);
        let mut places: Vec<_> = striped.stripes.iter().map(Arc::as_ptr).collect();
        places.sort_unstable();
        assert!(
            places
                .windows(2)
                .all(|two| two[1].addr() - two[0].addr() >= 128)
        );
    }
}

//! What if a message panics when it is dropped, with others behind it?
//!
//! The others are dropped as well, before the panic goes on, as the elements of a `Vec` are; one more that panics then aborts the process.

/// Drops what `next` gives, until it gives nothing.
pub(super) fn drop_all<T>(next: impl FnMut() -> Option<T>) {
    let mut rest = Rest(next);
    while let Some(message) = (rest.0)() {
        drop(message);
    }
}

/// What is left to be dropped.
struct Rest<T, F: FnMut() -> Option<T>>(F);

impl<T, F: FnMut() -> Option<T>> Drop for Rest<T, F> {
    fn drop(&mut self) {
        while let Some(message) = (self.0)() {
            drop(message);
        }
    }
}

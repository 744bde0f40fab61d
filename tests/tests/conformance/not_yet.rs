//! Which cases are known not to hold?
//!
//! Those that ask for what the server does not do yet: none. One that begins to hold fails the test until it is taken out here.

/// The names of the cases.
pub(crate) const NOT_YET: &[&str] = &[];

//! How does `filch-http` open files below a folder?
//!
//! By these calls, which belong to nobody else: they block, and what may be asked of them is what serving files needs. Hidden until somebody else wants them.
//!
//! Rejected: rustix, which has the same calls without unsafe for whoever uses them, but is three more crates below a server for two calls.

pub use crate::sys::beneath::{
    Opens, is_absent, is_exhausted, is_outside, is_unsettled, lacks_openat2, open_beneath,
    open_beneath_cached, open_entry, open_root, open_root_cached,
};

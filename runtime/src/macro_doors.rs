//! What do the macros name?
//!
//! What they expand to stands in crates of others, which have no other door to it. It is published under a name that is hidden and begins with underscores: no
//! part of the API, and it may change with any commit.

pub use crate::entry::{Outcome, run, run_paused, run_simulated};
pub use crate::select::armed::Armed;
pub use crate::select::maybe_done::MaybeDone;
pub use crate::select::turns::{InOrder, Turns};
pub use crate::select::{all_disabled, select_start};
pub use std::future::{Future, IntoFuture, poll_fn};
pub use std::pin::pin;
pub use std::result::Result::{Err, Ok};
pub use std::task::Poll;
pub use std::{compile_error, stringify, unreachable};

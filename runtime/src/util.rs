//! Tools without an opinion: what more than one layer needs and none owns.

pub(crate) mod wake_batch;

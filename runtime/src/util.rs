//! Tools without an opinion: what more than one layer needs and none owns.

pub(crate) mod budget;
pub(crate) mod list;
pub(crate) mod ready_list;
pub(crate) mod shield;
pub(crate) mod slab;
pub(crate) mod wake_batch;

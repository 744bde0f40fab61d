//! Tools without an opinion: what more than one layer needs and none owns.

pub(crate) mod apart;
pub(crate) mod block_on;
pub(crate) mod budget;
pub(crate) mod list;
pub(crate) mod ready_list;
pub(crate) mod shield;
pub(crate) mod slab;
mod this_poll;
pub(crate) mod wait_reason;
pub(crate) mod wake_batch;
pub(crate) mod wakers;

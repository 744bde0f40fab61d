//! What does a peer do that has nothing to coordinate tasks with?

use super::runtime::Runtime;
use filch_bench_common::{Bench, Cannot, Coordination};

pub(crate) fn build(_work: Coordination, _runtime: Runtime, _size: usize) -> Result<Bench, Cannot> {
    Err(Cannot("it has no channels and no locks of its own"))
}

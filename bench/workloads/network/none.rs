//! What does a peer do whose sockets and files are not compared?

use super::runtime::Runtime;
use filch_bench_common::{Bench, Cannot, Copying, Service};

pub(crate) fn serve(_runtime: Runtime, _service: Service) -> Result<Bench, Cannot> {
    Err(Cannot("its sockets are not compared"))
}

pub(crate) fn copy(_runtime: Runtime, _how: Copying, _times: usize) -> Result<Bench, Cannot> {
    Err(Cannot("its files are not compared"))
}

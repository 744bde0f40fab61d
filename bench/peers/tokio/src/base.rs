//! What is there to coordinate with?

use filch_bench_common::channel::{Never, Receiver, Sender};
use filch_bench_common::{Cannot, Coordination};

pub(crate) use tokio::{sync, task};

pub(crate) fn has(work: Coordination) -> Result<(), Cannot> {
    match work {
        Coordination::Mpmc => Err(Cannot("its channels have one receiver")),
        Coordination::Scope => Err(Cannot("it has no scopes")),
        _ => Ok(()),
    }
}

pub(crate) fn shared(_room: usize) -> (impl Sender<usize>, impl Receiver<usize> + Clone) {
    let none: fn() -> (Never, Never) = || unreachable!("its channels have one receiver");
    none()
}

pub(crate) async fn scope(_tasks: usize) {
    unreachable!("it has no scopes")
}

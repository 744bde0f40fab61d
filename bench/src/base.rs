//! What is there to coordinate with?

use filch_bench_common::channel::{Receiver, Sender};
use filch_bench_common::{Cannot, Coordination};

pub(crate) use filch::{sync, task};

pub(crate) fn has(_work: Coordination) -> Result<(), Cannot> {
    Ok(())
}

/// Somebody else's type, for the traits of another's.
#[derive(Clone)]
struct Of<T>(T);

impl Sender<usize> for Of<sync::mpmc::Sender<usize>> {
    async fn send(&self, message: usize) {
        let sent = self.0.send(message).await;
        assert!(sent.is_ok(), "somebody receives");
    }
}

impl Receiver<usize> for Of<sync::mpmc::Receiver<usize>> {
    async fn recv(&mut self) -> Option<usize> {
        self.0.recv().await.ok()
    }
}

pub(crate) fn shared(room: usize) -> (impl Sender<usize>, impl Receiver<usize> + Clone) {
    let (sender, receiver) = sync::mpmc::channel(room);
    (Of(sender), Of(receiver))
}

pub(crate) async fn scope(tasks: usize) {
    filch::scope(|scope| async move {
        for _ in 0..tasks {
            scope.spawn(async {});
        }
    })
    .await
}

//! What do the words of coordination mean in tachyonix?

use filch_bench_common::channel::{Never, Receiver, Sender};
use filch_bench_common::{Cannot, Coordination, Room};

pub(crate) fn has(work: Coordination) -> Result<(), Cannot> {
    match work {
        Coordination::Mpmc => Err(Cannot("its channels have one receiver")),
        Coordination::Mpsc(_, Room::Unbounded) => Err(Cannot("its channels are bounded")),
        _ => Ok(()),
    }
}

/// Somebody else's type, for the traits of ours.
pub(crate) struct Of<T>(T);

impl<T: Clone> Clone for Of<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> Sender<T> for Of<tachyonix::Sender<T>> {
    async fn send(&self, message: T) {
        let sent = self.0.send(message).await;
        assert!(sent.is_ok(), "somebody receives");
    }
}

impl<T: Send + 'static> Receiver<T> for Of<tachyonix::Receiver<T>> {
    async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.ok()
    }
}

pub(crate) fn bounded<T: Send + 'static>(room: usize) -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = tachyonix::channel(room);
    (Of(sender), Of(receiver))
}

pub(crate) fn unbounded<T: Send + 'static>() -> (impl Sender<T>, impl Receiver<T>) {
    let none: fn() -> (Never, Never) = || unreachable!("its channels are bounded");
    none()
}

pub(crate) fn shared(_room: usize) -> (impl Sender<usize>, impl Receiver<usize> + Clone) {
    let none: fn() -> (Never, Never) = || unreachable!("its channels have one receiver");
    none()
}

//! What do the words of coordination mean in kanal?

use filch_bench_common::channel::{Receiver, Sender};
use filch_bench_common::{Cannot, Coordination};

pub(crate) fn has(_work: Coordination) -> Result<(), Cannot> {
    Ok(())
}

/// Somebody else's type, for the traits of ours.
pub(crate) struct Of<T>(T);

impl<T: Clone> Clone for Of<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> Sender<T> for Of<kanal::AsyncSender<T>> {
    async fn send(&self, message: T) {
        let sent = self.0.send(message).await;
        assert!(sent.is_ok(), "somebody receives");
    }
}

impl<T: Send + 'static> Receiver<T> for Of<kanal::AsyncReceiver<T>> {
    async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.ok()
    }
}

pub(crate) fn bounded<T: Send + 'static>(room: usize) -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = kanal::bounded_async(room);
    (Of(sender), Of(receiver))
}

pub(crate) fn unbounded<T: Send + 'static>() -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = kanal::unbounded_async();
    (Of(sender), Of(receiver))
}

pub(crate) fn shared(room: usize) -> (impl Sender<usize>, impl Receiver<usize> + Clone) {
    let (sender, receiver) = kanal::bounded_async(room);
    (Of(sender), Of(receiver))
}

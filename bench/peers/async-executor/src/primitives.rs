//! What do the words of coordination mean with the crates of the same people: async-channel, async-lock, async-broadcast? And oneshot, since they have none.

use filch_bench_common::channel::{Receiver, Sender};

pub(crate) type Mutex = async_lock::Mutex<usize>;
pub(crate) type RwLock = async_lock::RwLock<usize>;
pub(crate) use async_lock::Semaphore;

/// Somebody else's type, for the traits of ours.
pub(crate) struct Of<T>(T);

impl<T: Clone> Clone for Of<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> Sender<T> for Of<async_channel::Sender<T>> {
    async fn send(&self, message: T) {
        let sent = self.0.send(message).await;
        assert!(sent.is_ok(), "somebody receives");
    }
}

impl<T: Send + 'static> Receiver<T> for Of<async_channel::Receiver<T>> {
    async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.ok()
    }
}

pub(crate) fn bounded<T: Send + 'static>(room: usize) -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = async_channel::bounded(room);
    (Of(sender), Of(receiver))
}

pub(crate) fn unbounded<T: Send + 'static>() -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = async_channel::unbounded();
    (Of(sender), Of(receiver))
}

pub(crate) fn shared(room: usize) -> (impl Sender<usize>, impl Receiver<usize> + Clone) {
    let (sender, receiver) = async_channel::bounded(room);
    (Of(sender), Of(receiver))
}

pub(crate) fn oneshot<T: Send + 'static>() -> (
    impl FnOnce(T) + Send + 'static,
    impl Future<Output = T> + Send,
) {
    let (sender, receiver) = oneshot::async_channel();
    let send = |value| assert!(sender.send(value).is_ok(), "somebody receives");
    (send, async { receiver.await.expect("it is sent") })
}

type Publisher = (
    async_broadcast::Sender<usize>,
    async_broadcast::InactiveReceiver<usize>,
);

pub(crate) fn broadcast(room: usize) -> Publisher {
    let (sender, receiver) = async_broadcast::broadcast(room);
    (sender, receiver.deactivate())
}

pub(crate) fn subscribe(publisher: &Publisher) -> async_broadcast::Receiver<usize> {
    publisher.1.activate_cloned()
}

pub(crate) async fn publish(publisher: &Publisher, message: usize) {
    let sent = publisher.0.broadcast(message).await;
    assert!(sent.is_ok(), "somebody has subscribed");
}

pub(crate) async fn next(subscription: &mut async_broadcast::Receiver<usize>) -> usize {
    subscription.recv().await.expect("nobody is left behind")
}

pub(crate) async fn acquire(semaphore: &Semaphore) -> impl Drop + Send {
    semaphore.acquire().await
}

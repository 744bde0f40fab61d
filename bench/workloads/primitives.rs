//! What do the words of coordination mean where things are called as tokio calls them?
//!
//! Compiled for filch and for tokio, beside a module `base` that is one or the other.

use super::base::sync::{broadcast as broadcasts, mpsc, oneshot as oneshots, watch as watches};
use super::base::task::JoinSet;
use filch_bench_common::channel::{Receiver, Sender};

pub(crate) use super::base::{has, scope, shared};

pub(crate) type Mutex = super::base::sync::Mutex<usize>;
pub(crate) type RwLock = super::base::sync::RwLock<usize>;
pub(crate) use super::base::sync::Semaphore;

/// Somebody else's type, for the traits of ours.
pub(crate) struct Of<T>(T);

impl<T> Clone for Of<mpsc::Sender<T>> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> Sender<T> for Of<mpsc::Sender<T>> {
    async fn send(&self, message: T) {
        let sent = self.0.send(message).await;
        assert!(sent.is_ok(), "somebody receives");
    }
}

impl<T: Send + 'static> Receiver<T> for Of<mpsc::Receiver<T>> {
    async fn recv(&mut self) -> Option<T> {
        self.0.recv().await
    }
}

impl<T> Clone for Of<mpsc::UnboundedSender<T>> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + 'static> Sender<T> for Of<mpsc::UnboundedSender<T>> {
    async fn send(&self, message: T) {
        assert!(self.0.send(message).is_ok(), "somebody receives");
    }
}

impl<T: Send + 'static> Receiver<T> for Of<mpsc::UnboundedReceiver<T>> {
    async fn recv(&mut self) -> Option<T> {
        self.0.recv().await
    }
}

pub(crate) fn bounded<T: Send + 'static>(room: usize) -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = mpsc::channel(room);
    (Of(sender), Of(receiver))
}

pub(crate) fn unbounded<T: Send + 'static>() -> (impl Sender<T>, impl Receiver<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Of(sender), Of(receiver))
}

pub(crate) fn oneshot<T: Send + 'static>() -> (
    impl FnOnce(T) + Send + 'static,
    impl Future<Output = T> + Send,
) {
    let (sender, receiver) = oneshots::channel();
    let send = |value| assert!(sender.send(value).is_ok(), "somebody receives");
    (send, async { receiver.await.expect("it is sent") })
}

pub(crate) fn broadcast(room: usize) -> broadcasts::Sender<usize> {
    broadcasts::channel(room).0
}

pub(crate) fn subscribe(publisher: &broadcasts::Sender<usize>) -> broadcasts::Receiver<usize> {
    publisher.subscribe()
}

pub(crate) async fn publish(publisher: &broadcasts::Sender<usize>, message: usize) {
    publisher.send(message).expect("somebody has subscribed");
}

pub(crate) async fn next(subscription: &mut broadcasts::Receiver<usize>) -> usize {
    subscription.recv().await.expect("nobody is left behind")
}

pub(crate) fn watch() -> (watches::Sender<usize>, watches::Receiver<usize>) {
    watches::channel(0)
}

pub(crate) fn set(here: &watches::Sender<usize>, value: usize) {
    here.send(value).expect("somebody looks");
}

pub(crate) async fn changed(seen: &mut watches::Receiver<usize>) -> usize {
    seen.changed().await.expect("somebody sets it");
    *seen.borrow_and_update()
}

pub(crate) async fn acquire(semaphore: &Semaphore) -> impl Drop + Send {
    semaphore.acquire().await.expect("nobody closes it")
}

/// The sum of the outputs of so many tasks, each its number.
pub(crate) async fn join_set(tasks: usize) -> usize {
    let mut set = JoinSet::new();
    for task in 0..tasks {
        set.spawn(async move { task });
    }
    let mut sum = 0;
    while let Some(output) = set.join_next().await {
        sum += output.expect("it ends");
    }
    sum
}

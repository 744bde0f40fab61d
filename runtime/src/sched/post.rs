//! Where does a spare wait for what comes to workers that are stuck?
//!
//! While every worker is stuck in one poll, one spare that has nothing to do stands at the *post*: its wait ends when anything becomes ready in the driver of any of them, and not only when the
//! sentinel calls it. So a short request beside handlers that compute waits for a wake-up and not for the sentinel's next look, a millisecond away; figures are in [`stand_in`](super::stand_in).
//!
//! One spare at a time, since each event would wake all of them. It comes back to the post after each thing it has done; if it is kept by one, the sentinel finds the post empty and calls
//! another spare to it. Timers of the stuck workers are the sentinel's as before, and so are lanes and queues.
//!
//! What could be missed, and is not: an event that comes before the watch has begun is reported by it, as by any registration with epoll; a call, or the end, that comes before the wait ends
//! it ([`Driver::unpark`] is remembered), and who calls a spare finds it on the list of those that are parked, where it stands after it has taken the post.
//!
//! The post is made of three descriptors, when it is needed first. They are given back when a spare ends that nobody has needed for long.
//!
//! Rejected: all parked spares watching (16 threads wake up for each request); a descriptor for each spare that is watched for ever (each event of a healthy worker would go through it too).

use super::shared::Shared;
use crate::driver::{Driver, Wait};
use crate::sys::sync::{Arc, Mutex};
use crate::util::wake_batch::WakeBatch;

/// The post, and who stands there.
#[derive(Debug, Default)]
pub(super) struct Post(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    place: Place,
    /// The number of the spare that has it.
    holder: Option<usize>,
}

#[derive(Debug, Default)]
enum Place {
    /// Nobody has needed it so far, or for long, there was no descriptor to be had, or the drivers here have nothing to watch. Who needs it asks for it, again and again: descriptors come back.
    #[default]
    NotYet,
    There(Arc<dyn Driver>),
    /// The scheduler has ended.
    Nowhere,
}

/// Held by the spare that stands at the post.
pub(super) struct OnPost<'a> {
    shared: &'a Shared,
    driver: Arc<dyn Driver>,
    /// How many of the workers are watched.
    workers: usize,
}

impl Shared {
    /// Lets a spare take the post, if spares are needed and nobody has it. To be called before it parks.
    pub(super) fn take_post(&self, spare: usize) -> Option<OnPost<'_>> {
        if !self.spares.is_needed() {
            return None;
        }
        let driver = {
            let mut inside = self.post.0.lock();
            if inside.holder.is_some() {
                return None;
            }
            if let Place::NotYet = inside.place {
                inside.place = Place::There(self.remotes[0].driver.new_post()?);
            }
            let Place::There(driver) = &inside.place else {
                return None;
            };
            let driver = driver.clone();
            inside.holder = Some(spare);
            driver
        };
        let workers = self.active();
        for worker in &self.remotes[..workers] {
            // Where it is refused, the sentinel looks after that one.
            driver.watch(&*worker.driver);
        }
        Some(OnPost {
            shared: self,
            driver,
            workers,
        })
    }

    /// Whether there is a post, and nobody at it.
    pub(super) fn is_post_empty(&self) -> bool {
        let inside = self.post.0.lock();
        matches!(inside.place, Place::There(_)) && inside.holder.is_none()
    }

    /// Ends the wait of this spare if it stands at the post.
    pub(super) fn call_from_post(&self, spare: usize) {
        let inside = self.post.0.lock();
        if let (Some(holder), Place::There(driver)) = (inside.holder, &inside.place) {
            if holder == spare {
                driver.unpark();
            }
        }
    }

    /// Gives the post's descriptors back, unless somebody stands there. For a spare that nobody has needed for long.
    pub(super) fn give_up_post(&self) {
        let mut inside = self.post.0.lock();
        if let (None, Place::There(_)) = (inside.holder, &inside.place) {
            inside.place = Place::NotYet;
        }
    }

    /// Ends the wait of whoever stands at the post, where nobody will any more.
    pub(super) fn close_post(&self) {
        let mut inside = self.post.0.lock();
        if let Place::There(driver) = std::mem::replace(&mut inside.place, Place::Nowhere) {
            driver.unpark();
        }
    }
}

impl OnPost<'_> {
    /// Waits.
    pub(super) fn wait(&self, wait: Wait) {
        self.driver.turn(wait, &mut WakeBatch::new());
    }
}

impl Drop for OnPost<'_> {
    fn drop(&mut self) {
        for worker in &self.shared.remotes[..self.workers] {
            self.driver.unwatch(&*worker.driver);
        }
        self.shared.post.0.lock().holder = None;
    }
}

//! How are many tasks spawned at once?
//!
//! In chunks. The iterator is the caller's code, which may panic, spawn, block, or end the runtime: nothing is held while it runs, and where this thread stands is
//! asked anew for each chunk. The futures of a chunk are collected first, then made into tasks and queued in one go: on a worker into its own queue, with one look at
//! who sleeps; elsewhere into the thread's lane, under one lock, with at most one wake-up.
//!
//! Rejected: futures built in their cells as the iterator gives them (a cell that is out must look alive or dead to a shutdown at every moment); a chunk as large as
//! the iterator says (it may lie, and tasks should begin while others are still being made).

use super::context::with_core;
use super::core::Core;
use super::outside::{Entry, own_lane};
use super::shared::Shared;
use crate::sys::sync::Arc;
use crate::task::harness;
use crate::task::join::JoinHandle;
use crate::task::refs::Notified;
use crate::util::slab::Slab;
use std::panic::Location;

/// Futures of a chunk: what is paid once for each (a lock, a fence, 2.4 us for a wake-up) is below 1 ns, or 40 ns where somebody has to be woken, for each task; a lock is held
/// for less than 1 us where they are small.
pub(crate) const CHUNK: usize = 64;

/// Where the join handles of a batch go, if anybody wants them.
type Handles<'a, T> = Option<&'a mut Vec<JoinHandle<T>>>;

impl Shared {
    /// Spawns all of them, from any thread, in their order. What comes after the end of this scheduler is dropped.
    pub(crate) fn spawn_batch<F>(
        self: &Arc<Self>,
        futures: impl IntoIterator<Item = F>,
        mut handles: Handles<'_, F::Output>,
        location: &'static Location<'static>,
    ) where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut futures = futures.into_iter();
        let mut chunk = Vec::with_capacity(CHUNK.min(futures.size_hint().0));
        loop {
            chunk.extend(futures.by_ref().take(CHUNK));
            // It may have no end to come to: asked again, it might begin anew.
            let is_last = chunk.len() < CHUNK;
            self.spawn_chunk(&mut chunk, handles.as_deref_mut(), location);
            if is_last {
                return;
            }
        }
    }

    fn spawn_chunk<F>(
        self: &Arc<Self>,
        chunk: &mut Vec<F>,
        mut handles: Handles<'_, F::Output>,
        location: &'static Location<'static>,
    ) where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if chunk.is_empty() {
            return;
        }
        if let Some(handles) = &mut handles {
            // Here, where no lock is held.
            handles.reserve(chunk.len());
        }
        let has_ended = with_core(|core| match core {
            Some(core) if Arc::ptr_eq(core.shared(), self) => {
                core.queue_chunk(chunk, handles.as_deref_mut(), location);
                false
            }
            _ => !self.queue_chunk_outside(chunk, handles.as_deref_mut(), location),
        });
        if has_ended {
            // The destructors of the futures run with nothing held.
            let never = chunk.drain(..).map(|_| JoinHandle::never_started());
            match handles {
                Some(handles) => handles.extend(never),
                None => drop(never),
            }
        }
    }

    /// False if the scheduler has ended.
    fn queue_chunk_outside<F>(
        &self,
        chunk: &mut Vec<F>,
        mut handles: Handles<'_, F::Output>,
        location: &'static Location<'static>,
    ) -> bool
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let queued = self.lanes.push(own_lane(), |tasks, outside| {
            for future in chunk.drain(..) {
                let task = make(&outside.slab, future, handles.as_deref_mut(), location);
                tasks.push(Entry::new(task));
            }
        });
        match queued {
            Some(((), asks)) => {
                self.wake_from_outside(asks);
                true
            }
            None => false,
        }
    }
}

impl Core {
    fn queue_chunk<F>(
        &self,
        chunk: &mut Vec<F>,
        mut handles: Handles<'_, F::Output>,
        location: &'static Location<'static>,
    ) where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        for future in chunk.drain(..) {
            self.queue
                .push(make(&self.slab, future, handles.as_deref_mut(), location));
        }
        self.share_backlog();
    }
}

/// A task in a cell of the slab, queued; its handle goes to the others.
#[inline]
fn make<F>(
    slab: &Slab<Shared>,
    future: F,
    handles: Handles<'_, F::Output>,
    location: &'static Location<'static>,
) -> Notified
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let cell = slab.alloc(const { harness::class_of::<F>() });
    match handles {
        Some(handles) => {
            // SAFETY: a fresh cell of the right class, from a slab of a `Shared`.
            let (task, handle) = unsafe { harness::init::<F, Shared>(cell, future, location) };
            handles.push(handle);
            task
        }
        // SAFETY: as above.
        None => unsafe { harness::init_detached::<F, Shared>(cell, future, location) },
    }
}

//! What of the tasks that are pinned to a thread which drives a simulation only now and then?
//!
//! A worker's thread hosts pinned tasks from its beginning to its end. A simulation has no such thread: whoever is in `block_on` drives it, today this thread and tomorrow another one, and that may
//! be a worker of an ordinary runtime with pinned tasks of its own. So a thread *visits* a simulation. What it pins there belongs to a host that is this thread's for this simulation, and that
//! takes the place of whatever the thread hosts otherwise, until the visit is over:
//!
//! | | the host of the simulation | what the thread hosts otherwise |
//! |---|---|---|
//! | during the visit | is found by `spawn_local`, and by wakes on this thread; the simulation's loop draws from it | out of sight: wakes go to its inbox, and are found after the visit |
//! | between two visits | is kept by the thread; wakes go to its inbox, nothing of it runs | in its place |
//! | the simulation ends during a visit | drops what is not complete | untouched |
//! | it ends on another thread | drops it when this thread visits any simulation again, or ends | untouched |
//!
//! Rejected: a host that the simulation keeps, for whichever thread drives it (another thread would run what must not leave its own); refusing other threads as long as one has pinned tasks (a
//! program with paused time may drive from several, as with an ordinary runtime); dropping what is pinned at the end of each `block_on` (in an ordinary runtime it goes on with the next).

use super::{HERE, Here, Host, NoHost, OnPanic};
use crate::sched::core::Core;
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use crate::task::join::JoinHandle;
use crate::task::refs::Notified;
use std::cell::RefCell;
use std::mem;
use std::panic::Location;
use std::rc::Rc;

thread_local! {
    /// The hosts of simulations that this thread does not visit at the moment.
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
}

struct Kept(Vec<(Arc<Visited>, Rc<Host>)>);

/// A simulation, as far as threads have pinned tasks there.
pub(in crate::sched) struct Visited {
    on_panic: OnPanic,
    has_ended: AtomicBool,
}

/// While this lives, its thread hosts tasks of a simulation.
pub(in crate::sched) struct Visit {
    visited: Arc<Visited>,
    /// None on a thread whose locals are gone.
    before: Option<Here>,
}

impl Visited {
    pub(in crate::sched) fn new(on_panic: OnPanic) -> Arc<Self> {
        Arc::new(Self {
            on_panic,
            has_ended: AtomicBool::new(false),
        })
    }

    /// Nothing of it runs any more.
    pub(in crate::sched) fn end(&self) {
        // ORDERING: Relaxed: whoever reads it late keeps for longer what nobody runs.
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Makes a task that stays on this thread, which is visiting.
    pub(in crate::sched) fn spawn<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<JoinHandle<F::Output>, NoHost>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let is_visiting = |here: &RefCell<Here>| match &*here.borrow() {
            Here::Foreign => false,
            Here::Runner(on_panic) => Arc::ptr_eq(on_panic, &self.on_panic),
            Here::Hosting(host) | Here::Closing(host) => {
                Arc::ptr_eq(&host.home.on_panic, &self.on_panic)
            }
            // Whoever is there, nothing is started any more.
            Here::Closed => true,
        };
        if !HERE.try_with(is_visiting).unwrap_or(false) {
            return Err(NoHost);
        }
        super::spawn(future, location)
    }

    /// Begins a visit of this thread.
    pub(in crate::sched) fn visit(self: &Arc<Self>) -> Visit {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().take(self));
        let (own, ended) = kept.unwrap_or_default();
        ended.into_iter().for_each(close_aside);
        let here = match own {
            Some(host) => Here::Hosting(host),
            None => Here::Runner(self.on_panic.clone()),
        };
        Visit {
            visited: self.clone(),
            before: HERE.try_with(|it| it.replace(here)).ok(),
        }
    }

    fn has_ended(&self) -> bool {
        // ORDERING: Relaxed, see `end`.
        self.has_ended.load(Ordering::Relaxed)
    }
}

impl Kept {
    /// The host of this one, and those of all that have ended.
    fn take(&mut self, visited: &Arc<Visited>) -> (Option<Rc<Host>>, Vec<Rc<Host>>) {
        let (mut own, mut ended) = (None, Vec::new());
        for (of, host) in mem::take(&mut self.0) {
            if Arc::ptr_eq(&of, visited) {
                own = Some(host);
            } else if of.has_ended() {
                ended.push(host);
            } else {
                self.0.push((of, host));
            }
        }
        (own, ended)
    }
}

/// The thread ends, and with it what is pinned to it.
impl Drop for Kept {
    fn drop(&mut self) {
        let hosts = mem::take(&mut self.0).into_iter();
        hosts.for_each(|(_, host)| close_aside(host));
    }
}

/// Drops what a host has that this thread does not work for at the moment.
fn close_aside(host: Rc<Host>) {
    // What destructors pin now belongs to nobody.
    let before = HERE.try_with(|here| here.replace(Here::Closed));
    Host::close(host);
    if let Ok(before) = before {
        let closed = HERE.try_with(|here| here.replace(before));
        drop(closed);
    }
}

/// The simulation that this thread visits has ended, in the middle of polls perhaps: drops what is not complete, and is not being polled. The rest goes when the visit does.
pub(in crate::sched) fn begin_end() {
    let closing = |here: &RefCell<Here>| {
        let mut here = here.borrow_mut();
        let Here::Hosting(host) = mem::replace(&mut *here, Here::Closed) else {
            return None;
        };
        *here = Here::Closing(host.clone());
        Some(host)
    };
    if let Some(host) = HERE.try_with(closing).ok().flatten() {
        host.cancel_all();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        let Ok(Here::Hosting(host) | Here::Closing(host)) =
            HERE.try_with(|here| here.replace(before))
        else {
            return;
        };
        let mut host = Some(host);
        let has_tasks = host.as_ref().is_some_and(|host| host.live.get() > 0);
        if has_tasks && !self.visited.has_ended() {
            let _ = KEPT.try_with(|kept| {
                let host = host.take().into_iter();
                let kept = &mut kept.borrow_mut().0;
                kept.extend(host.map(|host| (self.visited.clone(), host)));
            });
        }
        host.into_iter().for_each(close_aside);
    }
}

impl Core {
    /// How many pinned tasks are ready.
    pub(in crate::sched) fn count_pinned_ready(&self) -> usize {
        if !self.is_host.get() {
            return 0;
        }
        super::host().map_or(0, |host| host.count_ready())
    }

    /// One of the pinned tasks that are ready: the one at this place, counted from the one that is ready for the longest time.
    pub(in crate::sched) fn take_pinned(&self, index: usize) -> Option<Notified> {
        super::host()?.ready.borrow_mut().remove(index)
    }
}

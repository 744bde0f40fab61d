//! Where does a task live that must never leave its thread?
//!
//! On the thread that spawned it: a *pinned* task belongs to a thread, its *host*, and not to a worker's core. A core goes to another thread when a task blocks in `block_on`
//! ([`handoff`](super::handoff)), and whatever is in it goes along; what is pinned stays behind and goes on as soon as the thread is free again.
//!
//! | of a host | where | who may |
//! |---|---|---|
//! | tasks that are ready, oldest first | `Host::ready` | the thread alone: a wake there is a push into a deque |
//! | tasks that others have woken or aborted | [`Inbox`] of `Home` | anybody; the thread moves them to the others |
//! | cells | `Host::slab` | the thread; those that are freed elsewhere come home as from any slab |
//! | how many are not complete | `Host::live` | the thread |
//!
//! Thieves see none of it: it stands in no queue, slot or lane. A cell knows its home as cells of other tasks know their scheduler, through its chunk, so that a waker is one pointer
//! here too.
//!
//! # When they run
//!
//! | the thread | runs pinned tasks | waits in |
//! |---|---|---|
//! | has a core | a *turn* after each batch of others, as many as were ready then but no more than fit a batch; and when the worker's own queue is empty | the worker's driver |
//! | has one, of a worker on the bench (`surplus`) | the same; it runs nothing else | the same |
//! | is in a poll, or blocks in one | not before that poll is over | |
//! | is a *hermit*: it has given its core away, and there are pinned tasks yet | all the time | a bed of its own |
//!
//! ```text
//!    worker -- block_on: core goes --> guest -- its poll is over -------+
//!    spare -- out of work, not needed: core is put away --------------- + --> hermit, while there are tasks --> end
//!    worker -- the scheduler closes: core is handed in ---------------- + --> drops what is left -----------> end
//! ```
//!
//! So neither kind of task starves the other: a batch takes about 100 us, and a turn of the pinned ones no longer. A hermit is a runner as a guest is (`shutdown`), and outside the
//! idle protocol; its thread ends with its last task.
//!
//! # The end
//!
//! When the scheduler closes, each host's own thread, after it has handed in its core, closes the inbox and drops what is not complete. It is a runner until then, so the end waits for it. A
//! hermit is told through its bed: who closes sets the flag and then takes the lock of the list of beds, a hermit puts its bed there and then looks at the flag.
//!
//! # What never leaves
//!
//! The future: it is polled, dropped after its end, cancelled and dropped at the end of the thread by [`Host`]'s thread alone, since a `Notified` of such a task is given to `Host::ready` or the
//! inbox only, and who calls `close` is the thread itself. The output, unless it is `Send`: then the handle is not `Send` either, and the runner and the handle are on the
//! same thread. What may end elsewhere is the cell, when the last waker goes: it is empty by then.
//!
//! # Rejected
//!
//! *A worker that keeps its core while its thread blocks, because it hosts something.* Its queue could be stolen from, but with one worker and without spares `block_on` in a task would wait
//! for tasks that nobody runs, and everywhere for the sentinel; a pinned task anywhere would change what blocking means to all others. *Pinned tasks in the worker's queue, marked* (each thief would have to
//! look at tasks, and could not take those behind one). *A list of the live ones* (the slab has it). *Cells from the global allocator* (then there would be a list).

#[cfg(not(any(loom, shuttle)))]
pub(super) mod visit;

use super::context::with_core;
use super::core::Core;
use super::inbox::Inbox;
use crate::driver::condvar::CondvarDriver;
use crate::driver::{Driver, Wait};
use crate::sys::sync::{Arc, Mutex, thread_local};
use crate::task::harness;
use crate::task::header::Header;
use crate::task::join::JoinHandle;
use crate::task::refs::Notified;
use crate::task::schedule::Schedule;
use crate::task::unhandled::Unhandled;
use crate::util::budget;
use crate::util::slab::{self, Class, Slab};
use crate::util::wake_batch::WakeBatch;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll};

thread_local! {
    static HERE: RefCell<Here> = const { RefCell::new(Here::Foreign) };
}

/// What this thread is to pinned tasks.
enum Here {
    /// None of a scheduler's.
    Foreign,
    /// A worker, or one that was: it can have a host.
    Runner(OnPanic),
    /// It has one.
    Hosting(Rc<Host>),
    /// It has had its last, and drops it when its stack is free of it.
    #[cfg(not(any(loom, shuttle)))]
    Closing(Rc<Host>),
    /// It had its last.
    Closed,
}

/// Is told of a panic that nobody else will be told of.
pub(super) type OnPanic = Arc<dyn Fn(Unhandled) + Send + Sync>;

/// A thread's pinned tasks.
struct Host {
    home: Arc<Home>,
    ready: RefCell<VecDeque<Notified>>,
    slab: Slab<Home>,
    /// How many are not complete.
    live: Cell<usize>,
}

/// What others reach of a host.
struct Home {
    inbox: Inbox<Notified, Arc<dyn Driver>>,
    on_panic: OnPanic,
}

/// The scheduler of pinned tasks: the host their cell belongs to.
struct OwnThread;

/// A future that its host counts.
struct Pinned<F> {
    future: F,
    _live: Live,
}

/// Counted on this thread, from when it is made until it is dropped.
struct Live;

/// Why nothing can be pinned to this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoHost;

/// From now on tasks may be pinned to this thread, until it [leaves](leave).
pub(super) fn enter(on_panic: OnPanic) {
    HERE.with(|here| here.replace(Here::Runner(on_panic)));
}

/// Makes a task that stays on this thread. If the thread has no more to do than to end, the future is dropped at once.
pub(crate) fn spawn<F>(
    future: F,
    location: &'static Location<'static>,
) -> Result<JoinHandle<F::Output>, NoHost>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let Some(host) = find_or_make()? else {
        return Ok(JoinHandle::never_started());
    };
    let future = Pinned {
        future,
        _live: Live::count(&host),
    };
    let cell = host.slab.alloc(const { harness::class_of::<Pinned<F>>() });
    // SAFETY: a fresh cell of the right class, from the slab of a `Home`. Tasks of `OwnThread` are run and cancelled by the thread of their host, which is this one.
    let (task, handle) =
        unsafe { harness::init_pinned::<Pinned<F>, OwnThread>(cell, future, location) };
    host.ready.borrow_mut().push_back(task);
    Ok(handle)
}

/// This thread's host; none if it had its last.
fn find_or_make() -> Result<Option<Rc<Host>>, NoHost> {
    let find = |here: &RefCell<Here>| {
        let mut here = here.borrow_mut();
        if let Here::Runner(on_panic) = &*here {
            let host = Host::new(on_panic.clone());
            *here = Here::Hosting(Rc::new(host));
        }
        match &*here {
            Here::Hosting(host) => Ok(Some(host.clone())),
            #[cfg(not(any(loom, shuttle)))]
            Here::Closing(_) => Ok(None),
            Here::Closed => Ok(None),
            Here::Foreign | Here::Runner(_) => Err(NoHost),
        }
    };
    HERE.try_with(find).unwrap_or(Err(NoHost))
}

/// This thread's host, if it has one.
fn host() -> Option<Rc<Host>> {
    let find = |here: &RefCell<Here>| match &*here.borrow() {
        Here::Hosting(host) => Some(host.clone()),
        _ => None,
    };
    HERE.try_with(find).unwrap_or(None)
}

/// What is left to do for a runner without a core: its pinned tasks, while there are any and the scheduler does not close; then it drops what is left, and hosts nothing any more.
pub(super) fn leave(hermits: &Hermits, is_closing: impl Fn() -> bool) {
    if let Some(host) = host() {
        host.stay(hermits, is_closing);
    }
    let before = HERE.try_with(|here| match &mut *here.borrow_mut() {
        // It speaks for a core that got no thread.
        Here::Foreign => None,
        here => Some(mem::replace(here, Here::Closed)),
    });
    match before {
        Ok(Some(Here::Hosting(host))) => Host::close(host),
        #[cfg(not(any(loom, shuttle)))]
        Ok(Some(Here::Closing(host))) => Host::close(host),
        _ => {}
    }
}

impl Host {
    /// Of this thread, which waits in its core's driver if it has one. If not, it finds its bed before it first waits.
    fn new(on_panic: OnPanic) -> Self {
        let driver = with_core(|core| {
            let core = core?;
            core.is_host.set(true);
            Some(core.remote().driver.clone())
        });
        let home = Arc::new(Home {
            inbox: Inbox::new(driver),
            on_panic,
        });
        Self {
            slab: Slab::new(home.clone()),
            home,
            ready: RefCell::default(),
            live: Cell::new(0),
        }
    }

    /// The task that is ready for the longest time, as far as this thread knows.
    fn next(&self) -> Option<Notified> {
        let mut ready = self.ready.borrow_mut();
        self.home.inbox.take(&mut ready);
        ready.pop_front()
    }

    /// How many are ready.
    fn count_ready(&self) -> usize {
        let mut ready = self.ready.borrow_mut();
        self.home.inbox.take(&mut ready);
        ready.len()
    }

    /// Runs tasks until there are none or the scheduler closes, on a thread that does nothing else.
    fn stay(&self, hermits: &Hermits, is_closing: impl Fn() -> bool) {
        if self.live.get() == 0 || is_closing() {
            return;
        }
        let bed: Arc<dyn Driver> = Arc::new(CondvarDriver::new());
        self.home.inbox.move_to(bed.clone());
        hermits.0.lock().push(bed.clone());
        // The flag comes after the lock, see the module.
        while self.live.get() > 0 && !is_closing() {
            match self.next() {
                Some(task) => {
                    budget::reset();
                    task.run();
                }
                None => bed.turn(Wait::Forever, &mut WakeBatch::new()),
            }
        }
        budget::lift();
        hermits.0.lock().retain(|other| !Arc::ptr_eq(other, &bed));
    }

    /// Drops what is not complete. Nothing of this thread's is being polled.
    fn close(this: Rc<Self>) {
        this.home.inbox.close();
        this.cancel_all();
        let this = Rc::try_unwrap(this).ok();
        let Self { slab, .. } =
            this.expect("it is lent out for moments, in which no code of the user's runs");
        slab.close();
    }

    /// Drops what is neither complete nor being polled. This thread finds the host no more.
    fn cancel_all(&self) {
        // SAFETY: every cell a slab has handed out was initialised right away; this thread alone runs tasks of this host, and those that it is in the middle of are marked as guests.
        let cancel = |cell| unsafe { harness::cancel_at_shutdown(cell) };
        // SAFETY: this is the owner, and nobody finds the slab any more to allocate.
        unsafe { self.slab.for_each_cell(cancel) };
    }
}

/// Where threads sleep that have given their core away and host something.
#[derive(Default)]
pub(super) struct Hermits(Mutex<Vec<Arc<dyn Driver>>>);

impl Hermits {
    /// The flag is set: whoever sleeps is to look at it, and whoever is about to comes after this.
    pub(super) fn unpark_all(&self) {
        self.0.lock().iter().for_each(|bed| bed.unpark());
    }
}

#[cfg(not(any(loom, shuttle)))]
impl Core {
    /// Calls `each`, which must not be code of the user's, with each cell that a pinned task of this thread's was ever in.
    pub(super) fn for_each_pinned(&self, each: impl FnMut(NonNull<u8>)) {
        if let Some(host) = host() {
            // SAFETY: this is the owner, and `each` allocates nothing here, says the caller.
            unsafe { host.slab.for_each_cell(each) };
        }
    }
}

impl Core {
    /// The pinned task whose turn it is when nothing else is to be run.
    #[inline]
    pub(super) fn next_pinned(&self) -> Option<Notified> {
        if self.is_host.get() {
            return host()?.next();
        }
        None
    }

    /// Whether a pinned task is ready.
    pub(super) fn has_pinned_work(&self) -> bool {
        self.is_host.get() && host().is_some_and(|host| host.count_ready() > 0)
    }

    /// Whether there are pinned tasks, ready or not.
    pub(super) fn has_pinned(&self) -> bool {
        self.is_host.get() && host().is_some_and(|host| host.live.get() > 0)
    }

    /// Gives unused memory of pinned tasks back. A hermit keeps it until it ends.
    pub(super) fn trim_pinned(&self) {
        if self.is_host.get() {
            host().into_iter().for_each(|host| {
                host.slab.trim();
            });
        }
    }

    /// Whether there is more of that to come though nothing is spawned.
    pub(super) fn has_pinned_excess(&self) -> bool {
        self.is_host.get() && host().is_some_and(|host| host.slab.has_excess())
    }

    /// A batch, or what there was of it, is over: so many pinned tasks come next as are ready now and fit another; none if they have just had a turn.
    pub(super) fn begin_pinned_turn(&self) {
        let have_others_run = self.remote().polls_in(0) != self.pinned_ended.get();
        let ready = if have_others_run {
            host().map_or(0, |host| host.count_ready())
        } else {
            0
        };
        self.pinned_turn
            .set(ready.min(self.batch_polls.get() as usize));
    }

    /// The next task of that turn. The batch is over again after its poll, unless it was the last.
    pub(super) fn next_in_pinned_turn(&self) -> Option<Notified> {
        let left = self.pinned_turn.get().checked_sub(1)?;
        self.pinned_turn.set(left);
        let Some(task) = self.next_pinned() else {
            // The core has left them behind, on another thread, in the middle of their turn.
            self.pinned_turn.set(0);
            self.begin_batch();
            return None;
        };
        let after_poll = self.remote().polls_in(1);
        self.pinned_ended.set(after_poll);
        if left > 0 {
            self.batch_ends.set(after_poll);
        } else {
            self.begin_batch();
        }
        Some(task)
    }
}

impl Schedule for OwnThread {
    #[inline]
    unsafe fn is_home(cell: NonNull<Header>) -> bool {
        // SAFETY: passed on to the caller.
        let home = unsafe { home_of(cell) };
        host().is_some_and(|host| Arc::ptr_eq(&host.home, home))
    }

    fn schedule(task: Notified) {
        // SAFETY: a task that is to be scheduled is live.
        let home = unsafe { home_of(task.as_raw()) };
        match host() {
            Some(host) if Arc::ptr_eq(&host.home, home) => host.ready.borrow_mut().push_back(task),
            _ => home.send(task),
        }
    }

    fn reschedule(task: Notified) {
        Self::schedule(task);
    }

    fn with_unshared(cell: NonNull<Header>, act: impl FnOnce() -> bool) -> bool {
        // On its own thread nobody else can get at the task, wherever it is queued.
        // SAFETY: the caller's join handle keeps the cell.
        let is_home = unsafe { Self::is_home(cell) };
        is_home && act()
    }

    fn poll_is_over(cell: NonNull<Header>) {
        with_core(|core| core.into_iter().for_each(|core| core.end_poll_of(cell)));
    }

    #[cold]
    unsafe fn unhandled_panic(cell: NonNull<Header>, panic: Unhandled) {
        // SAFETY: passed on to the caller.
        (unsafe { home_of(cell) }.on_panic)(panic);
    }

    unsafe fn free(cell: NonNull<Header>, _class: Class) {
        // SAFETY: passed on to the caller.
        if unsafe { Self::is_home(cell) } {
            if let Some(host) = host() {
                // SAFETY: passed on to the caller.
                unsafe { host.slab.free(cell.cast(), || {}) };
            }
        } else {
            // SAFETY: passed on to the caller.
            unsafe { slab::free_remote::<Home>(cell.cast()) };
        }
    }
}

impl Home {
    /// From another thread.
    fn send(&self, task: Notified) {
        if let Some(driver) = self.inbox.push(task) {
            driver.unpark();
        }
    }
}

/// # Safety
///
/// The cell is live, and came from the slab of a host.
#[inline]
unsafe fn home_of<'a>(cell: NonNull<Header>) -> &'a Arc<Home> {
    // SAFETY: passed on to the caller.
    unsafe { slab::owner_of::<Home>(cell.cast()) }
}

impl<F: Future> Future for Pinned<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned with the whole, which has no destructor and moves nothing out.
        unsafe { self.map_unchecked_mut(|this| &mut this.future) }.poll(cx)
    }
}

impl Live {
    fn count(host: &Host) -> Self {
        host.live.set(host.live.get() + 1);
        Self
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // None at the end of the thread, when nobody counts any more.
        if let Some(host) = host() {
            host.live.set(host.live.get() - 1);
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;

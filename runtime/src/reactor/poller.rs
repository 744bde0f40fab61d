//! What has the kernel to report to one worker?
//!
//! Each worker has an epoll instance of its own, in a lock that the worker holds only while it waits or sweeps; meanwhile an idle sibling, or the
//! sentinel, may sweep it (`try_lock`, no wait). Descriptors are registered once, edge-triggered, for what they will ever be used for.
//!
//! An `unpark` must end the owner's wait even if a thief fetches its event first. So there is a flag beside the eventfd: it is set before the eventfd is
//! written, the owner looks at it under the lock before it waits, and whoever fetches the event without having waited sets it again.
//!
//! The kernel knows a registration by the open file and its number. Who closes a descriptor behind our back leaves us with a number that may be somebody else's by now, and taking that
//! out would take out the other's registration. So each poller knows which registration a number belongs to: the last one that succeeded. An earlier one that is still there has been
//! robbed; its waiters are told, no operation is tried any more, and what it does with the number counts no more. Whoever ends a registration takes its number out before it gives its slot back, so
//! the slot of a number's owner is never another's.
//!
//! This file is the door to mio.

use super::owners::Owners;
use super::readiness::Event;
use super::source::{Events, Source};
use super::table::{Place, Table, Token};
use crate::driver::{Driver, Wait};
use crate::sys::clock::{Clock, Stamp};
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use crate::sys::sync::{Arc, Mutex};
use crate::util::wake_batch::WakeBatch;
use mio::unix::SourceFd;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Weak;
use std::time::Duration;

/// How many events one turn takes at most; more stay in the kernel for the next.
const EVENTS_PER_TURN: usize = 1024;

/// The token of the eventfd that ends a wait. No slot gets this number: there are fewer descriptors.
const UNPARK: mio::Token = mio::Token(usize::MAX);

/// The token of another poller that is watched: that it has something is all there is to know. No slot has one as high.
const WATCHED: mio::Token = mio::Token(usize::MAX - 1);

/// What concerns reading. Urgent bytes too: what waits behind them is told of with them, and never again.
const READS: mio::Interest = mio::Interest::READABLE.add(mio::Interest::PRIORITY);

const _: () = assert!(usize::BITS == 64, "a token takes 64 bits");

/// What a descriptor will be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
    Both,
}

/// One worker's epoll instance. On lines of its own: its worker locks it for each wait.
#[repr(align(128))]
pub(crate) struct Poller {
    /// These three are taken out when the runtime ends, since a handle or a waker may live on for long.
    waiting: Mutex<Option<Waiting>>,
    registry: Mutex<Option<Registry>>,
    unpark: Mutex<Option<mio::Waker>>,
    is_unparked: AtomicBool,
    table: Table<Weak<Self>>,
    /// Says when events were found.
    clock: Arc<dyn Clock>,
    is_shut_down: AtomicBool,
}

struct Waiting {
    poll: mio::Poll,
    events: mio::Events,
}

struct Registry {
    registry: mio::Registry,
    /// Which slot each number belongs to: of a registration that is there, since whoever ends one takes its number out first.
    owners: Owners,
}

/// A descriptor's place with a poller.
#[derive(Debug)]
pub(crate) struct Registration(Place<Weak<Poller>>);

impl Registration {
    /// Of whoever has this, until it is [ended](Self::end).
    #[inline]
    pub(crate) fn source(&self) -> &Source {
        self.0.source()
    }

    /// Registers a descriptor that was [postponed](Poller::postpone) for both directions, if nobody has done it yet. What is ready by now is an event, so nothing is lost to whoever has left a waker before.
    ///
    /// # Errors
    ///
    /// As for [`Poller::register`]. It may be tried again.
    #[inline]
    pub(crate) fn watch(&self, descriptor: RawFd) -> io::Result<()> {
        if !self.source().is_postponed() {
            return Ok(());
        }
        match self.0.home().upgrade() {
            Some(poller) => poller.register_postponed(descriptor, self),
            // The source says that the runtime has ended.
            None => Ok(()),
        }
    }

    /// Takes the descriptor out, from any thread. Events of it that were fetched already find nothing. True if its number belongs to another by now.
    ///
    /// To be called once, before the descriptor is closed: as soon as this returns, the source may be another's.
    pub(crate) fn end(&self, descriptor: RawFd) -> bool {
        match self.0.home().upgrade() {
            Some(poller) => poller.deregister(descriptor, self),
            // Nobody watches any more, and nobody uses the source again.
            None => self.source().is_robbed(),
        }
    }
}

impl Poller {
    /// # Errors
    ///
    /// If no epoll instance or eventfd is to be had; the error names which.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> io::Result<Self> {
        let poll = mio::Poll::new().map_err(step("cannot make an epoll instance"))?;
        let registry = poll
            .registry()
            .try_clone()
            .map_err(step("cannot duplicate an epoll instance"))?;
        let unpark = mio::Waker::new(&registry, UNPARK).map_err(step("cannot make an eventfd"))?;
        let events = mio::Events::with_capacity(EVENTS_PER_TURN);
        Ok(Self {
            waiting: Mutex::new(Some(Waiting { poll, events })),
            registry: Mutex::new(Some(Registry {
                registry,
                owners: Owners::default(),
            })),
            unpark: Mutex::new(Some(unpark)),
            is_unparked: AtomicBool::new(false),
            table: Table::default(),
            clock,
            is_shut_down: AtomicBool::new(false),
        })
    }

    /// Registers a descriptor. It stays registered until [`Registration::end`], which comes before it is closed.
    ///
    /// # Errors
    ///
    /// What `epoll_ctl(2)` says: `EPERM` for a regular file, `ENOSPC` beyond the user's watches, `ENOMEM`, `EEXIST` for one registered twice.
    pub(crate) fn register(
        self: &Arc<Self>,
        descriptor: RawFd,
        interest: Interest,
    ) -> io::Result<Registration> {
        let place = self.table.insert(|| Arc::downgrade(self));
        let token = place.token();
        let mut robbed = WakeBatch::new();
        let registered = match &mut *self.registry.lock() {
            Some(registry) => registry.add(descriptor, token, interest).map(|before| {
                if let Some(before) = before {
                    self.rob(before, &mut robbed);
                }
            }),
            // The source says so, below.
            None => Ok(()),
        };
        if let Err(error) = registered {
            self.table.remove(token);
            return Err(step("cannot register a descriptor with epoll")(error));
        }
        robbed.wake_all();
        self.learn_of_shutdown(place.source());
        Ok(Registration(place))
    }

    /// Makes a place for a descriptor, and leaves it to whoever has to wait for it first to tell the kernel, by [`Registration::watch`].
    ///
    /// # Errors
    ///
    /// None, unless the number belongs to somebody: whether it is another descriptor's by now the kernel knows, who is told at once then, as by [`register`](Self::register).
    pub(crate) fn postpone(self: &Arc<Self>, descriptor: RawFd) -> io::Result<Registration> {
        let place = self.table.insert(|| Arc::downgrade(self));
        place.source().postpone();
        let is_owned = match &mut *self.registry.lock() {
            Some(registry) => !registry.owners.try_insert(descriptor, place.token().slot()),
            // The source says so, below.
            None => false,
        };
        if is_owned {
            self.table.remove(place.token());
            return self.register(descriptor, Interest::Both);
        }
        self.learn_of_shutdown(place.source());
        Ok(Registration(place))
    }

    /// See [`Registration::watch`].
    #[cold]
    fn register_postponed(&self, descriptor: RawFd, registration: &Registration) -> io::Result<()> {
        let source = registration.source();
        match &mut *self.registry.lock() {
            Some(registry) if source.is_postponed() && !source.is_robbed() => {
                let told = registry.tell(descriptor, registration.0.token(), Interest::Both);
                told.map_err(step("cannot register a descriptor with epoll"))?;
                source.end_postponement();
            }
            // Somebody else has been faster, or the source says why nobody is to wait any more.
            _ => {}
        }
        Ok(())
    }

    fn learn_of_shutdown(&self, source: &Source) {
        // ORDERING: Acquire and the table's lock; partner is the store in `shutdown`: either this sees the flag or `for_all` the source.
        if self.is_shut_down.load(Ordering::Acquire) {
            // Too late for `shutdown` to have seen it; without this it would wait for ever.
            source.shut_down(&mut WakeBatch::new());
        }
    }

    /// See [`Registration::end`].
    fn deregister(&self, descriptor: RawFd, registration: &Registration) -> bool {
        let token = registration.0.token();
        if let Some(registry) = &mut *self.registry.lock() {
            registry.remove(descriptor, token, registration.source().is_postponed());
        }
        // From here on the number is not known to be its own, so nobody robs it any more.
        let is_robbed = registration.source().is_robbed();
        self.table.remove(token);
        is_robbed
    }

    /// The number of this registration belongs to another. Under the registry's lock, which its owner takes before it gives the registration back.
    #[cold]
    fn rob(&self, slot: u32, ready: &mut WakeBatch) {
        self.table.with_slot(slot, |source| source.rob(ready));
    }

    /// How many descriptors are registered.
    pub(crate) fn source_count(&self) -> usize {
        self.table.len()
    }

    /// The runtime has ended: no event comes any more, and whoever waits learns it.
    pub(crate) fn shutdown(&self, ready: &mut WakeBatch) {
        // ORDERING: Release and the table's lock; partner is the load in `learn_of_shutdown`: either that sees the flag or `for_all` the source.
        self.is_shut_down.store(true, Ordering::Release);
        self.table.for_all(|source| source.shut_down(ready));
        drop(self.waiting.lock().take());
        drop(self.registry.lock().take());
        drop(self.unpark.lock().take());
    }
}

impl Registry {
    /// Watches a descriptor. Who had its number until now is given back: it has been closed behind our back.
    fn add(
        &mut self,
        descriptor: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<Option<u32>> {
        self.tell(descriptor, token, interest)?;
        Ok(self.owners.insert(descriptor, token.slot()))
    }

    /// Has the kernel tell of a descriptor.
    fn tell(&self, descriptor: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let to_kernel = mio::Token(token.to_bits() as usize);
        let registry = &self.registry;
        registry.register(&mut SourceFd(&descriptor), to_kernel, interest.to_mio())
    }

    /// Watches a descriptor no longer, unless its number belongs to another.
    fn remove(&mut self, descriptor: RawFd, token: Token, is_postponed: bool) {
        if self.owners.remove(descriptor, token.slot()) && !is_postponed {
            // It fails only if the descriptor was closed behind our back, and then it is out already.
            let _ = self.registry.deregister(&mut SourceFd(&descriptor));
        }
    }
}

impl Driver for Poller {
    fn turn(&self, wait: Wait, ready: &mut WakeBatch) {
        let sweep = wait == Wait::Sweep;
        let mut waiting = match sweep {
            true => match self.waiting.try_lock() {
                Some(waiting) => waiting,
                None => return,
            },
            false => self.waiting.lock(),
        };
        // ORDERING: Acquire pairs with `unpark`'s Release: what its caller did before is ours to see.
        let timeout = match wait {
            _ if !sweep && self.is_unparked.swap(false, Ordering::Acquire) => Some(Duration::ZERO),
            Wait::Sweep => Some(Duration::ZERO),
            Wait::AtMost(timeout) => Some(timeout),
            Wait::Forever => None,
        };
        let Some(Waiting { poll, events }) = &mut *waiting else {
            return;
        };
        match poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => panic!(
                "epoll_wait failed, which only a closed or corrupted descriptor explains: {error}"
            ),
        }
        if events.is_empty() {
            return;
        }
        // Once for all of them, which a wait of 0.3 us and more has found.
        let at = Stamp::of(self.clock.now());
        let mut was_unparked = false;
        let events = events.iter().filter_map(|event| {
            if event.token() >= WATCHED {
                was_unparked |= event.token() == UNPARK;
                return None;
            }
            Some((Token::from_bits(event.token().0 as u64), from_mio(event)))
        });
        self.table
            .for_each(events, |source, events| source.deliver(events, at, ready));
        if was_unparked {
            // The owner's wait has ended by it, or is still to be ended by it.
            // ORDERING: Relaxed: under the lock, which orders it with the owner's next look.
            self.is_unparked.store(sweep, Ordering::Relaxed);
        }
    }

    fn unpark(&self) {
        // ORDERING: Release pairs with the Acquire in `turn`.
        self.is_unparked.store(true, Ordering::Release);
        // An eventfd can only refuse when its counter is full, and then it is readable, which is what we want.
        if let Some(unpark) = &*self.unpark.lock() {
            let _ = unpark.wake();
        }
    }

    fn watch(&self, other: &dyn Driver) -> bool {
        // One lock at a time: two may be at this with each other.
        let other = other.descriptor();
        let (Some(registry), Some(other)) = (&*self.registry.lock(), other) else {
            return false;
        };
        // It is refused where the other one watches this one (`ELOOP`), or when there are too many watches.
        let registry = &registry.registry;
        let is_watched = registry.register(&mut SourceFd(&other), WATCHED, mio::Interest::READABLE);
        is_watched.is_ok()
    }

    fn unwatch(&self, other: &dyn Driver) {
        let other = other.descriptor();
        if let (Some(registry), Some(other)) = (&*self.registry.lock(), other) {
            // It fails only if the other one is gone, and then it is out already.
            let _ = registry.registry.deregister(&mut SourceFd(&other));
        }
    }

    fn new_post(&self) -> Option<Arc<dyn Driver>> {
        let post = Self::new(self.clock.clone()).ok()?;
        Some(Arc::new(post))
    }

    fn descriptor(&self) -> Option<RawFd> {
        let registry = self.registry.lock();
        registry.as_ref().map(|all| all.registry.as_raw_fd())
    }
}

impl Interest {
    fn to_mio(self) -> mio::Interest {
        match self {
            Self::Read => READS,
            Self::Write => mio::Interest::WRITABLE,
            Self::Both => READS.add(mio::Interest::WRITABLE),
        }
    }
}

#[inline]
fn from_mio(event: &mio::event::Event) -> Events {
    let is_more = event.is_error()
        || event.is_write_closed()
        || event.is_read_closed()
        || event.is_priority();
    if is_more {
        return all_from_mio(event);
    }
    Events {
        read: Event::READY.when(event.is_readable()),
        write: Event::READY.when(event.is_writable()),
    }
}

/// What says more than that it is ready.
#[cold]
fn all_from_mio(event: &mio::event::Event) -> Events {
    let error = Event::ERROR.when(event.is_error());
    let read = Event::READY.when(event.is_readable());
    let write = Event::READY.when(event.is_writable());
    Events {
        read: read
            .and(Event::CLOSED.when(event.is_read_closed()))
            .and(Event::URGENT.when(event.is_priority()))
            .and(error),
        write: write
            .and(Event::CLOSED.when(event.is_write_closed()))
            .and(error),
    }
}

/// Says in an error which step failed, and keeps its kind.
fn step(what: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("is_unparked", &self.is_unparked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Direction;
    use crate::sys::clock::SystemClock;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn poller() -> io::Result<Arc<Poller>> {
        Poller::new(Arc::new(SystemClock)).map(Arc::new)
    }

    fn sweep(poller: &Poller) -> usize {
        let mut ready = WakeBatch::new();
        poller.turn(Wait::Sweep, &mut ready);
        ready.len()
    }

    fn watched(poller: &Arc<Poller>) -> (UnixStream, UnixStream, Registration) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let registration = poller.register(theirs.as_raw_fd(), Interest::Both).unwrap();
        sweep(poller);
        for direction in [Direction::Read, Direction::Write] {
            if let Some(seen) = registration.source().look(direction) {
                registration.source().clear(direction, seen);
            }
        }
        (ours, theirs, registration)
    }

    #[test]
    fn data_makes_readable_and_an_end_makes_final() {
        let poller = poller().unwrap();
        let (mut ours, theirs, registration) = watched(&poller);
        sweep(&poller);
        assert!(registration.source().look(Direction::Read).is_none());
        ours.write_all(b"x").unwrap();
        sweep(&poller);
        assert!(
            registration
                .source()
                .look(Direction::Read)
                .unwrap()
                .may_be_drained()
        );
        drop(ours);
        sweep(&poller);
        assert!(
            !registration
                .source()
                .look(Direction::Read)
                .unwrap()
                .may_be_drained()
        );
        registration.end(theirs.as_raw_fd());
    }

    #[test]
    fn nothing_comes_after_deregistration() {
        let poller = poller().unwrap();
        let (mut ours, theirs, registration) = watched(&poller);
        assert!(!registration.end(theirs.as_raw_fd()));
        let (_ours, _theirs, next) = watched(&poller);
        assert!(std::ptr::eq(next.source(), registration.source()));
        ours.write_all(b"x").unwrap();
        sweep(&poller);
        assert!(next.source().look(Direction::Read).is_none());
    }

    #[test]
    fn a_postponed_descriptor_is_registered_once_and_what_is_ready_by_then_is_told() {
        let poller = poller().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let number = theirs.as_raw_fd();
        let registration = poller.postpone(number).unwrap();
        assert_eq!(poller.source_count(), 1);
        let source = registration.source();
        source.clear(Direction::Read, source.look(Direction::Read).unwrap());
        ours.write_all(b"x").unwrap();
        sweep(&poller);
        assert!(source.look(Direction::Read).is_none());
        for _ in 0..2 {
            registration.watch(number).unwrap();
            assert!(!source.is_postponed());
        }
        sweep(&poller);
        assert!(source.look(Direction::Read).is_some());
        assert!(!registration.end(number));
        assert_eq!(poller.source_count(), 0);
        assert!(poller.registry.lock().as_ref().unwrap().owners.is_empty());
    }

    #[test]
    fn a_number_is_taken_from_and_by_a_postponed_descriptor() {
        let poller = poller().unwrap();
        let (_ours, theirs, first) = watched(&poller);
        let number = theirs.as_raw_fd();
        let replace = || {
            let (ours, next) = UnixStream::pair().unwrap();
            // SAFETY: two numbers; what the second stood for is closed by that, and `theirs` owns from now on what it stands for.
            assert_eq!(unsafe { libc::dup2(next.as_raw_fd(), number) }, number);
            ours
        };
        let refused = poller.postpone(number).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert!(!first.source().is_robbed(), "it is the same descriptor");
        let _ours = replace();
        let second = poller.postpone(number).unwrap();
        assert!(!second.source().is_postponed(), "the kernel was asked");
        assert!(first.source().is_robbed() && first.end(number));
        assert!(!second.end(number));
        let third = poller.postpone(number).unwrap();
        let _ours = replace();
        let fourth = poller.postpone(number).unwrap();
        assert!(third.source().is_robbed() && !fourth.source().is_robbed());
        third.watch(number).unwrap();
        assert!(third.source().is_postponed(), "it is not its own any more");
        assert!(third.end(number) && !fourth.end(number));
        assert_eq!(poller.source_count(), 0);
        assert!(poller.registry.lock().as_ref().unwrap().owners.is_empty());
    }

    #[test]
    fn a_postponed_descriptor_that_is_refused_stays_postponed() {
        let poller = poller().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let registration = poller.postpone(file.as_raw_fd()).unwrap();
        for _ in 0..2 {
            let refused = registration.watch(file.as_raw_fd());
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("cannot register"), "{error}");
        }
        assert!(!registration.end(file.as_raw_fd()));
        assert_eq!(poller.source_count(), 0);
    }

    #[test]
    fn the_next_owner_of_a_number_stays_registered_when_the_last_one_goes() {
        let poller = poller().unwrap();
        let (_ours, theirs, robbed) = watched(&poller);
        let number = theirs.as_raw_fd();
        let (mut ours, next) = UnixStream::pair().unwrap();
        next.set_nonblocking(true).unwrap();
        // SAFETY: two numbers; what the second stood for is closed by that, and `theirs` owns from now on what it stands for.
        assert_eq!(unsafe { libc::dup2(next.as_raw_fd(), number) }, number);
        let registration = poller.register(number, Interest::Both).unwrap();
        assert!(robbed.source().is_robbed() && !registration.source().is_robbed());
        sweep(&poller);
        let seen = registration.source().look(Direction::Read).unwrap();
        registration.source().clear(Direction::Read, seen);
        assert!(robbed.end(number));
        ours.write_all(b"x").unwrap();
        sweep(&poller);
        assert!(registration.source().look(Direction::Read).is_some());
        assert!(!registration.end(number));
        assert!(poller.registry.lock().as_ref().unwrap().owners.is_empty());
    }

    #[test]
    fn who_has_the_slot_of_one_that_was_robbed_is_not_robbed_with_the_number() {
        let poller = poller().unwrap();
        let (_ours, theirs, first) = watched(&poller);
        let number = theirs.as_raw_fd();
        let replace = || {
            let (_, next) = UnixStream::pair().unwrap();
            // SAFETY: two numbers; what the second stood for is closed by that, and `theirs` owns from now on what it stands for.
            assert_eq!(unsafe { libc::dup2(next.as_raw_fd(), number) }, number);
            poller.register(number, Interest::Both).unwrap()
        };
        let second = replace();
        assert!(first.end(number));
        let (_ours, another, in_its_slot) = watched(&poller);
        assert!(std::ptr::eq(in_its_slot.source(), first.source()));
        let third = replace();
        assert!(second.source().is_robbed());
        assert!(!in_its_slot.source().is_robbed() && !third.source().is_robbed());
        assert!(second.end(number) && !third.end(number));
        assert!(!in_its_slot.end(another.as_raw_fd()));
        assert_eq!(poller.source_count(), 0);
    }

    #[test]
    fn an_unpark_that_a_thief_fetched_still_ends_the_wait() {
        let poller = poller().unwrap();
        poller.unpark();
        sweep(&poller);
        sweep(&poller);
        // Would wait for ever.
        poller.turn(Wait::Forever, &mut WakeBatch::new());
    }

    #[test]
    fn an_unpark_ends_one_wait() {
        let poller = poller().unwrap();
        poller.unpark();
        poller.turn(Wait::Forever, &mut WakeBatch::new());
        let other = poller.clone();
        let waiter = std::thread::spawn(move || other.turn(Wait::Forever, &mut WakeBatch::new()));
        while poller.waiting.try_lock().is_some() {
            std::thread::yield_now();
        }
        assert_eq!(
            sweep(&poller),
            0,
            "a sweep does nothing while the owner waits"
        );
        poller.unpark();
        waiter.join().unwrap();
    }

    #[test]
    fn readiness_of_a_watched_poller_ends_the_wait() {
        let (poller, other) = (poller().unwrap(), poller().unwrap());
        let (mut ours, theirs, registration) = watched(&other);
        assert!(poller.watch(&*other));
        assert!(!other.watch(&*poller), "they would wait for each other");
        let writer = std::thread::spawn(move || {
            ours.write_all(b"x").unwrap();
            ours
        });
        // Would wait for ever.
        let mut ready = WakeBatch::new();
        poller.turn(Wait::Forever, &mut ready);
        let ours = writer.join().unwrap();
        assert_eq!(ready.len(), 0, "what is ready is the other one's");
        sweep(&other);
        assert!(registration.source().look(Direction::Read).is_some());
        poller.unwatch(&*other);
        assert!(other.watch(&*poller));
        drop((ours, theirs));
    }

    #[test]
    fn a_regular_file_is_refused_with_the_step() {
        let poller = poller().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let error = poller
            .register(file.as_raw_fd(), Interest::Read)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(
            error
                .to_string()
                .contains("register a descriptor with epoll"),
            "{error}"
        );
        assert_eq!(poller.table.len(), 0);
    }

    #[test]
    fn after_the_end_every_source_says_so() {
        let poller = poller().unwrap();
        let (_ours, theirs, registration) = watched(&poller);
        poller.shutdown(&mut WakeBatch::new());
        assert!(
            registration
                .source()
                .look(Direction::Read)
                .unwrap()
                .is_shut_down()
        );
        let (late, _peer) = UnixStream::pair().unwrap();
        let late = poller.register(late.as_raw_fd(), Interest::Both).unwrap();
        assert!(late.source().look(Direction::Write).unwrap().is_shut_down());
        registration.end(theirs.as_raw_fd());
    }

    #[test]
    fn a_registration_keeps_no_poller() {
        let poller = poller().unwrap();
        let (_ours, theirs, registration) = watched(&poller);
        assert_eq!(Arc::strong_count(&poller), 1);
        drop(poller);
        assert!(!registration.end(theirs.as_raw_fd()));
    }
}

//! Who takes a server from one phase to the next?
//!
//! [`live`], the whole life of a server from the first connection to the last, by the table of [`shutdown`](super::shutdown). It is one future that is polled by whoever called
//! [`serve`](crate::Server::serve): it needs no worker, each of which may be busy in a handler when the time to end has come. Until then a task [accepts](super::accepting).
//!
//! The admin listener has a server of its own inside this one, which begins before and ends after it.

use super::accepting::Accepting;
use super::listener::{Host, Listener, accept_last};
use super::shutdown::{Phase, Registry};
use filch::sync::CancellationToken;
use filch::time::{Duration, sleep};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// How long to wait before those are accepted that there was no descriptor for, which only others can give. A guess.
const RETRY: Duration = Duration::from_millis(50);

/// How a server ended.
///
/// # Examples
///
/// ```
/// use filch_http::{Drained, Server};
///
/// # filch::Runtime::new()?.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?;
/// let stop = async {}; // at once
/// match server.serve_with_shutdown(stop).await? {
///     Drained::Clean => println!("everybody was answered"),
///     Drained::Forced(connections) => println!("{connections} were cut off"),
/// }
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it says whether requests were cut off"]
pub enum Drained {
    /// Every request that was accepted was answered.
    Clean,
    /// The time for draining was over first: so many connections were cut off before their response was sent. If the server was told to end at once, those that had not asked for anything are among
    /// them.
    Forced(usize),
}

/// How long draining may take unless it is set. A guess: what orchestrators give a process before they kill it is more.
pub(crate) const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// How long answers of the admin listener that are under way may take in the end. A guess: they are made already, and go to somebody near.
const ADMIN_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long each phase takes at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    pub(crate) not_ready: Duration,
    pub(crate) lame_duck: Duration,
    pub(crate) draining: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            not_ready: Duration::ZERO,
            lame_duck: Duration::ZERO,
            draining: DRAIN_TIMEOUT_DEFAULT,
        }
    }
}

/// Some listeners, who serves what they accept, and the books of that.
pub(crate) struct Part<H> {
    accepting: Option<Accepting>,
    listeners: Arc<[Listener]>,
    pub(crate) host: H,
    end: EndOnDrop,
}

/// Begins to drain, also when the future of a server is dropped.
pub(crate) struct EndOnDrop {
    pub(crate) registry: Arc<Registry>,
    pub(crate) draining: CancellationToken,
}

impl EndOnDrop {
    /// Nobody is accepted any more: connections close, streams end.
    fn drain(&self) {
        self.registry.advance(Phase::Draining);
        self.draining.cancel();
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.drain();
    }
}

impl<H: Host + Clone + 'static> Part<H> {
    /// Begins to accept.
    pub(crate) fn new(listeners: Vec<Listener>, host: H, end: EndOnDrop) -> Self {
        let listeners = Arc::from(listeners);
        Self {
            accepting: Accepting::from(Arc::clone(&listeners), host.clone()),
            listeners,
            host,
            end,
        }
    }

    /// Accepts until that is not possible any more.
    async fn accept(&mut self) -> io::Error {
        Accepting::failure(&mut self.accepting).await
    }

    /// Takes in who waits to be accepted, closes the listeners, and waits for the last connection to go; when `end` is ready, it cuts off what is left.
    async fn drain_until(&mut self, end: impl Future<Output = ()>) -> Drained {
        self.accepting = None;
        let mut is_all = accept_last(&self.listeners, &self.host);
        self.end.drain();
        let registry = &self.end.registry;
        let empty = async {
            // Who waits in a queue for want of descriptors gets that of one who goes; when all have gone, the last ones'.
            while !is_all {
                let have_all_gone = registry.counts().0 == 0;
                if !have_all_gone {
                    sleep(RETRY).await;
                }
                is_all = accept_last(&self.listeners, &self.host) || have_all_gone;
            }
            self.listeners = Arc::default();
            poll_fn(|cx| registry.poll_empty(cx)).await;
        };
        if until(end, empty).await.is_some() {
            return Drained::Clean;
        }
        self.listeners = Arc::default();
        let left = registry.unanswered();
        registry.advance(Phase::Forced);
        match left {
            0 => Drained::Clean,
            left => Drained::Forced(left),
        }
    }
}

/// Serves until `stop` is ready, then ends phase by phase; `force` goes to the last one at once. A listener that fails, of whichever part, ends the server too, since it would be alive only in part.
pub(crate) async fn live<H: Host + Clone + 'static>(
    mut main: Part<H>,
    mut admin: Part<H>,
    phases: Phases,
    stop: impl Future<Output = ()>,
    force: impl Future<Output = ()>,
) -> io::Result<Drained> {
    let force = pin!(force);
    let mut force = Once(Some(force));
    let mut failure = until(
        first(force.wait(), stop),
        first(main.accept(), admin.accept()),
    )
    .await;
    for (phase, time) in [
        (Phase::NotReady, phases.not_ready),
        (Phase::LameDuck, phases.lame_duck),
    ] {
        main.end.registry.advance(phase);
        if failure.is_none() && !time.is_zero() {
            let over = first(force.wait(), sleep(time));
            failure = until(over, first(main.accept(), admin.accept())).await;
        }
    }
    let end = first(force.wait(), sleep(phases.draining));
    let drained = beside(main.drain_until(end), admin.accept()).await;
    let end = first(force.wait(), sleep(ADMIN_DRAIN_TIMEOUT));
    let _few = admin.drain_until(end).await;
    failure.map_or(Ok(drained), Err)
}

/// A future that may be waited for again when it is over.
struct Once<F>(Option<F>);

impl<F: Future<Output = ()> + Unpin> Once<F> {
    async fn wait(&mut self) {
        if let Some(future) = &mut self.0 {
            future.await;
            self.0 = None;
        }
    }
}

/// The output of whichever is ready first; of both, that of `a`.
pub(crate) async fn first<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| match a.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => b.as_mut().poll(cx),
    })
    .await
}

/// Polls `work` until `stop` is ready; `None` if that came first. `stop` is asked first, since work that is never done
/// may use up what a task can do in one turn.
async fn until<W: Future>(stop: impl Future<Output = ()>, work: W) -> Option<W::Output> {
    let stop = async {
        stop.await;
        None
    };
    first(stop, async { Some(work.await) }).await
}

/// The output of `main`, while `other` is polled beside it, and may end before.
async fn beside<M: Future>(main: M, other: impl Future) -> M::Output {
    let other = async {
        other.await;
        std::future::pending().await
    };
    first(main, other).await
}

#[cfg(test)]
mod tests {
    use super::super::census::Room;
    use super::super::listener::Arrival;
    use super::*;
    use std::future::{pending, ready};

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn which_is_first() {
        assert_eq!(poll(first(ready(1), ready(2))), Poll::Ready(1));
        assert_eq!(poll(first(pending(), ready(2))), Poll::Ready(2));
        assert_eq!(poll(until(ready(()), ready(2))), Poll::Ready(None));
        assert_eq!(poll(until(pending(), ready(2))), Poll::Ready(Some(2)));
        assert_eq!(poll(beside(ready(1), ready(2))), Poll::Ready(1));
        assert!(poll(beside(pending::<()>(), ready(2))).is_pending());
    }

    #[derive(Clone)]
    struct Nobody;

    impl Host for Nobody {
        fn receive(&self, _: Arrival) {}

        fn sweep(&self) -> impl Future<Output = ()> + Send {
            pending()
        }
    }

    /// One with a connection that does not go, or with none.
    fn part(is_in_use: bool) -> Part<Nobody> {
        let registry = Arc::new(Registry::new());
        if is_in_use {
            registry.enter(None, &Room::ENDLESS).expect("there is room");
        }
        let end = EndOnDrop {
            registry,
            draining: CancellationToken::new(),
        };
        Part::new(Vec::new(), Nobody, end)
    }

    /// Whichever part has a connection that stays: a server that is told to end at once waits for none.
    #[test]
    fn force_waits_for_nobody() {
        let runtime = filch::Runtime::new().expect("a runtime");
        for (of_main, of_admin, drained) in [
            (false, false, Drained::Clean),
            (true, false, Drained::Forced(1)),
            (false, true, Drained::Clean),
            (true, true, Drained::Forced(1)),
        ] {
            let (main, admin) = (part(of_main), part(of_admin));
            let ended = runtime.block_on(async {
                poll(live(main, admin, Phases::default(), pending(), ready(())))
            });
            let Poll::Ready(Ok(ended)) = ended else {
                panic!("{of_main}, {of_admin}: {ended:?}");
            };
            assert_eq!(ended, drained);
        }
    }

    #[test]
    fn what_is_over_stays_over() {
        let mut once = Once(Some(ready(())));
        assert!(poll(once.wait()).is_ready());
        assert!(poll(once.wait()).is_ready());
    }
}

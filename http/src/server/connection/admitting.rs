//! When may a request go to its handler, and what do the server's books learn of it?
//!
//! When the server has room for it ([`admission`](crate::server::admission)); until then it waits, and is turned away after a while, or at once if too many wait already. A handler that takes too long is
//! dropped. Before all that it is asked whether the request has waited too long for its thread ([`lateness`](crate::server::lateness)). The permit comes back when the handler has given its response, and while it waits for its client to send more of the body: otherwise a few clients that announce bodies and send none would
//! shut the service. Before it goes on it needs one again, for which it waits in the queue, however long that is, but for no longer than others. A body in pieces that follows the response is bounded by the connections, since who reads it slowly would otherwise
//! keep others from their handlers.

use super::waiting::WaitsFor;
use super::{Connection, Step};
use crate::response::Response;
use crate::server::metrics::{Rejected, Took};
use crate::server::transport::Transport;
use crate::server::{overload, shield};
use filch::time::{Instant, Stamp};
use std::task::{Context, Poll};

/// Which time a handler adds to the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandlerTime {
    /// There is no handler.
    None,
    /// None, if it answers at once.
    Untimed,
    /// That since the request began.
    Timed,
    /// The same, and it has waited.
    Waits,
}

impl<T: Transport> Connection<T> {
    /// Waits until the request may go to its handler.
    #[inline]
    pub(super) fn poll_admit(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let now = Stamp::recent();
        let waited_ms = self.since.waited_ms(now);
        if self.seat.service.lateness.is_worth_a_look(waited_ms) && self.is_too_late(waited_ms, now)
        {
            return Poll::Ready(Err(Rejected::Late));
        }
        if self.seat.try_admit() {
            return Poll::Ready(Ok(()));
        }
        let exchange = self.work.as_mut().and_then(|work| work.exchange.get_mut());
        let path = exchange.map_or("", |exchange| exchange.view().path());
        match self.seat.poll_admit(path, cx) {
            // Nobody who is answered late is helped, and those behind would be later still. The permit goes back with the answer.
            Poll::Ready(Ok(())) if self.has_waited_too_long() => {
                Poll::Ready(Err(Rejected::QueueTime))
            }
            admitted => admitted,
        }
    }

    /// Whether it waited so long for its thread that the server has no time for it any more. Once for each request: who has been in the queue has been asked before.
    #[cold]
    fn is_too_late(&mut self, waited_ms: u32, now: Stamp) -> bool {
        if self.waits_for == WaitsFor::Turn || self.seat.is_guest() {
            return false;
        }
        let exchange = self.work.as_mut().and_then(|work| work.exchange.get_mut());
        let path = exchange.map_or("", |exchange| exchange.view().path());
        let service = &self.seat.service;
        !service.is_exempt(path) && service.lateness.judge(waited_ms, now)
    }

    /// Whether its turn has come when its time in the queue was over, though the task learns of both at once.
    #[cold]
    fn has_waited_too_long(&mut self) -> bool {
        let deadline = self.work.as_ref().map(|work| &work.deadline);
        self.waits_for == WaitsFor::Turn && deadline.is_some_and(|it| it.is_over(Instant::now()))
    }

    #[inline]
    pub(super) fn handler_begins(&mut self) {
        self.current.is_new = false;
        self.current.handler = match self.seat.is_timed() {
            true => HandlerTime::Timed,
            false => HandlerTime::Untimed,
        };
        if self.current.handler == HandlerTime::Timed {
            self.note_begin();
        }
    }

    /// Takes note of when the request began, if nobody has.
    fn note_begin(&mut self) {
        if let Some(work) = &mut self.work {
            work.began.get_or_insert_with(Instant::now);
        }
    }

    /// It did not answer at once.
    #[inline]
    pub(super) fn handler_waits(&mut self) {
        if self.current.handler == HandlerTime::Waits {
            return;
        }
        let now = Instant::recent();
        self.current.handler = HandlerTime::Waits;
        if let Some(work) = &mut self.work {
            work.began.get_or_insert(now);
            work.handler_waits_since = Some(now);
        }
    }

    /// The request has its response: the books learn of it, and the next request may have its permit.
    #[inline(always)]
    pub(super) fn account(&mut self, response: &Response) {
        let took = match std::mem::replace(&mut self.current.handler, HandlerTime::None) {
            HandlerTime::None => None,
            HandlerTime::Untimed => Some(Took::Untimed),
            HandlerTime::Timed => Some(Took::AtOnce(self.elapsed())),
            HandlerTime::Waits => Some(Took::Waited(self.elapsed())),
        };
        self.seat.finish(response.status(), took);
    }

    /// The same off the common path.
    #[cold]
    pub(super) fn account_slow(&mut self, response: &Response) {
        self.account(response);
    }

    /// Answers a request with 503 that is not to go to its handler, or not to stay there: then the handler's future is dropped.
    #[cold]
    pub(super) fn turn_away(&mut self, why: Rejected) -> Step {
        if let Some(work) = &mut self.work {
            shield::shield(|| work.slot.clear());
        }
        self.seat.rejected(why);
        self.current.is_new = false;
        self.current.rejected = Some(why);
        self.finish(overload::response(why))
    }

    /// A guest has asked for nothing yet, and is told that it need not.
    #[cold]
    pub(super) fn send_off(&mut self) -> Step {
        self.work();
        self.seat.rejected(Rejected::Guest);
        self.current.rejected = Some(Rejected::Guest);
        self.refuse(overload::response(Rejected::Guest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limits, Timeouts};
    use crate::server::admission::Turn;
    use crate::server::census::Room;
    use crate::server::drain::Part;
    use crate::server::peer::Peer;
    use crate::server::seat::Seat;
    use crate::server::{Server, Service};
    use filch::time::Duration;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::pin::pin;
    use std::sync::Arc;

    /// A server that has room for one request at a time, and for another that waits for so long. It drains when it is dropped.
    fn serving(queue: Duration) -> Part<Arc<Service>> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listener = filch_net::TcpListener::from_std(listener).expect("a runtime");
        let server = Server::from_listener(listener)
            .limits(Limits {
                requests: 1,
                queue: 1,
                ..Limits::DEFAULT
            })
            .timeouts(Timeouts {
                queue,
                ..Timeouts::default()
            });
        server.into_part(Room::ENDLESS)
    }

    /// Its task is polled for the first time again when both its turn and the end of its time have come.
    #[test]
    fn a_turn_that_comes_too_late_is_none() {
        let runtime = filch::Runtime::new().expect("a runtime");
        let queue = Duration::from_millis(200);
        for (queue, status) in [(1000 * queue, "404"), (queue, "503")] {
            let (mut client, stream) = UnixStream::pair().expect("two sockets");
            let answer = runtime.block_on(async {
                let serving = serving(queue);
                let service = serving.host.clone();
                let place = service.registry.enter(None, &Room::ENDLESS);
                let seat = Seat::new(
                    service.clone(),
                    Peer::of(None),
                    place.expect("there is room"),
                );
                let stream = filch_net::UnixStream::from_std(stream).expect("a runtime");
                let mut connection = pin!(Connection::new(stream, seat));
                assert!(service.admission.try_enter() || is_granted(&service));
                client
                    .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    .expect("there is room");
                std::future::poll_fn(|cx| {
                    assert!(connection.as_mut().poll(cx).is_pending());
                    match service.admission.in_queue() {
                        0 => Poll::Pending,
                        _ => Poll::Ready(()),
                    }
                })
                .await;
                let granted_at = Instant::now() + Duration::from_millis(300);
                while Instant::now() < granted_at {
                    std::thread::yield_now();
                }
                service.admission.leave();
                std::future::poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await
            });
            assert!(answer.is_pending(), "the connection stays");
            let mut head = [0; 12];
            client.read_exact(&mut head).expect("an answer");
            assert_eq!(head[9..], *status.as_bytes());
        }
    }

    /// The status of a request that has come 200 ms before its connection's task has its turn, in virtual time.
    async fn status_of_late_one(service: &Arc<Service>, path: &str) -> String {
        let (mut client, stream) = UnixStream::pair().expect("two sockets");
        let place = service.registry.enter(None, &Room::ENDLESS);
        let seat = Seat::new(
            service.clone(),
            Peer::of(None),
            place.expect("there is room"),
        );
        write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").expect("there is room");
        let stream = filch_net::UnixStream::from_std(stream).expect("a runtime");
        let mut connection = pin!(Connection::new(stream, seat));
        filch::time::advance(Duration::from_millis(200)).await;
        let answer = std::future::poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
        assert!(answer.is_pending(), "the connection stays");
        let mut head = [0; 12];
        client.read_exact(&mut head).expect("an answer");
        String::from_utf8_lossy(&head[9..]).into_owned()
    }

    #[test]
    fn late_ones_are_turned_away_when_most_are_late_and_exempt_ones_do_not_count() {
        let runtime = filch::runtime::Builder::new().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let serving = serving(Duration::from_secs(1));
            let service = serving.host.clone();
            for _ in 0..20 {
                assert_eq!(status_of_late_one(&service, "/healthz").await, "404");
            }
            assert!(!service.lateness.is_worth_a_look(0), "all is calm");
            // Eight in 1.6 s.
            for _ in 0..8 {
                assert_eq!(status_of_late_one(&service, "/").await, "404");
            }
            assert_eq!(status_of_late_one(&service, "/").await, "503");
            assert_eq!(status_of_late_one(&service, "/healthz").await, "404");
        });
    }

    fn is_granted(service: &Service) -> bool {
        matches!(service.admission.enter_slow(), Turn::Granted)
    }
}

//! What does the access log learn of a request, and when?
//!
//! Of a response that is there, its length, before it is sent. Of one whose body comes in pieces, how much of that was given out, when it has ended in whichever way: until then an [`Entry`] keeps what
//! the log will want, as the request's own bytes may be gone by then.

use super::{Connection, elapsed_since};
use crate::response::Response;
use crate::server::asked::Name;
use crate::server::transport::Transport;
use crate::server::work::Work;
use crate::server::{Access, Service, shield};
use filch::time::Instant;
use http::StatusCode;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is to be told of a response under way. It is told when this is dropped.
pub(super) struct Entry {
    service: Arc<Service>,
    peer: Option<SocketAddr>,
    method: Box<str>,
    target: Box<str>,
    status: StatusCode,
    began: Option<Instant>,
    /// How much of the body was given out.
    body_bytes: u64,
}

impl<T: Transport> Connection<T> {
    #[inline]
    pub(super) fn log(&mut self, response: &Response) {
        if self.seat.service.access_log.is_some() {
            self.log_slow(response);
        }
    }

    #[cold]
    fn log_slow(&mut self, response: &Response) {
        let Some(log) = &self.seat.service.access_log else {
            return;
        };
        let elapsed = self.elapsed();
        let (method, target) = asked(self.work.as_deref_mut());
        let length = response.body().length().unwrap_or(0);
        let access = Access {
            peer: self.seat.peer.address(),
            method,
            target,
            status: response.status(),
            body_bytes: usize::try_from(length).unwrap_or(usize::MAX),
            elapsed,
        };
        // The client is not to blame when a line cannot be written.
        shield::shield(|| log(&access));
        self.was_logged();
    }

    /// What is to be told at the end of this response's body, if anybody listens.
    pub(super) fn log_later(&mut self, response: &Response) -> Option<Box<Entry>> {
        self.seat.service.access_log.as_ref()?;
        let (method, target) = asked(self.work.as_deref_mut());
        let entry = Entry {
            service: self.seat.service.clone(),
            peer: self.seat.peer.address(),
            method: method.into(),
            target: target.into(),
            status: response.status(),
            began: self.began(),
            body_bytes: 0,
        };
        self.was_logged();
        Some(Box::new(entry))
    }

    /// What was asked, as far as an error is told with it.
    pub(super) fn name_request(&mut self) -> Name {
        let (method, target) = asked(self.work.as_deref_mut());
        Name::of(method, target)
    }

    /// The next request may be one that nothing is known of.
    fn was_logged(&mut self) {
        if let Some(work) = &mut self.work {
            work.asked.clear();
        }
    }
}

/// Method and target of the request that is answered, as far as they are known: of one that its handler keeps, only where it is logged.
fn asked(work: Option<&mut Work>) -> (&str, &str) {
    let Some(work) = work else {
        return ("-", "-");
    };
    if let Some(asked) = work.asked.get() {
        return asked;
    }
    let Some(exchange) = work.exchange.get_mut() else {
        return ("-", "-");
    };
    let view = exchange.view();
    (non_empty(view.method()), non_empty(view.target()))
}

impl Entry {
    /// So much more of the body was given out.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.body_bytes += bytes as u64;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(log) = &self.service.access_log else {
            return;
        };
        let access = Access {
            peer: self.peer,
            method: &self.method,
            target: &self.target,
            status: self.status,
            body_bytes: usize::try_from(self.body_bytes).unwrap_or(usize::MAX),
            elapsed: elapsed_since(self.began),
        };
        shield::shield(|| log(&access));
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("target", &self.target)
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}

/// What stands for what is not known.
fn non_empty(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

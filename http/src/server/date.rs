//! How does each response say the time without each asking for it?
//!
//! The fields that are the same for all responses of a second are kept by each thread, and made anew when a second
//! has passed. Nobody wakes up for it: who answers looks at the time that it needs for its deadlines anyway.
//!
//! Rejected: a task that ticks once a second (it wakes an idle process for nothing, and is late on a busy one).

use crate::proto::encode::StandardFields;
use filch::time::{Duration, Instant};
use http::HeaderValue;
use std::cell::RefCell;
use std::time::SystemTime;

struct Cached {
    /// Whose they are: servers of one process may have different names.
    server: u64,
    until: Instant,
    fields: StandardFields,
}

thread_local! {
    static CACHED: RefCell<Option<Cached>> = const { RefCell::new(None) };
}

/// Calls `f` with the fields of now for the server of this name, which `id` tells from others.
#[inline]
pub(crate) fn with_standard_fields<R>(
    id: u64,
    name: Option<&HeaderValue>,
    now: Instant,
    f: impl FnOnce(&StandardFields) -> R,
) -> R {
    CACHED.with_borrow_mut(|cached| {
        f(match cached {
            Some(cached) if cached.server == id && now < cached.until => &cached.fields,
            _ => refresh_slow(cached, id, name, now),
        })
    })
}

#[cold]
fn refresh_slow<'c>(
    cached: &'c mut Option<Cached>,
    id: u64,
    name: Option<&HeaderValue>,
    now: Instant,
) -> &'c StandardFields {
    let date = SystemTime::now();
    let into_second = date
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos();
    // Until the second that the date shows is over.
    let until = now + (Duration::from_secs(1) - Duration::from_nanos(into_second.into()));
    let fields = StandardFields::new(name, date);
    &cached
        .insert(Cached {
            server: id,
            until,
            fields,
        })
        .fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: u64, name: &'static str, now: Instant) -> String {
        let name = HeaderValue::from_static(name);
        with_standard_fields(id, Some(&name), now, |fields| format!("{fields:?}"))
    }

    #[test]
    fn kept_for_the_second_and_for_the_server() {
        let now = Instant::now();
        let first = text(1, "a", now);
        assert_eq!(text(1, "ignored", now), first);
        let other = text(2, "b", now);
        assert_ne!(other, first);
        assert_ne!(text(2, "c", now + Duration::from_secs(2)), other);
    }
}

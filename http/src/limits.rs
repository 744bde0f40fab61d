//! How much may clients ask of a server, and how long may they take?
//!
//! All that a server bounds stands here: sizes and numbers in [`Limits`], times in [`Timeouts`]. All of it is on unless it is changed, each default is a constant
//! beside its reason, and what follows from the shape of the parser is bounded further in [`proto::limits`].
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | a head: bytes, fields, target | [`head_bytes`](Limits::head_bytes), [`fields`](Limits::fields), [`target_bytes`](Limits::target_bytes) | 431, 431, 414; closes |
//! | a body: bytes | [`body_bytes`](Limits::body_bytes) | 413; closes |
//! | a body: its trailers | [`trailer_bytes`](Limits::trailer_bytes), [`trailer_fields`](Limits::trailer_fields) | 431; closes |
//! | a body: how slowly it comes or goes | [`body_rate`](Limits::body_rate) | 408, or the connection closes |
//! | connections, of all and of one address | [`connections`](Limits::connections), [`connections_per_address`](Limits::connections_per_address) | 503 with `Retry-After`; closes |
//! | requests in their handlers | [`requests`](Limits::requests) | they wait in the queue |
//! | requests in the queue | [`queue`](Limits::queue) | 503 with `Retry-After`, at once |
//! | time until its turn comes on its thread | [`Timeouts::lateness`] | 503 with `Retry-After`, if that is how it is with most |
//! | time in the queue | [`Timeouts::queue`] | 503 with `Retry-After` |
//! | time in the handler | [`Timeouts::handler`] | 503; its future is dropped |
//! | time for a head, between requests, within a body, for taking a response, after the last one | [`Timeouts`] | 408, or the connection closes |
//!
//! Which connections and requests these are, and what an overloaded server does, is said in the server's own modules (`server/admission.rs`, `server/census.rs`).

use crate::proto;
use filch::time::Duration;

/// Most connections of a server at a time.
///
/// An idle one costs some 400 bytes here and 4 to 9 kB in the kernel, so all of them nearly half a gigabyte. Where the process may have fewer descriptors, that is the bound: see
/// [`Limits::connections`].
pub const CONNECTIONS_MAX: usize = 64 * 1024;

/// Most connections from one address at a time: a quarter of the requests that may be in their handlers, so that no single client fills a server, whatever it asks for, and not less, since a proxy or a
/// whole company may be one address.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = REQUESTS_MAX / 4;

/// Most requests in their handlers at a time.
///
/// One costs some 20 kB (its buffer, and the future of its handler), so all of them a third of a gigabyte. A server whose requests need more, or something that is scarce, as connections to a database
/// are, wants a limit near the number that it can work at: more than that only makes all of them late.
pub const REQUESTS_MAX: usize = 16 * 1024;

/// Most requests that wait for one of those to end.
///
/// A sixteenth of those in their handlers: a queue takes up what comes unevenly. Who waits at its end waits for about a sixteenth of the time that a handler takes, whatever that is, so
/// that a full queue does not make answers late. A longer one would, and would serve nobody more.
pub const QUEUE_MAX: usize = REQUESTS_MAX / 16;

/// How much clients may ask for. [`Limits::default`] is meant to be left as it is.
///
/// # Units and limits
///
/// Numbers of bytes and of things; what is no bound is `usize::MAX` or `u64::MAX`. The times are [`Timeouts`].
///
/// # Examples
///
/// ```
/// use filch_http::{Limits, Server};
///
/// # filch::Runtime::new()?.block_on(async {
/// // At most 8 requests at a time ask the database; 8 more may wait for it.
/// let limits = Limits { requests: 8, queue: 8, ..Limits::default() };
/// let server = Server::bind("127.0.0.1:0").await?.limits(limits);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest head in bytes; never more than [`HEAD_MAX_BYTES`](proto::limits::HEAD_MAX_BYTES). Then 431.
    pub head_bytes: usize,
    /// Most fields of a head; never more than [`FIELDS_MAX`](proto::limits::FIELDS_MAX). Then 431.
    pub fields: usize,
    /// Longest request target in bytes; never more than the head. Then 414.
    pub target_bytes: usize,
    /// Longest body in bytes. Then 413.
    pub body_bytes: u64,
    /// Least bytes per second of the body of a request, and of a response, while the client is waited for; from
    /// [`BODY_RATE_MIN_BYTES_PER_SECOND`](proto::limits::BODY_RATE_MIN_BYTES_PER_SECOND). Who is slower uses up [`Timeouts::body`] or [`Timeouts::write`]. Zero asks for any.
    pub body_rate: u64,
    /// Longest trailer section of a chunked body in bytes, without the empty line that ends it. Then 431.
    pub trailer_bytes: usize,
    /// Most fields of a trailer section. Then 431.
    pub trailer_fields: usize,
    /// Most connections at a time, from [`CONNECTIONS_MAX`]. One more is answered with 503 and closed.
    ///
    /// If the process may not have as many descriptors (`RLIMIT_NOFILE`), it is what that leaves after a reserve for everything else; otherwise the process would run out of them, and
    /// then nobody is let in any more, not even who asks whether it is alive. Half of what they leave may be files that [`StaticFiles`](crate::StaticFiles) sends; one more is answered with 503. On
    /// Linux a service has 1024 descriptors unless it asks for more.
    pub connections: usize,
    /// Most connections from one address at a time, from [`CONNECTIONS_PER_ADDRESS_MAX`]. One more is answered with 503 and closed.
    ///
    /// An IPv6 address counts by its first 64 bits, which is the least that a customer gets; an IPv4 address is the same one when it is written as IPv6. Unix sockets have no addresses. A server
    /// behind a proxy sees one address and may want `usize::MAX`.
    pub connections_per_address: usize,
    /// Most requests in their handlers at a time, from [`REQUESTS_MAX`]. More wait in the queue. A request is in its handler until that has given its response, but for
    /// the time in which its handler waits for more of its body, as that is its client's to end; before it goes on it may have to wait in the queue. Such requests, and streams of a body that follow a response,
    /// are bounded by the connections.
    pub requests: usize,
    /// Most requests that wait for their handlers, from [`QUEUE_MAX`]. One more is answered with 503 at once.
    pub queue: usize,
}

impl Limits {
    /// The limits of this file and of [`proto::limits`].
    pub const DEFAULT: Self = Self {
        head_bytes: proto::Limits::DEFAULT.head_bytes,
        fields: proto::Limits::DEFAULT.fields,
        target_bytes: proto::Limits::DEFAULT.target_bytes,
        body_bytes: proto::Limits::DEFAULT.body_bytes,
        body_rate: proto::Limits::DEFAULT.body_rate,
        trailer_bytes: proto::Limits::DEFAULT.trailer_bytes,
        trailer_fields: proto::Limits::DEFAULT.trailer_fields,
        connections: CONNECTIONS_MAX,
        connections_per_address: CONNECTIONS_PER_ADDRESS_MAX,
        requests: REQUESTS_MAX,
        queue: QUEUE_MAX,
    };

    /// Those of them that the protocol keeps, within the parser's own bounds.
    pub(crate) fn of_messages(&self) -> proto::Limits {
        let limits = proto::Limits {
            head_bytes: self.head_bytes,
            fields: self.fields,
            target_bytes: self.target_bytes,
            body_bytes: self.body_bytes,
            body_rate: self.body_rate,
            trailer_bytes: self.trailer_bytes,
            trailer_fields: self.trailer_fields,
        };
        limits.bounded()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// From the first byte of a head to its last: a head is one packet, or two on a bad day.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// From one request to the next: browsers reuse a connection within that or not at all.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// That a body may be waited for: a mobile network may be gone for as long.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// That a client may be waited for to take some of a response: as for a body.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// That nothing may come of what the client sends behind the last response: a round trip and some retransmissions.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// In the queue: a person waits for so long, and so do programs that ask again. A guess. In a queue as short as [`QUEUE_MAX`] it matters only where handlers have come to a standstill.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);

/// Until a request's turn comes on its thread: much longer than any thread needs that keeps up, and a tenth of what a person or a program waits for. A guess.
pub const LATENESS_TIMEOUT: Duration = Duration::from_millis(100);

/// In the handler: longer than whoever asks waits for an answer (browsers up to five minutes, proxies one). It is there for handlers that would never end, so that they give back what they hold.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How long everything may take.
///
/// # Units and limits
///
/// A time that is over is noticed within milliseconds, that for a request to come ([`keep_alive`](Self::keep_alive)) within an eighth of a second; while it runs it costs nothing per request. Zero waits for nothing: what is not there, or not
/// taken, at the first look is too late. A time too long to be told, as [`Duration::MAX`], never ends.
///
/// # Examples
///
/// ```
/// use filch::time::Duration;
/// use filch_http::{Server, Timeouts};
///
/// # filch::Runtime::new()?.block_on(async {
/// let timeouts = Timeouts { body: Duration::from_secs(5), ..Timeouts::default() };
/// let server = Server::bind("127.0.0.1:0").await?.timeouts(timeouts);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a head to its last, from [`HEADER_TIMEOUT`]; then 408.
    pub header: Duration,
    /// From one request to the next, from [`KEEP_ALIVE_TIMEOUT`]; then the connection closes, or up to an eighth of the time later, and from 10 to 135 ms. For the first request there is the time of a head at least.
    /// Zero closes after each response. More than twelve days have no end.
    pub keep_alive: Duration,
    /// That a body may be waited for, from [`BODY_TIMEOUT`]; then 408. Each byte that comes gives back the time that it takes at the least rate ([`Limits::body_rate`]), so that it is the time for which
    /// nothing may come, and the grace of a client that is too slow. Also for all that is left of a body whose handler did not want it; then the connection closes.
    pub body: Duration,
    /// That a client may be waited for to take some of a response, in the same way, from [`WRITE_TIMEOUT`]; then the connection closes.
    pub write: Duration,
    /// That nothing may come after the last response, while the client has not ended the connection, from [`LINGER_TIMEOUT`]; then the connection closes. What comes is dropped: a client that is still
    /// sending a large body sees its answer once it looks, and not a reset. All of it has the time of a body at most.
    pub linger: Duration,
    /// From when a request has come to when its turn comes on the thread of its connection, from [`LATENESS_TIMEOUT`]. Where most requests wait for longer than that, handlers compute more than the
    /// processors can; then those that have waited for a quarter of it get 503 with `Retry-After`, until there are not so many. In whole milliseconds. [`Duration::MAX`] turns nobody away, however late.
    pub lateness: Duration,
    /// In the queue for a handler, from [`QUEUE_TIMEOUT`]; then 503 with `Retry-After`. See [`Limits::requests`].
    pub queue: Duration,
    /// From the first wait of a handler to its response, from [`HANDLER_TIMEOUT`]; then its future is dropped where it waits, and the client gets 503: the fault is the server's (which 408 would
    /// not say), and not that of another server behind it (as 504 would). A handler that computes without waiting is not interrupted. What it has spawned goes on.
    pub handler: Duration,
}

impl Timeouts {
    /// The times of this file.
    pub const DEFAULT: Self = Self {
        header: HEADER_TIMEOUT,
        keep_alive: KEEP_ALIVE_TIMEOUT,
        body: BODY_TIMEOUT,
        write: WRITE_TIMEOUT,
        linger: LINGER_TIMEOUT,
        lateness: LATENESS_TIMEOUT,
        queue: QUEUE_TIMEOUT,
        handler: HANDLER_TIMEOUT,
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const _: () = assert!(
    QUEUE_MAX <= REQUESTS_MAX,
    "who waits would wait for longer than a handler takes"
);
const _: () = assert!(
    CONNECTIONS_PER_ADDRESS_MAX <= REQUESTS_MAX / 4,
    "one client could keep all others from their handlers"
);
const _: () = assert!(CONNECTIONS_PER_ADDRESS_MAX <= CONNECTIONS_MAX / 4);

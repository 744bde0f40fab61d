//! What may happen on a connection next, and what must be done about it?
//!
//! The connection is a table, [`TABLE`]: a state and an event give the next state and the action that is owed. It
//! knows nothing of sockets and clocks. States are named after the exchange, not after who looks at it, and events
//! after what was said, not by whom: a server reads the requests and writes the responses, a client the other way
//! round, and both walk the same table; what they owe differs, and where one of them goes on the other may have to
//! give up. [`Printed`] prints it; docs/PROTOCOL.md has it.
//!
//! What is no transition of the table is a mistake of ours, never of the peer: everything that a peer can do is an
//! event that every state answers. A release build then closes the connection.
//!
//! What the table makes unwritable:
//!
//! - a second request before the first is read and answered: what is pipelined waits in the buffer, and is answered in
//!   order; how many answers may gather unsent is bounded by [`PIPELINED_MAX`];
//! - reuse after an answer to a client that waited for `100 Continue` in vain: it may send the body or leave it, and the next
//!   byte could be either (RFC 9110, section 10.1.1);
//! - another protocol that nobody asked for, or one behind a body that was not read.
//!
//! HEAD is no event: its response ends with its head, which the [framing](super::framing) knows.
//!
//! Rejected: one flag for each thing that may be under way (half of their combinations mean nothing, and nobody can
//! list the other half), and a machine for each direction with rules between them (there are more rules than rows here).

mod print;

pub use print::Printed;

/// Where an exchange of request and response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Between requests: nothing of the next one has been seen.
    Idle,
    /// A request has begun; its head is not whole.
    Head,
    /// The head of the request is whole; its client waits for `100 Continue` before it sends the body.
    Expect,
    /// The head of the request is whole, its body is not; no response yet.
    Upload,
    /// The request is whole; no response yet.
    Await,
    /// The request is whole, and asks for another protocol; no response yet.
    Offer,
    /// The response has begun, and the body of the request is not whole.
    Overlap,
    /// The response has begun though the body of the request was not invited: nobody knows whether it comes.
    Uninvited,
    /// The request is whole, and the response has begun.
    Reply,
    /// The response is complete before the body of its request: the rest is to be dropped.
    Drain,
    /// The last response is complete: nothing more is sent, and what still comes in is dropped, so that the peer
    /// reads the response and not a reset.
    Linger,
    /// The connection is none of HTTP any more.
    Tunnel,
    /// Over.
    Closed,
}

/// What was said, or happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Event {
    /// The first byte of a request.
    Begin,
    /// The end of a head that no body follows.
    HeadOnly,
    /// The end of a head that a body follows.
    HeadOfBody,
    /// The end of a head that a body follows as soon as it is invited.
    HeadOfExpectation,
    /// The end of a head that no body follows, and that asks for another protocol: Upgrade or CONNECT.
    HeadOfSwitch,
    /// The response `100 Continue`.
    Continue,
    /// Another interim response.
    Interim,
    /// The first byte of a body that was not invited.
    BodySeen,
    /// The end of the body.
    BodyEnd,
    /// The end of the head of a response whose body is to follow.
    Answering,
    /// The end of a response after which the connection may be used again.
    Response,
    /// The end of a response after which it may not: it said `Connection: close`, ends with the connection, or refused the request.
    LastResponse,
    /// The response that hands the connection over: 101, or 2xx to CONNECT.
    Switch,
    /// The peer will send no more.
    HalfClose,
    /// A deadline has passed, and an answer would be in vain or has been given.
    Expire,
    /// The connection broke, or who it was handed over to is done; or a response cannot be completed.
    Break,
}

/// What the table says is owed after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Go on with what is under way, and wait for the next event.
    Wait,
    /// The server answers the request.
    Answer,
    /// The client sends the body.
    Send,
    /// The client reads the body of the response.
    Receive,
    /// Begin anew with the next request.
    Reuse,
    /// Read the rest of the body, within a bound, and drop it.
    Discard,
    /// Send what is to be sent, shut the sending side, and drop what still comes in, within a bound.
    Shut,
    /// Give the connection, with what was read of it already, to who speaks the other protocol.
    HandOver,
    /// Close without ado.
    Close,
    /// Close, and tell who asked that there is no response, or not all of it.
    Fail,
}

/// Who looks at the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// It reads requests and writes responses.
    Server,
    /// It writes requests and reads responses.
    Client,
}

/// Where a role goes, and what it owes; `None` where the event cannot happen to it.
pub type Cell = Option<(State, Action)>;

/// One row: in this state, upon this event, what a server does and what a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row(pub State, pub Event, pub Cell, pub Cell);

use {Action as A, Event as E, State as S};

const fn to(state: State, action: Action) -> Cell {
    Some((state, action))
}
const NO: Cell = None;
const CLOSE: Cell = to(S::Closed, A::Close);
const FAIL: Cell = to(S::Closed, A::Fail);

/// The machine.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    Row(S::Idle,      E::Begin,             to(S::Head, A::Wait),      to(S::Head, A::Wait)),
    Row(S::Idle,      E::HeadOnly,          to(S::Await, A::Answer),   to(S::Await, A::Wait)),     // A head that arrives whole was never partial.
    Row(S::Idle,      E::HeadOfBody,        to(S::Upload, A::Answer),  to(S::Upload, A::Send)),
    Row(S::Idle,      E::HeadOfExpectation, to(S::Expect, A::Answer),  to(S::Expect, A::Wait)),
    Row(S::Idle,      E::HeadOfSwitch,      to(S::Offer, A::Answer),   to(S::Offer, A::Wait)),
    Row(S::Idle,      E::Continue,          NO,                        CLOSE),                     // What nobody asked for answers nobody's request.
    Row(S::Idle,      E::Interim,           NO,                        CLOSE),
    Row(S::Idle,      E::Answering,         NO,                        CLOSE),
    Row(S::Idle,      E::Response,          NO,                        CLOSE),
    Row(S::Idle,      E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),                     // A refusal of the first bytes; 408 to who was idle.
    Row(S::Idle,      E::Switch,            NO,                        CLOSE),
    Row(S::Idle,      E::HalfClose,         CLOSE,                     CLOSE),
    Row(S::Idle,      E::Expire,            CLOSE,                     CLOSE),
    Row(S::Idle,      E::Break,             CLOSE,                     CLOSE),

    Row(S::Head,      E::HeadOnly,          to(S::Await, A::Answer),   to(S::Await, A::Wait)),
    Row(S::Head,      E::HeadOfBody,        to(S::Upload, A::Answer),  to(S::Upload, A::Send)),
    Row(S::Head,      E::HeadOfExpectation, to(S::Expect, A::Answer),  to(S::Expect, A::Wait)),
    Row(S::Head,      E::HeadOfSwitch,      to(S::Offer, A::Answer),   to(S::Offer, A::Wait)),
    Row(S::Head,      E::Continue,          NO,                        FAIL),                      // An answer to half a request is none.
    Row(S::Head,      E::Interim,           NO,                        FAIL),
    Row(S::Head,      E::Answering,         NO,                        FAIL),
    Row(S::Head,      E::Response,          NO,                        FAIL),
    Row(S::Head,      E::LastResponse,      to(S::Linger, A::Shut),    FAIL),                      // 4xx, 5xx: the head was refused or came too slowly.
    Row(S::Head,      E::Switch,            NO,                        FAIL),
    Row(S::Head,      E::HalfClose,         CLOSE,                     FAIL),                      // Half a request is none.
    Row(S::Head,      E::Expire,            CLOSE,                     FAIL),
    Row(S::Head,      E::Break,             CLOSE,                     FAIL),

    Row(S::Expect,    E::Continue,          to(S::Upload, A::Wait),    to(S::Upload, A::Send)),
    Row(S::Expect,    E::Interim,           to(S::Expect, A::Wait),    to(S::Expect, A::Wait)),
    Row(S::Expect,    E::BodySeen,          to(S::Upload, A::Wait),    to(S::Upload, A::Send)),    // A client need not wait for ever.
    Row(S::Expect,    E::Answering,         to(S::Uninvited, A::Wait), to(S::Uninvited, A::Receive)),
    Row(S::Expect,    E::Response,          NO,                        CLOSE),                     // The server cannot know that the body was kept back.
    Row(S::Expect,    E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Expect,    E::Switch,            NO,                        FAIL),
    Row(S::Expect,    E::HalfClose,         to(S::Upload, A::Wait),    FAIL),                      // Whoever reads the body learns it, and answers.
    Row(S::Expect,    E::Expire,            CLOSE,                     FAIL),
    Row(S::Expect,    E::Break,             CLOSE,                     FAIL),

    Row(S::Upload,    E::Continue,          NO,                        to(S::Upload, A::Wait)),    // To who did not wait for it.
    Row(S::Upload,    E::Interim,           to(S::Upload, A::Wait),    to(S::Upload, A::Wait)),
    Row(S::Upload,    E::BodyEnd,           to(S::Await, A::Wait),     to(S::Await, A::Wait)),
    Row(S::Upload,    E::Answering,         to(S::Overlap, A::Wait),   to(S::Overlap, A::Receive)),
    Row(S::Upload,    E::Response,          to(S::Drain, A::Discard),  CLOSE),                     // An early response. What is left to send is not worth it.
    Row(S::Upload,    E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Upload,    E::Switch,            NO,                        FAIL),
    Row(S::Upload,    E::HalfClose,         to(S::Upload, A::Wait),    FAIL),
    Row(S::Upload,    E::Expire,            CLOSE,                     FAIL),
    Row(S::Upload,    E::Break,             CLOSE,                     FAIL),

    Row(S::Await,     E::Continue,          NO,                        to(S::Await, A::Wait)),
    Row(S::Await,     E::Interim,           to(S::Await, A::Wait),     to(S::Await, A::Wait)),
    Row(S::Await,     E::Answering,         to(S::Reply, A::Wait),     to(S::Reply, A::Receive)),
    Row(S::Await,     E::Response,          to(S::Idle, A::Reuse),     to(S::Idle, A::Reuse)),
    Row(S::Await,     E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Await,     E::Switch,            NO,                        FAIL),
    Row(S::Await,     E::HalfClose,         to(S::Await, A::Wait),     FAIL),                      // It has asked, and may still be answered.
    Row(S::Await,     E::Expire,            CLOSE,                     FAIL),
    Row(S::Await,     E::Break,             CLOSE,                     FAIL),

    Row(S::Offer,     E::Continue,          NO,                        to(S::Offer, A::Wait)),
    Row(S::Offer,     E::Interim,           to(S::Offer, A::Wait),     to(S::Offer, A::Wait)),
    Row(S::Offer,     E::Answering,         to(S::Reply, A::Wait),     to(S::Reply, A::Receive)),  // Declined: an answer like any other.
    Row(S::Offer,     E::Response,          to(S::Idle, A::Reuse),     to(S::Idle, A::Reuse)),
    Row(S::Offer,     E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Offer,     E::Switch,            to(S::Tunnel, A::HandOver), to(S::Tunnel, A::HandOver)),
    Row(S::Offer,     E::HalfClose,         to(S::Offer, A::Wait),     FAIL),
    Row(S::Offer,     E::Expire,            CLOSE,                     FAIL),
    Row(S::Offer,     E::Break,             CLOSE,                     FAIL),

    Row(S::Overlap,   E::BodyEnd,           to(S::Reply, A::Wait),     to(S::Reply, A::Wait)),
    Row(S::Overlap,   E::Response,          to(S::Drain, A::Discard),  CLOSE),
    Row(S::Overlap,   E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Overlap,   E::HalfClose,         to(S::Overlap, A::Wait),   FAIL),
    Row(S::Overlap,   E::Expire,            CLOSE,                     FAIL),
    Row(S::Overlap,   E::Break,             CLOSE,                     FAIL),

    Row(S::Uninvited, E::Response,          NO,                        CLOSE),
    Row(S::Uninvited, E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Uninvited, E::HalfClose,         to(S::Uninvited, A::Wait), FAIL),
    Row(S::Uninvited, E::Expire,            CLOSE,                     FAIL),
    Row(S::Uninvited, E::Break,             CLOSE,                     FAIL),

    Row(S::Reply,     E::Response,          to(S::Idle, A::Reuse),     to(S::Idle, A::Reuse)),
    Row(S::Reply,     E::LastResponse,      to(S::Linger, A::Shut),    CLOSE),
    Row(S::Reply,     E::HalfClose,         to(S::Reply, A::Wait),     FAIL),
    Row(S::Reply,     E::Expire,            CLOSE,                     FAIL),
    Row(S::Reply,     E::Break,             CLOSE,                     FAIL),

    Row(S::Drain,     E::BodyEnd,           to(S::Idle, A::Reuse),     NO),
    Row(S::Drain,     E::LastResponse,      to(S::Linger, A::Shut),    NO),                        // More is left than is worth reading.
    Row(S::Drain,     E::HalfClose,         CLOSE,                     NO),
    Row(S::Drain,     E::Expire,            CLOSE,                     NO),
    Row(S::Drain,     E::Break,             CLOSE,                     NO),

    Row(S::Linger,    E::HalfClose,         CLOSE,                     NO),
    Row(S::Linger,    E::Expire,            CLOSE,                     NO),
    Row(S::Linger,    E::Break,             CLOSE,                     NO),

    Row(S::Tunnel,    E::HalfClose,         to(S::Tunnel, A::Wait),    to(S::Tunnel, A::Wait)),    // Of interest to the other protocol alone.
    Row(S::Tunnel,    E::Expire,            CLOSE,                     CLOSE),
    Row(S::Tunnel,    E::Break,             CLOSE,                     CLOSE),
];

/// Most responses that may gather before they are sent, when requests are pipelined. The next request then waits in the
/// buffer.
///
/// A guess: clients that pipeline at all have 16 under way, and the memory of the answers is bounded apart from their number.
pub const PIPELINED_MAX: u16 = 64;

const STATES: usize = S::Closed as usize + 1;
const EVENTS: usize = E::Break as usize + 1;

/// The same by role, state and event.
static MATRIX: [[[Cell; EVENTS]; STATES]; 2] = [matrix(Role::Server), matrix(Role::Client)];

const fn matrix(role: Role) -> [[Cell; EVENTS]; STATES] {
    let mut matrix = [[None; EVENTS]; STATES];
    let mut is_taken = [[false; EVENTS]; STATES];
    let mut at = 0;
    while at < TABLE.len() {
        let Row(state, event, server, client) = TABLE[at];
        assert!(
            !is_taken[state as usize][event as usize],
            "two rows for one state and event"
        );
        is_taken[state as usize][event as usize] = true;
        matrix[state as usize][event as usize] = match role {
            Role::Server => server,
            Role::Client => client,
        };
        at += 1;
    }
    matrix
}

/// A connection's place in the table.
///
/// # Examples
///
/// ```
/// use filch_http::proto::conn::{Action, Conn, Event, State};
///
/// let mut conn = Conn::new();
/// assert_eq!(conn.on(Event::HeadOnly), Action::Answer);
/// assert_eq!(conn.on(Event::Response), Action::Reuse);
/// assert_eq!(conn.state(), State::Idle);
///
/// let mut conn = Conn::client();
/// assert_eq!(conn.on(Event::HeadOfExpectation), Action::Wait);
/// assert_eq!(conn.on(Event::Continue), Action::Send);
/// assert_eq!(conn.on(Event::HalfClose), Action::Fail);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conn {
    role: Role,
    state: State,
    /// Complete responses since [`sent`](Self::sent).
    unsent: u16,
}

impl Conn {
    /// A server's connection on which nothing has happened.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Role::Server)
    }

    /// A client's.
    #[must_use]
    pub const fn client() -> Self {
        Self::of(Role::Client)
    }

    const fn of(role: Role) -> Self {
        Self {
            role,
            state: State::Idle,
            unsent: 0,
        }
    }

    /// Where it stands.
    #[must_use]
    #[inline]
    pub const fn state(self) -> State {
        self.state
    }

    /// Whether an event can happen now.
    #[must_use]
    #[inline]
    pub fn may(self, event: Event) -> bool {
        self.cell(event).is_some()
    }

    /// Takes an event into account and says what is owed.
    ///
    /// # Panics
    ///
    /// With debug assertions, when the table has no such row.
    #[must_use = "the action is owed to the peer"]
    #[inline(always)]
    pub fn on(&mut self, event: Event) -> Action {
        let cell = self.cell(event);
        debug_assert!(
            cell.is_some(),
            "{:?} cannot happen in {:?}",
            event,
            self.state
        );
        let (next, action) = cell.unwrap_or((State::Closed, Action::Close));
        self.state = next;
        if action == Action::Reuse {
            self.unsent = self.unsent.saturating_add(1);
        }
        action
    }

    /// Whether so many responses have gathered unsent that they must be sent before another request is looked at.
    #[must_use]
    #[inline]
    pub const fn is_batch_full(self) -> bool {
        self.unsent >= PIPELINED_MAX
    }

    /// Takes note that all responses were sent.
    #[inline]
    pub const fn sent(&mut self) {
        self.unsent = 0;
    }

    #[inline(always)]
    fn cell(&self, event: Event) -> Cell {
        MATRIX[self.role as usize][self.state as usize][event as usize]
    }
}

impl Default for Conn {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

//! What may happen on a connection next, and what must be done about it?
//!
//! The connection is a table, [`TABLE`]: a state and an event give the next state and the action that is owed. It
//! knows nothing of sockets and clocks. States are named after the exchange, not after who looks at it, and events
//! after what was said, not by whom: a server reads the requests and writes the responses, a client the other way
//! round, and both may walk the same table.
//!
//! `cargo test -p filch-http print_table -- --nocapture` prints it.
//!
//! What is no transition of the table is a mistake of ours, never of the peer: everything that a peer can do is an
//! event that every state answers. A release build then closes the connection.
//!
//! Rejected: one flag for each thing that may be under way (half of their combinations mean nothing, and nobody can
//! list the other half).

use std::fmt;

/// Where an exchange of request and response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Between requests: nothing of the next one has been seen.
    Idle,
    /// A request has begun; its head is not whole.
    Head,
    /// The head of the request is whole, its body is not; no response yet.
    Upload,
    /// The request is whole; no response yet.
    Await,
    /// The response is complete before the body of its request: the rest is to be dropped.
    Drain,
    /// The last response is complete: nothing more is sent, and what still comes in is dropped, so that the peer
    /// reads the response and not a reset.
    Linger,
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
    /// The end of the body.
    BodyEnd,
    /// The end of a response after which the connection may be used again.
    Response,
    /// The end of a response after which it may not: it said `Connection: close`, or refused the request.
    LastResponse,
    /// The client will send no more.
    HalfClose,
    /// A deadline has passed, and an answer would be in vain or has been given.
    Expire,
    /// The connection broke.
    Break,
}

/// What the table says is owed after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Wait for the next event.
    Wait,
    /// The server answers the request; a client waits for the response.
    Answer,
    /// Begin anew with the next request.
    Reuse,
    /// Read the rest of the body, within a bound, and drop it.
    Discard,
    /// Send what is to be sent, shut the sending side, and drop what still comes in, within a bound.
    Shut,
    /// Close without ado.
    Close,
}

/// One row: in this state, upon this event, go there and do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row(pub State, pub Event, pub State, pub Action);

use {Action as A, Event as E, State as S};

/// The machine.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    Row(S::Idle,   E::Begin,        S::Head,   A::Wait),
    Row(S::Idle,   E::HeadOnly,     S::Await,  A::Answer),  // A head that arrives whole was never partial.
    Row(S::Idle,   E::HeadOfBody,   S::Upload, A::Answer),
    Row(S::Idle,   E::LastResponse, S::Linger, A::Shut),    // A refusal of the first bytes.
    Row(S::Idle,   E::HalfClose,    S::Closed, A::Close),
    Row(S::Idle,   E::Expire,       S::Closed, A::Close),
    Row(S::Idle,   E::Break,        S::Closed, A::Close),

    Row(S::Head,   E::HeadOnly,     S::Await,  A::Answer),
    Row(S::Head,   E::HeadOfBody,   S::Upload, A::Answer),
    Row(S::Head,   E::LastResponse, S::Linger, A::Shut),    // 4xx, 5xx: the head was refused or came too slowly.
    Row(S::Head,   E::HalfClose,    S::Closed, A::Close),   // Half a request is none.
    Row(S::Head,   E::Expire,       S::Closed, A::Close),
    Row(S::Head,   E::Break,        S::Closed, A::Close),

    Row(S::Upload, E::BodyEnd,      S::Await,  A::Wait),
    Row(S::Upload, E::Response,     S::Drain,  A::Discard), // An early response; the body is still on its way.
    Row(S::Upload, E::LastResponse, S::Linger, A::Shut),
    Row(S::Upload, E::HalfClose,    S::Upload, A::Wait),    // Whoever reads the body learns it, and answers.
    Row(S::Upload, E::Expire,       S::Closed, A::Close),
    Row(S::Upload, E::Break,        S::Closed, A::Close),

    Row(S::Await,  E::Response,     S::Idle,   A::Reuse),
    Row(S::Await,  E::LastResponse, S::Linger, A::Shut),
    Row(S::Await,  E::HalfClose,    S::Await,  A::Wait),    // It has asked, and may still be answered.
    Row(S::Await,  E::Expire,       S::Closed, A::Close),
    Row(S::Await,  E::Break,        S::Closed, A::Close),

    Row(S::Drain,  E::BodyEnd,      S::Idle,   A::Reuse),
    Row(S::Drain,  E::LastResponse, S::Linger, A::Shut),    // More is left than is worth reading.
    Row(S::Drain,  E::HalfClose,    S::Closed, A::Close),
    Row(S::Drain,  E::Expire,       S::Closed, A::Close),
    Row(S::Drain,  E::Break,        S::Closed, A::Close),

    Row(S::Linger, E::HalfClose,    S::Closed, A::Close),
    Row(S::Linger, E::Expire,       S::Closed, A::Close),
    Row(S::Linger, E::Break,        S::Closed, A::Close),
];

const STATES: [State; 7] = [
    S::Idle,
    S::Head,
    S::Upload,
    S::Await,
    S::Drain,
    S::Linger,
    S::Closed,
];
const EVENTS: [Event; 9] = [
    E::Begin,
    E::HeadOnly,
    E::HeadOfBody,
    E::BodyEnd,
    E::Response,
    E::LastResponse,
    E::HalfClose,
    E::Expire,
    E::Break,
];

type Cell = Option<(State, Action)>;

/// The same by state and event. An event that is missing there is none that can happen.
static MATRIX: [[Cell; EVENTS.len()]; STATES.len()] = matrix();

const fn matrix() -> [[Cell; EVENTS.len()]; STATES.len()] {
    let mut matrix = [[None; EVENTS.len()]; STATES.len()];
    let mut at = 0;
    while at < TABLE.len() {
        let Row(state, event, next, action) = TABLE[at];
        assert!(
            matrix[state as usize][event as usize].is_none(),
            "two rows for one state and event"
        );
        matrix[state as usize][event as usize] = Some((next, action));
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
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conn {
    state: State,
}

impl Conn {
    /// A connection on which nothing has happened.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Idle }
    }

    /// Where it stands.
    #[must_use]
    #[inline]
    pub const fn state(self) -> State {
        self.state
    }

    /// Takes an event into account and says what is owed.
    ///
    /// # Panics
    ///
    /// With debug assertions, when the table has no such row.
    #[must_use = "the action is owed to the peer"]
    #[inline]
    pub fn on(&mut self, event: Event) -> Action {
        let cell = MATRIX[self.state as usize][event as usize];
        debug_assert!(
            cell.is_some(),
            "{:?} cannot happen in {:?}",
            event,
            self.state
        );
        let (next, action) = cell.unwrap_or((State::Closed, Action::Close));
        self.state = next;
        action
    }
}

impl Default for Conn {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints the table: a row for each state, a column for each event.
#[derive(Debug, Clone, Copy)]
pub struct Printed;

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| |")?;
        for event in EVENTS {
            write!(f, " {event:?} |")?;
        }
        writeln!(f, "\n|---|{}", "---|".repeat(EVENTS.len()))?;
        for state in STATES {
            write!(f, "| **{state:?}** |")?;
            for event in EVENTS {
                match MATRIX[state as usize][event as usize] {
                    Some((next, action)) => write!(f, " {next:?}, {action:?} |")?,
                    None => write!(f, " |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn print_table() {
        let printed = Printed.to_string();
        println!("{printed}");
        assert_eq!(printed.lines().count(), STATES.len() + 2);
    }

    /// Walks every path of the table: each state is reached, each but the last can be left, and what ends is closed.
    #[test]
    fn every_state_is_reached_and_leads_to_the_end() {
        let mut reached = vec![State::Idle];
        let mut at = 0;
        while at < reached.len() {
            for event in EVENTS {
                let Some((next, _)) = MATRIX[reached[at] as usize][event as usize] else {
                    continue;
                };
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            at += 1;
        }
        assert_eq!(reached.len(), STATES.len(), "{reached:?}");
    }

    /// What comes from outside is answered wherever it comes.
    #[test]
    fn the_peer_and_the_clock_are_answered_in_every_state() {
        for state in STATES.into_iter().filter(|state| *state != State::Closed) {
            for event in [Event::HalfClose, Event::Expire, Event::Break] {
                assert!(
                    MATRIX[state as usize][event as usize].is_some(),
                    "{event:?} in {state:?}"
                );
            }
        }
        assert!(MATRIX[State::Closed as usize].iter().all(Option::is_none));
    }

    /// The action and the state it leads to fit each other.
    #[test]
    fn actions_belong_to_states() {
        for Row(_, _, next, action) in TABLE {
            let expected: &[State] = match action {
                Action::Wait => &[State::Head, State::Upload, State::Await],
                Action::Answer => &[State::Upload, State::Await],
                Action::Reuse => &[State::Idle],
                Action::Discard => &[State::Drain],
                Action::Shut => &[State::Linger],
                Action::Close => &[State::Closed],
            };
            assert!(expected.contains(next), "{action:?} with {next:?}");
        }
    }

    #[test]
    fn an_exchange_with_a_body() {
        let mut conn = Conn::new();
        let steps = [
            (Event::Begin, Action::Wait),
            (Event::HeadOfBody, Action::Answer),
            (Event::BodyEnd, Action::Wait),
            (Event::Response, Action::Reuse),
            (Event::HeadOfBody, Action::Answer),
            (Event::Response, Action::Discard),
            (Event::BodyEnd, Action::Reuse),
            (Event::HeadOnly, Action::Answer),
            (Event::HalfClose, Action::Wait),
            (Event::LastResponse, Action::Shut),
            (Event::HalfClose, Action::Close),
        ];
        for (event, action) in steps {
            assert_eq!(conn.on(event), action, "{event:?}");
        }
    }
}

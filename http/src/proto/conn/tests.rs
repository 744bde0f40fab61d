//! Tests of the table: each row is walked in each role, everything from outside is answered, and no walk at random leads where
//! a connection must not go.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ROLES: [Role; 2] = [Role::Server, Role::Client];

#[rustfmt::skip]
const ALL_STATES: [State; STATES] = [
    S::Idle, S::Head, S::Expect, S::Upload, S::Await, S::Offer, S::Overlap, S::Uninvited, S::Reply, S::Drain, S::Linger, S::Tunnel, S::Closed,
];
#[rustfmt::skip]
const ALL_EVENTS: [Event; EVENTS] = [
    E::Begin, E::HeadOnly, E::HeadOfBody, E::HeadOfExpectation, E::HeadOfSwitch, E::Continue, E::Interim, E::BodySeen, E::BodyEnd,
    E::Answering, E::Response, E::LastResponse, E::Switch, E::HalfClose, E::Expire, E::Break,
];

fn cell(role: Role, state: State, event: Event) -> Cell {
    MATRIX[role as usize][state as usize][event as usize]
}

/// The shortest way from the beginning to each state that a role can reach.
fn ways(role: Role) -> BTreeMap<u8, Vec<Event>> {
    let mut ways = BTreeMap::from([(S::Idle as u8, Vec::new())]);
    let mut queue = vec![S::Idle];
    while let Some(state) = queue.pop() {
        for event in ALL_EVENTS {
            if let Some((next, _)) = cell(role, state, event) {
                let mut way = ways[&(state as u8)].clone();
                way.push(event);
                if ways
                    .get(&(next as u8))
                    .is_none_or(|known| known.len() > way.len())
                {
                    ways.insert(next as u8, way);
                    queue.push(next);
                }
            }
        }
    }
    ways
}

fn after(role: Role, way: &[Event]) -> Conn {
    let mut conn = Conn::of(role);
    for event in way {
        let _owed = conn.on(*event);
    }
    conn
}

#[test]
fn the_lists_are_whole() {
    assert!(
        ALL_STATES
            .iter()
            .enumerate()
            .all(|(at, state)| *state as usize == at)
    );
    assert!(
        ALL_EVENTS
            .iter()
            .enumerate()
            .all(|(at, event)| *event as usize == at)
    );
}

#[test]
fn every_path_is_walked() {
    let mut walked = 0;
    for role in ROLES {
        let ways = ways(role);
        for Row(state, event, server, client) in TABLE {
            let expected = if role == Role::Server { server } else { client };
            let Some(way) = ways.get(&(*state as u8)) else {
                assert_eq!(*expected, None, "{state:?} is out of reach of a {role:?}");
                continue;
            };
            let mut conn = after(role, way);
            assert_eq!(conn.state(), *state);
            assert_eq!(conn.may(*event), expected.is_some());
            if let Some((next, action)) = expected {
                assert_eq!(
                    conn.on(*event),
                    *action,
                    "{event:?} in {state:?} by {way:?}"
                );
                assert_eq!(conn.state(), *next);
                walked += 1;
            }
        }
    }
    let cells = TABLE.iter().map(|Row(_, _, server, client)| {
        usize::from(server.is_some()) + usize::from(client.is_some())
    });
    assert_eq!(walked, cells.sum::<usize>());
}

#[test]
fn every_state_is_reached_and_leads_to_the_end() {
    for role in ROLES {
        let ways = ways(role);
        for state in ALL_STATES {
            let is_for_servers = matches!(state, S::Drain | S::Linger);
            assert_eq!(
                ways.contains_key(&(state as u8)),
                role == Role::Server || !is_for_servers,
                "{role:?} {state:?}"
            );
            let can_break = cell(role, state, E::Break).is_some_and(|(next, _)| next == S::Closed);
            assert_eq!(
                can_break,
                ways.contains_key(&(state as u8)) && state != S::Closed,
                "{role:?} {state:?}"
            );
        }
    }
}

/// What comes from outside is answered wherever it comes. Within a body nothing but its end can be read.
#[test]
fn the_peer_and_the_clock_are_answered_in_every_state() {
    const HEADS: &[Event] = &[
        E::HeadOnly,
        E::HeadOfBody,
        E::HeadOfExpectation,
        E::HeadOfSwitch,
    ];
    const RESPONSES: &[Event] = &[
        E::Continue,
        E::Interim,
        E::Answering,
        E::Response,
        E::LastResponse,
        E::Switch,
    ];
    for role in ROLES {
        for state in ways(role).keys().map(|at| ALL_STATES[usize::from(*at)]) {
            let from_peer: &[Event] = match (role, state) {
                (_, S::Closed) => {
                    assert!(
                        ALL_EVENTS
                            .iter()
                            .all(|event| cell(role, state, *event).is_none())
                    );
                    continue;
                }
                (Role::Server, S::Idle | S::Head) => HEADS,
                (Role::Server, S::Expect) => &[E::BodySeen],
                (Role::Server, S::Upload | S::Overlap | S::Drain) => &[E::BodyEnd],
                (Role::Client, S::Idle | S::Head | S::Expect | S::Upload | S::Await | S::Offer) => {
                    RESPONSES
                }
                (Role::Client, S::Overlap | S::Uninvited | S::Reply) => {
                    &[E::Response, E::LastResponse]
                }
                _ => &[],
            };
            for event in from_peer.iter().chain(&[E::HalfClose, E::Expire, E::Break]) {
                assert!(
                    cell(role, state, *event).is_some(),
                    "{role:?}: {event:?} in {state:?}"
                );
            }
        }
    }
    assert!(cell(Role::Server, S::Idle, E::Begin).is_some());
}

/// The action and the state it leads to fit each other, and the role.
#[test]
fn actions_belong_to_states_and_roles() {
    let fits = |next: State, action: Action, role: Role| {
        let (states, roles): (&[State], &[Role]) = match action {
            A::Wait => (
                &[
                    S::Head,
                    S::Expect,
                    S::Upload,
                    S::Await,
                    S::Offer,
                    S::Overlap,
                    S::Uninvited,
                    S::Reply,
                    S::Tunnel,
                ],
                &ROLES,
            ),
            A::Answer => (&[S::Expect, S::Upload, S::Await, S::Offer], &[Role::Server]),
            A::Send => (&[S::Upload], &[Role::Client]),
            A::Receive => (&[S::Overlap, S::Uninvited, S::Reply], &[Role::Client]),
            A::Reuse => (&[S::Idle], &ROLES),
            A::Discard => (&[S::Drain], &[Role::Server]),
            A::Shut => (&[S::Linger], &[Role::Server]),
            A::HandOver => (&[S::Tunnel], &ROLES),
            A::Close => (&[S::Closed], &ROLES),
            A::Fail => (&[S::Closed], &[Role::Client]),
        };
        states.contains(&next) && roles.contains(&role)
    };
    for Row(state, event, server, client) in TABLE {
        for (role, cell) in [(Role::Server, server), (Role::Client, client)] {
            let is_good = cell.is_none_or(|(next, action)| fits(next, action, role));
            assert!(is_good, "{role:?}: {event:?} in {state:?}");
        }
    }
}

fn walk(mut conn: Conn, steps: &[(Event, Action)]) -> State {
    for (event, action) in steps {
        assert_eq!(conn.on(*event), *action, "{event:?}");
    }
    conn.state()
}

#[test]
fn exchanges_with_a_body() {
    let state = walk(
        Conn::new(),
        &[
            (E::Begin, A::Wait),
            (E::HeadOfBody, A::Answer),
            (E::BodyEnd, A::Wait),
            (E::Response, A::Reuse),
            (E::HeadOfBody, A::Answer),
            (E::Response, A::Discard),
            (E::BodyEnd, A::Reuse),
            (E::HeadOfBody, A::Answer),
            (E::Answering, A::Wait),
            (E::BodyEnd, A::Wait),
            (E::Response, A::Reuse),
            (E::HeadOnly, A::Answer),
            (E::HalfClose, A::Wait),
            (E::Answering, A::Wait),
            (E::LastResponse, A::Shut),
            (E::HalfClose, A::Close),
        ],
    );
    assert_eq!(state, S::Closed);
    let state = walk(
        Conn::client(),
        &[
            (E::HeadOfBody, A::Send),
            (E::Answering, A::Receive),
            (E::BodyEnd, A::Wait),
            (E::Response, A::Reuse),
            (E::HeadOnly, A::Wait),
            (E::Interim, A::Wait),
            (E::Answering, A::Receive),
            (E::HalfClose, A::Fail),
        ],
    );
    assert_eq!(state, S::Closed);
}

/// RFC 9110, section 10.1.1.
#[test]
fn an_invitation() {
    let invited = [
        (E::HeadOfExpectation, A::Answer),
        (E::Interim, A::Wait),
        (E::Continue, A::Wait),
        (E::BodyEnd, A::Wait),
        (E::Response, A::Reuse),
    ];
    assert_eq!(walk(Conn::new(), &invited), S::Idle);
    let unasked = [
        (E::HeadOfExpectation, A::Answer),
        (E::BodySeen, A::Wait),
        (E::BodyEnd, A::Wait),
        (E::Response, A::Reuse),
    ];
    assert_eq!(walk(Conn::new(), &unasked), S::Idle);
    // Answered without: there is no way back.
    for early in [
        &[E::HeadOfExpectation][..],
        &[E::HeadOfExpectation, E::Answering],
    ] {
        let conn = after(Role::Server, early);
        assert!(!conn.may(E::Response) && conn.may(E::LastResponse));
    }
}

/// RFC 9110, sections 7.8 and 9.3.6.
#[test]
fn other_protocols() {
    for role in ROLES {
        let offered = after(role, &[E::HeadOfSwitch]);
        let mut accepted = offered;
        assert_eq!(accepted.on(E::Switch), A::HandOver);
        assert_eq!(accepted.on(E::HalfClose), A::Wait);
        assert_eq!(accepted.on(E::Break), A::Close);
        assert_eq!(walk(offered, &[(E::Response, A::Reuse)]), S::Idle);
    }
    for head in [E::HeadOnly, E::HeadOfBody, E::HeadOfExpectation] {
        assert!(!after(Role::Server, &[head]).may(E::Switch));
        assert_eq!(after(Role::Client, &[head]).on(E::Switch), A::Fail);
    }
}

#[test]
fn so_many_answers_gather() {
    let mut conn = Conn::new();
    for answered in 0..=PIPELINED_MAX + 1 {
        assert_eq!(
            conn.is_batch_full(),
            answered >= PIPELINED_MAX,
            "{answered}"
        );
        assert_eq!(
            (conn.on(E::HeadOnly), conn.on(E::Response)),
            (A::Answer, A::Reuse)
        );
    }
    conn.sent();
    assert!(!conn.is_batch_full());
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "BodyEnd cannot happen in Idle")]
fn what_cannot_happen_is_our_mistake() {
    let _owed = Conn::new().on(E::BodyEnd);
}

/// What must hold of a connection, said without the table: how far the request is, how far the response, and what each has let
/// slip.
#[derive(Debug, Default)]
struct Model {
    request: Progress,
    response: Progress,
    asked: u64,
    answered: u64,
    /// The client waits for an invitation that it did not get.
    is_uninvited: bool,
    is_offered: bool,
    /// Nothing may come after this.
    is_over: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Progress {
    #[default]
    Nothing,
    Begun,
    Whole,
}

impl Model {
    fn on(&mut self, event: Event) {
        use Progress::{Begun, Nothing, Whole};
        assert!(
            !self.is_over || matches!(event, E::HalfClose | E::Expire | E::Break | E::LastResponse)
        );
        match event {
            E::Begin => {
                assert_eq!((self.request, self.response), (Nothing, Nothing));
                self.request = Begun;
                self.asked += 1;
            }
            E::HeadOnly | E::HeadOfBody | E::HeadOfExpectation | E::HeadOfSwitch => {
                if self.request == Nothing {
                    self.on(E::Begin);
                }
                self.request = if matches!(event, E::HeadOnly | E::HeadOfSwitch) {
                    Whole
                } else {
                    Begun
                };
                self.is_uninvited = event == E::HeadOfExpectation;
                self.is_offered = event == E::HeadOfSwitch;
            }
            E::Continue | E::BodySeen => self.is_uninvited = false,
            E::Interim => assert!(self.request != Nothing && self.response == Nothing),
            E::BodyEnd => {
                assert!(self.request == Begun && !self.is_uninvited);
                self.request = Whole;
            }
            E::Answering => {
                assert!(self.request != Nothing && self.response == Nothing);
                self.response = Begun;
            }
            E::Response => {
                assert!(self.request != Nothing && self.response != Whole && !self.is_uninvited);
                self.response = Whole;
                self.answered += 1;
            }
            E::LastResponse => self.is_over = true,
            E::Switch => {
                assert!(self.is_offered && self.request == Whole && self.response == Nothing);
                self.is_over = true;
            }
            E::HalfClose | E::Expire | E::Break => {}
        }
        if self.request == Whole && self.response == Whole {
            (self.request, self.response) = (Nothing, Nothing);
            assert_eq!(self.answered, self.asked, "each is answered once, in order");
        }
    }
}

proptest! {
    /// Any of the events that can happen, again and again: a server's connection stays where the model says.
    #[test]
    fn random_events_keep_to_the_model(choices in proptest::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let (mut conn, mut model) = (Conn::new(), Model::default());
        for choice in choices {
            // The ends are rare, or every walk would be short.
            let mut possible: Vec<_> = ALL_EVENTS.into_iter().filter(|event| conn.may(*event)).collect();
            if possible.len() > 2 && choice.index(7) > 0 {
                possible.retain(|event| !matches!(event, E::Expire | E::Break));
            }
            if possible.is_empty() {
                prop_assert_eq!(conn.state(), S::Closed);
                break;
            }
            let event = possible[choice.index(possible.len())];
            let owed = conn.on(event);
            if event == E::HalfClose && conn.state() == S::Upload {
                // There is nothing left to be invited.
                model.is_uninvited = false;
            }
            model.on(event);
            let is_between = model.request == Progress::Nothing && !model.is_over && conn.state() != S::Closed;
            prop_assert_eq!(is_between, conn.state() == S::Idle, "{:?} {:?}", event, &model);
            prop_assert_eq!(owed == A::Reuse, is_between && matches!(event, E::Response | E::BodyEnd));
            prop_assert_eq!(model.is_over, matches!(conn.state(), S::Linger | S::Tunnel) || (model.is_over && conn.state() == S::Closed));
        }
    }

    /// The same for a client, of which less is asked: it never takes up a connection whose last exchange is not whole.
    #[test]
    fn random_events_of_a_client(choices in proptest::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let mut conn = Conn::client();
        let (mut is_sent, mut is_received) = (true, true);
        for choice in choices {
            let possible: Vec<_> = ALL_EVENTS.into_iter().filter(|event| conn.may(*event)).collect();
            let Some(event) = possible.get(choice.index(possible.len().max(1))) else { break };
            match event {
                E::Begin | E::HeadOfBody | E::HeadOfExpectation => (is_sent, is_received) = (false, false),
                E::HeadOnly | E::HeadOfSwitch => (is_sent, is_received) = (true, false),
                E::BodyEnd => is_sent = true,
                E::Response => is_received = true,
                _ => {}
            }
            let owed = conn.on(*event);
            prop_assert_eq!(owed == A::Reuse, conn.state() == S::Idle);
            prop_assert!(conn.state() != S::Idle || (is_sent && is_received));
            prop_assert!(owed != A::Fail || !(is_sent && is_received));
        }
    }
}

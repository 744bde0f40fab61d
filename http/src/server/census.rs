//! Who may come in?
//!
//! A connection is counted while it lives, with all of its server and with those of its address; an address of IPv6 is its first 64 bits, which is the least that a customer gets. What is
//! over a limit is accepted all the same:
//!
//! | connections | what becomes of one more | costs |
//! |---|---|---|
//! | within the limits | it is served | |
//! | beyond them, with fewer guests than there may be: [`GUESTS_MAX`], and an eighth of the descriptors | it is a *guest*: its first request is read and answered, with 503 unless it asks for one of the exempt paths; then it closes | a task, [`GUEST_TIME`] at most until the request begins, and as long until its head is whole |
//! | beyond that too | 503 is written by who accepts it, unread; then it closes | four system calls |
//!
//! Rejected: not to accept it. Its client would wait without an answer until the queue of the kernel is full and longer, who asks for `/healthz` as well, and a proxy could not ask another
//! server. Rejected: 503 without reading for all. The client's request would meet a closed socket, and be answered by a reset, which makes many a client overlook the 503.
//! Rejected: to close who is idle in favour of who comes. It makes room for an attacker, who is never idle.

use filch::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

/// Most connections beyond the limits whose first request is read: 20 kB each while it is. A guess: on a fast machine a guest stays for a millisecond.
pub(crate) const GUESTS_MAX: usize = 256;

/// How long a guest has until the first byte of its request, and from that to the end of its head. A guess: it was sent with the connection, or after a round trip.
pub(crate) const GUEST_TIME: Duration = Duration::from_secs(1);

/// Most connections of all admin listeners. A guess: who asks there is an orchestrator, a collector of metrics, and a person or two; each has a connection, and keeps it at most.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) connections: usize,
    pub(crate) per_address: usize,
    pub(crate) guests: usize,
    /// How many files may be open to be sent.
    pub(crate) files: usize,
}

impl Room {
    /// Without a bound.
    #[cfg(test)]
    pub(crate) const ENDLESS: Self = Self {
        connections: usize::MAX,
        per_address: usize::MAX,
        guests: usize::MAX,
        files: usize::MAX,
    };

    /// Room for so many connections in a process that may have so many descriptors, where that is known.
    pub(crate) fn of(connections: usize, per_address: usize, descriptors: Option<usize>) -> Self {
        let wanted = Self {
            connections,
            per_address,
            guests: GUESTS_MAX,
            files: usize::MAX,
        };
        match descriptors {
            Some(descriptors) => wanted.within(descriptors),
            None => wanted,
        }
    }

    /// Room for who asks how the server is: few, and a sixteenth of the descriptors at most.
    pub(crate) fn of_admin(descriptors: Option<usize>) -> Self {
        let most = descriptors.map_or(usize::MAX, |descriptors| (descriptors / 16).max(1));
        let connections = ADMIN_CONNECTIONS_MAX.min(most);
        Self {
            connections,
            per_address: connections,
            guests: connections.div_ceil(8),
            files: 0,
        }
    }

    /// All who may be in it at a time.
    pub(crate) fn size(&self) -> usize {
        self.connections.saturating_add(self.guests)
    }

    /// An eighth of the descriptors, and 32 at least, stays for everything else: files, other sockets, other listeners. As many at most are for guests. One address gets three quarters
    /// of what is scarce, so that it does not get all. Half of what connections leave may be files to be sent: one that is looked for takes its folder's descriptor too.
    fn within(self, descriptors: usize) -> Self {
        let reserve = (descriptors / 8).max(32);
        let guests = self.guests.min(descriptors / 8).max(1);
        let connections = descriptors.saturating_sub(reserve + guests).max(1);
        let (connections, per_address) = match connections >= self.connections {
            true => (self.connections, self.per_address),
            false => (
                connections,
                self.per_address.min((connections - connections / 4).max(1)),
            ),
        };
        Self {
            connections,
            per_address,
            guests,
            files: (descriptors.saturating_sub(connections + guests) / 2).max(1),
        }
    }
}

/// A client, as far as it is counted: an address of IPv4, or the first half of one of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Origin {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// How a connection was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// Within the limits; counted for its address, if it has one.
    Member,
    /// Beyond them.
    Guest,
}

/// Why a connection is beyond the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are as many as there may be.
    Connections,
    /// There are as many of its address as there may be.
    Address,
}

/// How many connections live.
#[derive(Debug, Default)]
pub(crate) struct Census {
    members: usize,
    guests: usize,
    /// Addresses without connections have no entry.
    by_origin: HashMap<Origin, usize>,
}

impl Census {
    /// Counts a connection that comes. The second is why it is not a member; without a ticket it must go.
    pub(crate) fn enter(
        &mut self,
        origin: Option<Origin>,
        room: &Room,
    ) -> (Option<Ticket>, Option<Full>) {
        let full = if self.members >= room.connections {
            Full::Connections
        } else if self.count(origin, room.per_address) {
            return (Some(Ticket::Member), None);
        } else {
            Full::Address
        };
        let is_guest = self.guests < room.guests;
        self.guests += usize::from(is_guest);
        (is_guest.then_some(Ticket::Guest), Some(full))
    }

    /// Counts a member, unless there are as many of its address as there may be.
    fn count(&mut self, origin: Option<Origin>, per_address: usize) -> bool {
        match origin.map(|origin| self.by_origin.entry(origin)) {
            Some(Entry::Occupied(count)) if *count.get() >= per_address => return false,
            Some(Entry::Vacant(_)) if per_address == 0 => return false,
            Some(entry) => *entry.or_default() += 1,
            None => {}
        }
        self.members += 1;
        true
    }

    /// Counts one that has gone, which came from there.
    pub(crate) fn leave(&mut self, ticket: Ticket, origin: Option<Origin>) {
        if ticket == Ticket::Guest {
            self.guests -= 1;
            return;
        }
        self.members -= 1;
        let Some(origin) = origin else { return };
        if let Some(count) = self.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&origin);
            }
        }
    }

    /// All that live.
    pub(crate) fn live(&self) -> usize {
        self.members + self.guests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::of(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_is_what_a_customer_has() {
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_ne!(origin("::1"), origin("0.0.0.0"));
    }

    #[test]
    fn room_for_n_connections_and_not_for_one_more() {
        for n in [0, 1, 3] {
            let room = Room {
                connections: n,
                ..Room::ENDLESS
            };
            let mut census = Census::default();
            for _ in 0..n {
                assert_eq!(census.enter(None, &room), (Some(Ticket::Member), None));
            }
            let beyond = (Some(Ticket::Guest), Some(Full::Connections));
            assert_eq!(census.enter(None, &room), beyond);
            census.leave(Ticket::Guest, None);
            if n > 0 {
                census.leave(Ticket::Member, None);
                assert_eq!(census.enter(None, &room), (Some(Ticket::Member), None));
            }
            assert_eq!(census.enter(None, &room), beyond);
        }
    }

    #[test]
    fn an_address_without_room_leaves_nothing_behind() {
        let room = Room {
            per_address: 0,
            ..Room::ENDLESS
        };
        let mut census = Census::default();
        let beyond = (Some(Ticket::Guest), Some(Full::Address));
        assert_eq!(census.enter(Some(origin("192.0.2.1")), &room), beyond);
        assert!(census.by_origin.is_empty());
    }

    #[test]
    fn room_for_n_of_an_address() {
        let room = Room {
            per_address: 2,
            ..Room::ENDLESS
        };
        let (a, b) = (Some(origin("192.0.2.1")), Some(origin("192.0.2.2")));
        let mut census = Census::default();
        for origin in [a, a, b, b, None, None, None] {
            assert_eq!(census.enter(origin, &room).1, None);
        }
        assert_eq!(
            census.enter(a, &room),
            (Some(Ticket::Guest), Some(Full::Address))
        );
        census.leave(Ticket::Member, a);
        assert_eq!(census.enter(b, &room).1, Some(Full::Address));
        assert_eq!(census.enter(a, &room).1, None);
        for origin in [a, a, b, b, None, None, None] {
            census.leave(Ticket::Member, origin);
        }
        assert!(
            census.by_origin.is_empty() && census.live() == 2,
            "the guests are left"
        );
    }

    #[test]
    fn room_for_so_many_guests() {
        let room = Room {
            connections: 0,
            guests: 2,
            ..Room::ENDLESS
        };
        let mut census = Census::default();
        let mut tickets = || census.enter(None, &room).0;
        assert_eq!(
            [tickets(), tickets(), tickets()],
            [Some(Ticket::Guest), Some(Ticket::Guest), None]
        );
        census.leave(Ticket::Guest, None);
        assert_eq!(census.enter(None, &room).0, Some(Ticket::Guest));
    }

    #[test]
    fn descriptors_are_left_for_others() {
        let room = |descriptors| Room::of(1000, 600, Some(descriptors));
        let parts = |room: Room| (room.connections, room.per_address, room.guests);
        assert_eq!(parts(room(100_000)), (1000, 600, GUESTS_MAX));
        assert_eq!(parts(room(1024)), (1024 - 128 - 128, 576, 128));
        assert_eq!(parts(room(1)), (1, 1, 1));
        for descriptors in 0..5000 {
            let room = room(descriptors);
            assert!(descriptors < 64 || room.size() < descriptors);
        }
    }

    /// One fewer than fit beside the reserve, as many, and one more: the reserve is left, whoever has set the limit.
    #[test]
    fn guests_are_taken_from_the_same_descriptors() {
        let parts = |connections| {
            let room = Room::of(connections, 600, Some(1024));
            (room.connections, room.per_address, room.guests)
        };
        assert_eq!(parts(767), (767, 600, 128));
        assert_eq!(parts(768), (768, 600, 128));
        assert_eq!(parts(769), (768, 576, 128));
        for descriptors in [64, 100, 1024, 4096] {
            for connections in 0..descriptors {
                let room = Room::of(connections, usize::MAX, Some(descriptors));
                let reserve = (descriptors / 8).max(32);
                assert!(room.size() + reserve <= descriptors, "{room:?}");
                assert!(room.size() + 2 * room.files <= descriptors, "{room:?}");
                assert!(2 * room.files >= reserve, "{room:?}");
            }
        }
    }

    #[test]
    fn who_asks_how_the_server_is_has_room_apart() {
        let size = |descriptors| Room::of_admin(descriptors).size();
        assert_eq!(size(None), 72);
        assert_eq!(
            [1023, 1024, 1025].map(|most| size(Some(most))),
            [71, 72, 72]
        );
        assert_eq!([0, 16, 32].map(|most| size(Some(most))), [2, 2, 3]);
    }
}

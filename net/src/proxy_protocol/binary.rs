//! What does a header of version 2 say?
//!
//! | bytes | what |
//! |---|---|
//! | 12 | the signature |
//! | 1 | version (2) and command: 0 is `LOCAL`, 1 is `PROXY` |
//! | 1 | family: 1 is IPv4, 2 IPv6, 3 Unix; and transport: 1 is a stream, 2 datagrams; all zero is unspecified |
//! | 2 | how many bytes follow |
//! | 12, 36 or 216 | source, destination, and but for Unix both ports |
//! | the rest | kind (1), length (2), value: any number of them |
//!
//! Numbers are big-endian. A checksum, where there is one (kind 3, CRC-32C of all of the header with the sum itself as zeroes), must be right.

use super::header::{Addresses, Header, Invalid, Parsed, Tlv, Version};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// How many bytes may follow the first 16 of a header of version 2: the addresses (216 at most), and what is said besides.
///
/// The protocol has 65 535. A guess: a certificate of a client's, which is the largest thing that is said, has 1 to 2 kB; and it is what a peer can make a server look at again and again before the time is up.
pub const V2_LENGTH_MAX: usize = 4096;

/// What it begins with.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

const HEAD_BYTES: usize = 16;

/// How long a header can be.
pub(super) const BYTES_MAX: usize = HEAD_BYTES + V2_LENGTH_MAX;

const UNIX_BYTES: usize = 108;

/// `PP2_TYPE_CRC32C`.
const CHECKSUM: u8 = 3;

/// Bytes that begin with the [`SIGNATURE`], as far as there are any. Each is judged as soon as it is there.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    let is_local = match bytes.get(12) {
        None => return Ok(Parsed::Partial),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(0x22..=0x2f) => return Err(Invalid("version 2 knows the commands LOCAL and PROXY")),
        Some(_) => return Err(Invalid("a binary header has version 2")),
    };
    let Some(&kind) = bytes.get(13) else {
        return Ok(Parsed::Partial);
    };
    // "The receiver must ignore the family" of a connection that is the proxy's own.
    let family = if is_local {
        Family::Unspecified
    } else {
        Family::of(kind)?
    };
    let Some(&length) = bytes.get(14..).and_then(<[u8]>::first_chunk) else {
        return Ok(Parsed::Partial);
    };
    let length = usize::from(u16::from_be_bytes(length));
    if length > V2_LENGTH_MAX {
        return Err(Invalid(
            "a header of version 2 has more than 4096 bytes after its first 16",
        ));
    }
    if length < family.address_bytes() {
        return Err(Invalid(
            "a header of version 2 is too short for its addresses",
        ));
    }
    let Some(whole) = bytes.get(..HEAD_BYTES + length) else {
        return Ok(Parsed::Partial);
    };
    let (addresses, tlvs) = whole[HEAD_BYTES..].split_at(family.address_bytes());
    let mut header = Header {
        version: Version::V2,
        is_local,
        addresses: family.read(addresses),
        tlvs: Vec::new(),
    };
    // Of a connection of its own a proxy has nothing to say: what follows is thrown away.
    if !is_local {
        check(whole, tlvs)?;
        header.tlvs = tlvs.to_vec();
    }
    Ok(Parsed::Header(header, whole.len()))
}

#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    V4 { is_datagram: bool },
    V6 { is_datagram: bool },
    Unix { is_datagram: bool },
}

impl Family {
    fn of(kind: u8) -> Result<Self, Invalid> {
        let is_datagram = kind & 0xf == 2;
        match kind {
            0x00 => Ok(Self::Unspecified),
            0x11 | 0x12 => Ok(Self::V4 { is_datagram }),
            0x21 | 0x22 => Ok(Self::V6 { is_datagram }),
            0x31 | 0x32 => Ok(Self::Unix { is_datagram }),
            // "Receivers must drop connections presenting unexpected values here."
            _ => Err(Invalid(
                "version 2 knows IPv4, IPv6 and Unix, streams and datagrams, or nothing of either",
            )),
        }
    }

    fn address_bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::V4 { .. } => 2 * (4 + 2),
            Self::V6 { .. } => 2 * (16 + 2),
            Self::Unix { .. } => 2 * UNIX_BYTES,
        }
    }

    /// From as many bytes as that.
    fn read(self, bytes: &[u8]) -> Addresses {
        match self {
            Self::Unspecified => Addresses::Unknown,
            Self::V4 { is_datagram } => {
                let [source, destination] = [0, 4].map(|at| Ipv4Addr::from(array::<4>(bytes, at)));
                let [from, to] = [8, 10].map(|at| u16::from_be_bytes(array(bytes, at)));
                internet((source, from).into(), (destination, to).into(), is_datagram)
            }
            Self::V6 { is_datagram } => {
                let [source, destination] =
                    [0, 16].map(|at| Ipv6Addr::from(array::<16>(bytes, at)));
                let [from, to] = [32, 34].map(|at| u16::from_be_bytes(array(bytes, at)));
                internet((source, from).into(), (destination, to).into(), is_datagram)
            }
            Self::Unix { is_datagram } => {
                let (source, destination) = bytes.split_at(UNIX_BYTES);
                Addresses::Unix {
                    source: without_end(source),
                    destination: without_end(destination),
                    is_datagram,
                }
            }
        }
    }
}

fn internet(source: SocketAddr, destination: SocketAddr, is_datagram: bool) -> Addresses {
    if is_datagram {
        Addresses::Udp {
            source,
            destination,
        }
    } else {
        Addresses::Tcp {
            source,
            destination,
        }
    }
}

/// The bytes at a place where there are so many.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..]
        .first_chunk()
        .expect("as many as address_bytes says")
}

fn without_end(name: &[u8]) -> Vec<u8> {
    let end = name.iter().rposition(|&byte| byte != 0);
    name[..end.map_or(0, |end| end + 1)].to_vec()
}

/// The first of what is said besides the addresses, and the rest; `None` if there is none, or it is not whole.
pub(super) fn split_tlv(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Tlv { kind, value }, rest))
}

/// Whether each is whole, and the checksum right.
fn check(whole: &[u8], tlvs: &[u8]) -> Result<(), Invalid> {
    let mut rest = tlvs;
    while !rest.is_empty() {
        let at = whole.len() - rest.len() + 3;
        let (tlv, after) = split_tlv(rest).ok_or(Invalid(
            "what a header of version 2 says besides is cut off",
        ))?;
        if tlv.kind == CHECKSUM {
            check_sum(whole, at, tlv.value)?;
        }
        rest = after;
    }
    Ok(())
}

fn check_sum(whole: &[u8], at: usize, sum: &[u8]) -> Result<(), Invalid> {
    let Ok(sum) = <[u8; 4]>::try_from(sum) else {
        return Err(Invalid("a checksum has four bytes"));
    };
    let zeroed = whole.iter().enumerate();
    let zeroed = zeroed.map(|(place, &byte)| {
        if (at..at + 4).contains(&place) {
            0
        } else {
            byte
        }
    });
    if crc32c(zeroed) != u32::from_be_bytes(sum) {
        return Err(Invalid("the checksum is wrong"));
    }
    Ok(())
}

/// CRC-32C, bit by bit: some 30 us for the longest header there can be, and most have no sum.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    /// Castagnoli's, reflected.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            let shifted = sum >> 1;
            if sum & 1 == 1 {
                shifted ^ POLYNOMIAL
            } else {
                shifted
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn bytes(command: u8, kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, kind], &length, body].concat()
    }

    fn header(bytes: &[u8]) -> Header {
        match parse(bytes) {
            Ok(Parsed::Header(header, count)) if count == bytes.len() => header,
            other => panic!("{other:?}"),
        }
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0x13, 0x88, 0x01, 0xbb];

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind][..], &length, value].concat()
    }

    #[test]
    fn addresses_of_each_family_are_read() {
        let v4 = header(&bytes(0x21, 0x11, &V4));
        assert_eq!(v4.source().unwrap().to_string(), "192.0.2.7:5000");
        assert_eq!(v4.destination().unwrap().to_string(), "192.0.2.1:443");
        assert_eq!((v4.version(), v4.is_local()), (Version::V2, false));
        let udp = header(&bytes(0x21, 0x12, &V4));
        assert!(matches!(udp.addresses(), Addresses::Udp { .. }));
        assert_eq!(udp.source(), v4.source());

        let (one, other) = (
            "2001:db8::7".parse::<Ipv6Addr>().unwrap(),
            Ipv6Addr::LOCALHOST,
        );
        let v6 = [
            &one.octets()[..],
            &other.octets(),
            &[0x13, 0x88, 0x01, 0xbb],
        ]
        .concat();
        let tcp = header(&bytes(0x21, 0x21, &v6));
        assert_eq!(tcp.source().unwrap().to_string(), "[2001:db8::7]:5000");
        assert_eq!(tcp.destination().unwrap().to_string(), "[::1]:443");
        assert!(matches!(
            header(&bytes(0x21, 0x22, &v6)).addresses(),
            Addresses::Udp { .. }
        ));

        let mut unix = [0; 216];
        unix[..8].copy_from_slice(b"/run/one");
        unix[108..114].copy_from_slice(b"\0other");
        for (kind, is_datagram) in [(0x31, false), (0x32, true)] {
            let expected = Addresses::Unix {
                source: b"/run/one".to_vec(),
                destination: b"\0other".to_vec(),
                is_datagram,
            };
            assert_eq!(*header(&bytes(0x21, kind, &unix)).addresses(), expected);
        }
    }

    #[test]
    fn nothing_is_known_of_a_connection_of_the_proxy_itself() {
        // Whatever it says besides, well-formed or not.
        for (kind, body) in [
            (0x00, &[][..]),
            (0x11, &V4),
            (0xff, &[1, 2, 3]),
            (0x21, b"x"),
        ] {
            let local = header(&bytes(0x20, kind, body));
            assert!(local.is_local());
            assert_eq!((local.source(), local.tlvs().count()), (None, 0));
        }
        let unspecified = header(&bytes(0x21, 0x00, &tlv(5, b"id")));
        assert!(!unspecified.is_local());
        assert_eq!(
            (unspecified.source(), unspecified.tlv(5)),
            (None, Some(&b"id"[..]))
        );
    }

    #[test]
    fn what_is_said_besides_is_read() {
        let body = [
            &V4[..],
            &tlv(1, b"h2"),
            &tlv(4, b""),
            &tlv(2, b"example.org"),
            &tlv(1, b"x"),
        ]
        .concat();
        let header = header(&bytes(0x21, 0x11, &body));
        let kinds: Vec<_> = header
            .tlvs()
            .map(|tlv| (tlv.kind, tlv.value.len()))
            .collect();
        assert_eq!(kinds, [(1, 2), (4, 0), (2, 11), (1, 1)]);
        assert_eq!(header.tlv(1), Some(&b"h2"[..]));
        assert_eq!(header.tlv(9), None);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let full = tlv(2, b"abc");
        for count in 1..full.len() {
            let body = [&V4[..], &full[..count]].concat();
            let error = parse(&bytes(0x21, 0x11, &body)).unwrap_err();
            assert!(error.to_string().contains("cut off"), "{count}: {error}");
        }
        for (kind, needed) in [
            (0x11, 12),
            (0x12, 12),
            (0x21, 36),
            (0x22, 36),
            (0x31, 216),
            (0x32, 216),
        ] {
            for count in [needed - 1, needed] {
                let parsed = parse(&bytes(0x21, kind, &vec![0; count]));
                assert_eq!(parsed.is_ok(), count == needed, "{kind:x} {count}");
            }
        }
    }

    #[test]
    fn what_the_protocol_does_not_know_is_refused_at_once() {
        for command in (0..=0xff).filter(|command| !matches!(command, 0x20 | 0x21)) {
            let parsed = parse(&[&SIGNATURE[..], &[command]].concat());
            assert!(parsed.is_err(), "{command:x}");
        }
        let known = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32];
        for kind in (0..=0xff).filter(|kind| !known.contains(kind)) {
            let parsed = parse(&[&SIGNATURE[..], &[0x21, kind]].concat());
            assert!(parsed.is_err(), "{kind:x}");
        }
    }

    #[test]
    fn a_header_has_so_many_bytes_at_most() {
        for length in V2_LENGTH_MAX - 1..=V2_LENGTH_MAX + 1 {
            let body = [&V4[..], &tlv(4, &vec![7; length - 15])].concat();
            let all = bytes(0x21, 0x11, &body);
            assert_eq!(all.len(), length + 16);
            assert_eq!(parse(&all).is_ok(), length <= V2_LENGTH_MAX, "{length}");
            // Before the body has come.
            let early = parse(&all[..16]);
            let expected = if length <= V2_LENGTH_MAX {
                Some(Parsed::Partial)
            } else {
                None
            };
            assert_eq!(early.ok(), expected, "{length}");
        }
    }

    #[test]
    fn every_beginning_is_a_part_and_what_follows_is_not_looked_at() {
        let all = bytes(0x21, 0x11, &[&V4[..], &tlv(1, b"h2")].concat());
        for count in 0..all.len() {
            assert_eq!(parse(&all[..count]), Ok(Parsed::Partial), "{count}");
        }
        let followed = [&all[..], b"\r\nfurther"].concat();
        assert_eq!(parse(&followed).unwrap(), parse(&all).unwrap());
    }

    #[test]
    fn a_checksum_must_be_right() {
        // RFC 3720, B.4: 32 bytes of zeroes, and of ones.
        assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
        assert_eq!(crc32c([0xff; 32].into_iter()), 0x62a8_ab43);
        let body = [
            &V4[..],
            &tlv(1, b"h2"),
            &tlv(CHECKSUM, &[0; 4]),
            &tlv(4, b"x"),
        ]
        .concat();
        let mut all = bytes(0x21, 0x11, &body);
        assert!(parse(&all).is_err());
        let sum = crc32c(all.iter().copied());
        let at = 16 + 12 + 5 + 3;
        all[at..at + 4].copy_from_slice(&sum.to_be_bytes());
        assert!(parse(&all).is_ok());
        // Without its kind it is no sum any more, and there is none to be right.
        for place in (16..all.len()).filter(|&place| place != at - 3) {
            let mut wrong = all.clone();
            wrong[place] ^= 1;
            assert!(parse(&wrong).is_err(), "{place}");
        }
        let short = bytes(0x21, 0x11, &[&V4[..], &tlv(CHECKSUM, &[0; 3])].concat());
        assert!(
            parse(&short)
                .unwrap_err()
                .to_string()
                .contains("four bytes")
        );
    }
}

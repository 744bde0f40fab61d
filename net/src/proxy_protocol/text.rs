//! What does a header of version 1 say?
//!
//! `PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n`: six words, one space between each, and the end of the line. Nothing else is let through: a reader that is generous here and one that is not would disagree about
//! where the client's bytes begin. The exception is the specification's: whatever stands behind `PROXY UNKNOWN ` is ignored up to the first CR that an LF follows, text or not.

use super::header::{Addresses, Header, Invalid, Parsed, Version};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// How many bytes a header of version 1 has, at most, with the end of its line.
///
/// # Source
///
/// Section 2.1: `PROXY UNKNOWN` with two addresses of 39 bytes and two ports of 5.
pub const V1_BYTES_MAX: usize = 107;

/// What it begins with.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// What a header begins with that says nothing, and behind which anything may stand.
const UNKNOWN: &[u8] = b"PROXY UNKNOWN ";

/// Bytes that begin with the [`SIGNATURE`], as far as there are any.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    let line = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    if line.starts_with(UNKNOWN) {
        return unknown(line);
    }
    let end = line.iter().position(|&byte| byte == b'\r' || byte == b'\n');
    let Some(end) = end else {
        return partial(line, V1_BYTES_MAX - 1);
    };
    match line[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] => return partial(line, V1_BYTES_MAX),
        _ => return Err(Invalid("a line of version 1 ends with CR and LF")),
    }
    let words = line.get(SIGNATURE.len()..end);
    let words = words.and_then(|words| std::str::from_utf8(words).ok());
    let words = words.ok_or(Invalid("a line of version 1 is text"))?;
    Ok(Parsed::Header(header(addresses(words)?), end + 2))
}

/// "The receiver must ignore anything presented before the CRLF is found."
fn unknown(line: &[u8]) -> Result<Parsed, Invalid> {
    match line.windows(2).position(|two| two == b"\r\n") {
        Some(end) => Ok(Parsed::Header(header(Addresses::Unknown), end + 2)),
        None if line.ends_with(b"\r") => partial(line, V1_BYTES_MAX),
        None => partial(line, V1_BYTES_MAX - 1),
    }
}

fn header(addresses: Addresses) -> Header {
    Header {
        version: Version::V1,
        is_local: false,
        addresses,
        tlvs: Vec::new(),
    }
}

/// Of a line that is `most` bytes long or longer, the end comes too late.
fn partial(line: &[u8], most: usize) -> Result<Parsed, Invalid> {
    if line.len() >= most {
        return Err(Invalid("a line of version 1 has more than 107 bytes"));
    }
    Ok(Parsed::Partial)
}

fn addresses(words: &str) -> Result<Addresses, Invalid> {
    if words == "UNKNOWN" {
        return Ok(Addresses::Unknown);
    }
    let words: Vec<_> = words.split(' ').collect();
    let [family, source, destination, source_port, destination_port] = words[..] else {
        return Err(Invalid(
            "a line of version 1 has six words with one space between them",
        ));
    };
    let address = match family {
        "TCP4" => |text: &str| Some(IpAddr::V4(FromStr::from_str(text).ok()?)),
        "TCP6" => |text: &str| Some(IpAddr::V6(FromStr::from_str(text).ok()?)),
        _ => return Err(Invalid("version 1 knows TCP4, TCP6 and UNKNOWN")),
    };
    let both = |addr, number| {
        let addr =
            address(addr).ok_or(Invalid("a line of version 1 has addresses of its family"))?;
        let port = port(number).ok_or(Invalid(
            "a port is a number from 0 to 65535, without zeroes in front",
        ))?;
        Ok(SocketAddr::new(addr, port))
    };
    Ok(Addresses::Tcp {
        source: both(source, source_port)?,
        destination: both(destination, destination_port)?,
    })
}

fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| is_number && is_short)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn header(line: &str) -> Result<Header, Invalid> {
        match parse(line.as_bytes())? {
            Parsed::Header(header, count) => {
                assert_eq!(count, line.len());
                Ok(header)
            }
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn lines_are_read() {
        let v4 = header("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n").unwrap();
        assert_eq!(v4.source().unwrap().to_string(), "255.255.255.255:65535");
        assert_eq!(v4.destination().unwrap().to_string(), "0.0.0.0:0");
        assert_eq!((v4.version(), v4.is_local()), (Version::V1, false));
        let v6 = header("PROXY TCP6 2001:db8::7 ::1 1 443\r\n").unwrap();
        assert_eq!(v6.source().unwrap().to_string(), "[2001:db8::7]:1");
    }

    #[test]
    fn what_stands_behind_unknown_is_ignored_whatever_it_is() {
        for line in [
            &b"PROXY UNKNOWN\r\n"[..],
            b"PROXY UNKNOWN \r\n",
            b"PROXY UNKNOWN whatever  it says\r\n",
            b"PROXY UNKNOWN \xff\xfe\0\r\n",
            b"PROXY UNKNOWN a\rb\nc\n\r\r\n",
        ] {
            let mut followed = line.to_vec();
            followed.extend_from_slice(b"GET\r\n");
            let Ok(Parsed::Header(unknown, count)) = parse(&followed) else {
                panic!("{}", line.escape_ascii());
            };
            assert_eq!((unknown.source(), count), (None, line.len()));
            assert_eq!(unknown.addresses(), &Addresses::Unknown);
            for count in 0..line.len() {
                assert_eq!(parse(&line[..count]), Ok(Parsed::Partial), "{count}");
            }
        }
    }

    #[test]
    fn what_is_not_exactly_a_line_is_refused() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
            "PROXY TCP4\t1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4 ::1 ::1 1 1\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n",
            "PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n",
            "PROXY TCP6 ::1%lo ::1 1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rx",
            "PROXY UNKNOWN\n",
            "PROXY UNKNOWN\r\r\n",
        ] {
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(!error.to_string().is_empty(), "{line:?}");
        }
        assert!(parse(b"PROXY TCP4 \xff\r\n").is_err());
    }

    #[test]
    fn a_line_has_107_bytes_at_most() {
        for bytes in V1_BYTES_MAX - 1..=V1_BYTES_MAX + 1 {
            let line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(bytes - 16));
            assert_eq!(line.len(), bytes);
            assert_eq!(parse(line.as_bytes()).is_ok(), bytes <= V1_BYTES_MAX);
            let mut late = line.clone().into_bytes();
            late[bytes - 3] = b'\r';
            assert_eq!(parse(&late).is_ok(), bytes <= V1_BYTES_MAX);
            // And it is noticed as soon as it can be: no end can come in time.
            let first_wrong = (0..=bytes).find(|&count| parse(&line.as_bytes()[..count]).is_err());
            let expected = (bytes > V1_BYTES_MAX).then_some(V1_BYTES_MAX - 1);
            assert_eq!(first_wrong, expected, "{bytes}");
        }
    }

    #[test]
    fn every_beginning_is_a_part_and_what_follows_is_not_looked_at() {
        for line in ["PROXY TCP4 1.2.3.4 1.2.3.4 1 22\r\n", "PROXY UNKNOWN\r\n"] {
            for count in 0..line.len() {
                assert_eq!(
                    parse(&line.as_bytes()[..count]),
                    Ok(Parsed::Partial),
                    "{count}"
                );
            }
            let whole = parse(line.as_bytes()).unwrap();
            for rest in ["x", "\r\n", "PROXY ", "\0"] {
                let followed = format!("{line}{rest}");
                assert_eq!(parse(followed.as_bytes()).unwrap(), whole);
            }
        }
    }
}

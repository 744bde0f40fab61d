//! Which version of the protocol is a message in?
//!
//! `HTTP/` DIGIT `.` DIGIT, in capitals (RFC 9112, section 2.3), of which 1.0 and 1.1 are spoken here. The two are
//! recognised by the parsers themselves, eight bytes at once; this file has the others and the beginnings of one.
//!
//! Decided where RFC 9110, section 2.5, leaves a choice: a higher minor version is refused (505), where the section would have it
//! taken for 1.1. That was to make room for a 1.2, which in 25 years did not come; who sends it is finding out how parsers
//! differ. Somebody in the chain who takes what it does not know for 1.0 frames the message and ends the connection by other rules
//! than who takes it for 1.1, and a refusal is what no two of them can read differently.

/// The version of the protocol that a message says it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// What stands where a version is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// One that is spoken.
    Version(Version),
    /// Another.
    Unsupported,
    /// So far the beginning of one.
    Open,
    /// Something else.
    Nothing,
}

impl Found {
    /// What these bytes begin with.
    #[cold]
    pub(crate) fn first_in(bytes: &[u8]) -> Self {
        let fits = |(byte, shape): (&u8, &u8)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        };
        match bytes.first_chunk() {
            Some(b"HTTP/1.1") => Self::Version(Version::Http11),
            Some(b"HTTP/1.0") => Self::Version(Version::Http10),
            whole => match bytes.iter().zip(b"HTTP/0.0").all(fits) {
                true if whole.is_some() => Self::Unsupported,
                true => Self::Open,
                false => Self::Nothing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_their_beginnings() {
        for (bytes, found) in [
            ("HTTP/1.1\r\n", Found::Version(Version::Http11)),
            ("HTTP/1.0", Found::Version(Version::Http10)),
            ("HTTP/2.0", Found::Unsupported),
            ("HTTP/0.9", Found::Unsupported),
            ("HTTP/1.", Found::Open),
            ("HTTP/9", Found::Open),
            ("H", Found::Open),
            ("", Found::Open),
            ("HTTP/1\r", Found::Nothing),
            ("HTTP/a", Found::Nothing),
            ("http/1.1", Found::Nothing),
            ("HTTPS/1.1", Found::Nothing),
            ("HTTP/1.a", Found::Nothing),
        ] {
            assert_eq!(Found::first_in(bytes.as_bytes()), found, "{bytes}");
        }
    }
}

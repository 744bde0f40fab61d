//! How do several parts of a file make one body?
//!
//! As `multipart/byteranges` (RFC 9110, section 14.6): before each part a delimiter and a head that says where the part lies, and a last delimiter after them all. Nothing of the file passes through
//! here: the body is a list of [`Piece`]s, some bytes and some ranges of the file, whose length is known before any is sent.
//!
//! The delimiter must not occur in the file, and who wrote the file must not know it: it has 128 random bits.

use bytes::Bytes;
use http::HeaderValue;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// Bytes of the file; never empty.
    File(Range<u64>),
}

/// A delimiter that nobody can have foreseen: the keys of a [`RandomState`] come from the system, and the hash does not give them away.
pub(crate) fn boundary() -> String {
    let keys = RandomState::new();
    format!("{:016x}{:016x}", keys.hash_one(1), keys.hash_one(2))
}

/// The value of `Content-Type` of the whole.
pub(crate) fn content_type(boundary: &str) -> HeaderValue {
    HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"))
        .expect("a boundary is hexadecimal digits")
}

/// The value of `Content-Range` of one part.
pub(crate) fn content_range(part: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", part.start, part.end - 1)
}

/// The pieces of the body that has these parts of a file of `len` bytes.
pub(crate) fn pieces(
    parts: Vec<Range<u64>>,
    len: u64,
    content_type: &HeaderValue,
    boundary: &str,
) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for part in parts {
        // The first delimiter may have the line end before it as well: it belongs to an empty preamble.
        let mut head = format!("\r\n--{boundary}\r\nContent-Type: ").into_bytes();
        head.extend_from_slice(content_type.as_bytes());
        let range = content_range(&part, len);
        head.extend_from_slice(format!("\r\nContent-Range: {range}\r\n\r\n").as_bytes());
        pieces.extend([Piece::Bytes(head.into()), Piece::File(part)]);
    }
    pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts() {
        let text = HeaderValue::from_static("text/plain");
        let pieces = pieces(vec![5..6, 0..2], 9, &text, "xyz");
        let head = |range: &str| {
            let text = format!(
                "\r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes {range}/9\r\n\r\n"
            );
            Piece::Bytes(text.into())
        };
        let expected = [
            head("5-5"),
            Piece::File(5..6),
            head("0-1"),
            Piece::File(0..2),
            Piece::Bytes("\r\n--xyz--\r\n".into()),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn no_two_boundaries_are_the_same() {
        let (one, two) = (boundary(), boundary());
        assert_ne!(one, two);
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one[..16], one[16..]);
        assert!(content_type(&one).to_str().expect("text").ends_with(&one));
    }
}

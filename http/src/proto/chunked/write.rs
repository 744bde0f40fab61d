//! How does a body of unknown length become chunks?
//!
//! A chunk is its head ([`ChunkHead`]), the data as it is, and [`CHUNK_END`]; the body ends in a chunk without data
//! ([`encode_last_chunk`]). The data is never copied: whoever sends puts the three behind each other, in one buffer or in a
//! vectored write.
//!
//! A chunk without data would end the body early, so that there is no head of one: its length is a [`NonZeroU64`].

use crate::proto::trailers;
use http::HeaderMap;
use std::num::NonZeroU64;

/// The longest head of a chunk in bytes: sixteen digits and CR LF.
pub const CHUNK_HEAD_MAX_BYTES: usize = 18;

/// What follows the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The head of a chunk as bytes.
///
/// # Examples
///
/// ```
/// use filch_http::proto::chunked::{CHUNK_END, ChunkHead};
/// use std::num::NonZeroU64;
///
/// let data = b"a piece of a body";
/// let len = NonZeroU64::new(data.len() as u64).unwrap();
/// assert_eq!([ChunkHead::new(len).as_bytes(), data, CHUNK_END].concat(), b"11\r\na piece of a body\r\n");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ChunkHead {
    bytes: [u8; CHUNK_HEAD_MAX_BYTES],
    at: u8,
}

impl ChunkHead {
    /// The head of a chunk of so many bytes.
    #[must_use]
    #[inline]
    pub const fn new(len: NonZeroU64) -> Self {
        let mut bytes = [0; CHUNK_HEAD_MAX_BYTES];
        bytes[CHUNK_HEAD_MAX_BYTES - 2] = b'\r';
        bytes[CHUNK_HEAD_MAX_BYTES - 1] = b'\n';
        let mut at = CHUNK_HEAD_MAX_BYTES - 2;
        let mut left = len.get();
        while left > 0 {
            at -= 1;
            bytes[at] = b"0123456789abcdef"[(left & 15) as usize];
            left >>= 4;
        }
        Self {
            bytes,
            at: at as u8,
        }
    }

    /// Its bytes, CR LF among them.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.at)..]
    }
}

/// Appends the last chunk, these trailers, and the empty line that ends the body.
///
/// Fields that no trailer section may have ([`trailers::FORBIDDEN`]) are passed over, as those that frame a message are passed
/// over in a head. A value cannot break out of its line: none that could is a [`HeaderValue`](http::HeaderValue).
///
/// # Source
///
/// RFC 9112, sections 7.1 and 7.1.2.
///
/// # Examples
///
/// ```
/// use filch_http::proto::chunked::encode_last_chunk;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut out = Vec::new();
/// encode_last_chunk(None, &mut out);
/// assert_eq!(out, b"0\r\n\r\n");
///
/// let mut trailers = HeaderMap::new();
/// trailers.insert("x-sum", HeaderValue::from_static("7"));
/// trailers.insert("content-length", HeaderValue::from_static("0"));
/// out.clear();
/// encode_last_chunk(Some(&trailers), &mut out);
/// assert_eq!(out, b"0\r\nx-sum: 7\r\n\r\n");
/// ```
pub fn encode_last_chunk(trailers: Option<&HeaderMap>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if trailers::may_be_trailer(name) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::chunked::{ChunkedDecoder, Step};
    use http::HeaderValue;

    fn head(len: u64) -> Vec<u8> {
        let len = NonZeroU64::new(len).expect("not zero");
        ChunkHead::new(len).as_bytes().to_vec()
    }

    #[test]
    fn heads_of_every_length_of_number() {
        for shift in 0..64 {
            for len in [1u64 << shift, (1 << shift) + 1, u64::MAX >> shift] {
                assert_eq!(head(len), format!("{len:x}\r\n").as_bytes());
            }
        }
        assert_eq!(head(u64::MAX).len(), CHUNK_HEAD_MAX_BYTES);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut trailers = HeaderMap::new();
        trailers.append("x-a", HeaderValue::from_static("1"));
        trailers.append("x-a", HeaderValue::from_static(""));
        trailers.append("x-b", HeaderValue::from_static("a\tb"));
        let data = [b"a".repeat(300), b"\r\n0\r\n\r\n".to_vec(), b"b".to_vec()];
        let mut bytes = Vec::new();
        for piece in &data {
            bytes.extend_from_slice(&head(piece.len() as u64));
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(CHUNK_END);
        }
        encode_last_chunk(Some(&trailers), &mut bytes);

        let (mut decoder, mut read, mut input) =
            (ChunkedDecoder::default(), Vec::new(), &bytes[..]);
        while let Step::Data { at, len } = decoder.decode(input).expect("good") {
            read.extend_from_slice(&input[at..at + len]);
            input = &input[at + len..];
        }
        assert_eq!(decoder.decode(&[]), Ok(Step::End { at: 0 }));
        assert_eq!(read, data.concat());
        assert_eq!(decoder.take_trailers(), trailers);
    }

    /// RFC 9110, section 6.5.1: not one of them gets out.
    #[test]
    fn forbidden_trailers_are_passed_over() {
        let mut trailers = HeaderMap::new();
        for name in trailers::FORBIDDEN {
            trailers.insert(*name, HeaderValue::from_static("x"));
        }
        let mut out = Vec::new();
        encode_last_chunk(Some(&trailers), &mut out);
        assert_eq!(out, b"0\r\n\r\n");
    }
}

//! The decoder of chunked bodies under arbitrary bytes.
//!
//! The first byte of the input says in how many pieces the rest arrives, the next ones how long they are. Whatever the pieces, data, end,
//! trailers and refusal must be those of all bytes at once. What is accepted is written anew, in chunks of our own, and must
//! read the same.
#![no_main]

use filch_http::proto::chunked::{CHUNK_END, ChunkHead, ChunkedDecoder, Step, encode_last_chunk};
use filch_http::proto::{Limits, Refusal, trailers};
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use std::num::NonZeroU64;

/// Small, so that inputs reach them.
const LIMITS: Limits = Limits { body_bytes: 512, trailer_bytes: 128, trailer_fields: 4, ..Limits::DEFAULT };

#[derive(Debug, Default, PartialEq)]
struct Read {
    data: Vec<u8>,
    end: Option<usize>,
    trailers: HeaderMap,
}

fuzz_target!(|input: &[u8]| {
    let Some((&pieces, rest)) = input.split_first() else { return };
    let pieces = usize::from(pieces % 16).min(rest.len());
    let (cuts, bytes) = rest.split_at(pieces);
    let whole = read(&[bytes]);
    assert_eq!(read(&split(bytes, cuts)), whole);
    if let Ok(Read { data, end: Some(end), trailers }) = whole {
        assert!(data.len() <= 512 && end <= bytes.len() && bytes[..end].ends_with(b"\r\n"));
        assert_eq!(read(&[&bytes[..end]]).expect("the same").end, Some(end), "what follows is not looked at");
        check(data, trailers);
    }
});

fn check(data: Vec<u8>, trailers: HeaderMap) {
    assert!(trailers.len() <= 4 && trailers.keys().all(trailers::may_be_trailer));
    let mut bytes = Vec::new();
    for piece in data.chunks(100) {
        let len = NonZeroU64::new(piece.len() as u64).expect("a piece has bytes");
        bytes.extend_from_slice(ChunkHead::new(len).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(CHUNK_END);
    }
    encode_last_chunk(Some(&trailers), &mut bytes);
    // We write a space behind each colon, which may not have been there.
    let limits = Limits { trailer_bytes: LIMITS.trailer_bytes + trailers.len(), ..LIMITS };
    let again = read_under(limits, &[&bytes]).expect("what we write, we read");
    assert_eq!(again, Read { end: Some(bytes.len()), data, trailers });
}

fn split<'a>(mut bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = bytes.split_at(usize::from(*cut).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn read(pieces: &[&[u8]]) -> Result<Read, Refusal> {
    read_under(LIMITS, pieces)
}

fn read_under(limits: Limits, pieces: &[&[u8]]) -> Result<Read, Refusal> {
    let mut decoder = ChunkedDecoder::new(limits);
    let (mut read, mut before) = (Read::default(), 0);
    for piece in pieces {
        let mut at = 0;
        loop {
            match decoder.decode(&piece[at..])? {
                Step::More => break,
                Step::Data { at: offset, len } => {
                    assert!(len > 0);
                    read.data.extend_from_slice(&piece[at + offset..at + offset + len]);
                    at += offset + len;
                }
                Step::End { at: offset } => {
                    read.end = Some(before + at + offset);
                    read.trailers = decoder.take_trailers();
                    return Ok(read);
                }
            }
        }
        before += piece.len();
    }
    Ok(read)
}

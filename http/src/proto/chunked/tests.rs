//! Tests of the decoder: the grammar of RFC 9112, section 7.1, and our limits; then what holds for every input.

use super::*;
use proptest::prelude::*;

/// Everything a decoder says about some bytes: the data, and where the body ended, if it did.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    data: Vec<u8>,
    end: Option<usize>,
    trailers: HeaderMap,
}

/// Decodes bytes that arrive in these pieces.
fn in_pieces<'a, I: IntoIterator<Item = &'a [u8]>>(
    limits: Limits,
    pieces: I,
) -> Result<Read, Refusal> {
    let mut decoder = ChunkedDecoder::new(limits);
    let (mut data, mut before) = (Vec::new(), 0);
    for piece in pieces {
        let mut at = 0;
        loop {
            match decoder.decode(&piece[at..])? {
                Step::More => break,
                Step::Data { at: offset, len } => {
                    assert!(len > 0);
                    data.extend_from_slice(&piece[at + offset..at + offset + len]);
                    at += offset + len;
                }
                Step::End { at: offset } => {
                    let end = Some(before + at + offset);
                    assert!(decoder.is_at_end() && decoder.announced() == data.len() as u64);
                    let trailers = decoder.take_trailers();
                    return Ok(Read {
                        data,
                        end,
                        trailers,
                    });
                }
            }
        }
        before += piece.len();
    }
    assert!(!decoder.is_at_end() && decoder.take_trailers().is_empty());
    Ok(Read {
        data,
        end: None,
        trailers: HeaderMap::new(),
    })
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Read, Refusal> {
    in_pieces(Limits::DEFAULT, [bytes.as_ref()])
}

/// The data of a body that must be whole, and end with the last byte.
fn data(bytes: impl AsRef<[u8]>) -> Result<Vec<u8>, Refusal> {
    let read = read(bytes.as_ref())?;
    assert_eq!(read.end, Some(bytes.as_ref().len()));
    Ok(read.data)
}

#[test]
fn bodies() {
    assert_eq!(data("0\r\n\r\n"), Ok(b"".to_vec()));
    assert_eq!(data("1\r\na\r\n0\r\n\r\n"), Ok(b"a".to_vec()));
    assert_eq!(
        data("A\r\n0123456789\r\na\r\n9876543210\r\n0\r\n\r\n"),
        Ok(b"01234567899876543210".to_vec())
    );
    assert_eq!(data("2\r\n\r\n\r\n000\r\n\r\n"), Ok(b"\r\n".to_vec()));
    let whole = read("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n").expect("good");
    assert_eq!(whole.end, Some(11), "what follows is not looked at");
    assert_eq!(
        read("5\r\nab").map(|read| (read.data, read.end)),
        Ok((b"ab".to_vec(), None))
    );
    assert_eq!(read("").map(|read| read.end), Ok(None));
}

#[test]
fn sizes() {
    for good in ["5", "05", "0005", "0000000000000005"] {
        assert_eq!(
            data(format!("{good}\r\nhello\r\n0\r\n\r\n")),
            Ok(b"hello".to_vec()),
            "{good}"
        );
    }
    for zeros in 1..=CHUNK_SIZE_MAX_DIGITS {
        assert_eq!(data("0".repeat(zeros) + "\r\n\r\n"), Ok(Vec::new()));
    }
    for bad in [
        "",
        "+5",
        "-5",
        " 5",
        "5 ",
        "\t5",
        "5\t",
        "0x5",
        "x",
        "g",
        "5g",
        "5.",
        "5,5",
        "5_0",
        "\0",
        "5\0",
        "5h",
        "٥",
        "\u{ff15}",
        "00000000000000005",
        "10000000000000000",
        "fffffffffffffffff",
        "\x0b5",
        "5\x0c",
        "\"5\"",
        "=",
        "/",
        ":",
        "@",
        "G",
        "`",
    ] {
        assert_eq!(
            read(format!("{bad}\r\nhello\r\n0\r\n\r\n")).err(),
            Some(Refusal::ChunkSize),
            "{bad:?}"
        );
    }
    assert_eq!(read("\n").err(), Some(Refusal::LineEnd));
    assert_eq!(read("5\n").err(), Some(Refusal::LineEnd));
    assert_eq!(read("5\rh").err(), Some(Refusal::LineEnd));
    assert_eq!(read("5\r\r\n").err(), Some(Refusal::LineEnd));
}

/// Every byte behind a digit is a digit, ends the size, or is refused.
#[test]
fn every_byte_behind_a_size() {
    for byte in 0..=u8::MAX {
        let refusal = read([b'5', byte]).err();
        let expected = match byte {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'\r' | b';' => None,
            b'\n' => Some(Refusal::LineEnd),
            _ => Some(Refusal::ChunkSize),
        };
        assert_eq!(refusal, expected, "{byte:#x}");
    }
}

#[test]
fn the_largest_size() {
    let unlimited = Limits {
        body_bytes: u64::MAX,
        ..Limits::DEFAULT
    };
    let mut decoder = ChunkedDecoder::new(unlimited);
    assert_eq!(
        decoder.decode(b"ffffffffffffffff\r\nab"),
        Ok(Step::Data { at: 18, len: 2 })
    );
    assert_eq!(decoder.data_ahead(), u64::MAX - 2);
    decoder.data_was_taken(u64::MAX - 2);
    assert_eq!(decoder.data_ahead(), 0);
    assert_eq!(
        decoder.decode(b"\r\n1\r\n"),
        Err(Refusal::BodyTooLarge),
        "the sum is more than 64 bits hold"
    );
}

#[test]
fn the_longest_body() {
    let limits = Limits {
        body_bytes: 10,
        ..Limits::DEFAULT
    };
    let with = |len: usize| {
        let bytes = format!(
            "4\r\nabcd\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            len - 4,
            "e".repeat(len - 4)
        );
        in_pieces(limits, [bytes.as_bytes()]).map(|read| read.data.len())
    };
    assert_eq!((with(9), with(10)), (Ok(9), Ok(10)));
    assert_eq!(with(11), Err(Refusal::BodyTooLarge));
    // As soon as it is announced.
    assert_eq!(
        in_pieces(limits, [&b"b\r\n"[..]]).err(),
        Some(Refusal::BodyTooLarge)
    );
}

/// RFC 9112, section 7.1.1.
#[test]
fn extensions_are_passed_over() {
    for good in [
        ";a",
        ";a=b",
        ";a;b;c",
        ";a=b;c=\"d\"",
        ";a=\"\"",
        ";a=\"b c\td;e=f\"",
        ";a=\"\\\"\"",
        ";a=\"\\\\\";b",
        ";a=\"\u{e4}\"",
        ";a=\"\\\u{e4}\"",
    ] {
        assert_eq!(
            data(format!("5{good}\r\nhello\r\n0{good}\r\n\r\n")),
            Ok(b"hello".to_vec()),
            "{good}"
        );
    }
    for bad in [
        ";",
        ";;",
        ";a;",
        ";=",
        ";=b",
        ";a=",
        ";a=;",
        ";a==b",
        "; a",
        ";a ",
        ";a =b",
        ";a= b",
        ";a=b ",
        ";\ta",
        ";a=\"b\" ",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";a\0",
        ";a=\"\0\"",
        ";a=\"\x7f\"",
        ";a=\"\\\0\"",
        ";a,b",
        ";\u{e4}",
        ";a=\u{e4}",
    ] {
        let bad = format!("5{bad}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(read(&bad).err(), Some(Refusal::ChunkExtension), "{bad:?}");
    }
    // Line ends within an extension, quoted or not: what made other servers end the line where this one did not.
    for bad in [
        ";a\n",
        ";a=b\n",
        ";a=\"\n",
        ";a=\"\r\n",
        ";a=\"\\\r\n",
        ";a=\"\\\n",
        ";a\rb",
        ";\n",
        ";a=\"b\"\n",
        ";a\r\r\n",
    ] {
        assert_eq!(
            read(format!("5{bad}")).err(),
            Some(Refusal::LineEnd),
            "{bad:?}"
        );
    }
}

#[test]
fn the_longest_line() {
    let with = |len: usize| data(format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(len - 2)));
    assert_eq!(with(CHUNK_LINE_MAX_BYTES - 1), Ok(b"a".to_vec()));
    assert_eq!(with(CHUNK_LINE_MAX_BYTES), Ok(b"a".to_vec()));
    assert_eq!(
        with(CHUNK_LINE_MAX_BYTES + 1),
        Err(Refusal::ChunkLineTooLong)
    );
    // Before it ends, and in each part of it.
    for beginning in ["1;a", "1;a=b", "1;a=\"b", "1;a=\"\\\\"] {
        let bytes = beginning.to_owned() + &"x".repeat(CHUNK_LINE_MAX_BYTES + 1 - beginning.len());
        assert_eq!(
            read(bytes).err(),
            Some(Refusal::ChunkLineTooLong),
            "{beginning}"
        );
    }
    assert_eq!(
        read("1".to_owned() + &";a".repeat(CHUNK_LINE_MAX_BYTES / 2)).err(),
        Some(Refusal::ChunkLineTooLong)
    );
}

/// Chunks of one byte with extensions: when what is free is used up, each must carry its weight.
#[test]
fn the_most_overhead() {
    const CHUNKS: u64 = 256;
    let most = OVERHEAD_FREE_BYTES + CHUNKS * OVERHEAD_PER_DATA_BYTE;
    let chunk = |framing: u64| {
        format!(
            "1;{}\r\nd\r\n",
            "x".repeat(framing as usize - "1;\r\n\r\n".len())
        )
    };
    let with = |framing: u64| {
        let each = most / CHUNKS;
        let last = framing - each * (CHUNKS - 1) - "0\r\n".len() as u64;
        data(chunk(each).repeat(CHUNKS as usize - 1) + &chunk(last) + "0\r\n\r\n")
            .map(|data| data.len() as u64)
    };
    assert_eq!(with(most - 1), Ok(CHUNKS));
    assert_eq!(with(most), Ok(CHUNKS));
    assert_eq!(with(most + 1), Err(Refusal::ChunkOverhead));
}

/// What an honest client may do at worst has no end.
#[test]
fn chunks_of_one_byte_are_no_overhead() {
    let bytes = "1\r\na\r\n".repeat(100_000) + "0\r\n\r\n";
    assert_eq!(data(bytes).map(|data| data.len()), Ok(100_000));
}

#[test]
fn the_end_of_the_data() {
    for bad in ["", "x", "\n", "\rx", "\r\r\n", " \r\n", "0\r\n"] {
        let bytes = format!("5\r\nhello{bad}0\r\n\r\n");
        assert_eq!(read(bytes).err(), Some(Refusal::ChunkEnd), "{bad:?}");
    }
}

#[test]
fn trailers() {
    let whole = read("1\r\na\r\n0;x\r\nA: b\r\nC:d\r\n\r\nrest").expect("good");
    assert_eq!((whole.data, whole.end), (b"a".to_vec(), Some(24)));
    assert_eq!(
        (&whole.trailers["a"], &whole.trailers["c"]),
        (&"b".parse().expect("ok"), &"d".parse().expect("ok"))
    );
    for (section, refusal) in [
        ("A: b\n", Refusal::LineEnd),
        ("\n", Refusal::LineEnd),
        ("\rA", Refusal::LineEnd),
        ("Content-Length: 5\r\n", Refusal::TrailerForbidden),
        ("A b: c\r\n", Refusal::FieldName),
        (" A: b\r\n", Refusal::FieldName),
        ("GET / HTTP/1.1\r\n", Refusal::FieldName),
    ] {
        assert_eq!(
            read(format!("0\r\n{section}")).err(),
            Some(refusal),
            "{section:?}"
        );
    }
}

#[test]
fn a_refusal_is_said_again() {
    let mut decoder = ChunkedDecoder::default();
    assert_eq!(decoder.decode(b"x"), Err(Refusal::ChunkSize));
    assert_eq!(decoder.decode(b""), Err(Refusal::ChunkSize));
    assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(Refusal::ChunkSize));
}

#[test]
fn data_can_be_taken_elsewhere() {
    let mut decoder = ChunkedDecoder::default();
    assert_eq!(
        (decoder.decode(b"5\r\n"), decoder.data_ahead()),
        (Ok(Step::More), 5)
    );
    decoder.data_was_taken(0);
    decoder.data_was_taken(4);
    assert_eq!(decoder.data_ahead(), 1);
    decoder.data_was_taken(1);
    assert_eq!(decoder.decode(b"\r\n0\r\n\r\n"), Ok(Step::End { at: 7 }));
    assert_eq!(decoder.decode(b"GET"), Ok(Step::End { at: 0 }));
}

#[test]
#[should_panic(expected = "more than there is in the chunk")]
fn no_more_can_be_taken_than_there_is() {
    let mut decoder = ChunkedDecoder::default();
    assert_eq!(decoder.decode(b"5\r\n"), Ok(Step::More));
    decoder.data_was_taken(6);
}

fn assert_every_split_agrees(bytes: &[u8]) {
    let whole = read(bytes);
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(
            in_pieces(Limits::DEFAULT, [first, second]),
            whole,
            "cut at {cut}: {:?}",
            bytes.escape_ascii().to_string()
        );
    }
    assert_eq!(
        in_pieces(Limits::DEFAULT, bytes.chunks(1)),
        whole,
        "byte by byte: {:?}",
        bytes.escape_ascii().to_string()
    );
}

#[test]
fn every_split_of_these_agrees() {
    for bytes in [
        "0\r\n\r\n",
        "5\r\nhello\r\n6;a=\"b\\\" c\";d\r\n world\r\n0;e\r\nA: b\r\nC: d\r\n\r\nGET / HTTP/1.1\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "ffffffffffffffff\r\n",
        "5;a\nhello",
        "5;a=\"\r\n\"",
    ] {
        assert_every_split_agrees(bytes.as_bytes());
    }
}

/// Bytes of which most arrangements come near to being a body.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"5\r\nhello\r\n"[..]),
        2 => Just(&b"5;a=b\r\nhello\r\n"[..]),
        2 => Just(&b"2;a=\"b\\\"\"\r\n\r\n\r\n"[..]),
        4 => Just(&b"0\r\n"[..]),
        2 => Just(&b"A: b\r\n"[..]),
        1 => Just(&b"Host: b\r\n"[..]),
        4 => Just(&b"\r\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b";"[..]),
        1 => Just(&b"ffffffffffffffff\r\n"[..]),
        1 => Just(&b"\0"[..]),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_split_agrees(bytes in nearly()) {
        assert_every_split_agrees(&bytes);
    }

    #[test]
    fn random_splits_agree(bytes in nearly(), mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(in_pieces(Limits::DEFAULT, pieces), read(&bytes));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(bytes);
    }

    /// What is behind the end was not looked at.
    #[test]
    fn the_end_does_not_depend_on_what_follows(bytes in nearly()) {
        if let Ok(Read { end: Some(end), .. }) = read(&bytes) {
            prop_assert_eq!(read(&bytes[..end]), read(&bytes));
        }
    }

    /// Any data in any chunks, as we write them.
    #[test]
    fn what_is_written_is_read(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..10)) {
        let mut bytes = Vec::new();
        for piece in &pieces {
            let len = std::num::NonZeroU64::new(piece.len() as u64).expect("not empty");
            bytes.extend_from_slice(ChunkHead::new(len).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(CHUNK_END);
        }
        encode_last_chunk(None, &mut bytes);
        prop_assert_eq!(data(&bytes), Ok(pieces.concat()));
    }
}

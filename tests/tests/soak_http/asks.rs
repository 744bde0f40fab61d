//! What may be asked, and what is the answer, byte for byte?
//!
//! Bodies often look like requests: one that is taken for such is handled under a number that nobody has given out, 0.

use crate::reader::Answer;
use crate::server::{FILE_BYTES, LARGE, piece};
use filch_tests::random::Random;

/// A request, and what must come of it.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) id: u64,
    pub(crate) bytes: Vec<u8>,
    /// Where its body begins, if its client waits to be invited to send that.
    pub(crate) waits_at: Option<usize>,
    pub(crate) is_head: bool,
    /// Whether nothing can follow it.
    is_last: bool,
    status: u16,
    body: Body,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    /// Announced with its length.
    Whole(Vec<u8>),
    /// In chunks, perhaps with a trailer.
    Chunked(Vec<u8>, Option<String>),
    /// What another protocol sends: all that came behind the request.
    Switched(Vec<u8>),
    /// Some text.
    Explained,
}

/// What is said behind all that is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client asks for the end of the connection.
    Closes,
    /// A handler panics.
    Panics,
    /// Another protocol is spoken.
    Upgrades,
    /// A body is not invited.
    Declined,
    /// A body is broken off, by the end of what the client sends.
    Cut,
}

impl Ask {
    /// Any request that others can follow. A small one has bodies of some kilobytes at most.
    pub(crate) fn draw(random: &mut Random, id: u64, is_small: bool) -> Self {
        let most = if is_small { 4000 } else { 60_000 };
        match random.below(16) {
            0 => Self::get(id, "/slow", whole("slow")),
            1 => {
                let n = random.below(1000);
                let text = format!("[{n},{}]", n * n);
                Self::get(id, &format!("/json/{n}"), whole(&text))
            }
            2 => Self::chunks(random, id),
            3 => Self::head(random, id),
            4 => Self::get(id, "/nowhere", Body::Explained).with_status(404),
            5 if !is_small => Self::get(id, "/large", Body::Whole(LARGE.clone())),
            6 if !is_small => {
                Self::get(id, "/files/file", Body::Whole(LARGE[..FILE_BYTES].to_vec()))
            }
            7 => Self::range(random, id),
            8..12 => Self::upload(random, id, most),
            _ => Self::get(id, "/plain", whole("Hello, World!")),
        }
    }

    /// One that none can follow.
    pub(crate) fn ending(random: &mut Random, id: u64, ending: Ending) -> Self {
        let ask = match ending {
            Ending::Closes => {
                let ask = Self::get(id, "/plain", whole("Hello, World!"));
                ask.with_field("Connection: close")
            }
            Ending::Panics => {
                Self::get(id, "/panic", whole("internal server error")).with_status(500)
            }
            Ending::Upgrades => Self::upgrade(random, id),
            Ending::Declined => {
                let mut ask = Self::get(id, "/ignore", whole("ignored"));
                ask.bytes = format!(
                    "POST /ignore?id={id} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
                )
                .into_bytes();
                ask
            }
            Ending::Cut => {
                let mut ask = Self::sent(random, id, "/collect", &[b'x'; 500], Body::Explained);
                let at = 200 + random.below(200);
                ask.bytes.truncate(at);
                ask.with_status(400)
            }
        };
        Self {
            is_last: true,
            ..ask
        }
    }

    /// A body that does not end. One that is loud is sent on and on, so that its client is missed when it goes, and not only when it breaks off.
    pub(crate) fn without_end(random: &mut Random, id: u64, is_loud: bool) -> Self {
        let paths = ["/events", "/endless", "/quiet"];
        let path = paths[random.below(if is_loud { 2 } else { 3 })];
        let ask = Self::get(id, path, Body::Explained);
        Self {
            is_last: true,
            ..ask
        }
    }

    /// A request without a number and without an end of its own, with some of its bytes changed.
    pub(crate) fn garbage(random: &mut Random) -> Vec<u8> {
        let mut ask = Self::draw(random, 0, true);
        let text = String::from_utf8_lossy(&ask.bytes).replace("id=", "no=");
        ask.bytes = text.into_bytes();
        for _ in 0..1 + random.below(8) {
            let at = random.below(ask.bytes.len().min(200));
            ask.bytes[at] = random.next_u64() as u8;
        }
        ask.bytes
    }

    fn get(id: u64, path: &str, body: Body) -> Self {
        Self {
            id,
            bytes: format!("GET {path}?id={id} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
            waits_at: None,
            is_head: false,
            is_last: false,
            status: 200,
            body,
        }
    }

    /// What is always answered at once.
    pub(crate) fn plain(id: u64) -> Self {
        Self::get(id, "/plain", whole("Hello, World!"))
    }

    /// What is never answered.
    pub(crate) fn never(id: u64) -> Self {
        Self::get(id, "/never", Body::Explained)
    }

    pub(crate) fn large(id: u64) -> Self {
        Self::get(id, "/large", Body::Whole(LARGE.clone()))
    }

    /// A body of some length, of which only a part is sent.
    pub(crate) fn uploaded(id: u64, length: usize, sent: usize) -> Self {
        let body = LARGE[..length].to_vec();
        let head = format!(
            "POST /collect?id={id} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        bytes.extend(&body[..sent]);
        Self {
            bytes,
            ..Self::get(id, "/collect", Body::Whole(body))
        }
    }

    /// One with a target of so many bytes.
    pub(crate) fn get_of_length(id: u64, bytes: usize) -> Self {
        let target = format!("/plain?{}", "x".repeat(bytes));
        Self {
            bytes: format!("GET {target}&id={id} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
            ..Self::plain(id)
        }
    }

    fn chunks(random: &mut Random, id: u64) -> Self {
        let count = random.below(40);
        let text: String = (0..count).map(piece).collect();
        let body = Body::Chunked(text.into_bytes(), Some(count.to_string()));
        Self::get(id, &format!("/chunks/{count}"), body)
    }

    fn head(random: &mut Random, id: u64) -> Self {
        let mut ask = match random.below(3) {
            0 => Self::plain(id),
            1 => Self::large(id),
            _ => Self::chunks(random, id),
        };
        ask.bytes.splice(..3, *b"HEAD");
        Self {
            is_head: true,
            ..ask
        }
    }

    fn range(random: &mut Random, id: u64) -> Self {
        let first = random.below(FILE_BYTES - 3000);
        let bytes = &LARGE[first..=first + random.below(3000)];
        let last = first + bytes.len() - 1;
        let ask = Self::get(id, "/files/file", Body::Whole(bytes.to_vec()));
        let ask = ask.with_field(&format!("Range: bytes={first}-{last}"));
        ask.with_status(206)
    }

    fn upgrade(random: &mut Random, id: u64) -> Self {
        let message = draw_body(random, 3000);
        let ask = Self::get(id, "/upgrade", Body::Switched(message.clone()));
        let mut ask = ask.with_field("Connection: upgrade\r\nUpgrade: echo");
        ask.bytes.extend(message);
        ask.with_status(101)
    }

    fn upload(random: &mut Random, id: u64, most: usize) -> Self {
        let sent = draw_body(random, most);
        match random.below(4) {
            0 => Self::sent(random, id, "/collect", &sent, Body::Whole(sent.clone())),
            1 => Self::sent(random, id, "/ignore", &sent, whole("ignored")),
            2 => {
                let text = sent.len().to_string();
                Self::sent(random, id, "/count", &sent, whole(&text))
            }
            _ => Self::sent(
                random,
                id,
                "/echo",
                &sent,
                Body::Chunked(sent.clone(), None),
            ),
        }
    }

    /// A request with a body, which is sent in one of the forms that there are.
    fn sent(random: &mut Random, id: u64, path: &str, sent: &[u8], body: Body) -> Self {
        let is_chunked = random.below(2) == 0;
        // Whoever is not read is not invited either, nor who has nothing to send (RFC 9110, section 10.1.1).
        let expects = path != "/ignore" && !sent.is_empty() && random.below(4) == 0;
        let mut bytes = format!("POST {path}?id={id} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        if expects {
            bytes.extend(b"Expect: 100-continue\r\n");
        }
        if is_chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        } else {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", sent.len()).into_bytes());
        }
        let waits_at = expects.then_some(bytes.len());
        if is_chunked {
            write_chunks(random, sent, &mut bytes);
        } else {
            bytes.extend(sent);
        }
        Self {
            bytes,
            waits_at,
            ..Self::get(id, path, body)
        }
    }

    fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Puts a field where the head ends.
    pub(crate) fn with_field(mut self, field: &str) -> Self {
        let at = self.bytes.len() - 2;
        self.bytes
            .splice(at..at, format!("{field}\r\n").into_bytes());
        self
    }

    /// How many bytes of another protocol follow the answer.
    pub(crate) fn switched_bytes(&self) -> usize {
        match &self.body {
            Body::Switched(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// Whether the connection ends behind the answer.
    pub(crate) fn closes(&self) -> bool {
        self.is_last && self.status != 101
    }

    /// Whether this is the answer.
    pub(crate) fn check(&self, answer: &Answer) {
        let id = self.id;
        assert_eq!(answer.status, self.status, "request {id}: {answer:?}");
        let own = (self.status != 500).then(|| id.to_string());
        assert_eq!(answer.field("x-id"), own.as_deref(), "another's answer");
        assert_eq!(
            answer.field("connection") == Some("close"),
            self.closes(),
            "request {id}: {answer:?}"
        );
        let (body, trailer) = match &self.body {
            Body::Whole(body) => (body, &None),
            Body::Chunked(body, trailer) => (body, trailer),
            Body::Switched(body) => (body, &None),
            Body::Explained => return,
        };
        let is_chunked = matches!(self.body, Body::Chunked(..));
        let coding = answer.field("transfer-encoding");
        assert_eq!(coding == Some("chunked"), is_chunked, "request {id}");
        if self.status != 101 && !is_chunked {
            let length = answer.field("content-length");
            assert_eq!(length, Some(&*body.len().to_string()), "request {id}");
        }
        let body: &[u8] = if self.is_head { &[] } else { body };
        assert!(answer.body == body, "request {id}: another body");
        if !self.is_head {
            assert_eq!(
                answer.trailer("x-count"),
                trailer.as_deref(),
                "request {id}"
            );
        }
    }
}

fn whole(text: &str) -> Body {
    Body::Whole(text.as_bytes().to_vec())
}

/// Bytes of any kind, or what would be a request elsewhere.
fn draw_body(random: &mut Random, most: usize) -> Vec<u8> {
    let count = random.below(most);
    match random.below(2) {
        0 => LARGE[count..2 * count].to_vec(),
        _ => {
            let forged = b"GET /plain?id=0 HTTP/1.1\r\nHost: a\r\n\r\n";
            let mut bytes = forged.repeat(count / forged.len() + 1);
            bytes.truncate(count);
            bytes
        }
    }
}

fn write_chunks(random: &mut Random, sent: &[u8], bytes: &mut Vec<u8>) {
    let mut left = sent;
    while !left.is_empty() {
        let most = 1 + sent.len() / 3;
        let (chunk, rest) = left.split_at((1 + random.below(most)).min(left.len()));
        let extension = ["", "", ";a=b"][random.below(3)];
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
        left = rest;
    }
    let trailers = ["", "x-sum: 7\r\n"][random.below(2)];
    bytes.extend(format!("0\r\n{trailers}\r\n").into_bytes());
}

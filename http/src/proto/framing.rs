//! Where does a request end, and what does it want of the connection?
//!
//! [`Framing::of`] goes over the fields once and notes facts as bits. What the facts forbid is one table (printed by [`RulesTable`]):
//! two parties who frame a message differently are how requests are smuggled, so whatever is ambiguous is refused
//! rather than repaired, and the connection closes. A plain request sets none of the suspicious bits and never
//! walks the table.
//!
//! Rejected: taking repeated lengths that are equal for one, which RFC 9112, section 6.3, permits. No client that
//! means well sends them, and it takes only one party in the chain that reads the list differently.

use super::error::Refusal;
use super::request::{RequestHead, Version};
use super::target::is_host;
use std::fmt;

/// What the head of a request says about the message and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// The length of the body in bytes.
    pub body_len: u64,
    /// Whether the client wants to use the connection again.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

impl Framing {
    /// Reads the fields that frame the message.
    ///
    /// # Errors
    ///
    /// The message is ambiguous or malformed, by the first of the rules ([`RulesTable`]) that applies; or its body is longer than
    /// `body_max`.
    ///
    /// # Source
    ///
    /// RFC 9112, sections 3.2, 6 and 9.3; RFC 9110, sections 7.2, 8.6 and 10.1.1.
    pub fn of(head: &RequestHead<'_>, body_max: u64) -> Result<Self, Refusal> {
        let mut facts = Facts::of_version(head.version());
        for (name, value) in head.raw_fields() {
            facts.note(name, value);
        }
        if facts.bits & SUSPICIOUS != 0 || facts.bits & (HOST | OLD) == 0 {
            judge(facts.bits)?;
        }
        if facts.length > body_max {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(Self {
            body_len: facts.length,
            keep_alive: facts.bits & CLOSE == 0 && facts.bits & (OLD | KEEP_ALIVE) != OLD,
            // Of a 1.0 client the expectation is ignored (RFC 9110, section 10.1.1); without a body there is
            // nothing to wait for.
            expects_continue: facts.bits & (CONTINUE | OLD) == CONTINUE && facts.length > 0,
        })
    }
}

/// One reason to refuse: applies when all bits of `when` are set and none of `unless`.
#[derive(Clone, Copy)]
struct Rule {
    when: u32,
    unless: u32,
    refusal: Refusal,
    source: &'static str,
}

/// The table: the first rule that applies decides.
const RULES: &[Rule] = &[
    rule(
        CODING | LENGTH,
        0,
        Refusal::LengthAndCoding,
        "RFC 9112, section 6.3, item 3",
    ),
    rule(
        CODING | OLD,
        0,
        Refusal::CodingInOldVersion,
        "RFC 9112, section 6.1",
    ),
    rule(
        CODING_BAD,
        0,
        Refusal::TransferEncoding,
        "RFC 9112, section 6.3, item 4",
    ),
    rule(
        CODING_UNKNOWN,
        0,
        Refusal::CodingUnsupported,
        "RFC 9112, section 6.1",
    ),
    // Chunked alone is sound. It gets a decoder; until it has one, this row says so.
    rule(
        CODING,
        0,
        Refusal::CodingUnsupported,
        "RFC 9112, section 6.1",
    ),
    rule(
        LENGTH_REPEATED,
        0,
        Refusal::ContentLengthRepeated,
        "RFC 9112, section 6.3, item 5",
    ),
    rule(
        LENGTH_BAD,
        0,
        Refusal::ContentLength,
        "RFC 9110, section 8.6",
    ),
    rule(
        HOST_REPEATED,
        0,
        Refusal::HostRepeated,
        "RFC 9112, section 3.2",
    ),
    rule(HOST_BAD, 0, Refusal::Host, "RFC 9112, section 3.2"),
    rule(0, HOST | OLD, Refusal::HostMissing, "RFC 9112, section 3.2"),
    rule(
        EXPECT_OTHER,
        0,
        Refusal::Expectation,
        "RFC 9110, section 10.1.1",
    ),
];

const HOST: u32 = 1;
const HOST_REPEATED: u32 = 1 << 1;
const HOST_BAD: u32 = 1 << 2;
const LENGTH: u32 = 1 << 3;
const LENGTH_REPEATED: u32 = 1 << 4;
const LENGTH_BAD: u32 = 1 << 5;
const CODING: u32 = 1 << 6;
const CODING_BAD: u32 = 1 << 7;
const CODING_UNKNOWN: u32 = 1 << 8;
const CODING_CHUNKED: u32 = 1 << 9;
const EXPECT_OTHER: u32 = 1 << 10;
const CONTINUE: u32 = 1 << 11;
const CLOSE: u32 = 1 << 12;
const KEEP_ALIVE: u32 = 1 << 13;
/// HTTP/1.0.
const OLD: u32 = 1 << 14;

/// The facts that make it worth looking at the table.
const SUSPICIOUS: u32 =
    HOST_REPEATED | HOST_BAD | LENGTH_REPEATED | LENGTH_BAD | CODING | EXPECT_OTHER;

const fn rule(when: u32, unless: u32, refusal: Refusal, source: &'static str) -> Rule {
    Rule {
        when,
        unless,
        refusal,
        source,
    }
}

#[cold]
fn judge(bits: u32) -> Result<(), Refusal> {
    match RULES
        .iter()
        .find(|rule| bits & rule.when == rule.when && bits & rule.unless == 0)
    {
        Some(rule) => Err(rule.refusal),
        None => Ok(()),
    }
}

/// What is known of a head while its fields are gone over.
#[derive(Clone, Copy)]
struct Facts {
    bits: u32,
    length: u64,
}

impl Facts {
    #[inline]
    const fn of_version(version: Version) -> Self {
        let bits = match version {
            Version::Http10 => OLD,
            Version::Http11 => 0,
        };
        Self { bits, length: 0 }
    }

    /// Takes one field into account. The length of its name tells nearly every other field apart.
    #[inline]
    fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            4 if is_name(name, b"host") => self.note_host(value),
            6 if is_name(name, b"expect") => self.note_expectation(value),
            10 if is_name(name, b"connection") => self.note_connection(value),
            14 if is_name(name, b"content-length") => self.note_length(value),
            17 if is_name(name, b"transfer-encoding") => self.note_coding(value),
            _ => {}
        }
    }

    #[inline]
    fn note_host(&mut self, value: &[u8]) {
        if self.bits & HOST != 0 {
            self.bits |= HOST_REPEATED;
        }
        self.bits |= HOST;
        if !is_host(value) {
            self.bits |= HOST_BAD;
        }
    }

    fn note_length(&mut self, value: &[u8]) {
        if self.bits & LENGTH != 0 {
            self.bits |= LENGTH_REPEATED;
        }
        self.bits |= LENGTH;
        match decimal(value) {
            Some(length) => self.length = length,
            None => self.bits |= LENGTH_BAD,
        }
    }

    /// The codings in the order they were applied; `chunked` must be the last and stand there once.
    #[cold]
    fn note_coding(&mut self, value: &[u8]) {
        self.bits |= CODING;
        let mut members = 0;
        for coding in list_members(value) {
            members += 1;
            if self.bits & CODING_CHUNKED != 0 || coding.is_empty() {
                self.bits |= CODING_BAD;
            } else if coding.eq_ignore_ascii_case(b"chunked") {
                self.bits |= CODING_CHUNKED;
            } else {
                self.bits |= CODING_UNKNOWN;
            }
        }
        if members == 0 {
            self.bits |= CODING_BAD;
        }
    }

    #[cold]
    fn note_expectation(&mut self, value: &[u8]) {
        self.bits |= if value.eq_ignore_ascii_case(b"100-continue") {
            CONTINUE
        } else {
            EXPECT_OTHER
        };
    }

    #[inline]
    fn note_connection(&mut self, value: &[u8]) {
        match value.len() {
            10 if is_name(value, b"keep-alive") => self.bits |= KEEP_ALIVE,
            5 if is_name(value, b"close") => self.bits |= CLOSE,
            _ => self.note_connection_list(value),
        }
    }

    #[cold]
    fn note_connection_list(&mut self, value: &[u8]) {
        for option in list_members(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.bits |= CLOSE;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.bits |= KEEP_ALIVE;
            }
        }
    }
}

/// Whether `name` is `lower` (letters and hyphens, in lower case) but for case.
///
/// Setting bit 5 turns a letter into its lower case and leaves a hyphen as it is. The one other byte that it turns
/// into a hyphen is CR, which stands in no name and no value.
#[inline]
fn is_name<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    let Some(name) = name.first_chunk::<N>() else {
        return false;
    };
    let mut difference = 0;
    for i in 0..N {
        difference |= (name[i] | 0x20) ^ lower[i];
    }
    difference == 0
}

/// `1*DIGIT` that fits 64 bits: no sign, no space, no list.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The members of `#element` without the spaces around them (RFC 9110, section 5.6.1).
fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The table as text: which facts, what is answered, by which rule.
#[derive(Debug, Clone, Copy)]
pub struct RulesTable;

impl fmt::Display for RulesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| status | because | source |\n|---|---|---|")?;
        for rule in RULES {
            writeln!(
                f,
                "| {} | {} | {} |",
                rule.refusal.status().as_str(),
                rule.refusal,
                rule.source
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{FieldSlot, RequestParser};

    fn framing(fields: &str) -> Result<Framing, Refusal> {
        framing_of("HTTP/1.1", &format!("Host: a\r\n{fields}"))
    }

    fn framing_of(version: &str, fields: &str) -> Result<Framing, Refusal> {
        let bytes = format!("POST / {version}\r\n{fields}\r\n");
        let mut slots = [FieldSlot::default(); 16];
        let head = RequestParser::default()
            .parse(bytes.as_bytes(), &mut slots)?
            .expect("the head is whole");
        Framing::of(&head.view(bytes.as_bytes(), &slots), 1000)
    }

    fn body_len(fields: &str) -> Result<u64, Refusal> {
        framing(fields).map(|framing| framing.body_len)
    }

    /// RFC 9112, section 6.3, item 7.
    #[test]
    fn no_length_is_no_body() {
        assert_eq!(body_len(""), Ok(0));
    }

    /// RFC 9110, section 8.6.
    #[test]
    fn lengths() {
        assert_eq!(body_len("Content-Length: 0\r\n"), Ok(0));
        assert_eq!(body_len("cOnTeNt-LeNgTh: 999\r\n"), Ok(999));
        assert_eq!(body_len("Content-Length: 0012\r\n"), Ok(12));
        for bad in [
            "",
            "+5",
            "-5",
            "5 5",
            "0x5",
            "5,",
            "5, 5",
            "5;a",
            "5.0",
            "٥",
            "18446744073709551616",
            "5\t5",
        ] {
            assert_eq!(
                body_len(&format!("Content-Length: {bad}\r\n")),
                Err(Refusal::ContentLength),
                "{bad}"
            );
        }
        assert_eq!(
            body_len("Content-Length: 18446744073709551615\r\n"),
            Err(Refusal::BodyTooLarge)
        );
    }

    #[test]
    fn the_longest_body() {
        assert_eq!(body_len("Content-Length: 999\r\n"), Ok(999));
        assert_eq!(body_len("Content-Length: 1000\r\n"), Ok(1000));
        assert_eq!(
            body_len("Content-Length: 1001\r\n"),
            Err(Refusal::BodyTooLarge)
        );
    }

    /// RFC 9112, section 6.3, item 5.
    #[test]
    fn repeated_lengths_are_refused_even_when_equal() {
        for second in ["5", "6"] {
            let fields = format!("Content-Length: 5\r\nContent-Length: {second}\r\n");
            assert_eq!(body_len(&fields), Err(Refusal::ContentLengthRepeated));
        }
    }

    /// RFC 9112, sections 6.1 and 6.3.
    #[test]
    fn codings() {
        for (value, refusal) in [
            ("chunked", Refusal::CodingUnsupported),
            ("gzip, chunked", Refusal::CodingUnsupported),
            ("gzip", Refusal::CodingUnsupported),
            ("identity", Refusal::CodingUnsupported),
            ("xchunked", Refusal::CodingUnsupported),
            ("chunked, gzip", Refusal::TransferEncoding),
            ("chunked, chunked", Refusal::TransferEncoding),
            ("", Refusal::TransferEncoding),
            (",chunked", Refusal::TransferEncoding),
        ] {
            assert_eq!(
                body_len(&format!("Transfer-Encoding: {value}\r\n")),
                Err(refusal),
                "{value}"
            );
            let both = format!("Transfer-Encoding: {value}\r\nContent-Length: 5\r\n");
            assert_eq!(body_len(&both), Err(Refusal::LengthAndCoding), "{value}");
            let old = framing_of("HTTP/1.0", &format!("Transfer-Encoding: {value}\r\n"));
            assert_eq!(old, Err(Refusal::CodingInOldVersion), "{value}");
        }
        let split = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(body_len(split), Err(Refusal::TransferEncoding));
    }

    /// RFC 9112, section 3.2.
    #[test]
    fn hosts() {
        assert_eq!(framing_of("HTTP/1.1", ""), Err(Refusal::HostMissing));
        assert!(framing_of("HTTP/1.0", "").is_ok());
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            assert!(framing_of(version, "hOST: a:80\r\n").is_ok());
            assert_eq!(
                framing_of(version, "Host: a\r\nHost: a\r\n"),
                Err(Refusal::HostRepeated)
            );
            assert_eq!(framing_of(version, "Host: a/b\r\n"), Err(Refusal::Host));
        }
    }

    /// RFC 9112, section 9.3.
    #[test]
    fn persistence() {
        for (version, connection, keep_alive) in [
            ("HTTP/1.1", "", true),
            ("HTTP/1.1", "keep-alive", true),
            ("HTTP/1.1", "close", false),
            ("HTTP/1.1", "Close", false),
            ("HTTP/1.1", "keep-alive, close", false),
            ("HTTP/1.1", "upgrade ,CLOSE", false),
            ("HTTP/1.1", "closed", true),
            ("HTTP/1.0", "", false),
            ("HTTP/1.0", "keep-alive", true),
            ("HTTP/1.0", "Keep-Alive", true),
            ("HTTP/1.0", "x, keep-alive", true),
            ("HTTP/1.0", "keep-alive, close", false),
        ] {
            let framing = framing_of(version, &format!("Host: a\r\nConnection: {connection}\r\n"));
            assert_eq!(
                framing.map(|f| f.keep_alive),
                Ok(keep_alive),
                "{version} {connection}"
            );
        }
    }

    /// RFC 9110, section 10.1.1.
    #[test]
    fn expectations() {
        let expects = |fields: &str| framing(fields).map(|framing| framing.expects_continue);
        assert_eq!(
            expects("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
            Ok(true)
        );
        assert_eq!(expects("Expect: 100-continue\r\n"), Ok(false));
        assert_eq!(expects("Expect: 200-ok\r\n"), Err(Refusal::Expectation));
        let old = framing_of("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n");
        assert_eq!(old.map(|framing| framing.expects_continue), Ok(false));
    }

    #[test]
    fn every_rule_is_reached_by_its_own_facts() {
        for rule in RULES {
            assert!(
                rule.when & SUSPICIOUS != 0
                    || rule.when & CODING_CHUNKED != 0
                    || rule.unless != 0
                    || rule.when & (CODING_BAD | CODING_UNKNOWN) != 0
            );
            assert!(judge(rule.when).is_err());
        }
        assert_eq!(judge(HOST), Ok(()));
        assert_eq!(judge(OLD), Ok(()));
        assert_eq!(RulesTable.to_string().lines().count(), RULES.len() + 2);
    }
}

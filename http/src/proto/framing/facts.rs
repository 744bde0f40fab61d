//! What do the fields of a head say, each by itself?
//!
//! [`Facts`] notes it as bits while the fields are gone over once. No bit decides anything: that is the table's, in
//! [`framing`](super).

use super::{Asked, Switch};
use crate::proto::fields::Initials;
use crate::proto::fields::Shown;
use crate::proto::request::{RequestHead, Version};
use crate::proto::target::{TargetForm, is_host, is_host_within};

pub(super) const HOST: u32 = 1;
pub(super) const HOST_REPEATED: u32 = 1 << 1;
pub(super) const HOST_BAD: u32 = 1 << 2;
/// The target names another host.
pub(super) const HOST_OTHER: u32 = 1 << 3;
pub(super) const LENGTH: u32 = 1 << 4;
pub(super) const LENGTH_REPEATED: u32 = 1 << 5;
pub(super) const LENGTH_BAD: u32 = 1 << 6;
pub(super) const CODING: u32 = 1 << 7;
pub(super) const CODING_BAD: u32 = 1 << 8;
pub(super) const CODING_UNKNOWN: u32 = 1 << 9;
pub(super) const CODING_CHUNKED: u32 = 1 << 10;
pub(super) const EXPECT_OTHER: u32 = 1 << 11;
pub(super) const CONTINUE: u32 = 1 << 12;
pub(super) const CLOSE: u32 = 1 << 13;
pub(super) const KEEP_ALIVE: u32 = 1 << 14;
/// HTTP/1.0.
pub(super) const OLD: u32 = 1 << 15;
/// The field `Upgrade`.
pub(super) const UPGRADE: u32 = 1 << 16;
/// The option `upgrade` of `Connection`, without which the field is not meant for us.
pub(super) const UPGRADE_OPTION: u32 = 1 << 17;
/// `Connection` names a field without which the message cannot be read.
pub(super) const OPTION_BAD: u32 = 1 << 18;
/// A length above 0, or a coding. Only where it matters: with CONNECT or TRACE, and in responses.
pub(super) const BODY: u32 = 1 << 19;
pub(super) const CONNECT: u32 = 1 << 20;
pub(super) const TRACE: u32 = 1 << 21;
pub(super) const RESPONSE: u32 = 1 << 22;
/// To HEAD, or 304: the fields speak of a body that is not sent.
pub(super) const NO_BODY: u32 = 1 << 23;
/// 1xx or 204: there is no body, and no field may speak of one.
pub(super) const NEVER_BODY: u32 = 1 << 24;
/// What follows the head is none of HTTP: 2xx to CONNECT, or 101.
pub(super) const TUNNEL: u32 = 1 << 25;
/// 101, though nobody asked.
pub(super) const UNASKED: u32 = 1 << 26;

/// The options of `Connection` that mean something here.
const OPTIONS: [(&[u8], u32); 6] = [
    (b"close", CLOSE),
    (b"keep-alive", KEEP_ALIVE),
    (b"upgrade", UPGRADE_OPTION),
    (b"host", OPTION_BAD),
    (b"content-length", OPTION_BAD),
    (b"transfer-encoding", OPTION_BAD),
];

/// The names that [`Facts::note`] knows.
pub(super) static INITIALS: Initials = Initials::of(&[
    b"host",
    b"expect",
    b"upgrade",
    b"connection",
    b"content-length",
    b"transfer-encoding",
]);

/// What is known of a head while its fields are gone over.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) bits: u32,
    /// What `Content-Length` says.
    pub(super) length: u64,
}

impl Facts {
    #[inline]
    pub(super) const fn of_request(version: Version) -> Self {
        let bits = match version {
            Version::Http10 => OLD,
            Version::Http11 => 0,
        };
        Self { bits, length: 0 }
    }

    pub(super) const fn of_response(version: Version, status: u16, asked: Asked) -> Self {
        let bits = match (status, asked) {
            (101, Asked::Upgrade) | (200..=299, Asked::Connect) => TUNNEL,
            (101, _) => UNASKED,
            (100..=199 | 204, _) => NEVER_BODY,
            (304, _) | (_, Asked::Head) => NO_BODY,
            _ => 0,
        };
        let facts = Self::of_request(version);
        Self {
            bits: facts.bits | RESPONSE | bits,
            ..facts
        }
    }

    /// Takes one field into account. The length of its name tells nearly every other field apart.
    #[inline]
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            4 if is_name(name, b"host") => self.note_host(value),
            6 if is_name(name, b"expect") => self.note_expectation(value),
            7 if is_name(name, b"upgrade") => self.bits |= UPGRADE,
            10 if is_name(name, b"connection") => self.note_connection(value),
            14 if is_name(name, b"content-length") => self.note_length(value),
            17 if is_name(name, b"transfer-encoding") => self.note_coding(value),
            _ => {}
        }
    }

    /// Takes into account what only the method and the target say. Nothing, for most requests.
    #[inline]
    pub(super) fn note_target(&mut self, head: &RequestHead<'_>) {
        if head.form() != TargetForm::Origin || self.has_body() {
            self.note_target_slow(head);
        }
    }

    #[cold]
    fn note_target_slow(&mut self, head: &RequestHead<'_>) {
        match head.form() {
            TargetForm::Authority => self.bits |= CONNECT,
            TargetForm::Absolute | TargetForm::Origin | TargetForm::Asterisk => {}
        }
        if self.bits & HOST != 0 {
            let host = head.field("host").unwrap_or_default();
            if !is_host_of(head.form(), head.target(), host) {
                self.bits |= HOST_OTHER;
            }
        }
        if head.method_bytes() == b"TRACE" {
            self.bits |= TRACE;
        }
        self.note_body();
    }

    pub(super) const fn note_body(&mut self) {
        if self.has_body() {
            self.bits |= BODY;
        }
    }

    #[inline]
    const fn has_body(&self) -> bool {
        self.length > 0 || self.bits & CODING != 0
    }

    /// RFC 9112, section 9.3.
    #[inline]
    pub(super) const fn keep_alive(&self) -> bool {
        self.bits & CLOSE == 0 && self.bits & (OLD | KEEP_ALIVE) != OLD
    }

    /// RFC 9110, section 7.8: of a 1.0 client an upgrade is ignored.
    #[inline]
    pub(super) const fn switch(&self, has_body: bool) -> Option<Switch> {
        const ASKED: u32 = UPGRADE | UPGRADE_OPTION;
        if self.bits & CONNECT != 0 {
            Some(Switch::Connect)
        } else if self.bits & (ASKED | OLD) == ASKED && !has_body {
            Some(Switch::Upgrade)
        } else {
            None
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
        for coding in list_members(value) {
            if self.bits & CODING_CHUNKED != 0 || coding.is_empty() {
                self.bits |= CODING_BAD;
            } else if coding.eq_ignore_ascii_case(b"chunked") {
                self.bits |= CODING_CHUNKED;
            } else {
                self.bits |= CODING_UNKNOWN;
            }
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

    /// Options are names of fields that concern this connection alone; who forwards the message drops those fields. A message
    /// that has it drop what frames the message means harm.
    #[cold]
    fn note_connection_list(&mut self, value: &[u8]) {
        for option in list_members(value) {
            let known = OPTIONS
                .iter()
                .find(|(name, _)| option.eq_ignore_ascii_case(name));
            self.bits |= known.map_or(0, |(_, bit)| *bit);
        }
    }
}

/// Whether the request has one good `Host`, and nothing else that frames it but that its connection goes on, as it does in
/// HTTP/1.1 without a word. Of some that have just that it is not said.
#[inline(always)]
pub(super) fn has_plain_host(head: &RequestHead<'_>) -> bool {
    let mut has_host = false;
    for field in head.fields_of(&INITIALS) {
        let Shown { name, value, .. } = field;
        match (name.len(), value.len(), head.version()) {
            (4, _, _)
                if !has_host
                    && is_name(name, b"host")
                    && is_host_within(value, field.until_end.last_chunk()) =>
            {
                has_host = true;
            }
            (10, 10, Version::Http11)
                if is_name(name, b"connection") && is_name(value, b"keep-alive") => {}
            _ => return false,
        }
    }
    has_host
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
    if N < 8 {
        return differs_at::<4, N>(name, lower, 0) | differs_at::<4, N>(name, lower, N - 4) == 0;
    }
    let mut difference = differs_at::<8, N>(name, lower, N - 8);
    for at in (0..N - 8).step_by(8) {
        difference |= differs_at::<8, N>(name, lower, at);
    }
    difference == 0
}

/// The bits in which `BYTES` bytes of the two differ, but for case.
#[inline]
fn differs_at<const BYTES: usize, const N: usize>(
    name: &[u8; N],
    lower: &[u8; N],
    at: usize,
) -> u64 {
    let word = |bytes: &[u8; N]| {
        let mut word = [0; 8];
        word[..BYTES].copy_from_slice(&bytes[at..at + BYTES]);
        u64::from_le_bytes(word)
    };
    (word(name) | 0x2020_2020_2020_2020) ^ (word(lower) | 0x2020_2020_2020_2020)
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

/// Whether `host` is that of `target`: the same name, whatever its case, and the same port, said or not (RFC 9110, section
/// 4.2.3). A target without a host has any. That of CONNECT has a port and no scheme, from which to know what a host without a
/// port would mean: it means that one.
fn is_host_of(form: TargetForm, target: &str, host: &[u8]) -> bool {
    let (authority, default) = match form {
        TargetForm::Origin | TargetForm::Asterisk => return true,
        TargetForm::Authority => (target, None),
        TargetForm::Absolute => {
            let (scheme, rest) = target.split_once("://").unwrap_or_default();
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (
                &rest[..end],
                Some(if scheme.len() == 4 { "80" } else { "443" }),
            )
        }
    };
    let default = default.map(str::as_bytes);
    let (name, port) = name_and_port(authority.as_bytes());
    let (other, other_port) = name_and_port(host);
    let port = port.or(default);
    name.eq_ignore_ascii_case(other) && port == other_port.or(default).or(port)
}

/// The port without leading zeros, of which a number has none.
fn name_and_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let colon = host.iter().rposition(|byte| *byte == b':');
    match colon {
        Some(at) if !host.ends_with(b"]") => {
            let port = &host[at + 1..];
            let zeros = port.iter().take_while(|byte| **byte == b'0').count();
            (&host[..at], (!port.is_empty()).then(|| &port[zeros..]))
        }
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_targets() {
        for (target, host) in [
            ("http://a/b", "a"),
            ("http://a", "A"),
            ("http://A.example?x", "a.EXAMPLE:80"),
            ("http://a:80/", "a"),
            ("http://a:/", "a:"),
            ("http://a:080/", "a:80"),
            ("https://a/", "a:443"),
            ("HTTPS://a:443/", "a"),
            ("http://a:8080/", "a:8080"),
            ("http://[::1]/", "[::1]"),
            ("http://[::1]:80/", "[::1]"),
            ("http://[::1]:81/", "[::1]:81"),
        ] {
            let is_same = is_host_of(TargetForm::Absolute, target, host.as_bytes());
            assert!(is_same, "{target} {host}");
        }
        for (target, host) in [
            ("http://a/b", "b"),
            ("http://a/b", ""),
            ("http://a/b", "a:443"),
            ("https://a/b", "a:80"),
            ("http://a:81/", "a"),
            ("http://a:81/", "a:82"),
            ("http://a/b", "a.b"),
            ("http://[::1]/", "[::2]"),
            ("http://[::1]:81/", "[::1]"),
            ("http://a/@b", "b"),
        ] {
            let is_same = is_host_of(TargetForm::Absolute, target, host.as_bytes());
            assert!(!is_same, "{target} {host}");
        }
    }

    #[test]
    fn hosts_of_tunnels() {
        for (target, host, is_same) in [
            ("a:80", "a:80", true),
            ("a:80", "A:080", true),
            ("a:8080", "a", true),
            ("a:8080", "a:", true),
            ("[::1]:80", "[::1]:80", true),
            ("[::1]:80", "[::1]", true),
            ("a:80", "b", false),
            ("a:80", "b:80", false),
            ("a:80", "", false),
            ("a:80", "a:81", false),
            ("a:443", "a:80", false),
            ("[::1]:80", "[::2]", false),
        ] {
            let found = is_host_of(TargetForm::Authority, target, host.as_bytes());
            assert_eq!(found, is_same, "{target} {host}");
        }
    }

    #[test]
    fn names_whatever_their_case() {
        assert!(is_name(b"HoSt", b"host") && is_name(b"keep-alive", b"keep-alive"));
        assert!(
            !is_name(b"hosu", b"host")
                && !is_name(b"hos", b"host")
                && !is_name(b"keep_alive", b"keep-alive")
        );
    }
}

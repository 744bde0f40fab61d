//! Where does a message end, and what does it want of the connection?
//!
//! [`Framing::of`] goes over the fields of a request once, [`Framing::of_response`] over those of a response, and both note facts
//! as bits. What the facts mean is one table (printed by [`RulesTable`]): two parties who frame a message
//! differently are how requests are smuggled, so whatever is ambiguous is refused rather than repaired, and the connection
//! closes. A plain request sets none of the suspicious bits and never walks the table; of the plainest, which have nothing but a `Host`
//! and perhaps `Connection: keep-alive`, not even facts are noted.
//!
//! Decided where RFC 9112 leaves a choice:
//!
//! - lengths that are repeated, or listed, are refused even when they are equal (section 6.3 and RFC 9110, section 8.6, permit
//!   to take them for one): no client that means well sends them, and it takes only one party in the chain that reads the list
//!   differently;
//! - `Content-Length` beside `Transfer-Encoding` is refused (section 6.3 permits to believe the coding);
//! - a request whose last coding is not chunked has status 400, as section 6.3 demands, also when the coding is one that we do not know, of
//!   which section 6.1 would like 501;
//! - a target in absolute form, or that of CONNECT, and a `Host` that contradict each other are refused (section 3.2.2 has the
//!   target win, section 3.2 forbids to send it): who routed it here may have looked at the other. With CONNECT a `Host` without a
//!   port contradicts none, since there is no scheme that would give it one;
//! - an upgrade is heard only of a request without a body, and a CONNECT may have none: what follows the head is then either
//!   the other protocol or nothing. A connection on which CONNECT is declined closes, since its client may have sent
//!   on in the other protocol already.

mod facts;

use super::error::Refusal;
use super::request::{RequestHead, TargetForm, Version};
use facts::*;
use std::fmt;

/// What the head of a message says about the message and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// Where the body ends.
    pub body: BodyFraming,
    /// Whether the sender wants to use the connection again.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body. Never of a response.
    pub expects_continue: bool,
    /// What the client asks the connection to become. Never of a response.
    pub switch: Option<Switch>,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// After so many bytes; with 0, there is none.
    Length(u64),
    /// Where its chunks say ([`ChunkedDecoder`](super::ChunkedDecoder)).
    Chunked,
    /// Where the connection ends. Only of a response.
    UntilClose,
    /// Nowhere: what follows the head is none of HTTP. Only of a response.
    Tunnel,
}

/// What a client asks a connection to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switch {
    /// One of the protocols in the field `Upgrade` (RFC 9110, section 7.8).
    Upgrade,
    /// A tunnel to the target (RFC 9110, section 9.3.6).
    Connect,
}

/// What a request asked for, as far as it decides where its response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Nothing of what follows.
    Plain,
    /// It was HEAD: the response says what the body would be, and has none.
    Head,
    /// It was CONNECT.
    Connect,
    /// It asked for another protocol.
    Upgrade,
}

impl Framing {
    /// Reads the fields of a request that frame it.
    ///
    /// # Errors
    ///
    /// The message is ambiguous or malformed, by the first of the rules ([`RulesTable`]) that applies; or its body is longer than
    /// `body_max`, as far as its head says so.
    ///
    /// # Source
    ///
    /// RFC 9112, sections 3.2, 6 and 9.3; RFC 9110, sections 7.2, 7.6.1, 7.8, 8.6 and 10.1.1.
    pub fn of(head: &RequestHead<'_>, body_max: u64) -> Result<Self, Refusal> {
        match Self::of_plain(head) {
            Some(framing) => Ok(framing),
            None => Self::of_any(head, body_max),
        }
    }

    /// The same of one of the plainest requests, which has no body; nothing of others.
    #[inline(always)]
    pub(crate) fn of_plain(head: &RequestHead<'_>) -> Option<Self> {
        let is_plain = head.form() == TargetForm::Origin && has_plain_host(head);
        is_plain.then_some(Self {
            body: BodyFraming::Length(0),
            keep_alive: head.version() == Version::Http11,
            expects_continue: false,
            switch: None,
        })
    }

    /// The same of a request that may be any.
    #[doc(hidden)]
    #[inline(never)]
    pub fn of_any(head: &RequestHead<'_>, body_max: u64) -> Result<Self, Refusal> {
        let mut facts = Facts::of_request(head.version());
        for field in head.fields_of(&INITIALS) {
            facts.note(field.name, field.value);
        }
        facts.note_target(head);
        let bits = facts.bits;
        let body = if bits & SUSPICIOUS == 0 && bits & (HOST | OLD) != 0 {
            BodyFraming::Length(facts.length)
        } else {
            judge(bits)?.with(facts.length)
        };
        let has_body = within(body, body_max)?;
        Ok(Self {
            body,
            keep_alive: facts.keep_alive() && bits & CONNECT == 0,
            // Of a 1.0 client the expectation is ignored (RFC 9110, section 10.1.1); without a body there is
            // nothing to wait for.
            expects_continue: bits & (CONTINUE | OLD) == CONTINUE && has_body,
            switch: facts.switch(has_body),
        })
    }

    /// Reads the fields of a response that frame it: those of `fields`, names and values without spaces around them.
    ///
    /// # Errors
    ///
    /// As of a request.
    ///
    /// # Source
    ///
    /// RFC 9112, sections 6.3 and 9.3; RFC 9110, sections 8.6, 9.3.6, 15.2.2.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::proto::framing::{Asked, BodyFraming, Framing};
    /// use filch_http::proto::{Refusal, Version};
    ///
    /// let frame = |status, asked, fields: &[(&'static str, &'static str)]| {
    ///     let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    ///     Framing::of_response(Version::Http11, status, fields, asked, 1000).map(|framing| framing.body)
    /// };
    /// let length = [("content-length", "5")];
    /// assert_eq!(frame(200, Asked::Plain, &length), Ok(BodyFraming::Length(5)));
    /// assert_eq!(frame(200, Asked::Head, &length), Ok(BodyFraming::Length(0)));
    /// assert_eq!(frame(200, Asked::Plain, &[]), Ok(BodyFraming::UntilClose));
    /// assert_eq!(frame(200, Asked::Connect, &length), Ok(BodyFraming::Tunnel));
    /// assert_eq!(frame(204, Asked::Plain, &length), Err(Refusal::BodyForbidden));
    /// ```
    pub fn of_response<'b>(
        version: Version,
        status: u16,
        fields: impl Iterator<Item = (&'b [u8], &'b [u8])>,
        asked: Asked,
        body_max: u64,
    ) -> Result<Self, Refusal> {
        let mut facts = Facts::of_response(version, status, asked);
        for (name, value) in fields {
            facts.note(name, value);
        }
        facts.note_body();
        let body = judge(facts.bits)?.with(facts.length);
        within(body, body_max)?;
        let ends_with_it = matches!(body, BodyFraming::UntilClose | BodyFraming::Tunnel);
        Ok(Self {
            body,
            keep_alive: facts.keep_alive() && !ends_with_it,
            expects_continue: false,
            switch: None,
        })
    }
}

/// Refuses a body that says it is too long. Whether there is one.
#[inline]
fn within(body: BodyFraming, body_max: u64) -> Result<bool, Refusal> {
    match body {
        BodyFraming::Length(length) if length > body_max => Err(Refusal::BodyTooLarge),
        BodyFraming::Length(length) => Ok(length > 0),
        _ => Ok(true),
    }
}

/// One row of the table: applies when all bits of `when` are set and none of `unless`.
#[derive(Clone, Copy)]
struct Rule {
    when: u32,
    unless: u32,
    verdict: Verdict,
    source: &'static str,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Refuse(Refusal),
    /// There is no body.
    Nothing,
    /// As long as `Content-Length` says.
    Length,
    Chunked,
    UntilClose,
    Tunnel,
}

use Verdict::Refuse;

/// The table: the first rule that applies decides, and one applies always.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule(RESPONSE | TUNNEL,     0,                     Verdict::Tunnel,                         "RFC 9112, section 6.3, item 2; RFC 9110, section 15.2.2"),
    rule(RESPONSE | UNASKED,    0,                     Refuse(Refusal::SwitchUnasked),          "RFC 9110, section 7.8"),
    rule(CODING | LENGTH,       0,                     Refuse(Refusal::LengthAndCoding),        "RFC 9112, section 6.3, item 3"),
    rule(CODING | OLD,          0,                     Refuse(Refusal::CodingInOldVersion),     "RFC 9112, section 6.1"),
    rule(CODING_BAD,            0,                     Refuse(Refusal::TransferEncoding),       "RFC 9112, section 6.3, item 4"),
    rule(CODING,                CODING_CHUNKED | RESPONSE, Refuse(Refusal::TransferEncoding),   "RFC 9112, section 6.3, item 4"),
    rule(CODING_UNKNOWN,        0,                     Refuse(Refusal::CodingUnsupported),      "RFC 9112, section 6.1"),
    rule(LENGTH_REPEATED,       0,                     Refuse(Refusal::ContentLengthRepeated),  "RFC 9112, section 6.3, item 5"),
    rule(LENGTH_BAD,            0,                     Refuse(Refusal::ContentLength),          "RFC 9110, section 8.6"),
    rule(HOST_REPEATED,         RESPONSE,              Refuse(Refusal::HostRepeated),           "RFC 9112, section 3.2"),
    rule(HOST_BAD,              RESPONSE,              Refuse(Refusal::Host),                   "RFC 9112, section 3.2"),
    rule(0,                     HOST | OLD | RESPONSE, Refuse(Refusal::HostMissing),            "RFC 9112, section 3.2"),
    rule(HOST_OTHER,            RESPONSE,              Refuse(Refusal::HostOther),              "RFC 9112, sections 3.2 and 3.2.2"),
    rule(OPTION_BAD,            0,                     Refuse(Refusal::ConnectionOption),       "RFC 9110, section 7.6.1"),
    rule(EXPECT_OTHER,          RESPONSE,              Refuse(Refusal::Expectation),            "RFC 9110, section 10.1.1"),
    rule(BODY | CONNECT,        RESPONSE,              Refuse(Refusal::BodyForbidden),          "RFC 9110, section 9.3.6"),
    rule(BODY | TRACE,          RESPONSE,              Refuse(Refusal::BodyForbidden),          "RFC 9110, section 9.3.8"),
    rule(RESPONSE | NO_BODY,    NEVER_BODY,            Verdict::Nothing,                        "RFC 9112, section 6.3, item 1: HEAD, 304"),
    rule(RESPONSE | NEVER_BODY | BODY, 0,              Refuse(Refusal::BodyForbidden),          "RFC 9112, section 6.1; RFC 9110, section 8.6: 1xx, 204"),
    rule(RESPONSE | NEVER_BODY, 0,                     Verdict::Nothing,                        "RFC 9112, section 6.3, item 1: 1xx, 204"),
    rule(CODING_CHUNKED,        0,                     Verdict::Chunked,                        "RFC 9112, section 6.3, item 4"),
    rule(LENGTH,                0,                     Verdict::Length,                         "RFC 9112, section 6.3, item 6"),
    rule(0,                     RESPONSE,              Verdict::Nothing,                        "RFC 9112, section 6.3, item 7"),
    rule(RESPONSE,              0,                     Verdict::UntilClose,                     "RFC 9112, section 6.3, item 8"),
];

/// The facts of a request that make it worth looking at the table.
const SUSPICIOUS: u32 = HOST_REPEATED
    | HOST_BAD
    | HOST_OTHER
    | LENGTH_REPEATED
    | LENGTH_BAD
    | CODING
    | OPTION_BAD
    | EXPECT_OTHER
    | CONNECT
    | TRACE;

const fn rule(when: u32, unless: u32, verdict: Verdict, source: &'static str) -> Rule {
    Rule {
        when,
        unless,
        verdict,
        source,
    }
}

#[inline(never)]
fn judge(bits: u32) -> Result<Verdict, Refusal> {
    let applies = |rule: &&Rule| bits & rule.when == rule.when && bits & rule.unless == 0;
    match RULES.iter().find(applies).map(|rule| rule.verdict) {
        Some(Refuse(refusal)) => Err(refusal),
        Some(verdict) => Ok(verdict),
        // The last two rows leave nothing out.
        None => Ok(Verdict::Nothing),
    }
}

impl Verdict {
    fn with(self, length: u64) -> BodyFraming {
        match self {
            Self::Length => BodyFraming::Length(length),
            Self::Chunked => BodyFraming::Chunked,
            Self::UntilClose => BodyFraming::UntilClose,
            Self::Tunnel => BodyFraming::Tunnel,
            Self::Nothing | Self::Refuse(_) => BodyFraming::Length(0),
        }
    }
}

/// The table as text: of which messages, what follows, by which rule.
#[derive(Debug, Clone, Copy)]
pub struct RulesTable;

impl fmt::Display for RulesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| of | the first that applies | source |\n|---|---|---|")?;
        for rule in RULES {
            let of = match (rule.when & RESPONSE, rule.unless & RESPONSE) {
                (0, 0) => "both",
                (0, _) => "request",
                _ => "response",
            };
            writeln!(f, "| {of} | {} | {} |", rule.verdict, rule.source)?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(refusal) => write!(f, "{}: {refusal}", refusal.status().as_str()),
            Self::Nothing => f.write_str("no body"),
            Self::Length => f.write_str("as long as Content-Length says"),
            Self::Chunked => f.write_str("chunked"),
            Self::UntilClose => f.write_str("until the connection closes"),
            Self::Tunnel => f.write_str("what follows is none of HTTP"),
        }
    }
}

#[cfg(test)]
mod tests;

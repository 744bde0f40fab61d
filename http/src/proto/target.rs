//! Of what form is a request target, and does its method allow it?
//!
//! Four forms (RFC 9112, section 3.2): a path for nearly everything, a whole URI when the client thinks that it
//! talks to a proxy (a server must take it), `host:port` for CONNECT alone, `*` for OPTIONS alone. Anything else is
//! refused, since two servers that guess differently serve different resources.

use super::error::Refusal;
use super::{scan, simd};

/// The form of a request target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TargetForm {
    /// A path and perhaps a query: `/where?q=now`.
    #[default]
    Origin,
    /// A URI: `http://www.example.org/pub`.
    Absolute,
    /// A host and a port: `www.example.com:80`.
    Authority,
    /// `*`: the server as a whole.
    Asterisk,
}

impl TargetForm {
    /// The form of `target`, which is not empty and holds only bytes a target may hold.
    #[inline]
    pub(crate) fn of(method: &[u8], target: &[u8]) -> Result<Self, Refusal> {
        if target.first() == Some(&b'/') && method != b"CONNECT" {
            return Ok(Self::Origin);
        }
        Self::of_rare(method, target)
    }

    #[cold]
    fn of_rare(method: &[u8], target: &[u8]) -> Result<Self, Refusal> {
        match (method, target) {
            (b"CONNECT", authority) if is_authority_with_port(authority) => Ok(Self::Authority),
            (b"CONNECT", _) => Err(Refusal::Target),
            (b"OPTIONS", b"*") => Ok(Self::Asterisk),
            (_, uri) if is_absolute(uri) => Ok(Self::Absolute),
            _ => Err(Refusal::Target),
        }
    }

    /// The path within a target of this form.
    #[inline]
    pub(crate) fn path(self, target: &str) -> &str {
        match self {
            Self::Origin => before_query(target),
            Self::Absolute => absolute_path(target),
            Self::Authority => "",
            Self::Asterisk => target,
        }
    }
}

#[inline]
fn before_query(target: &str) -> &str {
    match target.bytes().position(|byte| byte == b'?') {
        Some(at) => &target[..at],
        None => target,
    }
}

fn absolute_path(target: &str) -> &str {
    let rest = target.split_once("://").map_or("", |(_, rest)| rest);
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => before_query(&rest[at..]),
        _ => "/",
    }
}

/// `http://` or `https://`, a host, and whatever follows it. Without user information: that is how a link shows one
/// host and leads to another (RFC 9110, section 4.2.4).
fn is_absolute(uri: &[u8]) -> bool {
    let Some(rest) = strip_scheme(uri) else {
        return false;
    };
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    end > 0 && is_host(&rest[..end])
}

fn strip_scheme(uri: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let head = uri.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme)
                .then(|| &uri[scheme.len()..])
        })
}

fn is_authority_with_port(authority: &[u8]) -> bool {
    let has_port = matches!(authority.iter().rposition(|byte| *byte == b':'), Some(at) if at > 0 && at + 1 < authority.len());
    has_port && !authority.ends_with(b"]") && is_host(authority)
}

/// Whether `host` is `uri-host [ ":" port ]` (RFC 9110, section 7.2), which may be empty.
///
/// Without `%`: RFC 3986, section 3.2.2, has it for names that DNS does not know, and `http::Uri` refuses it, but a target must
/// be the same to who looks at its path and who looks at its URI.
#[inline(always)]
pub(crate) fn is_host(host: &[u8]) -> bool {
    is_host_within(host, host.last_chunk())
}

/// The same by a look at the `last` bytes of what `host` stands at the end of, if those are known.
#[inline(always)]
pub(crate) fn is_host_within(host: &[u8], last: Option<&[u8; 16]>) -> bool {
    last.is_some_and(|last| is_plain_host(host, last)) || is_any_host(host)
}

/// Whether `host` is a name of letters, digits, dots and hyphens, and perhaps a port, as nearly all are. Of those below eight bytes and
/// beyond 32 it is not said.
#[inline(always)]
fn is_plain_host(host: &[u8], last: &[u8; 16]) -> bool {
    let before_it = match (host.len(), host.first_chunk()) {
        (len @ 8..=16, _) => (0xFFFF_u32 >> len) as u16,
        (len @ 17..=32, Some(first)) => {
            // What lies in both is asked about in the last.
            if !simd::name_bytes(first).all_but((0xFFFF_u32 << (len - 16)) as u16) {
                return false;
            }
            0
        }
        _ => return false,
    };
    let found = simd::name_bytes(last);
    // The byte before the digits at the end. Before that is the name: of eight bytes a port leaves two.
    let before = 15usize.wrapping_sub(found.digits_behind());
    let has_port = before >= 15 - PORT_MAX_DIGITS && last.get(before) == Some(&b':');
    found.all_but(before_it | u16::from(has_port) << (before % 16))
}

#[inline(never)]
fn is_any_host(host: &[u8]) -> bool {
    if host.first() == Some(&b'[') {
        return is_bracketed_host(host);
    }
    let mut name = host;
    while let [before @ .., b'0'..=b'9'] = name {
        name = before;
    }
    let name = match name {
        [name @ .., b':'] if !name.is_empty() && host.len() - name.len() <= 1 + PORT_MAX_DIGITS => {
            name
        }
        _ => host,
    };
    name.iter().all(|byte| scan::is(*byte, scan::HOST))
}

/// Most digits of a port: five are enough for any.
const PORT_MAX_DIGITS: usize = 5;

/// `"[" IPv6address "]" [ ":" port ]` (RFC 3986, section 3.2.2). No IPvFuture: there is none.
#[cold]
#[inline(never)]
fn is_bracketed_host(host: &[u8]) -> bool {
    let Some(end) = host.iter().position(|byte| *byte == b']') else {
        return false;
    };
    let address = std::str::from_utf8(&host[1..end]).unwrap_or("");
    let port_is_good = match &host[end + 1..] {
        [] => true,
        [b':', port @ ..] => is_port(port),
        _ => false,
    };
    port_is_good && address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// `*DIGIT` (RFC 3986, section 3.2.3).
fn is_port(port: &[u8]) -> bool {
    port.len() <= PORT_MAX_DIGITS && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(method: &str, target: &str) -> Option<TargetForm> {
        TargetForm::of(method.as_bytes(), target.as_bytes()).ok()
    }

    /// RFC 9112, section 3.2.1.
    #[test]
    fn origin_form() {
        assert_eq!(form("GET", "/"), Some(TargetForm::Origin));
        assert_eq!(form("OPTIONS", "/where?q=now"), Some(TargetForm::Origin));
        assert_eq!(form("GET", "where"), None);
        assert_eq!(form("GET", "?q"), None);
    }

    /// RFC 9112, section 3.2.2.
    #[test]
    fn absolute_form() {
        for good in [
            "http://a/b",
            "HTTPS://a",
            "http://a:80/",
            "http://[::1]:8080/x?y",
            "http://a?q",
        ] {
            assert_eq!(form("GET", good), Some(TargetForm::Absolute), "{good}");
        }
        for bad in [
            "http:/a",
            "http://",
            "http:///a",
            "ftp://a/b",
            "http://u@a/b",
            "http://[::1/",
            "http://a:x/",
            "http://:80/",
            "http://a%41/",
        ] {
            assert_eq!(form("GET", bad), None, "{bad}");
        }
    }

    /// RFC 9112, section 3.2.3.
    #[test]
    fn authority_form_is_for_connect_alone() {
        assert_eq!(
            form("CONNECT", "a.example:443"),
            Some(TargetForm::Authority)
        );
        assert_eq!(form("CONNECT", "[::1]:443"), Some(TargetForm::Authority));
        assert_eq!(form("GET", "a.example:443"), None);
        for bad in [
            "/",
            "a.example",
            ":443",
            "a.example:",
            "http://a/",
            "[::1]",
            "a:65536000",
            "a%41:80",
        ] {
            assert_eq!(form("CONNECT", bad), None, "{bad}");
        }
    }

    /// RFC 9112, section 3.2.4.
    #[test]
    fn asterisk_form_is_for_options_alone() {
        assert_eq!(form("OPTIONS", "*"), Some(TargetForm::Asterisk));
        assert_eq!(form("GET", "*"), None);
        assert_eq!(form("OPTIONS", "*a"), None);
    }

    /// What a check of the one finds must hold for the other: a target with a path of its own here and another there
    /// would pass it.
    #[test]
    fn the_uri_of_a_target_has_its_path() {
        let agrees = |method: &str, target: &str| {
            let Some(form) = form(method, target) else {
                return;
            };
            let uri = target.parse::<http::Uri>();
            let uri = uri.unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(uri.path(), form.path(target), "{target}");
        };
        for byte in (0x21..=0x7e).filter(|byte| scan::is(*byte, scan::TARGET)) {
            let b = char::from(byte);
            for (before, after) in [
                ("http://", "/p"),
                ("http://a", "/p"),
                ("http://a", "c/p"),
                ("http://a", "41/p"),
                ("http://a:", "/p"),
                ("http://[::1]", "/p"),
                ("http://[::", "]/p"),
                ("http://a/", ""),
                ("http://a/b", "c?d"),
                ("http://a?", "/p"),
                ("/", ""),
                ("/a", "b?c"),
                ("/a?b", "c"),
                ("//", "/p"),
            ] {
                agrees("GET", &format!("{before}{b}{after}"));
            }
            for (before, after) in [
                ("", ":1"),
                ("a", ":1"),
                ("a", "c:1"),
                ("a:", ""),
                ("[::1]", ":1"),
            ] {
                agrees("CONNECT", &format!("{before}{b}{after}"));
            }
        }
        for target in [
            "http://a",
            "http://a?b",
            "http://a:99999/p",
            "http://a:/p",
            "http://[::1.2.3.4]/p",
        ] {
            agrees("GET", target);
        }
        agrees("OPTIONS", "*");
        agrees("CONNECT", "a:99999");
    }

    #[test]
    fn paths() {
        for (form, target, path) in [
            (TargetForm::Origin, "/a/b", "/a/b"),
            (TargetForm::Origin, "/a?b?c", "/a"),
            (TargetForm::Absolute, "http://h/a?b", "/a"),
            (TargetForm::Absolute, "http://h?a/b", "/"),
            (TargetForm::Absolute, "http://h", "/"),
            (TargetForm::Authority, "h:1", ""),
            (TargetForm::Asterisk, "*", "*"),
        ] {
            assert_eq!(form.path(target), path, "{target}");
        }
    }

    /// RFC 9110, section 7.2.
    #[test]
    fn hosts() {
        for good in [
            "",
            "a",
            "a.example",
            "a:80",
            "a:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a_b",
            "xn--a",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b", "a/b", "a@b", "a,b", "a:b", "a:80:80", "[::1", "::1", "[::1]x", "a:123456",
            ":80", "[a]", "a\x7f", "a?", "\\", "%", "a%", "a%2", "a%41",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    /// Hosts and what is nearly one.
    fn nearly() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            "[a-zA-Z0-9.-]{0,40}",
            "[a-c.]{0,12}",
            "[0-9.:]{0,12}",
            "\\PC{0,6}"
        ];
        let port = prop_oneof![Just(String::new()), ":[0-9]{0,7}", "[:0-9a/@]{0,7}"];
        (name, port).prop_map(|(name, port)| name + &port)
    }

    proptest! {
        /// What is said at a glance is what a look at each byte says.
        #[test]
        fn plain_hosts_are_hosts(host in nearly(), at: prop::sample::Index, byte: u8) {
            let mut host = host.into_bytes();
            prop_assert_eq!(verdict(&host), is_any_host(&host));
            if !host.is_empty() {
                let at = at.index(host.len());
                host[at] = byte;
                prop_assert_eq!(verdict(&host), is_any_host(&host));
            }
        }
    }

    /// What is said of a host, which is the same wherever it stands.
    fn verdict(host: &[u8]) -> bool {
        let verdict = is_host(host);
        for before in ["Host: ", "Host:", "a.example", "12345678", ":1234567", ""] {
            let head = [b"GET / HTTP/1.1\r\n", before.as_bytes(), host].concat();
            let there = is_host_within(host, head.last_chunk());
            assert_eq!(there, verdict, "{}", String::from_utf8_lossy(&head));
        }
        verdict
    }

    /// Each byte at each place of names of each length, with and without a port.
    #[test]
    fn plain_hosts_byte_by_byte() {
        for len in if cfg!(miri) { 8..10 } else { 0..35 } {
            for port in ["", ":", ":8", ":80", ":12345", ":123456"] {
                let good = [&b"a".repeat(len), port.as_bytes()].concat();
                assert_eq!(verdict(&good), is_any_host(&good));
                for at in 0..len {
                    for byte in 0..=u8::MAX {
                        let mut host = good.clone();
                        host[at] = byte;
                        let text = String::from_utf8_lossy(&host);
                        assert_eq!(verdict(&host), is_any_host(&host), "{text}");
                    }
                }
            }
        }
    }

    /// Those of nearly all requests are seen at a glance.
    #[test]
    fn plain_hosts() {
        for host in [
            "127.0.0.1:8080",
            "localhost:3000",
            "h.io:8080",
            "example.org",
            "example.org:8080",
            "www.example.org:8080",
            "xn--bcher-kva.example",
            "a-name-of-just-32-bytes.example.",
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}");
            let last = head.as_bytes().last_chunk().expect("it is longer");
            assert!(is_plain_host(host.as_bytes(), last), "{host}");
        }
    }
}

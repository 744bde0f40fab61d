//! Which file does the rest of a path mean?
//!
//! A [`Relative`]: what is left of `/static/a%20b` behind `/static/`, decoded segment by segment, with everything refused that could mean something else to the file
//! system, to a proxy or to a person than it means here. What is refused is not there: the answer is 404, so that nobody learns which rule it was, or what is behind it. (The
//! router has answered 400 before, without a look at any file, where the rest of a path cannot be decoded or is not UTF-8. Here that is refused all the same, for whoever has no router before it.)
//!
//! | what | why it is refused |
//! |---|---|
//! | `%` without two hexadecimal digits | RFC 3986, section 2.1: it encodes nothing, and others would guess |
//! | a segment `.` or `..`, however encoded | clients resolve them before they send (RFC 3986, section 5.2.4) |
//! | an empty segment but the last | `//` at the beginning would be an absolute path, within it a second name for the same file |
//! | `/`, `\` or a control in a decoded segment | NUL ends names early, `\` separates them elsewhere, and a `%2F` that became a `/` would bring back `..` |
//! | bytes that are not UTF-8 | overlong forms (`%C0%AE` for a dot) among them |
//! | a segment that begins with a dot, unless allowed | `.git`, `.env`, `.htpasswd` |
//! | names longer than Linux has | the kernel would say so too, but as an error |
//!
//! Each is decoded once: `%252e` is the name `%2e`. Rejected: resolving `..` ourselves, as it hides from logs what was tried, and what it means behind a link cannot be told from the path.

use percent_encoding::percent_decode_str;

/// Longest name of a file in bytes, without its end (`NAME_MAX` of Linux).
pub const NAME_MAX_BYTES: usize = 255;

/// Longest path in bytes, without its end (`PATH_MAX` of Linux is 4096 with it).
pub const PATH_MAX_BYTES: usize = 4095;

/// A path below the folder that is served: segments with one `/` between them, neither first nor last, and no NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    path: String,
}

impl Relative {
    /// What the raw rest of a path means, with or without a slash at its end; `None` if nothing that can be served.
    ///
    /// `shows_hidden` allows names that begin with a dot.
    #[must_use]
    pub fn parse(raw: &str, shows_hidden: bool) -> Option<Self> {
        let raw = match raw.strip_suffix('/') {
            // A single slash is an empty segment before the last.
            Some("") => return None,
            Some(folder) => folder,
            None => raw,
        };
        let mut path = String::new();
        if !raw.is_empty() {
            for segment in raw.split('/') {
                push(&mut path, segment, shows_hidden)?;
            }
        }
        Some(Self { path })
    }

    /// The path; empty for the folder itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

/// Adds a segment that was checked.
fn push(path: &mut String, raw: &str, shows_hidden: bool) -> Option<()> {
    if !is_encoded_well(raw) {
        return None;
    }
    let segment = percent_decode_str(raw).decode_utf8().ok()?;
    let is_dots = matches!(&*segment, "." | "..");
    let is_hidden = segment.starts_with('.') && !shows_hidden;
    let is_foreign = segment
        .bytes()
        .any(|byte| matches!(byte, b'/' | b'\\') || byte.is_ascii_control());
    if segment.is_empty() || segment.len() > NAME_MAX_BYTES || is_dots || is_hidden || is_foreign {
        return None;
    }
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(&segment);
    (path.len() <= PATH_MAX_BYTES).then_some(())
}

/// Whether each `%` has its two digits.
fn is_encoded_well(raw: &str) -> bool {
    let mut after = raw.as_bytes().split(|byte| *byte == b'%').skip(1);
    after.all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn path(raw: &str) -> Option<String> {
        Relative::parse(raw, false).map(|relative| relative.path)
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(path("a").as_deref(), Some("a"));
        assert_eq!(path("a/b.c").as_deref(), Some("a/b.c"));
        assert_eq!(path("a%20b/%C3%A4").as_deref(), Some("a b/ä"));
        assert_eq!(path("a%2e%2E").as_deref(), Some("a.."));
        assert_eq!(path("%252e%252e").as_deref(), Some("%2e%2e"));
        assert_eq!(path("a?b*c").as_deref(), Some("a?b*c"));
        assert_eq!(path("a+b").as_deref(), Some("a+b"));
    }

    #[test]
    fn folders() {
        assert_eq!(path("a/b/").as_deref(), Some("a/b"));
        assert_eq!(path("").as_deref(), Some(""));
    }

    #[test]
    fn ways_out_are_refused() {
        for raw in [
            "..",
            "../a",
            "a/..",
            "a/../b",
            "./a",
            "a/.",
            "%2e%2e",
            "%2e%2e/a",
            ".%2e",
            "%2E.",
            "a/%2e%2e/b",
            "..%2f",
            "..%2fa",
            "%2e%2e%2fa",
            "a%2fb",
            "%2f",
            "%2fetc%2fpasswd",
            "/",
            "//",
            "/a",
            "//a",
            "a//",
            "a//b",
            "a/b//",
            "/etc/passwd",
            "..\\a",
            "a\\b",
            "%5c",
            "..%5c..%5ca",
            "a%00",
            "a%00.html",
            "%00",
            "a\0b",
            "%c0%ae%c0%ae",
            "%c0%ae%c0%ae/a",
            "%c0%af",
            "%e0%80%ae",
            "%f0%80%80%ae",
            "%ff",
            "%80",
            "a%0ab",
            "a%0d",
            "%7f",
            "%1b",
            "%",
            "a%",
            "%2",
            "%zz",
            "%2g",
            "%%32%65",
            "%u002e",
            "%2e%2e/",
            "a/%2e",
        ] {
            assert_eq!(path(raw), None, "{raw}");
            assert_eq!(Relative::parse(raw, true), None, "{raw}");
        }
    }

    #[test]
    fn dot_files_are_hidden_unless_shown() {
        for raw in [".git/config", "a/.env", "%2egit", "...", "..a", ".a/"] {
            assert_eq!(path(raw), None, "{raw}");
            assert!(Relative::parse(raw, true).is_some(), "{raw}");
        }
        assert!(path("a.").is_some());
    }

    #[test]
    fn the_longest_name() {
        for (len, is_good) in [
            (NAME_MAX_BYTES - 1, true),
            (NAME_MAX_BYTES, true),
            (NAME_MAX_BYTES + 1, false),
        ] {
            assert_eq!(path(&"n".repeat(len)).is_some(), is_good, "{len}");
            // What counts is what is decoded.
            assert_eq!(path(&"%6e".repeat(len)).is_some(), is_good, "{len} encoded");
        }
    }

    #[test]
    fn the_longest_path() {
        for (len, is_good) in [
            (PATH_MAX_BYTES - 1, true),
            (PATH_MAX_BYTES, true),
            (PATH_MAX_BYTES + 1, false),
        ] {
            let raw = "n/".repeat(len / 2 - 1) + &"n".repeat(len - (len / 2 - 1) * 2);
            assert_eq!(raw.len(), len);
            assert_eq!(path(&raw).is_some(), is_good, "{len}");
        }
    }

    /// What must hold of all that is let through.
    fn check(raw: &str, shows_hidden: bool) {
        let Some(relative) = Relative::parse(raw, shows_hidden) else {
            return;
        };
        let path = relative.as_str();
        let mut components = Path::new(path).components();
        assert!(
            components.all(|part| matches!(part, Component::Normal(_))),
            "{raw}"
        );
        assert!(
            !path.contains(['\0', '\\']) && !path.contains("//"),
            "{raw}"
        );
        assert!(
            path.is_empty() || !path.starts_with('/') && !path.ends_with('/'),
            "{raw}"
        );
        assert!(
            shows_hidden || path.split('/').all(|name| !name.starts_with('.')),
            "{raw}"
        );
    }

    proptest! {
        #[test]
        fn what_is_let_through_stays_below(raw in "([./%\\\\a0\u{e4}]|%2e|%2f|%5c|%00|%c0%ae|\\.\\.|/){0,12}", shows_hidden: bool) {
            check(&raw, shows_hidden);
        }

        #[test]
        fn every_name_can_be_asked_for(names in prop::collection::vec("[^/\\\\\\p{Cc}.][^/\\\\\\p{Cc}]{0,20}", 1..4)) {
            let expected = names.join("/");
            let encode = |name: &String| percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
            let raw = names.iter().map(encode).collect::<Vec<_>>().join("/");
            prop_assert_eq!(path(&raw), Some(expected));
        }
    }
}

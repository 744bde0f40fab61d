//! Does the client want the file, as it is now?
//!
//! [`Preconditions`] are those of RFC 9110, section 13, in the order of section 13.2.2:
//!
//! | step | field | if it does not hold |
//! |---|---|---|
//! | 1 | `If-Match` | 412 |
//! | 2 | without it, `If-Unmodified-Since` | 412 |
//! | 3 | `If-None-Match` | 304 |
//! | 4 | without it, `If-Modified-Since` | 304 |
//! | 5 | `If-Range`, where there is `Range` | the whole file |
//!
//! Lists of tags are read up to where they are malformed. A date that is malformed, or a field that may stand once and stands twice, is as if it were not there; of `If-Range` it does not hold,
//! which sends more than was wanted, and never what does not fit together.

use super::version::Version;
use std::time::SystemTime;

/// What a request says of the version it wants.
#[derive(Debug, Default)]
pub(crate) struct Preconditions<'r> {
    pub(crate) if_match: Vec<&'r [u8]>,
    pub(crate) if_none_match: Vec<&'r [u8]>,
    pub(crate) if_unmodified_since: Single<'r>,
    pub(crate) if_modified_since: Single<'r>,
    pub(crate) if_range: Single<'r>,
}

/// A field that may stand once.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Single<'r> {
    #[default]
    Missing,
    Once(&'r [u8]),
    /// Nobody knows which was meant.
    Repeated,
}

impl<'r> Single<'r> {
    pub(crate) fn add(&mut self, value: &'r [u8]) {
        *self = match self {
            Self::Missing => Self::Once(value),
            _ => Self::Repeated,
        };
    }

    pub(crate) fn once(self) -> Option<&'r [u8]> {
        match self {
            Self::Once(value) => Some(value),
            _ => None,
        }
    }

    fn date(self) -> Option<SystemTime> {
        date(self.once()?)
    }
}

/// What comes of the preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The file is sent, or the part of it that `Range` says.
    Send,
    /// 304: the client has it.
    NotModified,
    /// 412.
    Failed,
}

impl Preconditions<'_> {
    /// Steps 1 to 4, for GET and HEAD.
    pub(crate) fn judge(&self, version: &Version) -> Verdict {
        if !self.if_match.is_empty() {
            if !names(&self.if_match, |tag| tag.is_strongly(version)) {
                return Verdict::Failed;
            }
        } else if let Some(since) = self.if_unmodified_since.date() {
            if version.modified().is_some_and(|modified| modified > since) {
                return Verdict::Failed;
            }
        }
        if !self.if_none_match.is_empty() {
            if names(&self.if_none_match, |tag| tag.is_weakly(version)) {
                return Verdict::NotModified;
            }
        } else if let Some(since) = self.if_modified_since.date() {
            if version.modified().is_some_and(|modified| modified <= since) {
                return Verdict::NotModified;
            }
        }
        Verdict::Send
    }

    /// Step 5: whether `Range` counts. `has_variants` says that files with the same date may be sent in its place.
    pub(crate) fn allows_ranges(&self, version: &Version, has_variants: bool) -> bool {
        match self.if_range {
            Single::Missing => true,
            Single::Repeated => false,
            Single::Once(value) => is_the_version(value, version, has_variants),
        }
    }
}

/// RFC 9110, section 13.1.5: exactly this version, by a strong validator. A date is one only if nothing can have changed within its second, it is that of the change, and no other variant has it.
fn is_the_version(value: &[u8], version: &Version, has_variants: bool) -> bool {
    if value.starts_with(b"\"") || value.starts_with(b"W/") {
        return Tag::parse(value)
            .is_some_and(|(tag, rest)| rest.is_empty() && tag.is_strongly(version));
    }
    !has_variants && date(value).is_some_and(|date| version.strongly_modified() == Some(date))
}

fn date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

/// Whether one of the tags in these lists, or `*`, names what is there.
fn names(lists: &[&[u8]], is_it: impl Fn(Tag<'_>) -> bool) -> bool {
    lists.iter().any(|list| {
        if list.trim_ascii() == b"*" {
            return true;
        }
        let mut rest = *list;
        loop {
            // Empty elements, and the spaces around each (RFC 9110, section 5.6.1.2).
            while let [b' ' | b'\t' | b',', after @ ..] = rest {
                rest = after;
            }
            let Some((tag, after)) = Tag::parse(rest) else {
                return false;
            };
            let after = after.trim_ascii_start();
            if !matches!(after, [] | [b',', ..]) {
                return false;
            }
            if is_it(tag) {
                return true;
            }
            rest = after;
        }
    })
}

/// An entity tag of a client's (RFC 9110, section 8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'r> {
    /// In its quotes.
    opaque: &'r [u8],
    is_weak: bool,
}

impl<'r> Tag<'r> {
    /// The tag that stands at the beginning, and what follows it.
    fn parse(bytes: &'r [u8]) -> Option<(Self, &'r [u8])> {
        let (is_weak, quoted) = match bytes.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, bytes),
        };
        let [b'"', inner @ ..] = quoted else {
            return None;
        };
        let len = inner.iter().position(|byte| *byte == b'"')?;
        let is_good = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..);
        if !inner[..len].iter().all(is_good) {
            return None;
        }
        let (opaque, rest) = quoted.split_at(len + 2);
        Some((Self { opaque, is_weak }, rest))
    }

    /// RFC 9110, section 8.8.3.2.
    fn is_strongly(self, version: &Version) -> bool {
        !self.is_weak && !version.is_weak() && self.is_weakly(version)
    }

    fn is_weakly(self, version: &Version) -> bool {
        self.opaque == version.opaque().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::version::Stamp;
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const MODIFIED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
    const AFTER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";

    /// Modified then; its last change `age` seconds ago.
    fn version(age: i64) -> Version {
        let stamp = Stamp {
            len: 1,
            device: 2,
            inode: 3,
            changed: (1_700_000_100 - age, 0),
            modified_secs: 1_700_000_000,
        };
        Version::of(&stamp, UNIX_EPOCH + Duration::from_secs(1_700_000_100))
    }

    /// The verdict for these fields, and whether ranges count. `TAG` stands for the tag.
    fn judge_of(version: &Version, fields: &[(&str, &str)]) -> (Verdict, bool) {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.replace("TAG", version.opaque())))
            .collect();
        let mut asked = Preconditions::default();
        for (name, value) in &fields {
            let value = value.as_bytes();
            match *name {
                "match" => asked.if_match.push(value),
                "none" => asked.if_none_match.push(value),
                "unmodified" => asked.if_unmodified_since.add(value),
                "modified" => asked.if_modified_since.add(value),
                "range" => asked.if_range.add(value),
                other => panic!("{other}"),
            }
        }
        (asked.judge(version), asked.allows_ranges(version, false))
    }

    fn judge(fields: &[(&str, &str)]) -> Verdict {
        judge_of(&version(50), fields).0
    }

    /// RFC 9110, section 13.1.1.
    #[test]
    fn section_13_1_1_if_match() {
        for good in [
            "TAG",
            "*",
            " * ",
            "\"x\", TAG",
            ",,\"x\" ,\tTAG",
            "W/\"x\",TAG,\"y\"",
        ] {
            assert_eq!(judge(&[("match", good)]), Verdict::Send, "{good}");
        }
        for bad in [
            "W/TAG",
            "\"x\"",
            "",
            "x",
            "TAG x",
            "x, TAG",
            "\"x\" TAG",
            "\"x",
            "\"",
            "W/",
            "w/TAG",
            "**",
            "*, TAG",
        ] {
            assert_eq!(judge(&[("match", bad)]), Verdict::Failed, "{bad}");
        }
        assert_eq!(
            judge(&[("match", "\"x\""), ("match", "TAG")]),
            Verdict::Send
        );
        // A weak tag is never strongly the same.
        let young = judge_of(&version(0), &[("match", "TAG")]).0;
        assert_eq!(young, Verdict::Failed);
        assert_eq!(judge_of(&version(0), &[("match", "*")]).0, Verdict::Send);
    }

    /// RFC 9110, section 13.1.2.
    #[test]
    fn section_13_1_2_if_none_match() {
        for same in ["TAG", "W/TAG", "*", "\"x\", W/TAG", "TAG, \"x\""] {
            assert_eq!(judge(&[("none", same)]), Verdict::NotModified, "{same}");
            let young = judge_of(&version(0), &[("none", same)]).0;
            assert_eq!(young, Verdict::NotModified, "{same}");
        }
        for other in ["\"x\"", "", "x", "\"x\" TAG", "TAG\"", "\"a b\", TAG"] {
            assert_eq!(judge(&[("none", other)]), Verdict::Send, "{other}");
        }
    }

    /// RFC 9110, sections 13.1.3 and 13.1.4.
    #[test]
    fn section_13_1_3_and_4_dates() {
        for (date, since, unmodified) in [
            (BEFORE, Verdict::Send, Verdict::Failed),
            (MODIFIED, Verdict::NotModified, Verdict::Send),
            (AFTER, Verdict::NotModified, Verdict::Send),
            // The two old forms (RFC 9110, section 5.6.7).
            (
                "Tuesday, 14-Nov-23 22:13:20 GMT",
                Verdict::NotModified,
                Verdict::Send,
            ),
            (
                "Tue Nov 14 22:13:20 2023",
                Verdict::NotModified,
                Verdict::Send,
            ),
            ("yesterday", Verdict::Send, Verdict::Send),
            ("", Verdict::Send, Verdict::Send),
            ("1700000000", Verdict::Send, Verdict::Send),
        ] {
            assert_eq!(judge(&[("modified", date)]), since, "{date}");
            assert_eq!(judge(&[("unmodified", date)]), unmodified, "{date}");
        }
        assert_eq!(
            judge(&[("modified", AFTER), ("modified", AFTER)]),
            Verdict::Send
        );
        assert_eq!(
            judge(&[("unmodified", BEFORE), ("unmodified", BEFORE)]),
            Verdict::Send
        );
    }

    /// RFC 9110, section 13.2.2: the product of what each field can say.
    #[test]
    fn section_13_2_2_order() {
        let matches = [None, Some(("match", "TAG")), Some(("match", "\"x\""))];
        let unmodified = [
            None,
            Some(("unmodified", AFTER)),
            Some(("unmodified", BEFORE)),
        ];
        let nones = [None, Some(("none", "\"x\"")), Some(("none", "TAG"))];
        let modified = [None, Some(("modified", BEFORE)), Some(("modified", AFTER))];
        for (m, u) in (0..3).flat_map(|m| (0..3).map(move |u| (m, u))) {
            for (n, s) in (0..3).flat_map(|n| (0..3).map(move |s| (n, s))) {
                let fields = [matches[m], unmodified[u], nones[n], modified[s]];
                let fields: Vec<_> = fields.into_iter().flatten().collect();
                // The second of each holds, the third does not; the first of two that is there decides.
                let fails = if m > 0 { m == 2 } else { u == 2 };
                let has_it = if n > 0 { n == 2 } else { s == 2 };
                let expected = match (fails, has_it) {
                    (true, _) => Verdict::Failed,
                    (false, true) => Verdict::NotModified,
                    (false, false) => Verdict::Send,
                };
                assert_eq!(judge(&fields), expected, "{fields:?}");
            }
        }
    }

    /// RFC 9110, section 13.1.5.
    #[test]
    fn section_13_1_5_if_range() {
        let allows = |age, value| judge_of(&version(age), &[("range", value)]).1;
        assert!(judge_of(&version(50), &[]).1);
        for (value, is_it) in [
            ("TAG", true),
            (MODIFIED, true),
            ("W/TAG", false),
            ("\"x\"", false),
            ("TAG, \"x\"", false),
            ("*", false),
            ("", false),
            (BEFORE, false),
            (AFTER, false),
        ] {
            // Changed in the second that the date says.
            assert_eq!(allows(100, value), is_it, "{value}");
            // Young: neither tag nor date is strong.
            assert!(!allows(0, value), "{value}");
        }
        let twice = judge_of(&version(50), &[("range", "TAG"), ("range", "TAG")]);
        assert!(!twice.1);
        // A date that was set may be that of another version as well.
        assert!(allows(50, "TAG") && !allows(50, MODIFIED));
        // And variants have the same.
        let mut asked = Preconditions::default();
        asked.if_range.add(MODIFIED.as_bytes());
        let settled = version(100);
        assert!(asked.allows_ranges(&settled, false) && !asked.allows_ranges(&settled, true));
    }
}

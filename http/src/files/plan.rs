//! What is answered when the file is there?
//!
//! A [`Plan`]: status, fields, and the body as a list of pieces, made from the fields of the request and from what is known of the file, without touching either. What stands in which answer:
//!
//! | field | 200 | 206 | 304 | 412 | 416 |
//! |---|---|---|---|---|---|
//! | `ETag`, `Last-Modified`, `Cache-Control` | yes | yes | yes | no | no |
//! | `Accept-Ranges`, `Content-Encoding`, `X-Content-Type-Options` | yes | yes | no | no | no |
//! | `Content-Type` | the file's | the file's, or that of several parts | no | text | text |
//! | `Content-Range` | no | of a single part | no | no | how long the file is |
//!
//! (RFC 9110, sections 15.3.7, 15.4.5 and 15.5.17.) Where files may be there compressed, every answer varies by `Accept-Encoding`, also that there is none: the handler says so. `Range` means nothing for HEAD (section 14.2).

use super::conditional::{Preconditions, Single, Verdict};
use super::encodings::Coding;
use super::multipart::{self, Piece};
use super::ranges::Ranges;
use super::version::Version;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::ops::Range;

/// What a request says that an answer from a file depends on.
#[derive(Debug, Default)]
pub(crate) struct Asked<'r> {
    pub(crate) preconditions: Preconditions<'r>,
    pub(crate) accept_encoding: Vec<&'r [u8]>,
    pub(crate) range: Single<'r>,
    pub(crate) is_head: bool,
}

impl<'r> Asked<'r> {
    /// What these fields say.
    pub(crate) fn of(fields: impl Iterator<Item = (&'r str, &'r [u8])>, is_head: bool) -> Self {
        let mut asked = Self {
            is_head,
            ..Self::default()
        };
        for (name, value) in fields {
            let conditions = &mut asked.preconditions;
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match name.len() {
                5 if is("range") => asked.range.add(value),
                8 if is("if-match") => conditions.if_match.push(value),
                8 if is("if-range") => conditions.if_range.add(value),
                13 if is("if-none-match") => conditions.if_none_match.push(value),
                15 if is("accept-encoding") => asked.accept_encoding.push(value),
                17 if is("if-modified-since") => conditions.if_modified_since.add(value),
                19 if is("if-unmodified-since") => conditions.if_unmodified_since.add(value),
                _ => {}
            }
        }
        asked
    }
}

/// What is known of the file.
#[derive(Debug)]
pub(crate) struct File<'s> {
    pub(crate) len: u64,
    pub(crate) version: Version,
    pub(crate) content_type: HeaderValue,
    pub(crate) coding: Coding,
    /// Whether it could have had another coding.
    pub(crate) has_variants: bool,
    pub(crate) cache_control: Option<&'s HeaderValue>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) pieces: Vec<Piece>,
}

impl Plan {
    /// The answer to what was asked. `boundary` is called for if it has several parts.
    pub(crate) fn of(
        asked: &Asked<'_>,
        file: &File<'_>,
        boundary: impl FnOnce() -> String,
    ) -> Self {
        match asked.preconditions.judge(&file.version) {
            Verdict::Failed => {
                return Self::text(StatusCode::PRECONDITION_FAILED, "precondition failed");
            }
            Verdict::NotModified => return Self::not_modified(file),
            Verdict::Send => {}
        }
        match ranges(asked, file) {
            Ranges::Whole => Self::whole(file),
            Ranges::Unsatisfiable => Self::unsatisfiable(file),
            Ranges::Parts(parts) => match <[Range<u64>; 1]>::try_from(parts) {
                Ok([part]) => Self::part(file, part),
                Err(parts) => Self::parts(file, parts, &boundary()),
            },
        }
    }

    fn whole(file: &File<'_>) -> Self {
        let mut fields = described(file);
        fields.insert(header::CONTENT_TYPE, file.content_type.clone());
        let pieces = (file.len > 0).then_some(Piece::File(0..file.len));
        Self {
            status: StatusCode::OK,
            fields,
            pieces: pieces.into_iter().collect(),
        }
    }

    fn part(file: &File<'_>, part: Range<u64>) -> Self {
        let mut fields = described(file);
        fields.insert(header::CONTENT_TYPE, file.content_type.clone());
        let range = multipart::content_range(&part, file.len);
        fields.insert(header::CONTENT_RANGE, value(range));
        Self {
            status: StatusCode::PARTIAL_CONTENT,
            fields,
            pieces: vec![Piece::File(part)],
        }
    }

    fn parts(file: &File<'_>, parts: Vec<Range<u64>>, boundary: &str) -> Self {
        let mut fields = described(file);
        fields.insert(header::CONTENT_TYPE, multipart::content_type(boundary));
        Self {
            status: StatusCode::PARTIAL_CONTENT,
            fields,
            pieces: multipart::pieces(parts, file.len, &file.content_type, boundary),
        }
    }

    fn not_modified(file: &File<'_>) -> Self {
        Self {
            status: StatusCode::NOT_MODIFIED,
            fields: validators(file),
            pieces: Vec::new(),
        }
    }

    fn unsatisfiable(file: &File<'_>) -> Self {
        let mut plan = Self::text(StatusCode::RANGE_NOT_SATISFIABLE, "range not satisfiable");
        let range = value(format!("bytes */{}", file.len));
        plan.fields.insert(header::CONTENT_RANGE, range);
        plan
    }

    /// An answer that says something itself.
    pub(crate) fn text(status: StatusCode, text: &'static str) -> Self {
        let mut fields = HeaderMap::new();
        let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
        fields.insert(header::CONTENT_TYPE, content_type);
        Self {
            status,
            fields,
            pieces: vec![Piece::Bytes(text.into())],
        }
    }
}

/// What `Range` means, where it counts.
fn ranges(asked: &Asked<'_>, file: &File<'_>) -> Ranges {
    match asked.range.once() {
        Some(field) if !asked.is_head && allows(asked, file) => Ranges::of(field, file.len),
        _ => Ranges::Whole,
    }
}

fn allows(asked: &Asked<'_>, file: &File<'_>) -> bool {
    let conditions = &asked.preconditions;
    conditions.allows_ranges(&file.version, file.has_variants)
}

/// What caches want to know.
fn validators(file: &File<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(header::ETAG, file.version.etag());
    if let Some(modified) = file.version.last_modified() {
        fields.insert(header::LAST_MODIFIED, modified);
    }
    if let Some(cache_control) = file.cache_control {
        fields.insert(header::CACHE_CONTROL, cache_control.clone());
    }
    fields
}

/// The same, and how the bytes are to be read.
fn described(file: &File<'_>) -> HeaderMap {
    let mut fields = validators(file);
    let fixed: [(HeaderName, &'static str); 2] = [
        (header::ACCEPT_RANGES, "bytes"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    fields.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if let Some(coding) = file.coding.name() {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    fields
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("numbers and words")
}

#[cfg(test)]
mod tests {
    use super::super::version::Stamp;
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const CACHE: HeaderValue = HeaderValue::from_static("max-age=60");

    fn file(len: u64) -> File<'static> {
        let stamp = Stamp {
            len,
            device: 1,
            inode: 2,
            changed: (1_700_000_000, 0),
            modified_secs: 1_700_000_000,
        };
        File {
            len,
            version: Version::of(&stamp, UNIX_EPOCH + Duration::from_secs(1_700_000_100)),
            content_type: HeaderValue::from_static("text/plain"),
            coding: Coding::Identity,
            has_variants: false,
            cache_control: None,
        }
    }

    fn plan(len: u64, is_head: bool, fields: &[(&str, &str)]) -> Plan {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        Plan::of(&Asked::of(fields, is_head), &file(len), || "xyz".to_owned())
    }

    fn names(plan: &Plan) -> Vec<&str> {
        let mut names: Vec<_> = plan.fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    const WHOLE: [&str; 5] = [
        "accept-ranges",
        "content-type",
        "etag",
        "last-modified",
        "x-content-type-options",
    ];

    #[test]
    fn the_whole_file() {
        let whole = plan(10, false, &[]);
        assert_eq!(whole.status, StatusCode::OK);
        assert_eq!(whole.pieces, [Piece::File(0..10)]);
        assert_eq!(names(&whole), WHOLE);
        assert_eq!(
            whole.fields["last-modified"],
            "Tue, 14 Nov 2023 22:13:20 GMT"
        );
        assert_eq!(plan(0, false, &[]).pieces, []);
    }

    #[test]
    fn a_part_of_it() {
        let part = plan(10, false, &[("RANGE", "bytes=2-3")]);
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.pieces, [Piece::File(2..4)]);
        assert_eq!(part.fields["content-range"], "bytes 2-3/10");
        assert_eq!(part.fields["content-type"], "text/plain");
    }

    #[test]
    fn several_parts() {
        let parts = plan(1000, false, &[("range", "bytes=0-0,-1")]);
        assert_eq!(parts.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(parts.pieces.len(), 5);
        assert_eq!(
            parts.fields["content-type"],
            "multipart/byteranges; boundary=xyz"
        );
        assert!(!parts.fields.contains_key("content-range"));
    }

    /// RFC 9110, section 14.2.
    #[test]
    fn section_14_2_when_ranges_do_not_count() {
        for (is_head, fields) in [
            (true, &[("range", "bytes=0-0")][..]),
            (true, &[("range", "bytes=20-")]),
            (false, &[("range", "bytes=0-0"), ("range", "bytes=0-0")]),
            (false, &[("range", "bytes=0-0"), ("if-range", "\"x\"")]),
            (false, &[("range", "bytes=20-"), ("if-range", "\"x\"")]),
        ] {
            let whole = plan(10, is_head, fields);
            assert_eq!(whole.status, StatusCode::OK, "{fields:?}");
            assert_eq!(whole.pieces, [Piece::File(0..10)], "{fields:?}");
            assert_eq!(names(&whole), WHOLE, "{fields:?}");
        }
        let date = "Tue, 14 Nov 2023 22:13:20 GMT";
        let part = plan(10, false, &[("range", "bytes=0-0"), ("if-range", date)]);
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    }

    #[test]
    fn beyond_the_end() {
        let beyond = plan(10, false, &[("range", "bytes=10-")]);
        assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(beyond.fields["content-range"], "bytes */10");
        assert_eq!(names(&beyond), ["content-range", "content-type"]);
        assert_eq!(
            plan(0, false, &[("range", "bytes=0-")]).fields["content-range"],
            "bytes */0"
        );
    }

    #[test]
    fn preconditions_come_before_ranges() {
        let tag = file(10).version.etag();
        let tag = tag.to_str().expect("text");
        let same = plan(10, false, &[("If-None-Match", tag), ("range", "bytes=20-")]);
        assert_eq!(
            (same.status, same.pieces.len()),
            (StatusCode::NOT_MODIFIED, 0)
        );
        assert_eq!(names(&same), ["etag", "last-modified"]);
        let other = plan(10, false, &[("if-match", "\"x\""), ("range", "bytes=0-0")]);
        assert_eq!(other.status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(names(&other), ["content-type"]);
        let date = "Tue, 14 Nov 2023 22:13:20 GMT";
        let since = plan(10, true, &[("if-modified-since", date)]);
        assert_eq!(since.status, StatusCode::NOT_MODIFIED);
        let since = plan(
            10,
            true,
            &[("if-unmodified-since", "Tue, 14 Nov 2023 22:13:19 GMT")],
        );
        assert_eq!(since.status, StatusCode::PRECONDITION_FAILED);
    }

    #[test]
    fn what_is_compressed_says_so() {
        let cache = CACHE;
        let file = File {
            coding: Coding::Zstd,
            has_variants: true,
            cache_control: Some(&cache),
            ..file(10)
        };
        let plan = |field: (&str, &str)| {
            let fields = [(field.0, field.1.as_bytes())];
            Plan::of(&Asked::of(fields.into_iter(), false), &file, || {
                "xyz".to_owned()
            })
        };
        let whole = plan(("accept-encoding", "zstd"));
        assert_eq!(whole.fields["content-encoding"], "zstd");
        assert_eq!(whole.fields["cache-control"], "max-age=60");
        // By a date that all variants have, nothing is put together.
        let fields = [
            ("range", &b"bytes=0-0"[..]),
            ("if-range", b"Tue, 14 Nov 2023 22:13:20 GMT"),
        ];
        let asked = Asked::of(fields.into_iter(), false);
        let dated = Plan::of(&asked, &file, || "xyz".to_owned());
        assert_eq!(dated.status, StatusCode::OK);
        let same = plan(("if-none-match", "*"));
        assert_eq!(names(&same), ["cache-control", "etag", "last-modified"]);
    }
}

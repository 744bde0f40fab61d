//! Routes and paths: does a path find the pattern that it fits best, as one finds it who looks at all of them?
//!
//! The input is lines: first patterns, made of its bytes so that most of them are good ones, then after an empty line paths as
//! they are. What the router finds must be what a matcher finds that knows nothing of trees; parameters must be where they are
//! said to be, and can be decoded, or the router answers by itself. Each path is read as a query too. Nothing may panic.
#![no_main]

use filch_http::{__door as door, Router};
use libfuzzer_sys::fuzz_target;

/// Most patterns: building is not what is tried here.
const PATTERNS_MAX: usize = 24;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, "/"));
    let mut known: Vec<Vec<Part>> = Vec::new();
    let mut router = Router::new();
    for line in patterns.lines().take(PATTERNS_MAX) {
        let parts = parts_of(line);
        if known.iter().all(|other| !is_same_shape(other, &parts)) {
            router = router.get(&pattern_of(&parts), async || "");
            known.push(parts);
        }
    }
    for path in paths.lines() {
        check(&router, &known, path);
        if let Some(pairs) = door::read_pairs(path) {
            assert!(pairs.len() <= path.split('&').count());
        }
    }
});

#[derive(Clone, PartialEq)]
enum Part {
    Text(String),
    Param,
    Rest,
}

/// A pattern of what is in a line: `*` is a parameter, and the rest when it ends the line.
fn parts_of(line: &str) -> Vec<Part> {
    let good = |char: &char| char.is_ascii_graphic() && !matches!(char, '{' | '}' | '?' | '#' | '*' | '/');
    let segments: Vec<&str> = line.split('/').collect();
    let last = segments.len() - 1;
    let part = |(at, segment): (usize, &&str)| match *segment {
        "**" if at == last => Part::Rest,
        segment if segment.starts_with('*') => Part::Param,
        segment => Part::Text(segment.chars().filter(good).collect()),
    };
    segments.iter().enumerate().map(part).collect()
}

fn pattern_of(parts: &[Part]) -> String {
    let segment = |(at, part): (usize, &Part)| match part {
        Part::Text(text) => format!("/{text}"),
        Part::Param => format!("/{{p{at}}}"),
        Part::Rest => format!("/{{*p{at}}}"),
    };
    parts.iter().enumerate().map(segment).collect()
}

fn is_same_shape(one: &[Part], other: &[Part]) -> bool {
    one == other
}

fn check(router: &Router, known: &[Vec<Part>], path: &str) {
    let best = known.iter().filter_map(|parts| Some((fit(parts, path)?, parts))).min_by(|a, b| a.0.0.cmp(&b.0.0));
    match (door::find(router, path), best) {
        (None, None) => {}
        (None, Some(((_, values), _))) => assert!(values.iter().any(|value| is_malformed(value)), "{path:?} is lost"),
        (Some(found), None) => panic!("{path:?} fits nothing, and finds {found:?}"),
        (Some((pattern, params)), Some(((_, values), parts))) => {
            assert!(values.iter().all(|value| !is_malformed(value)), "{path:?}");
            assert_eq!(params.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>(), values, "{path:?}");
            let expected = if values.is_empty() { path.to_owned() } else { pattern_of(parts) };
            assert_eq!(pattern, expected, "{path:?}");
        }
    }
}

/// The kind of each segment of a pattern that fits, the least of which goes first, and the values of its parameters.
fn fit(parts: &[Part], path: &str) -> Option<(Vec<u8>, Vec<String>)> {
    let (mut kinds, mut values) = (Vec::new(), Vec::new());
    let mut rest = Some(path.strip_prefix('/')?);
    for part in parts {
        let left = rest?;
        let (head, tail) = left.split_once('/').map_or((left, None), |(head, tail)| (head, Some(tail)));
        rest = tail;
        match part {
            Part::Text(text) if text == head => kinds.push(0),
            Part::Param if !head.is_empty() => {
                kinds.push(1);
                values.push(head.to_owned());
            }
            Part::Rest if !left.is_empty() => {
                kinds.push(2);
                values.push(left.to_owned());
                rest = None;
            }
            _ => return None,
        }
    }
    rest.is_none().then_some((kinds, values))
}

/// Whether a value cannot be percent-decoded, found in another way than the crate's own.
fn is_malformed(value: &str) -> bool {
    let mut bytes = Vec::new();
    let mut parts = value.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let Some(byte) = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) else {
            return true;
        };
        bytes.push(u8::from_str_radix(byte, 16).unwrap_or_default());
        bytes.extend_from_slice(part[2..].as_bytes());
    }
    String::from_utf8(bytes).is_err()
}

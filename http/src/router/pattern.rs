//! What paths does a route stand for?
//!
//! Its pattern is a path whose segments are text, `{name}` (any one segment that is not empty) or, at the end, `{*name}`
//! (all the rest, which is not empty). A parameter is a whole segment: with `/{name}.txt` and `/report.{kind}` it would
//! have to be said which of them `/report.txt` is.

use std::collections::HashSet;

/// A part of a pattern between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This text, as it is sent.
    Fixed(String),
    /// Any segment.
    Param(String),
    /// The rest of the path.
    Rest(String),
}

/// The segments of a pattern, or what is wrong with it.
pub(crate) fn parse(pattern: &str) -> Result<Vec<Segment>, String> {
    let Some(path) = pattern.strip_prefix('/') else {
        return Err("it does not begin with a slash".to_owned());
    };
    if let Some(bad) = pattern.chars().find(|char| !may_be_sent(*char)) {
        return Err(format!(
            "{bad:?} is never in a path as it is sent; write it percent-encoded"
        ));
    }
    let segments: Vec<_> = path.split('/').map(segment).collect::<Result<_, _>>()?;
    if let [before @ .., _] = &segments[..] {
        if before
            .iter()
            .any(|segment| matches!(segment, Segment::Rest(_)))
        {
            return Err("nothing can follow {*rest}, which is all that is left".to_owned());
        }
    }
    let mut names = HashSet::new();
    for name in segments.iter().filter_map(Segment::name) {
        if !names.insert(name) {
            return Err(format!("it has two parameters of the name {name:?}"));
        }
    }
    Ok(segments)
}

/// Whether a path that was sent can have it (RFC 3986, section 3.3; the parser lets pass a little more).
fn may_be_sent(char: char) -> bool {
    char.is_ascii_graphic() && !matches!(char, '?' | '#')
}

fn segment(text: &str) -> Result<Segment, String> {
    const REMEDY: &str = "a parameter is a whole segment, {name} or at the end {*rest}; a brace itself is written twice";
    let bare = text.replace("{{", "").replace("}}", "");
    if !bare.contains(['{', '}']) {
        return Ok(Segment::Fixed(text.replace("{{", "{").replace("}}", "}")));
    }
    let name = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .ok_or(REMEDY)?;
    let (name, is_rest) = match name.strip_prefix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    if name.is_empty() || name.contains(['{', '}', '*']) {
        return Err(REMEDY.to_owned());
    }
    Ok(match is_rest {
        true => Segment::Rest(name.to_owned()),
        false => Segment::Param(name.to_owned()),
    })
}

impl Segment {
    /// The name of the parameter.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Param(name) | Self::Rest(name) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones() {
        let fixed = |text: &str| Segment::Fixed(text.to_owned());
        assert_eq!(parse("/").expect("good"), [fixed("")]);
        assert_eq!(parse("/a/").expect("good"), [fixed("a"), fixed("")]);
        assert_eq!(
            parse("/a/{b}/{*c}").expect("good"),
            [
                fixed("a"),
                Segment::Param("b".to_owned()),
                Segment::Rest("c".to_owned())
            ]
        );
        assert_eq!(parse("/{{a}}").expect("good"), [fixed("{a}")]);
        assert_eq!(parse("/a%20b").expect("good"), [fixed("a%20b")]);
    }

    #[test]
    fn bad_ones() {
        for (pattern, why) in [
            ("", "slash"),
            ("a", "slash"),
            ("*", "slash"),
            ("/a b", "percent-encoded"),
            ("/a?b", "percent-encoded"),
            ("/\u{e9}", "percent-encoded"),
            ("/{a", "whole segment"),
            ("/a}", "whole segment"),
            ("/{}", "whole segment"),
            ("/{*}", "whole segment"),
            ("/{**a}", "whole segment"),
            ("/{a}.txt", "whole segment"),
            ("/x{a}", "whole segment"),
            ("/{a}{b}", "whole segment"),
            ("/{*a}/b", "nothing can follow"),
            ("/{a}/{a}", "two parameters"),
            ("/{a}/{*a}", "two parameters"),
        ] {
            let error = parse(pattern).expect_err(pattern);
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }
}

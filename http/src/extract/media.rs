//! Does a request say that its body is of a type that is understood?
//!
//! RFC 9110, section 8.3: `type/subtype`, in any case, perhaps with parameters, which change nothing here: JSON is UTF-8
//! (RFC 8259, section 8.1), and so are forms (URL standard).

use crate::request::Request;

/// What a request says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// Nothing.
    Unsaid,
    /// What is expected.
    Expected,
    /// Something else, or several things.
    Other,
}

/// What the request says, where `is_expected` is asked about the type in lower case.
pub(super) fn of(request: &Request, is_expected: impl Fn(&str) -> bool) -> Media {
    let mut values = request
        .fields()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let Some((_, value)) = values.next() else {
        return Media::Unsaid;
    };
    if values.next().is_some() {
        return Media::Other;
    }
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
    match std::str::from_utf8(essence.trim_ascii()) {
        Ok(essence) if is_expected(&essence.to_ascii_lowercase()) => Media::Expected,
        _ => Media::Other,
    }
}

//! What does percent-encoded text say?
//!
//! Each `%` with its two hexadecimal digits is a byte, and the bytes together are UTF-8; anything else is refused, since
//! two programs that mend it differently see different names (RFC 3986, section 2.1). The crate percent-encoding leaves
//! what is malformed as it is, which is what a browser wants and a server does not.

use std::borrow::Cow;
use std::fmt;

/// Why text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A `%` without two hexadecimal digits behind it.
    Percent,
    /// The bytes are not UTF-8.
    Utf8,
}

impl DecodeError {
    /// The words for the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Percent => "a percent sign has no two hexadecimal digits behind it",
            Self::Utf8 => "the text is not UTF-8",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for DecodeError {}

/// What is in a path, where a plus is a plus.
#[inline]
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    match memchr::memchr(b'%', text.as_bytes()) {
        None => Ok(Cow::Borrowed(text)),
        Some(_) => decode_slow(text, b'+').map(Cow::Owned),
    }
}

/// What is in a form or a query, where a plus is a space (URL standard, application/x-www-form-urlencoded).
#[cfg_attr(
    not(feature = "serde"),
    expect(dead_code, reason = "only who has serde reads forms")
)]
pub(crate) fn decode_form(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    match memchr::memchr2(b'%', b'+', text.as_bytes()) {
        None => Ok(Cow::Borrowed(text)),
        Some(_) => decode_slow(text, b' ').map(Cow::Owned),
    }
}

#[cold]
fn decode_slow(text: &str, plus: u8) -> Result<String, DecodeError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        decoded.push(match *byte {
            b'%' => {
                let (value, tail) = escaped(rest).ok_or(DecodeError::Percent)?;
                rest = tail;
                value
            }
            b'+' => plus,
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| DecodeError::Utf8)
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = text.split_first_chunk()?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    Some(((digit(*high)? * 16 + digit(*low)?) as u8, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_it_says() {
        assert_eq!(decode("a+b").expect("plain"), "a+b");
        assert!(matches!(decode("plain"), Ok(Cow::Borrowed("plain"))));
        assert_eq!(decode("a%2Fb%2fc%20").expect("good"), "a/b/c ");
        assert_eq!(decode("%C3%A9%00").expect("good"), "\u{e9}\0");
        assert_eq!(decode("%252F").expect("decoded once"), "%2F");
        assert_eq!(decode_form("a+b%2B").expect("good"), "a b+");
    }

    #[test]
    fn what_it_refuses() {
        for text in ["%", "a%2", "%%", "%g0", "%0g", "%+1", "% 1", "%2\u{e9}"] {
            assert_eq!(decode(text), Err(DecodeError::Percent), "{text}");
            assert_eq!(decode_form(text), Err(DecodeError::Percent), "{text}");
        }
        for text in ["%ff", "%C3", "%C3%28", "%ED%A0%80", "%C0%80"] {
            assert_eq!(decode(text), Err(DecodeError::Utf8), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(text in ".*") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode(&encoded).expect("encoded properly"), text.as_str());
            prop_assert_eq!(decode_form(&encoded).expect("encoded properly"), text.as_str());
        }
    }
}

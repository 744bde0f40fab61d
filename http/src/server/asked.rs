//! What was asked, for who wants to know when the request itself is out of reach?
//!
//! A request that its handler keeps cannot be looked at any more, nor one whose response is still on its way. So [`Asked`] is a copy for the access log, made before the handler begins and only
//! where there is such a log, in memory that is used again; and [`Name`] is the beginning of one, for the rare line of an error log, in place and as small as it may be.

use crate::proto::RequestHead;
use std::fmt;

/// Method and target.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    text: String,
    /// Where the target begins.
    target_at: usize,
}

/// How much memory is kept for it, in bytes: more than the targets of almost all requests have.
const KEPT_BYTES: usize = 2 * 1024;

impl Asked {
    /// Copies them.
    pub(crate) fn note(&mut self, head: &RequestHead<'_>) {
        self.text.clear();
        self.text.push_str(head.method());
        self.target_at = self.text.len();
        self.text.push_str(head.target());
    }

    /// What was copied, if anything was.
    pub(crate) fn get(&self) -> Option<(&str, &str)> {
        (!self.text.is_empty()).then(|| self.text.split_at(self.target_at))
    }

    /// Forgets it.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.target_at = 0;
    }
}

/// As much of a method and a target as an error is told with.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    text: [u8; NAME_BYTES],
    len: usize,
}

/// How much that is, in bytes. A guess.
const NAME_BYTES: usize = 200;

impl Name {
    /// The beginning of both.
    pub(crate) fn of(method: &str, target: &str) -> Self {
        let mut name = Self {
            text: [0; NAME_BYTES],
            len: 0,
        };
        for part in [method, " ", target] {
            let room = &mut name.text[name.len..];
            let count = part.len().min(room.len());
            room[..count].copy_from_slice(&part.as_bytes()[..count]);
            name.len += count;
        }
        name
    }

    /// The text, up to where it was cut.
    pub(crate) fn as_str(&self) -> &str {
        let text = &self.text[..self.len];
        match std::str::from_utf8(text) {
            Ok(text) => text,
            // Cut within a character.
            Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_where_it_is_full() {
        assert_eq!(Name::of("GET", "/a").as_str(), "GET /a");
        for len in [NAME_BYTES - 5, NAME_BYTES - 4, NAME_BYTES - 3] {
            let whole = format!("GET {}", "a".repeat(len));
            let name = Name::of("GET", &whole[4..]);
            assert_eq!(name.as_str(), &whole[..whole.len().min(NAME_BYTES)]);
        }
        let name = Name::of("GET", &"ä".repeat(NAME_BYTES));
        assert_eq!(name.as_str(), format!("GET {}", "ä".repeat(98)));
        let name = Name::of("XGET", &"ä".repeat(NAME_BYTES));
        assert_eq!(name.as_str(), format!("XGET {}", "ä".repeat(97)));
    }
}

//! Which bytes may stand where?
//!
//! One table has a bit for each class, for who asks about one byte. For who asks about many at once, [`Nibbles`] has
//! the same classes as a vector instruction can look them up: sixteen bytes by the low half of a byte, in each a bit
//! for the high half. Both are made from the same predicates when the crate is compiled.

/// `tchar`: what methods and field names are made of (RFC 9110, section 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// What a request target may hold; see [`is_target`].
pub(crate) const TARGET: u8 = 1 << 1;
/// What a field value may hold, and a reason phrase: HTAB, SP, VCHAR and obs-text (RFC 9110, section 5.5; RFC 9112,
/// section 4).
pub(crate) const VALUE: u8 = 1 << 2;
/// What a registered name or an IPv4 address in `Host` may hold (RFC 3986, section 3.2.2), without the comma and `%`.
pub(crate) const HOST: u8 = 1 << 3;

/// What a request target may hold before its query: all of [`TARGET`] but `?`.
pub(crate) const PATH: u8 = 1 << 4;

/// The classes of each byte.
static CLASSES: [u8; 256] = classes();

/// Whether `byte` is of the class (or of one of the classes) `class`.
#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// A class as two look-ups of sixteen bytes: a byte of US-ASCII is *marked* where the entry of its low half in
/// [`LOW`](Self::LOW) and the entry of its high half in [`HIGH`] have a bit in common. A byte of 0x80 and above never is.
///
/// Marked are the members of a class that has none from 0x80 on; of a class that has all of those, the others. So the
/// bytes that end a run are the unmarked ones in the first case, and the marked ones in the second.
pub(crate) struct Nibbles<const CLASS: u8>;

/// For each high half of a byte of US-ASCII a bit.
pub(crate) const HIGH: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];

impl<const CLASS: u8> Nibbles<CLASS> {
    /// Whether the marked bytes are those that end a run.
    pub(crate) const MARKS_STOPS: bool = classes()[0x80] & CLASS != 0;
    /// For each low half the bits of the high halves with which it makes a marked byte.
    pub(crate) const LOW: [u8; 16] = {
        let classes = classes();
        let mut low = [0; 16];
        let mut byte = 0;
        while byte < 0x80 {
            if (classes[byte] & CLASS != 0) != Self::MARKS_STOPS {
                low[byte & 0x0F] |= HIGH[byte >> 4];
            }
            byte += 1;
        }
        while byte < 256 {
            assert!(
                (classes[byte] & CLASS != 0) == Self::MARKS_STOPS,
                "obs-text is a member as a whole or not at all"
            );
            byte += 1;
        }
        low
    };
}

/// Whether a request target may hold `byte`.
///
/// The visible characters of US-ASCII without those that no URI may hold and no client sends unencoded: the quote,
/// the angle brackets, the grave accent, and `#`, since a target has no fragment. Square and curly brackets, `|`, `\`
/// and `^` are no URI characters either (RFC 3986, section 2), but browsers send them in queries, and they mislead
/// nobody about where the target ends.
const fn is_target(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E) && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'`')
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

const fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7E | 0x80..)
}

const fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
        )
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        classes[byte] = (is_token(b) as u8 * TOKEN)
            | (is_target(b) as u8 * TARGET)
            | (is_value(b) as u8 * VALUE)
            | (is_host(b) as u8 * HOST)
            | ((is_target(b) && b != b'?') as u8 * PATH);
        byte += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_same<const CLASS: u8>() {
        for byte in 0..=u8::MAX {
            let is_marked = byte < 0x80
                && Nibbles::<CLASS>::LOW[usize::from(byte & 0x0F)] & HIGH[usize::from(byte >> 4)]
                    != 0;
            assert_eq!(
                is_marked != Nibbles::<CLASS>::MARKS_STOPS,
                is(byte, CLASS),
                "{byte:#x} in class {CLASS}"
            );
        }
    }

    #[test]
    fn both_tables_say_the_same() {
        assert_same::<TOKEN>();
        assert_same::<TARGET>();
        assert_same::<VALUE>();
        assert_same::<HOST>();
        assert_same::<PATH>();
    }

    /// RFC 9110, section 5.6.2.
    #[test]
    fn delimiters_are_no_token_characters() {
        for byte in b"\"(),/:;<=>?@[\\]{} \t\r\n\0\x7F\x80\xFF" {
            assert!(!is(*byte, TOKEN), "{byte:#x}");
        }
        assert_eq!((0..=u8::MAX).filter(|byte| is(*byte, TOKEN)).count(), 77);
    }
}

//! Which bytes may stand where, and how far does a run of them reach?
//!
//! One table of classes, a bit for each, answers the first question; three scanners built on [`Cursor::window`]
//! answer the second: [`token`] for methods and field names, [`target`] for request targets, [`value`] for field
//! values. Each moves the cursor to the first byte that does not belong, or to the end.
//!
//! Values are the bulk of a head and nearly all of their bytes are legal, so they are tested eight at a time in one
//! machine word. Names and targets have too many exceptions for that: a look-up per byte in a window of eight costs
//! the same and is plainer. Scanners that turn 16 or 32 bytes into bitmaps with vector instructions take the same
//! cursor, ask for wider windows, and take the place of these three functions.

use super::cursor::Cursor;

/// `tchar`: what methods and field names are made of (RFC 9110, section 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// What a request target may hold; see [`is_target`].
pub(crate) const TARGET: u8 = 1 << 1;
/// What a field value may hold: HTAB, SP, VCHAR and obs-text (RFC 9110, section 5.5).
pub(crate) const VALUE: u8 = 1 << 2;
/// What a registered name or an IPv4 address in `Host` may hold (RFC 3986, section 3.2.2), without the comma.
pub(crate) const HOST: u8 = 1 << 3;

/// The classes of each byte.
static CLASSES: [u8; 256] = classes();

/// Whether `byte` is of the class (or of one of the classes) `class`.
#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Whether all of these are of the class, with one branch for them together.
#[inline]
pub(crate) fn are(bytes: &[u8; 4], class: u8) -> bool {
    let [a, b, c, d] = bytes.map(|byte| CLASSES[usize::from(byte)]);
    a & b & c & d & class != 0
}

/// Moves over a token.
#[inline]
pub(crate) fn token(cursor: &mut Cursor<'_>) {
    run_of::<TOKEN>(cursor);
}

/// Moves over the bytes of a request target.
#[inline]
pub(crate) fn target(cursor: &mut Cursor<'_>) {
    run_of::<TARGET>(cursor);
}

/// Moves over the bytes of a field value, spaces and tabs included.
#[inline]
pub(crate) fn value(cursor: &mut Cursor<'_>) {
    loop {
        while let Some(window) = cursor.window::<16>() {
            if any_control(window.bytes()) {
                break;
            }
            window.skip(16);
        }
        while let Some(window) = cursor.window::<8>() {
            let stops = controls(u64::from_le_bytes(*window.bytes()));
            if stops != 0 {
                window.skip(stops.trailing_zeros() as usize / 8);
                break;
            }
            window.skip(8);
        }
        // A control, or fewer than eight bytes left. Both tests stop at a tab, which is legal.
        match cursor.peek() {
            Some(byte) if is(byte, VALUE) => cursor.next(),
            _ => return,
        };
    }
}

/// Whether a byte is below 0x20 or is 0x7F. Written so that the compiler makes a handful of vector instructions of it.
#[inline]
fn any_control(bytes: &[u8; 16]) -> bool {
    bytes
        .iter()
        .fold(false, |any, byte| any | (*byte < 0x20) | (*byte == 0x7F))
}

/// Moves over spaces and tabs (`OWS` of RFC 9110, section 5.6.3).
#[inline]
pub(crate) fn whitespace(cursor: &mut Cursor<'_>) {
    while let Some(b' ' | b'\t') = cursor.peek() {
        cursor.next();
    }
}

#[inline]
fn run_of<const CLASS: u8>(cursor: &mut Cursor<'_>) {
    while let Some(window) = cursor.window::<8>() {
        let bytes = window.bytes();
        // Unrolled by hand: the compiler keeps a counter otherwise, which costs one instruction in four.
        if !is(bytes[0], CLASS) {
            return window.skip(0);
        }
        if !is(bytes[1], CLASS) {
            return window.skip(1);
        }
        if !is(bytes[2], CLASS) {
            return window.skip(2);
        }
        if !is(bytes[3], CLASS) {
            return window.skip(3);
        }
        if !is(bytes[4], CLASS) {
            return window.skip(4);
        }
        if !is(bytes[5], CLASS) {
            return window.skip(5);
        }
        if !is(bytes[6], CLASS) {
            return window.skip(6);
        }
        if !is(bytes[7], CLASS) {
            return window.skip(7);
        }
        window.skip(8);
    }
    while let Some(byte) = cursor.peek() {
        if !is(byte, CLASS) {
            return;
        }
        cursor.next();
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Sets the high bit of each byte of `word` that is below 0x20 or is 0x7F.
///
/// Exact for the lowest such byte and everything below it: a borrow or a carry out of a byte that is one can only
/// raise false alarms above it. That is enough for who looks for the first.
#[inline]
const fn controls(word: u64) -> u64 {
    let below_space = word.wrapping_sub(ONES * 0x20);
    let is_delete = (word ^ (ONES * 0x7F)).wrapping_sub(ONES);
    // A byte of 0x80 and above is legal in a value (obs-text), and so is never one.
    (below_space | is_delete) & !word & HIGHS
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
                | b'%'
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
            | (is_host(b) as u8 * HOST);
        byte += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each scanner stops at exactly the bytes outside its class, wherever in a window they lie.
    #[test]
    fn scanners_agree_with_the_table_at_every_place() {
        type Scanner = (fn(&mut Cursor<'_>), u8, u8);
        let scanners: [Scanner; 3] = [
            (token, TOKEN, b'a'),
            (target, TARGET, b'/'),
            (value, VALUE, b'v'),
        ];
        for (scan, class, good) in scanners {
            for byte in 0..=u8::MAX {
                for at in 0..20 {
                    let mut input = [good; 20];
                    input[at] = byte;
                    let mut cursor = Cursor::new(&input, 0);
                    scan(&mut cursor);
                    let expected = if is(byte, class) { 20 } else { at };
                    assert_eq!(cursor.offset(), expected, "byte {byte:#x} at {at}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_two_stops_counts() {
        for first in 0..16 {
            for second in first..16 {
                for (a, b) in [
                    (0x00, 0x7F),
                    (0x7F, 0x00),
                    (0x1F, 0x20),
                    (0x80, 0x7F),
                    (0x7F, 0x80),
                    (b'\t', 0x01),
                ] {
                    let mut input = [b'v'; 16];
                    input[second] = b;
                    input[first] = a;
                    let mut cursor = Cursor::new(&input, 0);
                    value(&mut cursor);
                    let expected = input
                        .iter()
                        .position(|byte| !is(*byte, VALUE))
                        .unwrap_or(16);
                    assert_eq!(
                        cursor.offset(),
                        expected,
                        "{a:#x} at {first}, {b:#x} at {second}"
                    );
                }
            }
        }
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

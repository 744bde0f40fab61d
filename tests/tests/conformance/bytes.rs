//! How are bytes written in a case?
//!
//! As US-ASCII, with `\r`, `\n`, `\t`, `\0`, `\\`, `\)`, `\xNN`, and `\*N(...)` for N times what stands in the parentheses, in which
//! the same holds.

/// Most bytes of one line, repetitions counted: a slip of the pen shall not eat the machine's memory.
const LINE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The bytes that `text` stands for.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    sequence(&mut text.as_bytes(), false)
}

/// Up to the end, or, within a repetition, to its parenthesis.
fn sequence(rest: &mut &[u8], is_within: bool) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(byte) = take(rest) {
        match byte {
            b')' if is_within => return Ok(bytes),
            b')' => return Err("a ) that closes nothing; as a byte it is \\)".to_owned()),
            b'\\' => escaped(rest, &mut bytes)?,
            b' '..=b'~' => bytes.push(byte),
            _ => {
                return Err(format!(
                    "byte {byte:#04x} stands for itself; write \\x{byte:02x}"
                ));
            }
        }
        if bytes.len() > LINE_MAX_BYTES {
            return Err(format!("more than {LINE_MAX_BYTES} bytes in a line"));
        }
    }
    match is_within {
        true => Err("a \\*N( without its )".to_owned()),
        false => Ok(bytes),
    }
}

fn escaped(rest: &mut &[u8], bytes: &mut Vec<u8>) -> Result<(), String> {
    match take(rest) {
        Some(b'r') => bytes.push(b'\r'),
        Some(b'n') => bytes.push(b'\n'),
        Some(b't') => bytes.push(b'\t'),
        Some(b'0') => bytes.push(0),
        Some(byte @ (b'\\' | b')')) => bytes.push(byte),
        Some(b'x') => {
            let (digits, behind) = rest.split_at_checked(2).unwrap_or_default();
            let digits = std::str::from_utf8(digits).ok();
            let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok());
            bytes.push(byte.ok_or("\\x takes two hexadecimal digits")?);
            *rest = behind;
        }
        Some(b'*') => {
            let times = count(rest)?;
            let what = sequence(rest, true)?;
            if what.len().saturating_mul(times) > LINE_MAX_BYTES {
                return Err(format!("more than {LINE_MAX_BYTES} bytes in a line"));
            }
            bytes.extend(what.repeat(times));
        }
        Some(byte) => return Err(format!("\\{} means nothing", char::from(byte))),
        None => return Err("a \\ at the end".to_owned()),
    }
    Ok(())
}

/// The number and the parenthesis of a repetition.
fn count(rest: &mut &[u8]) -> Result<usize, String> {
    let mut digits = String::new();
    loop {
        match take(rest) {
            Some(digit @ b'0'..=b'9') => digits.push(char::from(digit)),
            Some(b'(') => break,
            _ => return Err("\\* takes a number and what is repeated, in parentheses".to_owned()),
        }
    }
    digits.parse().map_err(|_| "\\* takes a number".to_owned())
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

/// The same bytes for people to read, cut short where they are many.
pub(crate) fn show(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 300;
    let shown = bytes[..bytes.len().min(SHOWN_MAX)].escape_ascii();
    match bytes.len() {
        0..=SHOWN_MAX => format!("\"{shown}\""),
        more => format!("\"{shown}\"... ({more} bytes)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_escapes_stand_for() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("a b", b"a b"),
            (r"(a\)", b"(a)"),
            (r"\r\n\t\0\\", b"\r\n\t\0\\"),
            (r"\x00\xff\x7F", b"\x00\xff\x7f"),
            (r"\*3(ab)c", b"abababc"),
            (r"\*2(\*2(x)\r\n)", b"xx\r\nxx\r\n"),
            (r"\*0(x)y", b"y"),
            (r"\*2(\))", b"))"),
        ] {
            assert_eq!(unescape(text).expect(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_they_cannot_be() {
        for (text, complaint) in [
            ("a\\", "at the end"),
            (r"\q", "means nothing"),
            (r"\x1", "two hexadecimal"),
            (r"\xg0", "two hexadecimal"),
            (r"\*(a)", "takes a number"),
            (r"\*3a", "in parentheses"),
            (r"\*3(a", "without its )"),
            ("a)", "closes nothing"),
            ("a\tb", "stands for itself"),
            ("\u{e9}", "stands for itself"),
            (r"\*9999999(a)", "more than"),
            (r"\*99999999999999999999999(a)", "takes a number"),
            (r"\*4000000(a)\*4000000(a)", "more than"),
        ] {
            let error = unescape(text).expect_err(text);
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_shown_is_short() {
        assert_eq!(show(b"a\r\n"), "\"a\\r\\n\"");
        assert!(show(&[b'a'; 400]).ends_with("(400 bytes)"));
    }
}

//! In which encoding does a client want a file that is there in several?
//!
//! `app.js.br`, `app.js.zst` and `app.js.gz` beside `app.js` are the same file, compressed beforehand. [`wanted`] puts the codings that a client accepts into the order in which they shall be looked
//! for (RFC 9110, section 12.5.3): the client's weights decide, and between equals the smaller one, in the order br, zstd, gzip, nothing.
//!
//! - Without the field, or with an empty one, the file is sent as it is: what does not ask is a tool more often than a browser.
//! - `identity` that is neither named nor covered by `*` is acceptable, and last. It is also last when it is refused: a client that accepts nothing that is there gets the file all the same, as
//!   the RFC recommends, since it can do more with that than with a 406.
//! - An element that is malformed is passed over; the others stand.
//!
//! Whether the compressed file is as new as the other one is not asked: who makes them makes them together.

/// A content coding that files may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
    Identity,
}

impl Coding {
    /// All, the smallest first.
    const ALL: [Self; 4] = [Self::Brotli, Self::Zstd, Self::Gzip, Self::Identity];

    /// What is added to the file's name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }

    /// Its name in `Content-Encoding` (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name {
            _ if is("br") => Some(Self::Brotli),
            _ if is("zstd") => Some(Self::Zstd),
            // RFC 9110, section 8.4.1.3.
            _ if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            _ if is("identity") => Some(Self::Identity),
            _ => None,
        }
    }
}

/// A weight in thousandths.
type Weight = u16;

/// What the client accepts, in the order in which it shall be looked for; it ends with [`Coding::Identity`], or has it where the client wants it before others. `fields` are the values of all fields
/// `Accept-Encoding`.
pub(crate) fn wanted(fields: &[&[u8]]) -> Vec<Coding> {
    let [mut weights, mut others] = [[None; 4], [None; 4]];
    let values = fields.iter();
    let elements = values.flat_map(|value| value.split(|byte| *byte == b','));
    for (name, weight) in elements.filter_map(element) {
        if name == b"*" {
            others = [Some(weight); 4];
        } else if let Some(coding) = Coding::of(name) {
            weights[coding as usize] = Some(weight);
        }
    }
    // Identity that nobody speaks of is acceptable, but after all that was asked for.
    let mut wanted = Vec::from(Coding::ALL.map(|coding| {
        let said = weights[coding as usize].or(others[coding as usize]);
        (said.unwrap_or(0), coding)
    }));
    wanted.retain(|(weight, coding)| *weight > 0 || *coding == Coding::Identity);
    // Stable: between equals the order above stays.
    wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wanted.into_iter().map(|(_, coding)| coding).collect()
}

/// Name and weight of an element; `None` if it is empty or malformed.
fn element(element: &[u8]) -> Option<(&[u8], Weight)> {
    let mut parts = element.splitn(2, |byte| *byte == b';');
    let name = parts.next()?.trim_ascii();
    if name.is_empty() {
        return None;
    }
    let Some(parameter) = parts.next() else {
        return Some((name, 1000));
    };
    let [b'q' | b'Q', b'=', value @ ..] = parameter.trim_ascii() else {
        return None;
    };
    weight(value).map(|weight| (name, weight))
}

/// RFC 9110, section 12.4.2: from 0 to 1, with up to three digits behind the point.
fn weight(value: &[u8]) -> Option<Weight> {
    let (whole, digits) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let whole = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    let mut fraction = 0;
    for (digit, scale) in digits.iter().zip([100, 10, 1]) {
        fraction += Weight::from(char::from(*digit).to_digit(10)? as u8) * scale;
    }
    let weight = whole + fraction;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity, Zstd};
    use super::*;

    fn of(fields: &[&str]) -> Vec<Coding> {
        let fields: Vec<_> = fields.iter().map(|value| value.as_bytes()).collect();
        wanted(&fields)
    }

    /// RFC 9110, section 12.5.3.
    #[test]
    fn section_12_5_3_preferences() {
        for (field, expected) in [
            ("", &[Identity][..]),
            ("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip, Identity]),
            ("gzip", &[Gzip, Identity]),
            ("GZip , BR", &[Brotli, Gzip, Identity]),
            ("x-gzip", &[Gzip, Identity]),
            ("compress, gzip", &[Gzip, Identity]),
            ("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli, Identity]),
            ("gzip;q=0.5, identity", &[Identity, Gzip]),
            ("gzip;q=0.5, identity;q=0.5", &[Gzip, Identity]),
            ("br;q=0, gzip", &[Gzip, Identity]),
            ("*", &[Brotli, Zstd, Gzip, Identity]),
            ("*;q=0", &[Identity]),
            ("*;q=0.5, br;q=0", &[Zstd, Gzip, Identity]),
            ("gzip, *;q=0", &[Gzip, Identity]),
            ("identity;q=0", &[Identity]),
            ("identity;q=0, gzip;q=0.001", &[Gzip, Identity]),
            (",, gzip ,,", &[Gzip, Identity]),
            ("gzip ; q=0.3 , br\t;\tQ=0.2", &[Gzip, Brotli, Identity]),
        ] {
            assert_eq!(of(&[field]), expected, "{field}");
        }
        assert_eq!(of(&[]), [Identity]);
        assert_eq!(of(&["gzip;q=0.1", "br"]), [Brotli, Gzip, Identity]);
    }

    #[test]
    fn malformed_elements_are_passed_over() {
        for bad in [
            "br;q=",
            "br;q=2",
            "br;q=1.001",
            "br;q=0.0001",
            "br;q=-1",
            "br;q=.5",
            "br;q=a",
            "br;q=0.a",
            "br;",
            "br;level=5",
            "br;q=1;x",
            "br gzip",
            "br;q =1",
            "br;q= 1",
            "br\u{e4}",
        ] {
            assert_eq!(of(&[bad, "gzip"]), [Gzip, Identity], "{bad}");
        }
    }

    /// RFC 9110, section 12.4.2.
    #[test]
    fn section_12_4_2_weights() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.001", Some(1)),
            ("0.5", Some(500)),
            ("0.999", Some(999)),
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("0.1234", None),
            ("10", None),
            ("", None),
        ] {
            assert_eq!(weight(text.as_bytes()), expected, "{text}");
        }
    }
}

//! How many digits does a figure have?
//!
//! Three that mean something: medians of a handful of rounds say no more. Above a thousand all of the whole number, in groups, so that
//! columns line up and nobody counts zeros.

/// A blank that does not break a line, narrower than one between words.
const GAP: char = '\u{202f}';

/// A figure for people: `0.0123`, `1.23`, `12.3`, `123`, `12 345`.
pub(in super::super) fn figure(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    // The exponent of the number as it will be shown: 9.996 is 10.0 and not 10.00.
    let shown: f64 = format!("{number:.2e}").parse().unwrap_or(number);
    let exponent = shown.abs().log10().floor();
    let digits = (2.0 - exponent).clamp(0.0, 6.0) as usize;
    grouped(&format!("{number:.digits$}"))
}

/// How many times as much: `1.23 x`, and `12.3 x` from ten on.
pub(in super::super) fn times(ratio: f64) -> String {
    let figure = figure(ratio);
    format!("{figure}{GAP}×")
}

/// A whole number in groups of three digits.
pub(in super::super) fn whole(number: usize) -> String {
    grouped(&number.to_string())
}

/// What stands at an axis, where there is little room: `0.5`, `200`, `1k`, `2.5M`.
pub(super) fn short(number: f64) -> String {
    let (number, suffix) = match number.abs() {
        1e9.. => (number / 1e9, "G"),
        1e6.. => (number / 1e6, "M"),
        1e3.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    // What is no number of a decimal fraction's digits is rounded: 0.30000000000000004.
    let rounded: f64 = format!("{number:.2e}").parse().unwrap_or(number);
    format!("{rounded}{suffix}")
}

/// As precise as anybody can use it, four digits, for a file that is kept.
pub(in super::super) fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

fn grouped(number: &str) -> String {
    let (digits, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(GAP);
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_or_their_whole_part() {
        let figure = |number| figure(number).replace(GAP, " ");
        assert_eq!(figure(0.0), "0");
        assert_eq!(figure(0.001234), "0.00123");
        assert_eq!(figure(0.5), "0.500");
        assert_eq!(figure(9.994), "9.99");
        assert_eq!(figure(9.996), "10.0");
        assert_eq!(figure(99.96), "100");
        assert_eq!(figure(123.4), "123");
        assert_eq!(figure(1234.5), "1 234");
        assert_eq!(figure(12_345_678.0), "12 345 678");
        assert_eq!(whole(1_000_000).replace(GAP, " "), "1 000 000");
        assert_eq!(times(1.0), "1.00\u{202f}×");
    }

    #[test]
    fn ticks_are_short() {
        let ticks = [0.0, 0.1 + 0.2, 5.0, 200.0, 1000.0, 2.5e6, 500_000.0, 1e9];
        let texts: Vec<_> = ticks.into_iter().map(short).collect();
        assert_eq!(texts, ["0", "0.3", "5", "200", "1k", "2.5M", "500k", "1G"]);
    }
}

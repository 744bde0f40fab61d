//! What names and values become.

use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct All {
    u8: u8,
    i8: i8,
    i64: i64,
    u128: u128,
    f64: f64,
    bool: bool,
    char: Option<char>,
    text: String,
    color: Color,
    many: Vec<u16>,
    pair: Option<(u8, String)>,
    wrapped: Wrapped,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Color {
    #[default]
    Red,
    Green,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Wrapped(u8);

#[derive(Debug, PartialEq, Deserialize)]
struct Needs {
    n: u32,
}

fn all(text: &str) -> Result<All, PairsError> {
    parse(text)
}

#[test]
fn values() {
    let text = "u8=255&i8=-128&i64=-9&u128=340282366920938463463374607431768211455&f64=-1.5e3&bool=true&char=%C3%A9&\
                text=a+b%26c&color=green&many=1&many=2&many=3&pair=4&pair=x&wrapped=7&unknown=z";
    let expected = All {
        u8: 255,
        i8: -128,
        i64: -9,
        u128: u128::MAX,
        f64: -1500.0,
        bool: true,
        char: Some('\u{e9}'),
        text: "a b&c".to_owned(),
        color: Color::Green,
        many: vec![1, 2, 3],
        pair: Some((4, "x".to_owned())),
        wrapped: Wrapped(7),
    };
    assert_eq!(all(text), Ok(expected));
    assert_eq!(all(""), Ok(All::default()));
    assert_eq!(all("&&"), Ok(All::default()));
    assert_eq!(all("text").expect("empty").text, "");
    assert_eq!(all("text=a=b").expect("up to the first").text, "a=b");
}

#[test]
fn what_is_wrong_is_said() {
    for (text, why) in [
        ("u8=256", "`u8` is not a whole number from 0 to 255"),
        ("u8=+1", "`u8` is not a whole number from 0 to 255"),
        ("u8=%2B1", "`u8` is not a whole number from 0 to 255"),
        ("u8=", "`u8` is not a whole number from 0 to 255"),
        ("u8=1.0", "`u8` is not a whole number from 0 to 255"),
        ("i8=-129", "`i8` is not a whole number from -128 to 127"),
        ("f64=NaN", "`f64` is not a number"),
        ("f64=inf", "`f64` is not a number"),
        ("f64=1e999", "`f64` is not a number"),
        ("bool=1", "`bool` is not `true` or `false`"),
        ("char=ab", "`char` is not one character"),
        (
            "color=blue",
            "`color`: unknown variant `blue`, expected `red` or `green`",
        ),
        (
            "many=1&many=x",
            "`many` is not a whole number from 0 to 65535",
        ),
        ("u8=1&u8=2", "`u8` is there more than once"),
        ("text=a&bool=true&text=b", "`text` is there more than once"),
        (
            "text=%",
            "a percent sign has no two hexadecimal digits behind it",
        ),
        (
            "%=a",
            "a percent sign has no two hexadecimal digits behind it",
        ),
        ("text=%ff", "the text is not UTF-8"),
    ] {
        assert_eq!(all(text).expect_err(text).to_string(), why, "{text}");
    }
    let missing = parse::<Needs>("m=1").expect_err("missing");
    assert_eq!(missing.to_string(), "missing field `n`");
}

#[test]
fn as_a_map_and_as_pairs() {
    let map: BTreeMap<String, u8> = parse("b=2&a=1").expect("good");
    assert_eq!(
        map,
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
    );
    let lists: BTreeMap<String, Vec<u8>> = parse("b=2&a=1&b=1").expect("good");
    assert_eq!(lists["b"], [2, 1]);
    let pairs: Vec<(String, String)> = parse("b=2&a=1&b=1").expect("good");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(pairs, [pair("b", "2"), pair("a", "1"), pair("b", "1")]);
    assert_eq!(parse::<Option<Needs>>(""), Ok(None));
    assert_eq!(parse::<Option<Needs>>("n=1"), Ok(Some(Needs { n: 1 })));
    assert_eq!(parse::<()>("n=1"), Ok(()));
}

#[test]
fn no_more_than_the_limit() {
    for (count, is_good) in [
        (PAIRS_MAX - 1, true),
        (PAIRS_MAX, true),
        (PAIRS_MAX + 1, false),
    ] {
        let text = vec!["many=1"; count].join("&");
        match all(&text) {
            Ok(all) => assert!(is_good && all.many.len() == count),
            Err(error) => assert!(!is_good && error == PairsError::TooMany),
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "[a-z0-9=&+%.-]{0,40}") {
        let _ = all(&text);
        let _ = parse::<Vec<(String, String)>>(&text);
        let _ = parse::<BTreeMap<String, Vec<f32>>>(&text);
    }

    #[test]
    fn what_was_written_is_read(pairs in prop::collection::vec((".{0,5}", ".{0,5}"), 0..8)) {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let text: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        prop_assert_eq!(parse::<Vec<(String, String)>>(&text.join("&")), Ok(pairs));
    }
}

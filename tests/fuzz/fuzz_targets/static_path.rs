//! The rest of a path, and the file that it means, under arbitrary text.
//!
//! The first byte of the input says whether hidden names are shown. Whatever is let through must be a list of plain names to the file system, below the folder, and must not be a second name of what
//! another way of writing it means: encoded anew, it comes back as the same.
#![no_main]

use filch_http::file_doors::{NAME_MAX_BYTES, PATH_MAX_BYTES, Relative};
use libfuzzer_sys::fuzz_target;
use std::path::{Component, Path};

fuzz_target!(|input: &[u8]| {
    let Some((flags, rest)) = input.split_first() else { return };
    let Ok(raw) = std::str::from_utf8(rest) else { return };
    let shows_hidden = flags & 1 == 1;
    let Some(relative) = Relative::parse(raw, shows_hidden) else { return };
    let path = relative.as_str();
    check(path, shows_hidden);
    let again = Relative::parse(&encoded(path), shows_hidden);
    assert_eq!(again.as_ref(), Some(&relative), "encoded anew");
    let folder = Relative::parse(&format!("{}/", encoded(path)), shows_hidden);
    assert_eq!(folder.as_ref().is_some(), !path.is_empty(), "with a slash");
});

fn check(path: &str, shows_hidden: bool) {
    assert!(path.len() <= PATH_MAX_BYTES);
    let names: Vec<_> = path.split('/').filter(|_| !path.is_empty()).collect();
    let components: Vec<_> = Path::new(path).components().collect();
    assert_eq!(names.len(), components.len(), "{path:?}");
    for (name, component) in names.iter().zip(components) {
        assert!(matches!(component, Component::Normal(same) if same == *name), "{path:?}");
        assert!((1..=NAME_MAX_BYTES).contains(&name.len()));
        assert!(!name.contains(|c: char| c == '\\' || c.is_ascii_control()), "{path:?}");
        assert!(shows_hidden || !name.starts_with('.'), "{path:?}");
    }
}

/// Each byte but the slashes between names.
fn encoded(path: &str) -> String {
    let encode = |byte| match byte {
        b'/' => "/".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(encode).collect()
}

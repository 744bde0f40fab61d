//! How does a fuzzer look into the table?
//!
//! By this door alone, which is hidden: no promise is made about it.

use super::Router;
use super::found::Found;
use super::table::Matched;
use crate::percent;
use http::Method;

/// The pattern that a path fits, and name and place of each parameter, all of which can be decoded; `None` if the router
/// answers by itself.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "a panic is what a fuzzer looks for"
)]
pub fn find(router: &Router, path: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut found = Found::default();
    let Matched::Handler(_) = router.find(&Method::GET, path.as_bytes(), &mut found) else {
        return None;
    };
    let params = found.params().map(|(name, place)| {
        let value = &path[place];
        percent::decode(value).expect("the router has tried");
        (name.to_owned(), value.to_owned())
    });
    Some((found.pattern(path)?.to_owned(), params.collect()))
}

/// The names and values of a query; `None` if it is malformed.
#[cfg(feature = "serde")]
#[must_use]
pub fn read_pairs(text: &str) -> Option<Vec<(String, String)>> {
    crate::extract::read_pairs(text).ok()
}

//! Where does a client go that has left out the slash of a folder?
//!
//! To `./name/`, relative to where it was: whatever stands before that in the path, also what a proxy has taken off it, is as it was. An absolute path was rejected, since `//host/..` in a path of the
//! client's would be another host, and so was `name/` alone, which is a scheme if the name has a colon.

use http::HeaderValue;

/// The value of `Location` for a path without a slash at its end, both as they were sent; `None` if it is no path.
pub(crate) fn location(path: &str, query: Option<&str>) -> Option<HeaderValue> {
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    let location = match query {
        Some(query) => format!("./{name}/?{query}"),
        None => format!("./{name}/"),
    };
    HeaderValue::try_from(location).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_stay_where_they_are() {
        for (path, query, expected) in [
            ("/static/docs", None, Some("./docs/")),
            ("/static/docs", Some("a=b&c"), Some("./docs/?a=b&c")),
            ("/docs", Some(""), Some("./docs/?")),
            ("//host.example/docs", None, Some("./docs/")),
            ("//host.example", None, Some("./host.example/")),
            ("/a/http:x", None, Some("./http:x/")),
            ("/a/b%20c", None, Some("./b%20c/")),
            ("/a/", None, None),
            ("/", None, None),
            ("", None, None),
        ] {
            let found = location(path, query);
            let found = found.as_ref().map(|value| value.to_str().expect("text"));
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(location("/a\r\nb", None), None);
    }
}

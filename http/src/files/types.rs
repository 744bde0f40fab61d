//! What type has a file?
//!
//! What its extension says: a table of those that a web server meets, with IANA's names, and the server's own before it. Nothing is guessed from what is in the file, and
//! `X-Content-Type-Options: nosniff` tells clients not to guess either: a text that looks like HTML is a text. Text is said to be UTF-8; who serves something else says so with an own type.
//!
//! Rejected: `mime_guess`, whose tables hold thousands of types that nobody serves, and say nothing of charsets.

use http::HeaderValue;

/// The type of a file without an extension, or with one that nobody knows.
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The type of a file of this name.
pub(crate) fn content_type(name: &str, own: &[(String, HeaderValue)]) -> HeaderValue {
    let name = name.rsplit('/').next().unwrap_or_default();
    // `.profile` has no extension: what stands before its dot is empty.
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return UNKNOWN;
    };
    if stem.is_empty() || extension.len() > EXTENSION_MAX_BYTES {
        return UNKNOWN;
    }
    let extension = extension.to_ascii_lowercase();
    if let Some((_, own)) = own.iter().find(|(known, _)| *known == extension) {
        return own.clone();
    }
    match TYPES.binary_search_by_key(&extension.as_str(), |row| row.0) {
        Ok(at) => HeaderValue::from_static(TYPES[at].1),
        Err(_) => UNKNOWN,
    }
}

/// Longest extension that is looked up, in bytes: as long as the longest of the table. Those of the server's own are checked against it.
pub(crate) const EXTENSION_MAX_BYTES: usize = 16;

/// Extension in lower case, and type; in the order of the extensions.
const TYPES: &[(&str, &str)] = &[
    ("3gp", "video/3gpp"),
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("ai", "application/postscript"),
    ("apk", "application/vnd.android.package-archive"),
    ("apng", "image/apng"),
    ("appcache", "text/cache-manifest; charset=utf-8"),
    ("asc", "text/plain; charset=utf-8"),
    ("atom", "application/atom+xml"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("br", "application/octet-stream"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/plain; charset=utf-8"),
    ("cbor", "application/cbor"),
    ("cjs", "text/javascript; charset=utf-8"),
    ("conf", "text/plain; charset=utf-8"),
    ("cpp", "text/plain; charset=utf-8"),
    ("crt", "application/x-x509-ca-cert"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("deb", "application/vnd.debian.binary-package"),
    ("der", "application/x-x509-ca-cert"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("eot", "application/vnd.ms-fontobject"),
    ("eps", "application/postscript"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("gpx", "application/gpx+xml"),
    ("gz", "application/gzip"),
    ("h", "text/plain; charset=utf-8"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("ini", "text/plain; charset=utf-8"),
    ("iso", "application/octet-stream"),
    ("jar", "application/java-archive"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("jsonld", "application/ld+json"),
    ("jxl", "image/jxl"),
    ("kml", "application/vnd.google-earth.kml+xml"),
    ("kmz", "application/vnd.google-earth.kmz"),
    ("less", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("map", "application/json"),
    ("markdown", "text/markdown; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("mid", "audio/midi"),
    ("midi", "audio/midi"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("msgpack", "application/vnd.msgpack"),
    ("nt", "application/n-triples"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("parquet", "application/vnd.apache.parquet"),
    ("patch", "text/plain; charset=utf-8"),
    ("pdf", "application/pdf"),
    ("pem", "application/x-pem-file"),
    ("pgp", "application/pgp-encrypted"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("ps", "application/postscript"),
    ("py", "text/plain; charset=utf-8"),
    ("rar", "application/vnd.rar"),
    ("rpm", "application/x-rpm"),
    ("rs", "text/plain; charset=utf-8"),
    ("rss", "application/rss+xml"),
    ("rtf", "application/rtf"),
    ("sh", "text/plain; charset=utf-8"),
    ("sig", "application/pgp-signature"),
    ("sql", "application/sql"),
    ("srt", "application/x-subrip"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("ttc", "font/collection"),
    ("ttf", "font/ttf"),
    ("ttl", "text/turtle; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("vcf", "text/vcard; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xml", "application/xml"),
    ("xsl", "application/xslt+xml"),
    ("xslt", "application/xslt+xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(name: &str) -> String {
        let own = [("rs".to_owned(), HeaderValue::from_static("text/rust"))];
        content_type(name, &own).to_str().expect("text").to_owned()
    }

    #[test]
    fn the_table_is_sorted_and_its_values_are_fields() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
        for (extension, value) in TYPES {
            assert!(extension.len() <= EXTENSION_MAX_BYTES, "{extension}");
            assert_eq!(extension.to_ascii_lowercase(), *extension);
            assert!(HeaderValue::from_str(value).is_ok(), "{value}");
            let is_text = value.starts_with("text/");
            assert_eq!(is_text, value.ends_with("; charset=utf-8"), "{value}");
        }
    }

    #[test]
    fn types() {
        for (name, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a/b.CSS", "text/css; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("a.rs", "text/rust"),
            ("a.RS", "text/rust"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("a.html.x", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("a.html/b", "application/octet-stream"),
            ("a.3gp", "video/3gpp"),
            ("a.zst", "application/zstd"),
        ] {
            assert_eq!(type_of(name), expected, "{name}");
        }
    }

    #[test]
    fn the_longest_extension() {
        for (len, is_known) in [
            (EXTENSION_MAX_BYTES - 1, true),
            (EXTENSION_MAX_BYTES, true),
            (EXTENSION_MAX_BYTES + 1, false),
        ] {
            let extension = "x".repeat(len);
            let own = [(extension.clone(), HeaderValue::from_static("a/b"))];
            let found = content_type(&format!("a.{extension}"), &own);
            assert_eq!(found == "a/b", is_known, "{len}");
        }
    }
}

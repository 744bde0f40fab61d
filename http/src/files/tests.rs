//! Tests of the handler without a server: answers as they are planned, from real files, and their bytes as they would be sent.

use super::multipart::Piece;
use super::*;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use tempfile::TempDir;

/// An answer with its bytes.
struct Seen {
    status: u16,
    fields: http::HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn field(&self, name: &str) -> &str {
        let value = self.fields.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }
}

fn see(answer: Answer) -> Seen {
    let mut body = Vec::new();
    for piece in &answer.plan.pieces {
        match piece {
            Piece::Bytes(bytes) => body.extend_from_slice(bytes),
            Piece::File(range) => {
                let file = answer.file.as_ref().expect("a plan with ranges has a file");
                let mut part = vec![0; usize::try_from(range.end - range.start).expect("small")];
                file.read_exact_at(&mut part, range.start)
                    .expect("it is as long as that");
                body.extend(part);
            }
        }
    }
    Seen {
        status: answer.plan.status.as_u16(),
        fields: answer.plan.fields,
        body,
    }
}

/// Asks for `/static/` and what follows it.
fn ask(files: &StaticFiles, rest: &str, is_head: bool, fields: &[(&str, &str)]) -> Seen {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    let path = format!("/static/{rest}");
    let target = Target {
        path: &path,
        query: None,
        rest,
    };
    let runtime = filch::runtime::Builder::new().worker_threads(1).build();
    let answer = runtime
        .expect("a runtime")
        .block_on(files.serving().answer(target, Asked::of(fields, is_head)));
    see(answer)
}

fn get(files: &StaticFiles, rest: &str) -> Seen {
    ask(files, rest, false, &[])
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("docs/deep")).expect("made");
    for (path, text) in [
        ("index.html", "<index>"),
        ("docs/index.html", "<docs>"),
        ("docs/index.html.gz", "gzipped docs"),
        ("a b.txt", "0123456789"),
        ("empty.css", ""),
        (".secret", "secret"),
    ] {
        fs::write(at(path), text).expect("written");
    }
    symlink("a b.txt", at("link.txt")).expect("linked");
    symlink("/etc/hostname", at("out.txt")).expect("linked");
    folder
}

fn files(folder: &TempDir) -> StaticFiles {
    StaticFiles::new(folder.path()).expect("a folder")
}

#[test]
fn a_file_is_served() {
    let folder = folder();
    let seen = get(&files(&folder), "a%20b.txt");
    assert_eq!(
        (seen.status, seen.body.as_slice()),
        (200, &b"0123456789"[..])
    );
    assert_eq!(seen.field("content-type"), "text/plain; charset=utf-8");
    assert_eq!(seen.field("x-content-type-options"), "nosniff");
    assert_eq!(seen.field("accept-ranges"), "bytes");
    // Weak if it was made just now.
    let tag = seen.field("etag").trim_start_matches("W/");
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_ne!(seen.field("last-modified"), "");
    assert_eq!(seen.field("vary"), "");
    let empty = get(&files(&folder), "empty.css");
    assert_eq!((empty.status, empty.body.len()), (200, 0));
}

/// What the kernel has in its memory needs no other thread.
#[test]
fn a_file_that_is_cached_is_opened_where_it_is_asked_for() {
    let folder = folder();
    // Where it cannot be done, there is nothing to be seen.
    let root = confine::Root::open_cached(folder.path(), false);
    if root.is_ok_and(|root| root.find("docs/index.html").is_err()) {
        return;
    }
    let files = files(&folder);
    // Somebody who renames anything at the same moment can spoil one try.
    let hops = |_| {
        let runtime = filch::runtime::Builder::new().worker_threads(1).build();
        let runtime = runtime.expect("a runtime");
        let target = Target {
            path: "/docs/",
            query: None,
            rest: "docs/",
        };
        let answer = runtime.block_on(files.serving().answer(target, Asked::default()));
        assert_eq!(see(answer).body, b"<docs>");
        runtime.handle().metrics().num_blocking_threads()
    };
    assert!((0..100).map(hops).any(|hops| hops == 0));
}

#[test]
fn folders_have_an_index_and_a_slash() {
    let folder = folder();
    let files = files(&folder);
    assert_eq!(get(&files, "").body, b"<index>");
    assert_eq!(get(&files, "docs/").body, b"<docs>");
    assert_eq!(
        get(&files, "docs/").field("content-type"),
        "text/html; charset=utf-8"
    );
    let moved = get(&files, "docs");
    assert_eq!((moved.status, moved.field("location")), (308, "./docs/"));
    for rest in ["docs/deep", "docs/deep/", "a%20b.txt/"] {
        assert_eq!(get(&files, rest).status, 404, "{rest}");
    }
    let without = files.index(false);
    for rest in ["", "docs", "docs/"] {
        assert_eq!(get(&without, rest).status, 404, "{rest}");
    }
}

#[test]
fn what_is_not_served_is_not_there() {
    let folder = folder();
    for rest in [
        ".secret",
        "%2esecret",
        "../etc/passwd",
        "%2e%2e/etc/passwd",
        "docs/..%2fa%20b.txt",
        "docs/../a%20b.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "a%20b.txt%00",
        "a%20b.txt%00.css",
        "link.txt",
        "out.txt",
        "%c0%ae%c0%ae/etc/passwd",
        "none",
        &"n".repeat(5000),
        &"n".repeat(256),
        &"n/".repeat(3000),
    ] {
        let seen = get(&files(&folder), rest);
        assert_eq!(
            (seen.status, seen.body.as_slice()),
            (404, &b"not found"[..]),
            "{rest}"
        );
        assert_eq!(seen.fields.len(), 1, "{rest}");
    }
    let open = files(&folder).hidden_files(true).symbolic_links(true);
    assert_eq!(get(&open, ".secret").body, b"secret");
    assert_eq!(get(&open, "out.txt").status, 404);
    // Only where the kernel can keep them inside.
    let root = confine::Root::open(folder.path(), true).expect("a folder");
    let expected = if root.can_follow_links() { 200 } else { 404 };
    assert_eq!(get(&open, "link.txt").status, expected);
}

#[test]
fn ranges_mean_nothing_for_head() {
    let folder = folder();
    let head = ask(
        &files(&folder),
        "a%20b.txt",
        true,
        &[("range", "bytes=0-1")],
    );
    assert_eq!((head.status, head.body.len()), (200, 10));
}

#[test]
fn compressed_files_are_served_to_who_accepts_them() {
    let folder = folder();
    let files = files(&folder)
        .precompressed(true)
        .cache_control("max-age=5");
    let seen = ask(&files, "docs/", false, &[("accept-encoding", "gzip, br")]);
    assert_eq!(seen.body, b"gzipped docs");
    assert_eq!(seen.field("content-encoding"), "gzip");
    assert_eq!(seen.field("content-type"), "text/html; charset=utf-8");
    assert_eq!(seen.field("vary"), "accept-encoding");
    let plain = ask(
        &files,
        "docs/",
        false,
        &[("accept-encoding", "gzip;q=0, br")],
    );
    assert_eq!(
        (plain.body.as_slice(), plain.field("content-encoding")),
        (&b"<docs>"[..], "")
    );
    assert_eq!(plain.field("cache-control"), "max-age=5");
    for (rest, fields, status) in [
        ("docs/", &[][..], 200),
        ("docs/", &[("range", "bytes=0-0")], 206),
        ("docs", &[], 308),
        ("none", &[], 404),
        ("..", &[], 404),
        ("docs/", &[("if-none-match", "*")], 304),
        ("docs/", &[("if-match", "\"x\"")], 412),
        ("docs/", &[("range", "bytes=9-")], 416),
    ] {
        let seen = ask(&files, rest, false, fields);
        let expected = (status, "accept-encoding");
        assert_eq!((seen.status, seen.field("vary")), expected, "{rest}");
    }
    // They are versions of their own.
    assert_ne!(seen.field("etag"), plain.field("etag"));
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let folder = folder();
    let files = files(&folder);
    let first = get(&files, "a%20b.txt");
    for field in [
        ("if-none-match", first.field("etag")),
        ("if-modified-since", first.field("last-modified")),
    ] {
        let again = ask(&files, "a%20b.txt", false, &[field]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{field:?}");
    }
    fs::write(folder.path().join("a b.txt"), "changed").expect("written");
    let again = ask(
        &files,
        "a%20b.txt",
        false,
        &[("if-none-match", first.field("etag"))],
    );
    assert_eq!(
        (again.status, again.body.as_slice()),
        (200, &b"changed"[..])
    );
    let failed = ask(&files, "a%20b.txt", false, &[("if-match", "\"other\"")]);
    assert_eq!(failed.status, 412);
}

#[test]
fn parts_of_a_file() {
    let folder = folder();
    let bytes: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
    fs::write(folder.path().join("a.bin"), &bytes).expect("written");
    let files = files(&folder).content_type("BIN", "x/y");
    let ask = |range| ask(&files, "a.bin", false, &[("range", range)]);
    let one = ask("bytes=998-");
    assert_eq!((one.status, one.body.as_slice()), (206, &bytes[998..]));
    assert_eq!(one.field("content-range"), "bytes 998-999/1000");
    let none = ask("bytes=1000-");
    assert_eq!(
        (none.status, none.field("content-range")),
        (416, "bytes */1000")
    );
    let two = ask("bytes=0-1,-1");
    let boundary = two
        .field("content-type")
        .strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.expect("several parts").to_owned();
    let head = |range: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: x/y\r\nContent-Range: bytes {range}/1000\r\n\r\n"
        )
        .into_bytes()
    };
    let end = format!("\r\n--{boundary}--\r\n").into_bytes();
    let expected = [
        head("0-1"),
        bytes[..2].to_vec(),
        head("999-999"),
        bytes[999..].to_vec(),
        end,
    ];
    assert_eq!(two.body, expected.concat());
}

#[test]
fn a_folder_can_be_replaced_but_must_be_there_at_first() {
    let folder = folder();
    let error = StaticFiles::new(folder.path().join("none")).expect_err("not there");
    assert!(error.to_string().contains("none"), "{error}");
    assert!(StaticFiles::new(folder.path().join("index.html")).is_err());
    let current = folder.path().join("current");
    symlink("docs", &current).expect("linked");
    let files = StaticFiles::new(&current).expect("a folder behind a link");
    assert_eq!(get(&files, "").body, b"<docs>");
    fs::remove_file(&current).expect("removed");
    assert_eq!(get(&files, "").status, 404);
    symlink(".", &current).expect("linked");
    assert_eq!(get(&files, "").body, b"<index>");
}

#[test]
#[should_panic(expected = "is not an extension")]
fn an_extension_has_no_dot() {
    let _ = files(&folder()).content_type(".x", "a/b");
}

#[test]
fn the_longest_extension_can_be_said() {
    let most = types::EXTENSION_MAX_BYTES;
    for len in [0, 1, most - 1, most, most + 1] {
        let said =
            std::panic::catch_unwind(|| files(&folder()).content_type(&"x".repeat(len), "a/b"));
        assert_eq!(said.is_ok(), (1..=most).contains(&len), "{len}");
    }
}

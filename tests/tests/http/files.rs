//! Static files as a client gets them.

use super::common::{Answer, TestServer};
use filch_http::{Method, Router, StaticFiles};
use filch_tests::limits::{self, in_child};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// Larger than what a socket takes at once, and no two pieces of it are the same.
const LARGE_BYTES: usize = 3 << 20;

struct Served {
    server: TestServer,
    folder: TempDir,
    large: Vec<u8>,
}

fn serve() -> Served {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("public/docs")).expect("made");
    let large: Vec<_> = (0..LARGE_BYTES as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for (path, bytes) in [
        ("public/index.html", &b"<index>"[..]),
        ("public/docs/index.html", b"<docs>"),
        ("public/large.bin", &large),
        ("public/empty.txt", b""),
        ("public/.env", b"secret"),
        ("secret.txt", b"secret"),
    ] {
        fs::write(at(path), bytes).expect("written");
    }
    symlink(at("secret.txt"), at("public/link.txt")).expect("linked");
    let files = StaticFiles::new(at("public")).expect("a folder");
    let router = Router::new()
        .files("/static", files.clone())
        .nest("/in", Router::new().files("/of/{user}", files.clone()))
        .route(Method::POST, "/any/{*path}", files.clone())
        .files("/of/{user}/files/", files.clone())
        .get("/by/{user}/hand/", files.clone())
        .get("/by/{user}/hand/{*path}", files.clone())
        .files("/", files);
    Served {
        server: TestServer::with_router(router, |server| server),
        folder,
        large,
    }
}

impl Served {
    fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        let mut client = self.server.connect();
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"
        ));
        client.answer_to(method)
    }

    fn get(&self, path: &str, fields: &str) -> Answer {
        self.ask("GET", path, fields)
    }
}

#[test]
fn files_of_every_size_arrive_whole() {
    let served = serve();
    assert_eq!(served.get("/static/", "").body, b"<index>");
    assert_eq!(served.get("/static/docs/", "").body, b"<docs>");
    let large = served.get("/static/large.bin", "");
    assert!(large.body == served.large, "{}", large.head);
    assert_eq!(
        large.field("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(large.field("x-content-type-options"), Some("nosniff"));
    let empty = served.get("/static/empty.txt", "");
    assert_eq!(
        (empty.status, empty.field("content-length")),
        (200, Some("0"))
    );
}

/// What follows on the same connection shows that each answer was as long as it said.
#[test]
fn answers_of_every_kind_keep_the_connection() {
    let served = serve();
    let mut client = served.server.connect();
    let len = LARGE_BYTES;
    for (method, path, fields, status, bytes) in [
        ("GET", "docs/", "", 200, Some(6)),
        ("HEAD", "large.bin", "", 200, Some(len)),
        ("GET", "docs/", "If-None-Match: *\r\n", 304, None),
        ("HEAD", "docs/", "If-None-Match: *\r\n", 304, None),
        (
            "GET",
            "large.bin",
            "Range: bytes=1-\r\n",
            206,
            Some(len - 1),
        ),
        ("HEAD", "large.bin", "Range: bytes=1-\r\n", 200, Some(len)),
        (
            "GET",
            "large.bin",
            "Range: bytes=0-0,-1000000\r\n",
            206,
            None,
        ),
        ("GET", "large.bin", "Range: bytes=9999999-\r\n", 416, None),
        ("GET", "large.bin", "If-Match: \"x\"\r\n", 412, None),
        ("GET", "docs", "", 308, None),
        ("GET", "none", "", 404, None),
        ("HEAD", "none", "", 404, None),
        ("GET", "%2e%2e/secret.txt", "", 404, None),
        ("POST", "docs/", "Content-Length: 0\r\n", 405, None),
        ("GET", "docs/", "", 200, Some(6)),
    ] {
        let request = format!("{method} /static/{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        client.send(&request);
        let answer = if status == 304 {
            client.answer_to("HEAD")
        } else {
            client.answer_to(method)
        };
        assert_eq!(answer.status, status, "{request}");
        if let Some(bytes) = bytes {
            let bytes = bytes.to_string();
            assert_eq!(answer.field("content-length"), Some(&*bytes), "{request}");
        }
        assert!(!answer.closes(), "{request}");
    }
}

#[test]
fn parts_are_parts_of_the_file() {
    let served = serve();
    let one = served.get("/static/large.bin", "Range: bytes=1000000-2000000\r\n");
    assert_eq!(one.status, 206);
    assert!(one.body == served.large[1_000_000..=2_000_000]);
    let expected = format!("bytes 1000000-2000000/{LARGE_BYTES}");
    assert_eq!(one.field("content-range"), Some(&*expected));

    let several = served.get("/static/large.bin", "Range: bytes=-100000, 0-199999\r\n");
    let boundary = several.field("content-type").expect("a type");
    let boundary = boundary
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("of several");
    let parts = parts(&several.body, boundary);
    let whole = &served.large;
    assert_eq!(parts.len(), 2);
    assert!(
        *parts[0].1 == whole[LARGE_BYTES - 100_000..],
        "{}",
        parts[0].0
    );
    assert!(*parts[1].1 == whole[..200_000], "{}", parts[1].0);
    let range = format!("Content-Range: bytes 0-199999/{LARGE_BYTES}");
    assert!(parts[1].0.contains(&range), "{}", parts[1].0);
}

/// Head and body of each part.
fn parts<'b>(body: &'b [u8], boundary: &str) -> Vec<(String, &'b [u8])> {
    let delimiter = format!("\r\n--{boundary}");
    let find =
        |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let mut rest = body;
    let mut parts = Vec::new();
    loop {
        assert!(rest.starts_with(delimiter.as_bytes()));
        rest = &rest[delimiter.len()..];
        if rest == b"--\r\n" {
            return parts;
        }
        let head_len = find(rest, b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&rest[..head_len]).into_owned();
        rest = &rest[head_len..];
        let len = find(rest, delimiter.as_bytes()).expect("an end");
        parts.push((head, &rest[..len]));
        rest = &rest[len..];
    }
}

#[test]
fn files_are_only_read() {
    let served = serve();
    let refused = served.ask("POST", "/any/empty.txt", "Content-Length: 0\r\n");
    assert_eq!(
        (refused.status, refused.field("allow")),
        (405, Some("GET, HEAD"))
    );
}

/// A parameter before the files is none of theirs.
#[test]
fn what_a_prefix_stands_for_names_no_file() {
    let served = serve();
    for prefix in ["/of/docs/files", "/by/docs/hand"] {
        let [index, docs] =
            ["/", "/docs/"].map(|path| served.get(&format!("{prefix}{path}"), "").body);
        assert_eq!((&*index, &*docs), (&b"<index>"[..], &b"<docs>"[..]));
    }
    assert_eq!(served.get("/of/none/files/", "").body, b"<index>");
    assert_eq!(served.get("/of/none/files/docs/", "").body, b"<docs>");
}

#[test]
fn files_are_mounted_with_and_without_a_slash_and_below_others() {
    let served = serve();
    for prefix in ["", "/static", "/of/a/files", "/in/of/a"] {
        for (path, status, body) in [("/", 200, "<index>"), ("/docs/", 200, "<docs>")] {
            let answer = served.get(&format!("{prefix}{path}"), "");
            assert_eq!((answer.status, answer.text()), (status, body), "{prefix}");
        }
    }
    for (path, location) in [
        ("/static", "./static/"),
        ("/of/a/files", "./files/"),
        ("/in/of/a", "./a/"),
        ("/docs", "./docs/"),
    ] {
        let moved = served.get(path, "");
        let moved = (moved.status, moved.field("location"));
        assert_eq!(moved, (308, Some(location)), "{path}");
    }
}

/// Whoever has a lease on a file is asked for it, and may take his time: the client is told to come again. And where no thread is to be had for a call that may block, too.
#[test]
fn a_file_that_cannot_be_opened_at_once_may_be_later() {
    in_child(
        "files::a_file_that_cannot_be_opened_at_once_may_be_later",
        || {
            let served = serve();
            let public = served.folder.path().join("public");
            let everybody = || PermissionsExt::from_mode(0o755);
            fs::set_permissions(served.folder.path(), everybody()).expect("ours");
            let leased = fs::File::create(public.join("leased.txt")).expect("made");
            if limits::lease(&leased).is_err() {
                println!("left out: there are no leases here");
                return;
            }
            let follows = StaticFiles::new(&public)
                .expect("a folder")
                .symbolic_links(true);
            let follows = Router::new().get("/{*path}", follows);
            let follows = TestServer::with_router(follows, |server| server);
            let ask = |server: &TestServer, path: &str| {
                let mut client = server.connect();
                client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
                let answer = client.answer_to("GET");
                let retry_after = answer.field("retry-after").map(str::to_owned);
                (answer.status, retry_after)
            };
            let later = (503, Some("1".to_owned()));
            assert_eq!(ask(&served.server, "/static/leased.txt"), later);
            assert_eq!(ask(&follows, "/leased.txt"), later);
            if limits::can_limit_threads() {
                let threadless = serve();
                let folder = threadless.folder.path();
                fs::set_permissions(folder, everybody()).expect("ours");
                let leased = fs::File::create(folder.join("public/leased.txt")).expect("made");
                limits::lease(&leased).expect("as before");
                // All of its own threads are there when it answers, but none for calls that block.
                assert_eq!(ask(&threadless.server, "/any/x").0, 405);
                limits::threads(0).expect("a limit");
                assert_eq!(ask(&threadless.server, "/static/leased.txt"), later);
                drop(leased);
            }
            drop(leased);
            assert_eq!(ask(&follows, "/leased.txt").0, 200);
        },
    );
}

#[test]
fn nothing_leads_out() {
    let served = serve();
    for (path, status) in [
        ("/static/../secret.txt", 404),
        ("/static/%2e%2e/secret.txt", 404),
        ("/static/..%2fsecret.txt", 404),
        ("/static/docs/../../secret.txt", 404),
        ("/static/%252e%252e/secret.txt", 404),
        ("/static/link.txt", 404),
        ("/static/.env", 404),
        ("/static/%2eenv", 404),
        ("/static//etc/passwd", 404),
        ("/static/%2fetc/passwd", 404),
        ("/static/..%5csecret.txt", 404),
        ("/static/index.html%00", 404),
        ("/static/docs%00/", 404),
        ("/static/proc/self/root", 404),
        ("/static/docs//index.html", 404),
        ("/static/./index.html", 404),
        ("http://a/static/../secret.txt", 404),
        // What cannot be decoded the router refuses, before the files could.
        ("/static/%c0%ae%c0%ae/secret.txt", 400),
        ("/static/%ff", 400),
        ("/static/%zz", 400),
        ("/static/index.html%", 400),
    ] {
        let answer = served.get(path, "");
        assert_eq!(answer.status, status, "{path}: {}", answer.head);
        assert!(!answer.text().contains("secret"), "{path}");
    }
    let long = format!("/static/{}", "n".repeat(4000));
    assert_eq!(served.get(&long, "").status, 404);
    let deep = format!("/static/{}", "n/".repeat(2000));
    assert_eq!(served.get(&deep, "").status, 404);
}

#[test]
fn a_folder_is_found_from_where_its_slash_was_left_out() {
    let served = serve();
    for (path, location) in [
        ("/static", "./static/"),
        ("/static/docs", "./docs/"),
        ("/static/docs?a=b", "./docs/?a=b"),
    ] {
        let moved = served.get(path, "");
        assert_eq!(
            (moved.status, moved.field("location")),
            (308, Some(location)),
            "{path}"
        );
    }
}

#[test]
fn a_file_that_is_replaced_is_another_version() {
    let served = serve();
    let first = served.get("/static/docs/", "");
    let tag = first.field("etag").expect("a tag").to_owned();
    let has_it = format!("If-None-Match: {tag}\r\n");
    let mut client = served.server.connect();
    client.send(format!(
        "GET /static/docs/ HTTP/1.1\r\nHost: a\r\n{has_it}\r\n"
    ));
    let same = client.answer_to("HEAD");
    let opaque = |tag: &str| tag.trim_start_matches("W/").to_owned();
    assert_eq!(
        (same.status, same.field("etag").map(opaque)),
        (304, Some(opaque(&tag)))
    );
    let new = served.folder.path().join("new");
    fs::write(&new, "<news>").expect("written");
    fs::rename(&new, served.folder.path().join("public/docs/index.html")).expect("renamed");
    let other = served.get("/static/docs/", &has_it);
    assert_eq!((other.status, other.text()), (200, "<news>"));
}

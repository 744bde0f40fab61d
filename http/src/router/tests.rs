//! What does a router answer by itself, and which handler does it find?

use super::*;

fn router() -> Router {
    Router::new()
        .get("/", async || "root")
        .get("/things/{id}", async || "get")
        .put("/things/{id}", async || "put")
        .post("/things/{id}/parts/{part}", async || "post")
        .get("/files/{*rest}", async || "file")
        .route(
            Method::from_bytes(b"PROPFIND").expect("a token"),
            "/dav",
            async || "dav",
        )
}

/// The status of the router's own answer; 200 for a handler's.
fn status(method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).expect("a token");
    match router().find(&method, path.as_bytes(), &mut Found::default()) {
        Matched::Handler(_) => 200,
        Matched::Answer(response) => response.status().as_u16(),
    }
}

fn allowed(method: &str, path: &str) -> String {
    let method = Method::from_bytes(method.as_bytes()).expect("a token");
    match router().find(&method, path.as_bytes(), &mut Found::default()) {
        Matched::Answer(response) => response
            .header("allow")
            .expect("set")
            .to_str()
            .expect("text")
            .to_owned(),
        Matched::Handler(_) => panic!("{method} {path} has a handler"),
    }
}

/// The pattern that a path fits, and what its parameters stand for, as they were sent.
fn found(router: &Router, path: &str) -> (String, Vec<(String, String)>) {
    let mut found = Found::default();
    let _ = router.find(&Method::GET, path.as_bytes(), &mut found);
    let params = found
        .params()
        .map(|(name, place)| (name.to_owned(), path[place].to_owned()));
    let pattern = found.pattern(path).unwrap_or("none");
    (pattern.to_owned(), params.collect())
}

fn params(path: &str) -> Vec<(String, String)> {
    found(&router(), path).1
}

/// What a router says to a request; `None` if a handler is to be asked.
fn says(router: &Router, method: &Method, path: &str) -> Option<u16> {
    match router.find(method, path.as_bytes(), &mut Found::default()) {
        Matched::Handler(_) => None,
        Matched::Answer(response) => Some(response.status().as_u16()),
    }
}

#[test]
fn paths() {
    assert_eq!(
        (
            status("GET", "/"),
            status("GET", "/things/7"),
            status("PUT", "/things/7")
        ),
        (200, 200, 200)
    );
    assert_eq!(
        (
            status("GET", "/things"),
            status("GET", "/things/"),
            status("GET", "")
        ),
        (404, 404, 404)
    );
    assert_eq!(
        (status("GET", "/files/a/b"), status("GET", "/files/")),
        (200, 404)
    );
}

#[test]
fn parameters() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(params("/things/a%20b"), [pair("id", "a%20b")]);
    assert_eq!(
        params("/things/1/parts/2"),
        [pair("id", "1"), pair("part", "2")]
    );
    assert_eq!(params("/files/a/b?c"), [pair("rest", "a/b?c")]);
}

/// RFC 9110, sections 9.3.2, 9.3.7, 15.5.6 and 15.6.2.
#[test]
fn methods() {
    assert_eq!(
        (
            status("HEAD", "/things/7"),
            status("HEAD", "/things/7/parts/8")
        ),
        (200, 405)
    );
    assert_eq!(
        (
            status("DELETE", "/"),
            status("TRACE", "/"),
            status("OPTIONS", "/")
        ),
        (405, 405, 204)
    );
    assert_eq!(
        (
            status("BREW", "/"),
            status("BREW", "/nowhere"),
            status("CONNECT", "")
        ),
        (501, 501, 501)
    );
    assert_eq!(
        (status("PROPFIND", "/dav"), status("PROPFIND", "/")),
        (200, 405)
    );
    assert_eq!(status("OPTIONS", "*"), 204);
    assert_eq!(allowed("DELETE", "/things/7"), "GET, HEAD, OPTIONS, PUT");
    assert_eq!(allowed("OPTIONS", "/things/7/parts/8"), "OPTIONS, POST");
    assert_eq!(
        allowed("OPTIONS", "*"),
        "GET, HEAD, OPTIONS, POST, PROPFIND, PUT"
    );
}

#[test]
#[should_panic(expected = "GET / has a handler already")]
fn two_handlers_for_one_method() {
    let _ = router().get("/", async || "again");
}

#[test]
#[should_panic(
    expected = "DELETE /things/{name} is in conflict with GET /things/{id}: both stand for the same paths"
)]
fn two_names_for_one_segment() {
    let _ = router().delete("/things/{name}", async || "again");
}

#[test]
#[should_panic(
    expected = "\"things\" cannot be a route: it does not begin with a slash; write a path as /fixed/{segment}/{*rest}"
)]
fn no_path() {
    let _ = router().get("things", async || "again");
}

#[test]
fn parameters_are_decoded_strictly() {
    for path in [
        "/things/%",
        "/things/a%2",
        "/things/%zz",
        "/things/%ff",
        "/files/a/%c3",
    ] {
        assert_eq!(status("GET", path), 400, "{path}");
        assert_eq!(status("BREW", path), 400, "{path}");
    }
    assert_eq!(status("GET", "/things/%C3%A9%2F"), 200);
    // An encoded slash ends no segment, and an encoded letter is not the letter.
    assert_eq!(found(&router(), "/things/a%2Fparts").0, "/things/{id}");
    assert_eq!(status("GET", "/thing%73/7"), 404);
}

#[test]
fn nested_routes() {
    let inner = Router::with_state(7)
        .get("/", async || "")
        .get("/{post}", async || "")
        .get("/new/", async || "");
    let outer = Router::new()
        .get("/users/{id}", async || "")
        .nest("/users/{user}/posts", inner);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        found(&outer, "/users/1"),
        ("/users/{id}".to_owned(), vec![pair("id", "1")])
    );
    assert_eq!(
        found(&outer, "/users/1/posts"),
        ("/users/{user}/posts".to_owned(), vec![pair("user", "1")])
    );
    assert_eq!(
        found(&outer, "/users/1/posts/2"),
        (
            "/users/{user}/posts/{post}".to_owned(),
            vec![pair("user", "1"), pair("post", "2")]
        )
    );
    assert_eq!(
        found(&outer, "/users/1/posts/new/").0,
        "/users/{user}/posts/new/"
    );
    assert_eq!(says(&outer, &Method::GET, "/users/1/posts/"), Some(404));
    assert_eq!(says(&outer, &Method::POST, "/users/1/posts"), Some(405));
    let twice = Router::new().nest("/api", outer);
    assert_eq!(
        found(&twice, "/api/users/1/posts").0,
        "/api/users/{user}/posts"
    );
}

#[test]
fn prefixes_that_cannot_be() {
    for prefix in ["", "/", "api", "/api/", "/{*rest}"] {
        let nest = || Router::new().nest(prefix, Router::new());
        assert!(std::panic::catch_unwind(nest).is_err(), "{prefix:?}");
    }
}

#[test]
fn merged_routes() {
    let one = Router::new().get("/a", async || "");
    let other = Router::with_state(1)
        .post("/a", async || "")
        .get("/b", async || "");
    let both = one.merge(other);
    for (method, path, said) in [
        (Method::GET, "/a", None),
        (Method::POST, "/a", None),
        (Method::GET, "/b", None),
        (Method::PUT, "/a", Some(405)),
    ] {
        assert_eq!(says(&both, &method, path), said, "{method} {path}");
    }
    assert_eq!(
        format!("{both:?}"),
        r#"{"/a": "GET, HEAD, OPTIONS, POST", "/b": "GET, HEAD, OPTIONS"}"#
    );
}

#[test]
#[should_panic(expected = "GET /api/a has a handler already")]
fn the_same_route_by_nesting() {
    let _ = Router::new()
        .get("/api/a", async || "")
        .nest("/api", Router::new().get("/a", async || ""));
}

#[test]
#[should_panic(expected = "the router has a fallback already")]
fn two_fallbacks() {
    let _ = Router::new()
        .fallback(async || "")
        .merge(Router::new().fallback(async || ""));
}

#[test]
fn fallbacks() {
    let inner = Router::new()
        .get("/a", async || "")
        .fallback(async || "inner");
    let router = Router::new().get("/b", async || "").nest("/in/{x}", inner);
    for (path, said) in [
        ("/in/1/a", None),
        ("/in/1", None),
        ("/in/1/", None),
        ("/in/1/b/c", None),
        ("/in", Some(404)),
        ("/", Some(404)),
    ] {
        assert_eq!(says(&router, &Method::GET, path), said, "{path}");
    }
    // A route whose method is wrong is no path without a route.
    assert_eq!(says(&router, &Method::PUT, "/in/1/a"), Some(405));
    assert_eq!(says(&router, &Method::PUT, "/in/%/b"), Some(400));
    // It has the parameters of the prefix and no others, and is no route.
    for path in ["/in/1", "/in/1/", "/in/1/b/c", "/in/1/%"] {
        let x = ("x".to_owned(), "1".to_owned());
        assert_eq!(found(&router, path), ("none".to_owned(), vec![x]), "{path}");
        assert_eq!(says(&router, &Method::GET, path), None, "{path}");
    }
    let router = router.fallback(async || "outer");
    assert_eq!(says(&router, &Method::GET, "/nowhere"), None);
    assert_eq!(says(&router, &Method::OPTIONS, "*"), Some(204));
    assert_eq!(says(&router, &Method::PUT, "/b"), Some(405));
}

/// What is below a prefix has no name that another could have.
#[test]
fn a_fallback_below_a_prefix_of_any_name() {
    let inner = || Router::new().fallback(async || "");
    let twice = Router::new().nest("/{path}", Router::new().nest("/{rest}", inner()));
    let said = found(&twice, "/a/b/c").1;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(said, [pair("path", "a"), pair("rest", "b")]);
    let conflict = || Router::new().nest("/{a}", inner()).nest("/{b}", inner());
    assert!(std::panic::catch_unwind(conflict).is_err());
}

#[test]
fn any_method() {
    let router = Router::new().get("/a", async || "").any("/a", async || "");
    for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD] {
        assert_eq!(says(&router, &method, "/a"), None, "{method}");
    }
    let brew = Method::from_bytes(b"BREW").expect("a token");
    assert_eq!(says(&router, &brew, "/a"), None);
}

#[test]
fn middleware_is_asked_about_every_answer() {
    async fn pass(request: crate::Request, next: crate::Next) -> crate::Response {
        next.run(request).await
    }
    let router = Router::new()
        .middleware(pass)
        .get("/a/{b}", async || "")
        .into_sealed();
    let brew = Method::from_bytes(b"BREW").expect("a token");
    for (method, path) in [
        (Method::GET, "/a/b"),
        (Method::PUT, "/a/b"),
        (Method::OPTIONS, "/a/b"),
        (brew, "/a/b"),
        (Method::GET, "/a/%"),
        (Method::GET, "/"),
        (Method::OPTIONS, "*"),
    ] {
        assert_eq!(says(&router, &method, path), None, "{method} {path}");
    }
    // Also where there are fallbacks, which are not asked about the whole server, nor about what is malformed.
    let inner = Router::new().middleware(pass).fallback(async || "");
    let router = Router::new()
        .nest("/in/{x}", inner)
        .middleware(pass)
        .fallback(async || "")
        .into_sealed();
    for (method, path) in [(Method::OPTIONS, "*"), (Method::GET, "/in/%/a")] {
        assert_eq!(says(&router, &method, path), None, "{method} {path}");
    }
    // That of a router that was taken stands around its routes only.
    let inner = Router::new().middleware(pass).get("/c", async || "");
    let outer = Router::new()
        .get("/a", async || "")
        .merge(inner)
        .into_sealed();
    assert_eq!(says(&outer, &Method::PUT, "/a"), Some(405));
    assert_eq!(says(&outer, &Method::PUT, "/c"), None);
    assert_eq!(says(&outer, &Method::PUT, "/nowhere"), Some(404));
}

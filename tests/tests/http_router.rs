//! Does each handler get what it asked for, and each client hear why not?

use filch::time::{Duration, timeout};
use filch_http::{
    Body, Event, Extension, Form, FromRef, FromRequest, FromRequestParts, HeaderMap, Html,
    IntoResponse, Json, Limited, Limits, MatchedPath, Method, Next, OwnedRequestBody, Path,
    PeerAddr, Query, RawQuery, Redirect, Request, Response, Router, Server, Sse, State, StatusCode,
    Uri,
    extract::{JsonRejection, PathRejection},
};
use filch_tests::allocations::{Counting, of_this_thread};
use filch_tests::guard::{HANG, within_reason};
use futures_lite::stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A server on a thread of its own, with one worker. It ends with the process.
fn serve<S: Clone + Send + Sync + 'static>(router: Router<S>) -> SocketAddr {
    let (addr_of, addr) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = filch::runtime::Builder::new()
            .worker_threads(1)
            .max_spare_workers(0)
            .build();
        let runtime = runtime.expect("a runtime");
        let serving = runtime.spawn(async move {
            let limits = Limits {
                body_bytes: 4 * 1024 * 1024,
                ..Limits::default()
            };
            let server = Server::bind("127.0.0.1:0").await.expect("a free port");
            let server = server.router(router).limits(limits);
            addr_of
                .send(server.local_addr().expect("an address"))
                .expect("the test waits");
            server.serve().await.expect("nothing fails");
        });
        let _ = runtime.block_on(serving);
    });
    addr.recv_timeout(HANG).expect("the server starts")
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A connection to a server.
struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    fn to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the server listens");
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends `line`, a method and a target, with these fields and this body.
    fn ask(&mut self, line: &str, fields: &str, body: &str) -> Answer {
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}{length}\r\n{body}");
        self.stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read();
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).expect("text");
        let mut answer = Answer {
            status: head[9..12].parse().expect("a status"),
            head,
            body: String::new(),
        };
        let length = answer.field("content-length").unwrap_or("0");
        let length = match line.starts_with("HEAD ") {
            true => 0,
            false => length.parse().expect("a length"),
        };
        while self.unread.len() < length {
            self.read();
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).expect("text");
        answer
    }

    fn read(&mut self) {
        let mut piece = [0; 4096];
        let count = self.stream.read(&mut piece).expect("the server answers");
        assert!(count > 0, "the connection ended");
        self.unread.extend_from_slice(&piece[..count]);
    }

    fn get(&mut self, target: &str) -> (u16, String) {
        let answer = self.ask(&format!("GET {target}"), "", "");
        (answer.status, answer.body)
    }

    fn post(&mut self, target: &str, content_type: &str, body: &str) -> (u16, String) {
        let fields = match content_type {
            "" => String::new(),
            content_type => format!("Content-Type: {content_type}\r\n"),
        };
        let answer = self.ask(&format!("POST {target}"), &fields, body);
        (answer.status, answer.body)
    }
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[derive(Debug, Serialize, Deserialize)]
struct Thing {
    id: u64,
    name: String,
}

/// Lists within lists.
#[derive(Deserialize)]
struct Nested(Vec<Nested>);

#[test]
fn path() {
    let router = Router::new()
        .get("/one/{n}", async |Path(n): Path<u8>| n.to_string())
        .get("/text/{t}", async |Path(t): Path<String>| t)
        .get("/two/{a}/{b}", async |Path((a, b)): Path<(u8, String)>| {
            format!("{a} {b}")
        })
        .get("/struct/{name}/{id}", async |Path(thing): Path<Thing>| {
            format!("{thing:?}")
        })
        .get(
            "/map/{a}/{b}",
            async |Path(map): Path<BTreeMap<String, String>>| format!("{map:?}"),
        )
        .get(
            "/list/{a}/{b}/{c}/{d}/{e}",
            async |Path(list): Path<Vec<u8>>| format!("{list:?}"),
        )
        .get("/rest/{*rest}", async |Path(rest): Path<String>| rest)
        .get("/wrong/{a}/{b}", async |Path(a): Path<String>| a)
        .get("/none", async |Path(a): Path<String>| a)
        .get("/maybe", async |a: Option<Path<u8>>| format!("{a:?}"))
        .get("/maybe/{a}", async |a: Option<Path<u8>>| format!("{a:?}"))
        .get(
            "/why/{a}",
            async |a: Result<Path<u8>, PathRejection>| match a {
                Ok(Path(a)) => a.to_string(),
                Err(rejection) => format!("{rejection:?}"),
            },
        );
    let mut client = Client::to(serve(router));
    for (target, status, body) in [
        ("/one/255", 200, "255"),
        ("/one/%32", 200, "2"),
        (
            "/one/256",
            400,
            "in the path: `n` is not a whole number from 0 to 255",
        ),
        (
            "/one/+1",
            400,
            "in the path: `n` is not a whole number from 0 to 255",
        ),
        ("/one/", 404, "not found"),
        ("/text/a%2Fb+c%20d", 200, "a/b+c d"),
        ("/text/%C3%A9", 200, "\u{e9}"),
        (
            "/text/%",
            400,
            "a percent sign has no two hexadecimal digits behind it",
        ),
        ("/text/%ff", 400, "the text is not UTF-8"),
        ("/two/1/x", 200, "1 x"),
        (
            "/two/x/x",
            400,
            "in the path: `a` is not a whole number from 0 to 255",
        ),
        ("/struct/tea/7", 200, "Thing { id: 7, name: \"tea\" }"),
        ("/map/1/2", 200, "{\"a\": \"1\", \"b\": \"2\"}"),
        ("/list/1/2/3/4/5", 200, "[1, 2, 3, 4, 5]"),
        ("/rest/a/b%2Fc//d", 200, "a/b/c//d"),
        ("/wrong/1/2", 500, "internal server error"),
        ("/none", 500, "internal server error"),
        ("/maybe", 200, "None"),
        ("/maybe/7", 200, "Some(Path(7))"),
        (
            "/maybe/x",
            400,
            "in the path: `a` is not a whole number from 0 to 255",
        ),
        ("/why/7", 200, "7"),
        (
            "/why/x",
            200,
            "Value(Value(\"`a` is not a whole number from 0 to 255\"))",
        ),
    ] {
        assert_eq!(client.get(target), said(status, body), "{target}");
    }
}

#[derive(Debug, Deserialize)]
struct Search {
    q: String,
    page: Option<u32>,
    #[serde(default)]
    tag: Vec<String>,
}

#[test]
fn query() {
    let router = Router::new()
        .get("/", async |Query(search): Query<Search>| {
            format!("{} {:?} {:?}", search.q, search.page, search.tag)
        })
        .get("/maybe", async |search: Option<Query<Search>>| {
            search.is_some().to_string()
        })
        .get("/raw", async |RawQuery(query): RawQuery| {
            format!("{query:?}")
        });
    let mut client = Client::to(serve(router));
    for (target, status, body) in [
        (
            "/?q=red+shoes&tag=a&tag=b&page=2",
            200,
            "red shoes Some(2) [\"a\", \"b\"]",
        ),
        ("/?q=%26", 200, "& None []"),
        (
            "/?q=%2",
            400,
            "in the query: a percent sign has no two hexadecimal digits behind it",
        ),
        (
            "/?q=a&q=b",
            400,
            "in the query: `q` is there more than once",
        ),
        (
            "/?q=a&page=x",
            400,
            "in the query: `page` is not a whole number from 0 to 4294967295",
        ),
        ("/?p=a", 400, "in the query: missing field `q`"),
        ("/", 400, "in the query: missing field `q`"),
        ("/maybe", 200, "false"),
        ("/maybe?q=a", 200, "true"),
        ("/maybe?p=a", 400, "in the query: missing field `q`"),
        ("/raw?a%2", 200, "Some(\"a%2\")"),
        ("/raw", 200, "None"),
    ] {
        assert_eq!(client.get(target), said(status, body), "{target}");
    }
}

#[test]
fn json() {
    let router = Router::new()
        .post("/", async |Json(thing): Json<Thing>| {
            Json(Thing {
                id: thing.id + 1,
                ..thing
            })
        })
        .post("/nested", async |Json(nested): Json<Nested>| {
            nested.0.len().to_string()
        })
        .post(
            "/small",
            async |Limited(Json(text)): Limited<Json<String>, 10>| text,
        )
        .post("/maybe", async |thing: Option<Json<Thing>>| {
            thing.is_some().to_string()
        })
        .post(
            "/why",
            async |thing: Result<Json<Thing>, JsonRejection>| match thing {
                Ok(_) => StatusCode::OK,
                Err(rejection) => rejection.status(),
            },
        );
    let mut client = Client::to(serve(router));
    let json = "application/json";
    let good = r#"{"id":1,"name":"tea"}"#;
    assert_eq!(
        client.post("/", json, good),
        said(200, r#"{"id":2,"name":"tea"}"#)
    );
    let answer = client.ask(
        "POST /",
        "Content-Type: Application/JSON;charset=utf-8\r\n",
        good,
    );
    assert_eq!(
        (answer.status, answer.field("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(client.post("/", "application/vnd.api+json", good).0, 200);
    let unsaid = said(
        415,
        "the request does not say `Content-Type: application/json`",
    );
    for content_type in [
        "",
        "text/json",
        "application/jsonp",
        "application/json/x",
        "text/plain+json",
    ] {
        assert_eq!(
            client.post("/", content_type, good),
            unsaid,
            "{content_type}"
        );
    }
    let twice = client.ask(
        "POST /",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
        good,
    );
    assert_eq!(twice.status, 415);
    assert_eq!(
        client.post("/", json, "{"),
        said(
            400,
            "the body is not JSON: EOF while parsing an object at line 1 column 1"
        )
    );
    assert_eq!(
        client.post("/", json, r#"{"id":1}"#),
        said(
            422,
            "the body is not what is expected: missing field `name` at line 1 column 8"
        )
    );
    assert_eq!(client.post("/", json, &format!("{good} x")).0, 400);
    for (depth, status) in [(126, 200), (127, 200), (128, 400), (100_000, 400)] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(client.post("/nested", json, &nested).0, status, "{depth}");
    }
    for (length, status) in [(9, 200), (10, 200), (11, 413)] {
        let body = format!("\"{}\"", "a".repeat(length - 2));
        assert_eq!(client.post("/small", json, &body).0, status, "{length}");
    }
    assert_eq!(client.post("/maybe", "", ""), said(200, "false"));
    assert_eq!(client.post("/maybe", json, good), said(200, "true"));
    assert_eq!(client.post("/maybe", json, "{}").0, 422);
    assert_eq!(client.post("/maybe", "", good).0, 415);
    assert_eq!(client.post("/why", json, "{}").0, 422);
}

#[test]
fn bodies_have_limits_of_their_own() {
    let router = Router::new()
        .post("/json", async |Json(text): Json<String>| {
            text.len().to_string()
        })
        .post(
            "/form",
            async |Form(map): Form<BTreeMap<String, String>>| map.len().to_string(),
        )
        .post("/bytes", async |bytes: Vec2| bytes.0.to_string());
    let addr = serve(router);
    let max = 2 * 1024 * 1024;
    for (length, status) in [(max - 1, 200), (max, 200), (max + 1, 413)] {
        // What is refused ends the connection.
        let mut client = Client::to(addr);
        let body = format!("\"{}\"", "a".repeat(length - 2));
        let (answered, text) = client.post("/json", "application/json", &body);
        assert_eq!(answered, status, "{length}");
        assert!(
            status == 200 || text == "the body is longer than 2097152 bytes",
            "{text}"
        );
        let mut client = Client::to(addr);
        let body = format!("a={}", "a".repeat(length - 2));
        let form = "application/x-www-form-urlencoded";
        assert_eq!(client.post("/form", form, &body).0, status, "{length}");
    }
    let body = "a".repeat(max + 1);
    assert_eq!(
        Client::to(addr).post("/bytes", "", &body),
        said(200, "2097153")
    );
}

/// Counts the bytes of a body by way of another argument.
struct Vec2(usize);

impl<S: Sync> FromRequest<S> for Vec2 {
    type Rejection = <String as FromRequest<()>>::Rejection;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let text = <String as FromRequest<()>>::from_request(request, &()).await?;
        Ok(Self(text.len()))
    }
}

#[test]
fn form() {
    let router = Router::new()
        .post("/", async |Form(search): Form<Search>| {
            format!("{search:?}")
        })
        .post("/text", async |text: String| text)
        .post("/small", async |Limited(text): Limited<String, 3>| text)
        .post("/rest", async |method: Method, mut request: Request| {
            format!("{method} {:?}", request.body().remaining())
        });
    let mut client = Client::to(serve(router));
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        client.post("/", form, "q=a+b&tag=x&tag=y"),
        said(200, r#"Search { q: "a b", page: None, tag: ["x", "y"] }"#)
    );
    assert_eq!(client.post("/", form, "q=%").0, 400);
    assert_eq!(
        client.post("/", form, "p=a"),
        said(422, "in the form: missing field `q`")
    );
    assert_eq!(client.post("/", "text/plain", "q=a").0, 415);
    assert_eq!(client.post("/", "", "").0, 415);
    assert_eq!(client.post("/text", "", "\u{e9}"), said(200, "\u{e9}"));
    assert_eq!(client.post("/rest", "", "12345"), said(200, "POST Some(5)"));
    assert_eq!(client.post("/small", "", "abc"), said(200, "abc"));
    assert_eq!(
        client.post("/small", "", "abcd"),
        said(413, "the body is longer than 3 bytes")
    );
    let mut client = Client::to(client.stream.peer_addr().expect("connected"));
    client
        .stream
        .write_all(b"POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\xff")
        .expect("it reads");
    let mut rest = Vec::new();
    client
        .stream
        .shutdown(std::net::Shutdown::Write)
        .expect("a socket");
    client.stream.read_to_end(&mut rest).expect("an answer");
    let rest = String::from_utf8(rest).expect("text");
    assert!(
        rest.starts_with("HTTP/1.1 400 ") && rest.ends_with("the body is not UTF-8"),
        "{rest}"
    );
}

#[derive(Clone)]
struct App {
    name: &'static str,
    count: Arc<AtomicU64>,
}

struct Count(Arc<AtomicU64>);

impl FromRef<App> for Count {
    fn from_ref(app: &App) -> Self {
        Self(app.count.clone())
    }
}

/// Takes a while to be made.
struct Waited(String);

impl<S: Sync> FromRequestParts<S> for Waited {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        filch::yield_now().await;
        match request.query() {
            Some(query) => Ok(Self(query.to_owned())),
            None => Err((StatusCode::IM_A_TEAPOT, "no query")),
        }
    }
}

#[test]
fn state_and_the_head() {
    let app = App {
        name: "app",
        count: Arc::default(),
    };
    let other =
        Router::with_state("other").get("/other", async |State(name): State<&'static str>| name);
    let router = Router::with_state(app)
        .get("/name", async |State(app): State<App>| app.name)
        .get("/count", async |State(Count(count)): State<Count>| {
            count.fetch_add(1, Ordering::Relaxed).to_string()
        })
        .any(
            "/head/{x}",
            async |method: Method,
                   uri: Uri,
                   headers: HeaderMap,
                   MatchedPath(pattern): MatchedPath| {
                format!("{method} {uri} {} {pattern}", headers.len())
            },
        )
        .get("/fixed", async |MatchedPath(pattern): MatchedPath| pattern)
        .get("/peer", async |PeerAddr(addr): PeerAddr| {
            addr.ip().to_string()
        })
        .get(
            "/waited",
            async |Waited(query): Waited, State(app): State<App>| query + app.name,
        )
        .get(
            "/eight/{n}",
            async |_: Method,
                   _: Uri,
                   _: HeaderMap,
                   _: PeerAddr,
                   _: RawQuery,
                   _: MatchedPath,
                   _: State<App>,
                   Path(n): Path<u8>| n.to_string(),
        )
        .get("/nobody", async |Extension(n): Extension<u64>| {
            n.to_string()
        })
        .merge(other);
    let mut client = Client::to(serve(router));
    for (target, status, body) in [
        ("/name", 200, "app"),
        ("/other", 200, "other"),
        ("/count", 200, "0"),
        ("/count", 200, "1"),
        ("/head/1?a", 200, "GET /head/1?a 1 /head/{x}"),
        ("/fixed", 200, "/fixed"),
        ("/peer", 200, "127.0.0.1"),
        ("/waited?a", 200, "aapp"),
        ("/waited", 418, "no query"),
        ("/eight/8", 200, "8"),
        ("/nobody", 500, "internal server error"),
    ] {
        assert_eq!(client.get(target), said(status, body), "{target}");
    }
}

#[test]
fn responses() {
    let router = Router::new()
        .get("/html", async || Html("<p>"))
        .get("/redirect", async || Redirect::see_other("/html"))
        .get("/fields", async || {
            (StatusCode::CREATED, [("x-a", "b")], "made")
        })
        .get(
            "/injected",
            async |Query(query): Query<BTreeMap<String, String>>| {
                ([("x-a", query["v"].clone())], "")
            },
        )
        .get(
            "/error/{n}",
            async |Path(n): Path<u8>| -> Result<&'static str, Trouble> {
                let even = check(n)?;
                Ok(if even { "even" } else { "odd" })
            },
        );
    let mut client = Client::to(serve(router));
    let html = client.ask("GET /html", "", "");
    assert_eq!(
        (html.field("content-type"), &*html.body),
        (Some("text/html; charset=utf-8"), "<p>")
    );
    let redirect = client.ask("GET /redirect", "", "");
    assert_eq!(
        (redirect.status, redirect.field("location")),
        (303, Some("/html"))
    );
    let fields = client.ask("GET /fields", "", "");
    assert_eq!(
        (fields.status, fields.field("x-a"), &*fields.body),
        (201, Some("b"), "made")
    );
    let injected = client.ask("GET /injected?v=b%0d%0ax-c:+d", "", "");
    assert_eq!((injected.status, injected.field("x-c")), (500, None));
    assert_eq!(client.get("/error/2"), said(200, "even"));
    assert_eq!(client.get("/error/13"), said(409, "13 is bad luck"));
}

/// What is in the chunks of a body.
fn dechunked(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        whole.push_str(&rest[..size]);
        body = rest[size..]
            .strip_prefix("\r\n")
            .expect("the end of a chunk");
        if size == 0 {
            assert_eq!(body, "");
            return whole;
        }
    }
}

#[test]
fn bodies_in_pieces() {
    let router = Router::new()
        .post("/echo", async |body: OwnedRequestBody| {
            Response::new(Body::stream(body))
        })
        .post("/limited", async |Limited(text): Limited<String, 10>| text)
        .post(
            "/json",
            async |Limited(Json(list)): Limited<Json<Vec<u8>>, 10>| list.len().to_string(),
        )
        .post("/maybe", async |list: Option<Json<Vec<u8>>>| {
            list.is_some().to_string()
        });
    let addr = serve(router);
    let ask = |target: &str, fields: &str, chunks: &[&str]| {
        let mut client = Client::to(addr);
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n{fields}\r\n"
        );
        client.stream.write_all(head.as_bytes()).expect("it reads");
        for chunk in chunks.iter().chain([&""]) {
            let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
            client.stream.write_all(chunk.as_bytes()).expect("it reads");
        }
        let mut all = String::new();
        client.stream.read_to_string(&mut all).expect("an answer");
        let (head, body) = all.split_once("\r\n\r\n").expect("a head");
        (
            head[9..12].parse::<u16>().expect("a status"),
            body.to_owned(),
        )
    };
    let (status, body) = ask("/echo", "", &["ab", "c"]);
    assert_eq!((status, &*dechunked(&body)), (200, "abc"));
    for (chunks, status) in [
        (&["123", "456789"][..], 200),
        (&["12345", "67890"], 200),
        (&["12345", "678901"], 413),
    ] {
        assert_eq!(ask("/limited", "", chunks).0, status, "{chunks:?}");
    }
    let json = "Content-Type: application/json\r\n";
    assert_eq!(ask("/json", json, &["[1,", "2,3]"]), said(200, "3"));
    assert_eq!(ask("/json", json, &["[1,2,3,4,5", ",6]"]).0, 413);
    assert_eq!(ask("/maybe", "", &["[]"]).0, 415);
}

#[test]
fn events() {
    let router = Router::new().get("/events", async |headers: HeaderMap| {
        let last = headers.get("last-event-id").map_or(0, |id| {
            id.to_str().expect("text").parse().expect("a number")
        });
        let events = (last + 1..=last + 2).map(|n| Event::data("a\nb").id(&n.to_string()));
        Sse::new(stream::iter(events))
    });
    let mut client = Client::to(serve(router));
    client
        .stream
        .write_all(
            b"GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 6\r\nConnection: close\r\n\r\n",
        )
        .expect("it reads");
    let mut all = String::new();
    client.stream.read_to_string(&mut all).expect("an answer");
    let (head, body) = all.split_once("\r\n\r\n").expect("a head");
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("content-type: text/event-stream\r\n")
            && head.contains("cache-control: no-store\r\n"),
        "{head}"
    );
    assert_eq!(
        dechunked(body),
        "data: a\ndata: b\nid: 7\n\ndata: a\ndata: b\nid: 8\n\n"
    );
}

struct Trouble(u8);

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        (StatusCode::CONFLICT, format!("{} is bad luck", self.0)).into_response()
    }
}

fn check(n: u8) -> Result<bool, Trouble> {
    if n == 13 {
        Err(Trouble(n))
    } else {
        Ok(n % 2 == 0)
    }
}

/// Says where it was, outermost last.
async fn trace(name: &'static str, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let inner = response
        .header("x-trace")
        .map(|value| value.to_str().expect("text").to_owned());
    let trace = format!("{} {name}", inner.unwrap_or_default());
    response.insert(
        "x-trace".parse().expect("a name"),
        trace.trim().parse().expect("text"),
    );
    response
}

fn tracing(name: &'static str) -> impl filch_http::Middleware {
    move |request: Request, next: Next| trace(name, request, next)
}

async fn guard(mut request: Request, next: Next) -> Response {
    match request.header("authorization") {
        Some(b"me") => {
            request.extensions_mut().insert(7u64);
            next.run(request).await
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[test]
fn middleware() {
    let inner = Router::new()
        .middleware(tracing("inner"))
        .get("/", async || "nested")
        .fallback(async || (StatusCode::NOT_FOUND, "nothing in here"));
    let below = Router::new().middleware(tracing("below")).fallback(
        async |Path(user): Path<u64>, MatchedPath(route): MatchedPath| {
            format!("{user} of {route:?}")
        },
    );
    let router = Router::new()
        .get("/", async || "root")
        .middleware(tracing("outer"))
        .middleware(tracing("second"))
        .get("/late", async || "late")
        .group(guard, |routes| {
            routes.get("/secret", async |Extension(n): Extension<u64>| {
                n.to_string()
            })
        })
        .nest("/in", inner)
        .nest("/users/{user}", below)
        .fallback(async || (StatusCode::NOT_FOUND, "not found"));
    let mut client = Client::to(serve(router));
    for (line, status, trace) in [
        ("GET /", 200, "second outer"),
        ("HEAD /", 200, "second outer"),
        ("GET /late", 200, "second outer"),
        ("GET /nowhere", 404, "second outer"),
        ("PUT /", 405, "second outer"),
        ("OPTIONS /", 204, "second outer"),
        ("OPTIONS *", 204, "second outer"),
        ("GET /in", 200, "inner second outer"),
        ("PUT /in", 405, "inner second outer"),
        ("GET /in/no", 404, "inner second outer"),
        ("GET /users/7/x", 200, "below second outer"),
        ("GET /users/%zz/x", 400, "below second outer"),
        ("GET /secret", 401, "second outer"),
    ] {
        let answer = client.ask(line, "", "");
        assert_eq!(
            (answer.status, answer.field("x-trace")),
            (status, Some(trace)),
            "{line}"
        );
    }
    let known = client.ask("GET /secret", "Authorization: me\r\n", "");
    assert_eq!((known.status, &*known.body), (200, "7"));
    assert_eq!(client.get("/in/no").1, "nothing in here");
    assert_eq!(client.get("/users/7/x").1, "7 of \"\"");
    assert_eq!(
        client.ask("PUT /", "", "").field("allow"),
        Some("GET, HEAD, OPTIONS")
    );
}

#[test]
fn middleware_gives_up_waiting_and_survives_panics() {
    async fn in_time(request: Request, next: Next) -> Result<Response, StatusCode> {
        timeout(Duration::from_millis(20), next.run(request))
            .await
            .map_err(|_| StatusCode::GATEWAY_TIMEOUT)
    }
    let router = Router::new()
        .middleware(in_time)
        .get("/quick", async || "quick")
        .get("/slow", async |request: Request| {
            pending::<()>().await;
            request.path().to_owned()
        })
        .get("/panic", async || -> &'static str { panic!("on purpose") });
    let addr = serve(router);
    let mut client = Client::to(addr);
    for _ in 0..3 {
        assert_eq!(client.get("/quick"), said(200, "quick"));
        assert_eq!(client.get("/slow").0, 504);
    }
    assert_eq!(client.get("/panic").0, 500);
    assert_eq!(Client::to(addr).get("/quick"), said(200, "quick"));
}

/// Each handler tells how often its thread, the only worker, has asked for memory so far. From one request to the next that
/// grows by what the answer itself needs, which is the same for all of them.
#[test]
fn what_a_request_asks_memory_for() {
    async fn pass(request: Request, next: Next) -> Response {
        next.run(request).await
    }
    fn count() -> String {
        of_this_thread().to_string()
    }
    let router = Router::with_state(Arc::new(0u64))
        .get("/nothing", async || count())
        .get("/request/{a}/{b}/{c}/{d}/{e}", async |_: Request| count())
        .get("/path/{n}", async |_: Path<u64>| count())
        .get("/text/{t}", async |_: Path<String>| count())
        .get(
            "/five/{a}/{b}/{c}/{d}/{e}",
            async |_: Path<(u8, u8, u8, u8, u8)>| count(),
        )
        .get(
            "/state",
            async |_: State<Arc<u64>>, _: Method, _: PeerAddr| count(),
        )
        .group(pass, |routes| {
            routes.group(pass, |routes| {
                routes.get("/layers/{n}", async |_: Path<u64>, _: State<Arc<u64>>| {
                    count()
                })
            })
        });
    let addr = serve(router);
    within_reason(move || {
        let mut client = Client::to(addr);
        let mut grown = |target: &str| {
            let mut counts =
                (0..50).map(|_| client.get(target).1.parse::<usize>().expect("a count"));
            let warm = counts.nth(39).expect("fifty");
            let last = counts.last().expect("ten more");
            last - warm
        };
        let least = grown("/nothing");
        // What needs memory is counted.
        assert!(grown("/text/a") > least);
        for target in [
            "/request/1/2/3/4/5",
            "/path/7",
            "/five/1/2/3/4/5",
            "/state",
            "/layers/7",
        ] {
            assert_eq!(grown(target), least, "{target}");
        }
    });
}

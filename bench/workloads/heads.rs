//! Which heads do parsers parse when they are measured?
//!
//! Those of the project's targets, so that a figure here is a figure there: what a load generator sends, what curl
//! sends, two requests of browsers, and one with a hundred fields. For responses what a small server says, what
//! nginx says of a file, and what a site behind a cache says.

/// What a load generator sends.
const SMALL_40: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const CURL_77: &str =
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

const BROWSER_419: &str = "GET /docs/guide/index.html HTTP/1.1\r\n\
    Host: www.example.org\r\n\
    Connection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
    Referer: https://www.example.org/docs/\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Cookie: id=0123456789ab\r\n\r\n";

/// The request that parsers have been compared on since picohttpparser.
const BROWSER_703: &str = "GET /wp-content/uploads/2010/03/hello-kitty-darth-vader-pink.jpg HTTP/1.1\r\n\
    Host: www.kittyhell.com\r\n\
    User-Agent: Mozilla/5.0 (Macintosh; U; Intel Mac OS X 10.6; ja-JP-mac; rv:1.9.2.3) Gecko/20100401 Firefox/3.6.3 Pathtraq/0.9\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: ja,en-us;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip,deflate\r\n\
    Accept-Charset: Shift_JIS,utf-8;q=0.7,*;q=0.7\r\n\
    Keep-Alive: 115\r\n\
    Connection: keep-alive\r\n\
    Cookie: wp_ozh_wsa_visits=2; wp_ozh_wsa_visit_lasttime=xxxxxxxxxx; __utma=xxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.xxxxxxxxxx.x; __utmz=xxxxxxxxx.xxxxxxxxxx.x.x.utmccn=(referral)|utmcsr=reader.livedoor.com|utmcct=/reader/|utmcmd=referral\r\n\r\n";

fn hundred_fields() -> String {
    let fields: String = (0..99)
        .map(|n| format!("X-Header-Field-{n:02}: the value of field {n:02}, of some length\r\n"))
        .collect();
    format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{fields}\r\n")
}

/// The requests, with their names.
pub(crate) fn requests() -> [(&'static str, String); 5] {
    [
        ("40B", SMALL_40.into()),
        ("77B", CURL_77.into()),
        ("419B", BROWSER_419.into()),
        ("703B", BROWSER_703.into()),
        ("100fields", hundred_fields()),
    ]
}

const HELLO_RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n";

const FILE_RESPONSE: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: text/html\r\n\
    Content-Length: 615\r\n\
    Last-Modified: Tue, 01 Sep 2026 09:30:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"66d43a28-267\"\r\n\
    Accept-Ranges: bytes\r\n\r\n";

const CACHE_RESPONSE: &str = "HTTP/1.1 304 Not Modified\r\n\
    Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    Cache-Control: public, max-age=600, stale-while-revalidate=86400, stale-if-error=86400\r\n\
    ETag: W/\"5f3a8e7c9b2d4f60a1c3e5d7b9f1a3c5\"\r\n\
    Vary: Accept-Encoding, Accept-Language, Cookie\r\n\
    Strict-Transport-Security: max-age=31536000; includeSubDomains; preload\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'self'; img-src 'self' data: https://images.example.org; script-src 'self' 'nonce-2726c7f26c'; frame-ancestors 'none'\r\n\
    Set-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax\r\n\
    Age: 42\r\n\
    Via: 1.1 varnish, 1.1 cache-fra-1234\r\n\r\n";

/// The responses, with their names.
pub(crate) fn responses() -> [(&'static str, String); 3] {
    [
        ("hello", HELLO_RESPONSE.into()),
        ("file", FILE_RESPONSE.into()),
        ("cache", CACHE_RESPONSE.into()),
    ]
}

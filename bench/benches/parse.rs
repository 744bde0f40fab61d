//! How long does it take to parse the head of a request?
//!
//! Measured: [`RequestParser::parse`] from the first byte of a head that is there whole, with a table of fields that
//! is used again, beside httparse with its array of headers, in the same run. The `framed` rows add what a server
//! needs to know next: the framing rules over all fields.
//!
//! Not measured: heads in pieces, building a `HeaderMap`, and cold memory. Counts of instructions are steadier than
//! these times; docs/HACKING.md says how to take them.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use filch_http::proto::{FieldSlot, Framing, RequestParser, limits::FIELDS_MAX};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn samples() -> [(&'static str, String); 5] {
    [
        ("40B", SMALL_40.into()),
        ("77B", CURL_77.into()),
        ("419B", BROWSER_419.into()),
        ("703B", BROWSER_703.into()),
        ("100fields", hundred_fields()),
    ]
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, sample) in samples() {
        let bytes = sample.as_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("filch", name), bytes, |b, bytes| {
            let mut slots = [FieldSlot::default(); FIELDS_MAX];
            b.iter(|| {
                let head = RequestParser::default().parse(black_box(bytes), &mut slots);
                black_box(head.is_ok_and(|head| head.is_some()))
            });
        });
        group.bench_with_input(BenchmarkId::new("filch-framed", name), bytes, |b, bytes| {
            let mut slots = [FieldSlot::default(); FIELDS_MAX];
            b.iter(|| {
                let head = RequestParser::default()
                    .parse(black_box(bytes), &mut slots)
                    .ok()
                    .flatten();
                head.map(|head| Framing::of(&head.view(bytes, &slots), u64::MAX))
            });
        });
        group.bench_with_input(BenchmarkId::new("httparse", name), bytes, |b, bytes| {
            let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
            b.iter(|| {
                let mut request = httparse::Request::new(&mut headers);
                black_box(
                    request
                        .parse(black_box(bytes))
                        .is_ok_and(|status| status.is_complete()),
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);

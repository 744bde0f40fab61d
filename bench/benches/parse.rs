//! How long does it take to parse the head of a request, and of a response?
//!
//! Measured: [`RequestParser::parse`] from the first byte of a head that is there whole, with a table of fields that
//! is used again, beside httparse with its array of headers, in the same run. The `framed` rows add what a server
//! needs to know next: the framing rules over all fields.
//!
//! Not measured: heads in pieces, building a `HeaderMap`, and cold memory. Counts of instructions are steadier than
//! these times: `cargo run --release -p filch-bench --example parse_instructions`.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use filch_http::proto::{FieldSlot, Framing, RequestParser, ResponseParser, limits::FIELDS_MAX};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../workloads/heads.rs"]
mod heads;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, sample) in heads::requests() {
        let bytes = sample.as_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("filch", name), bytes, |b, bytes| {
            let mut slots = [FieldSlot::default(); FIELDS_MAX];
            let mut parser = RequestParser::default();
            b.iter(|| {
                parser.reset();
                let head = parser.parse(black_box(bytes), &mut slots);
                black_box(head.is_ok_and(|head| head.is_some()))
            });
        });
        group.bench_with_input(BenchmarkId::new("filch-framed", name), bytes, |b, bytes| {
            let mut slots = [FieldSlot::default(); FIELDS_MAX];
            let mut parser = RequestParser::default();
            b.iter(|| {
                parser.reset();
                let head = parser.parse(black_box(bytes), &mut slots);
                let head = head.ok().flatten();
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

fn parse_response(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse-response");
    for (name, sample) in heads::responses() {
        let bytes = sample.as_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("filch", name), bytes, |b, bytes| {
            let mut slots = [FieldSlot::default(); FIELDS_MAX];
            let mut parser = ResponseParser::default();
            b.iter(|| {
                parser.reset();
                let head = parser.parse(black_box(bytes), &mut slots);
                black_box(head.is_ok_and(|head| head.is_some()))
            });
        });
        group.bench_with_input(BenchmarkId::new("httparse", name), bytes, |b, bytes| {
            let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
            b.iter(|| {
                let mut response = httparse::Response::new(&mut headers);
                black_box(
                    response
                        .parse(black_box(bytes))
                        .is_ok_and(|status| status.is_complete()),
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, parse_response);
criterion_main!(benches);

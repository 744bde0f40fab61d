//! What the comparison's HTTP servers answer, on may_minihttp: a service that matches the path by hand. Files and bodies are read whole before they are sent, since it has
//! no other way.

use filch_bench_common::http::{self, HELLO};
use filch_bench_common::serve::{ANYWHERE, announce};
use may_minihttp::{HttpServer, HttpService, Request, Response};
use std::io::{self, Read};
use std::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let workers = http::workers(std::env::args().skip(1));
    may::config().set_workers(workers).set_pool_capacity(1000);
    // It does not say which port it has got; so it is given one that was free just now.
    let free = TcpListener::bind(ANYWHERE).and_then(|listener| listener.local_addr());
    let address = free.expect("a free port");
    let server = HttpServer(Routes).start(address);
    let _server = server.expect("an address to listen on");
    announce(address)
}

#[derive(Clone)]
struct Routes;

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

impl HttpService for Routes {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let (method, path) = (request.method(), request.path());
        let number = |prefix| path.strip_prefix(prefix);
        if method == "POST" && path == "/echo" {
            let mut body = Vec::new();
            request.body().read_to_end(&mut body)?;
            response.header("Content-Type: application/octet-stream");
            response.body_vec(body);
        } else if method != "GET" {
            refuse(response, 405, "Method Not Allowed");
        } else if path == "/" {
            response.header("Content-Type: text/plain");
            response.body(HELLO);
        } else if path == "/json" {
            let json = serde_json::to_vec(&Greeting { message: HELLO })?;
            response.header("Content-Type: application/json");
            response.body_vec(json);
        } else if let Some(n) = number("/fib/") {
            text(response, http::fib(n));
        } else if let Some(n) = number("/burn/") {
            text(response, http::burn(n));
        } else if let Some(path) = number("/static/").and_then(http::file) {
            match std::fs::read(path) {
                Ok(bytes) => {
                    response.header("Content-Type: application/octet-stream");
                    response.body_vec(bytes);
                }
                Err(_) => refuse(response, 404, "Not Found"),
            }
        } else {
            refuse(response, 404, "Not Found");
        }
        Ok(())
    }
}

fn text(response: &mut Response, text: Option<String>) {
    match text {
        Some(text) => {
            response.header("Content-Type: text/plain");
            response.body_vec(text.into_bytes());
        }
        None => refuse(response, 400, "Bad Request"),
    }
}

fn refuse(response: &mut Response, status: usize, reason: &'static str) {
    response.status_code(status, reason);
}

//! What the comparison's HTTP servers answer, on xitca-web: handlers with extractors, files by its `ServeDir`. A body is read whole before it is sent back.

use filch_bench_common::http::{self, BODY_MAX, HELLO, KEEP_ALIVE};
use filch_bench_common::serve::{ANYWHERE, announce};
use std::io;
use std::net::TcpListener;
use std::path::Path;
use xitca_web::error::ErrorStatus;
use xitca_web::handler::body::Limit;
use xitca_web::handler::handler_service;
use xitca_web::handler::json::Json;
use xitca_web::handler::params::Params;
use xitca_web::http::header::{HeaderValue, SERVER};
use xitca_web::http::{StatusCode, WebResponse};
use xitca_web::route::{get, post};
use xitca_web::service::Service;
use xitca_web::service::file::ServeDir;
use xitca_web::{App, WebContext};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let workers = http::workers(std::env::args().skip(1));
    let listener = TcpListener::bind(ANYWHERE).expect("an address to listen on");
    let address = listener.local_addr().expect("its address");
    // Its workers are threads of its own; this one only starts them.
    std::thread::spawn(move || serve(workers, listener));
    announce(address)
}

fn serve(workers: usize, listener: TcpListener) -> io::Result<()> {
    // It looks for the whole path that was asked for, of which the folder's own name is the beginning.
    let folder = http::folder()
        .parent()
        .map_or_else(http::folder, Path::to_owned);
    App::new()
        .at("/", get(handler_service(async || HELLO)))
        .at("/json", get(handler_service(json)))
        .at("/fib/{n}", get(handler_service(fib)))
        .at("/burn/{n}", get(handler_service(burn)))
        .at("/echo", post(handler_service(echo)))
        .at("/static", ServeDir::new(folder))
        .enclosed_fn(named)
        .serve()
        .worker_threads(workers)
        .keep_alive_timeout(KEEP_ALIVE)
        .disable_signal()
        .listen(listener)?
        .run()
        .wait()
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn json() -> Json<Greeting> {
    Json(Greeting { message: HELLO })
}

async fn fib(Params(n): Params<String>) -> Result<String, ErrorStatus> {
    number(http::fib(&n))
}

async fn burn(Params(n): Params<String>) -> Result<String, ErrorStatus> {
    number(http::burn(&n))
}

fn number(text: Option<String>) -> Result<String, ErrorStatus> {
    text.ok_or_else(|| ErrorStatus::from(StatusCode::BAD_REQUEST))
}

async fn echo((body, _): (Vec<u8>, Limit<BODY_MAX>)) -> Vec<u8> {
    body
}

async fn named<S, E>(service: &S, context: WebContext<'_>) -> Result<WebResponse, E>
where
    S: for<'r> Service<WebContext<'r>, Response = WebResponse, Error = E>,
{
    let mut response = service.call(context).await?;
    let server = HeaderValue::from_static("xitca-web");
    response.headers_mut().insert(SERVER, server);
    Ok(response)
}

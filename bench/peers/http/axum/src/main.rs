//! What the comparison's HTTP servers answer, on axum, as its documentation would have it: handlers with extractors, files by tower-http's `ServeDir`, `axum::serve`.

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::header::{CONTENT_TYPE, SERVER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use filch_bench_common::http::{self, HELLO};
use filch_bench_common::serve::{ANYWHERE, announce};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower_http::services::ServeDir;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let workers = http::workers(std::env::args().skip(1));
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_io().build();
    let runtime = runtime.expect("its threads can be started");
    let listener = runtime.block_on(TcpListener::bind(ANYWHERE));
    let listener = listener.expect("an address to listen on");
    let address = listener.local_addr().expect("its address");
    let listener = listener.tap_io(|stream| {
        // A connection without it is slower, and otherwise the same.
        let _ = stream.set_nodelay(true);
    });
    runtime.spawn(async { axum::serve(listener, routes()).await });
    announce(address)
}

fn routes() -> Router {
    Router::new()
        .route("/", get(async || HELLO))
        .route("/json", get(json))
        .route(
            "/fib/{n}",
            get(async |Path(n): Path<String>| number(http::fib(&n))),
        )
        .route(
            "/burn/{n}",
            get(async |Path(n): Path<String>| number(http::burn(&n))),
        )
        .route("/echo", post(echo))
        .nest_service("/static", ServeDir::new(http::folder()))
        // hyper writes the date, and nobody the server.
        .layer(axum::middleware::map_response(named))
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn json() -> Json<Greeting> {
    Json(Greeting { message: HELLO })
}

fn number(text: Option<String>) -> Result<String, StatusCode> {
    text.ok_or(StatusCode::BAD_REQUEST)
}

/// The body as it comes.
async fn echo(request: Request) -> Response {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let body = request.into_body();
    let mut response = Response::new(Body::new(body));
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

async fn named(mut response: Response) -> Response {
    let server = HeaderValue::from_static("axum");
    response.headers_mut().insert(SERVER, server);
    response
}

//! What the comparison's HTTP servers answer, on ntex with tokio: handlers with extractors, files by ntex-files. A body is read whole before it is sent back.

use filch_bench_common::http::{self, BODY_MAX, HELLO, KEEP_ALIVE};
use filch_bench_common::serve::ANYWHERE;
use filch_bench_common::serve::announce;
use ntex::SharedCfg;
use ntex::http::HttpServiceConfig;
use ntex::http::header::{CONTENT_TYPE, SERVER};
use ntex::time::Seconds;
use ntex::util::Bytes;
use ntex::web::middleware::DefaultHeaders;
use ntex::web::types::{Json, Path, PayloadConfig};
use ntex::web::{self, App, HttpRequest, HttpResponse, HttpServer};
use ntex_files::Files;
use std::io;
use std::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let workers = http::workers(std::env::args().skip(1));
    let listener = TcpListener::bind(ANYWHERE);
    let listener = listener.expect("an address to listen on");
    let address = listener.local_addr().expect("its address");
    // Its workers are threads of its own; this one only starts them.
    std::thread::spawn(move || {
        ntex::rt::System::new("bench", ntex::rt::DefaultRuntime).block_on(serve(workers, listener))
    });
    announce(address)
}

async fn serve(workers: usize, listener: TcpListener) -> io::Result<()> {
    let app = async || {
        App::new()
            .state(PayloadConfig::new(BODY_MAX))
            .middleware(DefaultHeaders::new().header(SERVER, "ntex"))
            .route("/", web::get().to(hello))
            .route("/json", web::get().to(json))
            .route("/fib/{n}", web::get().to(fib))
            .route("/burn/{n}", web::get().to(burn))
            .route("/echo", web::post().to(echo))
            .service(Files::new("/static", http::folder()))
    };
    let keep_alive = Seconds::new(KEEP_ALIVE.as_secs() as u16);
    let connections = HttpServiceConfig::new().set_keepalive_timeout(keep_alive);
    HttpServer::new(app)
        .config(SharedCfg::new("bench").add(connections))
        .workers(workers)
        .maxconn(20_000)
        .disable_signals()
        .listen(listener)?
        .run()
        .await
}

async fn hello() -> HttpResponse {
    text(HELLO)
}

fn text(text: impl Into<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain")
        .body(text.into())
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn json() -> Json<Greeting> {
    Json(Greeting { message: HELLO })
}

async fn fib(n: Path<String>) -> HttpResponse {
    http::fib(&n).map_or_else(|| HttpResponse::BadRequest().finish(), text)
}

async fn burn(n: Path<String>) -> HttpResponse {
    http::burn(&n).map_or_else(|| HttpResponse::BadRequest().finish(), text)
}

async fn echo(request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(content_type) = request.headers().get(CONTENT_TYPE) {
        response.content_type(content_type.clone());
    }
    response.body(body)
}

//! What the comparison's HTTP servers answer, on actix-web: handlers with extractors, files by actix-files. A body is read whole before it is sent back: streamed, connections were
//! closed before their answers were over (seen with 4.18).

use actix_files::Files;
use actix_web::http::header::{CONTENT_TYPE, SERVER};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Bytes, Path, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use filch_bench_common::http::{self, BODY_MAX, HELLO, KEEP_ALIVE};
use filch_bench_common::serve::{ANYWHERE, announce};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let workers = http::workers(std::env::args().skip(1));
    let (tell, told) = mpsc::channel();
    // Its workers are threads of its own; this one only starts them.
    std::thread::spawn(move || rt::System::new().block_on(serve(workers, tell)));
    announce(told.recv().expect("it listens"))
}

async fn serve(workers: usize, tell: Sender<SocketAddr>) -> io::Result<()> {
    let app = || {
        App::new()
            .app_data(PayloadConfig::new(BODY_MAX))
            .wrap(DefaultHeaders::new().add((SERVER, "actix-web")))
            .route("/", web::get().to(hello))
            .route("/json", web::get().to(json))
            .route("/fib/{n}", web::get().to(fib))
            .route("/burn/{n}", web::get().to(burn))
            .route("/echo", web::post().to(echo))
            .service(Files::new("/static", http::folder()))
    };
    let server = HttpServer::new(app)
        .workers(workers)
        .max_connections(20_000)
        .keep_alive(KEEP_ALIVE)
        .disable_signals()
        .bind(ANYWHERE)?;
    let addresses = server.addrs();
    let address = addresses.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let _ = tell.send(*address);
    server.run().await
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

async fn json() -> web::Json<Greeting> {
    web::Json(Greeting { message: HELLO })
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

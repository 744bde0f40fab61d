//! How does a test get an HTTP server whose work is all on one thread?
//!
//! On a runtime of its own with one worker and no spares, so that what the server asks for, and what it frees at its end, can be counted.

use filch::JoinHandle;
use filch::runtime::{Builder, Runtime};
use filch_http::{Router, Server};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;

/// Serves until it is dropped, which ends its runtime too.
#[derive(Debug)]
pub struct LoneServer {
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
    _runtime: Runtime,
}

impl LoneServer {
    /// Begins to serve.
    ///
    /// # Panics
    ///
    /// If there is no thread or no port.
    #[must_use]
    pub fn start(router: Router) -> Self {
        let runtime = Builder::new()
            .worker_threads(1)
            .max_spare_workers(0)
            .build()
            .expect("a runtime");
        let (tell, told) = mpsc::channel();
        let server = runtime.spawn(async move {
            let server = Server::bind("127.0.0.1:0").await.expect("a free port");
            tell.send(server.local_addr().expect("an address"))
                .expect("it waits");
            server.router(router).serve().await
        });
        Self {
            address: told.recv().expect("it starts"),
            server,
            _runtime: runtime,
        }
    }

    /// A client that sends at once what it writes.
    ///
    /// # Panics
    ///
    /// If it cannot connect.
    #[must_use]
    pub fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("it listens");
        client.set_nodelay(true).expect("a socket");
        client
    }
}

impl Drop for LoneServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

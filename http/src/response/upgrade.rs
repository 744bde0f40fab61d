//! How does a handler hand its connection over to another protocol?
//!
//! By its response: one that says so, with the future that serves the connection from then on. The server sends it only where
//! the client has asked for it, so that a handler cannot leave the two speaking different protocols.

use super::Response;
use crate::body::Body;
use crate::server::upgraded::Upgraded;
use http::StatusCode;
use http::header::{self, HeaderValue};

impl Response {
    /// 101, after which `serve` has the connection.
    ///
    /// Its future runs on the connection's task, and the connection closes when it ends. While the server drains it goes on, until the
    /// time for that is over; [`Upgraded::draining`] tells it. The handler must have dropped its request, and read its body before, if there is one.
    ///
    /// A client that did not ask for an upgrade, or speaks HTTP/1.0, gets 426 (RFC 9110, sections 7.8 and 15.5.22). Whether it asked
    /// for this protocol, and what else the protocol asks of a handshake, is the handler's to check.
    ///
    /// # Panics
    ///
    /// When the name of the protocol holds bytes that a field cannot have.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Response, Router, Upgraded};
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    ///
    /// async fn shout(mut stream: Upgraded) {
    ///     let mut word = [0; 5];
    ///     if stream.read_exact(&mut word).await.is_ok() {
    ///         word.make_ascii_uppercase();
    ///         let _ = stream.write_all(&word).await;
    ///     }
    /// }
    ///
    /// let router = Router::new().get("/shout", async || Response::upgrade("shout", shout));
    /// # let _ = router;
    /// ```
    #[must_use]
    pub fn upgrade<F, Fut>(protocol: &'static str, serve: F) -> Self
    where
        F: FnOnce(Upgraded) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut response = Self::tunnel(serve).with_status(StatusCode::SWITCHING_PROTOCOLS);
        response.insert(header::UPGRADE, HeaderValue::from_static(protocol));
        response
    }

    /// 200 to a CONNECT, after which `serve` has the connection (RFC 9110, section 9.3.6). To any other request it is an error of the
    /// handler's: 500.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Response, Upgraded};
    /// use filch_net::TcpStream;
    ///
    /// async fn connect() -> Response {
    ///     Response::tunnel(async |mut client: Upgraded| {
    ///         if let Ok(mut server) = TcpStream::connect("127.0.0.1:25").await {
    ///             let _ = filch::io::copy_bidirectional(&mut client, &mut server).await;
    ///         }
    ///     })
    /// }
    /// # let _ = connect;
    /// ```
    #[must_use]
    pub fn tunnel<F, Fut>(serve: F) -> Self
    where
        F: FnOnce(Upgraded) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::new(Body::switch(Box::new(|stream| Box::pin(serve(stream)))))
    }
}

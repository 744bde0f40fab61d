//! Bodies of requests and responses: does a piece that was asked for and not taken come again?

use filch::sync::{mpsc, oneshot};
use filch_http::{Body, BodySender, OwnedRequestBody, Request, Response, Router, Server};
use filch_net::TcpStream;
use filch_tests::cancel::Case;
use filch_tests::cases;
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "http::OwnedRequestBody::chunk" => |cut| async move {
        let (mut body, mut client, _unanswered) = uploading().await;
        let step = async |_| client.write_all(b"x").await.unwrap();
        let got = cut.drive(body.chunk(), 1, step).await;
        match got {
            Some(got) => assert_eq!(got.unwrap(), Some(&b"x"[..])),
            None => assert_eq!(body.chunk().await.unwrap(), Some(&b"x"[..])),
        }
        client.write_all(b"y").await.unwrap();
        assert_eq!(body.chunk().await.unwrap(), Some(&b"y"[..]));
        assert_eq!(body.chunk().await.unwrap(), None);
    },
    "http::OwnedRequestBody (next)" => |cut| async move {
        let (mut body, mut client, _unanswered) = uploading().await;
        let step = async |_| client.write_all(b"x").await.unwrap();
        let got = cut.drive(body.next(), 1, step).await;
        let got = match got {
            Some(got) => got,
            None => body.next().await,
        };
        assert_eq!(got.unwrap().unwrap(), "x");
        client.write_all(b"y").await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "y");
        assert!(body.next().await.is_none());
    },
    "http::OwnedRequestBody (read)" => |cut| async move {
        let (mut body, mut client, _unanswered) = uploading().await;
        let step = async |_| client.write_all(b"x").await.unwrap();
        let mut room = [0; 4];
        let got = cut.drive(body.read(&mut room), 1, step).await;
        match got {
            Some(got) => assert_eq!(got.unwrap(), 1),
            None => assert_eq!(body.read(&mut room).await.unwrap(), 1),
        }
        assert_eq!(room[0], b'x');
    },
    "http::OwnedRequestBody::bytes" => |cut| async move {
        let (body, mut client, unanswered) = uploading().await;
        let step = async |_| client.write_all(b"xy").await.unwrap();
        if let Some(got) = cut.drive(body.bytes(), 1, step).await {
            assert_eq!(got.unwrap(), "xy");
        }
        // Whether it was read or not, the connection has its request back.
        drop(unanswered);
        assert!(answered(&mut client).await.starts_with("HTTP/1.1 200"));
    },
    "http::RequestBody::chunk" => |cut| async move {
        let (mut request, mut client, _unanswered) = uploading_whole().await;
        let step = async |_| client.write_all(b"x").await.unwrap();
        let mut body = request.body();
        let got = cut.drive(body.chunk(), 1, step).await;
        match got {
            Some(got) => assert_eq!(got.unwrap(), Some(&b"x"[..])),
            None => assert_eq!(body.chunk().await.unwrap(), Some(&b"x"[..])),
        }
        assert_eq!(request.path(), "/whole");
    },
    "http::RequestBody (read)" => |cut| async move {
        let (mut request, mut client, _unanswered) = uploading_whole().await;
        let step = async |_| client.write_all(b"x").await.unwrap();
        let mut room = [0; 4];
        let mut body = request.body();
        let got = cut.drive(body.read(&mut room), 1, step).await;
        match got {
            Some(got) => assert_eq!(got.unwrap(), 1),
            None => assert_eq!(body.read(&mut room).await.unwrap(), 1),
        }
        assert_eq!(room[0], b'x');
    },
    "http::RequestBody::bytes" => |cut| async move {
        let (mut request, mut client, unanswered) = uploading_whole().await;
        let step = async |_| client.write_all(b"xy").await.unwrap();
        if let Some(got) = cut.drive(request.body().bytes(), 1, step).await {
            assert_eq!(got.unwrap(), "xy");
        }
        drop((request, unanswered));
        assert!(answered(&mut client).await.starts_with("HTTP/1.1 200"));
    },
    "http::BodySender::send" => |cut| async move {
        let (mut sender, mut client) = downloading().await;
        sender.send("w").await.unwrap();
        let got = cut.drive(sender.send("x"), 1, async |_| ()).await;
        sender.send("y").await.unwrap();
        sender.finish();
        let body = answered(&mut client).await.replace("1\r\n", "").replace("\r\n", "");
        match got {
            Some(got) => {
                got.unwrap();
                assert!(body.ends_with("wxy0"), "{body}");
            }
            None => assert!(body.ends_with("wxy0") || body.ends_with("wy0"), "{body}"),
        }
    },
    "http::BodySender::ready" => |cut| async move {
        let (mut sender, mut client) = downloading().await;
        let got = cut.drive(sender.ready(), 1, async |_| ()).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        sender.send("y").await.unwrap();
        sender.finish();
        assert!(answered(&mut client).await.ends_with("1\r\ny\r\n0\r\n\r\n"));
    },
    "http::BodySender::closed" => |cut| async move {
        let (mut sender, body) = Body::channel(1);
        let mut body = Some(body);
        cut.drive(sender.closed(), 1, async |_| drop(body.take())).await;
        assert!(sender.send("x").await.is_err());
    },
};

/// Handlers that give away what they got of their requests, and answer when the sender that they give along is dropped: after that nobody gets more of a body.
fn router() -> (Router, mpsc::Receiver<Given>) {
    let (give, given) = mpsc::channel(1);
    let (part, whole, down) = (give.clone(), give.clone(), give);
    let router = Router::new()
        .post("/part", move |request: Request| {
            let give = part.clone();
            async move {
                let (unanswered, is_over) = oneshot::channel();
                let _ = give
                    .send(Given::Body(request.into_body(), unanswered))
                    .await;
                let _ = is_over.await;
                "given"
            }
        })
        .post("/whole", move |request: Request| {
            let give = whole.clone();
            async move {
                let (unanswered, is_over) = oneshot::channel();
                let _ = give.send(Given::Request(request, unanswered)).await;
                let _ = is_over.await;
                "given"
            }
        })
        .get("/down", move || {
            let give = down.clone();
            async move {
                let (sender, body) = Body::channel(1);
                let _ = give.send(Given::Sender(sender)).await;
                Response::new(body)
            }
        });
    (router, given)
}

/// As long as this is there, the handler does not answer.
type Unanswered = oneshot::Sender<()>;

enum Given {
    Body(OwnedRequestBody, Unanswered),
    Request(Request, Unanswered),
    Sender(BodySender),
}

/// What the handler gave away, and the client that has sent this.
async fn given(head: &str) -> (Given, TcpStream) {
    let (router, mut given) = router();
    let server = Server::bind("127.0.0.1:0").await.unwrap().router(router);
    let addr = server.local_addr().unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    // It takes the one connection that is there, and ends with it.
    filch::spawn(server.serve_with_shutdown(async {})).detach();
    let given = given.recv().await.unwrap();
    (given, client)
}

const TWO_BYTES: &str = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";

async fn uploading() -> (OwnedRequestBody, TcpStream, Unanswered) {
    match given(&format!("POST /part {TWO_BYTES}")).await {
        (Given::Body(body, unanswered), client) => (body, client, unanswered),
        _ => unreachable!("it was for /part"),
    }
}

async fn uploading_whole() -> (Request, TcpStream, Unanswered) {
    match given(&format!("POST /whole {TWO_BYTES}")).await {
        (Given::Request(request, unanswered), client) => (request, client, unanswered),
        _ => unreachable!("it was for /whole"),
    }
}

async fn downloading() -> (BodySender, TcpStream) {
    match given("GET /down HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await {
        (Given::Sender(sender), client) => (sender, client),
        _ => unreachable!("it was for /down"),
    }
}

async fn answered(client: &mut TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

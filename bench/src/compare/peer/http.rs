//! Who serves HTTP beside filch?

use super::{Peer, Source};

pub(in crate::compare) const HTTP_PEERS: &[Peer] = &[
    Peer {
        name: "filch",
        what: "filch-http's example hello, with mimalloc; always there",
        source: Source::Hello,
    },
    Peer {
        name: "bare-epoll",
        what: "a bare epoll loop for each worker, with httparse and prebuilt answers, and with mimalloc: the floor; no files, no bodies",
        source: alone("peer-http-bare", &["httparse"]),
    },
    Peer {
        name: "hyper-ct",
        what: "hyper on tokio's current-thread flavour, one runtime and listener for each worker, with mimalloc",
        source: hyper("current-thread"),
    },
    Peer {
        name: "hyper-mt",
        what: "hyper on tokio's multi-thread flavour, with mimalloc",
        source: hyper("multi-thread"),
    },
    Peer {
        name: "axum",
        what: "axum on tokio's multi-thread flavour, with mimalloc",
        source: alone("peer-http-axum", &["axum", "hyper"]),
    },
    Peer {
        name: "actix-web",
        what: "actix-web, one thread for each worker, with mimalloc",
        source: alone("peer-http-actix", &["actix-web"]),
    },
    Peer {
        name: "ntex",
        what: "ntex on tokio, one thread for each worker, with mimalloc",
        source: alone("peer-http-ntex", &["ntex"]),
    },
    Peer {
        name: "may-minihttp",
        what: "may_minihttp, coroutines with stacks, with mimalloc",
        source: alone("peer-http-may", &["may_minihttp", "may"]),
    },
    Peer {
        name: "xitca-web",
        what: "xitca-web, one thread for each worker, with mimalloc",
        source: alone("peer-http-xitca", &["xitca-web"]),
    },
    Peer {
        name: "go-http",
        what: "Go's net/http",
        source: Source::HttpGo("go-http"),
    },
    Peer {
        name: "nginx",
        what: "as one process: the texts of / and the files, and nothing that computes",
        source: Source::Nginx,
    },
];

const fn alone(program: &'static str, crates: &'static [&'static str]) -> Source {
    Source::HttpRust(program, None, crates)
}

const fn hyper(flavour: &'static str) -> Source {
    Source::HttpRust("peer-http-hyper", Some(flavour), &["hyper"])
}

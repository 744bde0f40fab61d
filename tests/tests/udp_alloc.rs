//! Does a datagram ask for no memory in a steady state, alone, in a batch or as a segment?
//!
//! A program of its own: its allocator counts what the worker's thread asks for.

use filch::runtime::Builder;
use filch_net::UdpSocket;
use filch_net::udp::{RecvBatch, SendBatch};
use filch_tests::allocations::{Counting, of_this_thread};
use filch_tests::guard::within_reason;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LAPS: usize = 1000;

/// Does something often, and that often again: what the second time has asked for.
macro_rules! steady {
    ($once:block) => {{
        for _ in 0..LAPS {
            $once
        }
        let before = of_this_thread();
        for _ in 0..LAPS {
            $once
        }
        of_this_thread() - before
    }};
}

#[test]
fn datagrams_ask_for_no_memory() {
    let asked = within_reason(|| {
        // Without spare workers, so that there is no other thread that could go on with it.
        let runtime = Builder::new()
            .worker_threads(1)
            .max_spare_workers(0)
            .build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(runtime.spawn(program())).unwrap()
    });
    assert_eq!(asked, [0; 5], "alone, connected, batch, segments, waiting");
}

/// What a task asks for by each way of sending and receiving.
async fn program() -> [usize; 5] {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    client.connect(addr).await.unwrap();
    let mut room = [0; 64];
    let mut batch = RecvBatch::new(32, 64);
    let mut waiting = SendBatch::new();

    let alone = steady!({
        client.send_to(b"word", addr).await.unwrap();
        server.recv_from(&mut room).await.unwrap();
    });
    let connected = steady!({
        client.send(b"word").await.unwrap();
        server.recv(&mut room).await.unwrap();
    });
    let in_batches = steady!({
        for _ in 0..16 {
            waiting.push(b"word");
            waiting.push_to(b"word", addr);
        }
        assert_eq!(client.send_many(&mut waiting).await.unwrap(), 32);
        assert_eq!(server.recv_many(&mut batch).await.unwrap(), 32);
        assert!(batch.iter().all(|datagram| datagram.bytes() == b"word"));
    });
    let in_segments = steady!({
        client.send_segments(b"aabbc", 2).await.unwrap();
        for len in [2, 2, 1] {
            let datagram = server.recv_datagram(&mut room).await.unwrap();
            assert_eq!(datagram.bytes().len(), len);
        }
    });

    // Each lap waits for the other side.
    let echo = filch::spawn(async move {
        let mut answers = SendBatch::new();
        loop {
            server.recv_many(&mut batch).await.unwrap();
            for datagram in batch.iter() {
                answers.push_to(datagram.bytes(), datagram.peer());
            }
            server.send_many(&mut answers).await.unwrap();
        }
    });
    let in_turn = steady!({
        client.send(b"word").await.unwrap();
        client.recv(&mut room).await.unwrap();
    });
    echo.abort();
    [alone, connected, in_batches, in_segments, in_turn]
}

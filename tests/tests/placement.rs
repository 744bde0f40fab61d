//! Are connections spread over the workers, however they are accepted?
//!
//! What is counted is where they are registered, and so where the tasks run that wait for them. The test that needs many descriptors raises the limit in a process of its own.

use filch::runtime::{Builder, RuntimeMetrics};
use filch_net::{TcpListener, TcpStream};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::limits::{self, in_child};
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

/// How the connections come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accept {
    /// One task accepts all of them.
    OneLoop,
    /// One task for each worker, on one listener.
    Loops,
    /// A listener with a task for each worker.
    Listeners,
    /// Whoever is in `block_on`, which is no worker.
    Outside,
}

const WAYS: [Accept; 4] = [
    Accept::OneLoop,
    Accept::Loops,
    Accept::Listeners,
    Accept::Outside,
];

/// Both ends of each are in this process.
const CONNECTIONS: usize = 1000;

/// How many descriptors each worker has.
fn sources(metrics: &RuntimeMetrics) -> Vec<usize> {
    let workers = 0..metrics.num_workers();
    workers
        .map(|worker| metrics.worker_source_count(worker))
        .collect()
}

async fn accept_into(listener: Arc<TcpListener>, streams: Sender<TcpStream>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        streams.send(stream).unwrap();
    }
}

/// So many connections in one of the ways; what each worker has of them.
fn shares(workers: usize, connections: usize, way: Accept) -> Vec<usize> {
    let rt = Builder::new().worker_threads(workers).build().unwrap();
    let metrics = rt.metrics();
    let (listeners, addr): (Vec<_>, SocketAddr) = rt.block_on(async {
        let listeners = match way {
            Accept::Listeners => TcpListener::bind_each("127.0.0.1:0").await.unwrap(),
            _ => vec![TcpListener::bind("127.0.0.1:0").await.unwrap()],
        };
        let addr = listeners[0].local_addr().unwrap();
        (listeners.into_iter().map(Arc::new).collect(), addr)
    });
    let before = sources(&metrics);
    let (accepted, streams) = channel();
    let loops = match way {
        Accept::OneLoop => 1,
        Accept::Loops | Accept::Listeners => workers,
        Accept::Outside => 0,
    };
    let accepting: Vec<_> = (0..loops)
        .map(|index| {
            rt.spawn(accept_into(
                listeners[index % listeners.len()].clone(),
                accepted.clone(),
            ))
        })
        .collect();
    let connecting = std::thread::spawn(move || {
        let connect = |_| net::TcpStream::connect(addr).unwrap();
        (0..connections).map(connect).collect::<Vec<_>>()
    });
    if way == Accept::Outside {
        rt.block_on(async {
            for _ in 0..connections {
                let (stream, _) = listeners[0].accept().await.unwrap();
                accepted.send(stream).unwrap();
            }
        });
    }
    let clients = connecting.join().unwrap();
    // Kept, so that they stay where they are.
    let streams: Vec<_> = streams.iter().take(connections).collect();
    let shares: Vec<_> = sources(&metrics)
        .iter()
        .zip(before)
        .map(|(now, before)| now - before)
        .collect();
    assert_eq!(shares.iter().sum::<usize>(), connections);
    drop(streams);
    assert_eq!(sources(&metrics).iter().sum::<usize>(), listeners.len());
    drop(clients);
    accepting.iter().for_each(|task| task.abort());
    drop(rt);
    shares
}

/// The largest share by the mean.
fn largest(shares: &[usize]) -> f64 {
    let mean = shares.iter().sum::<usize>() as f64 / shares.len() as f64;
    *shares.iter().max().unwrap() as f64 / mean
}

fn spread(connections: usize) {
    limits::descriptors(2 * connections + 200).expect("the limit can go up to the hard one");
    for workers in [2, 8] {
        for way in WAYS {
            let shares = shares(workers, connections, way);
            let largest = largest(&shares);
            println!(
                "{connections} connections, {workers} workers, {way:?}: largest by mean {largest:.3}, shares {shares:?}"
            );
            assert!(largest <= 1.5, "{workers} workers, {way:?}: {shares:?}");
        }
    }
}

#[test]
fn no_worker_has_half_as_many_again_as_the_mean() {
    in_child("no_worker_has_half_as_many_again_as_the_mean", || {
        within_reason(|| spread(CONNECTIONS));
    });
}

/// `cargo test -p filch-tests --test placement -- --ignored --nocapture`, with `ulimit -Hn` above 20 000.
#[test]
#[ignore = "needs 20 000 descriptors; prints the shares"]
fn ten_thousand_connections() {
    let connections = std::env::var("FILCH_CONNECTIONS").ok();
    spread(connections.map_or(9_900, |text| text.parse().expect("a number")));
}

#[test]
fn one_worker_has_them_all() {
    within_reason(|| {
        for way in WAYS {
            assert_eq!(shares(1, 50, way), [50]);
        }
    });
}

/// Without a wait for the runtime's sake: the kernel may not be done with the handshake.
fn accept_here(listener: &TcpListener) -> TcpStream {
    eventually("it is in the queue", || listener.accept_now().ok()).0
}

#[test]
fn a_few_that_come_and_go_stay_where_they_are_accepted() {
    within_reason(|| {
        let rt = Builder::new().worker_threads(2).build().unwrap();
        let metrics = rt.metrics();
        let task = rt.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            for _ in 0..200 {
                let clients: Vec<_> = (0..2)
                    .map(|_| net::TcpStream::connect(addr).unwrap())
                    .collect();
                let before = sources(&metrics);
                // Without a wait in between, so that the task stays on its worker.
                let served: Vec<_> = (0..2).map(|_| accept_here(&listener)).collect();
                let now = sources(&metrics);
                let taken = now
                    .iter()
                    .zip(before)
                    .filter(|(now, before)| *now != before);
                assert_eq!(taken.count(), 1, "{now:?}");
                drop((clients, served));
            }
        });
        rt.block_on(task).unwrap();
    });
}

#[test]
fn each_worker_has_a_listener_of_its_own() {
    within_reason(|| {
        for workers in [1, 2, 8] {
            let rt = Builder::new().worker_threads(workers).build().unwrap();
            let listeners = rt.block_on(TcpListener::bind_each("127.0.0.1:0")).unwrap();
            assert_eq!(listeners.len(), workers);
            assert_eq!(sources(&rt.metrics()), vec![1; workers]);
            let addrs: Vec<_> = listeners
                .iter()
                .map(|listener| listener.local_addr().unwrap())
                .collect();
            assert!(addrs.iter().all(|addr| *addr == addrs[0]));
            // It is nobody else's.
            let taken = rt.block_on(TcpListener::bind(addrs[0])).unwrap_err();
            assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
            let error = rt
                .block_on(TcpListener::bind_each("192.0.2.1:0"))
                .unwrap_err();
            assert!(
                error.to_string().starts_with("listen on 192.0.2.1:0: "),
                "{error}"
            );
            drop(listeners);
            assert_eq!(sources(&rt.metrics()), vec![0; workers]);
        }
    });
}

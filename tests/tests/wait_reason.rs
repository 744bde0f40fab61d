//! Does a task say what it waits for?

use filch::task::{JoinHandle, WaitReason};
use filch::time::{Duration, sleep};
use filch::{Runtime, spawn, spawn_blocking, yield_now};
use filch_net::{TcpListener, TcpStream};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::sync::mpsc;

/// Waits until the task waits for this; the test hangs if it never does.
async fn waits<T>(task: &JoinHandle<T>, reason: WaitReason) {
    while task.wait_reason() != Some(reason) {
        yield_now().await;
    }
}

#[test]
fn each_leaf_future_has_its_reason() {
    let rt = Runtime::builder().worker_threads(2).build().unwrap();
    rt.block_on(async {
        let sleeper = spawn(sleep(Duration::from_secs(3600)));
        waits(&sleeper, WaitReason::Timer).await;

        let joiner = spawn(sleeper);
        waits(&joiner, WaitReason::Join).await;
        joiner.abort();

        let (release, held) = mpsc::channel::<()>();
        let blocking = spawn(spawn_blocking(move || held.recv().unwrap_err()));
        waits(&blocking, WaitReason::Join).await;
        drop(release);
        blocking.await.unwrap().unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accept = spawn(async move { listener.accept().await });
        waits(&accept, WaitReason::Read).await;
        let mut there = TcpStream::connect(address).await.unwrap();
        let (mut here, _) = accept.await.unwrap().unwrap();

        let reader = spawn(async move {
            let mut byte = [0];
            here.read(&mut byte).await.unwrap();
            here
        });
        waits(&reader, WaitReason::Read).await;
        there.write_all(b"x").await.unwrap();
        let mut here = reader.await.unwrap();

        let writer = spawn(async move {
            let block = [0; 65_536];
            loop {
                here.write_all(&block).await.unwrap();
            }
        });
        waits(&writer, WaitReason::Write).await;
        writer.abort();
        let _: Result<(), _> = writer.await;
    });
}

#[test]
fn a_task_that_does_not_wait_has_none() {
    let rt = Runtime::builder().worker_threads(1).build().unwrap();
    rt.block_on(async {
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        let done = spawn(async {});
        while !done.is_finished() {
            yield_now().await;
        }
        assert_eq!(done.wait_reason(), None);
        for _ in 0..100 {
            assert_eq!(busy.wait_reason(), None, "queued or polled at each moment");
        }
        busy.abort();
    });
}

//! Does a message cost an allocation?
//!
//! Not in a channel that exists, with waiting and without, from tasks and from threads. A global allocator counts; so this is a binary of its own with one test in it.

use filch::runtime::Builder;
use filch::sync::{broadcast, mpmc, watch};
use futures_lite::StreamExt;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; counting touches nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, SeqCst);
        // SAFETY: passed on as it came.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MESSAGES: usize = 10_000;
/// What the runtime may allocate meanwhile by itself: its sentinel, a worker that grows a queue. One in a hundred messages would be more.
const OTHERS: usize = MESSAGES / 100;

/// Runs twice, the second time counted: what grows with use has grown.
async fn assert_free<F: Future<Output = ()>>(what: &str, run: impl Fn() -> F) {
    run().await;
    let before = ALLOCATIONS.load(SeqCst);
    run().await;
    let counted = ALLOCATIONS.load(SeqCst) - before;
    assert!(
        counted < OTHERS,
        "{what}: {counted} allocations for {MESSAGES} messages"
    );
}

#[test]
fn messages_are_free_of_allocations() {
    let before = ALLOCATIONS.load(SeqCst);
    drop(std::hint::black_box(Box::new(1)));
    assert!(ALLOCATIONS.load(SeqCst) > before, "they are counted");

    let rt = Builder::new().worker_threads(2).build().unwrap();
    rt.block_on(async {
        for capacity in [1, 16] {
            assert_free("mpmc, tasks", || async move {
                let (sender, receiver) = mpmc::channel(capacity);
                let sending = filch::spawn(async move {
                    for n in 0..MESSAGES {
                        sender.send(n).await.unwrap();
                    }
                });
                while receiver.recv().await.is_ok() {}
                sending.await.unwrap();
            })
            .await;
            assert_free("mpmc, many", || async move {
                let (sender, receiver) = mpmc::channel(capacity);
                let sending = filch::spawn(async move { sender.send_many(0..MESSAGES).await });
                let mut messages = Vec::with_capacity(64);
                while receiver.recv_many(&mut messages, 64).await > 0 {
                    messages.clear();
                }
                sending.await.unwrap().unwrap();
            })
            .await;
            assert_free("mpmc, a stream", || async move {
                let (sender, receiver) = mpmc::channel(capacity);
                let sending = filch::spawn(async move { sender.send_many(0..MESSAGES).await });
                assert_eq!(receiver.into_stream().count().await, MESSAGES);
                sending.await.unwrap().unwrap();
            })
            .await;
            assert_free("mpmc, threads", || async move {
                let (sender, receiver) = mpmc::channel(capacity);
                let sending = filch::spawn_blocking(move || {
                    (0..MESSAGES).for_each(|n| sender.blocking_send(n).unwrap());
                });
                let receiving =
                    filch::spawn_blocking(move || while receiver.blocking_recv().is_ok() {});
                sending.await.unwrap();
                receiving.await.unwrap();
            })
            .await;
        }
        assert_free("broadcast", || async {
            let (sender, receiver) = broadcast::channel(16);
            let receiving: Vec<_> = (0..3)
                .map(|_| {
                    let mut receiver = receiver.resubscribe();
                    filch::spawn(async move {
                        while receiver.recv().await != Err(broadcast::error::RecvError::Closed) {}
                    })
                })
                .collect();
            for n in 0..MESSAGES {
                sender.send(n).unwrap();
                if n % 8 == 0 {
                    filch::yield_now().await;
                }
            }
            drop(sender);
            for task in receiving {
                task.await.unwrap();
            }
        })
        .await;
        assert_free("watch", || async {
            let (sender, mut receiver) = watch::channel(0);
            let watching = filch::spawn(async move { while receiver.changed().await.is_ok() {} });
            for n in 0..MESSAGES {
                sender.send_replace(n);
                filch::yield_now().await;
            }
            drop(sender);
            watching.await.unwrap();
        })
        .await;
    });
}

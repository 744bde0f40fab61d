//! What does it cost when many tasks signal one?
//!
//! [`TASKS`] tasks share the signals; each signals once and gives up its turn, again and again. One more task waits for signals until all
//! have come. Starting the tasks is in the time: one in a thousand, with a thousand signals each.

use super::yields::{TASKS, share};
use super::{spawn, yield_now};
use filch_bench_common::clock::now;
use filch_bench_common::mailbox::Mailbox;
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn timed(signals: usize) -> Duration {
    let mailbox = Arc::new(Mailbox::default());
    let begun = now();
    let collector = spawn(collect(Arc::clone(&mailbox), signals));
    for task in 0..TASKS {
        spawn(signal(Arc::clone(&mailbox), share(signals, task))).detach();
    }
    collector.await;
    begun.elapsed()
}

async fn collect(mailbox: Arc<Mailbox>, signals: usize) {
    mailbox.until(signals).await;
}

async fn signal(mailbox: Arc<Mailbox>, signals: usize) {
    for _ in 0..signals {
        mailbox.signal();
        yield_now().await;
    }
}

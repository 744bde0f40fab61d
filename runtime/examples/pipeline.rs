//! Stages of a pipeline, connected by bounded channels: who is slow slows down who is before it, and nothing piles up.
//!
//! ```text
//! cargo run -p filch --example pipeline
//!
//!     source --[4 places]--> parse --[4 places]--> store
//!      1 ms                  at once               10 ms for each line
//! ```
//!
//! Time is virtual (`start_paused`): the second that the program would take passes at once, and what it takes is exact.

use filch::runtime::Builder;
use filch::sync::mpsc::{self, Receiver, Sender};
use filch::time::{Duration, Instant, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const LINES: usize = 100;
const PLACES: usize = 4;
/// What a source that does not wait would make in the time that the store takes for one line.
const FASTER: u32 = 10;
const MAKE: Duration = Duration::from_millis(1);

/// How many lines there are between source and store.
#[derive(Default)]
struct UnderWay {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl UnderWay {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn main() -> std::io::Result<()> {
    let rt = Builder::new().start_paused(true).build()?;
    let (sum, most, took) = rt.block_on(run());
    println!("{LINES} lines, their sum {sum}, took {took:?}; at most {most} were under way");

    assert_eq!(sum, (1..=LINES).sum::<usize>());
    // Each channel's places, and one line in the hand of each stage: the source's waits for a place.
    assert_eq!(most, PLACES + 1 + PLACES + 2);
    // The store sets the pace, from the moment the first line has come.
    assert_eq!(took, MAKE + MAKE * FASTER * LINES as u32);
    Ok(())
}

async fn run() -> (usize, usize, Duration) {
    let begun = Instant::now();
    let under_way = Arc::new(UnderWay::default());
    let (to_parse, lines) = mpsc::channel(PLACES);
    let (to_store, numbers) = mpsc::channel(PLACES);

    let source = filch::spawn(source(to_parse, under_way.clone()));
    let parse = filch::spawn(parse(lines, to_store));
    let sum = store(numbers, &under_way).await;

    // Each stage has ended by itself: its receiver has said that no more comes, since the sender before it was dropped.
    source.await.unwrap();
    parse.await.unwrap();
    (sum, under_way.most.load(Ordering::Relaxed), begun.elapsed())
}

async fn source(lines: Sender<String>, under_way: Arc<UnderWay>) {
    for n in 1..=LINES {
        sleep(MAKE).await;
        under_way.enter();
        // Here is where back-pressure is felt: without a free place, this waits.
        if lines.send(n.to_string()).await.is_err() {
            return; // nobody parses any more
        }
    }
}

async fn parse(mut lines: Receiver<String>, numbers: Sender<usize>) {
    while let Some(line) = lines.recv().await {
        let number = line.parse().expect("the source writes numbers");
        if numbers.send(number).await.is_err() {
            return;
        }
    }
}

async fn store(mut numbers: Receiver<usize>, under_way: &UnderWay) -> usize {
    let mut sum = 0;
    while let Some(number) = numbers.recv().await {
        sleep(MAKE * FASTER).await; // as a disk would
        sum += number;
        under_way.leave();
    }
    sum
}

//! Does a message cost no allocation in a steady state?
//!
//! A program of its own: its allocator counts what this thread asks for.

use filch::sync::{mpsc, oneshot};
use filch_tests::allocations::{Counting, during};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LAPS: usize = 1000;

/// Fills and empties, again and again.
fn bounded(capacity: usize, lap: usize) {
    let (sender, mut receiver) = mpsc::channel(capacity);
    let mut once = || {
        (0..lap).for_each(|number| sender.try_send(number).unwrap());
        (0..lap).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number)));
    };
    (0..LAPS).for_each(|_| once());
    let count = during(|| (0..LAPS).for_each(|_| once()));
    assert_eq!(count, 0, "with room for {capacity}, {lap} at a time");
}

#[test]
fn a_bounded_channel_allocates_for_no_message() {
    for capacity in [1usize, 2, 31, 32, 33, 128, 200, 1_000_000] {
        for lap in [1, capacity.div_ceil(2), capacity] {
            bounded(capacity, lap.min(200));
        }
    }
}

#[test]
fn an_unbounded_channel_allocates_for_no_message() {
    for lap in [1, 7, 32, 200] {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut once = || {
            (0..lap).for_each(|number| sender.send(number).unwrap());
            (0..lap).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number)));
        };
        (0..LAPS).for_each(|_| once());
        let count = during(|| (0..LAPS).for_each(|_| once()));
        assert_eq!(count, 0, "{lap} at a time");
    }
}

/// What a burst has needed is given back but for some spares: so the next one allocates as much again, less those.
#[test]
fn a_burst_is_given_back() {
    const BURST: usize = 100_000;
    const BLOCKS: usize = BURST / 32;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut burst = || {
        (0..BURST).for_each(|number| sender.send(number as u64).unwrap());
        (0..BURST).for_each(|number| assert_eq!(receiver.try_recv(), Ok(number as u64)));
    };
    for _ in 0..3 {
        let count = during(&mut burst);
        assert!((BLOCKS * 9 / 10..=BLOCKS + 2).contains(&count), "{count}");
    }
}

#[test]
fn a_capacity_is_not_allocated() {
    let few = during(|| drop(mpsc::channel::<[u8; 64]>(1)));
    let many = during(|| drop(mpsc::channel::<[u8; 64]>(1_000_000)));
    assert_eq!(few, many);
}

#[test]
fn tasks_that_wait_for_one_another_allocate_nothing() {
    let runtime = filch::runtime::Builder::new()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (to, mut from) = mpsc::channel(1);
        let (back, mut answers) = mpsc::channel(1);
        filch::spawn(async move {
            while let Some(number) = from.recv().await {
                back.send(number).await.unwrap();
            }
        })
        .detach();
        let counting = filch::spawn(async move {
            let mut before = 0;
            for number in 0..2 * LAPS {
                if number == LAPS {
                    before = filch_tests::allocations::of_this_thread();
                }
                to.send(number).await.unwrap();
                assert_eq!(answers.recv().await, Some(number));
            }
            filch_tests::allocations::of_this_thread() - before
        });
        assert_eq!(counting.await.unwrap(), 0);
    });
}

#[test]
fn a_oneshot_is_one_allocation() {
    let count = during(|| {
        let (sender, mut receiver) = oneshot::channel();
        sender.send([7u64; 8]).unwrap();
        assert_eq!(receiver.try_recv(), Ok([7; 8]));
    });
    assert_eq!(count, 1);
}

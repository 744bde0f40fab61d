//! Do tasks come out in the order of their lane, in fair shares, and is the right pusher told to ask?

use super::*;

fn open(workers: usize) -> Lanes<usize, ()> {
    let lanes = Lanes::new(workers);
    lanes.open(|| ());
    lanes
}

/// Pushes to a lane; whether somebody may have to be woken.
fn push(lanes: &Lanes<usize, ()>, lane: usize, value: usize) -> bool {
    let pushed = lanes.push(lane, |tasks, ()| tasks.push(value));
    pushed.expect("open").1
}

/// Pushes several.
fn fill(lanes: &Lanes<usize, ()>, lane: usize, values: impl IntoIterator<Item = usize>) {
    for value in values {
        push(lanes, lane, value);
    }
}

/// What a worker gets at once.
fn take(lanes: &Lanes<usize, ()>, round: &mut Round, soon: usize) -> (Vec<usize>, Option<Left>) {
    let mut block = new_block();
    let left = lanes.take(round, soon, &mut block);
    (block, left)
}

#[test]
fn there_are_about_as_many_as_workers_and_a_power_of_two() {
    for (workers, lanes) in [(1, 4), (4, 4), (5, 8), (64, 64), (65, 64), (60_000, 64)] {
        assert_eq!(open(workers).lanes.len(), lanes);
    }
}

#[test]
fn only_the_first_of_a_lane_asks() {
    let (lanes, mut round) = (open(1), Round::new(0));
    assert!(!lanes.has_work());
    assert!(push(&lanes, 0, 1));
    assert!(!push(&lanes, 0, 2));
    assert!(push(&lanes, 1, 3), "another lane");
    assert!(lanes.has_work());
    assert_eq!(take(&lanes, &mut round, 0).0, [1, 2]);
    assert!(push(&lanes, 0, 4), "it was empty again");
}

#[test]
fn a_batch_asks_once() {
    let lanes = open(1);
    let batch = |tasks: &mut Fifo<usize>, (): &()| (0..100).for_each(|n| tasks.push(n));
    assert!(lanes.push(0, batch).unwrap().1);
    assert!(!lanes.push(0, batch).unwrap().1);
    assert!(
        !lanes.push(1, |_, ()| ()).unwrap().1,
        "an empty one not at all"
    );
}

#[test]
fn a_share_is_what_there_is_by_the_number_of_workers() {
    for (workers, tasks, share) in [
        (1, 10, 10),
        (2, 10, 5),
        (4, 10, 2),
        (4, 3, 1),
        (1, BLOCK + 1, BLOCK),
        (2, 4 * BLOCK, BLOCK),
    ] {
        let (lanes, mut round) = (open(workers), Round::new(0));
        fill(&lanes, 0, 0..tasks);
        let (taken, left) = take(&lanes, &mut round, 0);
        assert!(
            taken.iter().copied().eq(0..share),
            "{workers} workers, {tasks} tasks: {taken:?}"
        );
        assert_eq!(left.unwrap().tasks, tasks - share);
        assert_eq!(lanes.len(), tasks - share);
    }
}

#[test]
fn lanes_take_turns() {
    let (lanes, mut round) = (open(2), Round::new(1));
    for n in 0..4 {
        fill(&lanes, n, [n; 3]);
    }
    let turns: Vec<_> = (0..8).map(|_| take(&lanes, &mut round, 0).0[0]).collect();
    assert_eq!(turns, [1, 2, 3, 0, 1, 2, 3, 0]);
}

#[test]
fn nobody_asks_for_an_awaited_lane_before_the_backlog_is_worth_it() {
    let (lanes, mut round) = (open(1), Round::new(0));
    assert!(push(&lanes, 0, 0));
    let (_, left) = take(&lanes, &mut round, 1);
    assert_eq!(
        left,
        Some(Left {
            tasks: 0,
            is_awaited: true
        })
    );
    assert!(round.has_promised());
    let asks = (1..=2 * AWAITED_MAX)
        .filter(|&n| push(&lanes, 0, n))
        .collect::<Vec<_>>();
    assert_eq!(asks, [AWAITED_MAX]);
}

#[test]
fn a_share_too_large_to_be_soon_over_is_no_promise() {
    let (lanes, mut round) = (open(1), Round::new(0));
    fill(&lanes, 0, 0..3);
    assert!(!take(&lanes, &mut round, 2).1.unwrap().is_awaited);
    assert!(!round.has_promised());
    assert!(push(&lanes, 0, 3));
}

#[test]
fn a_promise_is_taken_back_by_looking_again() {
    for all in [false, true] {
        let (lanes, mut round) = (open(1), Round::new(0));
        push(&lanes, 2, 0);
        assert!(take(&lanes, &mut round, 1).1.unwrap().is_awaited);
        if all {
            lanes.take_all(&mut round, &mut new_block(), |block| {
                assert!(block.is_empty())
            });
        } else {
            assert_eq!(take(&lanes, &mut round, 1), (vec![], None));
        }
        assert!(!round.has_promised());
        assert!(push(&lanes, 2, 1), "nobody comes by himself");
    }
}

#[test]
fn what_an_awaited_lane_got_meanwhile_is_found() {
    let (lanes, mut round) = (open(2), Round::new(0));
    push(&lanes, 0, 0);
    take(&lanes, &mut round, 1);
    assert!(!push(&lanes, 0, 1));
    assert!(!push(&lanes, 0, 2));
    // Not soon any more: who has taken must ask for what is left.
    let (taken, left) = take(&lanes, &mut round, 0);
    assert_eq!(
        (taken, left),
        (
            vec![1],
            Some(Left {
                tasks: 1,
                is_awaited: false
            })
        )
    );
}

#[test]
fn all_are_taken_from_each_lane() {
    let (lanes, mut round, mut seen) = (open(1), Round::new(3), Vec::new());
    (0..4).for_each(|n| fill(&lanes, n, [n]));
    lanes.take_all(&mut round, &mut new_block(), |block| seen.append(block));
    assert_eq!(seen, [3, 0, 1, 2]);
}

#[test]
fn closed_lanes_take_nothing_and_drop_it_with_no_lock_held() {
    struct Pushes<'a>(&'a Lanes<usize, ()>);
    impl Drop for Pushes<'_> {
        fn drop(&mut self) {
            // Would hang if the lock were held.
            assert!(self.0.push(0, |_, ()| ()).is_none());
        }
    }
    let (lanes, mut round) = (open(1), Round::new(0));
    push(&lanes, 0, 1);
    assert_eq!(lanes.close().len(), 4);
    assert!(!lanes.has_work());
    let held = Pushes(&lanes);
    assert!(lanes.push(0, move |_, ()| drop(held)).is_none());
    assert_eq!(take(&lanes, &mut round, 0), (vec![], None));
}

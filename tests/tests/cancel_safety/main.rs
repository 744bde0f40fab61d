//! Is nothing lost, doubled or left locked, wherever a future of filch is dropped?
//!
//! Each public async function and each public type that is a future has a case, which is run in every order of its polls and of what the other side does
//! ([`filch_tests::cancel`]). That there is one for each, is shown by reading the sources; docs/CANCELLATION.md says the same as the table, and each has a section *Cancel safety* in its
//! documentation.

mod channels;
mod listed;
mod locks;
mod sockets;
mod tasks;
mod times;

use filch_tests::cancel::{Case, explore};
use filch_tests::guard::within_reason;
use std::panic::catch_unwind;

/// Runs all of them, also if some fail.
fn run(cases: &'static [Case]) {
    within_reason(move || {
        let fails = |case: &&Case| {
            // One order at least has a poll, and one a step.
            !catch_unwind(|| explore(case)).is_ok_and(|runs| runs > 2)
        };
        let failed: Vec<_> = cases.iter().filter(fails).map(|case| case.name).collect();
        assert!(failed.is_empty(), "the orders stand above: {failed:#?}");
    });
}

/// All cases.
fn table() -> impl Iterator<Item = &'static Case> {
    let parts = [
        locks::CASES,
        channels::CASES,
        tasks::CASES,
        times::CASES,
        sockets::CASES,
    ];
    parts.into_iter().flatten()
}

#[test]
fn locks_and_permits_are_passed_on() {
    run(locks::CASES);
}

#[test]
fn messages_come_once_or_stay() {
    run(channels::CASES);
}

#[test]
fn tasks_and_what_is_made_of_futures_leave_nothing_behind() {
    run(tasks::CASES);
}

#[test]
fn ticks_and_bytes_come_once() {
    run(times::CASES);
}

#[test]
fn nothing_is_taken_from_the_system_that_nobody_gets() {
    run(sockets::CASES);
}

//! Is nothing lost, doubled or left locked, wherever a future of filch is dropped?
//!
//! Each public async function and each public type that is a future has a case, which is run in every order of its polls and of what the other side does
//! ([`filch_tests::cancel`]). That there is one for each, is shown by reading the sources; docs/CANCELLATION.md says the same as the table, and each has a section *Cancel safety* in its
//! documentation.

mod channels;
mod datagrams;
mod files;
mod http;
mod listed;
mod locks;
mod names;
mod processes;
mod proxies;
mod sockets;
mod tasks;
mod tcp;
mod times;
mod unix;

use filch::sync::RwLock;
use filch_tests::cancel::{Case, explore};
use filch_tests::guard::within_reason;
use std::panic::catch_unwind;

/// Held for writing by who starts programs: between `fork` and `exec` they have everything open that the other cases want to see closed.
static FORKS: RwLock<()> = RwLock::const_new(());

/// Runs all of them, also if some fail. No program is started meanwhile.
fn run(cases: &'static [Case]) {
    let _no_forks = FORKS.blocking_read();
    run_beside_forks(cases);
}

fn run_beside_forks(cases: &'static [Case]) {
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
        datagrams::CASES,
        tcp::CASES,
        unix::CASES,
        processes::CASES,
        files::CASES,
        proxies::CASES,
        names::CASES,
        http::CASES,
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

#[test]
fn datagrams_are_taken_by_who_gets_them() {
    run(datagrams::CASES);
}

#[test]
fn nothing_is_left_of_connections_that_were_given_up() {
    run(tcp::CASES);
}

#[test]
fn nothing_is_taken_from_unix_sockets_that_nobody_gets() {
    run(unix::CASES);
}

#[test]
fn statuses_stay_and_programs_are_waited_for() {
    let _forks = FORKS.blocking_write();
    run_beside_forks(processes::CASES);
}

#[test]
fn files_are_where_their_users_think() {
    run(files::CASES);
}

#[test]
fn pieces_of_bodies_come_once() {
    run(http::CASES);
}

#[test]
fn what_is_passed_on_is_on_one_side_or_the_other() {
    run(proxies::CASES);
}

#[test]
fn those_who_still_ask_for_a_name_are_answered() {
    run(names::CASES);
}

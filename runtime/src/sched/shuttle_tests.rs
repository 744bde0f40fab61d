//! Does the scheduler as a whole keep its promises, whatever the order of its threads' steps?
//!
//! Here it runs as in a program, with real workers, queues, slots, slabs, timers and the sentinel, but on shuttle's threads, one step at a time in an
//! order that a seed decides: at random, or by priorities that change a few times (PCT, which finds what needs few preemptions at the right
//! moments). A lost wake-up is a deadlock here, a starved task exceeds its bound, and a task that was dropped twice or never is counted.
//!
//! | file | promise |
//! |---|---|
//! | [`once`] | each task runs once and is dropped once, aborted or not, joined or not |
//! | [`wakes`] | no wake is lost, and nothing waits behind a worker that is busy for good |
//! | [`fairness`] | each task gets its turn within a bounded number of other tasks' polls |
//! | [`surplus`] | nothing is lost while the number of active workers changes |
//! | [`pinned`] | what is pinned to a thread stays there, runs and ends |
//! | [`ends`] | a shutdown at any moment drops everything once |
//!
//! [`explore`] says in which orders, [`world`] has the scheduler with its clock and drivers, [`tools`] what the tasks are made of.
//!
//! What it does not see: orderings (shuttle runs all atomics as SeqCst: they are loom's), and steps within the injector, whose atomics are
//! crossbeam's. What it was tried against stands in docs/ORDERINGS.md.

mod ends;
mod explore;
mod fairness;
mod once;
mod pinned;
mod surplus;
mod tools;
mod wakes;
mod world;

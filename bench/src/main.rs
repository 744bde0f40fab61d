//! `filch-bench`: how long do 500 000 empty coroutines take, and how much memory? And how does that compare?
//!
//! | file | answers |
//! |---|---|
//! | `cli` | which measurements are asked for? |
//! | `plan` | what is one measurement, and what is its result? |
//! | `child` | how does each measurement get a process of its own? |
//! | `spawn` | what does a process measure of it? |
//! | `runtime`, `workloads`, `coordination`, `network` | what is the work that is measured? |
//! | `filch_bench_common` | how is it known that all have run, how much memory is resident, what time is it? |
//! | `stats` | which one figure stands for several rounds? |
//! | `report`, `table`, `talk`, `machine`, `json`, `progress` | how is it told? |
//! | `load` | what is a server given to do? |
//! | `compare` | how do filch and its peers do beside each other? |

mod base;
mod child;
mod cli;
mod compare;
#[path = "../workloads/coordination/mod.rs"]
mod coordination;
mod json;
mod load;
mod machine;
#[path = "../workloads/network/mod.rs"]
mod network;
mod plan;
#[path = "../workloads/primitives.rs"]
mod primitives;
mod progress;
mod report;
mod runtime;
mod sockets;
mod spawn;
mod stats;
mod table;
mod talk;
#[path = "../workloads/mod.rs"]
mod workloads;

use cli::Asked;
use std::process::ExitCode;

/// The runtime asks the global allocator for little in this benchmark (queues, the list of handles).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit status for bad arguments.
const BAD_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let done = match cli::parse(std::env::args_os()) {
        Ok(Asked::Text(text)) => {
            print!("{text}");
            Ok(())
        }
        Ok(Asked::Spawn(choices)) => report::run(&choices),
        Ok(Asked::Child(job)) => child::serve(&job),
        Ok(Asked::Compare(choices)) if choices.list => {
            print!("{}", compare::list(&choices));
            Ok(())
        }
        Ok(Asked::Compare(choices)) => compare::run(&choices),
        Ok(Asked::CompareChild(words)) => return compare::serve(words),
        Err(sentence) => {
            eprintln!("filch-bench: {sentence}");
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("filch-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

//! Do `#[filch::main]` and `#[filch::test]` make of a function what they promise?
//!
//! What they refuse is in their documentation, as examples that must not compile.

#![deny(warnings)]
#![forbid(unsafe_code)]

use filch::runtime::Handle;
use std::io;

// `#[filch::test]`. Each of these is a test by itself; that they are run at all shows in `every_attribute_made_a_test`.

#[filch::test]
async fn one_worker_unless_chosen() {
    assert_eq!(Handle::current().workers(), 1);
}

#[filch::test(workers = 3)]
async fn as_many_workers_as_chosen() {
    assert_eq!(Handle::current().workers(), 3);
}

#[filch::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_of_tokio() {
    assert_eq!(Handle::current().workers(), 2);
}

#[filch::test(flavor = "current_thread")]
async fn the_current_thread_is_one_worker() {
    assert_eq!(Handle::current().workers(), 1);
}

#[filch::test(flavor = "multi_thread", start_paused = false)]
async fn many_threads_are_as_many_as_a_runtime_has() {
    let others = filch::Runtime::new().unwrap().handle().workers();
    assert_eq!(Handle::current().workers(), others);
}

#[filch::test(workers = 1_usize, simulated = false, crate = "filch")]
async fn tasks_run_and_time_passes() {
    let before = filch::time::Instant::now();
    filch::spawn(filch::time::sleep(filch::time::Duration::from_millis(2)))
        .await
        .unwrap();
    assert!(before.elapsed() >= filch::time::Duration::from_millis(2));
}

#[filch::test]
async fn a_result_is_passed_on() -> Result<(), Box<dyn std::error::Error>> {
    let n: u32 = "7".parse()?;
    let value = filch::spawn(async move { n }).await?;
    assert_eq!(value, 7);
    Ok(())
}

#[filch::test]
#[should_panic(expected = "on purpose")]
async fn a_panic_that_is_expected() {
    filch::yield_now().await;
    panic!("on purpose");
}

#[should_panic(expected = "on purpose")]
#[filch::test]
async fn attributes_before_it_count_too() {
    panic!("on purpose");
}

#[filch::test]
#[ignore = "it shows that it is ignored"]
async fn what_is_ignored_is_not_run() {
    panic!("it was run");
}

#[filch::test]
#[cfg(any())]
async fn what_is_configured_away_is_not_there() {
    no_such_function();
}

/// Documentation stays where it stands.
#[filch::test]
async fn a_function_calls_itself_as_it_was_written() {
    // The name is that of the async function here: this makes a future, which is not run.
    drop(a_function_calls_itself_as_it_was_written());
}

#[filch::test]
async fn what_is_not_send_may_be_held() {
    let shared = std::rc::Rc::new(1);
    filch::yield_now().await;
    assert_eq!(*shared, 1);
}

macro_rules! tests {
    ($($(#[$attribute:meta])* $visibility:vis async fn $name:ident($workers:expr) $body:block)*) => {
        $(
            #[filch::test(workers = $workers)]
            $(#[$attribute])*
            $visibility async fn $name() $body
        )*
    };
}

tests! {
    #[should_panic(expected = "two workers")]
    async fn made_by_a_macro(2) {
        assert_ne!(Handle::current().workers(), 2, "two workers");
    }

    pub(crate) async fn made_by_a_macro_with_visibility(1) {
        assert_eq!(Handle::current().workers(), 1);
    }
}

mod inside {
    #[filch::test]
    async fn of_a_module() {
        assert_eq!(super::one(), 1);
    }
}

fn one() -> u32 {
    1
}

/// The test program itself lists what it would run.
#[test]
fn every_attribute_made_a_test() {
    let program = std::env::current_exe().unwrap();
    let listed = std::process::Command::new(program)
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in [
        "one_worker_unless_chosen",
        "attributes_before_it_count_too",
        "made_by_a_macro",
        "made_by_a_macro_with_visibility",
        "inside::of_a_module",
        "what_is_ignored_is_not_run",
    ] {
        let times = listed
            .lines()
            .filter(|line| *line == format!("{name}: test"));
        assert_eq!(times.count(), 1, "{name} in {listed}");
    }
    assert!(!listed.contains("configured_away"), "{listed}");
}

#[filch::test(simulated, seeds = 3)]
async fn a_simulation_returns_nothing() {
    filch::time::sleep(filch::time::Duration::from_secs(3600)).await;
}

#[filch::test(start_paused = true, flavor = "current_thread")]
async fn a_simulation_returns_a_result() -> Result<(), Box<dyn std::error::Error>> {
    filch::time::sleep(filch::time::Duration::from_secs(3600)).await;
    Ok(())
}

#[filch::test(simulated)]
#[should_panic(expected = "on purpose")]
async fn a_simulation_that_fails() {
    panic!("on purpose");
}

// `#[filch::main]`, of functions that are no program's.

#[test]
fn a_program_has_the_workers_of_a_runtime_unless_chosen() {
    #[filch::main]
    async fn main() -> usize {
        Handle::current().workers()
    }
    let others = filch::Runtime::new().unwrap().handle().workers();
    assert_eq!(main(), others);
}

#[test]
fn a_program_has_as_many_workers_as_chosen() {
    #[filch::main(workers = 3)]
    async fn three() -> usize {
        Handle::current().workers()
    }
    #[filch::main(flavor = "multi_thread", worker_threads = 2)]
    async fn two() -> usize {
        Handle::current().workers()
    }
    #[filch::main(flavor = "current_thread")]
    async fn one() -> usize {
        Handle::current().workers()
    }
    assert_eq!((three(), two(), one()), (3, 2, 1));
}

#[test]
fn a_program_returns_what_it_says() {
    #[filch::main(workers = 1)]
    async fn main() -> io::Result<u32> {
        let text = std::fs::read_to_string("/proc/self/comm")?;
        let task = filch::spawn(async move { text.len() });
        Ok(u32::from(task.await.unwrap() > 0))
    }
    #[filch::main(workers = 1)]
    async fn fails() -> io::Result<()> {
        std::fs::read_to_string("/no/such/file")?;
        Ok(())
    }
    assert_eq!(main().unwrap(), 1);
    assert_eq!(fails().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_program_runs_on_the_thread_that_calls_it() {
    #[filch::main(workers = 1)]
    async fn main() -> std::thread::ThreadId {
        std::thread::current().id()
    }
    assert_eq!(main(), std::thread::current().id());
}

#[test]
fn the_whole_item_may_come_out_of_a_macro() {
    macro_rules! program {
        ($item:item) => {
            #[filch::main(workers = 1)]
            $item
        };
    }
    program! {
        async fn main() -> u32 {
            filch::spawn(async { 5 }).await.unwrap()
        }
    }
    assert_eq!(main(), 5);
}

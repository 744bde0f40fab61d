//! Do the examples show what they say?
//!
//! Each is a program that ends by itself and asserts what it shows; here each is a module, whose `main` is called. (The example of filch-http is a server, and has a test of its own.)

#[path = "../../net/examples/chat.rs"]
mod chat;
#[path = "../../net/examples/crawler.rs"]
mod crawler;
#[path = "../../runtime/examples/pipeline.rs"]
mod pipeline;
#[path = "../../runtime/examples/scope_errors.rs"]
mod scope_errors;
#[path = "../../net/examples/shutdown.rs"]
mod shutdown;
#[path = "../../runtime/examples/simulation.rs"]
mod simulation;

use filch_tests::guard::within_reason;
use std::fs;
use std::path::Path;

#[test]
fn chat() {
    within_reason(chat::main).unwrap();
}

#[test]
fn crawler() {
    within_reason(crawler::main).unwrap();
}

#[test]
fn pipeline() {
    within_reason(pipeline::main).unwrap();
}

#[test]
fn scope_errors() {
    within_reason(scope_errors::main);
}

#[test]
fn shutdown() {
    within_reason(shutdown::main).unwrap();
}

#[test]
fn simulation() {
    within_reason(simulation::main).unwrap();
}

#[test]
fn every_example_is_run_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let this = fs::read_to_string(root.join("tests/tests/examples.rs")).unwrap();
    for folder in ["runtime/examples", "net/examples"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            let path = format!("\"../../{folder}/{}\"", name.to_string_lossy());
            assert!(this.contains(&path), "{path} is missing");
        }
    }
}

//! Do the examples show what they say?
//!
//! Each is a program that ends by itself and asserts what it shows; here each is a module, whose `main` is called. (The example of filch-http is a server, and has a test of its own.)

#[path = "../../net/examples/chat.rs"]
mod chat;
#[path = "../../net/examples/crawler.rs"]
mod crawler;
#[path = "../../net/examples/echo_udp.rs"]
mod echo_udp;
#[path = "../../net/examples/echo_unix.rs"]
mod echo_unix;
#[path = "../../net/examples/lines.rs"]
mod lines;
#[path = "../../runtime/examples/pipeline.rs"]
mod pipeline;
#[path = "../../net/examples/process_pipeline.rs"]
mod process_pipeline;
#[path = "../../net/examples/proxy.rs"]
mod proxy;
#[path = "../../runtime/examples/scope_errors.rs"]
mod scope_errors;
#[path = "../../net/examples/shutdown.rs"]
mod shutdown;
#[path = "../../net/examples/signals.rs"]
mod signals;
#[path = "../../runtime/examples/simulation.rs"]
mod simulation;
#[path = "../../net/examples/tls_echo.rs"]
mod tls_echo;
#[path = "../../net/examples/ws_chat.rs"]
mod ws_chat;

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
fn echo_udp() {
    within_reason(echo_udp::main).unwrap();
}

#[test]
fn echo_unix() {
    within_reason(echo_unix::main).unwrap();
}

#[test]
fn lines() {
    within_reason(lines::main).unwrap();
}

#[test]
fn pipeline() {
    within_reason(pipeline::main).unwrap();
}

#[test]
fn process_pipeline() {
    within_reason(process_pipeline::main).unwrap();
}

#[test]
fn proxy() {
    within_reason(proxy::main).unwrap();
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
fn signals() {
    within_reason(signals::main).unwrap();
}

#[test]
fn simulation() {
    within_reason(simulation::main).unwrap();
}

#[test]
fn tls_echo() {
    within_reason(tls_echo::main).unwrap();
}

#[test]
fn ws_chat() {
    within_reason(ws_chat::main).unwrap();
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

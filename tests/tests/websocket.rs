//! Does async-tungstenite, as it is, make a WebSocket server on filch that others understand?
//!
//! The server is the example `ws_chat`; the client is tests/foreign/websocket.py, which knows the protocol by itself.

#[path = "../../net/examples/ws_chat.rs"]
mod ws_chat;

use filch::runtime::Builder;
use filch::sync::CancellationToken;
use filch::time::Duration;
use filch_net::TcpListener;
use filch_tests::census::{Census, settle};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use ws_chat::{Heartbeat, MESSAGE_MAX};

const NEVER: Duration = Duration::from_secs(3600);
const OFTEN: Duration = Duration::from_millis(5);

/// No pings but the first.
const QUIET: Heartbeat = Heartbeat {
    every: NEVER,
    patience: NEVER,
};

/// Runs a scenario of the script; it is given to `meanwhile` first.
fn scenario(
    name: &'static str,
    workers: usize,
    heartbeat: Heartbeat,
    meanwhile: fn(&mut Child, &CancellationToken),
) {
    within_reason(move || {
        let rt = Builder::new().worker_threads(workers).build().unwrap();
        rt.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let end = CancellationToken::new();
            let server = filch::spawn(ws_chat::serve(listener, heartbeat, end.clone()));
            let ending = end.clone();
            let client = filch::spawn_blocking(move || {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/websocket.py");
                let mut client = Command::new("python3")
                    .args([script, &port.to_string(), name])
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("python3 is needed");
                meanwhile(&mut client, &ending);
                client.wait().unwrap()
            });
            assert!(client.await.unwrap().success(), "{name}, {workers} workers");
            end.cancel();
            server.await.unwrap().unwrap();
        });
    });
}

fn nothing(_client: &mut Child, _end: &CancellationToken) {}

#[test]
fn the_example_talks_to_itself() {
    within_reason(ws_chat::main).unwrap();
}

#[test]
fn several_talk_and_leave() {
    for workers in [1, 2, 8] {
        scenario("talk", workers, QUIET, nothing);
    }
}

#[test]
fn who_breaks_the_rules_is_told_which() {
    assert_eq!(MESSAGE_MAX, 64 * 1024, "the script knows it too");
    for workers in [1, 2, 8] {
        scenario("break_rules", workers, QUIET, nothing);
    }
}

#[test]
fn who_answers_pings_may_stay() {
    let heartbeat = Heartbeat {
        every: OFTEN,
        patience: NEVER,
    };
    scenario("heartbeat", 2, heartbeat, nothing);
}

#[test]
fn who_gives_no_sign_of_life_is_left() {
    let heartbeat = Heartbeat {
        every: OFTEN,
        patience: 4 * OFTEN,
    };
    scenario("silence", 2, heartbeat, nothing);
}

#[test]
fn at_the_end_everybody_is_told() {
    for workers in [1, 2, 8] {
        scenario("until_the_end", workers, QUIET, |client, end| {
            let mut said = BufReader::new(client.stdout.as_mut().unwrap());
            let mut line = String::new();
            said.read_line(&mut line).unwrap();
            assert_eq!(line, "ready for the end\n");
            end.cancel();
            said.read_to_string(&mut line).unwrap();
        });
    }
}

#[test]
fn nothing_is_left_behind() {
    in_child("nothing_is_left_behind", || {
        let before = Census::now().unwrap();
        scenario("talk", 2, QUIET, nothing);
        scenario("break_rules", 2, QUIET, nothing);
        let after = settle(&before);
        assert!(after.is_back_to(&before), "{before:?}, then {after:?}");
    });
}

//! Does the compiler say what is wrong with a handler, in words of ours?
//!
//! Programs that must not compile, each with what has to be said about it. `compile_fail` in the documentation would only show
//! that they do not. They are compiled by rustc itself, against the library that this test was built with.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What the compiler says to this program, which must be something.
fn complaints(name: &str, program: &str) -> String {
    let folder = env::temp_dir().join(format!("filch-diagnostics-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let said = libraries()
        .iter()
        .find_map(|library| compile(&folder, library, program))
        .expect("a library that was built with this compiler");
    let _ = fs::remove_dir_all(&folder);
    said
}

/// The libraries of this name, the latest first: others are left from other features or versions.
fn libraries() -> Vec<PathBuf> {
    let files = fs::read_dir(deps()).expect("the folder of this test");
    let mut found: Vec<(SystemTime, PathBuf)> = files
        .filter_map(|file| {
            let path = file.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let is_one = name.starts_with("libfilch_http-") && name.ends_with(".rlib");
            let time = fs::metadata(&path).ok()?.modified().ok()?;
            is_one.then_some((time, path))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

fn deps() -> PathBuf {
    let test = env::current_exe().expect("a path");
    test.parent().expect("a folder").to_owned()
}

/// What the compiler says; `None` if it cannot read the library, or one below it.
fn compile(folder: &Path, library: &Path, program: &str) -> Option<String> {
    let file = folder.join("program.rs");
    fs::write(
        &file,
        format!("#![allow(unused)]\nuse filch_http::*;\n{program}"),
    )
    .expect("room");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "--out-dir",
        ])
        .arg(folder)
        .arg("--extern")
        .arg(format!("filch_http={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", deps().display()))
        .arg(&file)
        .output()
        .expect("rustc runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_foreign = ["E0460", "E0461", "E0463", "E0514", "E0519"]
        .iter()
        .any(|code| said.contains(code));
    if is_foreign {
        return None;
    }
    assert!(!output.status.success(), "it compiles:\n{program}");
    Some(said)
}

fn assert_says(name: &str, program: &str, expected: &[&str]) {
    let said = complaints(name, program);
    for text in expected {
        assert!(said.contains(text), "{text:?} is not in\n{said}");
    }
}

#[test]
fn what_is_good_compiles() {
    let folder = env::temp_dir().join(format!("filch-diagnostics-{}-good", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let good = "pub fn f() -> Router { Router::new().get(\"/\", async || \"a\") }";
    let said = std::panic::catch_unwind(|| {
        libraries()
            .iter()
            .find_map(|library| compile(&folder, library, good))
    });
    let _ = fs::remove_dir_all(&folder);
    assert!(said.is_err(), "a program that is good is refused: {said:?}");
}

#[test]
fn an_argument_that_is_none() {
    assert_says(
        "argument",
        "async fn handler(n: u64) -> &'static str { \"\" }
         pub fn f() -> Router { Router::new().get(\"/\", handler) }",
        &[
            "does not handle requests for a router with the state `()`",
            "not a handler",
            "all but the last implement `FromRequestParts<()>`",
        ],
    );
}

#[test]
fn a_body_that_is_not_last() {
    assert_says(
        "order",
        "async fn handler(body: String, method: Method) -> &'static str { \"\" }
         pub fn f() -> Router { Router::new().post(\"/\", handler) }",
        &[
            "does not handle requests",
            "what reads the body (`Json`, `Form`, `Bytes`, `String`, `Request`) comes last",
        ],
    );
}

#[test]
fn an_answer_that_is_none() {
    let program = "pub fn f() { Explain::<()>::default().none(async || 7u64); }";
    assert_says(
        "answer",
        program,
        &["`u64` cannot be answered with", "a type of your own"],
    );
}

#[test]
fn an_error_that_is_no_answer() {
    assert_says(
        "error",
        "async fn handler() -> Result<&'static str, std::fmt::Error> { Ok(\"\") }
         pub fn f() { Explain::<()>::default().none(handler); }",
        &["`std::fmt::Error` cannot be answered with"],
    );
}

#[test]
fn a_state_that_the_router_has_not() {
    assert_says(
        "state",
        "async fn handler(State(n): State<u64>) -> &'static str { \"\" }
         pub fn f() -> Router { Router::new().get(\"/\", handler) }",
        &["`Router::with_state`", "Explain::<()>"],
    );
    assert_says(
        "state-explained",
        "async fn handler(State(n): State<u64>, method: Method) -> &'static str { \"\" }
         pub fn f() { Explain::<()>::default().two(handler); }",
        &["a router with the state `()` has no `State<u64>`"],
    );
}

#[test]
fn arguments_that_are_none_are_named() {
    assert_says(
        "first",
        "async fn handler(n: u64, method: Method) -> &'static str { \"\" }
         pub fn f() { Explain::<()>::default().two(handler); }",
        &["`u64` cannot be made of the head of a request for a router with the state `()`"],
    );
    assert_says(
        "last",
        "async fn handler(method: Method, n: u64) -> &'static str { \"\" }
         pub fn f() { Explain::<()>::default().two(handler); }",
        &["`u64` cannot be the last argument of a handler for a router with the state `()`"],
    );
    assert_says(
        "order-explained",
        "async fn handler(body: String, method: Method) -> &'static str { \"\" }
         pub fn f() { Explain::<()>::default().two(handler); }",
        &[
            "`String` cannot be made of the head of a request",
            "can only be the last argument",
        ],
    );
}

#[test]
fn a_future_that_stays_on_its_thread() {
    assert_says(
        "send",
        "async fn handler() -> &'static str { let rc = std::rc::Rc::new(1); std::future::pending::<()>().await; drop(rc); \"\" }
         pub fn f() { Explain::<()>::default().none(handler); }",
        &["cannot be sent between threads safely"],
    );
}

#[test]
fn middleware_that_is_none() {
    let program = "pub fn f() -> Router { Router::new().middleware(7) }";
    assert_says(
        "middleware",
        program,
        &[
            "is no middleware",
            "an async function of a `Request` and a `Next`",
        ],
    );
    assert_says(
        "middleware-of-one",
        "async fn middleware(request: Request) -> Response { todo!() }
         pub fn f() -> Router { Router::new().middleware(middleware) }",
        &["expected function that takes 2 arguments"],
    );
}

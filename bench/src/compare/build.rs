//! How are the peers built?
//!
//! By their own tools, each time: those know best whether anything has changed, and need a tenth of a second to see that nothing has.
//! A line on standard error says so when something has to be done, since the first time takes minutes.

use super::peer::folder;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// Builds a package of `bench/peers`, and gives where its program is.
///
/// # Errors
///
/// What went wrong and how to see more of it, as a sentence.
pub(super) fn cargo(package: &str, program: &str) -> Result<PathBuf, String> {
    let what = ["--release", "--package", package];
    let by_hand = format!("cd bench/peers && cargo build --release -p {package}");
    build(&folder(), package, &what, program, &by_hand)
}

/// Builds the example of filch-http, as this program is built, and gives where it is.
///
/// # Errors
///
/// As of [`cargo`].
pub(super) fn hello() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let what: &[&str] = &["--package", "filch-http", "--example", "hello", "--release"];
    // Everything else than a release is compared for no figure's sake.
    let what = &what[..what.len() - usize::from(cfg!(debug_assertions))];
    let by_hand = "cargo build --release -p filch-http --example hello";
    build(&root, "filch-http's example", what, "hello", by_hand)
}

/// Builds `what` in a workspace.
fn build(
    workspace: &Path,
    name: &str,
    what: &[&str],
    program: &str,
    by_hand: &str,
) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .args(["build", "--locked"])
        .args(what)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo cannot be started ({error}); rustup brings it."))?;
    let mut stdout = child.stdout.take().expect("it is piped");
    let messages = thread::spawn(move || {
        let mut messages = String::new();
        stdout.read_to_string(&mut messages).map(|_| messages)
    });
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let complaint = watch(name, stderr.lines().map_while(Result::ok));
    let messages = messages.join().ok().and_then(Result::ok);
    let is_done = child.wait().is_ok_and(|status| status.success());
    let found = messages.filter(|_| is_done);
    let found = found.and_then(|messages| executable(&messages, program));
    found.ok_or_else(|| format!("it could not be built ({complaint}); `{by_hand}` says more."))
}

/// Says once that something is being built; gives the first error.
fn watch(name: &str, lines: impl Iterator<Item = String>) -> String {
    let mut is_told = false;
    let mut complaint = None;
    for line in lines {
        let line = line.trim();
        if !is_told && (line.starts_with("Compiling") || line.starts_with("Downloading")) {
            eprintln!("building {name}, which takes a while");
            is_told = true;
        }
        if complaint.is_none() && line.starts_with("error") {
            complaint = Some(line.to_owned());
        }
    }
    complaint.unwrap_or_else(|| "cargo does not say why".to_owned())
}

/// The program's path in what cargo says.
fn executable(messages: &str, program: &str) -> Option<PathBuf> {
    let messages = messages.lines();
    messages
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == program)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Builds a folder of `bench/peers` that is Go's, and gives where the program is.
///
/// # Errors
///
/// As of [`cargo`].
pub(super) fn go(name: &str) -> Result<PathBuf, String> {
    let program = folder().join("target/go").join(format!("peer-{name}"));
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(folder().join(name))
        // What is installed, and nothing from elsewhere.
        .env("GOTOOLCHAIN", "local")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("go cannot be started ({error})."))?;
    if output.status.success() {
        return Ok(program);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "it could not be built ({}); `cd bench/peers/{name} && go build` says more.",
        complaint.lines().last().unwrap_or("go does not say why")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"peer-a"},"executable":null}
not JSON
{"reason":"compiler-artifact","target":{"name":"peer-b"},"executable":"/t/release/peer-b"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "peer-b"),
            Some("/t/release/peer-b".into())
        );
        assert_eq!(executable(messages, "peer-a"), None);
    }

    #[test]
    fn the_first_error_is_the_reason() {
        let lines = [
            "   Fresh a",
            "error: no network",
            "error: could not compile",
        ];
        let lines = lines.into_iter().map(str::to_owned);
        assert_eq!(watch("peer-a", lines), "error: no network");
    }
}

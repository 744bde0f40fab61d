//! Is porting from tokio search and replace?
//!
//! `tests/porting` has four programs as they were written for tokio (`*.rs.tokio`) and the same for filch. docs/PORTING.md has a table of replacements. The one, with the replacements of the
//! other, has to be the third; the page has to show every line that differs; and the ported programs have to do what they are for. A fifth file has nothing but names, all of which
//! have to be there.

// As the replacements leave them: sorting the imports would hide what has changed.
#[rustfmt::skip]
#[path = "../porting/chat.rs"]
mod chat;
#[rustfmt::skip]
#[path = "../porting/echo.rs"]
mod echo;
#[rustfmt::skip]
#[path = "../porting/names.rs"]
#[expect(unused_imports, reason = "that they can be imported is all")]
mod names;
#[rustfmt::skip]
#[path = "../porting/notes.rs"]
mod notes;
#[rustfmt::skip]
#[path = "../porting/store.rs"]
#[expect(dead_code, reason = "its `main` is for the program")]
mod store;

use filch::sync::oneshot;
use filch_net::{TcpListener, TcpStream};
use filch_tests::guard::within_reason;
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

const PROGRAMS: [&str; 4] = ["echo", "chat", "store", "notes"];

// The text.

#[test]
fn each_program_is_its_original_with_the_replacements_of_the_page() {
    let table = replacements(&read("docs/PORTING.md"));
    for name in PROGRAMS.into_iter().chain(["names"]) {
        let (original, ported) = program(name);
        assert_eq!(ported, replaced(original, &table), "{name}");
    }
}

#[test]
fn every_replacement_is_needed() {
    let table = replacements(&read("docs/PORTING.md"));
    let files = PROGRAMS.into_iter().chain(["names"]);
    let text: String = files.map(|name| program(name).0).collect();
    for (from, _to) in &table {
        assert!(
            text.contains(from),
            "neither a program nor a name has {from:?}"
        );
    }
}

#[test]
fn the_page_shows_every_line_that_differs() {
    let page = read("docs/PORTING.md");
    for name in PROGRAMS {
        let (original, ported) = program(name);
        let difference = format!("```diff\n{}```\n", difference(&original, &ported));
        assert!(
            page.contains(&difference),
            "docs/PORTING.md lacks, for {name}:\n{difference}"
        );
    }
}

/// The original of a program, and the ported one.
fn program(name: &str) -> (String, String) {
    let ported = format!("tests/porting/{name}.rs");
    (read(&format!("{ported}.tokio")), read(&ported))
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the page's first table: what stands in the first pair of backticks, and in the second.
fn replacements(page: &str) -> Vec<(String, String)> {
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"));
    let table: Vec<_> = rows
        .map(|row| {
            let mut quoted = row.split('`').skip(1).step_by(2).map(str::to_owned);
            let from = quoted.next().expect("a row has what is replaced");
            (from, quoted.next().unwrap_or_default())
        })
        .collect();
    assert!(!table.is_empty(), "the page has a table");
    table
}

/// In the order of the table, each everywhere.
fn replaced(mut text: String, table: &[(String, String)]) -> String {
    for (from, to) in table {
        text = text.replace(from, to);
    }
    text
}

/// Runs of lines that differ, as `diff` writes them. No replacement adds or removes a line.
fn difference(original: &str, ported: &str) -> String {
    assert_eq!(original.lines().count(), ported.lines().count());
    let pairs: Vec<_> = original.lines().zip(ported.lines()).collect();
    let mut out = String::new();
    for run in pairs.chunk_by(|one, next| (one.0 == one.1) == (next.0 == next.1)) {
        if run[0].0 == run[0].1 {
            continue;
        }
        for (old, _) in run {
            writeln!(out, "-{old}").expect("a string takes everything");
        }
        for (_, new) in run {
            writeln!(out, "+{new}").expect("a string takes everything");
        }
    }
    out
}

// The programs.

#[test]
fn echo_gives_back_what_it_gets() {
    run(|listener, addr| async move {
        let server = filch::spawn(echo::serve(listener));
        let mut clients = Vec::new();
        for n in 0..10_u8 {
            clients.push(filch::spawn(async move {
                let mut stream = TcpStream::connect(addr).await?;
                let sent = vec![n; 10_000];
                stream.write_all(&sent).await?;
                stream.close().await?;
                let mut got = Vec::new();
                stream.read_to_end(&mut got).await?;
                assert_eq!(got, sent);
                io::Result::Ok(())
            }));
        }
        for client in clients {
            client.await??;
        }
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        Ok(())
    });
}

#[test]
fn chat_tells_the_others() {
    run(|listener, addr| async move {
        let room = Arc::new(chat::Room::default());
        let server = filch::spawn(chat::serve(listener, room.clone()));
        let mut one = Client::connect(addr).await?;
        one.expect("your name?").await?;
        one.say("Ada").await?;
        one.expect("welcome").await?;
        let mut two = Client::connect(addr).await?;
        two.expect("your name?").await?;
        two.say("Ben").await?;
        two.expect("welcome").await?;
        one.expect("Ben is here").await?;
        one.say("good morning").await?;
        two.expect("Ada: good morning").await?;
        two.say("is it?").await?;
        one.expect("Ben: is it?").await?;
        drop(two);
        one.expect("Ben has left").await?;
        room.close();
        one.expect("").await?; // the end
        server.await?
    });
}

#[test]
fn store_keeps_values_and_tells_of_changes() {
    run(|listener, addr| async move {
        let (stop, stopped) = oneshot::channel::<()>();
        let server = filch::spawn(store::serve(listener, stopped));
        let mut one = Client::connect(addr).await?;
        let mut two = Client::connect(addr).await?;
        one.say("after 1").await?; // answered when there are two changes
        two.ask("get colour", "nothing").await?;
        two.ask("set colour red", "nothing").await?;
        two.ask("set colour green", "red").await?;
        one.expect("2").await?;
        one.ask("get colour", "green").await?;
        one.ask("sing", "what?").await?;
        drop((one, two));
        stop.send(()).expect("the server waits for it");
        server.await?
    });
}

#[test]
fn notes_keeps_lines_behind_those_that_are_there() {
    run(|_, _| async {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("notes");
        assert_eq!(notes::keep(&b"one\ntwo"[..], &path).await?, 8);
        assert_eq!(notes::keep(&b"three\n"[..], &path).await?, 14);
        assert_eq!(fs::read_to_string(path)?, "one\ntwo\nthree\n");
        Ok(())
    });
}

/// Runs a test with a listener on a free port.
fn run<F>(test: impl FnOnce(TcpListener, SocketAddr) -> F + Send + 'static)
where
    F: Future<Output = io::Result<()>>,
{
    within_reason(|| {
        let rt = filch::Runtime::new().unwrap();
        let result = rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let addr = listener.local_addr()?;
            test(listener, addr).await
        });
        result.unwrap();
    });
}

/// Who talks to a server in lines.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(addr).await?)))
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await
    }

    /// The next line is this, or there is none, and this is empty.
    async fn expect(&mut self, expected: &str) -> io::Result<()> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        assert_eq!(line.trim_end(), expected);
        Ok(())
    }

    async fn ask(&mut self, question: &str, answer: &str) -> io::Result<()> {
        self.say(question).await?;
        self.expect(answer).await
    }
}

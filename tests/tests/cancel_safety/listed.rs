//! Does each public future have a case, a section *Cancel safety*, and a line in docs/CANCELLATION.md?

use super::table;
use filch_tests::source::{Source, Waits};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Public futures without a case of their own, and why.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "scope::blocking::ScopedHandle",
    "its poll is that of `scope::ScopedHandle`, which has a case; the scope around it blocks the thread that would poll",
)];

/// Cases of what is no async function and no type that is a future: macros, reads and writes, and `next` of streams that keep a wait from one poll to the next.
const FURTHER: &[&str] = &[
    "select!",
    "join!",
    "try_join!",
    "sync::mpsc::Receiver (next)",
    "sync::mpsc::UnboundedReceiver (next)",
    "sync::mpmc::RecvStream (next)",
    "sync::broadcast::BroadcastStream (next)",
    "sync::watch::WatchStream (next)",
    "io::DuplexStream (read)",
    "io::DuplexStream (write)",
    "io::sim::SimStream (read)",
    "io::sim::SimStream (write)",
    "net::fs::File (read)",
    "net::fs::File (write)",
    "net::fs::File (seek)",
    "net::fs::File (flush)",
    "net::fs::ReadDir (next)",
    "net::fs::Walk (next)",
    "net::pipe::Receiver (read)",
    "net::pipe::Sender (write)",
    "net::tcp::TcpStream (read)",
    "net::tcp::TcpStream (write)",
    "net::unix::UnixStream (read)",
    "net::unix::UnixStream (write)",
    "net::process::ChildStdin (write)",
    "net::process::ChildStdout (read)",
    "net::process::ChildStderr (read)",
    "http::BodySender::closed",
    "http::BodySender::ready",
    "http::BodySender::send",
    "http::OwnedRequestBody (next)",
    "http::OwnedRequestBody (read)",
    "http::OwnedRequestBody::bytes",
    "http::OwnedRequestBody::chunk",
    "http::RequestBody (read)",
    "http::RequestBody::bytes",
    "http::RequestBody::chunk",
];

#[test]
fn every_public_future_has_a_case() {
    let found: BTreeSet<_> = public_futures().into_keys().collect();
    let excepted = EXCEPTIONS.iter().map(|row| row.0);
    let covered: BTreeSet<_> = table()
        .map(|case| case.name)
        .chain(excepted)
        .map(str::to_owned)
        .collect();
    let without: Vec<_> = found.difference(&covered).collect();
    assert!(
        without.is_empty(),
        "public futures without a case in tests/tests/cancel_safety: {without:#?}"
    );
    let further = FURTHER.iter().map(|&name| name.to_owned()).collect();
    let known: BTreeSet<_> = found.union(&further).cloned().collect();
    let stale: Vec<_> = covered.difference(&known).collect();
    assert!(
        stale.is_empty(),
        "cases and exceptions without a public future: {stale:#?}"
    );
}

#[test]
fn every_public_future_says_what_a_drop_loses() {
    let without = public_futures()
        .into_iter()
        .filter(|(_, found)| !found.says_so);
    let without: Vec<_> = without
        .map(|(name, found)| format!("{name} ({})", found.place))
        .collect();
    assert!(
        without.is_empty(),
        "no section `# Cancel safety` in the documentation of {without:#?}"
    );
}

#[test]
fn the_page_has_a_row_for_each() {
    let page =
        fs::read_to_string(root().join("docs/CANCELLATION.md")).expect("docs/CANCELLATION.md");
    let rows: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for row in &rows {
        assert_eq!(
            row.split(" | ").filter(|cell| cell.len() > 2).count(),
            3,
            "name, kept, lost: {row}"
        );
    }
    let on_page: Vec<_> = rows
        .iter()
        .filter_map(|row| row.split('`').nth(1))
        .map(str::to_owned)
        .collect();
    let excepted = EXCEPTIONS.iter().map(|row| row.0);
    let expected: BTreeSet<_> = table()
        .map(|case| case.name)
        .chain(excepted)
        .map(str::to_owned)
        .collect();
    let unique: BTreeSet<_> = on_page.iter().cloned().collect();
    assert_eq!(
        on_page.len(),
        unique.len(),
        "a row stands twice on the page"
    );
    assert_eq!(
        unique, expected,
        "docs/CANCELLATION.md on the left, the cases on the right"
    );
}

/// Where a public future stands, and whether its documentation says what is lost.
struct Found {
    place: String,
    says_so: bool,
}

fn public_futures() -> BTreeMap<String, Found> {
    let mut all = Crate::read("runtime", "").public_futures();
    all.extend(Crate::read("net", "net::").public_futures());
    // This test can read: some that are certainly there.
    for name in [
        "sync::Mutex::lock",
        "time::Sleep",
        "task::JoinHandle",
        "net::tcp::TcpStream::connect",
        "task::yield_now",
    ] {
        assert!(all.contains_key(name), "{name} is not found");
    }
    all
}

/// The sources of a crate, by module.
struct Crate {
    folder: PathBuf,
    prefix: &'static str,
    files: BTreeMap<Vec<String>, File>,
}

struct File {
    name: String,
    text: String,
    source: Source,
}

impl Crate {
    fn read(member: &str, prefix: &'static str) -> Self {
        let folder = root().join(member).join("src");
        let mut files = BTreeMap::new();
        collect(&folder, &folder, &mut files);
        let tests: BTreeSet<Vec<String>> = files
            .iter()
            .flat_map(|(module, file)| {
                let names = file.source.test_modules().iter();
                names.map(|name| [module.as_slice(), std::slice::from_ref(name)].concat())
            })
            .collect();
        files.retain(|module, _| {
            !(1..=module.len()).any(|length| tests.contains(&module[..length]))
        });
        Self {
            folder,
            prefix,
            files,
        }
    }

    fn public_futures(&self) -> BTreeMap<String, Found> {
        let mut out = BTreeMap::new();
        for (module, file) in &self.files {
            for (module, found) in self.made(module, file) {
                let Some(name) = self.public_name(module, &found) else {
                    continue;
                };
                let place = format!(
                    "{}, line {}",
                    self.folder.join(&file.name).display(),
                    found.line
                );
                let says_so = says_so(file, &found);
                let name = format!("{}{name}", self.prefix);
                let other = out.insert(name.clone(), Found { place, says_so });
                assert!(other.is_none(), "two are taken for {name}");
            }
        }
        out
    }

    /// What waits in this file, with its module; what a macro makes, in each module that calls it.
    fn made<'a>(&'a self, module: &'a [String], file: &File) -> Vec<(&'a [String], Waits)> {
        let mut out: Vec<(&[String], Waits)> = Vec::new();
        for found in file.source.waits() {
            let Some(maker) = &found.made_by else {
                out.push((module, found));
                continue;
            };
            for (module, file) in &self.files {
                for (_, first) in file.source.calls().iter().filter(|call| call.0 == *maker) {
                    let mut found = found.clone();
                    if found.owner.as_deref() == Some("*") {
                        found.owner = Some(first.clone());
                    }
                    out.push((module, found));
                }
            }
        }
        out
    }

    /// What a user calls it, if users can reach it.
    fn public_name(&self, module: &[String], found: &Waits) -> Option<String> {
        // `mpsc::Sender` says itself in which module it is.
        let path = found.owner.as_ref().unwrap_or(&found.name);
        let (above, top) = path.rsplit_once("::").unwrap_or(("", path));
        let place = match above.rsplit("::").next() {
            Some(above) if !above.is_empty() => self.named(above, top)?,
            _ if !self.is_declared(module, found, top) => return None,
            _ if self.is_public(module) => module,
            _ => self.shown_by(module, top)?,
        };
        let mut parts: Vec<_> = place.iter().map(String::as_str).collect();
        parts.push(top);
        parts.extend(found.owner.is_some().then_some(found.name.as_str()));
        Some(parts.join("::"))
    }

    /// Whether the file has it as `pub`, or says so of the type whose `impl` it has.
    fn is_declared(&self, module: &[String], found: &Waits, top: &str) -> bool {
        let source = &self.files[module].source;
        let is_function = found.owner.is_none() && !found.is_type;
        // What a macro makes is taken to be public.
        let is_macro = found.made_by.is_some();
        let is_type = ["struct", "enum", "trait"]
            .iter()
            .any(|word| source.public(word).contains(top));
        // A type may stand in another file than its `impl`.
        is_function || is_macro || is_type || (found.owner.is_some() && self.is_shown(top))
    }

    /// The public module of this name that has such a type.
    fn named(&self, above: &str, top: &str) -> Option<&[String]> {
        let mut modules = self.files.iter().filter(|(at, file)| {
            let has = file.source.shown_again().contains(top)
                || file.source.public("struct").contains(top);
            at.last().is_some_and(|last| last == above) && self.is_public(at) && has
        });
        modules.next().map(|(at, _)| at.as_slice())
    }

    /// Whether each module on the way is public.
    fn is_public(&self, module: &[String]) -> bool {
        (0..module.len()).all(|length| {
            let parent = self.files.get(&module[..length]);
            parent.is_some_and(|parent| parent.source.public("mod").contains(&module[length]))
        })
    }

    fn is_shown(&self, name: &str) -> bool {
        let mut files = self.files.iter();
        files.any(|(module, file)| {
            self.is_public(module) && file.source.shown_again().contains(name)
        })
    }

    /// The public module that shows a name again: the nearest one.
    fn shown_by(&self, module: &[String], name: &str) -> Option<&[String]> {
        let name = if name == "*" {
            module.last()?.as_str()
        } else {
            name
        };
        let showing = self
            .files
            .iter()
            .filter(|(at, file)| self.is_public(at) && file.source.shown_again().contains(name));
        let in_common = |at: &[String]| at.iter().zip(module).take_while(|(a, b)| a == b).count();
        // Of those equally near, the deepest, and of those the first by name.
        let nearest = showing.min_by_key(|(at, _)| {
            (
                usize::MAX - in_common(at),
                usize::MAX - at.len(),
                at.to_vec(),
            )
        });
        nearest.map(|(at, _)| at.as_slice())
    }
}

/// A type says so itself.
fn says_so(file: &File, found: &Waits) -> bool {
    let name = found.name.rsplit("::").next().unwrap_or_default();
    let line = if found.is_type {
        file.source
            .line_of_public("struct", name)
            .unwrap_or(found.line)
    } else {
        found.line
    };
    let lines: Vec<_> = file
        .text
        .lines()
        .take(line - 1)
        .map(str::trim_start)
        .collect();
    // Upwards to where the item before ends: attributes, also of several lines, stand between.
    let above = lines.iter().rev().take_while(|text| {
        text.starts_with("///") || !(text.is_empty() || text.ends_with(['}', ';', '{']))
    });
    above.into_iter().any(|text| *text == "/// # Cancel safety")
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<Vec<String>, File>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let name = path
                .strip_prefix(root)
                .expect("it is below the root")
                .to_string_lossy()
                .into_owned();
            let module = name
                .trim_end_matches(".rs")
                .split('/')
                .filter(|part| *part != "lib");
            let module = module.map(str::to_owned).collect();
            let source = Source::parse(&text);
            files.insert(module, File { name, text, source });
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

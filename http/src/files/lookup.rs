//! Which of the files below the folder is meant, and is it there?
//!
//! [`look`] turns a path that was checked into an open file: the one of that name, or `index.html` in the folder of that name, compressed if the client wants it so and it is there. All that blocks
//! happens in this one call, so that a request goes to the pool once; and [`look_cached`] is tried before, with which most requests need no pool at all.
//!
//! A folder that was asked for without the slash at its end is told of only if it has an index: the client is sent to it. What is in a folder is never listed.

use super::confine::{Found, Root};
use super::encodings::Coding;
use filch_net::file_doors::is_absent;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// The file that stands for its folder.
const INDEX: &str = "index.html";

/// Where and how to look.
#[derive(Debug)]
pub(crate) struct Search<'s> {
    pub(crate) folder: &'s Path,
    pub(crate) follows_links: bool,
    pub(crate) has_index: bool,
    /// In the order in which they are wanted.
    pub(crate) codings: &'s [Coding],
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Looked {
    File(Box<Opened>),
    /// A folder that has an index, asked for without its slash.
    AddSlash,
    Absent,
}

/// A file, open for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
    pub(crate) coding: Coding,
    /// Its path below the folder, without what the coding adds: it has the type in it.
    pub(crate) path: String,
}

/// Looks for what a path means; it was asked for as a folder if it had a slash at its end. Blocks.
///
/// # Errors
///
/// What is the fault of nobody who asks: too many open files, a broken disk.
pub(crate) fn look(search: &Search<'_>, path: &str, as_folder: bool) -> io::Result<Looked> {
    let root = Root::open(search.folder, search.follows_links);
    look_in(root, search, path, as_folder)
}

/// The same without waiting for a disk. It is right unless it is an error; then [`look`] knows better.
///
/// # Errors
///
/// As for [`look`], and where it would have to wait.
pub(crate) fn look_cached(search: &Search<'_>, path: &str, as_folder: bool) -> io::Result<Looked> {
    let root = Root::open_cached(search.folder, search.follows_links);
    look_in(root, search, path, as_folder)
}

fn look_in(
    root: io::Result<Root>,
    search: &Search<'_>,
    path: &str,
    as_folder: bool,
) -> io::Result<Looked> {
    let root = match root {
        Ok(root) => root,
        Err(error) if is_absent(&error) => return Ok(Looked::Absent),
        Err(error) => return Err(error),
    };
    if as_folder {
        return find_index(&root, search, path);
    }
    match find(&root, search, path)? {
        Looked::AddSlash => match find_index(&root, search, path)? {
            Looked::File(_) => Ok(Looked::AddSlash),
            other => Ok(other),
        },
        other => Ok(other),
    }
}

fn find_index(root: &Root, search: &Search<'_>, folder: &str) -> io::Result<Looked> {
    if !search.has_index {
        return Ok(Looked::Absent);
    }
    let path = match folder {
        "" => INDEX.to_owned(),
        _ => format!("{folder}/{INDEX}"),
    };
    match find(root, search, &path)? {
        // A folder of that name.
        Looked::AddSlash => Ok(Looked::Absent),
        other => Ok(other),
    }
}

fn find(root: &Root, search: &Search<'_>, path: &str) -> io::Result<Looked> {
    if path.is_empty() {
        // The folder itself: it has no compressed form, and `.br` in it is a file of its own.
        return Ok(Looked::AddSlash);
    }
    let mut is_folder = false;
    for coding in search.codings {
        match root.find(&format!("{path}{}", coding.suffix()))? {
            Found::File(file, metadata) => {
                return Ok(Looked::File(Box::new(Opened {
                    file,
                    metadata,
                    coding: *coding,
                    path: path.to_owned(),
                })));
            }
            Found::Folder => is_folder |= *coding == Coding::Identity,
            Found::Absent => {}
        }
    }
    Ok(if is_folder {
        Looked::AddSlash
    } else {
        Looked::Absent
    })
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity};
    use super::*;
    use std::fs;

    /// The path of the file that is found, with what its coding adds; or what else.
    fn looked(folder: &Path, codings: &[Coding], path: &str, as_folder: bool) -> String {
        let search = Search {
            folder,
            follows_links: false,
            has_index: true,
            codings,
        };
        let text = |looked| match looked {
            Looked::File(opened) => format!("{}{}", opened.path, opened.coding.suffix()),
            Looked::AddSlash => "add slash".to_owned(),
            Looked::Absent => "absent".to_owned(),
        };
        let found = text(look(&search, path, as_folder).expect("no error of the system's"));
        // What need not be waited for is the same.
        if let Ok(cached) = look_cached(&search, path, as_folder) {
            assert_eq!(text(cached), found, "{path}");
        }
        found
    }

    #[test]
    fn files_folders_and_indexes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |path: &str| folder.path().join(path);
        for path in ["with", "without", "odd/index.html", "packed", "odd.html.br"] {
            fs::create_dir_all(at(path)).expect("made");
        }
        for path in [
            "index.html",
            "index.html.br",
            "with/index.html",
            "a.js",
            "a.js.br",
            "a.js.gz",
            "packed/index.html.gz",
            "only.css.gz",
            "odd.html",
            ".br",
            ".gz",
        ] {
            fs::write(at(path), path).expect("written");
        }
        for (path, as_folder, plain, packed) in [
            ("", true, "index.html", "index.html.br"),
            ("", false, "add slash", "add slash"),
            ("with", true, "with/index.html", "with/index.html"),
            ("with", false, "add slash", "add slash"),
            ("without", true, "absent", "absent"),
            ("without", false, "absent", "absent"),
            ("odd", true, "absent", "absent"),
            ("odd", false, "absent", "absent"),
            ("odd/index.html", false, "absent", "absent"),
            ("packed", true, "absent", "packed/index.html.gz"),
            ("packed", false, "absent", "add slash"),
            ("a.js", false, "a.js", "a.js.br"),
            ("a.js", true, "absent", "absent"),
            ("a.js.gz", false, "a.js.gz", "a.js.gz"),
            ("only.css", false, "absent", "only.css.gz"),
            ("odd.html", false, "odd.html", "odd.html"),
            ("none", false, "absent", "absent"),
            ("none", true, "absent", "absent"),
        ] {
            let found = looked(folder.path(), &[Identity], path, as_folder);
            assert_eq!(found, plain, "{path} {as_folder}");
            let found = looked(folder.path(), &[Brotli, Gzip, Identity], path, as_folder);
            assert_eq!(found, packed, "{path} {as_folder}");
        }
        let found = looked(folder.path(), &[Gzip, Brotli, Identity], "a.js", false);
        assert_eq!(found, "a.js.gz");
        let found = looked(folder.path(), &[Identity, Brotli], "a.js", false);
        assert_eq!(found, "a.js");
        assert_eq!(looked(&at("none"), &[Identity], "a.js", false), "absent");
    }

    /// What makes a name too long for the system is not there.
    #[test]
    fn a_coding_may_make_a_name_too_long() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for len in [251, 252, 253, 254, 255] {
            let name = "n".repeat(len);
            fs::write(folder.path().join(&name), "x").expect("written");
            let found = looked(folder.path(), &[Brotli, Gzip, Identity], &name, false);
            assert_eq!(found, name);
        }
    }

    #[test]
    fn without_an_index_a_folder_is_not_told_of() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("with")).expect("made");
        fs::write(folder.path().join("with/index.html"), "x").expect("written");
        let search = Search {
            folder: folder.path(),
            follows_links: false,
            has_index: false,
            codings: &[Identity],
        };
        for as_folder in [true, false] {
            let found = look(&search, "with", as_folder).expect("no error");
            assert!(matches!(found, Looked::Absent), "{found:?}");
        }
        // By its own name.
        let found = look(&search, "with/index.html", false).expect("no error");
        assert!(matches!(found, Looked::File(_)), "{found:?}");
    }
}

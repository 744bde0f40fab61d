//! Do files and directories hold what was written to them, whoever gives up and when?

use filch::runtime::Builder;
use filch_net::fs::{self, File};
use filch_tests::census::{Census, settle};
use filch_tests::guard::within_reason;
use filch_tests::limits::{self, in_child};
use filch_tests::random::{Random, seed};
use filch_tests::stress_factor;
use futures_lite::future::{poll_once, yield_now};
use futures_lite::io::{AsyncBufReadExt, BufReader};
use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::{TempDir, tempdir};

/// On one worker, on two, and on more than there are cores.
fn run<F, M>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = ()> + Send + 'static,
{
    for workers in [1, 2, 8] {
        let future = make();
        within_reason(move || {
            let rt = Builder::new().worker_threads(workers).build();
            let rt = rt.expect("a runtime");
            // As a task: on a worker.
            rt.block_on(async { filch::spawn(future).await.unwrap() });
        });
    }
}

#[test]
fn what_is_done_with_paths_is_what_std_does() {
    run(|| async {
        let folder = tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "hello").await.unwrap();
        assert_eq!(fs::read(at("a")).await.unwrap(), b"hello");
        assert_eq!(fs::read_to_string(at("a")).await.unwrap(), "hello");
        assert_eq!(fs::copy(at("a"), at("b")).await.unwrap(), 5);
        fs::rename(at("b"), at("c")).await.unwrap();
        assert!(!fs::try_exists(at("b")).await.unwrap());
        assert!(fs::try_exists(at("c")).await.unwrap());
        fs::hard_link(at("c"), at("d")).await.unwrap();
        fs::symlink("a", at("e")).await.unwrap();
        assert_eq!(fs::read_link(at("e")).await.unwrap(), Path::new("a"));
        assert_eq!(
            fs::canonicalize(at("e")).await.unwrap(),
            at("a").canonicalize().unwrap()
        );
        let link = fs::symlink_metadata(at("e")).await.unwrap();
        assert!(link.is_symlink() && fs::metadata(at("e")).await.unwrap().is_file());
        let only_read = std::fs::Permissions::from_mode(0o400);
        fs::set_permissions(at("a"), only_read).await.unwrap();
        assert_eq!(
            at("a").metadata().unwrap().permissions().mode() & 0o777,
            0o400
        );
        fs::create_dir(at("f")).await.unwrap();
        fs::remove_dir(at("f")).await.unwrap();
        fs::create_dir_all(at("f/g/h")).await.unwrap();
        fs::create_dir_all(at("f/g/h")).await.unwrap();
        fs::remove_dir_all(at("f")).await.unwrap();
        fs::remove_file(at("d")).await.unwrap();
        let mut names = BTreeSet::new();
        let mut entries = fs::read_dir(folder.path()).await.unwrap();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            assert_eq!(entry.path(), folder.path().join(entry.file_name()));
            assert_eq!(
                entry.file_type().await.unwrap(),
                entry.metadata().await.unwrap().file_type()
            );
            names.insert(entry.file_name().into_string().unwrap());
        }
        assert_eq!(names, BTreeSet::from(["a", "c", "e"].map(str::to_owned)));
    });
}

#[test]
fn errors_name_the_step_and_the_path() {
    run(|| async {
        let folder = tempdir().unwrap();
        let no = folder.path().join("no");
        let other = folder.path().join("other");
        let mut told: Vec<(&str, io::Error)> = Vec::new();
        let mut tell = |step, result: io::Result<()>| told.push((step, result.unwrap_err()));
        tell("open", File::open(&no).await.map(drop));
        tell("read", fs::read(&no).await.map(drop));
        tell("read", fs::read_to_string(&no).await.map(drop));
        tell("write", fs::write(no.join("x"), "").await);
        tell("copy", fs::copy(&no, &other).await.map(drop));
        tell("rename", fs::rename(&no, &other).await);
        tell("resolve", fs::canonicalize(&no).await.map(drop));
        tell("read the metadata of", fs::metadata(&no).await.map(drop));
        tell(
            "read the metadata of",
            fs::symlink_metadata(&no).await.map(drop),
        );
        tell("remove", fs::remove_file(&no).await);
        tell("remove", fs::remove_dir(&no).await);
        tell("remove", fs::remove_dir_all(&no).await);
        tell("read the link", fs::read_link(&no).await.map(drop));
        tell("read the directory", fs::read_dir(&no).await.map(drop));
        tell("make the directory", fs::create_dir(no.join("x")).await);
        let first = fs::walk(&no).next().await.unwrap();
        tell("read the directory", first.map(drop));
        let permissions = folder.path().metadata().unwrap().permissions();
        tell(
            "set the permissions of",
            fs::set_permissions(&no, permissions).await,
        );
        for (step, error) in &told {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{step}");
            let begins = format!("{step} {}", no.display());
            assert!(error.to_string().starts_with(&begins), "{error}");
        }
        // These name the link that could not be made first.
        for error in [
            fs::hard_link(&no, &other).await.unwrap_err(),
            fs::symlink(&no, no.join("x")).await.unwrap_err(),
        ] {
            assert!(
                error.to_string().contains(&*no.to_string_lossy()),
                "{error}"
            );
        }
        let error = File::create_new(folder.path()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        // A directory can be opened, but not read.
        let mut opened = File::open(folder.path()).await.unwrap();
        let error = opened.read(&mut [0]).await.unwrap_err();
        let begins = format!("read {}", folder.path().canonicalize().unwrap().display());
        assert!(error.to_string().starts_with(&begins), "{error}");
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
    });
}

#[test]
fn a_file_keeps_its_position_on_the_way_to_std_and_back() {
    run(|| async {
        let folder = tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "0123456789").await.unwrap();
        let mut file = File::open(&path).await.unwrap();
        file.read_exact(&mut [0; 3]).await.unwrap();
        // Bytes were read ahead.
        let file = file.try_into_std().unwrap_err();
        let mut std = file.into_std().await.unwrap();
        assert_eq!(std.stream_position().unwrap(), 3);
        let mut rest = String::new();
        std.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "3456789");
        let file = File::from_std(std);
        let mut clone = file.try_clone().await.unwrap();
        clone.seek(SeekFrom::Start(5)).await.unwrap();
        let mut std = file.try_into_std().unwrap();
        assert_eq!(std.stream_position().unwrap(), 5, "they share it");
    });
}

#[test]
fn other_operations_see_what_was_written() {
    run(|| async {
        let folder = tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = File::create_new(&path).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"", "it is in the buffer");
        assert_eq!(file.metadata().await.unwrap().len(), 10);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
        file.write_all(b"ab").await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789ab");
        file.seek(SeekFrom::Start(2)).await.unwrap();
        file.read_exact(&mut [0; 2]).await.unwrap();
        // What was read ahead is cut off.
        file.set_len(5).await.unwrap();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"4");
        file.write_all(b"x").await.unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o640))
            .await
            .unwrap();
        file.close().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"01234x");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        let mut appended = File::options().append(true).open(&path).await.unwrap();
        appended.write_all(b"y").await.unwrap();
        std::fs::write(&path, "anew ").unwrap();
        appended.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"anew y");
    });
}

#[test]
fn a_file_that_is_dropped_writes_in_the_background() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    for bytes in [1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1_000_000] {
        let own = path.clone();
        within_reason(move || {
            let rt = Builder::new().worker_threads(2).build().unwrap();
            rt.block_on(async move {
                let mut file = File::create(&own).await.unwrap();
                file.write_all(&vec![b'x'; bytes]).await.unwrap();
            });
            // The end of the runtime waits for it.
        });
        assert_eq!(path.metadata().unwrap().len(), bytes as u64);
    }
}

#[test]
fn many_tasks_may_ask_about_one_file() {
    run(|| async {
        let folder = tempdir().unwrap();
        let mut file = File::create(folder.path().join("file")).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        let file = Arc::new(file);
        let tasks: Vec<_> = (0..50_u64)
            .map(|number| {
                let file = file.clone();
                filch::spawn(async move {
                    for _ in 0..20 {
                        // Some of them give up.
                        poll_once(file.metadata()).await;
                        file.set_len(10 + number).await.unwrap();
                        assert!(file.metadata().await.unwrap().len() >= 10);
                        assert!(file.as_raw_fd() > 2);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn lines_come_from_the_files_own_buffer_as_from_a_reader() {
    run(|| async {
        let folder = tempdir().unwrap();
        let path = folder.path().join("file");
        let lines: Vec<_> = (0..20_000).map(|number| format!("line {number}")).collect();
        fs::write(&path, lines.join("\n")).await.unwrap();
        let own = File::open(&path).await.unwrap().lines();
        let own: Vec<_> = own.map(Result::unwrap).collect().await;
        let reader = BufReader::new(File::open(&path).await.unwrap()).lines();
        let reader: Vec<_> = reader.map(Result::unwrap).collect().await;
        assert!(own == lines && reader == lines);
    });
}

#[test]
fn files_work_in_a_simulation() {
    within_reason(|| {
        let rt = Builder::new().simulated(7).build().unwrap();
        rt.block_on(async {
            let folder = tempdir().unwrap();
            let path = folder.path().join("file");
            let mut file = File::create(&path).await.unwrap();
            file.write_all(b"hello").await.unwrap();
            file.flush().await.unwrap();
            assert_eq!(fs::read(&path).await.unwrap(), b"hello");
            assert_eq!(fs::walk(folder.path()).count().await, 1);
        });
    });
}

/// A file and what should be in it, and where its user should be.
struct Model {
    file: File,
    bytes: Vec<u8>,
    at: usize,
}

impl Model {
    fn write(&mut self, new: &[u8]) {
        let end = self.at + new.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.at..end].copy_from_slice(new);
        self.at = end;
    }

    async fn step(&mut self, random: &mut Random) {
        let large = if random.below(10) == 0 { 400_000 } else { 100 };
        let size = 1 + random.below(large);
        match random.below(12) {
            0..3 => {
                let mut room = vec![0; size];
                let count = self.file.read(&mut room).await.unwrap();
                let here = &self.bytes[self.at.min(self.bytes.len())..];
                assert!(count > 0 || here.is_empty());
                assert!(room[..count] == here[..count]);
                self.at += count;
            }
            // Given up after some polls: as if it had not been.
            3 => {
                let (mut room, polls) = (vec![0; size], random.below(3));
                let mut read = Box::pin(self.file.read(&mut room));
                let mut got = None;
                for _ in 0..polls {
                    got = poll_once(&mut read).await;
                    if got.is_some() {
                        break;
                    }
                    yield_now().await;
                }
                drop(read);
                self.at += got.map_or(0, Result::unwrap);
            }
            4..7 => {
                let new: Vec<_> = (0..size).map(|_| random.below(256) as u8).collect();
                self.file.write_all(&new).await.unwrap();
                self.write(&new);
            }
            7 => {
                // One that is pending has written nothing.
                let new: Vec<_> = (0..size).map(|_| random.below(256) as u8).collect();
                if let Some(count) = poll_once(self.file.write(&new)).await {
                    self.write(&new[..count.unwrap()]);
                }
            }
            8 => {
                let to = random.below(self.bytes.len() + 10);
                let from = match random.below(3) {
                    0 => SeekFrom::Start(to as u64),
                    1 => SeekFrom::Current(to as i64 - self.at as i64),
                    _ => SeekFrom::End(to as i64 - self.bytes.len() as i64),
                };
                assert_eq!(self.file.seek(from).await.unwrap(), to as u64);
                self.at = to;
            }
            9 => {
                // Where it leads is known only when the next one says so.
                poll_once(self.file.seek(SeekFrom::Start(3))).await;
                self.file.seek(SeekFrom::Start(0)).await.unwrap();
                self.at = 0;
            }
            10 => {
                let length = random.below(self.bytes.len() + 100);
                self.file.set_len(length as u64).await.unwrap();
                self.bytes.resize(length, 0);
            }
            _ => {
                if random.below(2) == 0 {
                    poll_once(self.file.flush()).await;
                }
                self.file.flush().await.unwrap();
                let length = self.file.metadata().await.unwrap().len();
                assert_eq!(length, self.bytes.len() as u64);
            }
        }
    }
}

#[test]
fn whatever_is_done_a_file_is_bytes_and_a_position() {
    let first = seed("whatever_is_done_a_file_is_bytes_and_a_position");
    for round in 0..10 * stress_factor() as u64 {
        within_reason(move || {
            let mut random = Random::new(first.wrapping_add(round));
            let rt = Builder::new().worker_threads(2).build().unwrap();
            rt.block_on(async {
                let folder = tempdir().unwrap();
                let path = folder.path().join("file");
                let mut model = Model {
                    file: File::create_new(&path).await.unwrap(),
                    bytes: Vec::new(),
                    at: 0,
                };
                for _ in 0..300 {
                    model.step(&mut random).await;
                }
                drop(model.file.into_std().await.unwrap());
                assert!(std::fs::read(&path).unwrap() == model.bytes);
            });
        });
    }
}

/// A tree of directories: `a/b/c`, each with a file, and links.
fn tree() -> TempDir {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("a/b/c")).unwrap();
    for file in ["1", "a/2", "a/b/3", "a/b/c/4"] {
        std::fs::write(at(file), "").unwrap();
    }
    folder
}

async fn walked(walk: fs::Walk, root: &Path) -> BTreeSet<(usize, PathBuf)> {
    let found: Vec<_> = walk.map(Result::unwrap).collect().await;
    let count = found.len();
    let found: BTreeSet<_> = found
        .iter()
        .map(|entry| {
            let path = entry.path();
            (entry.depth(), path.strip_prefix(root).unwrap().to_owned())
        })
        .collect();
    assert_eq!(found.len(), count, "none comes twice");
    found
}

fn expected<const N: usize>(entries: [&str; N]) -> BTreeSet<(usize, PathBuf)> {
    let entries = entries.into_iter();
    entries
        .map(|path| (path.split('/').count(), PathBuf::from(path)))
        .collect()
}

#[test]
fn a_walk_finds_everything_down_to_where_it_may_go() {
    run(|| async {
        let folder = tree();
        let root = folder.path();
        let all = expected(["1", "a", "a/2", "a/b", "a/b/3", "a/b/c", "a/b/c/4"]);
        assert_eq!(walked(fs::walk(root), root).await, all);
        for depth in 0..6 {
            let found = walked(fs::walk(root).max_depth(depth), root).await;
            let expected = all.iter().filter(|entry| entry.0 <= depth).cloned();
            assert_eq!(found, expected.collect(), "{depth}");
        }
        let filtered = fs::walk(root).enter_if(|entry| entry.file_name() != "b");
        let found = walked(filtered, root).await;
        assert_eq!(found, expected(["1", "a", "a/2", "a/b"]));
        // A directory comes before what is in it.
        let order: Vec<_> = fs::walk(root)
            .map(|entry| entry.unwrap().path())
            .collect()
            .await;
        for (at, path) in order.iter().enumerate().filter(|(_, path)| path.is_dir()) {
            let below = order.iter().position(|other| other.parent() == Some(path));
            assert!(below.is_none_or(|below| below > at));
        }
    });
}

#[test]
fn links_are_followed_if_asked_and_never_in_circles() {
    run(|| async {
        let folder = tree();
        let root = folder.path();
        std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
        std::os::unix::fs::symlink("../..", root.join("a/b/up")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("lost")).unwrap();
        let plain = walked(fs::walk(root), root).await;
        assert_eq!(
            plain,
            expected([
                "1", "a", "a/2", "a/b", "a/b/3", "a/b/c", "a/b/c/4", "a/b/up", "link", "lost"
            ])
        );
        let found: Vec<_> = fs::walk(root).follow_links(true).collect().await;
        let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
        let good: BTreeSet<_> = good
            .iter()
            .map(|entry| entry.as_ref().unwrap().path())
            .map(|path| path.strip_prefix(root).unwrap().to_owned())
            .collect();
        let below_link = ["link/3", "link/c", "link/c/4", "link/up"];
        assert!(below_link.iter().all(|path| good.contains(Path::new(path))));
        let mut errors: Vec<_> = bad
            .iter()
            .map(|error| error.as_ref().unwrap_err().to_string())
            .collect();
        errors.sort();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(
            errors[0].contains("a/b/up: a link leads back"),
            "{errors:?}"
        );
        assert!(
            errors[1].contains("link/up: a link leads back"),
            "{errors:?}"
        );
        assert!(errors[2].contains("lost: No such file"), "{errors:?}");
    });
}

#[test]
fn a_walk_goes_on_after_what_it_cannot_read() {
    run(|| async {
        let folder = tree();
        let root = folder.path().to_owned();
        // Gone between its being found and its being entered.
        let own = root.clone();
        let walk = fs::walk(&root).enter_if(move |entry| {
            if entry.file_name() == "b" {
                std::fs::remove_dir_all(own.join("a/b")).unwrap();
            }
            true
        });
        let found: Vec<_> = walk.collect().await;
        let errors: Vec<_> = found
            .iter()
            .filter_map(|item| item.as_ref().err())
            .collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].kind(), ErrorKind::NotFound);
        assert!(errors[0].to_string().contains("a/b: "), "{}", errors[0]);
        assert_eq!(found.len(), 5);
    });
}

#[test]
fn a_dropped_next_loses_no_entry() {
    run(|| async {
        let folder = tempdir().unwrap();
        for number in 0..1000 {
            std::fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let (mut walk, mut found) = (fs::walk(folder.path()), 0);
        loop {
            match poll_once(walk.next()).await {
                Some(Some(entry)) => found += usize::from(entry.is_ok()),
                Some(None) => break,
                None => yield_now().await,
            }
        }
        assert_eq!(found, 1000);
    });
}

#[test]
fn nothing_stays_open() {
    in_child("nothing_stays_open", || {
        let before = Census::now().unwrap();
        run(|| async {
            let folder = tree();
            let path = folder.path().join("1");
            for _ in 0..100 {
                poll_once(File::open(&path)).await;
                poll_once(File::create(&path)).await;
                poll_once(fs::read_dir(folder.path())).await;
                let mut entries = fs::read_dir(folder.path()).await.unwrap();
                let kept = entries.next_entry().await.unwrap();
                drop(entries);
                let mut walk = fs::walk(folder.path());
                poll_once(walk.next()).await;
                let mut walk = fs::walk(folder.path());
                walk.next().await.unwrap().unwrap();
                let mut file = File::open(&path).await.unwrap();
                poll_once(file.read(&mut [0])).await;
                poll_once(file.try_clone()).await;
                drop(poll_once(file.into_std()).await);
                drop(kept);
            }
        });
        settle(&before);
    });
}

/// The first call of a runtime wants a thread of its pool. Without one, calls are errors, what was read ahead is still to be read, and what was taken to be written is written.
#[test]
fn where_no_thread_can_be_started_nothing_is_lost() {
    if !limits::can_limit_threads() {
        return;
    }
    in_child("where_no_thread_can_be_started_nothing_is_lost", || {
        let one = || Builder::new().worker_threads(1).build().unwrap();
        let plain = tempfile::tempfile().unwrap();
        let contents = || {
            let mut bytes = [0; 32];
            let count = std::os::unix::fs::FileExt::read_at(&plain, &mut bytes, 0).unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        };
        io::Write::write_all(&mut &plain, b"0123456789").unwrap();
        (&plain).rewind().unwrap();
        let mut file = File::from_std(plain.try_clone().unwrap());
        let first = one();
        let read = async { file.read_exact(&mut [0; 2]).await };
        first.block_on(read).unwrap();
        drop(first);
        // With all of its threads but those for calls that block.
        let rt = one();
        limits::threads(0).unwrap();
        rt.block_on(async {
            let error = file.metadata().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Other, "{error}");
            assert!(error.to_string().contains("no thread"), "{error}");
            assert!(fs::metadata("/").await.is_err());
            assert_eq!((&plain).stream_position().unwrap(), 2);
            file.write_all(b"ab").await.unwrap();
            assert!(file.flush().await.is_err());
            assert_eq!(contents(), "01ab456789");
            file.write_all(b"cd").await.unwrap();
            drop(file);
            assert_eq!(contents(), "01abcd6789");
        });
        limits::threads(usize::MAX).unwrap();
        rt.block_on(async { fs::metadata("/").await.unwrap() });
    });
}

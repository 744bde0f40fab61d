//! Files, directories, pipes: is a call made whole or not at all, and is a file where its user thinks it is?
//!
//! These run in real time. A call that was sent to the pool is made some time after the drop: who polled waits for that.

use filch_net::fs::{self, DirBuilder, File, OpenOptions};
use filch_net::pipe::pipe;
use filch_tests::cancel::{Case, Cut};
use filch_tests::cases;
use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt};
use std::fmt::Debug;
use std::fs::Permissions;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::{TempDir, tempdir};

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "net::fs::read" => |cut| async move {
        let place = Place::new();
        asks(cut, || fs::read(place.file())).await;
    },
    "net::fs::read_to_string" => |cut| async move {
        let place = Place::new();
        asks(cut, || fs::read_to_string(place.file())).await;
    },
    "net::fs::canonicalize" => |cut| async move {
        let place = Place::new();
        asks(cut, || fs::canonicalize(place.file())).await;
    },
    "net::fs::metadata" => |cut| async move {
        let place = Place::new();
        asks(cut, async || Ok(fs::metadata(place.file()).await?.len())).await;
    },
    "net::fs::symlink_metadata" => |cut| async move {
        let place = Place::new();
        asks(cut, async || Ok(fs::symlink_metadata(place.file()).await?.len())).await;
    },
    "net::fs::try_exists" => |cut| async move {
        let place = Place::new();
        asks(cut, || fs::try_exists(place.file())).await;
    },
    "net::fs::read_link" => |cut| async move {
        let place = Place::new();
        std::os::unix::fs::symlink("file", place.new_name()).unwrap();
        asks(cut, || fs::read_link(place.new_name())).await;
    },
    "net::fs::read_dir" => |cut| async move {
        let place = Place::new();
        asks(cut, async || Ok(fs::read_dir(place.folder.path()).await?.count().await)).await;
    },
    "net::fs::write" => |cut| async move {
        let place = Place::new();
        does(cut, fs::write(place.new_name(), "new"), || place.new_text() == "new").await;
    },
    "net::fs::copy" => |cut| async move {
        let place = Place::new();
        let copy = fs::copy(place.file(), place.new_name());
        does(cut, copy, || place.new_text() == "0123456789").await;
    },
    "net::fs::rename" => |cut| async move {
        let place = Place::new();
        let rename = fs::rename(place.file(), place.new_name());
        does(cut, rename, || place.has_new() && !place.file().exists()).await;
    },
    "net::fs::hard_link" => |cut| async move {
        let place = Place::new();
        does(cut, fs::hard_link(place.file(), place.new_name()), || place.has_new()).await;
    },
    "net::fs::symlink" => |cut| async move {
        let place = Place::new();
        does(cut, fs::symlink("file", place.new_name()), || place.has_new()).await;
    },
    "net::fs::create_dir" => |cut| async move {
        let place = Place::new();
        does(cut, fs::create_dir(place.new_name()), || place.has_new()).await;
    },
    "net::fs::create_dir_all" => |cut| async move {
        let place = Place::new();
        let below = place.new_name().join("below");
        does(cut, fs::create_dir_all(&below), || below.is_dir()).await;
    },
    "net::fs::DirBuilder::create" => |cut| async move {
        let place = Place::new();
        does(cut, DirBuilder::new().create(place.new_name()), || place.has_new()).await;
    },
    "net::fs::remove_file" => |cut| async move {
        let place = Place::new();
        does(cut, fs::remove_file(place.file()), || !place.file().exists()).await;
    },
    "net::fs::remove_dir" => |cut| async move {
        let place = Place::new();
        std::fs::create_dir(place.new_name()).unwrap();
        does(cut, fs::remove_dir(place.new_name()), || !place.has_new()).await;
    },
    "net::fs::remove_dir_all" => |cut| async move {
        let place = Place::new();
        std::fs::create_dir_all(place.new_name().join("a/b")).unwrap();
        does(cut, fs::remove_dir_all(place.new_name()), || !place.has_new()).await;
    },
    "net::fs::set_permissions" => |cut| async move {
        let place = Place::new();
        let set = fs::set_permissions(place.file(), Permissions::from_mode(0o400));
        does(cut, set, || place.mode() == 0o400).await;
    },
    "net::fs::OpenOptions::open" => |cut| async move {
        let place = Place::new();
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        does(cut, options.open(place.new_name()), || place.has_new()).await;
    },
    "net::fs::File::open" => |cut| async move {
        let place = Place::new();
        asks(cut, async || Ok(File::open(place.file()).await?.metadata().await?.len())).await;
    },
    "net::fs::File::create" => |cut| async move {
        let place = Place::new();
        does(cut, File::create(place.file()), || place.text().is_empty()).await;
    },
    "net::fs::File::create_new" => |cut| async move {
        let place = Place::new();
        does(cut, File::create_new(place.new_name()), || place.has_new()).await;
    },
    "net::fs::File::metadata" => |cut| async move {
        let place = Place::new();
        let file = place.written().await;
        // What was in the buffer counts, written or not.
        asks(cut, async || Ok(file.metadata().await?.len())).await;
        assert_eq!(place.text(), "01ab456789");
    },
    "net::fs::File::set_len" => |cut| async move {
        let place = Place::new();
        let file = place.written().await;
        does(cut, file.set_len(7), || place.text() == "01ab456").await;
    },
    "net::fs::File::sync_all" => |cut| async move {
        let place = Place::new();
        let file = place.written().await;
        does(cut, file.sync_all(), || place.text() == "01ab456789").await;
    },
    "net::fs::File::sync_data" => |cut| async move {
        let place = Place::new();
        let file = place.written().await;
        does(cut, file.sync_data(), || place.text() == "01ab456789").await;
    },
    "net::fs::File::set_permissions" => |cut| async move {
        let place = Place::new();
        let file = place.written().await;
        let set = file.set_permissions(Permissions::from_mode(0o400));
        does(cut, set, || place.mode() == 0o400).await;
    },
    "net::fs::File::try_clone" => |cut| async move {
        let place = Place::new();
        let mut file = place.opened().await;
        file.read_exact(&mut [0; 2]).await.unwrap();
        drop(cut.drive(file.try_clone(), 0, async |_| ()).await.map(Result::unwrap));
        assert_eq!(rest(file).await, "23456789");
    },
    "net::fs::File::into_std" => |cut| async move {
        let place = Place::new();
        let file = place.written().await;
        let std = cut.drive(file.into_std(), 0, async |_| ()).await;
        if let Some(std) = std {
            assert_eq!(std.unwrap().stream_position().unwrap(), 4);
        }
        // Dropped or not, what was in the buffer is written.
        soon(|| place.text() == "01ab456789").await;
    },
    "net::fs::File (read)" => |cut| async move {
        let place = Place::new();
        let mut file = place.opened().await;
        let mut room = [0; 4];
        let got = cut.drive(file.read(&mut room), 0, async |_| ()).await;
        let count = got.map_or(0, Result::unwrap);
        assert_eq!(rest(file).await, "0123456789"[count..]);
    },
    "net::fs::File (write)" => |cut| async move {
        let place = Place::new();
        let mut file = place.opened().await;
        file.set_max_buf_size(2);
        // The buffer is full: a write has to wait until it is back.
        file.write_all(b"ab").await.unwrap();
        let got = cut.drive(file.write(b"c"), 0, async |_| ()).await;
        let text = if got.is_some() { "abc3456789" } else { "ab23456789" };
        file.flush().await.unwrap();
        assert_eq!(place.text(), text);
    },
    "net::fs::File (seek)" => |cut| async move {
        let place = Place::new();
        let mut file = place.opened().await;
        file.read_exact(&mut [0; 2]).await.unwrap();
        cut.drive(file.seek(SeekFrom::Start(5)), 0, async |_| ()).await;
        let text = if cut.is_polled() { "56789" } else { "23456789" };
        assert_eq!(rest(file).await, text);
    },
    "net::fs::File (flush)" => |cut| async move {
        let place = Place::new();
        let mut file = place.written().await;
        does(cut, file.flush(), || place.text() == "01ab456789").await;
        assert_eq!(rest(file).await, "456789");
    },
    "net::fs::ReadDir::next_entry" => |cut| async move {
        let place = Place::full();
        let mut entries = fs::read_dir(place.folder.path()).await.unwrap();
        // These came with the directory itself.
        for _ in 0..256 {
            entries.next_entry().await.unwrap().unwrap();
        }
        let got = cut.drive(entries.next_entry(), 0, async |_| ()).await;
        let got = got.map_or(0, |got| usize::from(got.unwrap().is_some()));
        assert_eq!(got + entries.count().await, 301 - 256);
    },
    "net::fs::ReadDir (next)" => |cut| async move {
        let place = Place::full();
        let mut entries = fs::read_dir(place.folder.path()).await.unwrap();
        for _ in 0..256 {
            entries.try_next().await.unwrap().unwrap();
        }
        let got = cut.drive(entries.next(), 0, async |_| ()).await;
        assert_eq!(usize::from(got.is_some()) + entries.count().await, 301 - 256);
    },
    "net::fs::Walk (next)" => |cut| async move {
        let place = Place::full();
        let mut walk = fs::walk(place.folder.path());
        let got = cut.drive(walk.next(), 0, async |_| ()).await;
        assert_eq!(usize::from(got.is_some()) + walk.count().await, 301);
    },
    "net::fs::DirEntry::file_type" => |cut| async move {
        let place = Place::new();
        let entry = fs::read_dir(place.folder.path()).await.unwrap().next().await.unwrap().unwrap();
        asks(cut, || entry.file_type()).await;
    },
    "net::fs::DirEntry::metadata" => |cut| async move {
        let place = Place::new();
        let entry = fs::read_dir(place.folder.path()).await.unwrap().next().await.unwrap().unwrap();
        asks(cut, async || Ok(entry.metadata().await?.len())).await;
    },
    "net::fs::WalkEntry::metadata" => |cut| async move {
        let place = Place::new();
        let entry = fs::walk(place.folder.path()).next().await.unwrap().unwrap();
        asks(cut, async || Ok(entry.metadata().await?.len())).await;
    },
    "net::pipe::Receiver::readable" => |cut| async move {
        let (sender, receiver) = pipe().unwrap();
        assert!(receiver.try_read(&mut [0]).is_err());
        let step = async |_| assert_eq!(sender.try_write(b"x").unwrap(), 1);
        let got = cut.drive(receiver.readable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!((&receiver).read(&mut [0; 2]).await.unwrap(), 1);
    },
    "net::pipe::Sender::writable" => |cut| async move {
        let (sender, receiver) = pipe().unwrap();
        let filled = fill(|| sender.try_write(&[0; 4096]));
        let step = async |_| (&receiver).read_exact(&mut vec![0; filled]).await.unwrap();
        let got = cut.drive(sender.writable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!((&sender).write(b"x").await.unwrap(), 1);
    },
    "net::pipe::Receiver (read)" => |cut| async move {
        let (sender, mut receiver) = pipe().unwrap();
        let mut room = [0; 4];
        let step = async |_| assert_eq!(sender.try_write(b"x").unwrap(), 1);
        let got = cut.drive(receiver.read(&mut room), 2, step).await;
        let mut bytes = room[..got.map_or(0, Result::unwrap)].to_vec();
        drop(sender);
        receiver.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"xx");
    },
    "net::pipe::Sender (write)" => |cut| async move {
        let (mut sender, receiver) = pipe().unwrap();
        let filled = fill(|| sender.try_write(&[0; 4096]));
        let step = async |_| (&receiver).read_exact(&mut vec![0; filled]).await.unwrap();
        let got = cut.drive(sender.write(b"x"), 1, step).await;
        drop(sender);
        let mut left = Vec::new();
        (&receiver).read_to_end(&mut left).await.unwrap();
        assert_eq!(left.len(), got.map_or(0, Result::unwrap));
    },
};

/// A folder with a file of ten bytes.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempdir().unwrap(),
        };
        std::fs::write(place.file(), "0123456789").unwrap();
        place
    }

    /// With 300 more files, which are more than one call brings.
    fn full() -> Self {
        let place = Self::new();
        for number in 0..300 {
            std::fs::write(place.folder.path().join(number.to_string()), "").unwrap();
        }
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn new_name(&self) -> PathBuf {
        self.folder.path().join("new")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn new_text(&self) -> String {
        std::fs::read_to_string(self.new_name()).unwrap_or_default()
    }

    /// A link counts, wherever it leads.
    fn has_new(&self) -> bool {
        self.new_name().symlink_metadata().is_ok()
    }

    fn mode(&self) -> u32 {
        self.file().metadata().unwrap().permissions().mode() & 0o777
    }

    async fn opened(&self) -> File {
        let mut options = File::options();
        options.read(true).write(true);
        options.open(self.file()).await.unwrap()
    }

    /// With two bytes read, and two in the buffer that are not written.
    async fn written(&self) -> File {
        let mut file = self.opened().await;
        file.read_exact(&mut [0; 2]).await.unwrap();
        file.write_all(b"ab").await.unwrap();
        assert_eq!(self.text(), "0123456789");
        file
    }
}

/// A question: dropped, it may be asked again, and the answer is the same.
async fn asks<T: PartialEq + Debug>(cut: &Cut, mut ask: impl AsyncFnMut() -> io::Result<T>) {
    let got = cut.drive(ask(), 0, async |_| ()).await;
    let again = ask().await.unwrap();
    assert!(got.is_none_or(|got| got.unwrap() == again));
}

/// An act: once polled, it is done, soon; never polled, it is not.
async fn does<T>(cut: &Cut, act: impl Future<Output = io::Result<T>>, is_done: impl Fn() -> bool) {
    let got = cut.drive(act, 0, async |_| ()).await;
    assert!(got.is_none_or(|got| got.is_ok()));
    if cut.is_polled() {
        soon(is_done).await;
    } else {
        assert!(!is_done(), "done, and never polled");
    }
}

async fn soon(is_so: impl Fn() -> bool) {
    while !is_so() {
        filch::yield_now().await;
    }
}

async fn rest(mut file: File) -> String {
    let mut rest = String::new();
    file.read_to_string(&mut rest).await.unwrap();
    rest
}

fn fill(mut write: impl FnMut() -> io::Result<usize>) -> usize {
    let mut filled = 0;
    loop {
        match write() {
            Ok(count) => filled += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return filled;
            }
        }
    }
}

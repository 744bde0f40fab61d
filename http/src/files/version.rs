//! What tells one version of a file from another?
//!
//! An entity tag and a date (RFC 9110, section 8.8). The tag is made of the file's length, its inode with its device, and the time of its last change in nanoseconds (`st_ctime`): what the kernel
//! sets itself, whenever bytes, length or name of a file change, and nobody can set back. The time of modification was rejected for it: archives and reproducible builds set it, so that two
//! releases of a file have the same one, and `rsync` keeps it. Length and inode see what happens within one tick of the file system's clock: files that replace each other. The price: the same
//! release has other tags on another machine; behind a balancer that sends a client here and there, revalidation by date still works, for clients that do so.
//!
//! The tag is *weak* as long as the last change is younger than [`SETTLED_SECS`]: the file could be written again within the same tick, and have the same tag with other bytes. A moment later it is
//! strong, and the same otherwise. The date is never more than weak if it was set: then another version may have the same one. The numbers are mixed, since an inode's number is nobody's business; who can make files can look for two that collide, but then serves both.

use http::HeaderValue;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long ago the last change must have been for the tag to be strong. The coarsest file systems in use (FAT) count in steps of 2 s, and no clock that serves files is coarser.
pub(crate) const SETTLED_SECS: i64 = 2;

/// The last second of the year 9999, the last that an HTTP date can name.
const LAST_SECS: i64 = 253_402_300_799;

/// What is known of a file at the moment when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) len: u64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// The last change: seconds since 1970, and nanoseconds.
    pub(crate) changed: (i64, i64),
    /// The last change of the bytes, as far as nobody has set it.
    pub(crate) modified_secs: i64,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified_secs: metadata.mtime(),
        }
    }
}

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// In quotes, without the mark of a weak one.
    opaque: String,
    is_weak: bool,
    modified: Option<SystemTime>,
    /// Whether that is when the kernel saw the last change, and not a time that somebody has set.
    is_modified_then: bool,
}

impl Version {
    pub(crate) fn of(stamp: &Stamp, now: SystemTime) -> Self {
        let now_secs = now.duration_since(UNIX_EPOCH).map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        let numbers = [
            stamp.device,
            stamp.inode,
            stamp.changed.0 as u64,
            stamp.changed.1 as u64,
        ];
        let mixed = numbers.into_iter().fold(stamp.len, mix);
        Self {
            opaque: format!("\"{:x}-{mixed:016x}\"", stamp.len),
            is_weak: now_secs.saturating_sub(stamp.changed.0) < SETTLED_SECS,
            // RFC 9110, section 8.8.2.1: never later than the response.
            modified: date(stamp.modified_secs.min(now_secs)),
            is_modified_then: stamp.modified_secs == stamp.changed.0,
        }
    }

    /// In quotes, without the mark of a weak one.
    pub(crate) fn opaque(&self) -> &str {
        &self.opaque
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// When it was modified, in whole seconds; `None` if an HTTP date cannot say it.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The same, if it is as good as a strong tag: a file that was put in the place of another with the date of that (`rsync`, archives, reproducible builds) has one that says nothing.
    pub(crate) fn strongly_modified(&self) -> Option<SystemTime> {
        self.modified
            .filter(|_| self.is_modified_then && !self.is_weak)
    }

    /// The value of `ETag`.
    pub(crate) fn etag(&self) -> HeaderValue {
        let mark = if self.is_weak { "W/" } else { "" };
        HeaderValue::try_from(format!("{mark}{}", self.opaque)).expect("hexadecimal digits")
    }

    /// The value of `Last-Modified`.
    pub(crate) fn last_modified(&self) -> Option<HeaderValue> {
        let modified = httpdate::fmt_http_date(self.modified?);
        Some(HeaderValue::try_from(modified).expect("a date is text"))
    }
}

fn date(secs: i64) -> Option<SystemTime> {
    let secs = u64::try_from(secs).ok().filter(|_| secs <= LAST_SECS)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(secs))
}

/// One step of splitmix64 (Steele, Lea and Flood, 2014) over a running value.
fn mix(state: u64, number: u64) -> u64 {
    let z = (state ^ number).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    const NOW_SECS: i64 = 1_700_000_000;

    const STAMP: Stamp = Stamp {
        len: 10,
        device: 1,
        inode: 2,
        changed: (NOW_SECS - 100, 3),
        modified_secs: NOW_SECS - 200,
    };

    fn version(stamp: Stamp) -> Version {
        Version::of(&stamp, date(NOW_SECS).expect("a date"))
    }

    #[test]
    fn each_number_makes_another_tag() {
        let others = [
            Stamp { len: 11, ..STAMP },
            Stamp { device: 2, ..STAMP },
            Stamp { inode: 1, ..STAMP },
            Stamp {
                changed: (NOW_SECS - 100, 4),
                ..STAMP
            },
            Stamp {
                changed: (NOW_SECS - 101, 3),
                ..STAMP
            },
        ];
        for other in others {
            assert_ne!(
                version(other).opaque(),
                version(STAMP).opaque(),
                "{other:?}"
            );
        }
        let touched = Stamp {
            modified_secs: 0,
            ..STAMP
        };
        assert_eq!(version(touched).opaque(), version(STAMP).opaque());
    }

    #[test]
    fn a_tag_is_weak_until_the_clock_has_moved_on() {
        for (age, is_weak) in [
            (SETTLED_SECS - 1, true),
            (SETTLED_SECS, false),
            (SETTLED_SECS + 1, false),
            (-5, true),
            (i64::MIN / 2, true),
        ] {
            let young = version(Stamp {
                changed: (NOW_SECS - age, 0),
                ..STAMP
            });
            assert_eq!(young.is_weak(), is_weak, "{age}");
            let text = young.etag();
            let text = text.to_str().expect("text");
            assert_eq!(text.starts_with("W/\""), is_weak, "{text}");
            assert!(text.ends_with(young.opaque()), "{text}");
        }
    }

    #[test]
    fn dates_that_http_can_say_and_others() {
        let modified = |secs| {
            version(Stamp {
                modified_secs: secs,
                ..STAMP
            })
            .modified()
        };
        assert_eq!(modified(0), Some(UNIX_EPOCH));
        assert_eq!(modified(-1), None);
        assert_eq!(modified(i64::MIN), None);
        // What is to come is now.
        assert_eq!(modified(NOW_SECS), date(NOW_SECS));
        assert_eq!(modified(NOW_SECS + 1), date(NOW_SECS));
        assert_eq!(modified(i64::MAX), date(NOW_SECS));
        assert!(date(LAST_SECS - 1).is_some() && date(LAST_SECS).is_some());
        assert_eq!(date(LAST_SECS + 1), None);
        let last = Version {
            modified: date(LAST_SECS),
            ..version(STAMP)
        };
        assert_eq!(
            last.last_modified().expect("a date"),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
        let none = Version {
            modified: None,
            ..last
        };
        assert_eq!(none.last_modified(), None);
    }

    #[test]
    fn a_date_that_was_set_is_weak() {
        let strong = |changed, modified_secs| {
            let changed = (changed, 999_999_999);
            version(Stamp {
                changed,
                modified_secs,
                ..STAMP
            })
            .strongly_modified()
        };
        let then = NOW_SECS - 100;
        assert_eq!(strong(then, then), date(then));
        assert_eq!(strong(then, then - 1), None);
        assert_eq!(strong(then, then + 1), None);
        assert_eq!(strong(NOW_SECS, NOW_SECS), None);
    }

    /// What the kernel says of real files.
    #[test]
    fn whatever_changes_the_bytes_changes_the_tag() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        fs::write(&path, "one").expect("written");
        let stamp = |path| Stamp::of(&fs::metadata(path).expect("it is there"));
        let first = stamp(&path);
        // A replacement of the same length, with the same time of modification.
        let other = folder.path().join("other");
        let mut file = fs::File::create(&other).expect("made");
        file.write_all(b"two").expect("written");
        let old =
            UNIX_EPOCH + Duration::from_secs(u64::try_from(first.modified_secs).expect("now"));
        file.set_modified(old).expect("our file");
        fs::rename(&other, &path).expect("renamed");
        let second = stamp(&path);
        assert_eq!(
            (second.len, second.modified_secs),
            (first.len, first.modified_secs)
        );
        assert_ne!(version(second).opaque(), version(first).opaque());
    }
}

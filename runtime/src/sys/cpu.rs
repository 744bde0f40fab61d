//! How many workers does this process deserve?
//!
//! As many as it can run at the same time, which is the smaller of two numbers, and never less than one:
//!
//! - the CPUs the scheduler may place us on: [`affinity`], sched_getaffinity(2);
//! - the CPU time the control groups grant us per period: [`quota`], cgroups(7).
//!
//! `FILCH_WORKERS` overrides both: whoever sets it knows better.
//!
//! Both may change while the process runs (`taskset -a`, a cpuset, a container that is given more or less). [`Live`] asks again and again, and then for the CPUs that any of the runtime's own
//! threads may use: that is what decides how many of them run at once. Those of the thread that built the runtime, or of the main thread, say nothing any more: a program may pin either for
//! reasons of its own. Where a hook pins each thread to a CPU of its own, all of these count.
//!
//! A quota that is no whole number is rounded **up**: 1.5 CPUs give 2 workers. One worker could never use the
//! half CPU that was paid for; two that are both busy are throttled for the last quarter of each period, and
//! then both wait. A server that is throttled has too much work for its quota with any number of workers.
//! `std::thread::available_parallelism` rounds down, and stops at the 1024 CPUs of a fixed `cpu_set_t` on some
//! of its platforms, which is why we ask ourselves.
//!
//! Every ancestor's limit counts too, so both hierarchies are walked from our group up to the mount point:
//!
//! | hierarchy | our group | where it is mounted | the limit |
//! |---|---|---|---|
//! | v2 | `0::/path` in `/proc/self/cgroup` | fstype `cgroup2` in `/proc/self/mountinfo` | `cpu.max`: `max 100000` or `150000 100000` |
//! | v1 | `n:cpu,cpuacct:/path` | fstype `cgroup` with option `cpu` | `cpu.cfs_quota_us` (-1 is none) and `cpu.cfs_period_us` |
//!
//! In a container the mount shows only a part of the hierarchy, whose root mountinfo names: that prefix is cut
//! from our path. A path that does not lie below the root (another cgroup namespace) leaves the mount point
//! itself, whose limit is the container's. A file that is missing or says something else is no limit: a wrong guess
//! about cgroups must not keep a program from starting.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Overrides the number of workers.
const ENVIRONMENT: &str = "FILCH_WORKERS";

/// CPUs that the first try at the affinity mask has room for; doubled until the kernel's mask fits.
const MASK_CPUS_FIRST: usize = 1024;

/// Where we stop doubling. The kernel's own limit is 8192 (x86, `MAXSMP`, Linux 6.18).
const MASK_CPUS_MAX: usize = 1 << 20;

/// The number of workers that `FILCH_WORKERS` gives a runtime whose builder was told none, if it is set.
///
/// # Errors
///
/// `InvalidInput` when it is set to something that is no positive number.
pub(crate) fn chosen_count() -> io::Result<Option<usize>> {
    std::env::var_os(ENVIRONMENT)
        .map(|value| parse_override(&value))
        .transpose()
}

/// How many CPUs the calling thread, and those that it starts, may use at the same time.
pub(crate) fn count() -> usize {
    combine(affinity(), quota(Path::new("/")))
}

/// How many CPUs this process may use, as it changes.
#[derive(Debug)]
pub(crate) struct Live {
    root: PathBuf,
    /// What `/proc/self/cgroup` said when the limits were found: a process that is moved to another group has others.
    groups: String,
    limits: Limits,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self::at(Path::new("/"))
    }

    /// `root` is `/` except in tests.
    fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            groups: String::new(),
            limits: Limits::default(),
        }
    }

    /// How many CPUs threads with these numbers may use at the same time.
    pub(crate) fn count(&mut self, threads: &[usize]) -> usize {
        combine(affinity_of(threads), self.quota())
    }

    fn quota(&mut self) -> Option<usize> {
        let groups = read(&self.root.join(GROUPS))?;
        if groups != self.groups {
            self.limits = Limits::find(&self.root, &groups);
            self.groups = groups;
        }
        self.limits.smallest()
    }
}

fn parse_override(value: &OsStr) -> io::Result<usize> {
    value
        .to_str()
        .and_then(|text| text.trim().parse().ok())
        .filter(|&count: &usize| count > 0)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{ENVIRONMENT} is {value:?}: set it to a whole number of workers, 1 or more, \
                     or unset it to have one for each CPU"
                ),
            )
        })
}

fn combine(affinity: usize, quota: Option<usize>) -> usize {
    quota.map_or(affinity, |quota| quota.min(affinity)).max(1)
}

/// CPUs the calling thread may run on; what is online when the kernel does not say.
fn affinity() -> usize {
    mask_of(0).map_or_else(online, |mask| ones(&mask))
}

/// CPUs that any of these threads may run on; no limit when the kernel knows none of them (any more).
fn affinity_of(threads: &[usize]) -> usize {
    let mut all: Option<Vec<u64>> = None;
    for mask in threads.iter().filter_map(|&thread| mask_of(thread)) {
        let all = all.get_or_insert_default();
        all.resize(all.len().max(mask.len()), 0);
        all.iter_mut().zip(mask).for_each(|(all, one)| *all |= one);
    }
    all.map_or(usize::MAX, |mask| ones(&mask))
}

/// CPUs in a mask.
pub(crate) fn ones(mask: &[u64]) -> usize {
    mask.iter().map(|word| word.count_ones() as usize).sum()
}

/// The CPUs a thread may run on, a bit for each; 0 is the calling thread.
fn mask_of(thread: usize) -> Option<Vec<u64>> {
    let thread = libc::pid_t::try_from(thread).ok()?;
    let mut cpus = MASK_CPUS_FIRST;
    while cpus <= MASK_CPUS_MAX {
        match mask_of_at_most(thread, cpus) {
            Ok(mask) => return Some(mask),
            // EINVAL: the kernel's mask is longer than ours.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => cpus *= 2,
            Err(_) => break,
        }
    }
    None
}

fn mask_of_at_most(thread: libc::pid_t, cpus: usize) -> io::Result<Vec<u64>> {
    // The kernel's mask is an array of unsigned long, so it is aligned to and a multiple of 8 bytes.
    let mut mask = vec![0_u64; cpus.div_ceil(64)];
    let bytes = mask.len() * size_of::<u64>();
    // SAFETY: the kernel writes at most `bytes` bytes to the pointer, which is exactly the size of `mask`; every
    // bit pattern is a valid u64. `cpu_set_t` is only the name of such an array in the declaration.
    let status = unsafe { libc::sched_getaffinity(thread, bytes, mask.as_mut_ptr().cast()) };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(mask)
}

#[cold]
fn online() -> usize {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1)
}

/// The control groups' limit in whole CPUs, rounded up. `root` is `/` except in tests.
fn quota(root: &Path) -> Option<usize> {
    Live::at(root).quota()
}

/// Which groups this process is in, below the root.
const GROUPS: &str = "proc/self/cgroup";

/// The directories whose limits count: of our groups and their ancestors up to the mount points.
#[derive(Debug, Default)]
struct Limits {
    unified: Vec<PathBuf>,
    legacy: Vec<PathBuf>,
}

impl Limits {
    fn find(root: &Path, groups: &str) -> Self {
        let mounts = read(&root.join("proc/self/mountinfo")).unwrap_or_default();
        let unified = group_unified(groups)
            .and_then(|group| place(&mounts, group, |mount| mount.fstype == "cgroup2"));
        let legacy = group_legacy(groups)
            .and_then(|group| place(&mounts, group, |mount| mount.has_legacy_cpu()));
        Self {
            unified: unified.map_or_else(Vec::new, |place| place.with_ancestors(root)),
            legacy: legacy.map_or_else(Vec::new, |place| place.with_ancestors(root)),
        }
    }

    fn smallest(&self) -> Option<usize> {
        let unified = self.unified.iter().filter_map(|group| limit_unified(group));
        let legacy = self.legacy.iter().filter_map(|group| limit_legacy(group));
        unified.chain(legacy).min()
    }
}

/// Our group in the v2 hierarchy: the line `0::/path`.
fn group_unified(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Our group in the v1 hierarchy of the cpu controller: a line such as `4:cpu,cpuacct:/path`.
fn group_legacy(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|c| c == "cpu").then_some(path)
    })
}

/// A line of mountinfo, proc_pid_mountinfo(5): `36 35 98:0 /root /point opts [tags...] - fstype source options`.
#[derive(Debug)]
struct Mount<'a> {
    root: String,
    point: String,
    fstype: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        Some(Self {
            root: unescape(left.next()?),
            point: unescape(left.next()?),
            fstype: right.next()?,
            options: right.nth(1)?,
        })
    }

    fn has_legacy_cpu(&self) -> bool {
        self.fstype == "cgroup" && self.options.split(',').any(|option| option == "cpu")
    }

    /// `group` as seen below this mount's root, or nothing when it lies outside.
    fn relative<'g>(&self, group: &'g str) -> Option<&'g str> {
        let rest = group.strip_prefix(self.root.trim_end_matches('/'))?;
        let whole_component = rest.is_empty() || rest.starts_with('/');
        let stays_below = !rest.split('/').any(|component| component == "..");
        (whole_component && stays_below).then(|| rest.trim_start_matches('/'))
    }
}

/// mountinfo writes a space, tab, newline or backslash as `\` and three octal digits.
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4);
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

/// A group's directory: the mount point, and our path below it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    point: PathBuf,
    below: PathBuf,
}

/// Finds our group's directory. Among several mounts of a hierarchy one that shows our path is best.
fn place(mounts: &str, group: &str, wanted: impl Fn(&Mount<'_>) -> bool) -> Option<Place> {
    let mounts: Vec<_> = mounts
        .lines()
        .filter_map(Mount::parse)
        .filter(wanted)
        .collect();
    let shown = mounts
        .iter()
        .find_map(|mount| Some((mount, mount.relative(group)?)));
    let (mount, below) = shown.or_else(|| Some((mounts.first()?, "")))?;
    Some(Place {
        point: PathBuf::from(mount.point.trim_start_matches('/')),
        below: PathBuf::from(below),
    })
}

impl Place {
    /// Our group and its ancestors up to the mount point.
    fn with_ancestors(&self, root: &Path) -> Vec<PathBuf> {
        let point = root.join(&self.point);
        // The ancestors of "a/b" are "a/b", "a" and "".
        let groups = self.below.ancestors();
        groups.map(|group| point.join(group)).collect()
    }
}

fn limit_unified(group: &Path) -> Option<usize> {
    let text = read(&group.join("cpu.max"))?;
    let mut words = text.split_whitespace();
    // "max" is no number, hence no limit.
    cpus(words.next()?.parse().ok()?, words.next()?.parse().ok()?)
}

fn limit_legacy(group: &Path) -> Option<usize> {
    let number = |name| read(&group.join(name))?.trim().parse().ok();
    // -1 is no unsigned number, hence no limit.
    cpus(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

/// Whole CPUs, rounded up (see the head of this file).
fn cpus(quota_us: u64, period_us: u64) -> Option<usize> {
    let cpus = quota_us.checked_add(period_us.checked_sub(1)?)? / period_us;
    usize::try_from(cpus.max(1)).ok()
}

/// A whole file as text. Bytes that are no UTF-8 are replaced: such a group's directory is then not found.
fn read(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// For tests of those who follow it.
#[cfg(test)]
pub(crate) mod pinning {
    use super::{mask_of, ones};

    /// Lets a thread run on these CPUs only; 0 is the calling one. False if the system refuses.
    pub(crate) fn pin(thread: usize, mask: &[u64]) -> bool {
        let thread = libc::pid_t::try_from(thread).unwrap();
        // SAFETY: the kernel reads as many bytes as the mask has; only that thread is moved.
        unsafe { libc::sched_setaffinity(thread, size_of_val(mask), mask.as_ptr().cast()) == 0 }
    }

    /// The CPUs of the calling thread, if it has several.
    pub(crate) fn several() -> Option<Vec<u64>> {
        mask_of(0).filter(|mask| ones(mask) > 1)
    }

    /// Of these CPUs the first.
    pub(crate) fn lowest_of(mask: &[u64]) -> Vec<u64> {
        let word = mask.iter().position(|&word| word != 0).unwrap();
        let mut lowest = vec![0; mask.len()];
        lowest[word] = mask[word] & mask[word].wrapping_neg();
        lowest
    }

    /// Lets all threads of this process run on these CPUs only, as `taskset -a` does.
    pub(crate) fn pin_everybody(mask: &[u64]) {
        for thread in std::fs::read_dir("/proc/self/task").unwrap() {
            let name = thread.unwrap().file_name();
            // One that has ended meanwhile needs no pinning.
            let _ = pin(name.to_str().unwrap().parse().unwrap(), mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pinning::{lowest_of, pin};
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A fake file system tree that is gone when the test ends.
    struct Tree(PathBuf);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("filch-cpu-{}-{number}", std::process::id());
            let root = std::env::temp_dir().join(name);
            for (path, text) in files {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn quota_of(files: &[(&str, &str)]) -> Option<usize> {
        quota(&Tree::new(files).0)
    }

    #[test]
    fn a_limit_that_changes_is_seen_and_so_is_a_move_to_another_group() {
        let tree = Tree::new(&[
            ("proc/self/cgroup", "0::/a\n"),
            ("proc/self/mountinfo", UNIFIED),
            ("sys/fs/cgroup/a/cpu.max", "300000 100000\n"),
            ("sys/fs/cgroup/b/cpu.max", "500000 100000\n"),
        ]);
        let change = |path: &str, text: &str| std::fs::write(tree.0.join(path), text).unwrap();
        let mut live = Live::at(&tree.0);
        assert_eq!(live.quota(), Some(3));
        change("sys/fs/cgroup/a/cpu.max", "200000 100000\n");
        assert_eq!(live.quota(), Some(2));
        change("sys/fs/cgroup/a/cpu.max", "max 100000\n");
        assert_eq!(live.quota(), None);
        change("proc/self/cgroup", "0::/b\n");
        assert_eq!(live.quota(), Some(5));
        std::fs::remove_file(tree.0.join("sys/fs/cgroup/b/cpu.max")).unwrap();
        assert_eq!(live.quota(), None);
        std::fs::remove_file(tree.0.join("proc/self/cgroup")).unwrap();
        assert_eq!(live.quota(), None);
    }

    #[test]
    fn all_that_any_of_the_threads_may_use_counts() {
        assert_eq!(affinity_of(&[]), usize::MAX);
        // No thread has such a number: pid_max is 4194304 at most, proc_sys_kernel(5).
        assert_eq!(affinity_of(&[1 << 30, usize::MAX]), usize::MAX);
        let own = crate::sys::thread_state::own_number().unwrap();
        assert_eq!(affinity_of(&[own, own, 1 << 30]), affinity());
        std::thread::spawn(move || {
            let all = mask_of(0).unwrap();
            let pinned = crate::sys::thread_state::own_number().unwrap();
            if pin(0, &lowest_of(&all)) {
                assert_eq!(affinity_of(&[pinned]), 1);
                assert_eq!(affinity_of(&[pinned, own]), ones(&all));
            }
        })
        .join()
        .unwrap();
    }

    const UNIFIED: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const LEGACY: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

    #[test]
    fn the_machine_we_run_on_gives_at_least_one() {
        let count = affinity();
        assert!(count >= 1);
        assert!(combine(count, quota(Path::new("/"))) >= 1);
    }

    #[test]
    fn a_mask_that_is_too_short_is_doubled() {
        // 64 bits are less than the mask of most kernels, which answer EINVAL; the others say the same number.
        match mask_of_at_most(0, 64) {
            Ok(mask) => assert_eq!(ones(&mask), affinity()),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EINVAL)),
        }
        assert_eq!(ones(&mask_of_at_most(0, 1 << 16).unwrap()), affinity());
    }

    #[test]
    fn affinity_counts_only_the_cpus_we_may_use() {
        std::thread::spawn(|| {
            let all = mask_of(0).unwrap();
            if pin(0, &lowest_of(&all)) {
                assert_eq!(affinity(), 1);
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn never_below_one_and_never_above_the_cpus() {
        assert_eq!(combine(0, None), 1);
        assert_eq!(combine(8, None), 8);
        assert_eq!(combine(8, Some(3)), 3);
        assert_eq!(combine(2, Some(64)), 2);
        assert_eq!(combine(0, Some(0)), 1);
    }

    #[test]
    fn the_environment_wins_or_is_refused_with_a_remedy() {
        let parse = |text: &str| parse_override(OsStr::new(text));
        assert_eq!(parse("1").unwrap(), 1);
        assert_eq!(parse(" 12 ").unwrap(), 12);
        for nonsense in [
            "",
            "0",
            "-1",
            "two",
            "1.5",
            "0x2",
            "99999999999999999999999",
        ] {
            let error = parse(nonsense).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.contains(ENVIRONMENT) && text.contains("unset it"),
                "{text}"
            );
        }
    }

    #[test]
    fn quotas_are_rounded_up() {
        assert_eq!(cpus(100_000, 100_000), Some(1));
        assert_eq!(cpus(150_000, 100_000), Some(2));
        assert_eq!(cpus(200_000, 100_000), Some(2));
        assert_eq!(cpus(200_001, 100_000), Some(3));
        assert_eq!(cpus(1, 100_000), Some(1));
        assert_eq!(cpus(0, 100_000), Some(1));
        assert_eq!(cpus(100_000, 0), None);
        assert_eq!(cpus(u64::MAX, 100_000), None);
    }

    #[test]
    fn v2_takes_the_smallest_of_all_ancestors() {
        let files = |own, parent, top| {
            [
                ("proc/self/cgroup", "0::/app.slice/job\n"),
                ("proc/self/mountinfo", UNIFIED),
                ("sys/fs/cgroup/app.slice/job/cpu.max", own),
                ("sys/fs/cgroup/app.slice/cpu.max", parent),
                ("sys/fs/cgroup/cpu.max", top),
            ]
        };
        let max = "max 100000\n";
        assert_eq!(quota_of(&files("400000 100000\n", max, max)), Some(4));
        assert_eq!(
            quota_of(&files("400000 100000\n", "150000 100000\n", max)),
            Some(2)
        );
        assert_eq!(quota_of(&files(max, max, "50000 100000\n")), Some(1));
        assert_eq!(quota_of(&files(max, max, max)), None);
        assert_eq!(quota_of(&files("", "max", "nonsense")), None);
    }

    #[test]
    fn v2_in_a_container() {
        // Without a cgroup namespace our path is the host's, and the mount shows only the container's part of it.
        let mount = "30 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
        let files = |group| {
            [
                ("proc/self/cgroup", group),
                ("proc/self/mountinfo", mount),
                ("sys/fs/cgroup/cpu.max", "300000 100000\n"),
                ("sys/fs/cgroup/inner/cpu.max", "200000 100000\n"),
            ]
        };
        assert_eq!(quota_of(&files("0::/docker/ab\n")), Some(3));
        assert_eq!(quota_of(&files("0::/docker/ab/inner\n")), Some(2));
        // Neighbours that merely share letters, and paths outside, fall back to the mount point.
        assert_eq!(quota_of(&files("0::/docker/abc/inner\n")), Some(3));
        assert_eq!(quota_of(&files("0::/docker/ab/../inner\n")), Some(3));
        assert_eq!(quota_of(&files("0::/../../x\n")), Some(3));
    }

    #[test]
    fn v1_takes_the_smallest_of_all_ancestors() {
        let files = |own, parent| {
            [
                (
                    "proc/self/cgroup",
                    "9:cpuset:/other\n4:cpu,cpuacct:/a/b\n1:name=systemd:/x\n",
                ),
                ("proc/self/mountinfo", LEGACY),
                ("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", own),
                (
                    "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us",
                    "100000\n",
                ),
                ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", parent),
                ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n"),
            ]
        };
        assert_eq!(quota_of(&files("250000\n", "-1\n")), Some(3));
        assert_eq!(quota_of(&files("-1\n", "100000\n")), Some(2));
        assert_eq!(quota_of(&files("250000\n", "50000\n")), Some(1));
        assert_eq!(quota_of(&files("-1\n", "-1\n")), None);
    }

    #[test]
    fn v1_in_a_container() {
        let files = [
            ("proc/self/cgroup", "4:cpuacct,cpu:/docker/ab\n0::/\n"),
            (
                "proc/self/mountinfo",
                "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpuacct,cpu\n",
            ),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "120000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(2));
    }

    #[test]
    fn both_hierarchies_at_once_give_the_smaller() {
        let mounts = format!("{LEGACY}{UNIFIED}").replace(
            "/sys/fs/cgroup rw,nosuid",
            "/sys/fs/cgroup/unified rw,nosuid",
        );
        let files = [
            ("proc/self/cgroup", "4:cpu,cpuacct:/\n0::/\n"),
            ("proc/self/mountinfo", mounts.as_str()),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "700000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/unified/cpu.max", "500000 100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(5));
    }

    #[test]
    fn no_control_groups_are_no_limit() {
        assert_eq!(quota_of(&[("proc/self/cgroup", "")]), None);
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", "garbage\n1 2 3\n - \n"),
        ];
        assert_eq!(quota_of(&files), None);
    }

    #[test]
    fn mount_points_with_spaces_are_read() {
        assert_eq!(unescape("/a\\040b\\134c"), "/a b\\c");
        assert_eq!(unescape("/plain\\"), "/plain\\");
        assert_eq!(unescape("\\9é9"), "\\9é9");
        let mounts = "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("proc/self/cgroup", "0::/x\n"),
            ("proc/self/mountinfo", mounts),
            ("my groups/x/cpu.max", "100000 100000\n"),
        ];
        assert_eq!(quota_of(&files), Some(1));
    }
}

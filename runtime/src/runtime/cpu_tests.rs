//! Are as many workers active as there are CPUs, and does nothing get lost with those that are surplus?
//!
//! Tasks that *meet* block their workers until all have begun, and so run on as many of them. Most runtimes here have no spares, which would run what a worker should.

use super::{Builder, Runtime};
use crate::io::{AsyncFd, Interest, Placement};
use crate::sched::context::with_core;
use crate::sys::cpu::{self, pinning};
use crate::sys::sync::{Mutex, thread};
use crate::task::JoinHandle;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// A machine whose CPUs come and go.
#[derive(Clone)]
struct Machine(Arc<AtomicUsize>);

impl Machine {
    fn new(cpus: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(cpus)))
    }

    fn runtime(&self, workers: usize, spares: usize) -> Runtime {
        let cpus = self.0.clone();
        let builder = Builder::new().worker_threads(workers);
        let builder = builder.follow_cpu_limits(true).max_spare_workers(spares);
        let source = Box::new(move |_: &[usize]| cpus.load(Ordering::Relaxed));
        builder.cpu_source(source).build().unwrap()
    }

    /// Waits until only so many are active and the others are on the bench.
    fn shrink(&self, rt: &Runtime, cpus: usize) {
        self.change(rt, cpus);
        (cpus.max(1)..rt.handle().workers()).for_each(|worker| {
            until(rt, || rt.handle().inner().sched.is_on_bench(worker));
        });
    }

    fn change(&self, rt: &Runtime, cpus: usize) {
        self.0.store(cpus, Ordering::Relaxed);
        let active = cpus.clamp(1, rt.handle().workers());
        until(rt, || rt.handle().inner().sched.active() == active);
    }
}

/// Waits until it is so. A test that hangs has failed. The sentinel asks while something is done.
fn until(rt: &Runtime, is_so: impl Fn() -> bool) {
    while !is_so() {
        rt.block_on(rt.spawn(async {})).unwrap();
        // Nothing is pushed meanwhile.
        for _ in 0..100 {
            if is_so() {
                return;
            }
            thread::yield_now();
        }
    }
}

fn worker() -> Option<usize> {
    with_core(|core| core.and_then(|core| core.worker()))
}

/// Begins `work`, which is told its worker, on each of so many workers at the same time.
fn on_each<F>(
    rt: &Runtime,
    workers: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Vec<JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let all = Arc::new(Barrier::new(workers + 1));
    let task = |_| {
        let (all, work) = (all.clone(), work.clone());
        rt.spawn(async move {
            all.wait();
            work(worker().unwrap()).await
        })
    };
    let tasks = (0..workers).map(task).collect();
    // Before that, none may become surplus.
    all.wait();
    tasks
}

fn join<T>(rt: &Runtime, tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let results = tasks.into_iter().map(|task| rt.block_on(task).unwrap());
    results.collect()
}

#[test]
fn surplus_workers_get_no_descriptors_that_are_placed() {
    let machine = Machine::new(4);
    let rt = machine.runtime(4, 0);
    let metrics = rt.metrics();
    let counts = || [0, 1, 2, 3].map(|worker| metrics.worker_source_count(worker));
    let place = |index: usize| {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let placement = match index % 2 {
            0 => Placement::Balanced,
            _ => Placement::Worker(index),
        };
        AsyncFd::with_placement(ours, Interest::Both, placement).unwrap()
    };
    machine.shrink(&rt, 2);
    let outside: Vec<_> = rt.block_on(async { (0..50).map(place).collect() });
    let inside = rt.block_on(rt.spawn(async move { (0..50).map(place).collect::<Vec<_>>() }));
    let [first, second, third, fourth] = counts();
    assert_eq!([first + second, third, fourth], [100, 0, 0]);
    assert!(first.abs_diff(second) <= 20, "{first} and {second}");
    drop((outside, inside));
    assert_eq!(counts(), [0; 4]);
    machine.change(&rt, 4);
    let back: Vec<_> = rt.block_on(async { [3, 7].map(place).into() });
    assert_eq!(counts(), [0, 0, 0, 2]);
    drop(back);
}

#[test]
fn surplus_workers_run_nothing_and_come_back() {
    let machine = Machine::new(4);
    let rt = machine.runtime(4, 0);
    for cpus in [1, 2, 3, 4, 0, 9, 2] {
        machine.shrink(&rt, cpus);
        let cpus = cpus.clamp(1, 4);
        // Some are spawned by others, and wait in between.
        let task = || async {
            let child = crate::spawn(async {
                crate::yield_now().await;
                worker().unwrap()
            });
            child.await.unwrap().max(worker().unwrap())
        };
        let tasks = rt.handle().spawn_batch((0..500).map(|_| task()));
        assert!(join(&rt, tasks).into_iter().all(|worker| worker < cpus));
        // And as many as there are CPUs run at the same time.
        let mut workers = join(&rt, on_each(&rt, cpus, async |worker| worker));
        workers.sort_unstable();
        assert!(workers.into_iter().eq(0..cpus));
    }
}

/// What stands behind polls that last while the number of CPUs falls is run by those that stay.
#[test]
fn who_retires_hands_over_what_it_has() {
    let machine = Machine::new(3);
    let rt = machine.runtime(3, 0);
    let (send, receive) = channel::<Sender<()>>();
    let tasks = on_each(&rt, 3, move |own| {
        let send = send.clone();
        async move {
            let children: Vec<_> = (0..50).map(|_| crate::spawn(async { worker() })).collect();
            let (go, may_go) = channel();
            send.send(go).unwrap();
            may_go.recv().unwrap();
            (own, children)
        }
    });
    let go: Vec<_> = receive.iter().take(3).collect();
    // By then each was told to look up from its batch.
    while !rt
        .handle()
        .inner()
        .sched
        .snapshot()
        .workers
        .iter()
        .all(|worker| worker.now.is_some())
    {
        thread::yield_now();
    }
    machine.0.store(1, Ordering::Relaxed);
    while rt.handle().inner().sched.active() != 1 {
        thread::yield_now();
    }
    go.into_iter().for_each(|go| go.send(()).unwrap());
    for (_, children) in join(&rt, tasks) {
        assert!(
            join(&rt, children)
                .into_iter()
                .all(|worker| worker == Some(0))
        );
    }
}

/// What is registered with a worker on the bench is served there, and runs elsewhere.
#[test]
fn descriptors_and_timers_of_surplus_workers_are_served() {
    let machine = Machine::new(3);
    let rt = machine.runtime(3, 0);
    for round in 1.. {
        let (send, receive) = channel::<UnixStream>();
        let tasks = on_each(&rt, 3, move |_| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            theirs.set_nonblocking(true).unwrap();
            // Registered here and now.
            let theirs = AsyncFd::new(theirs).unwrap();
            send.send(ours).unwrap();
            async move {
                let mut byte = [0];
                let got = theirs.async_read(|mut stream| stream.read(&mut byte));
                got.await.map(|_| (byte[0], worker()))
            }
        });
        let writers: Vec<_> = receive.iter().take(3).collect();
        let after = Duration::from_millis(20 * round);
        let sleepers = on_each(&rt, 3, move |_| async move {
            crate::time::sleep(after).await;
            worker()
        });
        machine.shrink(&rt, 1);
        for mut stream in writers {
            stream.write_all(&[7]).unwrap();
        }
        for got in join(&rt, tasks) {
            assert_eq!(got.unwrap(), (7, Some(0)));
        }
        // Unless one of them has woken up before the workers were on the bench.
        if join(&rt, sleepers)
            .into_iter()
            .all(|worker| worker == Some(0))
        {
            break;
        }
        machine.change(&rt, 3);
    }
}

#[test]
fn spares_go_on_when_the_active_workers_are_stuck() {
    let machine = Machine::new(3);
    let rt = machine.runtime(3, 2);
    machine.shrink(&rt, 1);
    let (send, receive) = channel();
    let receive = Arc::new(Mutex::new(receive));
    let stuck = on_each(&rt, 1, move |own| {
        // Within the poll.
        let got = receive.lock().recv();
        async move { (own, got) }
    });
    let helper = rt.spawn(async move {
        send.send(7).unwrap();
        worker()
    });
    assert_eq!(join(&rt, stuck), [(0, Ok(7))]);
    let helper = rt.block_on(helper).unwrap();
    assert_eq!(helper, None, "a spare has no worker's number");
}

/// The core of a worker that is to retire goes to another thread meanwhile.
#[test]
fn who_has_handed_its_core_off_retires_too() {
    let machine = Machine::new(2);
    let rt = machine.runtime(2, 0);
    let (send, receive) = channel();
    let tasks = on_each(&rt, 2, move |_| {
        let (give, given) = channel::<()>();
        send.send(give).unwrap();
        async move {
            let waits = crate::spawn_blocking(move || given.recv().is_err());
            crate::runtime::Handle::current().block_on(waits).unwrap()
        }
    });
    let give: Vec<_> = receive.iter().take(2).collect();
    machine.shrink(&rt, 1);
    drop(give);
    assert_eq!(join(&rt, tasks), [true, true]);
    machine.change(&rt, 2);
    assert_eq!(join(&rt, on_each(&rt, 2, async |_| ())).len(), 2);
}

#[test]
fn a_runtime_ends_with_workers_on_the_bench_or_on_their_way() {
    for round in 0..30 {
        let machine = Machine::new(1 + round % 3);
        let rt = machine.runtime(4, round % 2);
        let witness = Arc::new(());
        for _ in 0..20 {
            let own = witness.clone();
            rt.spawn(async move {
                crate::time::sleep(Duration::from_secs(3600)).await;
                drop(own);
            })
            .detach();
        }
        if round % 4 < 2 {
            machine.shrink(&rt, 1);
        }
        if round % 4 == 1 {
            machine.change(&rt, 3);
        }
        drop(rt);
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}

/// Everything at once, while CPUs come and go.
#[test]
fn nothing_is_lost_while_cpus_come_and_go() {
    let machine = Machine::new(4);
    let rt = machine.runtime(4, 2);
    for round in 0..20 {
        let tasks = rt
            .handle()
            .spawn_batch((0..200_u64).map(|number| async move {
                for step in 0..number % 5 {
                    if step == 3 {
                        crate::time::sleep(Duration::from_millis(number % 3)).await;
                    }
                    crate::yield_now().await;
                }
                crate::spawn(async move { number }).await.unwrap()
            }));
        machine.change(&rt, [1, 4, 2, 3, 1, 2][round % 6]);
        assert_eq!(join(&rt, tasks).into_iter().sum::<u64>(), 199 * 100);
    }
}

#[test]
fn a_number_that_was_chosen_is_followed_only_if_told_to() {
    let is_asked = Arc::new(AtomicUsize::new(0));
    let build = |follow: Option<bool>| {
        let is_asked = is_asked.clone();
        let mut builder = Builder::new().worker_threads(2);
        if let Some(follow) = follow {
            builder = builder.follow_cpu_limits(follow);
        }
        let source = Box::new(move |_: &[usize]| is_asked.fetch_add(1, Ordering::Relaxed));
        builder.cpu_source(source).build().unwrap()
    };
    for fixed in [build(None), build(Some(false))] {
        assert_eq!(fixed.block_on(fixed.spawn(async { 7 })).unwrap(), 7);
        // It would be asked by the sentinel's first look; wait for one that has counted something.
        let (send, receive) = channel::<()>();
        let stuck = fixed.spawn(async move { receive.recv().is_err() });
        while !has_long_poll(&fixed) {
            thread::yield_now();
        }
        drop(send);
        assert!(fixed.block_on(stuck).unwrap());
    }
    assert_eq!(is_asked.load(Ordering::Relaxed), 0);
    let followed = build(Some(true));
    until(&followed, || is_asked.load(Ordering::Relaxed) > 0);
}

fn has_long_poll(rt: &Runtime) -> bool {
    let snapshot = rt.handle().inner().sched.snapshot();
    snapshot.workers.iter().any(|worker| worker.now.is_some())
}

/// Runs a test of this file once more, in a process of its own; there it returns true.
fn in_own_process(test: &str, prepare: impl FnOnce(u32)) -> bool {
    const CHILD: &str = "FILCH_TEST_CHILD";
    if std::env::var_os(CHILD).is_some_and(|child| child == test) {
        // Until the parent is ready.
        io::stdin().read_exact(&mut [0]).unwrap();
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("runtime::cpu_tests::{test}"),
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, test)
        .env_remove("FILCH_WORKERS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    prepare(child.id());
    child.stdin.take().unwrap().write_all(&[0]).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

fn until_active(rt: &Runtime, count: usize) {
    until(rt, || rt.handle().inner().sched.active() == count);
}

#[test]
fn the_affinity_of_the_process_is_followed() {
    if !in_own_process("the_affinity_of_the_process_is_followed", |_| {}) {
        return;
    }
    let Some(all) = pinning::several() else {
        println!("skipped: there is one CPU only");
        return;
    };
    let rt = Builder::new().build().unwrap();
    let workers = rt.handle().workers();
    if workers == 1 {
        println!("skipped: the control group allows one CPU only");
        return;
    }
    until_active(&rt, workers);
    for _ in 0..3 {
        pinning::pin_everybody(&pinning::lowest_of(&all));
        until_active(&rt, 1);
        pinning::pin_everybody(&all);
        until_active(&rt, workers);
    }
    // The thread that built the runtime does not count.
    assert!(pinning::pin(0, &pinning::lowest_of(&all)));
    for _ in 0..10 {
        rt.block_on(crate::time::sleep(Duration::from_millis(2)));
        assert_eq!(rt.handle().inner().sched.active(), workers);
    }
}

/// A control group of a test's own, which limits CPU time.
struct Group {
    path: PathBuf,
    is_unified: bool,
}

impl Group {
    fn new(parent: &str, is_unified: bool) -> io::Result<Self> {
        let file = if is_unified {
            "cgroup.subtree_control"
        } else {
            "cpu.cfs_quota_us"
        };
        // Elsewhere a group would be a directory like any other.
        fs::metadata(Path::new(parent).join(file))?;
        let path = Path::new(parent).join(format!("filch-test-{}", std::process::id()));
        fs::create_dir(&path)?;
        let group = Self { path, is_unified };
        // The controller may not be on for children of the parent.
        group.limit(Some(100_000)).map(|()| group)
    }

    /// To so many microseconds in 100 ms.
    fn limit(&self, quota_us: Option<u32>) -> io::Result<()> {
        let quota = quota_us.map(|quota| quota.to_string());
        if self.is_unified {
            let quota = quota.unwrap_or_else(|| "max".to_owned());
            return fs::write(self.path.join("cpu.max"), format!("{quota} 100000"));
        }
        fs::write(self.path.join("cpu.cfs_period_us"), "100000")?;
        let quota = quota.unwrap_or_else(|| "-1".to_owned());
        fs::write(self.path.join("cpu.cfs_quota_us"), quota)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// A process is put into a group of its own whose quota then changes.
fn follows_a_quota(test: &str, parent: &str, is_unified: bool) {
    let mut group = None;
    let is_child = in_own_process(test, |child| {
        let made = Group::new(parent, is_unified).and_then(|own| {
            fs::write(own.path.join("cgroup.procs"), child.to_string())?;
            Ok(own)
        });
        match made {
            Ok(own) => group = Some(own),
            Err(error) => println!("no control group can be made in {parent}: {error}"),
        }
    });
    if !is_child {
        return;
    }
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let Some(at) = groups.find("/filch-test-") else {
        println!("skipped: not in a group of its own");
        return;
    };
    let own = groups[at + 1..].lines().next().unwrap();
    let path = Path::new(parent).join(own);
    // The parent removes it.
    let group = std::mem::ManuallyDrop::new(Group { path, is_unified });
    let builder = Builder::new().worker_threads(3).follow_cpu_limits(true);
    let rt = builder.build().unwrap();
    until_active(&rt, 1);
    group.limit(None).unwrap();
    let cpus = pinning::several().map_or(1, |mask| cpu::ones(&mask)).min(3);
    until_active(&rt, cpus);
    group.limit(Some(50_000)).unwrap();
    until_active(&rt, 1);
    group.limit(Some(150_000)).unwrap();
    until_active(&rt, cpus.min(2));
}

#[test]
fn a_quota_of_version_2_is_followed() {
    follows_a_quota("a_quota_of_version_2_is_followed", "/sys/fs/cgroup", true);
}

#[test]
fn a_quota_of_version_1_is_followed() {
    follows_a_quota(
        "a_quota_of_version_1_is_followed",
        "/sys/fs/cgroup/cpu",
        false,
    );
}

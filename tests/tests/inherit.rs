//! Does a service get its manager's sockets, once, and does the manager hear what it is told?
//!
//! The manager is the test, the service a child: the test's own binary, which runs the same test again.

use filch_net::inherit::{
    self, FDS_MAX, Notice, Socket, listeners, notify, sockets, store, unstore, watchdog,
    watchdog_timeout,
};
use filch_net::{TcpListener, TcpStream};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use futures_lite::AsyncReadExt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Tells the child that it is one.
const SERVICE: &str = "FILCH_TEST_SERVICE";

fn is_service(name: &str) -> bool {
    std::env::var_os(SERVICE).is_some_and(|value| value == name)
}

/// A service as a manager starts it, which runs the test called `name`: these are its descriptors from 3 on, and `LISTEN_PID` is its own number, which only the child itself knows.
fn service(name: &str, descriptors: Vec<OwnedFd>) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ WATCHDOG_PID=$$ exec \"$0\" \"$@\""]);
    command
        .arg(own)
        .args([name, "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(SERVICE, name)
        .env("LISTEN_FDS", descriptors.len().to_string());
    // Out of the way of the numbers that they shall have.
    let descriptors: Vec<_> = descriptors.iter().map(moved_up).collect();
    let place = move || {
        for (number, descriptor) in (3..).zip(&descriptors) {
            // SAFETY: dup2 takes two numbers; it may be called between fork and exec.
            if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } == -1 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: it calls dup2 only, and allocates nothing.
    unsafe { command.pre_exec(place) };
    command
}

fn moved_up(descriptor: &OwnedFd) -> OwnedFd {
    // SAFETY: this fcntl takes three numbers, and makes a descriptor for us.
    let copy = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 100) };
    assert!(copy >= 100);
    // SAFETY: it was just made for us.
    unsafe { OwnedFd::from_raw_fd(copy) }
}

fn run(command: &mut Command) {
    let output: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "it did not run: {said}");
}

fn is_close_on_exec(descriptor: &impl AsFd) -> bool {
    // SAFETY: F_GETFD takes a number.
    let flags = unsafe { libc::fcntl(descriptor.as_fd().as_raw_fd(), libc::F_GETFD) };
    flags & libc::FD_CLOEXEC != 0
}

// Sockets.

#[test]
fn sockets_come_by_their_kind_and_name_and_once() {
    const NAME: &str = "sockets_come_by_their_kind_and_name_and_once";
    if is_service(NAME) {
        let all = sockets().unwrap();
        let names: Vec<_> = all
            .iter()
            .map(|inherited| inherited.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "web",
                "",
                "web",
                "dns",
                "log",
                "pair",
                "null",
                "stored stream"
            ]
        );
        let again = sockets().unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert!(
            again
                .to_string()
                .starts_with("take descriptor 3 of LISTEN_FDS (web): "),
            "{again}"
        );
        let mut kinds = all.into_iter().map(|inherited| inherited.socket);
        let mut next = || kinds.next().unwrap();
        let Socket::TcpListener(tcp) = next() else {
            panic!()
        };
        assert!(is_close_on_exec(&tcp));
        let Socket::UnixListener(unix) = next() else {
            panic!()
        };
        assert!(is_close_on_exec(&unix));
        let Socket::TcpListener(_) = next() else {
            panic!()
        };
        let Socket::UdpSocket(udp) = next() else {
            panic!()
        };
        udp.set_nonblocking(true).unwrap();
        let Socket::UnixDatagram(_) = next() else {
            panic!()
        };
        let Socket::UnixStream(mut pair) = next() else {
            panic!()
        };
        pair.write_all(b"hello").unwrap();
        let Socket::Other(null) = next() else {
            panic!()
        };
        assert!(is_close_on_exec(&null));
        let Socket::TcpStream(_) = next() else {
            panic!()
        };
        // It listens, and the runtime takes it.
        let addr = tcp.local_addr().unwrap();
        let rt = filch::Runtime::new().unwrap();
        rt.block_on(async {
            let listener = TcpListener::from_std(tcp).unwrap();
            let client = TcpStream::connect(addr).await.unwrap();
            let (mut served, _) = listener.accept().await.unwrap();
            drop(client);
            assert_eq!(served.read(&mut [0]).await.unwrap(), 0);
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let descriptors = vec![
        tcp.try_clone().unwrap().into(),
        UnixListener::bind(folder.path().join("listener"))
            .unwrap()
            .into(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        UnixDatagram::bind(folder.path().join("datagrams"))
            .unwrap()
            .into(),
        theirs.into(),
        File::open("/dev/null").unwrap().into(),
        stream.into(),
    ];
    // A connection waits already, which the service must not take for its own.
    let (_waiting, _) = tcp.accept().unwrap();
    let mut service = service(NAME, descriptors);
    run(service.env("LISTEN_FDNAMES", "web::web:dns:log:pair:null:stored stream"));
    drop(service);
    let mut word = [0; 5];
    ours.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"hello");
}

#[test]
fn without_names_all_are_unknown() {
    const NAME: &str = "without_names_all_are_unknown";
    if is_service(NAME) {
        let mut all = sockets().unwrap();
        assert_eq!((all.len(), all[0].name.as_str()), (1, "unknown"));
        assert!(matches!(all.pop().unwrap().socket, Socket::TcpListener(_)));
        return;
    }
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    run(&mut service(NAME, vec![tcp.into()]));
}

#[test]
fn those_who_listen_are_found_among_others() {
    const NAME: &str = "those_who_listen_are_found_among_others";
    if is_service(NAME) {
        assert_eq!(listeners().unwrap().len(), 1);
        return;
    }
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let null = File::open("/dev/null").unwrap();
    run(&mut service(NAME, vec![null.into(), tcp.into()]));
}

/// What the environment says for a service that has one descriptor, and what comes of it; `None` is no error and no sockets.
const WRONG: &[(&str, &str, Option<ErrorKind>, &str)] = &[
    ("LISTEN_FDS", "0", None, ""),
    ("LISTEN_FDS", "", None, ""),
    (
        "LISTEN_FDS",
        "x",
        Some(ErrorKind::InvalidData),
        "LISTEN_FDS is \"x\"",
    ),
    (
        "LISTEN_FDS",
        "-1",
        Some(ErrorKind::InvalidData),
        "LISTEN_FDS is \"-1\"",
    ),
    (
        "LISTEN_FDS",
        "2147483645",
        Some(ErrorKind::InvalidData),
        "cannot be more",
    ),
    (
        "LISTEN_FDNAMES",
        "a:b",
        Some(ErrorKind::InvalidData),
        "LISTEN_FDNAMES has 2 names",
    ),
];

#[test]
fn a_wrong_environment_is_an_error_and_takes_nothing() {
    const NAME: &str = "a_wrong_environment_is_an_error_and_takes_nothing";
    if is_service(NAME) {
        let row: usize = std::env::var("FILCH_TEST_ROW").unwrap().parse().unwrap();
        let (_, _, kind, words) = WRONG[row];
        match sockets() {
            Ok(all) => assert!(kind.is_none() && all.is_empty()),
            Err(error) => {
                assert_eq!(Some(error.kind()), kind);
                assert!(error.to_string().contains(words), "{error}");
            }
        }
        // SAFETY: F_GETFD takes a number.
        let flags = unsafe { libc::fcntl(3, libc::F_GETFD) };
        assert_eq!(flags, 0, "it is as it was");
        return;
    }
    for (row, (name, value, ..)) in WRONG.iter().enumerate() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut service = service(NAME, vec![tcp.into()]);
        run(service
            .env(name, value)
            .env("FILCH_TEST_ROW", row.to_string()));
    }
}

#[test]
fn a_descriptor_that_is_not_open_is_an_error_with_its_number() {
    const NAME: &str = "a_descriptor_that_is_not_open_is_an_error_with_its_number";
    if is_service(NAME) {
        for _ in 0..2 {
            let error = sockets().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("take descriptor 4 of LISTEN_FDS (unknown): "),
                "{error}"
            );
        }
        return;
    }
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // As many as there can be: nothing is made for each of them.
    for count in ["2", "2147483644"] {
        let tcp = tcp.try_clone().unwrap();
        run(service(NAME, vec![tcp.into()]).env("LISTEN_FDS", count));
    }
}

#[test]
fn what_is_for_another_process_is_left_alone() {
    in_child("what_is_for_another_process_is_left_alone", || {
        // SAFETY: this process has one thread that looks at the environment.
        let set = |name: &str, value: &str| unsafe { std::env::set_var(name, value) };
        set("LISTEN_FDS", "1");
        assert!(sockets().unwrap().is_empty(), "LISTEN_PID is not set");
        set("LISTEN_PID", "1");
        assert!(sockets().unwrap().is_empty());
        assert!(listeners().unwrap().is_empty());
        set("WATCHDOG_USEC", "1000");
        assert_eq!(watchdog_timeout().unwrap(), Some(Duration::from_millis(1)));
        set("WATCHDOG_PID", "1");
        assert_eq!(watchdog_timeout().unwrap(), None);
        set("WATCHDOG_PID", &std::process::id().to_string());
        assert_eq!(watchdog_timeout().unwrap(), Some(Duration::from_millis(1)));
        for wrong in ["0", "x", "-5"] {
            set("WATCHDOG_USEC", wrong);
            assert_eq!(
                watchdog_timeout().unwrap_err().kind(),
                ErrorKind::InvalidData
            );
        }
        set("WATCHDOG_PID", "me");
        assert_eq!(
            watchdog_timeout().unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        set("LISTEN_PID", "me");
        assert_eq!(sockets().unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

// What the manager is told.

/// A manager's socket, by a path or an abstract name, and how it is called.
fn managers() -> Vec<(tempfile::TempDir, UnixDatagram, String)> {
    let folder = || tempfile::tempdir().unwrap();
    let by_path = folder();
    let path = by_path.path().join("notify");
    let with_path = UnixDatagram::bind(&path).unwrap();
    // Several tests of this process have managers at a time.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("filch-test-{}-{number}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    let with_name = UnixDatagram::bind_addr(&addr).unwrap();
    vec![
        (by_path, with_path, path.to_str().unwrap().to_owned()),
        (folder(), with_name, format!("@{name}")),
    ]
}

#[test]
fn notices_arrive_in_order_and_together() {
    const NAME: &str = "notices_arrive_in_order_and_together";
    if is_service(NAME) {
        assert!(notify(&[Notice::Ready, Notice::Status("it works")]).unwrap());
        assert!(notify(&[Notice::Reloading]).unwrap());
        assert!(notify(&[Notice::MainPid(std::process::id())]).unwrap());
        assert!(unstore("web").unwrap());
        assert!(notify(&[Notice::Stopping]).unwrap());
        return;
    }
    for (_folder, manager, name) in managers() {
        run(service(NAME, vec![]).env("NOTIFY_SOCKET", name));
        let next = || {
            let mut room = [0; 200];
            let count = manager.recv(&mut room).unwrap();
            String::from_utf8(room[..count].to_vec()).unwrap()
        };
        manager.set_nonblocking(true).unwrap();
        assert_eq!(next(), "READY=1\nSTATUS=it works\n");
        let reloading = next();
        let micros = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(micros.trim_end().parse::<u64>().unwrap() > 0);
        assert!(next().starts_with("MAINPID="));
        assert_eq!(next(), "FDSTOREREMOVE=1\nFDNAME=web\n");
        assert_eq!(next(), "STOPPING=1\n");
    }
}

#[test]
fn stored_descriptors_arrive_with_their_name() {
    const NAME: &str = "stored_descriptors_arrive_with_their_name";
    if is_service(NAME) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"kept").unwrap();
        drop(ours);
        let null = File::open("/dev/null").unwrap();
        assert!(store("my pair", &[theirs.as_fd(), null.as_fd()]).unwrap());
        let many = |count: usize| vec![null.as_fd(); count];
        assert!(store("many", &many(FDS_MAX - 1)).unwrap());
        assert!(store("many", &many(FDS_MAX)).unwrap());
        for count in [0, FDS_MAX + 1] {
            let error = store("many", &many(count)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(
            store("a:b", &[null.as_fd()]).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        return;
    }
    let (_folder, manager, name) = managers().remove(0);
    run(service(NAME, vec![]).env("NOTIFY_SOCKET", name));
    let (text, mut descriptors) = receive(manager.as_fd());
    assert_eq!(text, "FDSTORE=1\nFDNAME=my pair\n");
    assert_eq!(descriptors.len(), 2);
    let mut kept = String::new();
    UnixStream::from(descriptors.remove(0))
        .read_to_string(&mut kept)
        .unwrap();
    assert_eq!(kept, "kept");
    for count in [FDS_MAX - 1, FDS_MAX] {
        let (text, descriptors) = receive(manager.as_fd());
        assert_eq!(
            (text.as_str(), descriptors.len()),
            ("FDSTORE=1\nFDNAME=many\n", count)
        );
    }
}

/// A datagram, and the descriptors with it.
fn receive(socket: BorrowedFd<'_>) -> (String, Vec<OwnedFd>) {
    let (mut text, mut control) = ([0_u8; 200], [0_usize; 200]);
    let mut piece = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: text.len(),
    };
    // SAFETY: all zeroes is a msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message names two arrays of ours, with their sizes.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let count = usize::try_from(count).expect("a datagram is there");
    // The head: how long it is, then two numbers in one word.
    let count_of_fds = (control[0] - size_of::<usize>() - 8) / size_of::<RawFd>();
    let numbers = control[2..].iter().flat_map(|word| {
        word.to_ne_bytes()
            .chunks(4)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
    });
    let numbers = numbers.map(|bytes| RawFd::from_ne_bytes(bytes.try_into().unwrap()));
    // SAFETY: the kernel has made these for us.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    let text = String::from_utf8(text[..count].to_vec()).unwrap();
    (text, numbers.take(count_of_fds).map(own).collect())
}

#[test]
fn without_a_manager_nobody_is_told_and_that_is_no_error() {
    in_child(
        "without_a_manager_nobody_is_told_and_that_is_no_error",
        || {
            // SAFETY: this process has one thread that looks at the environment.
            unsafe { std::env::remove_var("NOTIFY_SOCKET") };
            assert!(!notify(&[Notice::Ready]).unwrap());
            assert!(!store("x", &[std::io::stdin().as_fd()]).unwrap());
            // A mistake is one all the same.
            assert_eq!(
                notify(&[Notice::Status("a\nb")]).unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
            within_reason(|| filch::Runtime::new().unwrap().block_on(watchdog())).unwrap();
            assert_eq!(inherit::sockets().unwrap().len(), 0);

            // SAFETY: the same.
            let set = |value: &str| unsafe { std::env::set_var("NOTIFY_SOCKET", value) };
            set("");
            assert!(!notify(&[Notice::Ready]).unwrap());
            set("vsock:2:9999");
            assert_eq!(
                notify(&[Notice::Ready]).unwrap_err().kind(),
                ErrorKind::InvalidData
            );
            set("/nonexistent/notify");
            let error = notify(&[Notice::Ready]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(
                error
                    .to_string()
                    .starts_with("tell the service manager at /nonexistent/notify: "),
                "{error}"
            );
        },
    );
}

#[test]
fn a_manager_that_does_not_read_is_not_waited_for_without_end() {
    const NAME: &str = "a_manager_that_does_not_read_is_not_waited_for_without_end";
    if is_service(NAME) {
        // Its queue has room for so many; the limit is the system's.
        let error = (0..100_000).find_map(|_| notify(&[Notice::Watchdog]).err());
        assert_eq!(error.unwrap().kind(), ErrorKind::WouldBlock);
        return;
    }
    let (_folder, _manager, name) = managers().remove(0);
    run(service(NAME, vec![]).env("NOTIFY_SOCKET", name));
}

/// Else a manager that is busy for a second would take a service that is well for dead, and kill it.
#[test]
fn the_watchdog_waits_for_a_manager_that_is_busy() {
    const NAME: &str = "the_watchdog_waits_for_a_manager_that_is_busy";
    if is_service(NAME) {
        // Its queue is full from here on, until it reads.
        let error = (0..100_000).find_map(|_| notify(&[Notice::Status("full")]).err());
        assert_eq!(error.unwrap().kind(), ErrorKind::WouldBlock);
        let rt = filch::Runtime::new().unwrap();
        rt.block_on(async {
            let alive = filch::spawn(watchdog());
            // By then it has tried once at least, in vain.
            filch::time::sleep(Duration::from_millis(2500)).await;
            assert!(!alive.is_finished(), "{:?}", alive.await);
            println!("still well");
            let error = alive.await.unwrap().unwrap_err();
            assert_ne!(error.kind(), ErrorKind::WouldBlock);
        });
        return;
    }
    within_reason(|| {
        let (folder, manager, name) = managers().remove(0);
        let mut service = service(NAME, vec![]);
        service
            .env("NOTIFY_SOCKET", name)
            .env("WATCHDOG_USEC", "3000")
            .stdout(Stdio::piped());
        let mut service = service.spawn().unwrap();
        let said = BufReader::new(service.stdout.take().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        let is_well = lines.any(|line| line.contains("still well"));
        assert!(is_well, "{:?}", service.wait());
        // It reads again, and finds among what was told before that the service is alive.
        let mut room = [0; 20];
        while &room[..11] != b"WATCHDOG=1\n" {
            assert!(manager.recv(&mut room).unwrap() > 0);
        }
        drop((manager, folder));
        lines.for_each(drop);
        assert!(service.wait().unwrap().success());
    });
}

#[test]
fn the_watchdog_is_told_again_and_again() {
    const NAME: &str = "the_watchdog_is_told_again_and_again";
    if is_service(NAME) {
        assert_eq!(
            watchdog_timeout().unwrap(),
            Some(Duration::from_micros(3000))
        );
        let rt = filch::Runtime::new().unwrap();
        rt.block_on(async {
            let alive = filch::spawn(watchdog());
            // The manager ends it, by closing its socket.
            alive.await.unwrap().unwrap_err();
        });
        return;
    }
    within_reason(|| {
        let (folder, manager, name) = managers().remove(0);
        let mut service = service(NAME, vec![]);
        service
            .env("NOTIFY_SOCKET", name)
            .env("WATCHDOG_USEC", "3000");
        let mut service = service.spawn().unwrap();
        for _ in 0..5 {
            let mut room = [0; 20];
            let count = manager.recv(&mut room).unwrap();
            assert_eq!(&room[..count], b"WATCHDOG=1\n");
        }
        drop((manager, folder));
        assert!(service.wait().unwrap().success());
    });
}

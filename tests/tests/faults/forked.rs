//! A program with many threads forks.
//!
//! A child has copies of all descriptors, the epoll instances among them, and one thread. What runs in it here is what `fork(2)` allows: system calls, and the end.

use super::{Echo, ask, gone, run_and_settle};
use filch::runtime::Handle;
use filch_net::TcpStream;
use filch_tests::limits::in_child;
use filch_tests::pipe::pipe;
use filch_tests::quiet;
use futures_lite::AsyncReadExt;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

/// A child that keeps copies of everything until it is told to end.
struct Child {
    id: libc::pid_t,
    tell: Option<File>,
}

impl Child {
    fn fork() -> Self {
        let (told, tell) = pipe().unwrap();
        // SAFETY: the child calls nothing but poll, close and _exit, which are async-signal-safe.
        let id = unsafe { libc::fork() };
        assert!(id >= 0, "{}", std::io::Error::last_os_error());
        if id == 0 {
            wait_and_end(&told, &tell);
        }
        Self {
            id,
            tell: Some(tell),
        }
    }

    fn end(mut self) {
        drop(self.tell.take());
        let mut status = 0;
        // SAFETY: the kernel writes one number, which is ours.
        let ended = unsafe { libc::waitpid(self.id, &raw mut status, 0) };
        assert_eq!((ended, status), (self.id, 0));
    }
}

/// What the child does: it waits until nobody has the pipe's other end.
fn wait_and_end(told: &File, tell: &File) -> ! {
    let mut wait = libc::pollfd {
        fd: told.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: the child's own copy, which its parent's does not know of; nothing here closes it again.
    unsafe { libc::close(tell.as_raw_fd()) };
    // SAFETY: the kernel looks at one structure, which is ours, and writes into it.
    while unsafe { libc::poll(&raw mut wait, 1, -1) } < 1 {}
    // SAFETY: it ends the process, and runs nothing of it.
    unsafe { libc::_exit(0) }
}

#[test]
fn a_child_with_copies_of_everything_disturbs_nobody() {
    let name = "forked::a_child_with_copies_of_everything_disturbs_nobody";
    in_child(name, || {
        for workers in [1, 2, 8] {
            run_and_settle(workers, with_a_child(false));
            run_and_settle(workers, with_a_child(true));
        }
    });
}

async fn with_a_child(is_forked_by_a_worker: bool) {
    let echo = Echo::start().await;
    let mut before = Vec::new();
    for _ in 0..8 {
        let stream = TcpStream::connect(echo.addr).await.unwrap();
        ask(&stream, b"before").await.unwrap();
        before.push(stream);
    }
    let child = match is_forked_by_a_worker {
        true => filch::spawn(async { Child::fork() }).await.unwrap(),
        false => Child::fork(),
    };
    for stream in &before {
        ask(stream, b"after").await.unwrap();
    }
    // Their connections live on in the child; their numbers are used again here.
    drop(before);
    for _ in 0..100 {
        let stream = TcpStream::connect(echo.addr).await.unwrap();
        ask(&stream, b"with the child").await.unwrap();
    }
    while echo.tasks.alive() > 8 {
        filch::yield_now().await;
    }
    quiet::rest(&Handle::current().metrics());
    assert_eq!(echo.tasks.alive(), 8, "nobody has closed these");
    child.end();
    gone(&echo.tasks).await;
}

/// Children that fork and end at once, as a C library's helpers do, while connections come and go.
#[test]
fn children_that_end_at_once_disturb_nobody() {
    let name = "forked::children_that_end_at_once_disturb_nobody";
    in_child(name, || {
        for workers in [1, 4] {
            run_and_settle(workers, async {
                let echo = Echo::start().await;
                let forks = filch::spawn(async {
                    for _ in 0..50 {
                        Child::fork().end();
                        filch::yield_now().await;
                    }
                });
                while !forks.is_finished() {
                    let stream = TcpStream::connect(echo.addr).await.unwrap();
                    ask(&stream, b"meanwhile").await.unwrap();
                }
                forks.await.unwrap();
                gone(&echo.tasks).await;
            });
        }
    });
}

/// What a program gets that is started is what it was given: no socket, no epoll instance. So a connection ends when we close it, whoever still runs.
#[test]
fn programs_that_are_started_inherit_nothing() {
    in_child("forked::programs_that_are_started_inherit_nothing", || {
        run_and_settle(2, async {
            let echo = Echo::start().await;
            let mut client = TcpStream::connect(echo.addr).await.unwrap();
            ask(&client, b"hello").await.unwrap();
            let start = || {
                let mut cat = Command::new("cat");
                cat.stdin(Stdio::piped()).stdout(Stdio::piped());
                cat.stderr(Stdio::null()).spawn().unwrap()
            };
            for _ in 0..10 {
                let mut cat = filch::spawn_blocking(start).await.unwrap();
                let own = format!("/proc/{}/fd", cat.id());
                let inherited: Vec<_> = fs::read_dir(own)
                    .unwrap()
                    .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
                    .filter(|link| {
                        let link = link.to_string_lossy();
                        link.starts_with("socket:") || link.contains("event")
                    })
                    .collect();
                assert!(inherited.is_empty(), "{inherited:?}");
                ask(&client, b"while it runs").await.unwrap();
                client.shutdown(std::net::Shutdown::Write).unwrap();
                assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
                client = TcpStream::connect(echo.addr).await.unwrap();
                drop(cat.stdin.take());
                assert!(
                    filch::spawn_blocking(move || cat.wait())
                        .await
                        .unwrap()
                        .unwrap()
                        .success()
                );
            }
            drop(client);
            gone(&echo.tasks).await;
        });
    });
}

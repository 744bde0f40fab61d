//! Does a builder keep to what it is told, and refuse nonsense?

use filch::Runtime;
use filch::runtime::Builder;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

#[test]
fn nonsense_is_refused_with_a_remedy() {
    let refused = |builder: Builder, remedy: &str| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(remedy), "{error}");
    };
    refused(Builder::new().worker_threads(0), "give at least 1");
    refused(Builder::new().worker_threads(1 << 20), "65535");
    refused(Builder::new().max_blocking_threads(0), "give at least 1");
    refused(Builder::new().thread_stack_size(1), "64 KiB");
    refused(Builder::new().thread_name("a\0b"), "NUL");
}

#[test]
fn hooks_run_on_every_thread_and_threads_have_names() {
    let (starts, stops) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (in_start, in_stop) = (starts.clone(), stops.clone());
    let (send, receive) = mpsc::channel();
    let rt = Builder::new()
        .worker_threads(2)
        .thread_name("named")
        .on_thread_start(move || {
            in_start.fetch_add(1, Ordering::SeqCst);
            send.send(std::thread::current().name().map(str::to_owned))
                .unwrap();
        })
        .on_thread_stop(move || {
            in_stop.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    rt.block_on(async { filch::spawn_blocking(|| ()).await.unwrap() });
    assert!(rt.handle().workers() == 2);
    drop(rt);
    let (starts, stops) = (starts.load(Ordering::SeqCst), stops.load(Ordering::SeqCst));
    assert!(
        starts >= 3,
        "two workers and a thread for the blocking call, but {starts}"
    );
    assert_eq!(starts, stops);
    let names: Vec<_> = receive.try_iter().collect();
    assert!(
        names
            .iter()
            .all(|name| name.as_ref().is_some_and(|name| name.starts_with("named-")))
    );
}

/// `FILCH_WORKERS` is read from the environment, so each of its values gets a process of its own: this test, run again.
#[test]
fn the_environment_says_how_many_workers() {
    const CHILD: &str = "FILCH_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        match Runtime::new() {
            Ok(rt) => println!("workers={}", rt.handle().workers()),
            Err(error) => println!("error={error}"),
        }
        return;
    }
    let child = |value: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "builder::the_environment_says_how_many_workers",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .env("FILCH_WORKERS", value)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(child("3").contains("workers=3"));
    assert!(child("1").contains("workers=1"));
    for nonsense in ["0", "many", "-2"] {
        let said = child(nonsense);
        assert!(
            said.contains("error=FILCH_WORKERS") && said.contains("unset it"),
            "{said}"
        );
    }
}

//! How does a test that hangs fail, instead of hanging?
//!
//! With a guard so generous that no load of the machine trips it: it is no statement about speed.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before it counts as hanging.
pub const HANG: Duration = Duration::from_secs(60);

/// Runs `test` on a thread of its own.
///
/// # Panics
///
/// If it panics, or has not returned after [`HANG`].
pub fn within_reason<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = test();
        // Nobody listens any more if it took too long.
        let _ = done.send(());
        result
    });
    match is_done.recv_timeout(HANG) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs: not done after {HANG:?}"),
        // Disconnected: it panicked, and the join says with what.
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

/// Asks again and again until there is an answer.
///
/// # Panics
///
/// If there is none after [`HANG`].
#[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
pub fn eventually<R>(what: &str, mut ask: impl FnMut() -> Option<R>) -> R {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < HANG, "not after {HANG:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps the thread busy until `is_over`, as a task does that computes for long.
///
/// # Panics
///
/// If that is not the case after [`HANG`].
#[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
pub fn spin_until(what: &str, mut is_over: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_over() {
        std::hint::spin_loop();
        assert!(begun.elapsed() < HANG, "not after {HANG:?}: {what}");
    }
}

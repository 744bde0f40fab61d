//! A service that is told things by signals: `SIGHUP` to read its configuration again, `SIGUSR1` to say what it has done, ctrl-c to stop.
//!
//! ```text
//! cargo run -p filch-net --example signals
//! ```
//!
//! The program sends itself the signals, by a shell. A second part of it listens for ctrl-c as well and hears of it too: listeners take nothing from each other.

use filch::sync::watch;
use filch::time::{Duration, interval};
use filch_net::process::Command;
use filch_net::signal::{SignalKind, signal};
use std::io;

/// What the service has done when it stops.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    reloads: u32,
    reports: u32,
}

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let (progress, mut seen) = watch::channel((0, 0));
    // Listened for from here on: what comes before the task begins is not lost.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut report = signal(SignalKind::user_defined1())?;
    let mut stop = signal(SignalKind::interrupt())?;
    let mut also_stop = signal(SignalKind::interrupt())?;

    let service = filch::spawn(async move {
        let mut done = Done::default();
        let mut work = interval(Duration::from_millis(1));
        let mut turns = 0_u64;
        loop {
            filch::select! {
                Some(()) = hangup.recv() => {
                    done.reloads += 1;
                    println!("the configuration is read again");
                }
                Some(()) = report.recv() => {
                    done.reports += 1;
                    println!("{turns} turns so far");
                }
                Some(()) = stop.recv() => return done,
                _ = work.tick() => turns += 1,
            }
            progress.send_replace((done.reloads, done.reports));
        }
    });

    // One after the other is heard. Signals of the same kind that come before anybody has looked would count as one.
    for reloads in 1..=3 {
        send("HUP").await?;
        seen.wait_for(|seen| seen.0 == reloads)
            .await
            .map_err(io::Error::other)?;
    }
    send("USR1").await?;
    seen.wait_for(|seen| seen.1 == 1)
        .await
        .map_err(io::Error::other)?;
    send("INT").await?;
    also_stop.recv().await;
    let done = service.await?;
    println!("stopped: {done:?}");
    let expected = Done {
        reloads: 3,
        reports: 1,
    };
    assert_eq!(done, expected);
    Ok(())
}

/// As `kill` in a shell does.
async fn send(name: &str) -> io::Result<()> {
    let pid = std::process::id().to_string();
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", "kill -$0 $1", name, &pid]);
    assert!(shell.status().await?.success());
    Ok(())
}

//! A scope whose children may fail: the first error cancels the others, waits for them, and comes out.
//!
//! ```text
//! cargo run -p filch --example scope_errors
//! ```
//!
//! A file is sent in parts, all at once. If a part cannot be sent, the others are given up at once, and what they have left on the other side is removed (`on_cancel`), which takes
//! waiting itself. When `send_all` returns, all of that is over: no part is under way, no remnant is left.

use filch::scope::Builder;
use filch::sync::Mutex;
use filch::task::on_cancel;
use filch::time::{Duration, sleep};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The other side: what it has of each part.
type Store = Arc<Mutex<BTreeMap<u32, Part>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Begun,
    Complete,
}

/// How it goes with a part.
#[derive(Debug, Clone, Copy)]
enum Way {
    Good,
    /// It takes an hour.
    Slow,
    /// The connection is lost.
    Bad,
}

#[filch::main]
pub(crate) async fn main() {
    use Way::{Bad, Good, Slow};

    let store = Store::default();
    send_all(&store, [Good; 4]).await.unwrap();
    let parts = store.lock().await.clone();
    println!("all is well: {parts:?}");
    assert_eq!(parts, (0..4).map(|part| (part, Part::Complete)).collect());

    // Nobody waits for an hour.
    let store = Store::default();
    let error = send_all(&store, [Good, Slow, Bad, Slow]).await.unwrap_err();
    let mut parts = store.lock().await.clone();
    println!("a fault:     {parts:?}; {error}");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    // The first part was complete in time, or cancelled as well.
    assert_ne!(parts.remove(&0), Some(Part::Begun));
    assert!(parts.is_empty(), "what was begun is removed");

    // A limit for the time is one more error, of the same scope.
    let store = Store::default();
    let sending = Builder::new().timeout(Duration::from_millis(5));
    let sent: io::Result<()> = sending
        .try_run(|s| {
            let part = send(store.clone(), 0, Slow);
            async move {
                s.spawn(part);
                Ok(())
            }
        })
        .await;
    let error = sent.unwrap_err();
    println!("out of time: {:?}; {error}", store.lock().await);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(store.lock().await.is_empty());
}

/// Sends all parts at once.
async fn send_all(store: &Store, ways: [Way; 4]) -> io::Result<()> {
    filch::try_scope(|s| async move {
        for (part, way) in (0..).zip(ways) {
            s.spawn(send(store.clone(), part, way));
        }
        Ok(()) // the scope waits for the children by itself
    })
    .await
}

async fn send(store: Store, part: u32, way: Way) -> io::Result<()> {
    let remnants = store.clone();
    let sending = async move {
        store.lock().await.insert(part, Part::Begun);
        match way {
            Way::Good => sleep(Duration::from_millis(1)).await,
            Way::Slow => sleep(Duration::from_secs(3600)).await,
            Way::Bad => {
                sleep(Duration::from_millis(5)).await;
                store.lock().await.remove(&part);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        store.lock().await.insert(part, Part::Complete);
        Ok(())
    };
    // Only if the sending is dropped before it is done.
    let clean_up = async move {
        sleep(Duration::from_millis(1)).await; // the other side is asked to
        remnants.lock().await.remove(&part);
    };
    on_cancel(sending, Duration::from_secs(600), clean_up).await
}

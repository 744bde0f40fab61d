//! Who writes to a socket whose reader's worker is busy?
//!
//! A thread that is no worker, the same for every peer: it waits for an order, sleeps for as long as that says, and writes one byte. The order
//! comes from the task that keeps the worker busy, so that the byte comes while it does.

use crate::clock::{block_for, now};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Takes orders for its thread, from any other.
#[derive(Debug, Clone)]
pub struct Writer(Sender<Order>);

/// When a byte was written.
#[derive(Debug, Clone, Default)]
pub struct Written(Arc<OnceLock<Instant>>);

#[derive(Debug)]
struct Order {
    stream: UnixStream,
    after: Duration,
    written: Written,
}

impl Writer {
    /// Starts the thread. It ends with the last one who can order.
    pub fn start() -> Self {
        let (orders, coming) = mpsc::channel();
        thread::spawn(move || write(&coming));
        Self(orders)
    }

    /// A byte is written after this time; who reads it then finds the time just before the write in `written`.
    ///
    /// # Panics
    ///
    /// If an earlier byte could not be written.
    pub fn order(&self, stream: UnixStream, after: Duration, written: Written) {
        let order = Order {
            stream,
            after,
            written,
        };
        self.0.send(order).expect("the thread is there");
    }
}

fn write(orders: &Receiver<Order>) {
    for mut order in orders {
        block_for(order.after);
        order.written.0.set(now()).expect("an order of its own");
        order
            .stream
            .write_all(b"x")
            .expect("there is room for a byte");
    }
}

impl Written {
    /// How long ago that was.
    ///
    /// # Panics
    ///
    /// If it has not been written.
    pub fn elapsed(&self) -> Duration {
        let written_at = self.0.get().expect("set before the write");
        written_at.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_byte_comes_after_the_time_and_says_when() {
        let (theirs, mut ours) = UnixStream::pair().expect("a pair of sockets");
        let (writer, written) = (Writer::start(), Written::default());
        let (after, begun) = (Duration::from_millis(2), now());
        writer.order(theirs, after, written.clone());
        let mut bytes = Vec::new();
        ours.read_to_end(&mut bytes).expect("bytes");
        assert_eq!(bytes, b"x");
        assert!(written.elapsed() <= begun.elapsed() - after);
    }
}

//! Each thing a sender may do, against each that a receiver may do, in every interleaving.

use super::*;
use crate::sys::sync::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// No part of the model.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy)]
enum Sends {
    Sends,
    Drops,
    WaitsToBeClosed,
}

#[derive(Clone, Copy)]
enum Receives {
    Waits,
    ChangesItsWaker,
    PollsAndDrops,
    Drops,
    Closes,
    Tries,
}

fn send(mut sender: Sender<Arc<()>>, what: Sends, value: Arc<()>) -> bool {
    match what {
        Sends::Sends => sender.send(value).is_ok(),
        Sends::Drops => false,
        Sends::WaitsToBeClosed => {
            let count = Arc::<Count>::default();
            let waker = Waker::from(count.clone());
            let polled = sender.poll_closed(&mut Context::from_waker(&waker));
            sender.send(value).is_ok_and(|()| polled.is_pending())
        }
    }
}

/// Whether a value came.
fn receive(mut receiver: Receiver<Arc<()>>, what: Receives) -> Option<bool> {
    let (first, second) = (Arc::<Count>::default(), Arc::<Count>::default());
    let poll = |receiver: &mut Receiver<_>, count: &Arc<Count>| {
        let waker = Waker::from(count.clone());
        Pin::new(receiver).poll(&mut Context::from_waker(&waker))
    };
    match what {
        Receives::Waits => Some(loom::future::block_on(receiver).is_ok()),
        Receives::ChangesItsWaker => {
            if let Poll::Ready(value) = poll(&mut receiver, &first) {
                return Some(value.is_ok());
            }
            if let Poll::Ready(value) = poll(&mut receiver, &second) {
                return Some(value.is_ok());
            }
            Some(loom::future::block_on(receiver).is_ok())
        }
        Receives::PollsAndDrops => match poll(&mut receiver, &first) {
            Poll::Ready(value) => Some(value.is_ok()),
            Poll::Pending => None,
        },
        Receives::Drops => None,
        Receives::Closes => {
            receiver.close();
            Some(receiver.try_recv().is_ok())
        }
        Receives::Tries => match receiver.try_recv() {
            Err(TryRecvError::Empty) => None,
            value => Some(value.is_ok()),
        },
    }
}

fn meet(sends: Sends, receives: Receives) {
    loom::model(move || {
        let value = Arc::new(());
        let (sender, receiver) = channel();
        let sent = value.clone();
        let sending = thread::spawn(move || send(sender, sends, sent));
        let received = receive(receiver, receives);
        let is_sent = sending.join().unwrap();
        match received {
            Some(true) => assert!(is_sent, "received what was given back"),
            Some(false) => assert!(!is_sent, "lost"),
            None => {}
        }
        assert_eq!(Arc::strong_count(&value), 1, "a value leaked");
    });
}

macro_rules! models {
    ($($name:ident: $sends:ident, $receives:ident;)*) => {
        $(#[test]
        fn $name() {
            meet(Sends::$sends, Receives::$receives);
        })*
    };
}

models! {
    loom_oneshot_send_against_wait: Sends, Waits;
    loom_oneshot_send_against_change_of_waker: Sends, ChangesItsWaker;
    loom_oneshot_send_against_cancel: Sends, PollsAndDrops;
    loom_oneshot_send_against_drop: Sends, Drops;
    loom_oneshot_send_against_close: Sends, Closes;
    loom_oneshot_send_against_try: Sends, Tries;
    loom_oneshot_drop_against_wait: Drops, Waits;
    loom_oneshot_drop_against_change_of_waker: Drops, ChangesItsWaker;
    loom_oneshot_drop_against_cancel: Drops, PollsAndDrops;
    loom_oneshot_drop_against_drop: Drops, Drops;
    loom_oneshot_drop_against_close: Drops, Closes;
    loom_oneshot_drop_against_try: Drops, Tries;
    loom_oneshot_closed_against_wait: WaitsToBeClosed, Waits;
    loom_oneshot_closed_against_cancel: WaitsToBeClosed, PollsAndDrops;
    loom_oneshot_closed_against_drop: WaitsToBeClosed, Drops;
    loom_oneshot_closed_against_close: WaitsToBeClosed, Closes;
    loom_oneshot_closed_against_try: WaitsToBeClosed, Tries;
}

/// The wake of a sender that waits to be closed is not lost.
#[test]
fn loom_oneshot_closed_is_told() {
    for closes in [false, true] {
        loom::model(move || {
            let (mut sender, mut receiver) = channel::<u32>();
            let ending = thread::spawn(move || {
                if closes {
                    receiver.close();
                }
                drop(receiver);
            });
            loom::future::block_on(sender.closed());
            assert!(sender.is_closed());
            ending.join().unwrap();
        });
    }
}

//! Every interleaving of what each side may do with what the other may.
//!
//! Messages are boxes, so that one that is read twice, or by nobody, is a leak or a second drop that the checker's cells notice. Futures are polled by hand, with a waker that counts.

use super::error::{RecvError, TryRecvError};
use super::*;
use crate::sys::sync::thread;
use crate::util::block_on::block_on;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

/// Every interleaving with at most three preemptions.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.check(run);
}

/// Counts its wakes; no part of the model.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls once, waits for the other thread, and expects to be ready then, or to have been woken.
fn output<F: Future, R>(future: F, other: thread::JoinHandle<R>) -> (F::Output, R) {
    let count = Arc::<Count>::default();
    let waker = count.clone().into();
    let mut cx = Context::from_waker(&waker);
    let mut future = Box::pin(future);
    let polled = future.as_mut().poll(&mut cx);
    let result = other.join().unwrap();
    if let Poll::Ready(output) = polled {
        return (output, result);
    }
    assert!(count.0.load(Ordering::Relaxed) > 0, "a wake-up was lost");
    match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => (output, result),
        Poll::Pending => panic!("woken in vain"),
    }
}

/// A message whose end can be seen.
fn message() -> (Arc<()>, std::sync::Weak<()>) {
    let message = Arc::new(());
    let weak = Arc::downgrade(&message);
    (message, weak)
}

#[test]
fn loom_broadcast_a_receiver_that_begins_to_wait_gets_the_message() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let sending = thread::spawn(move || {
            sender.send(Box::new(1)).unwrap();
            sender
        });
        let (received, _sender) = output(receiver.recv(), sending);
        assert_eq!(received, Ok(Box::new(1)));
    });
}

/// And leaves the slot as it has to be for the next one.
#[test]
fn loom_broadcast_a_message_is_read_as_soon_as_it_is_there() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let sending = thread::spawn(move || {
            sender.send(Box::new(1)).unwrap();
            sender
        });
        let first = receiver.try_recv();
        let sender = sending.join().unwrap();
        assert_eq!(first.or_else(|_| receiver.try_recv()), Ok(Box::new(1)));
        sender.send(Box::new(2)).unwrap();
        assert_eq!(receiver.try_recv(), Ok(Box::new(2)));
        assert!(sender.is_empty());
    });
}

#[test]
fn loom_broadcast_a_receiver_that_begins_to_wait_learns_of_the_end() {
    model(|| {
        let (sender, mut receiver) = channel::<i32>(1);
        let ending = thread::spawn(move || drop(sender));
        let (received, ()) = output(receiver.recv(), ending);
        assert_eq!(received, Err(RecvError::Closed));
    });
}

#[test]
fn loom_broadcast_a_sender_learns_that_all_receivers_have_gone() {
    model(|| {
        let (sender, receiver) = channel::<i32>(1);
        let going = thread::spawn(move || drop(receiver));
        output(sender.closed(), going);
        assert!(sender.send(1).is_err());
    });
}

#[test]
fn loom_broadcast_two_read_the_same_message_and_nothing_stays() {
    model(|| {
        let (sender, mut first) = channel(1);
        let mut second = sender.subscribe();
        let (message, weak) = message();
        sender.send(message).unwrap();
        let reading = thread::spawn(move || {
            drop(second.try_recv().unwrap());
            second
        });
        drop(first.try_recv().unwrap());
        let _second = reading.join().unwrap();
        assert!(weak.upgrade().is_none(), "read by all, and kept");
        assert!(sender.is_empty());
    });
}

#[test]
fn loom_broadcast_a_message_is_overwritten_while_it_is_read() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        sender.send(Box::new(1)).unwrap();
        let sending = thread::spawn(move || {
            sender.send(Box::new(2)).unwrap();
            sender
        });
        let first = receiver.try_recv();
        let _sender = sending.join().unwrap();
        match first {
            Ok(first) => assert_eq!(*first, 1),
            Err(error) => assert_eq!(error, TryRecvError::Lagged(1)),
        }
        assert_eq!(receiver.try_recv(), Ok(Box::new(2)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

/// One has read the message and the other has not, while it is overwritten: the word is not 0, or becomes so at that moment.
#[test]
fn loom_broadcast_a_message_is_overwritten_while_one_of_two_reads_it() {
    model(|| {
        let (sender, mut first) = channel(1);
        let mut second = sender.subscribe();
        sender.send(Box::new(1)).unwrap();
        let reading = thread::spawn(move || (second.try_recv(), second));
        assert_eq!(first.try_recv(), Ok(Box::new(1)));
        sender.send(Box::new(2)).unwrap();
        assert_eq!(first.try_recv(), Ok(Box::new(2)));
        let (read, mut second) = reading.join().unwrap();
        match read {
            Ok(read) => assert_eq!(second.try_recv(), Ok(Box::new(*read + 1))),
            Err(error) => {
                assert_eq!(error, TryRecvError::Lagged(1));
                assert_eq!(second.try_recv(), Ok(Box::new(2)));
            }
        }
    });
}

/// The slot is used for a third message while somebody is on its way to the first.
#[test]
fn loom_broadcast_who_lags_by_laps_reads_nothing_twice() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        sender.send(Box::new(1)).unwrap();
        let sending = thread::spawn(move || {
            sender.send(Box::new(2)).unwrap();
            sender.send(Box::new(3)).unwrap();
            sender
        });
        let mut sum = 0;
        let mut next = |receiver: &mut Receiver<Box<u64>>| match receiver.try_recv() {
            Ok(_) => sum += 1,
            Err(TryRecvError::Lagged(lost)) => sum += lost,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Closed) => panic!("there is a sender"),
        };
        next(&mut receiver);
        let _sender = sending.join().unwrap();
        (0..4).for_each(|_| next(&mut receiver));
        assert_eq!(sum, 3, "each was read or lost, once");
    });
}

#[test]
fn loom_broadcast_a_receiver_goes_while_a_message_comes() {
    model(|| {
        let (sender, receiver) = channel(1);
        let mut stays = sender.subscribe();
        let going = thread::spawn(move || drop(receiver));
        let (message, weak) = message();
        sender.send(message).unwrap();
        drop(stays.try_recv().unwrap());
        going.join().unwrap();
        assert!(weak.upgrade().is_none(), "kept for who has gone");
        assert_eq!(sender.send(Arc::new(())), Ok(1));
        assert!(stays.try_recv().is_ok());
    });
}

/// It is on its way to what it gives up while that is overwritten, twice.
#[test]
fn loom_broadcast_a_receiver_goes_while_its_messages_are_overwritten() {
    model(|| {
        let (sender, receiver) = channel(1);
        let mut stays = sender.subscribe();
        sender.send(Box::new(1)).unwrap();
        assert_eq!(stays.try_recv(), Ok(Box::new(1)));
        let going = thread::spawn(move || drop(receiver));
        for n in 2..=3 {
            sender.send(Box::new(n)).unwrap();
            assert_eq!(stays.try_recv(), Ok(Box::new(n)));
        }
        going.join().unwrap();
        sender.send(Box::new(4)).unwrap();
        assert_eq!(stays.try_recv(), Ok(Box::new(4)));
        assert!(sender.is_empty());
    });
}

#[test]
fn loom_broadcast_the_last_receiver_goes_while_a_message_comes() {
    model(|| {
        let (sender, receiver) = channel(1);
        let (message, weak) = message();
        let going = thread::spawn(move || drop(receiver));
        let _ = sender.send(message);
        going.join().unwrap();
        assert!(weak.upgrade().is_none(), "kept by nobody");
        assert_eq!(sender.receiver_count(), 0);
    });
}

#[test]
fn loom_broadcast_a_receiver_comes_while_a_message_does() {
    model(|| {
        let (sender, mut receiver) = channel(2);
        let other = sender.clone();
        let coming = thread::spawn(move || other.subscribe());
        let count = sender.send(Box::new(1)).unwrap();
        let mut new = coming.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(Box::new(1)));
        if count == 2 {
            assert_eq!(new.try_recv(), Ok(Box::new(1)));
        }
        assert_eq!(new.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn loom_broadcast_two_send_and_both_messages_arrive() {
    model(|| {
        let (sender, mut receiver) = channel(2);
        let other = sender.clone();
        let sending = thread::spawn(move || drop(other.send(Box::new(1))));
        sender.send(Box::new(2)).unwrap();
        let first = receiver.try_recv().unwrap();
        sending.join().unwrap();
        let second = receiver.try_recv().unwrap();
        assert_eq!(*first + *second, 3);
    });
}

#[test]
fn loom_broadcast_a_wait_that_is_given_up_takes_nothing_from_another() {
    model(|| {
        let (sender, mut stays) = channel(1);
        let mut goes = sender.subscribe();
        let count = Arc::<Count>::default();
        let waker = count.into();
        let mut wait = Box::pin(goes.recv());
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let sending = thread::spawn(move || drop(sender.send(Box::new(1))));
        drop(wait);
        let (received, ()) = output(stays.recv(), sending);
        assert_eq!(received, Ok(Box::new(1)));
        assert_eq!(goes.try_recv(), Ok(Box::new(1)));
    });
}

#[test]
fn loom_broadcast_a_thread_that_blocks() {
    model(|| {
        let (sender, mut receiver) = channel(2);
        let sending = thread::spawn(move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
        });
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Ok(2));
        assert_eq!(block_on(receiver.recv()), Err(RecvError::Closed));
        sending.join().unwrap();
    });
}

//! Every interleaving of what each side may do with what the other may.
//!
//! Futures are polled by hand, with a waker that counts: whoever could go on, and was not woken, is a wake-up that was lost.

use super::error::{RecvError, SendError, TryRecvError, TrySendError};
use super::*;
use crate::sys::sync::thread;
use crate::util::block_on::block_on;
use std::pin::Pin;
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

/// A future with its waker.
struct Polled<F>(Pin<Box<F>>, Arc<Count>);

impl<F: Future> Polled<F> {
    fn new(future: F) -> Self {
        Self(Box::pin(future), Arc::default())
    }

    fn waiting(future: F) -> Self {
        let mut polled = Self::new(future);
        assert!(polled.poll().is_pending());
        polled
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = self.1.clone().into();
        self.0.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> usize {
        self.1.0.load(Ordering::Relaxed)
    }

    /// Its output, after the other threads are done: now, or since it was woken.
    fn output(mut self, polled: Poll<F::Output>) -> F::Output {
        match polled {
            Poll::Ready(output) => output,
            Poll::Pending => {
                assert!(self.woken() > 0, "a wake-up was lost");
                match self.poll() {
                    Poll::Ready(output) => output,
                    Poll::Pending => panic!("woken in vain"),
                }
            }
        }
    }
}

#[test]
fn loom_mpmc_a_receiver_that_begins_to_wait_gets_the_message() {
    model(|| {
        let (sender, receiver) = channel(1);
        let sending = thread::spawn(move || {
            sender.try_send(1).unwrap();
            sender
        });
        let mut recv = Polled::new(receiver.recv());
        let polled = recv.poll();
        let _sender = sending.join().unwrap();
        assert_eq!(recv.output(polled), Ok(1));
    });
}

/// The same while WAITING stands from the last time.
#[test]
fn loom_mpmc_a_receiver_that_begins_to_wait_again_gets_the_message() {
    model(|| {
        let (sender, receiver) = channel(1);
        let recv = Polled::waiting(receiver.recv());
        sender.try_send(1).unwrap();
        assert_eq!(recv.output(Poll::Pending), Ok(1));
        let sending = thread::spawn(move || {
            sender.try_send(2).unwrap();
            sender
        });
        let mut recv = Polled::new(receiver.recv());
        let polled = recv.poll();
        let _sender = sending.join().unwrap();
        assert_eq!(recv.output(polled), Ok(2));
    });
}

#[test]
fn loom_mpmc_a_sender_that_begins_to_wait_gets_room() {
    model(|| {
        let (sender, receiver) = channel(1);
        sender.try_send(1).unwrap();
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        let mut send = Polled::new(sender.send(2));
        let polled = send.poll();
        let receiver = receiving.join().unwrap();
        assert_eq!(send.output(polled), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(2));
    });
}

#[test]
fn loom_mpmc_a_sender_that_begins_to_wait_again_gets_room() {
    model(|| {
        let (sender, receiver) = channel(1);
        sender.try_send(1).unwrap();
        let send = Polled::waiting(sender.send(2));
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(send.output(Poll::Pending), Ok(()));
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(2));
            receiver
        });
        let mut send = Polled::new(sender.send(3));
        let polled = send.poll();
        let receiver = receiving.join().unwrap();
        assert_eq!(send.output(polled), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(3));
    });
}

#[test]
fn loom_mpmc_two_messages_meet_one_who_begins_to_wait() {
    model(|| {
        let (sender, receiver) = channel(2);
        let sending = thread::spawn(move || {
            sender.try_send(1).unwrap();
            sender.try_send(2).unwrap();
            sender
        });
        let mut recv = Polled::new(receiver.recv());
        let polled = recv.poll();
        let _sender = sending.join().unwrap();
        assert_eq!(recv.output(polled), Ok(1));
        assert_eq!(receiver.try_recv(), Ok(2));
    });
}

#[test]
fn loom_mpmc_two_that_wait_are_woken_by_two_messages() {
    model(|| {
        let (sender, receiver) = channel(2);
        let first = Polled::waiting(receiver.recv());
        let second = Polled::waiting(receiver.recv());
        let other = sender.clone();
        let sending = thread::spawn(move || other.try_send(1).unwrap());
        sender.try_send(2).unwrap();
        sending.join().unwrap();
        let first = first.output(Poll::Pending).unwrap();
        assert_eq!(first + second.output(Poll::Pending).unwrap(), 3);
    });
}

#[test]
fn loom_mpmc_a_woken_receiver_that_is_dropped_wakes_the_next() {
    model(|| {
        let (sender, receiver) = channel(1);
        let gone = Polled::waiting(receiver.recv());
        let stays = Polled::waiting(receiver.recv());
        let sending = thread::spawn(move || {
            sender.try_send(1).unwrap();
            sender
        });
        drop(gone);
        let _sender = sending.join().unwrap();
        assert_eq!(stays.output(Poll::Pending), Ok(1));
    });
}

#[test]
fn loom_mpmc_a_woken_sender_that_is_dropped_wakes_the_next() {
    model(|| {
        let (sender, receiver) = channel(1);
        sender.try_send(1).unwrap();
        let gone = Polled::waiting(sender.send(2));
        let stays = Polled::waiting(sender.send(3));
        let receiving = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        drop(gone);
        let receiver = receiving.join().unwrap();
        assert_eq!(stays.output(Poll::Pending), Ok(()));
        assert_eq!(receiver.try_recv(), Ok(3));
    });
}

#[test]
fn loom_mpmc_who_is_robbed_is_woken_by_the_next_message() {
    model(|| {
        let (sender, receiver) = channel(2);
        let mut recv = Polled::waiting(receiver.recv());
        let robber = receiver.clone();
        let robbing = thread::spawn(move || robber.try_recv());
        let other = sender.clone();
        let sending = thread::spawn(move || other.try_send(1).unwrap());
        let mut polled = recv.poll();
        let robbed = robbing.join().unwrap();
        sending.join().unwrap();
        if robbed.is_ok() {
            if polled.is_pending() {
                polled = recv.poll();
            }
            assert!(polled.is_pending(), "received twice");
            let before = recv.woken();
            sender.try_send(2).unwrap();
            assert_eq!(recv.woken(), before + 1, "a wake-up was lost");
            assert_eq!(recv.poll(), Poll::Ready(Ok(2)));
        } else {
            assert_eq!(recv.output(polled), Ok(1));
        }
    });
}

#[test]
fn loom_mpmc_each_message_is_received_once() {
    model(|| {
        let (sender, receiver) = channel(2);
        sender.try_send(1).unwrap();
        let (other, robber) = (sender.clone(), receiver.clone());
        let sending = thread::spawn(move || other.try_send(2).unwrap());
        let receiving = thread::spawn(move || robber.try_recv());
        let mut all: Vec<i32> = receiver.try_recv().into_iter().collect();
        all.extend(receiving.join().unwrap());
        sending.join().unwrap();
        all.extend(receiver.try_recv());
        all.extend(receiver.try_recv());
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn loom_mpmc_there_is_room_for_one_of_two() {
    model(|| {
        let (sender, receiver) = channel(1);
        let other = sender.clone();
        let sending = thread::spawn(move || other.try_send(1));
        let own = sender.try_send(2);
        let theirs = sending.join().unwrap();
        let received = receiver.try_recv();
        match (own, theirs) {
            (Ok(()), Err(TrySendError::Full(1))) => assert_eq!(received, Ok(2)),
            (Err(TrySendError::Full(2)), Ok(())) => assert_eq!(received, Ok(1)),
            other => panic!("{other:?}"),
        }
    });
}

/// A slot is used again while it is emptied.
#[test]
fn loom_mpmc_laps_keep_the_order() {
    model(|| {
        let (sender, receiver) = channel(1);
        let sending = thread::spawn(move || {
            (0..3)
                .filter(|n| sender.try_send(*n).is_ok())
                .collect::<Vec<_>>()
        });
        let mut received: Vec<i32> = (0..2).flat_map(|_| receiver.try_recv()).collect();
        let sent = sending.join().unwrap();
        received.extend(receiver.try_recv());
        assert_eq!(received, sent);
    });
}

#[test]
fn loom_mpmc_many_are_claimed_while_they_are_sent() {
    model(|| {
        let (sender, receiver) = channel(2);
        sender.try_send(Box::new(1)).unwrap();
        let sending = thread::spawn(move || {
            sender.try_send(Box::new(2)).unwrap();
            sender
        });
        let mut messages = Vec::new();
        let received = Polled::new(receiver.recv_many(&mut messages, 2)).poll();
        let _sender = sending.join().unwrap();
        assert_eq!(Poll::Ready(messages.len()), received);
        messages.extend(receiver.try_recv());
        assert_eq!(messages, [Box::new(1), Box::new(2)]);
    });
}

#[test]
fn loom_mpmc_many_that_are_received_make_room_for_as_many() {
    model(|| {
        let (sender, receiver) = channel(2);
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        let first = Polled::waiting(sender.send(3));
        let mut second = Polled::new(sender.send(4));
        let receiving = thread::spawn(move || {
            let mut messages = Vec::new();
            assert_eq!(block_on(receiver.recv_many(&mut messages, 2)), 2);
            receiver
        });
        let polled = second.poll();
        let receiver = receiving.join().unwrap();
        assert_eq!(first.output(Poll::Pending), Ok(()));
        assert_eq!(second.output(polled), Ok(()));
        assert!(receiver.is_full());
    });
}

#[test]
fn loom_mpmc_a_receiver_that_begins_to_wait_learns_of_the_end() {
    for is_dropped in [false, true] {
        model(move || {
            let (sender, receiver) = channel::<i32>(1);
            let closing = thread::spawn(move || {
                if is_dropped {
                    drop(sender);
                } else {
                    sender.close();
                }
            });
            let mut recv = Polled::new(receiver.recv());
            let polled = recv.poll();
            closing.join().unwrap();
            assert_eq!(recv.output(polled), Err(RecvError));
        });
    }
}

#[test]
fn loom_mpmc_a_sender_that_begins_to_wait_learns_of_the_end() {
    for is_dropped in [false, true] {
        model(move || {
            let (sender, receiver) = channel(1);
            sender.try_send(1).unwrap();
            let closing = thread::spawn(move || {
                if is_dropped {
                    drop(receiver);
                    None
                } else {
                    receiver.close();
                    Some(receiver)
                }
            });
            let mut send = Polled::new(sender.send(2));
            let polled = send.poll();
            let _receiver = closing.join().unwrap();
            assert_eq!(send.output(polled), Err(SendError(2)));
        });
    }
}

#[test]
fn loom_mpmc_the_end_comes_behind_the_last_message() {
    model(|| {
        let (sender, receiver) = channel(1);
        let other = sender.clone();
        let sending = thread::spawn(move || other.try_send(1).unwrap());
        let ending = thread::spawn(move || drop(sender));
        let first = receiver.try_recv();
        assert_ne!(first, Err(TryRecvError::Closed));
        sending.join().unwrap();
        ending.join().unwrap();
        if first.is_err() {
            assert_eq!(receiver.try_recv(), Ok(1));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn loom_mpmc_what_is_sent_before_the_end_is_received() {
    model(|| {
        let (sender, receiver) = channel(1);
        let sending = thread::spawn(move || sender.try_send(1));
        receiver.close();
        let sent = sending.join().unwrap();
        let received = receiver.try_recv();
        match sent {
            Ok(()) => assert_eq!(received, Ok(1)),
            Err(error) => {
                assert_eq!(error, TrySendError::Closed(1));
                assert_eq!(received, Err(TryRecvError::Closed));
            }
        }
    });
}

#[test]
fn loom_mpmc_nothing_stays_behind_the_last_receiver() {
    model(|| {
        let (sender, receiver) = channel(1);
        let message = Arc::new(());
        let weak = Arc::downgrade(&message);
        let sending = thread::spawn(move || {
            let _ = sender.try_send(message);
            sender
        });
        drop(receiver);
        let sender = sending.join().unwrap();
        assert!(weak.upgrade().is_none(), "kept by nobody");
        assert!(sender.is_closed());
    });
}

#[test]
fn loom_mpmc_a_weak_sender_comes_before_the_end_or_not_at_all() {
    model(|| {
        let (sender, receiver) = channel(1);
        let weak = sender.downgrade();
        let ending = thread::spawn(move || drop(sender));
        let again = weak.upgrade();
        ending.join().unwrap();
        let sent = again.map(|sender| sender.try_send(1));
        assert!(sent.is_none() || sent == Some(Ok(())));
        assert_eq!(receiver.try_recv().is_ok(), sent.is_some());
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn loom_mpmc_two_threads_that_block() {
    model(|| {
        let (sender, receiver) = channel(1);
        let sending = thread::spawn(move || {
            block_on(sender.send(1)).unwrap();
            block_on(sender.send(2)).unwrap();
        });
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Ok(2));
        assert_eq!(block_on(receiver.recv()), Err(RecvError));
        sending.join().unwrap();
    });
}

/// Of two that wait, one gives up while everybody is told of the end.
#[test]
fn loom_mpmc_a_wait_is_given_up_while_the_channel_closes() {
    model(|| {
        let (sender, receiver) = channel::<i32>(1);
        let gone = Polled::waiting(receiver.recv());
        let stays = Polled::waiting(receiver.recv());
        let closing = thread::spawn(move || drop(sender));
        drop(gone);
        closing.join().unwrap();
        assert_eq!(stays.output(Poll::Pending), Err(RecvError));
    });
    model(|| {
        let (sender, receiver) = channel(1);
        sender.try_send(1).unwrap();
        let gone = Polled::waiting(sender.send(2));
        let stays = Polled::waiting(sender.send(3));
        let closing = thread::spawn(move || drop(receiver));
        drop(gone);
        closing.join().unwrap();
        assert_eq!(stays.output(Poll::Pending), Err(SendError(3)));
    });
}

/// Two take one message each, of a full channel, and two wait for room.
#[test]
fn loom_mpmc_two_that_wait_get_the_room_of_two() {
    model(|| {
        let (sender, receiver) = channel(2);
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        let first = Polled::waiting(sender.send(3));
        let mut second = Polled::new(sender.send(4));
        let other = receiver.clone();
        let receiving = thread::spawn(move || {
            assert_eq!(other.try_recv(), Ok(1));
            assert_eq!(other.try_recv(), Ok(2));
        });
        let polled = second.poll();
        receiving.join().unwrap();
        assert_eq!(first.output(Poll::Pending), Ok(()));
        assert_eq!(second.output(polled), Ok(()));
        assert!(receiver.is_full());
    });
}

/// A message that is sent to nobody in particular meets one who gives up, one who begins to wait, and one who comes by.
#[test]
fn loom_mpmc_a_wake_that_is_passed_on_meets_one_who_begins_to_wait() {
    model(|| {
        let (sender, receiver) = channel(1);
        let gone = Polled::waiting(receiver.recv());
        sender.try_send(1).unwrap();
        let other = receiver.clone();
        let coming = thread::spawn(move || {
            let mut recv = Polled::new(other.recv());
            recv.poll().map(Result::unwrap)
        });
        drop(gone);
        assert_eq!(coming.join().unwrap(), Poll::Ready(1));
        assert!(sender.is_empty());
    });
}

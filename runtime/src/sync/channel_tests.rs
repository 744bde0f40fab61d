//! What do channels do with messages and wakers that do more than they should?
//!
//! A destructor may panic, send on the channel that drops it, or let go of the channel's last end; a waker may do the same. Each message is dropped once all the same, each
//! wake arrives, and nobody is locked out. Also under Miri.

use super::testing::Count;
use super::{broadcast, mpmc, mpsc, oneshot, watch};
use crate::sys::sync::Mutex;
use crate::util::budget;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how many of it were dropped; one of them panics then.
struct Dropped {
    count: Arc<AtomicUsize>,
    panics_at: usize,
}

impl Dropped {
    fn new(count: &Arc<AtomicUsize>, panics_at: usize) -> Self {
        let count = count.clone();
        Self { count, panics_at }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        assert!(before != self.panics_at, "as planned");
    }
}

fn count() -> Arc<AtomicUsize> {
    Arc::default()
}

fn panics(f: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

const MESSAGES: usize = 70;

#[test]
fn a_destructor_that_panics_keeps_no_other_from_running_mpsc() {
    let (by_receiver, by_channel) = (count(), count());
    let (sender, receiver) = mpsc::channel(100);
    (0..MESSAGES).for_each(|_| drop(sender.try_send(Dropped::new(&by_receiver, 3))));
    assert!(panics(|| drop(receiver)));
    assert_eq!(by_receiver.load(Ordering::Relaxed), MESSAGES);
    drop(sender);

    // Sent by permits, when the receiver has gone.
    let (sender, receiver) = mpsc::channel(100);
    let permits = sender.try_reserve_many(MESSAGES).unwrap();
    drop(receiver);
    for (permit, at) in permits.zip(0..) {
        let does = panics(|| permit.send(Dropped::new(&by_channel, 3)));
        assert_eq!(
            (does, by_channel.load(Ordering::Relaxed)),
            (at == 3, at + 1)
        );
    }
}

#[test]
fn a_destructor_that_panics_keeps_no_other_from_running_mpmc() {
    for who_is_last in ["receiver", "sender"] {
        let count = count();
        let (sender, receiver) = mpmc::channel(100);
        let weak = receiver.downgrade();
        (0..MESSAGES).for_each(|_| drop(sender.try_send(Dropped::new(&count, 3))));
        if who_is_last == "sender" {
            drop(sender);
            assert!(panics(|| drop(receiver)));
        } else {
            assert!(panics(|| drop(receiver)));
            assert!(sender.is_closed());
        }
        assert_eq!(count.load(Ordering::Relaxed), MESSAGES);
        assert!(weak.upgrade().is_none());
    }
}

#[derive(Clone)]
struct Shared(#[expect(dead_code, reason = "dropped")] Arc<Dropped>);

#[test]
fn a_destructor_that_panics_keeps_no_other_from_running_broadcast() {
    let count = count();
    let (sender, receiver) = broadcast::channel(16);
    let message = || Shared(Arc::new(Dropped::new(&count, 3)));
    (0..10).for_each(|_| drop(sender.send(message())));
    assert!(panics(|| drop(receiver)));
    assert_eq!(count.load(Ordering::Relaxed), 10);
    assert_eq!((sender.receiver_count(), sender.len()), (0, 0));
    assert!(sender.send(message()).is_err());
}

/// A permit may outlive the receiver. What it sends then was kept until the last sender had gone: whoever asks by such a message, and waits for an answer on a oneshot
/// within it, waited for ever.
#[test]
fn what_is_sent_by_a_permit_when_the_receiver_has_gone_is_dropped_at_once() {
    let (sender, receiver) = mpsc::channel(4);
    let (one, many) = (sender.try_reserve().unwrap(), sender.try_reserve_many(2));
    let owned = sender.clone().try_reserve_owned().unwrap();
    drop(receiver);
    let (questions, answers): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::channel::<()>()).unzip();
    let mut questions = questions.into_iter();
    let mut next = || questions.next().unwrap();
    one.send(next());
    many.unwrap().for_each(|permit| permit.send(next()));
    drop(owned.send(next()));
    for answer in answers {
        assert!(answer.blocking_recv().is_err());
    }
    drop(sender);
}

#[expect(dead_code, reason = "dropped")]
struct Itself(Option<mpsc::Sender<Self>>, Arc<()>);

/// The receiver waited for the permit, which nobody could use any more.
#[test]
fn a_permit_that_is_forgotten_does_not_keep_the_end_from_coming() {
    for is_waiting in [false, true] {
        let count = Arc::new(Count::default());
        let (sender, mut receiver) = mpsc::channel(3);
        std::mem::forget(sender.try_reserve());
        std::mem::forget(sender.try_reserve_many(1));
        if is_waiting {
            receiver.close();
            assert!(poll_counting(pin!(receiver.recv()), &count).is_pending());
        } else {
            sender.try_send(1).unwrap();
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        }
        drop(sender);
        assert_eq!(count.woken(), usize::from(is_waiting));
        assert_eq!(
            poll_counting(pin!(receiver.recv()), &count),
            Poll::Ready(None)
        );
    }
}

/// The same with a message that contains the sender: the channel kept itself alive.
#[test]
fn a_channel_that_is_sent_into_itself_goes_away() {
    let token = Arc::new(());
    let (sender, receiver) = mpsc::channel(2);
    let permit = sender.clone().try_reserve_owned().unwrap();
    let message = |sender: &mpsc::Sender<_>| Itself(Some(sender.clone()), token.clone());
    sender.try_send(message(&sender)).unwrap();
    drop(receiver);
    let last = message(&sender);
    drop((permit.send(last), sender));
    assert_eq!(Arc::strong_count(&token), 1);
}

/// A block of such messages does not fit on the stack, nor do those of one claim.
#[test]
fn messages_may_be_larger_than_the_stack_allows_for_a_block() {
    const SIZE: usize = 32 * 1024;
    let attack = || {
        let (sender, mut receiver) = mpsc::channel(40);
        let messages = (0..40u8).map(|number| [number; SIZE]);
        crate::util::block_on::block_on(sender.send_many(messages)).unwrap();
        for number in 0..40 {
            assert_eq!(receiver.try_recv().unwrap()[SIZE - 1], number);
        }
    };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    small.spawn(attack).unwrap().join().unwrap();
}

/// Panics when it wakes.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("as planned");
    }
}

fn poll_panicking<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Arc::new(Panics).into()))
}

/// The permit was given up by its destructor, as it unwound, after it had sent: the count of permits fell below 0, and took a place from the order of messages.
#[test]
fn a_waker_that_panics_costs_no_message_and_no_permit() {
    let (sender, mut receiver) = mpsc::channel(2);
    for round in 0..3 {
        assert!(poll_panicking(pin!(receiver.recv())).is_pending());
        let permit = sender.try_reserve().unwrap();
        permit.send(round);
        assert_eq!((sender.capacity(), receiver.len()), (1, 1));
        assert_eq!(receiver.try_recv(), Ok(round));
        assert_eq!(sender.capacity(), 2);
    }
    // Nor does one of a sender keep the next one waiting for longer than until the receiver waits.
    let count = Arc::new(Count::default());
    sender
        .try_reserve_many(2)
        .unwrap()
        .for_each(|permit| permit.send(0));
    let (mut first, mut second) = (pin!(sender.send(1)), pin!(sender.send(2)));
    assert!(poll_panicking(first.as_mut()).is_pending());
    assert!(poll_counting(second.as_mut(), &count).is_pending());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(0), Ok(0)));
    assert!(poll_panicking(pin!(receiver.recv())).is_pending());
    assert_eq!(count.woken(), 1);
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_woken() {
    let count = Arc::new(Count::default());
    let (sender, receiver) = mpmc::channel(2);
    let (mut first, mut second) = (pin!(receiver.recv()), pin!(receiver.recv()));
    assert!(poll_panicking(first.as_mut()).is_pending());
    assert!(poll_counting(second.as_mut(), &count).is_pending());
    assert!(sender.try_send(1).is_ok());
    assert!(sender.try_send(2).is_ok());
    assert_eq!(count.woken(), 1);

    let (sender, mut receiver) = oneshot::channel();
    assert!(poll_panicking(Pin::new(&mut receiver)).is_pending());
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));

    let (sender, mut one) = broadcast::channel(2);
    let mut other = sender.subscribe();
    let (mut first, mut second) = (pin!(one.recv()), pin!(other.recv()));
    assert!(poll_panicking(first.as_mut()).is_pending());
    assert!(poll_counting(second.as_mut(), &count).is_pending());
    assert_eq!(sender.send(1), Ok(2));
    assert_eq!(count.woken(), 2);

    let (sender, mut one) = watch::channel(0);
    let mut other = one.clone();
    let (mut first, mut second) = (pin!(one.changed()), pin!(other.changed()));
    assert!(poll_panicking(first.as_mut()).is_pending());
    assert!(poll_counting(second.as_mut(), &count).is_pending());
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(count.woken(), 3);
}

fn poll_counting<F: Future>(future: Pin<&mut F>, count: &Arc<Count>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&count.clone().into()))
}

/// Takes something along.
struct Carries<T>(Mutex<T>);

impl<T: Send + 'static> Wake for Carries<T> {
    fn wake(self: Arc<Self>) {}
}

fn poll_carrying<F: Future, T: Send + 'static>(future: Pin<&mut F>, what: T) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Carries(Mutex::new(what))));
    future.poll(&mut Context::from_waker(&waker))
}

/// Whoever changes its waker drops the old one, and with it the last end of the other side.
#[test]
fn a_waker_may_be_what_keeps_the_other_side() {
    let count = Arc::new(Count::default());

    let (sender, mut receiver) = mpsc::channel::<u32>(1);
    assert!(poll_carrying(pin!(receiver.recv()), sender).is_pending());
    assert_eq!(
        poll_counting(pin!(receiver.recv()), &count),
        Poll::Ready(None)
    );

    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut sending = pin!(sender.send(2));
    assert!(poll_carrying(sending.as_mut(), receiver).is_pending());
    // Dropped when the new one is in its place, which is woken then.
    assert!(poll_counting(sending.as_mut(), &count).is_pending());
    assert_eq!(count.woken(), 1);
    assert!(poll_counting(sending.as_mut(), &count) == Poll::Ready(Err(mpsc::error::SendError(2))));

    let (sender, mut receiver) = oneshot::channel::<u32>();
    assert!(poll_carrying(Pin::new(&mut receiver), sender).is_pending());
    assert!(poll_counting(Pin::new(&mut receiver), &count).is_ready());

    let (mut sender, receiver) = oneshot::channel::<u32>();
    assert!(poll_carrying(pin!(sender.closed()), receiver).is_pending());
    assert!(poll_counting(pin!(sender.closed()), &count).is_ready());

    let (sender, receiver) = mpmc::channel::<u32>(1);
    let mut receiving = pin!(receiver.recv());
    assert!(poll_carrying(receiving.as_mut(), sender).is_pending());
    assert!(poll_counting(receiving.as_mut(), &count).is_pending());
    assert_eq!(count.woken(), 2);
    assert!(poll_counting(receiving.as_mut(), &count).is_ready());

    let (sender, mut receiver) = broadcast::channel::<u32>(1);
    let mut receiving = pin!(receiver.recv());
    assert!(poll_carrying(receiving.as_mut(), sender).is_pending());
    assert!(poll_counting(receiving.as_mut(), &count).is_pending());
    assert_eq!(count.woken(), 3);
    assert!(poll_counting(receiving.as_mut(), &count).is_ready());

    let (sender, mut receiver) = watch::channel(1);
    let mut changed = pin!(receiver.changed());
    assert!(poll_carrying(changed.as_mut(), sender).is_pending());
    assert!(poll_counting(changed.as_mut(), &count).is_pending());
    assert_eq!(count.woken(), 4);
    assert!(poll_counting(changed.as_mut(), &count).is_ready());
}

/// Sends one more when it is dropped, by whatever it was given.
struct SendsAgain(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Clone for SendsAgain {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl Drop for SendsAgain {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send();
        }
    }
}

fn again(send: impl FnOnce() + Send + Sync + 'static) -> SendsAgain {
    SendsAgain(Some(Box::new(send)))
}

/// What a destructor does to the channel that drops the message finds no lock held and no message half taken out.
#[test]
fn a_message_may_send_when_it_is_dropped() {
    let noted = Arc::new(AtomicUsize::new(0));
    let note = |is_as_it_should: bool, count: &AtomicUsize| {
        count.fetch_add(usize::from(is_as_it_should), Ordering::Relaxed);
    };
    for by_permit in [false, true] {
        let (sender, receiver) = mpsc::channel(4);
        let permit = sender.clone().try_reserve_owned().unwrap();
        let (to, told) = (sender.clone(), noted.clone());
        let message = again(move || note(to.try_send(SendsAgain(None)).is_err(), &told));
        if by_permit {
            drop(receiver);
            drop(permit.send(message));
        } else {
            assert!(sender.try_send(message).is_ok());
            drop(receiver);
        }
    }
    assert_eq!(noted.load(Ordering::Relaxed), 2);

    let (sender, receiver) = mpmc::channel(4);
    let (to, told) = (sender.clone(), noted.clone());
    let message = again(move || note(to.try_send(SendsAgain(None)).is_err(), &told));
    assert!(sender.try_send(message).is_ok());
    drop(receiver);
    assert_eq!(noted.load(Ordering::Relaxed), 3);

    // Overwritten, skipped by a receiver that goes, and read last.
    for how in 0..3 {
        let (sender, receiver) = broadcast::channel(1);
        let mut other = sender.subscribe();
        let (to, told) = (sender.clone(), noted.clone());
        let message = again(move || note(to.send(SendsAgain(None)).is_ok(), &told));
        assert!(sender.send(message).is_ok());
        match how {
            0 => drop(sender.send(SendsAgain(None))),
            1 => drop((receiver, other)),
            _ => {
                drop(receiver);
                drop(other.try_recv().unwrap());
            }
        }
    }
    assert_eq!(noted.load(Ordering::Relaxed), 6);

    let (sender, receiver) = watch::channel(SendsAgain(None));
    let (to, told) = (Arc::new(sender), noted.clone());
    let sender = Arc::downgrade(&to);
    let message = again(move || {
        let is_sent = sender
            .upgrade()
            .is_some_and(|to| to.send(SendsAgain(None)).is_ok());
        note(is_sent, &told);
    });
    assert!(to.send(message).is_ok());
    assert!(to.send(SendsAgain(None)).is_ok());
    assert_eq!(noted.load(Ordering::Relaxed), 7);
    drop(receiver);
}

/// May be sent, and not shared.
type NotSync = std::cell::Cell<u32>;

/// Which ends may be sent and shared, by what the message may. What they may not stands in their documentation's tests.
#[test]
fn ends_may_be_sent_and_shared_as_their_messages_may_be_sent() {
    fn both<T: Send + Sync>() {}
    fn unwind<T: UnwindSafe + RefUnwindSafe>() {}
    both::<(oneshot::Sender<NotSync>, oneshot::Receiver<NotSync>)>();
    both::<(
        mpsc::Sender<NotSync>,
        mpsc::WeakSender<NotSync>,
        mpsc::Receiver<NotSync>,
    )>();
    both::<(mpsc::Permit<'_, NotSync>, mpsc::PermitIterator<'_, NotSync>)>();
    both::<(mpsc::OwnedPermit<NotSync>, mpsc::UnboundedSender<NotSync>)>();
    both::<(
        mpsc::WeakUnboundedSender<NotSync>,
        mpsc::UnboundedReceiver<NotSync>,
    )>();
    both::<(mpmc::Sender<NotSync>, mpmc::WeakSender<NotSync>)>();
    both::<(mpmc::Receiver<NotSync>, mpmc::WeakReceiver<NotSync>)>();
    both::<(
        broadcast::Sender<u32>,
        broadcast::WeakSender<u32>,
        broadcast::Receiver<u32>,
    )>();
    both::<(watch::Sender<u32>, watch::Receiver<u32>)>();
    unwind::<(
        mpsc::Sender<NotSync>,
        mpsc::UnboundedReceiver<NotSync>,
        mpmc::Receiver<NotSync>,
    )>();
    unwind::<(
        oneshot::Sender<NotSync>,
        oneshot::Receiver<NotSync>,
        broadcast::Sender<NotSync>,
    )>();
}

/// Whether a type may be sent, and shared: an inherent constant is found before that of the trait, where its bound holds.
macro_rules! may {
    ($what:ident, $type:ty) => {{
        trait Otherwise {
            const MAY: bool = false;
        }
        impl<T: ?Sized> Otherwise for T {}
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        impl<T: ?Sized + $what> Asked<T> {
            const MAY: bool = true;
        }
        // Both are there.
        assert!(<Asked<()>>::MAY && !<() as Otherwise>::MAY);
        <Asked<$type>>::MAY
    }};
}

#[test]
fn ends_may_not_be_sent_nor_shared_if_their_messages_may_not() {
    type Not = std::rc::Rc<()>;
    macro_rules! neither {
        ($($type:ty),* $(,)?) => {
            $(assert!(!may!(Send, $type) && !may!(Sync, $type), stringify!($type));)*
        };
    }
    neither!(oneshot::Sender<Not>, oneshot::Receiver<Not>);
    neither!(
        mpsc::Sender<Not>,
        mpsc::WeakSender<Not>,
        mpsc::Receiver<Not>
    );
    neither!(
        mpsc::Permit<'static, Not>,
        mpsc::PermitIterator<'static, Not>,
        mpsc::OwnedPermit<Not>
    );
    neither!(mpsc::UnboundedSender<Not>, mpsc::WeakUnboundedSender<Not>);
    neither!(mpsc::UnboundedReceiver<Not>);
    neither!(mpmc::Sender<Not>, mpmc::WeakSender<Not>);
    neither!(mpmc::Receiver<Not>, mpmc::WeakReceiver<Not>);
    neither!(
        broadcast::Sender<Not>,
        broadcast::WeakSender<Not>,
        broadcast::Receiver<Not>
    );
    neither!(broadcast::Sender<NotSync>, broadcast::WeakSender<NotSync>);
    neither!(
        broadcast::Receiver<NotSync>,
        watch::Sender<NotSync>,
        watch::Receiver<NotSync>
    );
    neither!(
        watch::Sender<Not>,
        watch::Receiver<Not>,
        watch::Ref<'static, Not>
    );
    assert!(may!(Send, mpsc::Sender<u32>) && may!(Sync, watch::Receiver<u32>));
}

#[test]
fn messages_of_any_alignment_and_none_of_a_size() {
    #[derive(Clone, Copy)]
    #[repr(align(256))]
    struct Aligned(u8);
    let is_aligned = |it: &Aligned| std::ptr::from_ref(it).addr() % 256 == 0;

    let (sender, mut receiver) = mpsc::channel(3);
    let (one, rx) = oneshot::channel();
    let (many, all) = (mpmc::channel(3), broadcast::channel(3));
    let mut other = all.0.subscribe();
    assert!(one.send(Aligned(7)).is_ok());
    assert!(
        rx.blocking_recv()
            .is_ok_and(|it| is_aligned(&it) && it.0 == 7)
    );
    let (mut first, _) = (all.1, 0);
    for number in 0..100 {
        let message = Aligned(number);
        assert!(sender.try_send(message).is_ok() && many.0.try_send(message).is_ok());
        assert!(all.0.send(message).is_ok());
        for it in [
            receiver.try_recv().unwrap(),
            many.1.try_recv().unwrap(),
            first.try_recv().unwrap(),
            other.try_recv().unwrap(),
        ] {
            assert!(is_aligned(&it) && it.0 == number);
        }
    }

    let (sender, receiver) = mpmc::channel(3);
    let (to_all, mut from_one) = broadcast::channel(3);
    for _ in 0..10 {
        assert_eq!((sender.try_send(()), to_all.send(())), (Ok(()), Ok(1)));
        assert_eq!((receiver.try_recv(), from_one.try_recv()), (Ok(()), Ok(())));
    }
    assert_eq!((receiver.len(), to_all.len()), (0, 0));
}

#[test]
fn weak_senders_are_counted() {
    let (sender, receiver) = broadcast::channel::<u32>(1);
    let weak = sender.downgrade();
    let other = weak.clone();
    assert_eq!((sender.weak_count(), weak.weak_count()), (2, 2));
    drop((weak, other.upgrade()));
    assert_eq!(
        (receiver.sender_weak_count(), receiver.sender_strong_count()),
        (1, 1)
    );
    drop(sender);
    assert!(other.upgrade().is_none());
}

#[test]
fn who_waits_for_the_end_of_receivers_is_told_by_each_way_to_it() {
    for how in 0..3 {
        let count = Arc::new(Count::default());
        let (sender, receiver) = mpmc::channel::<u32>(1);
        let mut closed = pin!(sender.closed());
        assert!(poll_counting(closed.as_mut(), &count).is_pending());
        assert!(match how {
            0 => receiver.close(),
            1 => sender.close(),
            _ => true,
        });
        drop(receiver);
        assert_eq!(count.woken(), 1);
        assert!(poll_counting(closed.as_mut(), &count).is_ready());
    }
}

#[test]
fn many_are_received_at_once_without_waiting() {
    let (sender, receiver) = mpmc::channel(4);
    let mut all = Vec::new();
    assert_eq!(receiver.try_recv_many(&mut all, 0), Ok(0));
    assert_eq!(
        receiver.try_recv_many(&mut all, 9),
        Err(mpmc::error::TryRecvError::Empty)
    );
    (0..4).for_each(|n| sender.try_send(n).unwrap());
    assert_eq!(receiver.blocking_recv_many(&mut all, 3), 3);
    drop(sender);
    assert_eq!(receiver.try_recv_many(&mut all, usize::MAX), Ok(1));
    assert_eq!(
        receiver.try_recv_many(&mut all, 9),
        Err(mpmc::error::TryRecvError::Closed)
    );
    assert_eq!(receiver.blocking_recv_many(&mut all, 9), 0);
    assert_eq!(all, [0, 1, 2, 3]);
}

/// A task that always found something new never gave up its turn.
#[test]
fn what_is_ready_is_charged() {
    let (sender, mut receiver) = watch::channel(0);
    let mut turn = |wait_for: bool| {
        budget::reset();
        let mut times = 0;
        loop {
            receiver.mark_changed();
            let is_ready = if wait_for {
                poll_noop(pin!(receiver.wait_for(|_| true))).is_ready()
            } else {
                poll_noop(pin!(receiver.changed())).is_ready()
            };
            times += u32::from(is_ready);
            if !is_ready || times > budget::OPERATIONS_PER_POLL {
                return times;
            }
        }
    };
    assert_eq!([turn(false), turn(true)], [budget::OPERATIONS_PER_POLL; 2]);
    budget::lift();
    drop(sender);
}

fn poll_noop<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

//! May an end of a channel be used again by who has caught a panic?
//!
//! Yes: code of the user's never runs in the middle of a change to what the ends share; a destructor, a waker, an iterator or a `clone` that panics finds it whole, and leaves it
//! so. (Not said of [`watch`](super::watch), whose value may be left half changed by a `send_modify` that panics.)

use super::{broadcast, mpmc, mpsc, oneshot};
use std::panic::{RefUnwindSafe, UnwindSafe};

macro_rules! unwind_safe {
    ($($end:ty),* $(,)?) => {
        $(
            impl<T> UnwindSafe for $end {}
            impl<T> RefUnwindSafe for $end {}
        )*
    };
}

unwind_safe!(
    oneshot::Sender<T>,
    oneshot::Receiver<T>,
    mpsc::Sender<T>,
    mpsc::WeakSender<T>,
    mpsc::Receiver<T>,
    mpsc::OwnedPermit<T>,
    mpsc::UnboundedSender<T>,
    mpsc::WeakUnboundedSender<T>,
    mpsc::UnboundedReceiver<T>,
    mpmc::Sender<T>,
    mpmc::WeakSender<T>,
    mpmc::Receiver<T>,
    mpmc::WeakReceiver<T>,
    broadcast::Sender<T>,
    broadcast::WeakSender<T>,
    broadcast::Receiver<T>,
);

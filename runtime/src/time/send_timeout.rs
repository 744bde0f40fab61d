//! How long may a sender wait for room?
//!
//! Here, since whoever waits for a time needs a runtime, and the channels do not.

use crate::sync::{mpmc, mpsc};
use crate::time::timeout;
use std::time::Duration;

impl<T> mpsc::Sender<T> {
    /// Sends a message; waits while there is no room, but not longer than that.
    ///
    /// # Errors
    ///
    /// The message comes back if there was no room in time, or the receiver is gone, or has closed the channel.
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the message was not sent, and is dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc::{self, error::SendTimeoutError};
    /// use filch::time::Duration;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, _receiver) = mpsc::channel(1);
    ///     sender.send_timeout(1, Duration::from_secs(60)).await.unwrap();
    ///     let late = sender.send_timeout(2, Duration::from_millis(2)).await;
    ///     assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_timeout(
        &self,
        message: T,
        duration: Duration,
    ) -> Result<(), mpsc::error::SendTimeoutError<T>> {
        use mpsc::error::SendTimeoutError;

        match timeout(duration, self.reserve()).await {
            Ok(Ok(permit)) => {
                permit.send(message);
                Ok(())
            }
            Ok(Err(_)) => Err(SendTimeoutError::Closed(message)),
            Err(_) => Err(SendTimeoutError::Timeout(message)),
        }
    }
}

impl<T> mpmc::Sender<T> {
    /// Sends a message, and waits for room before that if there is none, but only so long.
    ///
    /// # Errors
    ///
    /// If there was no room in that time, or the channel is closed: the message comes back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, nothing was sent, and the message is dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpmc::{self, error::SendTimeoutError};
    /// use filch::time::Duration;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = mpmc::channel(1);
    ///     let in_time = Duration::from_millis(2);
    ///     assert_eq!(sender.send_timeout("first", in_time).await, Ok(()));
    ///     let late = sender.send_timeout("second", in_time).await;
    ///     assert_eq!(late, Err(SendTimeoutError::Timeout("second")));
    ///     drop(receiver);
    ///     let closed = sender.send_timeout("third", in_time).await;
    ///     assert_eq!(closed, Err(SendTimeoutError::Closed("third")));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_timeout(
        &self,
        value: T,
        duration: Duration,
    ) -> Result<(), mpmc::error::SendTimeoutError<T>> {
        use mpmc::error::SendTimeoutError;

        let mut value = Some(value);
        let in_time = timeout(duration, self.send_from(&mut value)).await;
        match (value, in_time) {
            (None, _) => Ok(()),
            (Some(back), Ok(())) => Err(SendTimeoutError::Closed(back)),
            (Some(back), Err(_)) => Err(SendTimeoutError::Timeout(back)),
        }
    }
}

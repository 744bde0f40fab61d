//! How long may a sender wait for room?
//!
//! Here, since whoever waits for a time needs a runtime, and the channels do not.

use crate::sync::mpsc::Sender;
use crate::sync::mpsc::error::SendTimeoutError;
use crate::time::timeout;
use std::time::Duration;

impl<T> Sender<T> {
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
    ) -> Result<(), SendTimeoutError<T>> {
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

//! How long may a message wait for room?

use crate::sync::mpmc::Sender;
use crate::sync::mpmc::error::SendTimeoutError;
use crate::time::timeout;
use std::time::Duration;

impl<T> Sender<T> {
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
    ) -> Result<(), SendTimeoutError<T>> {
        let mut value = Some(value);
        let in_time = timeout(duration, self.send_from(&mut value)).await;
        match (value, in_time) {
            (None, _) => Ok(()),
            (Some(back), Ok(())) => Err(SendTimeoutError::Closed(back)),
            (Some(back), Err(_)) => Err(SendTimeoutError::Timeout(back)),
        }
    }
}

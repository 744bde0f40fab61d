//! How often must the manager be told that the service is alive?

use super::{Notice, is_for_us, notify, number};
use std::io;
use std::time::Duration;

/// After how long without a word the manager takes the service for dead; `None` if it does not.
///
/// From `WATCHDOG_USEC`, if `WATCHDOG_PID` is this process or is not set. The manager is to be told every half of it.
///
/// # Errors
///
/// `InvalidData` if a variable is no number, or the time is zero.
///
/// # Examples
///
/// ```
/// if let Some(timeout) = filch_net::inherit::watchdog_timeout()? {
///     println!("to be told every {:?}", timeout / 2);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn watchdog_timeout() -> io::Result<Option<Duration>> {
    if is_for_us("WATCHDOG_PID")? == Some(false) {
        return Ok(None);
    }
    match number("WATCHDOG_USEC")? {
        Some(0) => Err(super::invalid("WATCHDOG_USEC is 0".to_owned())),
        micros => Ok(micros.map(Duration::from_micros)),
    }
}

/// Tells the manager that the service is alive, every half of [`watchdog_timeout`], for as long as it is polled; ends at once where there is no watchdog.
///
/// For a task of its own: it says that the runtime still runs its tasks. A program that can tell better whether it is well sends [`Notice::Watchdog`] itself.
///
/// # Errors
///
/// As for [`watchdog_timeout`] and [`notify()`]; but a manager that is too busy to read is told again at the next turn.
///
/// # Cancel safety
///
/// Nothing is lost; the manager is told no more.
///
/// # Examples
///
/// ```
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let alive = filch::spawn(filch_net::inherit::watchdog());
/// // ... and when the service stops to be well
/// alive.abort();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn watchdog() -> io::Result<()> {
    let Some(timeout) = watchdog_timeout()? else {
        return Ok(());
    };
    // A timer has milliseconds, and a period that is not zero.
    let mut ticks = filch::time::interval((timeout / 2).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(filch::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match notify(&[Notice::Watchdog]) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            // Whoever gave up here would be killed in good health, as soon as the manager has time again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

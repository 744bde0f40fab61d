//! What does a service get from the manager that started it, and what does it tell that?
//!
//! | what | how |
//! |---|---|
//! | [`sockets()`], [`listeners`] | sockets that the manager has opened (socket activation): `LISTEN_FDS` |
//! | [`notify()`] | that the service is ready, reloads, stops, or how it is: `NOTIFY_SOCKET` |
//! | [`store`], [`unstore`] | descriptors that shall outlive the service: `FDSTORE=1` |
//! | [`watchdog()`], [`watchdog_timeout`] | that the service is alive: `WATCHDOG_USEC` |
//!
//! This is systemd's protocol, of which others speak parts. It needs no library: variables of the environment, and datagrams of text. Where no manager has set the variables, everything here does nothing
//! and says so.
//!
//! The variables stay as they are: to unset one is unsafe in a program with threads, and a runtime has threads. A child that is started later inherits them, and not the descriptors, which are close-on-exec; children that
//! keep to the protocol see by `LISTEN_PID` and `WATCHDOG_PID` that they are not meant. Use [`Command::env_remove`](std::process::Command::env_remove) where a child must not see `NOTIFY_SOCKET`.
//!
//! | file | question |
//! |---|---|
//! | `sockets` | which sockets has the manager opened? |
//! | `notify` | how is the manager told? |
//! | `watchdog` | how often must it be told that the service is alive? |
//!
//! # Source
//!
//! `sd_listen_fds(3)`, `sd_notify(3)`, `sd_watchdog_enabled(3)`.
//!
//! # Examples
//!
//! ```
//! use filch_net::inherit::{self, Notice};
//!
//! # let rt = filch::Runtime::new()?;
//! # rt.block_on(async {
//! let listener = match inherit::listeners()?.pop() {
//!     Some(listener) => listener,
//!     None => std::net::TcpListener::bind("127.0.0.1:0")?,
//! };
//! let listener = filch_net::TcpListener::from_std(listener)?;
//! filch::spawn(inherit::watchdog());
//! inherit::notify(&[Notice::Ready, Notice::Status("waiting for the first request")])?;
//! # drop(listener);
//! // ... and in the end
//! inherit::notify(&[Notice::Stopping])?;
//! # std::io::Result::Ok(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod notify;
mod sockets;
mod watchdog;

pub use notify::{FD_NAME_BYTES_MAX, FDS_MAX, Notice, notify, store, unstore};
pub use sockets::{Inherited, Socket, listeners, sockets};
pub use watchdog::{watchdog, watchdog_timeout};

use std::io;

/// A variable of the environment, if it is set and not empty.
fn variable(name: &str) -> io::Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(invalid(format!("{name} is not UTF-8"))),
    }
}

/// A variable that is a number.
fn number(name: &str) -> io::Result<Option<u64>> {
    let Some(text) = variable(name)? else {
        return Ok(None);
    };
    let number =
        decimal(&text).ok_or_else(|| invalid(format!("{name} is {text:?}, which is no number")))?;
    Ok(Some(number))
}

/// Digits and nothing else.
fn decimal(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Whether a variable with a process in it means this one.
fn is_for_us(name: &str) -> io::Result<Option<bool>> {
    let process = number(name)?;
    Ok(process.map(|process| process == u64::from(std::process::id())))
}

#[cold]
fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_digits_only() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }
}

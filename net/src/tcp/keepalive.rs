//! When does the kernel ask a silent peer if it still lives?

use socket2::SockRef;
use std::io;
use std::time::Duration;

/// When the kernel asks a silent peer if it still lives; what is not set is left to the system (`net.ipv4.tcp_keepalive_*`: two hours, 75 s, 9 times).
///
/// # Source
///
/// `tcp(7)`: `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "it does nothing before set_keepalive"]
pub struct TcpKeepalive {
    time: Option<Duration>,
    interval: Option<Duration>,
    retries: Option<u32>,
}

impl TcpKeepalive {
    /// As the system has it.
    pub const fn new() -> Self {
        Self {
            time: None,
            interval: None,
            retries: None,
        }
    }

    /// How long a peer may be silent before it is asked; in seconds from 1 to 32 767, fractions are cut off.
    pub const fn time(self, time: Duration) -> Self {
        Self {
            time: Some(time),
            ..self
        }
    }

    /// How long to wait from one question to the next; in seconds from 1 to 32 767, fractions are cut off.
    pub const fn interval(self, interval: Duration) -> Self {
        Self {
            interval: Some(interval),
            ..self
        }
    }

    /// How many questions without an answer end the connection; from 1 to 127.
    pub const fn retries(self, retries: u32) -> Self {
        Self {
            retries: Some(retries),
            ..self
        }
    }

    /// Sets it; none turns it off.
    pub(super) fn set(keepalive: Option<Self>, socket: &SockRef<'_>) -> io::Result<()> {
        match keepalive {
            None => socket.set_keepalive(false),
            Some(keepalive) => socket.set_tcp_keepalive(&keepalive.for_socket()),
        }
    }

    /// What is set, all of it; none if it is off.
    pub(super) fn of(socket: &SockRef<'_>) -> io::Result<Option<Self>> {
        if !socket.keepalive()? {
            return Ok(None);
        }
        Ok(Some(Self {
            time: Some(socket.tcp_keepalive_time()?),
            interval: Some(socket.tcp_keepalive_interval()?),
            retries: Some(socket.tcp_keepalive_retries()?),
        }))
    }

    fn for_socket(self) -> socket2::TcpKeepalive {
        let mut keepalive = socket2::TcpKeepalive::new();
        if let Some(time) = self.time {
            keepalive = keepalive.with_time(time);
        }
        if let Some(interval) = self.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = self.retries {
            keepalive = keepalive.with_retries(retries);
        }
        keepalive
    }
}

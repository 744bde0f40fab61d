//! Which options do sockets of TCP have, and on which of them?
//!
//! | macro | of | options |
//! |---|---|---|
//! | `impl_any_options` | sockets, listeners and streams | what marks their packets: mark, class, hops; the device |
//! | `impl_connection_options` | sockets and streams | when bytes are sent, when a peer counts as gone, buffers |
//! | `impl_listening_options` | sockets and listeners | which connections are accepted |
//!
//! A listener's socket hands its options on to the connections that are accepted. Each macro asks for a method `option`, which lends the socket.
//!
//! Times are rounded up to the kernel's unit, where rounding down would turn a short time into *none*, or into another meaning.

use crate::error;
use socket2::SockRef;
use std::io;
use std::time::Duration;

/// The longest name that a device of the network may have: `IFNAMSIZ` less the NUL. The kernel would cut off what is longer, and bind to another one.
const DEVICE_NAME_MAX: usize = 15;

/// What marks the packets of a socket, whatever it does.
macro_rules! impl_any_options {
    ($socket:ident) => {
        /// Options of its packets.
        impl $socket {
            /// Marks every packet for routing and filters (`SO_MARK`).
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says: `PermissionDenied` without `CAP_NET_ADMIN` or `CAP_NET_RAW`.
            pub fn set_mark(&self, mark: u32) -> io::Result<()> {
                self.option().set_mark(mark)
            }

            /// The mark of every packet; 0 if there is none.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn mark(&self) -> io::Result<u32> {
                self.option().mark()
            }

            /// Sends and receives by this device of the network only, for instance `b"eth0"`; `None` by all of them (`SO_BINDTODEVICE`).
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says, with the name: `ENODEV` if there is no such device, `PermissionDenied` for a change by other than the superuser. `InvalidInput` if
            /// the name has more than 15 bytes.
            pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
                $crate::tcp::options::bind_device(&self.option(), interface)
            }

            /// The device of the network that it is bound to.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
                self.option().device()
            }

            /// Sets the type of service of a socket for IPv4: the class in the upper six bits (`IP_TOS`). The lower two bits are TCP's own.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
                self.option().set_tos_v4(tos)
            }

            /// The type of service of a socket for IPv4.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn tos_v4(&self) -> io::Result<u32> {
                self.option().tos_v4()
            }

            /// Sets the traffic class of a socket for IPv6 (`IPV6_TCLASS`). The lower two bits are TCP's own.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says, for a socket for IPv4 too.
            pub fn set_tclass_v6(&self, class: u32) -> io::Result<()> {
                self.option().set_tclass_v6(class)
            }

            /// The traffic class of a socket for IPv6.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says, for a socket for IPv4 too.
            pub fn tclass_v6(&self) -> io::Result<u32> {
                self.option().tclass_v6()
            }

            /// Sets how many routers a packet may pass, from 1 to 255 (`IP_TTL`, or `IPV6_UNICAST_HOPS`).
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
                let socket = self.option();
                if socket.domain()? == socket2::Domain::IPV6 {
                    socket.set_unicast_hops_v6(ttl)
                } else {
                    socket.set_ttl_v4(ttl)
                }
            }

            /// How many routers a packet may pass.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn ttl(&self) -> io::Result<u32> {
                let socket = self.option();
                if socket.domain()? == socket2::Domain::IPV6 {
                    socket.unicast_hops_v6()
                } else {
                    socket.ttl_v4()
                }
            }
        }
    };
}

/// When bytes are sent, when a peer counts as gone, and how much is buffered.
macro_rules! impl_connection_options {
    ($socket:ident, $about:literal) => {
        #[doc = $about]
        impl $socket {
            /// Sends small writes at once, instead of waiting for the acknowledgement of those before (`TCP_NODELAY`).
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_nodelay(&self, is_at_once: bool) -> io::Result<()> {
                self.option().set_tcp_nodelay(is_at_once)
            }

            /// Whether small writes are sent at once.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn nodelay(&self) -> io::Result<bool> {
                self.option().tcp_nodelay()
            }

            /// Acknowledges what comes at once, instead of waiting for an answer to send along (`TCP_QUICKACK`). The kernel goes back by itself: set it again after each read.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_quickack(&self, is_at_once: bool) -> io::Result<()> {
                self.option().set_tcp_quickack(is_at_once)
            }

            /// Whether what comes is acknowledged at once, for now.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn quickack(&self) -> io::Result<bool> {
                self.option().tcp_quickack()
            }

            /// Counts as writable only while fewer than so many bytes are not sent, in the buffer for writing (`TCP_NOTSENT_LOWAT`): what is written later can still be changed until
            /// then. The default is without a limit but the buffer's.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_notsent_lowat(&self, bytes: u32) -> io::Result<()> {
                self.option().set_tcp_notsent_lowat(bytes)
            }

            /// How many bytes may be unsent while it counts as writable; 0 if that is as the system has it.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn notsent_lowat(&self) -> io::Result<u32> {
                self.option().tcp_notsent_lowat()
            }

            /// What closing does with bytes that were not sent (`SO_LINGER`): `None` sends them in the background; zero throws them away and resets the connection, as
            /// [`set_zero_linger`](Self::set_zero_linger) does.
            ///
            /// With any other time, closing blocks the thread for up to so long, the worker that drops the stream: use `shutdown` of the stream, and read until the
            /// end, instead.
            ///
            /// # Units and limits
            ///
            /// Whole seconds; fractions are rounded up. At most 68 years, as which more counts.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
                self.option()
                    .set_linger(linger.map($crate::tcp::options::whole_seconds))
            }

            /// Closing throws away what was not sent, and resets the connection. Closing never blocks.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_zero_linger(&self) -> io::Result<()> {
                self.option().set_linger(Some(Duration::ZERO))
            }

            /// What closing does with bytes that were not sent.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn linger(&self) -> io::Result<Option<Duration>> {
                self.option().linger()
            }

            /// Asks a silent peer if it still lives (`SO_KEEPALIVE` and its times); `None` does not.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says: `InvalidInput` for a time or a number out of its range. What was set before it stays set.
            pub fn set_keepalive(&self, keepalive: Option<TcpKeepalive>) -> io::Result<()> {
                TcpKeepalive::set(keepalive, &self.option())
            }

            /// Whether a silent peer is asked.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn keepalive(&self) -> io::Result<bool> {
                self.option().keepalive()
            }

            /// When a silent peer is asked, how often, and with which pauses; `None` if it is not.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn keepalive_times(&self) -> io::Result<Option<TcpKeepalive>> {
                TcpKeepalive::of(&self.option())
            }

            /// How long bytes may be sent without being acknowledged, or the peer may have no room, until the connection ends with `TimedOut` (`TCP_USER_TIMEOUT`); `None` is as the
            /// system has it, some fifteen minutes. It also ends one whose peer does not answer keepalive, in place of [`TcpKeepalive::retries`].
            ///
            /// # Units and limits
            ///
            /// Whole milliseconds; fractions are rounded up. At most 24 days.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says: `InvalidInput` beyond the limit.
            ///
            /// # Source
            ///
            /// RFC 5482; `tcp(7)`.
            pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                let timeout = timeout.map($crate::tcp::options::whole_millis);
                self.option().set_tcp_user_timeout(timeout)
            }

            /// How long bytes may be sent without being acknowledged; `None` if that is as the system has it.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn user_timeout(&self) -> io::Result<Option<Duration>> {
                self.option().tcp_user_timeout()
            }

            /// Chooses by which rules it sends faster and slower, for instance `"bbr"` or `"cubic"` (`TCP_CONGESTION`).
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says, with the name: `NotFound` if the kernel has none of this name, `PermissionDenied` if not everybody may use it.
            pub fn set_congestion(&self, algorithm: &str) -> io::Result<()> {
                $crate::tcp::options::set_congestion(&self.option(), algorithm)
            }

            /// By which rules it sends faster and slower.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn congestion(&self) -> io::Result<String> {
                $crate::tcp::options::congestion(&self.option())
            }

            /// Sets the size of the buffer for what was received, in bytes (`SO_RCVBUF`). The kernel doubles it, for its own needs, and stops adapting it.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
                let bytes = sys::buffer_bytes(bytes);
                self.option().set_recv_buffer_size(bytes)
            }

            /// The size of the buffer for what was received, in bytes, as the kernel has it.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn recv_buffer_size(&self) -> io::Result<usize> {
                self.option().recv_buffer_size()
            }

            /// Sets the size of the buffer for what is to be sent, in bytes (`SO_SNDBUF`). The kernel doubles it, for its own needs, and stops adapting it.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
                let bytes = sys::buffer_bytes(bytes);
                self.option().set_send_buffer_size(bytes)
            }

            /// The size of the buffer for what is to be sent, in bytes, as the kernel has it.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn send_buffer_size(&self) -> io::Result<usize> {
                self.option().send_buffer_size()
            }
        }
    };
}

/// Which connections are accepted.
macro_rules! impl_listening_options {
    ($socket:ident) => {
        /// Options of accepting.
        impl $socket {
            /// Accepts a connection only when it has sent something, or after so long (`TCP_DEFER_ACCEPT`); `None` at once. For protocols whose clients speak first.
            ///
            /// # Units and limits
            ///
            /// Seconds, which the kernel rounds up to a number of retransmissions: [`defer_accept`](Self::defer_accept) says to what.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            pub fn set_defer_accept(&self, at_most: Option<Duration>) -> io::Result<()> {
                let seconds = at_most.map($crate::tcp::options::whole_seconds);
                let seconds =
                    seconds.map_or(0, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
                sys::set_tcp_option(self, sys::TcpOption::DeferAccept, seconds)
            }

            /// How long accepting waits for a connection to send something, if it does.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn defer_accept(&self) -> io::Result<Option<Duration>> {
                let seconds = sys::tcp_option(self, sys::TcpOption::DeferAccept)?;
                Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
            }

            /// Lets clients that were here before send bytes with their first packet, for so many connections that nobody has accepted (`TCP_FASTOPEN`); 0 does not. It also needs the
            /// system's leave: bit 2 of `net.ipv4.tcp_fastopen`.
            ///
            /// What comes in this way may come twice, if the network repeats a packet: for protocols that do not mind.
            ///
            /// # Errors
            ///
            /// What `setsockopt(2)` says.
            ///
            /// # Source
            ///
            /// RFC 7413.
            pub fn set_fastopen(&self, connections: u32) -> io::Result<()> {
                sys::set_tcp_option(self, sys::TcpOption::FastOpen, connections)
            }

            /// For how many connections bytes may come with the first packet.
            ///
            /// # Errors
            ///
            /// What `getsockopt(2)` says.
            pub fn fastopen(&self) -> io::Result<u32> {
                sys::tcp_option(self, sys::TcpOption::FastOpen)
            }
        }
    };
}

pub(super) use {impl_any_options, impl_connection_options, impl_listening_options};

pub(crate) fn bind_device(socket: &SockRef<'_>, interface: Option<&[u8]>) -> io::Result<()> {
    let Some(name) = interface else {
        return socket.bind_device(None);
    };
    let bound = if name.is_empty() || name.len() > DEVICE_NAME_MAX {
        let text = format!("a device's name has 1 to {DEVICE_NAME_MAX} bytes");
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    } else {
        socket.bind_device(Some(name))
    };
    bound.map_err(|cause| {
        let name = name.escape_ascii();
        error::at(format!("bind to the device \"{name}\""), cause)
    })
}

pub(super) fn set_congestion(socket: &SockRef<'_>, algorithm: &str) -> io::Result<()> {
    let is_set = socket.set_tcp_congestion(algorithm.as_bytes());
    is_set.map_err(|cause| error::at(format!("use {algorithm:?} for congestion control"), cause))
}

pub(super) fn congestion(socket: &SockRef<'_>) -> io::Result<String> {
    // The kernel fills the room that it is given up with NULs.
    let name = socket.tcp_congestion()?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Rounded up, so that a short time is no zero, which has a meaning of its own. At most what an `int` holds, of which `socket2` would keep the lower bits of more.
pub(super) fn whole_seconds(time: Duration) -> Duration {
    let more = u64::from(time.subsec_nanos() > 0);
    let seconds = time.as_secs().saturating_add(more);
    Duration::from_secs(seconds.min(i32::MAX as u64))
}

/// Rounded up, too.
pub(super) fn whole_millis(time: Duration) -> Duration {
    time.checked_add(Duration::from_nanos(999_999))
        .map_or(time, |time| {
            Duration::new(time.as_secs(), time.subsec_millis() * 1_000_000)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_is_no_zero() {
        let (zero, short) = (Duration::ZERO, Duration::from_nanos(1));
        let second = Duration::from_secs(1);
        assert_eq!(whole_seconds(zero), zero);
        assert_eq!(whole_seconds(short), second);
        assert_eq!(whole_seconds(second), second);
        assert_eq!(whole_seconds(second + short), 2 * second);
        let most = Duration::from_secs(i32::MAX as u64);
        assert_eq!(whole_seconds(most - second), most - second);
        assert_eq!(whole_seconds(most), most);
        assert_eq!(whole_seconds(most + short), most);
        assert_eq!(whole_seconds(Duration::MAX), most);
        let milli = Duration::from_millis(1);
        assert_eq!(whole_millis(zero), zero);
        assert_eq!(whole_millis(short), milli);
        assert_eq!(whole_millis(milli), milli);
        assert_eq!(whole_millis(milli + short), 2 * milli);
        assert_eq!(whole_millis(Duration::MAX), Duration::MAX);
    }
    #[test]
    fn what_an_int_cannot_hold_is_not_cut_off_to_something_small() {
        let socket = crate::TcpSocket::new_v4().unwrap();
        let most = i32::MAX as u64;
        for seconds in [most - 1, most, most + 1, 1 << 32, u64::MAX] {
            socket
                .set_linger(Some(Duration::from_secs(seconds)))
                .unwrap();
            let expected = Duration::from_secs(seconds.min(most));
            assert_eq!(socket.linger().unwrap(), Some(expected), "{seconds}");
        }
        socket.set_recv_buffer_size(i32::MAX as usize).unwrap();
        socket.set_send_buffer_size(i32::MAX as usize).unwrap();
        let (largest, largest_sent) = (
            socket.recv_buffer_size().unwrap(),
            socket.send_buffer_size().unwrap(),
        );
        for bytes in [1 << 31, 1 << 32, usize::MAX] {
            socket.set_recv_buffer_size(bytes).unwrap();
            socket.set_send_buffer_size(bytes).unwrap();
            assert_eq!(socket.recv_buffer_size().unwrap(), largest, "{bytes}");
            assert_eq!(socket.send_buffer_size().unwrap(), largest_sent, "{bytes}");
        }
    }
}

//! How is an option of TCP's set that nobody else offers?
//!
//! Numbers only: each of these options is one `int` (`tcp(7)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// An option of TCP's that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TcpOption {
    /// How many connections may have begun with data that nobody has accepted (`TCP_FASTOPEN`).
    FastOpen,
    /// Whether connecting waits for the first bytes, to send them along (`TCP_FASTOPEN_CONNECT`).
    FastOpenConnect,
    /// For how many seconds a connection that has sent nothing is not accepted (`TCP_DEFER_ACCEPT`).
    DeferAccept,
}

impl TcpOption {
    fn number(self) -> libc::c_int {
        match self {
            Self::FastOpen => libc::TCP_FASTOPEN,
            Self::FastOpenConnect => libc::TCP_FASTOPEN_CONNECT,
            Self::DeferAccept => libc::TCP_DEFER_ACCEPT,
        }
    }
}

/// Sets it; numbers beyond what an `int` holds are as large as that.
pub(crate) fn set_tcp_option(socket: &impl AsFd, option: TcpOption, value: u32) -> io::Result<()> {
    let value = libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
    // SAFETY: the kernel reads as many bytes as the last argument says, which are those of `value`; the descriptor is open for as long as the socket is borrowed.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            option.number(),
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    check(status)
}

/// What it is.
pub(crate) fn tcp_option(socket: &impl AsFd, option: TcpOption) -> io::Result<u32> {
    let mut value: libc::c_int = 0;
    let mut len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is how many `value` has, and then `len`; both are ours alone, and the descriptor is open.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            option.number(),
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    check(status).map(|()| value.unsigned_abs())
}

fn check(status: libc::c_int) -> io::Result<()> {
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net;

    #[test]
    fn what_is_set_is_read_and_what_cannot_be_set_is_an_error() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(tcp_option(&listener, TcpOption::FastOpen).unwrap(), 0);
        set_tcp_option(&listener, TcpOption::FastOpen, 9).unwrap();
        assert_eq!(tcp_option(&listener, TcpOption::FastOpen).unwrap(), 9);
        let number = std::fs::File::open("/proc/self/stat").unwrap();
        let error = tcp_option(&number, TcpOption::FastOpen).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
        let error = set_tcp_option(&number, TcpOption::FastOpen, u32::MAX).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    }
}

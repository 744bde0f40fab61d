//! What may be set at any time: broadcast, multicast, lifetimes, buffers?

use crate::error;
use crate::sys;
use crate::tcp::bind_device;
use crate::udp::socket::UdpSocket;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Options. None is set on a new socket.
impl UdpSocket {
    fn options(&self) -> SockRef<'_> {
        SockRef::from(self.fd.get_ref())
    }

    /// Allows sending to addresses of broadcast (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_broadcast(&self, is_allowed: bool) -> io::Result<()> {
        self.options().set_broadcast(is_allowed)
    }

    /// Whether sending to addresses of broadcast is allowed.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.options().broadcast()
    }

    /// Sets how many routers a datagram may pass (`IP_TTL`): from 1 to 255.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.options().set_ttl_v4(hops)
    }

    /// How many routers a datagram may pass.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.options().ttl_v4()
    }

    /// Sets how many routers a datagram of IPv6 may pass (`IPV6_UNICAST_HOPS`): from 1 to 255.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_unicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.options().set_unicast_hops_v6(hops)
    }

    /// How many routers a datagram of IPv6 may pass.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn unicast_hops_v6(&self) -> io::Result<u32> {
        self.options().unicast_hops_v6()
    }

    /// Sets how routers are asked to treat what is sent (`IP_TOS`): the byte of the head, DSCP and ECN.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.options().set_tos_v4(tos)
    }

    /// How routers are asked to treat what is sent.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn tos(&self) -> io::Result<u32> {
        self.options().tos_v4()
    }

    /// Sets how routers are asked to treat what is sent by IPv6 (`IPV6_TCLASS`): the byte of the head, DSCP and ECN.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_tclass_v6(&self, class: u32) -> io::Result<()> {
        self.options().set_tclass_v6(class)
    }

    /// How routers are asked to treat what is sent by IPv6.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.options().tclass_v6()
    }

    /// Marks every datagram for routing and filters (`SO_MARK`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says: `PermissionDenied` without `CAP_NET_ADMIN` or `CAP_NET_RAW`.
    pub fn set_mark(&self, mark: u32) -> io::Result<()> {
        self.options().set_mark(mark)
    }

    /// The mark of every datagram; 0 if there is none.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn mark(&self) -> io::Result<u32> {
        self.options().mark()
    }

    /// Sends and receives by this device of the network only, for instance `b"eth0"`; `None` by all of them (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says, with the name: `ENODEV` if there is no such device, `PermissionDenied` for a change by other than the superuser. `InvalidInput` if the name has more than 15 bytes.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        bind_device(&self.options(), interface)
    }

    /// The device of the network that it is bound to.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.options().device()
    }

    /// Sets the size of the buffer for what was received, in bytes (`SO_RCVBUF`). The kernel doubles it, for its own needs, up to twice `net.core.rmem_max`. What does not fit is lost.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        let bytes = sys::buffer_bytes(bytes);
        self.options().set_recv_buffer_size(bytes)
    }

    /// The size of the buffer for what was received, in bytes, as the kernel has it.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.options().recv_buffer_size()
    }

    /// Sets the size of the buffer for what is to be sent, in bytes (`SO_SNDBUF`). The kernel doubles it, for its own needs, up to twice `net.core.wmem_max`. Sending waits while
    /// it is full.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        let bytes = sys::buffer_bytes(bytes);
        self.options().set_send_buffer_size(bytes)
    }

    /// The size of the buffer for what is to be sent, in bytes, as the kernel has it.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.options().send_buffer_size()
    }

    /// Whether a socket for IPv6 takes nothing of IPv4 (`IPV6_V6ONLY`); to be set before it is bound, by [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says; a socket for IPv4 does not know.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.options().only_v6()
    }
}

/// Multicast: groups of receivers. A socket that receives is bound to the group's port, at the unspecified address or the group's own.
impl UdpSocket {
    /// Joins a group, at the interface with this address; the unspecified one leaves the choice to the system (`IP_ADD_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says, with the group: `InvalidInput` if it is none, `ENODEV` without such an interface, `AddrInUse` if it has joined already.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let group = Ipv4Addr::new(239, 0, 0, 1);
    /// let receiver = UdpSocket::bind("0.0.0.0:0").await?;
    /// receiver.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    ///
    /// let sender = UdpSocket::bind("127.0.0.1:0").await?;
    /// sender.set_multicast_if_v4(Ipv4Addr::LOCALHOST)?;
    /// sender.send_to(b"to all", (group, receiver.local_addr()?.port())).await?;
    /// assert_eq!(receiver.recv(&mut [0; 16]).await?, 6);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let joined = self.options().join_multicast_v4(&group, &interface);
        joined.map_err(|cause| error::at(format!("join {group} at {interface}"), cause))
    }

    /// Leaves a group.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says, with the group: `AddrNotAvailable` if it has not joined.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let left = self.options().leave_multicast_v4(&group, &interface);
        left.map_err(|cause| error::at(format!("leave {group} at {interface}"), cause))
    }

    /// Joins a group, at the interface with this number; 0 leaves the choice to the system (`IPV6_ADD_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// As for [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let joined = self.options().join_multicast_v6(group, interface);
        joined.map_err(|cause| error::at(format!("join {group} at interface {interface}"), cause))
    }

    /// Leaves a group.
    ///
    /// # Errors
    ///
    /// As for [`leave_multicast_v4`](Self::leave_multicast_v4).
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        let left = self.options().leave_multicast_v6(group, interface);
        left.map_err(|cause| error::at(format!("leave {group} at interface {interface}"), cause))
    }

    /// Sets whether receivers on this machine get what is sent to groups (`IP_MULTICAST_LOOP`): they do by default.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_multicast_loop_v4(&self, is_looped: bool) -> io::Result<()> {
        self.options().set_multicast_loop_v4(is_looped)
    }

    /// Whether receivers on this machine get what is sent to groups.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.options().multicast_loop_v4()
    }

    /// Sets whether receivers on this machine get what is sent to groups (`IPV6_MULTICAST_LOOP`): they do by default.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_multicast_loop_v6(&self, is_looped: bool) -> io::Result<()> {
        self.options().set_multicast_loop_v6(is_looped)
    }

    /// Whether receivers on this machine get what is sent to groups.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.options().multicast_loop_v6()
    }

    /// Sets how many routers a datagram to a group may pass (`IP_MULTICAST_TTL`): 1 by default, which is none.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        self.options().set_multicast_ttl_v4(hops)
    }

    /// How many routers a datagram to a group may pass.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.options().multicast_ttl_v4()
    }

    /// Sets how many routers a datagram to a group may pass (`IPV6_MULTICAST_HOPS`): 1 by default, which is none.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_multicast_hops_v6(&self, hops: u32) -> io::Result<()> {
        self.options().set_multicast_hops_v6(hops)
    }

    /// How many routers a datagram to a group may pass.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        self.options().multicast_hops_v6()
    }

    /// Sets the interface through which datagrams to groups are sent, by its address (`IP_MULTICAST_IF`); the unspecified one leaves the choice to the system.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says, with the address.
    pub fn set_multicast_if_v4(&self, interface: Ipv4Addr) -> io::Result<()> {
        let set = self.options().set_multicast_if_v4(&interface);
        set.map_err(|cause| error::at(format!("send to groups through {interface}"), cause))
    }

    /// The interface through which datagrams to groups are sent.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn multicast_if_v4(&self) -> io::Result<Ipv4Addr> {
        self.options().multicast_if_v4()
    }

    /// Sets the interface through which datagrams to groups are sent, by its number (`IPV6_MULTICAST_IF`); 0 leaves the choice to the system.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says, with the number.
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        let set = self.options().set_multicast_if_v6(interface);
        set.map_err(|cause| {
            error::at(
                format!("send to groups through interface {interface}"),
                cause,
            )
        })
    }

    /// The interface through which datagrams to groups are sent.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn multicast_if_v6(&self) -> io::Result<u32> {
        self.options().multicast_if_v6()
    }
}

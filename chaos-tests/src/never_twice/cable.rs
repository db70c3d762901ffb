//! A packet socket in a namespace: every frame that arrives at its `eth0`, and frames of any sender out of it.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use lab::machine::Namespace;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// Receive buffer, bytes: answers to a thousand clients wait there while one is dealt with.
const BUFFER_BYTES: usize = 8 << 20;
/// Every protocol, both directions.
const ALL: u16 = libc::ETH_P_ALL as u16;

/// The client end of a cable.
#[derive(Debug)]
pub struct Cable(Socket);

impl Cable {
    /// Plugs in at `eth0` of a namespace. The calling thread is from now on in that namespace.
    pub fn plug(namespace: &Namespace) -> Cable {
        let file = File::open(format!("/run/netns/{}", namespace.name())).unwrap();
        setns(file, CloneFlags::CLONE_NEWNET).unwrap();
        let protocol = Protocol::from(i32::from(ALL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
        socket.bind(&on_interface("eth0")).unwrap();
        socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
        Cable(socket)
    }

    /// The next frame, cut to the buffer; `None` if none comes for so long.
    pub fn receive(&self, buffer: &mut [u8], at_most: Duration) -> Option<usize> {
        // 0 would mean for ever
        let at_most = at_most.max(Duration::from_millis(1));
        self.0.set_read_timeout(Some(at_most)).unwrap();
        (&self.0).read(buffer).ok()
    }

    /// Sends a frame. A full queue loses it, as cables do.
    pub fn send(&self, frame: &[u8]) {
        let _lost = self.0.send(frame);
    }
}

fn on_interface(name: &str) -> SockAddr {
    let index = if_nametoindex(name).unwrap();
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a socket address type of the system: plain integers, valid for all bit patterns, and not larger
    // than the storage, whose zeroes are its initial value.
    #[allow(unsafe_code, reason = "neither std nor nix builds a sockaddr_ll")]
    let address: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = ALL.to_be();
    address.sll_ifindex = i32::try_from(index).unwrap();
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the storage holds the sockaddr_ll written above, family included, of exactly this length.
    #[allow(unsafe_code, reason = "neither std nor nix builds a sockaddr_ll")]
    unsafe {
        SockAddr::new(storage, len)
    }
}

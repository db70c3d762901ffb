//! Readiness for systemd: sd_notify(3), a datagram to the socket that the environment names.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells systemd that everything is in place. Where nobody asked, or nobody listens, nothing happens.
pub(super) fn ready() {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = tell(&socket.to_string_lossy(), b"READY=1") {
        tracing::warn!("cannot tell systemd: {error}");
    }
}

fn tell(socket: &str, state: &[u8]) -> std::io::Result<()> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_hears_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        tell(path.to_str().unwrap(), b"READY=1").unwrap();
        let mut heard = [0; 16];
        let length = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        assert!(tell("/nonexistent/notify", b"READY=1").is_err());
    }
}

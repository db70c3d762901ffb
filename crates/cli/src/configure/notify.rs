//! Readiness and reloads for systemd: sd_notify(3), a datagram to the socket that the environment names.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What systemd is told. Where nobody asked, or nobody listens, nothing happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// Everything is in place; after a reload, it is over.
    Ready,
    /// The configuration is being read again.
    Reloading,
}

impl State {
    /// Tells it.
    pub(super) fn tell(self) {
        let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
            return;
        };
        if let Err(error) = tell(&socket.to_string_lossy(), self.word()) {
            tracing::warn!("cannot tell systemd: {error}");
        }
    }

    fn word(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Reloading => b"RELOADING=1",
        }
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
        for (state, word) in [(State::Reloading, "RELOADING=1"), (State::Ready, "READY=1")] {
            tell(path.to_str().unwrap(), state.word()).unwrap();
            let mut heard = [0; 16];
            let length = listener.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], word.as_bytes());
        }
        assert!(tell("/nonexistent/notify", b"READY=1").is_err());
    }
}

//! Whether a server of others has its UDP port: one that has none yet would lose the load's first packets.

use std::time::{Duration, Instant};

use crate::{BenchError, Child};

/// 10,000 reservations are read in well under a second.
const START_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// Waits until a UDP socket of this network namespace is bound to `port`.
///
/// # Errors
/// `Ended` if the server, `name` for people, ends instead; `TimedOut`.
pub(crate) async fn bound(child: &mut Child, name: &str, port: u16) -> Result<(), BenchError> {
    let deadline = Instant::now() + START_MAX;
    loop {
        child.check_running()?;
        let sockets = std::fs::read_to_string("/proc/net/udp");
        if is_bound(&sockets.map_err(BenchError::step("cannot list sockets"))?, port) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(BenchError::TimedOut {
                what: format!("{name} to listen on port {port}"),
                seconds: START_MAX.as_secs(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// proc(5): the second column is the local address, `<hex address>:<hex port>`.
fn is_bound(sockets: &str, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    let mut locals = sockets.lines().filter_map(|line| line.split_whitespace().nth(1));
    locals.any(|local| local.ends_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_port_is_found_among_the_sockets() {
        let sockets = "  sl  local_address rem_address   st\n   7: 0201097F:1A70 00000000:0000 07\n";
        assert!(is_bound(sockets, 6768));
        assert!(!is_bound(sockets, 67));
    }
}

//! What the clients' own scripts wrote down, and the judgement over it: no two of them ever had one address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Lease;

/// One event of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Since the machine started.
    pub at: Duration,
    /// The client's name.
    pub client: String,
    /// As the client calls it, in lower case: `bound`, `renew`, `rebind`, `reboot`, `nak`, `expire`, …
    pub what: String,
    /// The lease that the client has from then on; `None` if it has none.
    pub lease: Option<Lease>,
}

/// The file that all scripts append to.
#[derive(Clone, Debug)]
pub struct History(PathBuf);

impl History {
    /// The history in this file, which need not exist yet.
    pub fn new(file: PathBuf) -> History {
        History(file)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// Everything so far, in order. A line that is still being written is left for the next call.
    pub fn events(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(parse).collect()
    }
}

fn parse(line: &str) -> Event {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        at,
        client,
        what,
        address,
        mask,
        routers,
        hostname,
        server,
        lease_s,
    ] = words[..]
    else {
        panic!("nine words in {line:?}: a router list or a name has blanks in it");
    };
    let lease = (address != "-").then(|| Lease {
        address: address.parse().unwrap(),
        mask: mask.parse().unwrap(),
        router: routers.parse().unwrap(),
        hostname: hostname.to_owned(),
        server: server.parse().unwrap(),
        lease_s: lease_s.parse().unwrap(),
    });
    Event {
        at: Duration::from_secs_f64(at.parse().unwrap()),
        client: client.to_owned(),
        what: what.to_lowercase(),
        lease,
    }
}

/// Every pair of clients that had one address at the same time, with the address. A client has an address from the
/// event that gave it to the next one without; a client that was killed never gave it back, so it has it to the end.
pub fn shared_addresses(events: &[Event]) -> Vec<(String, String, Ipv4Addr)> {
    let mut holders: BTreeMap<Ipv4Addr, String> = BTreeMap::new();
    let mut shared = Vec::new();
    for event in events {
        holders.retain(|_, holder| *holder != event.client);
        let Some(lease) = &event.lease else { continue };
        if let Some(other) = holders.insert(lease.address, event.client.clone()) {
            shared.push((other, event.client.clone(), lease.address));
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "10.97.5.1 255.255.0.0 10.97.0.254 bo0001 10.97.0.1 60";

    fn history(lines: &[String]) -> Vec<Event> {
        lines.iter().map(|line| parse(line)).collect()
    }

    fn with(client: &str, event: &str) -> String {
        format!("1.00 {client} {event} {LEASE}")
    }

    fn without(client: &str, event: &str) -> String {
        format!("1.00 {client} {event} - - - - - -")
    }

    #[test]
    fn an_event_carries_the_whole_lease() {
        let event = parse(&format!("12.34 a BOUND {LEASE}"));
        assert_eq!((event.at.as_millis(), event.what.as_str()), (12_340, "bound"));
        let lease = event.lease.unwrap();
        assert_eq!(lease.address, Ipv4Addr::new(10, 97, 5, 1));
        assert_eq!(
            (lease.hostname.as_str(), lease.lease_s, lease.router),
            ("bo0001", 60, Ipv4Addr::new(10, 97, 0, 254))
        );
        assert_eq!(parse(&without("a", "PREINIT")).lease, None);
    }

    #[test]
    fn a_line_that_is_being_written_waits() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path().join("history"));
        assert_eq!(history.events(), []);
        std::fs::write(history.file(), format!("{}\n1.0 b bou", with("a", "bound"))).unwrap();
        assert_eq!(history.events().len(), 1);
    }

    /// The rule that everything rests on must be able to fail.
    #[test]
    fn two_clients_with_one_address_are_found() {
        let both = [with("a", "bound"), with("b", "bound")];
        let address = Ipv4Addr::new(10, 97, 5, 1);
        assert_eq!(
            shared_addresses(&history(&both)),
            [("a".to_owned(), "b".to_owned(), address)]
        );
    }

    #[test]
    fn a_client_that_lost_its_address_does_not_share_it() {
        let moved = [with("a", "bound"), without("a", "EXPIRE"), with("b", "bound")];
        assert_eq!(shared_addresses(&history(&moved)), []);
        let kept = [with("a", "bound"), with("a", "renew")];
        assert_eq!(shared_addresses(&history(&kept)), []);
    }
}

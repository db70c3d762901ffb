//! Proxies between nodes and this member: what they say of whom they speak for counts, and nobody else's word does.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use rpc::{Caller, Identity};

use crate::admission::SharedAddresses;

/// The header that proxies add the address of their client to, at its end.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// A chain of proxies is shorter; what is longer was not written by proxies.
const ADDRESSES_MAX: usize = 16;

/// Which addresses are those of proxies that are believed.
#[derive(Clone)]
pub(crate) struct Proxies(pub(crate) SharedAddresses);

impl Proxies {
    /// Whom a request is from: the far end of the connection, or if that is a proxy whom it names. A node writes what it likes before
    /// that, so the last address that is no proxy's counts. A proxy that names nobody is itself, and no node.
    pub(crate) fn caller(&self, caller: Caller, headers: &HeaderMap) -> Caller {
        let Some(peer) = caller.peer.filter(|peer| (self.0)(peer.ip().to_canonical())) else {
            return caller;
        };
        let Some(address) = self.named(headers) else {
            return caller;
        };
        Caller {
            identity: Identity::Node { address },
            peer: Some(SocketAddr::new(address, peer.port())),
            ..caller
        }
    }

    /// `None` as soon as something is no address: what stands before it is somebody's invention.
    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut addresses = Vec::new();
        for value in headers.get_all(FORWARDED_FOR) {
            addresses.extend(value.to_str().ok()?.split(',').map(str::trim));
        }
        if addresses.len() > ADDRESSES_MAX {
            return None;
        }
        for text in addresses.iter().rev() {
            let address = text.parse::<IpAddr>().ok()?.to_canonical();
            if !(self.0)(address) {
                return Some(address);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn from(peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies(Arc::new(|address| {
            ["10.0.0.1", "10.0.0.2"]
                .iter()
                .any(|proxy| address.to_string() == *proxy)
        }));
        let address: IpAddr = peer.parse().unwrap();
        let caller = Caller {
            identity: Identity::Node { address },
            peer: Some(SocketAddr::new(address, 1024)),
            local: None,
        };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let caller = proxies.caller(caller, &headers);
        let ip = caller.peer.unwrap().ip();
        assert_eq!(caller.identity, Identity::Node { address: ip });
        ip.to_string()
    }

    #[test]
    fn a_proxy_says_whom_it_speaks_for() {
        assert_eq!(from(PROXY, &["10.97.0.5"]), "10.97.0.5");
        assert_eq!(from(PROXY, &["10.97.0.5, 10.0.0.2"]), "10.97.0.5", "two of them");
        assert_eq!(from(PROXY, &["::ffff:10.97.0.5"]), "10.97.0.5");
        assert_eq!(from("::ffff:10.0.0.1", &["fd00::5"]), "fd00::5");
    }

    /// What a node sends itself stands before what the proxy adds.
    #[test]
    fn what_a_node_writes_before_it_counts_for_nothing() {
        assert_eq!(from(PROXY, &["10.97.0.9, 10.97.0.5"]), "10.97.0.5");
        assert_eq!(from(PROXY, &["10.97.0.9", "10.97.0.5"]), "10.97.0.5");
        assert_eq!(from(PROXY, &["10.97.0.9, nonsense, 10.0.0.2"]), PROXY);
    }

    #[test]
    fn nobody_else_is_believed_and_a_proxy_without_a_word_is_itself() {
        assert_eq!(from("10.97.0.7", &["10.97.0.5"]), "10.97.0.7");
        for none in [&[][..], &[""], &["unknown"], &["10.97.0.5:80"], &["10.0.0.2"]] {
            assert_eq!(from(PROXY, none), PROXY, "{none:?}");
        }
        let long = vec!["10.97.0.5"; ADDRESSES_MAX + 1].join(",");
        assert_eq!(from(PROXY, &[&long]), PROXY);
    }
}

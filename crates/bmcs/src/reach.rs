//! Which BMCs this member reaches.

use model::IpNet;
use redfish::Address;

/// The networks of this member that have the role `discovery`. Empty: it reaches no BMC.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach(pub Vec<IpNet>);

impl Reach {
    /// Whether `address` lies in one of them. Of a host name nobody knows before it is resolved: it counts, unless there is none.
    #[must_use]
    pub fn contains(&self, address: &Address) -> bool {
        match address.ip() {
            Some(ip) => self.0.iter().any(|network| network.contains(ip)),
            None => !self.0.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(networks: &[&str]) -> Reach {
        Reach(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn contains(networks: &[&str], address: &str) -> bool {
        reach(networks).contains(&address.parse().unwrap())
    }

    #[test]
    fn an_address_is_reached_in_a_network_that_has_it() {
        assert!(contains(&["10.1.0.0/16", "fd00::/64"], "10.1.2.3:8443"));
        assert!(contains(&["10.1.0.0/16", "fd00::/64"], "[fd00::7]"));
        assert!(!contains(&["10.1.0.0/16"], "10.2.0.1"));
        assert!(!contains(&[], "10.1.0.1"));
    }

    #[test]
    fn a_host_name_is_reached_by_whoever_reaches_anything() {
        assert!(contains(&["10.1.0.0/16"], "bmc1.example"));
        assert!(!contains(&[], "bmc1.example"));
    }
}

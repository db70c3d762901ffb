//! Discovery led by DHCP: a BMC that got an address, and was never crawled there, is crawled once.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{HmsType, MacAddr};
use proto::dhcp::v1::dhcp_lease;
use redfish::Address;
use state::State;

use crate::reach::Reach;

/// Port of Redfish.
const PORT: u16 = 443;
/// Crawled in one job.
const ADDRESSES_MAX: usize = 10_000;

/// Addresses of BMCs that nobody has crawled: those of leases and Ethernet interfaces of BMCs. Others may get a lease there, too, and a
/// crawl logs in. What was crawled, however it went, is remembered as a BMC.
pub(crate) fn new_bmcs(state: &State, reach: &Reach, now_ms: u64) -> BTreeSet<String> {
    let leases = state
        .dhcp
        .leases()
        .filter(|lease| lease.state() == dhcp_lease::State::Bound && lease.ends_at_ms > now_ms);
    let leases = leases.filter_map(|lease| {
        let address = address_of(&lease.address)?;
        let mac = lease.mac.parse::<MacAddr>().ok()?;
        is_of_bmc(state, &mac).then_some(address)
    });
    let interfaces = state
        .smd
        .interfaces()
        .filter(|interface| is_bmc(&interface.r#type));
    let interfaces = interfaces
        .flat_map(|interface| &interface.ip_addresses)
        .filter_map(|mapping| address_of(&mapping.ip_address));
    // A member without such networks leaves it to those that have them.
    let is_ours = |address: &Address| reach.0.is_empty() || reach.contains(address);
    leases
        .chain(interfaces)
        .filter(is_ours)
        .map(|address| address.to_string())
        .filter(|address| {
            state
                .discovery
                .bmc(address)
                .is_none_or(|known| known.crawled_at_ms == 0)
        })
        .take(ADDRESSES_MAX)
        .collect()
}

fn address_of(text: &str) -> Option<Address> {
    let ip: IpAddr = text.parse().ok()?;
    Some(Address::new((ip, PORT).into()))
}

fn is_of_bmc(state: &State, mac: &MacAddr) -> bool {
    let interface = state.smd.interface(mac);
    interface.is_some_and(|interface| is_bmc(&interface.r#type))
}

fn is_bmc(hms_type: &str) -> bool {
    [HmsType::NodeBmc, HmsType::ChassisBmc, HmsType::RouterBmc]
        .iter()
        .any(|bmc| bmc.as_str() == hms_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bmcs_are_bmcs() {
        for bmc in ["NodeBMC", "ChassisBMC", "RouterBMC"] {
            assert!(is_bmc(bmc), "{bmc}");
        }
        for other in ["Node", "CabinetPDUController", "", "nodebmc"] {
            assert!(!is_bmc(other), "{other}");
        }
    }

    #[test]
    fn an_address_is_that_of_redfish() {
        assert_eq!(address_of("10.1.0.7").unwrap().to_string(), "10.1.0.7:443");
        assert_eq!(address_of("fd00::7").unwrap().to_string(), "[fd00::7]:443");
        assert!(address_of("bmc1").is_none());
    }

    #[test]
    fn nothing_is_crawled_where_nothing_is() {
        assert!(new_bmcs(&State::new(), &Reach::default(), 0).is_empty());
    }
}

//! What `magellan send` and `ochami discover static` post about an endpoint, as what is stored. Pure functions.

mod hardware;
mod interfaces;
mod managers;
mod parts;
mod pdu;
mod redfish_documents;
mod systems;

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{HmsType, MacAddr, Xname};
use proto::smd::v1::smd_command::{DiscoveredComponent, DiscoveredEndpoint};
use proto::smd::v1::{ComponentEndpoint, RedfishEndpoint, RedfishEndpointPayload};
use rpc::Error;

use self::hardware::{Hardware, Told};

/// Longest free text that is kept of a payload, bytes; the rest is cut off.
const TEXT_BYTES_MAX: usize = 255;

/// Endpoints of one request: each password is sealed before the others wait for the log.
const ENDPOINTS_MAX: usize = 1024;
/// Systems, managers, outlets or endpoints of one payload.
const PARTS_MAX: usize = 1024;
/// NICs of one system or manager.
const NICS_MAX: usize = 256;
/// Replaceable parts of all systems of one payload and their enclosure: with the systems they are at most what one endpoint may have.
const HARDWARE_PARTS_MAX: usize = 3072;

/// NICs and addresses that an earlier part of the payload has: the first to claim one gets it.
#[derive(Default)]
struct Claimed {
    macs: BTreeSet<MacAddr>,
    addresses: BTreeSet<IpAddr>,
}

/// The endpoints that a request is about: those in `RedfishEndpoints`, or the request itself.
///
/// # Errors
/// `Invalid` for a request that is both, or lists in lists.
pub(crate) fn endpoints_of(
    mut request: RedfishEndpointPayload,
) -> Result<Vec<RedfishEndpointPayload>, Error> {
    let several = std::mem::take(&mut request.redfish_endpoints);
    check_count("RedfishEndpoints", several.len(), ENDPOINTS_MAX)?;
    if several.is_empty() {
        return Ok(vec![request]);
    }
    if request != RedfishEndpointPayload::default() {
        let problem = "write one endpoint, or RedfishEndpoints with several, not both";
        return Err(rpc::invalid("RedfishEndpoints", problem));
    }
    if several.iter().any(|one| !one.redfish_endpoints.is_empty()) {
        return Err(rpc::invalid("RedfishEndpoints", "one list is enough"));
    }
    Ok(several)
}

/// The xname of the endpoint: its ID or, without one, its host name.
///
/// # Errors
/// `Invalid` with HSM's text.
///
/// Source: SMD's NewRedfishEPDescription (pkg/redfish).
pub(crate) fn id(payload: &RedfishEndpointPayload) -> Result<Xname, Error> {
    let host = || payload.fqdn.split('.').next().unwrap_or_default();
    let text = [payload.id.as_str(), payload.hostname.as_str(), host()]
        .into_iter()
        .map(|text| text.trim_matches(['.', '/', ' ']))
        .find(|text| !text.is_empty())
        .ok_or_else(|| rpc::invalid("ID", "No xname ID found"))?;
    text.parse().map_err(|problem| rpc::invalid("ID", problem))
}

/// What is stored of `payload`, but for its password. `known` are the component endpoints behind it that are stored
/// already: a system that is among them keeps its xname.
///
/// # Errors
/// `Invalid` naming what cannot be meant.
pub(crate) fn read(
    payload: &RedfishEndpointPayload,
    known: &[&ComponentEndpoint],
) -> Result<DiscoveredEndpoint, Error> {
    let id = id(payload)?;
    check_counts(payload)?;
    let (mut components, hardware) = if let Some(inventory) = &payload.pdu_inventory {
        let outlets = pdu::components(&id, payload.enabled.unwrap_or(true), inventory)?;
        (outlets, Hardware::default())
    } else {
        behind_controller(&id, payload, known)?
    };
    let finished = payload.component_endpoints.iter();
    components.extend(finished.map(|endpoint| DiscoveredComponent {
        component: None,
        endpoint: Some(endpoint.clone()),
        interfaces: Vec::new(),
    }));
    Ok(DiscoveredEndpoint {
        endpoint: Some(endpoint(&id, payload)),
        password: None,
        components,
        service_endpoints: payload.service_endpoints.clone(),
        hardware: hardware.entries,
        complete_below: hardware.complete_below.iter().map(Xname::to_string).collect(),
        if_revision: payload.if_revision,
    })
}

/// What a payload holds is bounded before anything is made of it: a few bytes of JSON become many of inventory.
fn check_counts(payload: &RedfishEndpointPayload) -> Result<(), Error> {
    let outlets = payload
        .pdu_inventory
        .as_ref()
        .map_or(0, |inventory| inventory.outlets.len());
    let parts = [
        ("Systems", payload.systems.len()),
        ("Managers", payload.managers.len()),
        ("PDUInventory.Outlets", outlets),
        ("ComponentEndpoints", payload.component_endpoints.len()),
        ("ServiceEndpoints", payload.service_endpoints.len()),
    ];
    for (field, count) in parts {
        check_count(field, count, PARTS_MAX)?;
    }
    let of_systems = payload
        .systems
        .iter()
        .map(|system| system.ethernet_interfaces.len());
    let of_managers = payload
        .managers
        .iter()
        .map(|manager| manager.ethernet_interfaces.len());
    let nics = of_systems.chain(of_managers).max().unwrap_or(0);
    check_count("ethernet_interfaces", nics, NICS_MAX)?;
    let of_systems: usize = payload.systems.iter().map(|system| system.parts.len()).sum();
    check_count("parts", of_systems + payload.parts.len(), HARDWARE_PARTS_MAX)
}

fn check_count(field: &str, count: usize, most: usize) -> Result<(), Error> {
    if count > most {
        let problem = format!("{count} are given, at most {most} are accepted in one request");
        return Err(rpc::invalid(field, problem));
    }
    Ok(())
}

/// Managers first, as in HSM: the address by which a BMC is reached is that of the BMC, whatever its systems say.
fn behind_controller(
    id: &Xname,
    payload: &RedfishEndpointPayload,
    known: &[&ComponentEndpoint],
) -> Result<(Vec<DiscoveredComponent>, Hardware), Error> {
    let systems = match payload.schema_version {
        1.. => systems::from_inventory(&payload.systems),
        _ => redfish_documents::systems(&payload.systems)?,
    };
    if !systems.is_empty() && id.hms_type() != HmsType::NodeBmc {
        let problem = format!("{id} is a {}, which has no nodes behind it", id.hms_type());
        return Err(rpc::invalid("ID", problem));
    }
    let mut claimed = Claimed::default();
    let mut components = Vec::new();
    components.extend(managers::component(id, payload, &mut claimed));
    let placed = systems::placed(id, &systems, known)?;
    components.extend(systems::components(&placed, &mut claimed));
    let details: Vec<_> = placed
        .iter()
        .map(|(system, node)| (&system.detail, node))
        .collect();
    let hardware = hardware::found(&Told {
        endpoint: id,
        manager: managers::bmc(payload),
        systems: &details,
        parts: &payload.parts,
        parts_are_complete: payload.parts_are_complete,
    })?;
    Ok((components, hardware))
}

fn endpoint(id: &Xname, payload: &RedfishEndpointPayload) -> RedfishEndpoint {
    RedfishEndpoint {
        id: id.to_string(),
        name: payload.name.clone(),
        hostname: payload.hostname.clone(),
        domain: payload.domain.clone(),
        fqdn: payload.fqdn.clone(),
        enabled: payload.enabled.unwrap_or(true),
        uuid: payload.uuid.clone(),
        user: payload.user.clone(),
        use_ssdp: payload.use_ssdp.unwrap_or(false),
        mac_required: payload.mac_required.unwrap_or(false),
        mac_addr: payload.mac_addr.clone(),
        ip_address: payload.ip_address.clone(),
        rediscover_on_update: payload.rediscover_on_update.unwrap_or(false),
        template_id: payload.template_id.clone(),
        discovery_info: payload.discovery_info.clone(),
        ..RedfishEndpoint::default()
    }
}

/// A URI without scheme and host, as HSM stores it. What is no path then is left out: it may be a host, with a user and a
/// password.
fn path_of(uri: &str) -> String {
    let uri = uri.trim_start();
    let behind_scheme = uri.split_once("://").map(|(_, rest)| rest);
    let path = match behind_scheme.or_else(|| uri.strip_prefix("//")) {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => uri,
    };
    if path.starts_with('/') {
        text(path)
    } else {
        String::new()
    }
}

/// The id of a Redfish resource; none of a URI without a path.
fn last_segment(uri: &str) -> String {
    let path = path_of(uri);
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A free text of a BMC: bounded, in one line. What is odd about it must not keep a machine out of the inventory.
fn text(given: &str) -> String {
    let blanked = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = given.chars().map(blanked).collect();
    let mut line = line.trim().to_owned();
    while line.len() > TEXT_BYTES_MAX {
        line.pop();
    }
    line
}

fn texts(given: &[String]) -> Vec<String> {
    given.iter().map(|one| text(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_id(id: &str) -> RedfishEndpointPayload {
        RedfishEndpointPayload {
            id: id.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_request_is_one_endpoint_or_several() {
        let one = endpoints_of(with_id("x0c0s0b0")).unwrap();
        assert_eq!(one, [with_id("x0c0s0b0")]);
        let both = |id: &str| RedfishEndpointPayload {
            redfish_endpoints: vec![with_id("x0c0s0b0"), with_id("x0c0s1b0")],
            ..with_id(id)
        };
        assert_eq!(endpoints_of(both("")).unwrap().len(), 2);
        assert!(endpoints_of(both("x0c0s2b0")).is_err());
        let nested = RedfishEndpointPayload {
            redfish_endpoints: vec![both("")],
            ..Default::default()
        };
        assert!(endpoints_of(nested).is_err());
    }

    #[test]
    fn without_an_id_the_host_name_is_the_xname() {
        let by = |hostname: &str, fqdn: &str| RedfishEndpointPayload {
            hostname: hostname.into(),
            fqdn: fqdn.into(),
            ..Default::default()
        };
        assert_eq!(id(&with_id(" X0c0s00b0")).unwrap().as_str(), "x0c0s0b0");
        assert_eq!(id(&by("x0c0s1b0", "")).unwrap().as_str(), "x0c0s1b0");
        assert_eq!(id(&by("", "x0c0s2b0.lab")).unwrap().as_str(), "x0c0s2b0");
        for wrong in [by("", ""), by("", "10.0.0.1"), by("bmc1", "")] {
            assert!(id(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn uris_lose_scheme_and_host() {
        assert_eq!(
            path_of("https://10.0.0.1:443/redfish/v1/Systems/1"),
            "/redfish/v1/Systems/1"
        );
        assert_eq!(path_of("/redfish/v1/Systems/1"), "/redfish/v1/Systems/1");
        assert_eq!(path_of("https://10.0.0.1"), "");
        assert_eq!(path_of(""), "");
        assert_eq!(path_of("https://10.0.0.1//redfish/v1"), "//redfish/v1");
    }

    /// What is stored of a payload is shown, logged and kept in the history.
    #[test]
    fn no_user_or_password_of_a_uri_is_kept() {
        let path = "/redfish/v1/Systems/1";
        for host in [
            "https://root:secret@10.1.1.1",
            " https://root:secret@10.1.1.1",
            "//root:secret@10.1.1.1",
        ] {
            assert_eq!(path_of(&format!("{host}{path}")), path, "{host}");
            assert_eq!(path_of(&format!("{host}/")), "/", "{host}");
            assert_eq!(path_of(host), "", "{host}");
        }
        assert_eq!(path_of("root:secret@10.1.1.1/redfish/v1/Systems/1"), "");
    }

    #[test]
    fn texts_are_one_bounded_line() {
        assert_eq!(text(" a\tb\u{1b}\n"), "a b");
        assert_eq!(text(&"é".repeat(200)).len(), 254);
    }
}

//! The filters of HSM's GET Inventory/RedfishEndpoints, ComponentEndpoints and ServiceEndpoints.

use std::net::IpAddr;

use model::{HmsType, MacAddr, Xname};
use proto::smd::v1::{
    ComponentEndpoint, ListComponentEndpointsRequest, ListRedfishEndpointsRequest,
    ListServiceEndpointsRequest, RedfishEndpoint, ServiceEndpoint,
};
use rpc::Error;
use state::smd::DISCOVERY_STATUSES;

use crate::filter::{OneOf, bad_query};

/// Which Redfish endpoints are wanted: every key must admit one.
#[derive(Clone, Debug)]
pub(crate) struct RedfishEndpointFilter {
    id: OneOf<String>,
    fqdn: OneOf<String>,
    hms_type: OneOf<String>,
    uuid: OneOf<String>,
    mac_addr: OneOf<String>,
    ip_address: OneOf<String>,
    last_status: OneOf<String>,
}

impl RedfishEndpointFilter {
    /// Reads the filter. Names, UUIDs and MACs match whatever their case and notation.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a value that is none.
    pub(crate) fn parse(request: &ListRedfishEndpointsRequest) -> Result<RedfishEndpointFilter, Error> {
        Ok(RedfishEndpointFilter {
            id: OneOf::parse(&request.id, xname)?,
            fqdn: OneOf::parse(&request.fqdn, lower_case)?,
            hms_type: OneOf::parse(&request.r#type, hms_type)?,
            uuid: OneOf::parse(&request.uuid, lower_case)?,
            mac_addr: OneOf::parse(&request.mac_addr, mac)?,
            ip_address: OneOf::parse(&request.ip_address, ip)?,
            last_status: OneOf::parse(&request.last_status, status)?,
        })
    }

    /// Whether `endpoint` is wanted.
    pub(crate) fn admits(&self, endpoint: &RedfishEndpoint) -> bool {
        let info = endpoint.discovery_info.as_ref();
        let status = info.map_or("", |info| &info.last_discovery_status);
        self.id.admits(&endpoint.id)
            && self.fqdn.admits(&endpoint.fqdn.to_lowercase())
            && self.hms_type.admits(&endpoint.r#type)
            && self.uuid.admits(&endpoint.uuid.to_lowercase())
            && self.mac_addr.admits(&endpoint.mac_addr)
            && self.ip_address.admits(&endpoint.ip_address)
            && self.last_status.admits_if(|wanted| wanted == status)
    }
}

/// Which component endpoints are wanted.
#[derive(Clone, Debug)]
pub(crate) struct ComponentEndpointFilter {
    id: OneOf<String>,
    redfish_endpoint: OneOf<String>,
    hms_type: OneOf<String>,
    redfish_type: OneOf<String>,
}

impl ComponentEndpointFilter {
    /// Reads the filter; Redfish types match whatever their case.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a value that is none.
    pub(crate) fn parse(request: &ListComponentEndpointsRequest) -> Result<ComponentEndpointFilter, Error> {
        Ok(ComponentEndpointFilter {
            id: OneOf::parse(&request.id, xname)?,
            redfish_endpoint: OneOf::parse(&request.redfish_endpoint, xname)?,
            hms_type: OneOf::parse(&request.r#type, hms_type)?,
            redfish_type: OneOf::parse(&request.redfish_type, lower_case)?,
        })
    }

    /// Whether `endpoint` is wanted.
    pub(crate) fn admits(&self, endpoint: &ComponentEndpoint) -> bool {
        self.id.admits(&endpoint.id)
            && self.redfish_endpoint.admits(&endpoint.redfish_endpoint_id)
            && self.hms_type.admits(&endpoint.r#type)
            && self.redfish_type.admits(&endpoint.redfish_type.to_lowercase())
    }
}

/// Which service endpoints are wanted.
#[derive(Clone, Debug)]
pub(crate) struct ServiceEndpointFilter {
    service: OneOf<String>,
    redfish_endpoint: OneOf<String>,
}

impl ServiceEndpointFilter {
    /// Reads the filter; services match whatever their case.
    ///
    /// # Errors
    /// `Invalid` with HSM's text for a value that is none.
    pub(crate) fn parse(request: &ListServiceEndpointsRequest) -> Result<ServiceEndpointFilter, Error> {
        Ok(ServiceEndpointFilter {
            service: OneOf::parse(&request.service, lower_case)?,
            redfish_endpoint: OneOf::parse(&request.redfish_endpoint, xname)?,
        })
    }

    /// Whether `endpoint` is wanted.
    pub(crate) fn admits(&self, endpoint: &ServiceEndpoint) -> bool {
        self.service.admits(&endpoint.redfish_type.to_lowercase())
            && self.redfish_endpoint.admits(&endpoint.redfish_endpoint_id)
    }
}

fn xname(text: &str) -> Result<String, Error> {
    let parsed: Result<Xname, _> = text.parse();
    parsed
        .map(|xname| xname.to_string())
        .map_err(|_| bad_query("Argument was not a valid xname ID"))
}

fn hms_type(text: &str) -> Result<String, Error> {
    let parsed: Result<HmsType, _> = text.parse();
    parsed
        .map(|hms_type| hms_type.as_str().to_owned())
        .map_err(|_| bad_query("Argument was not a valid HMS Type"))
}

/// Empty for endpoints without one.
fn mac(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let parsed: Result<MacAddr, _> = text.parse();
    parsed
        .map(|mac| mac.to_string())
        .map_err(|_| bad_query("Argument was not a valid MAC address"))
}

/// Empty for endpoints without one.
fn ip(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let parsed: Result<IpAddr, _> = text.parse();
    parsed
        .map(|ip| ip.to_canonical().to_string())
        .map_err(|_| bad_query("Argument was not a valid IP address"))
}

fn status(text: &str) -> Result<String, Error> {
    let known = DISCOVERY_STATUSES.iter();
    let mut known = known.filter(|status| status.eq_ignore_ascii_case(text));
    known.next().map(|status| (*status).to_owned()).ok_or_else(|| {
        bad_query(format!(
            "Argument was not one of {}",
            DISCOVERY_STATUSES.join(", ")
        ))
    })
}

fn lower_case(text: &str) -> Result<String, Error> {
    Ok(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proto::smd::v1::DiscoveryInfo;

    use super::*;

    fn endpoint() -> RedfishEndpoint {
        RedfishEndpoint {
            id: "x0c0s0b0".into(),
            r#type: "NodeBMC".into(),
            fqdn: "bmc1.Lab".into(),
            uuid: "AB-1".into(),
            mac_addr: "94:40:c9:37:d3:fc".into(),
            ip_address: "10.0.0.1".into(),
            discovery_info: Some(DiscoveryInfo {
                last_discovery_status: "DiscoverOK".into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    type Set = fn(&mut ListRedfishEndpointsRequest, &str);

    fn admits(set: Set, value: &str) -> Result<bool, Error> {
        let mut request = ListRedfishEndpointsRequest::default();
        set(&mut request, value);
        Ok(RedfishEndpointFilter::parse(&request)?.admits(&endpoint()))
    }

    /// One line per key: what it must admit, and what not.
    #[test]
    fn each_key_of_redfish_endpoints_admits_its_values_and_no_others() {
        let keys: [(Set, &[&str], &[&str]); 7] = [
            (
                |r, v| r.id.push(v.into()),
                &["X0c0s00b0", "!x0c0s1b0"],
                &["x0c0s1b0", "!x0c0s0b0"],
            ),
            (
                |r, v| r.fqdn.push(v.into()),
                &["BMC1.lab"],
                &["bmc1", "!bmc1.lab"],
            ),
            (|r, v| r.r#type.push(v.into()), &["nodebmc"], &["ChassisBMC"]),
            (|r, v| r.uuid.push(v.into()), &["ab-1"], &["ab-2"]),
            (
                |r, v| r.mac_addr.push(v.into()),
                &["94-40-C9-37-D3-FC", "!"],
                &["9440c937d3fd", ""],
            ),
            (
                |r, v| r.ip_address.push(v.into()),
                &["10.0.0.1"],
                &["10.0.0.2", ""],
            ),
            (
                |r, v| r.last_status.push(v.into()),
                &["discoverok"],
                &["NotYetQueried"],
            ),
        ];
        for (set, admitted, refused) in keys {
            for value in admitted {
                assert!(admits(set, value).unwrap(), "{value}");
            }
            for value in refused {
                assert!(!admits(set, value).unwrap(), "{value}");
            }
        }
    }

    #[test]
    fn bad_values_get_the_texts_of_hsm() {
        let cases: [(Set, &str, &str); 5] = [
            (
                |r, v| r.id.push(v.into()),
                "foo",
                "Argument was not a valid xname ID",
            ),
            (
                |r, v| r.r#type.push(v.into()),
                "foo",
                "Argument was not a valid HMS Type",
            ),
            (
                |r, v| r.mac_addr.push(v.into()),
                "foo",
                "Argument was not a valid MAC address",
            ),
            (
                |r, v| r.ip_address.push(v.into()),
                "foo",
                "Argument was not a valid IP address",
            ),
            (
                |r, v| r.last_status.push(v.into()),
                "foo",
                "Argument was not one of NotYetQueried, ",
            ),
        ];
        for (set, value, text) in cases {
            let refused = admits(set, value).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("bad query param: {text}")),
                "{refused}"
            );
        }
    }

    #[test]
    fn component_endpoints_are_found_by_four_keys() {
        let endpoint = ComponentEndpoint {
            id: "x0c0s0b0n0".into(),
            r#type: "Node".into(),
            redfish_type: "ComputerSystem".into(),
            redfish_endpoint_id: "x0c0s0b0".into(),
            ..Default::default()
        };
        let admits = |request: &ListComponentEndpointsRequest| {
            ComponentEndpointFilter::parse(request).unwrap().admits(&endpoint)
        };
        let request = |id: &str, behind: &str, hms_type: &str, redfish_type: &str| {
            let one = |text: &str| {
                if text.is_empty() {
                    vec![]
                } else {
                    vec![text.to_owned()]
                }
            };
            ListComponentEndpointsRequest {
                id: one(id),
                redfish_endpoint: one(behind),
                r#type: one(hms_type),
                redfish_type: one(redfish_type),
                ..ListComponentEndpointsRequest::default()
            }
        };
        assert!(admits(&request("", "", "", "")));
        assert!(admits(&request(
            "x0c0s0b0n0",
            "x0c0s0b0",
            "node",
            "computersystem"
        )));
        assert!(!admits(&request("x0c0s0b0n1", "", "", "")));
        assert!(!admits(&request("", "x0c0s1b0", "", "")));
        assert!(!admits(&request("", "", "NodeBMC", "")));
        assert!(!admits(&request("", "", "", "!ComputerSystem")));
        let bad = request("", "foo", "", "");
        assert!(ComponentEndpointFilter::parse(&bad).is_err());
    }

    #[test]
    fn service_endpoints_are_found_by_service_and_endpoint() {
        let endpoint = ServiceEndpoint {
            redfish_type: "UpdateService".into(),
            redfish_endpoint_id: "x0c0s0b0".into(),
            ..Default::default()
        };
        let admits = |service: &str, behind: &str| {
            let request = ListServiceEndpointsRequest {
                service: vec![service.to_owned()],
                redfish_endpoint: vec![behind.to_owned()],
                ..ListServiceEndpointsRequest::default()
            };
            ServiceEndpointFilter::parse(&request).unwrap().admits(&endpoint)
        };
        assert!(admits("updateservice", "x0c0s0b0"));
        assert!(!admits("EventService", "x0c0s0b0") && !admits("UpdateService", "!x0c0s0b0"));
    }
}

//! Inventory/RedfishEndpoints: what of the source is new here, what differs, and which names collide. Passwords are not read.

use std::collections::BTreeMap;

use model::{HmsType, InvalidValue, MacAddr, Xname};
use proto::smd::v1::{RedfishEndpoint, RedfishEndpointPayload};

use super::claims::losers;
use super::diff::{Change, Diff, quoted};

/// Compares; what the source does not say stays as it is here. Two endpoints with one FQDN are refused.
pub(super) fn diff(source: &[RedfishEndpoint], ours: &[RedfishEndpoint]) -> Diff<RedfishEndpoint> {
    let mut diff = Diff::default();
    let ours: BTreeMap<Xname, &RedfishEndpoint> = ours
        .iter()
        .filter_map(|endpoint| Some((endpoint.id.parse().ok()?, endpoint)))
        .collect();
    let accepted = accept(source, &mut diff);
    let after = |id: &Xname, given: &RedfishEndpoint| match ours.get(id) {
        Some(before) => overlaid(before, given),
        None => given.clone(),
    };
    let wanted = accepted
        .iter()
        .map(|(id, given)| (id.clone(), vec![name(&after(id, given))]));
    let held = ours
        .iter()
        .map(|(id, endpoint)| (id.clone(), vec![name(endpoint)]));
    let lost = losers(&wanted.collect(), &held.collect());
    for (id, given) in accepted {
        if let Some(lost) = lost.get(&id) {
            let reason = format!(
                "FQDN {} is that of {}, too; correct one of them",
                quoted(&lost.key),
                lost.owner
            );
            diff.refuse(id.as_str(), reason);
            continue;
        }
        let after = after(&id, &given);
        match ours.get(&id) {
            None => diff.create.push(after),
            Some(before) if after == **before => diff.same += 1,
            Some(before) => {
                let before = (*before).clone();
                diff.change.push(Change { before, after });
            }
        }
    }
    diff
}

/// An endpoint as it is sent.
pub(super) fn payload(endpoint: &RedfishEndpoint) -> RedfishEndpointPayload {
    let endpoint = endpoint.clone();
    // an endpoint without any name is shown with its xname as FQDN; sent as one it would become a host name, too
    let is_nameless = endpoint.hostname.is_empty() && endpoint.fqdn == endpoint.id;
    RedfishEndpointPayload {
        fqdn: if is_nameless { String::new() } else { endpoint.fqdn },
        id: endpoint.id,
        name: endpoint.name,
        hostname: endpoint.hostname,
        domain: endpoint.domain,
        enabled: Some(endpoint.enabled),
        uuid: endpoint.uuid,
        user: endpoint.user,
        use_ssdp: Some(endpoint.use_ssdp),
        mac_required: Some(endpoint.mac_required),
        mac_addr: endpoint.mac_addr,
        ip_address: endpoint.ip_address,
        rediscover_on_update: Some(endpoint.rediscover_on_update),
        template_id: endpoint.template_id,
        discovery_info: endpoint.discovery_info,
        ..RedfishEndpointPayload::default()
    }
}

/// The endpoints that can be meant, normalised, by xname; the others are refused.
fn accept(source: &[RedfishEndpoint], diff: &mut Diff<RedfishEndpoint>) -> BTreeMap<Xname, RedfishEndpoint> {
    let mut accepted = BTreeMap::new();
    for (place, given) in source.iter().enumerate() {
        let outcome = normalised(given).and_then(|(id, endpoint)| match accepted.contains_key(&id) {
            true => Err(format!("there is {id} before it")),
            false => Ok((id, endpoint)),
        });
        match outcome {
            Ok((id, endpoint)) => {
                accepted.insert(id, endpoint);
            }
            Err(problem) => diff.refuse(quoted(&given.id), format!("RedfishEndpoints[{place}]: {problem}")),
        }
    }
    accepted
}

fn normalised(given: &RedfishEndpoint) -> Result<(Xname, RedfishEndpoint), String> {
    let text = |problem: InvalidValue| problem.to_string();
    let id: Xname = given.id.parse().map_err(text)?;
    if !may_be_endpoint(id.hms_type()) {
        return Err(format!(
            "{id} is a {}, not a controller, e.g. x1000c0s0b0",
            id.hms_type()
        ));
    }
    let mac_addr = match given.mac_addr.as_str() {
        "" => String::new(),
        mac => mac.parse::<MacAddr>().map_err(text)?.to_string(),
    };
    let endpoint = RedfishEndpoint {
        id: id.to_string(),
        r#type: id.hms_type().to_string(),
        mac_addr,
        discovery_requested: None,
        meta: None,
        ..given.clone()
    };
    Ok((id, endpoint))
}

/// As the cluster has it.
fn may_be_endpoint(hms_type: HmsType) -> bool {
    hms_type.is_controller()
        || matches!(
            hms_type,
            HmsType::MgmtSwitch | HmsType::MgmtHlSwitch | HmsType::CduMgmtSwitch
        )
}

/// What is here, with all that the source says. SMD always says whether an endpoint is enabled, and leaves out the other flags
/// that are not set.
fn overlaid(before: &RedfishEndpoint, given: &RedfishEndpoint) -> RedfishEndpoint {
    let text = |given: &String, before: &String| match given.is_empty() {
        true => before.clone(),
        false => given.clone(),
    };
    let is_renamed = !given.hostname.is_empty() || !given.fqdn.is_empty();
    let named = if is_renamed { given } else { before };
    RedfishEndpoint {
        name: text(&given.name, &before.name),
        hostname: named.hostname.clone(),
        domain: named.domain.clone(),
        fqdn: named.fqdn.clone(),
        enabled: given.enabled,
        uuid: text(&given.uuid, &before.uuid),
        user: text(&given.user, &before.user),
        use_ssdp: given.use_ssdp,
        mac_required: given.mac_required,
        mac_addr: text(&given.mac_addr, &before.mac_addr),
        ip_address: text(&given.ip_address, &before.ip_address),
        rediscover_on_update: given.rediscover_on_update,
        template_id: text(&given.template_id, &before.template_id),
        discovery_info: given
            .discovery_info
            .clone()
            .or_else(|| before.discovery_info.clone()),
        ..before.clone()
    }
}

/// What it is called, and nobody else may be: its FQDN, or what becomes of one.
fn name(endpoint: &RedfishEndpoint) -> String {
    let name = match (
        endpoint.fqdn.as_str(),
        endpoint.hostname.as_str(),
        endpoint.domain.as_str(),
    ) {
        ("", "", _) => endpoint.id.clone(),
        ("", host, "") => host.to_owned(),
        ("", host, domain) => format!("{host}.{domain}"),
        (fqdn, ..) => fqdn.to_owned(),
    };
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectMeta;
    use proto::smd::v1::DiscoveryInfo;
    use serde_json::json;

    use super::*;
    use crate::hsm::HsmMessage;

    fn endpoint(id: &str, fqdn: &str) -> RedfishEndpoint {
        RedfishEndpoint {
            id: id.into(),
            fqdn: fqdn.into(),
            hostname: fqdn.into(),
            enabled: true,
            user: "root".into(),
            ..RedfishEndpoint::default()
        }
    }

    /// As our cluster stores what was created.
    fn stored(id: &str, fqdn: &str) -> RedfishEndpoint {
        RedfishEndpoint {
            r#type: "NodeBMC".into(),
            discovery_info: Some(DiscoveryInfo {
                last_discovery_status: "NotYetQueried".into(),
                ..DiscoveryInfo::default()
            }),
            meta: Some(ObjectMeta::default()),
            ..endpoint(id, fqdn)
        }
    }

    #[test]
    fn new_changed_and_equal_ones_are_told_apart() {
        let renamed = RedfishEndpoint {
            user: "admin".into(),
            mac_addr: "02-00-00-00-00-0A".into(),
            ..endpoint("x0c0s2b0", "bmc2b")
        };
        let source = [
            endpoint("X0c0s00b0", "bmc0"),
            endpoint("x0c0s1b0", "bmc1"),
            renamed,
        ];
        let ours = [stored("x0c0s0b0", "bmc0"), stored("x0c0s2b0", "bmc2")];
        let diff = diff(&source, &ours);
        assert_eq!((diff.same, diff.create.len(), diff.refused.len()), (1, 1, 0));
        let after = &diff.change[0].after;
        assert_eq!(
            (after.fqdn.as_str(), after.user.as_str(), after.mac_addr.as_str()),
            ("bmc2b", "admin", "02:00:00:00:00:0a")
        );
        assert_eq!(
            after.discovery_info, ours[1].discovery_info,
            "what the source does not say stays"
        );
    }

    #[test]
    fn what_can_be_no_endpoint_is_refused() {
        let source = [
            endpoint("nowhere", "a"),
            endpoint("x0c0s0b0n0", "b"),
            endpoint("x0c0s1b0", "bmc1"),
            endpoint("x0c0s1b0", "bmc1"),
            endpoint("x0c0s2b0", "BMC1"),
            endpoint("x0c0s3b0", "bmc9"),
        ];
        let diff = diff(&source, &[stored("x9c0s0b0", "bmc9")]);
        assert_eq!(diff.create.len(), 1);
        for (refused, text) in diff.refused.iter().zip([
            "RedfishEndpoints[0]: ",
            "RedfishEndpoints[1]: x0c0s0b0n0 is a Node, not a controller",
            "RedfishEndpoints[3]: there is x0c0s1b0 before it",
            "FQDN bmc1 is that of x0c0s1b0, too",
            "FQDN bmc9 is that of x9c0s0b0, too",
        ]) {
            assert!(refused.reason.starts_with(text), "{refused:?}");
        }
    }

    /// SMD's answers have the passwords of BMCs in clear.
    #[test]
    fn a_password_is_not_even_read() {
        let form = HsmMessage::named("chamois.smd.v1.RedfishEndpoint").unwrap();
        let json = json!({ "ID": "x0c0s0b0", "FQDN": "bmc0", "User": "root", "Password": "hunter2" });
        let read: RedfishEndpoint = form.read(&json).unwrap();
        let diff = diff(&[read], &[]);
        assert!(!format!("{:?}", payload(&diff.create[0])).contains("hunter2"));
        assert!(payload(&diff.create[0]).password.is_empty());
    }
}

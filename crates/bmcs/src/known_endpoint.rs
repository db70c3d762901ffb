//! What SMD knows of a Redfish endpoint, and what a discovery of it may change.

use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, DiscoveredEndpoint, StoreDiscovery};
use proto::smd::v1::{DiscoveryInfo, RedfishEndpoint, RedfishEndpointPayload, SmdCommand};
use raft::Store;
use redfish::Address;
use rpc::{Author, Error};

/// HSM's word for a discovery that went well.
pub(crate) const DISCOVER_OK: &str = "DiscoverOK";

/// HSM's word for a crawl that failed because of `word`, as `Bmc.crawl_status` has it.
pub(crate) fn status_of(word: &str) -> &'static str {
    match word {
        "ok" | "partial" => DISCOVER_OK,
        "not-redfish" | "broken" => "EPResponseFailedDecode",
        "limit" => "VerificationFailed",
        "unsupported" => "EndpointTypeNotSupported",
        "collision" | "no-xname" => "EndpointInvalid",
        "not-stored" => "StoreFailed",
        _ => "HTTPsGetFailed",
    }
}

/// How the discovery at `now_ms` went.
pub(crate) fn info(now_ms: u64, status: &str, redfish_version: &str) -> DiscoveryInfo {
    DiscoveryInfo {
        last_discovery_attempt: state::time_text(now_ms),
        last_discovery_status: status.to_owned(),
        redfish_version: redfish_version.to_owned(),
    }
}

/// What an administrator has said of an endpoint stays, whatever its tree says; a name stays, an address follows the BMC.
pub(crate) fn keep(before: &RedfishEndpoint, payload: &mut RedfishEndpointPayload) {
    let is_address = before
        .fqdn
        .parse::<Address>()
        .is_ok_and(|address| address.ip().is_some());
    if !is_address && !before.fqdn.is_empty() {
        payload.hostname.clone_from(&before.hostname);
        payload.domain.clone_from(&before.domain);
        payload.fqdn.clone_from(&before.fqdn);
    }
    if !before.name.is_empty() {
        payload.name.clone_from(&before.name);
    }
    if !before.user.is_empty() {
        payload.user.clone_from(&before.user);
    }
    payload.template_id.clone_from(&before.template_id);
    payload.enabled = Some(before.enabled);
    payload.use_ssdp = Some(before.use_ssdp);
    payload.mac_required = Some(before.mac_required);
    payload.rediscover_on_update = Some(before.rediscover_on_update);
}

/// Says of an endpoint that its discovery failed; what is behind it stays as it is. One that is not there needs none.
///
/// # Errors
/// Those of [`Store::propose_by`]; `RevisionMismatch` if somebody changed it meanwhile, who knows better.
pub(crate) async fn failed(store: &Store, author: &Author, id: &Xname, word: &str) -> Result<(), Error> {
    let Some(before) = store.state().smd.redfish_endpoint(id) else {
        return Ok(());
    };
    let version = before.discovery_info.as_ref();
    let version = version.map_or("", |info| info.redfish_version.as_str());
    let modified = before.meta.as_ref().and_then(|meta| meta.modified.as_ref());
    let endpoint = RedfishEndpoint {
        discovery_info: Some(info(store.cluster_time_ms(), status_of(word), version)),
        discovery_requested: None,
        ..before.as_ref().clone()
    };
    let found = DiscoveredEndpoint {
        endpoint: Some(endpoint),
        if_revision: modified.map(|modified| modified.revision),
        ..DiscoveredEndpoint::default()
    };
    let change = Change::StoreDiscovery(StoreDiscovery {
        endpoints: vec![found],
        update: true,
    });
    let command = Command::Smd(SmdCommand { change: Some(change) });
    store.propose_by(author, command).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use state::smd::DISCOVERY_STATUSES;

    use super::*;

    /// Another word is refused by the state, and the endpoint would stay `NotYetQueried`.
    #[test]
    fn every_word_has_one_of_hsms() {
        let words = [
            "ok",
            "partial",
            "unreachable",
            "timeout",
            "tls",
            "key-changed",
            "credentials",
            "not-redfish",
            "refused",
            "broken",
            "limit",
            "unsupported",
            "collision",
            "no-xname",
            "not-stored",
            "other",
        ];
        for word in words {
            assert!(DISCOVERY_STATUSES.contains(&status_of(word)), "{word}");
        }
        assert_eq!(status_of("ok"), "DiscoverOK");
        assert_eq!(status_of("timeout"), "HTTPsGetFailed");
    }

    fn endpoint(fqdn: &str) -> RedfishEndpoint {
        RedfishEndpoint {
            fqdn: fqdn.to_owned(),
            hostname: fqdn.split('.').next().unwrap_or_default().to_owned(),
            user: "operator".to_owned(),
            enabled: false,
            mac_required: true,
            ..RedfishEndpoint::default()
        }
    }

    fn payload() -> RedfishEndpointPayload {
        RedfishEndpointPayload {
            fqdn: "10.1.0.9".to_owned(),
            user: "root".to_owned(),
            ..RedfishEndpointPayload::default()
        }
    }

    #[test]
    fn what_an_administrator_said_stays() {
        let mut payload = payload();
        keep(&endpoint("bmc1.example"), &mut payload);
        assert_eq!(
            (payload.fqdn.as_str(), payload.hostname.as_str()),
            ("bmc1.example", "bmc1")
        );
        assert_eq!(
            (payload.user.as_str(), payload.enabled),
            ("operator", Some(false))
        );
        assert_eq!(payload.mac_required, Some(true));
    }

    #[test]
    fn an_address_follows_the_bmc() {
        let mut payload = payload();
        keep(&endpoint("10.1.0.7"), &mut payload);
        assert_eq!(payload.fqdn, "10.1.0.9");
    }
}

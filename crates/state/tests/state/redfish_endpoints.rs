//! Redfish endpoints themselves: names, addresses, patches, requests to discover, passwords.

use model::Rejection;
use proto::cluster::v1::SealedSecret;
use proto::smd::v1::smd_command::{
    DeleteRedfishEndpoints, DiscoveredEndpoint, PatchRedfishEndpoint, RequestDiscovery, StoreDiscovery,
};
use proto::smd::v1::{DiscoveryInfo, RedfishEndpoint};
use state::{RowKey, RowKind};

use crate::support::{Log, START_TEXT};

/// The BMC `id` at `fqdn`, with nothing behind it.
pub fn bmc(id: &str, fqdn: &str) -> DiscoveredEndpoint {
    DiscoveredEndpoint {
        endpoint: Some(RedfishEndpoint {
            id: id.into(),
            fqdn: fqdn.into(),
            enabled: true,
            user: "root".into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub fn post(endpoints: Vec<DiscoveredEndpoint>) -> StoreDiscovery {
    StoreDiscovery {
        endpoints,
        update: false,
    }
}

pub fn put(endpoint: DiscoveredEndpoint) -> StoreDiscovery {
    StoreDiscovery {
        endpoints: vec![endpoint],
        update: true,
    }
}

pub fn stored(log: &Log, id: &str) -> RedfishEndpoint {
    let endpoint = log.state.smd.redfish_endpoint(&id.parse().unwrap());
    endpoint.unwrap().as_ref().clone()
}

pub fn sealed(id: &str) -> SealedSecret {
    SealedSecret {
        name: format!("bmc/{id}"),
        version: 1,
        ciphertext: vec![7; 64],
    }
}

fn patch(id: &str) -> PatchRedfishEndpoint {
    PatchRedfishEndpoint {
        id: id.into(),
        ..Default::default()
    }
}

/// Fills a field of an endpoint.
type Change = fn(&mut RedfishEndpoint);

fn with(change: Change) -> StoreDiscovery {
    let mut found = bmc("x0c0s0b0", "bmc0.lab");
    change(found.endpoint.as_mut().unwrap());
    post(vec![found])
}

#[test]
fn an_endpoint_is_normalised_and_found_by_xname_and_fqdn() {
    let mut log = Log::latest();
    let applied = log.ok(post(vec![bmc(" X00c0s00b0", "BMC0.lab")]));
    assert_eq!(applied.created, ["x0c0s0b0"]);
    let expected = RedfishEndpoint {
        id: "x0c0s0b0".into(),
        r#type: "NodeBMC".into(),
        hostname: "BMC0".into(),
        domain: "lab".into(),
        fqdn: "BMC0.lab".into(),
        enabled: true,
        user: "root".into(),
        discovery_info: Some(DiscoveryInfo {
            last_discovery_status: "NotYetQueried".into(),
            ..Default::default()
        }),
        meta: log.created(),
        ..Default::default()
    };
    assert_eq!(stored(&log, "x0c0s0b0"), expected);
    let by_fqdn = log.state.smd.redfish_endpoint_by_fqdn("bmc0.LAB").unwrap();
    assert_eq!(by_fqdn.id, "x0c0s0b0");
}

#[test]
fn wrong_endpoints_name_their_field() {
    let cases: [(&str, Change); 9] = [
        ("ID", |e| e.id = "nowhere".into()),
        ("ID", |e| e.id = "x0c0s0b0n0".into()),
        ("MACAddr", |e| e.mac_addr = "02:00".into()),
        ("IPAddress", |e| e.ip_address = "10.0.0".into()),
        ("IPAddress", |e| {
            e.fqdn = "10.0.0.1".into();
            e.ip_address = "10.0.0.2".into();
        }),
        ("FQDN", |e| e.hostname = "other".into()),
        ("User", |e| e.user = "a\nb".into()),
        ("UUID", |e| e.uuid = "x".repeat(256)),
        ("DiscoveryInfo", |e| {
            e.discovery_info = Some(DiscoveryInfo {
                last_discovery_status: "Fine".into(),
                ..Default::default()
            });
        }),
    ];
    let mut log = Log::latest();
    for (field, change) in cases {
        assert_eq!(log.invalid(with(change)).0, field);
    }
    assert_eq!(log.invalid(post(Vec::new())).0, "endpoints");
    let nothing = post(vec![DiscoveredEndpoint::default()]);
    assert_eq!(log.invalid(nothing).0, "endpoint");
}

/// Both owners are named, in one command and across commands; of the rest nothing is stored.
#[test]
fn an_xname_and_an_fqdn_have_one_owner() {
    let mut log = Log::latest();
    log.ok(post(vec![bmc("x0c0s0b0", "bmc0.lab")]));
    let taken = [
        post(vec![bmc("x0c0s9b0", "bmc9.lab"), bmc("x0c0s0b0", "other.lab")]),
        post(vec![bmc("x0c0s9b0", "bmc9.lab"), bmc("x0c0s1b0", "BMC0.LAB")]),
        put(bmc("x0c0s1b0", "bmc0.lab")),
    ];
    let expected = [
        ("redfish endpoint", "x0c0s0b0"),
        ("FQDN", "BMC0.LAB"),
        ("FQDN", "bmc0.lab"),
    ];
    for (command, (kind, id)) in taken.into_iter().zip(expected) {
        match log.refused(command) {
            Rejection::AlreadyExists {
                kind: found,
                id: named,
                detail,
            } => {
                assert_eq!((found.as_str(), named.as_str()), (kind, id));
                assert!(
                    kind != "FQDN" || detail.contains("x0c0s0b0") && detail.contains("x0c0s1b0"),
                    "{detail}"
                );
            }
            other => panic!("{other}"),
        }
    }
    let twice = post(vec![bmc("x0c0s2b0", "a.lab"), bmc("x0c0s3b0", "A.lab")]);
    assert!(matches!(log.refused(twice), Rejection::AlreadyExists { .. }));
    let twice = StoreDiscovery {
        endpoints: vec![bmc("x0c0s2b0", "a.lab"), bmc("x0c0s2b0", "b.lab")],
        update: true,
    };
    assert_eq!(log.invalid(twice).0, "ID");
    assert_eq!(log.state.smd.redfish_endpoints().count(), 1);
}

#[test]
fn an_update_creates_replaces_or_changes_nothing() {
    let mut log = Log::latest();
    assert_eq!(log.ok(put(bmc("x0c0s0b0", "bmc0.lab"))).created, ["x0c0s0b0"]);
    let first = log.created();
    assert_eq!(log.ok(put(bmc("x0c0s0b0", "bmc0.lab"))).unchanged, ["x0c0s0b0"]);
    assert_eq!(stored(&log, "x0c0s0b0").meta, first);
    assert_eq!(log.ok(put(bmc("x0c0s0b0", "bmc1.lab"))).updated, ["x0c0s0b0"]);
    let after = stored(&log, "x0c0s0b0");
    assert_eq!(
        (after.hostname.as_str(), after.fqdn.as_str()),
        ("bmc1", "bmc1.lab")
    );
    let meta = after.meta.unwrap();
    assert_eq!(meta.created, first.unwrap().created);
    assert_eq!(meta.modified.unwrap().revision, 3);
    // The old name is free again.
    log.ok(post(vec![bmc("x0c0s1b0", "bmc0.lab")]));
}

/// The field of a patch, and what the endpoint then has.
#[test]
fn a_patch_changes_what_it_names() {
    let mut log = Log::latest();
    log.ok(post(vec![bmc("x0c0s0b0", "bmc0.lab")]));
    log.ok(post(vec![bmc("x0c0s1b0", "bmc1.lab")]));
    let unchanged = log.ok(PatchRedfishEndpoint {
        user: Some("root".into()),
        ..patch("x0c0s0b0")
    });
    assert_eq!(unchanged.unchanged, ["x0c0s0b0"]);
    log.ok(PatchRedfishEndpoint {
        domain: Some("example".into()),
        enabled: Some(false),
        mac_addr: Some("94-40-C9-37-D3-FC".into()),
        ..patch("X0c0s0b0")
    });
    let after = stored(&log, "x0c0s0b0");
    assert_eq!(
        (after.fqdn.as_str(), after.user.as_str(), after.enabled),
        ("bmc0.example", "root", false)
    );
    assert_eq!(after.mac_addr, "94:40:c9:37:d3:fc");
    log.ok(PatchRedfishEndpoint {
        fqdn: Some("10.0.0.1".into()),
        ..patch("x0c0s0b0")
    });
    let after = stored(&log, "x0c0s0b0");
    assert_eq!(
        [&after.hostname, &after.domain, &after.ip_address],
        ["10.0.0.1", "", "10.0.0.1"]
    );
    // The address came with the name, so it goes with it.
    log.ok(PatchRedfishEndpoint {
        fqdn: Some("bmc0.lab".into()),
        ..patch("x0c0s0b0")
    });
    assert_eq!(stored(&log, "x0c0s0b0").ip_address, "");
    let taken = PatchRedfishEndpoint {
        fqdn: Some("bmc1.lab".into()),
        ..patch("x0c0s0b0")
    };
    assert!(matches!(log.refused(taken), Rejection::AlreadyExists { .. }));
    assert_eq!(log.invalid(patch("nowhere")).0, "id");
    assert_eq!(
        log.refused(patch("x0c0s9b0")),
        Rejection::not_found("redfish endpoint", "x0c0s9b0")
    );
}

/// It waits until a discovery is stored, and survives everything else.
#[test]
fn a_request_to_discover_stays_until_a_discovery_is_stored() {
    let mut log = Log::latest();
    let request = |ids: &[&str]| RequestDiscovery {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        all: ids.is_empty(),
    };
    let none = log.refused(request(&[]));
    assert_eq!(none, Rejection::not_found("redfish endpoint", "there are none"));
    log.ok(post(vec![bmc("x0c0s0b0", "a.lab"), bmc("x0c0s1b0", "b.lab")]));
    let missing = log.refused(request(&["x0c0s0b0", "x0c0s9b0"]));
    assert_eq!(missing, Rejection::not_found("redfish endpoint", "x0c0s9b0"));
    assert_eq!(stored(&log, "x0c0s0b0").discovery_requested, None);
    assert_eq!(log.ok(request(&[])).updated, ["x0c0s0b0", "x0c0s1b0"]);
    let asked = Some(log.last_change());
    log.ok(put(bmc("x0c0s0b0", "c.lab")));
    log.ok(PatchRedfishEndpoint {
        enabled: Some(false),
        ..patch("x0c0s0b0")
    });
    assert_eq!(stored(&log, "x0c0s0b0").discovery_requested, asked);
    let mut discovered = bmc("x0c0s0b0", "c.lab");
    discovered.endpoint.as_mut().unwrap().discovery_info = Some(DiscoveryInfo {
        last_discovery_attempt: START_TEXT.into(),
        last_discovery_status: "DiscoverOK".into(),
        redfish_version: "1.7.0".into(),
    });
    log.ok(put(discovered.clone()));
    let after = stored(&log, "x0c0s0b0");
    assert_eq!(after.discovery_requested, None);
    assert_eq!(after.discovery_info, discovered.endpoint.unwrap().discovery_info);
    // What is known of the last discovery is not forgotten by an update that says nothing of one.
    log.ok(put(bmc("x0c0s0b0", "d.lab")));
    assert_eq!(stored(&log, "x0c0s0b0").discovery_info, after.discovery_info);
}

/// A password is a sealed secret of its own: it comes and goes with its endpoint, and is in no event.
#[test]
fn a_password_goes_with_its_endpoint_and_is_not_shown() {
    let mut log = Log::latest();
    let with_password = |id: &str, name: &str| {
        let password = Some(sealed(name));
        DiscoveredEndpoint {
            password,
            ..bmc(id, "bmc0.lab")
        }
    };
    let another = log.invalid(post(vec![with_password("x0c0s0b0", "x0c0s1b0")]));
    assert_eq!(another.0, "password");
    let applied = log.apply(post(vec![with_password("x0c0s0b0", "x0c0s0b0")]));
    let kinds: Vec<RowKind> = applied.events.iter().map(|event| event.key().kind()).collect();
    assert_eq!(kinds, [RowKind::RedfishEndpoint]);
    let secrets = |log: &Log| {
        log.keys()
            .map(RowKey::kind)
            .filter(|kind| *kind == RowKind::Secret)
            .count()
    };
    assert_eq!(secrets(&log), 1);
    // Without one in the update, the one that is known stays.
    log.ok(put(bmc("x0c0s0b0", "bmc1.lab")));
    assert_eq!(secrets(&log), 1);
    let newer = SealedSecret {
        version: 2,
        ..sealed("x0c0s0b0")
    };
    let updated = log.ok(PatchRedfishEndpoint {
        password: Some(newer.clone()),
        ..patch("x0c0s0b0")
    });
    assert_eq!(updated.updated, ["x0c0s0b0"]);
    assert_eq!(*log.state.cluster.secret("bmc/x0c0s0b0").unwrap(), newer);
    log.ok(DeleteRedfishEndpoints {
        ids: vec!["x0c0s0b0".into()],
        all: false,
        ..Default::default()
    });
    assert_eq!(
        (secrets(&log), log.state.cluster.secret("bmc/x0c0s0b0")),
        (0, None)
    );
}

/// Members that do not know them must not meet them in the log.
#[test]
fn endpoints_need_the_level_of_the_inventory() {
    let refused = Log::new().refused(post(vec![bmc("x0c0s0b0", "bmc0.lab")]));
    assert_eq!(
        refused,
        Rejection::FeatureLevel {
            needed: 3,
            current: 1
        }
    );
}

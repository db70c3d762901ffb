//! BMCs that were found: what is known of one, whose xname is whose, and which key is believed.

use model::Rejection;
use proto::discovery::v1::Bmc;
use proto::discovery::v1::discovery_command::{AssignXname, DeleteBmcs, PutBmcs, TrustKey};
use state::bounds::BMCS_PER_COMMAND_MAX;

use crate::auth_support::texts;
use crate::discoveries;
use crate::redfish_endpoints::post;
use crate::support::{Log, START_MS};

pub const ADDRESS: &str = "10.1.0.7:443";
const OTHER: &str = "10.1.0.8:443";

/// A BMC that answered there, with a key of these two digits.
pub fn seen(address: &str, key: &str, xname: &str) -> Bmc {
    Bmc {
        address: address.into(),
        service: "redfish".into(),
        key_sha256: key.repeat(32),
        xname: xname.into(),
        ..Bmc::default()
    }
}

pub fn put(bmcs: Vec<Bmc>) -> PutBmcs {
    PutBmcs { bmcs }
}

fn assign(address: &str, xname: &str) -> AssignXname {
    AssignXname {
        address: address.into(),
        xname: xname.into(),
    }
}

fn trust(key_sha256: &str) -> TrustKey {
    TrustKey {
        address: ADDRESS.into(),
        key_sha256: key_sha256.into(),
    }
}

fn delete(addresses: &[&str]) -> DeleteBmcs {
    DeleteBmcs {
        addresses: texts(addresses),
    }
}

fn stored(log: &Log, address: &str) -> Bmc {
    log.state.discovery.bmc(address).unwrap().as_ref().clone()
}

/// The address that has an xname.
fn owner(log: &Log, xname: &str) -> Option<String> {
    let bmc = log.state.discovery.bmc_of(&xname.parse().unwrap());
    bmc.map(|bmc| bmc.address.clone())
}

#[test]
fn what_is_seen_is_added_to_what_is_known() {
    let mut log = Log::latest();
    let first = Bmc {
        uuid: "ABC".into(),
        vendor: "HPE\u{1b}[2J".into(),
        mac: "02-00-00-00-00-A1".into(),
        first_seen_ms: 1,
        last_seen_ms: 1,
        ..seen(ADDRESS, "AB", "X0C0S0B0")
    };
    assert_eq!(log.ok(put(vec![first])).created, [ADDRESS]);
    let expected = Bmc {
        uuid: "abc".into(),
        vendor: "HPE [2J".into(),
        mac: "02:00:00:00:00:a1".into(),
        first_seen_ms: START_MS,
        last_seen_ms: START_MS,
        meta: log.created(),
        ..seen(ADDRESS, "ab", "x0c0s0b0")
    };
    assert_eq!(stored(&log, ADDRESS), expected);
    log.now_ms += 1000;
    let failed = Bmc {
        address: ADDRESS.into(),
        crawl_status: "unreachable".into(),
        crawl_reason: "nobody answers".into(),
        ..Bmc::default()
    };
    assert_eq!(log.ok(put(vec![failed])).updated, [ADDRESS]);
    let bmc = stored(&log, ADDRESS);
    assert_eq!((bmc.last_seen_ms, bmc.crawled_at_ms), (START_MS, log.now_ms));
    assert_eq!((bmc.vendor.as_str(), bmc.xname.as_str()), ("HPE [2J", "x0c0s0b0"));
    log.now_ms += 1000;
    let crawled = Bmc {
        crawl_status: "ok".into(),
        ..seen(ADDRESS, "ab", "")
    };
    log.ok(put(vec![crawled]));
    let bmc = stored(&log, ADDRESS);
    assert_eq!((bmc.first_seen_ms, bmc.last_seen_ms), (START_MS, log.now_ms));
    assert_eq!(
        (bmc.crawl_status.as_str(), bmc.crawl_reason.as_str()),
        ("ok", ""),
        "the reason of a failure before is none of this one"
    );
}

#[test]
fn nothing_new_changes_nothing() {
    let mut log = Log::latest();
    log.ok(put(vec![seen(ADDRESS, "ab", "")]));
    assert_eq!(log.ok(put(vec![seen(ADDRESS, "ab", "")])).unchanged, [ADDRESS]);
}

#[test]
fn what_is_no_bmc_is_refused_with_all_the_others() {
    let mut log = Log::latest();
    let good = || seen(OTHER, "ab", "");
    for (field, wrong) in [
        ("bmcs.address", seen("10.1.0.7", "ab", "")),
        ("bmcs.xname", seen(ADDRESS, "ab", "x0c0s0b0n0")),
        ("bmcs.xname", seen(ADDRESS, "ab", "nowhere")),
        ("bmcs.key_sha256", seen(ADDRESS, "a", "")),
        (
            "bmcs.service",
            Bmc {
                service: "ipmi".into(),
                ..seen(ADDRESS, "ab", "")
            },
        ),
    ] {
        assert_eq!(log.invalid(put(vec![good(), wrong])).0, field);
    }
    let many = vec![good(); BMCS_PER_COMMAND_MAX + 1];
    assert_eq!(log.invalid(put(many)).0, "bmcs");
    assert_eq!(log.state.discovery.bmcs().count(), 0);
}

#[test]
fn an_xname_has_one_bmc() {
    let mut log = Log::latest();
    log.ok(put(vec![seen(ADDRESS, "ab", "x0c0s0b0")]));
    let applied = log.ok(put(vec![seen(OTHER, "cd", "x0c0s0b0")]));
    assert_eq!(applied.created, [OTHER], "it is there all the same");
    let refusal = &applied.refused[0];
    assert_eq!(refusal.id, OTHER);
    assert!(refusal.reason.contains("x0c0s0b0") && refusal.reason.contains(ADDRESS));
    assert_eq!(stored(&log, OTHER).xname, "");
    assert_eq!(owner(&log, "x0c0s0b0").as_deref(), Some(ADDRESS));
    let Rejection::AlreadyExists { id, detail, .. } = log.refused(assign(OTHER, "x0c0s0b0")) else {
        panic!("it was given twice");
    };
    assert_eq!(id, "x0c0s0b0");
    assert!(detail.contains(ADDRESS) && detail.contains(OTHER), "{detail}");
}

/// With another key, or another UUID, somebody else would be sent the password of this one.
#[test]
fn a_bmc_that_moves_keeps_its_xname_if_it_proves_its_key() {
    let with_uuid = |uuid: &str, bmc: Bmc| Bmc {
        uuid: uuid.into(),
        ..bmc
    };
    for (key, uuid, moves) in [("ab", "u1", true), ("cd", "u1", false), ("ab", "u2", false)] {
        let mut log = Log::latest();
        log.ok(put(vec![with_uuid("u1", seen(ADDRESS, "ab", "x0c0s0b0"))]));
        log.ok(put(vec![with_uuid(uuid, seen(OTHER, key, "x0c0s0b0"))]));
        let expected = if moves { OTHER } else { ADDRESS };
        assert_eq!(
            owner(&log, "x0c0s0b0").as_deref(),
            Some(expected),
            "{key}, {uuid}"
        );
        assert_eq!(stored(&log, ADDRESS).xname.is_empty(), moves);
    }
    let mut log = Log::latest();
    log.ok(put(vec![seen(ADDRESS, "", "x0c0s0b0")]));
    log.ok(put(vec![seen(OTHER, "", "x0c0s0b0")]));
    assert_eq!(
        owner(&log, "x0c0s0b0").as_deref(),
        Some(ADDRESS),
        "no key proves nothing"
    );
}

#[test]
fn an_administrator_gives_xnames() {
    let mut log = Log::latest();
    log.ok(put(vec![seen(ADDRESS, "ab", "x0c0s0b0")]));
    assert_eq!(log.ok(assign(ADDRESS, "X0c0s1b0")).updated, [ADDRESS]);
    assert_eq!(owner(&log, "x0c0s1b0").as_deref(), Some(ADDRESS));
    assert_eq!(owner(&log, "x0c0s0b0"), None);
    assert_eq!(log.ok(assign(ADDRESS, "x0c0s1b0")).unchanged, [ADDRESS]);
    assert_eq!(log.invalid(assign(ADDRESS, "x0c0s1b0n0")).0, "xname");
    assert_eq!(log.invalid(assign(ADDRESS, "")).0, "xname");
    assert_eq!(log.invalid(assign("nowhere", "x0c0s1b0")).0, "address");
    assert!(matches!(
        log.refused(assign(OTHER, "x0c0s2b0")),
        Rejection::NotFound { .. }
    ));
}

#[test]
fn another_key_is_not_believed_before_somebody_says_so() {
    let mut log = Log::latest();
    log.ok(put(vec![seen(ADDRESS, "ab", "")]));
    let detail = |rejection: Rejection| rejection.to_string();
    assert!(detail(log.refused(trust(""))).contains("has not changed"));
    log.ok(put(vec![seen(ADDRESS, "cd", "")]));
    let keys = |log: &Log| {
        let bmc = stored(log, ADDRESS);
        (bmc.key_sha256, bmc.other_key_sha256)
    };
    assert_eq!(keys(&log), ("ab".repeat(32), "cd".repeat(32)));
    log.ok(put(vec![seen(ADDRESS, "ab", "")]));
    assert_eq!(
        keys(&log),
        ("ab".repeat(32), String::new()),
        "the old one is back"
    );
    let noted = Bmc {
        other_key_sha256: "ef".repeat(32),
        ..seen(ADDRESS, "ab", "")
    };
    log.ok(put(vec![noted]));
    assert_eq!(keys(&log).1, "ef".repeat(32));
    assert!(detail(log.refused(trust(&"cd".repeat(32)))).contains("look at it again"));
    assert_eq!(log.invalid(trust("cd")).0, "key_sha256");
    assert_eq!(log.ok(trust(&"EF".repeat(32))).updated, [ADDRESS]);
    assert_eq!(keys(&log), ("ef".repeat(32), String::new()));
}

#[test]
fn what_is_forgotten_is_all_or_nothing_and_the_inventory_stays() {
    let mut log = Log::latest();
    log.ok(post(vec![discoveries::blade(0)]));
    log.ok(put(vec![seen(ADDRESS, "ab", "x0c0s0b0")]));
    assert!(matches!(
        log.refused(delete(&[ADDRESS, OTHER])),
        Rejection::NotFound { .. }
    ));
    assert_eq!(log.invalid(delete(&[])).0, "addresses");
    assert_eq!(log.ok(delete(&[ADDRESS])).deleted, [ADDRESS]);
    assert_eq!(owner(&log, "x0c0s0b0"), None);
    assert!(
        log.state
            .smd
            .redfish_endpoint(&"x0c0s0b0".parse().unwrap())
            .is_some()
    );
    log.ok(put(vec![seen(OTHER, "cd", "x0c0s0b0")]));
    assert_eq!(owner(&log, "x0c0s0b0").as_deref(), Some(OTHER));
}

//! Another key seals: under load, with the leader killed in the middle, with a member away.

use std::os::unix::fs::PermissionsExt as _;

use auth::Sealer;
use serde_json::json;

use crate::load::Load;
use crate::vault::Vault;

/// Every secret opens on each member before, during and after; nobody who works meanwhile is refused.
#[test]
fn a_rotation_under_load_costs_no_secret_and_no_request() {
    let vault = Vault::start();
    // each member makes its first entry here; what follows is about keys
    for id in 1..=3 {
        let bmc = json!({"ID": format!("x9c{id}s0b0"), "FQDN": format!("load{id}.lab"), "Password": "x"});
        let path = "/hsm/v2/Inventory/RedfishEndpoints";
        let answer = vault
            .site
            .administrator
            .send(vault.site.ip(id), "POST", path, &bmc.to_string());
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
    let load = Load::start(&vault, &[1, 2, 3]);
    vault.all_open(&[1, 2, 3]);
    let old = vault.keys(1).sealing_id();
    let answer = vault.rotate("kek-2.key");
    assert_eq!(answer["retiringId"], json!(old));
    assert_eq!(answer["members"], json!([1, 2, 3]));
    vault.all_open(&[1, 2, 3]);
    vault.until("everything to be sealed anew", || vault.is_over());
    let new = answer["activeId"].as_str().unwrap();
    for id in 1..=3 {
        vault.until_alone(id, new);
        let mode = vault.kek_file(id).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    vault.all_open(&[1, 2, 3]);
    let so_far = load.done();
    vault.until("work goes on", || load.done() > so_far + 10);
    let failed = load.stop();
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
    // what was kept apart before anything was sealed for it opens everything, and the old key nothing
    let kept = Sealer::from_pem(&std::fs::read(vault.out("kek-2.key")).unwrap()).unwrap();
    let state = vault.state();
    assert!(state.sealed().all(|sealed| kept.open(sealed).is_ok()));
    assert_eq!(state.cluster.sealing_keys().unwrap().active_id, kept.sealing_id());
}

/// What is left to do stands in the log: whoever leads next goes on.
#[test]
fn another_leader_ends_what_one_has_begun() {
    let mut vault = Vault::start();
    let answer = vault.rotate("kek-2.key");
    let new = answer["activeId"].as_str().unwrap().to_owned();
    let leader = vault.leader();
    vault.kill(leader);
    let others: Vec<u64> = vault.site.ids();
    vault.all_open(&others);
    vault.until("the next leader to seal everything anew", || vault.is_over());
    for id in &others {
        vault.until_alone(*id, &new);
    }
    // whose disk is that of the crash
    assert!(vault.keys(leader).key_ids().contains(&new));
    vault.start_again(leader);
    vault.until_alone(leader, &new);
    vault.all_open(&[1, 2, 3]);
}

/// It is given the key over the channel of members, and signs with a key that it could not open before.
#[test]
fn a_member_that_was_away_is_given_the_key() {
    let mut vault = Vault::start();
    vault.site.give("site", "viewer", "service/cron");
    let (_, api) = vault.site.api_token("service/cron", &["smd.read"]);
    let away = (1..=3).find(|id| *id != vault.leader()).unwrap();
    vault.kill(away);
    let answer = vault.rotate("kek-2.key");
    let new = answer["activeId"].as_str().unwrap().to_owned();
    assert_eq!(answer["absent"], json!([away]));
    vault.until("everything to be sealed anew", || vault.is_over());
    let old = vault.keys(away).key_ids();
    assert!(!old.contains(&new), "it was away");
    vault.start_again(away);
    vault.until_alone(away, &new);
    vault.all_open(&[1, 2, 3]);
    vault.until("tokens of the member that is back", || {
        let asked = json!({"grant_type": "client_credentials", "client_secret": api}).to_string();
        let nobody = vault.site.as_nobody();
        let listens = std::net::TcpStream::connect((vault.site.ip(away), 8443)).is_ok();
        listens
            && nobody
                .send(vault.site.ip(away), "POST", "/oauth2/token", &asked)
                .status
                == 200
    });
    let status = vault.status().unwrap();
    let members = status["members"].as_array().unwrap();
    assert!(
        members.iter().all(|member| member["missingIds"] == json!([])),
        "{status}"
    );
}

/// The log that named the key is gone when it comes back: the snapshot names it, too, and a member that cannot open a single secret of
/// what it is sent must come to its key nevertheless.
#[test]
fn a_member_that_is_sent_a_snapshot_is_given_the_key() {
    /// More than what stays in the log below a snapshot, and a snapshot's worth beside.
    const ENTRIES: usize = 700;
    const WRITERS: usize = 8;
    let mut vault = Vault::start_with("snapshot-entries = 100\n");
    let leader = vault.leader();
    let away = (1..=3).find(|id| *id != leader).unwrap();
    vault.kill(away);
    let answer = vault.rotate("kek-2.key");
    let new = answer["activeId"].as_str().unwrap().to_owned();
    vault.until("everything to be sealed anew", || vault.is_over());
    let (administrator, address) = (&vault.site.administrator, vault.site.ip(leader));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for number in (writer..ENTRIES).step_by(WRITERS) {
                    let group = json!({ "label": format!("g{number}") }).to_string();
                    let answer = administrator.send(address, "POST", "/hsm/v2/groups", &group);
                    assert!((200..300).contains(&answer.status), "{answer:?}");
                }
            });
        }
    });
    assert!(!vault.keys(away).key_ids().contains(&new), "it was away");
    vault.start_again(away);
    vault.until_alone(away, &new);
    assert!(
        vault.journal(away).contains("\"reason\":\"snapshot\""),
        "it was sent entries"
    );
    vault.all_open(&[1, 2, 3]);
}

/// Nothing changes: not the key that seals, not a file of a member that has refused.
#[test]
fn wrong_keys_and_too_few_members_are_refused() {
    let mut vault = Vault::start();
    let before: Vec<Vec<String>> = (1..=3).map(|id| vault.keys(id).key_ids()).collect();
    let other = vault.out("other");
    std::fs::write(&other, "not a key").unwrap();
    let refused = vault.ask(&["secrets", "rotate-kek", "--out", &other]);
    assert!(
        refused.0 == 4 && refused.2.contains("nothing is overwritten"),
        "{refused:?}"
    );
    let refused = vault.ask(&["secrets", "rotate-kek", "--to", "00112233445566ff"]);
    assert!(
        refused.0 != 0 && refused.2.contains("put it there first"),
        "{refused:?}"
    );
    // a file that was copied from another cluster
    let foreign = Sealer::generate().unwrap();
    vault.kill(3);
    std::fs::write(vault.kek_file(3), foreign.to_pem().unwrap()).unwrap();
    vault.start_again(3);
    let own = before[0][0].clone();
    vault.until("what member 3 lacks to be named", || {
        let status = vault.status().unwrap_or_default();
        status["members"][2]["missingIds"] == json!([own])
    });
    vault.kill(3);
    vault.kill(2);
    let alone = vault.ask(&[
        "secrets",
        "rotate-kek",
        "--out",
        &vault.out("kek-2.key"),
        "--timeout",
        "30",
    ]);
    assert_ne!(alone.0, 0, "one of three is no majority: {alone:?}");
    vault.start_again(2);
    vault.until("a majority again", || vault.ask(&["group", "list"]).0 == 0);
    assert!(vault.state().cluster.sealing_keys().is_none());
    assert!(vault.keys(2).key_ids() == before[1], "it was not asked");
}

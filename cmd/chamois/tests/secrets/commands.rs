//! Keys that a command gives: the operator puts the new one there, and status says who lacks it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth::Sealer;
use prost_reflect::{DescriptorPool, Kind};

use crate::common::{Single, chamois, outcome, text};

/// A file that the member's keys lie in now, and no longer where its identity is.
fn taken_away(single: &Single) -> PathBuf {
    let given = single.dir.path().join("given.pem");
    std::fs::rename(single.identities().join("member-1/kek.key"), &given).unwrap();
    given
}

/// `[secrets]` of a member whose keys this program prints, given this file.
fn with_command(single: &Single, program: &str, file: &Path) {
    let config = std::fs::read_to_string(single.config()).unwrap();
    let secrets = format!("[secrets]\nkek-command = [{program:?}, {file:?}]\n[api]\n");
    std::fs::write(single.config(), config.replace("[api]\n", &secrets)).unwrap();
}

#[test]
fn a_key_that_a_command_gives_is_put_there_before_it_seals() {
    let single = Single::prepare();
    let own = single.identities().join("member-1/kek.key");
    let given = taken_away(&single);
    let missing = outcome(&chamois(&[
        "serve",
        "--config",
        text(&single.config()),
        "--check",
    ]));
    assert!(missing.0 != 0 && missing.2.contains("kek.key"), "{missing:?}");
    with_command(&single, "/bin/cat", &given);
    let _member = single.start();
    let made = single.dir.path().join("new.key");
    let (code, out, err) = single.ask(&["secrets", "make-kek", "--out", text(&made), "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let made_id: serde_json::Value = serde_json::from_str(&out).unwrap();
    let id = made_id["id"].as_str().unwrap();
    let early = single.ask(&["secrets", "rotate-kek", "--to", id]);
    assert!(early.0 != 0 && early.2.contains("command /bin/cat"), "{early:?}");
    let old = std::fs::read_to_string(&given).unwrap();
    let new = std::fs::read_to_string(&made).unwrap();
    std::fs::write(&given, format!("{old}{new}")).unwrap();
    let rotated = single.ask(&["secrets", "rotate-kek", "--to", id]);
    assert_eq!(rotated.0, 0, "{rotated:?}");
    // and taken away too early it is missed
    std::fs::write(&given, "").unwrap();
    let (_, status, _) = single.ask(&["secrets", "status", "-o", "json"]);
    assert!(status.contains("what it prints is not an X25519"), "{status}");
    assert!(!own.exists(), "nothing is written where the operator gives keys");
    assert_eq!(Sealer::from_pem(new.as_bytes()).unwrap().sealing_id(), id);
}

/// Whoever has lost a majority has his keys where they were.
#[test]
fn a_member_goes_on_alone_with_keys_that_a_command_gives() {
    let single = Single::prepare();
    with_command(&single, "/bin/cat", &taken_away(&single));
    let leads = || single.ask(&["group", "list"]).0 == 0;
    let mut member = single.start();
    member.until("it leads", leads);
    drop(member);
    let config = single.config();
    let recover = ["recover", "--accept-lost-writes", "--config", text(&config)];
    let recovered = outcome(&chamois(&recover));
    assert_eq!(recovered.0, 0, "{recovered:?}");
    let mut member = single.spawn();
    member.until("it leads alone", leads);
}

/// Prints the file after two seconds: longer than members wait between two looks for keys to forget.
fn slow(single: &Single, given: &Path) -> PathBuf {
    let script = single.dir.path().join("give-keys");
    std::fs::write(&script, format!("sleep 2\nexec cat {given:?}\n")).unwrap();
    script
}

/// The second one, too: then there is a key to forget, and the new one must not be taken for it.
#[test]
fn two_rotations_with_a_slow_command_come_to_their_end() {
    let single = Single::prepare();
    let given = taken_away(&single);
    with_command(&single, "/bin/sh", &slow(&single, &given));
    let _member = single.start();
    for round in 1..=2 {
        let made = single.dir.path().join(format!("new-{round}.key"));
        let (code, out, err) = single.ask(&["secrets", "make-kek", "--out", text(&made), "-o", "json"]);
        assert_eq!(code, 0, "{err}");
        let made_id: serde_json::Value = serde_json::from_str(&out).unwrap();
        let id = made_id["id"].as_str().unwrap();
        // the old ones stay where the command reads them, as they may
        let keys = std::fs::read_to_string(&given).unwrap() + &std::fs::read_to_string(&made).unwrap();
        std::fs::write(&given, keys).unwrap();
        let rotated = single.ask(&["secrets", "rotate-kek", "--to", id]);
        assert_eq!(rotated.0, 0, "round {round}: {rotated:?}");
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let (_, out, _) = single.ask(&["secrets", "status", "-o", "json"]);
            let status: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
            if status["activeId"] == id && status["retiringId"] == "" {
                break;
            }
            assert!(Instant::now() < deadline, "round {round}: {out}");
        }
    }
}

/// What is sealed and travels in a command or stands in a row is known to `state::sealed`: a field that somebody adds fails here until
/// it is sealed anew at rotations (`State::sealed`, `reseal`), and refused when its key is retired (`sealed_in`).
#[test]
fn every_field_that_is_sealed_is_known() {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
    let mut found = BTreeSet::new();
    for message in pool.all_messages() {
        for field in message.fields() {
            if matches!(field.kind(), Kind::Message(of) if of.full_name() == "chamois.cluster.v1.SealedSecret")
            {
                let name = message.full_name().trim_start_matches("chamois.");
                found.insert(format!("{name}.{}", field.name()));
            }
        }
    }
    let known = [
        "auth.v1.AuthCommand.PutAuthSecret.secret",
        "auth.v1.CertificateAuthority.private_key",
        "auth.v1.OidcProvider.client_secret",
        "auth.v1.SigningKey.private_key",
        "cloud_init.v1.CloudInitCommand.PutGroup.sealed",
        "cloud_init.v1.CloudInitCommand.PutGroup.sealed_meta_data",
        "cloud_init.v1.CloudInitCommand.PutGroup.token_key",
        "cloud_init.v1.CloudInitCommand.PutInstanceInfo.sealed",
        "cloud_init.v1.CloudInitCommand.PutInstanceInfo.token_key",
        "cluster.v1.ClusterCommand.Bootstrap.advert_key",
        "cluster.v1.ClusterCommand.Bootstrap.ca_key",
        "cluster.v1.ClusterCommand.Bootstrap.token_key",
        "cluster.v1.ClusterCommand.ResealSecrets.Resealed.sealed",
        "discovery.v1.DiscoveryCommand.KeepNextPassword.password",
        "discovery.v1.DiscoveryCommand.PutCredential.password",
        "discovery.v1.DiscoveryCommand.PutNextPassword.password",
        "raft.v1.SnapshotRow.secret",
        "smd.v1.SmdCommand.DiscoveredEndpoint.password",
        "smd.v1.SmdCommand.PatchRedfishEndpoint.password",
    ];
    assert_eq!(found, BTreeSet::from(known.map(str::to_owned)));
}

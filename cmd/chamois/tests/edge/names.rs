//! The name that haproxy had goes on to be the cluster's.

use crate::common::{Single, outcome};
use crate::presented_for;

const OLD: &str = "demo.openchami.cluster";

/// A member whose CA signs here puts the names of its configuration into its certificate. Without such a CA there is the identity's
/// certificate only, which has what `init` gave it.
#[test]
fn a_member_presents_a_certificate_for_the_old_name() {
    let single = Single::prepare();
    single.configure_api(1, &format!("names = [\"{}\"]\n", OLD.to_uppercase()));
    let mut member = single.start();
    let (code, out, err) = single.ask(&["certificate", "rotate-ca", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let added: serde_json::Value = serde_json::from_str(&out).unwrap();
    let pem = added
        .get("certificatePem")
        .or(added.get("certificate_pem"))
        .unwrap();
    let ca = auth::certificates(pem.as_str().unwrap()).unwrap();
    let id = added["id"].as_str().unwrap();
    let (code, _, err) = single.ask(&["certificate", "rotate-ca", "--activate", id, "--urgent"]);
    assert_eq!(code, 0, "{err}");
    member.until("the old name is in what is presented", || {
        presented_for(single.own().into(), &ca, OLD)
            .iter()
            .any(|name| name == OLD)
    });
    // and an address goes on to be one of its names
    let names = presented_for(single.own().into(), &ca, OLD);
    assert!(names.contains(&single.own().to_string()), "{names:?}");
}

/// Said before a port is bound: a certificate with such a name would be refused by every client.
#[test]
fn what_is_no_name_is_refused() {
    let single = Single::prepare();
    single.configure_api(1, "names = [\"*.example\"]\n");
    let config = single.config();
    let checked = crate::common::chamois(&["serve", "--check", "--config", config.to_str().unwrap()]);
    let (code, _, err) = outcome(&checked);
    assert_ne!(code, 0);
    assert!(
        err.contains("api.names: `*.example` is not a host's name"),
        "{err}"
    );
}

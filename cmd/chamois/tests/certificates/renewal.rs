//! Certificates that are replaced while they are in use.

use std::sync::{Arc, Mutex};

use crate::common::text;
use crate::load::{Load, rotations};
use crate::site::{Site, shown};

/// No valid request is refused, whichever certificate it is made with.
#[test]
fn rotations_under_load_fail_no_request() {
    let site = Site::with_ca(3);
    let file = site.reader("service/load", "load");
    let trusted = Arc::new(Mutex::new(site.trusted()));
    let mut load = Load::start(&site, &file, &trusted);
    // the certificate of the first day is good as long as it says, on the connection that it has opened
    load.keep(&site, &file);
    let mut before = shown(&file).0;
    for _ in 0..rotations() {
        let renewed = site.renew(&file, &["--force"]);
        assert_eq!(renewed.0, 0, "{}", renewed.2);
        let now = shown(&file).0;
        assert_ne!(now, before);
        before = now;
        load.goes_on(&site, 9);
    }
    load.end();
}

/// A timer may run it as often as it likes.
#[test]
fn a_renewal_before_half_of_the_life_does_nothing() {
    let site = Site::with_ca(1);
    let file = site.issue("user/ada", "ada");
    let before = std::fs::read_to_string(&file).unwrap();
    let (code, out, err) = site.renew(&file, &[]);
    assert!(code == 0 && out.contains("is not due before"), "{out}{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["own.pem", "own.key", "ca.pem"] {
        let mode = std::fs::metadata(file.with_file_name(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// Nobody gets another one's certificate by his own, nor one of a member's name.
#[test]
fn a_certificate_gets_its_own_name_and_no_other() {
    let site = Site::with_ca(1);
    let file = site.issue("service/web", "web");
    site.give("viewer", "service/web");
    let ask = |args: &[&str]| {
        let (endpoint, ca) = (format!("{}:7441", site.ip(1)), site.path("identities/ca.pem"));
        let out = site.path("other.pem");
        let mut all = vec!["certificate", "issue"];
        all.extend(args);
        all.extend(["--out", text(&out), "--endpoints", &endpoint, "--ca", text(&ca)]);
        all.extend(["--client-certificate", text(&file)]);
        crate::common::outcome(&crate::common::chamois(&all))
    };
    for wider in [&["user/root"][..], &["service/other"], &["--name", "web.example"]] {
        let (code, _, err) = ask(wider);
        assert!(code == 5 && err.contains("auth.admin"), "{wider:?}: {code} {err}");
    }
    // by whom, and for whom
    site.until("what was signed is in the member's log", || {
        let log = site.ask(&["audit", "--denied", "-o", "json"]).1;
        log.contains("for service/web") && log.contains("signed")
    });
    let of_member = site.ip(1).to_string();
    let (code, _, err) = site.ask(&["certificate", "issue", "service/x", "--name", &of_member]);
    assert!(code == 2 && err.contains("a member's"), "{code} {err}");
}

//! A site's own certificate and CA, which change while a member serves.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use auth::pki::{CertificateAuthority, new_member_key};
use rpc::tls::SpiffeId;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::Single;
use crate::load::{Load, rotations};
use crate::site::{Shown, Site, is_cut, presented};

struct SiteCa {
    ca: CertificateAuthority,
    site: Site,
}

/// A member that is configured with files of a site.
fn start() -> SiteCa {
    let single = Single::prepare_one_of(1);
    // the CA is called as the cluster's, or it could not name anybody of it
    let ca = CertificateAuthority::generate("test", SystemTime::now()).unwrap();
    let at = |name: &str| single.dir.path().join(name);
    write_https(&ca, &single);
    std::fs::write(at("site-ca.pem"), ca.certificate_pem()).unwrap();
    let config = std::fs::read_to_string(single.config()).unwrap();
    let keys = format!(
        "[api]\nhttps-certificate = {:?}\nhttps-key = {:?}\nclient-ca = {:?}\n",
        at("https.pem"),
        at("https.key"),
        at("site-ca.pem")
    );
    std::fs::write(single.config(), config.replacen("[api]\n", &keys, 1)).unwrap();
    SiteCa {
        ca,
        site: Site::start_as(single, 1),
    }
}

/// The key first: for a moment it does not fit, and what was there is presented on.
fn write_https(ca: &CertificateAuthority, single: &Single) {
    use std::os::unix::fs::PermissionsExt as _;
    let names = vec![single.own().to_string()];
    let issued = ca.issue_member(1, names, SystemTime::now()).unwrap();
    for (name, text) in [
        ("https.key", &issued.key_pem),
        ("https.pem", &issued.certificate_pem),
    ] {
        let (file, new) = (single.dir.path().join(name), single.dir.path().join("new"));
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, file).unwrap();
    }
}

/// Signed by the site's CA.
fn user(ca: &CertificateAuthority, name: &SpiffeId) -> Shown {
    let (key_pem, public_key) = new_member_key().unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let pem = ca
        .certify(name, Vec::new(), &public_key, hour, SystemTime::now())
        .unwrap();
    (
        vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
        PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap(),
    )
}

fn anchor(ca: &CertificateAuthority) -> Vec<CertificateDer<'static>> {
    auth::certificates(ca.certificate_pem()).unwrap()
}

/// HTTPS has the site's, gRPC the cluster's; both let the site's users in.
#[test]
fn a_sites_certificate_and_users_are_known() {
    let SiteCa { ca, site } = start();
    assert!(
        presented(&site.trusted(), site.ip(1), 8443).is_empty(),
        "of another CA"
    );
    assert!(!presented(&anchor(&ca), site.ip(1), 8443).is_empty());
    assert!(!site.presented(1).is_empty());
    let ada = SpiffeId::user("test", "ada");
    assert!(site.asks(1, Some(user(&ca, &ada))).is_ok());
    let stranger = CertificateAuthority::generate("test", SystemTime::now()).unwrap();
    let refused = site.asks(1, Some(user(&stranger, &ada))).unwrap_err();
    assert!(is_cut(refused.code()), "{refused}");
}

/// Files change, the next handshake sees it, and no request fails; nor does one on a connection that was there before.
#[test]
fn files_are_read_anew_and_no_request_fails() {
    let SiteCa { ca, site } = start();
    let file = site.path("ada.pem");
    let (chain, _) = {
        let (key_pem, public_key) = new_member_key().unwrap();
        let name = SpiffeId::user("test", "ada");
        let hour = std::time::Duration::from_secs(3600);
        let pem = ca.certify(&name, Vec::new(), &public_key, hour, SystemTime::now());
        std::fs::write(&file, pem.unwrap()).unwrap();
        std::fs::write(file.with_extension("key"), key_pem).unwrap();
        crate::site::shown(&file)
    };
    assert_eq!(chain.len(), 1);
    let trusted = Arc::new(Mutex::new(anchor(&ca)));
    let open = site.channel(1, Some(crate::site::shown(&file)));
    let asks = |what: &str| {
        use proto::cluster::v1::GetStatusRequest;
        use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
        let mut client = ClusterServiceClient::new(open.clone());
        let answer = site.runtime.block_on(client.get_status(GetStatusRequest {}));
        assert!(answer.is_ok(), "{what}: {answer:?}");
    };
    asks("before");
    let load = Load::start(&site, &file, &trusted);
    for _ in 0..rotations() {
        let before = presented(&anchor(&ca), site.ip(1), 8443);
        write_https(&ca, &site.single);
        site.until("the new certificate is presented", || {
            presented(&anchor(&ca), site.ip(1), 8443).first() != before.first()
        });
        asks("on a connection that was there before");
    }
    // what cannot be used changes nothing
    let good = presented(&anchor(&ca), site.ip(1), 8443);
    std::fs::write(site.path("https.pem"), "no certificate").unwrap();
    let log = || site.members[0].as_ref().unwrap().log();
    site.until("it is said", || {
        log().contains("certificates of the API stay as they were")
    });
    assert_eq!(presented(&anchor(&ca), site.ip(1), 8443), good);
    load.goes_on(&site, 5);
    load.end();
}

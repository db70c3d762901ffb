//! Who is not let in, on either port: the CA's signature alone is not enough.

use rcgen::KeyPair;
use rpc::client::{connect_to_member, tcp_dialler};
use rpc::tls::{Material, PinnedKeys};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::Code;

use crate::forged::{DAY, Forger, Wish};
use crate::site::{Shown, Site, is_cut, shown};

const ADA: &[&str] = &["spiffe://test/user/ada"];

fn code(site: &Site, shown: Shown) -> Code {
    site.asks(1, Some(shown))
        .err()
        .map_or(Code::Ok, |status| status.code())
}

/// A certificate that is shown and not right is refused in the handshake, never taken for none.
#[test]
fn the_api_refuses_what_is_not_exactly_right() {
    let site = Site::start(1);
    let ours = Forger::of_the_cluster(&site);
    assert_eq!(code(&site, ours.make(&Wish::for_uris(ADA))), Code::Ok);
    let now = std::time::SystemTime::now();
    let ended = Wish {
        to: now - DAY / 24,
        ..Wish::for_uris(ADA)
    };
    let not_yet = Wish {
        from: now + DAY / 24,
        ..Wish::for_uris(ADA)
    };
    for (wish, why) in [
        (
            Wish::for_uris(&["spiffe://test/user/ada", "spiffe://test/user/root"]),
            "two names, CVE-2022-40716",
        ),
        (
            Wish::for_uris(&["spiffe://test/svc/x", "spiffe://test/member/1"]),
            "a service that is a member, too",
        ),
        (Wish::for_uris(&[]), "no name"),
        (Wish::for_uris(&["spiffe://other/user/ada"]), "another cluster"),
        (
            Wish::for_uris(&["spiffe://test/token/admin"]),
            "a kind that nobody issues",
        ),
        (Wish::for_uris(&["https://test/user/ada"]), "no SPIFFE id"),
        (ended, "it has ended"),
        (not_yet, "it has not begun"),
    ] {
        assert!(is_cut(code(&site, ours.make(&wish))), "{why}");
    }
    let stranger = Forger::stranger().make(&Wish::for_uris(ADA));
    assert!(is_cut(code(&site, stranger)), "a CA of the same name");
}

/// Whoever has had the CA's key for a moment has not had it for ever.
#[test]
fn what_the_clusters_ca_is_made_to_sign_ends_after_two_days() {
    let site = Site::start(1);
    let ours = Forger::of_the_cluster(&site);
    let now = std::time::SystemTime::now();
    for (days, expected) in [(1, Code::Ok), (3, Code::Unauthenticated)] {
        let wish = Wish {
            from: now - DAY * days,
            to: now + DAY * 365 * 20,
            ..Wish::for_uris(ADA)
        };
        assert_eq!(code(&site, ours.make(&wish)), expected, "begun {days} days ago");
    }
}

/// Vault CVE-2024-2048: whoever has a certificate must not be able to make others.
#[test]
fn a_users_key_signs_for_nobody() {
    let site = Site::start(1);
    let (ours, key) = (Forger::of_the_cluster(&site), KeyPair::generate().unwrap());
    let (chain, _) = ours.make_for(&Wish::for_uris(ADA), &key);
    let (mut forged, of_forged) =
        Forger::user("forged", key).make(&Wish::for_uris(&["spiffe://test/user/root"]));
    forged.extend(chain);
    assert!(is_cut(code(&site, (forged, of_forged))));
    // nor is one named as a CA
    let file = site.path("user.pem");
    let (chain, _) = ours.make(&Wish::for_uris(ADA));
    std::fs::write(&file, pem(&chain[0])).unwrap();
    let path = file.to_str().unwrap();
    let (exit, _, err) = site.ask(&["certificate", "rotate-ca", "--trust", path]);
    assert!(
        exit == 2 && err.contains("not a CA's certificate"),
        "{exit}: {err}"
    );
}

/// PEM of one certificate.
fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Its key is not compared with the pins there.
#[test]
fn a_members_certificate_gives_nothing_on_the_api() {
    let site = Site::start(1);
    let own = shown(&site.path("identities/member-1/member.pem"));
    assert_eq!(code(&site, own), Code::Unauthenticated);
    let forged = Forger::of_the_cluster(&site).make(&Wish::for_uris(&["spiffe://test/member/1"]));
    assert_eq!(code(&site, forged), Code::Unauthenticated);
}

/// Consul CVE-2021-37219: the same CA signs services and members, and only a pinned key opens the peer port.
#[test]
fn nobody_but_a_member_speaks_on_the_peer_port() {
    let site = Site::start(3);
    let identity = auth::MemberIdentity::load(&site.path("identities/member-2")).unwrap();
    let (pins, ca) = (identity.pins.clone(), identity.material.ca.clone());
    assert!(!is_cut(peer_code(&site, &pins, &identity.material)), "a member");
    let ours = Forger::of_the_cluster(&site);
    for uris in [
        &["spiffe://test/svc/coresmd"][..],
        ADA,
        &["spiffe://test/node/x0c0s0b0n0"],
        &["spiffe://test/member/2"],
        &["spiffe://test/member/9"],
        &["spiffe://other/member/2"],
        &["spiffe://test/member/2", "spiffe://test/svc/coresmd"],
    ] {
        let (chain, key) = ours.make(&Wish::for_uris(uris));
        let forged = material(&ca, chain, key);
        assert!(is_cut(peer_code(&site, &pins, &forged)), "{uris:?}");
    }
}

fn material(
    ca: &[CertificateDer<'static>],
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Material {
    Material {
        ca: ca.to_vec(),
        chain,
        key,
    }
}

/// What somebody gets who dials member 1 on its peer port.
fn peer_code(site: &Site, pins: &PinnedKeys, material: &Material) -> Code {
    use proto::cluster::v1::GetStatusRequest;
    use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
    let address = format!("{}:7440", site.ip(1));
    site.runtime.block_on(async {
        let channel = connect_to_member(&address, material, pins, 1, tcp_dialler()).unwrap();
        let answer = ClusterServiceClient::new(channel)
            .get_status(GetStatusRequest {})
            .await;
        answer.err().map_or(Code::Ok, |status| status.code())
    })
}

//! The peer port: the pinned key of the id claimed, or nothing.

use rcgen::KeyPair;
use rpc::tls::{Material, api_client_config, member_client_config};
use tonic::Status;

use crate::support::{Ca, Cluster, EXPIRED, VALID, channel, principal};

/// Dials member 1's port with `material`; `Ok` is what that port calls us.
async fn dial_member_1(cluster: &Cluster, material: &Material) -> Result<String, Status> {
    let port = cluster.peer_port(1).await;
    let tls = member_client_config(material, &cluster.pins, 1).unwrap();
    principal(&channel(&[port.endpoint()], tls)).await
}

#[tokio::test]
async fn members_know_each_other_by_their_pinned_keys() {
    let cluster = Cluster::new();
    for id in [2, 3] {
        assert_eq!(
            dial_member_1(&cluster, &cluster.member(id)).await.unwrap(),
            format!("member/{id}")
        );
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let cluster = Cluster::new();
    let port = cluster.peer_port(1).await;
    let tls = api_client_config(&cluster.ca.certificates(), None).unwrap();
    let refused = principal(&channel(&[port.endpoint()], tls)).await.unwrap_err();
    assert!(refused.message().contains("CertificateRequired"), "{refused:?}");
}

/// Signed by the cluster's own CA and named like member 2, but with another key: a stolen CA key or a
/// careless issuer must not make a member (Consul CVE-2021-37219).
#[tokio::test]
async fn a_certificate_of_the_same_ca_with_another_key_is_refused() {
    let cluster = Cluster::new();
    let impostor = cluster.ca.issue("spiffe://demo/member/2");
    dial_member_1(&cluster, &impostor).await.unwrap_err();
    let user = cluster.ca.issue("spiffe://demo/user/ada");
    dial_member_1(&cluster, &user).await.unwrap_err();
}

/// Member 3's own key, claiming to be member 2: votes are counted by id.
#[tokio::test]
async fn a_pinned_key_cannot_claim_another_id() {
    let cluster = Cluster::new();
    let key = cluster.key(3);
    for uris in [
        &["spiffe://demo/member/2"][..],
        &["spiffe://demo/member/9"],
        &["spiffe://other/member/3"],
        &[],
    ] {
        let material = cluster.ca.issue_for(key, uris, VALID);
        assert!(
            dial_member_1(&cluster, &material).await.is_err(),
            "{uris:?} was let in"
        );
    }
}

/// Two names: each reader might believe another one (Consul CVE-2022-40716).
#[tokio::test]
async fn two_uri_names_are_refused_even_if_one_is_right() {
    let cluster = Cluster::new();
    for uris in [
        ["spiffe://demo/member/3", "spiffe://demo/member/1"],
        ["spiffe://demo/member/3", "spiffe://demo/member/3"],
        ["spiffe://demo/member/3", "https://example.org/"],
    ] {
        let material = cluster.ca.issue_for(cluster.key(3), &uris, VALID);
        assert!(
            dial_member_1(&cluster, &material).await.is_err(),
            "{uris:?} was let in"
        );
    }
}

/// A room that was dark for a month comes up by itself.
#[tokio::test]
async fn an_expired_certificate_of_a_pinned_key_still_works_on_both_ends() {
    let cluster = Cluster::new();
    let expired = |id| {
        cluster
            .ca
            .issue_for(cluster.key(id), &[&format!("spiffe://demo/member/{id}")], EXPIRED)
    };
    assert_eq!(dial_member_1(&cluster, &expired(2)).await.unwrap(), "member/2");
    let port = cluster.peer_port_of(&expired(1)).await;
    let tls = member_client_config(&cluster.member(2), &cluster.pins, 1).unwrap();
    assert_eq!(
        principal(&channel(&[port.endpoint()], tls)).await.unwrap(),
        "member/2"
    );
}

/// The name in a certificate is worth nothing without the key, whoever signed it.
#[tokio::test]
async fn the_issuer_does_not_decide_the_key_does() {
    let cluster = Cluster::new();
    let other_ca = Ca::new();
    let same_key = other_ca.issue_for(cluster.key(2), &["spiffe://demo/member/2"], VALID);
    assert_eq!(dial_member_1(&cluster, &same_key).await.unwrap(), "member/2");
    let other_key = other_ca.issue_for(&KeyPair::generate().unwrap(), &["spiffe://demo/member/2"], VALID);
    dial_member_1(&cluster, &other_key).await.unwrap_err();
}

/// Member 3 answers at member 2's address: its answers would be counted as those of member 2.
#[tokio::test]
async fn the_dialler_refuses_another_member_than_the_one_it_dialled() {
    let cluster = Cluster::new();
    let port = cluster.peer_port(3).await;
    let dial = |id| {
        let tls = member_client_config(&cluster.member(1), &cluster.pins, id).unwrap();
        channel(&[port.endpoint()], tls)
    };
    let refused = principal(&dial(2)).await.unwrap_err();
    assert!(
        refused
            .message()
            .contains("member 3 answered where member 2 was dialled"),
        "{refused:?}"
    );
    assert_eq!(principal(&dial(3)).await.unwrap(), "member/1");
}

/// A server with the right name and the wrong key, at the right address.
#[tokio::test]
async fn the_dialler_refuses_a_server_with_another_key() {
    let cluster = Cluster::new();
    let port = cluster
        .peer_port_of(&cluster.ca.issue("spiffe://demo/member/2"))
        .await;
    let tls = member_client_config(&cluster.member(1), &cluster.pins, 2).unwrap();
    let refused = principal(&channel(&[port.endpoint()], tls)).await.unwrap_err();
    assert!(
        refused.message().contains("not the one pinned for member 2"),
        "{refused:?}"
    );
}

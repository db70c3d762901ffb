//! The API port: anonymous, a user by certificate, or refused.

use rcgen::KeyPair;
use rpc::server::Limits;
use rpc::tls::Material;
use tonic::Status;

use crate::support::{Ca, Cluster, EXPIRED, VALID, call, channel, header, principal, who_calls};

async fn calls_as(cluster: &Cluster, certificate: Option<Material>) -> Result<String, Status> {
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    principal(&channel(&[port.endpoint()], cluster.api_client(certificate))).await
}

#[tokio::test]
async fn without_a_certificate_the_caller_is_anonymous() {
    assert_eq!(calls_as(&Cluster::new(), None).await.unwrap(), "anonymous");
}

#[tokio::test]
async fn a_users_certificate_names_the_user() {
    let cluster = Cluster::new();
    let ada = cluster.ca.issue("spiffe://demo/user/ada");
    assert_eq!(calls_as(&cluster, Some(ada)).await.unwrap(), "user/ada");
}

/// Its key is not checked against the pins here, so it must not count as a member.
#[tokio::test]
async fn a_members_certificate_gives_no_rights_here() {
    let cluster = Cluster::new();
    let impostor = cluster.ca.issue("spiffe://demo/member/1");
    assert_eq!(calls_as(&cluster, Some(impostor)).await.unwrap(), "anonymous");
}

/// A certificate that is shown and not right is refused, never taken for none.
#[tokio::test]
async fn certificates_that_are_not_right_are_refused() {
    let cluster = Cluster::new();
    let user = ["spiffe://demo/user/ada"];
    let key = KeyPair::generate().unwrap();
    for (certificate, why) in [
        (Ca::new().issue(user[0]), "another CA"),
        (cluster.ca.issue_for(&key, &user, EXPIRED), "expired"),
        (
            cluster
                .ca
                .issue_for(&key, &[user[0], "spiffe://demo/user/root"], VALID),
            "two names",
        ),
        (cluster.ca.issue_for(&key, &[], VALID), "no name"),
        (cluster.ca.issue("spiffe://other/user/ada"), "another cluster"),
        (
            cluster.ca.issue("spiffe://demo/token/admin"),
            "a kind that nobody issues",
        ),
    ] {
        assert!(
            calls_as(&cluster, Some(certificate)).await.is_err(),
            "{why} was let in"
        );
    }
}

/// A server of another CA, or for another name, is not ours.
#[tokio::test]
async fn the_client_refuses_a_server_it_cannot_trust() {
    let (cluster, stranger) = (Cluster::new(), Cluster::new());
    let port = stranger.api_port(1, who_calls(), Limits::api()).await;
    let refused = principal(&channel(&[port.endpoint()], cluster.api_client(None)))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("invalid peer certificate"),
        "{refused:?}"
    );
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let by_another_name = format!("localhost:{}", port.address.port());
    let refused = principal(&channel(&[by_another_name], cluster.api_client(None)))
        .await
        .unwrap_err();
    assert!(refused.message().contains("not valid for name"), "{refused:?}");
}

/// Handlers choose a service address by where the call came in.
#[tokio::test]
async fn the_caller_carries_both_ends_of_the_connection() {
    let cluster = Cluster::new();
    let port = cluster.api_port(1, who_calls(), Limits::api()).await;
    let response = call(
        &channel(&[port.endpoint()], cluster.api_client(None)),
        "/any.Service/Method",
    )
    .await
    .unwrap();
    assert_eq!(header(&response, "local").unwrap(), port.endpoint());
    assert!(
        header(&response, "peer").unwrap().starts_with("127.0.0.1:"),
        "{response:?}"
    );
}

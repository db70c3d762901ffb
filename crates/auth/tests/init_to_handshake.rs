//! What `init` writes is what a member loads, and what two loaded members shake hands with.
#![allow(clippy::unwrap_used)] // in helpers of tests an unwrap is the assertion

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::{MemberIdentity, init_static};
use http::{Request, Response};
use rpc::client::{Credentials, Options, connect, connect_to_member, tcp_dialler};
use rpc::server::{PortKind, serve};
use rpc::tls::{ClientCerts, SpiffeId, server_config};
use rpc::{Barrier, Caller, Guard, Rules};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt};

const BOUND: Duration = Duration::from_secs(20);

/// A cluster of three that `init` has just made.
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let member = |id| {
            format!(
                "[[member]]\nid = {id}\naddress = \"127.0.0.1:{id}\"\napi-address = \"127.0.0.1:1{id}\"\n"
            )
        };
        let text = format!(
            "cluster = \"{name}\"\n{}",
            (1..=3).map(member).collect::<String>()
        );
        std::fs::write(folder.path().join("static.toml"), text).unwrap();
        init_static(
            &folder.path().join("static.toml"),
            &folder.path().join("out"),
            SystemTime::now(),
        )
        .unwrap();
        Self { folder }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("out").join(below)
    }

    fn member(&self, id: u64) -> MemberIdentity {
        MemberIdentity::load(&self.path(&format!("member-{id}"))).unwrap()
    }

    fn refusal(&self, id: u64) -> String {
        let refused = MemberIdentity::load(&self.path(&format!("member-{id}")));
        refused
            .map(|identity| panic!("loaded: {identity:?}"))
            .unwrap_err()
            .to_string()
    }
}

/// Answers with the principal that the accept loop found.
async fn who_calls(request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
    let mut response = Status::new(Code::Ok, "").into_http::<Body>();
    let principal = Caller::of(request.extensions()).identity.principal();
    response
        .headers_mut()
        .insert("principal", principal.parse().unwrap());
    Ok(response)
}

/// Starts a port of `identity`; it ends with the test's runtime.
async fn start<S>(identity: &MemberIdentity, clients: ClientCerts, kind: PortKind, service: S) -> String
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = TlsAcceptor::from(Arc::new(server_config(&identity.material, clients).unwrap()));
    tokio::spawn(serve(listener, tls, service, kind, std::future::pending()));
    address
}

async fn start_peer_port(identity: &MemberIdentity) -> String {
    let clients = ClientCerts::RequiredMembers(identity.pins.clone());
    start(
        identity,
        clients,
        PortKind::Peer(identity.pins.clone()),
        tower::service_fn(who_calls),
    )
    .await
}

/// What the peer port at `address` calls `from` when it dials member `to` there.
async fn dial(from: &MemberIdentity, to: u64, address: &str) -> Result<String, Status> {
    let channel = connect_to_member(address, &from.material, &from.pins, to, tcp_dialler()).unwrap();
    let request = Request::post("/any.Service/Method").body(Body::empty()).unwrap();
    let response = tokio::time::timeout(BOUND, channel.oneshot(request))
        .await
        .unwrap()?;
    Ok(response.headers()["principal"].to_str().unwrap().to_owned())
}

#[tokio::test]
async fn two_members_of_one_init_know_each_other() {
    let cluster = Cluster::new("demo");
    let (one, two) = (cluster.member(1), cluster.member(2));
    assert_eq!((one.cluster.as_str(), one.id, one.members.len()), ("demo", 1, 3));
    assert_eq!(one.member(3).unwrap().api_address, "127.0.0.1:13");
    let address = start_peer_port(&one).await;
    assert_eq!(dial(&two, 1, &address).await.unwrap(), "member/2");
    dial(&two, 3, &address).await.unwrap_err();
}

/// The same file, initialised twice: same names, other keys. Neither may join the other.
#[tokio::test]
async fn members_of_another_init_are_strangers() {
    let (cluster, other) = (Cluster::new("demo"), Cluster::new("demo"));
    let address = start_peer_port(&cluster.member(1)).await;
    dial(&other.member(2), 1, &address).await.unwrap_err();
}

struct NoBarrier;

impl Barrier for NoBarrier {
    fn linearize(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<(), rpc::Error>> + Send + '_>> {
        Box::pin(async { Ok(()) })
    }
}

/// admin.token opens the API port of every member, and only with the token.
#[tokio::test]
async fn the_administrators_token_opens_the_api() {
    let cluster = Cluster::new("demo");
    let identity = cluster.member(2);
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let guard = Guard::new(rules, Some(identity.tokens.clone()), Arc::new(NoBarrier));
    let clients = ClientCerts::Optional {
        cluster: identity.cluster.clone(),
    };
    let service = guard.layer(tower::service_fn(who_calls));
    let address = start(&identity, clients, PortKind::Api, service).await;
    let token = std::fs::read_to_string(cluster.path("admin.token")).unwrap();
    for (credentials, expected) in [
        (Credentials::Token(token), Ok("token/admin")),
        (Credentials::None, Err(())),
    ] {
        let ca = identity.material.ca.clone();
        let channel = connect(Options {
            endpoints: vec![address.clone()],
            ca,
            credentials,
        })
        .unwrap();
        let path = "/chamois.cluster.v1.ClusterService/GetStatus";
        let request = Request::post(path).body(Body::empty()).unwrap();
        let response = tokio::time::timeout(BOUND, channel.oneshot(request))
            .await
            .unwrap()
            .unwrap();
        let principal = response
            .headers()
            .get("principal")
            .map(|value| value.to_str().unwrap());
        assert_eq!(principal.ok_or(()), expected, "{response:?}");
    }
}

#[test]
fn all_members_open_what_one_has_sealed() {
    let cluster = Cluster::new("demo");
    let sealed = cluster.member(1).sealer.seal("advert-key", 1, b"secret").unwrap();
    assert_eq!(cluster.member(3).sealer.open(&sealed).unwrap().bytes(), b"secret");
    Cluster::new("demo").member(1).sealer.open(&sealed).unwrap_err();
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

/// A mixed-up copy is noticed at start, by file and with what to do, before any port is bound.
#[test]
fn parts_that_do_not_belong_together_are_refused_by_file() {
    let other = Cluster::new("demo");
    for (from, to, says) in [
        (
            "member-2/member.key",
            "member-1/member.key",
            "member.key: not the key of member.pem; copy this",
        ),
        (
            "member-2/member.pem",
            "member-1/member.pem",
            "member.key: not the key of member.pem",
        ),
        (
            "member-2/member.key",
            "member-1/kek.key",
            "kek.key: not an X25519 private key",
        ),
        (
            "member-1/kek.key",
            "member-1/member.key",
            "not the key of member.pem",
        ),
        (
            "ca.pem",
            "member-1/token.pem",
            "token.pem: not a PEM file of `PUBLIC KEY` blocks",
        ),
        (
            "member-1/token.pem",
            "member-1/member.pem",
            "member.pem: the certificate file is not",
        ),
        (
            "member-1/member.pem",
            "member-1/cluster.toml",
            "cluster.toml: TOML parse error",
        ),
    ] {
        let cluster = Cluster::new("demo");
        copy(&cluster.path(from), &cluster.path(to));
        let error = cluster.refusal(1);
        assert!(error.contains(says), "{from} as {to}: {error}");
    }
    let cluster = Cluster::new("demo");
    copy(
        &other.path("member-1/cluster.toml"),
        &cluster.path("member-1/cluster.toml"),
    );
    let name = SpiffeId::member("demo", 1);
    let expected = format!("{name} does not fit cluster.toml of cluster demo: the key is not the one pinned");
    assert!(cluster.refusal(1).contains(&expected), "{}", cluster.refusal(1));
}

#[test]
fn another_clusters_file_is_refused() {
    let (cluster, other) = (Cluster::new("demo"), Cluster::new("prod"));
    copy(
        &other.path("member-1/cluster.toml"),
        &cluster.path("member-1/cluster.toml"),
    );
    let error = cluster.refusal(1);
    assert!(
        error.contains("spiffe://demo/member/1 is not a member of cluster prod"),
        "{error}"
    );
}

#[test]
fn a_missing_folder_or_file_says_where_identities_come_from() {
    let cluster = Cluster::new("demo");
    std::fs::remove_file(cluster.path("member-1/kek.key")).unwrap();
    assert!(
        cluster
            .refusal(1)
            .contains("kek.key: could not be read; set identity-dir to the folder")
    );
    assert!(
        cluster
            .refusal(9)
            .contains("member-9/ca.pem: could not be read; set identity-dir")
    );
}

#[test]
fn a_private_key_that_everyone_may_read_is_refused_with_the_command() {
    let cluster = Cluster::new("demo");
    let key = cluster.path("member-1/member.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(
        cluster
            .refusal(1)
            .contains(&format!("run: chmod 600 {}", key.display()))
    );
    // readable by the group of the service is a usual way to install keys
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    cluster.member(1);
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let cluster = Cluster::new("demo");
    let path = cluster.path("member-1/ca.pem");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(cluster.refusal(1).contains("ca.pem: larger than 1 MiB"));
}

/// The identity is part of what `serve` logs and panics with.
#[test]
fn debug_of_an_identity_shows_no_secret() {
    let cluster = Cluster::new("demo");
    let shown = format!("{:?}", cluster.member(1));
    for file in ["member-1/member.key", "member-1/kek.key", "admin.token", "ca.key"] {
        let secret = std::fs::read_to_string(cluster.path(file)).unwrap();
        let longest = secret.lines().max_by_key(|line| line.len()).unwrap();
        assert!(!shown.contains(longest), "{file} is in {shown}");
    }
    assert!(!shown.contains("PRIVATE"));
}

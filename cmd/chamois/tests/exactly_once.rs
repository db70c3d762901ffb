//! Every write is made once, whichever members die while it is made: by the Rust client and by `Idempotency-Key`.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::http::{Administrator, Answer};
use common::{Member, Single};
use nix::sys::signal::Signal;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{Group, ListGroupsRequest};
use rpc::client::{Channel, Credentials, ExactlyOnce, Options};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::{Code, Request, Status};

const GROUPS: &str = "/hsm/v2/groups";
/// Clients that write at once while leaders are killed.
const WRITERS: usize = 8;
/// Leaders that are killed while they write.
const KILLS: usize = 4;
/// What one of them writes at most: a fast machine must not come to the 10,000 groups that a cluster may have.
const WRITES_MAX: usize = 1200;

/// Three members.
struct Cluster {
    site: Single,
    members: Vec<Member>,
    administrator: Administrator,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        let members = (1..=3).map(|id| site.spawn_member(id)).collect();
        let cluster = Self {
            administrator: Administrator::new(&site.dir.path().join("identities")),
            site,
            members,
        };
        cluster.until("a leader", |cluster| cluster.site.ask(&["subnet", "list"]).0 == 0);
        cluster
    }

    fn endpoint(&self, id: u64) -> String {
        format!("{}:7441", self.site.net.member_address(id))
    }

    /// A channel that begins at member `first`.
    fn channel(&self, first: u64) -> Channel {
        let identities = self.site.dir.path().join("identities");
        let options = Options {
            endpoints: (0..3).map(|n| self.endpoint((first - 1 + n) % 3 + 1)).collect(),
            ca: vec![CertificateDer::from_pem_file(identities.join("ca.pem")).unwrap()],
            credentials: Credentials::Token(
                std::fs::read_to_string(identities.join("admin.token"))
                    .unwrap()
                    .trim()
                    .to_owned(),
            ),
        };
        rpc::client::connect(options).unwrap()
    }

    fn leader(&self) -> u64 {
        let out = self.site.ask(&["cluster", "status", "-o", "json"]).1;
        let value: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
        value[0]["leader_id"].as_u64().unwrap_or_default()
    }

    fn post(&self, member: u64, path: &str, key: &str, body: &str) -> Answer {
        let ip = self.site.net.member_address(member);
        self.administrator
            .send_with(ip, "POST", path, &format!("Idempotency-Key: {key}\r\n"), body)
    }

    fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            assert!(Instant::now() < deadline, "{what}: {}", self.members[0].log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn group(label: &str) -> Group {
    Group {
        label: label.to_owned(),
        ..Group::default()
    }
}

/// Creating a group twice fails, so a second application would show in the answer; one that is lost, in the list.
#[test]
fn every_write_of_the_rust_client_is_made_once_while_leaders_are_killed() {
    let mut cluster = Cluster::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let channel = cluster.channel(writer as u64 % 3 + 1);
            let mut client = GroupServiceClient::new(ExactlyOnce::new(channel, Duration::from_secs(30)));
            let stopped = stopped.clone();
            runtime.spawn(async move {
                let mut made = Vec::new();
                while !*stopped.borrow() && made.len() < WRITES_MAX {
                    let label = format!("w{writer}-{}", made.len());
                    let answer = client.create_group(group(&label)).await;
                    answer.unwrap_or_else(|status| panic!("{label}: {status:?}"));
                    made.push(label);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                made
            })
        })
        .collect();
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(500));
        let mut leader = 0;
        cluster.until("a leader that is there", |cluster| {
            leader = cluster.leader();
            leader != 0
        });
        let place = usize::try_from(leader).unwrap() - 1;
        cluster.members[place].signal(Signal::SIGKILL);
        std::thread::sleep(Duration::from_millis(1500));
        cluster.members[place] = cluster.site.spawn_member(leader);
        cluster.until("the member to be back", |cluster| {
            let own = format!("{}:7441", cluster.site.net.member_address(leader));
            let mut args = cluster.site.client_args();
            args[1] = own;
            let mut all = vec!["subnet", "list"];
            all.extend(args.iter().map(String::as_str));
            common::outcome(&common::chamois(&all)).0 == 0
        });
    }
    stop.send_replace(true);
    let made: Vec<String> = writers
        .into_iter()
        .flat_map(|writer| runtime.block_on(writer).unwrap())
        .collect();
    let mut client = GroupServiceClient::new(ExactlyOnce::new(cluster.channel(1), Duration::from_secs(30)));
    let listed = runtime
        .block_on(client.list_groups(ListGroupsRequest::default()))
        .unwrap()
        .into_inner();
    let listed: Vec<String> = listed.groups.into_iter().map(|group| group.label).collect();
    assert!(made.len() > 100, "{} writes are no test", made.len());
    assert_eq!(
        made.iter().collect::<BTreeSet<_>>(),
        listed.iter().collect(),
        "acknowledged and stored"
    );
    assert_eq!(listed.len(), made.len());
}

/// What a client says of its request: session, number, acknowledged, age.
fn numbered(label: &str, seq: u64, ack_below: u64, age: Duration) -> Request<Group> {
    let mut request = Request::new(group(label));
    let metadata = request.metadata_mut();
    metadata.insert(
        rpc::CLIENT_ID,
        "00112233445566778899aabbccddeeff".parse().unwrap(),
    );
    metadata.insert(rpc::SEQ, seq.into());
    metadata.insert(rpc::ACK_BELOW, ack_below.into());
    metadata.insert(
        rpc::SESSION_AGE_MS,
        u64::try_from(age.as_millis()).unwrap().into(),
    );
    request
}

/// The rules of a session as any client meets them, over three members.
#[test]
fn a_repeat_is_recognised_by_every_member() {
    let cluster = Cluster::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let create = |member: u64, request: Request<Group>| {
        let mut client = GroupServiceClient::new(cluster.channel(member));
        runtime
            .block_on(client.create_group(request))
            .map(tonic::Response::into_inner)
    };
    let young = Duration::from_secs(1);
    let first = create(1, numbered("a", 1, 1, young)).unwrap();
    for member in [1, 2, 3] {
        assert_eq!(
            create(member, numbered("a", 1, 1, young)).unwrap(),
            first,
            "member {member}"
        );
    }
    let code = |answer: Result<_, Status>| answer.map(drop).unwrap_err();
    let other_body = code(create(2, numbered("b", 1, 1, young)));
    assert_eq!(other_body.code(), Code::InvalidArgument, "{other_body:?}");
    assert!(other_body.message().contains("another request"), "{other_body:?}");
    create(3, numbered("b", 2, 2, young)).unwrap();
    let acknowledged = code(create(1, numbered("a", 1, 1, young)));
    assert_eq!(
        acknowledged.code(),
        Code::FailedPrecondition,
        "its outcome is gone: {acknowledged:?}"
    );
    let mut lapsed = numbered("c", 1, 1, Duration::from_secs(2000));
    lapsed.metadata_mut().insert(
        rpc::CLIENT_ID,
        "ff112233445566778899aabbccddeeff".parse().unwrap(),
    );
    let lapsed = code(create(2, lapsed));
    assert_eq!(
        lapsed.code(),
        Code::FailedPrecondition,
        "it may have been made: {lapsed:?}"
    );
    let unnumbered = code(create(2, Request::new(group("a"))));
    assert_eq!(
        unnumbered.code(),
        Code::AlreadyExists,
        "a new request is a new request"
    );
}

/// `curl` has no session: a key does the same, at every member, before and after the leader's death.
#[test]
fn a_request_with_an_idempotency_key_is_made_once() {
    let cluster = Cluster::start();
    let body = r#"{"label":"compute"}"#;
    let first = cluster.post(1, GROUPS, "k-1", body);
    assert_eq!(first.status, 201, "{first:?}");
    let same = |answer: &Answer| {
        assert_eq!((answer.status, &answer.body), (201, &first.body), "{answer:?}");
        assert_eq!(answer.header("location"), first.header("location"));
    };
    for member in [1, 2, 3] {
        same(&cluster.post(member, GROUPS, "k-1", body));
    }
    let reformatted = cluster.post(2, GROUPS, "k-1", r#"{ "label" : "compute" }"#);
    same(&reformatted);
    for other in [
        cluster.post(2, GROUPS, "k-1", r#"{"label":"other"}"#),
        cluster.post(
            2,
            &format!("{GROUPS}/compute/members"),
            "k-1",
            r#"{"id":"x0c0s0b0n0"}"#,
        ),
    ] {
        assert_eq!(other.status, 422, "{other:?}");
        assert_eq!(other.header("content-type"), Some("application/problem+json"));
    }
    // A "no" is an outcome as well: it is not asked anew.
    let conflict = cluster.post(3, GROUPS, "k-2", body);
    assert_eq!(conflict.status, 409, "{conflict:?}");
    let again = cluster.post(1, GROUPS, "k-2", body);
    assert_eq!((again.status, again.body), (409, conflict.body));
    let wrong = cluster.post(1, GROUPS, "two words", body);
    assert_eq!(wrong.status, 400, "{wrong:?}");

    let leader = cluster.leader();
    cluster.members[usize::try_from(leader).unwrap() - 1].signal(Signal::SIGKILL);
    let survivor = leader % 3 + 1;
    let mut repeated = None;
    cluster.until("another leader", |cluster| {
        let answer = cluster.post(survivor, GROUPS, "k-1", body);
        let done = answer.status != 503;
        repeated = Some(answer);
        done
    });
    same(&repeated.unwrap());
}

//! etcd's nine guarantees of a watch against real members, each of which is killed while somebody writes: clients that go on at
//! the next member are told of everything once, in order and whole.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "../../../crates/watch/tests/watching/checker.rs"]
#[allow(unreachable_pub, reason = "it is shared with the tests of the crate")]
mod checker;
mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use checker::{Record, Stretch};
use common::{Member, Single};
use nix::sys::signal::Signal;
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{DeleteGroupRequest, Group};
use proto::watch::v1::event::Change;
use proto::watch::v1::object::Kind;
use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{Event, WatchRequest};
use rpc::client::{Channel, Credentials, ExactlyOnce, Options};
use tokio::sync::watch::{Receiver, channel};

/// A member that says nothing for so long has gone.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Groups that are created and deleted again.
const GROUPS: u64 = 5;
/// Until a client has everything, after the last write.
const AT_MOST: Duration = Duration::from_secs(60);

/// Three members.
struct Cluster {
    site: Single,
    members: Vec<Member>,
}

impl Cluster {
    fn start() -> Self {
        let site = Single::prepare_one_of(3);
        let members = (1..=3).map(|id| site.spawn_member(id)).collect();
        let cluster = Self { site, members };
        cluster.until("a leader", || cluster.site.ask(&["subnet", "list"]).0 == 0);
        cluster
    }

    /// A channel to these members, tried in this order.
    fn channel(&self, ids: &[u64]) -> Channel {
        let endpoint = |id: &u64| format!("{}:7441", self.site.net.member_address(*id));
        let options = Options {
            endpoints: ids.iter().map(endpoint).collect(),
            ca: vec![self.site.ca()],
            credentials: Credentials::Token(self.site.token()),
        };
        rpc::client::connect(options).unwrap()
    }

    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + AT_MOST;
        while !condition() {
            assert!(Instant::now() < deadline, "{what}: {}", self.members[0].log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One client: it goes on at the next member whenever the one that it is at breaks, until everything up to the last write was
/// told.
async fn follow(members: Vec<Channel>, request: WatchRequest, upto: Receiver<Option<u64>>) -> Record {
    let mut record = Record::new(request.clone());
    let is_done = |revision: u64| upto.borrow().is_some_and(|upto| revision >= upto);
    for member in members.iter().cycle() {
        if is_done(record.revision()) {
            break;
        }
        let mut watch = Stretch::new(record.revision());
        let asked = WatchRequest {
            from_revision: watch.from_revision,
            ..request.clone()
        };
        let mut client = WatchServiceClient::new(member.clone());
        let begun = tokio::time::timeout(SILENCE_MAX, client.watch(asked)).await;
        let Ok(Ok(answer)) = begun else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut stream = answer.into_inner();
        while !is_done(watch.revision()) {
            match tokio::time::timeout(SILENCE_MAX, stream.message()).await {
                Ok(Ok(Some(message))) => watch.messages.push(message),
                _ => break,
            }
        }
        if !watch.messages.is_empty() {
            record.watches.push(watch);
        }
    }
    record
}

/// Creates and deletes groups in turn until it is told to stop; revisions of those that were created.
async fn write(cluster: ExactlyOnce, stop: Receiver<bool>) -> Vec<u64> {
    let mut client = GroupServiceClient::new(cluster);
    let mut created = Vec::new();
    let mut n = 0;
    while !*stop.borrow() {
        let label = format!("g{}", n % GROUPS);
        let group = Group {
            label: label.clone(),
            description: n.to_string(),
            ..Group::default()
        };
        created.push(client.create_group(group).await.unwrap().into_inner().revision);
        if n % GROUPS == 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let delete = DeleteGroupRequest {
            label,
            ..DeleteGroupRequest::default()
        };
        client.delete_group(delete).await.unwrap();
        n += 1;
    }
    let last = Group {
        label: "last".to_owned(),
        ..Group::default()
    };
    created.push(client.create_group(last).await.unwrap().into_inner().revision);
    created
}

fn filters() -> [WatchRequest; 5] {
    let make = |kinds: &[Kind], group: &str| WatchRequest {
        kinds: kinds.iter().map(|kind| i32::from(*kind)).collect(),
        group: group.to_owned(),
        progress_interval_ms: 200,
        ..WatchRequest::default()
    };
    [
        make(&[Kind::Group], ""),
        make(&[Kind::Group], ""),
        make(&[], "g1"),
        make(&[Kind::Group, Kind::Component], "g2"),
        make(&[Kind::Component], ""),
    ]
}

/// The revision of the cluster before anything is written.
async fn revision(member: Channel) -> u64 {
    let mut client = WatchServiceClient::new(member);
    let mut stream = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    loop {
        let message = stream.message().await.unwrap().unwrap();
        match message.header.unwrap().revision {
            0 => {}
            revision => return revision,
        }
    }
}

#[test]
fn every_guarantee_holds_while_members_are_killed() {
    let mut cluster = Cluster::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begin = runtime.block_on(revision(cluster.channel(&[1, 2, 3])));
    let (all_written, upto) = channel(None);
    let clients: Vec<_> = filters()
        .into_iter()
        .enumerate()
        .map(|(n, request)| {
            let request = WatchRequest {
                from_revision: begin,
                ..request
            };
            let members = (0..3)
                .map(|of| cluster.channel(&[(n as u64 + of) % 3 + 1]))
                .collect();
            runtime.spawn(follow(members, request, upto.clone()))
        })
        .collect();
    let (stop, stopped) = channel(false);
    let writer = ExactlyOnce::new(cluster.channel(&[1, 2, 3]), Duration::from_secs(30));
    let writer = runtime.spawn(write(writer, stopped));
    for id in [1, 2, 3] {
        std::thread::sleep(Duration::from_millis(700));
        let place = usize::try_from(id).unwrap() - 1;
        cluster.members[place].signal(Signal::SIGKILL);
        std::thread::sleep(Duration::from_millis(1500));
        cluster.members[place] = cluster.site.spawn_member(id);
        let channel = || cluster.channel(&[id]);
        cluster.until("the member to be back", || {
            let watch = async {
                WatchServiceClient::new(channel())
                    .watch(filters()[0].clone())
                    .await
            };
            runtime.block_on(watch).is_ok()
        });
    }
    stop.send_replace(true);
    let created = runtime.block_on(writer).unwrap();
    all_written.send_replace(created.last().copied());
    let records: Vec<Record> = clients
        .into_iter()
        .map(|client| {
            let ended = async { tokio::time::timeout(AT_MOST, client).await };
            runtime.block_on(ended).unwrap().unwrap()
        })
        .collect();
    check(&records, &created);
}

/// The first of the records, of every group, is what happened; that it has all of it, its acknowledged writes say.
fn check(records: &[Record], created: &[u64]) {
    let history: Vec<Event> = records[0].told().into_iter().cloned().collect();
    let told: BTreeSet<u64> = history
        .iter()
        .filter(|event| event.change() == Change::Created)
        .map(|event| event.revision)
        .collect();
    assert_eq!(told, created.iter().copied().collect::<BTreeSet<_>>());
    assert!(created.len() > 20, "{}", created.len());
    let broke: usize = records.iter().map(|record| record.watches.len() - 1).sum();
    assert!(broke >= 3, "{broke}: somebody was at each of the members");
    for record in records {
        checker::ordered(record);
        checker::unique(record);
        checker::atomic(record, &history);
        checker::reliable(record, &history);
        checker::resumable(record, &history);
        checker::bookmarkable(record);
        checker::filter(record, &history);
        checker::previous_value(record, &history);
        checker::is_create(record, &history);
    }
}

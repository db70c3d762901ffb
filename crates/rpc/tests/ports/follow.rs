//! A watch that goes on through members that end, lag, lie still and forget.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use proto::watch::v1::watch_response::{Events, Message, Progress, Rows, SnapshotEnd};
use proto::watch::v1::watch_service_server::{WatchService, WatchServiceServer};
use proto::watch::v1::{Event, Object, WatchHeader, WatchRequest, WatchResponse};
use rpc::client::{Follow, Told};
use rpc::{CONSISTENCY, Error};
use tonic::{Code, Request, Response, Status};

use crate::support::BOUND;

type Answer = Result<Vec<Result<WatchResponse, Status>>, Status>;

/// Answers one call after the other as it was told to, and remembers what it was asked.
#[derive(Clone, Default)]
struct Members {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<(u64, String)>>>,
}

#[tonic::async_trait]
impl WatchService for Members {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        assert!(
            request.metadata().get(CONSISTENCY).is_none(),
            "a watch begins after a read index"
        );
        let request = request.into_inner();
        let asked = (request.from_revision, request.cluster_id);
        self.asked.lock().unwrap().push(asked);
        let answer = self.answers.lock().unwrap().pop_front();
        let Some(answer) = answer else {
            return Ok(Response::new(stream::pending().boxed()));
        };
        Ok(Response::new(stream::iter(answer?).boxed()))
    }
}

fn members(answers: impl IntoIterator<Item = Answer>) -> (Members, Follow<WatchServiceServer<Members>>) {
    let members = Members {
        answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        ..Members::default()
    };
    let follow = Follow::new(WatchServiceServer::new(members.clone()), WatchRequest::default());
    (members, follow)
}

fn message(revision: u64, message: Message) -> Result<WatchResponse, Status> {
    message_of(true, revision, message)
}

fn message_of(has_majority: bool, revision: u64, message: Message) -> Result<WatchResponse, Status> {
    Ok(WatchResponse {
        header: Some(WatchHeader {
            cluster_id: "c1".into(),
            member_id: 1,
            revision,
            has_majority,
        }),
        message: Some(message),
    })
}

fn object(key: &str) -> Object {
    Object {
        key: key.into(),
        ..Object::default()
    }
}

fn event(revision: u64, key: &str) -> Event {
    Event {
        revision,
        object: Some(object(key)),
        ..Event::default()
    }
}

fn rows(keys: &[&str]) -> Message {
    Message::Rows(Rows {
        objects: keys.iter().map(|key| object(key)).collect(),
    })
}

fn events(of: &[(u64, &str)], continued: bool) -> Message {
    Message::Events(Events {
        events: of.iter().map(|(revision, key)| event(*revision, key)).collect(),
        continued,
    })
}

fn told(of: &[(u64, &str)]) -> Told {
    Told::Events(of.iter().map(|(revision, key)| event(*revision, key)).collect())
}

const ENDS: Message = Message::SnapshotEnd(SnapshotEnd {});
const QUIET: Message = Message::Progress(Progress {});

async fn next(follow: &mut Follow<WatchServiceServer<Members>>) -> Result<Told, Status> {
    tokio::time::timeout(BOUND, follow.next()).await.unwrap()
}

async fn all(follow: &mut Follow<WatchServiceServer<Members>>, count: usize) -> Vec<Told> {
    let mut told = Vec::new();
    for _ in 0..count {
        told.push(next(follow).await.unwrap());
    }
    told
}

fn asked(members: &Members) -> Vec<(u64, String)> {
    members.asked.lock().unwrap().clone()
}

/// Whatever ends a stream, the next one begins at the last revision that was told whole.
#[tokio::test]
async fn a_watch_goes_on_where_it_was() {
    let (members, mut follow) = members([
        Ok(vec![
            message(0, rows(&["a"])),
            message(5, ENDS),
            message(6, events(&[(6, "b")], false)),
        ]),
        Err(Status::unavailable("no majority")),
        Ok(vec![
            message(7, events(&[(7, "c")], false)),
            Err(Status::unavailable("it is stopping")),
        ]),
        Ok(vec![
            message(9, QUIET),
            Err(Status::unknown("the connection broke")),
        ]),
        Ok(vec![message(12, events(&[(10, "d"), (12, "e")], false))]),
    ]);
    let expected = [
        Told::Begins,
        Told::Rows(vec![object("a")]),
        Told::StateEnds(5),
        told(&[(6, "b")]),
        told(&[(7, "c")]),
        Told::Progress(9),
        told(&[(10, "d"), (12, "e")]),
    ];
    assert_eq!(all(&mut follow, expected.len()).await, expected);
    let from: Vec<u64> = asked(&members).iter().map(|(from, _)| *from).collect();
    assert_eq!(from, [0, 6, 6, 7, 9]);
    assert!(asked(&members)[1..].iter().all(|(_, cluster)| cluster == "c1"));
    assert_eq!(follow.revision(), 12);
}

/// Half of a revision is worth nothing: it is told when it is whole, once.
#[tokio::test]
async fn a_revision_that_breaks_off_is_told_once_and_whole() {
    let (members, mut follow) = members([
        Ok(vec![
            message(5, ENDS),
            message(6, events(&[(6, "a"), (7, "b")], true)),
            message(6, events(&[(7, "c")], true)),
        ]),
        Ok(vec![
            message(6, events(&[(7, "b")], true)),
            message(8, events(&[(7, "c"), (8, "d")], false)),
        ]),
    ]);
    let expected = [
        Told::Begins,
        Told::StateEnds(5),
        told(&[(6, "a")]),
        told(&[(7, "b"), (7, "c"), (8, "d")]),
    ];
    assert_eq!(all(&mut follow, expected.len()).await, expected);
    assert_eq!(asked(&members)[1].0, 6);
}

/// A state that breaks off is told again from its beginning, and the first part counts no more.
#[tokio::test]
async fn a_state_that_breaks_off_begins_again() {
    let (_, mut follow) = members([
        Ok(vec![message(0, rows(&["a"])), Err(Status::unavailable("gone"))]),
        Ok(vec![message(0, rows(&["a", "b"])), message(4, ENDS)]),
    ]);
    let expected = [
        Told::Begins,
        Told::Rows(vec![object("a")]),
        Told::Begins,
        Told::Rows(vec![object("a"), object("b")]),
        Told::StateEnds(4),
    ];
    assert_eq!(all(&mut follow, expected.len()).await, expected);
}

/// What is not kept any more cannot be told: the state says the same.
#[tokio::test]
async fn a_watch_that_is_too_far_back_begins_with_the_state() {
    let (members, mut follow) = members([
        Ok(vec![message(5, ENDS)]),
        Err(Error::Compacted { oldest: 40 }.into()),
        Ok(vec![message(0, rows(&["z"])), message(50, ENDS)]),
    ]);
    let expected = [
        Told::Begins,
        Told::StateEnds(5),
        Told::Begins,
        Told::Rows(vec![object("z")]),
        Told::StateEnds(50),
    ];
    assert_eq!(all(&mut follow, expected.len()).await, expected);
    assert_eq!(
        asked(&members)[2],
        (0, String::new()),
        "nothing is left of the old cluster"
    );
}

/// A member that lost the others goes on telling what it has, which is nothing new: the watch looks elsewhere.
#[tokio::test]
async fn a_member_without_a_majority_is_left() {
    let (members, mut follow) = members([
        Ok(vec![
            message(5, ENDS),
            message_of(false, 5, QUIET),
            message(5, QUIET),
            message(5, QUIET),
        ]),
        Ok(vec![message(6, events(&[(6, "a")], false))]),
    ]);
    let expected = [
        Told::Begins,
        Told::StateEnds(5),
        Told::Progress(5),
        told(&[(6, "a")]),
    ];
    assert_eq!(all(&mut follow, expected.len()).await, expected);
    assert_eq!(asked(&members).len(), 2);
}

/// A request that no member would take must not be repeated for ever.
#[tokio::test]
async fn what_every_member_would_refuse_is_an_error() {
    for refusal in [
        Status::invalid_argument("kinds"),
        Status::unauthenticated("token"),
        Status::permission_denied("no"),
        Status::unimplemented("old"),
    ] {
        let code = refusal.code();
        let (members, mut follow) = members([Err(refusal)]);
        assert_eq!(next(&mut follow).await.unwrap_err().code(), code);
        assert_eq!(asked(&members).len(), 1);
    }
    let (_, mut follow) = members([Ok(vec![
        message(5, ENDS),
        Err(Status::unauthenticated("expired")),
    ])]);
    all(&mut follow, 2).await;
    assert_eq!(next(&mut follow).await.unwrap_err().code(), Code::Unauthenticated);
}

/// A caller that waits for other things too loses nothing by looking away.
#[tokio::test]
async fn looking_away_loses_nothing() {
    let many: Vec<_> = (6..200).map(|n| message(n, events(&[(n, "a")], false))).collect();
    let (_, mut follow) = members([Ok([vec![message(5, ENDS)], many].concat())]);
    let mut seen = Vec::new();
    while seen.len() < 196 {
        let looked = tokio::time::timeout(Duration::from_micros(1), follow.next()).await;
        seen.extend(looked.ok().map(Result::unwrap));
    }
    assert_eq!(seen[195], told(&[(199, "a")]));
}

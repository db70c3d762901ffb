//! What this member answers to the others on the peer port.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};
use proto::raft::v1 as pb;
use proto::raft::v1::peer_service_server::PeerService;
use rpc::{Caller, Identity};
use state::cluster::FEATURE_LEVEL_KNOWN;
use tokio::sync::{Mutex, mpsc};
use tonic::{Request, Response, Status, Streaming};

use crate::leader_gone::StreamOf;
use crate::replicated::Replicated;
use crate::type_config::TypeConfig;
use crate::{snapshot_stream, wire};

/// The peer port's service.
#[derive(Clone, Debug)]
pub struct PeerPort {
    pub(crate) member: Arc<Replicated>,
    snapshots: PathBuf,
    /// Held by the snapshot that is being received: one at a time. Counts them, for their files' names.
    receiving: Arc<Mutex<u64>>,
    /// Whose stream of entries has ended.
    stream_ends: mpsc::Sender<u64>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl PeerPort {
    /// `snapshots` is the folder that snapshots are received into.
    pub(crate) fn new(
        member: Arc<Replicated>,
        snapshots: PathBuf,
        stream_ends: mpsc::Sender<u64>,
    ) -> PeerPort {
        PeerPort {
            member,
            snapshots,
            receiving: Arc::default(),
            stream_ends,
        }
    }

    /// A message must be for this member, of this cluster, and from the member whose certificate opened
    /// the connection; and both must still have the disks that they had.
    fn check(&self, header: Option<&pb::PeerHeader>, caller: &Caller) -> Result<(), Status> {
        let peers = self.member.peers();
        let header = header.ok_or_else(|| Status::invalid_argument("message without a header"))?;
        if header.to != peers.member_id || header.cluster_name != *peers.cluster_name {
            return Err(Status::failed_precondition(format!(
                "this is member {} of {}, not member {} of {}",
                peers.member_id, peers.cluster_name, header.to, header.cluster_name
            )));
        }
        if !matches!(caller.identity, Identity::Member(id) if id == header.from) {
            let text = format!("the connection is not that of member {}", header.from);
            return Err(Status::permission_denied(text));
        }
        // A connection outlives the membership of whoever opened it.
        if !peers.pins.knows(header.from) {
            let text = format!("member {} is not a member of this cluster", header.from);
            return Err(Status::permission_denied(text));
        }
        let (to_store, from_store) = (&header.to_store, &header.from_store);
        peers
            .stores
            .check(peers.member_id, to_store, header.from, from_store)
    }

    /// The member that asked has an index now, and waits until it has applied so much.
    fn waits_for_commit(&self, header: Option<&pb::PeerHeader>) {
        let from = header.map_or(0, |header| header.from);
        self.member.peers().commit_wanted_by(from).notify_one();
    }
}

#[tonic::async_trait]
impl PeerService for PeerPort {
    async fn vote(&self, request: Request<pb::VoteRequest>) -> Result<Response<pb::VoteResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let answer = self
            .member
            .raft()
            .vote(vote_request(request.get_ref())?)
            .await
            .map_err(stopped)?;
        Ok(Response::new(vote_response(&answer)))
    }

    async fn pre_vote(
        &self,
        request: Request<pb::VoteRequest>,
    ) -> Result<Response<pb::VoteResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let answer = self
            .member
            .raft()
            .pre_vote(vote_request(request.get_ref())?)
            .await
            .map_err(stopped)?;
        Ok(Response::new(vote_response(&answer)))
    }

    async fn append_entries(
        &self,
        request: Request<pb::AppendRequest>,
    ) -> Result<Response<pb::AppendResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let request = request.into_inner();
        let (clock, cluster_time_ms) = (&self.member.peers().clock, request.cluster_time_ms);
        let answer = self.member.raft().append_entries(append_request(request)?).await;
        let answer = answer.map_err(stopped)?;
        // a deposed leader's time counts for nothing
        if matches!(
            answer,
            AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_)
        ) {
            clock.heard(cluster_time_ms);
        }
        Ok(Response::new(pb::AppendResponse {
            clock_ms: clock.own_ms(),
            applied_index: self.member.published.load().applied_index(),
            ..append_response(&answer)
        }))
    }

    type StreamAppendStream = Answers<pb::StreamAppendResponse>;

    async fn stream_append(
        &self,
        request: Request<Streaming<pb::AppendRequest>>,
    ) -> Result<Response<Self::StreamAppendStream>, Status> {
        let caller = rpc::caller(&request).clone();
        let port = self.clone();
        let stream = match caller.identity {
            Identity::Member(id) => Some(StreamOf::new(id, &self.stream_ends)),
            _ => None, // refused with its first message
        };
        // A stream ends at its first bad element: what follows would leave a hole.
        let requests = request
            .into_inner()
            .scan((caller, stream), move |(caller, _), item| {
                let checked = item.and_then(|message| {
                    port.check(message.header.as_ref(), caller)?;
                    append_request(message)
                });
                if let Err(status) = &checked {
                    tracing::debug!(%status, "append stream ends");
                }
                futures::future::ready(checked.ok())
            });
        let answers = self.member.raft().stream_append(requests).map(|item| match item {
            Ok(result) => Ok(stream_response(&result)),
            Err(fatal) => Err(stopped(fatal)),
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<pb::SnapshotChunk>>,
    ) -> Result<Response<pb::InstallSnapshotResponse>, Status> {
        let caller = rpc::caller(&request).clone();
        let mut chunks = request.into_inner();
        let announced = snapshot_stream::announced(&mut chunks).await?;
        self.check(Some(&announced.header), &caller)?; // before a byte reaches the disk
        let mut transfers = self
            .receiving
            .try_lock()
            .map_err(|_| Status::unavailable("another snapshot is being received; try again later"))?;
        *transfers += 1;
        let name = format!("from-{}-{transfers}.incoming", announced.header.from);
        let file = snapshot_stream::receive(self.snapshots.join(name), &announced, &mut chunks).await?;
        let snapshot = openraft::Snapshot {
            meta: announced.meta,
            snapshot: file,
        };
        let raft = self.member.raft();
        let installing = Box::pin(raft.install_full_snapshot(announced.vote, snapshot));
        let answer = installing.await.map_err(stopped)?;
        Ok(Response::new(pb::InstallSnapshotResponse {
            vote: Some(wire::vote_to_wire(&answer.vote)),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<pb::TransferLeaderRequest>,
    ) -> Result<Response<pb::TransferLeaderResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let request = request.into_inner();
        let transfer = TransferLeaderRequest::new(
            wire::vote_from_wire(request.from_leader)?,
            request.to_member,
            request.last_log_id.map(wire::log_id_from_wire),
        );
        let answer = self
            .member
            .raft()
            .handle_transfer_leader(transfer)
            .await
            .map_err(stopped)?;
        let refused = answer.err().map(|error| error.to_string()).unwrap_or_default();
        Ok(Response::new(pb::TransferLeaderResponse { refused }))
    }

    async fn propose(&self, request: Request<pb::ProposeRequest>) -> Result<Response<pb::Outcome>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let request = request.into_inner();
        let entry = request
            .entry
            .ok_or_else(|| Status::invalid_argument("no entry"))?;
        let outcome = self.member.propose_as_leader(entry).await?;
        self.waits_for_commit(request.header.as_ref());
        Ok(Response::new(outcome))
    }

    async fn introduce(
        &self,
        request: Request<pb::IntroduceRequest>,
    ) -> Result<Response<pb::IntroduceResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let peers = self.member.peers();
        let request = request.into_inner();
        let from = request.header.map_or(0, |header| header.from);
        peers.knows_level(from, request.feature_level_known);
        Ok(Response::new(pb::IntroduceResponse {
            store: peers.stores.own().to_owned(),
            feature_level_known: FEATURE_LEVEL_KNOWN,
        }))
    }

    async fn change_membership(
        &self,
        request: Request<pb::ChangeMembershipRequest>,
    ) -> Result<Response<pb::ChangeMembershipResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let change = request
            .into_inner()
            .change
            .ok_or_else(|| Status::invalid_argument("no change"))?;
        self.member.change_membership_as_leader(&change).await?;
        Ok(Response::new(pb::ChangeMembershipResponse {}))
    }

    async fn farewell(
        &self,
        request: Request<pb::FarewellRequest>,
    ) -> Result<Response<pb::FarewellResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        self.member.removed().declare();
        Ok(Response::new(pb::FarewellResponse {}))
    }

    async fn read_index(
        &self,
        request: Request<pb::ReadIndexRequest>,
    ) -> Result<Response<pb::ReadIndexResponse>, Status> {
        self.check(request.get_ref().header.as_ref(), rpc::caller(&request))?;
        let index = self.member.read_index_as_leader().await?;
        self.waits_for_commit(request.get_ref().header.as_ref());
        Ok(Response::new(pb::ReadIndexResponse { index }))
    }
}

/// Raft has stopped for good: the process is about to end.
fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("Raft has stopped on this member: {error}"))
}

fn vote_request(request: &pb::VoteRequest) -> Result<VoteRequest<TypeConfig>, Status> {
    let vote = wire::vote_from_wire(request.vote)?;
    let mut vote = VoteRequest::new(vote, request.last_log_id.map(wire::log_id_from_wire));
    vote.leadership_transfer = request.leadership_transfer;
    Ok(vote)
}

fn vote_response(answer: &VoteResponse<TypeConfig>) -> pb::VoteResponse {
    pb::VoteResponse {
        vote: Some(wire::vote_to_wire(&answer.vote)),
        granted: answer.vote_granted,
        last_log_id: answer.last_log_id.as_ref().map(wire::log_id_to_wire),
    }
}

fn append_request(request: pb::AppendRequest) -> Result<AppendEntriesRequest<TypeConfig>, Status> {
    let entries = request
        .entries
        .into_iter()
        .map(|entry| wire::entry_from_wire(own_bytes(entry)));
    Ok(AppendEntriesRequest {
        vote: wire::vote_from_wire(request.vote)?,
        prev_log_id: request.prev_log_id.map(wire::log_id_from_wire),
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: request.leader_commit.map(wire::log_id_from_wire),
    })
}

/// A command decoded from a frame is a slice of it; copied, or one entry in memory would pin the whole frame.
fn own_bytes(mut entry: pb::LogEntry) -> pb::LogEntry {
    if let Some(pb::log_entry::Payload::Command(command)) = &mut entry.payload {
        *command = bytes::Bytes::copy_from_slice(command);
    }
    entry
}

fn append_response(answer: &AppendEntriesResponse<TypeConfig>) -> pb::AppendResponse {
    use pb::append_response as wire_form;
    let result = match answer {
        AppendEntriesResponse::Success => wire_form::Result::Success(wire_form::Done {}),
        AppendEntriesResponse::PartialSuccess(matched) => {
            wire_form::Result::Partial(partial(matched.as_ref()))
        }
        AppendEntriesResponse::Conflict => wire_form::Result::Conflict(wire_form::Done {}),
        AppendEntriesResponse::HigherVote(vote) => wire_form::Result::HigherVote(wire::vote_to_wire(vote)),
    };
    pb::AppendResponse {
        result: Some(result),
        clock_ms: 0,
        applied_index: 0,
    }
}

fn stream_response(answer: &openraft::raft::StreamAppendResult<TypeConfig>) -> pb::StreamAppendResponse {
    use pb::stream_append_response::Result as Wire;
    let result = match answer {
        Ok(matched) => Wire::Matched(partial(matched.as_ref())),
        Err(StreamAppendError::Conflict(id)) => Wire::Conflict(wire::log_id_to_wire(id)),
        Err(StreamAppendError::HigherVote(vote)) => Wire::HigherVote(wire::vote_to_wire(vote)),
    };
    pb::StreamAppendResponse { result: Some(result) }
}

fn partial(matched: Option<&crate::type_config::LogId>) -> pb::append_response::Partial {
    pb::append_response::Partial {
        matched: matched.map(wire::log_id_to_wire),
    }
}

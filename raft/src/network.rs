//! Raft's outgoing messages over gRPC: replication as one pipelined stream, heartbeats on a connection of their own.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use openraft::base::{BoxFuture, BoxStream};
use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use proto::raft::v1 as pb;
use proto::raft::v1::peer_service_client::PeerServiceClient;
use rpc::Histogram;
use rpc::client::Channel;
use tokio::sync::watch;

use crate::append_stream::{Departures, RIDE_MAX, paced};
use crate::metrics::Counters;
use crate::peers::Peers;
use crate::snapshot_file::SnapshotFile;
use crate::type_config::{MemberNode, TypeConfig, Vote};
use crate::{snapshot_stream, wire};

/// A snapshot that goes slower, with the receiver's reading of it, is given up and begun again.
const SNAPSHOT_BYTES_PER_SECOND_MIN: u64 = 4 << 20;

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

/// Makes one [`Connection`] per purpose and target.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) peers: Peers,
    pub(crate) counters: Arc<Counters>,
    /// Index of the last entry of the log.
    pub(crate) appended: watch::Receiver<u64>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &MemberNode) -> Connection {
        Connection::new(self, target, node, true)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &MemberNode) -> Connection {
        Connection::new(self, target, node, false)
    }
}

/// A client to one member for one purpose.
pub(crate) struct Connection {
    target: u64,
    peers: Peers,
    client: Option<PeerServiceClient<Channel>>,
    departures: Departures,
    pipelined: bool,
    counters: Arc<Counters>,
    round_trips: Arc<Histogram>,
}

impl Connection {
    fn new(network: &Network, target: u64, node: &MemberNode, pipelined: bool) -> Connection {
        let Network {
            peers,
            counters,
            appended,
        } = network;
        let departures = Departures {
            appended: appended.clone(),
            commit_wanted: peers.commit_wanted_by(target),
            ride_max: RIDE_MAX,
        };
        Connection {
            target,
            peers: peers.clone(),
            client: peers.dial(target, node),
            departures,
            pipelined,
            round_trips: counters.round_trips(target),
            counters: Arc::clone(counters),
        }
    }

    fn client(&self) -> RpcResult<PeerServiceClient<Channel>> {
        let no_address = || Unreachable::from_string(format!("member {} cannot be dialled", self.target));
        self.client
            .clone()
            .ok_or_else(|| RPCError::Unreachable(no_address()))
    }

    /// Bounds a call and maps its failure.
    async fn call<T>(
        &self,
        at_most: Duration,
        answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> RpcResult<T> {
        match tokio::time::timeout(at_most, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(unreachable(&status)),
            Err(_) => Err(RPCError::Unreachable(Unreachable::from_string(format!(
                "member {} did not answer within {at_most:?}",
                self.target
            )))),
        }
    }

    fn append_to_wire(header: pb::PeerHeader, rpc: &AppendEntriesRequest<TypeConfig>) -> pb::AppendRequest {
        pb::AppendRequest {
            header: Some(header),
            vote: Some(wire::vote_to_wire(&rpc.vote)),
            prev_log_id: rpc.prev_log_id.as_ref().map(wire::log_id_to_wire),
            entries: rpc.entries.iter().map(wire::entry_to_wire).collect(),
            leader_commit: rpc.leader_commit.as_ref().map(wire::log_id_to_wire),
            cluster_time_ms: 0,
        }
    }

    fn vote_request(&self, rpc: &VoteRequest<TypeConfig>) -> pb::VoteRequest {
        pb::VoteRequest {
            header: Some(self.peers.header(self.target)),
            vote: Some(wire::vote_to_wire(&rpc.vote)),
            last_log_id: rpc.last_log_id.as_ref().map(wire::log_id_to_wire),
            leadership_transfer: rpc.leadership_transfer,
        }
    }
}

/// A dead peer: openraft backs off before it tries again.
fn unreachable(status: &tonic::Status) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(status))
}

fn malformed(error: wire::Malformed) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(error))
}

fn vote_response(response: pb::VoteResponse) -> RpcResult<VoteResponse<TypeConfig>> {
    let vote = wire::vote_from_wire(response.vote).map_err(malformed)?;
    Ok(VoteResponse::new(
        vote,
        response.last_log_id.map(wire::log_id_from_wire),
        response.granted,
    ))
}

fn append_response(response: pb::AppendResponse) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
    use pb::append_response::Result as Wire;
    match response.result {
        Some(Wire::Success(_)) => Ok(AppendEntriesResponse::Success),
        Some(Wire::Partial(p)) => Ok(AppendEntriesResponse::PartialSuccess(
            p.matched.map(wire::log_id_from_wire),
        )),
        Some(Wire::Conflict(_)) => Ok(AppendEntriesResponse::Conflict),
        Some(Wire::HigherVote(vote)) => Ok(AppendEntriesResponse::HigherVote(
            wire::vote_from_wire(Some(vote)).map_err(malformed)?,
        )),
        None => Err(malformed(wire::Malformed("append answer without a result"))),
    }
}

fn stream_result(
    item: Result<pb::StreamAppendResponse, tonic::Status>,
) -> RpcResult<StreamAppendResult<TypeConfig>> {
    use pb::stream_append_response::Result as Wire;
    match item.map_err(|status| unreachable(&status))?.result {
        Some(Wire::Matched(p)) => Ok(Ok(p.matched.map(wire::log_id_from_wire))),
        Some(Wire::Conflict(id)) => Ok(Err(StreamAppendError::Conflict(wire::log_id_from_wire(id)))),
        Some(Wire::HigherVote(vote)) => Ok(Err(StreamAppendError::HigherVote(
            wire::vote_from_wire(Some(vote)).map_err(malformed)?,
        ))),
        None => Err(malformed(wire::Malformed("append answer without a result"))),
    }
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        let request = pb::AppendRequest {
            cluster_time_ms: self.peers.clock.known_ms().unwrap_or(0),
            ..Self::append_to_wire(self.peers.header(self.target), &rpc)
        };
        let mut client = self.client()?;
        let asked = Instant::now();
        let answer = self.call(option.hard_ttl(), client.append_entries(request)).await;
        match &answer {
            Ok(answer) => {
                self.peers.clock.sample(self.target, answer.clock_ms);
                self.peers.has_applied(self.target, answer.applied_index);
                self.round_trips.observe(asked.elapsed());
            }
            Err(_) => self.counters.heartbeat_failed(),
        }
        append_response(answer?)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        if !self.pipelined {
            return stream_append_sequential(self, input, option);
        }
        let mut input = input;
        Box::pin(async move {
            // openraft's pause after a failure lies in the request stream: asked for a request first, a dead peer
            // is not dialled thousands of times a second.
            let Some(first) = input.next().await else {
                return Ok(Box::pin(futures::stream::empty()) as BoxStream<'s, _>);
            };
            let (peers, target) = (self.peers.clone(), self.target);
            let outgoing = paced(
                futures::stream::iter([first]).chain(input),
                self.departures.clone(),
            );
            let outgoing = outgoing.map(move |rpc| Self::append_to_wire(peers.header(target), &rpc));
            let answers = self
                .client()?
                .stream_append(outgoing)
                .await
                .map_err(|status| unreachable(&status))?;
            let answers = until_first_error(answers.into_inner().map(stream_result));
            Ok(Box::pin(answers) as BoxStream<'s, _>)
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let mut client = self.client()?;
        vote_response(
            self.call(option.hard_ttl(), client.vote(self.vote_request(&rpc)))
                .await?,
        )
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let mut client = self.client()?;
        vote_response(
            self.call(option.hard_ttl(), client.pre_vote(self.vote_request(&rpc)))
                .await?,
        )
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let header = self.peers.header(self.target);
        let unreadable = |error| streaming(RPCError::Network(NetworkError::new(&error)));
        let chunks = snapshot_stream::outgoing(header, &vote, &snapshot).map_err(unreadable)?;
        let bytes = snapshot.snapshot.file.metadata().map_err(unreadable)?.len();
        let at_most = option.hard_ttl() + Duration::from_secs(bytes / SNAPSHOT_BYTES_PER_SECOND_MIN);
        let mut client = self.client().map_err(streaming)?;
        let sent = self.call(at_most, client.install_snapshot(chunks));
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = sent => {
                let vote = wire::vote_from_wire(answer.map_err(streaming)?.vote);
                Ok(SnapshotResponse::new(vote.map_err(|e| streaming(malformed(e)))?))
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let request = pb::TransferLeaderRequest {
            header: Some(self.peers.header(self.target)),
            from_leader: Some(wire::vote_to_wire(rpc.from_leader())),
            to_member: *rpc.to_node_id(),
            last_log_id: rpc.last_log_id().map(wire::log_id_to_wire),
        };
        let mut client = self.client()?;
        let answer = self
            .call(option.hard_ttl(), client.transfer_leader(request))
            .await?;
        if answer.refused.is_empty() {
            return Ok(Ok(()));
        }
        Err(RPCError::Network(NetworkError::from_string(answer.refused)))
    }
}

fn streaming(error: RPCError<TypeConfig>) -> StreamingError<TypeConfig> {
    match error {
        RPCError::Timeout(timeout) => StreamingError::Timeout(timeout),
        RPCError::Unreachable(unreachable) => StreamingError::Unreachable(unreachable),
        RPCError::Network(network) => StreamingError::Network(network),
        RPCError::RemoteError(never) => match never.source {},
    }
}

/// A stream that ends after its first error: what follows a lost answer cannot be matched to a request.
fn until_first_error<T, E>(stream: impl Stream<Item = Result<T, E>>) -> impl Stream<Item = Result<T, E>> {
    stream.scan(false, |failed, item| {
        let over = std::mem::replace(failed, *failed || item.is_err());
        futures::future::ready((!over).then_some(item))
    })
}

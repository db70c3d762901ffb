//! A leader whose process has ended is noticed by what its machine says, not by its silence: its stream of entries ends and
//! its peer port refuses connections. A member that has seen both holds the leader's lease no longer, and asks the others;
//! those that have not seen it still hold theirs, so that one member's view deposes nobody.
//!
//! A machine without power refuses nothing: its silence is noticed by the timers, see `profile.rs`.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::TransferLeaderRequest;
use proto::cluster::v1::member_kind;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::replicated::Replicated;
use crate::type_config::Vote;

/// Ends of streams that wait to be looked at; what does not fit is noticed by the timers.
const ENDS_MAX: usize = 16;
/// A process that ends closes its connections and its port one after the other.
const DIALS: u32 = 5;
const DIAL_PAUSE: Duration = Duration::from_millis(10);
const DIAL_MAX: Duration = Duration::from_millis(100);
/// The others see the end of their streams at about the same time. One after the other asks for votes, or they would
/// split them.
const TURN: Duration = Duration::from_millis(100);
const FIRST_TURN: Duration = Duration::from_millis(15);

/// Where the ends of streams are told.
pub(crate) type Ends = mpsc::Receiver<u64>;

/// Tells when a member's stream has ended: held by what reads it.
#[derive(Debug)]
pub(crate) struct StreamOf {
    member: u64,
    ends: mpsc::Sender<u64>,
}

impl StreamOf {
    pub(crate) fn new(member: u64, ends: &mpsc::Sender<u64>) -> StreamOf {
        let ends = ends.clone();
        StreamOf { member, ends }
    }
}

impl Drop for StreamOf {
    fn drop(&mut self) {
        self.ends.try_send(self.member).ok(); // see ENDS_MAX; or this member is stopping
    }
}

/// For the streams and for [`run`].
pub(crate) fn channel() -> (mpsc::Sender<u64>, Ends) {
    mpsc::channel(ENDS_MAX)
}

/// Looks at every end.
pub(crate) async fn run(replicated: Arc<Replicated>, mut ends: Ends) {
    while let Some(member) = ends.recv().await {
        look(&replicated, member).await;
    }
}

async fn look(replicated: &Replicated, gone: u64) {
    let Some(vote) = vote_while_leading(replicated, gone) else {
        return;
    };
    let Some(node) = replicated.node(gone) else {
        return;
    };
    if !refuses(&node.peer_address).await || vote_while_leading(replicated, gone) != Some(vote) {
        return;
    }
    tracing::info!(
        member = gone,
        "the leader's process has ended: its port refuses connections"
    );
    // the answer of openraft to this, for a member that shall not lead, is to end the lease it has given
    let end_of_lease = TransferLeaderRequest::new(vote, gone, None);
    if !matches!(
        replicated.raft().handle_transfer_leader(end_of_lease).await,
        Ok(Ok(()))
    ) {
        return;
    }
    let Some(turn) = turn(replicated, gone) else {
        return;
    };
    sleep(FIRST_TURN + TURN * turn).await;
    if vote_while_leading(replicated, gone) == Some(vote) {
        replicated.raft().trigger().elect(true).await.ok(); // Raft has stopped: `Member::failed` says so
    }
}

/// The vote that `member` leads by, if it does.
fn vote_while_leading(replicated: &Replicated, member: u64) -> Option<Vote> {
    let metrics = replicated.raft().metrics();
    let metrics = metrics.borrow_watched();
    (metrics.current_leader == Some(member)).then_some(metrics.vote)
}

/// How many voters ask before this one; `None` for one that shall not lead.
fn turn(replicated: &Replicated, gone: u64) -> Option<u32> {
    let own = replicated.peers().member_id;
    let metrics = replicated.raft().metrics();
    let metrics = metrics.borrow_watched();
    let membership = &metrics.membership_config;
    let leads = |id: &u64| {
        membership
            .get_node(id)
            .is_some_and(|node| node.kind != member_kind::Kind::Witness)
    };
    let mut candidates = membership.voter_ids().filter(|id| *id != gone && leads(id));
    candidates.position(|id| id == own).map(|before| before as u32)
}

/// Whether `address` refuses a connection: its machine is there, and nobody listens.
async fn refuses(address: &str) -> bool {
    for _ in 0..DIALS {
        match timeout(DIAL_MAX, TcpStream::connect(address)).await {
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => return true,
            Ok(Ok(_)) => sleep(DIAL_PAUSE).await,
            Ok(Err(_)) | Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_that_somebody_listens_at_does_not_refuse() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(!refuses(&address).await, "a stream ends for many reasons");
        drop(listener);
        assert!(refuses(&address).await);
    }

    /// The port is closed a moment after the streams.
    #[tokio::test]
    async fn a_port_that_is_closed_a_moment_later_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let closed_soon = async {
            listener.accept().await.unwrap();
            drop(listener);
        };
        let (_, refused) = tokio::join!(closed_soon, refuses(&address));
        assert!(refused);
    }

    /// No route, no answer, no name: none of them says that the process has ended.
    #[tokio::test]
    async fn silence_is_no_refusal() {
        assert!(!refuses("there-is-no-such-host.invalid:1").await);
        assert!(!refuses("not an address").await);
    }

    #[test]
    fn the_end_of_a_stream_is_told_and_never_waited_for() {
        let (told, mut ends) = channel();
        drop(StreamOf::new(7, &told));
        assert_eq!(ends.try_recv(), Ok(7));
        for _ in 0..2 * ENDS_MAX {
            drop(StreamOf::new(7, &told));
        }
        drop(ends);
        drop(StreamOf::new(7, &told));
    }
}

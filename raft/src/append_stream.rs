//! The requests to one member, in their order. A commit index that nobody waits for rides with the next entries: sent for
//! itself it is a message and an answer more for every write, which is half of the traffic between members when one write
//! follows another.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use openraft::entry::RaftEntry as _;
use openraft::raft::AppendEntriesRequest;
use tokio::sync::{Notify, watch};

use crate::type_config::TypeConfig;

/// How long a new commit index waits for entries. Followers apply so much later, unless somebody asks there.
pub(crate) const RIDE_MAX: Duration = Duration::from_millis(2);

/// When a request must go at once.
#[derive(Clone, Debug)]
pub(crate) struct Departures {
    /// Index of the last entry of this member's log.
    pub(crate) appended: watch::Receiver<u64>,
    /// The member waits for a commit index that it was told of.
    pub(crate) commit_wanted: Arc<Notify>,
    /// [`RIDE_MAX`], but for tests.
    pub(crate) ride_max: Duration,
}

/// `requests` as they are asked for. openraft makes each when it is asked, with the entries and the commit index of that
/// moment: after one with entries it is asked again once there are more, the commit index is wanted, or its time is
/// over.
pub(crate) fn paced<S>(
    requests: S,
    departures: Departures,
) -> impl Stream<Item = AppendEntriesRequest<TypeConfig>> + Send
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin,
{
    let begin = (requests, departures, None);
    futures::stream::unfold(
        begin,
        async |(mut requests, mut departures, sent): (S, Departures, Option<u64>)| {
            if let Some(sent) = sent {
                departures.wait(sent).await;
            }
            let request = requests.next().await?;
            let sent = request.entries.last().map(|entry| entry.index());
            Some((request, (requests, departures, sent)))
        },
    )
}

impl Departures {
    async fn wait(&mut self, sent: u64) {
        tokio::select! {
            biased;
            _ = self.appended.wait_for(|last| *last > sent) => {}
            () = self.commit_wanted.notified() => {}
            () = tokio::time::sleep(self.ride_max) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use openraft::Vote;
    use openraft::entry::EntryPayload;

    use super::*;
    use crate::snapshot_file_test::meta;
    use crate::type_config::{Command, Entry};

    /// A test that waits for it hangs.
    const HOUR: Duration = Duration::from_secs(3_600);

    /// What openraft would send: up to the last entry and the commit index of the moment when it is asked.
    #[derive(Default)]
    struct Leader {
        sent: u64,
        committed_sent: u64,
        last: u64,
        committed: u64,
    }

    struct Bench {
        leader: Arc<Mutex<Leader>>,
        appended: watch::Sender<u64>,
        wanted: Arc<Notify>,
    }

    impl Bench {
        fn new() -> Bench {
            Bench {
                leader: Arc::default(),
                appended: watch::Sender::new(0),
                wanted: Arc::default(),
            }
        }

        fn stream(
            &self,
            ride_max: Duration,
        ) -> impl Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin {
            let leader = Arc::clone(&self.leader);
            let requests = futures::stream::poll_fn(move |context| {
                let mut leader = leader.lock().unwrap();
                if leader.sent == leader.last && leader.committed_sent == leader.committed {
                    context.waker().wake_by_ref(); // asked again until there is something
                    return std::task::Poll::Pending;
                }
                let entries = (leader.sent + 1..=leader.last).map(|index| Entry {
                    log_id: meta(index).last_log_id.unwrap(),
                    payload: EntryPayload::Normal(Command(vec![7].into())),
                });
                let request = AppendEntriesRequest {
                    vote: Vote::new(1, 1),
                    prev_log_id: None,
                    entries: entries.collect(),
                    leader_commit: meta(leader.committed).last_log_id,
                };
                (leader.sent, leader.committed_sent) = (leader.last, leader.committed);
                std::task::Poll::Ready(Some(request))
            });
            let departures = Departures {
                appended: self.appended.subscribe(),
                commit_wanted: Arc::clone(&self.wanted),
                ride_max,
            };
            Box::pin(paced(requests, departures))
        }

        fn append(&self) {
            let mut leader = self.leader.lock().unwrap();
            leader.last += 1;
            self.appended.send_replace(leader.last);
        }

        fn commit(&self) {
            let mut leader = self.leader.lock().unwrap();
            leader.committed = leader.last;
        }
    }

    fn shape(request: &AppendEntriesRequest<TypeConfig>) -> (usize, u64) {
        (
            request.entries.len(),
            request.leader_commit.map_or(0, |id| id.index),
        )
    }

    /// One write after the other: as many requests as writes.
    #[tokio::test]
    async fn a_commit_index_rides_with_the_next_entries() {
        let bench = Bench::new();
        let mut stream = bench.stream(HOUR);
        let mut requests = Vec::new();
        for _ in 0..5 {
            bench.append();
            requests.push(shape(&stream.next().await.unwrap()));
            bench.commit();
        }
        assert_eq!(requests, [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]);
    }

    #[tokio::test]
    async fn without_more_entries_it_goes_for_itself() {
        let bench = Bench::new();
        let mut stream = bench.stream(Duration::from_millis(1));
        bench.append();
        stream.next().await.unwrap();
        bench.commit();
        assert_eq!(shape(&stream.next().await.unwrap()), (0, 1));
    }

    /// Whoever has a follower's answer waits for that follower to apply it.
    #[tokio::test]
    async fn where_it_is_wanted_it_goes_at_once() {
        let bench = Bench::new();
        let mut stream = bench.stream(HOUR);
        bench.append();
        stream.next().await.unwrap();
        bench.commit();
        bench.wanted.notify_one();
        assert_eq!(shape(&stream.next().await.unwrap()), (0, 1));
    }
}

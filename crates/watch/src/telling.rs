//! One watch: the state if it is asked for, then every change, with a mark of progress when nothing happens.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use proto::watch::v1::watch_response::{Events, Message, Progress, Rows, SnapshotEnd};
use proto::watch::v1::{WatchHeader, WatchResponse};
use raft::{Revision, Store, Watch};
use rpc::{Error, Rights};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;

use crate::Ending;
use crate::filter::Filter;
use crate::limits::{
    LAST_WORD_MAX, MESSAGE_BYTES, OBJECTS_AT_A_STRETCH, RETRY_AFTER, SNAPSHOT_TIME_MAX, SNAPSHOT_WAIT_MAX,
};
use crate::sight::Sight;
use crate::wire;

/// Where a watch begins.
pub(crate) enum Begin {
    /// With the state, when one of these permits is free.
    State(Arc<Semaphore>),
    /// With the changes after a revision.
    Events(Watch),
}

/// The far end of one watch.
pub(crate) struct Telling {
    store: Store,
    member_id: u64,
    filter: Filter,
    rights: Rights,
    progress: Duration,
    messages: mpsc::Sender<Result<WatchResponse, Status>>,
}

/// Why a watch ends.
enum End {
    /// The client has gone.
    Gone,
    /// The client is told why.
    Told(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        End::Told(error)
    }
}

impl Telling {
    pub(crate) fn new(
        store: Store,
        member_id: u64,
        filter: Filter,
        rights: Rights,
        progress: Duration,
        messages: mpsc::Sender<Result<WatchResponse, Status>>,
    ) -> Telling {
        Telling {
            store,
            member_id,
            filter,
            rights,
            progress,
            messages,
        }
    }

    /// Until the client goes, the member ends, or `at_most` is over.
    pub(crate) async fn run(mut self, begin: Begin, ending: Ending, at_most: Duration) {
        let messages = self.messages.clone();
        let end = tokio::select! {
            biased;
            () = ending => End::Told(go_on_elsewhere("it is stopping; go on at another member")),
            end = timeout(at_most, self.tell(begin)) => {
                let again = || go_on_elsewhere("this watch has lasted as long as one may; go on where it is");
                end.unwrap_or_else(|_| End::Told(again()))
            }
        };
        if let End::Told(error) = end {
            // It comes after what the client has not read yet; one that does not read sees the stream just end.
            let _unread = timeout(LAST_WORD_MAX, messages.send(Err(error.into()))).await;
        }
    }

    async fn tell(&mut self, begin: Begin) -> End {
        let told = match begin {
            Begin::State(permits) => self.tell_state(&permits).await,
            Begin::Events(watch) => Ok(watch),
        };
        match told {
            Ok(watch) => self.tell_events(watch).await.unwrap_or_else(|end| end),
            Err(end) => end,
        }
    }

    /// The selected objects of the state as it is now, and the watch of what comes after it.
    async fn tell_state(&mut self, permits: &Semaphore) -> Result<Watch, End> {
        let turn = timeout(SNAPSHOT_WAIT_MAX, permits.acquire()).await;
        let _turn = turn.map_err(|_| Error::Overloaded {
            what: "watches that begin with the state".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        let deadline = Instant::now() + SNAPSHOT_TIME_MAX;
        let (state, watch) = self.store.watch();
        let sight = Sight::of(&self.rights)?; // after the state: what it holds is older than what is given
        self.filter.begin_at(&state);
        let (mut rows, mut bytes) = (Rows::default(), 0);
        let too_slow = |_| End::Told(go_on_elsewhere("the state was not read in time; begin again"));
        for (looked_at, object) in state.objects().enumerate() {
            if looked_at % OBJECTS_AT_A_STRETCH == 0 {
                tokio::task::yield_now().await;
            }
            if !self.filter.selects(&object) || !sight.shows(&object) {
                continue;
            }
            let object = wire::object(&object);
            bytes += object.encoded_len();
            rows.objects.push(object);
            if bytes >= MESSAGE_BYTES {
                let full = Message::Rows(std::mem::take(&mut rows));
                timeout_at(deadline, self.send(0, full))
                    .await
                    .map_err(too_slow)??;
                bytes = 0;
            }
        }
        if !rows.objects.is_empty() {
            timeout_at(deadline, self.send(0, Message::Rows(rows)))
                .await
                .map_err(too_slow)??;
        }
        let end = self.send(watch.revision(), Message::SnapshotEnd(SnapshotEnd {}));
        timeout_at(deadline, end).await.map_err(too_slow)??;
        Ok(watch)
    }

    async fn tell_events(&mut self, mut watch: Watch) -> Result<End, End> {
        let mut quiet_until = Instant::now() + self.progress;
        loop {
            let from = watch.revision();
            let revisions = tokio::select! {
                biased;
                () = self.messages.closed() => return Ok(End::Gone),
                () = tokio::time::sleep_until(quiet_until) => None,
                revisions = watch.next() => Some(revisions?),
            };
            let told = match revisions {
                Some(revisions) => self.tell_revisions(from, &revisions, watch.revision()).await?,
                None => {
                    self.send(from, Message::Progress(Progress {})).await?;
                    true
                }
            };
            if told {
                quiet_until = Instant::now() + self.progress;
            }
        }
    }

    /// Whether anything of them was selected and is seen. They take the watch from revision `from` to `upto`.
    async fn tell_revisions(
        &mut self,
        from: u64,
        revisions: &[Arc<Revision>],
        upto: u64,
    ) -> Result<bool, End> {
        // these changes may be of what the caller is given, and he is shown them by what is given after them
        let sight = Sight::of(&self.rights)?;
        let (mut pending, mut bytes, mut told, mut whole) = (Events::default(), 0, false, from);
        for revision in revisions {
            let selected = self.filter.select(revision);
            for event in selected
                .into_iter()
                .filter_map(|event| sight.event(revision.index, event))
            {
                if bytes >= MESSAGE_BYTES {
                    pending.continued = pending
                        .events
                        .last()
                        .is_some_and(|last| last.revision == event.revision);
                    self.send(whole, Message::Events(std::mem::take(&mut pending)))
                        .await?;
                    bytes = 0;
                }
                bytes += event.encoded_len();
                pending.events.push(event);
                told = true;
            }
            whole = revision.index;
        }
        if !pending.events.is_empty() {
            self.send(upto, Message::Events(pending)).await?;
        }
        Ok(told)
    }

    /// Waits until the client has read enough of what came before.
    async fn send(&self, revision: u64, message: Message) -> Result<(), End> {
        let header = WatchHeader {
            cluster_id: self.store.state().cluster_id().to_owned(),
            member_id: self.member_id,
            revision,
            has_majority: self.store.has_leader(),
        };
        let response = WatchResponse {
            header: Some(header),
            message: Some(message),
        };
        self.messages.send(Ok(response)).await.map_err(|_| End::Gone)
    }
}

fn go_on_elsewhere(reason: &str) -> Error {
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason: reason.to_owned(),
    }
}

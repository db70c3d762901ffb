//! One watch: the state if it is asked for, then every change, with a mark of progress when nothing happens.

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

use prost::Message as _;
use proto::watch::v1::watch_response::{Events, Message, Progress, Rows, SnapshotEnd};
use proto::watch::v1::{WatchHeader, WatchResponse};
use raft::{Revision, Store, Watch};
use rpc::{Error, Rights};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, timeout, timeout_at};

use crate::Ending;
use crate::filter::Filter;
use crate::hub::{Hub, Place};
use crate::limits::{
    LAST_WORD_MAX, MESSAGE_BYTES, OBJECTS_AT_A_STRETCH, RETRY_AFTER, SNAPSHOT_TIME_MAX, SNAPSHOT_WAIT_MAX,
};
use crate::line::Taken;
use crate::messages::Sender;
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
    pub(crate) store: Store,
    pub(crate) hub: Arc<Hub>,
    pub(crate) member_id: u64,
    pub(crate) filter: Filter,
    pub(crate) rights: Rights,
    /// Pause after which a watch without changes tells its revision.
    pub(crate) progress: Duration,
    pub(crate) messages: Sender,
}

/// How far a watch has come.
struct Told {
    /// Everything up to here.
    revision: u64,
    /// When the client was told something last.
    at: Instant,
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
            let _unread = timeout(LAST_WORD_MAX, messages.send(Box::new(Err(error.into())))).await;
        }
    }

    async fn tell(&mut self, begin: Begin) -> End {
        let told = match begin {
            // In a place of its own, which is freed before the events begin: they last.
            Begin::State(permits) => Box::pin(self.tell_state(&permits)).await,
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

    async fn tell_events(&mut self, watch: Watch) -> Result<End, End> {
        let place = self.hub.enter(self.filter.interest());
        let mut told = Told {
            revision: watch.revision(),
            at: Instant::now(),
        };
        self.catch_up(watch, place.from(), &mut told).await?;
        // One timer, set anew only when it has run out: what is told meanwhile costs it nothing.
        let mut quiet = pin!(tokio::time::sleep_until(told.at + self.progress));
        loop {
            let routed = place.routed();
            match place.take() {
                Taken::Behind(from) => self.look_back(from, &mut told).await?,
                Taken::Revisions(waiting) if !waiting.is_empty() => {
                    self.tell_waiting(&waiting, routed, &mut told).await?;
                }
                Taken::Revisions(_) => {
                    told.revision = told.revision.max(routed);
                    if told.at + self.progress <= Instant::now() {
                        self.tell_progress(&mut told).await?;
                    }
                    if !self.rest(&place, quiet.as_mut(), told.at).await {
                        return Ok(End::Gone);
                    }
                }
            }
        }
    }

    /// Until something concerns the watch, or its revision is to be told; false: the client has gone.
    async fn rest(&self, place: &Place, mut quiet: Pin<&mut Sleep>, told_at: Instant) -> bool {
        if quiet.is_elapsed() {
            quiet.as_mut().reset(told_at + self.progress);
        }
        tokio::select! {
            biased;
            () = self.messages.closed() => false,
            () = place.woken() => true,
            () = quiet => true,
        }
    }

    /// Tells what the history has after the revision of `watch`, up to `upto` at least.
    async fn catch_up(&mut self, mut watch: Watch, upto: u64, told: &mut Told) -> Result<(), End> {
        while watch.revision() < upto {
            let revisions = watch.next().await?;
            self.tell_revisions(&revisions, watch.revision(), told).await?;
            // A filter may leave out all of a long history.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Tells what the history has, because what waited for the watch was too much: nothing up to `from` was missed.
    async fn look_back(&mut self, from: u64, told: &mut Told) -> Result<(), End> {
        // After it was found that something is missing: all that was left out is in this state.
        let upto = self.store.state().applied_index();
        told.revision = told.revision.max(from);
        let watch = self.store.watch_after(told.revision, Duration::ZERO).await?;
        self.catch_up(watch, upto, told).await
    }

    /// Tells what waited for the watch. All that concerns it up to `routed` is in there.
    async fn tell_waiting(
        &mut self,
        waiting: &[Weak<Revision>],
        routed: u64,
        told: &mut Told,
    ) -> Result<(), End> {
        let kept: Option<Vec<_>> = waiting.iter().map(Weak::upgrade).collect();
        let Some(mut revisions) = kept else {
            return self.look_back(0, told).await; // which may find that the history has left the watch behind
        };
        revisions.retain(|revision| revision.index > told.revision);
        let last = revisions.last().map_or(0, |revision| revision.index);
        let upto = routed.max(last).max(told.revision);
        self.tell_revisions(&revisions, upto, told).await
    }

    /// Tells that nothing has changed.
    async fn tell_progress(&self, told: &mut Told) -> Result<(), End> {
        self.send(told.revision, Message::Progress(Progress {})).await?;
        told.at = Instant::now();
        Ok(())
    }

    /// Tells what of them is selected and seen. They take the watch to revision `upto`.
    async fn tell_revisions(
        &mut self,
        revisions: &[Arc<Revision>],
        upto: u64,
        told: &mut Told,
    ) -> Result<(), End> {
        let (mut pending, mut bytes, mut whole) = (Events::default(), 0, told.revision);
        let mut sight = None;
        for revision in revisions {
            let selected = self.filter.select(revision);
            if sight.is_none() && !selected.is_empty() {
                // these changes may be of what the caller is given, and he is shown them by what is given after them
                sight = Some(Sight::of(&self.rights)?);
            }
            for event in selected
                .into_iter()
                .filter_map(|event| sight.as_ref()?.event(revision.index, event))
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
            }
            whole = revision.index;
        }
        if !pending.events.is_empty() {
            self.send(upto, Message::Events(pending)).await?;
            told.at = Instant::now();
        }
        told.revision = upto;
        Ok(())
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
        let sent = self.messages.send(Box::new(Ok(response))).await;
        sent.map_err(|_| End::Gone)
    }
}

fn go_on_elsewhere(reason: &str) -> Error {
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason: reason.to_owned(),
    }
}

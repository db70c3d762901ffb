//! Telling one subscriber: in order, at least once, with ever longer pauses while it does not answer.

use std::sync::Arc;
use std::time::Duration;

use proto::smd::v1::ScnSubscription;
use raft::{Store, Watch};
use rpc::Error;
use tokio::sync::Semaphore;

use super::cursors::Cursors;
use super::notification::{Notification, of_everything, of_revisions};
use super::{Deliver, Pace, Post};

/// A subscriber that answers a notification with an error so often never takes it: it is left out, so that the next ones
/// are told. One that does not answer at all is asked for ever.
const REFUSALS_MAX: u32 = 5;
/// How long this member may need to have applied what its predecessor has told.
const APPLY_WAIT: Duration = Duration::from_secs(10);

/// The telling of one subscription.
pub(super) struct Telling {
    pub(super) id: u64,
    pub(super) store: Store,
    pub(super) deliver: Arc<dyn Deliver>,
    pub(super) cursors: Arc<Cursors>,
    pub(super) places: Arc<Semaphore>,
    pub(super) pace: Pace,
}

impl Telling {
    /// Until the subscription is gone.
    pub(super) async fn run(self) {
        let Some(subscription) = self.store.state().smd.subscription(self.id) else {
            return;
        };
        let mut told = subscription.told_revision;
        loop {
            match self.store.watch_after(told, APPLY_WAIT).await {
                Ok(watch) => match self.follow(watch, &mut told).await {
                    Ended::Unsubscribed => return,
                    Ended::Behind => {}
                },
                Err(Error::Compacted { .. }) => match self.tell_everything().await {
                    Some(revision) => told = revision,
                    None => return,
                },
                Err(error) => {
                    tracing::debug!(id = self.id, %error, "notifications have to wait");
                    tokio::time::sleep(self.pace.look).await;
                }
            }
        }
    }

    /// Change by change, for as long as the changes are kept.
    async fn follow(&self, mut watch: Watch, told: &mut u64) -> Ended {
        loop {
            let Ok(revisions) = watch.next().await else {
                return Ended::Behind;
            };
            let Some(subscription) = self.subscription() else {
                return Ended::Unsubscribed;
            };
            let notifications = of_revisions(&subscription, revisions.iter().map(AsRef::as_ref));
            self.tell(&subscription, notifications, watch.revision()).await;
            *told = watch.revision();
            // entries that change nothing to be watched, such as those that remember this, are not worth an entry
            if !revisions.is_empty() {
                self.cursors.told(self.id, *told);
            }
        }
    }

    /// The changes are not kept any more: the subscriber was away for long, or every member was restarted. It is told how
    /// everything is now; gives the revision of that.
    async fn tell_everything(&self) -> Option<u64> {
        let state = self.store.state();
        let subscription = state.smd.subscription(self.id)?;
        let revision = state.applied_index();
        tracing::warn!(
            id = self.id,
            subscriber = subscription.subscriber,
            told = subscription.told_revision,
            revision,
            "the changes since this subscriber was told are not kept any more; it is told how everything is now"
        );
        let notifications = of_everything(&subscription, state.smd.components().map(AsRef::as_ref));
        self.tell(&subscription, notifications, revision).await;
        self.cursors.told(self.id, revision);
        Some(revision)
    }

    fn subscription(&self) -> Option<Arc<ScnSubscription>> {
        self.store.state().smd.subscription(self.id)
    }

    async fn tell(&self, subscription: &ScnSubscription, notifications: Vec<Notification>, revision: u64) {
        for notification in notifications {
            let post = Post {
                url: subscription.url.clone(),
                body: notification.body(),
                revision,
            };
            self.deliver(subscription, post).await;
        }
    }

    /// One notification, until it is accepted, refused for good, or nobody is to be told any more.
    async fn deliver(&self, subscription: &ScnSubscription, mut post: Post) {
        let (mut pause, mut refusals) = (self.pace.retry_first, 0);
        loop {
            let problem = match self.attempt(post.clone()).await {
                Ok(200..=299) => return,
                Ok(status) => {
                    refusals += 1;
                    format!("it answered {status}")
                }
                Err(problem) => problem,
            };
            let subscriber = subscription.subscriber.as_str();
            if refusals >= REFUSALS_MAX {
                tracing::error!(id = self.id, subscriber, problem, "a notification is left out");
                return;
            }
            tracing::warn!(id = self.id, subscriber, problem, "a notification is repeated");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.pace.retry_max);
            match self.subscription() {
                Some(now) => post.url.clone_from(&now.url),
                None => return,
            }
        }
    }

    async fn attempt(&self, post: Post) -> Result<u16, String> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|_| "this member stops".to_owned())?;
        self.deliver.post(post).await
    }
}

/// Why the telling of changes ended.
enum Ended {
    /// Nobody is to be told any more.
    Unsubscribed,
    /// The changes are not kept any more.
    Behind,
}

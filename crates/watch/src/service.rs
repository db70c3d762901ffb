//! `WatchService`: checks a request, finds where it begins, and leaves the rest to a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use proto::watch::v1::{WatchRequest, watch_service_server};
use raft::Store;
use rpc::Error;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::Ending;
use crate::filter::Filter;
use crate::hub::Hub;
use crate::limits::{
    Limits, PROGRESS_INTERVAL_DEFAULT, PROGRESS_INTERVAL_MAX, PROGRESS_INTERVAL_MIN, RETRY_AFTER,
    SNAPSHOTS_MAX,
};
use crate::messages::{self, Messages};
use crate::telling::{Begin, Telling};

/// Watches end within the last so-manieth part of the time that they may last, at so many different times.
const END_SPREAD_PART: u32 = 8;
const END_PLACES: u64 = 512;

/// The service of the API port.
#[derive(Clone)]
pub struct Service {
    store: Store,
    hub: Arc<Hub>,
    member_id: u64,
    ending: Ending,
    limits: Limits,
    watches: Arc<Semaphore>,
    snapshots: Arc<Semaphore>,
    /// Watches so far.
    begun: Arc<AtomicU64>,
}

impl Service {
    /// The service of member `member_id`. Its watches end when `ending` completes.
    pub fn new(store: Store, member_id: u64, ending: impl Future<Output = ()> + Send + 'static) -> Service {
        Service::with_limits(store, member_id, ending, Limits::default())
    }

    /// [`Service::new`] with other bounds than the usual ones.
    pub fn with_limits(
        store: Store,
        member_id: u64,
        ending: impl Future<Output = ()> + Send + 'static,
        limits: Limits,
    ) -> Service {
        Service {
            hub: Hub::new(store.clone()),
            store,
            member_id,
            ending: ending.boxed().shared(),
            limits,
            watches: Arc::new(Semaphore::new(limits.watches_max)),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
            begun: Arc::default(),
        }
    }

    /// A watch that goes on, with the members of its group as they were at that revision.
    async fn go_on(&self, request: &WatchRequest, filter: &mut Filter) -> Result<Begin, Error> {
        self.check_cluster(&request.cluster_id)?;
        let at_most = self.limits.behind_at_most;
        let watch = self.store.watch_after(request.from_revision, at_most).await?;
        // The state first: a change of the group that it lacks is then ahead of the watch.
        let state = self.store.state();
        filter.begin_before(&watch, &state)?;
        Ok(Begin::Events(watch))
    }

    /// How long the next watch may last. Thousands that came together, because another member died, do not go together.
    fn lasts(&self) -> Duration {
        let place = self.begun.fetch_add(1, Ordering::Relaxed) % END_PLACES;
        let spread = self.limits.watch_at_most / END_SPREAD_PART;
        let earlier = spread.mul_f64(place as f64 / END_PLACES as f64);
        self.limits.watch_at_most.saturating_sub(earlier)
    }

    /// A revision of another cluster means nothing here, however well it would fit.
    fn check_cluster(&self, named: &str) -> Result<(), Error> {
        let state = self.store.state();
        if named.is_empty() || named == state.cluster_id() {
            return Ok(());
        }
        Err(Error::Compacted {
            oldest: state.applied_index(),
        })
    }
}

#[tonic::async_trait]
impl watch_service_server::WatchService for Service {
    type WatchStream = Messages;

    #[tracing::instrument(name = "watch", skip_all, fields(from = request.get_ref().from_revision))]
    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let rights = rpc::rights(&request);
        let request = request.into_inner();
        let mut filter = Filter::parse(&request)?;
        let progress = progress_interval(request.progress_interval_ms)?;
        let slot = Arc::clone(&self.watches).try_acquire_owned();
        let slot = slot.map_err(|_| Error::Overloaded {
            what: "watches".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        let begin = match request.from_revision {
            0 => Begin::State(Arc::clone(&self.snapshots)),
            _ => self.go_on(&request, &mut filter).await?,
        };
        let (messages, receiver) = messages::channel();
        let telling = Telling {
            store: self.store.clone(),
            hub: Arc::clone(&self.hub),
            member_id: self.member_id,
            filter,
            rights,
            progress,
            messages,
        };
        let (ending, at_most) = (self.ending.clone(), self.lasts());
        tokio::spawn(async move {
            telling.run(begin, ending, at_most).await;
            drop(slot);
        });
        Ok(Response::new(receiver))
    }
}

fn progress_interval(ms: u32) -> Result<Duration, Error> {
    let asked = Duration::from_millis(ms.into());
    match ms {
        0 => Ok(PROGRESS_INTERVAL_DEFAULT),
        _ if (PROGRESS_INTERVAL_MIN..=PROGRESS_INTERVAL_MAX).contains(&asked) => Ok(asked),
        _ => {
            let accepted = format!(
                "{ms} ms are given, {} to {} are accepted",
                PROGRESS_INTERVAL_MIN.as_millis(),
                PROGRESS_INTERVAL_MAX.as_millis()
            );
            Err(rpc::invalid("progress_interval_ms", accepted))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn watches_that_begin_together_end_one_after_the_other() {
        let service = Service::new(Store::in_memory(), 1, std::future::pending());
        let at_most = service.limits.watch_at_most;
        let lasts: Vec<Duration> = (0..END_PLACES).map(|_| service.lasts()).collect();
        assert_eq!(lasts[0], at_most);
        assert!(lasts.windows(2).all(|pair| pair[1] < pair[0]));
        assert!(
            lasts
                .iter()
                .all(|lasts| *lasts > at_most - at_most / END_SPREAD_PART)
        );
        assert_eq!(service.lasts(), at_most);
    }
}

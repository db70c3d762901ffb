//! The state that files are made of, as the cluster tells it.

use std::collections::BTreeSet;
use std::time::Duration;

use configurator::Inventory;
use proto::cluster::v1::GetStatusRequest;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::watch::v1::event::Change;
use proto::watch::v1::object::Kind;
use proto::watch::v1::{Event, WatchRequest};
use rpc::client::{Follow, Told};
use tokio::time::Instant;

use super::refusals::Refusals;
use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::{self, CliError};

/// Pause before the cluster is asked again for its name.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the cluster, whichever members come and go.
pub(crate) struct Feed {
    follow: Follow<Connection>,
    inventory: Inventory,
    /// Whether the state was told to its end.
    whole: bool,
    refusals: Refusals,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that files are made of has changed, or the state is not told to its end yet.
    Nothing,
    /// The state, whole: anything may be different.
    State,
    /// Objects of these kinds have changed.
    Changes(BTreeSet<Kind>),
}

impl Feed {
    /// Asks any member what the cluster is called. The state is told by [`Feed::next`].
    ///
    /// # Errors
    /// What a member answers; no member that answers, unless it is to be `patient`.
    pub(crate) async fn begin(global: &GlobalArgs, patient: bool) -> Result<Self, CliError> {
        let mut client = ClusterServiceClient::new(connect::to_any(global)?);
        let status = loop {
            match client.get_status(GetStatusRequest {}).await {
                Ok(answer) => break answer.into_inner(),
                Err(status) if patient && error::is_passing(&status) => {
                    tracing::warn!("no member answers yet: {}", status.message());
                    tokio::time::sleep(PAUSE).await;
                }
                Err(status) => return Err(status.into()),
            }
        };
        let channel = connect::with_renewed_credentials(global)?;
        let mut feed = Self::of(channel, &status.cluster_name);
        if patient {
            feed.refusals = Refusals::that_pass();
        }
        Ok(feed)
    }

    /// The same where the cluster's name is known.
    pub(crate) fn of(channel: Connection, cluster: &str) -> Self {
        let request = WatchRequest {
            kinds: Inventory::KINDS.iter().map(|kind| (*kind).into()).collect(),
            ..WatchRequest::default()
        };
        Self {
            follow: Follow::new(channel, request),
            inventory: Inventory::new(cluster),
            whole: false,
            refusals: Refusals::default(),
        }
    }

    /// What comes next; waits for it as long as it takes. Cancelling loses nothing.
    ///
    /// # Errors
    /// What no other member would answer otherwise; to one that is patient, credentials that are refused again and again.
    pub(crate) async fn next(&mut self) -> Result<Heard, CliError> {
        if let Some(at) = self.refusals.again_at() {
            tokio::time::sleep_until(at).await;
        }
        match self.follow.next().await {
            Ok(told) => {
                self.refusals.end();
                Ok(take(&mut self.inventory, &mut self.whole, told))
            }
            Err(status) if self.refusals.may_pass(&status, Instant::now()) => {
                tracing::warn!(
                    "the credentials are refused; the stream is begun again with what they are by then: {}",
                    status.message()
                );
                Ok(Heard::Nothing)
            }
            Err(status) => Err(status.into()),
        }
    }

    /// Whether files can be made of what there is.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// What has been told so far.
    pub(crate) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Waits until the state is told whole.
    pub(crate) async fn whole(mut self) -> Result<Inventory, CliError> {
        while self.next().await? != Heard::State {}
        Ok(self.inventory)
    }

    /// What there is, for a while: whatever is heard meanwhile would be lost.
    pub(crate) fn lend(&mut self) -> Inventory {
        std::mem::take(&mut self.inventory)
    }

    /// Takes it back.
    pub(crate) fn give_back(&mut self, inventory: Inventory) {
        self.inventory = inventory;
    }
}

/// The state as it is, once.
pub(crate) async fn inventory(global: &GlobalArgs) -> Result<Inventory, CliError> {
    Feed::begin(global, false).await?.whole().await
}

fn take(inventory: &mut Inventory, whole: &mut bool, told: Told) -> Heard {
    match told {
        Told::Begins => {
            inventory.clear();
            *whole = false;
            Heard::Nothing
        }
        Told::Rows(objects) => {
            objects.into_iter().for_each(|object| inventory.put(object));
            Heard::Nothing
        }
        Told::StateEnds(revision) => {
            inventory.set_revision(revision);
            *whole = true;
            Heard::State
        }
        Told::Events(events) => match (changes(inventory, events), *whole) {
            (kinds, true) if !kinds.is_empty() => Heard::Changes(kinds),
            _ => Heard::Nothing,
        },
        Told::Progress(revision) => {
            inventory.set_revision(revision);
            Heard::Nothing
        }
    }
}

fn changes(inventory: &mut Inventory, events: Vec<Event>) -> BTreeSet<Kind> {
    let mut kinds = BTreeSet::new();
    for event in events {
        inventory.set_revision(event.revision);
        let change = event.change();
        let Some(object) = event.object else {
            continue; // of a newer version
        };
        kinds.insert(object.kind());
        match change {
            Change::Deleted => inventory.remove(object.kind(), &object.key),
            Change::Created | Change::Updated | Change::Unspecified => inventory.put(object),
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use proto::configurator::v1::Template;
    use proto::watch::v1::{Object, object};

    use super::*;

    fn template(name: &str) -> Object {
        Object {
            kind: Kind::Template.into(),
            key: name.to_owned(),
            value: Some(object::Value::Template(Template {
                name: name.to_owned(),
                ..Template::default()
            })),
        }
    }

    fn event(revision: u64, change: Change, name: &str) -> Event {
        Event {
            revision,
            change: change.into(),
            object: Some(template(name)),
        }
    }

    fn names(inventory: &Inventory) -> Vec<&str> {
        inventory
            .templates()
            .map(|template| template.name.as_str())
            .collect()
    }

    /// Files must never be made of half a state.
    #[test]
    fn nothing_is_heard_before_the_state_is_whole() {
        let (mut inventory, mut whole) = (Inventory::new("test"), false);
        let mut take = |told| take(&mut inventory, &mut whole, told);
        assert_eq!(take(Told::Begins), Heard::Nothing);
        assert_eq!(take(Told::Rows(vec![template("a")])), Heard::Nothing);
        assert_eq!(
            take(Told::Events(vec![event(5, Change::Created, "b")])),
            Heard::Nothing
        );
        assert_eq!(take(Told::StateEnds(6)), Heard::State);
        let changed = take(Told::Events(vec![event(7, Change::Updated, "b")]));
        assert_eq!(changed, Heard::Changes([Kind::Template].into()));
        assert_eq!(take(Told::Progress(9)), Heard::Nothing);
        assert_eq!(inventory.revision(), 9);
    }

    #[test]
    fn what_is_deleted_or_told_anew_is_gone() {
        let (mut inventory, mut whole) = (Inventory::new("test"), true);
        let created = ["a", "b"].map(|name| event(5, Change::Created, name));
        take(&mut inventory, &mut whole, Told::Events(created.into()));
        take(
            &mut inventory,
            &mut whole,
            Told::Events(vec![event(6, Change::Deleted, "a")]),
        );
        assert_eq!((names(&inventory), inventory.revision()), (vec!["b"], 6));
        take(&mut inventory, &mut whole, Told::Begins);
        assert!(names(&inventory).is_empty() && !whole);
    }
}

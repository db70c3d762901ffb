//! One BMC is followed: by its event stream where it offers one, by looking now and then where it does not. What it says of the
//! power and health of its systems becomes state and flag of their components.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use model::Xname;
use proto::raft::v1::entry::Command;
use proto::smd::v1::smd_command::{Change, PatchComponents};
use proto::smd::v1::{Component, SmdCommand, component};
use redfish::{Event, Limits};
use rpc::Error;
use serde_json::Value;

use crate::Bmcs;
use crate::component_state::{Said, patch};
use crate::propose;

/// Where a tree begins.
const ROOT: &str = "/redfish/v1/";
/// One that tells of changes by itself is looked at so many times less often.
const LOOKS_SAVED: u32 = 10;
/// After an event the BMC may have more to say: so long it is waited before it is looked at.
const SETTLE: Duration = Duration::from_millis(300);
/// Events that are taken for one; a BMC that sends them without end is looked at all the same.
const EVENTS_TOGETHER_MAX: usize = 1_000;
/// The longest pause of one that does not answer.
const PAUSE_MAX: Duration = Duration::from_secs(600);

type Events = BoxStream<'static, Result<Event, redfish::Error>>;

/// The follower of one BMC.
pub(crate) struct Follower {
    bmcs: Bmcs,
    bmc: Xname,
    poll: Duration,
    /// What it said last of each node.
    said: BTreeMap<Xname, Said>,
}

impl Follower {
    pub(crate) fn new(bmcs: Bmcs, bmc: Xname, poll: Duration) -> Follower {
        Follower {
            bmcs,
            bmc,
            poll,
            said: BTreeMap::new(),
        }
    }

    /// For ever. One that does not answer changes nothing, and is asked less and less often.
    pub(crate) async fn run(mut self) {
        tokio::time::sleep(first_pause(&self.bmc, self.poll)).await;
        let mut pause = self.poll;
        loop {
            match Box::pin(self.bmcs.open(&self.bmc, &Limits::default())).await {
                Ok(open) => {
                    pause = self.poll;
                    let ended = self.attend(&open).await;
                    tracing::debug!(bmc = %self.bmc, error = %ended, "a BMC is to be opened again");
                    open.close().await;
                }
                Err(error) => {
                    tracing::debug!(bmc = %self.bmc, %error, "a BMC is not followed for now");
                    pause = (pause * 2).min(PAUSE_MAX.max(self.poll));
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Until it answers no more, or the session is over; says why.
    async fn attend(&mut self, open: &redfish::Bmc) -> redfish::Error {
        let mut events = events_of(open).await;
        loop {
            if let Err(error) = self.look(open).await {
                return error;
            }
            let pause = match events {
                Some(_) => self.poll * LOOKS_SAVED,
                None => self.poll,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                goes_on = next(&mut events) => {
                    tokio::time::sleep(SETTLE).await;
                    if !goes_on || !take_waiting(&mut events) {
                        events = None;
                    }
                }
            }
        }
    }

    /// Every system once.
    pub(crate) async fn look(&mut self, open: &redfish::Bmc) -> Result<(), redfish::Error> {
        for (node, uri) in self.systems() {
            let power = redfish::system_power(open, &uri).await?;
            let now = Said {
                power: power.state,
                health: power.health,
            };
            match self.tell(&node, &now).await {
                Ok(()) => {
                    self.said.insert(node, now);
                }
                // It is told again with the next look.
                Err(error) => tracing::debug!(%node, %error, "what a BMC said of a node was not stored"),
            }
        }
        Ok(())
    }

    fn systems(&self) -> Vec<(Xname, String)> {
        let state = self.bmcs.store().state();
        let behind = state.smd.component_endpoints_of(&self.bmc);
        let systems = behind.filter(|endpoint| endpoint.redfish_type == "ComputerSystem");
        let place = |endpoint: &proto::smd::v1::ComponentEndpoint| {
            Some((endpoint.id.parse().ok()?, endpoint.odata_id.clone()))
        };
        systems.filter_map(|endpoint| place(endpoint)).collect()
    }

    /// What was said becomes the component's, unless it changed since: a node that has become Ready is not on.
    async fn tell(&self, node: &Xname, now: &Said) -> Result<(), Error> {
        let store = self.bmcs.store();
        let Some(component) = store.state().smd.component(node) else {
            return Ok(());
        };
        let Some(patch) = patch(&component, self.said.get(node), now) else {
            return Ok(());
        };
        let change = Change::PatchComponents(PatchComponents {
            ids: vec![node.to_string()],
            state: patch.state.into(),
            flag: patch.flag.into(),
            if_revision: revision(&component),
            ..PatchComponents::default()
        });
        let command = Command::Smd(SmdCommand { change: Some(change) });
        let committed = store.propose_by(&propose::cluster(), command).await?;
        match committed.applied.refused.first() {
            Some(refused) => tracing::debug!(%node, reason = refused.reason, "the state of a node stays"),
            None => {
                tracing::info!(%node, state = ?state_name(patch.state), flag = ?patch.flag, "a BMC told of a node")
            }
        }
        Ok(())
    }
}

/// `None`: the flag alone.
fn state_name(state: component::State) -> Option<component::State> {
    (state != component::State::Unspecified).then_some(state)
}

fn revision(component: &Component) -> Option<u64> {
    let modified = component.meta.as_ref().and_then(|meta| meta.modified.as_ref());
    modified.map(|modified| modified.revision)
}

/// Spread over the first pause, always the same for one BMC: thousands must not be opened in one moment.
fn first_pause(bmc: &Xname, poll: Duration) -> Duration {
    let spread = bmc
        .as_str()
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    poll * (spread % 1000) / 1000
}

/// Its stream of events; `None` for one that offers none.
async fn events_of(open: &redfish::Bmc) -> Option<Events> {
    let root = open.get(ROOT).await.ok()?;
    let uri = root.pointer("/EventService/@odata.id").and_then(Value::as_str)?;
    let service = open.get(uri).await.ok()?;
    let is_enabled = service
        .get("ServiceEnabled")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let uri = service.get("ServerSentEventUri").and_then(Value::as_str)?;
    if !is_enabled || uri.is_empty() {
        return None;
    }
    match open.events(uri).await {
        Ok(events) => Some(events),
        Err(error) => {
            tracing::debug!(bmc = %open.address(), %error, "no events; it is looked at instead");
            None
        }
    }
}

/// Waits for an event; `false` if there will be no more.
async fn next(events: &mut Option<Events>) -> bool {
    match events {
        Some(events) => matches!(events.next().await, Some(Ok(_))),
        None => std::future::pending().await,
    }
}

/// Takes what has come by now: one look answers all of it. `false` if there will be no more.
fn take_waiting(events: &mut Option<Events>) -> bool {
    let Some(events) = events else { return true };
    for _ in 0..EVENTS_TOGETHER_MAX {
        match events.next().now_or_never() {
            Some(Some(Ok(_))) => {}
            Some(Some(Err(_)) | None) => return false,
            None => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            message_id: String::new(),
            origin: String::new(),
            severity: String::new(),
            message: String::new(),
        }
    }

    /// A BMC that tells of each of a hundred sensors is looked at once, not a hundred times.
    #[tokio::test]
    async fn events_that_came_together_are_one() {
        let burst = futures::stream::iter((0..100).map(|_| Ok(event())));
        let mut events: Option<Events> = Some(burst.chain(futures::stream::pending()).boxed());
        assert!(next(&mut events).await);
        assert!(take_waiting(&mut events));
        let another = next(&mut events).now_or_never();
        assert_eq!(another, None, "nothing is left");
        let mut ended: Option<Events> = Some(futures::stream::iter([Ok(event())]).boxed());
        assert!(!take_waiting(&mut ended));
    }

    #[test]
    fn bmcs_are_opened_one_after_another() {
        let poll = Duration::from_secs(30);
        let pauses: std::collections::BTreeSet<Duration> = (0..100)
            .map(|slot| first_pause(&format!("x1000c0s{slot}b0").parse().unwrap(), poll))
            .collect();
        assert!(pauses.len() > 50, "{}", pauses.len());
        assert!(pauses.iter().all(|pause| *pause < poll));
    }

    #[tokio::test]
    async fn a_stream_that_ends_is_no_event() {
        let mut events: Option<Events> = Some(futures::stream::iter([Ok(event())]).boxed());
        assert!(next(&mut events).await);
        assert!(!next(&mut events).await);
    }
}

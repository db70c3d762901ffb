//! Decides, with the other members, whether this one holds a network's service address; one per network.
//!
//! Joins the pure [`Election`] with the wire (adverts over UDP) and the claim (the helper). Runs on the
//! node-port runtime, as the claim does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use crate::advert::{AdvertKey, NETWORK_NAME_BYTES_MAX};
use crate::answers::Answers;
use crate::claim::{CLAIM_LIFE, Target};
use crate::client::{ClaimPort, ClaimState};
use crate::clients::{ClientNotes, Telling};
use crate::election::{Election, Input, Output, Timing};
pub use crate::exchange::AdvertCounters;
use crate::exchange::{Exchange, HeardAdvert};
use crate::held::{Held, HeldSender, Holding, Standing};
use crate::probe;
use crate::responders::Responders;

/// UDP port of the adverts unless the configuration says otherwise.
pub const ADVERT_PORT: u16 = 7442;
/// How often the election looks at the clock.
const TICK_EVERY: Duration = Duration::from_millis(50);
/// A decision to stand in for a silent holder is good for this long: some ticks, so that a late one changes nothing.
const STANDING_LIFE: Duration = Duration::from_millis(250);
/// How long leaving may take: the helper needs microseconds.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(1);

/// What a holder needs to know.
#[derive(Clone, Debug)]
pub struct HolderConfig {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the network, as in `[[network]]`; equal on every member.
    pub network: String,
    /// This member.
    pub member: u64,
    /// The other members' own addresses on this network, with the advert port. This member's own entry is ignored.
    pub peers: BTreeMap<u64, SocketAddr>,
    /// The cluster's key for adverts.
    pub key: AdvertKey,
    /// The election's times.
    pub timing: Timing,
    /// Microseconds since the Unix epoch at start (see [`crate::freshness`]).
    pub initial_sequence: u64,
    /// The service address and its interface.
    pub service: Target,
    /// Whether this member answers a share of the clients that all members hear.
    pub answers: Answers,
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// The name does not fit an advert.
    #[error(
        "network name {0:?} is longer than {NETWORK_NAME_BYTES_MAX} bytes: shorten `name` in [[network]]"
    )]
    NameTooLong(String),
}

/// Takes part for this member. Dropping it stops claiming; [`Holder::leave`] also tells the others.
#[derive(Debug)]
pub struct Holder {
    held: Held,
    counters: Arc<AdvertCounters>,
    clients: ClientNotes,
    leave: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Holder {
    /// Starts taking part over `socket`, bound to this member's own address on the network, claiming over `claims`.
    ///
    /// # Errors
    /// For a configuration that cannot work.
    pub fn start(config: HolderConfig, socket: UdpSocket, claims: ClaimPort) -> Result<Holder, HolderError> {
        let (sender, held) = Held::new();
        let counters = Arc::new(AdvertCounters::default());
        let (leave, left) = oneshot::channel();
        let (clients, telling) = Telling::new(config.service.address, Arc::clone(&counters));
        let part = Part {
            member: config.member,
            timing: config.timing,
            answers: config.answers.clone(),
            answering: BTreeMap::new(),
            exchange: Exchange::of(&config, socket, Arc::clone(&counters))?,
            telling,
            election: Election::new(&config.network, config.member, config.timing, Duration::ZERO),
            origin: Instant::now(),
            claim_ends: Instant::now(),
            network: config.network,
            service: config.service,
            claims,
            held: sender,
            held_here: held.clone(),
            counters: Arc::clone(&counters),
        };
        Ok(Holder {
            held,
            counters,
            clients,
            leave: Some(leave),
            task: tokio::spawn(part.run(left)),
        })
    }

    /// The answer to "do I hold it?".
    pub fn held(&self) -> Held {
        self.held.clone()
    }

    /// What was received and refused.
    pub fn counters(&self) -> Arc<AdvertCounters> {
        Arc::clone(&self.counters)
    }

    /// Where to note the TCP connections that clients open on the address.
    pub fn clients(&self) -> ClientNotes {
        self.clients.clone()
    }

    /// Gives the address up, tells the others, and ends: for a drain. Another member takes it at once.
    pub async fn leave(mut self) {
        if let Some(leave) = self.leave.take() {
            let _ = leave.send(()); // fails only if the task has ended
        }
        let _ = timeout(LEAVE_WAIT_MAX, &mut self.task).await;
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task's state.
struct Part {
    member: u64,
    timing: Timing,
    answers: Answers,
    /// The other members that answer a share of the clients, and when each last said so.
    answering: BTreeMap<u64, Instant>,
    network: String,
    service: Target,
    exchange: Exchange,
    telling: Telling,
    claims: ClaimPort,
    held: HeldSender,
    held_here: Held,
    counters: Arc<AdvertCounters>,
    election: Election,
    origin: Instant,
    /// When a claim that is neither confirmed nor renewed is lost, whatever the claiming task says.
    claim_ends: Instant,
}

impl Part {
    async fn run(mut self, mut left: oneshot::Receiver<()>) {
        let mut ticks = tokio::time::interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased; // the loss of the claim goes before everything that could still use it
                changed = self.claims.state.changed() => {
                    if changed.is_err() {
                        return; // the claiming task ended: so does the holding
                    }
                    self.claim_changed();
                }
                result = &mut left => {
                    if result.is_ok() {
                        self.input(Input::Leave);
                        self.claim_ended().await;
                    }
                    return;
                }
                _ = ticks.tick() => self.tick(),
                () = self.telling.due() => self.exchange.tell(&self.telling.batch().connections),
                heard = self.exchange.hear() => {
                    if let Some(HeardAdvert { from, holds, answers }) = heard {
                        self.note_answering(from, answers);
                        self.input(Input::Advert { from, holds });
                    }
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.act(input);
        let now = self.origin.elapsed();
        let stands_in = self.election.stands_in(now);
        let responders = self.responders();
        self.held.set_standing(Standing {
            responders,
            holder: self.election.holder(now),
            holder_heard: Some(self.origin + self.election.holder_heard()),
            stands_in_until: stands_in.then(|| self.origin + now + STANDING_LIFE),
        });
    }

    /// A member that says that it answers no more is followed at once.
    fn note_answering(&mut self, member: u64, answers: bool) {
        match answers {
            true => drop(self.answering.insert(member, Instant::now())),
            false => drop(self.answering.remove(&member)),
        }
    }

    /// The members that share the clients, as long as this one does.
    fn responders(&mut self) -> Option<Responders> {
        let live_for = self.timing.live_for;
        self.answering.retain(|_, heard| heard.elapsed() <= live_for);
        self.answers.now().then(|| Responders {
            me: self.member,
            others: self.answering.iter().map(|(id, heard)| (*id, *heard)).collect(),
            silent_after: self.timing.stand_in_after,
        })
    }

    fn act(&mut self, input: Input) {
        for output in self.election.handle(self.origin.elapsed(), input) {
            match output {
                Output::Take => {
                    tracing::info!(network = %self.network, "taking the service address");
                    self.claim_ends = Instant::now() + CLAIM_LIFE;
                    self.claims.wanted.send_modify(|wanted| wanted.claim = true);
                }
                Output::Release => {
                    tracing::info!(network = %self.network, "giving up the service address");
                    self.held.set(Holding::No); // first: nobody answers on an address that is about to go
                    self.claims.wanted.send_modify(|wanted| wanted.claim = false);
                }
                Output::Announce => self.claims.wanted.send_modify(|wanted| wanted.announcements += 1),
                Output::Advertise { holds } => self.exchange.advertise(holds, self.answers.now()),
            }
        }
    }

    fn tick(&mut self) {
        if self.election.holds() && Instant::now() >= self.claim_ends {
            tracing::warn!(network = %self.network, "the claim to the service address was not renewed");
            self.input(Input::ClaimLost);
        }
        self.input(Input::Tick);
    }

    fn claim_changed(&mut self) {
        let state = self.claims.state.borrow_and_update().clone();
        match state {
            ClaimState::Held { until } if self.election.holds() => {
                self.claim_ends = until;
                if self.held.set(Holding::Until(until)) {
                    tracing::info!(network = %self.network, "holding the service address");
                    self.free_clients();
                }
            }
            ClaimState::Lost { reason } if self.election.holds() => {
                tracing::warn!(network = %self.network, %reason, "lost the claim to the service address");
                self.input(Input::ClaimLost);
            }
            ClaimState::Held { .. } | ClaimState::Lost { .. } | ClaimState::Idle => {}
        }
    }

    /// Waits until the claim is no longer wanted and no longer held; bounded by [`Holder::leave`].
    async fn claim_ended(&mut self) {
        let _ = self
            .claims
            .state
            .wait_for(|state| !matches!(state, ClaimState::Held { .. }))
            .await;
    }

    /// The clients of the one that had the address: nobody else can tell them that it has vanished.
    fn free_clients(&mut self) {
        let connections = self.exchange.take_known();
        let counters = Arc::clone(&self.counters);
        probe::free_in_background(
            self.service.clone(),
            self.held_here.clone(),
            connections,
            counters,
        );
    }
}

#[cfg(test)]
#[path = "holder_tests.rs"]
mod tests;

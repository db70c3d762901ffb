//! Decides, with the other members, whether this one holds a network's service address; one per network.
//!
//! Joins the pure [`Election`] with the wire (adverts over UDP) and the claim (the helper). Runs on the
//! node-port runtime, as the claim does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use crate::advert::{ADVERT_BYTES_MAX, Advert, AdvertError, AdvertKey, ClusterTag, NETWORK_NAME_BYTES_MAX};
use crate::claim::CLAIM_LIFE;
use crate::client::{ClaimPort, ClaimState};
use crate::election::{Election, Input, Output, Timing};
use crate::freshness::Freshness;
use crate::held::{Held, HeldSender, Holding, Standing};

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

/// What was received and not believed, by reason; all count from the start of the holder.
#[derive(Debug, Default)]
pub struct AdvertCounters {
    /// Believed.
    pub accepted: AtomicU64,
    /// Not the layout, or too long.
    pub malformed: AtomicU64,
    /// Wrong HMAC.
    pub forged: AtomicU64,
    /// For another cluster, network or member.
    pub misdirected: AtomicU64,
    /// Replayed, late, or from a peer that has not heard this member yet.
    pub stale: AtomicU64,
    /// Adverts that could not be sent (no route, for example).
    pub unsent: AtomicU64,
}

/// Takes part for this member. Dropping it stops claiming; [`Holder::leave`] also tells the others.
#[derive(Debug)]
pub struct Holder {
    held: Held,
    counters: Arc<AdvertCounters>,
    leave: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Holder {
    /// Starts taking part over `socket`, bound to this member's own address on the network, claiming over `claims`.
    ///
    /// # Errors
    /// For a configuration that cannot work.
    pub fn start(config: HolderConfig, socket: UdpSocket, claims: ClaimPort) -> Result<Holder, HolderError> {
        if config.network.len() > NETWORK_NAME_BYTES_MAX {
            return Err(HolderError::NameTooLong(config.network));
        }
        let (sender, held) = Held::new();
        let counters = Arc::new(AdvertCounters::default());
        let (leave, left) = oneshot::channel();
        let part = Part::new(config, socket, claims, sender, Arc::clone(&counters));
        Ok(Holder {
            held,
            counters,
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
    config: HolderConfig,
    cluster: ClusterTag,
    socket: UdpSocket,
    claims: ClaimPort,
    held: HeldSender,
    counters: Arc<AdvertCounters>,
    freshness: Freshness,
    election: Election,
    origin: Instant,
    /// When a claim that is neither confirmed nor renewed is lost, whatever the claiming task says.
    claim_ends: Instant,
}

impl Part {
    fn new(
        mut config: HolderConfig,
        socket: UdpSocket,
        claims: ClaimPort,
        held: HeldSender,
        counters: Arc<AdvertCounters>,
    ) -> Part {
        config.peers.remove(&config.member);
        Part {
            cluster: ClusterTag::of(&config.cluster),
            freshness: Freshness::new(config.initial_sequence, config.peers.keys().copied()),
            election: Election::new(&config.network, config.member, config.timing, Duration::ZERO),
            origin: Instant::now(),
            claim_ends: Instant::now(),
            config,
            socket,
            claims,
            held,
            counters,
        }
    }

    async fn run(mut self, mut left: oneshot::Receiver<()>) {
        let mut ticks = tokio::time::interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut datagram = [0; ADVERT_BYTES_MAX + 1];
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
                received = self.socket.recv_from(&mut datagram) => {
                    // an error is an ICMP answer to something we sent: the peer is down, which its silence tells
                    if let Ok((len, _)) = received {
                        self.received(&datagram[..len]);
                    }
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.act(input);
        let now = self.origin.elapsed();
        let stands_in = self.election.stands_in(now);
        self.held.set_standing(Standing {
            holder_heard: Some(self.origin + self.election.holder_heard()),
            stands_in_until: stands_in.then(|| self.origin + now + STANDING_LIFE),
        });
    }

    fn act(&mut self, input: Input) {
        for output in self.election.handle(self.origin.elapsed(), input) {
            match output {
                Output::Take => {
                    tracing::info!(network = %self.config.network, "taking the service address");
                    self.claim_ends = Instant::now() + CLAIM_LIFE;
                    self.claims.wanted.send_modify(|wanted| wanted.claim = true);
                }
                Output::Release => {
                    tracing::info!(network = %self.config.network, "giving up the service address");
                    self.held.set(Holding::No); // first: nobody answers on an address that is about to go
                    self.claims.wanted.send_modify(|wanted| wanted.claim = false);
                }
                Output::Announce => self.claims.wanted.send_modify(|wanted| wanted.announcements += 1),
                Output::Advertise { holds } => self.advertise(holds),
            }
        }
    }

    fn tick(&mut self) {
        if self.election.holds() && Instant::now() >= self.claim_ends {
            tracing::warn!(network = %self.config.network, "the claim to the service address was not renewed");
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
                    tracing::info!(network = %self.config.network, "holding the service address");
                }
            }
            ClaimState::Lost { reason } if self.election.holds() => {
                tracing::warn!(network = %self.config.network, %reason, "lost the claim to the service address");
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

    fn advertise(&mut self, holds: bool) {
        for (peer, address) in &self.config.peers {
            let advert = Advert {
                cluster: self.cluster,
                network: self.config.network.clone(),
                from: self.config.member,
                to: *peer,
                sequence: self.freshness.next_sequence(),
                heard: self.freshness.heard(*peer),
                holds,
            };
            // a full buffer or a missing route loses this advert, not the next one
            if self
                .socket
                .try_send_to(&advert.encode(&self.config.key), *address)
                .is_err()
            {
                self.counters.unsent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn received(&mut self, datagram: &[u8]) {
        let (counter, believed) = self.judge(datagram);
        counter(&self.counters).fetch_add(1, Ordering::Relaxed);
        if let Some(advert) = believed {
            self.input(Input::Advert {
                from: advert.from,
                holds: advert.holds,
            });
        }
    }

    /// Which counter a datagram belongs to, and the advert if it is believed.
    fn judge(&mut self, bytes: &[u8]) -> (fn(&AdvertCounters) -> &AtomicU64, Option<Advert>) {
        let advert = match Advert::decode(bytes, &self.config.key) {
            Ok(advert) => advert,
            Err(AdvertError::Malformed) => return (|counters| &counters.malformed, None),
            Err(AdvertError::Forged) => return (|counters| &counters.forged, None),
        };
        let for_us = advert.cluster == self.cluster
            && advert.network == self.config.network
            && advert.to == self.config.member;
        if !for_us {
            return (|counters| &counters.misdirected, None);
        }
        match self.freshness.accept(&advert) {
            Ok(()) => (|counters| &counters.accepted, Some(advert)),
            Err(stale) => {
                tracing::debug!(network = %self.config.network, from = advert.from, %stale, "advert not believed");
                (|counters| &counters.stale, None)
            }
        }
    }
}

#[cfg(test)]
#[path = "holder_tests.rs"]
mod tests;

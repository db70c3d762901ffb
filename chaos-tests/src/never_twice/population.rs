//! Emulated clients behind one port of the bridge, and the thread that lets them live.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lab::machine::Namespace;

use super::cable::Cable;
use super::client::{Client, Event, How, Step};
use super::frame::{self, Heard, Mac};
use super::holdings::Note;
use super::message::Answer;

/// Longest frame.
const FRAME_BYTES_MAX: usize = 2048;
/// Longest wait for a frame, so that an end is seen.
const LOOK: Duration = Duration::from_millis(50);
/// Pause between two questions for the server's MAC: it moves with the service address.
const ASK_EVERY_MS: u64 = 500;

/// What the clients of a running population have come to, as it goes on.
#[derive(Debug, Default)]
pub struct Counts {
    /// Leases begun: DHCPDISCOVER to DHCPACK, or an address that was remembered and confirmed.
    pub bindings: AtomicU64,
    /// Leases that were made longer.
    pub renewals: AtomicU64,
    /// DHCPNAKs.
    pub refusals: AtomicU64,
    /// Addresses given back.
    pub stops: AtomicU64,
}

impl Counts {
    fn add(&self, event: &Event) {
        let counter = match event {
            Event::Acked { how, .. } => match how {
                How::Selecting | How::InitReboot => &self.bindings,
                How::Renewing | How::Rebinding => &self.renewals,
            },
            Event::Stopped { why, .. } if *why != super::client::Why::Refused => &self.stops,
            Event::Stopped { .. } => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A running population.
#[derive(Debug)]
pub struct Population {
    thread: JoinHandle<Vec<Note>>,
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

impl Population {
    /// Switches the clients on in a namespace. `server` is the service address; times are counted from `epoch` on.
    pub fn start(
        namespace: &Namespace,
        own: Mac,
        server: Ipv4Addr,
        clients: Vec<Client>,
        epoch: Instant,
    ) -> Population {
        let (stop, counts) = (Arc::<AtomicBool>::default(), Arc::<Counts>::default());
        let (namespace, is_stopped, counted) = (namespace.clone(), Arc::clone(&stop), Arc::clone(&counts));
        let thread = std::thread::spawn(move || {
            let mut street = Street::new(Cable::plug(&namespace), own, server, clients, epoch, counted);
            while !is_stopped.load(Ordering::Relaxed) {
                street.live();
            }
            street.notes
        });
        Population { thread, stop, counts }
    }

    /// So far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends it; what its clients have noted.
    pub fn finish(self) -> Vec<Note> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The clients and their common cable.
struct Street {
    cable: Cable,
    own: Mac,
    server: Ipv4Addr,
    server_mac: Option<Mac>,
    asked_ms: u64,
    clients: Vec<Client>,
    by_mac: BTreeMap<Mac, usize>,
    /// Who was last given an address.
    by_address: BTreeMap<Ipv4Addr, usize>,
    alarms: BinaryHeap<Reverse<(u64, usize)>>,
    epoch: Instant,
    notes: Vec<Note>,
    counts: Arc<Counts>,
}

impl Street {
    fn new(
        cable: Cable,
        own: Mac,
        server: Ipv4Addr,
        mut clients: Vec<Client>,
        epoch: Instant,
        counts: Arc<Counts>,
    ) -> Street {
        let offset_ms = u64::try_from(epoch.elapsed().as_millis()).unwrap();
        clients
            .iter_mut()
            .for_each(|client| client.switch_on_after(offset_ms));
        let alarm = |(place, client): (usize, &Client)| Reverse((client.wakes_at_ms(), place));
        Street {
            alarms: clients.iter().enumerate().map(alarm).collect(),
            by_mac: clients
                .iter()
                .enumerate()
                .map(|(place, client)| (client.mac(), place))
                .collect(),
            by_address: BTreeMap::new(),
            cable,
            own,
            server,
            server_mac: None,
            asked_ms: 0,
            clients,
            epoch,
            notes: Vec::new(),
            counts,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap()
    }

    /// What is due, then what comes until the next is due.
    fn live(&mut self) {
        let now = self.now_ms();
        while let Some(Reverse((at, place))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            self.wake(place, at);
        }
        if now >= self.asked_ms + ASK_EVERY_MS {
            self.asked_ms = now;
            self.cable.send(&frame::who_has(self.own, self.server));
        }
        let next = self.alarms.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let pause = Duration::from_millis(next.saturating_sub(now)).min(LOOK);
        let mut buffer = [0; FRAME_BYTES_MAX];
        if let Some(length) = self.cable.receive(&mut buffer, pause) {
            self.hear(&buffer[..length]);
        }
    }

    fn wake(&mut self, place: usize, at: u64) {
        let now = self.now_ms();
        // the alarm of a plan that has changed since means nothing
        if self.clients[place].wakes_at_ms() != at {
            return;
        }
        let step = self.clients[place].wake(now);
        self.take(place, step, now);
    }

    fn hear(&mut self, bytes: &[u8]) {
        match frame::read(bytes) {
            Some(Heard::ToClients(payload)) => {
                let Some(answer) = Answer::decode(payload) else {
                    return;
                };
                let Some(place) = self.by_mac.get(&answer.mac).copied() else {
                    return;
                };
                if answer.kind == super::message::Kind::Nak {
                    self.counts.refusals.fetch_add(1, Ordering::Relaxed);
                }
                let now = self.now_ms();
                let step = self.clients[place].hear(&answer, now);
                self.take(place, step, now);
            }
            Some(Heard::Has { mac, address }) if address == self.server => self.server_mac = Some(mac),
            Some(Heard::WhoHas { mac, sender, target }) => {
                let now = self.now_ms();
                let owner = self.by_address.get(&target).map(|place| &self.clients[*place]);
                if let Some(owner) = owner.filter(|owner| owner.has(target, now)) {
                    self.cable.send(&frame::has((owner.mac(), target), (mac, sender)));
                }
            }
            Some(Heard::Has { .. }) | None => {}
        }
    }

    fn take(&mut self, place: usize, step: Step, now: u64) {
        let client = self.clients[place].mac();
        for event in step.events {
            if let Event::Acked { address, .. } = event {
                self.by_address.insert(address, place);
            }
            self.counts.add(&event);
            self.notes.push(Note {
                at_ms: now,
                client,
                event,
            });
        }
        for sent in step.sent {
            let own = sent.message.own.unwrap_or(Ipv4Addr::UNSPECIFIED);
            let to = match (sent.unicast, self.server_mac) {
                (false, _) => None,
                (true, Some(mac)) => Some((mac, self.server)),
                // who does not know where the server is cannot reach it
                (true, None) => continue,
            };
            self.cable
                .send(&frame::to_server((client, own), to, &sent.message.encode()));
        }
        self.alarms
            .push(Reverse((self.clients[place].wakes_at_ms(), place)));
    }
}

//! One emulated client: what it sends when, what it makes of answers, and which address it takes itself to have. Pure: time
//! comes from outside, milliseconds since the run began.
//!
//! It is no better than clients are: it boots in stages that each ask anew, renews early or late, comes back after a power
//! cycle with the address it remembers, gives addresses back or vanishes with them, finds them in use, takes another
//! server's offer, and sends packets twice. It counts a lease from the moment that the DHCPACK comes, as udhcpc and dhclient do.

use std::net::Ipv4Addr;

use super::frame::Mac;
use super::message::{Answer, Kind, Message};
use crate::dice::Dice;

/// Pause before a repetition: iPXE's first.
const REPEAT_MS: u64 = 1000;
/// DHCPDISCOVERs of one try.
const DISCOVERS_MAX: u32 = 4;
/// DHCPREQUESTs of one try.
const REQUESTS_MAX: u32 = 3;
/// A server that is not there.
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 77);

/// How a client came by a DHCPACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It took an offer.
    Selecting,
    /// It remembered the address.
    InitReboot,
    /// By unicast to the server, with the address in use.
    Renewing,
    /// By broadcast, with the address in use.
    Rebinding,
}

/// Why a client stops using an address before its lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// DHCPRELEASE.
    Released,
    /// DHCPDECLINE.
    Declined,
    /// DHCPNAK.
    Refused,
}

/// What a client notes about its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It may use the address until then.
    Acked {
        /// The address.
        address: Ipv4Addr,
        /// By its own clock.
        until_ms: u64,
        /// How it was asked for.
        how: How,
    },
    /// It uses the address no longer.
    Stopped {
        /// The address.
        address: Ipv4Addr,
        /// Why.
        why: Why,
    },
}

/// A message, and whether it goes to the server alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message.
    pub message: Message,
    /// To the address in option 54, else to everybody.
    pub unicast: bool,
}

/// What comes of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Messages, in order.
    pub sent: Vec<Sent>,
    /// Notes, in order.
    pub events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    Selecting,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Rebooting,
    Bound(Plan),
    Renewing,
    Rebinding,
}

/// What a client with an address does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// The next stage of its boot asks anew.
    NextStage,
    /// It is switched off and on, and remembers the address.
    PowerCycle,
    Renew,
    Release,
    Decline,
    /// It is gone without a word.
    Vanish,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    address: Ipv4Addr,
    server: Ipv4Addr,
    begun_ms: u64,
    until_ms: u64,
}

impl Lease {
    /// RFC 2131 section 4.4.5: half of it, then seven eighths.
    fn after(&self, eighths: u64) -> u64 {
        self.begun_ms + (self.until_ms - self.begun_ms) * eighths / 8
    }
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    mac: Mac,
    client_id: Vec<u8>,
    dice: Dice,
    phase: Phase,
    tries: u32,
    xid: u32,
    wake_ms: u64,
    lease: Option<Lease>,
    declines_left: u32,
}

impl Client {
    /// A client that is switched on within the first seconds. `declines` is how often it will find an address in use.
    pub fn new(mac: Mac, client_id: Vec<u8>, declines: u32, mut dice: Dice) -> Client {
        Client {
            mac,
            client_id,
            phase: Phase::Off,
            tries: 0,
            xid: 0,
            wake_ms: dice.below(4000),
            lease: None,
            declines_left: declines,
            dice,
        }
    }

    /// So many milliseconds later than it would have been.
    pub fn switch_on_after(&mut self, ms: u64) {
        self.wake_ms += ms;
    }

    /// Its MAC.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// When it wants to do something next.
    pub fn wakes_at_ms(&self) -> u64 {
        self.wake_ms
    }

    /// Whether it answers for an address.
    pub fn has(&self, address: Ipv4Addr, now_ms: u64) -> bool {
        let lease = self.lease(now_ms);
        lease.is_some_and(|lease| lease.address == address) && self.phase != Phase::Off
    }

    fn lease(&self, now_ms: u64) -> Option<Lease> {
        self.lease.filter(|lease| lease.until_ms > now_ms)
    }

    /// Its time has come.
    pub fn wake(&mut self, now_ms: u64) -> Step {
        let mut step = Step::default();
        match self.phase {
            Phase::Off => self.discover(now_ms, &mut step),
            Phase::Selecting if self.tries >= DISCOVERS_MAX => self.sleep(now_ms, 1000, 6000),
            Phase::Requesting { .. } if self.tries >= REQUESTS_MAX => self.sleep(now_ms, 100, 1000),
            Phase::Selecting | Phase::Requesting { .. } => self.say_again(now_ms, &mut step),
            Phase::Rebooting if self.tries < REQUESTS_MAX => self.say_again(now_ms, &mut step),
            // RFC 2131 section 3.2: without an answer it may go on with what it had
            Phase::Rebooting => match self.lease(now_ms) {
                Some(lease) => self.plan_to_renew(&lease, now_ms),
                None => self.discover(now_ms, &mut step),
            },
            Phase::Bound(plan) => self.act(plan, now_ms, &mut step),
            Phase::Renewing | Phase::Rebinding => self.keep_asking(now_ms, &mut step),
        }
        step
    }

    /// An answer has come; most are for others, or too late.
    pub fn hear(&mut self, answer: &Answer, now_ms: u64) -> Step {
        let mut step = Step::default();
        if answer.mac != self.mac || answer.xid != self.xid {
            return step;
        }
        let how = match self.phase {
            Phase::Selecting => {
                if let (Kind::Offer, Some(server)) = (answer.kind, answer.server) {
                    self.take_offer(answer.address, server, now_ms, &mut step);
                }
                return step;
            }
            Phase::Requesting { .. } => How::Selecting,
            Phase::Rebooting => How::InitReboot,
            Phase::Renewing => How::Renewing,
            Phase::Rebinding => How::Rebinding,
            Phase::Off | Phase::Bound(_) => return step,
        };
        match (answer.kind, answer.lease_s, answer.server) {
            (Kind::Ack, Some(lease_s), Some(server)) => {
                let until_ms = now_ms + u64::from(lease_s) * 1000;
                let lease = Lease {
                    address: answer.address,
                    server,
                    begun_ms: now_ms,
                    until_ms,
                };
                self.lease = Some(lease);
                let address = answer.address;
                step.events.push(Event::Acked {
                    address,
                    until_ms,
                    how,
                });
                self.plan(&lease, now_ms);
            }
            (Kind::Nak, _, _) => {
                self.stop(Why::Refused, &mut step);
                self.sleep(now_ms, 100, 1000);
            }
            _ => {}
        }
        step
    }

    fn take_offer(&mut self, address: Ipv4Addr, server: Ipv4Addr, now_ms: u64, step: &mut Step) {
        let is_other = self.dice.chance(1);
        self.phase = Phase::Requesting {
            address,
            server: if is_other { OTHER_SERVER } else { server },
        };
        self.tries = if is_other { REQUESTS_MAX } else { 1 };
        self.say(now_ms, step);
    }

    fn plan(&mut self, lease: &Lease, now_ms: u64) {
        let plan = match self.dice.below(100) {
            0..45 => Plan::NextStage,
            45..58 => Plan::PowerCycle,
            58..78 => Plan::Renew,
            78..86 => Plan::Release,
            86..88 if self.declines_left > 0 => Plan::Decline,
            _ => Plan::Vanish,
        };
        if plan == Plan::Renew {
            self.plan_to_renew(lease, now_ms);
            return;
        }
        self.phase = Phase::Bound(plan);
        self.wake_ms = now_ms + 300 + self.dice.below(3000);
    }

    /// At T1, or before: nothing forbids it.
    fn plan_to_renew(&mut self, lease: &Lease, now_ms: u64) {
        self.phase = Phase::Bound(Plan::Renew);
        let t1 = lease.after(4).saturating_sub(now_ms);
        self.wake_ms = now_ms
            + if self.dice.chance(50) {
                t1
            } else {
                self.dice.below(t1 + 1)
            };
    }

    fn act(&mut self, plan: Plan, now_ms: u64, step: &mut Step) {
        let Some(lease) = self.lease(now_ms) else {
            return self.discover(now_ms, step);
        };
        match plan {
            Plan::NextStage => self.discover(now_ms, step),
            Plan::PowerCycle => self.begin(Phase::Rebooting, now_ms, step),
            Plan::Renew => self.begin(Phase::Renewing, now_ms, step),
            Plan::Vanish => {
                // it comes back before its lease ends, or after
                let most = (lease.until_ms - now_ms) * 2;
                self.sleep(now_ms, 0, most);
            }
            Plan::Release => {
                self.stop(Why::Released, step);
                let message = self.message(Kind::Release, Some(lease.address), None, Some(lease.server));
                self.send(message, true, step);
                self.sleep(now_ms, 100, 5000);
            }
            Plan::Decline => {
                self.declines_left -= 1;
                self.stop(Why::Declined, step);
                let message = self.message(Kind::Decline, None, Some(lease.address), Some(lease.server));
                self.send(message, false, step);
                self.sleep(now_ms, 10_000, 12_000); // RFC 2131 section 3.1: ten seconds
            }
        }
    }

    /// By unicast until T2, by broadcast from then on, and no longer than the lease lasts.
    fn keep_asking(&mut self, now_ms: u64, step: &mut Step) {
        let Some(lease) = self.lease(now_ms) else {
            self.lease = None;
            return self.discover(now_ms, step);
        };
        let gives_up = self.tries >= REQUESTS_MAX || now_ms >= lease.after(7);
        if self.phase == Phase::Renewing && gives_up {
            self.begin(Phase::Rebinding, now_ms, step);
        } else {
            self.say_again(now_ms, step);
        }
    }

    fn discover(&mut self, now_ms: u64, step: &mut Step) {
        self.begin(Phase::Selecting, now_ms, step);
    }

    fn begin(&mut self, phase: Phase, now_ms: u64, step: &mut Step) {
        self.phase = phase;
        self.tries = 1;
        self.xid = (self.dice.bits() >> 32) as u32;
        self.say(now_ms, step);
    }

    fn say_again(&mut self, now_ms: u64, step: &mut Step) {
        self.tries += 1;
        self.say(now_ms, step);
    }

    fn say(&mut self, now_ms: u64, step: &mut Step) {
        let has = self.lease.map(|lease| lease.address);
        let (message, unicast) = match self.phase {
            Phase::Selecting => (self.message(Kind::Discover, None, has, None), false),
            Phase::Requesting { address, server } => (
                self.message(Kind::Request, None, Some(address), Some(server)),
                false,
            ),
            Phase::Rebooting => (self.message(Kind::Request, None, has, None), false),
            Phase::Renewing => (self.message(Kind::Request, has, None, None), true),
            Phase::Rebinding => (self.message(Kind::Request, has, None, None), false),
            Phase::Off | Phase::Bound(_) => return,
        };
        self.send(message, unicast, step);
        self.wake_ms = now_ms + REPEAT_MS * u64::from(self.tries) + self.dice.below(200);
    }

    fn send(&mut self, message: Message, unicast: bool, step: &mut Step) {
        let sent = Sent { message, unicast };
        if self.dice.chance(5) {
            step.sent.push(sent.clone());
        }
        step.sent.push(sent);
    }

    fn message(
        &self,
        kind: Kind,
        own: Option<Ipv4Addr>,
        requested: Option<Ipv4Addr>,
        server: Option<Ipv4Addr>,
    ) -> Message {
        Message {
            kind,
            xid: self.xid,
            mac: self.mac,
            client_id: self.client_id.clone(),
            own,
            requested,
            server,
        }
    }

    fn stop(&mut self, why: Why, step: &mut Step) {
        if let Some(lease) = self.lease.take() {
            let address = lease.address;
            step.events.push(Event::Stopped { address, why });
        }
    }

    fn sleep(&mut self, now_ms: u64, least_ms: u64, most_ms: u64) {
        self.phase = Phase::Off;
        self.wake_ms = now_ms + least_ms + self.dice.below(most_ms.saturating_sub(least_ms) + 1);
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

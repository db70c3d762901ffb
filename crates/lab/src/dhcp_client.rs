//! A node's DORA: DISCOVER, OFFER, REQUEST, ACK through the relay, with the retransmissions of real clients.

use std::net::Ipv4Addr;
use std::time::Duration;

use model::MacAddr;
use tokio::time::{Instant, timeout_at};

use crate::dhcp_packet::{Answer, Kind, Question, RELAY_INFORMATION};
use crate::outage::Outage;
use crate::pace::Pace;
use crate::relay::{Exchange, Relay};
use crate::rng::Rng;

/// First wait for an answer, seconds; doubles with each retransmission (RFC 2131, 4.1).
const FIRST_WAIT_S: u32 = 4;
/// Random part of each wait, seconds either way.
const JITTER_S: u32 = 1;
/// Transmissions of one message: waits of 4, 8, 16 and 32 s.
const TRANSMISSIONS_MAX: u32 = 4;
/// Exchanges under a new xid each, before the firmware gives up on the network.
const TRIES_MAX: u32 = 3;

/// What a node got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DhcpLease {
    pub(crate) address: Ipv4Addr,
    /// Option 67: what to boot.
    pub(crate) bootfile: String,
}

/// Why a node has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DhcpError {
    #[error("no answer in {TRIES_MAX} tries of {TRANSMISSIONS_MAX} transmissions")]
    NoAnswer,
    #[error("refused (NAK) in each of {TRIES_MAX} tries")]
    Refused,
    #[error("{kind:?}: {problem}")]
    Wrong { kind: Kind, problem: String },
}

/// How one try ended without a lease and without a mistake of the server.
enum Unlucky {
    Silence,
    Nak,
}

/// The node that asks.
pub(crate) struct DhcpClient<'a> {
    pub(crate) relay: &'a Relay,
    pub(crate) mac: MacAddr,
    /// The address that it must be given.
    pub(crate) expected: Ipv4Addr,
    pub(crate) pace: Pace,
}

impl DhcpClient<'_> {
    /// Gets the lease.
    ///
    /// # Errors
    /// After all tries, or at once when the server gives what is not this node's.
    pub(crate) async fn acquire(&self, rng: &mut Rng, outage: &mut Outage) -> Result<DhcpLease, DhcpError> {
        let began = Instant::now();
        let mut error = DhcpError::NoAnswer;
        for _ in 0..TRIES_MAX {
            match self.attempt(began, rng, outage).await? {
                Ok(lease) => return Ok(lease),
                Err(Unlucky::Silence) => error = DhcpError::NoAnswer,
                Err(Unlucky::Nak) => error = DhcpError::Refused,
            }
        }
        Err(error)
    }

    async fn attempt(
        &self,
        began: Instant,
        rng: &mut Rng,
        outage: &mut Outage,
    ) -> Result<Result<DhcpLease, Unlucky>, DhcpError> {
        let mut exchange = self.relay.exchange();
        let question = Question {
            kind: Kind::Discover,
            xid: exchange.xid,
            secs: 0,
            mac: self.mac,
            relay: self.relay.address(),
            selected: None,
        };
        let Some(offer) = self.ask(&mut exchange, question, began, rng, outage).await else {
            return Ok(Err(Unlucky::Silence));
        };
        let selected = self.check(&offer)?;
        let request = Question {
            kind: Kind::Request,
            selected: Some((selected, offer.address)),
            ..question
        };
        let Some(ack) = self.ask(&mut exchange, request, began, rng, outage).await else {
            return Ok(Err(Unlucky::Silence));
        };
        if ack.kind == Kind::Nak {
            return Ok(Err(Unlucky::Nak));
        }
        self.check(&ack)?;
        match ack.bootfile {
            Some(bootfile) => Ok(Ok(DhcpLease {
                address: ack.address,
                bootfile,
            })),
            None => Err(wrong(&ack, "no bootfile (option 67) for iPXE")),
        }
    }

    /// Sends a message, again and again with growing waits, until an answer of its kind comes.
    async fn ask(
        &self,
        exchange: &mut Exchange<'_>,
        mut question: Question,
        began: Instant,
        rng: &mut Rng,
        outage: &mut Outage,
    ) -> Option<Answer> {
        let mut wait_s = FIRST_WAIT_S;
        for _ in 0..TRANSMISSIONS_MAX {
            let sent = Instant::now();
            question.secs = self.secs(began);
            exchange.send(&question.encode()).await;
            let deadline = sent + rng.around(self.pace.seconds(wait_s), self.pace.seconds(JITTER_S));
            while let Ok(answer) = timeout_at(deadline, exchange.answer()).await {
                if answers(question.kind, answer.kind) {
                    outage.answered();
                    return Some(answer);
                }
            }
            outage.failed(sent);
            wait_s *= 2;
        }
        None
    }

    fn secs(&self, began: Instant) -> u16 {
        let second = self.pace.seconds(1).max(Duration::from_nanos(1));
        u16::try_from(began.elapsed().as_nanos() / second.as_nanos()).unwrap_or(u16::MAX)
    }

    /// Whether an answer is for this node, from a server it may know, and came back as the relay needs it; gives the
    /// server.
    fn check(&self, answer: &Answer) -> Result<Ipv4Addr, DhcpError> {
        if answer.mac != self.mac {
            return Err(wrong(answer, &format!("it is for {}, another node", answer.mac)));
        }
        if answer.address != self.expected {
            return Err(wrong(
                answer,
                &format!("it gives {}, not this node's {}", answer.address, self.expected),
            ));
        }
        let Some(server) = answer.server.filter(|server| self.relay.serves(*server)) else {
            let named = answer
                .server
                .map_or("nothing".to_owned(), |named| named.to_string());
            let servers = self.relay.server_names();
            return Err(wrong(
                answer,
                &format!("option 54 names {named}, not the service address {servers}"),
            ));
        };
        if answer.relay != self.relay.address()
            || answer.relay_information.as_deref() != Some(RELAY_INFORMATION)
        {
            return Err(wrong(
                answer,
                "giaddr or option 82 did not come back as the relay sent them",
            ));
        }
        if answer.lease_s.is_none_or(|seconds| seconds == 0) {
            return Err(wrong(answer, "no lease time (option 51)"));
        }
        Ok(server)
    }
}

/// Late answers to an earlier message of the same exchange do not count.
fn answers(question: Kind, answer: Kind) -> bool {
    match question {
        Kind::Discover => answer == Kind::Offer,
        Kind::Request => matches!(answer, Kind::Ack | Kind::Nak),
        Kind::Offer | Kind::Ack | Kind::Nak => false,
    }
}

fn wrong(answer: &Answer, problem: &str) -> DhcpError {
    DhcpError::Wrong {
        kind: answer.kind,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
#[path = "dhcp_client_tests.rs"]
mod tests;

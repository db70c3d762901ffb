//! Looks for BMCs: which places of a network answer as one.

mod jaws;
mod pace;
mod plan;
mod progress;
mod ranges;
mod targets;

use std::panic::AssertUnwindSafe;

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use redfish::{Address, Connector, Error, Limits, ServiceRoot, Trust};
use tokio::time::Instant;

use pace::Pace;
pub use plan::{PLACES_MAX, ScanPlan};
use progress::Progress;

/// A place that answered as a BMC, or as a PDU.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub address: Address,
    /// `redfish` or `jaws`.
    pub service: String,
    /// What its service root says; of a PDU nothing.
    pub root: ServiceRoot,
    /// SHA-256 of the public key that it showed (SPKI, DER), 64 hex digits; empty without TLS.
    pub key_sha256: String,
}

/// What happened in a scan.
#[derive(Clone, Debug)]
pub enum Step {
    /// A place answered.
    Found(Found),
    /// All places of the plan below this number are done, and what was found there has been told. A scan that is taken over
    /// goes on here; what is between here and where the first one was is asked twice.
    Asked(u64),
}

/// Asks every place of `plan` from number `from` on, and tells `sink` what it finds. It ends with `Step::Asked(plan.len())`;
/// dropping it ends it at once. No login is sent. At most so many places are asked at once, and so many connections opened in a
/// second, as the plan says.
pub async fn scan(connector: &Connector, plan: &ScanPlan, from: u64, sink: &mut (dyn FnMut(Step) + Send)) {
    let limits = plan.limits();
    let mut pace = Pace::new(plan.rate_per_s, Instant::now());
    let mut progress = Progress::from(from);
    let mut running = FuturesUnordered::new();
    let mut next = from;
    loop {
        let may_begin = next < plan.len() && running.len() < plan.concurrency_max;
        tokio::select! {
            () = pace.ready(), if may_begin => {
                pace.take(Instant::now());
                running.push(ask(connector, plan, &limits, next));
                next += 1;
            }
            Some((place, found)) = running.next(), if !running.is_empty() => {
                if let Some(found) = found {
                    sink(Step::Found(found));
                }
                if let Some(below) = progress.done(place) {
                    sink(Step::Asked(below));
                }
            }
            else => break,
        }
    }
    sink(Step::Asked(plan.len()));
}

/// One place. What a stranger sends there must not end the scan of the others.
async fn ask(connector: &Connector, plan: &ScanPlan, limits: &Limits, place: u64) -> (u64, Option<Found>) {
    let Some(address) = plan.nth(place) else {
        return (place, None);
    };
    let asked = AssertUnwindSafe(found(connector, plan, limits, address)).catch_unwind();
    (place, asked.await.unwrap_or(None))
}

async fn found(connector: &Connector, plan: &ScanPlan, limits: &Limits, address: Address) -> Option<Found> {
    match connector.probe(&address, Trust::FirstUse, limits).await {
        Ok(probe) => Some(Found {
            address,
            service: "redfish".to_owned(),
            root: probe.root,
            key_sha256: probe.key_sha256,
        }),
        Err(error) if plan.pdus && !address.is_plain() && may_be_a_pdu(&error) => {
            let key_sha256 = jaws::probe(connector, &address, plan.timeout).await?;
            Some(Found {
                address,
                service: "jaws".to_owned(),
                root: ServiceRoot::default(),
                key_sha256,
            })
        }
        Err(_) => None,
    }
}

/// Something is there, and it is no BMC.
fn may_be_a_pdu(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Timeout { .. } | Error::Tls { .. } | Error::KeyChanged { .. } => {
            false
        }
        Error::Credentials { .. }
        | Error::NotRedfish { .. }
        | Error::Status { .. }
        | Error::Broken { .. }
        | Error::Limit { .. }
        | Error::Unsupported(_) => true,
    }
}

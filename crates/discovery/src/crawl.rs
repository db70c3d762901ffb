//! One BMC, from the connection to the inventory.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use redfish::{Address, Connector, Error, Inventory, Limits, Login, Trust};

/// A BMC that was read.
#[derive(Clone, Debug)]
pub struct Crawled {
    /// What it says. With problems it is partial: nothing may be taken for gone because of it.
    pub inventory: Inventory,
    /// SHA-256 of the public key that it showed (SPKI, DER), 64 hex digits; empty without TLS.
    pub key_sha256: String,
    /// Requests that were sent to it, the login's too.
    pub requests: u64,
}

/// Reads a BMC whole: each URI once, within `limits`; the session is deleted, however it ends.
///
/// # Errors
/// Why it could not be read at all. What could not be read of it is among the inventory's problems. A bug of ours that a BMC's
/// tree brings to light is `Broken`: it must not end the crawl of the others.
pub async fn crawl(
    connector: &Connector,
    to: &Address,
    login: Option<Login>,
    trust: Trust,
    limits: &Limits,
) -> Result<Crawled, Error> {
    let read = AssertUnwindSafe(Box::pin(read(connector, to, login, trust, limits))).catch_unwind();
    read.await.unwrap_or_else(|_| {
        Err(Error::Broken {
            what: PANICKED.to_owned(),
            problem: "it was abandoned because of a bug in Chamois; report it together with the BMC's tree"
                .to_owned(),
        })
    })
}

/// [`Error::Broken`]'s `what` after a panic.
const PANICKED: &str = "the whole crawl";

async fn read(
    connector: &Connector,
    to: &Address,
    login: Option<Login>,
    trust: Trust,
    limits: &Limits,
) -> Result<Crawled, Error> {
    let bmc = connector.open(to, login, trust, limits).await?;
    let inventory = redfish::read_inventory(&bmc).await;
    let (key_sha256, requests) = (bmc.key_sha256().to_owned(), bmc.requests());
    bmc.close().await;
    Ok(Crawled {
        inventory: inventory?,
        key_sha256,
        requests,
    })
}

//! One connection to a BMC, opened when it is needed and again when it broke.

use std::sync::Arc;

use bmcs::Bmcs;
use futures::future::BoxFuture;
use model::Xname;
use redfish::{Bmc, Error, Limits, ResetType, SystemPower};

/// Opens a connection to a BMC.
pub(crate) type Open = Arc<dyn Fn(Xname) -> BoxFuture<'static, Result<Bmc, Error>> + Send + Sync>;

/// As this member knows its BMCs: their addresses, logins and keys.
pub(crate) fn open(bmcs: &Bmcs) -> Open {
    let bmcs = bmcs.clone();
    Arc::new(move |bmc: Xname| {
        let bmcs = bmcs.clone();
        Box::pin(async move { bmcs.open(&bmc, &Limits::default()).await })
    })
}

/// A BMC that is told and asked in order.
pub(crate) struct Link {
    open: Open,
    name: Xname,
    bmc: Option<Bmc>,
}

impl Link {
    pub(crate) fn new(open: &Open, name: &Xname) -> Link {
        Link {
            open: Arc::clone(open),
            name: name.clone(),
            bmc: None,
        }
    }

    async fn bmc(&mut self) -> Result<&Bmc, Error> {
        let bmc = match self.bmc.take() {
            Some(bmc) => bmc,
            None => (self.open)(self.name.clone()).await?,
        };
        Ok(self.bmc.insert(bmc))
    }

    /// What the BMC says of a system now.
    pub(crate) async fn power(&mut self, system: &str) -> Result<SystemPower, Error> {
        let bmc = self.bmc().await?;
        let read = redfish::system_power(bmc, system).await;
        self.keep(read)
    }

    /// When the system was last reset, as the BMC writes it; empty: it does not say. Source: DSP2046, `LastResetTime`.
    pub(crate) async fn reset_time(&mut self, system: &str) -> Result<String, Error> {
        let bmc = self.bmc().await?;
        let read = bmc.fresh(system).await;
        let read = self.keep(read)?;
        let time = read.get("LastResetTime").and_then(|time| time.as_str());
        Ok(time.unwrap_or_default().to_owned())
    }

    /// Tells it, once: a request that may have been sent is not sent again.
    pub(crate) async fn reset(&mut self, target: &str, reset: ResetType) -> Result<(), Error> {
        let bmc = self.bmc().await?;
        let told = redfish::reset(bmc, target, reset).await;
        self.keep(told)
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(&mut self) {
        if let Some(bmc) = self.bmc.take() {
            bmc.close().await;
        }
    }

    /// After an error the next one gets a connection and a session of its own: the BMC may have restarted.
    fn keep<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.bmc = None;
        }
        result
    }
}

//! One connection to a BMC, opened when it is needed and again when it broke: BMCs restart while they are updated.

use std::sync::Arc;

use bmcs::Bmcs;
use futures::future::BoxFuture;
use model::Xname;
use redfish::{Bmc, Error, Limits, Task};

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

    /// URI of SimpleUpdate; empty: it has none.
    pub(crate) async fn simple_update_target(&mut self) -> Result<String, Error> {
        let bmc = self.bmc().await?;
        let read = simple_update_target(bmc).await;
        self.keep(read)
    }

    /// `Version` of the firmware at `uri` now; empty: it does not say.
    pub(crate) async fn version(&mut self, uri: &str) -> Result<String, Error> {
        let bmc = self.bmc().await?;
        let read = bmc.fresh(uri).await;
        let read = self.keep(read)?;
        let version = read.get("Version").and_then(|version| version.as_str());
        Ok(version.unwrap_or_default().to_owned())
    }

    /// Tells it, once. The answer is the URI of a task; empty: there is none.
    pub(crate) async fn update(
        &mut self,
        target: &str,
        image_uri: &str,
        firmware_uris: &[String],
    ) -> Result<String, Error> {
        let bmc = self.bmc().await?;
        let told = redfish::simple_update(bmc, target, image_uri, firmware_uris).await;
        self.keep(told)
    }

    pub(crate) async fn task(&mut self, uri: &str) -> Result<Task, Error> {
        let bmc = self.bmc().await?;
        let read = redfish::task(bmc, uri).await;
        self.keep(read)
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(&mut self) {
        if let Some(bmc) = self.bmc.take() {
            bmc.close().await;
        }
    }

    fn keep<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.bmc = None;
        }
        result
    }
}

/// Source: DSP2046, `UpdateService`.
async fn simple_update_target(bmc: &Bmc) -> Result<String, Error> {
    let root = bmc.get("/redfish/v1/").await?;
    let service = root
        .pointer("/UpdateService/@odata.id")
        .and_then(|uri| uri.as_str());
    let Some(service) = service else {
        return Ok(String::new());
    };
    let service = bmc.get(service).await?;
    let target = service.pointer("/Actions/#UpdateService.SimpleUpdate/target");
    let target = target.and_then(|target| target.as_str());
    Ok(target.unwrap_or_default().to_owned())
}

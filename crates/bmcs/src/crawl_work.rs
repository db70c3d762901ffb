//! Crawls: BMCs are read whole, many at once, and each becomes one change of SMD's inventory.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use jobs::{JobKind, Outcome, Running, Work};
use model::Xname;
use proto::discovery::v1::Bmc;
use proto::discovery::v1::discovery_command::{Change, PutFirmware};
use proto::job::v1::{Job, JobTarget, job};
use redfish::{Address, Limits};
use rpc::{Author, Error};

use crate::Bmcs;
use crate::crawl_limits::CrawlLimits;
use crate::known_endpoint;
use crate::partial_firmware::with_known;
use crate::propose::{propose, put_bmcs};
use crate::reached_targets;
use crate::reading::{self, Failure, Place, Read, WHOLE, failed_row, place_of};

/// Does crawls.
#[derive(Debug)]
pub struct CrawlWork {
    bmcs: Bmcs,
}

impl CrawlWork {
    /// Crawls of those BMCs that `bmcs` reaches.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> CrawlWork {
        CrawlWork { bmcs }
    }
}

impl Work for CrawlWork {
    fn kind(&self) -> JobKind {
        JobKind::Crawl
    }

    fn can_run(&self, _: &Job, targets: &[JobTarget]) -> bool {
        reached_targets::any(&self.bmcs, targets)
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        Box::pin(async move { crawl_all(&self.bmcs, &job).await })
    }
}

/// A crawl is only read, so one that another member has begun is read again.
async fn crawl_all(bmcs: &Bmcs, running: &Running) {
    let limits = match &running.job().work {
        Some(job::Work::Crawl(crawl)) => CrawlLimits::of(crawl),
        _ => return,
    };
    let limits = match limits {
        Ok(limits) => limits,
        Err(error) => return refuse_all(running, &error),
    };
    let (ours, others) = reached_targets::split(bmcs, running);
    let author = running.author();
    let (author, of_bmc) = (&author, &limits.of_bmc);
    stream::iter(ours)
        .for_each_concurrent(limits.concurrency, |target| async move {
            if !running.is_cancelled() {
                let outcome = crawl_one(bmcs, author, &target.target, of_bmc).await;
                running.report(target.place, outcome);
            }
        })
        .await;
    reached_targets::leave(&others, running).await;
}

fn refuse_all(running: &Running, error: &Error) {
    for target in running.targets() {
        running.report(
            target.place,
            Outcome::failed(error.to_string(), "begin another crawl"),
        );
    }
}

/// Reads one BMC and stores it, or why it was not read.
pub(crate) async fn crawl_one(bmcs: &Bmcs, author: &Author, target: &str, limits: &Limits) -> Outcome {
    let place = match place_of(bmcs, target) {
        Ok(place) => place,
        Err(failure) => return failure.outcome(),
    };
    let stored = match Box::pin(reading::read(bmcs, &place, limits)).await {
        Ok(read) => store(bmcs, author, &place.address, read).await,
        Err(failure) => Err(failure),
    };
    match stored {
        Ok(found) => Outcome::Succeeded(found),
        Err(failure) => {
            note_failure(bmcs, author, &place, &failure).await;
            failure.outcome()
        }
    }
}

/// The xname first, so that no two BMCs get one; then the inventory, as one change; then the firmware.
async fn store(bmcs: &Bmcs, author: &Author, address: &Address, mut read: Read) -> Result<String, Failure> {
    let store = bmcs.store();
    let row = read.row(address);
    let assigned = {
        let state = store.state();
        let known = state.discovery.bmc(&row.address);
        known.map(|known| known.xname.clone()).unwrap_or_default()
    };
    if assigned != row.xname {
        take_place(bmcs, author, address, &read).await?;
    }
    let mut stored = smd::store_discovered(store, bmcs.sealer(), author, &read.payload).await;
    if matches!(&stored, Err(Error::AlreadyExists { kind, .. }) if kind == "FQDN") {
        // another BMC behind the same address was stored meanwhile
        read.payload.fqdn = address.to_string();
        stored = smd::store_discovered(store, bmcs.sealer(), author, &read.payload).await;
    }
    let stored = stored.map_err(|error| not_stored(&error))?;
    put_firmware(bmcs, author, &read).await?;
    let noted = put_bmcs(store, author, vec![row]).await;
    noted.map_err(|error| not_stored(&error))?;
    let verb = if stored.is_new { "is new" } else { "is known" };
    Ok(format!("{} {verb}: {}", read.xname, read.summary()))
}

/// Gives the BMC its xname. One that moved here takes it along, which the state decides by its key and UUID.
async fn take_place(bmcs: &Bmcs, author: &Author, address: &Address, read: &Read) -> Result<(), Failure> {
    let store = bmcs.store();
    let row = Bmc {
        crawl_status: String::new(),
        crawl_reason: String::new(),
        ..read.row(address)
    };
    let put = put_bmcs(store, author, vec![row])
        .await
        .map_err(|error| not_stored(&error))?;
    match put.applied.refused.first() {
        None => Ok(()),
        Some(refused) => Err(Failure::new(
            "collision",
            format!("{address} cannot be {}: {}", read.xname, refused.reason),
            "correct the rule with `chamois discover rule put`, or `chamois bmc delete` the other one",
        )),
    }
}

async fn put_firmware(bmcs: &Bmcs, author: &Author, read: &Read) -> Result<(), Failure> {
    let nodes: Vec<(String, Xname)> = {
        let state = bmcs.store().state();
        let behind = state.smd.component_endpoints_of(&read.xname);
        let systems = behind.filter(|endpoint| endpoint.redfish_type == "ComputerSystem");
        systems
            .filter_map(|endpoint| Some((endpoint.odata_id.clone(), endpoint.id.parse().ok()?)))
            .collect()
    };
    let mut inventory = discovery::firmware(&read.crawled.inventory, &read.xname, &nodes);
    let known = bmcs.store().state().discovery.firmware(&read.xname).cloned();
    if let Some(known) = known.filter(|_| read.word() != WHOLE) {
        inventory = with_known(inventory, &known);
    }
    let put = Change::PutFirmware(PutFirmware {
        inventories: vec![inventory],
    });
    let put = propose(bmcs.store(), author, put).await;
    put.map(|_| ()).map_err(|error| not_stored(&error))
}

fn not_stored(error: &Error) -> Failure {
    Failure::new(
        "not-stored",
        format!("it was read and not stored: {error}"),
        "crawl it again when the cause is gone",
    )
}

/// What is known of the BMC stays; only how its last crawl went is noted, for us and for clients of HSM.
async fn note_failure(bmcs: &Bmcs, author: &Author, place: &Place, failure: &Failure) {
    let store = bmcs.store();
    let row = failed_row(&place.address, failure);
    let xname = place.xname.clone().or_else(|| {
        let state = store.state();
        state
            .discovery
            .bmc(&row.address)
            .and_then(|known| known.xname.parse().ok())
    });
    if let Err(error) = put_bmcs(store, author, vec![row]).await {
        tracing::warn!(address = %place.address, %error, "a failed crawl was not noted");
    }
    let Some(xname) = xname else { return };
    if let Err(error) = known_endpoint::failed(store, author, &xname, &failure.word).await {
        tracing::warn!(%xname, %error, "a failed crawl was not noted at its Redfish endpoint");
    }
}

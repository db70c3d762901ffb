//! Crawls are begun here, and planned: what one would change is told, and nothing is written.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::stream;
use model::NodeSet;
use proto::discovery::v1::{
    Crawl, PlanCrawlRequest, PlanCrawlResponse, StartCrawlRequest, StartCrawlResponse, crawl_service_server,
};
use proto::job::v1::job;
use redfish::{Address, Limits};
use rpc::{Author, Error};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::bmcs::is_redfish;
use crate::crawl_limits::CrawlLimits;
use crate::expand::all_bmcs;
use crate::reading::{self, Failure, Place, place_of};
use crate::{Bmcs, What};

/// Answers of a plan that wait for their reader.
const ANSWERS_AHEAD: usize = 64;

type Answer = Result<PlanCrawlResponse, Status>;

/// Begins crawls and plans them.
#[derive(Clone, Debug)]
pub struct CrawlService {
    bmcs: Bmcs,
}

impl CrawlService {
    /// A service that creates jobs in the store of `bmcs`, and reads those that this member reaches.
    #[must_use]
    pub fn new(bmcs: Bmcs) -> CrawlService {
        CrawlService { bmcs }
    }
}

#[tonic::async_trait]
impl crawl_service_server::CrawlService for CrawlService {
    type PlanCrawlStream = ReceiverStream<Answer>;

    #[tracing::instrument(name = "discovery.start_crawl", skip_all)]
    async fn start_crawl(
        &self,
        request: Request<StartCrawlRequest>,
    ) -> Result<Response<StartCrawlResponse>, Status> {
        let author = rpc::author(&request);
        let crawl = request.into_inner().crawl.unwrap_or_default();
        CrawlLimits::of(&crawl)?;
        let targets = targets_of(&self.bmcs, &crawl)?;
        let work = job::Work::Crawl(crawl);
        let job = jobs::create(self.bmcs.store(), &author, work, targets).await?;
        Ok(Response::new(StartCrawlResponse { job }))
    }

    #[tracing::instrument(name = "discovery.plan_crawl", skip_all)]
    async fn plan_crawl(
        &self,
        request: Request<PlanCrawlRequest>,
    ) -> Result<Response<Self::PlanCrawlStream>, Status> {
        let author = rpc::author(&request);
        let crawl = request.into_inner().crawl.unwrap_or_default();
        let limits = CrawlLimits::of(&crawl)?;
        let targets = targets_of(&self.bmcs, &crawl)?;
        let (answers, receiver) = mpsc::channel(ANSWERS_AHEAD);
        tokio::spawn(plan_all(self.bmcs.clone(), author, targets, limits, answers));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Until all are told, or nobody listens any more.
async fn plan_all(
    bmcs: Bmcs,
    author: Author,
    targets: Vec<String>,
    limits: CrawlLimits,
    answers: mpsc::Sender<Answer>,
) {
    let (bmcs, author, answers) = (&bmcs, &author, &answers);
    let of_bmc = &limits.of_bmc;
    let all = stream::iter(targets).for_each_concurrent(limits.concurrency, |target| async move {
        let answer = plan_one(bmcs, author, &target, of_bmc).await;
        // A caller that is gone ends it all, below.
        let _ = answers.send(Ok(answer)).await;
    });
    tokio::select! {
        () = all => {}
        () = answers.closed() => {}
    }
}

/// What a crawl of `target` would change.
async fn plan_one(bmcs: &Bmcs, author: &Author, target: &str, limits: &Limits) -> PlanCrawlResponse {
    let place = match place_of(bmcs, target) {
        Ok(place) => place,
        Err(failure) => return not_read(target, String::new(), failure),
    };
    let address = place.address.to_string();
    let xname = place.xname.as_ref().map(ToString::to_string).unwrap_or_default();
    let planned = match bmcs.reaches(&place.address) {
        true => Box::pin(plan(bmcs, author, &place, limits)).await,
        false => Err(Failure::new(
            "out-of-reach",
            format!("{address} is in no network of this member with the role discovery"),
            "ask a member that has one, or begin a crawl: a member that reaches it does it",
        )),
    };
    match planned {
        Ok(planned) => PlanCrawlResponse { address, ..planned },
        Err(failure) => PlanCrawlResponse {
            address,
            ..not_read(target, xname, failure)
        },
    }
}

async fn plan(
    bmcs: &Bmcs,
    author: &Author,
    place: &Place,
    limits: &Limits,
) -> Result<PlanCrawlResponse, Failure> {
    let read = reading::read(bmcs, place, limits).await?;
    let (trying, trial) = author.trying_out();
    let tried = smd::store_discovered(bmcs.store(), bmcs.sealer(), &trying, &read.payload).await;
    tried.map_err(|error| {
        let remedy = "a crawl would be refused, too; correct what it names";
        Failure::new("not-stored", error.to_string(), remedy)
    })?;
    Ok(PlanCrawlResponse {
        xname: read.xname.to_string(),
        status: read.word().to_owned(),
        reason: read.summary(),
        changes: trial.would_change().changes,
        ..PlanCrawlResponse::default()
    })
}

fn not_read(target: &str, xname: String, failure: Failure) -> PlanCrawlResponse {
    PlanCrawlResponse {
        address: target.to_owned(),
        xname,
        status: failure.word,
        reason: failure.reason,
        remedy: failure.remedy,
        changes: Vec::new(),
    }
}

/// The targets of a crawl's job: what it names, or all BMCs that are known.
///
/// # Errors
/// `Invalid` naming what is neither, and when none is known.
pub(crate) fn targets_of(bmcs: &Bmcs, crawl: &Crawl) -> Result<Vec<String>, Error> {
    let mut targets = BTreeSet::new();
    for (place, text) in crawl.targets.iter().enumerate() {
        match NodeSet::list(text) {
            Ok(_) => targets.extend(bmcs.expand("targets", std::slice::from_ref(text), What::Bmcs)?),
            Err(_) => {
                let field = format!("targets[{place}]");
                targets.insert(address_of(text).map_err(|problem| rpc::invalid(&field, problem))?);
            }
        }
    }
    if crawl.targets.is_empty() {
        let state = bmcs.store().state();
        targets.extend(all_bmcs(&state).into_iter().map(|xname| xname.to_string()));
        let unassigned = state.discovery.bmcs().filter(|bmc| bmc.xname.is_empty());
        let unassigned = unassigned.filter(|bmc| is_redfish(&state, &bmc.address));
        targets.extend(unassigned.map(|bmc| bmc.address.clone()));
    }
    if targets.is_empty() {
        let problem = "no BMC is known; scan for them with `chamois discover scan`, or name addresses";
        return Err(rpc::invalid("targets", problem));
    }
    Ok(targets.into_iter().collect())
}

/// `address:port`. Passwords are sent to it, so TLS is the only way.
fn address_of(text: &str) -> Result<String, String> {
    let address: Address = text
        .parse()
        .map_err(|problem: redfish::AddressError| problem.to_string())?;
    match address.is_plain() {
        true => Err("a crawl logs in, and does so over TLS only; leave http:// out".to_owned()),
        false => Ok(address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_with_its_port() {
        assert_eq!(address_of("10.1.0.7"), Ok("10.1.0.7:443".to_owned()));
        assert_eq!(
            address_of("https://[fd00::7]:8443"),
            Ok("[fd00::7]:8443".to_owned())
        );
        for plain in ["http://10.1.0.7", "HTTP://10.1.0.7:80"] {
            assert!(address_of(plain).unwrap_err().contains("TLS only"), "{plain}");
        }
        assert!(address_of("a b").is_err());
    }
}

//! What the tests of BMCs share: small BMCs, a member that works on jobs, and requests of the administrator.

mod fake;

use std::time::Duration;

use auth::Sealer;
use bmcs::{BmcCredentialService, Bmcs, CrawlService, Reach, XnameRuleService};
use jobs::{Jobs, Pace};
use proto::discovery::v1::bmc_credential_service_server::BmcCredentialService as _;
use proto::discovery::v1::crawl_service_server::CrawlService as _;
use proto::discovery::v1::xname_rule_service_server::XnameRuleService as _;
use proto::discovery::v1::{
    Bmc, Crawl, ExplicitXname, PutBmcCredentialRequest, PutXnameRuleRequest, StartCrawlRequest, XnameRule,
    xname_rule,
};
use proto::job::v1::{Job, JobTarget, job};
use proto::smd::v1::{Component, RedfishEndpoint};
use raft::Store;
use redfish::Connector;
use rpc::{Caller, Identity};
use tokio::task::JoinHandle;
use tonic::Request;

pub use fake::{FakeBmc, USER};

/// Of the first BMC and of another one.
pub const UUID: &str = "00000000-0000-4000-8000-000000000001";
pub const OTHER_UUID: &str = "00000000-0000-4000-8000-000000000002";
/// Nothing here takes longer.
pub const AT_MOST: Duration = Duration::from_secs(20);
const PACE: Pace = Pace {
    look: Duration::from_millis(20),
    look_pause: Duration::from_millis(1),
    report: Duration::from_millis(20),
    lapse: Duration::from_secs(5),
    backoff_first: Duration::from_millis(20),
    backoff_max: Duration::from_millis(100),
    jobs_max: 4,
};

/// A cluster of one member that reaches this host.
pub struct Site {
    pub store: Store,
    pub sealer: Sealer,
    pub bmcs: Bmcs,
}

impl Site {
    pub fn new() -> Site {
        Site::reaching(&["127.0.0.0/8"])
    }

    pub fn reaching(networks: &[&str]) -> Site {
        let (store, sealer) = (Store::in_memory(), Sealer::generate().unwrap());
        let reach = Reach(networks.iter().map(|network| network.parse().unwrap()).collect());
        let bmcs = Bmcs::new(store.clone(), sealer.clone(), Connector::system(64), reach);
        Site { store, sealer, bmcs }
    }

    /// The member works on jobs until this is dropped.
    pub fn work(&self) -> Working {
        let jobs = Jobs::new(self.store.clone(), 1, bmcs::works(&self.bmcs)).with_pace(PACE);
        Working(tokio::spawn(jobs.run(std::future::pending())))
    }

    pub async fn credential(&self, scope: &str, password: &str) {
        let put = PutBmcCredentialRequest {
            scope: scope.to_owned(),
            user: USER.to_owned(),
            password: password.to_owned(),
        };
        let service = BmcCredentialService::new(self.bmcs.clone());
        service.put_bmc_credential(admin(put)).await.unwrap();
    }

    /// The BMC with this UUID is that one.
    pub async fn rule(&self, name: &str, uuid: &str, xname: &str) {
        let explicit = ExplicitXname {
            uuid: uuid.to_owned(),
            xname: xname.to_owned(),
            ..ExplicitXname::default()
        };
        let rule = XnameRule {
            name: name.to_owned(),
            rule: Some(xname_rule::Rule::Explicit(explicit)),
            ..XnameRule::default()
        };
        let put = PutXnameRuleRequest {
            rule: Some(rule),
            if_revision: None,
        };
        let service = XnameRuleService::new(self.store.clone());
        service.put_xname_rule(admin(put)).await.unwrap();
    }

    /// Crawls these and gives the job when it is over, with its targets.
    pub async fn crawl(&self, targets: &[&str]) -> (Job, Vec<JobTarget>) {
        let crawl = Crawl {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            timeout_ms: 5_000,
            ..Crawl::default()
        };
        let request = StartCrawlRequest { crawl: Some(crawl) };
        let service = CrawlService::new(self.bmcs.clone());
        let started = service.start_crawl(admin(request)).await.unwrap().into_inner();
        self.over(&started.job).await
    }

    /// The job when it is over, with its targets.
    pub async fn over(&self, id: &str) -> (Job, Vec<JobTarget>) {
        let is_over = |job: &Job| {
            matches!(
                job.state(),
                job::State::Succeeded | job::State::Failed | job::State::Cancelled
            )
        };
        until(|| {
            let state = self.store.state();
            let job = state.jobs.get(id).filter(|job| is_over(job))?;
            let targets = state.jobs.targets(id).map(|target| JobTarget::clone(target));
            Some((Job::clone(job), targets.collect()))
        })
        .await
    }

    pub fn found(&self, address: &str) -> Option<Bmc> {
        let state = self.store.state();
        state.discovery.bmc(address).map(|bmc| Bmc::clone(bmc))
    }

    pub fn endpoint(&self, xname: &str) -> Option<RedfishEndpoint> {
        let endpoint = self.store.state().smd.redfish_endpoint(&xname.parse().unwrap());
        endpoint.map(|endpoint| endpoint.as_ref().clone())
    }

    pub fn component(&self, xname: &str) -> Option<Component> {
        let component = self.store.state().smd.component(&xname.parse().unwrap());
        component.map(|component| component.as_ref().clone())
    }

    /// The stored password of a BMC.
    pub fn password(&self, secret: &str) -> Option<String> {
        let sealed = self.store.state().cluster.secret(secret)?;
        let opened = self.sealer.open(&sealed).unwrap();
        Some(String::from_utf8(opened.bytes().to_vec()).unwrap())
    }
}

/// A member at work.
pub struct Working(JoinHandle<()>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A site whose BMC `x1000c0s0b0` has a credential, a rule and has been crawled.
pub async fn crawled() -> (Site, FakeBmc, Working) {
    let (site, bmc) = (Site::new(), FakeBmc::start(UUID).await);
    site.credential("default", &bmc.password()).await;
    site.rule("first", UUID, "x1000c0s0b0").await;
    let working = site.work();
    let (job, targets) = site.crawl(&[&bmc.address()]).await;
    assert_eq!(job.state(), job::State::Succeeded, "{targets:?}");
    (site, bmc, working)
}

/// Waits for what `find` finds.
pub async fn until<T>(find: impl Fn() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(AT_MOST, waiting).await.unwrap()
}

pub fn admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let identity = Identity::User {
        name: "admin".to_owned(),
    };
    request.extensions_mut().insert(Caller {
        identity,
        peer: None,
        local: None,
    });
    request
}

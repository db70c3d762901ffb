//! Work on BMCs: which of them this member reaches, the jobs that it takes, and what it follows by itself.

use std::sync::Arc;
use std::time::Duration;

use auth::Sealer;
use bmcs::{Bmcs, Reach};
use futures::future::BoxFuture;
use jobs::{JobKind, Jobs, Running, Work};
use model::NodeUrls;
use proto::job::v1::{Job, JobTarget};
use raft::Store;
use redfish::Connector;

use super::bmc_connections::{Connections, dialler};
use super::config::{Config, Role};
use super::counters::{Counters, Server};
use super::drain::Drain;
use super::tasks::Tasks;

tally::reasons! {
    /// A job that this member has taken, for the first time or from a member that is gone.
    enum Taken;

    Scan "scans" "A search for BMCs.",
    Crawl "crawls" "BMCs are read whole.",
    CredentialRotation "credential_rotations" "BMCs get new passwords.",
    PowerTransition "power_transitions" "Nodes are switched.",
    FirmwareUpdate "firmware_updates" "BMCs get new firmware.",
}

impl Taken {
    fn of(kind: JobKind) -> Taken {
        match kind {
            JobKind::Scan => Taken::Scan,
            JobKind::Crawl => Taken::Crawl,
            JobKind::CredentialRotation => Taken::CredentialRotation,
            JobKind::PowerTransition => Taken::PowerTransition,
            JobKind::FirmwareUpdate => Taken::FirmwareUpdate,
        }
    }
}

/// BMCs as this member knows and reaches them; without the role it reaches none.
pub(super) fn bmcs(config: &Config, store: &Store, sealer: &Sealer, counters: &Counters) -> Bmcs {
    let subnets: Vec<_> = config.bmc_subnets().collect();
    let connections = Connections::default();
    if config.serves(Role::Discovery) {
        let counted = Arc::clone(&connections);
        counters.add(Server::Discovery, "connections", move || counted.all());
    }
    let requests_max = config.discovery.requests_max as usize;
    let connector = Connector::new(dialler(subnets.clone(), connections), requests_max);
    Bmcs::new(store.clone(), sealer.clone(), connector, Reach(subnets))
}

/// With the role `discovery`: takes jobs and follows BMCs until the drain. A job that is not done by then is given back, and
/// another member goes on with it.
pub(super) fn start(
    config: &Config,
    bmcs: &Bmcs,
    urls: NodeUrls,
    counters: &Counters,
    drain: &Drain,
    tasks: &mut Tasks,
) {
    if !config.serves(Role::Discovery) {
        return;
    }
    let taken = Arc::new(tally::Counters::<Taken>::default());
    let counted = Arc::clone(&taken);
    counters.add(Server::Discovery, "jobs", move || counted.all());
    let jobs = Jobs::new(bmcs.store().clone(), config.member.id, works(bmcs, urls, &taken));
    let stop = drain.finishing();
    tasks.spawn("jobs", async move {
        jobs.run(stop.reached()).await;
        Ok(())
    });
    let poll = Duration::from_secs(config.discovery.poll_s.into());
    let (bmcs, adopt_leases, stop) = (bmcs.clone(), config.discovery.adopt_leases, drain.finishing());
    tasks.spawn("BMCs", async move {
        bmcs::follow(bmcs, poll, adopt_leases, stop.reached()).await;
        Ok(())
    });
}

/// Every kind of work, each counted when it begins.
fn works(bmcs: &Bmcs, urls: NodeUrls, taken: &Arc<tally::Counters<Taken>>) -> Vec<Arc<dyn Work>> {
    let all = bmcs::works(bmcs)
        .into_iter()
        .chain([power::work(bmcs), firmware::work(bmcs, urls)]);
    all.map(|work| counted(work, taken)).collect()
}

fn counted(work: Arc<dyn Work>, taken: &Arc<tally::Counters<Taken>>) -> Arc<dyn Work> {
    Arc::new(Counted {
        work,
        taken: Arc::clone(taken),
    })
}

/// A work whose jobs are counted.
struct Counted {
    work: Arc<dyn Work>,
    taken: Arc<tally::Counters<Taken>>,
}

impl Work for Counted {
    fn kind(&self) -> JobKind {
        self.work.kind()
    }

    fn can_run(&self, job: &Job, targets: &[JobTarget]) -> bool {
        self.work.can_run(job, targets)
    }

    fn run(self: Arc<Self>, job: Running) -> BoxFuture<'static, ()> {
        let kind = Taken::of(self.kind());
        tracing::info!(
            job = job.job().id,
            kind = kind.name(),
            "a job was taken: {}",
            kind.meaning()
        );
        self.taken.add(kind);
        Arc::clone(&self.work).run(job)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../deploy/examples/member-1.toml");

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("member-1.toml")).unwrap()
    }

    fn made(config: &Config) -> Bmcs {
        let sealer = Sealer::generate().unwrap();
        bmcs(config, &Store::in_memory(), &sealer, &Counters::default())
    }

    /// A kind without a work would wait forever.
    #[tokio::test]
    async fn every_kind_of_job_has_its_work_and_its_counter() {
        let taken = Arc::default();
        let works = works(&made(&config(EXAMPLE)), NodeUrls::default(), &taken);
        let kinds: BTreeSet<JobKind> = works.iter().map(|work| work.kind()).collect();
        assert_eq!(kinds, BTreeSet::from(JobKind::ALL));
        assert_eq!(works.len(), JobKind::ALL.len());
        for kind in JobKind::ALL {
            taken.add(Taken::of(kind));
        }
        assert!(taken.all().iter().all(|(_, count)| *count == 1));
    }

    #[tokio::test]
    async fn a_member_reaches_what_its_networks_say() {
        let address = |text: &str| -> redfish::Address { text.parse().unwrap() };
        let with_role = made(&config(EXAMPLE));
        assert!(with_role.reaches(&address("10.99.7.7")));
        assert!(!with_role.reaches(&address("10.97.0.1")) && !with_role.reaches(&address("127.0.0.1")));
        let without = config(&EXAMPLE.replace("roles = [\"discovery\"]", "roles = []"));
        assert!(!made(&without).reaches(&address("10.99.7.7")));
    }
}

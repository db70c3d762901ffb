//! What an administrator asks of the cluster to find, read and switch hardware, over gRPC, while members die: what one cannot
//! answer is asked of the next.

use std::time::{Duration, Instant};

use proto::discovery::v1::bmc_credential_service_client::BmcCredentialServiceClient;
use proto::discovery::v1::bmc_service_client::BmcServiceClient;
use proto::discovery::v1::crawl_service_client::CrawlServiceClient;
use proto::discovery::v1::xname_rule::Rule;
use proto::discovery::v1::xname_rule_service_client::XnameRuleServiceClient;
use proto::discovery::v1::{
    Crawl, ListBmcsRequest, PutBmcCredentialRequest, PutXnameRuleRequest, Scan, StartCrawlRequest,
    StartScanRequest, TemplateDigit, TemplateXname, XnameRule,
};
use proto::job::v1::job::State;
use proto::job::v1::job_service_client::JobServiceClient;
use proto::job::v1::{GetJobRequest, Job, ListJobTargetsRequest};
use proto::power::v1::start_transition_request::Location;
use proto::power::v1::transition_service_client::TransitionServiceClient;
use proto::power::v1::{GetTransitionRequest, StartTransitionRequest, Transition};
use rpc::client::ExactlyOnce;
use tonic::Code;

use crate::connect::Target;
use crate::error::{CliError, Kind};

/// One call, with all its attempts: longer than an election.
const CALL_MAX: Duration = Duration::from_secs(30);
/// A job, with a member that dies over it and another one that takes it over.
const JOB_MAX: Duration = Duration::from_secs(300);
/// How often a job is looked at.
const POLL: Duration = Duration::from_millis(250);
/// BMCs in one answer.
const PAGE: u32 = 1000;
/// Failed targets that an error names.
const FAILURES_SHOWN_MAX: usize = 5;

/// The administrator; cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin(ExactlyOnce);

impl Admin {
    pub(crate) fn new(target: &Target) -> Result<Admin, CliError> {
        Ok(Admin(target.connect_exactly_once(CALL_MAX)?))
    }

    /// How all BMCs are logged in to.
    pub(crate) async fn put_login(&self, user: &str, password: &str) -> Result<(), CliError> {
        let request = PutBmcCredentialRequest {
            scope: "default".to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        };
        BmcCredentialServiceClient::new(self.0.clone())
            .put_bmc_credential(request)
            .await?;
        Ok(())
    }

    /// Which BMC has which xname, by its address: as [`super::layout::xname`] counts.
    pub(crate) async fn put_rule(&self, subnet: &str, first: &str) -> Result<(), CliError> {
        let request = PutXnameRuleRequest {
            rule: Some(rule(subnet, first)),
            ..PutXnameRuleRequest::default()
        };
        XnameRuleServiceClient::new(self.0.clone())
            .put_xname_rule(request)
            .await?;
        Ok(())
    }

    /// Looks for BMCs, to the end.
    pub(crate) async fn scan(&self, targets: String, port: u16) -> Result<(), CliError> {
        let scan = Scan {
            targets: vec![targets],
            ports: vec![u32::from(port)],
            ..Scan::default()
        };
        let request = StartScanRequest { scan: Some(scan) };
        let started = BmcServiceClient::new(self.0.clone()).start_scan(request).await?;
        self.succeeded("the scan", started.into_inner().job).await
    }

    /// Address and xname of every BMC that was found.
    pub(crate) async fn bmcs(&self) -> Result<Vec<(String, String)>, CliError> {
        let mut client = BmcServiceClient::new(self.0.clone());
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListBmcsRequest {
                page_size: PAGE,
                page_token,
                ..ListBmcsRequest::default()
            };
            let page = client.list_bmcs(request).await?.into_inner();
            found.extend(page.bmcs.into_iter().map(|bmc| (bmc.address, bmc.xname)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Reads all BMCs, to the end.
    pub(crate) async fn crawl(&self) -> Result<(), CliError> {
        let request = StartCrawlRequest {
            crawl: Some(Crawl::default()),
        };
        let started = CrawlServiceClient::new(self.0.clone())
            .start_crawl(request)
            .await?;
        self.succeeded("the crawl", started.into_inner().job).await
    }

    /// Switches nodes on, to the end; those that were not, and why.
    pub(crate) async fn power_on(
        &self,
        nodes: Vec<String>,
        stagger_ms: u32,
    ) -> Result<Vec<(String, String)>, CliError> {
        let location = nodes.into_iter().map(|xname| Location {
            xname,
            ..Location::default()
        });
        let request = StartTransitionRequest {
            operation: "On".to_owned(),
            location: location.collect(),
            stagger_ms,
            ..StartTransitionRequest::default()
        };
        let mut client = TransitionServiceClient::new(self.0.clone());
        let transition_id = client.start_transition(request).await?.into_inner().transition_id;
        let deadline = Instant::now() + JOB_MAX;
        loop {
            let request = GetTransitionRequest {
                transition_id: transition_id.clone(),
            };
            let state = match client.get_transition(request).await {
                Ok(found) => {
                    let transition = found.into_inner();
                    if ["completed", "aborted"].contains(&transition.transition_status.as_str()) {
                        return Ok(not_done(transition));
                    }
                    transition.transition_status
                }
                // the only member was killed and starts again
                Err(status) if status.code() == Code::Unavailable => "not known".to_owned(),
                Err(status) => return Err(status.into()),
            };
            in_time(deadline, "switching nodes on", &state)?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for a job, of which everything must succeed.
    async fn succeeded(&self, what: &str, id: String) -> Result<(), CliError> {
        let mut client = JobServiceClient::new(self.0.clone());
        let deadline = Instant::now() + JOB_MAX;
        loop {
            let request = GetJobRequest { id: id.clone() };
            let job: Job = client.get_job(request).await?.into_inner();
            match job.state() {
                State::Succeeded => return Ok(()),
                State::Failed | State::Cancelled => {
                    let failures = self.failures(id).await?;
                    let text = format!("{what} failed: {}{failures}", job.reason);
                    return Err(CliError::new(Kind::Other, text));
                }
                State::Unspecified | State::Waiting | State::Running | State::Cancelling => {}
            }
            in_time(deadline, what, job.state().as_str_name())?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// The first targets that failed, for people.
    async fn failures(&self, id: String) -> Result<String, CliError> {
        let states = ["failed", "unknown", "unsupported"];
        let request = ListJobTargetsRequest {
            id,
            state: states.map(str::to_owned).to_vec(),
            ..ListJobTargetsRequest::default()
        };
        let answer = JobServiceClient::new(self.0.clone())
            .list_job_targets(request)
            .await?;
        let targets = answer.into_inner().targets;
        let shown = targets.iter().take(FAILURES_SHOWN_MAX);
        Ok(shown
            .map(|target| format!("; {}: {}", target.target, target.reason))
            .collect())
    }
}

fn in_time(deadline: Instant, what: &str, state: &str) -> Result<(), CliError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    let text = format!("waited {} s for {what}, which is {state}", JOB_MAX.as_secs());
    Err(CliError::new(Kind::Unavailable, text))
}

fn not_done(transition: Transition) -> Vec<(String, String)> {
    let left = transition
        .tasks
        .into_iter()
        .filter(|task| task.task_status != "succeeded");
    left.map(|task| {
        let why = if task.error.is_empty() {
            task.task_status_description
        } else {
            task.error
        };
        (task.xname, why)
    })
    .collect()
}

/// 2 BMCs a slot, 8 slots a chassis, 8 chassis a cabinet, cabinets from 1000.
fn rule(subnet: &str, first: &str) -> XnameRule {
    let digit = |name: &str, count: u32, first: u32| TemplateDigit {
        name: name.to_owned(),
        count,
        first,
        ..TemplateDigit::default()
    };
    let template = TemplateXname {
        subnet: subnet.to_owned(),
        first: first.to_owned(),
        xname: "x{cabinet}c{chassis}s{slot}b{bmc}".to_owned(),
        digits: vec![
            digit("bmc", 2, 0),
            digit("slot", 8, 0),
            digit("chassis", 8, 0),
            digit("cabinet", 0, 1000),
        ],
    };
    XnameRule {
        name: "demo".to_owned(),
        rule: Some(Rule::Template(template)),
        ..XnameRule::default()
    }
}

#[cfg(test)]
mod tests {
    use proto::power::v1::transition::Task;

    use super::*;
    use crate::demo::layout::bmc_xname;

    /// The rule and the demo's own count must agree; the numbers here are taken apart as the rule says.
    #[test]
    fn the_rule_counts_as_the_demo_does() {
        let Some(Rule::Template(template)) = rule("127.9.0.0/20", "127.9.3.1").rule else {
            panic!("no template");
        };
        for index in [0_u32, 1, 2, 15, 16, 127, 128, 2999] {
            let (mut rest, mut text) = (index, template.xname.clone());
            for digit in &template.digits {
                // without a bound it is the last, and takes what is left
                let value = rest.checked_rem(digit.count).unwrap_or(rest);
                rest = rest.checked_div(digit.count).unwrap_or_default();
                text = text.replace(&format!("{{{}}}", digit.name), &(digit.first + value).to_string());
            }
            assert_eq!(text, bmc_xname(index), "{index}");
        }
    }

    #[test]
    fn nodes_that_stay_off_are_told_with_the_reason() {
        let task = |xname: &str, status: &str, description: &str, error: &str| Task {
            xname: xname.to_owned(),
            task_status: status.to_owned(),
            task_status_description: description.to_owned(),
            error: error.to_owned(),
        };
        let transition = Transition {
            tasks: vec![
                task("x1000c0s0b0n0", "succeeded", "it is on", ""),
                task("x1000c0s0b0n1", "failed", "it is not known", "no answer"),
                task("x1000c0s0b1n0", "unsupported", "it cannot be switched", ""),
            ],
            ..Transition::default()
        };
        let pair = |xname: &str, why: &str| (xname.to_owned(), why.to_owned());
        assert_eq!(
            not_done(transition),
            [
                pair("x1000c0s0b0n1", "no answer"),
                pair("x1000c0s0b1n0", "it cannot be switched")
            ]
        );
    }

    #[test]
    fn no_wait_is_for_ever() {
        assert!(in_time(Instant::now() + JOB_MAX, "the scan", "waiting").is_ok());
        let text = in_time(Instant::now(), "the scan", "waiting")
            .unwrap_err()
            .to_string();
        assert!(text.contains("the scan, which is waiting"), "{text}");
    }
}

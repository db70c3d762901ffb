//! What the checks look at: this host's configuration, the members and what each says of itself. Asked once, for all of them.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use futures::future::join_all;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use proto::cluster::v1::{ClusterStatus, GetStatusRequest};

use super::finding::Finding;
use super::host::Host;
use super::http_date;
use crate::args::GlobalArgs;
use crate::at_once;
use crate::connect::{Connection, Target};
use crate::error::{CliError, Kind};
use crate::utc;

/// A member's answer, or why there is none.
#[derive(Debug)]
pub(crate) struct Member {
    /// host:port that was asked.
    pub(crate) endpoint: String,
    pub(crate) answer: Result<ClusterStatus, CliError>,
    /// What its clock said, if it has answered.
    pub(crate) clock: Option<Clock>,
}

/// One reading of a member's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The second that it had begun, milliseconds since the Unix epoch.
    pub(crate) says_ms: u64,
    /// This host's clock when the question was sent.
    pub(crate) sent_ms: u64,
    /// How long the answer took.
    pub(crate) took: Duration,
}

/// See the module.
pub(crate) struct Around {
    pub(crate) host: Host,
    /// Whom to ask; why there is nobody.
    pub(crate) target: Result<Target, CliError>,
    pub(crate) members: Vec<Member>,
    /// The certificate that this client shows.
    pub(crate) client_certificate: Option<std::path::PathBuf>,
    pub(crate) ca_file: Option<std::path::PathBuf>,
}

impl Around {
    /// Reads the configuration, and asks each member that an option or another member names.
    pub(crate) async fn look(global: &GlobalArgs, config: &Path) -> Self {
        let target = Target::from_global(global);
        let members = match &target {
            Ok(target) => ask_everybody(target).await,
            Err(_) => Vec::new(),
        };
        Self {
            host: Host::read(config),
            target,
            members,
            client_certificate: global.client_certificate.clone(),
            ca_file: global.ca.clone(),
        }
    }

    /// What the members that answered say.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = &ClusterStatus> {
        self.members
            .iter()
            .filter_map(|member| member.answer.as_ref().ok())
    }

    /// Where the members that answered were asked.
    pub(super) fn answering(&self) -> Vec<&str> {
        let answering = self.members.iter().filter(|member| member.answer.is_ok());
        answering.map(|member| member.endpoint.as_str()).collect()
    }

    /// A channel to the first member that has answered.
    ///
    /// # Errors
    /// A note that stands where the answer would have.
    pub(crate) fn connection(&self) -> Result<Connection, Finding> {
        let answered = self.members.iter().find(|member| member.answer.is_ok());
        let (Some(member), Ok(target)) = (answered, &self.target) else {
            return Err(Finding::note("the cluster", "no member answers: not looked at"));
        };
        let connected = target.connect_one(&member.endpoint);
        connected.map_err(|error| Finding::note(&*member.endpoint, first_line(&error)))
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        if let Err(error) = &self.target {
            let remedy =
                "Without the cluster only this host is looked at; `chamois init` prints what to export.";
            return vec![Finding::warning("this client", first_line(error), remedy)];
        }
        self.members.iter().map(Member::finding).collect()
    }
}

impl Member {
    fn finding(&self) -> Finding {
        match &self.answer {
            Ok(status) => Finding::ok(
                &*self.endpoint,
                format!("member {} of `{}` answers", status.member_id, status.cluster_name),
            ),
            Err(error) if error.kind() == Kind::Denied => Finding::error(
                &*self.endpoint,
                first_line(error),
                "It answers, and this client has no valid token: `chamois login`, or `chamois token issue`.",
            ),
            Err(error) => Finding::error(
                &*self.endpoint,
                first_line(error),
                "On that host: `systemctl status chamois`, `journalctl -u chamois`, and `chamois doctor` again.",
            ),
        }
    }
}

async fn ask_everybody(target: &Target) -> Vec<Member> {
    let mut members = ask_all(target, &target.endpoints).await;
    let known = |id: u64, address: &str| {
        members.iter().any(|member| {
            member.endpoint == address || member.answer.as_ref().is_ok_and(|status| status.member_id == id)
        })
    };
    let first = members.iter().find_map(|member| member.answer.as_ref().ok());
    let named = first.map(|status| status.members.as_slice()).unwrap_or_default();
    let others = named
        .iter()
        .filter(|member| !member.api_address.is_empty() && !known(member.id, &member.api_address));
    let others: Vec<String> = others.map(|member| member.api_address.clone()).collect();
    members.extend(ask_all(target, &others).await);
    members
}

async fn ask_all(target: &Target, endpoints: &[String]) -> Vec<Member> {
    join_all(endpoints.iter().map(|endpoint| ask(target, endpoint))).await
}

async fn ask(target: &Target, endpoint: &str) -> Member {
    let (sent_ms, started) = (utc::unix_ms(SystemTime::now()), Instant::now());
    let asked = async {
        let mut client = ClusterServiceClient::new(target.connect_one(endpoint)?);
        Ok::<_, CliError>(client.get_status(GetStatusRequest {}).await?)
    };
    let (answer, clock) = match at_once::within(target.answer_at_most(), asked).await {
        Err(error) => (Err(error), None),
        Ok(response) => {
            let date = response
                .metadata()
                .get("date")
                .and_then(|value| value.to_str().ok());
            let clock = date.and_then(http_date::parse).map(|says_ms| Clock {
                says_ms,
                sent_ms,
                took: started.elapsed(),
            });
            (Ok(response.into_inner()), clock)
        }
    };
    Member {
        endpoint: endpoint.to_owned(),
        answer,
        clock,
    }
}

/// What went wrong, without the remedy of the command that it usually belongs to.
pub(crate) fn first_line(error: &CliError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// An [`Around`] of these answers, for the tests of the checks.
#[cfg(test)]
pub(crate) fn with(answers: Vec<Result<ClusterStatus, CliError>>) -> Around {
    let member = |(id, answer)| Member {
        endpoint: format!("10.0.0.{id}:7441"),
        answer,
        clock: None,
    };
    Around {
        host: Host::Other,
        target: Err(CliError::new(Kind::Usage, "no endpoint\nadvice")),
        members: (1..).zip(answers).map(member).collect(),
        client_certificate: None,
        ca_file: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn without_endpoints_the_rest_is_still_looked_at() {
        let found = with(Vec::new()).findings();
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
        assert_eq!(
            found[0].what, "no endpoint",
            "the advice of another command is not ours"
        );
    }

    /// Who is refused has another problem than who finds nobody.
    #[test]
    fn a_member_that_is_away_and_one_that_refuses_have_their_own_remedies() {
        let away = Member {
            endpoint: "a:7441".into(),
            answer: Err(CliError::new(Kind::Unavailable, "cannot reach it")),
            clock: None,
        };
        let refuses = Member {
            answer: Err(CliError::new(Kind::Denied, "the token has expired")),
            endpoint: "b:7441".into(),
            clock: None,
        };
        for (member, remedy) in [(away, "systemctl status"), (refuses, "chamois token issue")] {
            let found = member.finding();
            assert_eq!(found.severity, Severity::Error);
            assert!(found.remedy.contains(remedy), "{found:?}");
        }
    }

    #[test]
    fn nobody_to_ask_is_a_note_where_the_answer_would_stand() {
        let around = with(vec![Err(CliError::new(Kind::Unavailable, "x"))]);
        assert_eq!(around.connection().err().unwrap().severity, Severity::Note);
    }
}

//! A question to the cluster: may somebody do something, and why.

use clap::Args;
use proto::auth::v1::policy_service_client::PolicyServiceClient;
use proto::auth::v1::{CheckAccessRequest, CheckAccessResponse};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::nodes;

/// How one asks about oneself.
const ONESELF: &str = "me";

/// Who does what to which object.
#[derive(Clone, Debug, Args)]
pub struct Question {
    /// user/<name>, service/<name>, node/<xname> or token/<name>; `me` is whoever asks
    #[arg(value_name = "PRINCIPAL")]
    pub principal: String,
    /// A permission (bss.write), a method (/package.Service/Method) or a route ('GET /hsm/v2/State/Components')
    #[arg(value_name = "ACTION")]
    pub action: String,
    /// An xname or group/<label>; without one: whether it is given anywhere
    #[arg(value_name = "OBJECT", default_value = "", hide_default_value = true)]
    pub object: String,
    /// A group that the OIDC provider would name
    #[arg(long = "group", value_delimiter = ',', value_name = "NAME")]
    pub groups: Vec<String>,
    /// Kind of the object, e.g. boot_configuration
    #[arg(long, default_value = "", hide_default_value = true, value_name = "KIND")]
    pub kind: String,
}

impl From<Question> for CheckAccessRequest {
    fn from(question: Question) -> Self {
        Self {
            principal: match question.principal.as_str() {
                ONESELF => String::new(),
                _ => question.principal,
            },
            groups: question.groups,
            action: question.action,
            object: question.object,
            kind: question.kind,
        }
    }
}

pub(super) async fn ask(
    global: &GlobalArgs,
    mut question: Question,
) -> Result<CheckAccessResponse, CliError> {
    question.object = nodes::object(global, question.object).await?;
    let mut client = PolicyServiceClient::new(connect::to_any(global)?);
    let request = CheckAccessRequest::from(question);
    Ok(client.check_access(request).await?.into_inner())
}

/// The answer in one line: what gives it, or what is missing.
pub(super) fn verdict(answer: &CheckAccessResponse) -> String {
    let permission = match answer.permission.as_str() {
        "" => String::new(),
        named => format!(" ({named})"),
    };
    if !answer.allowed {
        return format!("denied{permission}");
    }
    let giving = answer.considered.iter().filter(|one| one.gives);
    let giving: Vec<&str> = giving.map(|one| one.policy.as_str()).collect();
    match giving.is_empty() {
        true => format!("allowed{permission}, without a policy"),
        false => format!("allowed{permission} by {}", giving.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proto::auth::v1::check_access_response::Considered;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        question: Question,
    }

    fn parse(words: &[&str]) -> CheckAccessRequest {
        let line = Line::try_parse_from(std::iter::once("check").chain(words.iter().copied()));
        line.unwrap().question.into()
    }

    #[test]
    fn words_become_the_question() {
        let words = [
            "user/ada",
            "GET /hsm/v2/State/Components",
            "x0",
            "--group",
            "ops,hpc",
            "--kind",
            "component",
        ];
        let expected = CheckAccessRequest {
            principal: "user/ada".into(),
            groups: vec!["ops".into(), "hpc".into()],
            action: "GET /hsm/v2/State/Components".into(),
            object: "x0".into(),
            kind: "component".into(),
        };
        assert_eq!(parse(&words), expected);
        let own = parse(&["me", "bss.write"]);
        assert_eq!((own.principal.as_str(), own.object.as_str()), ("", ""));
    }

    #[test]
    fn the_verdict_names_what_gives_or_is_missing() {
        let considered = |policy: &str, gives| Considered {
            policy: policy.into(),
            gives,
            ..Considered::default()
        };
        let mut answer = CheckAccessResponse {
            allowed: true,
            permission: "bss.write".into(),
            considered: vec![
                considered("a", true),
                considered("b", false),
                considered("c", true),
            ],
        };
        assert_eq!(verdict(&answer), "allowed (bss.write) by a, c");
        answer.allowed = false;
        assert_eq!(verdict(&answer), "denied (bss.write)");
        let free = CheckAccessResponse {
            allowed: true,
            ..CheckAccessResponse::default()
        };
        assert_eq!(verdict(&free), "allowed, without a policy");
    }
}

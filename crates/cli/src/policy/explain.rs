//! `chamois policy explain`.

use clap::Args;
use proto::auth::v1::CheckAccessResponse;

use super::ask::{Question, ask, verdict};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format};

/// `chamois policy explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois policy explain user/ada bss.write x1000c0s0b0n0
  chamois policy explain service/sync smd.read

Every policy that names the principal or gives the permission is shown with its reason. Everybody may ask about himself; who asks
about others needs auth.admin.")]
pub struct ExplainArgs {
    /// What is asked.
    #[command(flatten)]
    pub question: Question,
}

pub(super) async fn run(global: &GlobalArgs, args: ExplainArgs) -> Result<(), CliError> {
    let answer = ask(global, args.question).await?;
    match global.output {
        Format::Json => output::print_json("chamois.auth.v1.CheckAccessResponse", &answer),
        Format::Table => {
            output::print(verdict(&answer))?;
            match answer.considered.is_empty() {
                true => Ok(()),
                false => output::print(render(&answer)),
            }
        }
    }
}

/// A row per policy.
fn render(answer: &CheckAccessResponse) -> comfy_table::Table {
    let mut table = output::table(["POLICY", "ROLE", "GIVES", "BECAUSE"]);
    for one in &answer.considered {
        let gives = if one.gives { "yes" } else { "no" };
        table.add_row([one.policy.as_str(), one.role.as_str(), gives, one.reason.as_str()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::check_access_response::Considered;

    use super::*;

    #[test]
    fn every_policy_is_shown_with_its_reason() {
        let considered = Considered {
            policy: "gpu".into(),
            role: "operator".into(),
            gives: false,
            reason: "it holds in groups gpu".into(),
        };
        let answer = CheckAccessResponse {
            considered: vec![considered],
            ..CheckAccessResponse::default()
        };
        let text = render(&answer).to_string();
        for part in ["gpu", "operator", "no", "it holds in groups gpu"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

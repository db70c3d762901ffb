//! `chamois policy explain`.

use clap::Args;
use proto::auth::v1::check_access_response::Considered;

use super::ask::{Question, ask, verdict};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format, Shape, column};

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
    if matches!(global.output, Format::Table | Format::Wide) {
        output::print(verdict(&answer))?;
        if answer.considered.is_empty() {
            return Ok(());
        }
    }
    let whole = ("chamois.auth.v1.CheckAccessResponse", &answer);
    output::list(global, whole, &answer.considered, &CONSIDERED)
}

/// A row per policy.
const CONSIDERED: Shape<Considered> = Shape {
    message: "chamois.auth.v1.CheckAccessResponse.Considered",
    key: |one| one.policy.clone(),
    columns: &[
        column("POLICY", |one| one.policy.clone()),
        column("ROLE", |one| one.role.clone()),
        column("GIVES", |one| if one.gives { "yes" } else { "no" }.to_owned()),
        column("BECAUSE", |one| one.reason.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_shown_with_its_reason() {
        let considered = Considered {
            policy: "gpu".into(),
            role: "operator".into(),
            gives: false,
            reason: "it holds in groups gpu".into(),
        };
        let text = output::plain(&[considered], &CONSIDERED);
        for part in ["gpu", "operator", "no", "it holds in groups gpu"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

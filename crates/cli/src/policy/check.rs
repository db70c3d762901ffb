//! `chamois policy check`.

use clap::Args;

use super::ask::{Question, ask, verdict};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois policy check`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois policy check me bss.write x1000c0s0b0n0
  chamois policy check user/ada 'PUT /boot/v1/bootparameters' x1000c0s0b0n0 --group hpc-ops

Everybody may ask about himself; who asks about others needs auth.admin.")]
pub struct CheckArgs {
    /// What is asked.
    #[command(flatten)]
    pub question: Question,
}

pub(super) async fn run(global: &GlobalArgs, args: CheckArgs) -> Result<(), CliError> {
    let answer = ask(global, args.question).await?;
    output::object(
        global,
        ("chamois.auth.v1.CheckAccessResponse", &answer),
        if answer.allowed { "allowed" } else { "denied" },
        || verdict(&answer),
    )?;
    match answer.allowed {
        true => Ok(()),
        false => Err(CliError::new(Kind::Denied, "it is not allowed")
            .with_remedy("`chamois policy explain` with the same words says what each policy gives.")),
    }
}

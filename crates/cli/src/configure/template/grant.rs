//! `chamois configure template grant`: which passwords a template is shown.

use clap::Args;
use proto::configurator::v1::GrantTemplateSecretsRequest;

use super::list::TEMPLATES;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

/// `chamois configure template grant`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
What is given takes the place of what it was granted before. The grant is for the text as it is now: a change of the text or of the
path takes it away. Needs the permission configurator-secret.write, which security-admin has.

Examples:
  chamois configure template grant conman default
  chamois configure template grant conman bmc:x1000c0s0b0 group:compute --if-revision 40
  chamois configure template grant conman --none")]
pub struct GrantArgs {
    /// Its name, as `chamois configure template list` shows it
    pub name: String,
    /// Scopes of credentials, as `chamois bmc credential list` shows them
    #[arg(value_name = "SCOPE", required_unless_present = "none")]
    pub secrets: Vec<String>,
    /// Take all away
    #[arg(long, conflicts_with = "secrets")]
    pub none: bool,
    /// Only if its last change is this one: for the text that was looked at
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: GrantArgs) -> Result<(), CliError> {
    let request = GrantTemplateSecretsRequest {
        name: args.name,
        secrets: args.secrets,
        if_revision: args.if_revision,
    };
    let mut client = super::client(global)?;
    let stored = client.grant_template_secrets(request).await?.into_inner();
    output::done(global, ("chamois.configurator.v1.Template", &stored), || {
        output::tabulated(global, std::slice::from_ref(&stored), &TEMPLATES)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: GrantArgs,
    }

    fn parse(words: &str) -> Result<GrantArgs, clap::Error> {
        let words = std::iter::once("grant").chain(words.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args)
    }

    /// A grant that is forgotten to be named must not take away the one there is.
    #[test]
    fn nothing_is_taken_away_unless_that_is_said() {
        assert!(parse("conman").is_err());
        assert!(parse("conman default --none").is_err());
        assert!(parse("conman --none").unwrap().secrets.is_empty());
        assert_eq!(
            parse("conman default group:a").unwrap().secrets,
            ["default", "group:a"]
        );
    }
}

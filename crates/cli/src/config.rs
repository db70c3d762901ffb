//! `chamois config …`: which clusters there are, and which one is meant.

mod delete;
mod import_ochami;
mod list;
mod ochami;
mod set;
mod show;

use clap::{Args, Subcommand};

use crate::args::GlobalArgs;
use crate::contexts::Contexts;
use crate::error::CliError;
use crate::output;

/// Verbs of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// List the contexts; a star marks the one that counts
    #[command(after_help = "\
Examples:
  chamois config list
  chamois config list -o name

Contexts are in ~/.config/chamois/config.toml (XDG_CONFIG_HOME counts); those of the whole site in /etc/chamois/cli.toml.")]
    List,
    /// Show what a context says, or the current one
    Show(show::ShowArgs),
    /// Say which context counts from now on
    Use(NameArgs),
    /// Create or change a context: it keeps the global options that are given
    Set(set::SetArgs),
    /// Forget a context
    Delete(delete::DeleteArgs),
    /// Make contexts of what ochami's configuration says
    ImportOchami(import_ochami::ImportOchamiArgs),
}

/// One context.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  chamois config use prod\n  chamois --context test component list    only this once"
)]
pub struct NameArgs {
    /// Name, as `chamois config list` shows it
    pub name: String,
}

pub(crate) fn run(global: &GlobalArgs, command: ConfigCommand) -> Result<(), CliError> {
    match command {
        ConfigCommand::List => list::run(global),
        ConfigCommand::Show(args) => show::run(global, &args),
        ConfigCommand::Use(args) => use_one(global, &args),
        ConfigCommand::Set(args) => set::run(global, &args),
        ConfigCommand::Delete(args) => delete::run(global, &args),
        ConfigCommand::ImportOchami(args) => import_ochami::run(global, &args),
    }
}

fn use_one(global: &GlobalArgs, args: &NameArgs) -> Result<(), CliError> {
    let mut contexts = Contexts::read()?;
    contexts.get(&args.name)?;
    contexts.own_mut().current = Some(args.name.clone());
    contexts.write()?;
    if let Some(warning) = outranked(&args.name, std::env::var("CHAMOIS_ENDPOINTS").ok().as_deref()) {
        eprintln!("chamois: {warning}");
    }
    let value = serde_json::json!({ "current": args.name });
    output::done_value(global, &value, || format!("{} counts from now on", args.name))
}

/// What to know while variables outrank the context that was chosen.
fn outranked(name: &str, exported: Option<&str>) -> Option<String> {
    let exported = exported.filter(|endpoints| !endpoints.is_empty())?;
    Some(format!(
        "CHAMOIS_ENDPOINTS is set and outranks {name}: {exported} is asked until you unset it, or say --context {name}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_chooses_a_context_learns_that_a_variable_outranks_it() {
        let warning = outranked("prod", Some("test:7441")).unwrap();
        assert!(
            warning.contains("test:7441") && warning.contains("--context prod"),
            "{warning}"
        );
        assert_eq!(outranked("prod", None), None);
        assert_eq!(outranked("prod", Some("")), None);
    }
}

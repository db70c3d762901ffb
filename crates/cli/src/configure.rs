//! `chamois configure …`: files that programs on this host read, made of the cluster's state and kept right.

mod apply;
mod check;
mod diff;
mod feed;
mod notify;
mod pending;
mod refusals;
mod render;
mod reread;
mod revisions;
mod rollback;
mod targets;
mod template;
mod told;
mod watch;
mod work;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use configurator::apply::{ApplyError, Settings};
use serde::Serialize;

pub(crate) use self::feed::Feed;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::{self, Shape};

/// Verbs of `configure`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigureCommand {
    /// What files can be made for, and the options of each
    #[command(after_help = "Examples:\n  chamois configure targets\n  chamois configure targets slurm")]
    Targets(targets::TargetsArgs),
    /// Make files and print them; nothing is written
    Render(render::RenderArgs),
    /// What an apply would change, as a unified diff
    Diff(diff::DiffArgs),
    /// Put the files of this host in their place, checked, all of a set or none
    Apply(apply::ApplyArgs),
    /// Keep the files of this host right, as the state changes
    Watch(watch::WatchArgs),
    /// Check the configuration, and the files by the programs that read them; nothing is written
    Check(check::CheckArgs),
    /// Put files back as they were, and leave them so
    Rollback(rollback::RollbackArgs),
    /// Versions of files that are kept on this host
    Revisions(revisions::RevisionsArgs),
    /// Templates of the site's own
    #[command(subcommand)]
    Template(template::TemplateCommand),
}

/// Where the configuration of this host is.
#[derive(Clone, Debug, Args)]
pub struct SiteArgs {
    /// Which files go where on this host; every key is documented in deploy/examples/configure.toml
    #[arg(long, value_name = "FILE", default_value = "/etc/chamois/configure.toml")]
    pub config: PathBuf,
}

impl SiteArgs {
    fn read(&self) -> Result<Settings, CliError> {
        Settings::read(&self.config).map_err(|error| cli_error(&error))
    }
}

pub(crate) async fn run(global: &GlobalArgs, command: ConfigureCommand) -> Result<(), CliError> {
    match command {
        ConfigureCommand::Targets(args) => targets::run(global, &args),
        ConfigureCommand::Render(args) => render::run(global, args).await,
        ConfigureCommand::Diff(args) => diff::run(global, args).await,
        ConfigureCommand::Apply(args) => apply::run(global, args).await,
        ConfigureCommand::Watch(args) => watch::run(global, args).await,
        ConfigureCommand::Check(args) => check::run(global, args).await,
        ConfigureCommand::Rollback(args) => rollback::run(global, &args),
        ConfigureCommand::Revisions(args) => revisions::run(global, &args),
        ConfigureCommand::Template(command) => template::run(global, command).await,
    }
}

/// The error with all its causes, in its class.
fn cli_error(error: &ApplyError) -> CliError {
    let kind = match error {
        ApplyError::Settings { .. } => Kind::Usage,
        ApplyError::NotFound { .. } => Kind::NotFound,
        ApplyError::Refused { .. } | ApplyError::Locked { .. } => Kind::Conflict,
        ApplyError::Render(
            configurator::Error::UnknownTarget { .. } | configurator::Error::Option { .. },
        ) => Kind::Usage,
        ApplyError::Render(_)
        | ApplyError::Check { .. }
        | ApplyError::Reload { .. }
        | ApplyError::Io { .. }
        | ApplyError::HalfDone { .. } => Kind::Other,
    };
    CliError::new(kind, whole_text(error))
}

/// What happened, and why.
fn whole_text(error: &ApplyError) -> String {
    let mut text = error.to_string();
    let mut cause = match error {
        // is the error itself
        ApplyError::Render(_) => None,
        error => std::error::Error::source(error),
    };
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// One answer that is no message of the API; `key` is what it is named by.
fn print(
    global: &GlobalArgs,
    value: &impl Serialize,
    key: &str,
    text: impl FnOnce() -> String,
) -> Result<(), CliError> {
    output::object_value(global, &json(value)?, key, || text().trim_end().to_owned())
}

/// A list of what is no message of the API.
fn print_list<T: Serialize>(global: &GlobalArgs, rows: &[T], shape: &Shape<T>) -> Result<(), CliError> {
    // what is made of texts, numbers and lists of them is always JSON
    let line = |row: &T| serde_json::to_value(row).unwrap_or_default();
    output::list_of_values(global, &json(&rows)?, rows, shape, line)
}

fn json(value: &impl Serialize) -> Result<serde_json::Value, CliError> {
    let value = serde_json::to_value(value);
    value.map_err(|error| CliError::other("cannot write the answer as JSON", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_class_and_their_cause() {
        let denied = ApplyError::Io {
            step: "replace",
            path: "/etc/hosts".into(),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        let error = cli_error(&denied);
        assert_eq!(error.kind(), Kind::Other);
        assert_eq!(error.to_string(), "cannot replace /etc/hosts: permission denied");
        let unknown = ApplyError::NotFound {
            what: "file set",
            name: "x".to_owned(),
            there_are: "hosts".to_owned(),
        };
        assert_eq!(cli_error(&unknown).exit_code(), 3);
    }
}

//! `chamois group …`: named sets of components, as SMD has them.

mod add;
mod create;
mod delete;
mod list;
mod remove;
mod show;

use clap::Subcommand;
use model::{GroupLabel, InvalidValue, Xname};
use rpc::client::ClientError;
use tonic::{Code, Status};

use crate::args::GlobalArgs;
use crate::error::CliError;

/// Verbs of `group`.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List groups, sorted by label
    List(list::ListArgs),
    /// Show one group with its members
    Show(show::ShowArgs),
    /// Create a group
    Create(create::CreateArgs),
    /// Delete a group; its members stay as they are
    Delete(delete::DeleteArgs),
    /// Add members to a group, all or none
    Add(add::AddArgs),
    /// Remove members from a group, all or none
    Remove(remove::RemoveArgs),
}

pub(crate) async fn run(global: &GlobalArgs, command: GroupCommand) -> Result<(), CliError> {
    match command {
        GroupCommand::List(args) => list::run(global, args).await,
        GroupCommand::Show(args) => show::run(global, args).await,
        GroupCommand::Create(args) => create::run(global, args).await,
        GroupCommand::Delete(args) => delete::run(global, args).await,
        GroupCommand::Add(args) => add::run(global, args).await,
        GroupCommand::Remove(args) => remove::run(global, args).await,
    }
}

/// A label or tag; checked here, so that a slip shows what is accepted before anything is sent.
pub(crate) fn label(text: &str) -> Result<GroupLabel, String> {
    text.parse().map_err(|problem: InvalidValue| problem.to_string())
}

/// A member.
pub(crate) fn xname(text: &str) -> Result<Xname, String> {
    text.parse().map_err(|problem: InvalidValue| problem.to_string())
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}

/// `1 member`, `2 members`.
fn counted(members: usize) -> String {
    match members {
        1 => "1 member".to_owned(),
        many => format!("{many} members"),
    }
}

/// What the cluster said about the group `label`, and which command helps.
fn refused(status: Status, label: &GroupLabel) -> CliError {
    let remedy = match status.code() {
        Code::NotFound if is_about_a_member(&status) => format!("`chamois group show {label}` shows its members."),
        Code::NotFound => "`chamois group list` shows the groups.".to_owned(),
        Code::AlreadyExists => {
            format!("`chamois group show {label}` shows what is there, `chamois group add {label} XNAME` adds members.")
        }
        Code::InvalidArgument => "`chamois component list` shows what can be a member.".to_owned(),
        Code::FailedPrecondition => {
            "`chamois group list` shows the exclusive groups, `chamois group remove LABEL XNAME` takes a member out."
                .to_owned()
        }
        _ => return status.into(),
    };
    CliError::from(status).with_remedy(remedy)
}

fn is_about_a_member(status: &Status) -> bool {
    let told = ClientError::of(status);
    told.kind().is_some_and(|kind| kind.starts_with("member of"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_caught_with_what_is_accepted() {
        assert_eq!(label("Compute").unwrap().as_str(), "compute");
        assert!(
            label("my group")
                .unwrap_err()
                .contains("letters, digits and -:._")
        );
        assert_eq!(xname("X0c0s00b0n0").unwrap().as_str(), "x0c0s0b0n0");
        assert!(xname("node1").unwrap_err().contains("x1000c0s0b0n0 for a node"));
    }

    fn no_member() -> Status {
        let error = rpc::Error::NotFound {
            kind: "member of group compute".to_owned(),
            id: "x".to_owned(),
        };
        Status::from(error)
    }

    /// Each text of the cluster stays, the next command is named, and the exit code is that of the class.
    #[test]
    fn a_refusal_names_the_command_that_helps() {
        let label = label("compute").unwrap();
        for (status, code, command) in [
            (Status::not_found("x"), 3, "chamois group list"),
            (no_member(), 3, "chamois group show compute"),
            (Status::already_exists("x"), 4, "chamois group add compute"),
            (Status::invalid_argument("x"), 2, "chamois component list"),
            (Status::failed_precondition("x"), 4, "chamois group remove"),
            (Status::unavailable("x"), 6, "chamois cluster status"),
        ] {
            let told = format!("{}\n", status.message());
            let error = refused(status, &label);
            assert_eq!(error.exit_code(), code);
            let text = error.to_string();
            assert!(text.starts_with(&told) && text.contains(command), "{text}");
        }
    }
}

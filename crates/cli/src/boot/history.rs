//! `chamois boot history <object>`: who changed it, when, and which fields.

use clap::Args;
use proto::watch::v1::{ListChangesResponse, PastChange};

use super::versioned::{self, Versioned};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format};

/// `chamois boot history`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The last 20 versions of each object are kept, on every member.

Examples:
  chamois boot history x1000c0s0b0n0      boot parameters of a node
  chamois boot history Default
  chamois boot history group/compute      cloud-init data of a group
  chamois boot history node/x1000c0s0b0n0 instance-info of a node
  chamois boot history profile/test       a profile, also when it is gone
  chamois boot history defaults           cloud-init's cluster-defaults

What a group or node has become secret with is taken out of its earlier versions, too.")]
pub struct HistoryArgs {
    /// KEY or params/KEY, config/NAME, group/NAME, node/XNAME, profile/NAME, defaults
    pub object: Versioned,
}

pub(super) async fn run(global: &GlobalArgs, args: HistoryArgs) -> Result<(), CliError> {
    let (changes, oldest_revision) = versioned::changes(global, &args.object).await?;
    match global.output {
        Format::Json => output::print_json(
            "chamois.watch.v1.ListChangesResponse",
            &ListChangesResponse {
                changes,
                oldest_revision,
                next_page_token: String::new(),
            },
        ),
        Format::Table if changes.is_empty() => {
            output::print(format_args!("no change of {} is known", args.object.id))
        }
        Format::Table => {
            output::print(render(&changes))?;
            match oldest_revision {
                0 => Ok(()),
                oldest => output::print(format_args!("Oldest version that is kept: {oldest}.")),
            }
        }
    }
}

fn render(changes: &[PastChange]) -> comfy_table::Table {
    let mut table = output::table(["REVISION", "TIME", "BY", "CHANGE", "FIELDS"]);
    for change in changes {
        let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
        table.add_row([
            change.revision.to_string(),
            change.time.clone(),
            change.principal.clone(),
            change.change.clone(),
            fields.join(", "),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::http::v1::FieldChange;

    use super::*;

    #[test]
    fn a_change_is_one_row_with_who_and_what() {
        let field = |name: &str| FieldChange {
            field: name.into(),
            ..FieldChange::default()
        };
        let change = PastChange {
            revision: 17,
            time: "2026-11-29T17:00:00Z".into(),
            principal: "user/ada".into(),
            change: "updated".into(),
            fields: vec![field("kernel"), field("params")],
            ..PastChange::default()
        };
        let text = render(&[change]).to_string();
        for part in ["17", "user/ada", "updated", "kernel, params"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

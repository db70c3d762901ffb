//! `chamois boot history <object>`: who changed it, when, and which fields.

use clap::Args;
use proto::watch::v1::{ListChangesResponse, PastChange};

use super::versioned::{self, Versioned};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output::{self, Format, Shape, column, wide};

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
    /// KEY or params/KEY, config/NAME, group/NAME, node/NODE, profile/NAME, defaults
    pub object: Versioned,
}

pub(crate) async fn run(global: &GlobalArgs, args: HistoryArgs) -> Result<(), CliError> {
    let object = args.object.resolved(global).await?;
    let (changes, oldest_revision) = versioned::changes(global, &object).await?;
    let answer = ListChangesResponse {
        changes,
        oldest_revision,
        next_page_token: String::new(),
    };
    let is_for_people = matches!(global.output, Format::Table | Format::Wide);
    if is_for_people && answer.changes.is_empty() {
        return output::print(format_args!("no change of {} is known", object.id));
    }
    output::list(
        global,
        ("chamois.watch.v1.ListChangesResponse", &answer),
        &answer.changes,
        &CHANGES,
    )?;
    match oldest_revision {
        oldest if is_for_people && oldest > 0 => {
            output::print(format_args!("Oldest version that is kept: {oldest}."))
        }
        _ => Ok(()),
    }
}

/// A row per change.
const CHANGES: Shape<PastChange> = Shape {
    message: "chamois.watch.v1.PastChange",
    key: |change| change.revision.to_string(),
    columns: &[
        column("REVISION", |change| change.revision.to_string()),
        column("TIME", |change| change.time.clone()),
        column("BY", |change| change.principal.clone()),
        column("CHANGE", |change| change.change.clone()),
        column("FIELDS", |change| {
            let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
            fields.join(", ")
        }),
        wide("AT MS", |change| change.at_ms.to_string()),
    ],
};

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
        let text = output::plain(&[change], &CHANGES);
        for part in ["17", "user/ada", "updated", "kernel, params"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

//! `--dry-run` of the verbs that write: the cluster is asked what it would do (`validate_only`), and nothing is made.
//!
//! A verb has it by standing in `verbs.rs` (or by `#[command(flatten)] pub dry_run: DryRun` among its arguments) and does nothing else
//! for it: its connection sends every write to be tried out only, keeps what the cluster says would change, and ends the verb there,
//! because what it would do next supposes that the write was made.

mod verbs;

use std::fmt::Write as _;

use clap::{ArgMatches, Args};
use proto::http::v1::{FieldChange, ObjectChange, WouldChange};
use rpc::client::{ONLY_TRIED, Trials};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::output;

pub(crate) use verbs::add_flag;

/// By this id the flag is found wherever it stands in the tree of commands. Those that compare before they write have a flag of their
/// own.
const ID: &str = "tried-out";
/// Bytes of a value that are shown to people.
const VALUE_BYTES_MAX: usize = 120;

// The flag of a verb that writes; no comment for the documentation, which clap would make the verb's own description.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct DryRun {
    /// Change nothing; show what would change, or why it would be refused
    #[arg(id = ID, long = "dry-run")]
    pub(crate) dry_run: bool,
}

/// Whether the verb that is meant was given the flag.
pub(crate) fn is_asked(matches: &ArgMatches) -> bool {
    let mut verb = matches;
    while let Some((_, below)) = verb.subcommand() {
        verb = below;
    }
    matches!(verb.try_get_one::<bool>(ID), Ok(Some(true)))
}

/// The end of a verb that was only tried out: what would have changed is told in the place of the error that ended it.
///
/// # Errors
/// The verb's own; and one that wrote nothing has ended well or badly without being tried.
pub(crate) fn end(global: &GlobalArgs, trials: &Trials, ended: Result<(), CliError>) -> Result<(), CliError> {
    let Some(told) = trials.would_change() else {
        return ended;
    };
    output::object(global, ("chamois.http.v1.WouldChange", &told), "", || text(&told))?;
    match ended {
        Err(error) if !error.to_string().contains(ONLY_TRIED) => Err(error),
        _ => Ok(()),
    }
}

/// What would change, for people.
pub(crate) fn text(told: &WouldChange) -> String {
    let mut text = String::new();
    for change in told.changes.iter().filter(|change| is_change(change)) {
        let ObjectChange { kind, id, .. } = change;
        let _ = writeln!(
            text,
            "would be {}: {} {id}",
            change.change,
            kind.replace('_', " ")
        );
        for field in change.fields.iter().filter(|field| field.field != "meta") {
            let _ = writeln!(text, "  {}", shown(field));
        }
    }
    match (told.left_out, text.is_empty()) {
        (0, true) => text.push_str("nothing would change; "),
        (0, false) => {}
        (more, _) => {
            let _ = writeln!(text, "and {more} more objects");
        }
    }
    text.push_str("nothing was changed");
    text
}

/// Whether more than the note of who wrote would be another.
pub(crate) fn is_change(change: &ObjectChange) -> bool {
    change.change != "updated" || change.fields.iter().any(|field| field.field != "meta")
}

fn shown(field: &FieldChange) -> String {
    let side = |value: &Option<prost_types::Value>| match value {
        None => "-".to_owned(),
        Some(value) => {
            let json = output::to_value("google.protobuf.Value", value);
            cut(json.map(|json| json.to_string()).unwrap_or_default())
        }
    };
    format!(
        "{}: {} -> {}",
        field.field,
        side(&field.before),
        side(&field.after)
    )
}

fn cut(mut text: String) -> String {
    if text.len() > VALUE_BYTES_MAX {
        let end = (0..=VALUE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::args::Cli;

    fn value(text: &str) -> Option<prost_types::Value> {
        Some(prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
        })
    }

    fn change(change: &str, fields: &[(&str, &str, &str)]) -> ObjectChange {
        ObjectChange {
            change: change.into(),
            kind: "boot_configuration".into(),
            id: "compute".into(),
            fields: fields
                .iter()
                .map(|(field, before, after)| FieldChange {
                    field: (*field).to_owned(),
                    before: value(before),
                    after: value(after),
                })
                .collect(),
        }
    }

    #[test]
    fn what_would_change_is_told_field_by_field_without_the_note_of_the_writer() {
        let told = WouldChange {
            changes: vec![change("updated", &[("params", "a", "b"), ("meta", "1", "2")])],
            left_out: 3,
            ..WouldChange::default()
        };
        let expected = "would be updated: boot configuration compute\n  params: \"a\" -> \"b\"\n\
                        and 3 more objects\nnothing was changed";
        assert_eq!(text(&told), expected);
    }

    /// That a later write of the verb would be refused is no success.
    #[test]
    fn the_trial_is_the_end_but_a_refusal_is_an_error() {
        let global = GlobalArgs::default();
        let nothing = Trials::new([]);
        let refused = || Err(CliError::from(tonic::Status::not_found("no such group")));
        assert_eq!(end(&global, &nothing, refused()).unwrap_err().exit_code(), 3);
        end(&global, &nothing, Ok(())).unwrap();
    }

    /// The same values again are a write, and no change.
    #[test]
    fn a_write_of_what_is_there_changes_nothing() {
        let told = WouldChange {
            changes: vec![change("updated", &[("meta", "1", "2")])],
            ..WouldChange::default()
        };
        assert_eq!(text(&told), "nothing would change; nothing was changed");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert!(cut("ü".repeat(100)).ends_with("ü…"));
        assert_eq!(cut("short".to_owned()), "short");
    }

    #[test]
    fn the_flag_is_found_at_the_verb_that_is_meant() {
        for (line, asked) in [
            ("chamois group delete compute --dry-run", true),
            ("chamois group delete compute", false),
            ("chamois cluster status", false),
        ] {
            let matches = Cli::command()
                .try_get_matches_from(line.split_whitespace())
                .unwrap();
            assert_eq!(is_asked(&matches), asked, "{line}");
            Cli::from_arg_matches(&matches).unwrap();
        }
    }
}

//! `chamois nodeset …`: nodesets for scripts, as ClusterShell's `nodeset` has them; without groups it asks nobody.

mod list;
mod names;

use clap::{Args, Subcommand};
use model::NodeNames;
use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::nodes::SOURCES;
use crate::output::{self, Format};

const SYNTAX: &str = "\
Examples:
  chamois nodeset expand 'x1000c0s[0-7]b0n0'             eight names
  chamois nodeset fold n1 n2 n3 n10                      n[1-3,10]
  chamois nodeset count '@role:Compute!@state:Off'       what the cluster says now
  scontrol show hostnames | chamois nodeset fold -       names of standard input, # begins a comment

A nodeset is names, from left to right: `,` or a blank adds, `!` takes away, `&` leaves those of both, `^` those of one of both.
  n[1-3,07,10-20/2]     ranges, leading zeros, steps; a name may have several brackets
  @compute              the group with this label
  @role:Compute         and subrole, state, flag, arch, class, type, partition: `chamois nodeset sources`
  @*  @all              every node
  x1000c*s?b0n0         those nodes that fit
Without `@`, `*` and `?` no cluster is asked. Quote it, or the shell reads the brackets.";

/// Verbs of `nodeset`.
#[derive(Debug, Subcommand)]
pub enum NodesetCommand {
    /// Print each name
    #[command(after_help = SYNTAX)]
    Expand(ExpandArgs),
    /// Print all names as one nodeset
    #[command(after_help = SYNTAX)]
    Fold(SetArgs),
    /// Print how many names it is
    #[command(after_help = SYNTAX)]
    Count(SetArgs),
    /// List groups, or those that nodes are in
    List(list::ListArgs),
    /// List what there are groups of
    #[command(after_help = "Example:\n  chamois nodeset sources")]
    Sources,
}

/// Nodesets that count as one.
#[derive(Clone, Debug, Args)]
pub struct SetArgs {
    /// Nodesets; `-`, or none: those of standard input
    #[arg(value_name = "NODESET")]
    pub sets: Vec<String>,
}

/// `chamois nodeset expand`.
#[derive(Clone, Debug, Args)]
pub struct ExpandArgs {
    /// Which names.
    #[command(flatten)]
    pub of: SetArgs,
    /// What stands between two names
    #[arg(
        short = 'S',
        long,
        default_value = " ",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub separator: String,
}

pub(crate) async fn run(global: &GlobalArgs, command: NodesetCommand) -> Result<(), CliError> {
    match command {
        NodesetCommand::Expand(args) => {
            let names = names::of(global, &args.of.sets).await?;
            output::write(&expanded(global.output, &names, &args.separator))
        }
        NodesetCommand::Fold(args) => {
            let folded = names::of(global, &args.sets).await?.fold();
            output::object_value(global, &json!(folded), &folded, || &folded)
        }
        NodesetCommand::Count(args) => output::print(names::of(global, &args.sets).await?.len()),
        NodesetCommand::List(args) => list::run(global, args).await,
        NodesetCommand::Sources => sources(global),
    }
}

/// Every name, each ended, or with a separator between them.
fn expanded(format: Format, names: &NodeNames, separator: &str) -> String {
    let names: Vec<&str> = names.iter().collect();
    match (
        format,
        documents(format, names.iter().map(|name| json!(name)).collect()),
    ) {
        (_, Some(text)) => text,
        (Format::Name, None) => names.iter().map(|name| format!("{name}\n")).collect(),
        (_, None) => format!("{}\n", names.join(&separator.replace("\\n", "\n"))),
    }
}

fn sources(global: &GlobalArgs) -> Result<(), CliError> {
    let names = SOURCES.map(|(name, _)| name);
    if let Some(text) = documents(global.output, names.iter().map(|name| json!(name)).collect()) {
        return output::write(&text);
    }
    if global.output == Format::Name {
        return output::print_lines(&names.map(str::to_owned));
    }
    let mut table = output::table(["SOURCE", "GROUPS"]);
    for (name, meaning) in SOURCES {
        table.add_row([name, meaning]);
    }
    output::print(table)
}

/// A list in the forms for programs: one document, or a line each; `None`: it is for people.
fn documents(format: Format, rows: Vec<Value>) -> Option<String> {
    match format {
        Format::Json | Format::Yaml => {
            let document = output::value_document(format, &Value::Array(rows));
            Some(format!("{document}\n"))
        }
        Format::Jsonl => Some(rows.iter().map(|row| format!("{row}\n")).collect()),
        Format::Table | Format::Wide | Format::Name => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: NodesetCommand,
    }

    #[test]
    fn standard_input_is_a_hyphen_and_nothing_is_split_at_commas() {
        let line = Line::try_parse_from(["nodeset", "fold", "n[1,2]", "-", "a,b"]).unwrap();
        let NodesetCommand::Fold(args) = line.command else {
            panic!("not fold")
        };
        assert_eq!(args.sets, ["n[1,2]", "-", "a,b"]);
    }

    #[test]
    fn names_have_every_form_that_answers_have() {
        let names: NodeNames = ["n1", "n2"].into_iter().collect();
        for (format, text) in [
            (Format::Table, "n1,n2\n"),
            (Format::Wide, "n1,n2\n"),
            (Format::Name, "n1\nn2\n"),
            (Format::Json, "[\"n1\",\"n2\"]\n"),
            (Format::Yaml, "- n1\n- n2\n"),
            (Format::Jsonl, "\"n1\"\n\"n2\"\n"),
        ] {
            assert_eq!(expanded(format, &names, ","), text, "{format:?}");
        }
        assert_eq!(expanded(Format::Table, &names, "\\n"), "n1\nn2\n");
        let none = NodeNames::default();
        assert_eq!(expanded(Format::Jsonl, &none, ","), "");
        assert_eq!(expanded(Format::Json, &none, ","), "[]\n");
    }
}
